package arrowredis_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

func TestCancelAndCloseOfAReaderInUse(t *testing.T) {
	redis := startRedis(t)
	generated(t, openStore(t, redis.url()), "demo")
	for name, end := range map[string]func(*arrowredis.Reader){
		"cancel": (*arrowredis.Reader).Cancel,
		"close":  func(reader *arrowredis.Reader) { _ = reader.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			hole := startProxy(t, redis.address)
			dataset := openDataset(t, openStore(t, hole.url()), "demo")
			hole.swallows(true)
			reader, err := dataset.Read(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Release()
			time.AfterFunc(100*time.Millisecond, func() { end(reader) })
			if reader.Next() || !errors.Is(reader.Err(), arrowredis.ErrCancelled) || errors.Is(reader.Err(), context.Canceled) {
				t.Fatal(reader.Err())
			}
		})
	}
}

// A thousand reads that are cancelled at various moments leave no handle, goroutine or connection behind.
func TestAThousandCancelledReads(t *testing.T) {
	redis := startRedis(t)
	generated(t, openStore(t, redis.url()), "demo")
	before := arrowredis.LiveHandles()
	goroutines, clients := runtime.NumGoroutine(), redis.clients(t)
	store, err := arrowredis.OpenStore(redis.url(), &arrowredis.StoreOptions{Connections: 4})
	if err != nil {
		t.Fatal(err)
	}
	dataset, err := store.Dataset(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	cancelled := 0
	for i := range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(i%50)*20*time.Microsecond, cancel)
		reader, err := dataset.Read(ctx, nil)
		if err == nil {
			for reader.Next() {
			}
			err = reader.Err()
			reader.Release()
		}
		if errors.Is(err, context.Canceled) {
			cancelled++
		} else if err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	if open := redis.clients(t) - clients; open > 4 {
		t.Errorf("%d connections, of 4 at the most", open)
	}
	_, _ = dataset.Close(), store.Close()
	settled := func() bool {
		return arrowredis.LiveHandles() <= before && runtime.NumGoroutine() <= goroutines && redis.clients(t) <= clients
	}
	for range 500 {
		if settled() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !settled() {
		t.Errorf("left: %d handles, %d goroutines, %d connections", arrowredis.LiveHandles()-before,
			runtime.NumGoroutine()-goroutines, redis.clients(t)-clients)
	}
	if cancelled < 100 {
		t.Errorf("only %d reads were cancelled", cancelled)
	}
}

func TestClosedObjectsSaySo(t *testing.T) {
	store := openStore(t, "memory://closed")
	dataset := generated(t, store, "demo")
	reader, err := dataset.Read(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	side, err := dataset.VerifySide(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := errors.Join(store.Close(), dataset.Close(), side.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if !reader.Next() {
		t.Fatal("a reader goes on without its store and dataset: ", reader.Err())
	}
	for range 2 {
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if reader.Next() {
		t.Fatal("a closed reader has no batch")
	}
	_, metrics := reader.Metrics()
	_, ping := store.Ping(t.Context())
	_, info := dataset.Info()
	_, verified := arrowredis.Verify(t.Context(), side, side, nil)
	for _, err := range []error{reader.Err(), metrics, ping, info, verified, reader.StreamErr()} {
		if !errors.Is(err, arrowredis.ErrInvalidArgument) {
			t.Error(err)
		}
	}
	if store.String() != "closed store" {
		t.Error(store)
	}
}

func TestReferencesOfAReaderAreCounted(t *testing.T) {
	reader, err := generated(t, openStore(t, "memory://references"), "demo").Read(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	reader.Retain()
	reader.Release()
	if !reader.Next() {
		t.Fatal("one reference is left: ", reader.Err())
	}
	reader.Release()
	if reader.Next() || reader.RecordBatch() != nil || !errors.Is(reader.Err(), arrowredis.ErrInvalidArgument) {
		t.Fatal("no reference is left: ", reader.Err())
	}
}

// What a program forgets to close is freed with the garbage, as a safety net.
func TestWhatIsForgottenIsFreed(t *testing.T) {
	redis := startRedis(t)
	before := arrowredis.LiveHandles()
	func() {
		store, err := arrowredis.OpenStore(redis.url(), nil)
		if err != nil {
			t.Fatal(err)
		}
		source, err := arrowredis.Generate(t.Context(), small)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Split(t.Context(), "demo", source, nil); err != nil {
			t.Fatal(err)
		}
		dataset, err := store.Dataset(t.Context(), "demo")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.VerifySide(nil); err != nil {
			t.Fatal(err)
		}
		reader, err := dataset.Read(t.Context(), nil)
		if err != nil || !reader.Next() {
			t.Fatal(err)
		}
		if _, err := store.NewWriter(t.Context(), "other", arrow.NewSchema(nil, nil), nil); err != nil {
			t.Fatal(err)
		}
	}()
	for range 500 {
		runtime.GC()
		if arrowredis.LiveHandles() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d handles are left", arrowredis.LiveHandles()-before)
}

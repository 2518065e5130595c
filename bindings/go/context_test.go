package arrowredis_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

// A call returns within 100 ms of its context's end; on a busy machine the scheduler may take this much more. What is
// told apart is that from the seconds which the store's own timeouts would take.
const prompt = 2 * time.Second

// inBlackHole runs a call against a server that never answers, ends its context, and says how long the call went on.
func inBlackHole(t *testing.T, end string, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ended time.Time
	if end == "deadline" {
		ended = time.Now().Add(150 * time.Millisecond)
		ctx, cancel = context.WithDeadline(ctx, ended)
		defer cancel()
	} else {
		time.AfterFunc(150*time.Millisecond, func() {
			ended = time.Now()
			cancel()
		})
	}
	err := call(ctx)
	late := time.Since(ended)
	want, code := error(context.Canceled), arrowredis.ErrCancelled
	if end == "deadline" {
		want, code = context.DeadlineExceeded, arrowredis.ErrTimeout
	}
	var failure *arrowredis.Error
	if !errors.Is(err, want) || !errors.Is(err, code) || !errors.As(err, &failure) {
		t.Errorf("%v", err)
	}
	if ctx.Err() == nil && end != "deadline" || late < 0 && end != "deadline" || late > prompt {
		t.Errorf("%s: the call returned %v after its context had ended", end, late)
	}
	t.Logf("returned after %v: %v", late, err)
}

func TestCallsEndWithTheirContextWhenTheServerDoesNotAnswer(t *testing.T) {
	redis := startRedis(t)
	direct := openStore(t, redis.url())
	generated(t, direct, "demo")
	file := filepath.Join(t.TempDir(), "dataset.arrow")
	if _, err := arrowredis.GenerateFile(t.Context(), file, small); err != nil {
		t.Fatal(err)
	}
	hole := startProxy(t, "")
	calls := map[string]func(*testing.T, context.Context, *arrowredis.Store) error{
		"ping": func(_ *testing.T, ctx context.Context, store *arrowredis.Store) error {
			_, err := store.Ping(ctx)
			return err
		},
		"dataset": func(_ *testing.T, ctx context.Context, store *arrowredis.Store) error {
			_, err := store.Dataset(ctx, "demo")
			return err
		},
		"list": func(_ *testing.T, ctx context.Context, store *arrowredis.Store) error {
			_, err := store.List(ctx, "")
			return err
		},
		"delete": func(_ *testing.T, ctx context.Context, store *arrowredis.Store) error {
			_, err := store.Delete(ctx, "demo")
			return err
		},
		"split file": func(_ *testing.T, ctx context.Context, store *arrowredis.Store) error {
			_, err := store.SplitFile(ctx, "demo", file, nil)
			return err
		},
		"split": func(t *testing.T, ctx context.Context, store *arrowredis.Store) error {
			source, err := arrowredis.Generate(t.Context(), small)
			if err != nil {
				t.Fatal(err)
			}
			defer source.Release()
			_, err = store.Split(ctx, "demo", source, nil)
			return err
		},
	}
	for name, call := range calls {
		for _, end := range []string{"cancel", "deadline"} {
			t.Run(name+"/"+end, func(t *testing.T) {
				store := openStore(t, hole.url())
				inBlackHole(t, end, func(ctx context.Context) error { return call(t, ctx, store) })
			})
		}
	}
}

func TestReadsEndWithTheirContextWhenTheServerStopsAnswering(t *testing.T) {
	redis := startRedis(t)
	generated(t, openStore(t, redis.url()), "demo")
	calls := map[string]func(*testing.T, context.Context, *arrowredis.Dataset) error{
		"read": func(_ *testing.T, ctx context.Context, dataset *arrowredis.Dataset) error {
			reader, err := dataset.Read(ctx, nil)
			if err != nil {
				return err
			}
			defer reader.Release()
			for reader.Next() {
			}
			return reader.Err()
		},
		"read to file": func(t *testing.T, ctx context.Context, dataset *arrowredis.Dataset) error {
			target := filepath.Join(t.TempDir(), "back.arrow")
			_, err := dataset.ReadToFile(ctx, target, "", nil)
			if _, gone := os.Stat(target); gone == nil {
				t.Error("an incomplete file has its name")
			}
			return err
		},
		"verify": func(t *testing.T, ctx context.Context, dataset *arrowredis.Dataset) error {
			left, err1 := dataset.VerifySide(nil)
			right, err2 := dataset.VerifySide(nil)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = left.Close(), right.Close() }()
			_, err := arrowredis.Verify(ctx, left, right, nil)
			return err
		},
	}
	for name, call := range calls {
		for _, end := range []string{"cancel", "deadline"} {
			t.Run(name+"/"+end, func(t *testing.T) {
				hole := startProxy(t, redis.address)
				dataset := openDataset(t, openStore(t, hole.url()), "demo")
				hole.swallows(true)
				inBlackHole(t, end, func(ctx context.Context) error { return call(t, ctx, dataset) })
			})
		}
	}
}

// An upload whose server falls silent in the middle cannot clean up at once: its caller does not wait for that.
func TestAnUploadEndsWithItsContextWhenTheServerStopsAnswering(t *testing.T) {
	redis := startRedis(t)
	for _, end := range []string{"cancel", "deadline"} {
		t.Run(end, func(t *testing.T) {
			hole := startProxy(t, redis.address)
			store, err := arrowredis.OpenStore(hole.url(), &arrowredis.StoreOptions{
				Timeout: time.Second, ConnectTimeout: time.Second, MaxRetries: new(0),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = store.Close() }()
			schema, batches := cities(memory.NewGoAllocator())
			options := &arrowredis.SplitOptions{PartitionColumn: "country"}
			inBlackHole(t, end, func(ctx context.Context) error {
				writer, err := store.NewWriter(ctx, "cities-"+end, schema, options)
				if err != nil {
					return err
				}
				defer func() { _ = writer.Close() }()
				if err := writer.Write(batches[0]); err != nil {
					return err
				}
				// Let it take the lease, so that there is something to give back.
				time.Sleep(50 * time.Millisecond)
				hole.swallows(true)
				if err := writer.Write(batches[1]); err != nil {
					return err
				}
				_, err = writer.Finish()
				return err
			})
		})
	}
}

func TestAContextThatHasEndedStartsNothing(t *testing.T) {
	store := openStore(t, "memory://ended")
	dataset := generated(t, store, "demo")
	broken := errors.New("the client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	_, err := dataset.Read(ctx, nil)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, broken) || !errors.Is(err, arrowredis.ErrCancelled) {
		t.Fatal(err)
	}
	if want := "arrowredis: CANCELLED: context canceled: the client went away"; err.Error() != want {
		t.Fatal(err)
	}
	schema, _ := cities(memory.NewGoAllocator())
	for _, call := range []func() error{
		func() error { _, err := arrowredis.Generate(ctx, small); return err },
		func() error { _, err := arrowredis.GenerateFile(ctx, "never.arrow", small); return err },
		func() error { _, err := arrowredis.ReadFile(ctx, "never.arrow", nil); return err },
		func() error { _, err := dataset.Schema(ctx); return err },
		func() error { _, err := dataset.ReadToFile(ctx, "never.arrow", "", nil); return err },
		func() error { _, err := store.NewWriter(ctx, "other", schema, nil); return err },
		func() error { _, err := store.SplitFile(ctx, "other", "never.arrow", nil); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func TestAReaderStopsBetweenBatches(t *testing.T) {
	dataset := generated(t, openStore(t, "memory://between"), "demo")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, err := dataset.Read(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	if !reader.Next() {
		t.Fatal(reader.Err())
	}
	batch := reader.RecordBatch()
	batch.Retain()
	defer batch.Release()
	cancel()
	for range 2 {
		if reader.Next() || !errors.Is(reader.Err(), context.Canceled) {
			t.Fatal(reader.Err())
		}
	}
	if batch.NumRows() != 500 {
		t.Fatal("a retained batch stays")
	}
}

func TestADescriptionHasNoCredential(t *testing.T) {
	store := openStore(t, "redis://bob:s3cr3t@127.0.0.1:6379/2")
	if text := store.String(); !strings.Contains(text, "127.0.0.1:6379") || strings.Contains(text, "s3cr3t") {
		t.Fatal(text)
	}
}

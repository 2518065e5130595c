package arrowredis_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

const (
	// A call returns within this time of its context's end.
	prompt = 100 * time.Millisecond
	// How often a call is made: the median counts, since the scheduler of a busy machine may take its time once or twice.
	attempts = 5
	// Long enough for a call to be waiting for its server.
	patience = 100 * time.Millisecond
)

// inBlackHole makes calls against a server that never answers, ends their contexts, and checks how long they go on.
func inBlackHole(t *testing.T, end string, call func(context.Context) error) {
	t.Helper()
	late := make([]time.Duration, attempts)
	for i := range late {
		late[i] = lateness(t, end, call)
	}
	slices.Sort(late)
	if median := late[attempts/2]; median > prompt {
		t.Errorf("%s: the calls returned %v after their contexts had ended, median %v", end, late, median)
	}
	t.Logf("returned after %v", late)
}

// lateness makes one call, and says how long it went on after its context had ended.
func lateness(t *testing.T, end string, call func(context.Context) error) time.Duration {
	t.Helper()
	ended := time.Now().Add(patience)
	want, code := error(context.DeadlineExceeded), arrowredis.ErrTimeout
	ctx, cancel := context.WithDeadline(t.Context(), ended)
	if end == "cancel" {
		want, code = context.Canceled, arrowredis.ErrCancelled
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Until(ended), cancel)
	}
	defer cancel()
	err := call(ctx)
	late := time.Since(ended)
	var failure *arrowredis.Error
	if !errors.Is(err, want) || !errors.Is(err, code) || !errors.As(err, &failure) {
		t.Errorf("%s: %v", end, err)
	}
	return late
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
			schema, batches := cities(memory.NewGoAllocator())
			options := &arrowredis.SplitOptions{PartitionColumn: "country"}
			attempt := 0
			inBlackHole(t, end, func(ctx context.Context) error {
				attempt++
				prefix := fmt.Sprintf("cities-%s-%d", end, attempt)
				hole := startProxy(t, redis.address)
				store := openStoreWith(t, hole.url(), &arrowredis.StoreOptions{
					Timeout: time.Second, ConnectTimeout: time.Second, MaxRetries: new(0),
				})
				writer, err := store.NewWriter(ctx, prefix, schema, options)
				if err != nil {
					return err
				}
				defer func() { _ = writer.Close() }()
				if err := writer.Write(batches[0]); err != nil {
					return err
				}
				// Once it has the lease there is something to give back.
				for has := "0"; has != ":1" && ctx.Err() == nil; {
					if has, err = redis.command("EXISTS " + prefix + ":upload"); err != nil {
						return err
					}
				}
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

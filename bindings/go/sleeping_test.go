package arrowredis_test

import (
	"context"
	"syscall"
	"testing"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

// A server that is stopped takes connections and requests, and answers nothing.
func TestCallsEndWithTheirContextWhenTheServerSleeps(t *testing.T) {
	redis := startRedis(t)
	dataset := generated(t, openStore(t, redis.url()), "demo")
	if err := redis.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// What is under way ends with the server, and could otherwise wait for it at the end of the test.
	t.Cleanup(func() { _ = redis.process.Signal(syscall.SIGCONT) })
	store := openStore(t, redis.url())
	calls := map[string]func(context.Context) error{
		"ping":    func(ctx context.Context) error { _, err := store.Ping(ctx); return err },
		"dataset": func(ctx context.Context) error { _, err := store.Dataset(ctx, "demo"); return err },
		"list":    func(ctx context.Context) error { _, err := store.List(ctx, ""); return err },
		"delete":  func(ctx context.Context) error { _, err := store.Delete(ctx, "demo"); return err },
		"split": func(ctx context.Context) error {
			source, err := arrowredis.Generate(t.Context(), small)
			if err != nil {
				t.Fatal(err)
			}
			defer source.Release()
			_, err = store.Split(ctx, "other", source, nil)
			return err
		},
		"read": func(ctx context.Context) error {
			reader, err := dataset.Read(ctx, nil)
			if err != nil {
				return err
			}
			defer reader.Release()
			for reader.Next() {
			}
			return reader.Err()
		},
	}
	for name, call := range calls {
		for _, end := range []string{"cancel", "deadline"} {
			t.Run(name+"/"+end, func(t *testing.T) { inBlackHole(t, end, call) })
		}
	}
}

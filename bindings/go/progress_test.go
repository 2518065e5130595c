package arrowredis_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

func TestProgress(t *testing.T) {
	var progress arrowredis.Progress
	if progress.Metrics() != (arrowredis.Metrics{}) {
		t.Fatal("nothing has started")
	}
	ctx := arrowredis.WithMaxInflightBytes(arrowredis.WithProgress(t.Context(), &progress), 1<<20)
	watching, stop := context.WithCancel(t.Context())
	figures := progress.Watch(watching, time.Millisecond)
	store := openStore(t, "memory://progress")
	reader, err := arrowredis.Generate(ctx, small)
	if err != nil {
		t.Fatal(err)
	}
	var seen arrowredis.Metrics
	for reader.Next() {
		seen = <-figures
	}
	reader.Release()
	if seen.Rows == 0 || progress.Metrics().Rows != 3000 {
		t.Fatalf("%+v, %+v", seen, progress.Metrics())
	}
	stop()
	for range figures { // it is closed
	}
	file := filepath.Join(t.TempDir(), "dataset.arrow")
	if _, err := arrowredis.GenerateFile(ctx, file, small); err != nil {
		t.Fatal(err)
	}
	if _, err := store.SplitFile(ctx, "demo", file, nil); err != nil {
		t.Fatal(err)
	}
	if done := progress.Metrics(); done.Chunks != 6 || done.ChunksExpected != 6 || done.Rows != 3000 {
		t.Fatalf("%+v", done)
	}
}

// Story is the main job from one end to the other: generate a dataset, publish it, read a part of it, write it back as
// a file, and prove that nothing changed.
//
//	go run ./story                              # in a temporary folder, without a server
//	go run ./story redis://127.0.0.1:6379
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

const prefix = "demo:v1"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, out io.Writer) error {
	folder, err := os.MkdirTemp("", "arrowredis-story-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	url := "file://" + filepath.Join(folder, "store")
	if len(arguments) > 0 {
		url = arguments[0]
	}
	store, err := arrowredis.OpenStore(url, nil)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()

	dataset, back := filepath.Join(folder, "dataset.arrow"), filepath.Join(folder, "back.arrow")
	if err := publish(ctx, store, dataset, out); err != nil {
		return err
	}
	if err := readBack(ctx, store, back, out); err != nil {
		return err
	}
	if err := compare(ctx, dataset, back, out); err != nil {
		return err
	}
	_, err = store.Delete(ctx, prefix)
	return err
}

func publish(ctx context.Context, store *arrowredis.Store, path string, out io.Writer) error {
	generated, err := arrowredis.GenerateFile(ctx, path, &arrowredis.GenerateOptions{Partitions: 4, Batches: 2, Rows: 10_000})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "generated %d rows\n", generated.Rows)
	report, err := store.SplitFile(ctx, prefix, path, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "published %d chunks of %d partitions, %d copied as they were\n",
		report.Chunks, report.Partitions, report.ChunksCopied)
	return nil
}

func readBack(ctx context.Context, store *arrowredis.Store, path string, out io.Writer) error {
	dataset, err := store.Dataset(ctx, prefix)
	if err != nil {
		return err
	}
	defer func() { _ = dataset.Close() }()
	reader, err := dataset.Read(ctx, &arrowredis.ReadOptions{
		Partitions: arrowredis.Partitions(0, 3),
		Columns:    []string{"id64", "float64_c"},
	})
	if err != nil {
		return err
	}
	defer reader.Release()
	for reader.Next() {
		partition, batch, _ := reader.Place()
		fmt.Fprintf(out, "partition %d, batch %d: %d rows of %d columns\n",
			partition, batch, reader.RecordBatch().NumRows(), reader.RecordBatch().NumCols())
	}
	if err := reader.Err(); err != nil {
		return err
	}
	written, err := dataset.ReadToFile(ctx, path, "", nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "wrote %d rows back\n", written.Rows)
	return nil
}

func compare(ctx context.Context, one, two string, out io.Writer) error {
	left, err := arrowredis.VerifyFile(one, nil)
	if err != nil {
		return err
	}
	defer func() { _ = left.Close() }()
	right, err := arrowredis.VerifyFile(two, nil)
	if err != nil {
		return err
	}
	defer func() { _ = right.Close() }()
	report, err := arrowredis.Verify(ctx, left, right, nil)
	if err != nil {
		return err
	}
	if !report.Identical {
		return fmt.Errorf("the files differ: %v", report.Differences)
	}
	fmt.Fprintf(out, "identical: %d rows, %d columns\n", report.Left.Rows, report.Left.Columns)
	return nil
}

package arrowredis_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

// Publish a dataset, and read two columns of one of its partitions.
func Example() {
	ctx := context.Background()
	store, err := arrowredis.OpenStore("memory://example", nil) // or redis://127.0.0.1:6379
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = store.Close() }()

	source, err := arrowredis.Generate(ctx, &arrowredis.GenerateOptions{Partitions: 4, Batches: 2, Rows: 1000})
	if err != nil {
		log.Fatal(err)
	}
	defer source.Release()
	report, err := store.Split(ctx, "demo:v1", source, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("published", report.Chunks, "chunks of", report.Partitions, "partitions")

	dataset, err := store.Dataset(ctx, "demo:v1")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = dataset.Close() }()
	reader, err := dataset.Read(ctx, &arrowredis.ReadOptions{
		Partitions: arrowredis.Partitions(3),
		Columns:    []string{"id64", "float64_c"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Release()
	for reader.Next() {
		batch := reader.RecordBatch()
		partition, number, _ := reader.Place()
		ids := batch.Column(0).(*array.Int64)
		fmt.Printf("partition %d, batch %d: %d rows from id %d\n", partition, number, batch.NumRows(), ids.Value(0))
	}
	if err := reader.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// published 8 chunks of 4 partitions
	// partition 3, batch 0: 1000 rows from id 6000
	// partition 3, batch 1: 1000 rows from id 7000
}

// Publish record batches of one's own, partitioned by a column.
func ExampleStore_NewWriter() {
	ctx := context.Background()
	store, err := arrowredis.OpenStore("memory://writer", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "day", Type: arrow.PrimitiveTypes.Int32},
		{Name: "sales", Type: arrow.PrimitiveTypes.Float64},
	}, nil)
	writer, err := store.NewWriter(ctx, "sales", schema, &arrowredis.SplitOptions{PartitionColumn: "day"})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	for day := range int32(3) {
		builder.Field(0).(*array.Int32Builder).AppendValues([]int32{day, day}, nil)
		builder.Field(1).(*array.Float64Builder).AppendValues([]float64{1.5, 2.5}, nil)
		batch := builder.NewRecordBatch()
		err := writer.Write(batch)
		batch.Release()
		if err != nil {
			log.Fatal(err)
		}
	}
	report, err := writer.Finish()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Partitions, "partitions,", report.Metrics.Rows, "rows")
	// Output: 3 partitions, 6 rows
}

// Errors are told apart by their codes.
func ExampleError() {
	store, err := arrowredis.OpenStore("memory://errors", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	_, err = store.Dataset(context.Background(), "nothing:here")
	var failure *arrowredis.Error
	if errors.Is(err, arrowredis.ErrNotFound) && errors.As(err, &failure) {
		fmt.Println(failure.Code.String(), failure.Retryable)
	}
	// Output: NOT_FOUND false
}

// A deadline bounds the work on the network, too.
func ExampleStore_Dataset_deadline() {
	store, err := arrowredis.OpenStore("redis://192.0.2.1:6379", nil) // nobody answers there
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = store.Dataset(ctx, "demo:v1")
	fmt.Println(err != nil)
	// Output: true
}

// Compare a published dataset with the file that it came from.
func ExampleVerify() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "arrowredis")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	file := filepath.Join(folder, "dataset.arrow")
	if _, err := arrowredis.GenerateFile(ctx, file, &arrowredis.GenerateOptions{Partitions: 2, Batches: 2, Rows: 100}); err != nil {
		log.Fatal(err)
	}
	store, err := arrowredis.OpenStore("file://"+filepath.Join(folder, "store"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	if _, err := store.SplitFile(ctx, "demo", file, nil); err != nil {
		log.Fatal(err)
	}
	dataset, err := store.Dataset(ctx, "demo")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = dataset.Close() }()
	left, err := arrowredis.VerifyFile(file, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = left.Close() }()
	right, err := dataset.VerifySide(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = right.Close() }()
	report, err := arrowredis.Verify(ctx, left, right, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Identical, report.Left.Rows, report.Right.Rows)
	// Output: true 400 400
}

// Watch an operation from another goroutine.
func ExampleProgress() {
	var progress arrowredis.Progress
	ctx := arrowredis.WithProgress(context.Background(), &progress)
	watching, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for figures := range progress.Watch(watching, 100*time.Millisecond) {
			fmt.Fprintf(os.Stderr, "%d rows\n", figures.Rows)
		}
	}()
	reader, err := arrowredis.Generate(ctx, &arrowredis.GenerateOptions{Partitions: 1, Batches: 1, Rows: 100})
	if err != nil {
		log.Fatal(err)
	}
	for reader.Next() {
	}
	reader.Release()
	stop()
	<-done
	fmt.Println(progress.Metrics().Rows, "rows in all")
	// Output: 100 rows in all
}

// The library's log records go wherever the program's go.
func ExampleStartLog() {
	stop, err := arrowredis.StartLog(slog.Default())
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	// Output:
}

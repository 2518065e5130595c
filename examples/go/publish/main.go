// Publish writes record batches of its own to a store as a dataset, partitioned by a string column, and reads two
// columns of one partition back.
//
//	go run ./publish                            # in this process's memory
//	go run ./publish redis://127.0.0.1:6379
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

const prefix = "cities"

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "country", Type: arrow.BinaryTypes.String},
	{Name: "city", Type: arrow.BinaryTypes.String},
	{Name: "people", Type: arrow.PrimitiveTypes.Int64},
}, nil)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, out io.Writer) error {
	url := "memory://publish"
	if len(arguments) > 0 {
		url = arguments[0]
	}
	store, err := arrowredis.OpenStore(url, nil)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	if err := write(ctx, store, out); err != nil {
		return err
	}
	if err := read(ctx, store, "fi", out); err != nil {
		return err
	}
	_, err = store.Delete(ctx, prefix)
	return err
}

// write publishes batch by batch. A program that has a record reader calls store.Split instead.
func write(ctx context.Context, store *arrowredis.Store, out io.Writer) error {
	writer, err := store.NewWriter(ctx, prefix, schema, &arrowredis.SplitOptions{PartitionColumn: "country"})
	if err != nil {
		return err
	}
	defer func() { _ = writer.Close() }() // without Finish it abandons the upload
	for _, batch := range []arrow.RecordBatch{
		cities("ch", []string{"Bern", "Genève"}, []int64{134_000, 203_000}),
		cities("fi", []string{"Helsinki", "Oulu", "Turku"}, []int64{658_000, 209_000, 195_000}),
	} {
		err := writer.Write(batch)
		batch.Release()
		if err != nil {
			return err
		}
	}
	report, err := writer.Finish()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "published %d rows in %d partitions\n", report.Metrics.Rows, report.Partitions)
	return nil
}

func cities(country string, names []string, people []int64) arrow.RecordBatch {
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	for range names {
		builder.Field(0).(*array.StringBuilder).Append(country)
	}
	builder.Field(1).(*array.StringBuilder).AppendValues(names, nil)
	builder.Field(2).(*array.Int64Builder).AppendValues(people, nil)
	return builder.NewRecordBatch()
}

func read(ctx context.Context, store *arrowredis.Store, country string, out io.Writer) error {
	dataset, err := store.Dataset(ctx, prefix)
	if err != nil {
		return err
	}
	defer func() { _ = dataset.Close() }()
	reader, err := dataset.Read(ctx, &arrowredis.ReadOptions{
		Partitions: []string{country}, Columns: []string{"city", "people"},
	})
	if err != nil {
		return err
	}
	defer reader.Release()
	for reader.Next() {
		names := reader.RecordBatch().Column(0).(*array.String)
		people := reader.RecordBatch().Column(1).(*array.Int64)
		for i := range names.Len() {
			fmt.Fprintf(out, "%s: %d\n", names.Value(i), people.Value(i))
		}
	}
	return reader.Err()
}

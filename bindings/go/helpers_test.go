package arrowredis_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

// TestMain checks what every test must leave behind: nothing.
func TestMain(m *testing.M) {
	if os.Getenv(budgetChild) != "" {
		os.Exit(readWithinBudget())
	}
	status := m.Run()
	if live := waitForNoHandles(); live != 0 {
		println("live handles after all tests:", live)
		status = 1
	}
	os.Exit(status)
}

// waitForNoHandles gives uploads that were cancelled, whose clean-up outlives their call, the time that they may take.
func waitForNoHandles() int64 {
	for range 400 {
		if arrowredis.LiveHandles() == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return arrowredis.LiveHandles()
}

// onEveryStore runs a test on the embedded store and on a real Redis server.
func onEveryStore(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("directory", func(t *testing.T) { test(t, "file://"+t.TempDir()) })
	t.Run("redis", func(t *testing.T) { test(t, startRedis(t).url()) })
}

func openStore(t testing.TB, url string) *arrowredis.Store {
	t.Helper()
	return openStoreWith(t, url, nil)
}

func openStoreWith(t testing.TB, url string, options *arrowredis.StoreOptions) *arrowredis.Store {
	t.Helper()
	store, err := arrowredis.OpenStore(url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func openDataset(t testing.TB, store *arrowredis.Store, prefix string) *arrowredis.Dataset {
	t.Helper()
	dataset, err := store.Dataset(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dataset.Close() })
	return dataset
}

// generated publishes a small dataset of 3 partitions of 2 batches of 500 rows.
func generated(t testing.TB, store *arrowredis.Store, prefix string) *arrowredis.Dataset {
	t.Helper()
	reader, err := arrowredis.Generate(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	if _, err := store.Split(t.Context(), prefix, reader, nil); err != nil {
		t.Fatal(err)
	}
	return openDataset(t, store, prefix)
}

var small = &arrowredis.GenerateOptions{Partitions: 3, Batches: 2, Rows: 500, Seed: new(uint64(7))}

func identical(t testing.TB, left, right *arrowredis.VerifySide, err ...error) arrowredis.VerifyReport {
	t.Helper()
	if err := errors.Join(err...); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = left.Close(), right.Close() }()
	report, failure := arrowredis.Verify(t.Context(), left, right, nil)
	if failure != nil {
		t.Fatal(failure)
	}
	return report
}

func rowsOf(t testing.TB, dataset *arrowredis.Dataset, options *arrowredis.ReadOptions) int64 {
	t.Helper()
	reader, err := dataset.Read(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	var rows int64
	for reader.Next() {
		rows += reader.RecordBatch().NumRows()
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	metrics, err := reader.Metrics()
	if err != nil || int64(metrics.Rows) != rows || metrics.Total <= 0 {
		t.Fatalf("%+v, %v", metrics, err)
	}
	return rows
}

// balanced checks that everything was given back. The library lets go of the last batches of an upload from threads of
// its own, a moment after the call.
func balanced(t testing.TB, allocator *memory.CheckedAllocator) {
	t.Helper()
	for range 500 {
		if allocator.CurrentAlloc() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	allocator.AssertSize(t, 0)
}

// cities makes two batches of a program's own, partitioned by a string column.
func cities(memory memory.Allocator) (*arrow.Schema, []arrow.RecordBatch) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "country", Type: arrow.BinaryTypes.String},
		{Name: "city", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "people", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	builder := array.NewRecordBuilder(memory, schema)
	defer builder.Release()
	add := func(country string, names []string, people []int64) arrow.RecordBatch {
		for range names {
			builder.Field(0).(*array.StringBuilder).Append(country)
		}
		builder.Field(1).(*array.StringBuilder).AppendValues(names, nil)
		builder.Field(2).(*array.Int64Builder).AppendValues(people, nil)
		return builder.NewRecordBatch()
	}
	return schema, []arrow.RecordBatch{
		add("ch", []string{"Bern", "Genève"}, []int64{134_000, 203_000}),
		add("fi", []string{"Helsinki", "Oulu", "Turku"}, []int64{658_000, 209_000, 195_000}),
	}
}

// failing is a record reader that fails after its batches.
type failing struct {
	array.RecordReader
	err error
}

func (f failing) Err() error { return f.err }

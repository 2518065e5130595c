package arrowredis_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

func TestPublishOwnData(t *testing.T) {
	onEveryStore(t, func(t *testing.T, url string) {
		allocator := memory.NewCheckedAllocator(memory.NewGoAllocator())
		defer balanced(t, allocator)
		store := openStore(t, url)
		schema, batches := cities(allocator)
		source, err := array.NewRecordReader(schema, batches)
		if err != nil {
			t.Fatal(err)
		}
		for _, batch := range batches {
			batch.Release()
		}
		options := &arrowredis.SplitOptions{PartitionColumn: "country"}
		report, err := store.Split(t.Context(), "cities", source, options)
		source.Release()
		if err != nil || report.Partitions != 2 || report.Chunks != 2 {
			t.Fatalf("%+v, %v", report, err)
		}
		dataset := openDataset(t, store, "cities")
		reader, err := dataset.Read(t.Context(), &arrowredis.ReadOptions{
			Partitions: []string{"fi"}, Columns: []string{"city", "people"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Release()
		if !reader.Next() {
			t.Fatal(reader.Err())
		}
		text, err := reader.RecordBatch().MarshalJSON()
		want := `[{"city":"Helsinki","people":658000},{"city":"Oulu","people":209000},{"city":"Turku","people":195000}]`
		if err != nil || strings.ReplaceAll(string(text), "\n", "") != want {
			t.Fatalf("%s, %v", text, err)
		}
	})
}

func TestAWriterThatIsNotFinishedPublishesNothing(t *testing.T) {
	onEveryStore(t, func(t *testing.T, url string) {
		allocator := memory.NewCheckedAllocator(memory.NewGoAllocator())
		defer balanced(t, allocator)
		store := openStore(t, url)
		schema, batches := cities(allocator)
		writer, err := store.NewWriter(t.Context(), "cities", schema, &arrowredis.SplitOptions{PartitionColumn: "country"})
		if err != nil {
			t.Fatal(err)
		}
		for _, batch := range batches {
			if err := writer.Write(batch); err != nil {
				t.Fatal(err)
			}
			batch.Release()
		}
		for range 2 {
			if err := writer.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := store.Dataset(t.Context(), "cities"); !errors.Is(err, arrowredis.ErrNotFound) {
			t.Fatal(err)
		}
		if _, err := writer.Finish(); !errors.Is(err, arrowredis.ErrInvalidArgument) {
			t.Fatal(err)
		}
	})
}

func TestASplitWhoseInputFailsPublishesNothing(t *testing.T) {
	store := openStore(t, "file://"+t.TempDir())
	schema, batches := cities(memory.NewGoAllocator())
	source, err := array.NewRecordReader(schema, batches)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk is on fire")
	_, err = store.Split(t.Context(), "cities", failing{source, broken}, &arrowredis.SplitOptions{PartitionColumn: "country"})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if _, err := store.Dataset(t.Context(), "cities"); !errors.Is(err, arrowredis.ErrNotFound) {
		t.Fatal(err)
	}
}

func TestABatchOfOtherColumnsIsRefused(t *testing.T) {
	store := openStore(t, "memory://other-columns")
	schema, batches := cities(memory.NewGoAllocator())
	other := arrow.NewSchema([]arrow.Field{schema.Field(0), schema.Field(1), {Name: "people", Type: arrow.PrimitiveTypes.Int8}}, nil)
	writer, err := store.NewWriter(t.Context(), "cities", other, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	if err := writer.Write(batches[0]); !errors.Is(err, arrowredis.ErrInvalidArgument) {
		t.Fatal(err)
	}
}

func TestSplitOfANativeStream(t *testing.T) {
	store := openStore(t, "memory://native-stream")
	reader, err := arrowredis.Generate(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	var stream cdata.CArrowArrayStream
	if err := reader.Export(&stream); err != nil {
		t.Fatal(err)
	}
	report, err := store.SplitStream(t.Context(), "demo", &stream, nil)
	if err != nil || report.Chunks != 6 || report.Metrics.Rows != 3000 {
		t.Fatalf("%+v, %v", report, err)
	}
	if err := reader.Export(&stream); err != nil {
		t.Fatal(err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	// It is released here, too: the count of live handles at the end says so.
	if _, err := store.SplitStream(done, "again", &stream, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

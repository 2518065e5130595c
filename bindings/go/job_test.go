package arrowredis_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
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
	store, err := arrowredis.OpenStore(url, nil)
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

func TestGenerateSplitReadVerify(t *testing.T) {
	onEveryStore(t, func(t *testing.T, url string) {
		folder, store := t.TempDir(), openStore(t, url)
		file, back := filepath.Join(folder, "dataset.arrow"), filepath.Join(folder, "back.arrow")

		metrics, err := arrowredis.GenerateFile(t.Context(), file, small)
		if err != nil || metrics.Rows != 3000 || metrics.Chunks != 6 {
			t.Fatalf("%+v, %v", metrics, err)
		}
		report, err := store.SplitFile(t.Context(), "demo:v1", file, nil)
		if err != nil || report.Partitions != 3 || report.Chunks != 6 || report.ChunksCopied != 6 ||
			len(report.UploadID) != 32 || report.Metrics.Rows != 3000 {
			t.Fatalf("%+v, %v", report, err)
		}

		dataset := openDataset(t, store, "demo:v1")
		info, err := dataset.Info()
		if err != nil || info.Prefix != "demo:v1" || info.UploadID != report.UploadID || info.Rows != 3000 ||
			info.Chunks != 6 || info.Compression != "zstd" || info.PartitionColumn != "partition" || !info.HasManifest ||
			time.Since(info.CreatedAt).Abs() > time.Hour {
			t.Fatalf("%+v, %v", info, err)
		}
		partitions, err := dataset.Partitions()
		if err != nil || len(partitions) != 3 {
			t.Fatal(partitions, err)
		}
		p := partitions[2]
		if p.ID != 2 || p.Value != "2" || !p.HasValue || p.Batches != 2 || p.Rows != 1000 || p.PayloadBytes == 0 {
			t.Fatalf("%+v", p)
		}
		schema, err := dataset.Schema(t.Context())
		if err != nil || schema.NumFields() != 10 || !arrow.TypeEqual(schema.Field(0).Type, arrow.PrimitiveTypes.Int64) {
			t.Fatal(schema, err)
		}
		if rows := rowsOf(t, dataset, nil); rows != 3000 {
			t.Fatal(rows)
		}

		metrics, err = dataset.ReadToFile(t.Context(), back, "", nil)
		if err != nil || metrics.Rows != 3000 {
			t.Fatalf("%+v, %v", metrics, err)
		}
		left, err1 := arrowredis.VerifyFile(file, nil)
		right, err2 := arrowredis.VerifyFile(back, nil)
		if found := identical(t, left, right, err1, err2); !found.Identical || found.Left.Rows != 3000 ||
			found.Right.Columns != 10 || len(found.Differences) != 0 || found.Metrics.Rows != 3000 {
			t.Fatalf("%+v", found)
		}
	})
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

func TestReadPartitionsAndColumns(t *testing.T) {
	onEveryStore(t, func(t *testing.T, url string) {
		dataset := generated(t, openStore(t, url), "demo")
		reader, err := dataset.Read(t.Context(), &arrowredis.ReadOptions{
			Partitions: arrowredis.Partitions(0, 2), Columns: []string{"partition", "id64"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Release()
		var places [][2]uint32
		var ids []int64
		for reader.Next() {
			partition, batch, known := reader.Place()
			if !known {
				t.Fatal("a batch of a dataset has a place")
			}
			places = append(places, [2]uint32{partition, batch})
			values := reader.RecordBatch().Column(1).(*array.Int64)
			ids = append(ids, values.Value(0), values.Value(values.Len()-1))
			if name := reader.RecordBatch().ColumnName(0); name != "partition" || reader.RecordBatch().NumCols() != 2 {
				t.Fatal(reader.RecordBatch().Schema())
			}
		}
		if err := reader.Err(); err != nil {
			t.Fatal(err)
		}
		if want := [][2]uint32{{0, 0}, {0, 1}, {2, 0}, {2, 1}}; !reflect.DeepEqual(places, want) {
			t.Fatal(places)
		}
		if want := []int64{0, 499, 500, 999, 2000, 2499, 2500, 2999}; !reflect.DeepEqual(ids, want) {
			t.Fatal(ids)
		}
		if _, _, known := reader.Place(); known || reader.RecordBatch() != nil {
			t.Fatal("no batch is left")
		}
		for _, options := range []*arrowredis.ReadOptions{
			{Partitions: []string{"9"}}, {Columns: []string{"nothing"}},
		} {
			if _, err := dataset.Read(t.Context(), options); !errors.Is(err, arrowredis.ErrNotFound) {
				t.Fatal(err)
			}
		}
	})
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

// failing is a record reader that fails after its batches.
type failing struct {
	array.RecordReader
	err error
}

func (f failing) Err() error { return f.err }

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

func TestListDeleteAndPing(t *testing.T) {
	onEveryStore(t, func(t *testing.T, url string) {
		store := openStore(t, url)
		generated(t, store, "a:1")
		generated(t, store, "b:1")
		found, err := store.List(t.Context(), "b")
		if err != nil || len(found) != 1 || found[0].Prefix != "b:1" || found[0].Rows != 3000 || found[0].Chunks != 6 ||
			found[0].Partitions != 3 || !found[0].HasManifest || found[0].Problem != "" || found[0].CreatedAt.IsZero() {
			t.Fatalf("%+v, %v", found, err)
		}
		if chunks, err := store.Delete(t.Context(), "a:1"); err != nil || chunks != 6 {
			t.Fatal(chunks, err)
		}
		if _, err := store.Delete(t.Context(), "a:1"); !errors.Is(err, arrowredis.ErrNotFound) {
			t.Fatal(err)
		}
		if found, err := store.List(t.Context(), ""); err != nil || len(found) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		server, err := store.Ping(t.Context())
		if err != nil || server.Server == "" || server.Cluster || server.TLS || len(server.DeniedCommands) != 0 {
			t.Fatalf("%+v, %v", server, err)
		}
		if server.Server == "redis" && (server.Version == "" || server.Latency <= 0 || server.UsedMemoryBytes <= 0) {
			t.Fatalf("%+v", server)
		}
	})
}

func TestDatasetWithoutManifest(t *testing.T) {
	store := openStore(t, "memory://without-manifest")
	generated(t, store, "demo")
	dataset, err := store.DatasetWithoutManifest("demo")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dataset.Close() }()
	if rows := rowsOf(t, dataset, &arrowredis.ReadOptions{Batches: 2}); rows != 3000 {
		t.Fatal(rows)
	}
	if info, err := dataset.Info(); err != nil || info.HasManifest || info.Prefix != "demo" {
		t.Fatalf("%+v, %v", info, err)
	}
	if schema, err := dataset.Schema(t.Context()); err != nil || schema.NumFields() != 10 {
		t.Fatal(schema, err)
	}
	if _, err := dataset.Partitions(); !errors.Is(err, arrowredis.ErrUnsupported) {
		t.Fatal(err)
	}
	if _, err := dataset.Chunks(); !errors.Is(err, arrowredis.ErrUnsupported) {
		t.Fatal(err)
	}
}

func TestChunkListing(t *testing.T) {
	dataset := generated(t, openStore(t, "memory://chunks"), "demo")
	chunks, err := dataset.Chunks()
	if err != nil {
		t.Fatal(err)
	}
	defer chunks.Release()
	if !chunks.Next() || chunks.RecordBatch().NumRows() != 6 {
		t.Fatal(chunks.Err())
	}
	column := chunks.Schema().FieldIndices("rows")
	if rows := chunks.RecordBatch().Column(column[0]).(*array.Uint64); rows.Value(5) != 500 {
		t.Fatal(rows)
	}
}

func TestVerifyTellsDifferences(t *testing.T) {
	folder := t.TempDir()
	one, two := filepath.Join(folder, "one.arrow"), filepath.Join(folder, "two.arrow")
	for path, options := range map[string]*arrowredis.GenerateOptions{
		one: {Partitions: 2, Batches: 1, Rows: 10, Seed: new(uint64(1))},
		two: {Partitions: 1, Batches: 1, Rows: 10, Seed: new(uint64(2))},
	} {
		if _, err := arrowredis.GenerateFile(t.Context(), path, options); err != nil {
			t.Fatal(err)
		}
	}
	left, err1 := arrowredis.VerifyFile(one, nil)
	right, err2 := arrowredis.VerifyFile(two, nil)
	report := identical(t, left, right, err1, err2)
	if report.Identical || report.Left.Rows != 20 || report.Right.Rows != 10 || len(report.Differences) < 2 {
		t.Fatalf("%+v", report)
	}
	column := report.Columns[0]
	if column.Column != "int32_c" || column.Row != 0 || column.Left == column.Right {
		t.Fatalf("%+v", report.Columns)
	}
}

func TestDatasetsAndStreamsAsSides(t *testing.T) {
	store := openStore(t, "memory://sides")
	dataset := generated(t, store, "demo")
	left, err1 := dataset.VerifySide(nil)
	reader, err := arrowredis.Generate(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	var stream cdata.CArrowArrayStream
	if err := reader.Export(&stream); err != nil {
		t.Fatal(err)
	}
	right, err2 := arrowredis.VerifyStream("generated again", &stream)
	if report := identical(t, left, right, err1, err2); !report.Identical || report.Right.Name != "generated again" {
		t.Fatalf("%+v", report)
	}
	if err := reader.StreamErr(); err != nil {
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

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dataset.arrow")
	if _, err := arrowredis.GenerateFile(t.Context(), path, small); err != nil {
		t.Fatal(err)
	}
	reader, err := arrowredis.ReadFile(t.Context(), path, &arrowredis.FileReadOptions{Partitions: []string{"1"}, MMap: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	rows := int64(0)
	for reader.Next() {
		rows += reader.RecordBatch().NumRows()
	}
	if reader.Err() != nil || rows != 1000 {
		t.Fatal(rows, reader.Err())
	}
	if _, err := arrowredis.ReadFile(t.Context(), path+".no", nil); !errors.Is(err, arrowredis.ErrNotFound) {
		t.Fatal(err)
	}
}

package arrowredis_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

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

func TestCheckAndCollectGarbage(t *testing.T) {
	onEveryStore(t, func(t *testing.T, url string) {
		store := openStore(t, url)
		dataset := generated(t, store, "c:1")
		if broken, err := dataset.Check(t.Context()); err != nil || broken != 0 {
			t.Fatal(broken, err)
		}
		if report, err := store.CollectGarbage(t.Context(), ""); err != nil || report != (arrowredis.GarbageReport{}) {
			t.Fatalf("%+v, %v", report, err)
		}
		if _, err := store.Delete(t.Context(), "c:1"); err != nil {
			t.Fatal(err)
		}
		if broken, err := dataset.Check(t.Context()); err != nil || broken != 6 {
			t.Fatal(broken, err)
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

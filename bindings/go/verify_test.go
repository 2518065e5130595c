package arrowredis_test

import (
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/cdata"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

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

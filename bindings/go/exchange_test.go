package arrowredis_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

// These are Go's own cases; types_test.go has those that pyarrow judges.

// point is an extension type over nested storage.
type point struct{ arrow.ExtensionBase }

func newPoint() *point {
	return &point{arrow.ExtensionBase{Storage: arrow.ListOf(arrow.PrimitiveTypes.Float64)}}
}

type points struct{ array.ExtensionArrayBase }

func (*point) ArrayType() reflect.Type { return reflect.TypeFor[points]() }
func (*point) ExtensionName() string   { return "arrowredis.point" }
func (*point) String() string          { return "point" }
func (*point) Serialize() string       { return "wgs84" }

func (*point) Deserialize(arrow.DataType, string) (arrow.ExtensionType, error) {
	return newPoint(), nil
}

func (*point) ExtensionEquals(other arrow.ExtensionType) bool {
	return other.ExtensionName() == "arrowredis.point"
}

// roundTrip publishes a column of Go's and reads it again. The reader's batch is valid until the test ends.
func roundTrip(t *testing.T, field arrow.Field, column arrow.Array) arrow.RecordBatch {
	t.Helper()
	store := openStore(t, fmt.Sprintf("memory://exchange-%s", t.Name()))
	schema := arrow.NewSchema([]arrow.Field{field}, nil)
	batch := array.NewRecordBatch(schema, []arrow.Array{column}, int64(column.Len()))
	defer batch.Release()
	source, err := array.NewRecordReader(schema, []arrow.RecordBatch{batch})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Release()
	if _, err := store.Split(t.Context(), "demo", source, &arrowredis.SplitOptions{Batches: 1}); err != nil {
		t.Fatal(err)
	}
	reader, err := openDataset(t, store, "demo").Read(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Release)
	if !reader.Next() {
		t.Fatal(reader.Err())
	}
	return reader.RecordBatch()
}

func TestIntervalsThatPyarrowLacks(t *testing.T) {
	months := array.NewMonthIntervalBuilder(memory.DefaultAllocator)
	months.AppendValues([]arrow.MonthInterval{1, 2, -3}, []bool{true, false, true})
	days := array.NewDayTimeIntervalBuilder(memory.DefaultAllocator)
	days.AppendValues([]arrow.DayTimeInterval{{Days: 1, Milliseconds: 2}, {}, {Days: -3}}, []bool{true, false, true})
	for name, column := range map[string]arrow.Array{"months": months.NewArray(), "days": days.NewArray()} {
		t.Run(name, func(t *testing.T) {
			defer column.Release()
			found := roundTrip(t, arrow.Field{Name: "v", Type: column.DataType(), Nullable: true}, column).Column(0)
			if !array.Equal(found, column) {
				t.Fatalf("%v became %v", column, found)
			}
		})
	}
}

func TestAnExtensionTypeOverNestedStorage(t *testing.T) {
	lists := array.NewListBuilder(memory.DefaultAllocator, arrow.PrimitiveTypes.Float64)
	defer lists.Release()
	for i := range 3 {
		lists.Append(true)
		lists.ValueBuilder().(*array.Float64Builder).AppendValues([]float64{float64(i), 47.5}, nil)
	}
	storage := lists.NewListArray()
	defer storage.Release()
	column := array.NewExtensionArrayWithStorage(newPoint(), storage)
	defer column.Release()
	field := arrow.Field{Name: "v", Type: newPoint(), Metadata: arrow.NewMetadata([]string{"unit"}, []string{"degree"})}

	// arrow-go hands out the storage, with the type's name in the metadata.
	found := roundTrip(t, field, column)
	if !array.Equal(found.Column(0), storage) {
		t.Fatalf("%v became %v", storage, found.Column(0))
	}
	read := found.Schema().Field(0).Metadata.ToMap()
	if want := map[string]string{
		"unit": "degree", ipc.ExtensionTypeKeyName: "arrowredis.point", ipc.ExtensionMetadataKeyName: "wgs84",
	}; !reflect.DeepEqual(read, want) {
		t.Fatal(read)
	}
}

// A batch that was read is published again, sliced: memory of the library's goes back into it.
func TestBatchesOfTheLibraryGoBackIn(t *testing.T) {
	store := openStore(t, "memory://back-in")
	reader, err := generated(t, store, "demo").Read(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	writer, err := store.NewWriter(t.Context(), "copy", reader.Schema(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	for reader.Next() {
		slice := reader.RecordBatch().NewSlice(100, 200)
		err := writer.Write(slice)
		slice.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	if report, err := writer.Finish(); err != nil || report.Chunks != 6 || report.Metrics.Rows != 600 {
		t.Fatalf("%+v, %v", report, err)
	}
	if rows := rowsOf(t, openDataset(t, store, "copy"), nil); rows != 600 {
		t.Fatal(rows)
	}
}

func TestASchemaThatCannotCross(t *testing.T) {
	store := openStore(t, "memory://cannot-cross")
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: &arrow.Time32Type{Unit: arrow.Nanosecond}}}, nil)
	_, err := store.NewWriter(t.Context(), "demo", schema, nil)
	if !errors.Is(err, arrowredis.ErrUnsupported) {
		t.Fatal(err)
	}
}

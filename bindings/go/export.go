package arrowredis

import (
	"runtime"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// What leaves Go outlasts the call that it leaves with, so cgo's rules want Go's memory to be pinned until it is
// released. On the way, what cdata (of arrow-go 18.8) exports wrongly gets a form that it exports well: slices of
// structs and of sparse unions, whose offset it would apply twice, and extension types over nested storage.

func exportSchema(schema *arrow.Schema, out *cSchema) (err error) {
	defer recovered(&err, "schema")
	fields := schema.Fields()
	for i := range fields {
		fields[i] = storageField(fields[i])
	}
	metadata := schema.Metadata()
	cdata.ExportArrowSchema(arrow.NewSchema(fields, &metadata), (*cdata.CArrowSchema)(unsafe.Pointer(out)))
	return nil
}

// storageField says in metadata that a column is of an extension type, as the interface does.
func storageField(field arrow.Field) arrow.Field {
	extension, ok := field.Type.(arrow.ExtensionType)
	if !ok {
		return field
	}
	keys := []string{ipc.ExtensionTypeKeyName, ipc.ExtensionMetadataKeyName}
	values := []string{extension.ExtensionName(), extension.Serialize()}
	for i, key := range field.Metadata.Keys() {
		if key != ipc.ExtensionTypeKeyName && key != ipc.ExtensionMetadataKeyName {
			keys, values = append(keys, key), append(values, field.Metadata.Values()[i])
		}
	}
	field.Type, field.Metadata = extension.StorageType(), arrow.NewMetadata(keys, values)
	return field
}

func exportBatch(batch arrow.RecordBatch, out *cArray) (err error) {
	defer recovered(&err, "record batch")
	columns := make([]arrow.Array, batch.NumCols())
	fields := make([]arrow.Field, batch.NumCols())
	for i, column := range batch.Columns() {
		data := pinned(column.Data())
		columns[i] = array.MakeFromData(data)
		fields[i] = arrow.Field{Name: batch.ColumnName(i), Type: data.DataType(), Nullable: true}
		data.Release()
		defer columns[i].Release()
	}
	stable := array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, batch.NumRows())
	defer stable.Release()
	cdata.ExportArrowRecordBatch(stable, (*cdata.CArrowArray)(unsafe.Pointer(out)), nil)
	return nil
}

// pinned is the same array in pinned memory.
func pinned(data arrow.ArrayData) arrow.ArrayData {
	kind, offset, buffers, children := portable(data)
	for i, buffer := range buffers {
		if buffer != nil {
			buffers[i] = pin(buffer)
			defer buffers[i].Release()
		}
	}
	for i, child := range children {
		children[i] = pinned(child)
		child.Release()
		defer children[i].Release()
	}
	if _, ok := kind.(*arrow.DictionaryType); !ok {
		return array.NewData(kind, data.Len(), buffers, children, data.NullN(), offset)
	}
	values := pinned(data.Dictionary())
	defer values.Release()
	return array.NewDataWithDictionary(kind, data.Len(), buffers, data.NullN(), offset, values.(*array.Data))
}

// portable is what cdata exports well: the storage of an extension type, and structs and sparse unions without offset.
// The caller releases buffers and children.
func portable(data arrow.ArrayData) (arrow.DataType, int, []*memory.Buffer, []arrow.ArrayData) {
	kind, offset := data.DataType(), data.Offset()
	if extension, ok := kind.(arrow.ExtensionType); ok {
		kind = extension.StorageType()
	}
	buffers := append([]*memory.Buffer(nil), data.Buffers()...)
	children := append([]arrow.ArrayData(nil), data.Children()...)
	if offset == 0 || (kind.ID() != arrow.STRUCT && kind.ID() != arrow.SPARSE_UNION) {
		for _, child := range children {
			child.Retain()
		}
		for _, buffer := range buffers {
			if buffer != nil {
				buffer.Retain()
			}
		}
		return kind, offset, buffers, children
	}
	for i, child := range children {
		children[i] = array.NewSliceData(child, int64(offset), int64(offset+data.Len()))
	}
	if validity := buffers[0]; validity != nil {
		buffers[0] = nil
		if validity.Len() > 0 {
			bits := make([]byte, bitutil.BytesForBits(int64(data.Len())))
			bitutil.CopyBitmap(validity.Bytes(), offset, data.Len(), bits, 0)
			buffers[0] = memory.NewBufferBytes(bits)
		}
	}
	if kind.ID() == arrow.SPARSE_UNION {
		buffers[1] = memory.SliceBuffer(buffers[1], offset, data.Len())
	}
	return kind, 0, buffers, children
}

// pin makes of a buffer, which it takes over, one over the same memory that stays where it is until it is released.
func pin(buffer *memory.Buffer) *memory.Buffer {
	if buffer.Len() == 0 {
		return buffer
	}
	p := &pinnedBuffer{source: buffer}
	p.pinner.Pin(unsafe.SliceData(buffer.Bytes()))
	return memory.NewBufferWithAllocator(buffer.Bytes(), p)
}

// pinnedBuffer is the allocator of a buffer that pin made: all that is ever asked of it is to free that.
type pinnedBuffer struct {
	pinner runtime.Pinner
	source *memory.Buffer
}

// Free unpins the memory.
func (p *pinnedBuffer) Free([]byte) {
	p.pinner.Unpin()
	p.source.Release()
}

// Allocate is never called.
func (p *pinnedBuffer) Allocate(int) []byte { panic("arrowredis: a pinned buffer allocates nothing") }

// Reallocate is never called.
func (p *pinnedBuffer) Reallocate(int, []byte) []byte {
	panic("arrowredis: a pinned buffer allocates nothing")
}

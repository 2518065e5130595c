package arrowredis

import (
	"fmt"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// Schemas and record batches cross the border as structs of the Arrow C data interface, without a copy.

func importSchema(fill func(*cSchema) error) (schema *arrow.Schema, err error) {
	var out cSchema
	if err := fill(&out); err != nil {
		return nil, err
	}
	tellOrdered(&out)
	defer recovered(&err, "schema")
	schema, err = cdata.ImportCArrowSchema((*cdata.CArrowSchema)(unsafe.Pointer(&out)))
	if err != nil {
		return nil, unsupported("schema", err)
	}
	return schema, nil
}

func importBatch(out *cArray, schema *arrow.Schema) (batch arrow.RecordBatch, err error) {
	defer recovered(&err, "record batch")
	batch, err = cdata.ImportCRecordBatchWithSchema((*cdata.CArrowArray)(unsafe.Pointer(out)), schema)
	if err != nil {
		return nil, unsupported("record batch", err)
	}
	return batch, nil
}

func unsupported(what string, err error) error {
	failure := newError(ErrUnsupported, fmt.Sprintf("Arrow for Go cannot take over a %s", what))
	failure.causes = []error{err}
	return failure
}

// recovered turns a panic of arrow-go, which it has for types that it does not know, into an error.
func recovered(err *error, what string) {
	if reason := recover(); reason != nil {
		*err = unsupported(what, fmt.Errorf("%v", reason))
	}
}

// moveStream takes a stream out of the caller's struct, which is a released one afterwards.
func moveStream(stream *cdata.CArrowArrayStream) *cdata.CArrowArrayStream {
	moved := *stream
	*stream = cdata.CArrowArrayStream{}
	return &moved
}

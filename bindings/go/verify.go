package arrowredis

import (
	"context"
	"runtime"

	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// VerifySide is one of the two things that are compared: a dataset, a file or a stream. It may be used for several
// comparisons, one after the other; a stream for one.
type VerifySide struct {
	native  *handle[*cVerifySide]
	cleanup runtime.Cleanup
}

func newSide(native *cVerifySide, err error) (*VerifySide, error) {
	if err != nil {
		return nil, err
	}
	s := &VerifySide{native: own("side", native, verifySideFree)}
	s.cleanup = runtime.AddCleanup(s, func(native *handle[*cVerifySide]) { native.close() }, s.native)
	return s, nil
}

// Close frees the side. Closing again does nothing. It never fails.
func (s *VerifySide) Close() error {
	s.cleanup.Stop()
	s.native.close()
	return nil
}

// VerifySide is the dataset as a side: the partitions and columns that the options mean, which may be nil. The caller
// closes the side, and may close the dataset before.
func (d *Dataset) VerifySide(options *ReadOptions) (*VerifySide, error) {
	dataset, err := d.native.use()
	if err != nil {
		return nil, err
	}
	defer d.native.done()
	native, err := newOptions(kindRead, options)
	if err != nil {
		return nil, err
	}
	defer optionsFree(native)
	return newSide(verifyDataset(dataset, native))
}

// VerifyFile is an IPC file as a side: all of its rows, the columns that the options mean, which may be nil. The caller
// closes the side.
func VerifyFile(path string, options *FileReadOptions) (*VerifySide, error) {
	native, err := newOptions(kindFileRead, options)
	if err != nil {
		return nil, err
	}
	defer optionsFree(native)
	return newSide(verifyFile(path, native))
}

// VerifyStream is a stream as a side, under a name for messages: that of another native library, or a record reader's
// that [cdata.ExportRecordReader] made. The stream is moved: it must not be used afterwards, whatever the outcome. It
// can be compared once, and not by partition. The caller closes the side.
func VerifyStream(name string, stream *cdata.CArrowArrayStream) (*VerifySide, error) {
	return newSide(verifyStream(name, stream))
}

// ComparedSide is what was read on one side.
type ComparedSide struct {
	// Name is what the side is called.
	Name string
	// Rows, columns and record batches that it has.
	Rows, Columns, Batches uint64
	// PayloadBytes that it takes where it is stored; -1 if not known.
	PayloadBytes int64
}

// ColumnDifference is a column whose values differ.
type ColumnDifference struct {
	// Column is its name.
	Column string
	// Partition is the first one in which it differs, when comparing by partition.
	Partition string
	// Row is the first row that differs, from 0; from the partition's first row when comparing by partition.
	Row uint64
	// Left and Right are the values, for a person.
	Left, Right string
}

// VerifyReport is what a comparison found.
type VerifyReport struct {
	// Identical is whether both sides have the same columns, rows and values.
	Identical bool
	// Left and Right are what was read.
	Left, Right ComparedSide
	// Columns that have values that differ.
	Columns []ColumnDifference
	// Differences are all of them as sentences, the largest first: schema, partitions, rows, values.
	Differences []string
	// Notes are what differs in the schemas and does not count: nullability, metadata.
	Notes []string
	// Metrics of the comparison: rows are counted once, chunks and decoded bytes are those of both sides.
	Metrics Metrics
}

// Verify compares two sides: schema, number of rows, and all values, bit by bit; batch boundaries do not matter. A
// difference is no error: ask the report. Options may be nil.
func Verify(ctx context.Context, left, right *VerifySide, options *VerifyOptions) (VerifyReport, error) {
	l, err := left.native.use()
	if err != nil {
		return VerifyReport{}, err
	}
	defer left.native.done()
	r, err := right.native.use()
	if err != nil {
		return VerifyReport{}, err
	}
	defer right.native.done()
	native, err := newOptions(kindVerify, options)
	if err != nil {
		return VerifyReport{}, err
	}
	defer optionsFree(native)
	return run(ctx, func(context *cContext) (VerifyReport, error) { return verify(l, r, native, context) })
}

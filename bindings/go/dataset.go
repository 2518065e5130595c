package arrowredis

import (
	"context"
	"runtime"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// Dataset is a dataset of a store, at the version that was current when it was opened. It is immutable; goroutines may
// share it. It keeps the store's connections open, whether or not the store is closed.
type Dataset struct {
	native  *handle[*cDataset]
	cleanup runtime.Cleanup
}

func newDataset(native *cDataset) *Dataset {
	d := &Dataset{native: own("dataset", native, datasetFree)}
	d.cleanup = runtime.AddCleanup(d, func(native *handle[*cDataset]) { native.close() }, d.native)
	return d
}

// Close frees the dataset; readers that were started from it go on, the data stays where it is. Closing again does
// nothing. It never fails.
func (d *Dataset) Close() error {
	d.cleanup.Stop()
	d.native.close()
	return nil
}

// DatasetInfo says what a dataset is. Without a manifest, texts are empty and numbers 0.
type DatasetInfo struct {
	// Prefix is its name.
	Prefix string
	// UploadID is 32 hexadecimal digits that tell this upload from every other.
	UploadID string
	// CreatedAt is when it was published.
	CreatedAt time.Time
	// Compression of its chunks: zstd, lz4 or none.
	Compression string
	// Writer is the program that wrote it.
	Writer string
	// PartitionColumn is the column that rows are partitioned by; empty if it has none.
	PartitionColumn string
	// Rows of all chunks.
	Rows uint64
	// PayloadBytes of all chunks.
	PayloadBytes uint64
	// Chunks of the dataset.
	Chunks uint64
	// HasManifest is whether it was opened by its manifest.
	HasManifest bool
}

// Info says what the dataset is.
func (d *Dataset) Info() (DatasetInfo, error) {
	dataset, err := d.native.use()
	if err != nil {
		return DatasetInfo{}, err
	}
	defer d.native.done()
	return datasetInfo(dataset)
}

// Schema is the schema of the dataset, all columns. Without a manifest a chunk is read for it.
func (d *Dataset) Schema(ctx context.Context) (*arrow.Schema, error) {
	dataset, err := d.native.use()
	if err != nil {
		return nil, err
	}
	defer d.native.done()
	return run(ctx, func(native *cContext) (*arrow.Schema, error) {
		return importSchema(func(out *cSchema) error { return datasetSchema(dataset, native, out) })
	})
}

// Partition is one partition of a dataset.
type Partition struct {
	// ID of the partition.
	ID uint32
	// Value that it stands for, as text, if HasValue.
	Value string
	// HasValue is whether the value is known.
	HasValue bool
	// Batches of the partition.
	Batches uint64
	// Rows of the partition.
	Rows uint64
	// PayloadBytes of the partition's chunks.
	PayloadBytes uint64
}

// Partitions are the dataset's partitions in the order of their ids. It fails with [ErrUnsupported] for a dataset
// without a manifest.
func (d *Dataset) Partitions() ([]Partition, error) {
	dataset, err := d.native.use()
	if err != nil {
		return nil, err
	}
	defer d.native.done()
	count, err := datasetPartitionCount(dataset)
	if err != nil {
		return nil, err
	}
	partitions := make([]Partition, count)
	for i := range partitions {
		if partitions[i], err = datasetPartition(dataset, i); err != nil {
			return nil, err
		}
	}
	return partitions, nil
}

// Chunks is the listing of the dataset's chunks: the manifest's rows, one for each chunk, with its partition, batch,
// rows, sizes, checksum and statistics. The caller releases the reader. It fails with [ErrUnsupported] for a dataset
// without a manifest.
func (d *Dataset) Chunks() (array.RecordReader, error) {
	dataset, err := d.native.use()
	if err != nil {
		return nil, err
	}
	defer d.native.done()
	var stream cdata.CArrowArrayStream
	if err := datasetChunks(dataset, &stream); err != nil {
		return nil, err
	}
	return listing("chunk listing", &stream)
}

// Nodes tells how the chunks that the manifest lists are spread over the nodes of a cluster: a row for each, with the
// columns node (its address), chunks and payload_bytes. Every other store is one node; a dataset without a manifest has
// no rows. The caller releases the reader.
func (d *Dataset) Nodes(ctx context.Context) (array.RecordReader, error) {
	dataset, err := d.native.use()
	if err != nil {
		return nil, err
	}
	defer d.native.done()
	return run(ctx, func(native *cContext) (array.RecordReader, error) {
		var stream cdata.CArrowArrayStream
		if err := datasetNodes(dataset, native, &stream); err != nil {
			return nil, err
		}
		return listing("listing of nodes", &stream)
	})
}

// listing takes over a stream of the library's.
func listing(what string, stream *cdata.CArrowArrayStream) (array.RecordReader, error) {
	reader, err := cdata.ImportCRecordReader(stream, nil)
	if err != nil {
		return nil, unsupported(what, err)
	}
	return reader.(array.RecordReader), nil
}

// Check tells how many chunks the store does not hold any more as they were published, without reading any. It fails
// with [ErrInvalidArgument] for a dataset without a manifest.
func (d *Dataset) Check(ctx context.Context) (broken uint64, err error) {
	dataset, err := d.native.use()
	if err != nil {
		return 0, err
	}
	defer d.native.done()
	return run(ctx, func(native *cContext) (uint64, error) { return datasetCheck(dataset, native) })
}

// Read starts reading the dataset. Options may be nil. The context bounds the whole read, until the reader is at its
// end or released. The caller releases or closes the reader, and may close the dataset before.
func (d *Dataset) Read(ctx context.Context, options *ReadOptions) (*Reader, error) {
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
	return newReader(ctx, func(context *cContext) (*cReader, error) { return read(dataset, native, context) })
}

// ReadToFile reads the dataset into an IPC file, which gets its name only when it is complete. Compression is "zstd",
// "lz4" or "none"; empty means as the dataset is stored, which copies instead of encoding anew. Options may be nil.
func (d *Dataset) ReadToFile(
	ctx context.Context, path, compression string, options *ReadOptions,
) (Metrics, error) {
	dataset, err := d.native.use()
	if err != nil {
		return Metrics{}, err
	}
	defer d.native.done()
	native, err := newOptions(kindRead, options)
	if err != nil {
		return Metrics{}, err
	}
	defer optionsFree(native)
	return run(ctx, func(context *cContext) (Metrics, error) {
		return readToFile(dataset, path, compression, native, context)
	})
}

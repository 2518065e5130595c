package arrowredis

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// Reader is a running read: an [array.RecordReader] over record batches in the order of partition and batch. Fetching
// and decoding go on in the background while batches are taken, as far as the byte budget allows.
//
// One goroutine takes batches, uses them and closes the reader; others may ask for metrics and cancel. A batch is valid
// until the next call of Next or Close, or as long as it is retained: it may outlive reader, dataset and store.
type Reader struct {
	refs    atomic.Int64
	state   *readerState
	cleanup runtime.Cleanup
}

var _ array.RecordReader = (*Reader)(nil)

// readerState is what a reader owns, apart from it so that the cleanup does not keep the reader alive.
type readerState struct {
	native *handle[*cReader]
	call   *call
	schema *arrow.Schema

	mu    sync.Mutex
	batch arrow.RecordBatch
	place place
	ended bool
	err   error
}

type place struct {
	partition, batch uint32
	known            bool
}

// ReadFile starts reading an IPC file. Only the wanted partitions are touched. Options may be nil. The context bounds
// the whole read. The caller releases or closes the reader.
func ReadFile(ctx context.Context, path string, options *FileReadOptions) (*Reader, error) {
	native, err := newOptions(kindFileRead, options)
	if err != nil {
		return nil, err
	}
	defer optionsFree(native)
	return newReader(ctx, func(context *cContext) (*cReader, error) { return readFile(path, native, context) })
}

func newReader(ctx context.Context, start func(*cContext) (*cReader, error)) (*Reader, error) {
	c, err := begin(ctx)
	if err != nil {
		return nil, err
	}
	native, err := start(c.pointer())
	if err != nil {
		c.finish()
		return nil, c.explain(err)
	}
	state := &readerState{native: own("reader", native, readerFree), call: c}
	state.schema, err = importSchema(func(out *cSchema) error { return readerSchema(native, out) })
	if err != nil {
		state.close()
		return nil, c.explain(err)
	}
	r := &Reader{state: state}
	r.refs.Store(1)
	r.cleanup = runtime.AddCleanup(r, (*readerState).close, state)
	return r, nil
}

// Schema of the batches.
func (r *Reader) Schema() *arrow.Schema { return r.state.schema }

// Next takes the next batch, and waits for it if need be. After the last one, or an error, it is false.
func (r *Reader) Next() bool {
	defer runtime.KeepAlive(r)
	s := r.state
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
	if s.ended || s.err != nil {
		return false
	}
	batch, where, err := s.take()
	switch {
	case err != nil:
		s.err = err
	case batch == nil:
		s.ended = true
	default:
		s.batch, s.place = batch, where
		return true
	}
	s.call.finish()
	return false
}

func (s *readerState) take() (arrow.RecordBatch, place, error) {
	native, err := s.native.use()
	if err != nil {
		return nil, place{}, err
	}
	defer s.native.done()
	if err := s.call.ctx.Err(); err != nil {
		readerCancel(native)
		return nil, place{}, s.call.ended(err)
	}
	var out cArray
	partition, number, err := readerNext(native, &out)
	if err != nil {
		return nil, place{}, s.call.explain(err)
	}
	if out.release == nil {
		return nil, place{}, nil
	}
	batch, err := importBatch(&out, s.schema)
	return batch, place{partition, number, partition != noPartition}, err
}

func (s *readerState) drop() {
	if s.batch != nil {
		s.batch.Release()
		s.batch = nil
	}
	s.place = place{}
}

// RecordBatch is the current batch; nil before the first and after the last.
func (r *Reader) RecordBatch() arrow.RecordBatch { return r.state.batch }

// Record is the current batch.
//
// Deprecated: use [Reader.RecordBatch]. It is here because [array.RecordReader] has it.
func (r *Reader) Record() arrow.RecordBatch { return r.RecordBatch() }

// Place says where in the dataset the current batch belongs: its partition's id, and its number within that. It is not
// known before the first batch, after the last, and for batches that belong to no partition.
func (r *Reader) Place() (partition, batch uint32, known bool) {
	p := r.state.place
	return p.partition, p.batch, p.known
}

// Err is what ended the read before its last batch, or nil.
func (r *Reader) Err() error { return r.state.err }

// Metrics are the figures of the read as they stand now. Any goroutine may ask, until the reader is closed.
func (r *Reader) Metrics() (Metrics, error) {
	native, err := r.state.native.use()
	if err != nil {
		return Metrics{}, err
	}
	defer r.state.native.done()
	return readerMetrics(native)
}

// Cancel ends this read alone, from any goroutine: batches that are being waited for, or asked for later, fail with
// [ErrCancelled]. It never blocks.
func (r *Reader) Cancel() {
	if native, err := r.state.native.use(); err == nil {
		readerCancel(native)
		r.state.native.done()
	}
}

// Export hands the batches that have not been taken yet to another native library, such as a database, as an Arrow C
// stream. Out must be zero or released; whoever has it releases it. The reader must not be closed before; it goes on to
// answer for metrics, cancelling, and the error that ended the stream: [Reader.StreamErr].
func (r *Reader) Export(out *cdata.CArrowArrayStream) error {
	native, err := r.state.native.use()
	if err != nil {
		return err
	}
	defer r.state.native.done()
	return readerExport(native, out)
}

// StreamErr is the error that ended a stream made by [Reader.Export], or nil.
func (r *Reader) StreamErr() error {
	native, err := r.state.native.use()
	if err != nil {
		return err
	}
	defer r.state.native.done()
	return r.state.call.explain(readerError(native))
}

// Retain adds a reference.
func (r *Reader) Retain() { r.refs.Add(1) }

// Release drops a reference, and closes the reader with the last.
func (r *Reader) Release() {
	if r.refs.Add(-1) == 0 {
		_ = r.Close()
	}
}

// Close ends the read, whatever its references, and frees what it holds, the current batch included unless that is
// retained; a goroutine that waits in Next gets [ErrCancelled]. Closing again does nothing. It never fails.
func (r *Reader) Close() error {
	r.cleanup.Stop()
	r.state.close()
	return nil
}

func (s *readerState) close() {
	if native, err := s.native.use(); err == nil {
		readerCancel(native)
		s.native.done()
	}
	s.native.close()
	s.call.finish()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
}

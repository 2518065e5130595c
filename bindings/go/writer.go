package arrowredis

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Writer writes a dataset batch by batch. Nothing is visible to readers before it is finished. Goroutines may share it;
// batches are written in the order in which the calls come.
type Writer struct {
	state   *writerState
	cleanup runtime.Cleanup
}

type writerState struct {
	native *handle[*cWriter]
	call   *call
	schema *arrow.Schema
	freed  chan struct{}
	once   sync.Once
}

// NewWriter starts writing a dataset of the schema. Options may be nil. The context bounds everything until the writer
// is finished. Errors of the store come with the first batches, or with [Writer.Finish]. The caller closes the writer.
func (s *Store) NewWriter(
	ctx context.Context, prefix string, schema *arrow.Schema, options *SplitOptions,
) (*Writer, error) {
	store, err := s.native.use()
	if err != nil {
		return nil, err
	}
	defer s.native.done()
	native, err := newOptions(kindSplit, options)
	if err != nil {
		return nil, err
	}
	defer optionsFree(native)
	c, err := begin(ctx)
	if err != nil {
		return nil, err
	}
	state := &writerState{call: c, schema: schema, freed: make(chan struct{})}
	writer, err := state.open(store, prefix, native)
	if err != nil {
		c.finish()
		return nil, c.explain(err)
	}
	state.native = own("writer", writer, func(writer *cWriter) {
		writerFree(writer)
		close(state.freed)
	})
	w := &Writer{state: state}
	w.cleanup = runtime.AddCleanup(w, func(state *writerState) { go state.close() }, state) // it may take a while
	return w, nil
}

func (s *writerState) open(store *cStore, prefix string, options *cOptions) (*cWriter, error) {
	var schema cSchema
	if err := exportSchema(s.schema, &schema); err != nil {
		return nil, err
	}
	return writerOpen(store, prefix, &schema, options, s.call.pointer())
}

// Write writes a batch, whose columns must be those of the writer's schema. It blocks while earlier batches are on
// their way and the byte budget is used up. The batch is retained until it is written; its buffers are not copied, and
// must not change meanwhile.
func (w *Writer) Write(batch arrow.RecordBatch) error {
	defer runtime.KeepAlive(w)
	s := w.state
	if err := sameColumns(s.schema, batch.Schema()); err != nil {
		return err
	}
	if err := s.call.ctx.Err(); err != nil {
		return s.call.ended(err)
	}
	native, err := s.native.use()
	if err != nil {
		return err
	}
	out := new(cArray)
	if err := exportBatch(batch, out); err != nil {
		s.native.done()
		return err
	}
	_, err = within(s.call.ctx, s.call.explain, func() (struct{}, error) {
		defer s.native.done()
		return struct{}{}, writerWrite(native, out)
	})
	return err
}

// Finish writes what is left and publishes the dataset. Where it fails, nothing was published; but when it fails with
// the context's error, because the server does not answer, that may be unknown.
func (w *Writer) Finish() (SplitReport, error) {
	defer runtime.KeepAlive(w)
	s := w.state
	native, err := s.native.use()
	if err != nil {
		return SplitReport{}, err
	}
	return within(s.call.ctx, s.call.explain, func() (SplitReport, error) {
		defer s.native.done()
		return writerFinish(native)
	})
}

// Close frees the writer. One that was not finished is abandoned: what it wrote is removed, which may take a round trip
// or two; if the context has ended and the server does not answer, that goes on in the background. Closing again does
// nothing. It never fails.
func (w *Writer) Close() error {
	w.cleanup.Stop()
	w.state.close()
	return nil
}

func (s *writerState) close() {
	s.once.Do(func() {
		if native, err := s.native.use(); err == nil {
			writerCancel(native)
			s.native.done()
		}
		go func() {
			s.native.close()
			<-s.freed
			s.call.finish()
		}()
		nothing := func(err error) error { return err }
		_, _ = within(s.call.ctx, nothing, func() (struct{}, error) {
			<-s.freed
			return struct{}{}, nil
		})
	})
}

// Split writes what is left of a record reader to the store as a dataset, and publishes it last: readers see all of it
// or nothing. It fails as [Store.SplitFile] does, and with the reader's error. The reader is called from the calling
// goroutine, and is not released.
func (s *Store) Split(
	ctx context.Context, prefix string, reader array.RecordReader, options *SplitOptions,
) (SplitReport, error) {
	writer, err := s.NewWriter(ctx, prefix, reader.Schema(), options)
	if err != nil {
		return SplitReport{}, err
	}
	defer func() { _ = writer.Close() }()
	for reader.Next() {
		if err := writer.Write(reader.RecordBatch()); err != nil {
			return SplitReport{}, err
		}
	}
	if err := reader.Err(); err != nil {
		return SplitReport{}, fmt.Errorf("nothing was published under '%s', its input failed: %w", prefix, err)
	}
	return writer.Finish()
}

// sameColumns refuses a batch that the library would take for something else: arrays do not carry their types.
func sameColumns(expected, given *arrow.Schema) error {
	same := expected.NumFields() == given.NumFields()
	for i := 0; same && i < expected.NumFields(); i++ {
		same = expected.Field(i).Name == given.Field(i).Name && arrow.TypeEqual(expected.Field(i).Type, given.Field(i).Type)
	}
	if same {
		return nil
	}
	return newError(ErrInvalidArgument, fmt.Sprintf("a batch with other columns than its writer's: expected %v, got %v",
		expected.Fields(), given.Fields()))
}

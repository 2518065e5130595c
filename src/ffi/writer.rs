//! Writers: a split that is fed batch by batch.

use std::ffi::c_char;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchReader};

use crate::error::{Error, Result};
use crate::ffi::arrow_abi::{ArrowArray, ArrowSchema};
use crate::ffi::context::{arrowredis_context, start};
use crate::ffi::error::arrowredis_error;
use crate::ffi::guard::{Out, borrow, call, give, handle, infallible, release, text};
use crate::ffi::import::{import_batch, import_schema, take_batch, take_schema};
use crate::ffi::metrics::arrowredis_metrics;
use crate::ffi::options::{arrowredis_options, or_default};
use crate::ffi::split::{Outcome, arrowredis_split_report};
use crate::ffi::store::arrowredis_store;
use crate::runtime::{Context, block_signals, catch_panic, check_fork};
use crate::split::{Source, SplitReport, split};

/// A dataset that is being written batch by batch. Nothing is visible to readers before it is finished; freeing it
/// before that abandons the upload and removes what was written. May be shared by threads; batches are written in
/// the order in which the calls come.
pub struct arrowredis_writer {
    schema: SchemaRef,
    ctx: Context,
    state: Mutex<State>,
}

handle!(arrowredis_writer, "writer", b"ar.writr");

enum State {
    Writing { batches: SyncSender<RecordBatch>, upload: JoinHandle<Result<SplitReport>> },
    Finished,
    Failed(Error),
}

/// The batches that come through the channel; the end of the channel is the end of the input.
struct Fed {
    schema: SchemaRef,
    batches: Receiver<RecordBatch>,
}

impl Iterator for Fed {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.recv().ok().map(Ok)
    }
}

impl RecordBatchReader for Fed {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

impl arrowredis_writer {
    fn start(
        store: &arrowredis_store,
        prefix: &str,
        schema: SchemaRef,
        options: crate::split::SplitOptions,
        ctx: Context,
    ) -> Result<Self> {
        // Fails here rather than at the first batch.
        crate::names::check_prefix(prefix)?;
        crate::runtime::runtime()?;
        let (sender, batches) = sync_channel(1);
        let source = Source::Batches(Box::new(Fed { schema: schema.clone(), batches }));
        let (store, prefix, context) = (store.store()?, prefix.to_string(), ctx.clone());
        let upload = std::thread::Builder::new()
            .name("arrowredis-writer".to_string())
            .spawn(move || {
                block_signals();
                catch_panic(|| split(source, &store, &prefix, &options, &context))
            })
            .map_err(|e| Error::resource_exhausted(format!("cannot start a thread for the upload: {e}")))?;
        Ok(arrowredis_writer { schema, ctx, state: Mutex::new(State::Writing { batches: sender, upload }) })
    }

    fn write(&self, batch: RecordBatch) -> Result<()> {
        let mut state = self.lock();
        let State::Writing { batches, upload } = &*state else { return Err(state.why_not()) };
        // An upload that has ended has failed: its input has not ended.
        if !upload.is_finished() && batches.send(batch).is_ok() {
            return Ok(());
        }
        let error = match state.end() {
            Ok(_) => Error::internal("the upload ended before its input"),
            Err(error) => error,
        };
        *state = State::Failed(error.clone());
        Err(error)
    }

    fn finish(&self) -> Result<SplitReport> {
        let mut state = self.lock();
        let State::Writing { .. } = &*state else { return Err(state.why_not()) };
        let result = state.end();
        if let Err(error) = &result {
            *state = State::Failed(error.clone());
        }
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Ends the input and waits for the upload.
    fn end(&mut self) -> Result<SplitReport> {
        let State::Writing { batches, upload } = std::mem::replace(self, State::Finished) else {
            return Err(self.why_not());
        };
        drop(batches);
        upload.join().unwrap_or_else(|_| Err(Error::internal("the upload's thread panicked")))
    }

    /// Why nothing can be written any more.
    fn why_not(&self) -> Error {
        match self {
            State::Failed(error) => error.clone(),
            _ => Error::invalid_argument("argument 'writer' was finished already: open another"),
        }
    }
}

impl Drop for arrowredis_writer {
    fn drop(&mut self) {
        // Cancelled first, so that the end of the input is not taken for the end of the dataset.
        self.ctx.cancel_token().cancel();
        let _ = self.lock().end();
    }
}

/// Starts writing a dataset batch by batch. The caller owns `*out`.
///
/// `schema` is the schema of the batches; it is moved: `schema->release` is NULL afterwards, whatever the outcome
/// (but for a NULL schema). `options` are of kind `ARROWREDIS_OPTIONS_SPLIT`, or NULL. The context's timeout and
/// token bound everything until the writer is finished. Errors of the store come with the first batches, or with
/// `arrowredis_writer_finish`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_writer_open(
    store: *const arrowredis_store,
    prefix: *const c_char,
    prefix_length: usize,
    schema: *mut ArrowSchema,
    options: *const arrowredis_options,
    context: *const arrowredis_context,
    out: *mut *mut arrowredis_writer,
    err: *mut *mut arrowredis_error,
) -> i32 {
    let schema = take_schema(schema);
    call(err, || {
        let (store, out) = (borrow(store, "store")?, Out::new(out, "out")?);
        let options = or_default(options, arrowredis_options::split)?;
        let prefix = text(prefix, prefix_length, "prefix")?;
        let schema = import_schema(schema, "schema")?;
        out.set(give(arrowredis_writer::start(store, prefix, schema, options, start(context)?)?));
        Ok(())
    })
}

/// Writes a record batch, given as a struct array. Blocks while earlier batches are on their way and the byte
/// budget is used up.
///
/// The batch is moved: `batch->release` is NULL afterwards, whatever the outcome (but for a NULL batch); it is
/// released once it is written. Errors: INVALID_ARGUMENT for a batch that does not fit the schema, which changes
/// nothing; errors of the upload as `arrowredis_split_file`, which end it.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_writer_write(
    writer: *const arrowredis_writer,
    batch: *mut ArrowArray,
    err: *mut *mut arrowredis_error,
) -> i32 {
    let batch = take_batch(batch);
    call(err, || {
        let writer = borrow(writer, "writer")?;
        writer.write(import_batch(batch, &writer.schema, "batch")?)
    })
}

/// Writes what is left, and publishes the dataset. The handle must still be freed.
///
/// `report` and `metrics` may be NULL; their sizes are `sizeof(arrowredis_split_report)` and
/// `sizeof(arrowredis_metrics)`. Errors as `arrowredis_split_file`: nothing was published then.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_writer_finish(
    writer: *const arrowredis_writer,
    report: *mut arrowredis_split_report,
    report_size: usize,
    metrics: *mut arrowredis_metrics,
    metrics_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let outcome = Outcome::new(report, report_size, metrics, metrics_size)?;
        outcome.set(&borrow(writer, "writer")?.finish()?);
        Ok(())
    })
}

/// Cancels the upload: calls that are under way, and later ones, fail with CANCELLED. Never blocks; NULL does
/// nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_writer_cancel(writer: *const arrowredis_writer) {
    infallible(|| {
        if let (Ok(writer), Ok(())) = (borrow(writer, "writer"), check_fork()) {
            writer.ctx.cancel_token().cancel();
        }
    });
}

/// Frees a writer. One that was not finished is abandoned: what it wrote is removed, which may take a round trip or
/// two. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_writer_free(writer: *mut arrowredis_writer) {
    release(writer);
}

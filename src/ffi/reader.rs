//! Readers: running reads of datasets, files and generated data.

use std::ffi::c_char;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::export::read_to_file;
use crate::ffi::arrow_abi::{ArrowArray, ArrowArrayStream, ArrowSchema};
use crate::ffi::context::{arrowredis_context, start};
use crate::ffi::dataset::arrowredis_dataset;
use crate::ffi::error::arrowredis_error;
use crate::ffi::export::{export_batch, export_schema, export_stream};
use crate::ffi::guard::{Out, OutStruct, borrow, call, give, handle, infallible, release, set_optional, text};
use crate::ffi::metrics::arrowredis_metrics;
use crate::ffi::options::{arrowredis_options, or_default};
use crate::options::OptionValue;
use crate::read::{FileReadOptions, ReadBatch, Reader, open_and_read_file, read};
use crate::runtime::{Context, catch_panic, check_fork};

/// What a reader takes its batches from.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<ReadBatch>> + Send>;

/// A reader, as its handle and the streams exported from it share it.
pub(crate) struct Shared {
    schema: SchemaRef,
    ctx: Context,
    state: Mutex<State>,
}

enum State {
    Reading(Batches),
    Ended,
    Failed(Error),
}

impl Shared {
    pub(crate) fn new(schema: SchemaRef, ctx: Context, batches: Batches) -> Arc<Self> {
        Arc::new(Shared { schema, ctx, state: Mutex::new(State::Reading(batches)) })
    }

    fn of(mut reader: Reader) -> Arc<Self> {
        let (schema, ctx) = (reader.schema().clone(), reader.context().clone());
        Self::new(schema, ctx, Box::new(std::iter::from_fn(move || reader.next_batch())))
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next batch, as `export` makes it; `None` after the last, and the same error again and again after the
    /// first, be it of the read or of the export: no batch gets lost in silence.
    pub(crate) fn next<T>(&self, export: impl FnOnce(ReadBatch) -> Result<T>) -> Result<Option<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match &mut *state {
            // Checked here, too: batches that are ready would be handed out in spite of a fired token.
            State::Reading(batches) => catch_panic(|| {
                self.ctx.check()?;
                batches.next().transpose()?.map(export).transpose()
            }),
            State::Ended => Ok(None),
            State::Failed(error) => return Err(error.clone()),
        };
        match next {
            Ok(Some(batch)) => return Ok(Some(batch)),
            Ok(None) => *state = State::Ended,
            Err(error) => *state = State::Failed(error),
        }
        self.ctx.progress().finish();
        match &*state {
            State::Failed(error) => Err(error.clone()),
            _ => Ok(None),
        }
    }
}

/// A running read: record batches in the order of partition and batch. Fetching and decoding go on in the
/// background while batches are taken, as far as the byte budget allows; freeing the reader and every stream
/// exported from it stops them.
///
/// May be shared by threads; a batch goes to one of those that ask. Arrays outlive the reader, the dataset and the
/// store.
pub struct arrowredis_reader(Arc<Shared>);

handle!(arrowredis_reader, "reader", b"ar.readr");

impl arrowredis_reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        arrowredis_reader(shared)
    }
}

/// Starts reading a dataset. `options` are of kind `ARROWREDIS_OPTIONS_READ`, or NULL for everything.
///
/// The caller owns `*out`; the reader keeps what it needs of dataset and store alive. The context's timeout and
/// token bound the whole read. Errors: NOT_FOUND for a partition or column that does not exist; what the store
/// reports.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_read(
    dataset: *const arrowredis_dataset,
    options: *const arrowredis_options,
    context: *const arrowredis_context,
    out: *mut *mut arrowredis_reader,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (dataset, out) = (borrow(dataset, "dataset")?, Out::new(out, "out")?);
        let options = or_default(options, arrowredis_options::read)?;
        let reader = read(dataset.dataset(), &options, &start(context)?)?;
        out.set(give(arrowredis_reader(Shared::of(reader))));
        Ok(())
    })
}

/// Starts reading an IPC file. `options` are of kind `ARROWREDIS_OPTIONS_FILE_READ`, or NULL for everything.
///
/// `path` is that of a local file, or the URL of a file on S3, `s3://BUCKET/KEY`. Wherever a function takes the path
/// of an IPC file to read, such a URL will do. Options of kind `ARROWREDIS_OPTIONS_S3` stand in the URL's query, as in
/// `s3://BUCKET/KEY?aws_region=eu-west-1&endpoint_url=http%3A%2F%2Flocalhost%3A9000`; what is not given comes from the
/// environment and the profile, as AWS's own tools have it. Special characters are percent-encoded.
///
/// The caller owns `*out`. Only the wanted partitions are touched. Of a mapped file (option `mmap`), uncompressed
/// columns are handed out where they lie: the file must not change while its arrays are alive, and one that is cut
/// short raises SIGBUS. Errors: NOT_FOUND for a file, partition or column that does not exist; CORRUPT and
/// UNSUPPORTED for a file that cannot be read; CONFLICT for an object on S3 that was replaced while it was read; what
/// its server reports.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_read_file(
    path: *const c_char,
    path_length: usize,
    options: *const arrowredis_options,
    context: *const arrowredis_context,
    out: *mut *mut arrowredis_reader,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (path, out) = (text(path, path_length, "path")?, Out::new(out, "out")?);
        let options: FileReadOptions = or_default(options, arrowredis_options::file_read)?;
        let reader = open_and_read_file(path, &options, &start(context)?)?;
        out.set(give(arrowredis_reader(Shared::of(reader))));
        Ok(())
    })
}

/// Reads a dataset into an IPC file, which gets its name only when it is complete.
///
/// `options` as for `arrowredis_read`. `compression` is `zstd`, `lz4` or `none`; empty means as the dataset is
/// stored, which copies instead of encoding anew. `metrics` may be NULL; `metrics_size` is
/// `sizeof(arrowredis_metrics)`. Errors as `arrowredis_read`, and what the file system reports, naming the file.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_read_to_file(
    dataset: *const arrowredis_dataset,
    path: *const c_char,
    path_length: usize,
    compression: *const c_char,
    compression_length: usize,
    options: *const arrowredis_options,
    context: *const arrowredis_context,
    metrics: *mut arrowredis_metrics,
    metrics_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let dataset = borrow(dataset, "dataset")?.dataset();
        let path = text(path, path_length, "path")?;
        let metrics = OutStruct::optional(metrics, metrics_size, "metrics")?;
        let stored = dataset.manifest().map_or(Codec::Zstd, |manifest| manifest.compression());
        let codec = match text(compression, compression_length, "compression")? {
            "" => stored,
            name => Codec::parse(name).map_err(|expected| {
                Error::invalid_argument(format!("argument 'compression' cannot be '{name}': expected {expected}"))
            })?,
        };
        let options = or_default(options, arrowredis_options::read)?;
        let report = read_to_file(dataset, &options, codec, Path::new(path), &start(context)?)?;
        if let Some(metrics) = metrics {
            metrics.set(&(&report.metrics).into());
        }
        Ok(())
    })
}

/// The schema of the batches. The caller releases `*out`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_reader_schema(
    reader: *const arrowredis_reader,
    out: *mut ArrowSchema,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = Out::new(out, "out")?;
        out.set(export_schema(borrow(reader, "reader")?.0.schema())?);
        Ok(())
    })
}

/// Takes the next batch as a struct array, and where it belongs.
///
/// The caller releases `*out`. After the last batch `out->release` is NULL. `partition` and `batch` may be NULL;
/// `*partition` is `ARROWREDIS_NO_PARTITION` for batches that belong to none. Blocks until the batch is decoded. An
/// error ends the read: every later call reports it again.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_reader_next(
    reader: *const arrowredis_reader,
    out: *mut ArrowArray,
    partition: *mut u32,
    batch: *mut u32,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = Out::new(out, "out")?;
        let export = |next: ReadBatch| Ok((next.partition, next.batch, export_batch(next.data)?));
        let Some((number, position, data)) = borrow(reader, "reader")?.0.next(export)? else {
            out.set(ArrowArray::released());
            return Ok(());
        };
        set_optional(partition, number);
        set_optional(batch, position);
        out.set(data);
        Ok(())
    })
}

/// Exports the reader as an Arrow C stream of the batches that have not been taken yet.
///
/// The caller releases `*out`, which keeps the reader going; the handle stays valid for errors, figures and
/// cancelling. `get_next` may be called from any thread. Its failures are errno values: ECANCELED when cancelled,
/// ETIMEDOUT when out of time; `arrowredis_reader_error` has the details.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_reader_export(
    reader: *const arrowredis_reader,
    out: *mut ArrowArrayStream,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = Out::new(out, "out")?;
        out.set(export_stream(borrow(reader, "reader")?.0.clone()));
        Ok(())
    })
}

/// The error that ended the read, or NULL in `*out` if none did. The caller owns `*out`. Waits for a call in
/// another thread that is taking a batch.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_reader_error(
    reader: *const arrowredis_reader,
    out: *mut *mut arrowredis_error,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = Out::new(out, "out")?;
        let state = borrow(reader, "reader")?.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        out.set(match &*state {
            State::Failed(error) => arrowredis_error::hand_over(error.clone()),
            _ => std::ptr::null_mut(),
        });
        Ok(())
    })
}

/// The figures of the read so far; any thread may ask, also while another takes a batch. `out_size` is
/// `sizeof(arrowredis_metrics)`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_reader_metrics(
    reader: *const arrowredis_reader,
    out: *mut arrowredis_metrics,
    out_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = OutStruct::new(out, out_size, "out")?;
        out.set(&(&borrow(reader, "reader")?.0.ctx.metrics()).into());
        Ok(())
    })
}

/// Cancels this read alone; batches that are asked for from now on, or being waited for, fail with CANCELLED. Never
/// blocks; NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_reader_cancel(reader: *const arrowredis_reader) {
    infallible(|| {
        if let (Ok(reader), Ok(())) = (borrow(reader, "reader"), check_fork()) {
            reader.0.ctx.cancel_token().cancel();
        }
    });
}

/// Frees a reader; streams that were exported from it go on. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_reader_free(reader: *mut arrowredis_reader) {
    release(reader);
}

//! Splits: from a file or from the caller's stream to the chunks of a dataset.

use std::ffi::c_char;
use std::sync::Arc;

use crate::error::Result;
use crate::ffi::arrow_abi::ArrowArrayStream;
use crate::ffi::context::{arrowredis_context, start};
use crate::ffi::error::arrowredis_error;
use crate::ffi::guard::{Growing, OutStruct, borrow, call, text};
use crate::ffi::import::{ImportedStream, take_stream};
use crate::ffi::metrics::arrowredis_metrics;
use crate::ffi::options::{arrowredis_options, or_default};
use crate::ffi::store::arrowredis_store;
use crate::ipc_file::{FileOptions, IpcFile};
use crate::split::{Source, SplitReport, split};

/// What a split came to.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct arrowredis_split_report {
    /// The upload that was published: 32 hexadecimal digits and NUL bytes.
    pub upload_id: [c_char; 40],
    /// Partitions of the dataset.
    pub partitions: u64,
    /// Chunks of the dataset.
    pub chunks: u64,
    /// Chunks that were copied byte for byte rather than encoded anew.
    pub chunks_copied: u64,
    /// The upload that was replaced, as `upload_id`; empty if there was none.
    pub replaced_upload_id: [c_char; 40],
}

// SAFETY: a multiple of eight bytes of characters, and fields of eight bytes; any bits are a value; no padding.
unsafe impl Growing for arrowredis_split_report {}

/// The two places for the outcome of a split; either may be NULL.
pub(crate) struct Outcome {
    report: Option<OutStruct<arrowredis_split_report>>,
    metrics: Option<OutStruct<arrowredis_metrics>>,
}

impl Outcome {
    pub(crate) fn new(
        report: *mut arrowredis_split_report,
        report_size: usize,
        metrics: *mut arrowredis_metrics,
        metrics_size: usize,
    ) -> Result<Self> {
        Ok(Outcome {
            report: OutStruct::optional(report, report_size, "report")?,
            metrics: OutStruct::optional(metrics, metrics_size, "metrics")?,
        })
    }

    pub(crate) fn set(self, outcome: &SplitReport) {
        if let Some(report) = self.report {
            report.set(&arrowredis_split_report {
                upload_id: characters(&outcome.upload_id),
                partitions: outcome.partitions,
                chunks: outcome.metrics.chunks,
                chunks_copied: outcome.chunks_copied,
                replaced_upload_id: characters(outcome.replaced.as_deref().unwrap_or_default()),
            });
        }
        if let Some(metrics) = self.metrics {
            metrics.set(&(&outcome.metrics).into());
        }
    }
}

/// A short text in a field of fixed size, NUL-terminated.
fn characters(text: &str) -> [c_char; 40] {
    let mut field = [0; 40];
    for (to, from) in field.iter_mut().zip(text.bytes().take(39)) {
        *to = from as c_char;
    }
    field
}

/// Writes an IPC file to a store as a dataset, and publishes it last: readers see all of it or nothing.
///
/// `options` are of kind `ARROWREDIS_OPTIONS_SPLIT`, or NULL for the defaults. `report` and `metrics` may be NULL;
/// their sizes are `sizeof(arrowredis_split_report)` and `sizeof(arrowredis_metrics)`. Errors: ALREADY_EXISTS unless
/// `overwrite` is on; CONFLICT when another writer is at it; INVALID_ARGUMENT for a batch that holds several
/// partitions, naming it; CORRUPT and UNSUPPORTED for a file that cannot be used; what the store reports. What the
/// server's memory and settings may do to the dataset is logged as a warning.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_split_file(
    store: *const arrowredis_store,
    prefix: *const c_char,
    prefix_length: usize,
    path: *const c_char,
    path_length: usize,
    options: *const arrowredis_options,
    context: *const arrowredis_context,
    report: *mut arrowredis_split_report,
    report_size: usize,
    metrics: *mut arrowredis_metrics,
    metrics_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let outcome = Outcome::new(report, report_size, metrics, metrics_size)?;
        let store = borrow(store, "store")?.store()?;
        let (prefix, path) = (text(prefix, prefix_length, "prefix")?, text(path, path_length, "path")?);
        let options = or_default(options, arrowredis_options::split)?;
        let context = start(context)?;
        let source = Source::File(Arc::new(IpcFile::open_at(path, &FileOptions::default(), &context)?));
        outcome.set(&split(source, &store, prefix, &options, &context)?);
        Ok(())
    })
}

/// Writes an Arrow stream of the caller's to a store as a dataset, and publishes it last.
///
/// The stream is moved: `stream->release` is NULL afterwards, whatever the outcome (but for a NULL stream). Its
/// callbacks are called from this thread and from one of the library, one at a time. It is released when it has
/// ended; after another failure, or when cancelled, that may be a moment after this call has returned, as soon as
/// the callback that it is in returns. Parameters and errors as `arrowredis_split_file`; an error of the stream comes
/// back with its text.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_split_stream(
    store: *const arrowredis_store,
    prefix: *const c_char,
    prefix_length: usize,
    stream: *mut ArrowArrayStream,
    options: *const arrowredis_options,
    context: *const arrowredis_context,
    report: *mut arrowredis_split_report,
    report_size: usize,
    metrics: *mut arrowredis_metrics,
    metrics_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    let stream = take_stream(stream);
    call(err, || {
        let outcome = Outcome::new(report, report_size, metrics, metrics_size)?;
        let store = borrow(store, "store")?.store()?;
        let prefix = text(prefix, prefix_length, "prefix")?;
        let options = or_default(options, arrowredis_options::split)?;
        let stream = ImportedStream::open(stream, "stream")?;
        let source = Source::Batches(Box::new(stream));
        outcome.set(&split(source, &store, prefix, &options, &start(context)?)?);
        Ok(())
    })
}

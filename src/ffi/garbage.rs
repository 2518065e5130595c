//! What should not be in a store, or should be and is not: checks of a dataset's chunks, garbage of dead uploads.

use std::ffi::c_char;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, UInt32Array, UInt64Array};

use crate::dataset::BrokenChunk;
use crate::error::Result;
use crate::ffi::arrow_abi::ArrowArrayStream;
use crate::ffi::context::{arrowredis_context, start};
use crate::ffi::dataset::arrowredis_dataset;
use crate::ffi::error::arrowredis_error;
use crate::ffi::export::export_table;
use crate::ffi::guard::{Growing, Out, OutStruct, borrow, call, set_optional, text};
use crate::ffi::store::arrowredis_store;
use crate::garbage::{GarbageReport, collect_garbage};

/// Looks whether a store still holds every chunk of a dataset in its size, without reading any.
///
/// `*broken_chunks` is how many are missing or of another size. `chunks` may be NULL; otherwise it becomes a stream
/// of one batch with a row for each of them: `partition`, `batch`, `key`, `payload_bytes` as published, and
/// `stored_bytes`, null where the chunk is missing. The caller releases it. Errors: INVALID_ARGUMENT for a dataset
/// that was opened without a manifest; what the store reports.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_check(
    dataset: *const arrowredis_dataset,
    context: *const arrowredis_context,
    broken_chunks: *mut u64,
    chunks: *mut ArrowArrayStream,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (dataset, count) = (borrow(dataset, "dataset")?.dataset(), Out::new(broken_chunks, "broken_chunks")?);
        let broken = dataset.check(&start(context)?)?;
        let table = broken_table(&broken)?;
        count.set(broken.len() as u64);
        if !chunks.is_null() {
            set_optional(chunks, export_table(table));
        }
        Ok(())
    })
}

fn broken_table(broken: &[BrokenChunk]) -> Result<RecordBatch> {
    let numbers = |of: fn(&BrokenChunk) -> u32| Arc::new(broken.iter().map(of).collect::<UInt32Array>()) as ArrayRef;
    let keys: StringArray = broken.iter().map(|b| Some(b.chunk.key.as_str())).collect();
    let payload_bytes: UInt64Array = broken.iter().map(|b| b.chunk.payload_bytes).collect::<Vec<_>>().into();
    let stored_bytes: UInt64Array = broken.iter().map(|b| b.stored_bytes).collect();
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("partition", numbers(|b| b.chunk.partition), false),
        ("batch", numbers(|b| b.chunk.batch), false),
        ("key", Arc::new(keys), false),
        ("payload_bytes", Arc::new(payload_bytes), false),
        ("stored_bytes", Arc::new(stored_bytes), true),
    ])?)
}

/// What collecting garbage came to.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct arrowredis_garbage_report {
    /// Datasets under whose names dead uploads were found.
    pub datasets: u64,
    /// Uploads that had died unpublished, as far as they were on record.
    pub dead_uploads: u64,
    /// Chunks that were deleted.
    pub chunks: u64,
    /// Replaced versions that stay until their grace period is over.
    pub versions_in_grace: u64,
    /// Names that a writer is at, or may be: left alone.
    pub in_use: u64,
}

// SAFETY: fields of eight bytes, for all of which any bits are a value; no padding.
unsafe impl Growing for arrowredis_garbage_report {}

/// Removes the chunks of uploads that died unpublished to datasets whose names begin with `start_text` (all if
/// empty), and nothing else: chunks that a manifest lists are never touched.
///
/// `report` may be NULL; `report_size` is `sizeof(arrowredis_garbage_report)`. `datasets` may be NULL; otherwise it
/// becomes a stream of one batch with a row for each name: `prefix`, `in_use` (then the rest is 0), `dead_uploads`,
/// `chunks`, `versions_in_grace`. The caller releases it. A dead writer's lease ends by itself within 30 s; until
/// then its dataset counts as in use.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_collect_garbage(
    store: *const arrowredis_store,
    start_text: *const c_char,
    start_length: usize,
    context: *const arrowredis_context,
    report: *mut arrowredis_garbage_report,
    report_size: usize,
    datasets: *mut ArrowArrayStream,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let store = borrow(store, "store")?.store()?;
        let report = OutStruct::optional(report, report_size, "report")?;
        let found = collect_garbage(&store, text(start_text, start_length, "start_text")?, &start(context)?)?;
        let table = garbage_table(&found)?;
        if let Some(report) = report {
            report.set(&arrowredis_garbage_report {
                datasets: found.collected.len() as u64,
                dead_uploads: found.collected.iter().map(|dataset| dataset.dead_uploads.len() as u64).sum(),
                chunks: found.collected.iter().map(|dataset| dataset.chunks).sum(),
                versions_in_grace: found.collected.iter().map(|dataset| dataset.versions_in_grace).sum(),
                in_use: found.in_use.len() as u64,
            });
        }
        if !datasets.is_null() {
            set_optional(datasets, export_table(table));
        }
        Ok(())
    })
}

fn garbage_table(found: &GarbageReport) -> Result<RecordBatch> {
    let collected = found.collected.iter().map(|dataset| {
        (dataset.prefix.as_str(), false, dataset.dead_uploads.len() as u64, dataset.chunks, dataset.versions_in_grace)
    });
    let in_use = found.in_use.iter().map(|prefix| (prefix.as_str(), true, 0, 0, 0));
    let rows: Vec<_> = collected.chain(in_use).collect();
    let prefixes: StringArray = rows.iter().map(|row| Some(row.0)).collect();
    let in_use: BooleanArray = rows.iter().map(|row| row.1).collect::<Vec<_>>().into();
    let numbers = |of: fn(&(&str, bool, u64, u64, u64)) -> u64| {
        Arc::new(rows.iter().map(of).collect::<UInt64Array>()) as ArrayRef
    };
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("prefix", Arc::new(prefixes) as ArrayRef, false),
        ("in_use", Arc::new(in_use), false),
        ("dead_uploads", numbers(|row| row.2), false),
        ("chunks", numbers(|row| row.3), false),
        ("versions_in_grace", numbers(|row| row.4), false),
    ])?)
}

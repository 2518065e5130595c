//! Comparisons.

use std::ffi::c_char;
use std::sync::{Arc, Mutex, PoisonError};

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::ffi::arrow_abi::ArrowArrayStream;
use crate::ffi::context::{arrowredis_context, start};
use crate::ffi::dataset::{arrowredis_dataset, at};
use crate::ffi::error::arrowredis_error;
use crate::ffi::guard::{Growing, Out, OutStruct, Text, borrow, call, give, handle, infallible, release, text};
use crate::ffi::import::{ImportedStream, take_stream};
use crate::ffi::metrics::arrowredis_metrics;
use crate::ffi::options::{arrowredis_options, or_default};
use crate::ffi::store::or_minus_one;
use crate::ipc_file::{FileOptions, IpcFile};
use crate::read::{FileReadOptions, ReadOptions};
use crate::runtime::Context;
use crate::verify::{SideReport, VerifyDataset, VerifyFile, VerifyReport, VerifySide, VerifyStream, verify};

/// One of the two things that are compared: a dataset, a file or a stream. May be used for several comparisons, one
/// after the other; a stream for one.
pub struct arrowredis_verify_side(Side);

handle!(arrowredis_verify_side, "side of a comparison", b"ar.vside");

enum Side {
    Dataset(Dataset, ReadOptions),
    File(Arc<IpcFile>, FileReadOptions),
    Stream(String, Mutex<Option<ImportedStream>>),
}

impl Side {
    fn open(&self, ctx: &Context) -> Result<Arc<dyn VerifySide>> {
        Ok(match self {
            Side::Dataset(dataset, options) => Arc::new(VerifyDataset::new(dataset.clone(), options.clone(), ctx)),
            Side::File(file, options) => Arc::new(VerifyFile::new(file.clone(), options.clone(), ctx)),
            Side::Stream(name, stream) => {
                let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
                let stream = stream.ok_or_else(|| {
                    Error::invalid_argument(format!("{name} was read by an earlier comparison: hand it over again"))
                })?;
                Arc::new(VerifyStream::new(name.clone(), Box::new(stream)))
            }
        })
    }
}

/// A dataset as a side: the partitions and columns that `options` (kind `ARROWREDIS_OPTIONS_READ`, or NULL) mean.
/// The caller owns `*out`, which does not need `dataset` to stay alive.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_dataset(
    dataset: *const arrowredis_dataset,
    options: *const arrowredis_options,
    out: *mut *mut arrowredis_verify_side,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (dataset, out) = (borrow(dataset, "dataset")?.dataset().clone(), Out::new(out, "out")?);
        let options = or_default(options, arrowredis_options::read)?;
        out.set(give(arrowredis_verify_side(Side::Dataset(dataset, options))));
        Ok(())
    })
}

/// An IPC file, local or on S3, as a side; `options` are of kind `ARROWREDIS_OPTIONS_FILE_READ`, or NULL. The caller owns `*out`.
///
/// Errors: as `arrowredis_read_file`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_file(
    path: *const c_char,
    path_length: usize,
    options: *const arrowredis_options,
    out: *mut *mut arrowredis_verify_side,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (path, out) = (text(path, path_length, "path")?, Out::new(out, "out")?);
        let options: FileReadOptions = or_default(options, arrowredis_options::file_read)?;
        let opening = FileOptions { mmap: options.mmap, ..FileOptions::default() };
        let file = Arc::new(IpcFile::open_at(path, &opening, &Context::new())?);
        out.set(give(arrowredis_verify_side(Side::File(file, options))));
        Ok(())
    })
}

/// An Arrow stream of the caller's as a side, under a name for messages. The stream is moved: `stream->release` is
/// NULL afterwards, whatever the outcome (but for a NULL stream). It can be compared once, and not by partition.
/// The caller owns `*out`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_stream(
    name: *const c_char,
    name_length: usize,
    stream: *mut ArrowArrayStream,
    out: *mut *mut arrowredis_verify_side,
    err: *mut *mut arrowredis_error,
) -> i32 {
    let stream = take_stream(stream);
    call(err, || {
        let (name, out) = (text(name, name_length, "name")?.to_string(), Out::new(out, "out")?);
        let stream = ImportedStream::open(stream, "stream")?;
        out.set(give(arrowredis_verify_side(Side::Stream(name, Mutex::new(Some(stream))))));
        Ok(())
    })
}

/// Frees a side. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_side_free(side: *mut arrowredis_verify_side) {
    release(side);
}

/// What a comparison found. Immutable.
pub struct arrowredis_verify_report {
    report: VerifyReport,
    sides: [Text; 2],
    columns: Vec<ColumnTexts>,
    differences: Vec<Text>,
    notes: Vec<Text>,
}

handle!(arrowredis_verify_report, "report", b"ar.vrepo");

struct ColumnTexts {
    column: Text,
    partition: Option<Text>,
    left: Text,
    right: Text,
}

impl arrowredis_verify_report {
    fn new(report: VerifyReport) -> Self {
        let texts = |lines: &[String]| lines.iter().map(|line| Text::new(line)).collect();
        let columns = report.columns.iter().map(|difference| ColumnTexts {
            column: Text::new(&difference.column),
            partition: difference.partition.as_deref().map(Text::new),
            left: Text::new(&difference.left),
            right: Text::new(&difference.right),
        });
        arrowredis_verify_report {
            sides: [Text::new(&report.left.name), Text::new(&report.right.name)],
            columns: columns.collect(),
            differences: texts(&report.differences()),
            notes: texts(&report.schema_notes),
            report,
        }
    }
}

/// Compares two sides: schema, number of rows, and all values, bit by bit; batch boundaries do not matter.
///
/// `options` are of kind `ARROWREDIS_OPTIONS_VERIFY`, or NULL. The caller owns `*out`. A difference is no error: ask
/// `arrowredis_verify_report_identical`. Errors: whatever keeps a side from being read.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify(
    left: *const arrowredis_verify_side,
    right: *const arrowredis_verify_side,
    options: *const arrowredis_options,
    context: *const arrowredis_context,
    out: *mut *mut arrowredis_verify_report,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (left, right) = (borrow(left, "left")?, borrow(right, "right")?);
        let out = Out::new(out, "out")?;
        let options = or_default(options, arrowredis_options::verify)?;
        let context = start(context)?;
        let report = verify(left.0.open(&context)?, right.0.open(&context)?, &options, &context)?;
        out.set(give(arrowredis_verify_report::new(report)));
        Ok(())
    })
}

/// 1 if both sides have the same columns, rows and values, otherwise 0; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_report_identical(report: *const arrowredis_verify_report) -> i32 {
    infallible(|| borrow(report, "report").map_or(0, |report| i32::from(report.report.identical)))
}

/// What was read on one side. Strings are borrowed from the report.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct arrowredis_verify_side_fields {
    /// What the side is called.
    pub name: *const c_char,
    /// Its rows.
    pub rows: u64,
    /// Its columns.
    pub columns: u64,
    /// The record batches that it came in.
    pub batches: u64,
    /// The bytes that it takes where it is stored; -1 if not known.
    pub payload_bytes: i64,
}

// SAFETY: fields of eight bytes, for all of which any bits are a value; no padding.
unsafe impl Growing for arrowredis_verify_side_fields {}

/// What was read on a side: 0 is the left one, 1 the right one. `out_size` is
/// `sizeof(arrowredis_verify_side_fields)`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_report_side(
    report: *const arrowredis_verify_report,
    side: usize,
    out: *mut arrowredis_verify_side_fields,
    out_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = OutStruct::new(out, out_size, "out")?;
        let report = borrow(report, "report")?;
        let name = at(&report.sides, side, "side")?.pointer();
        let side: &SideReport = if side == 0 { &report.report.left } else { &report.report.right };
        out.set(&arrowredis_verify_side_fields {
            name,
            rows: side.rows,
            columns: side.columns as u64,
            batches: side.batches,
            payload_bytes: or_minus_one(side.payload_bytes),
        });
        Ok(())
    })
}

/// A column whose values differ. Strings are borrowed from the report.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct arrowredis_column_difference {
    /// The column's name.
    pub column: *const c_char,
    /// The first partition in which it differs, when comparing by partition; otherwise NULL.
    pub partition: *const c_char,
    /// The first row that differs, from 0; from the partition's first row when comparing by partition.
    pub row: u64,
    /// The value on the left, for a person.
    pub left: *const c_char,
    /// The value on the right.
    pub right: *const c_char,
}

// SAFETY: fields of eight bytes, for all of which any bits are a value; no padding.
unsafe impl Growing for arrowredis_column_difference {}

/// How many columns have values that differ; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_report_column_count(report: *const arrowredis_verify_report) -> usize {
    borrow(report, "report").map_or(0, |report| report.columns.len())
}

/// A column that differs, by its index from 0. `out_size` is `sizeof(arrowredis_column_difference)`.
///
/// Errors: INVALID_ARGUMENT for an index beyond the last.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_report_column(
    report: *const arrowredis_verify_report,
    index: usize,
    out: *mut arrowredis_column_difference,
    out_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = OutStruct::new(out, out_size, "out")?;
        let report = borrow(report, "report")?;
        let texts = at(&report.columns, index, "column that differs")?;
        let row = at(&report.report.columns, index, "column that differs")?.row;
        out.set(&arrowredis_column_difference {
            column: texts.column.pointer(),
            partition: texts.partition.as_ref().map_or(std::ptr::null(), Text::pointer),
            row,
            left: texts.left.pointer(),
            right: texts.right.pointer(),
        });
        Ok(())
    })
}

/// Every difference as one sentence, by its index from 0, the largest first: schema, partitions, rows, values. NULL
/// beyond the last. Borrowed from the report. `length` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_report_difference(
    report: *const arrowredis_verify_report,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    let line = borrow(report, "report").ok().and_then(|report| report.differences.get(index));
    line.map_or_else(|| crate::ffi::guard::no_text(length), |line| line.lend(length))
}

/// What differs in the schemas and does not count, by its index from 0: nullability, metadata. NULL beyond the last.
/// Borrowed from the report. `length` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_report_note(
    report: *const arrowredis_verify_report,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    let line = borrow(report, "report").ok().and_then(|report| report.notes.get(index));
    line.map_or_else(|| crate::ffi::guard::no_text(length), |line| line.lend(length))
}

/// What the comparison cost. `rows` are the rows compared, each counted once; `chunks` and `decoded_bytes` are of
/// both sides. `out_size` is `sizeof(arrowredis_metrics)`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_report_metrics(
    report: *const arrowredis_verify_report,
    out: *mut arrowredis_metrics,
    out_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = OutStruct::new(out, out_size, "out")?;
        out.set(&(&borrow(report, "report")?.report.metrics).into());
        Ok(())
    })
}

/// Frees a report. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_verify_report_free(report: *mut arrowredis_verify_report) {
    release(report);
}

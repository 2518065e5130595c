//! Generated datasets.

use std::ffi::c_char;
use std::path::Path;

use arrow::record_batch::RecordBatchReader;

use crate::error::Error;
use crate::ffi::context::{arrowredis_context, start};
use crate::ffi::error::arrowredis_error;
use crate::ffi::guard::{Out, OutStruct, call, give, text};
use crate::ffi::metrics::arrowredis_metrics;
use crate::ffi::options::{arrowredis_options, or_default};
use crate::ffi::reader::{Shared, arrowredis_reader};
use crate::generate::{GeneratedReader, generate_file};
use crate::read::ReadBatch;

/// Generates a dataset into an IPC file, which gets its name only when it is complete.
///
/// `options` are of kind `ARROWREDIS_OPTIONS_GENERATE`, or NULL for the defaults. The same options and seed give the
/// same bytes. `metrics` may be NULL; `metrics_size` is `sizeof(arrowredis_metrics)`. Errors: INVALID_ARGUMENT for
/// impossible options; what the file system reports, naming the file.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_generate_file(
    path: *const c_char,
    path_length: usize,
    options: *const arrowredis_options,
    context: *const arrowredis_context,
    metrics: *mut arrowredis_metrics,
    metrics_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let path = text(path, path_length, "path")?;
        let metrics = OutStruct::optional(metrics, metrics_size, "metrics")?;
        let options = or_default(options, arrowredis_options::generate)?;
        let report = generate_file(Path::new(path), &options, &start(context)?)?;
        if let Some(metrics) = metrics {
            metrics.set(&(&report.metrics).into());
        }
        Ok(())
    })
}

/// Starts generating a dataset in memory: a reader whose batches are made as they are taken. The caller owns
/// `*out`. Options and errors as `arrowredis_generate_file`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_generate(
    options: *const arrowredis_options,
    context: *const arrowredis_context,
    out: *mut *mut arrowredis_reader,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = Out::new(out, "out")?;
        let options = or_default(options, arrowredis_options::generate)?;
        let context = start(context)?;
        let mut reader = GeneratedReader::new(&options, &context)?;
        let (schema, batches) = (reader.schema(), options.batches.max(1));
        let (mut partition, mut next_batch) = (0, 0);
        let places = std::iter::from_fn(move || {
            let next = reader.next()?;
            if next_batch == batches {
                (partition, next_batch) = (partition + 1, 0);
            }
            let batch = next_batch;
            next_batch += 1;
            Some(next.map(|data| ReadBatch { partition, batch, data }).map_err(Error::from))
        });
        out.set(give(arrowredis_reader::new(Shared::new(schema, context, Box::new(places)))));
        Ok(())
    })
}

//! Uploads of files to S3.

use std::ffi::c_char;
use std::path::Path;

use crate::ffi::context::{arrowredis_context, start};
use crate::ffi::error::arrowredis_error;
use crate::ffi::guard::{OutStruct, call, text};
use crate::ffi::metrics::arrowredis_metrics;
use crate::ffi::options::{arrowredis_options, or_default};
use crate::upload::upload_file;

/// Uploads a local file, of whatever kind, to S3 by the URL `s3://BUCKET/KEY`, replacing what is there.
///
/// `options` are of kind `ARROWREDIS_OPTIONS_S3`, or NULL; the URL's query has precedence over them. A large file is
/// sent in parts, several at once. The object is there when all of it is. Whatever ends the upload early, also its
/// cancel token, removes the parts that were sent before the call returns. `metrics` may be NULL; `metrics_size` is
/// `sizeof(arrowredis_metrics)`; a chunk is one part. Errors: INVALID_ARGUMENT for a URL or option that cannot be
/// used; NOT_FOUND for a file or bucket that does not exist; PERMISSION_DENIED, UNAVAILABLE and what else the server
/// reports.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_upload_file(
    path: *const c_char,
    path_length: usize,
    url: *const c_char,
    url_length: usize,
    options: *const arrowredis_options,
    context: *const arrowredis_context,
    metrics: *mut arrowredis_metrics,
    metrics_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (path, url) = (text(path, path_length, "path")?, text(url, url_length, "url")?);
        let metrics = OutStruct::optional(metrics, metrics_size, "metrics")?;
        let options = or_default(options, arrowredis_options::s3)?;
        let report = upload_file(Path::new(path), url, &options, &start(context)?)?;
        if let Some(metrics) = metrics {
            metrics.set(&(&report.metrics).into());
        }
        Ok(())
    })
}

//! The upload verb: a local file to S3, what takes it back, and what lets others read it.

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::runtime::{Context, runtime};
use crate::store::{S3Options, S3Url, delete_s3, presign_s3, upload_s3};

/// What an upload came to.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadReport {
    /// The figures of the whole operation; a chunk is one part that was sent.
    pub metrics: Metrics,
    /// The size of the file.
    pub file_bytes: u64,
}

/// Uploads a local file, of whatever kind, to S3 by the URL `s3://BUCKET/KEY`, replacing what is there.
///
/// A file larger than one part is sent in parts, several at once. The object is there when all of it is, and not
/// before. Whatever ends an upload early, also cancelling it, removes the parts that were sent; the call returns
/// when that is done.
///
/// # Errors
/// `INVALID_ARGUMENT` for a URL or option that cannot be used; `NOT_FOUND` for a file or bucket that does not exist;
/// `PERMISSION_DENIED`, `UNAVAILABLE` and what else the server reports, naming the URL.
pub fn upload_file(path: &Path, url: &str, options: &S3Options, ctx: &Context) -> Result<UploadReport> {
    if !S3Url::is_one(url) {
        return Err(Error::invalid_argument("files are uploaded to URLs of the form s3://BUCKET/KEY"));
    }
    let url = S3Url::parse(url, options)?;
    let (path, context) = (path.to_path_buf(), ctx.clone());
    // Not under the context's guard: an upload ends by itself when cancelled, after cleaning up.
    let result = runtime()?.wait(async move {
        let named = format!("cannot upload '{}' to '{url}'", path.display());
        upload_s3(&path, &url, &context).await.map_err(|e| e.context(named))
    });
    ctx.progress().finish();
    let file_bytes = result?;
    Ok(UploadReport { metrics: ctx.metrics(), file_bytes })
}

/// Removes an object from S3 by its URL. One that is not there is no error: S3 does not tell.
///
/// # Errors
/// As [`upload_file`].
pub fn delete_uploaded(url: &str, options: &S3Options, ctx: &Context) -> Result<()> {
    let url = S3Url::parse(url, options)?;
    let context = ctx.clone();
    ctx.block_on_part(async move {
        delete_s3(&url, &context).await.map_err(|e| e.context(format!("cannot delete '{url}'")))
    })
}

/// A URL by which any HTTP client can read an object of S3 for as long as `lifetime` (a week at the most), with GET, in
/// ranges, too. It holds a signature: who has it needs no credentials. Whether the object is there is not asked.
///
/// # Errors
/// `INVALID_ARGUMENT` for a URL, option or lifetime that cannot be used; `PERMISSION_DENIED` if no credentials are found.
pub fn presign_file(url: &str, options: &S3Options, lifetime: Duration, ctx: &Context) -> Result<String> {
    let url = S3Url::parse(url, options)?;
    ctx.block_on_part(async move {
        presign_s3(&url, lifetime).await.map_err(|e| e.context(format!("cannot sign a URL of '{url}'")))
    })
}

//! Writing an object: whole if it is small, otherwise in parts that are sent at once.
//!
//! Parts that were sent cost their owner money until the upload is completed or aborted. So whatever ends an upload
//! early, be it an error, the cancel token or the deadline, aborts it, and waits until it is aborted.

use std::fs::File;
use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::buffer::Buffer;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::FusedFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use super::S3Url;
use super::client::{Attempts, Connection, client};
use super::errors::request_error;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Progress;
use crate::runtime::{CancelToken, Context, runtime};
use crate::store::BoxFuture;
use crate::store::source::read_at;

/// S3 takes no smaller parts, but for the last.
const MIN_PART_BYTES: u64 = 5 << 20;
/// S3 takes no more parts.
const MAX_PARTS: u64 = 10_000;
/// S3 takes no larger object.
const MAX_OBJECT_BYTES: u64 = 50 << 40;
/// Parts that are sent at once, unless told.
const REQUESTS: usize = 10;
/// How long what is under way is waited for when an upload ends early.
const GRACE: Duration = Duration::from_secs(3);
/// How long cleaning up may take, whatever the operation's deadline.
const ABORT_TIMEOUT: Duration = Duration::from_secs(20);

/// Uploads a file; returns its size. Reads it while it is sent: it must not change meanwhile.
pub(crate) async fn upload(path: &Path, url: &S3Url, ctx: &Context) -> Result<u64> {
    let options = &url.options;
    if options.part_bytes.0 < MIN_PART_BYTES {
        return Err(Error::invalid_argument("option 'part_bytes' must be 5MiB or more: S3 takes no smaller parts"));
    }
    let opening = path.to_path_buf();
    let (file, len) = runtime()?.blocking(move || open(&opening)).await?;
    if len > MAX_OBJECT_BYTES {
        return Err(Error::resource_exhausted(format!("{len} bytes are more than S3 takes")));
    }
    Progress::add(&ctx.progress().payload_bytes_expected, len);
    let connection = ctx.guard(async { Ok(Connection { client: client(options).await?, url: Arc::new(url.clone()) }) });
    let upload = Upload { connection: connection.await?, file: Arc::new(file), ctx, stop: CancelToken::new() };
    let parts = parts(len, options.part_bytes.0);
    Progress::add(&ctx.progress().chunks_expected, parts.len() as u64);
    match parts.as_slice() {
        [whole] => ctx.guard(upload.put(whole.clone())).await?,
        _ => upload.multipart(&parts).await?,
    }
    Ok(len)
}

fn open(path: &Path) -> Result<(File, u64)> {
    let describe = |e: std::io::Error| Error::from(e).context(format!("cannot open '{}'", path.display()));
    let file = File::open(path).map_err(describe)?;
    let metadata = file.metadata().map_err(describe)?;
    if !metadata.is_file() {
        return Err(Error::invalid_argument(format!("'{}' is not a regular file", path.display())));
    }
    Ok((file, metadata.len()))
}

/// The parts of an upload: of one size but for the last, and no more than S3 takes.
fn parts(len: u64, part_bytes: u64) -> Vec<Range<u64>> {
    let part_bytes = part_bytes.max(len.div_ceil(MAX_PARTS));
    let count = len.div_ceil(part_bytes).max(1);
    (0..count).map(|part| part * part_bytes..((part + 1) * part_bytes).min(len)).collect()
}

struct Upload<'a> {
    connection: Connection,
    file: Arc<File>,
    ctx: &'a Context,
    /// Fired when no more parts are to be sent.
    stop: CancelToken,
}

impl Upload<'_> {
    fn attempts(&self) -> Attempts<'_> {
        Attempts { options: &self.connection.url.options, ctx: self.ctx, stop: None }
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let file = self.file.clone();
        let buffer = runtime()?.blocking(move || read_at(&file, range)).await?;
        Ok(Bytes::from_owner(Shared(buffer)))
    }

    fn sent(&self, bytes: usize) {
        Progress::add(&self.ctx.progress().payload_bytes, bytes as u64);
        Progress::add(&self.ctx.progress().chunks, 1);
    }

    /// Sends a small file as it is.
    async fn put(&self, range: Range<u64>) -> Result<()> {
        let Connection { client, url } = &self.connection;
        let _busy = self.ctx.progress().fetch.start();
        let bytes = self.read(range).await?;
        let request = || async {
            let request = client.put_object().bucket(&url.bucket).key(&url.key).body(body(&bytes));
            request.send().await.map_err(|e| request_error(e, "writing the object"))
        };
        self.attempts().run("writing the object", request).await?;
        self.sent(bytes.len());
        Ok(())
    }

    async fn multipart(&self, parts: &[Range<u64>]) -> Result<()> {
        self.ctx.check()?;
        let _busy = self.ctx.progress().fetch.start();
        let id = self.created().await?;
        let mut sending = FuturesUnordered::new();
        let sent = async {
            let parts = self.send_all(&id, parts, &mut sending).await?;
            self.complete(&id, parts).await
        };
        let Err(error) = self.ctx.guard(sent).await else { return Ok(()) };
        // A part that the server has all of would come after the end of the upload, and stay.
        self.stop.cancel();
        let ended = sending.for_each(|_| std::future::ready(()));
        let _ = tokio::time::timeout(GRACE, ended).await;
        match self.abort(&id).await {
            Ok(()) => Err(error),
            Err(left) => Err(left_behind(error, &id, &left)),
        }
    }

    /// Starts an upload. If the operation ends meanwhile, the answer is waited for nevertheless: an upload whose id
    /// nobody has cannot be aborted.
    async fn created(&self) -> Result<String> {
        let mut creating = pin!(self.create().fuse());
        let error = match self.ctx.guard(&mut creating).await {
            Ok(id) => return Ok(id),
            Err(error) => error,
        };
        if !creating.is_terminated()
            && let Ok(Ok(id)) = tokio::time::timeout(GRACE, creating).await
            && let Err(left) = self.abort(&id).await
        {
            return Err(left_behind(error, &id, &left));
        }
        Err(error)
    }

    async fn create(&self) -> Result<String> {
        let Connection { client, url } = &self.connection;
        let what = "starting the upload";
        let request = || async {
            let request = client.create_multipart_upload().bucket(&url.bucket).key(&url.key);
            request.send().await.map_err(|e| request_error(e, what))
        };
        let (created, _) = self.attempts().run(what, request).await?;
        created.upload_id.ok_or_else(|| Error::unsupported("the server gave the upload no id"))
    }

    /// Sends all parts, several at once within the byte budget; gives them in their order. What is being sent stays
    /// in `sending` when this is dropped.
    async fn send_all<'u>(
        &'u self,
        id: &'u str,
        parts: &[Range<u64>],
        sending: &mut FuturesUnordered<BoxFuture<'u, Result<CompletedPart>>>,
    ) -> Result<Vec<CompletedPart>> {
        let share = self.ctx.budget_share()?;
        let options = &self.connection.url.options;
        let concurrency = if options.concurrency == 0 { REQUESTS } else { options.concurrency };
        let mut numbered = (1..).zip(parts.iter().cloned());
        let mut done = Vec::with_capacity(parts.len());
        loop {
            while sending.len() < concurrency
                && let Some((number, range)) = numbered.next()
            {
                let share = share.clone();
                sending.push(Box::pin(async move {
                    let _permit = share.acquire(range.end - range.start).await;
                    self.send_part(id, number, range).await
                }));
            }
            let Some(part) = sending.next().await else { break };
            done.push(part?);
        }
        done.sort_by_key(CompletedPart::part_number);
        Ok(done)
    }

    async fn send_part(&self, id: &str, number: i32, range: Range<u64>) -> Result<CompletedPart> {
        let Connection { client, url } = &self.connection;
        let what = format!("sending part {number}");
        let bytes = self.read(range).await?;
        let request = || async {
            let request = client.upload_part().bucket(&url.bucket).key(&url.key).upload_id(id).part_number(number);
            request.body(body(&bytes)).send().await.map_err(|e| request_error(e, &what))
        };
        let attempts = Attempts { stop: Some(&self.stop), ..self.attempts() };
        let (sent, _) = attempts.run(&what, request).await?;
        self.sent(bytes.len());
        Ok(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build())
    }

    /// Makes an object of the parts.
    async fn complete(&self, id: &str, parts: Vec<CompletedPart>) -> Result<()> {
        let Connection { client, url } = &self.connection;
        let what = "completing the upload";
        let count = parts.len();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let mut repeated = false;
        let request = || {
            let again = std::mem::replace(&mut repeated, true);
            let request = client.complete_multipart_upload().bucket(&url.bucket).key(&url.key).upload_id(id);
            let request = request.multipart_upload(parts.clone());
            async move {
                match request.send().await.map_err(|e| request_error(e, what)) {
                    // The answer to an earlier try was lost, and that try may have been the one.
                    Err(e) if again && e.server_code() == Some("NoSuchUpload") => self.check_complete(count, e).await,
                    result => result.map(|_| ()),
                }
            }
        };
        self.attempts().run(what, request).await.map(|_| ())
    }

    /// Whether the object is what this upload would have made of it.
    async fn check_complete(&self, parts: usize, error: Error) -> Result<()> {
        let Connection { client, url } = &self.connection;
        let request = client.head_object().bucket(&url.bucket).key(&url.key);
        let found = request.send().await.map_err(|e| request_error(e, "looking at the object"))?;
        let len = self.file.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        let same_parts = found.e_tag().is_some_and(|etag| etag.trim_matches('"').ends_with(&format!("-{parts}")));
        if same_parts && found.content_length().and_then(|length| u64::try_from(length).ok()) == Some(len) {
            return Ok(());
        }
        Err(error)
    }

    /// Removes the parts that were sent. Nothing is being sent any more: what was has been dropped.
    async fn abort(&self, id: &str) -> Result<()> {
        let Connection { client, url } = &self.connection;
        let what = "aborting the upload";
        let abort = || async {
            let request = client.abort_multipart_upload().bucket(&url.bucket).key(&url.key).upload_id(id);
            request.send().await.map(|_| ()).map_err(|e| request_error(e, what))
        };
        let list = || async {
            let request = client.list_parts().bucket(&url.bucket).key(&url.key).upload_id(id).max_parts(1);
            request.send().await.map(|_| ()).map_err(|e| request_error(e, what))
        };
        let attempts = self.attempts();
        let aborted = async {
            loop {
                gone(attempts.run(what, abort).await.map(|_| ()))?;
                // A part that was on its way may have come after that. Who may not look has to believe it.
                match gone(attempts.run(what, list).await.map(|_| ())) {
                    Ok(false) => {}
                    Ok(true) => return Ok(()),
                    Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => return Ok(()),
                    Err(e) => return Err(e),
                }
                tokio::time::sleep(url.options.retry_base_delay).await;
            }
        };
        within(ABORT_TIMEOUT, aborted).await
    }
}

/// An error after which parts may be left.
fn left_behind(error: Error, id: &str, left: &Error) -> Error {
    let problem = left.message();
    error.context(format!("parts that were sent may be left, for upload {id} could not be aborted ({problem}); before"))
}

/// Whether there is no such upload any more.
fn gone(result: Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(false),
        Err(e) if e.server_code() == Some("NoSuchUpload") || e.kind() == ErrorKind::NotFound => Ok(true),
        Err(e) => Err(e),
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::timeout(format!("it took longer than {} s", limit.as_secs()));
    tokio::time::timeout(limit, work).await.map_err(late)?
}

/// A body that can be sent more than once, without a copy.
fn body(bytes: &Bytes) -> ByteStream {
    ByteStream::new(SdkBody::from(bytes.clone()))
}

/// Shares the bytes of a buffer.
struct Shared(Buffer);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_few_and_cover_all() {
        let mib = 1 << 20;
        assert_eq!(parts(0, 8 * mib), [Range { start: 0, end: 0 }]);
        assert_eq!(parts(8 * mib, 8 * mib), [Range { start: 0, end: 8 * mib }]);
        assert_eq!(parts(20 * mib, 8 * mib), [0..8 * mib, 8 * mib..16 * mib, 16 * mib..20 * mib]);
        for len in [MAX_PARTS * 8 * mib, MAX_PARTS * 8 * mib + 1, MAX_OBJECT_BYTES] {
            let parts = parts(len, 8 * mib);
            assert!(parts.len() as u64 <= MAX_PARTS, "{len}");
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert_eq!((parts[0].start, parts.last().unwrap().end), (0, len));
        }
    }
}

//! An object on S3 as a file that is read in ranges, all of them of one version.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::buffer::Buffer;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use tokio::sync::Mutex;

use super::S3Url;
use super::body::Cutter;
use super::client::{Attempts, Connection, client};
use super::errors::{body_error, request_error, short};
use crate::error::{Error, ErrorKind, Result};
use crate::ranges::RangeRules;
use crate::runtime::{Context, available_cores};
use crate::store::BoxFuture;
use crate::store::source::{ByteSource, END_BYTES, FileBytes, OnPart, SourceTuning};
use crate::tuning;

/// Opens an object: its last bytes, and with them its size and version.
pub(crate) async fn open(url: &S3Url, ctx: &Context) -> Result<FileBytes> {
    let connection = Connection { client: client(&url.options).await?, url: Arc::new(url.clone()) };
    let last =
        Part { header: format!("bytes=-{END_BYTES}"), most: END_BYTES, what: "reading the end of it".to_string() };
    let Fetched { bytes, head, latency } = connection.get(&last, ctx).await.map_err(|e| match e.server_code() {
        Some("InvalidRange" | "416") => empty(),
        _ => e,
    })?;
    if head.total == 0 {
        return Err(empty());
    }
    if head.range != (head.total.saturating_sub(END_BYTES)..head.total) {
        return Err(misunderstood());
    }
    let object = S3Object { connection, etag: head.etag, len: head.total, latency };
    Ok(FileBytes::new(Arc::new(object), Buffer::default(), bytes))
}

/// Deletes an object, if it is there.
pub(crate) async fn delete(url: &S3Url, ctx: &Context) -> Result<()> {
    let client = client(&url.options).await?;
    let attempts = Attempts { options: &url.options, ctx, stop: None };
    let what = "deleting the object";
    let request = || async {
        let request = client.delete_object().bucket(&url.bucket).key(&url.key);
        request.send().await.map(|_| ()).map_err(|e| request_error(e, what))
    };
    attempts.run(what, request).await.map(|_| ())
}

fn empty() -> Error {
    Error::corrupt("this is not an Arrow IPC file: the object is empty")
}

fn replaced() -> Error {
    Error::conflict("the object was replaced or deleted while it was read: read it again").retryable(true)
}

/// One version of an object.
#[derive(Debug)]
struct S3Object {
    connection: Connection,
    /// What the server calls this version.
    etag: String,
    len: u64,
    /// How long an answer takes to come.
    latency: Duration,
}

impl ByteSource for S3Object {
    fn len(&self) -> u64 {
        self.len
    }

    fn tuning(&self) -> SourceTuning {
        let options = &self.connection.url.options;
        let part_bytes = options.part_bytes.0;
        let of_parts = tuning::part_requests(available_cores(), self.latency, part_bytes);
        let tuned = |requests| if options.concurrency == 0 { requests } else { options.concurrency };
        SourceTuning {
            rules: RangeRules { part_bytes, ..RangeRules::OBJECT },
            requests: tuned(tuning::FILE_REQUESTS),
            part_requests: tuned(of_parts),
            look_ahead_bytes: tuning::file_look_ahead(self.latency),
        }
    }

    fn read<'a>(&'a self, range: Range<u64>, ctx: &'a Context) -> BoxFuture<'a, Result<Buffer>> {
        Box::pin(async move {
            let mut bytes = None;
            let mut keep = |_: usize, all: Buffer| bytes = Some(all);
            self.read_parts(range.clone(), std::slice::from_ref(&range), &mut keep, ctx).await?;
            Ok(bytes.unwrap_or_else(|| Buffer::from(Vec::<u8>::new())))
        })
    }

    fn read_parts<'a>(
        &'a self,
        range: Range<u64>,
        parts: &'a [Range<u64>],
        on_part: OnPart<'a>,
        ctx: &'a Context,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if range.is_empty() {
                return Ok(());
            }
            let connection = &self.connection;
            let attempts = Attempts { options: &connection.url.options, ctx, stop: None };
            let cutter = Mutex::new(Cutter::new(parts, on_part));
            // A repeated request asks for what has not come yet.
            let request = || async {
                let mut cutter = cutter.lock().await;
                let rest = cutter.rest(&range);
                if rest.is_empty() {
                    return Ok(());
                }
                let part = Part::range(rest.clone());
                let (mut answer, head) = connection.ask(&part, Some(&self.etag)).await?;
                self.check(&head, &rest)?;
                receive(&mut answer, &head.range, &mut cutter, &part.what).await
            };
            let what = Part::range(range.clone()).what;
            let ended = attempts.run(&what, request).await;
            ended.map(|_| ()).map_err(|e| match e.kind() {
                // What was there when it was opened is not there any more.
                ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::Corrupt => replaced(),
                _ => e,
            })
        })
    }
}

impl S3Object {
    /// Whether an answer is of the version that was opened (not every server looks at the condition), and of what
    /// was asked for.
    fn check(&self, head: &Head, asked: &Range<u64>) -> Result<()> {
        if head.etag != self.etag || head.total != self.len {
            return Err(replaced());
        }
        if head.range != *asked {
            return Err(misunderstood());
        }
        Ok(())
    }
}

fn misunderstood() -> Error {
    Error::unsupported("the server does not answer requests for ranges as it should")
}

/// What an answer says of the bytes that follow.
struct Head {
    range: Range<u64>,
    total: u64,
    etag: String,
}

/// What is asked for.
struct Part {
    header: String,
    /// Bytes that may come.
    most: u64,
    /// For messages.
    what: String,
}

impl Part {
    fn range(range: Range<u64>) -> Self {
        let last = range.end - 1;
        Part {
            header: format!("bytes={}-{last}", range.start),
            most: range.end - range.start,
            what: format!("reading bytes {} to {last}", range.start),
        }
    }
}

/// A part of an object as it came.
struct Fetched {
    bytes: Buffer,
    head: Head,
    /// From the request to the first byte of its answer.
    latency: Duration,
}

impl Connection {
    /// Sends one request; `version` must still be the object's.
    async fn ask(&self, part: &Part, version: Option<&str>) -> Result<(GetObjectOutput, Head)> {
        let request = self.client.get_object().bucket(&self.url.bucket).key(&self.url.key).range(&part.header);
        let answer = request.set_if_match(version.map(str::to_string)).send().await;
        let answer = answer.map_err(|e| request_error(e, &part.what))?;
        let head = head(&answer, part)?;
        Ok((answer, head))
    }

    /// Fetches a part, of whatever version there is.
    async fn get(&self, part: &Part, ctx: &Context) -> Result<Fetched> {
        let attempts = Attempts { options: &self.url.options, ctx, stop: None };
        let request = || async {
            let asked = Instant::now();
            let (mut answer, head) = self.ask(part, None).await?;
            let latency = asked.elapsed();
            let mut bytes = Buffer::from(Vec::<u8>::new());
            let mut keep = |_: usize, all: Buffer| bytes = all;
            let mut cutter = Cutter::new(std::slice::from_ref(&head.range), &mut keep);
            receive(&mut answer, &head.range, &mut cutter, &part.what).await?;
            Ok(Fetched { bytes, head, latency })
        };
        Ok(attempts.run(&part.what, request).await?.0)
    }
}

/// Reads what an answer says of itself.
fn head(answer: &GetObjectOutput, part: &Part) -> Result<Head> {
    let what = part.what.as_str();
    let unusable = |text: &str| Error::unsupported(format!("{what}: the server's answer has {text}"));
    let (range, total) = match answer.content_range() {
        // Nothing has no first byte.
        None if answer.content_length() == Some(0) => Some((0..0, 0)),
        text => text.and_then(parse_content_range),
    }
    .ok_or_else(|| unusable("no usable Content-Range: is this a server of S3?"))?;
    let etag = answer.e_tag().ok_or_else(|| unusable("no ETag, so that versions cannot be told apart"))?.to_string();
    let expected = range.end - range.start;
    if expected > part.most {
        return Err(unusable("more bytes than were asked for"));
    }
    if answer.content_length().is_some_and(|length| u64::try_from(length) != Ok(expected)) {
        return Err(unusable("a Content-Length that does not fit its Content-Range"));
    }
    Ok(Head { range, total, etag })
}

/// Takes an answer to its last byte.
async fn receive(answer: &mut GetObjectOutput, range: &Range<u64>, cutter: &mut Cutter<'_>, what: &str) -> Result<()> {
    cutter.start(range.start);
    while let Some(bytes) = answer.body.next().await {
        let bytes = bytes.map_err(|e| body_error(&e, what))?;
        if bytes.len() as u64 > range.end - cutter.position() {
            return Err(Error::unsupported(format!("{what}: the server's answer has more bytes than it says")));
        }
        cutter.push(&bytes)?;
    }
    if cutter.position() < range.end {
        return Err(short(what, cutter.position() - range.start, range.end - range.start));
    }
    // What has no bytes is complete without any.
    cutter.push(&[])
}

/// `bytes 0-9/100`: the range, and the size of the whole.
fn parse_content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    (first <= last && last < total).then_some((first..last + 1, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_checked() {
        for (text, expected) in [
            ("bytes 0-9/100", Some((0..10, 100))),
            ("bytes 99-99/100", Some((99..100, 100))),
            ("bytes 0-100/100", None),
            ("bytes 9-8/100", None),
            ("bytes 0-9/*", None),
            ("bytes */100", None),
            ("bytes 0-18446744073709551615/18446744073709551615", None),
            ("items 0-9/100", None),
            ("", None),
        ] {
            assert_eq!(parse_content_range(text), expected, "{text}");
        }
    }
}

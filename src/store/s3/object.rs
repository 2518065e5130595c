//! An object on S3 as a file that is read in ranges, all of them of one version.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::Buffer;
use aws_sdk_s3::operation::get_object::GetObjectOutput;

use super::S3Url;
use super::client::{Attempts, Connection, client};
use super::errors::{body_error, request_error, short};
use crate::error::{Error, ErrorKind, Result};
use crate::memory::Memory;
use crate::ranges::RangeRules;
use crate::runtime::Context;
use crate::store::BoxFuture;
use crate::store::source::{ByteSource, END_BYTES, FileBytes, SourceTuning};

/// Requests in flight, unless told: one alone does not come near what a network carries.
const REQUESTS: usize = 16;
/// Bytes that one operation has in flight, unless told.
const LOOK_AHEAD_BYTES: u64 = 64 << 20;

/// Opens an object: its first and its last bytes, and with them its size and version.
pub(crate) async fn open(url: &S3Url, ctx: &Context) -> Result<FileBytes> {
    let connection = Connection { client: client(&url.options).await?, url: Arc::new(url.clone()) };
    let last =
        Part { header: format!("bytes=-{END_BYTES}"), most: END_BYTES, what: "reading the end of it".to_string() };
    let first = Part::range(0..END_BYTES);
    let opened = tokio::try_join!(connection.get(&last, None, ctx), connection.get(&first, None, ctx));
    let (tail, head) = opened.map_err(|e| match e.server_code() {
        Some("InvalidRange" | "416") => empty(),
        _ => e,
    })?;
    if tail.total == 0 {
        return Err(empty());
    }
    if (tail.total, &tail.etag) != (head.total, &head.etag) {
        return Err(replaced());
    }
    let total = tail.total;
    let fits = |fetched: &Fetched, range: Range<u64>| fetched.range == range;
    if !fits(&tail, total.saturating_sub(END_BYTES)..total) || !fits(&head, 0..total.min(END_BYTES)) {
        return Err(Error::unsupported("the server does not answer requests for ranges as it should"));
    }
    let object = S3Object { connection, etag: tail.etag, len: total };
    Ok(FileBytes::new(Arc::new(object), head.bytes, tail.bytes))
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
}

impl ByteSource for S3Object {
    fn len(&self) -> u64 {
        self.len
    }

    fn tuning(&self) -> SourceTuning {
        let options = &self.connection.url.options;
        SourceTuning {
            rules: RangeRules { part_bytes: options.part_bytes.0, ..RangeRules::OBJECT },
            requests: if options.concurrency == 0 { REQUESTS } else { options.concurrency },
            look_ahead_bytes: LOOK_AHEAD_BYTES,
        }
    }

    fn read<'a>(&'a self, range: Range<u64>, ctx: &'a Context) -> BoxFuture<'a, Result<Buffer>> {
        Box::pin(async move {
            if range.is_empty() {
                return Ok(Buffer::from(Vec::<u8>::new()));
            }
            let fetched = self.connection.get(&Part::range(range.clone()), Some(&self.etag), ctx).await;
            let fetched = fetched.map_err(|e| match e.kind() {
                // What was there when it was opened is not there any more.
                ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::Corrupt => replaced(),
                _ => e,
            })?;
            // Not every server looks at the condition.
            if fetched.etag != self.etag || fetched.total != self.len {
                return Err(replaced());
            }
            if fetched.range != range {
                return Err(Error::unsupported("the server does not answer requests for ranges as it should"));
            }
            Ok(fetched.bytes)
        })
    }
}

/// A part of an object as it came.
struct Fetched {
    bytes: Buffer,
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

impl Connection {
    /// Fetches a part; `version` must still be the object's.
    async fn get(&self, part: &Part, version: Option<&str>, ctx: &Context) -> Result<Fetched> {
        let attempts = Attempts { options: &self.url.options, ctx, stop: None };
        let request = || async {
            let request = self.client.get_object().bucket(&self.url.bucket).key(&self.url.key).range(&part.header);
            let answer = request.set_if_match(version.map(str::to_string)).send().await;
            receive(answer.map_err(|e| request_error(e, &part.what))?, part).await
        };
        Ok(attempts.run(&part.what, request).await?.0)
    }
}

/// Takes an answer to its last byte.
async fn receive(mut answer: GetObjectOutput, part: &Part) -> Result<Fetched> {
    let what = part.what.as_str();
    let unusable = |text: &str| Error::unsupported(format!("{what}: the server's answer has {text}"));
    let (range, total) = match answer.content_range() {
        // Nothing has no first byte.
        None if answer.content_length() == Some(0) => Some((0..0, 0)),
        text => text.and_then(parse_content_range),
    }
    .ok_or_else(|| unusable("no usable Content-Range: is this a server of S3?"))?;
    let etag = answer.e_tag().ok_or_else(|| unusable("no ETag, so that versions cannot be told apart"))?.to_string();
    let expected = usize::try_from(range.end - range.start).ok().filter(|expected| *expected as u64 <= part.most);
    let expected = expected.ok_or_else(|| unusable("more bytes than were asked for"))?;
    if answer.content_length().is_some_and(|length| u64::try_from(length) != Ok(expected as u64)) {
        return Err(unusable("a Content-Length that does not fit its Content-Range"));
    }
    let mut memory = Memory::new(expected)?;
    let mut rest = memory.as_mut_slice();
    while let Some(bytes) = answer.body.next().await {
        let bytes = bytes.map_err(|e| body_error(&e, what))?;
        let (target, tail) =
            rest.split_at_mut_checked(bytes.len()).ok_or_else(|| unusable("more bytes than it says"))?;
        target.copy_from_slice(&bytes);
        rest = tail;
    }
    if !rest.is_empty() {
        return Err(short(what, expected - rest.len(), expected));
    }
    Ok(Fetched { bytes: memory.freeze(), range, total, etag })
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

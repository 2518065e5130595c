//! Encapsulated IPC messages: finding them in bytes, and framing them again.
//!
//! Format: <https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format>. A message is
//! `0xFFFFFFFF`, the length of its metadata (i32, padding included), the metadata (a flatbuffer), padding to
//! 8 bytes, and a body. Writers before Arrow 0.15 leave the marker out.

use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_ipc::{Endianness, Message, MessageHeader, MetadataVersion};
use flatbuffers::{InvalidFlatbuffer, VerifierOptions};

use super::time_zones::without_empty_time_zones;
use crate::error::{Error, Result};
use crate::runtime::catch_panic;

/// What a message starts with since Arrow 0.15.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Marks the end of a stream: a continuation and a length of zero.
pub(crate) const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// The metadata of one message is a few hundred bytes a column; this is far beyond any real one.
const MAX_METADATA_BYTES: usize = 256 << 20;
/// Nesting of types and of flatbuffer tables.
const MAX_DEPTH: usize = 64;

/// Limits on the flatbuffers that we look into.
pub(crate) fn verifier_options() -> VerifierOptions {
    VerifierOptions { max_depth: 2 * MAX_DEPTH, max_tables: 4_000_000, ..VerifierOptions::default() }
}

/// One message found in a run of bytes. Holds slices of them, no copies.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Marker, length, flatbuffer and padding.
    head: Buffer,
    /// Where the flatbuffer starts in `head`: 8, or 4 in the old format.
    prefix: usize,
    /// The body; empty for a schema.
    pub(crate) body: Buffer,
}

impl Frame {
    /// Parses the message that starts at `offset`; `None` at the end of the stream.
    pub(crate) fn parse(bytes: &Buffer, offset: usize) -> Result<Option<Frame>> {
        let rest = bytes.len().checked_sub(offset).ok_or_else(|| truncated("a message", offset, bytes.len()))?;
        if rest == 0 {
            return Ok(None);
        }
        let Some(head_len) = head_len(&bytes[offset..])? else { return Ok(None) };
        if head_len > rest {
            return Err(truncated("the metadata of a message", offset, bytes.len()));
        }
        let frame = Frame::from_head(bytes.slice_with_length(offset, head_len))?;
        let body_len = frame.body_len()?;
        if body_len > rest - head_len {
            return Err(truncated("the body of a message", offset, bytes.len()));
        }
        let body = bytes.slice_with_length(offset + head_len, body_len);
        Ok(Some(frame.with_body(body)))
    }

    /// Checks a head (marker, length, metadata, padding) that was read by itself; the body is still empty.
    pub(crate) fn from_head(head: Buffer) -> Result<Frame> {
        let prefix = if head.starts_with(&CONTINUATION) { 8 } else { 4 };
        if head.len() < prefix {
            return Err(Error::corrupt("an IPC message is shorter than its own prefix"));
        }
        // A copy takes these bytes as they are: what follows them must be where they say.
        if head_len(&head)? != Some(head.len()) {
            return Err(Error::corrupt("an IPC message declares another length than the one it was found with"));
        }
        let frame = Frame { head, prefix, body: Buffer::from(Vec::<u8>::new()) };
        arrow_ipc::root_as_message_with_opts(&verifier_options(), frame.metadata())
            .map_err(|e| invalid_flatbuffer("the metadata of an IPC message", &e))?;
        Ok(frame)
    }

    /// The head with its body.
    pub(crate) fn with_body(self, body: Buffer) -> Frame {
        Frame { body, ..self }
    }

    /// Frames a flatbuffer and its body. The head is padded so that its length is a multiple of `align`.
    pub(crate) fn build(metadata: &[u8], body: Buffer, align: usize) -> Frame {
        let len = (8 + metadata.len()).next_multiple_of(align);
        Frame { head: frame_head(metadata, len), prefix: 8, body }
    }

    /// The same message with its head padded to exactly `len` bytes (a multiple of 8 that fits).
    pub(crate) fn padded_head(&self, len: usize) -> Buffer {
        frame_head(self.metadata(), len)
    }

    /// A copy that does not keep the bytes alive in which the message was found.
    pub(crate) fn detached(&self) -> Frame {
        Frame {
            head: Buffer::from(self.head.as_slice()),
            prefix: self.prefix,
            body: Buffer::from(self.body.as_slice()),
        }
    }

    /// Marker, length, metadata and padding as they stand in the bytes.
    pub(crate) fn head(&self) -> &Buffer {
        &self.head
    }

    /// The flatbuffer, with whatever padding follows it.
    pub(crate) fn metadata(&self) -> &[u8] {
        &self.head[self.prefix..]
    }

    /// Bytes of the whole message.
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// The parsed metadata. Checked by [`Frame::from_head`], so this costs a pointer chase only.
    pub(crate) fn message(&self) -> Result<Message<'_>> {
        arrow_ipc::root_as_message_with_opts(&verifier_options(), self.metadata())
            .map_err(|e| invalid_flatbuffer("the metadata of an IPC message", &e))
    }

    /// The length that the metadata declares for the body. The format asks for a multiple of 8, so that messages
    /// can be moved between streams, which is what we do with them.
    pub(crate) fn body_len(&self) -> Result<usize> {
        let len = self.message()?.bodyLength();
        usize::try_from(len)
            .ok()
            .filter(|len| len.is_multiple_of(8))
            .ok_or_else(|| Error::corrupt(format!("an IPC message declares a body of {len} bytes")))
    }

    /// What kind of message this is.
    pub(crate) fn kind(&self) -> Result<MessageHeader> {
        Ok(self.message()?.header_type())
    }

    /// The version of the metadata: V4 and V5 can be read.
    pub(crate) fn version(&self) -> Result<MetadataVersion> {
        let version = self.message()?.version();
        if version == MetadataVersion::V4 || version == MetadataVersion::V5 {
            return Ok(version);
        }
        Err(Error::unsupported(format!("IPC metadata version {version:?}: only V4 and V5 can be read")))
    }

    /// Whether both are the same message, padding apart.
    pub(crate) fn same_message(&self, other: &Frame) -> bool {
        let trim = |metadata: &'_ [u8]| metadata.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        let (a, b) = (self.metadata(), other.metadata());
        a[..trim(a)] == b[..trim(b)] && self.body.as_slice() == other.body.as_slice()
    }

    /// Decodes a schema message, dictionary ids included.
    pub(crate) fn schema(&self) -> Result<SchemaRef> {
        let message = self.message()?;
        let schema = message
            .header_as_schema()
            .ok_or_else(|| Error::corrupt("an IPC stream must start with a schema message"))?;
        decode_schema(schema)
    }
}

/// Decodes a schema, after checking what arrow-ipc does not.
pub(crate) fn decode_schema(schema: arrow_ipc::Schema<'_>) -> Result<SchemaRef> {
    if schema.endianness() != Endianness::Little {
        return Err(Error::unsupported("big-endian Arrow data: write it on a little-endian machine"));
    }
    let mut decoded: Schema = catch_panic(|| arrow_ipc::convert::try_fb_to_schema(schema).map_err(Error::from))
        .map_err(|e| Error::new(unsupported_or_corrupt(&e), e.message()).context("the schema"))?;
    if let Some(fields) = without_empty_time_zones(&decoded.fields) {
        decoded.fields = fields;
    }
    Ok(Arc::new(decoded))
}

/// A decoder's defect on strange bytes says as much of the bytes as an error does.
pub(crate) fn unsupported_or_corrupt(error: &Error) -> crate::ErrorKind {
    match error.kind() {
        crate::ErrorKind::Internal => crate::ErrorKind::Corrupt,
        kind => kind,
    }
}

/// The length of the head of the message that `bytes` starts with; `None` at the end of the stream.
pub(crate) fn head_len(bytes: &[u8]) -> Result<Option<usize>> {
    let word = |at: usize| -> Result<[u8; 4]> {
        bytes
            .get(at..at + 4)
            .and_then(|slice| slice.try_into().ok())
            .ok_or_else(|| truncated("the length of a message", at, bytes.len()))
    };
    let first = word(0)?;
    let (prefix, len) = if first == CONTINUATION { (8, word(4)?) } else { (4, first) };
    let len = i32::from_le_bytes(len);
    match usize::try_from(len) {
        Ok(0) => Ok(None),
        Ok(len) if len <= MAX_METADATA_BYTES => Ok(Some(prefix + len)),
        _ => Err(Error::corrupt(format!("an IPC message declares metadata of {len} bytes"))),
    }
}

fn frame_head(metadata: &[u8], len: usize) -> Buffer {
    let mut head = Vec::with_capacity(len);
    head.extend_from_slice(&CONTINUATION);
    head.extend_from_slice(&((len - 8) as i32).to_le_bytes());
    head.extend_from_slice(metadata);
    head.resize(len, 0);
    Buffer::from_vec(head)
}

fn truncated(what: &str, offset: usize, len: usize) -> Error {
    Error::corrupt(format!("{what} at byte {offset} goes beyond the end of the {len} bytes there are"))
}

/// Says why a flatbuffer was refused, in one line: the error itself carries a trace over many.
pub(crate) fn invalid_flatbuffer(what: &str, error: &InvalidFlatbuffer) -> Error {
    if matches!(error, InvalidFlatbuffer::Utf8Error { .. }) {
        return Error::unsupported(format!("{what} holds text (a name or a metadata value) that is not UTF-8"));
    }
    let text = error.to_string();
    Error::corrupt(format!("{what} is not valid: {}", text.lines().next().unwrap_or_default().trim()))
}

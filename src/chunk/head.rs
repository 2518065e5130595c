//! What a chunk holds before its body: for reading parts of the body rather than the whole payload.

use arrow::buffer::Buffer;
use arrow_ipc::MessageHeader;

use super::encode::BatchFrames;
use super::message::{Frame, head_len};
use super::{not_one_batch, unexpected_message};
use crate::error::{Error, Result};

/// More of a payload is asked for in steps of this.
const STEP: u64 = 4 << 10;

/// The messages before a chunk's body, or how far they go beyond what is there.
#[derive(Debug)]
pub(crate) enum Head {
    /// All of them; the record batch has an empty body.
    Complete(ChunkHead),
    /// At least so many bytes from the start of the payload are needed.
    NeedsMore(u64),
}

/// The messages of a chunk without the body of its record batch.
#[derive(Debug, Clone)]
pub(crate) struct ChunkHead {
    pub(crate) frames: BatchFrames,
    /// Where the body starts in the payload.
    pub(crate) body_offset: u64,
    /// The length of the body, which lies within the payload.
    pub(crate) body_bytes: u64,
}

impl ChunkHead {
    /// The head of a record batch that lies at `metadata_offset` of a payload, where nothing before it is needed.
    pub(crate) fn of_batch(schema: Frame, batch: Buffer, body_offset: u64, payload_bytes: u64) -> Result<ChunkHead> {
        let frames = BatchFrames { schema, dictionaries: Vec::new(), batch: Frame::from_head(batch)? };
        if frames.batch.kind()? != MessageHeader::RecordBatch {
            return Err(unexpected_message(frames.batch.kind()?));
        }
        ChunkHead::new(frames, body_offset, payload_bytes)
    }

    fn new(frames: BatchFrames, body_offset: u64, payload_bytes: u64) -> Result<ChunkHead> {
        let body_bytes = frames.batch.body_len()? as u64;
        if body_bytes > payload_bytes.saturating_sub(body_offset) {
            return Err(truncated(body_offset.saturating_add(body_bytes), payload_bytes));
        }
        Ok(ChunkHead { frames, body_offset, body_bytes })
    }
}

/// Finds the messages in the first bytes of a payload of `payload_bytes`.
pub(crate) fn parse_head(start: &Buffer, payload_bytes: u64) -> Result<Head> {
    let mut schema: Option<Frame> = None;
    let mut dictionaries = Vec::new();
    let mut offset = 0;
    loop {
        let frame = match next_frame(start, offset, payload_bytes)? {
            Next::Frame(frame) => frame,
            Next::NeedsMore(bytes) => return Ok(Head::NeedsMore(bytes)),
            Next::End => return Err(not_one_batch()),
        };
        offset += frame.len();
        match (frame.kind()?, &schema) {
            (MessageHeader::Schema, None) => schema = Some(frame),
            (MessageHeader::DictionaryBatch, Some(_)) => dictionaries.push(frame),
            (MessageHeader::RecordBatch, Some(schema)) => {
                let frames = BatchFrames { schema: schema.clone(), dictionaries, batch: frame };
                return Ok(Head::Complete(ChunkHead::new(frames, offset as u64, payload_bytes)?));
            }
            (_, None) => return Err(Error::corrupt("the payload does not start with a schema")),
            (kind, _) => return Err(unexpected_message(kind)),
        }
    }
}

enum Next {
    Frame(Frame),
    NeedsMore(u64),
    End,
}

/// The message at an offset: with its body if it is a dictionary.
fn next_frame(start: &Buffer, offset: usize, payload_bytes: u64) -> Result<Next> {
    let needs = |end: usize| match end as u64 {
        end if end > payload_bytes => Err(truncated(end, payload_bytes)),
        end => Ok(Next::NeedsMore(end.saturating_add(STEP).min(payload_bytes))),
    };
    let rest = start.get(offset..).unwrap_or_default();
    if rest.len() < 8 {
        return needs(offset.saturating_add(8));
    }
    let Some(head_len) = head_len(rest)? else { return Ok(Next::End) };
    if rest.len() < head_len {
        return needs(offset.saturating_add(head_len));
    }
    let frame = Frame::from_head(start.slice_with_length(offset, head_len))?;
    if frame.kind()? != MessageHeader::DictionaryBatch {
        return Ok(Next::Frame(frame));
    }
    let body_len = frame.body_len()?;
    if rest.len() - head_len < body_len {
        return needs(offset.saturating_add(head_len).saturating_add(body_len));
    }
    Ok(Next::Frame(frame.with_body(start.slice_with_length(offset + head_len, body_len))))
}

fn truncated(end: u64, payload_bytes: u64) -> Error {
    Error::corrupt(format!("a message goes up to byte {end} of a payload of {payload_bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int32Array};
    use arrow::datatypes::Int8Type;
    use arrow::record_batch::RecordBatch;

    use super::*;
    use crate::chunk::{assemble, encode_batch, parse};
    use crate::codec::Codec;

    fn payload() -> Buffer {
        let words: DictionaryArray<Int8Type> = ["a", "bc", "a"].into_iter().collect();
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
        let batch = RecordBatch::try_from_iter([("w", Arc::new(words) as ArrayRef), ("n", numbers)]).unwrap();
        let (parts, _) = assemble(&encode_batch(&batch, Codec::Zstd).unwrap());
        Buffer::from_vec(parts.iter().flat_map(|part| part.to_vec()).collect::<Vec<u8>>())
    }

    #[test]
    fn a_head_is_found_in_as_many_bytes_as_it_has() {
        let payload = payload();
        let whole = parse(&payload).unwrap();
        let body_offset = payload.len() - 8 - whole.batch.body.len();
        for len in 0..=payload.len() {
            match parse_head(&payload.slice_with_length(0, len), payload.len() as u64).unwrap() {
                Head::Complete(head) => {
                    assert!(len >= body_offset);
                    assert_eq!(
                        (head.body_offset, head.body_bytes),
                        (body_offset as u64, whole.batch.body.len() as u64)
                    );
                    assert!(head.frames.schema.same_message(&whole.schema));
                    assert!(head.frames.dictionaries[0].same_message(&whole.dictionaries[0]));
                    assert_eq!(head.frames.batch.head(), whole.batch.head());
                }
                Head::NeedsMore(bytes) => {
                    assert!(len < body_offset, "{len}");
                    assert!(bytes > len as u64 && bytes <= payload.len() as u64, "{len}: {bytes}");
                }
            }
        }
    }

    #[test]
    fn a_payload_that_is_shorter_than_its_messages_is_corrupt() {
        let payload = payload();
        let body_end = payload.len() as u64 - 8;
        for payload_bytes in 0..body_end {
            let start = payload.slice_with_length(0, payload_bytes as usize);
            let error = parse_head(&start, payload_bytes).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt, "{payload_bytes}");
        }
        let schema_alone = payload.slice_with_length(0, parse(&payload).unwrap().schema.len());
        let ended = [schema_alone.as_slice(), &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]].concat();
        let error = parse_head(&Buffer::from_vec(ended), 10_000).unwrap_err();
        assert!(error.message().contains("no record batch"), "{error}");
    }
}

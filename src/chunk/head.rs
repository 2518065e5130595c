//! What a chunk holds before its body: for reading parts of the body rather than the whole payload.

use std::ops::Range;

use arrow::buffer::Buffer;
use arrow_ipc::MessageHeader;

use super::dictionaries::dictionary_id;
use super::fragments::Fragments;
use super::message::{Frame, head_len};
use super::{not_one_batch, unexpected_message};
use crate::error::{Error, Result};

/// More of a payload is asked for in steps of this.
const STEP: u64 = 4 << 10;

/// The messages before a chunk's body, or what is needed to find them.
#[derive(Debug)]
pub(crate) enum Head {
    /// All of them, without their bodies.
    Complete(ChunkHead),
    /// These bytes of the payload, of which none is there yet, and perhaps more after them.
    NeedsMore(Range<u64>),
}

/// The messages of a chunk without their bodies.
#[derive(Debug, Clone)]
pub(crate) struct ChunkHead {
    pub(crate) schema: Frame,
    pub(crate) dictionaries: Vec<DictionaryHead>,
    pub(crate) batch: Frame,
    /// Where the record batch's body starts in the payload.
    pub(crate) body_offset: u64,
    /// The length of the body, which lies within the payload.
    pub(crate) body_bytes: u64,
}

/// A dictionary message whose body is somewhere in the payload.
#[derive(Debug, Clone)]
pub(crate) struct DictionaryHead {
    pub(crate) id: i64,
    pub(crate) frame: Frame,
    /// Where its body lies in the payload.
    pub(crate) body: Range<u64>,
}

impl ChunkHead {
    /// The head of a record batch whose body starts at `body_offset` of a payload, where nothing before it is needed.
    pub(crate) fn of_batch(schema: Frame, batch: Buffer, body_offset: u64, payload_bytes: u64) -> Result<ChunkHead> {
        let batch = Frame::from_head(batch)?;
        if batch.kind()? != MessageHeader::RecordBatch {
            return Err(unexpected_message(batch.kind()?));
        }
        ChunkHead::new(schema, Vec::new(), batch, body_offset, payload_bytes)
    }

    fn new(
        schema: Frame,
        dictionaries: Vec<DictionaryHead>,
        batch: Frame,
        body_offset: u64,
        payload_bytes: u64,
    ) -> Result<ChunkHead> {
        let body_bytes = batch.body_len()? as u64;
        if body_bytes > payload_bytes.saturating_sub(body_offset) {
            return Err(truncated(body_offset.saturating_add(body_bytes), payload_bytes));
        }
        Ok(ChunkHead { schema, dictionaries, batch, body_offset, body_bytes })
    }

    /// Where in the payload everything lies that is not a body.
    pub(crate) fn places(&self) -> Vec<Range<u64>> {
        let place = |frame: &Frame, end: u64| end - frame.head().len() as u64..end;
        let schema = place(&self.schema, self.schema.head().len() as u64);
        let dictionaries = self.dictionaries.iter().map(|dictionary| place(&dictionary.frame, dictionary.body.start));
        let batch = place(&self.batch, self.body_offset);
        std::iter::once(schema).chain(dictionaries).chain([batch]).collect()
    }
}

/// Finds the messages before the body of a payload of `payload_bytes`, in as much of it as is there.
pub(crate) fn parse_head(there: &Fragments, payload_bytes: u64) -> Result<Head> {
    let mut schema: Option<Frame> = None;
    let mut dictionaries = Vec::new();
    let mut offset = 0;
    loop {
        let frame = match next_frame(there, offset, payload_bytes)? {
            Next::Frame(frame) => frame,
            Next::NeedsMore(range) => return Ok(Head::NeedsMore(range)),
            Next::End => return Err(not_one_batch()),
        };
        offset += frame.head().len() as u64;
        match (frame.kind()?, &schema) {
            (MessageHeader::Schema, None) => schema = Some(frame),
            (MessageHeader::DictionaryBatch, Some(_)) => {
                let end = offset.saturating_add(frame.body_len()? as u64);
                if end > payload_bytes {
                    return Err(truncated(end, payload_bytes));
                }
                dictionaries.push(DictionaryHead { id: dictionary_id(&frame)?, frame, body: offset..end });
                offset = end;
            }
            (MessageHeader::RecordBatch, Some(schema)) => {
                return Ok(Head::Complete(ChunkHead::new(schema.clone(), dictionaries, frame, offset, payload_bytes)?));
            }
            (_, None) => return Err(Error::corrupt("the payload does not start with a schema")),
            (kind, _) => return Err(unexpected_message(kind)),
        }
    }
}

enum Next {
    /// Without its body.
    Frame(Frame),
    NeedsMore(Range<u64>),
    End,
}

/// The message at an offset.
fn next_frame(there: &Fragments, offset: u64, payload_bytes: u64) -> Result<Next> {
    let known = there.there_up_to(offset);
    let needs = |end: u64| match end {
        end if end > payload_bytes => Err(truncated(end, payload_bytes)),
        end => Ok(Next::NeedsMore(known..end.saturating_add(STEP).min(payload_bytes))),
    };
    let start = offset.saturating_add(8);
    if known < start {
        return needs(start);
    }
    let Some(head_len) = head_len(&there.bytes(offset..start)?)? else { return Ok(Next::End) };
    let end = offset.saturating_add(head_len as u64);
    if known < end {
        return needs(end);
    }
    Ok(Next::Frame(Frame::from_head(there.bytes(offset..end)?)?))
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
            let there = Fragments::start(payload.slice_with_length(0, len));
            match parse_head(&there, payload.len() as u64).unwrap() {
                Head::Complete(head) => {
                    assert!(len >= body_offset);
                    assert_eq!(
                        (head.body_offset, head.body_bytes),
                        (body_offset as u64, whole.batch.body.len() as u64)
                    );
                    assert!(head.schema.same_message(&whole.schema));
                    let [dictionary] = head.dictionaries.as_slice() else { panic!("{head:?}") };
                    let body = there.bytes(dictionary.body.clone()).unwrap();
                    assert!(dictionary.frame.clone().with_body(body).same_message(&whole.dictionaries[0]));
                    assert_eq!((dictionary.id, head.batch.head()), (0, whole.batch.head()));
                }
                Head::NeedsMore(range) => {
                    assert!(len < body_offset, "{len}");
                    assert!(range.start >= len as u64 && range.end > range.start, "{len}: {range:?}");
                    assert!(range.end <= payload.len() as u64, "{len}: {range:?}");
                }
            }
        }
    }

    #[test]
    fn a_head_is_found_without_the_bodies_between() {
        let payload = payload();
        let Head::Complete(whole) = parse_head(&Fragments::start(payload.clone()), payload.len() as u64).unwrap()
        else {
            panic!("all of it is there")
        };
        let mut there = Fragments::default();
        for place in whole.places() {
            let bytes = payload.slice_with_length(place.start as usize, (place.end - place.start) as usize);
            there.add(place.start, bytes);
        }
        assert!(!there.missing(whole.dictionaries[0].body.clone()).is_empty());
        let Head::Complete(head) = parse_head(&there, payload.len() as u64).unwrap() else { panic!("all is there") };
        assert_eq!(head.places(), whole.places());
    }

    #[test]
    fn a_payload_that_is_shorter_than_its_messages_is_corrupt() {
        let payload = payload();
        let body_end = payload.len() as u64 - 8;
        for payload_bytes in 0..body_end {
            let start = payload.slice_with_length(0, payload_bytes as usize);
            let error = parse_head(&Fragments::start(start), payload_bytes).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt, "{payload_bytes}");
        }
        let schema_alone = payload.slice_with_length(0, parse(&payload).unwrap().schema.len());
        let ended = [schema_alone.as_slice(), &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]].concat();
        let error = parse_head(&Fragments::start(Buffer::from_vec(ended)), 10_000).unwrap_err();
        assert!(error.message().contains("no record batch"), "{error}");
    }
}

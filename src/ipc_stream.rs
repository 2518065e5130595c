//! Arrow IPC streams: read message by message, checked before anything is decoded.

use std::collections::HashMap;
use std::io::Read;

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchReader};
use arrow_ipc::MessageHeader;

use crate::chunk::{self, BatchFrames, Body, DecodeLimit, Dictionaries, Frame};
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::runtime::{catch_panic, runtime};

/// The record batches of an Arrow IPC stream, decoded as they are asked for.
///
/// The bytes are not trusted: every message is checked before it is decoded. Nothing is read ahead.
pub struct IpcStreamReader {
    name: String,
    input: StreamInput,
    position: usize,
    ended: bool,
}

impl IpcStreamReader {
    /// Reads the schema of a stream; `name` is what messages call it.
    ///
    /// # Errors
    /// `CORRUPT` and `UNSUPPORTED` when it is no Arrow IPC stream, or none that can be read; what the reader reports.
    pub fn new(name: impl Into<String>, reader: Box<dyn Read + Send>) -> Result<Self> {
        let name = name.into();
        let input = StreamInput::open(reader).map_err(|e| e.context(&name))?;
        Ok(IpcStreamReader { name, input, position: 0, ended: false })
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        catch_panic(|| {
            let Some(frames) = self.input.next()? else { return Ok(None) };
            let batch = self.input.decode(&frames.batch, None);
            batch.map(Some).map_err(|e| e.context(format!("batch {}", self.position)))
        })
        .map_err(|e| e.context(&self.name))
    }
}

impl Iterator for IpcStreamReader {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_batch().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        self.position += 1;
        next.map(|batch| batch.map_err(ArrowError::from))
    }
}

impl RecordBatchReader for IpcStreamReader {
    fn schema(&self) -> SchemaRef {
        self.input.schema.clone()
    }
}

/// An IPC stream, message by message.
pub(crate) struct StreamInput {
    reader: Box<dyn Read + Send>,
    pub(crate) schema: SchemaRef,
    pub(crate) schema_frame: Frame,
    /// The complete dictionary messages as they stand now, by id, in the order of first appearance.
    dictionary_frames: Vec<(i64, Frame)>,
    dictionaries: Dictionaries,
    /// Bytes of each dictionary, decoded and as they came: the limit holds for all of them together.
    dictionary_bytes: HashMap<i64, (u64, u64)>,
    limit: DecodeLimit,
}

/// A message of a stream is limited by what a chunk can be, long before memory ends.
const MAX_MESSAGE_BYTES: usize = 4 << 30;
/// How much of a message is taken on trust before its bytes have come.
const READ_STEP: usize = 64 << 20;

impl StreamInput {
    pub(crate) fn open(mut reader: Box<dyn Read + Send>) -> Result<Self> {
        let not_a_stream = || {
            Error::corrupt(
                "this is not an Arrow IPC stream: it does not start with a schema (a file is given by its path)",
            )
        };
        let first = read_frame(&mut reader).map_err(|e| match e.kind() {
            crate::ErrorKind::Corrupt => not_a_stream(),
            _ => e,
        })?;
        let schema_frame = first.ok_or_else(|| Error::corrupt("it is empty: expected an Arrow IPC stream"))?;
        if schema_frame.kind()? != MessageHeader::Schema {
            return Err(not_a_stream());
        }
        Ok(StreamInput {
            reader,
            schema: schema_frame.schema()?,
            schema_frame,
            dictionary_frames: Vec::new(),
            dictionaries: Dictionaries::new(),
            dictionary_bytes: HashMap::new(),
            limit: DecodeLimit::new(runtime()?.budget.total()),
        })
    }

    /// The next record batch with the dictionaries that hold for it.
    pub(crate) fn next(&mut self) -> Result<Option<BatchFrames>> {
        while let Some(frame) = read_frame(&mut self.reader)? {
            match frame.kind()? {
                MessageHeader::DictionaryBatch => self.dictionary(frame)?,
                MessageHeader::RecordBatch => {
                    return Ok(Some(BatchFrames {
                        schema: self.schema_frame.clone(),
                        dictionaries: self.dictionary_frames.iter().map(|(_, frame)| frame.clone()).collect(),
                        batch: frame,
                    }));
                }
                kind => return Err(Error::corrupt(format!("an unexpected {kind:?} message"))),
            }
        }
        Ok(None)
    }

    /// Decodes a message that [`StreamInput::next`] gave last.
    pub(crate) fn decode(&self, batch: &Frame, projection: Option<&[usize]>) -> Result<RecordBatch> {
        let body = Body::whole(batch.body.clone());
        Ok(chunk::decode_batch(batch, &body, &self.schema, projection, &self.dictionaries, self.limit)?.batch)
    }

    fn dictionary(&mut self, frame: Frame) -> Result<()> {
        let message = frame.message()?;
        let header =
            message.header_as_dictionary_batch().ok_or_else(|| Error::corrupt("a dictionary message without one"))?;
        let (id, is_delta) = (header.id(), header.isDelta());
        let decoded = chunk::decode_dictionary(&frame, &self.schema, &mut self.dictionaries, self.limit)?;
        let before = self.dictionary_bytes.get(&id).filter(|_| is_delta).copied().unwrap_or_default();
        self.dictionary_bytes.insert(id, (before.0.saturating_add(decoded), before.1 + frame.body.len() as u64));
        self.limit.check_all(self.dictionary_bytes.values().copied()).map_err(|e| e.context("the dictionaries"))?;
        let complete = if is_delta {
            let codec = crate::ipc_file::dictionary_codec(&frame)?;
            chunk::encode_dictionary(id, &self.dictionaries[&id], codec)?
        } else {
            frame
        };
        match self.dictionary_frames.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => *known = complete,
            None => self.dictionary_frames.push((id, complete)),
        }
        Ok(())
    }
}

fn read_frame(reader: &mut impl Read) -> Result<Option<Frame>> {
    let mut prefix = [0u8; 8];
    let mut filled = 0;
    while filled < 4 {
        match reader.read(&mut prefix[filled..4])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(cut_off()),
            count => filled += count,
        }
    }
    let prefix_len = if prefix[..4] == [0xff; 4] { 8 } else { 4 };
    reader.read_exact(&mut prefix[4..prefix_len]).map_err(eof)?;
    let Some(head_len) = chunk::head_len(&prefix[..prefix_len])? else { return Ok(None) };
    let head = read_bytes(reader, &prefix[..prefix_len], head_len)?;
    let frame = Frame::from_head(head)?;
    let body = read_bytes(reader, &[], frame.body_len()?)?;
    Ok(Some(frame.with_body(body)))
}

/// Reads until there are `len` bytes, `start` included.
fn read_bytes(reader: &mut impl Read, start: &[u8], len: usize) -> Result<Buffer> {
    if len > MAX_MESSAGE_BYTES {
        return Err(Error::corrupt(format!("a message declares {len} bytes")));
    }
    if len <= READ_STEP {
        let mut memory = Memory::new(len)?;
        let bytes = memory.as_mut_slice();
        bytes[..start.len()].copy_from_slice(start);
        reader.read_exact(&mut bytes[start.len()..]).map_err(eof)?;
        return Ok(memory.freeze());
    }
    // Memory grows with the bytes that really come, not with what the message declares.
    let mut bytes = start.to_vec();
    reader.take((len - start.len()) as u64).read_to_end(&mut bytes)?;
    if bytes.len() < len {
        return Err(cut_off());
    }
    Ok(Buffer::from_vec(bytes))
}

fn eof(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::UnexpectedEof { cut_off() } else { error.into() }
}

fn cut_off() -> Error {
    Error::corrupt("it ends in the middle of a message")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array};
    use arrow_ipc::writer::StreamWriter;

    use super::*;
    use crate::ErrorKind;

    fn stream(batches: &[RecordBatch]) -> Vec<u8> {
        let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.into_inner().unwrap()
    }

    fn batch(values: Vec<i32>) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(values)) as ArrayRef)]).unwrap()
    }

    fn read(bytes: Vec<u8>) -> Result<Vec<RecordBatch>> {
        let reader = IpcStreamReader::new("a stream", Box::new(Cursor::new(bytes)))?;
        reader.map(|batch| batch.map_err(Error::from)).collect()
    }

    #[test]
    fn batches_come_back_and_a_cut_is_noticed() {
        let batches = [batch(vec![1, 2, 3]), batch(vec![4])];
        let bytes = stream(&batches);
        assert_eq!(read(bytes.clone()).unwrap(), batches);
        let schema_len = 8 + u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        for len in 0..bytes.len() - 8 {
            match read(bytes[..len].to_vec()) {
                // A stream may end without its marker, between two messages.
                Ok(found) => assert!(found.len() < 2 || len >= bytes.len() - 8, "{len}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{len}: {error}");
                    assert!(error.message().starts_with("a stream: "), "{error}");
                }
            }
        }
        assert_eq!(read(bytes[..schema_len].to_vec()).unwrap(), []);
    }
}

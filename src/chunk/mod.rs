//! The chunk codec: one self-contained Arrow IPC stream with exactly one record batch. Pure: bytes to arrays
//! and back, no I/O.
//!
//! Bytes are hostile until checked: [`message`] checks framing and flatbuffers, [`layout`] every count and
//! range against the schema, [`decode`] every declared length against a limit; only then does arrow-ipc see
//! a message, and it validates the arrays' contents.

mod compression;
mod decode;
mod encode;
mod head;
mod layout;
mod message;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow_ipc::MessageHeader;

pub(crate) use decode::{
    Body, DecodeLimit, Decoded, Dictionaries, body_range, buffer_ranges, decode_batch, decode_dictionaries,
    decode_dictionary,
};
pub(crate) use encode::{
    BatchFrames, PayloadIndex, assemble, checksum, encode_batch, encode_dictionary, encode_schema,
};
pub(crate) use head::{ChunkHead, Head, parse_head};
pub(crate) use message::{END_OF_STREAM, Frame, decode_schema, head_len, invalid_flatbuffer, verifier_options};

use crate::error::{Error, Result};

/// Finds the messages of a payload and checks that they form a chunk.
pub(crate) fn parse(payload: &Buffer) -> Result<BatchFrames> {
    let mut offset = 0;
    let mut next = || -> Result<Option<Frame>> {
        let frame = Frame::parse(payload, offset)?;
        offset += frame.as_ref().map_or(0, Frame::len);
        Ok(frame)
    };
    let schema = next()?.ok_or_else(|| Error::corrupt("the payload is empty: expected an Arrow IPC stream"))?;
    if schema.kind()? != MessageHeader::Schema {
        return Err(Error::corrupt("the payload does not start with a schema: expected an Arrow IPC stream"));
    }
    let mut dictionaries = Vec::new();
    let mut batch = None;
    while let Some(frame) = next()? {
        match frame.kind()? {
            MessageHeader::DictionaryBatch if batch.is_none() => dictionaries.push(frame),
            MessageHeader::RecordBatch if batch.is_none() => batch = Some(frame),
            MessageHeader::RecordBatch => {
                return Err(Error::corrupt("the payload holds more than one record batch: a chunk has exactly one"));
            }
            kind => return Err(unexpected_message(kind)),
        }
    }
    Ok(BatchFrames { schema, dictionaries, batch: batch.ok_or_else(not_one_batch)? })
}

fn unexpected_message(kind: MessageHeader) -> Error {
    Error::corrupt(format!("the payload holds an unexpected {kind:?} message"))
}

fn not_one_batch() -> Error {
    Error::corrupt("the payload holds no record batch")
}

/// Decodes the chunks of one dataset. Shared by threads; remembers the last schema and dictionaries, since
/// neighbours nearly always have the same.
#[derive(Debug)]
pub(crate) struct ChunkDecoder {
    /// What every chunk must have, if known.
    expected: Option<SchemaRef>,
    /// Names of the wanted columns, in the order wanted.
    columns: Option<Vec<String>>,
    limit: DecodeLimit,
    last: Mutex<Option<Arc<Prepared>>>,
}

/// What is the same for all chunks with the same schema and dictionary messages.
#[derive(Debug)]
struct Prepared {
    schema_frame: Frame,
    dictionary_frames: Vec<Frame>,
    schema: SchemaRef,
    /// Increasing indices for the decoder, and the permutation from them to the order wanted.
    projection: Option<(Vec<usize>, Vec<usize>)>,
    dictionaries: Dictionaries,
}

impl ChunkDecoder {
    pub(crate) fn new(expected: Option<SchemaRef>, columns: Option<Vec<String>>, limit: DecodeLimit) -> Self {
        ChunkDecoder { expected, columns, limit, last: Mutex::new(None) }
    }

    /// Decodes one payload.
    pub(crate) fn decode(&self, payload: &Buffer) -> Result<Decoded> {
        self.decode_frames(&parse(payload)?)
    }

    /// Decodes the messages of one chunk.
    pub(crate) fn decode_frames(&self, frames: &BatchFrames) -> Result<Decoded> {
        self.decode_parts(frames, &Body::whole(frames.batch.body.clone()))
    }

    /// Decodes the messages of one chunk with as much of the record batch's body as the wanted columns need.
    pub(crate) fn decode_parts(&self, frames: &BatchFrames, body: &Body) -> Result<Decoded> {
        let prepared = self.prepare(frames)?;
        let (projection, order) = match &prepared.projection {
            Some((projection, order)) => (Some(projection.as_slice()), Some(order)),
            None => (None, None),
        };
        let mut decoded =
            decode_batch(&frames.batch, body, &prepared.schema, projection, &prepared.dictionaries, self.limit)?;
        if let Some(order) = order {
            decoded.batch = decoded.batch.project(order)?;
        }
        Ok(decoded)
    }

    fn prepare(&self, frames: &BatchFrames) -> Result<Arc<Prepared>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(last) = last.filter(|last| last.serves(frames)) {
            return Ok(last);
        }
        let schema = frames.schema.schema()?;
        if let Some(expected) = &self.expected {
            check_same_schema(expected, &schema)?;
        }
        let dictionaries = decode_dictionaries(&frames.dictionaries, &schema, self.limit)?;
        let projection = self.columns.as_ref().map(|columns| projection(&schema, columns)).transpose()?;
        let prepared = Arc::new(Prepared {
            schema_frame: frames.schema.detached(),
            dictionary_frames: frames.dictionaries.iter().map(Frame::detached).collect(),
            schema,
            projection,
            dictionaries,
        });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(prepared.clone());
        Ok(prepared)
    }
}

impl Prepared {
    fn serves(&self, frames: &BatchFrames) -> bool {
        self.schema_frame.same_message(&frames.schema)
            && self.dictionary_frames.len() == frames.dictionaries.len()
            && self.dictionary_frames.iter().zip(&frames.dictionaries).all(|(a, b)| a.same_message(b))
    }
}

/// Fields must agree in name, type and order; metadata and nullability may differ.
pub(crate) fn check_same_schema(expected: &SchemaRef, found: &SchemaRef) -> Result<()> {
    let same = expected.fields().len() == found.fields().len()
        && expected
            .fields()
            .iter()
            .zip(found.fields())
            .all(|(a, b)| a.name() == b.name() && a.data_type().equals_datatype(b.data_type()));
    if same {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "the chunk has another schema than its dataset: expected {}, found {}",
        describe_schema(expected),
        describe_schema(found)
    )))
}

fn describe_schema(schema: &SchemaRef) -> String {
    let fields: Vec<_> = schema.fields().iter().map(|f| format!("{}: {}", f.name(), f.data_type())).collect();
    format!("({})", fields.join(", "))
}

/// Resolves column names: increasing indices to decode, and where each wanted column is among them.
pub(crate) fn projection(schema: &SchemaRef, columns: &[String]) -> Result<(Vec<usize>, Vec<usize>)> {
    let wanted: Vec<usize> = columns
        .iter()
        .map(|name| {
            schema.index_of(name).map_err(|_| {
                let known: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                Error::not_found(format!("no column '{name}': the columns are {}", known.join(", ")))
            })
        })
        .collect::<Result<_>>()?;
    let mut increasing = wanted.clone();
    increasing.sort_unstable();
    increasing.dedup();
    let order = wanted.iter().map(|index| increasing.binary_search(index).unwrap_or_default()).collect();
    Ok((increasing, order))
}

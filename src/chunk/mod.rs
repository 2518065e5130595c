//! The chunk codec: one self-contained Arrow IPC stream with exactly one record batch. Pure: bytes to arrays
//! and back, no I/O.
//!
//! Bytes are hostile until checked: [`message`] checks framing and flatbuffers, [`layout`] every count and
//! range against the schema, [`decode`] every declared length against a limit; only then does [`arrays`] build
//! arrays, of which [`validate`] has checked the contents.

mod arrays;
mod compression;
mod decode;
mod dictionaries;
mod encode;
mod fragments;
mod head;
mod layout;
mod lz4;
mod message;
mod rebuild;
mod regular;
#[cfg(test)]
mod tests;
mod time_zones;
mod validate;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow_ipc::MessageHeader;

pub(crate) use decode::{Body, DecodeLimit, Decoded, body_range, buffer_ranges, decode_batch};
pub(crate) use dictionaries::{Dictionaries, decode_dictionaries, decode_dictionary, dictionary_id, dictionary_ids};
pub(crate) use encode::{
    BatchFrames, PayloadIndex, assemble, checksum, encode_batch, encode_dictionary, encode_schema,
};
pub(crate) use fragments::Fragments;
pub(crate) use head::{ChunkHead, DictionaryHead, Head, parse_head};
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
    schema: SchemaRef,
    /// Increasing indices for the decoder, and the permutation from them to the order wanted.
    projection: Option<(Vec<usize>, Vec<usize>)>,
    /// Which dictionaries the wanted columns need; all if `None`.
    needed: Option<BTreeSet<i64>>,
    /// Those that are needed.
    dictionary_frames: Vec<Frame>,
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
        let last = last.filter(|last| last.schema_frame.same_message(&frames.schema));
        let (schema, projection, needed) = match &last {
            Some(last) => (last.schema.clone(), last.projection.clone(), last.needed.clone()),
            None => self.resolve(&frames.schema)?,
        };
        let wanted = needed_dictionaries(&frames.dictionaries, needed.as_ref())?;
        if let Some(last) = last.filter(|last| last.has(&wanted)) {
            return Ok(last);
        }
        let dictionaries = decode_dictionaries(wanted.iter().copied(), &schema, self.limit)?;
        let prepared = Arc::new(Prepared {
            schema_frame: frames.schema.detached(),
            schema,
            projection,
            needed,
            dictionary_frames: wanted.into_iter().map(Frame::detached).collect(),
            dictionaries,
        });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(prepared.clone());
        Ok(prepared)
    }

    /// What a chunk's schema says of the wanted columns.
    fn resolve(&self, schema: &Frame) -> Result<Resolved> {
        let schema = schema.schema()?;
        if let Some(expected) = &self.expected {
            check_same_schema(expected, &schema)?;
        }
        let projection = self.columns.as_ref().map(|columns| projection(&schema, columns)).transpose()?;
        let needed = projection.as_ref().map(|(columns, _)| dictionary_ids(&schema, columns));
        Ok((schema, projection, needed))
    }
}

type Resolved = (SchemaRef, Option<(Vec<usize>, Vec<usize>)>, Option<BTreeSet<i64>>);

impl Prepared {
    /// Whether these are the dictionaries that were decoded.
    fn has(&self, dictionaries: &[&Frame]) -> bool {
        self.dictionary_frames.len() == dictionaries.len()
            && self.dictionary_frames.iter().zip(dictionaries).all(|(a, b)| a.same_message(b))
    }
}

/// The dictionary messages with these ids, in their order; all if `None`.
fn needed_dictionaries<'a>(frames: &'a [Frame], ids: Option<&BTreeSet<i64>>) -> Result<Vec<&'a Frame>> {
    let Some(ids) = ids else { return Ok(frames.iter().collect()) };
    let mut needed = Vec::with_capacity(ids.len());
    for frame in frames {
        if ids.contains(&dictionary_id(frame)?) {
            needed.push(frame);
        }
    }
    Ok(needed)
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

//! From arrays to messages, and from messages to a payload.

use std::hash::Hasher;

use arrow::buffer::Buffer;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, StreamEncoder};
use twox_hash::XxHash3_64;

use super::compression::compress_body;
use super::message::{END_OF_STREAM, Frame, head_len};
use super::rebuild::{Envelope, Place, rebuild_message};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::store::{Payload, payload_len};

/// Where bodies start in a payload, and buffers in a body.
const ALIGNMENT: usize = 64;

/// The messages of one record batch: schema, complete dictionaries, batch.
#[derive(Debug, Clone)]
pub(crate) struct BatchFrames {
    pub(crate) schema: Frame,
    pub(crate) dictionaries: Vec<Frame>,
    pub(crate) batch: Frame,
}

/// Of what arrow-ipc makes; compressing is ours.
fn write_options() -> Result<IpcWriteOptions> {
    IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5).map_err(|e| Error::internal(e.to_string()))
}

/// Encodes a schema by itself; dictionary ids are numbered in the order of the fields, as in [`encode_batch`].
pub(crate) fn encode_schema(schema: &Schema) -> Result<Frame> {
    let mut tracker = DictionaryTracker::new(false);
    let options = write_options()?;
    let data = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options);
    Ok(Frame::build(&data.ipc_message, Buffer::from_vec(data.arrow_data), ALIGNMENT))
}

/// Encodes a record batch with everything it needs to be read by itself.
pub(crate) fn encode_batch(batch: &RecordBatch, codec: Codec) -> Result<BatchFrames> {
    let pieces = StreamEncoder::try_new_with_options(&batch.schema(), write_options()?)
        .and_then(|mut encoder| encoder.encode(batch))
        .map_err(|e| match Error::from(e) {
            e if e.kind() == crate::ErrorKind::Unsupported => e,
            e => Error::invalid_argument(format!("a record batch cannot be encoded: {}", e.message())),
        })?;
    let mut pieces = pieces.into_iter();
    let mut frame = || Encoded::take(&mut pieces)?.map(|message| message.into_frame(codec)).transpose();
    let incomplete = || Error::internal("a batch encodes to a schema, dictionaries and a batch");
    let schema = frame()?.ok_or_else(incomplete)?;
    let mut dictionaries = Vec::new();
    while let Some(frame) = frame()? {
        dictionaries.push(frame);
    }
    let batch = dictionaries.pop().ok_or_else(incomplete)?;
    Ok(BatchFrames { schema, dictionaries, batch })
}

/// A message as arrow-ipc makes it: its body is in pieces, which are the arrays' own buffers, and padding.
struct Encoded {
    head: Frame,
    /// Each with where it starts in the body, in that order.
    body: Vec<(usize, Buffer)>,
    body_len: usize,
}

impl Encoded {
    /// Takes the next message off the pieces of a stream; `None` at their end.
    fn take(pieces: &mut impl Iterator<Item = Buffer>) -> Result<Option<Encoded>> {
        let mut pieces = pieces.filter(|piece| !piece.is_empty());
        let Some(prefix) = pieces.next() else { return Ok(None) };
        let mut next = || pieces.next().ok_or_else(|| Error::internal("an encoded message ends early"));
        let mut head = prefix.to_vec();
        while head_len(&head)?.is_some_and(|len| head.len() < len) {
            head.extend_from_slice(&next()?);
        }
        let head = Frame::from_head(Buffer::from_vec(head))?;
        let body_len = head.body_len()?;
        let (mut body, mut end) = (Vec::new(), 0);
        while end < body_len {
            let piece = next()?;
            end += piece.len();
            body.push((end - piece.len(), piece));
        }
        Ok(Some(Encoded { head, body, body_len }))
    }

    fn into_frame(self, codec: Codec) -> Result<Frame> {
        let message = self.head.message()?;
        let dictionary = message.header_as_dictionary_batch();
        let header = dictionary.and_then(|dictionary| dictionary.data()).or_else(|| message.header_as_record_batch());
        let (Some(codec), Some(header)) = (codec.compression_type(), header) else {
            let body = self.joined_body()?;
            return Ok(self.head.with_body(body));
        };
        let (body, places) = compress_body(&self.buffers(&header)?, codec)?;
        let dictionary = dictionary.map(|dictionary| (dictionary.id(), dictionary.isDelta()));
        let envelope = Envelope { version: message.version(), codec: Some(codec), dictionary };
        Ok(rebuilt(&header, &places, &envelope, body))
    }

    /// The buffers of the header, in its order.
    fn buffers(&self, header: &arrow_ipc::RecordBatch<'_>) -> Result<Vec<&[u8]>> {
        let bytes = |buffer: &arrow_ipc::Buffer| {
            if buffer.length() == 0 {
                return Some(&[][..]);
            }
            let piece = self.body.binary_search_by_key(&buffer.offset(), |(start, _)| *start as i64).ok()?;
            self.body[piece].1.get(..usize::try_from(buffer.length()).ok()?)
        };
        let found: Option<Vec<&[u8]>> = header.buffers().iter().flatten().map(bytes).collect();
        found.ok_or_else(|| Error::internal("an encoded buffer is not where its message says"))
    }

    fn joined_body(&self) -> Result<Buffer> {
        let mut joined = Memory::new(self.body_len)?;
        for (start, piece) in &self.body {
            joined.as_mut_slice()[*start..][..piece.len()].copy_from_slice(piece);
        }
        Ok(joined.freeze())
    }
}

fn rebuilt(header: &arrow_ipc::RecordBatch<'_>, places: &[Place], envelope: &Envelope, body: Buffer) -> Frame {
    let message = rebuild_message(header, places, envelope, body.len());
    Frame::build(message.finished_data(), body, ALIGNMENT)
}

/// Encodes the values of a dictionary as a complete dictionary message.
pub(crate) fn encode_dictionary(id: i64, values: &arrow::array::ArrayRef, codec: Codec) -> Result<Frame> {
    let fields = vec![arrow::datatypes::Field::new("values", values.data_type().clone(), true)];
    let batch = RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), vec![values.clone()])?;
    let frame = encode_batch(&batch, codec)?.batch;
    let message = frame.message()?;
    let header = message.header_as_record_batch().ok_or_else(|| Error::internal("a batch encodes to a batch"))?;
    let places: Vec<Place> =
        header.buffers().iter().flatten().map(|buffer| (buffer.offset() as usize, buffer.length() as usize)).collect();
    let codec = header.compression().map(|compression| compression.codec());
    let envelope = Envelope { version: message.version(), codec, dictionary: Some((id, false)) };
    Ok(rebuilt(&header, &places, &envelope, frame.body.clone()))
}

/// Where the parts of a payload lie, and its checksum: the manifest's view of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PayloadIndex {
    pub(crate) payload_bytes: u64,
    pub(crate) xxh3: u64,
    pub(crate) dictionaries_offset: u64,
    pub(crate) dictionaries_length: u64,
    pub(crate) metadata_offset: u64,
    pub(crate) metadata_length: u64,
    pub(crate) body_offset: u64,
    pub(crate) body_length: u64,
}

/// Lines the messages of one chunk up as a stream.
///
/// Record batch and dictionaries go out byte for byte; the schema's padding is stretched so that the batch's
/// body starts at a multiple of 64.
pub(crate) fn assemble(frames: &BatchFrames) -> (Payload, PayloadIndex) {
    // Heads that are no multiple of 8 long (only very old writers make them) are framed anew.
    let head = |frame: &Frame| match frame.head().len() {
        len if len.is_multiple_of(8) && frame.head().starts_with(&[0xff; 4]) => frame.head().clone(),
        len => frame.padded_head((len + 4).next_multiple_of(8)),
    };
    let mut dictionaries = Payload::new();
    for dictionary in &frames.dictionaries {
        dictionaries.extend([head(dictionary), dictionary.body.clone()]);
    }
    let batch_head = head(&frames.batch);
    let dictionaries_length = payload_len(&dictionaries);
    let before_body = dictionaries_length + batch_head.len();
    let natural = (8 + frames.schema.metadata().len()).next_multiple_of(8);
    let schema_len = (natural + before_body).next_multiple_of(ALIGNMENT) - before_body;

    let mut payload = vec![frames.schema.padded_head(schema_len)];
    payload.append(&mut dictionaries);
    payload.extend([batch_head.clone(), frames.batch.body.clone()]);
    payload.push(Buffer::from(&END_OF_STREAM[..]));
    payload.retain(|part| !part.is_empty());

    let metadata_offset = schema_len + dictionaries_length;
    let index = PayloadIndex {
        payload_bytes: payload_len(&payload) as u64,
        xxh3: checksum(&payload),
        dictionaries_offset: schema_len as u64,
        dictionaries_length: dictionaries_length as u64,
        metadata_offset: metadata_offset as u64,
        metadata_length: batch_head.len() as u64,
        body_offset: (metadata_offset + batch_head.len()) as u64,
        body_length: frames.batch.body.len() as u64,
    };
    (payload, index)
}

/// XXH3-64 over all parts in order.
pub(crate) fn checksum(parts: &[Buffer]) -> u64 {
    if let [whole] = parts {
        return XxHash3_64::oneshot(whole);
    }
    let mut hasher = XxHash3_64::new();
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}

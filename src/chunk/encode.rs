//! From arrays to messages, and from messages to a payload.

use std::cell::RefCell;

use arrow::buffer::Buffer;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::{DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use xxhash_rust::xxh3::Xxh3;

use super::message::{END_OF_STREAM, Frame};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::store::{Payload, payload_len};

/// Where bodies start in a payload, and buffers in a body.
const ALIGNMENT: usize = 64;
/// Fast, and on columnar data nearly as small as the levels above it.
const ZSTD_LEVEL: i32 = 1;

/// The messages of one record batch: schema, complete dictionaries, batch.
#[derive(Debug, Clone)]
pub(crate) struct BatchFrames {
    pub(crate) schema: Frame,
    pub(crate) dictionaries: Vec<Frame>,
    pub(crate) batch: Frame,
}

fn write_options(codec: Codec) -> Result<IpcWriteOptions> {
    let level = matches!(codec, Codec::Zstd).then_some(ZSTD_LEVEL);
    IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)
        .and_then(|options| options.try_with_compression(codec.compression_type()))
        .and_then(|options| options.try_with_compression_level(level))
        .map_err(|e| Error::internal(e.to_string()))
}

fn frame(data: EncodedData) -> Frame {
    Frame::build(&data.ipc_message, Buffer::from_vec(data.arrow_data), ALIGNMENT)
}

/// Encodes a schema by itself; dictionary ids are numbered in the order of the fields, as in [`encode_batch`].
pub(crate) fn encode_schema(schema: &Schema) -> Result<Frame> {
    let mut tracker = DictionaryTracker::new(false);
    let options = write_options(Codec::None)?;
    Ok(frame(IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options)))
}

/// Encodes a record batch with everything it needs to be read by itself.
pub(crate) fn encode_batch(batch: &RecordBatch, codec: Codec) -> Result<BatchFrames> {
    thread_local! {
        /// Compressor state is costly to set up; one per thread serves every batch.
        static CONTEXT: RefCell<IpcWriteContext> = RefCell::default();
    }
    let options = write_options(codec)?;
    let generator = IpcDataGenerator::default();
    let mut tracker = DictionaryTracker::new(false);
    let schema = generator.schema_to_bytes_with_dictionary_tracker(&batch.schema(), &mut tracker, &options);
    let (dictionaries, batch) = CONTEXT
        .with_borrow_mut(|context| generator.encode(batch, &mut tracker, &options, context))
        .map_err(|e| match Error::from(e) {
            e if e.kind() == crate::ErrorKind::Unsupported => e,
            e => Error::invalid_argument(format!("a record batch cannot be encoded: {}", e.message())),
        })?;
    Ok(BatchFrames {
        schema: frame(schema),
        dictionaries: dictionaries.into_iter().map(frame).collect(),
        batch: frame(batch),
    })
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
        return xxhash_rust::xxh3::xxh3_64(whole);
    }
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.digest()
}

/// Encodes the values of a dictionary as a complete dictionary message.
pub(crate) fn encode_dictionary(id: i64, values: &arrow::array::ArrayRef, codec: Codec) -> Result<Frame> {
    let fields = vec![arrow::datatypes::Field::new("values", values.data_type().clone(), true)];
    let batch = RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), vec![values.clone()])?;
    let frame = encode_batch(&batch, codec)?.batch;
    let message = frame.message()?;
    let header = message.header_as_record_batch().ok_or_else(|| Error::internal("a batch encodes to a batch"))?;

    let mut builder = flatbuffers::FlatBufferBuilder::new();
    let nodes = builder.create_vector(&header.nodes().iter().flatten().copied().collect::<Vec<_>>());
    let buffers = builder.create_vector(&header.buffers().iter().flatten().copied().collect::<Vec<_>>());
    let variadic = header.variadicBufferCounts().map(|c| builder.create_vector(&c.iter().collect::<Vec<_>>()));
    let compression = header.compression().map(|c| {
        let mut compression = arrow_ipc::BodyCompressionBuilder::new(&mut builder);
        compression.add_codec(c.codec());
        compression.add_method(c.method());
        compression.finish()
    });
    let mut data = arrow_ipc::RecordBatchBuilder::new(&mut builder);
    data.add_length(header.length());
    data.add_nodes(nodes);
    data.add_buffers(buffers);
    if let Some(variadic) = variadic {
        data.add_variadicBufferCounts(variadic);
    }
    if let Some(compression) = compression {
        data.add_compression(compression);
    }
    let data = data.finish();
    let mut dictionary = arrow_ipc::DictionaryBatchBuilder::new(&mut builder);
    dictionary.add_id(id);
    dictionary.add_data(data);
    let dictionary = dictionary.finish();
    let mut outer = arrow_ipc::MessageBuilder::new(&mut builder);
    outer.add_version(message.version());
    outer.add_header_type(arrow_ipc::MessageHeader::DictionaryBatch);
    outer.add_header(dictionary.as_union_value());
    outer.add_bodyLength(frame.body.len() as i64);
    let root = outer.finish();
    builder.finish(root, None);
    Ok(Frame::build(builder.finished_data(), frame.body.clone(), ALIGNMENT))
}

//! Record-batch headers written again, for a body whose buffers are stored in another way.

use arrow_ipc::{BodyCompressionBuilder, CompressionType, MessageHeader, MetadataVersion};
use flatbuffers::{FlatBufferBuilder, WIPOffset};

/// Where a buffer lies in the body, and its length there.
pub(super) type Place = (usize, usize);

/// What a message says besides its header.
pub(super) struct Envelope {
    pub(super) version: MetadataVersion,
    pub(super) codec: Option<CompressionType>,
    /// Of a dictionary message: its id, and whether it is a delta.
    pub(super) dictionary: Option<(i64, bool)>,
}

/// A message with the same header, for a body whose buffers lie at `places`.
pub(super) fn rebuild_message(
    header: &arrow_ipc::RecordBatch<'_>,
    places: &[Place],
    envelope: &Envelope,
    body_len: usize,
) -> FlatBufferBuilder<'static> {
    let mut builder = FlatBufferBuilder::with_capacity(128 + 32 * places.len());
    let batch = copy_header(&mut builder, header, places, envelope.codec);
    let (kind, root) = match envelope.dictionary {
        None => (MessageHeader::RecordBatch, batch.as_union_value()),
        Some((id, delta)) => {
            let mut dictionary = arrow_ipc::DictionaryBatchBuilder::new(&mut builder);
            dictionary.add_id(id);
            dictionary.add_data(batch);
            dictionary.add_isDelta(delta);
            (MessageHeader::DictionaryBatch, dictionary.finish().as_union_value())
        }
    };
    let mut message = arrow_ipc::MessageBuilder::new(&mut builder);
    message.add_version(envelope.version);
    message.add_header_type(kind);
    message.add_header(root);
    message.add_bodyLength(body_len as i64);
    let root = message.finish();
    builder.finish(root, None);
    builder
}

fn copy_header<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    header: &arrow_ipc::RecordBatch<'_>,
    places: &[Place],
    codec: Option<CompressionType>,
) -> WIPOffset<arrow_ipc::RecordBatch<'b>> {
    let nodes: Vec<arrow_ipc::FieldNode> = header.nodes().iter().flatten().copied().collect();
    let buffers: Vec<arrow_ipc::Buffer> =
        places.iter().map(|(offset, len)| arrow_ipc::Buffer::new(*offset as i64, *len as i64)).collect();
    let nodes = builder.create_vector(&nodes);
    let buffers = builder.create_vector(&buffers);
    let variadic =
        header.variadicBufferCounts().map(|counts| builder.create_vector(&counts.iter().collect::<Vec<_>>()));
    let compression = codec.map(|codec| {
        let mut compression = BodyCompressionBuilder::new(builder);
        compression.add_codec(codec);
        compression.add_method(arrow_ipc::BodyCompressionMethod::BUFFER);
        compression.finish()
    });
    let mut batch = arrow_ipc::RecordBatchBuilder::new(builder);
    batch.add_length(header.length());
    batch.add_nodes(nodes);
    batch.add_buffers(buffers);
    if let Some(variadic) = variadic {
        batch.add_variadicBufferCounts(variadic);
    }
    if let Some(compression) = compression {
        batch.add_compression(compression);
    }
    batch.finish()
}

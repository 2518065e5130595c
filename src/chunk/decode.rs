//! From a checked message to arrays.
//!
//! Compressed buffers are decompressed by us, all those of the wanted columns into one pooled block, each at
//! a multiple of 64 bytes; what a body stores as it is stays where it was fetched. [`super::arrays`] then builds and
//! validates the arrays over both without a copy.
//! Every declared length is known to be acceptable before memory is taken for it.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow_ipc::{CompressionType, MetadataVersion};

use super::arrays::Message;
use super::compression::Stored;
use super::dictionaries::Dictionaries;
use super::layout::{ColumnSpan, column_spans};
use super::message::{Frame, unsupported_or_corrupt};
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::runtime::catch_panic;

/// Where buffers start in a decoded block.
const ALIGNMENT: usize = 64;

/// Of what is there of a compressed body, at least this part has to be used in place; otherwise it is copied.
const LEAST_SHARE_IN_PLACE: u64 = 3;

/// How much memory decoding one message may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DecodeLimit {
    /// Bytes that any message may need.
    base_bytes: u64,
}

impl DecodeLimit {
    /// `base_bytes`: what any message may need.
    pub(crate) const fn new(base_bytes: u64) -> Self {
        DecodeLimit { base_bytes }
    }

    /// No real compressor shrinks a whole body further than this, beyond the base.
    const MAX_RATIO: u64 = 64;

    /// Checks messages that are kept together: many small ones must not add up to what one large one may not
    /// be. Takes what each declares and the length of its body.
    pub(crate) fn check_all(&self, messages: impl Iterator<Item = (u64, u64)>) -> Result<()> {
        let (declared, body_len) = messages
            .fold((0u64, 0u64), |sum, message| (sum.0.saturating_add(message.0), sum.1.saturating_add(message.1)));
        self.check(declared, body_len)
    }

    pub(super) fn check(&self, declared: u64, body_len: u64) -> Result<()> {
        let allowed = self.base_bytes.max(body_len.saturating_mul(Self::MAX_RATIO));
        if declared <= allowed {
            return Ok(());
        }
        Err(Error::resource_exhausted(format!(
            "a body of {body_len} bytes declares {declared} uncompressed bytes, more than the {allowed} that are \
             accepted: if the data is right, raise ARROWREDIS_MAX_INFLIGHT_BYTES"
        )))
    }
}

/// The body of a message, or as much of it as was fetched.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    /// Runs of bytes and where they start in the body, in that order.
    segments: Vec<(u64, Buffer)>,
    len: u64,
}

impl Body {
    /// All of it.
    pub(crate) fn whole(bytes: Buffer) -> Self {
        Body { len: bytes.len() as u64, segments: vec![(0, bytes)] }
    }

    /// Parts of a body of `len` bytes.
    pub(crate) fn sparse(mut segments: Vec<(u64, Buffer)>, len: u64) -> Self {
        segments.sort_by_key(|(start, _)| *start);
        Body { segments, len }
    }

    fn slice(&self, offset: u64, len: u64) -> Result<Buffer> {
        if len == 0 {
            return Ok(Buffer::default());
        }
        let (start, bytes) = self.segment_of(offset, len)?;
        // In range: the segment holds all of it.
        Ok(bytes.slice_with_length((offset - start) as usize, len as usize))
    }

    /// How many bytes of it are there.
    fn held(&self) -> u64 {
        self.segments.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// The segment that holds all of a range.
    fn segment_of(&self, offset: u64, len: u64) -> Result<&(u64, Buffer)> {
        // They may overlap, but hardly ever do: it is nearly always the last one that starts in time.
        let candidates = self.segments.partition_point(|(start, _)| *start <= offset);
        let holds = |(start, bytes): &&(u64, Buffer)| {
            (offset - start).checked_add(len).is_some_and(|end| end <= bytes.len() as u64)
        };
        self.segments[..candidates]
            .iter()
            .rfind(holds)
            .ok_or_else(|| Error::corrupt(format!("bytes {offset} to {} of a body are not there", offset + len)))
    }
}

/// A record batch, the bytes of its buffers, and those of the memory that it keeps.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) batch: RecordBatch,
    pub(crate) bytes: u64,
    pub(crate) held: u64,
}

/// Decodes the wanted columns (all, if `projection` is `None`; increasing indices) of a record-batch message.
pub(crate) fn decode_batch(
    frame: &Frame,
    body: &Body,
    schema: &SchemaRef,
    projection: Option<&[usize]>,
    dictionaries: &Dictionaries,
    limit: DecodeLimit,
) -> Result<Decoded> {
    let message = frame.message()?;
    let header = message
        .header_as_record_batch()
        .ok_or_else(|| Error::corrupt(format!("expected a record batch, found {:?}", message.header_type())))?;
    decode_columns(header, frame.version()?, body, schema, projection, dictionaries, limit)
}

pub(super) fn decode_columns(
    header: arrow_ipc::RecordBatch<'_>,
    version: MetadataVersion,
    body: &Body,
    schema: &SchemaRef,
    projection: Option<&[usize]>,
    dictionaries: &Dictionaries,
    limit: DecodeLimit,
) -> Result<Decoded> {
    let spans = column_spans(schema, &header, version, body.len)?;
    let wanted = wanted_buffers(&spans, projection)?;
    let codec = match header.compression() {
        None => None,
        Some(c) if c.codec() == CompressionType::ZSTD || c.codec() == CompressionType::LZ4_FRAME => Some(c.codec()),
        Some(c) => return Err(Error::unsupported(format!("body compression {:?}", c.codec()))),
    };
    let stored = stored_buffers(&header, body, &wanted, codec)?;
    let bytes = stored.iter().map(Stored::len).fold(0, u64::saturating_add);
    let (buffers, held) = usable_buffers(&stored, body, codec, limit)?;
    let message = Message { header, version, spans: &spans, buffers: &buffers, dictionaries };
    let batch = catch_panic(|| build_batch(&message, schema, projection))
        .map_err(|e| Error::new(unsupported_or_corrupt(&e), e.message()))?;
    Ok(Decoded { batch, bytes, held })
}

/// A batch of the wanted columns.
fn build_batch(message: &Message<'_>, schema: &SchemaRef, projection: Option<&[usize]>) -> Result<RecordBatch> {
    let (schema, arrays) = match projection {
        None => (schema.clone(), (0..schema.fields().len()).map(|c| message.column(schema, c)).collect::<Result<_>>()?),
        Some(columns) => (
            Arc::new(schema.project(columns)?),
            columns.iter().map(|column| message.column(schema, *column)).collect::<Result<_>>()?,
        ),
    };
    let options = RecordBatchOptions::new().with_row_count(Some(message.header.length() as usize));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

/// Which buffers the wanted columns need.
fn wanted_buffers(spans: &[ColumnSpan], projection: Option<&[usize]>) -> Result<Vec<bool>> {
    let mut wanted = vec![projection.is_none(); spans.last().map_or(0, |span| span.buffers.end)];
    for column in projection.unwrap_or_default() {
        let span = spans.get(*column).ok_or_else(|| Error::internal("a projected column is not in the schema"))?;
        wanted[span.buffers.clone()].fill(true);
    }
    Ok(wanted)
}

/// The bytes of the body that the wanted columns need: one run from the first of their buffers to the end of
/// the last, for columns that lie together. The message's body has not been read yet.
pub(crate) fn body_range(frame: &Frame, schema: &SchemaRef, projection: &[usize]) -> Result<Range<u64>> {
    let ranges = buffer_ranges(frame, schema, projection)?;
    let (start, end) = ranges.iter().fold((u64::MAX, 0), |(start, end), r| (start.min(r.start), end.max(r.end)));
    Ok(start.min(end)..end)
}

/// Where the buffers of the wanted columns lie in the body, which has not been read yet; empty ones are left out.
pub(crate) fn buffer_ranges(frame: &Frame, schema: &SchemaRef, projection: &[usize]) -> Result<Vec<Range<u64>>> {
    let message = frame.message()?;
    let header =
        message.header_as_record_batch().ok_or_else(|| Error::corrupt("expected a record batch among the batches"))?;
    let spans = column_spans(schema, &header, frame.version()?, frame.body_len()? as u64)?;
    let wanted = wanted_buffers(&spans, Some(projection))?;
    let buffers = header.buffers();
    let ranges = buffers.iter().flatten().zip(wanted).filter(|(b, wanted)| *wanted && b.length() > 0);
    // In range: `column_spans` has checked every buffer against the body.
    Ok(ranges.map(|(buffer, _)| buffer.offset() as u64..(buffer.offset() + buffer.length()) as u64).collect())
}

/// Each buffer as it is stored; unwanted ones are empty.
fn stored_buffers(
    header: &arrow_ipc::RecordBatch<'_>,
    body: &Body,
    wanted: &[bool],
    codec: Option<CompressionType>,
) -> Result<Vec<Stored>> {
    let place = |(buffer, wanted): (&arrow_ipc::Buffer, &bool)| {
        // In range: `column_spans` has checked every buffer against the body.
        match (wanted, codec) {
            (false, _) => Ok(Stored::Raw(Buffer::default())),
            (true, None) => body.slice(buffer.offset() as u64, buffer.length() as u64).map(Stored::Raw),
            (true, Some(codec)) => Stored::parse(body.slice(buffer.offset() as u64, buffer.length() as u64)?, codec),
        }
    };
    header.buffers().iter().flatten().zip(wanted).map(place).collect()
}

/// The buffers for arrays, and the bytes of the memory that they keep. Those that are stored as they are stay where they
/// are; the others go into one block.
fn usable_buffers(
    stored: &[Stored],
    body: &Body,
    codec: Option<CompressionType>,
    limit: DecodeLimit,
) -> Result<(Vec<Buffer>, u64)> {
    // The format asks for multiples of 8: anything else would make readers of arrays panic or copy. Where there has to
    // be a block, nothing of it is to lie worse than the rest.
    let alignment = if codec.is_none() { 8 } else { ALIGNMENT };
    let mut buffers: Vec<Option<Buffer>> = stored.iter().map(|buffer| buffer.in_place(alignment)).collect();
    let in_place = buffers.iter().flatten().map(|bytes| bytes.len() as u64).sum();
    // A small part of a compressed body is not worth the memory of all of it.
    let keeps_body = 0 < in_place && (codec.is_none() || body.held() / LEAST_SHARE_IN_PLACE <= in_place);
    if !keeps_body {
        buffers.fill(None);
    }
    let moved = || stored.iter().zip(&buffers).filter(|(_, in_place)| in_place.is_none()).map(|(stored, _)| stored);
    limit.check(moved().map(Stored::len).fold(0, u64::saturating_add), body.len)?;
    // In range from here on: the limit is one of memory.
    let room = |stored: &Stored| (stored.len() as usize).next_multiple_of(ALIGNMENT);
    let mut block = Memory::new(moved().map(room).sum())?;
    let mut rest = block.as_mut_slice();
    for stored in moved() {
        let (out, after) = rest.split_at_mut(room(stored));
        stored.write_to(&mut out[..stored.len() as usize])?;
        rest = after;
    }
    let (block, mut start) = (block.freeze(), 0);
    let held = block.len() as u64 + if keeps_body { body.held() } else { 0 };
    let mut in_block = |stored: &Stored| {
        start += room(stored);
        block.slice_with_length(start - room(stored), stored.len() as usize)
    };
    let all = buffers.into_iter().zip(stored).map(|(in_place, stored)| in_place.unwrap_or_else(|| in_block(stored)));
    Ok((all.collect(), held))
}

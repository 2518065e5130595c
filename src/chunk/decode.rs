//! From a checked message to arrays.
//!
//! Compressed buffers are decompressed by us, all those of the wanted columns into one pooled block, each at
//! a multiple of 64 bytes; arrow-ipc then builds and validates the arrays over that block without a copy.
//! Every declared length is known to be acceptable before memory is taken for it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow_ipc::reader::RecordBatchDecoder;
use arrow_ipc::{CompressionType, MetadataVersion};

use super::compression::Stored;
use super::dictionaries::Dictionaries;
use super::layout::{ColumnSpan, column_spans};
use super::message::{Frame, unsupported_or_corrupt, verifier_options};
use super::rebuild::{Place, rebuild_header};
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::runtime::catch_panic;

/// Where buffers start in a decoded block.
const ALIGNMENT: usize = 64;

/// Segments that arrays are built over one by one; more are joined, since each takes a look at all columns.
const MAX_SEGMENTS: usize = 16;

/// How much memory decoding one message may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DecodeLimit {
    /// Bytes that any message may need.
    pub(crate) base_bytes: u64,
}

impl DecodeLimit {
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

    fn slice(&self, offset: u64, len: u64) -> Result<&[u8]> {
        if len == 0 {
            return Ok(&[]);
        }
        let missing = || Error::corrupt(format!("bytes {offset} to {} of a body are not there", offset + len));
        let (start, bytes) = &self.segments[self.segment_of(offset, len).ok_or_else(missing)?];
        // In range: the segment holds all of it.
        Ok(&bytes[(offset - start) as usize..][..len as usize])
    }

    /// Which segment holds a range, if one holds all of it.
    fn segment_of(&self, offset: u64, len: u64) -> Option<usize> {
        // They may overlap, but hardly ever do: it is nearly always the last one that starts in time.
        let candidates = self.segments.partition_point(|(start, _)| *start <= offset);
        self.segments[..candidates]
            .iter()
            .rposition(|(start, bytes)| (offset - start).checked_add(len).is_some_and(|end| end <= bytes.len() as u64))
    }

    /// The one segment, where there is just one: arrays can be built over it without a copy.
    fn contiguous(&self) -> Option<(u64, &Buffer)> {
        match self.segments.as_slice() {
            [(start, bytes)] => Some((*start, bytes)),
            _ => None,
        }
    }
}

/// A record batch and the bytes of its buffers.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) batch: RecordBatch,
    pub(crate) bytes: u64,
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
    let bytes: u64 = stored.iter().map(|s| s.len() as u64).fold(0, u64::saturating_add);

    let build_columns =
        |header: arrow_ipc::RecordBatch<'_>, body: &Buffer, columns: Option<&[usize]>| -> Result<RecordBatch> {
            catch_panic(|| {
                RecordBatchDecoder::try_new(body, header, schema.clone(), dictionaries, &version)?
                    .with_projection(columns)
                    .read_record_batch()
                    .map_err(Error::from)
            })
            .map_err(|e| Error::new(unsupported_or_corrupt(&e), e.message()))
        };
    let build = |header, body: &Buffer| build_columns(header, body, projection);
    let usable = codec.is_none() && aligned(&stored);
    let apart = projection.filter(|_| usable).and_then(|columns| columns_by_segment(&header, &spans, columns, body));
    if let (Some(apart), Some(columns)) = (apart, projection) {
        let build = |segment: usize, columns: &[usize]| {
            let (start, bytes) = &body.segments[segment];
            let rebuilt =
                rebuild_header(&header, &places_in_segment(&header, &wanted_buffers(&spans, Some(columns))?, *start));
            build_columns(parse_header(&rebuilt)?, bytes, Some(columns))
        };
        let batch = join_columns(schema, columns, header.length() as usize, &apart, build)?;
        return Ok(Decoded { batch, bytes });
    }
    let in_place = body.contiguous().filter(|_| usable);
    let batch = match in_place {
        Some((0, whole)) if whole.len() as u64 == body.len => build(header, whole)?,
        Some((start, segment)) => {
            let rebuilt = rebuild_header(&header, &places_in_segment(&header, &wanted, start));
            build(parse_header(&rebuilt)?, segment)?
        }
        None => {
            limit.check(bytes, body.len)?;
            let (block, places) = fill_block(&stored, codec.unwrap_or(CompressionType::ZSTD))?;
            let rebuilt = rebuild_header(&header, &places);
            build(parse_header(&rebuilt)?, &block)?
        }
    };
    Ok(Decoded { batch, bytes })
}

/// The columns of each segment, where every column lies in one of several: then arrays can be built over the
/// segments without a copy. `None` if there is but one segment, too many, or a column lies in two.
fn columns_by_segment(
    header: &arrow_ipc::RecordBatch<'_>,
    spans: &[ColumnSpan],
    columns: &[usize],
    body: &Body,
) -> Option<Vec<Vec<usize>>> {
    if !(2..=MAX_SEGMENTS).contains(&body.segments.len()) {
        return None;
    }
    let buffers = header.buffers()?;
    let mut by_segment = vec![Vec::new(); body.segments.len()];
    for column in columns {
        let mut home = None;
        for buffer in spans.get(*column)?.buffers.clone().map(|index| buffers.get(index)) {
            // In range: `column_spans` has checked every buffer against the body.
            let (offset, len) = (buffer.offset() as u64, buffer.length() as u64);
            if len > 0 && *home.get_or_insert(body.segment_of(offset, len)?) != body.segment_of(offset, len)? {
                return None;
            }
        }
        by_segment[home.unwrap_or(0)].push(*column);
    }
    Some(by_segment)
}

/// A batch of the wanted columns, built segment by segment.
fn join_columns(
    schema: &SchemaRef,
    columns: &[usize],
    rows: usize,
    by_segment: &[Vec<usize>],
    build: impl Fn(usize, &[usize]) -> Result<RecordBatch>,
) -> Result<RecordBatch> {
    let mut arrays: HashMap<usize, ArrayRef> = HashMap::with_capacity(columns.len());
    for (segment, columns) in by_segment.iter().enumerate().filter(|(_, columns)| !columns.is_empty()) {
        let batch = build(segment, columns)?;
        arrays.extend(columns.iter().copied().zip(batch.columns().iter().cloned()));
    }
    let arrays = columns.iter().filter_map(|column| arrays.get(column).cloned()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(schema.project(columns)?), arrays, &options)?)
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

fn parse_header(bytes: &[u8]) -> Result<arrow_ipc::RecordBatch<'_>> {
    flatbuffers::root_with_opts::<arrow_ipc::RecordBatch>(&verifier_options(), bytes)
        .map_err(|e| Error::internal(format!("a rebuilt header is not valid: {e}")))
}

/// Where the wanted buffers lie in the one segment, which starts at `start` of the body.
fn places_in_segment(header: &arrow_ipc::RecordBatch<'_>, wanted: &[bool], start: u64) -> Vec<Place> {
    let buffers = header.buffers();
    let place = |(buffer, wanted): (&arrow_ipc::Buffer, &bool)| match wanted {
        true if buffer.length() > 0 => ((buffer.offset() as u64 - start) as usize, buffer.length() as usize),
        _ => (0, 0),
    };
    buffers.iter().flatten().zip(wanted).map(place).collect()
}

/// Each buffer as it is stored; unwanted ones are empty.
fn stored_buffers<'a>(
    header: &arrow_ipc::RecordBatch<'_>,
    body: &'a Body,
    wanted: &[bool],
    codec: Option<CompressionType>,
) -> Result<Vec<Stored<'a>>> {
    let buffers = header.buffers();
    buffers
        .iter()
        .flatten()
        .zip(wanted)
        .map(|(buffer, wanted)| {
            if !wanted {
                return Ok(Stored::Raw(&[]));
            }
            // In range: `column_spans` has checked every buffer against the body.
            let bytes = body.slice(buffer.offset() as u64, buffer.length() as u64)?;
            if codec.is_some() { Stored::parse(bytes) } else { Ok(Stored::Raw(bytes)) }
        })
        .collect()
}

/// The format asks for buffers at multiples of 8; anything else would make readers of arrays panic or copy.
fn aligned(stored: &[Stored<'_>]) -> bool {
    stored.iter().all(|s| match s {
        Stored::Raw(bytes) => bytes.is_empty() || (bytes.as_ptr() as usize).is_multiple_of(8),
        Stored::Compressed(..) => false,
    })
}

/// Decompresses all buffers into one block; returns it with each buffer's offset and length.
fn fill_block(stored: &[Stored<'_>], codec: CompressionType) -> Result<(Buffer, Vec<Place>)> {
    let mut places = Vec::with_capacity(stored.len());
    let mut end = 0usize;
    for buffer in stored {
        places.push((end, buffer.len()));
        end += buffer.len().next_multiple_of(ALIGNMENT);
    }
    let mut memory = Memory::new(end)?;
    let block = memory.as_mut_slice();
    for (buffer, (offset, len)) in stored.iter().zip(&places) {
        buffer.write_to(codec, &mut block[*offset..][..*len])?;
    }
    Ok((memory.freeze(), places))
}

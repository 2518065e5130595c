//! What is fetched of a chunk of which only some columns are wanted: pure.

use std::ops::Range;

use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, SchemaRef};

use crate::chunk::{self, Body, ChunkHead, Frame, Head, PayloadIndex};
use crate::error::{Error, Result};
use crate::ranges::{RangePlan, RangeRules, join};
use crate::tuning;

/// The columns that are wanted of the chunks of a dataset, and what is known of all its chunks.
#[derive(Debug)]
pub(super) struct Columns {
    schema: SchemaRef,
    /// The schema message of the manifest; chunks without a manifest are asked for theirs.
    schema_frame: Option<Frame>,
    /// Increasing.
    wanted: Vec<usize>,
    dictionaries: bool,
    /// Those of them that a filter looks at.
    filter: Vec<usize>,
    /// About what part of a body the wanted columns are, and those of the filter.
    shares: (f64, f64),
    /// Without a manifest: what the first chunk has before its body.
    head_bytes: u64,
    read_cost_bytes: u64,
}

/// What is known of one chunk before any of it is fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) payload_bytes: u64,
    /// How likely it holds a row that the filter keeps.
    pub(super) match_probability: f64,
    /// From the manifest.
    pub(super) index: Option<&'a PayloadIndex>,
}

/// How to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FirstRead {
    /// All of the chunk: parts of it would cost more.
    Whole,
    /// These bytes, which tell where the rest is.
    Head(Range<u64>),
}

/// What a head tells.
#[derive(Debug)]
pub(super) enum Step {
    Planned(Box<Layout>),
    /// The head is longer: it goes up to this byte at least.
    NeedsMore(u64),
}

/// The reads that bring the wanted columns of a chunk whose head has been fetched.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) head: ChunkHead,
    /// What of the body came with the head: its first bytes, possibly none.
    prefix: Buffer,
    /// Reads of the body beyond that, counted from its start.
    pub(super) reads: RangePlan,
    /// The reads for the columns of the filter, where these shall be looked at before `reads` are made.
    pub(super) filter_reads: Option<RangePlan>,
}

impl Layout {
    /// Bytes of all reads.
    pub(super) fn read_bytes(&self) -> u64 {
        self.reads.read_bytes() + self.filter_reads.as_ref().map_or(0, RangePlan::read_bytes)
    }

    /// The body, as far as it has been read: where each read started, and its bytes.
    pub(super) fn body(&self, mut segments: Vec<(u64, Buffer)>) -> Result<Body> {
        if !self.prefix.is_empty() {
            let mut first = self.prefix.clone();
            // A buffer may begin in the prefix and end in the read that goes on from there.
            let next = segments.iter().position(|(start, _)| *start == first.len() as u64);
            if let Some(next) = next {
                first = join(&[first, segments.swap_remove(next).1])?;
            }
            segments.push((0, first));
        }
        Ok(Body::sparse(segments, self.head.body_bytes))
    }
}

impl Columns {
    /// `head_bytes` is what a chunk has before its body, as far as known; `wanted` increases and includes `filter`.
    pub(super) fn new(
        schema: SchemaRef,
        schema_frame: Option<Frame>,
        wanted: Vec<usize>,
        filter: Vec<usize>,
        head_bytes: u64,
    ) -> Self {
        let weight = |index: &usize| weight(schema.field(*index).data_type());
        let all: f64 = (0..schema.fields().len()).map(|index| weight(&index)).sum();
        let share = |columns: &[usize]| match all {
            0.0 => 1.0,
            all => columns.iter().map(weight).sum::<f64>() / all,
        };
        let shares = (share(&wanted), share(&filter));
        let dictionaries = wanted.iter().any(|index| has_dictionary(schema.field(*index).data_type()));
        let read_cost_bytes = tuning::READ_COST_BYTES;
        Columns { schema, schema_frame, wanted, dictionaries, filter, shares, head_bytes, read_cost_bytes }
    }

    /// About what part of a chunk is wanted.
    pub(super) fn wanted_share(&self) -> f64 {
        self.shares.0
    }

    /// The same where one more read costs as much as so many bytes.
    pub(super) fn with_read_cost(self, read_cost_bytes: u64) -> Self {
        Columns { read_cost_bytes, ..self }
    }

    /// How to begin with a chunk.
    pub(super) fn first_read(&self, chunk: Known<'_>) -> FirstRead {
        let head = match chunk.index {
            // Ids of dictionaries are those of the chunk's own schema.
            Some(index) if self.dictionaries && index.dictionaries_length > 0 => 0..index.body_offset,
            Some(index) => index.metadata_offset..index.metadata_offset + index.metadata_length,
            None => 0..self.head_bytes.min(chunk.payload_bytes),
        };
        let body = match chunk.index {
            Some(index) => index.body_length,
            None => chunk.payload_bytes - head.end,
        };
        let (wanted, filter) = ((body as f64 * self.shares.0) as u64, (body as f64 * self.shares.1) as u64);
        let other = wanted.saturating_sub(filter);
        let wanted = match self.looks_first(other, chunk.match_probability) {
            true => filter + (other as f64 * chunk.match_probability) as u64,
            false => wanted,
        };
        let head_bytes = head.end - head.start;
        let (reads, cost) = (1 + self.runs(), self.read_cost_bytes);
        if head_bytes == 0 || tuning::whole_is_cheaper(chunk.payload_bytes, head_bytes + wanted, reads, cost) {
            return FirstRead::Whole;
        }
        FirstRead::Head(head)
    }

    /// Whether the columns of the filter are fetched before others of so many bytes.
    fn looks_first(&self, other_bytes: u64, match_probability: f64) -> bool {
        !self.filter.is_empty() && tuning::filter_first(other_bytes, match_probability)
    }

    /// Runs of neighbouring columns: about as many reads as they take.
    fn runs(&self) -> u64 {
        1 + self.wanted.windows(2).filter(|pair| pair[0] + 1 != pair[1]).count() as u64
    }

    /// Where the wanted columns are, by the bytes that [`Columns::first_read`] asked for, or more of them.
    pub(super) fn layout(&self, chunk: Known<'_>, head: Buffer) -> Result<Step> {
        let (found, none) = (head.clone(), Buffer::from(Vec::<u8>::new()));
        let (head, prefix) = match (chunk.index, &self.schema_frame) {
            (Some(index), Some(schema)) if head.len() as u64 == index.metadata_length => {
                (ChunkHead::of_batch(schema.clone(), head, index.body_offset, chunk.payload_bytes)?, none)
            }
            _ => match chunk::parse_head(&head, chunk.payload_bytes)? {
                Head::NeedsMore(bytes) => return Ok(Step::NeedsMore(bytes)),
                Head::Complete(head) => {
                    let beyond = found.slice(head.body_offset as usize);
                    let len = beyond.len().min(usize::try_from(head.body_bytes).unwrap_or(usize::MAX));
                    (head, beyond.slice_with_length(0, len))
                }
            },
        };
        if let Some(index) = chunk.index
            && (head.body_offset, head.body_bytes) != (index.body_offset, index.body_length)
        {
            return Err(Error::corrupt("its body is not where the manifest says"));
        }
        let there = prefix.len() as u64;
        let plan = |columns: &[usize]| -> Result<RangePlan> {
            let buffers = chunk::buffer_ranges(&head.frames.batch, &self.schema, columns)?.into_iter();
            let beyond: Vec<_> = buffers.filter(|b| b.end > there).map(|b| b.start.max(there)..b.end).collect();
            let rules = RangeRules { gap_bytes: self.read_cost_bytes, part_bytes: u64::MAX };
            RangePlan::new(&beyond, head.body_bytes, rules)
        };
        let others: Vec<usize> = self.wanted.iter().copied().filter(|column| !self.filter.contains(column)).collect();
        let rest = plan(&others)?;
        let (reads, filter_reads) = match self.looks_first(rest.read_bytes(), chunk.match_probability) {
            true => (rest, Some(plan(&self.filter)?)),
            false => (plan(&self.wanted)?, None),
        };
        Ok(Step::Planned(Box::new(Layout { head, prefix, reads, filter_reads })))
    }
}

/// About how many bytes a value takes.
fn weight(data_type: &DataType) -> f64 {
    use DataType::*;
    const TEXT: f64 = 16.0;
    const ITEMS: f64 = 3.0;
    match data_type {
        Null => 0.0,
        Boolean => 0.125,
        Utf8 | Binary | LargeUtf8 | LargeBinary | Utf8View | BinaryView => TEXT,
        FixedSizeBinary(size) => f64::from(*size),
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | Map(item, _) => {
            4.0 + ITEMS * weight(item.data_type())
        }
        FixedSizeList(item, size) => f64::from(*size) * weight(item.data_type()),
        Struct(fields) => fields.iter().map(|field| weight(field.data_type())).sum(),
        Union(fields, _) => fields.iter().map(|(_, field)| weight(field.data_type())).sum::<f64>() + 1.0,
        Dictionary(key, _) => weight(key),
        RunEndEncoded(_, values) => weight(values.data_type()),
        flat => flat.primitive_width().unwrap_or(8) as f64,
    }
}

/// Whether a type is a dictionary somewhere.
fn has_dictionary(data_type: &DataType) -> bool {
    use DataType::*;
    let inside = |field: &Field| has_dictionary(field.data_type());
    match data_type {
        Dictionary(..) => true,
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | Map(item, _) => inside(item),
        FixedSizeList(item, _) => inside(item),
        Struct(fields) => fields.iter().any(|field| inside(field)),
        Union(fields, _) => fields.iter().any(|(_, field)| inside(field)),
        RunEndEncoded(_, values) => inside(values),
        _ => false,
    }
}

//! What is fetched of a chunk of which only some columns are wanted: pure.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, SchemaRef};

use crate::chunk::{self, BatchFrames, Body, ChunkHead, DictionaryHead, Fragments, Frame, Head, PayloadIndex};
use crate::error::{Error, Result};
use crate::ranges::{RangePlan, RangeRules};
use crate::tuning;

/// How much is read to find the first dictionary where nothing says how long its head is.
const HEAD_STEP: u64 = 4 << 10;

/// The columns that are wanted of the chunks of a dataset, and what is known of all its chunks.
#[derive(Debug)]
pub(super) struct Columns {
    schema: SchemaRef,
    /// The schema message of the manifest; chunks without a manifest are asked for theirs.
    schema_frame: Option<Frame>,
    /// Increasing.
    wanted: Vec<usize>,
    /// Those of them that a filter looks at.
    filter: Vec<usize>,
    dictionaries: Counts,
    /// About what part of a body the wanted columns are, and those of the filter.
    shares: (f64, f64),
    /// Where a chunk has what is no body, by the last one whose head was read; empty if none was.
    places: Mutex<Arc<[Range<u64>]>>,
    /// What the last schema message says of the wanted columns.
    needed: Mutex<Option<Arc<Needed>>>,
    read_cost_bytes: u64,
}

/// How many dictionaries the columns need.
#[derive(Debug, Clone, Copy)]
struct Counts {
    filter: u64,
    wanted: u64,
    all: u64,
}

/// Ids of dictionaries are those of the chunk's own schema.
#[derive(Debug)]
struct Needed {
    schema: Frame,
    wanted: BTreeSet<i64>,
    filter: BTreeSet<i64>,
}

/// What is known of one chunk before any of it is fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) payload_bytes: u64,
    /// How likely it holds a row that the filter keeps.
    pub(super) match_probability: f64,
    /// From the manifest.
    pub(super) index: Option<PayloadIndex>,
}

/// How to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FirstRead {
    /// All of the chunk: parts of it would cost more.
    Whole,
    /// These bytes, which tell where the rest is.
    Head(Vec<Range<u64>>),
}

/// What a head tells.
#[derive(Debug)]
pub(super) enum Step {
    Planned(Box<Layout>),
    /// These bytes, too, are needed to know.
    NeedsMore(Vec<Range<u64>>),
}

/// The reads that bring the wanted columns of a chunk whose head has been fetched.
#[derive(Debug)]
pub(super) struct Layout {
    head: ChunkHead,
    /// What came with the head, possibly some of the rest.
    there: Fragments,
    /// The dictionaries of the wanted columns, and whether the filter looks at them.
    dictionaries: Vec<(DictionaryHead, bool)>,
    /// Wanted buffers of which some is there already: they come out of several reads.
    split: Vec<Range<u64>>,
    /// Reads of the payload beyond what is there.
    pub(super) reads: RangePlan,
    /// The reads for the columns of the filter, where these shall be looked at before `reads` are made.
    pub(super) filter_reads: Option<RangePlan>,
}

/// Which of the wanted columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    All,
    Filter,
}

impl Layout {
    /// Bytes of all reads.
    pub(super) fn read_bytes(&self) -> u64 {
        self.reads.read_bytes() + self.filter_reads.as_ref().map_or(0, RangePlan::read_bytes)
    }

    /// The messages that are needed to decode columns, and the body as far as it has been read: `read` says where in
    /// the payload each read started, and its bytes.
    pub(super) fn parts(&self, read: &[(u64, Buffer)], which: Which) -> Result<(BatchFrames, Body)> {
        let mut there = self.there.clone();
        for (start, bytes) in read {
            there.add(*start, bytes.clone());
        }
        let dictionaries = self.dictionaries.iter().filter(|(_, of_filter)| which == Which::All || *of_filter);
        let complete = |(dictionary, _): &(DictionaryHead, bool)| {
            Ok(dictionary.frame.clone().with_body(there.bytes(dictionary.body.clone())?))
        };
        let dictionaries = dictionaries.map(complete).collect::<Result<_>>()?;
        let (start, end) = (self.head.body_offset, self.head.body_offset + self.head.body_bytes);
        // What of these is not there yet is not looked at now.
        let joined = self.split.iter().filter_map(|range| Some((range.start, there.bytes(range.clone()).ok()?)));
        let mut segments: Vec<_> = joined.map(|(at, bytes)| (at - start, bytes)).collect();
        for (at, bytes) in there.into_runs() {
            let (from, to) = (at.max(start), end.min(at + bytes.len() as u64));
            if from < to {
                segments.push((from - start, bytes.slice_with_length((from - at) as usize, (to - from) as usize)));
            }
        }
        let frames = BatchFrames { schema: self.head.schema.clone(), dictionaries, batch: self.head.batch.clone() };
        Ok((frames, Body::sparse(segments, self.head.body_bytes)))
    }
}

impl Columns {
    /// `places` says where a chunk has what is no body, as far as known; `wanted` increases and includes `filter`.
    pub(super) fn new(
        schema: SchemaRef,
        schema_frame: Option<Frame>,
        wanted: Vec<usize>,
        filter: Vec<usize>,
        places: Vec<Range<u64>>,
    ) -> Self {
        let weight = |index: &usize| weight(schema.field(*index).data_type());
        let columns: Vec<usize> = (0..schema.fields().len()).collect();
        let all: f64 = columns.iter().map(weight).sum();
        let share = |columns: &[usize]| match all {
            0.0 => 1.0,
            all => columns.iter().map(weight).sum::<f64>() / all,
        };
        let shares = (share(&wanted), share(&filter));
        let count = |columns: &[usize]| chunk::dictionary_ids(&schema, columns).len() as u64;
        let dictionaries = Counts { filter: count(&filter), wanted: count(&wanted), all: count(&columns) };
        let (places, needed) = (Mutex::new(places.into()), Mutex::default());
        let read_cost_bytes = tuning::READ_COST_BYTES;
        Columns { schema, schema_frame, wanted, filter, dictionaries, shares, places, needed, read_cost_bytes }
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
    pub(super) fn first_read(&self, chunk: Known) -> FirstRead {
        let Beginning { head, dictionary_bytes, body_bytes } = self.beginning(chunk);
        let (wanted, filter) = ((body_bytes as f64 * self.shares.0) as u64, (body_bytes as f64 * self.shares.1) as u64);
        let other = wanted.saturating_sub(filter);
        let wanted = match self.looks_first(other, chunk.match_probability) {
            true => filter + (other as f64 * chunk.match_probability) as u64,
            false => wanted,
        };
        let head_bytes: u64 = head.iter().map(|range| range.end - range.start).sum();
        let dictionary_reads = if dictionary_bytes > 0 { self.dictionaries.wanted } else { 0 };
        let (reads, cost) = (head.len() as u64 + self.runs() + dictionary_reads, self.read_cost_bytes);
        let bytes = head_bytes.saturating_add(wanted).saturating_add(dictionary_bytes);
        if head_bytes == 0 || tuning::whole_is_cheaper(chunk.payload_bytes, bytes, reads, cost) {
            return FirstRead::Whole;
        }
        FirstRead::Head(head)
    }

    /// What is read first of a chunk if not all of it is, and what is known of the rest.
    fn beginning(&self, chunk: Known) -> Beginning {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(index) = chunk.index else {
            let head_bytes = places.last().map_or(0, |batch| batch.end.min(chunk.payload_bytes));
            let dictionaries = between(&places);
            let (head, dictionary_bytes) = match self.dictionaries.wanted == 0 || self.picks(chunk, dictionaries) {
                true => (self.merged(&places, chunk.payload_bytes), self.wanted_part(chunk, dictionaries)),
                false => (at_once(0..head_bytes), 0),
            };
            return Beginning { head, dictionary_bytes, body_bytes: chunk.payload_bytes - head_bytes };
        };
        let metadata = index.metadata_offset..index.metadata_offset + index.metadata_length;
        let (dictionaries, body_bytes) = (index.dictionaries_length, index.body_length);
        if self.dictionaries.wanted == 0 || dictionaries == 0 {
            return Beginning { head: at_once(metadata), dictionary_bytes: 0, body_bytes };
        }
        if !self.picks(chunk, dictionaries) {
            return Beginning { head: at_once(0..index.body_offset), dictionary_bytes: 0, body_bytes };
        }
        let alike = places.first().is_some_and(|schema| schema.end == index.dictionaries_offset)
            && places.last() == Some(&metadata);
        let head = match alike {
            true => self.merged(&places, index.body_offset),
            false => {
                let start = 0..(index.dictionaries_offset + HEAD_STEP).min(index.metadata_offset);
                self.merged(&[start, metadata], index.body_offset)
            }
        };
        Beginning { head, dictionary_bytes: self.wanted_part(chunk, dictionaries), body_bytes }
    }

    /// Whether to look for the wanted ones among dictionaries of so many bytes, rather than to read all of them.
    fn picks(&self, chunk: Known, bytes: u64) -> bool {
        bytes - self.wanted_part(chunk, bytes) > self.dictionaries.all.saturating_mul(self.read_cost_bytes)
    }

    /// About how many of the bytes of all dictionaries will be needed.
    fn wanted_part(&self, chunk: Known, bytes: u64) -> u64 {
        let Counts { filter, wanted, all } = self.dictionaries;
        let others = (wanted - filter) as f64 * if self.filter.is_empty() { 1.0 } else { chunk.match_probability };
        ((bytes as f64 * (filter as f64 + others) / all.max(1) as f64) as u64).min(bytes)
    }

    /// Ranges that increase, with what lies between them where that costs no more than another read.
    fn merged(&self, ranges: &[Range<u64>], end: u64) -> Vec<Range<u64>> {
        let mut merged: Vec<Range<u64>> = Vec::new();
        for range in ranges.iter().map(|range| range.start.min(end)..range.end.min(end)).filter(|r| !r.is_empty()) {
            match merged.last_mut() {
                Some(last) if range.start.saturating_sub(last.end) <= self.read_cost_bytes => last.end = range.end,
                _ => merged.push(range),
            }
        }
        merged
    }

    /// Whether the columns of the filter are fetched before others of so many bytes.
    fn looks_first(&self, other_bytes: u64, match_probability: f64) -> bool {
        !self.filter.is_empty() && tuning::filter_first(other_bytes, match_probability)
    }

    /// Runs of neighbouring columns: about as many reads as they take.
    fn runs(&self) -> u64 {
        self.wanted.windows(2).filter(|pair| pair[0] + 1 != pair[1]).count() as u64 + 1
    }

    /// Where the wanted columns are, by what [`Columns::first_read`] asked for, and what was missing then.
    pub(super) fn layout(&self, chunk: Known, there: Fragments) -> Result<Step> {
        let head = match (chunk.index, &self.schema_frame) {
            (Some(index), Some(schema)) if self.dictionaries.wanted == 0 || index.dictionaries_length == 0 => {
                let batch = there.bytes(index.metadata_offset..index.metadata_offset + index.metadata_length)?;
                ChunkHead::of_batch(schema.clone(), batch, index.body_offset, chunk.payload_bytes)?
            }
            _ => match chunk::parse_head(&there, chunk.payload_bytes)? {
                Head::NeedsMore(range) => return needs_more(range, chunk.index.as_ref(), &there),
                Head::Complete(head) => head,
            },
        };
        if let Some(index) = chunk.index
            && (head.body_offset, head.body_bytes) != (index.body_offset, index.body_length)
        {
            return Err(elsewhere());
        }
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = head.places().into();
        Ok(Step::Planned(Box::new(self.planned(chunk, head, there)?)))
    }

    /// The reads of a chunk of which it is known where everything is.
    fn planned(&self, chunk: Known, head: ChunkHead, there: Fragments) -> Result<Layout> {
        let dictionaries = self.wanted_dictionaries(&head)?;
        let others: Vec<usize> = self.wanted.iter().copied().filter(|column| !self.filter.contains(column)).collect();
        let buffers = |columns: &[usize]| -> Result<Vec<Range<u64>>> {
            let ranges = chunk::buffer_ranges(&head.batch, &self.schema, columns)?.into_iter();
            Ok(ranges.map(|range| head.body_offset + range.start..head.body_offset + range.end).collect())
        };
        let of_dictionaries = |of_filter: bool| {
            dictionaries
                .iter()
                .filter(move |(_, filter)| *filter == of_filter)
                .map(|(dictionary, _)| dictionary.body.clone())
        };
        let filter: Vec<_> = of_dictionaries(true).chain(buffers(&self.filter)?).collect();
        let rest: Vec<_> = of_dictionaries(false).chain(buffers(&others)?).collect();
        let missing =
            |ranges: &[Range<u64>]| ranges.iter().flat_map(|range| there.missing(range.clone())).collect::<Vec<_>>();
        let (filter_missing, rest_missing) = (missing(&filter), missing(&rest));
        let plan = |gap_bytes: u64| -> Result<(RangePlan, Option<RangePlan>)> {
            let plan = |wanted: &[Range<u64>]| {
                RangePlan::new(wanted, chunk.payload_bytes, RangeRules { gap_bytes, part_bytes: u64::MAX })
            };
            let rest = plan(&rest_missing)?;
            if self.looks_first(rest.read_bytes(), chunk.match_probability) {
                return Ok((rest, Some(plan(&filter_missing)?)));
            }
            Ok((plan(&[filter_missing.as_slice(), &rest_missing].concat())?, None))
        };
        let (mut reads, mut filter_reads) = plan(self.read_cost_bytes)?;
        let bytes = |plan: &Option<RangePlan>| plan.as_ref().map_or(0, RangePlan::read_bytes);
        if there.len() + reads.read_bytes() + bytes(&filter_reads) > chunk.payload_bytes {
            // Gaps hold what is there already: without them, nothing is read twice.
            (reads, filter_reads) = plan(0)?;
        }
        let is_split = |range: &Range<u64>| !there.holds(range) && there.missing(range.clone()) != [range.clone()];
        let split = filter.iter().chain(&rest).filter(|range| range.start >= head.body_offset && is_split(range));
        let split = split.cloned().collect();
        Ok(Layout { head, there, dictionaries, split, reads, filter_reads })
    }

    /// The dictionaries that the wanted columns need, and whether those of the filter do.
    fn wanted_dictionaries(&self, head: &ChunkHead) -> Result<Vec<(DictionaryHead, bool)>> {
        if head.dictionaries.is_empty() {
            return Ok(Vec::new());
        }
        let needed = self.needed(&head.schema)?;
        let wanted = head.dictionaries.iter().filter(|dictionary| needed.wanted.contains(&dictionary.id));
        Ok(wanted.map(|dictionary| (dictionary.clone(), needed.filter.contains(&dictionary.id))).collect())
    }

    /// What a chunk's schema says of the wanted columns: nearly always what that of the chunk before says.
    fn needed(&self, schema: &Frame) -> Result<Arc<Needed>> {
        let last = self.needed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(last) = last.filter(|last| last.schema.same_message(schema)) {
            return Ok(last);
        }
        let decoded = schema.schema()?;
        let needed = Arc::new(Needed {
            schema: schema.detached(),
            wanted: chunk::dictionary_ids(&decoded, &self.wanted),
            filter: chunk::dictionary_ids(&decoded, &self.filter),
        });
        *self.needed.lock().unwrap_or_else(PoisonError::into_inner) = Some(needed.clone());
        Ok(needed)
    }
}

/// How a chunk begins.
struct Beginning {
    /// What to read.
    head: Vec<Range<u64>>,
    /// About what is to be read of dictionaries besides.
    dictionary_bytes: u64,
    body_bytes: u64,
}

/// A range as the only one.
fn at_once(range: Range<u64>) -> Vec<Range<u64>> {
    std::iter::once(range).collect()
}

/// Bytes between schema and record batch.
fn between(places: &[Range<u64>]) -> u64 {
    match (places.first(), places.last()) {
        (Some(schema), Some(batch)) => batch.start.saturating_sub(schema.end),
        _ => 0,
    }
}

/// What of a range is missing; not beyond the messages that the manifest names.
fn needs_more(range: Range<u64>, index: Option<&PayloadIndex>, there: &Fragments) -> Result<Step> {
    let end = index.map_or(range.end, |index| range.end.min(index.body_offset));
    let missing = there.missing(range.start..end.max(range.start));
    if missing.is_empty() {
        return Err(elsewhere());
    }
    Ok(Step::NeedsMore(missing))
}

fn elsewhere() -> Error {
    Error::corrupt("its body is not where the manifest says")
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

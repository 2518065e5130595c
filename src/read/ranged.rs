//! Fetching the wanted columns of chunks rather than whole chunks.
//!
//! The heads of many chunks are fetched by one request, window after window, the next one while the columns of
//! this one come in. A head tells which ranges of its chunk hold the columns; these are fetched in groups of
//! about a request's size, those that a filter looks at first where that may save the others. Before rows are handed
//! out, the dataset confirms that it has not been replaced.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::Buffer;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::task::JoinSet;

use super::chunks::{ChunkBytes, ChunkFetch, Fetched};
use super::layout::{Columns, FirstRead, Known, Layout, Step, Which};
use super::{ReadPlan, RowDecoder, Rows};
use crate::chunk::{self, Fragments};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::filter::BoundFilter;
use crate::metrics::Progress;
use crate::pipeline::{Group, Groups, OnFetched, groups};
use crate::ranges::RangePlan;
use crate::runtime::{Context, runtime};
use crate::tuning;

/// Chunks whose heads are fetched first, so that their columns can follow early.
const FIRST_WINDOW: usize = 32;
/// Chunks whose heads are fetched together from then on.
const WINDOW: usize = 256;
/// Bytes of heads that are fetched together at the most, unless one alone has more.
const WINDOW_BYTES: u64 = 1 << 20;

/// What is known of the chunks that are about to be fetched.
#[derive(Debug)]
pub(super) struct Ranged {
    columns: Columns,
    planned: Mutex<HashMap<usize, Planned>>,
    /// Decodes what the filter looks at.
    filter: Option<RowDecoder>,
    /// Chunks whose filter columns were looked at first, and those of them with wanted rows.
    evaluated: AtomicU64,
    matched: AtomicU64,
}

/// How a chunk is fetched.
#[derive(Debug)]
enum Planned {
    Whole,
    Parts(Box<Layout>),
    Missing,
    Failed(Error),
}

impl Ranged {
    pub(super) fn new(dataset: &Dataset, plan: &ReadPlan, columns: Option<&[String]>) -> Result<Self> {
        let schema = &plan.schema;
        let wanted = Rows::new(schema, columns, plan.filter.clone());
        let wanted = match wanted.columns() {
            Some(columns) => chunk::projection(schema, columns)?.0,
            None => (0..schema.fields().len()).collect(),
        };
        let looked_at = plan.filter.as_ref().map(BoundFilter::columns).unwrap_or_default();
        let schema_frame = dataset.manifest().map(|manifest| manifest.schema_frame.clone());
        let columns = Columns::new(schema.clone(), schema_frame, wanted, looked_at, plan.head_places.clone());
        let filter =
            plan.filter.clone().map(|filter| RowDecoder::new(schema, Rows::new(schema, Some(&[]), Some(filter))));
        Ok(Ranged {
            columns: columns.with_read_cost(plan.read_cost_bytes),
            planned: Mutex::default(),
            filter: filter.transpose()?,
            evaluated: AtomicU64::new(0),
            matched: AtomicU64::new(0),
        })
    }

    /// Of each chunk, by the number of columns.
    pub(super) fn wanted_share(&self) -> f64 {
        self.columns.wanted_share()
    }

    /// By what was found so far.
    fn match_probability(&self) -> f64 {
        tuning::match_probability(self.evaluated.load(Relaxed), self.matched.load(Relaxed))
    }

    fn plan(&self, item: usize, planned: Planned) {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).insert(item, planned);
    }

    fn take(&self, item: usize) -> Option<Planned> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).remove(&item)
    }

    /// Whether the chunk is fetched as a whole; a group has only such chunks or none.
    pub(super) fn is_whole(&self, item: usize) -> bool {
        matches!(self.planned.lock().unwrap_or_else(PoisonError::into_inner).get(&item), Some(Planned::Whole))
    }

    fn read_bytes(&self, item: usize, payload_bytes: u64) -> u64 {
        match self.planned.lock().unwrap_or_else(PoisonError::into_inner).get(&item) {
            Some(Planned::Whole) => payload_bytes,
            Some(Planned::Parts(layout)) => layout.read_bytes(),
            _ => 0,
        }
    }
}

/// The groups of a read, formed as the heads come in.
pub(super) fn stream(fetching: Arc<ChunkFetch>, max_items: usize, max_bytes: u64, ctx: &Context) -> Groups {
    let windows = Windows { fetching, max_items, max_bytes, ctx: ctx.clone(), start: 0, ahead: JoinSet::new() };
    let windows = stream::try_unfold(windows, |mut windows| async move {
        let next = windows.next().await?;
        Ok::<_, Error>(next.map(|groups| (stream::iter(groups).map(Ok), windows)))
    });
    windows.try_flatten().boxed()
}

struct Windows {
    fetching: Arc<ChunkFetch>,
    /// Of a group.
    max_items: usize,
    max_bytes: u64,
    ctx: Context,
    /// The first chunk that no window has yet.
    start: usize,
    /// The window that is fetched ahead.
    ahead: JoinSet<Result<Vec<Group>>>,
}

impl Windows {
    async fn next(&mut self) -> Result<Option<Vec<Group>>> {
        if self.start == 0 {
            self.fetch_ahead();
        }
        let Some(ended) = self.ahead.join_next().await else { return Ok(None) };
        self.fetch_ahead();
        ended.unwrap_or_else(|e| Err(Error::internal(format!("a fetch ended without a result: {e}")))).map(Some)
    }

    fn fetch_ahead(&mut self) {
        let Some(ranged) = &self.fetching.ranged else { return };
        let (mut heads, mut bytes) = (Vec::new(), 0);
        let limit = if self.start == 0 { FIRST_WINDOW } else { WINDOW };
        let first = self.start;
        while self.start < self.fetching.len() && self.start - first < limit && bytes < WINDOW_BYTES {
            match ranged.columns.first_read(self.fetching.known(self.start)) {
                FirstRead::Whole => ranged.plan(self.start, Planned::Whole),
                FirstRead::Head(ranges) => {
                    bytes += ranges.iter().map(|range| range.end - range.start).sum::<u64>();
                    heads.push(PartialHead { item: self.start, there: Fragments::default(), ranges });
                }
            }
            self.start += 1;
        }
        if self.start > first {
            let (fetching, ctx, items) = (self.fetching.clone(), self.ctx.clone(), first..self.start);
            let (max_items, max_bytes) = (self.max_items, self.max_bytes);
            self.ahead.spawn(async move {
                let _busy = ctx.progress().fetch.start();
                fetch_heads(&fetching, heads, &ctx).await?;
                Ok(form_groups(&fetching, items, max_items, max_bytes))
            });
        }
    }
}

/// A head, or the beginning of one.
struct PartialHead {
    item: usize,
    /// What has been fetched so far.
    there: Fragments,
    /// What is to be fetched.
    ranges: Vec<Range<u64>>,
}

/// Fetches heads, and more of those that turn out to be longer, until each chunk's layout is known.
async fn fetch_heads(fetching: &ChunkFetch, mut heads: Vec<PartialHead>, ctx: &Context) -> Result<()> {
    while !heads.is_empty() {
        let (mut ranges, mut owners) = (Vec::new(), Vec::new());
        for (owner, head) in heads.iter_mut().enumerate() {
            for range in std::mem::take(&mut head.ranges) {
                owners.push((owner, range.clone()));
                ranges.push((fetching.key(head.item).clone(), range));
            }
        }
        let mut is_short = vec![false; heads.len()];
        let mut on_value = |index: usize, value: Option<Buffer>| {
            let (owner, range): &(usize, Range<u64>) = &owners[index];
            Progress::add(&ctx.progress().payload_bytes, value.as_ref().map_or(0, Buffer::len) as u64);
            match value.filter(|value| value.len() as u64 == range.end - range.start) {
                Some(bytes) => heads[*owner].there.add(range.start, bytes),
                None => is_short[*owner] = true,
            }
        };
        fetching.store().get_ranges(&ranges, ctx, &mut on_value).await?;
        let (short, complete): (Vec<_>, Vec<_>) = heads.into_iter().zip(is_short).partition(|(_, short)| *short);
        let short: Vec<usize> = short.into_iter().map(|(head, _)| head.item).collect();
        for (item, error) in fetching.why_short(&short, ctx).await? {
            fetching.plan(item, error.map_or(Planned::Missing, Planned::Failed));
        }
        heads = complete.into_iter().filter_map(|(head, _)| plan_chunk(fetching, head)).collect();
    }
    Ok(())
}

/// Takes note of what a head says; gives back one that is not complete yet.
fn plan_chunk(fetching: &ChunkFetch, head: PartialHead) -> Option<PartialHead> {
    let PartialHead { item, there, .. } = head;
    let columns = &fetching.ranged.as_ref()?.columns;
    match columns.layout(fetching.known(item), there.clone()) {
        Ok(Step::Planned(layout)) => fetching.plan(item, Planned::Parts(layout)),
        Ok(Step::NeedsMore(ranges)) => return Some(PartialHead { item, there, ranges }),
        Err(error) => fetching.plan(item, Planned::Failed(fetching.at(error, item))),
    }
    None
}

/// Groups of about a request's size, of whole chunks or of parts.
fn form_groups(fetching: &ChunkFetch, items: Range<usize>, max_items: usize, max_bytes: u64) -> Vec<Group> {
    let Some(ranged) = &fetching.ranged else { return Vec::new() };
    let first = items.start;
    let sizes: Vec<u64> =
        items.clone().map(|item| ranged.read_bytes(item, fetching.known(item).payload_bytes)).collect();
    Progress::add(&fetching.progress().payload_bytes_expected, sizes.iter().sum());
    let same_unit = |a: usize, b: usize| {
        let whole = ranged.is_whole(first + a);
        whole == ranged.is_whole(first + b) && (!whole || fetching.same_partition(first + a, first + b))
    };
    let mut groups = groups(&sizes, max_items, max_bytes, same_unit);
    for group in &mut groups {
        group.items = first + group.items.start..first + group.items.end;
    }
    groups
}

/// A chunk whose columns come in.
struct Incoming {
    item: usize,
    layout: Box<Layout>,
    segments: Vec<(u64, Buffer)>,
    /// How many segments there will be.
    expected: usize,
    short: bool,
}

impl Incoming {
    fn new(item: usize, layout: Box<Layout>) -> Self {
        Incoming { item, layout, segments: Vec::new(), expected: 0, short: false }
    }

    fn is_complete(&self) -> bool {
        self.segments.len() == self.expected
    }

    fn bytes(&self) -> Fetched {
        match self.layout.parts(&self.segments, Which::All) {
            Ok((frames, body)) => Fetched::Bytes(ChunkBytes::Parts(frames, body)),
            Err(error) => Fetched::Failed(error),
        }
    }
}

/// Fetches the columns of chunks whose heads are known.
pub(super) async fn fetch(
    fetch: &Arc<ChunkFetch>,
    items: Range<usize>,
    ctx: &Context,
    on_fetched: OnFetched<'_, Fetched>,
) -> Result<()> {
    let Some(ranged) = &fetch.ranged else { return Err(Error::internal("parts of chunks without a plan")) };
    let mut chunks = Vec::new();
    for item in items {
        match ranged.take(item) {
            Some(Planned::Parts(layout)) => chunks.push(Incoming::new(item, layout)),
            Some(Planned::Missing) => on_fetched(item, None),
            Some(Planned::Failed(error)) => on_fetched(item, Some(Fetched::Failed(error))),
            Some(Planned::Whole) | None => return Err(Error::internal("a chunk in parts without a layout")),
        }
    }
    let (first, mut rest): (Vec<_>, Vec<_>) = chunks.into_iter().partition(|chunk| chunk.layout.filter_reads.is_some());
    let (looked_at, mut short) = look_first(fetch, first, ctx, on_fetched).await?;
    rest.extend(looked_at);
    let mut deliver = |chunk: &mut Incoming| {
        Progress::add(&ctx.progress().chunks, 1);
        on_fetched(chunk.item, Some(chunk.bytes()));
    };
    short.extend(read_ranges(fetch, &mut rest, |layout| Some(&layout.reads), ctx, &mut deliver).await?);
    for (item, error) in fetch.why_short(&short, ctx).await? {
        on_fetched(item, error.map(Fetched::Failed));
    }
    Ok(())
}

/// Fetches what the filter looks at. Gives back the chunks that have wanted rows, and those that brought too little.
async fn look_first(
    fetch: &Arc<ChunkFetch>,
    mut chunks: Vec<Incoming>,
    ctx: &Context,
    on_fetched: OnFetched<'_, Fetched>,
) -> Result<(Vec<Incoming>, Vec<usize>)> {
    let short = read_ranges(fetch, &mut chunks, |layout| layout.filter_reads.as_ref(), ctx, &mut |_| {}).await?;
    chunks.retain(|chunk| !chunk.short);
    let looking = chunks.iter().map(|chunk| has_rows(fetch.clone(), chunk, ctx.progress().clone()));
    let found = futures::future::join_all(looking).await;
    let mut wanted = Vec::new();
    for (chunk, found) in chunks.into_iter().zip(found) {
        match found {
            Ok(true) => wanted.push(chunk),
            Ok(false) => {
                Progress::add(&ctx.progress().chunks, 1);
                Progress::add(&ctx.progress().bytes_pruned, chunk.layout.reads.read_bytes());
                on_fetched(chunk.item, Some(Fetched::Bytes(ChunkBytes::NoRows)));
            }
            Err(error) => on_fetched(chunk.item, Some(Fetched::Failed(fetch.at(error, chunk.item)))),
        }
    }
    Ok((wanted, short))
}

/// Whether the filter keeps any row of a chunk.
async fn has_rows(fetch: Arc<ChunkFetch>, chunk: &Incoming, progress: Arc<Progress>) -> Result<bool> {
    let (frames, body) = chunk.layout.parts(&chunk.segments, Which::Filter)?;
    let look = move || {
        let _busy = progress.decode.start();
        let Some(ranged) = &fetch.ranged else { return Ok(true) };
        let found = ranged.filter.as_ref().map_or(Ok(true), |filter| filter.any(&frames, &body))?;
        ranged.evaluated.fetch_add(1, Relaxed);
        ranged.matched.fetch_add(u64::from(found), Relaxed);
        Ok(found)
    };
    runtime()?.compute(look).await
}

/// Makes the reads that `reads` names of each chunk. Gives back the chunks that brought too little.
async fn read_ranges(
    fetch: &ChunkFetch,
    chunks: &mut [Incoming],
    reads: impl Fn(&Layout) -> Option<&RangePlan>,
    ctx: &Context,
    on_complete: &mut (dyn FnMut(&mut Incoming) + Send),
) -> Result<Vec<usize>> {
    let (mut ranges, mut owners) = (Vec::new(), Vec::new());
    for (owner, chunk) in chunks.iter_mut().enumerate() {
        let reads = reads(&chunk.layout).map(RangePlan::reads).unwrap_or_default();
        for read in reads {
            ranges.push((fetch.key(chunk.item).clone(), read.clone()));
            owners.push((owner, read.clone()));
        }
        chunk.expected += reads.len();
        if reads.is_empty() {
            on_complete(chunk);
        }
    }
    let mut on_value = |index: usize, value: Option<Buffer>| {
        let (owner, range): &(usize, Range<u64>) = &owners[index];
        let chunk: &mut Incoming = &mut chunks[*owner];
        Progress::add(&ctx.progress().payload_bytes, value.as_ref().map_or(0, Buffer::len) as u64);
        match value.filter(|value| value.len() as u64 == range.end - range.start) {
            Some(bytes) => chunk.segments.push((range.start, bytes)),
            None => chunk.short = true,
        }
        if chunk.is_complete() {
            on_complete(chunk);
        }
    };
    if !ranges.is_empty() {
        fetch.store().get_ranges(&ranges, ctx, &mut on_value).await?;
    }
    Ok(chunks.iter().filter(|chunk| chunk.short).map(|chunk| chunk.item).collect())
}

impl ChunkFetch {
    fn plan(&self, item: usize, planned: Planned) {
        if let Some(ranged) = &self.ranged {
            ranged.plan(item, planned);
        }
    }

    fn known(&self, item: usize) -> Known {
        let match_probability = match &self.ranged {
            Some(ranged) if self.must_look(item) => ranged.match_probability(),
            _ => 1.0,
        };
        Known { payload_bytes: self.payload_bytes(item), match_probability, index: self.index(item) }
    }

    /// Tells for chunks that brought fewer bytes than they should whether they are missing (`None`) or what is
    /// wrong with them.
    async fn why_short(&self, items: &[usize], ctx: &Context) -> Result<Vec<(usize, Option<Error>)>> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = items.iter().map(|item| self.key(*item).clone()).collect();
        let sizes = self.store().sizes(&keys, ctx).await?;
        let why = |(item, size): (&usize, Option<u64>)| {
            let expected = self.payload_bytes(*item);
            let error = size.map(|size| {
                let text = format!("it has {size} bytes where there should be {expected}, or changes while it is read");
                self.at(Error::corrupt(text), *item)
            });
            (*item, error)
        };
        Ok(items.iter().zip(sizes).map(why).collect())
    }
}

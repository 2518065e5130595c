//! Fetching record batches of a file: whole, or the columns that are wanted, by ranged reads.
//!
//! Whole batches that lie side by side are fetched by common reads. Of wanted columns the heads are fetched first,
//! window after window, the next one while the columns of this one come in; a head tells which ranges hold the
//! columns. A batch goes on to be decoded as soon as all of its reads are there. Mapped files are not read at all.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::Buffer;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::chunk::{self, Body, Decoded, Frame};
use crate::error::{Error, Result};
use crate::ipc_file::IpcFile;
use crate::metrics::Progress;
use crate::pipeline::{Group, Groups, OnFetched, Pipeline, Work, all, groups};
use crate::ranges::RangePlan;
use crate::runtime::Context;
use crate::store::BoxFuture;

/// Batches whose heads are fetched first, so that their columns can follow early.
const FIRST_WINDOW: usize = 32;
/// Batches whose heads are fetched together from then on.
const WINDOW: usize = 256;
/// Batches that are fetched together at the most.
const GROUP_BATCHES: usize = 256;

/// Fetches record batches of a file.
#[derive(Debug)]
pub(crate) struct FileFetch {
    file: Arc<IpcFile>,
    /// Which batches, in the order wanted.
    positions: Vec<usize>,
    /// Increasing; all if `None`.
    columns: Option<Vec<usize>>,
    /// Heads that have been fetched, by item.
    heads: Mutex<HashMap<usize, BatchHead>>,
    /// Reads in flight.
    requests: Semaphore,
}

/// Runs of bytes, and where each starts in the file.
type Segments = Vec<(u64, Buffer)>;

#[derive(Debug, Clone)]
struct BatchHead {
    frame: Frame,
    /// Where the wanted buffers lie in the body.
    buffers: Vec<Range<u64>>,
}

/// A batch as it was fetched.
#[derive(Debug)]
pub(crate) struct FetchedBatch {
    /// With its body, if all of it was fetched.
    pub(crate) frame: Frame,
    body: Body,
}

impl FileFetch {
    /// Batches of a file, by their positions, and columns of them, by increasing indices. At most `requests` reads
    /// are in flight; 0 means as many as the file's place asks for.
    pub(crate) fn new(
        file: &Arc<IpcFile>,
        positions: Vec<usize>,
        columns: Option<Vec<usize>>,
        requests: usize,
    ) -> FileFetch {
        let requests = if requests == 0 { file.bytes().tuning().requests } else { requests };
        let requests = Semaphore::new(requests.min(Semaphore::MAX_PERMITS));
        FileFetch { file: file.clone(), positions, columns, heads: Mutex::default(), requests }
    }

    /// Decodes the wanted columns of an item.
    pub(crate) fn decode(&self, item: usize, batch: &FetchedBatch) -> Result<Decoded> {
        self.file.decode(self.positions[item], &batch.frame, &batch.body, self.columns.as_deref())
    }

    /// Starts fetching; `process` runs on the CPU pool for every item.
    pub(crate) fn start<T: Send + 'static>(
        self,
        ctx: &Context,
        process: impl Fn(&FileFetch, usize, FetchedBatch) -> Result<(T, u64)> + Send + Sync + 'static,
    ) -> Result<Pipeline<T>> {
        let (count, concurrency) = (self.positions.len(), self.requests.available_permits());
        let ranged = self.columns.is_some() && !self.file.bytes().is_mapped();
        let work = Arc::new(FileWork { fetch: Arc::new(self), process });
        let groups = if ranged { ranged_groups(&work.fetch, ctx) } else { all(work.fetch.whole_groups(ctx)) };
        Pipeline::start(work, groups, count, concurrency, ctx)
    }

    /// Groups of batches that lie side by side.
    fn whole_groups(&self, ctx: &Context) -> Vec<Group> {
        let blocks: Vec<_> = self.positions.iter().map(|position| *self.file.block(*position)).collect();
        let sizes: Vec<u64> = blocks.iter().map(|block| block.len()).collect();
        Progress::add(&ctx.progress().payload_bytes_expected, sizes.iter().sum());
        let (max_items, rules) = match self.file.bytes().is_mapped() {
            true => (1, self.file.bytes().tuning().rules),
            false => (GROUP_BATCHES, self.file.bytes().tuning().rules),
        };
        // Which run of neighbours a batch belongs to.
        let mut runs = Vec::with_capacity(blocks.len());
        let (mut run, mut end) = (0, None::<u64>);
        for block in &blocks {
            let near = end.is_some_and(|end| block.offset >= end && block.offset - end <= rules.gap_bytes);
            run += usize::from(!near);
            runs.push(run);
            end = Some(block.range().end);
        }
        groups(&sizes, max_items, rules.part_bytes, |a, b| runs[a] == runs[b])
    }

    /// Fetches the heads of some items, and forms the groups in which their columns are fetched.
    async fn head_groups(&self, items: Range<usize>, ctx: &Context) -> Result<Vec<Group>> {
        let _busy = ctx.progress().fetch.start();
        let columns = self.columns.as_deref().unwrap_or_default();
        let positions = &self.positions[items.clone()];
        let ranges: Vec<_> = positions.iter().map(|position| self.file.block(*position).head_range()).collect();
        let heads = self.file.bytes().read_all(&ranges, ctx).await.map_err(|e| self.named(e))?;
        let mut sizes = Vec::with_capacity(positions.len());
        for ((item, position), head) in items.clone().zip(positions).zip(heads) {
            Progress::add(&ctx.progress().payload_bytes, head.len() as u64);
            let frame = self.file.batch_head(*position, head)?;
            let buffers = chunk::buffer_ranges(&frame, self.file.schema(), columns);
            let buffers = buffers.map_err(|e| self.file.at_batch(e, *position))?;
            sizes.push(buffers.iter().map(|range| range.end - range.start).sum());
            self.lock().insert(item, BatchHead { frame, buffers });
        }
        let mut groups = groups(&sizes, GROUP_BATCHES, self.file.bytes().tuning().rules.part_bytes, |_, _| true);
        for group in &mut groups {
            group.items = items.start + group.items.start..items.start + group.items.end;
        }
        Ok(groups)
    }

    /// The ranges of the file that an item consists of.
    fn wanted(&self, item: usize, head: Option<&BatchHead>) -> Vec<Range<u64>> {
        let block = self.file.block(self.positions[item]);
        match head {
            None => vec![block.range()],
            Some(head) => {
                let body = block.body_range().start;
                head.buffers.iter().map(|range| body + range.start..body + range.end).collect()
            }
        }
    }

    /// An item whose wanted bytes are there, with where each run of them starts in the file.
    fn batch(&self, item: usize, head: Option<BatchHead>, segments: Segments) -> Result<FetchedBatch> {
        let position = self.positions[item];
        match (head, segments.as_slice()) {
            (None, [(_, bytes)]) => {
                let frame = self.file.batch_frame(position, bytes)?;
                Ok(FetchedBatch { body: Body::whole(frame.body.clone()), frame })
            }
            (None, _) => Err(Error::internal("a whole batch in parts")),
            (Some(head), _) => {
                let body = self.file.block(position).body_range();
                let segments = segments.into_iter().map(|(start, bytes)| (start - body.start, bytes)).collect();
                Ok(FetchedBatch { frame: head.frame, body: Body::sparse(segments, body.end - body.start) })
            }
        }
    }

    pub(crate) fn named(&self, error: Error) -> Error {
        error.context(format!("'{}'", self.file.name()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<usize, BatchHead>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The groups of a read of columns, formed as the heads come in: one window ahead of what is fetched.
fn ranged_groups(fetch: &Arc<FileFetch>, ctx: &Context) -> Groups {
    let count = fetch.positions.len();
    let (fetch, ctx) = (fetch.clone(), ctx.clone());
    let starts = (0..count.min(1)).chain((FIRST_WINDOW..count).step_by(WINDOW));
    let windows = starts.map(move |start| {
        let end = if start == 0 { FIRST_WINDOW } else { start + WINDOW };
        let (fetch, ctx) = (fetch.clone(), ctx.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { fetch.head_groups(start..end.min(count), &ctx).await });
        async move {
            let ended = task.join_next().await;
            let ended = ended.ok_or_else(|| Error::internal("a task is gone"))?;
            ended.unwrap_or_else(|e| Err(Error::internal(format!("a fetch ended without a result: {e}"))))
        }
    });
    let groups = stream::iter(windows).buffered(2);
    groups.map_ok(|groups| stream::iter(groups).map(Ok)).try_flatten().boxed()
}

/// [`FileFetch`] with what is done to each batch.
struct FileWork<F> {
    fetch: Arc<FileFetch>,
    process: F,
}

/// A batch whose reads come in.
struct Incoming {
    head: Option<BatchHead>,
    /// Its wanted parts, as indices into those of the group.
    parts: Range<usize>,
    /// Reads that are still to come.
    missing: usize,
}

/// A group of batches whose reads come in.
struct Arriving {
    /// The parts of the file that are wanted.
    wanted: Vec<Range<u64>>,
    plan: RangePlan,
    batches: Vec<Incoming>,
    /// For each read: the batches that need it, and its bytes until they have them.
    reads: Vec<(Vec<usize>, Option<Buffer>)>,
}

impl Arriving {
    fn new(fetch: &FileFetch, items: Range<usize>, ranged: bool) -> Result<Self> {
        let (mut wanted, mut batches) = (Vec::new(), Vec::new());
        for item in items {
            let head = if ranged { fetch.lock().remove(&item) } else { None };
            if ranged && head.is_none() {
                return Err(Error::internal("columns of a batch without its head"));
            }
            let ranges = fetch.wanted(item, head.as_ref());
            let parts = wanted.len()..wanted.len() + ranges.len();
            wanted.extend(ranges);
            batches.push(Incoming { head, parts, missing: 0 });
        }
        let bytes = fetch.file.bytes();
        let plan = RangePlan::new(&wanted, bytes.len(), bytes.tuning().rules)?;
        let mut reads = vec![(Vec::new(), None); plan.reads().len()];
        for (index, batch) in batches.iter_mut().enumerate() {
            for piece in batch.parts.clone().flat_map(|part| plan.pieces(part)) {
                let users: &mut Vec<usize> = &mut reads[piece.read].0;
                if users.last() != Some(&index) {
                    users.push(index);
                    batch.missing += 1;
                }
            }
        }
        Ok(Arriving { wanted, plan, batches, reads })
    }

    /// Takes the bytes of a read; tells which batches are complete with it.
    fn arrived(&mut self, read: usize, bytes: Buffer) -> Vec<usize> {
        self.reads[read].1 = Some(bytes);
        let users = self.reads[read].0.clone();
        for index in &users {
            self.batches[*index].missing -= 1;
        }
        users.into_iter().filter(|index| self.batches[*index].missing == 0).collect()
    }

    /// The head and the wanted bytes of a batch that is complete, with where each run of them starts in the file.
    /// Reads that nobody else needs are forgotten.
    fn take(&mut self, index: usize) -> Result<(Option<BatchHead>, Segments)> {
        let parts = self.batches[index].parts.clone();
        let segments = self.segments(parts.clone());
        for piece in parts.flat_map(|part| self.plan.pieces(part)) {
            let (users, bytes) = &mut self.reads[piece.read];
            users.retain(|user| *user != index);
            if users.is_empty() {
                *bytes = None;
            }
        }
        Ok((self.batches[index].head.take(), segments?))
    }

    fn segments(&self, parts: Range<usize>) -> Result<Segments> {
        let mut pieces = parts.clone().flat_map(|part| self.plan.pieces(part));
        let Some(first) = pieces.next() else { return Ok(Vec::new()) };
        let mut run = first.range.clone();
        let together = pieces.all(|piece| {
            run = run.start.min(piece.range.start)..run.end.max(piece.range.end);
            piece.read == first.read
        });
        if together && let Some(bytes) = &self.reads[first.read].1 {
            // One run, so that arrays can be built where it lies.
            let bytes = bytes.slice_with_length(run.start as usize, (run.end - run.start) as usize);
            return Ok(vec![(self.plan.reads()[first.read].start + run.start, bytes)]);
        }
        let fetched = |read: usize| self.reads[read].1.as_ref();
        parts.map(|part| Ok((self.wanted[part].start, self.plan.bytes(part, fetched)?))).collect()
    }
}

impl<T, F> Work for FileWork<F>
where
    T: Send + 'static,
    F: Fn(&FileFetch, usize, FetchedBatch) -> Result<(T, u64)> + Send + Sync + 'static,
{
    type Fetched = Result<FetchedBatch>;
    type Output = T;

    fn fetch<'a>(
        &'a self,
        items: Range<usize>,
        ctx: &'a Context,
        on_fetched: OnFetched<'a, Self::Fetched>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let fetch = &self.fetch;
            let ranged = fetch.columns.is_some() && !fetch.file.bytes().is_mapped();
            let mut arriving = Arriving::new(fetch, items.clone(), ranged).map_err(|e| fetch.named(e))?;
            let mut deliver = |arriving: &mut Arriving, index: usize| {
                Progress::add(&ctx.progress().chunks, 1);
                let item = items.start + index;
                let batch = arriving.take(index).and_then(|(head, segments)| fetch.batch(item, head, segments));
                on_fetched(item, Some(batch));
            };
            for index in 0..arriving.batches.len() {
                if arriving.batches[index].missing == 0 {
                    deliver(&mut arriving, index);
                }
            }
            let mut reads = reads(fetch, &arriving.plan, ctx);
            while let Some((read, bytes)) = reads.try_next().await.map_err(|e| fetch.named(e))? {
                Progress::add(&ctx.progress().payload_bytes, bytes.len() as u64);
                for index in arriving.arrived(read, bytes) {
                    deliver(&mut arriving, index);
                }
            }
            Ok(())
        })
    }

    fn process(&self, item: usize, fetched: Option<Self::Fetched>) -> Result<(T, u64)> {
        let batch = fetched.ok_or_else(|| Error::internal("a batch of a file without bytes"))??;
        (self.process)(&self.fetch, item, batch)
    }
}

/// All reads of a plan, as they end.
fn reads<'a>(
    fetch: &'a Arc<FileFetch>,
    plan: &RangePlan,
    ctx: &'a Context,
) -> stream::BoxStream<'a, Result<(usize, Buffer)>> {
    let reads: Vec<_> = plan.reads().iter().cloned().enumerate().collect();
    let read = move |(index, range)| async move {
        let slot = fetch.requests.acquire().await.map_err(|_| Error::internal("a closed semaphore"))?;
        let bytes = fetch.file.bytes().read(range, ctx).await?;
        drop(slot);
        Ok((index, bytes))
    };
    stream::iter(reads).map(read).buffer_unordered(usize::MAX).boxed()
}

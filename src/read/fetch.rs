//! Fetching record batches of a file: whole, or the columns that are wanted, by ranged reads.
//!
//! Whole batches that lie side by side are fetched by common reads. Of wanted columns the heads are fetched first,
//! window after window, the next one while the columns of this one come in; a head tells which ranges hold the
//! columns. A batch goes on to be decoded as soon as all of its reads are there. Mapped files are not read at all.

use std::collections::HashMap;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::Buffer;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::arriving::{Arriving, PlannedRead, Segments};
use crate::chunk::{self, Body, Decoded, Frame};
use crate::error::{Error, Result};
use crate::ipc_file::IpcFile;
use crate::metrics::Progress;
use crate::pipeline::{Group, Groups, OnFetched, Pipeline, Work, groups};
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
        let tuning = file.bytes().tuning();
        let tuned = if columns.is_none() { tuning.part_requests } else { tuning.requests };
        let requests = if requests == 0 { tuned } else { requests };
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
        let groups = if ranged { ranged_groups(&work.fetch, ctx) } else { whole_groups(&work.fetch, ctx) };
        Pipeline::start(work, groups, count, concurrency, ctx)
    }

    /// Batches that lie side by side, from an item on.
    fn whole_group(&self, start: usize) -> Option<Group> {
        let block = |item: usize| self.positions.get(item).map(|position| *self.file.block(*position));
        let rules = self.file.bytes().tuning().rules;
        let max_items = if self.file.bytes().is_mapped() { 1 } else { GROUP_BATCHES };
        let first = block(start)?;
        let (mut bytes, mut group_bytes, mut end) = (vec![first.len()], first.len(), first.range().end);
        while let Some(next) = block(start + bytes.len()).filter(|_| bytes.len() < max_items) {
            let near = next.offset >= end && next.offset - end <= rules.gap_bytes;
            if !near || group_bytes.saturating_add(next.len()) > rules.part_bytes {
                break;
            }
            bytes.push(next.len());
            (group_bytes, end) = (group_bytes + next.len(), next.range().end);
        }
        Some(Group { items: start..start + bytes.len(), bytes })
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

    /// What some items consist of, before any of it has come, and their heads where those are there already.
    fn arriving(&self, items: Range<usize>) -> Result<(Vec<Option<BatchHead>>, Arriving)> {
        let bytes = self.file.bytes();
        let ranged = self.columns.is_some() && !bytes.is_mapped();
        let (mut heads, mut wanted) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
        for item in items {
            let head = if ranged { self.lock().remove(&item) } else { None };
            if ranged && head.is_none() {
                return Err(Error::internal("columns of a batch without its head"));
            }
            wanted.push(self.wanted(item, head.as_ref()));
            heads.push(head);
        }
        Ok((heads, Arriving::new(&wanted, bytes.len(), bytes.tuning().rules)?))
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

/// The groups of a read of whole batches, formed one after the other: of many batches, what all groups together would
/// take is worth saving.
fn whole_groups(fetch: &Arc<FileFetch>, ctx: &Context) -> Groups {
    let sizes = fetch.positions.iter().map(|position| fetch.file.block(*position).len());
    Progress::add(&ctx.progress().payload_bytes_expected, sizes.sum());
    let (fetch, mut next) = (fetch.clone(), 0);
    let groups = std::iter::from_fn(move || {
        let group = fetch.whole_group(next)?;
        next = group.items.end;
        Some(Ok(group))
    });
    stream::iter(groups).boxed()
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
            let (mut heads, mut arriving) = fetch.arriving(items.clone()).map_err(|e| fetch.named(e))?;
            let mut deliver = |arriving: &mut Arriving, index: usize| {
                Progress::add(&ctx.progress().chunks, 1);
                let (item, head) = (items.start + index, heads[index].take());
                on_fetched(item, Some(arriving.take(index).and_then(|segments| fetch.batch(item, head, segments))));
            };
            let mut complete = arriving.complete();
            // A portion is dealt with as it comes, while the rest of its read is still on its way.
            let (sender, mut portions) = unbounded_channel();
            let mut reads = pin!(reads(fetch, arriving.reads(), sender, ctx));
            let mut dictionaries = pin!(fetch.file.load_dictionaries(fetch.columns.as_deref(), ctx));
            let (mut reading, mut decodable) = (true, false);
            while reading || !decodable {
                tokio::select! {
                    biased;
                    Some((portion, bytes)) = portions.recv() => complete.extend(arriving.arrived(portion, bytes)),
                    loaded = &mut dictionaries, if !decodable => {
                        loaded?;
                        decodable = true;
                    }
                    ended = reads.try_next(), if reading => {
                        reading = ended.map_err(|e| fetch.named(e))?.is_some();
                    }
                }
                if decodable {
                    complete.drain(..).for_each(|index| deliver(&mut arriving, index));
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

/// Carries out reads, several at once; each portion is sent as soon as it is there.
fn reads<'a>(
    fetch: &'a Arc<FileFetch>,
    reads: Vec<PlannedRead>,
    portions: UnboundedSender<(usize, Buffer)>,
    ctx: &'a Context,
) -> impl Stream<Item = Result<()>> + Send + 'a {
    let read = move |read: PlannedRead| {
        let portions = portions.clone();
        async move {
            let _slot = fetch.requests.acquire().await.map_err(|_| Error::internal("a closed semaphore"))?;
            // What lies between portions is fetched, too, and counted with the one that follows.
            let mut counted = read.range.start;
            let mut send = |index: usize, bytes: Buffer| {
                let last = index + 1 == read.portions.len();
                let end = if last { read.range.end } else { read.portions[index].end };
                Progress::add(&ctx.progress().payload_bytes, end - counted);
                counted = end;
                // Nobody listens any more only where the whole read has been given up.
                let _ = portions.send((read.first + index, bytes));
            };
            fetch.file.bytes().read_parts(read.range.clone(), &read.portions, &mut send, ctx).await
        }
    };
    stream::iter(reads).map(read).buffer_unordered(usize::MAX)
}

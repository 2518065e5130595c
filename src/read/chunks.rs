//! Fetching the chunks of a dataset, whole or in parts.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::Buffer;

use super::ranged::{self, Ranged};
use super::{OnMissing, ReadOptions, ReadPlan};
use crate::chunk::{self, BatchFrames, Body, PayloadIndex};
use crate::codec::Codec;
use crate::dataset::{Dataset, PlannedChunk};
use crate::error::{Error, Result};
use crate::filter::Verdict;
use crate::metrics::Progress;
use crate::names;
use crate::pipeline::{OnFetched, Pipeline, Work, all, groups};
use crate::runtime::{Context, available_cores};
use crate::store::{BoxFuture, Store};
use crate::tuning::{self, Values};

/// As much of a chunk as the wanted columns need.
#[derive(Debug)]
pub(crate) enum ChunkBytes {
    /// The payload.
    Whole(Buffer),
    /// The messages before the body, and parts of the body.
    Parts(BatchFrames, Body),
    /// Nothing: no row of it is wanted.
    NoRows,
}

/// What became of a chunk that exists.
#[derive(Debug)]
pub(super) enum Fetched {
    Bytes(ChunkBytes),
    /// It is not what it should be: the consumer hears of it when it comes to this chunk.
    Failed(Error),
}

/// The chunks of a read, and how they are fetched.
#[derive(Debug)]
pub(crate) struct ChunkFetch {
    dataset: Dataset,
    plan: Vec<PlannedChunk>,
    verify_checksums: bool,
    /// What the statistics say of each chunk's rows.
    verdicts: Vec<Verdict>,
    /// Where perhaps not all of a chunk is wanted.
    pub(super) ranged: Option<Ranged>,
    /// Whether they are passed on as they are.
    copies: bool,
    ctx: Context,
}

impl ChunkFetch {
    pub(crate) fn new(dataset: &Dataset, plan: ReadPlan, options: &ReadOptions) -> Result<Self> {
        let ranged = match options.columns.is_some() || plan.filter.is_some() {
            true => Some(Ranged::new(dataset, &plan, options.columns.as_deref())?),
            false => None,
        };
        Ok(ChunkFetch {
            dataset: dataset.clone(),
            plan: plan.chunks,
            verify_checksums: options.verify_checksums,
            verdicts: plan.verdicts,
            ranged,
            copies: false,
            ctx: plan.ctx,
        })
    }

    /// Says whether the chunks are passed on as they are: then less suffices to be ahead.
    pub(crate) fn copying(mut self, copies: bool) -> Self {
        self.copies = copies;
        self
    }

    /// Starts fetching; `process` runs on the CPU pool for every chunk. Whole ones are checked against their
    /// checksums by then.
    pub(crate) fn start<T: Send + 'static>(
        self,
        options: &ReadOptions,
        process: impl Fn(&ChunkFetch, usize, Option<ChunkBytes>) -> Result<(T, u64)> + Send + Sync + 'static,
    ) -> Result<Pipeline<T>> {
        let max_items = tuning::keys_per_request(options.pipeline);
        let largest = (0..self.len()).map(|item| self.wanted_bytes(item)).max().unwrap_or(0);
        let values = Values {
            bytes: largest,
            in_parts: self.ranged.is_none() && self.verify_checksums && self.store().fetches_in_parts(largest),
            decompressed: self.dataset.manifest().is_none_or(|manifest| manifest.compression() != Codec::None),
        };
        let mut requests = tuning::requests(available_cores(), self.store().latency(), values);
        if options.concurrency > 0 {
            requests.concurrency = options.concurrency;
        }
        let ctx = self.ctx.clone().with_default_inflight_bytes(tuning::look_ahead(requests, largest, self.copies));
        let count = self.len();
        let fetch = Arc::new(self);
        let groups = match fetch.ranged {
            Some(_) => ranged::stream(fetch.clone(), max_items, requests.bytes, &ctx),
            None => {
                let sizes: Vec<u64> = fetch.plan.iter().map(|chunk| chunk.payload_bytes).collect();
                Progress::add(&ctx.progress().payload_bytes_expected, sizes.iter().sum());
                all(groups(&sizes, max_items, requests.bytes, |a, b| fetch.same_partition(a, b)))
            }
        };
        Pipeline::start(Arc::new(ChunkWork { fetch, process }), groups, count, requests.concurrency, &ctx)
    }

    pub(super) fn len(&self) -> usize {
        self.plan.len()
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.dataset.store().as_ref()
    }

    pub(super) fn key(&self, item: usize) -> &String {
        &self.plan[item].key
    }

    pub(super) fn payload_bytes(&self, item: usize) -> u64 {
        self.plan[item].payload_bytes
    }

    /// About how much of a chunk is fetched, if any of it is.
    fn wanted_bytes(&self, item: usize) -> u64 {
        let share = self.ranged.as_ref().map_or(1.0, Ranged::wanted_share);
        (self.payload_bytes(item) as f64 * share) as u64
    }

    /// Where the parts of a chunk lie, from the manifest.
    pub(super) fn index(&self, item: usize) -> Option<PayloadIndex> {
        let row = self.plan[item].row?;
        self.dataset.manifest()?.chunks.get(row).map(|chunk| chunk.index)
    }

    /// Whether only the rows of a chunk can tell which of them are wanted.
    pub(super) fn must_look(&self, item: usize) -> bool {
        self.verdicts[item] == Verdict::Maybe
    }

    pub(super) fn same_partition(&self, a: usize, b: usize) -> bool {
        self.plan[a].partition == self.plan[b].partition
    }

    pub(crate) fn progress(&self) -> &Progress {
        self.ctx.progress()
    }

    /// Names the chunk in an error about it.
    pub(crate) fn at(&self, error: Error, item: usize) -> Error {
        let chunk = &self.plan[item];
        let store = self.store().describe();
        error.context(format!("chunk '{}' in {store}", chunk.key)).at_chunk(chunk.partition, chunk.batch)
    }

    /// A missing chunk is an error, or counted.
    pub(crate) fn missing(&self, item: usize, on_missing: OnMissing, progress: &Progress) -> Result<()> {
        if on_missing == OnMissing::Skip {
            Progress::add(&progress.chunks_skipped, 1);
            return Ok(());
        }
        let chunk = &self.plan[item];
        let expected = if chunk.row.is_some() { "which the manifest lists" } else { "which was asked for" };
        Err(Error::chunk_missing(format!(
            "chunk '{}', {expected}, is not in {}: it was deleted, evicted or has expired; publish the dataset again, \
             or skip what is missing (--on-missing skip)",
            chunk.key,
            self.store().describe()
        ))
        .at_chunk(chunk.partition, chunk.batch))
    }

    /// The checksum that a whole chunk is checked against.
    fn checksum(&self, item: usize) -> Option<u64> {
        self.plan[item].xxh3.filter(|_| self.verify_checksums)
    }

    fn check(&self, item: usize, payload: &Buffer) -> Result<()> {
        let chunk = &self.plan[item];
        let Some(xxh3) = self.checksum(item) else { return Ok(()) };
        if payload.len() as u64 != chunk.payload_bytes || chunk::checksum(std::slice::from_ref(payload)) != xxh3 {
            return Err(self.at(Error::corrupt("it does not match the checksum in the manifest"), item));
        }
        Ok(())
    }

    /// Whether all of a group's chunks are fetched as a whole, by the first of them.
    fn is_whole(&self, item: usize) -> bool {
        self.ranged.as_ref().is_none_or(|ranged| ranged.is_whole(item))
    }

    async fn fetch_whole(&self, items: Range<usize>, ctx: &Context, on_fetched: OnFetched<'_, Fetched>) -> Result<()> {
        let keys: Vec<String> = items.clone().map(|item| self.key(item).clone()).collect();
        let mut on_value = |index: usize, value: Option<Buffer>| {
            if let Some(value) = &value {
                Progress::add(&ctx.progress().chunks, 1);
                Progress::add(&ctx.progress().payload_bytes, value.len() as u64);
            }
            on_fetched(items.start + index, value.map(|value| Fetched::Bytes(ChunkBytes::Whole(value))));
        };
        match &keys[..] {
            [key] if self.checksum(items.start).is_some() => {
                self.store().get_in_parts(key, self.payload_bytes(items.start), ctx, &mut on_value).await
            }
            _ => self.store().get_many(&keys, ctx, &mut on_value).await,
        }
    }
}

/// [`ChunkFetch`] with what is done to each chunk.
struct ChunkWork<F> {
    fetch: Arc<ChunkFetch>,
    process: F,
}

impl<T, F> Work for ChunkWork<F>
where
    T: Send + 'static,
    F: Fn(&ChunkFetch, usize, Option<ChunkBytes>) -> Result<(T, u64)> + Send + Sync + 'static,
{
    type Fetched = Fetched;
    type Output = T;

    fn fetch<'a>(
        &'a self,
        items: Range<usize>,
        ctx: &'a Context,
        on_fetched: OnFetched<'a, Fetched>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if self.fetch.is_whole(items.start) {
                self.fetch.fetch_whole(items, ctx, on_fetched).await
            } else {
                ranged::fetch(&self.fetch, items, ctx, on_fetched).await
            }
        })
    }

    /// Whole chunks have their checksums. Chunks of a version of their own are never written again.
    fn confirm<'a>(&'a self, mut items: Range<usize>, ctx: &'a Context) -> Option<BoxFuture<'a, Result<()>>> {
        let dataset = &self.fetch.dataset;
        if dataset.manifest().is_none() || self.fetch.is_whole(items.start) {
            return None;
        }
        let plain = names::chunk_key_start(dataset.prefix());
        let rewritten = items.any(|item| self.fetch.key(item).starts_with(&plain));
        rewritten.then(|| -> BoxFuture<'a, Result<()>> { Box::pin(dataset.confirm(ctx)) })
    }

    fn process(&self, item: usize, fetched: Option<Fetched>) -> Result<(T, u64)> {
        let bytes = match fetched {
            Some(Fetched::Failed(error)) => return Err(error),
            Some(Fetched::Bytes(bytes)) => Some(bytes),
            None => None,
        };
        if let Some(ChunkBytes::Whole(payload)) = &bytes {
            self.fetch.check(item, payload)?;
        }
        (self.process)(&self.fetch, item, bytes)
    }
}

//! Writing the chunks and publishing them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::preflight;
use super::publish::{Before, Failure, Published, check_target, clean_up, publish, tidy};
use super::source::{Content, Item, Items, PlanFacts, decode_frames};
use super::{SplitOptions, Statistics};
use crate::chunk::{self, BatchFrames, ChunkDecoder, DecodeLimit, Frame, PayloadIndex};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::ipc_file::codec_of;
use crate::lease::{Layout, Lease, Version};
use crate::manifest::{ChunkEntry, ChunkStatistics, ManifestBuilder};
use crate::metrics::{Progress, batch_bytes};
use crate::names;
use crate::partition::PartitionValue;
use crate::runtime::{Context, Permit, runtime};
use crate::statistics::batch_statistics;
use crate::store::{Payload, Store};
use crate::tuning;

/// How much may be written before the lease is checked again.
const WINDOW_BYTES: u64 = 64 << 20;
/// How many chunks may be.
const WINDOW_CHUNKS: usize = 512;
/// How long cleaning up after a failure may take, and publishing after a cancel.
const CLEANUP: Duration = Duration::from_secs(15);
/// How long writes that are under way may take to end before what was written is removed.
const SETTLE: Duration = Duration::from_secs(2);

/// Writes all items and publishes them; after an error nothing of the upload is left, if the store lets us.
pub(super) async fn upload(
    mut items: Items,
    store: Arc<dyn Store>,
    prefix: String,
    options: SplitOptions,
    ctx: Context,
) -> Result<Published> {
    let lease = ctx.guard(Lease::acquire(&store, &prefix, options.layout(), &ctx)).await?;
    let upload_id = lease.upload_id().to_string();
    let mut upload = Upload {
        shared: Arc::new(Shared::new(&items.plan, &lease, store, prefix, options, ctx.clone())?),
        index: items.plan.manifest_builder(),
        before: Before::default(),
        running: JoinSet::new(),
    };
    let shared = upload.shared.clone();
    let expected_bytes = items.plan.expected_bytes;
    let preflight = async { Ok(preflight::warnings(shared.store.as_ref(), expected_bytes, &shared.ctx).await) };
    let written = ctx.guard(async { futures::try_join!(upload.write(&mut items, &lease), preflight) }).await;
    let Items { plan, receiver } = items;
    drop(receiver);
    let failed = written.as_ref().err().cloned();
    // What follows is not cut short: it has one outcome, and that is what the caller hears, if there is time.
    let end = runtime()?.spawn(async move {
        let written = written.map(|((), warnings)| warnings);
        upload.end(&plan, lease, written).await
    });
    tokio::select! {
        ended = end => ended.unwrap_or_else(|e| Err(Error::internal(format!("an upload ended without a result: {e}")))),
        late = ctx.overdue(CLEANUP) => Err(failed.unwrap_or_else(|| late.context(format_args!(
            "publishing '{}': whether it was published is not known yet (upload {upload_id})", shared.prefix
        )))),
    }
}

/// What every task of the upload needs.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) prefix: String,
    /// What the keys of the chunks start with.
    pub(super) base: Arc<str>,
    pub(super) options: SplitOptions,
    pub(super) ctx: Context,
    decoder: ChunkDecoder,
    statistics_columns: Vec<usize>,
    pub(super) chunks_copied: AtomicU64,
    /// Partition and batch of the chunks that this upload has written or tried to: what cleaning up may delete.
    touched: Mutex<Vec<(u32, u32)>>,
    /// The schema message that the chunks carry.
    pub(super) schema_frame: OnceLock<Frame>,
}

impl Shared {
    /// The keys that this upload has written or tried to.
    pub(super) fn touched(&self) -> Vec<String> {
        let touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.iter().map(|(partition, batch)| names::chunk_key(&self.base, *partition, *batch)).collect()
    }

    /// Their partitions and batches.
    pub(super) fn touched_places(&self) -> Vec<(u32, u32)> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn new(
        plan: &PlanFacts,
        lease: &Lease,
        store: Arc<dyn Store>,
        prefix: String,
        options: SplitOptions,
        ctx: Context,
    ) -> Result<Self> {
        let limit = DecodeLimit::new(runtime()?.budget.total());
        Ok(Shared {
            store,
            base: match options.layout() {
                Layout::Plain => Arc::from(prefix.as_str()),
                Layout::Versioned => Arc::from(names::version_base(&prefix, lease.upload_id())),
            },
            prefix,
            options,
            ctx,
            decoder: ChunkDecoder::new(Some(plan.schema.clone()), None, limit),
            statistics_columns: plan.statistics_columns.clone(),
            chunks_copied: AtomicU64::new(0),
            touched: Mutex::new(Vec::with_capacity(plan.chunks())),
            schema_frame: OnceLock::new(),
        })
    }
}

/// A chunk that has been written.
struct Written {
    entry: ChunkEntry,
    value: Option<PartitionValue>,
    statistics: ChunkStatistics,
}

/// An item made ready for the store.
struct Encoded {
    payload: Payload,
    written: Written,
    rows: u64,
    decoded_bytes: u64,
}

struct Upload {
    shared: Arc<Shared>,
    index: ManifestBuilder,
    before: Before,
    running: JoinSet<Result<Vec<Written>>>,
}

impl Upload {
    async fn write(&mut self, items: &mut Items, lease: &Lease) -> Result<()> {
        let shared = self.shared.clone();
        self.before = check_target(&shared, items, lease).await?;
        let check_absent =
            items.plan.places.is_none() && shared.options.layout() == Layout::Plain && !lease.leftovers().dead_plain;
        let share = shared.ctx.budget_share()?;
        let slots = Arc::new(Semaphore::new(shared.options.max_inflight.max(1)));
        let writes = Arc::new(Semaphore::new(tuning::WRITES));
        let max_items = tuning::keys_per_request(shared.options.pipeline).min(shared.options.max_inflight.max(1));
        let mut window = Window::default();
        let mut next = None;
        loop {
            let first = match next.take() {
                Some(item) => Some(item),
                None => items.receiver.recv().await.transpose()?,
            };
            let Some(first) = first else { break };
            let mut group_bytes = first.content.len();
            let mut group = vec![first];
            // Small chunks go out together; nothing waits for company.
            while group.len() < max_items && group_bytes < tuning::WRITE_BYTES {
                let Ok(item) = items.receiver.try_recv() else { break };
                let item = item?;
                group_bytes += item.content.len();
                group.push(item);
            }
            if window.is_over(group.len(), group_bytes) {
                lease.check(&shared.ctx).await?;
            }
            let permit = share.acquire(group_bytes).await;
            let closed = |_| Error::internal("a closed semaphore");
            let slot = slots.clone().acquire_many_owned(group.len() as u32).await.map_err(closed)?;
            let write = writes.clone().acquire_owned().await.map_err(closed)?;
            while let Some(ended) = self.running.try_join_next() {
                self.collect(ended)?;
            }
            let shared = shared.clone();
            self.running.spawn(async move {
                let written = write_group(&shared, group, permit, check_absent).await;
                drop((slot, write));
                written
            });
        }
        while let Some(ended) = self.running.join_next().await {
            self.collect(ended)?;
        }
        Ok(())
    }

    fn collect(&mut self, ended: std::result::Result<Result<Vec<Written>>, tokio::task::JoinError>) -> Result<()> {
        let written = ended.unwrap_or_else(|e| Err(Error::internal(format!("a write ended without a result: {e}"))))?;
        for Written { entry, value, statistics } in written {
            self.index.push(&entry, value, &statistics)?;
        }
        Ok(())
    }

    /// Publishes what was written and tidies up, or cleans up.
    async fn end(mut self, plan: &PlanFacts, lease: Lease, written: Result<Vec<String>>) -> Result<Published> {
        let shared = self.shared.clone();
        let index = std::mem::replace(&mut self.index, ManifestBuilder::new(&[], &plan.schema, 0));
        let published = match written {
            Ok(warnings) => publish(&shared, index, plan, &lease, &self.before)
                .await
                .map(|published| Published { warnings, ..published }),
            Err(error) => Err(Failure::sure(error)),
        };
        match published {
            Ok(published) => {
                let left = tidy(&shared, &self.before, &lease).await;
                if let Err(error) = lease.release(left, &shared.ctx).await {
                    tracing::warn!(%error, "the lease could not be released; it ends by itself");
                }
                Ok(published)
            }
            Err(failure) => {
                self.clean_up(lease, &failure).await;
                Err(failure.error)
            }
        }
    }

    /// Removes what this upload wrote. Where that fails the lease stays behind as a tombstone.
    async fn clean_up(&mut self, lease: Lease, failure: &Failure) {
        if !failure.outcome_known {
            return;
        }
        let (shared, before) = (self.shared.clone(), &self.before);
        // A write that is cut short may still reach the store after its key was deleted.
        let settled = tokio::time::timeout(SETTLE, async { while self.running.join_next().await.is_some() {} }).await;
        self.running.shutdown().await;
        let work = async {
            let mut left = clean_up(&shared, before, &lease, &failure.error).await?;
            if settled.is_err() {
                left.add_dead(Version { upload_id: lease.upload_id().to_string(), layout: shared.options.layout() });
            }
            lease.release(left, &shared.ctx).await
        };
        if !matches!(tokio::time::timeout(CLEANUP, work).await, Ok(Ok(()))) {
            let (prefix, chunks) = (&shared.prefix, shared.touched().len());
            tracing::warn!(prefix, chunks, "an unfinished upload could not be removed: gc does it later");
        }
    }
}

/// Counts what was written since the lease was last checked.
#[derive(Default)]
struct Window {
    chunks: usize,
    bytes: u64,
    started: bool,
}

impl Window {
    fn is_over(&mut self, chunks: usize, bytes: u64) -> bool {
        let over = !self.started || self.chunks >= WINDOW_CHUNKS || self.bytes >= WINDOW_BYTES;
        if over {
            *self = Window { started: true, ..Window::default() };
        }
        self.chunks += chunks;
        self.bytes += bytes;
        over
    }
}

/// Data without a manifest is data all the same.
pub(super) async fn check_absent(shared: &Shared, keys: &[String]) -> Result<()> {
    let sizes = shared.store.sizes(keys, &shared.ctx).await?;
    match keys.iter().zip(sizes).find(|(_, size)| size.is_some()) {
        Some((key, _)) => Err(Error::already_exists(format!(
            "'{key}' exists in {} without a manifest: choose another prefix, or replace it (--overwrite)",
            shared.store.describe()
        ))),
        None => Ok(()),
    }
}

async fn write_group(
    shared: &Arc<Shared>,
    group: Vec<Item>,
    mut permit: Permit,
    absent_first: bool,
) -> Result<Vec<Written>> {
    let mut encoding = Vec::with_capacity(group.len());
    for item in group {
        let shared = shared.clone();
        encoding.push(async move {
            runtime()?
                .compute(move || {
                    let _busy = shared.ctx.progress().decode.start();
                    encode(&shared, item)
                })
                .await
        });
    }
    let encoded = futures::future::try_join_all(encoding).await?;
    permit.resize(encoded.iter().map(|e| e.written.entry.index.payload_bytes).sum());
    let mut entries = Vec::with_capacity(encoded.len());
    let mut written = Vec::with_capacity(encoded.len());
    let (mut rows, mut bytes, mut decoded_bytes) = (0, 0, 0);
    for item in encoded {
        let entry = &item.written.entry;
        rows += item.rows;
        bytes += entry.index.payload_bytes;
        decoded_bytes += item.decoded_bytes;
        entries.push((names::chunk_key(&entry.base, entry.partition, entry.batch), item.payload));
        written.push(item.written);
    }
    let progress = shared.ctx.progress();
    {
        let _busy = progress.fetch.start();
        if absent_first && !shared.options.overwrite {
            let keys: Vec<String> = entries.iter().map(|(key, _)| key.clone()).collect();
            check_absent(shared, &keys).await?;
        }
        let places = written.iter().map(|written| (written.entry.partition, written.entry.batch));
        shared.touched.lock().unwrap_or_else(PoisonError::into_inner).extend(places);
        shared.store.put_many(&entries, &shared.ctx).await?;
    }
    Progress::add(&progress.rows, rows);
    Progress::add(&progress.chunks, written.len() as u64);
    Progress::add(&progress.payload_bytes, bytes);
    Progress::add(&progress.decoded_bytes, decoded_bytes);
    drop(permit);
    Ok(written)
}

/// Copies the messages if they have the wanted codec; encodes otherwise.
fn encode(shared: &Shared, item: Item) -> Result<Encoded> {
    let (partition, batch) = (item.partition, item.batch);
    encode_item(shared, item).map_err(|(error, name)| error.context(name).at_chunk(partition, batch))
}

fn encode_item(shared: &Shared, item: Item) -> std::result::Result<Encoded, (Error, String)> {
    let Item { partition, batch, value, content, statistics_row: known, name } = item;
    let codec = shared.options.compression;
    let columns = &shared.statistics_columns;
    let compute = !columns.is_empty() && known.is_none();
    let statistics_of = |batch: &RecordBatch| match known {
        Some(row) => Ok(ChunkStatistics::Row(row)),
        None if compute => batch_statistics(batch, columns).map(ChunkStatistics::Computed),
        None => Ok(ChunkStatistics::Nothing),
    };
    let work = || -> Result<Encoded> {
        let (frames, rows, decoded_bytes, statistics) = match content {
            Content::Frames(frames) if codec_of(&frames.batch)? == codec => {
                shared.chunks_copied.fetch_add(1, Relaxed);
                let rows = rows_of(&frames)?;
                let statistics = match known {
                    Some(row) => ChunkStatistics::Row(row),
                    None if compute && shared.options.statistics == Statistics::On => {
                        statistics_of(&decode_frames(&frames, &shared.decoder)?)?
                    }
                    None => ChunkStatistics::Nothing,
                };
                (frames, rows, 0, statistics)
            }
            Content::Frames(frames) => {
                let batch = decode_frames(&frames, &shared.decoder)?;
                drop(frames);
                encode_batch(&batch, codec, statistics_of)?
            }
            Content::Batch(batch) => encode_batch(&batch, codec, statistics_of)?,
        };
        let (payload, index) = chunk::assemble(&frames);
        let entry = entry(shared, partition, batch, rows, index);
        shared.schema_frame.get_or_init(|| frames.schema.detached());
        let written = Written { entry, value, statistics };
        Ok(Encoded { payload, written, rows, decoded_bytes })
    };
    work().map_err(|error| (error, name))
}

fn entry(shared: &Shared, partition: u32, batch: u32, rows: u64, index: PayloadIndex) -> ChunkEntry {
    ChunkEntry { partition, batch, base: shared.base.clone(), rows, index }
}

fn rows_of(frames: &BatchFrames) -> Result<u64> {
    let rows = frames.batch.message()?.header_as_record_batch().map_or(-1, |batch| batch.length());
    u64::try_from(rows).map_err(|_| Error::corrupt(format!("it declares {rows} rows")))
}

type EncodedFrames = (BatchFrames, u64, u64, ChunkStatistics);

fn encode_batch(
    batch: &RecordBatch,
    codec: Codec,
    statistics_of: impl Fn(&RecordBatch) -> Result<ChunkStatistics>,
) -> Result<EncodedFrames> {
    let statistics = statistics_of(batch)?;
    let frames = chunk::encode_batch(batch, codec)?;
    Ok((frames, batch.num_rows() as u64, batch_bytes(batch), statistics))
}

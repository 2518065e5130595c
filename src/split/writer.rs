//! Writing the chunks and publishing them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::source::{Content, Item, Items, PlanFacts, decode_frames};
use super::{SplitOptions, Statistics};
use crate::chunk::{self, BatchFrames, ChunkDecoder, DecodeLimit, Frame, PayloadIndex};
use crate::codec::Codec;
use crate::dataset::{KEYS_PER_REQUEST, delete_keys, load_manifest};
use crate::error::{Error, ErrorKind, Result};
use crate::ipc_file::codec_of;
use crate::lease::Lease;
use crate::manifest::{self, ChunkEntry, Manifest, ManifestBuilder, ManifestHeader};
use crate::metrics::{Progress, batch_bytes};
use crate::names;
use crate::partition::PartitionValue;
use crate::runtime::{Context, Permit, runtime};
use crate::statistics::{ColumnStatistics, batch_statistics};
use crate::store::{Payload, Store};
use crate::tuning;

/// How much may be written before the lease is checked again.
const WINDOW_BYTES: u64 = 64 << 20;
/// How many chunks may be.
const WINDOW_CHUNKS: usize = 512;
/// How long cleaning up after a failure may take.
const CLEANUP_SECONDS: u64 = 15;

/// What was published.
pub(super) struct Published {
    pub(super) upload_id: String,
    pub(super) partitions: u64,
    pub(super) chunks_copied: u64,
}

/// Writes all items and publishes them; after an error nothing of the upload is left, if the store lets us.
pub(super) async fn upload(
    mut items: Items,
    store: Arc<dyn Store>,
    prefix: String,
    options: SplitOptions,
    ctx: Context,
) -> Result<Published> {
    let lease = ctx.guard(Lease::acquire(&store, &prefix, &ctx)).await?;
    let mut upload = Upload {
        shared: Arc::new(Shared::new(&items.plan, store, prefix, options, ctx.clone())?),
        index: ManifestBuilder::new(&items.plan.statistics_columns, &items.plan.schema),
        old_keys: Vec::new(),
    };
    let written = ctx.guard(upload.write(&mut items, &lease)).await;
    // Publishing is not cut short: it has one outcome, and that is what the caller hears.
    let published = match written {
        Ok(()) => upload.publish(&items.plan, &lease).await,
        Err(error) => Err(Failure { error, outcome_known: true }),
    };
    drop(items);
    match published {
        Ok(published) => {
            upload.remove_surplus().await;
            if let Err(error) = lease.release(&ctx).await {
                tracing::warn!(%error, "the lease could not be released; it ends by itself");
            }
            Ok(published)
        }
        Err(failure) => {
            upload.clean_up(lease, &failure).await;
            Err(failure.error)
        }
    }
}

struct Failure {
    error: Error,
    /// Whether it is certain that nothing was published.
    outcome_known: bool,
}

/// What every task of the upload needs.
struct Shared {
    store: Arc<dyn Store>,
    prefix: String,
    base: Arc<str>,
    options: SplitOptions,
    ctx: Context,
    decoder: ChunkDecoder,
    statistics_columns: Vec<usize>,
    chunks_copied: AtomicU64,
    /// Keys that this upload has written or tried to: what cleaning up may delete.
    touched: Mutex<Vec<String>>,
    /// The schema message that the chunks carry.
    schema_frame: OnceLock<Frame>,
}

impl Shared {
    fn touched(&self) -> Vec<String> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn new(
        plan: &PlanFacts,
        store: Arc<dyn Store>,
        prefix: String,
        options: SplitOptions,
        ctx: Context,
    ) -> Result<Self> {
        let limit = DecodeLimit { base_bytes: runtime()?.budget.total() };
        Ok(Shared {
            store,
            base: Arc::from(prefix.as_str()),
            prefix,
            options,
            ctx,
            decoder: ChunkDecoder::new(Some(plan.schema.clone()), None, limit),
            statistics_columns: plan.statistics_columns.clone(),
            chunks_copied: AtomicU64::new(0),
            touched: Mutex::default(),
            schema_frame: OnceLock::new(),
        })
    }
}

/// A chunk that has been written.
struct Written {
    entry: ChunkEntry,
    value: Option<PartitionValue>,
    statistics: Option<Vec<ColumnStatistics>>,
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
    /// Keys of the dataset that is being replaced.
    old_keys: Vec<String>,
}

impl Upload {
    async fn write(&mut self, items: &mut Items, lease: &Lease) -> Result<()> {
        self.check_target(items, lease).await?;
        let shared = self.shared.clone();
        let share = shared.ctx.budget_share()?;
        let slots = Arc::new(Semaphore::new(shared.options.max_inflight.max(1)));
        let max_items = tuning::keys_per_request(shared.options.pipeline).min(shared.options.max_inflight.max(1));
        let mut running: JoinSet<Result<Vec<Written>>> = JoinSet::new();
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
            while group.len() < max_items && group_bytes < tuning::REQUEST_BYTES / 4 {
                let Ok(item) = items.receiver.try_recv() else { break };
                let item = item?;
                group_bytes += item.content.len();
                group.push(item);
            }
            if window.is_over(group.len(), group_bytes) {
                lease.check(&shared.ctx).await?;
            }
            let permit = share.acquire(group_bytes).await;
            let slot = slots.clone().acquire_many_owned(group.len() as u32).await;
            let slot = slot.map_err(|_| Error::internal("a closed semaphore"))?;
            while let Some(ended) = running.try_join_next() {
                self.collect(ended)?;
            }
            let (shared, check_absent) = (shared.clone(), items.plan.places.is_none() && !lease.took_over());
            running.spawn(async move {
                let written = write_group(&shared, group, permit, check_absent).await;
                drop(slot);
                written
            });
        }
        while let Some(ended) = running.join_next().await {
            self.collect(ended)?;
        }
        Ok(())
    }

    fn collect(&mut self, ended: std::result::Result<Result<Vec<Written>>, tokio::task::JoinError>) -> Result<()> {
        let written = ended.unwrap_or_else(|e| Err(Error::internal(format!("a write ended without a result: {e}"))))?;
        for Written { entry, value, statistics } in written {
            self.index.push(entry, value, statistics.as_deref())?;
        }
        Ok(())
    }

    /// Makes sure that nothing is overwritten that should not be; removes the old manifest if it may be.
    async fn check_target(&mut self, items: &Items, lease: &Lease) -> Result<()> {
        let Shared { store, prefix, options, ctx, base, .. } = self.shared.as_ref();
        let manifest_key = names::manifest_key(prefix);
        let exists = store.sizes(std::slice::from_ref(&manifest_key), ctx).await?[0].is_some();
        if exists && !options.overwrite {
            return Err(Error::already_exists(format!(
                "dataset '{prefix}' exists in {}: choose another prefix, or replace it (--overwrite)",
                store.describe()
            )));
        }
        if options.overwrite {
            self.old_keys = old_chunk_keys(store.as_ref(), prefix, exists, ctx).await?;
            lease.check(ctx).await?;
            // Readers must not find a manifest whose chunks are being replaced.
            store.delete(&[manifest_key], ctx).await?;
        } else if let (Some(places), false) = (&items.plan.places, lease.took_over()) {
            let keys: Vec<String> = places.iter().map(|(p, b)| names::chunk_key(base, *p, *b)).collect();
            for keys in keys.chunks(KEYS_PER_REQUEST) {
                check_absent(self.shared.as_ref(), keys).await?;
            }
        }
        Ok(())
    }

    /// Writes the manifest, the moment at which the dataset begins to exist.
    async fn publish(&mut self, plan: &PlanFacts, lease: &Lease) -> std::result::Result<Published, Failure> {
        let sure = |error: Error| Failure { error, outcome_known: true };
        let shared = self.shared.clone();
        let Shared { store, prefix, ctx, .. } = shared.as_ref();
        lease.check(ctx).await.map_err(sure)?;
        let manifest = self.manifest(plan, lease).map_err(sure)?;
        let bytes = manifest.encode().map_err(sure)?;
        let key = names::manifest_key(prefix);
        let put = store.put_if_absent(&key, &bytes, ctx).await;
        let ours = match put {
            Ok(created) => created,
            // The reply was lost, perhaps after the deed: the store knows.
            Err(error) => match load_manifest(store.as_ref(), prefix, ctx).await {
                Ok(found) if found.as_ref().is_some_and(|m| m.upload_id == manifest.upload_id) => true,
                Ok(_) => return Err(sure(error.context(format!("publishing '{prefix}'")))),
                Err(_) => {
                    let error = error.context(format!(
                        "publishing '{prefix}': whether it was published could not be found out (upload {})",
                        manifest.upload_id
                    ));
                    return Err(Failure { error, outcome_known: false });
                }
            },
        };
        if !ours {
            return Err(sure(Error::conflict(format!(
                "another writer published '{prefix}' in {} meanwhile: nothing was published by this upload",
                store.describe()
            ))));
        }
        let partitions = manifest.partitions().map_err(|error| Failure { error, outcome_known: false })?.len() as u64;
        Ok(Published {
            upload_id: manifest.upload_id,
            partitions,
            chunks_copied: self.shared.chunks_copied.load(Relaxed),
        })
    }

    fn manifest(&mut self, plan: &PlanFacts, lease: &Lease) -> Result<Manifest> {
        let schema_frame = match (self.shared.schema_frame.get(), &plan.schema_frame) {
            (Some(written), _) => written.clone(),
            (None, Some(frame)) => frame.detached(),
            (None, None) => chunk::encode_schema(&plan.schema)?,
        };
        let index = std::mem::replace(&mut self.index, ManifestBuilder::new(&[], &plan.schema));
        index.finish(ManifestHeader {
            upload_id: lease.upload_id().to_string(),
            created_at: manifest::now(),
            compression: self.shared.options.compression,
            schema_frame,
            partition_column: plan.partition_column.clone(),
        })
    }

    /// Chunks of the replaced dataset that the new one does not have go last.
    async fn remove_surplus(&self) {
        let new: HashSet<String> = self.shared.touched().into_iter().collect();
        let surplus: Vec<String> = self.old_keys.iter().filter(|key| !new.contains(*key)).cloned().collect();
        if let Err(error) = delete_keys(self.shared.store.as_ref(), &surplus, &self.shared.ctx).await {
            tracing::warn!(%error, chunks = surplus.len(), "chunks of the replaced dataset could not be deleted");
        }
    }

    /// Removes what this upload wrote. Where that fails the lease stays behind as a tombstone.
    async fn clean_up(&self, lease: Lease, failure: &Failure) {
        let Shared { store, ctx, prefix, .. } = self.shared.as_ref();
        if !failure.outcome_known {
            return;
        }
        let keep = failure.error.kind() == ErrorKind::Conflict;
        let touched = self.shared.touched();
        let work = async {
            if !keep {
                delete_keys(store.as_ref(), &touched, ctx).await?;
            }
            lease.release(ctx).await
        };
        let ended = tokio::time::timeout(std::time::Duration::from_secs(CLEANUP_SECONDS), work).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!(prefix, chunks = touched.len(), "an unfinished upload could not be removed");
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

async fn old_chunk_keys(store: &dyn Store, prefix: &str, has_manifest: bool, ctx: &Context) -> Result<Vec<String>> {
    if has_manifest {
        match load_manifest(store, prefix, ctx).await {
            Ok(Some(manifest)) => {
                let key = |c: &ChunkEntry| names::chunk_key(&c.base, c.partition, c.batch);
                return Ok(manifest.chunks.iter().map(key).collect());
            }
            Ok(None) => {}
            // A manifest that cannot be read must not keep its dataset from being replaced.
            Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {}
            Err(e) => return Err(e),
        }
    }
    let mut keys = store.list(&names::chunk_key_start(prefix), "", ctx).await?;
    keys.retain(|key| names::parse_chunk_key(prefix, key).is_some());
    Ok(keys)
}

/// Data without a manifest is data all the same.
async fn check_absent(shared: &Shared, keys: &[String]) -> Result<()> {
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
        let keys = entries.iter().map(|(key, _)| key.clone());
        shared.touched.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
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
    let Item { partition, batch, value, content, statistics, name } = item;
    let codec = shared.options.compression;
    let columns = &shared.statistics_columns;
    let statistics = statistics.filter(|_| !columns.is_empty());
    let compute = !columns.is_empty() && statistics.is_none();
    let work = || -> Result<Encoded> {
        let (frames, rows, decoded_bytes, statistics) = match content {
            Content::Frames(frames) if codec_of(&frames.batch)? == codec => {
                shared.chunks_copied.fetch_add(1, Relaxed);
                let rows = rows_of(&frames)?;
                let computed = match compute && shared.options.statistics == Statistics::On {
                    true => Some(batch_statistics(&decode_frames(&frames, &shared.decoder)?, columns)?),
                    false => statistics,
                };
                (frames, rows, 0, computed)
            }
            Content::Frames(frames) => {
                let batch = decode_frames(&frames, &shared.decoder)?;
                drop(frames);
                encode_batch(&batch, codec, statistics, columns)?
            }
            Content::Batch(batch) => encode_batch(&batch, codec, statistics, columns)?,
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

type EncodedFrames = (BatchFrames, u64, u64, Option<Vec<ColumnStatistics>>);

fn encode_batch(
    batch: &arrow::record_batch::RecordBatch,
    codec: Codec,
    known: Option<Vec<ColumnStatistics>>,
    columns: &[usize],
) -> Result<EncodedFrames> {
    let statistics = match known {
        None if !columns.is_empty() => Some(batch_statistics(batch, columns)?),
        known => known,
    };
    let frames = chunk::encode_batch(batch, codec)?;
    Ok((frames, batch.num_rows() as u64, batch_bytes(batch), statistics))
}

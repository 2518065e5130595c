//! A dataset in a store: finding it, describing it, deleting it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;

use crate::chunk::{self, ChunkHead, Fragments, Head};
use crate::error::{Error, ErrorKind, Result};
use crate::lease::{Layout, Lease, Leftovers};
use crate::manifest::{ChunkSummary, Manifest};
use crate::names;
use crate::partition::Selection;
use crate::runtime::Context;
use crate::store::{Store, StoreExt};

/// How many keys one request of a bulk operation names.
pub(crate) const KEYS_PER_REQUEST: usize = 512;
/// How many batches of a partition are probed at once when nothing is known of it.
const PROBE_WINDOW: u32 = 64;
/// What is read of a chunk to find its schema: more than most have before their body.
const HEAD_BYTES: u64 = 16 << 10;

/// One chunk that a read will fetch.
#[derive(Debug, Clone)]
pub(crate) struct PlannedChunk {
    pub(crate) key: String,
    pub(crate) partition: u32,
    pub(crate) batch: u32,
    /// From the manifest, or as the store tells.
    pub(crate) payload_bytes: u64,
    /// From the manifest.
    pub(crate) xxh3: Option<u64>,
    /// Row of the manifest.
    pub(crate) row: Option<usize>,
}

/// The part of a dataset that one node of a server holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSummary {
    /// The node's address.
    pub node: String,
    /// Chunks whose keys belong there.
    pub chunks: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
}

/// A chunk that the store does not hold as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenChunk {
    /// What the manifest says.
    pub chunk: ChunkSummary,
    /// The size that the store has instead; `None` where the chunk is missing.
    pub stored_bytes: Option<u64>,
}

/// A dataset of a store, at the version that was current when it was opened.
///
/// May be shared by threads.
#[derive(Debug, Clone)]
pub struct Dataset {
    store: Arc<dyn Store>,
    prefix: String,
    manifest: Option<Arc<Manifest>>,
}

impl Dataset {
    /// Opens a published dataset by reading its manifest.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none under that prefix; `CORRUPT` or `UNSUPPORTED` when its manifest cannot be used.
    pub fn open(store: &Arc<dyn Store>, prefix: &str, ctx: &Context) -> Result<Dataset> {
        names::check_prefix(prefix)?;
        let (store, prefix, context) = (store.clone(), prefix.to_string(), ctx.clone());
        ctx.block_on_part(async move {
            let manifest = load_manifest(store.as_ref(), &prefix, &context).await?;
            let manifest = manifest.ok_or_else(|| {
                Error::not_found(format!(
                    "there is no dataset '{prefix}' in {}: its manifest '{}' does not exist (data without a manifest \
                     can be read with --no-manifest)",
                    store.describe(),
                    names::manifest_key(&prefix)
                ))
            })?;
            Ok(Dataset { store, prefix, manifest: Some(Arc::new(manifest)) })
        })
    }

    /// A dataset that has no manifest, such as the original tool writes: nothing is read yet.
    pub fn without_manifest(store: &Arc<dyn Store>, prefix: &str) -> Result<Dataset> {
        names::check_prefix(prefix)?;
        Ok(Dataset { store: store.clone(), prefix: prefix.to_string(), manifest: None })
    }

    /// The store that it lives in.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Its name.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Its index, unless it was opened without one.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_deref()
    }

    /// Asks the store for every chunk that the manifest lists; returns those that are not there as listed.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a dataset that was opened without a manifest; what the store reports.
    pub fn check(&self, ctx: &Context) -> Result<Vec<BrokenChunk>> {
        let Some(manifest) = self.manifest.clone() else {
            return Err(Error::invalid_argument(format!(
                "'{}' was opened without a manifest: nothing says which chunks there should be",
                self.prefix
            )));
        };
        let (store, context) = (self.store.clone(), ctx.clone());
        ctx.block_on(async move {
            let chunks: Vec<ChunkSummary> = manifest.chunks().collect();
            let mut broken = Vec::new();
            for part in chunks.chunks(KEYS_PER_REQUEST) {
                let keys: Vec<String> = part.iter().map(|chunk| chunk.key.clone()).collect();
                let sizes = store.sizes(&keys, &context).await?;
                let differing = part.iter().zip(sizes).filter(|(chunk, size)| *size != Some(chunk.payload_bytes));
                broken.extend(differing.map(|(chunk, size)| BrokenChunk { chunk: chunk.clone(), stored_bytes: size }));
            }
            Ok(broken)
        })
    }

    /// How the chunks that the manifest lists are spread over the nodes of a cluster, in the order of the addresses;
    /// every other store is one node. Nothing without a manifest.
    ///
    /// # Errors
    /// What the store reports.
    pub fn nodes(&self, ctx: &Context) -> Result<Vec<NodeSummary>> {
        let Some(manifest) = self.manifest.clone() else { return Ok(Vec::new()) };
        let (store, context) = (self.store.clone(), ctx.clone());
        ctx.block_on(async move {
            let keys: Vec<String> = manifest.chunks().map(|chunk| chunk.key).collect();
            let mut sums = BTreeMap::<String, (u64, u64)>::new();
            for (node, bytes) in store.nodes_of(&keys, &context).await?.into_iter().zip(manifest.chunks.payload_bytes())
            {
                let (chunks, payload_bytes) = sums.entry(node).or_default();
                *chunks += 1;
                *payload_bytes += bytes;
            }
            let summary = |(node, (chunks, payload_bytes))| NodeSummary { node, chunks, payload_bytes };
            Ok(sums.into_iter().map(summary).collect())
        })
    }

    /// Whether the version that was opened is still the current one.
    pub(crate) async fn is_current(&self, ctx: &Context) -> Result<bool> {
        let Some(manifest) = &self.manifest else { return Ok(true) };
        let current = load_manifest(self.store.as_ref(), &self.prefix, ctx).await?;
        Ok(current.is_some_and(|current| current.upload_id == manifest.upload_id))
    }

    /// Makes sure that the version that was opened is still the current one, by the end of its manifest: what was
    /// read before this call is then of that version.
    ///
    /// # Errors
    /// `CONFLICT` when the dataset was replaced or deleted.
    pub(crate) async fn confirm(&self, ctx: &Context) -> Result<()> {
        let Some(trailer) = self.manifest.as_ref().and_then(|manifest| manifest.trailer.as_ref()) else {
            return Ok(());
        };
        // One byte more than there should be: a longer manifest is another one, too.
        let range = trailer.range.start..trailer.range.end + 1;
        let mut found = None;
        self.store
            .get_ranges(&[(names::manifest_key(&self.prefix), range)], ctx, &mut |_, value| found = value)
            .await?;
        if found.is_some_and(|found| found == trailer.bytes) { Ok(()) } else { Err(self.replaced()) }
    }

    /// The error for a dataset that is not what was opened any more.
    pub(crate) fn replaced(&self) -> Error {
        Error::conflict(format!(
            "dataset '{}' in {} was replaced or deleted while it was read: read it again",
            self.prefix,
            self.store.describe()
        ))
        .retryable(true)
    }

    /// The chunks that a selection means, ordered by partition and batch.
    pub(crate) async fn plan(
        &self,
        selection: &Selection,
        batches: Option<u32>,
        ctx: &Context,
    ) -> Result<Vec<PlannedChunk>> {
        match &self.manifest {
            Some(manifest) => self.plan_from_manifest(manifest, selection),
            None => self.plan_by_asking(selection, batches, ctx).await,
        }
    }

    fn plan_from_manifest(&self, manifest: &Manifest, selection: &Selection) -> Result<Vec<PlannedChunk>> {
        let wanted =
            selection.resolve(&manifest.partitions()?).map_err(|e| e.context(format!("dataset '{}'", self.prefix)))?;
        let chunks = manifest.chunks.iter().enumerate().filter(|(_, chunk)| wanted.contains(&chunk.partition));
        Ok(chunks
            .map(|(row, chunk)| PlannedChunk {
                key: names::chunk_key(&chunk.base, chunk.partition, chunk.batch),
                partition: chunk.partition,
                batch: chunk.batch,
                payload_bytes: chunk.index.payload_bytes,
                xxh3: Some(chunk.index.xxh3),
                row: Some(row),
            })
            .collect())
    }

    async fn plan_by_asking(
        &self,
        selection: &Selection,
        batches: Option<u32>,
        ctx: &Context,
    ) -> Result<Vec<PlannedChunk>> {
        let found = match (selection.ids()?, batches) {
            (None, None) => self.discover(ctx).await?,
            (None, Some(batches)) => expected(&self.discover(ctx).await?.keys().copied().collect(), batches),
            (Some(ids), Some(batches)) => expected(&ids, batches),
            (Some(ids), None) => self.probe(&ids, ctx).await?,
        };
        let mut chunks = Vec::new();
        for (partition, batches) in found {
            chunks.extend(batches.into_iter().map(|batch| PlannedChunk {
                key: names::chunk_key(&self.prefix, partition, batch),
                partition,
                batch,
                payload_bytes: 0,
                xxh3: None,
                row: None,
            }));
        }
        if chunks.is_empty() {
            return Err(Error::not_found(format!(
                "there are no chunks '{}…' in {}",
                names::chunk_key_start(&self.prefix),
                self.store.describe()
            )));
        }
        for part in chunks.chunks_mut(KEYS_PER_REQUEST) {
            let keys: Vec<String> = part.iter().map(|chunk| chunk.key.clone()).collect();
            for (chunk, size) in part.iter_mut().zip(self.store.sizes(&keys, ctx).await?) {
                chunk.payload_bytes = size.unwrap_or(0);
            }
        }
        Ok(chunks)
    }

    /// Partitions and batches, from the keys that exist.
    async fn discover(&self, ctx: &Context) -> Result<BTreeMap<u32, BTreeSet<u32>>> {
        let mut found = BTreeMap::<u32, BTreeSet<u32>>::new();
        for key in self.store.list(&names::chunk_key_start(&self.prefix), "", ctx).await? {
            if let Some((partition, batch)) = names::parse_chunk_key(&self.prefix, &key) {
                found.entry(partition).or_default().insert(batch);
            }
        }
        Ok(found)
    }

    /// Counts the batches of each partition until one is missing.
    async fn probe(&self, ids: &BTreeSet<u32>, ctx: &Context) -> Result<BTreeMap<u32, BTreeSet<u32>>> {
        let mut found = BTreeMap::new();
        for partition in ids {
            let mut batches = BTreeSet::new();
            loop {
                let from = batches.len() as u32;
                let window = from..from.saturating_add(PROBE_WINDOW);
                let keys: Vec<_> = window.clone().map(|b| names::chunk_key(&self.prefix, *partition, b)).collect();
                let sizes = self.store.sizes(&keys, ctx).await?;
                let present = sizes.iter().take_while(|size| size.is_some()).count() as u32;
                batches.extend(from..from + present);
                if present < PROBE_WINDOW {
                    break;
                }
            }
            if batches.is_empty() {
                return Err(Error::not_found(format!(
                    "partition {partition} of '{}' has no chunks in {}",
                    self.prefix,
                    self.store.describe()
                )));
            }
            found.insert(*partition, batches);
        }
        Ok(found)
    }

    /// The schema: from the manifest, or from the first chunk that exists.
    pub(crate) async fn schema(&self, plan: &[PlannedChunk], ctx: &Context) -> Result<SchemaRef> {
        Ok(self.schema_and_head(plan, ctx).await?.0)
    }

    /// The schema and, where a chunk had to be asked for it, where that has its schema and the heads of its messages.
    pub(crate) async fn schema_and_head(
        &self,
        plan: &[PlannedChunk],
        ctx: &Context,
    ) -> Result<(SchemaRef, Vec<Range<u64>>)> {
        if let Some(manifest) = &self.manifest {
            return Ok((manifest.schema.clone(), Vec::new()));
        }
        for chunk in plan.iter().filter(|chunk| chunk.payload_bytes > 0) {
            let head = self.head(chunk, ctx).await.map_err(|e| e.context(format!("chunk '{}'", chunk.key)))?;
            if let Some(head) = head {
                return Ok((head.schema.schema()?, head.places()));
            }
        }
        Err(Error::chunk_missing(format!("none of the {} chunks of '{}' exists", plan.len(), self.prefix)))
    }

    /// What a chunk of unknown layout holds before its body; `None` if it is missing.
    async fn head(&self, chunk: &PlannedChunk, ctx: &Context) -> Result<Option<ChunkHead>> {
        let mut there = Fragments::default();
        let mut wanted = 0..HEAD_BYTES.min(chunk.payload_bytes);
        loop {
            let mut bytes = None;
            self.store.get_ranges(&[(chunk.key.clone(), wanted.clone())], ctx, &mut |_, value| bytes = value).await?;
            let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else { return Ok(None) };
            let is_short = (bytes.len() as u64) < wanted.end - wanted.start;
            there.add(wanted.start, bytes);
            match chunk::parse_head(&there, chunk.payload_bytes)? {
                Head::Complete(head) => return Ok(Some(head)),
                Head::NeedsMore(_) if is_short => return Err(Error::corrupt("it became shorter while it was read")),
                Head::NeedsMore(range) => wanted = range,
            }
        }
    }
}

fn expected(ids: &BTreeSet<u32>, batches: u32) -> BTreeMap<u32, BTreeSet<u32>> {
    ids.iter().map(|id| (*id, (0..batches).collect())).collect()
}

/// Reads and checks a manifest; `None` where there is none.
pub(crate) async fn load_manifest(store: &dyn Store, prefix: &str, ctx: &Context) -> Result<Option<Manifest>> {
    let key = names::manifest_key(prefix);
    match store.get(&key, ctx).await? {
        Some(bytes) => decode_manifest(store, prefix, &bytes).map(Some),
        None => Ok(None),
    }
}

/// Checks a manifest that was read from a store.
fn decode_manifest(store: &dyn Store, prefix: &str, bytes: &Buffer) -> Result<Manifest> {
    check_manifest(Manifest::decode(bytes), store, prefix)
}

/// What a manifest lists, without its statistics.
pub(crate) fn decode_listing(store: &dyn Store, prefix: &str, bytes: &Buffer) -> Result<Manifest> {
    check_manifest(Manifest::decode_listing(bytes), store, prefix)
}

fn check_manifest(decoded: Result<Manifest>, store: &dyn Store, prefix: &str) -> Result<Manifest> {
    let key = names::manifest_key(prefix);
    let named = |e: Error| e.context(format!("'{key}' in {}", store.describe()));
    let manifest = decoded.map_err(named)?;
    // A manifest must not lead its readers to keys of another dataset.
    let own = |base: &str| base.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'));
    if let Some(base) = manifest.chunks.bases().find(|base| !own(base)) {
        return Err(named(Error::corrupt(format!("it lists chunks of another dataset, '{base}'"))));
    }
    Ok(manifest)
}

/// What a store holds under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetSummary {
    /// The dataset's name.
    pub prefix: String,
    /// Whether it has been published with a manifest.
    pub has_manifest: bool,
    /// Partitions.
    pub partitions: u64,
    /// Chunks.
    pub chunks: u64,
    /// Rows; unknown without a manifest.
    pub rows: Option<u64>,
    /// Bytes of all payloads; unknown without a manifest.
    pub payload_bytes: Option<u64>,
    /// When it was published; unknown without a manifest.
    pub created_at: Option<String>,
    /// Chunks under this name that the manifest does not list: of replaced versions in their grace period, and of
    /// uploads that are under way or dead.
    pub unlisted_chunks: u64,
    /// Why its manifest could not be read.
    pub problem: Option<String>,
}

/// Lists the datasets whose names start with `start`, in the order of their names.
pub fn list_datasets(store: &Arc<dyn Store>, start: &str, ctx: &Context) -> Result<Vec<DatasetSummary>> {
    let (store, start, context) = (store.clone(), start.to_string(), ctx.clone());
    ctx.block_on(async move {
        let mut plain = BTreeMap::<String, (BTreeSet<u32>, u64)>::new();
        let mut stored = BTreeMap::<String, u64>::new();
        let mut published = BTreeSet::new();
        for key in store.list(&start, "", &context).await? {
            if let Some(prefix) = key.strip_suffix(names::MANIFEST_SUFFIX) {
                published.insert(prefix.to_string());
            } else if let Some((base, _)) = key.split_once(":{part=")
                && let Some((partition, _)) = names::parse_chunk_key(base, &key)
            {
                let (partitions, chunks) = plain.entry(base.to_string()).or_default();
                partitions.insert(partition);
                *chunks += 1;
                let prefix = base.split_once('@').map_or(base, |(prefix, _)| prefix);
                *stored.entry(prefix.to_string()).or_default() += 1;
            }
        }
        let mut summaries = Vec::new();
        for prefix in &published {
            let mut summary = summary(store.as_ref(), prefix, &context).await?;
            summary.unlisted_chunks = stored.get(prefix).copied().unwrap_or(0).saturating_sub(summary.chunks);
            summaries.push(summary);
        }
        // Versions carry an '@' in their keys and belong to a published dataset, or to an upload under way.
        let unpublished = plain.into_iter().filter(|(prefix, _)| !published.contains(prefix) && !prefix.contains('@'));
        summaries.extend(unpublished.map(|(prefix, (partitions, chunks))| DatasetSummary {
            prefix,
            has_manifest: false,
            partitions: partitions.len() as u64,
            chunks,
            rows: None,
            payload_bytes: None,
            created_at: None,
            unlisted_chunks: 0,
            problem: None,
        }));
        summaries.sort_by(|a, b| a.prefix.cmp(&b.prefix));
        Ok(summaries)
    })
}

async fn summary(store: &dyn Store, prefix: &str, ctx: &Context) -> Result<DatasetSummary> {
    let mut summary = DatasetSummary {
        prefix: prefix.to_string(),
        has_manifest: true,
        partitions: 0,
        chunks: 0,
        rows: None,
        payload_bytes: None,
        created_at: None,
        unlisted_chunks: 0,
        problem: None,
    };
    match load_manifest(store, prefix, ctx).await {
        Ok(Some(manifest)) => {
            summary.partitions = manifest.partitions()?.len() as u64;
            summary.chunks = manifest.chunk_count() as u64;
            summary.rows = Some(manifest.rows());
            summary.payload_bytes = Some(manifest.payload_bytes());
            summary.created_at = Some(manifest.created_at().to_string());
        }
        Ok(None) => summary.problem = Some("it was deleted meanwhile".to_string()),
        Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
            summary.problem = Some(e.message().to_string());
        }
        Err(e) => return Err(e),
    }
    Ok(summary)
}

/// Deletes a dataset: its manifest first, so that nobody sees half of it, then its chunks, published or not, of
/// all its versions. Nothing else is touched. Returns how many chunks were deleted.
///
/// # Errors
/// `NOT_FOUND` when there is nothing under that prefix; `CONFLICT` while it is being written.
pub fn delete_dataset(store: &Arc<dyn Store>, prefix: &str, ctx: &Context) -> Result<u64> {
    names::check_prefix(prefix)?;
    let (store, prefix, context) = (store.clone(), prefix.to_string(), ctx.clone());
    ctx.block_on(async move {
        let lease = Lease::acquire(&store, &prefix, Layout::Versioned, &context).await?;
        let deleted = delete_under_lease(store.as_ref(), &prefix, &context).await;
        // What dead writers left went as well.
        let left = if deleted.is_ok() { Leftovers::default() } else { lease.leftovers().clone() };
        lease.release(left, &context).await?;
        deleted
    })
}

async fn delete_under_lease(store: &dyn Store, prefix: &str, ctx: &Context) -> Result<u64> {
    let had_manifest = store.delete(&[names::manifest_key(prefix)], ctx).await? > 0;
    // Versions lie under `PREFIX@…`, plain chunks under `PREFIX:…`.
    let mut keys = Vec::new();
    for start in [names::chunk_key_start(prefix), format!("{prefix}@")] {
        keys.extend(store.list(&start, "", ctx).await?);
    }
    keys.retain(|key| {
        let base = key.split_once(":{part=").map_or("", |(base, _)| base);
        names::parse_chunk_key(base, key).is_some()
    });
    if keys.is_empty() && !had_manifest {
        return Err(Error::not_found(format!("there is no dataset '{prefix}' in {}", store.describe())));
    }
    delete_keys(store, &keys, ctx).await
}

/// Deletes many keys; returns how many existed.
pub(crate) async fn delete_keys(store: &dyn Store, keys: &[String], ctx: &Context) -> Result<u64> {
    let mut deleted = 0;
    for part in keys.chunks(KEYS_PER_REQUEST) {
        deleted += store.delete(part, ctx).await?;
    }
    Ok(deleted)
}

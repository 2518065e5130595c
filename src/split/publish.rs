//! From written chunks to a dataset: what is replaced, the moment of publishing, and what comes after it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow::buffer::Buffer;

use super::source::{Items, PlanFacts};
use super::writer::{Shared, check_absent};
use crate::chunk;
use crate::dataset::{KEYS_PER_REQUEST, decode_listing, delete_keys, load_manifest};
use crate::error::{Error, ErrorKind, Result};
use crate::garbage::{collect, expire_keys};
use crate::lease::{Lease, Leftovers, Publishing, Retired, Version};
use crate::manifest::{self, Manifest, ManifestBuilder, ManifestHeader};
use crate::names;
use crate::runtime::Context;
use crate::store::{Payload, Store, StoreExt};
use crate::telemetry::{Counter, count};

/// How much later than the manifest its chunks expire, so that nobody sees a dataset with holes.
const CHUNKS_OUTLIVE_MANIFEST_MS: u64 = 60_000;

/// What was published.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) upload_id: String,
    pub(super) partitions: u64,
    pub(super) chunks_copied: u64,
    pub(super) replaced: Option<String>,
    pub(super) warnings: Vec<String>,
}

/// Why nothing was published, as far as we know.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether it is certain that nothing was published.
    pub(super) outcome_known: bool,
}

impl Failure {
    /// Nothing was published.
    pub(super) fn sure(error: Error) -> Self {
        Failure { error, outcome_known: true }
    }
}

/// The dataset that is being replaced.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Its manifest as the store holds it, where that is to be replaced in one moment.
    manifest: Option<Buffer>,
    /// What it is, where its manifest can be read.
    version: Option<Version>,
    chunks: Vec<OldChunk>,
}

/// A chunk of a dataset that is being replaced. They are held until the new one is published, so not as keys.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OldChunk {
    base: Arc<str>,
    partition: u32,
    batch: u32,
}

impl OldChunk {
    fn key(&self) -> String {
        names::chunk_key(&self.base, self.partition, self.batch)
    }
}

impl Before {
    async fn load(store: &dyn Store, prefix: &str, ctx: &Context) -> Result<Before> {
        let Some(bytes) = store.get(&names::manifest_key(prefix), ctx).await? else { return Ok(Before::default()) };
        let mut before = Before::default();
        match decode_listing(store, prefix, &bytes) {
            Ok(manifest) => {
                let base = manifest.chunks.bases().next().map(AsRef::as_ref);
                before.version = Some(Version::published(prefix, &manifest.upload_id, base));
                let chunks = manifest.chunks.iter();
                before.chunks.reserve_exact(manifest.chunk_count());
                before.chunks.extend(chunks.map(|c| OldChunk { base: c.base, partition: c.partition, batch: c.batch }));
            }
            // A manifest that cannot be read must not keep its dataset from being replaced.
            Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {}
            Err(e) => return Err(e),
        }
        before.manifest = Some(bytes);
        Ok(before)
    }
}

/// Makes sure that nothing is overwritten that should not be. In the plain layout the old manifest is removed, if
/// it may be: readers must not find one whose chunks are being replaced.
pub(super) async fn check_target(shared: &Shared, items: &Items, lease: &Lease) -> Result<Before> {
    let Shared { store, prefix, options, ctx, base, .. } = shared;
    if options.versioned {
        return Before::load(store.as_ref(), prefix, ctx).await;
    }
    let manifest_key = names::manifest_key(prefix);
    let exists = store.sizes(std::slice::from_ref(&manifest_key), ctx).await?[0].is_some();
    if exists && !options.overwrite {
        return Err(Error::already_exists(format!(
            "dataset '{prefix}' exists in {}: choose another prefix, or replace it (--overwrite, or --versioned, \
             which keeps it for its readers)",
            store.describe()
        )));
    }
    if options.overwrite {
        let mut before = Before::load(store.as_ref(), prefix, ctx).await?;
        // It is deleted, not replaced.
        before.manifest = None;
        if before.version.is_none() {
            let keys = store.list(&names::chunk_key_start(prefix), "", ctx).await?;
            let places = keys.iter().filter_map(|key| names::parse_chunk_key(prefix, key));
            let old = |(partition, batch)| OldChunk { base: base.clone(), partition, batch };
            before.chunks = places.map(old).collect();
        }
        lease.announce(Publishing { replaces: before.version.clone(), ..Publishing::default() }, ctx).await?;
        store.delete(&[manifest_key], ctx).await?;
        return Ok(before);
    }
    if let (Some(places), false) = (&items.plan.places, lease.leftovers().dead_plain) {
        let keys: Vec<String> = places.iter().map(|(p, b)| names::chunk_key(base, *p, *b)).collect();
        for keys in keys.chunks(KEYS_PER_REQUEST) {
            check_absent(shared, keys).await?;
        }
    }
    Ok(Before::default())
}

/// Publishes what was written: the moment at which the dataset begins to exist, or is replaced.
pub(super) async fn publish(
    shared: &Shared,
    index: ManifestBuilder,
    plan: &PlanFacts,
    lease: &Lease,
    before: &Before,
) -> std::result::Result<Published, Failure> {
    let manifest = build(shared, index, plan, lease).map_err(Failure::sure)?;
    let bytes = manifest.encode().map_err(Failure::sure)?;
    let partitions = manifest.partition_count() as u64;
    let publishing = prepare(shared, &manifest, before).await.map_err(Failure::sure)?;
    lease.announce(publishing.clone(), &shared.ctx).await.map_err(Failure::sure)?;
    put_manifest(shared, &manifest, bytes, before).await?;
    if let Some(unix_ms) = publishing.manifest_expires_at_ms {
        let key = names::manifest_key(&shared.prefix);
        // The announcement tells whoever finds it undone.
        if let Err(error) = shared.store.expire_at(&[key], unix_ms, &shared.ctx).await {
            let error = error.context("the dataset was published, but its manifest got no time to live");
            return Err(Failure { error, outcome_known: false });
        }
    }
    Ok(Published {
        upload_id: manifest.upload_id,
        partitions,
        chunks_copied: shared.chunks_copied.load(Relaxed),
        replaced: before.version.as_ref().map(|version| version.upload_id.clone()),
        warnings: Vec::new(),
    })
}

fn build(shared: &Shared, index: ManifestBuilder, plan: &PlanFacts, lease: &Lease) -> Result<Manifest> {
    let schema_frame = match (shared.schema_frame.get(), &plan.schema_frame) {
        (Some(written), _) => written.clone(),
        (None, Some(frame)) => frame.detached(),
        (None, None) => chunk::encode_schema(&plan.schema)?,
    };
    index.finish(ManifestHeader {
        upload_id: lease.upload_id().to_string(),
        created_at: manifest::now(),
        compression: shared.options.compression,
        schema_frame,
        partition_column: plan.partition_column.clone(),
    })
}

/// What publishing involves; chunks get their time to live here, before the manifest exists.
async fn prepare(shared: &Shared, manifest: &Manifest, before: &Before) -> Result<Publishing> {
    let Shared { store, options, ctx, .. } = shared;
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut publishing = Publishing {
        replaces: before.version.clone(),
        // In the plain layout the surplus goes at once.
        grace_ms: if options.versioned { millis(options.grace_period) } else { 0 },
        manifest_expires_at_ms: None,
    };
    if let Some(ttl) = options.ttl {
        let at = store.now_ms(ctx).await?.saturating_add(millis(ttl));
        let keys: Vec<String> = manifest.chunks().map(|chunk| chunk.key).collect();
        let existed = expire_keys(store.as_ref(), &keys, at.saturating_add(CHUNKS_OUTLIVE_MANIFEST_MS), ctx).await?;
        if existed < keys.len() as u64 {
            return Err(Error::chunk_missing(format!(
                "{} of the {} chunks of '{}' are gone from {} before they were published: does the server evict keys?",
                keys.len() as u64 - existed,
                keys.len(),
                shared.prefix,
                store.describe()
            )));
        }
        publishing.manifest_expires_at_ms = Some(at);
    }
    Ok(publishing)
}

/// The one write by which readers see the dataset.
async fn put_manifest(
    shared: &Shared,
    manifest: &Manifest,
    bytes: Payload,
    before: &Before,
) -> std::result::Result<(), Failure> {
    let Shared { store, prefix, ctx, options, .. } = shared;
    let key = names::manifest_key(prefix);
    let put = match before.manifest.as_ref().filter(|_| options.versioned) {
        Some(old) => store.replace_if(&key, old, Some(bytes), ctx).await,
        None => store.put_if_absent(&key, bytes, ctx).await,
    };
    let ours = match put {
        Ok(ours) => ours,
        // The reply was lost, perhaps after the deed: the store knows.
        Err(error) => match load_manifest(store.as_ref(), prefix, ctx).await {
            Ok(found) if found.as_ref().is_some_and(|m| m.upload_id == manifest.upload_id) => true,
            Ok(_) => return Err(Failure::sure(error.context(format!("publishing '{prefix}'")))),
            Err(_) => {
                let error = error.context(format!(
                    "publishing '{prefix}': whether it was published could not be found out (upload {})",
                    manifest.upload_id
                ));
                return Err(Failure { error, outcome_known: false });
            }
        },
    };
    if ours {
        count(Counter::Published, 1);
        return Ok(());
    }
    Err(Failure::sure(Error::conflict(format!(
        "'{prefix}' in {} was published or deleted by somebody else meanwhile: nothing was published by this upload",
        store.describe()
    ))))
}

/// What comes after publishing: the replaced version gets its grace period (in the plain layout, its surplus chunks
/// go), and what dead writers left behind is removed. Returns what could not be done now.
pub(super) async fn tidy(shared: &Shared, before: &Before, lease: &Lease) -> Leftovers {
    let Shared { store, prefix, ctx, .. } = shared;
    let mut left = lease.leftovers().clone();
    if let Some(version) = &before.version {
        left = left.without(&version.upload_id);
    }
    let surplus = surplus(shared, before);
    if let Err(error) = retire(shared, before, &surplus, &mut left).await {
        tracing::warn!(%error, prefix, chunks = surplus.len(), "chunks of the replaced dataset could not be removed");
    }
    if left.is_empty() {
        return left;
    }
    match collect(store.as_ref(), prefix, &left, ctx).await {
        Ok((_, rest)) => rest,
        Err(error) => {
            tracing::warn!(%error, prefix, "what a dead upload left behind could not be removed: see gc");
            left
        }
    }
}

/// The keys of the replaced dataset that were not written anew.
fn surplus(shared: &Shared, before: &Before) -> Vec<String> {
    if before.chunks.is_empty() {
        return Vec::new();
    }
    let mut written = shared.touched_places();
    written.sort_unstable();
    let anew = |old: &OldChunk| old.base == shared.base && written.binary_search(&(old.partition, old.batch)).is_ok();
    before.chunks.iter().filter(|old| !anew(old)).map(OldChunk::key).collect()
}

async fn retire(shared: &Shared, before: &Before, surplus: &[String], left: &mut Leftovers) -> Result<()> {
    let Shared { store, ctx, options, .. } = shared;
    let retired = |until_ms| before.version.clone().map(|version| Retired { version, until_ms });
    if !options.versioned {
        let deleted = delete_keys(store.as_ref(), surplus, ctx).await;
        if deleted.is_err() {
            left.retired.extend(retired(0));
        }
        return deleted.map(drop);
    }
    if surplus.is_empty() {
        return Ok(());
    }
    let grace_ms = u64::try_from(options.grace_period.as_millis()).unwrap_or(u64::MAX);
    let until_ms = store.now_ms(ctx).await?.saturating_add(grace_ms);
    if store.capabilities().expiry {
        let expired = expire_keys(store.as_ref(), surplus, until_ms, ctx).await;
        if expired.is_err() {
            left.retired.extend(retired(until_ms));
        }
        return expired.map(drop);
    }
    left.retired.extend(retired(until_ms));
    Ok(())
}

/// Removes what a failed upload wrote. Returns what is left to be found, for the tombstone.
pub(super) async fn clean_up(shared: &Shared, before: &Before, lease: &Lease, error: &Error) -> Result<Leftovers> {
    let Shared { store, ctx, options, .. } = shared;
    // A plain key may be another writer's by now; one of a version is ours alone.
    if options.versioned || error.kind() != ErrorKind::Conflict {
        delete_keys(store.as_ref(), &shared.touched(), ctx).await?;
    }
    let mut left = lease.leftovers().clone();
    if let Some(version) = before.version.as_ref().filter(|_| !options.versioned) {
        // The dataset that was to be overwritten has lost its manifest.
        left.add_dead(version.clone());
    }
    Ok(left)
}

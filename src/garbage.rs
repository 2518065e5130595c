//! The gc verb: removes what dead uploads left in a store, and nothing else.
//!
//! A writer that dies leaves its lease behind, by whose record its chunks are known. Replaced versions go the
//! same way where a store cannot let them expire.

use std::collections::HashSet;
use std::sync::Arc;

use crate::dataset::{KEYS_PER_REQUEST, delete_keys, load_manifest};
use crate::error::{ErrorKind, Result};
use crate::lease::{Holder, Layout, Lease, Leftovers, Retired, holder};
use crate::names;
use crate::runtime::Context;
use crate::store::Store;

/// What was removed under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectedDataset {
    /// The dataset's name.
    pub prefix: String,
    /// Uploads that had died unpublished, as far as they were on record.
    pub dead_uploads: Vec<String>,
    /// Chunks that were deleted.
    pub chunks: u64,
    /// Replaced versions that stay until their grace period is over.
    pub versions_in_grace: u64,
}

/// What [`collect_garbage`] came to, in the order of the names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GarbageReport {
    /// Where a dead upload was found.
    pub collected: Vec<CollectedDataset>,
    /// Names that a writer is at, or may be: its lease ends by itself within 30 s if it is dead.
    pub in_use: Vec<String>,
}

/// Removes the chunks of dead uploads to datasets whose names start with `start`.
///
/// A dead upload is one whose lease ended without being given back. Chunks that a manifest lists are never
/// touched, nor is anything under a name that has no such lease.
///
/// # Errors
/// What the store reports; `CORRUPT` or `UNSUPPORTED` where a manifest that would protect chunks cannot be read.
pub fn collect_garbage(store: &Arc<dyn Store>, start: &str, ctx: &Context) -> Result<GarbageReport> {
    let (store, start, context) = (store.clone(), start.to_string(), ctx.clone());
    ctx.block_on(async move {
        let mut report = GarbageReport::default();
        let keys = store.list(&start, names::UPLOAD_SUFFIX, &context).await?;
        let mut prefixes: Vec<&str> = keys.iter().filter_map(|key| key.strip_suffix(names::UPLOAD_SUFFIX)).collect();
        prefixes.retain(|prefix| names::check_prefix(prefix).is_ok());
        prefixes.sort_unstable();
        for prefix in prefixes {
            match holder(store.as_ref(), prefix, &context).await? {
                None => {}
                Some(Holder::Alive(_)) => report.in_use.push(prefix.to_string()),
                Some(Holder::Gone) => match collect_prefix(&store, prefix, &context).await {
                    Ok(collected) => report.collected.push(collected),
                    // Somebody was faster.
                    Err(error) if error.kind() == ErrorKind::Conflict => report.in_use.push(prefix.to_string()),
                    Err(error) => return Err(error.context(format!("dataset '{prefix}'"))),
                },
            }
        }
        Ok(report)
    })
}

async fn collect_prefix(store: &Arc<dyn Store>, prefix: &str, ctx: &Context) -> Result<CollectedDataset> {
    // It writes nothing, so what it would leave behind is nobody's concern: not a plain upload.
    let lease = Lease::acquire(store, prefix, Layout::Versioned, ctx).await?;
    let dead_uploads = lease.leftovers().dead_uploads.clone();
    let (chunks, left) = collect(store.as_ref(), prefix, lease.leftovers(), ctx).await?;
    let versions_in_grace = left.retired.len() as u64;
    lease.release(left, ctx).await?;
    Ok(CollectedDataset { prefix: prefix.to_string(), dead_uploads, chunks, versions_in_grace })
}

/// Removes what earlier writers left behind, under the lease; returns how many chunks went, and what is left.
pub(crate) async fn collect(
    store: &dyn Store,
    prefix: &str,
    leftovers: &Leftovers,
    ctx: &Context,
) -> Result<(u64, Leftovers)> {
    let manifest = load_manifest(store, prefix, ctx).await?;
    let live: HashSet<String> = manifest.iter().flat_map(|manifest| manifest.chunks().map(|chunk| chunk.key)).collect();
    let now = store.now_ms(ctx).await?;
    let (waiting, over): (Vec<Retired>, Vec<Retired>) =
        leftovers.retired.iter().cloned().partition(|retired| retired.until_ms > now);
    let mut bases: Vec<String> = leftovers.dead_uploads.iter().map(|id| names::version_base(prefix, id)).collect();
    bases.extend(leftovers.dead_plain.then(|| prefix.to_string()));
    bases.extend(over.iter().map(|retired| retired.version.base(prefix)));
    // Where a version still has readers, what shares its keys waits with it.
    let kept: Vec<String> = waiting.iter().map(|retired| retired.version.base(prefix)).collect();
    bases.retain(|base| !kept.contains(base));
    let deleted = delete_keys(store, &chunk_keys(store, prefix, &bases, &live, ctx).await?, ctx).await?;
    if !store.capabilities().expiry {
        let dead_plain = leftovers.dead_plain && kept.iter().any(|base| base == prefix);
        return Ok((deleted, Leftovers { dead_plain, retired: waiting, ..Leftovers::default() }));
    }
    for retired in &waiting {
        let keys = chunk_keys(store, prefix, &[retired.version.base(prefix)], &live, ctx).await?;
        expire_keys(store, &keys, retired.until_ms, ctx).await?;
    }
    Ok((deleted, Leftovers::default()))
}

/// The keys of the chunks of some bases, without those that the manifest lists.
async fn chunk_keys(
    store: &dyn Store,
    prefix: &str,
    bases: &[String],
    live: &HashSet<String>,
    ctx: &Context,
) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    if bases.iter().any(|base| base == prefix) {
        keys.extend(store.list(&names::chunk_key_start(prefix), "", ctx).await?);
    }
    if bases.iter().any(|base| base != prefix) {
        keys.extend(store.list(&names::version_base(prefix, ""), "", ctx).await?);
    }
    keys.retain(|key| {
        let base = key.split_once(":{part=").map_or("", |(base, _)| base);
        bases.iter().any(|wanted| wanted == base) && names::parse_chunk_key(base, key).is_some() && !live.contains(key)
    });
    Ok(keys)
}

/// Lets many keys vanish at a time; returns how many existed.
pub(crate) async fn expire_keys(store: &dyn Store, keys: &[String], unix_ms: u64, ctx: &Context) -> Result<u64> {
    let mut existed = 0;
    for part in keys.chunks(KEYS_PER_REQUEST) {
        existed += store.expire_at(part, unix_ms, ctx).await?;
    }
    Ok(existed)
}

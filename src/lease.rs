//! The writer's lease: of two writers of one dataset, one is told so before it does harm.
//!
//! `PREFIX:upload` names the upload that writes. The key itself never expires, so that a dead writer leaves a
//! tombstone by which its chunks can be found; the lease within it ends by the store's clock. What the value
//! says, and what a takeover makes of it, is in [`record`].

mod record;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::buffer::Buffer;
use rand::Rng;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::dataset::load_manifest;
use crate::error::{Error, ErrorKind, Result};
use crate::names;
use crate::runtime::{Context, runtime};
use crate::store::{Store, StoreExt};
use record::Record;
pub(crate) use record::{Layout, Leftovers, Publishing, Retired, Version};

/// How long a lease holds without renewal.
const LEASE: Duration = Duration::from_secs(30);
/// How often it is renewed: two renewals may fail before it ends.
const RENEWAL: Duration = Duration::from_secs(10);

/// A held lease. Renewed in the background until it is released or dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    shared: Arc<Shared>,
    upload_id: String,
    leftovers: Leftovers,
    renewal: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    key: String,
    /// What the key must hold as long as the lease is ours.
    current: Mutex<Record>,
    lost: AtomicBool,
}

/// A new upload's name: 32 random hexadecimal digits.
fn new_upload_id() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

impl Lease {
    /// Takes the lease of a dataset for a new upload.
    ///
    /// # Errors
    /// `CONFLICT` while another writer holds it.
    pub(crate) async fn acquire(store: &Arc<dyn Store>, prefix: &str, layout: Layout, ctx: &Context) -> Result<Lease> {
        let key = names::upload_key(prefix);
        let now = store.now_ms(ctx).await?;
        let mut record = Record::new(new_upload_id(), layout, now + LEASE.as_millis() as u64);
        if !store.put_if_absent(&key, vec![Buffer::from_vec(record.encode()?)], ctx).await? {
            take_over(store.as_ref(), &key, prefix, &mut record, now, ctx).await?;
        }
        let (upload_id, leftovers) = (record.upload_id.clone(), record.leftovers.clone());
        let shared =
            Arc::new(Shared { store: store.clone(), key, current: Mutex::new(record), lost: AtomicBool::new(false) });
        let renewal = runtime()?.spawn(renew_forever(shared.clone(), ctx.clone()));
        Ok(Lease { shared, upload_id, leftovers, renewal })
    }

    /// The name of the upload that holds the lease.
    pub(crate) fn upload_id(&self) -> &str {
        &self.upload_id
    }

    /// What earlier writers left behind, as far as it was on record when the lease was taken.
    pub(crate) fn leftovers(&self) -> &Leftovers {
        &self.leftovers
    }

    /// Fails with `CONFLICT` unless the lease is still ours, by the store's word.
    pub(crate) async fn check(&self, ctx: &Context) -> Result<()> {
        let record = self.shared.current.lock().await;
        if self.shared.lost.load(Ordering::Acquire) {
            return Err(self.shared.lost_error());
        }
        let held = self.shared.store.get(&self.shared.key, ctx).await?;
        if held.is_some_and(|held| held.as_slice() == record.encode().unwrap_or_default()) {
            return Ok(());
        }
        self.shared.lost.store(true, Ordering::Release);
        Err(self.shared.lost_error())
    }

    /// Puts on record what is about to be published, so that whoever finds this upload dead can finish the work.
    /// Fails like [`Lease::check`], which it includes.
    pub(crate) async fn announce(&self, publishing: Publishing, ctx: &Context) -> Result<()> {
        let mut record = self.shared.current.lock().await;
        let announced = Record { publishing: Some(publishing), ..record.clone() };
        if self.shared.lost.load(Ordering::Acquire) || !self.shared.replace(&record, Some(&announced), ctx).await? {
            self.shared.lost.store(true, Ordering::Release);
            return Err(self.shared.lost_error());
        }
        *record = announced;
        Ok(())
    }

    /// Gives the lease back. The key goes, unless something is left to be found later.
    pub(crate) async fn release(self, left: Leftovers, ctx: &Context) -> Result<()> {
        self.renewal.abort();
        let record = self.shared.current.lock().await;
        let tombstone = (!left.is_empty()).then(|| record.released(left));
        self.shared.replace(&record, tombstone.as_ref(), ctx).await?;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Shared {
    fn lost_error(&self) -> Error {
        Error::conflict(format!(
            "another writer has taken over '{}' in {}: nothing was published by this upload",
            self.key,
            self.store.describe()
        ))
    }

    async fn replace(&self, old: &Record, new: Option<&Record>, ctx: &Context) -> Result<bool> {
        let new = new.map(Record::encode).transpose()?.map(|new| vec![Buffer::from_vec(new)]);
        self.store.replace_if(&self.key, &old.encode()?, new, ctx).await
    }
}

/// Takes a lease whose time is over, with all that its record says.
async fn take_over(
    store: &dyn Store,
    key: &str,
    prefix: &str,
    record: &mut Record,
    now: u64,
    ctx: &Context,
) -> Result<()> {
    let conflict = |who: String| {
        Error::conflict(format!(
            "'{prefix}' in {} is being written by another upload{who}: wait for it, or choose another prefix",
            store.describe()
        ))
    };
    let Some(held) = store.get(key, ctx).await? else {
        // Released between our two requests: its writer has just finished.
        return match store.put_if_absent(key, vec![Buffer::from_vec(record.encode()?)], ctx).await? {
            true => Ok(()),
            false => Err(conflict(String::new())),
        };
    };
    let other = Record::decode(&held)
        .ok_or_else(|| Error::corrupt(format!("'{key}' in {} is not the lease of an upload", store.describe())))?;
    if other.expires_at_ms > now {
        let seconds = (other.expires_at_ms - now).div_ceil(1000);
        return Err(conflict(format!(" ({}, whose lease ends in {seconds} s unless renewed)", other.upload_id)));
    }
    let published = published_upload(store, prefix, ctx).await?;
    let manifest_expires_at = other.unfinished_expiry(published.as_deref());
    record.leftovers = other.into_leftovers(published.as_deref(), now);
    let new = vec![Buffer::from_vec(record.encode()?)];
    if !store.replace_if(key, &held, Some(new), ctx).await? {
        return Err(conflict(String::new()));
    }
    if let Some(unix_ms) = manifest_expires_at {
        store.expire_at(&[names::manifest_key(prefix)], unix_ms, ctx).await?;
    }
    Ok(())
}

/// The upload that readers see now. One whose manifest cannot be read is not known.
async fn published_upload(store: &dyn Store, prefix: &str, ctx: &Context) -> Result<Option<String>> {
    match load_manifest(store, prefix, ctx).await {
        Ok(manifest) => Ok(manifest.map(|manifest| manifest.upload_id)),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the lease's key of a dataset says: whether a writer holds it now, and nothing if it is no lease.
pub(crate) async fn holder(store: &dyn Store, prefix: &str, ctx: &Context) -> Result<Option<Holder>> {
    let Some(held) = store.get(&names::upload_key(prefix), ctx).await? else { return Ok(None) };
    let Some(record) = Record::decode(&held) else { return Ok(None) };
    let now = store.now_ms(ctx).await?;
    Ok(Some(match record.expires_at_ms > now {
        true => Holder::Alive(record.upload_id),
        false => Holder::Gone,
    }))
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A writer whose time is not over.
    Alive(String),
    /// Nobody any more: the key is a tombstone.
    Gone,
}

async fn renew_forever(shared: Arc<Shared>, ctx: Context) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let mut record = shared.current.lock().await;
        match renew(&shared, &record, &ctx).await {
            Ok(Some(renewed)) => *record = renewed,
            Ok(None) => {
                shared.lost.store(true, Ordering::Release);
                return;
            }
            // The next check asks the store itself.
            Err(error) => tracing::warn!(key = shared.key, %error, "the lease could not be renewed"),
        }
    }
}

/// `None` when the lease is no longer ours.
async fn renew(shared: &Shared, record: &Record, ctx: &Context) -> Result<Option<Record>> {
    let now = shared.store.now_ms(ctx).await?;
    let renewed = Record { expires_at_ms: now + LEASE.as_millis() as u64, ..record.clone() };
    let replaced = shared.replace(record, Some(&renewed), ctx).await?;
    Ok(replaced.then_some(renewed))
}

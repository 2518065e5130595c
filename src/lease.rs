//! The writer's lease: of two writers of one dataset, one is told so before it does harm.
//!
//! `PREFIX:upload` names the upload that writes. The key itself never expires, so that a dead writer leaves a
//! tombstone by which its chunks can be found; the lease within it ends by the store's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::buffer::Buffer;
use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::names;
use crate::runtime::{Context, runtime};
use crate::store::{Store, StoreExt};

/// How long a lease holds without renewal.
const LEASE: Duration = Duration::from_secs(30);
/// How often it is renewed: two renewals may fail before it ends.
const RENEWAL: Duration = Duration::from_secs(10);

/// The value of the lease's key, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    format_version: u32,
    upload_id: String,
    /// Milliseconds since 1970 by the store's clock.
    expires_at_ms: u64,
    /// Uploads that died and whose chunks may still be there.
    #[serde(default)]
    dead_uploads: Vec<String>,
}

impl Record {
    fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::internal(format!("a lease cannot be written: {e}")))
    }
}

/// A held lease. Renewed in the background until it is released or dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    shared: Arc<Shared>,
    upload_id: String,
    took_over: bool,
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
    pub(crate) async fn acquire(store: &Arc<dyn Store>, prefix: &str, ctx: &Context) -> Result<Lease> {
        let key = names::upload_key(prefix);
        let now = store.now_ms(ctx).await?;
        let mut record = Record {
            format_version: crate::FORMAT_VERSION,
            upload_id: new_upload_id(),
            expires_at_ms: now + LEASE.as_millis() as u64,
            dead_uploads: Vec::new(),
        };
        let took_over = if store.put_if_absent(&key, &record.encode()?, ctx).await? {
            false
        } else {
            take_over(store.as_ref(), &key, prefix, &mut record, now, ctx).await?
        };
        let upload_id = record.upload_id.clone();
        let shared =
            Arc::new(Shared { store: store.clone(), key, current: Mutex::new(record), lost: AtomicBool::new(false) });
        let renewal = runtime()?.spawn(renew_forever(shared.clone(), ctx.clone()));
        Ok(Lease { shared, upload_id, took_over, renewal })
    }

    /// The name of the upload that holds the lease.
    pub(crate) fn upload_id(&self) -> &str {
        &self.upload_id
    }

    /// Whether a dead writer's lease was taken over: then its chunks may still be there.
    pub(crate) fn took_over(&self) -> bool {
        self.took_over
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

    /// Gives the lease back: nothing of this upload needs to be found later.
    pub(crate) async fn release(self, ctx: &Context) -> Result<()> {
        self.renewal.abort();
        let record = self.shared.current.lock().await;
        self.shared.store.replace_if(&self.shared.key, &record.encode()?, None, ctx).await?;
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
}

async fn take_over(
    store: &dyn Store,
    key: &str,
    prefix: &str,
    record: &mut Record,
    now: u64,
    ctx: &Context,
) -> Result<bool> {
    let conflict = |who: String| {
        Error::conflict(format!(
            "'{prefix}' in {} is being written by another upload{who}: wait for it, or choose another prefix",
            store.describe()
        ))
    };
    let Some(held) = store.get(key, ctx).await? else {
        // Released between our two requests: its writer has just finished.
        return if store.put_if_absent(key, &record.encode()?, ctx).await? {
            Ok(false)
        } else {
            Err(conflict(String::new()))
        };
    };
    let other: Record = serde_json::from_slice(&held)
        .map_err(|_| Error::corrupt(format!("'{key}' in {} is not the lease of an upload", store.describe())))?;
    if other.expires_at_ms > now {
        let seconds = (other.expires_at_ms - now).div_ceil(1000);
        return Err(conflict(format!(" ({}, whose lease ends in {seconds} s unless renewed)", other.upload_id)));
    }
    record.dead_uploads = other.dead_uploads;
    record.dead_uploads.push(other.upload_id);
    let new = vec![Buffer::from_vec(record.encode()?)];
    if store.replace_if(key, &held, Some(new), ctx).await? { Ok(true) } else { Err(conflict(String::new())) }
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
    let new = vec![Buffer::from_vec(renewed.encode()?)];
    let replaced = shared.store.replace_if(&shared.key, &record.encode()?, Some(new), ctx).await?;
    Ok(replaced.then_some(renewed))
}

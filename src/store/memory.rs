//! `memory://NAME`: a store within this process, for tests and for data that need not outlive it.
//!
//! All that open the same name share one store for as long as any of them holds it; `memory://` without a name
//! is a store of its own. A value is one aligned block of memory, and reading it hands out that block.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arrow::buffer::Buffer;

use super::{BoxFuture, Capabilities, OnValue, Payload, ServerInfo, Store, payload_len};
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::runtime::Context;

static NAMED: Mutex<Option<HashMap<String, Weak<MemoryStore>>>> = Mutex::new(None);

/// Keys and values in this process's memory.
pub(crate) struct MemoryStore {
    url: String,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    values: BTreeMap<String, Entry>,
    /// No value vanishes before this time, in milliseconds since 1970.
    next_expiry: Option<u64>,
}

struct Entry {
    value: Buffer,
    expires_at: Option<u64>,
}

impl MemoryStore {
    /// Opens `memory://NAME`, or a fresh private store for `memory://`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the URL has another form.
    pub(crate) fn open(url: &str) -> Result<Arc<MemoryStore>> {
        let name = url
            .strip_prefix("memory://")
            .ok_or_else(|| Error::invalid_argument("a store in memory is opened by memory://NAME or memory://"))?;
        if name.is_empty() {
            return Ok(Arc::new(Self::empty(url)));
        }
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        let named = named.get_or_insert_default();
        if let Some(store) = named.get(name).and_then(Weak::upgrade) {
            return Ok(store);
        }
        let store = Arc::new(Self::empty(url));
        named.retain(|_, store| store.strong_count() > 0);
        named.insert(name.to_string(), Arc::downgrade(&store));
        Ok(store)
    }

    fn empty(url: &str) -> Self {
        MemoryStore { url: url.to_string(), entries: Mutex::default() }
    }

    /// The values that exist now: what has expired is dropped first, so nobody else needs to look at times.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let now = unix_ms();
        if entries.next_expiry.is_some_and(|at| at <= now) {
            entries.values.retain(|_, entry| entry.expires_at.is_none_or(|at| at > now));
            entries.next_expiry = entries.values.values().filter_map(|entry| entry.expires_at).min();
        }
        entries
    }
}

/// This computer's clock, in milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Entry {
    fn new(parts: &[Buffer]) -> Result<Self> {
        let mut memory = Memory::new(payload_len(parts))?;
        let mut rest = memory.as_mut_slice();
        for part in parts {
            let (target, tail) = rest.split_at_mut(part.len());
            target.copy_from_slice(part);
            rest = tail;
        }
        Ok(Entry { value: memory.freeze(), expires_at: None })
    }
}

/// The part of a value that a range names, as far as there is one.
fn slice(value: &Buffer, range: &Range<u64>) -> Buffer {
    let within = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(value.len());
    let (start, end) = (within(range.start), within(range.end));
    value.slice_with_length(start, end.saturating_sub(start))
}

impl Store for MemoryStore {
    fn describe(&self) -> &str {
        &self.url
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { expiry: true, shared: false, max_value_bytes: None }
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [String],
        _ctx: &'a Context,
        on_value: OnValue<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for (index, key) in keys.iter().enumerate() {
                let value = self.lock().values.get(key).map(|entry| entry.value.clone());
                on_value(index, value);
            }
            Ok(())
        })
    }

    fn get_ranges<'a>(
        &'a self,
        ranges: &'a [(String, Range<u64>)],
        _ctx: &'a Context,
        on_value: OnValue<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for (index, (key, range)) in ranges.iter().enumerate() {
                let value = self.lock().values.get(key).map(|entry| slice(&entry.value, range));
                on_value(index, value);
            }
            Ok(())
        })
    }

    fn sizes<'a>(&'a self, keys: &'a [String], _ctx: &'a Context) -> BoxFuture<'a, Result<Vec<Option<u64>>>> {
        Box::pin(async move {
            let entries = self.lock();
            Ok(keys.iter().map(|key| entries.values.get(key).map(|entry| entry.value.len() as u64)).collect())
        })
    }

    fn put_many<'a>(&'a self, puts: &'a [(String, Payload)], _ctx: &'a Context) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for (key, payload) in puts {
                let entry = Entry::new(payload)?;
                // An old value may be large: it is freed outside the lock.
                let old = self.lock().values.insert(key.clone(), entry);
                drop(old);
            }
            Ok(())
        })
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, value: Payload, _ctx: &'a Context) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let entry = Entry::new(&value)?;
            let mut entries = self.lock();
            if entries.values.contains_key(key) {
                return Ok(false);
            }
            entries.values.insert(key.to_string(), entry);
            Ok(true)
        })
    }

    fn replace_if<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Option<Payload>,
        _ctx: &'a Context,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let new = new.map(|payload| Entry::new(&payload)).transpose()?;
            let mut entries = self.lock();
            let Some(current) = entries.values.get_mut(key) else { return Ok(false) };
            if new.as_ref().is_some_and(|new| new.value == current.value) {
                return Ok(true);
            }
            if current.value.as_slice() != expected {
                return Ok(false);
            }
            match new {
                Some(new) => *current = new,
                None => drop(entries.values.remove(key)),
            }
            Ok(true)
        })
    }

    fn delete<'a>(&'a self, keys: &'a [String], _ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let deleted = keys.iter().filter_map(|key| self.lock().values.remove(key)).count();
            Ok(deleted as u64)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, suffix: &'a str, _ctx: &'a Context) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(async move {
            let entries = self.lock();
            let from_prefix = entries.values.range(prefix.to_string()..).map(|(key, _)| key);
            let with_prefix = from_prefix.take_while(|key| key.starts_with(prefix));
            Ok(with_prefix.filter(|key| key.ends_with(suffix)).cloned().collect())
        })
    }

    fn expire_at<'a>(&'a self, keys: &'a [String], unix_ms: u64, _ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let mut entries = self.lock();
            let mut existed = 0;
            for key in keys {
                if let Some(entry) = entries.values.get_mut(key) {
                    entry.expires_at = Some(unix_ms);
                    existed += 1;
                }
            }
            entries.next_expiry = Some(entries.next_expiry.unwrap_or(unix_ms).min(unix_ms));
            Ok(existed)
        })
    }

    fn now_ms<'a>(&'a self, _ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move { Ok(unix_ms()) })
    }

    fn nodes_of<'a>(&'a self, keys: &'a [String], _ctx: &'a Context) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(std::future::ready(Ok(vec![self.url.clone(); keys.len()])))
    }

    fn set_credentials(&self, _user: Option<&str>, _password: &str) -> Result<()> {
        Err(super::no_credentials(self))
    }

    fn ping<'a>(&'a self, _ctx: &'a Context) -> BoxFuture<'a, Result<ServerInfo>> {
        Box::pin(async move {
            let start = Instant::now();
            let used_memory = self.lock().values.values().map(|entry| entry.value.len() as u64).sum();
            Ok(ServerInfo {
                server: "memory".to_string(),
                used_memory: Some(used_memory),
                latencies: vec![start.elapsed()],
                ..ServerInfo::default()
            })
        })
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{StoreExt, StoreOptions, conformance};
    use super::*;

    fn put(store: &Arc<MemoryStore>, key: &str, payload: Payload) {
        let (store, entry) = (store.clone(), (key.to_string(), payload));
        Context::new().block_on(async move { store.put_many(&[entry], &Context::new()).await }).unwrap();
    }

    fn get(store: &Arc<MemoryStore>, key: &str) -> Option<Buffer> {
        let (store, key) = (store.clone(), key.to_string());
        Context::new().block_on(async move { store.get(&key, &Context::new()).await }).unwrap()
    }

    #[test]
    fn it_is_a_store() {
        conformance::check(super::super::open("memory://conformance", &StoreOptions::default()).unwrap());
    }

    #[test]
    fn a_name_is_shared_until_its_last_handle_is_gone() {
        let first = MemoryStore::open("memory://shared-name").unwrap();
        let second = MemoryStore::open("memory://shared-name").unwrap();
        put(&first, "key", vec![Buffer::from(b"value")]);
        drop(first);
        assert_eq!(get(&second, "key"), Some(Buffer::from(b"value")));
        drop(second);
        assert_eq!(get(&MemoryStore::open("memory://shared-name").unwrap(), "key"), None);
    }

    #[test]
    fn without_a_name_every_store_is_its_own() {
        let first = MemoryStore::open("memory://").unwrap();
        put(&first, "key", vec![Buffer::from(b"value")]);
        assert_eq!(get(&MemoryStore::open("memory://").unwrap(), "key"), None);
        let error = MemoryStore::open("memory:name").unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
    }

    #[test]
    fn reading_copies_nothing() {
        let store = MemoryStore::open("memory://").unwrap();
        put(&store, "key", vec![Buffer::from(vec![1u8; 3 << 20])]);
        let (first, second) = (get(&store, "key").unwrap(), get(&store, "key").unwrap());
        assert_eq!(first.as_ptr(), second.as_ptr());
        put(&store, "key", vec![Buffer::from(vec![2u8; 3 << 20])]);
        assert!(first.iter().all(|byte| *byte == 1), "a value that was handed out never changes");
    }
}

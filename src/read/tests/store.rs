//! A store that counts what is taken out of it, and lets a test step in.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use arrow::buffer::Buffer;

use crate::error::Result;
use crate::runtime::Context;
use crate::store::{BoxFuture, Capabilities, OnValue, Payload, ServerInfo, Store};

type Step = Box<dyn FnOnce() + Send>;

/// Another store, watched.
pub(super) struct Watched {
    inner: Arc<dyn Store>,
    /// Bytes of chunks that were handed out.
    pub(super) chunk_bytes: AtomicU64,
    /// Requests for parts of values.
    pub(super) range_requests: AtomicUsize,
    /// Done before a request for parts of values, by its number.
    before: Mutex<Vec<(usize, Step)>>,
}

impl Watched {
    pub(super) fn new(inner: Arc<dyn Store>) -> Arc<Watched> {
        Arc::new(Watched {
            inner,
            chunk_bytes: AtomicU64::new(0),
            range_requests: AtomicUsize::new(0),
            before: Mutex::default(),
        })
    }

    /// Has something done before the request for parts of values with this number, counted from 0.
    pub(super) fn before(&self, request: usize, step: impl FnOnce() + Send + 'static) {
        self.before.lock().unwrap().push((request, Box::new(step)));
    }

    fn step_before(&self, request: usize) -> Option<Step> {
        let mut before = self.before.lock().unwrap();
        before.iter().position(|(number, _)| *number == request).map(|at| before.remove(at).1)
    }

    fn count(&self, key: &str, value: Option<&Buffer>) {
        if key.contains(":batch=") {
            self.chunk_bytes.fetch_add(value.map_or(0, Buffer::len) as u64, SeqCst);
        }
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl Store for Watched {
    fn describe(&self) -> &str {
        self.inner.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [String],
        ctx: &'a Context,
        on_value: OnValue<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut counted = |index: usize, value: Option<Buffer>| {
                self.count(&keys[index], value.as_ref());
                on_value(index, value);
            };
            self.inner.get_many(keys, ctx, &mut counted).await
        })
    }

    fn get_ranges<'a>(
        &'a self,
        ranges: &'a [(String, Range<u64>)],
        ctx: &'a Context,
        on_value: OnValue<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let request = self.range_requests.fetch_add(1, SeqCst);
            if let Some(step) = self.step_before(request) {
                // What it does may itself wait for the I/O threads.
                tokio::task::block_in_place(step);
            }
            let mut counted = |index: usize, value: Option<Buffer>| {
                self.count(&ranges[index].0, value.as_ref());
                on_value(index, value);
            };
            self.inner.get_ranges(ranges, ctx, &mut counted).await
        })
    }

    fn sizes<'a>(&'a self, keys: &'a [String], ctx: &'a Context) -> BoxFuture<'a, Result<Vec<Option<u64>>>> {
        self.inner.sizes(keys, ctx)
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Payload)], ctx: &'a Context) -> BoxFuture<'a, Result<()>> {
        self.inner.put_many(entries, ctx)
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, value: Payload, ctx: &'a Context) -> BoxFuture<'a, Result<bool>> {
        self.inner.put_if_absent(key, value, ctx)
    }

    fn replace_if<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Option<Payload>,
        ctx: &'a Context,
    ) -> BoxFuture<'a, Result<bool>> {
        self.inner.replace_if(key, expected, new, ctx)
    }

    fn delete<'a>(&'a self, keys: &'a [String], ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        self.inner.delete(keys, ctx)
    }

    fn list<'a>(&'a self, prefix: &'a str, suffix: &'a str, ctx: &'a Context) -> BoxFuture<'a, Result<Vec<String>>> {
        self.inner.list(prefix, suffix, ctx)
    }

    fn expire_at<'a>(&'a self, keys: &'a [String], unix_ms: u64, ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        self.inner.expire_at(keys, unix_ms, ctx)
    }

    fn now_ms<'a>(&'a self, ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        self.inner.now_ms(ctx)
    }

    fn nodes_of<'a>(&'a self, keys: &'a [String], ctx: &'a Context) -> BoxFuture<'a, Result<Vec<String>>> {
        self.inner.nodes_of(keys, ctx)
    }

    fn set_credentials(&self, user: Option<&str>, password: &str) -> Result<()> {
        self.inner.set_credentials(user, password)
    }

    fn ping<'a>(&'a self, ctx: &'a Context) -> BoxFuture<'a, Result<ServerInfo>> {
        self.inner.ping(ctx)
    }
}

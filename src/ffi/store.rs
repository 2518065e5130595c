//! Stores.

use std::ffi::c_char;
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::{Error, Result};
use crate::ffi::context::{arrowredis_context, start};
use crate::ffi::error::arrowredis_error;
use crate::ffi::guard::{Growing, Out, OutStruct, Text, borrow, call, give, handle, no_text, release, text};
use crate::ffi::options::{arrowredis_options, or_default};
use crate::store::{self, ServerInfo, Store};

/// A place where datasets live. May be shared by threads. Its connections close when the store is closed or freed
/// and nothing that was opened from it is alive any more.
pub struct arrowredis_store {
    store: RwLock<Option<Arc<dyn Store>>>,
    description: Text,
}

handle!(arrowredis_store, "store", b"ar.store");

impl arrowredis_store {
    /// # Errors
    /// `INVALID_ARGUMENT` once it is closed.
    pub(crate) fn store(&self) -> Result<Arc<dyn Store>> {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner).clone();
        store.ok_or_else(|| Error::invalid_argument("argument 'store' was closed: open it again"))
    }
}

/// Opens a store by its URL: `redis://`, `rediss://`, `unix://`, `file:///dir` or `memory://NAME`.
///
/// A server is not contacted before the first operation. `options` are of kind `ARROWREDIS_OPTIONS_STORE`, or NULL.
/// The caller owns `*out`. Errors: INVALID_ARGUMENT when the URL or an option cannot be used; messages never show a
/// password.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_store_open(
    url: *const c_char,
    url_length: usize,
    options: *const arrowredis_options,
    out: *mut *mut arrowredis_store,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (url, out) = (text(url, url_length, "url")?, Out::new(out, "out")?);
        let store = store::open(url, &or_default(options, arrowredis_options::store)?)?;
        let description = Text::new(store.describe());
        out.set(give(arrowredis_store { store: RwLock::new(Some(store)), description }));
        Ok(())
    })
}

/// Where the store is, without any credential: for messages. Borrowed from the store; NULL for a NULL store.
/// `length` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_store_description(store: *const arrowredis_store, length: *mut usize) -> *const c_char {
    borrow(store, "store").map_or_else(|_| no_text(length), |store| store.description.lend(length))
}

/// Logs in with other credentials from now on, for tokens that rotate: a new connection uses them, requests under way
/// end as they are, and connections made with the old ones serve no further request. Any thread may call it.
///
/// An empty `user` keeps the one that the store was opened with. The texts are copied and never shown. Errors:
/// UNSUPPORTED for a store that nobody logs in to.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_store_set_credentials(
    store: *const arrowredis_store,
    user: *const c_char,
    user_length: usize,
    password: *const c_char,
    password_length: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (user, password) = (text(user, user_length, "user")?, text(password, password_length, "password")?);
        let store = borrow(store, "store")?.store()?;
        store.set_credentials((!user.is_empty()).then_some(user), password)
    })
}

/// Closes a store: later calls with it fail with INVALID_ARGUMENT. Datasets and readers that were opened from it
/// go on. The handle must still be freed.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_store_close(store: *mut arrowredis_store, err: *mut *mut arrowredis_error) -> i32 {
    call(err, || {
        let store = borrow(store, "store")?;
        store.store()?;
        let closed = store.store.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(closed);
        Ok(())
    })
}

/// Frees a store; datasets and readers that were opened from it go on. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_store_free(store: *mut arrowredis_store) {
    release(store);
}

/// What a server said of itself. Immutable.
pub struct arrowredis_server_info {
    info: ServerInfo,
    server: Text,
    version: Text,
    role: Text,
    max_memory_policy: Option<Text>,
    denied_commands: Vec<Text>,
}

handle!(arrowredis_server_info, "server info", b"ar.srvrs");

/// The fields of a server info. Strings are borrowed from it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct arrowredis_server_fields {
    /// The product, such as `redis`, `valkey`, `directory` or `memory`.
    pub server: *const c_char,
    /// Its version; empty where there is none.
    pub version: *const c_char,
    /// `master`, `replica` or empty.
    pub role: *const c_char,
    /// What the server evicts when full; NULL where it would not say.
    pub max_memory_policy: *const c_char,
    /// The server's memory limit in bytes; 0 means none, -1 that it would not say.
    pub max_memory_bytes: i64,
    /// The bytes that the server uses now; -1 if it would not say.
    pub used_memory_bytes: i64,
    /// 1 if the server is part of a cluster.
    pub cluster: u64,
    /// 1 if the connection is encrypted.
    pub tls: u64,
    /// The median round-trip time of a few pings in seconds; 0 for stores without a server.
    pub latency_seconds: f64,
    /// How many commands that this library needs the user may not run.
    pub denied_commands: u64,
}

// SAFETY: fields of eight bytes, for all of which any bits are a value; no padding.
unsafe impl Growing for arrowredis_server_fields {}

/// Asks a store how it is. The caller owns `*out`.
///
/// Errors: what keeps it from answering, such as UNAVAILABLE or PERMISSION_DENIED, naming the address.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_store_ping(
    store: *const arrowredis_store,
    context: *const arrowredis_context,
    out: *mut *mut arrowredis_server_info,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (store, out) = (borrow(store, "store")?.store()?, Out::new(out, "out")?);
        let info = store::ping(&store, &start(context)?)?;
        out.set(give(arrowredis_server_info {
            server: Text::new(&info.server),
            version: Text::new(&info.version),
            role: Text::new(&info.role),
            max_memory_policy: info.max_memory_policy.as_deref().map(Text::new),
            denied_commands: info.denied_commands.iter().map(|command| Text::new(command)).collect(),
            info,
        }));
        Ok(())
    })
}

/// The fields of a server info. `out_size` is `sizeof(arrowredis_server_fields)`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_server_info_fields(
    info: *const arrowredis_server_info,
    out: *mut arrowredis_server_fields,
    out_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = OutStruct::new(out, out_size, "out")?;
        let server = borrow(info, "info")?;
        let info = &server.info;
        let mut latencies = info.latencies.clone();
        latencies.sort();
        let median = latencies.get(latencies.len() / 2).copied().unwrap_or_default();
        out.set(&arrowredis_server_fields {
            server: server.server.pointer(),
            version: server.version.pointer(),
            role: server.role.pointer(),
            max_memory_policy: server.max_memory_policy.as_ref().map_or(std::ptr::null(), Text::pointer),
            max_memory_bytes: or_minus_one(info.max_memory),
            used_memory_bytes: or_minus_one(info.used_memory),
            cluster: u64::from(info.cluster),
            tls: u64::from(info.tls),
            latency_seconds: median.as_secs_f64(),
            denied_commands: info.denied_commands.len() as u64,
        });
        Ok(())
    })
}

/// A number that may be unknown, for C.
pub(crate) fn or_minus_one(number: Option<u64>) -> i64 {
    number.map_or(-1, |number| i64::try_from(number).unwrap_or(i64::MAX))
}

/// A command that this library needs and the user may not run, by its index from 0; NULL beyond the last. Borrowed
/// from the server info. `length` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_server_info_denied_command(
    info: *const arrowredis_server_info,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    let command = borrow(info, "info").ok().and_then(|server| server.denied_commands.get(index));
    command.map_or_else(|| no_text(length), |command| command.lend(length))
}

/// Frees a server info. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_server_info_free(info: *mut arrowredis_server_info) {
    release(info);
}

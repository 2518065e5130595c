//! Where chunks live.
//!
//! [`Store`] is the narrow trait that every backend implements: keys to bytes, nothing about Arrow. A new
//! backend is one file in this folder and one line in [`open`]. All backends pass the same conformance suite.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow::buffer::Buffer;
pub use futures::future::BoxFuture;

use crate::error::{Error, Result};
use crate::options::options;
use crate::runtime::Context;

/// A value to be written: the parts follow each other and are never joined on the way out.
pub type Payload = Vec<Buffer>;

/// The length of a payload in bytes.
pub fn payload_len(payload: &[Buffer]) -> usize {
    payload.iter().map(Buffer::len).sum()
}

/// The bytes of a payload.
pub(crate) fn joined(payload: &[Buffer]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload_len(payload));
    payload.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// Receives values as they arrive, by the index of their key; `None` where the key does not exist.
/// Each index is delivered exactly once when the call succeeds, in no particular order.
pub type OnValue<'a> = &'a mut (dyn FnMut(usize, Option<Buffer>) + Send);

/// What a backend can do beyond storing bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Keys can be given a time at which they vanish.
    pub expiry: bool,
    /// Several processes can work on the same store.
    pub shared: bool,
    /// The most bytes that one value may have, where there is a limit.
    pub max_value_bytes: Option<u64>,
}

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerInfo {
    /// The product, such as `redis`, `valkey`, `directory`, `memory`.
    pub server: String,
    /// Its version, empty where there is none.
    pub version: String,
    /// `master`, `replica`, or empty.
    pub role: String,
    /// Whether the server is part of a cluster.
    pub cluster: bool,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The server's memory limit in bytes; 0 means none; `None` where it would not say.
    pub max_memory: Option<u64>,
    /// What the server evicts when full.
    pub max_memory_policy: Option<String>,
    /// Bytes that the server uses now.
    pub used_memory: Option<u64>,
    /// Round-trip times of a few pings.
    pub latencies: Vec<Duration>,
    /// Commands that this library needs and the user may not run.
    pub denied_commands: Vec<String>,
}

/// A place that maps keys to bytes. Shared by threads; every method may be called concurrently.
///
/// Methods retry what can succeed later, within the store's own limits, and count that in the context's
/// progress; they do not look at the context's deadline or token, since the caller drops the future then.
pub trait Store: Send + Sync + fmt::Debug {
    /// Where this is, without any credential: for messages.
    fn describe(&self) -> &str;

    /// What this backend can do.
    fn capabilities(&self) -> Capabilities;

    /// Fetches whole values, handing each over as it arrives.
    fn get_many<'a>(&'a self, keys: &'a [String], ctx: &'a Context, on_value: OnValue<'a>)
    -> BoxFuture<'a, Result<()>>;

    /// Fetches a value that should have so many bytes, by the index 0, and may do so in parts. If it is overwritten
    /// meanwhile, these may be parts of different values, so this is for who has a checksum to tell.
    fn get_in_parts<'a>(
        &'a self,
        key: &'a String,
        bytes: u64,
        ctx: &'a Context,
        on_value: OnValue<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        let _ = bytes;
        self.get_many(std::slice::from_ref(key), ctx, on_value)
    }

    /// Whether a value of so many bytes comes in parts then.
    fn fetches_in_parts(&self, bytes: u64) -> bool {
        let _ = bytes;
        false
    }

    /// Fetches parts of values. A range beyond the value's end yields what there is, possibly nothing; a
    /// missing key yields `None` or nothing.
    fn get_ranges<'a>(
        &'a self,
        ranges: &'a [(String, Range<u64>)],
        ctx: &'a Context,
        on_value: OnValue<'a>,
    ) -> BoxFuture<'a, Result<()>>;

    /// The sizes of values, in the order of the keys; `None` where the key does not exist (or is empty).
    fn sizes<'a>(&'a self, keys: &'a [String], ctx: &'a Context) -> BoxFuture<'a, Result<Vec<Option<u64>>>>;

    /// Writes values, each one atomically: a reader sees the old value or the new one. Clears an expiry.
    fn put_many<'a>(&'a self, entries: &'a [(String, Payload)], ctx: &'a Context) -> BoxFuture<'a, Result<()>>;

    /// Writes a value if the key does not exist; tells whether it did.
    fn put_if_absent<'a>(&'a self, key: &'a str, value: Payload, ctx: &'a Context) -> BoxFuture<'a, Result<bool>>;

    /// Atomically replaces the value `expected` by `new` (or deletes it); tells whether the value was as
    /// expected. `new` must be unique among all values of the key, so that a lost reply can be told from a
    /// lost race: a value that equals `new` already is a success, too. An absent key never is as expected.
    /// Replacing clears an expiry.
    fn replace_if<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Option<Payload>,
        ctx: &'a Context,
    ) -> BoxFuture<'a, Result<bool>>;

    /// Deletes keys; tells how many existed.
    fn delete<'a>(&'a self, keys: &'a [String], ctx: &'a Context) -> BoxFuture<'a, Result<u64>>;

    /// All keys that start with `prefix` and end with `suffix`, in no particular order, each once.
    fn list<'a>(&'a self, prefix: &'a str, suffix: &'a str, ctx: &'a Context) -> BoxFuture<'a, Result<Vec<String>>>;

    /// Lets keys vanish at a time (milliseconds since 1970, by the store's clock); tells how many existed.
    fn expire_at<'a>(&'a self, keys: &'a [String], unix_ms: u64, ctx: &'a Context) -> BoxFuture<'a, Result<u64>>;

    /// The store's own clock, in milliseconds since 1970: leases are judged by it, not by the client's.
    fn now_ms<'a>(&'a self, ctx: &'a Context) -> BoxFuture<'a, Result<u64>>;

    /// The node of the server that holds each key, in the order of the keys: the same for all but in a cluster.
    fn nodes_of<'a>(&'a self, keys: &'a [String], ctx: &'a Context) -> BoxFuture<'a, Result<Vec<String>>>;

    /// Logs in with other credentials from now on; without a user, with the one that the store was opened with. Requests
    /// under way end as they are; connections made with the old ones serve no further request.
    ///
    /// # Errors
    /// `UNSUPPORTED` where nobody logs in.
    fn set_credentials(&self, user: Option<&str>, password: &str) -> Result<()>;

    /// How long an answer took to come, at the best of those that were measured so far; zero where nothing travels.
    fn latency(&self) -> Duration {
        Duration::ZERO
    }

    /// Asks the server how it is.
    fn ping<'a>(&'a self, ctx: &'a Context) -> BoxFuture<'a, Result<ServerInfo>>;
}

/// Conveniences over any [`Store`].
pub(crate) trait StoreExt: Store {
    /// Fetches one whole value.
    fn get<'a>(&'a self, key: &'a str, ctx: &'a Context) -> BoxFuture<'a, Result<Option<Buffer>>> {
        Box::pin(async move {
            let mut found = None;
            self.get_many(&[key.to_string()], ctx, &mut |_, value| found = value).await?;
            Ok(found)
        })
    }
}

impl<S: Store + ?Sized> StoreExt for S {}

options! {
    /// How a store is connected to. Stores that have no server ignore what does not apply.
    pub struct StoreOptions {
        /// Connections at the most, per server. 0 means eight.
        pub connections: usize = 0,
        /// Time to connect, TLS handshake and authentication included.
        pub connect_timeout: Duration = Duration::from_secs(5),
        /// Time for one request, from sending it to the last byte of its reply.
        pub timeout: Duration = Duration::from_secs(30),
        /// Idle time after which TCP asks whether the peer is still there; 0 turns that off.
        pub tcp_keepalive: Duration = Duration::from_secs(60),
        /// The name that the server shows for our connections.
        pub client_name: String = "arrowredis".to_string(),
        /// How often a request is repeated after a failure that can pass.
        pub max_retries: u32 = 3,
        /// The first delay before a repeat; it doubles each time and is jittered over its full length.
        pub retry_base_delay: Duration = Duration::from_millis(200),
        /// How long requests to a Redis Cluster go on being repeated, beyond `max_retries`, while a master is lost and a
        /// replica may still take its place; 0 turns that off, and so does a `max_retries` of 0.
        pub failover_timeout: Duration = Duration::from_secs(30),
        /// Whether the server is a Redis Cluster.
        pub cluster: bool = false,
        /// Read chunks from the replicas of a Redis Cluster; what one lacks is read from the master.
        pub read_replicas: bool = false,
        /// The user to log in as, with the password of `password_file`.
        pub user: Option<String> = None,
        /// A file that holds the password, read again for every connection.
        pub password_file: Option<String> = None,
        /// A PEM file with the certificate authorities to trust instead of the system's.
        pub tls_ca_file: Option<String> = None,
        /// A PEM file with the client's certificate chain.
        pub tls_cert_file: Option<String> = None,
        /// A PEM file with the client's private key.
        pub tls_key_file: Option<String> = None,
        /// DANGEROUS: do not check the server's certificate; anybody on the way can then read and change everything.
        pub tls_danger_accept_any_certificate: bool = false,
    }
}

/// For stores that nobody logs in to.
fn no_credentials(store: &dyn Store) -> Error {
    Error::unsupported(format!("{} takes no credentials: nobody logs in there", store.describe()))
}

/// Opens a store by its URL: `redis://`, `rediss://`, `unix://` (or `redis+unix://`), `file:///dir`, `memory://NAME`.
/// Several hosts of a Redis Cluster are separated by commas: `redis://host1:7000,host2:7001`.
///
/// A server is not contacted before the first operation.
///
/// # Errors
/// `INVALID_ARGUMENT` when the URL or an option cannot be used; the message never shows a password.
pub fn open(url: &str, options: &StoreOptions) -> Result<Arc<dyn Store>> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "redis" | "rediss" | "unix" | "redis+unix" => Ok(Arc::new(redis::RedisStore::open(url, options)?)),
        "file" => Ok(Arc::new(dir::DirStore::open(url)?)),
        "memory" => Ok(memory::MemoryStore::open(url)?),
        _ => Err(Error::invalid_argument(format!(
            "unknown kind of store '{scheme}': expected redis://, rediss://, unix://, file:// or memory://"
        ))),
    }
}

/// Asks a store how it is: what serves it, how fast it answers, what the user may not do.
///
/// # Errors
/// What keeps it from answering, such as `UNAVAILABLE` or `PERMISSION_DENIED`, naming the address.
pub fn ping(store: &Arc<dyn Store>, ctx: &Context) -> Result<ServerInfo> {
    let (store, context) = (store.clone(), ctx.clone());
    ctx.block_on(async move { store.ping(&context).await })
}

#[cfg(test)]
mod conformance;
mod dir;
mod memory;
mod redis;
mod s3;
mod source;

pub use s3::{PathStyle, S3Options};
pub(crate) use s3::{S3Url, delete as delete_s3, open as open_s3, presign as presign_s3, upload as upload_s3};
pub(crate) use source::{END_BYTES, FileBytes};

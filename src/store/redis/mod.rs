//! Redis, over connections of our own.
//!
//! From the outside in: [`RedisStore`] says every operation of [`Store`] in Redis commands, to one server or to a
//! `cluster` of them; `pipeline` and `fetch` repeat until all is answered (`retry`); `server` is one address with
//! its `pool`; `connect` (`url`, `access`, `tls`) makes a `connection`, which moves `batch`es out and `resp` tokens in over a `transport`. What goes
//! wrong is mapped in `errors`, and nowhere else.
//!
//! The connection is ours because a value is received straight into the memory that the Arrow arrays will
//! use, and a payload is sent from where it lies: no copy in this process, either way.
//!
//! A request has its connection for itself until its last byte has arrived; requests that shall overlap use
//! several connections, up to the hard limit of the option `connections`.

mod access;
mod batch;
mod cluster;
mod connect;
mod connection;
mod errors;
mod fetch;
mod ping;
mod pipeline;
mod pool;
mod resp;
pub(super) mod retry;
mod scan;
mod server;
mod tls;
mod transport;
mod url;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::slice::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arrow::buffer::Buffer;

use self::access::Access;
use self::batch::Batch;
use self::cluster::Cluster;
use self::errors::unexpected;
use self::pipeline::{Accept, Keys, MAX_VALUE_BYTES, Requests};
use self::resp::Reply;
use self::retry::Attempts;
use self::server::Server;
use self::url::Address;
use super::{BoxFuture, Capabilities, OnValue, Payload, ServerInfo, Store, StoreOptions, joined, payload_len};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::Context;
use crate::tuning::{self, Parts};

/// Compares and replaces (or deletes). ARGV: the expected value, then the new one if there is one.
/// Returns 1 when the value was as expected, 2 when it is the new one already, 3 when there is none to delete.
const REPLACE_IF: &str = "\
local value = redis.call('GET', KEYS[1])
if value == ARGV[1] then
  if ARGV[2] then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('DEL', KEYS[1]) end
  return 1
end
if ARGV[2] and value == ARGV[2] then return 2 end
if not ARGV[2] and not value then return 3 end
return 0";

/// A Redis server (or Valkey, or what speaks its protocol) as a [`Store`].
pub struct RedisStore {
    options: StoreOptions,
    backend: Backend,
    access: Arc<Access>,
    tls: bool,
    /// Whether large values are better fetched in parts: over plain TCP. A Unix socket takes in less than a part at a time
    /// anyway, and with TLS encryption is what the server is busy with.
    parts_pay: bool,
    /// The user may not run UNLINK, or the server does not know it, but DEL works.
    without_unlink: AtomicBool,
}

/// Who answers.
enum Backend {
    Server(Box<Server>),
    Cluster(Box<Cluster>),
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("server", &self.describe()).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Prepares the connections to the server that the URL names; none is made yet.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the URL, an option, or a file that an option names cannot be used.
    pub fn open(url: &str, options: &StoreOptions) -> Result<RedisStore> {
        let mut targets = url::parse(url)?;
        let first = targets[0].clone();
        let access = Access::new(&first, options)?;
        let backend = if options.cluster {
            Backend::Cluster(Box::new(Cluster::new(targets, access.clone(), options)?))
        } else if targets.len() > 1 {
            return Err(url::invalid(
                "several hosts are for a Redis Cluster only: use --cluster on (option cluster=on)",
            ));
        } else {
            Backend::Server(Box::new(Server::new(targets.remove(0), access.clone(), false, options)?))
        };
        Ok(RedisStore {
            options: options.clone(),
            backend,
            access,
            tls: matches!(first.address, Address::Tcp { tls: true, .. }),
            parts_pay: matches!(first.address, Address::Tcp { tls: false, .. }),
            without_unlink: AtomicBool::new(false),
        })
    }

    /// In which parts to fetch a value of so many bytes, if in any.
    fn parts(&self, bytes: u64) -> Option<Parts> {
        tuning::parts(bytes, self.latency()).filter(|_| self.parts_pay && bytes <= MAX_VALUE_BYTES)
    }

    fn attempts<'a>(&'a self, ctx: &'a Context) -> Attempts<'a> {
        Attempts::new(ctx, &self.options, self.describe())
    }

    /// Sends the commands of all items to where their keys are.
    async fn pipeline(&self, requests: &Requests<'_>, attempts: &mut Attempts<'_>, accept: Accept<'_>) -> Result<()> {
        match &self.backend {
            Backend::Server(server) => server.pipeline(requests, attempts, accept).await,
            Backend::Cluster(cluster) => cluster.pipeline(requests, attempts, accept).await,
        }
    }

    /// Sends one command and gives its reply; the attempts tell whether it was sent more than once.
    async fn one<'k>(
        &self,
        keys: Keys<'k>,
        what: &'k (dyn Fn(usize) -> String + Sync),
        encode: &'k (dyn Fn(usize, &mut Batch) + Sync),
        attempts: &mut Attempts<'_>,
    ) -> Result<Reply> {
        let mut answer = Reply::Nil;
        let requests = Requests { count: 1, keys, replica_lacks: None, encode, what };
        let mut accept = |_, reply| {
            answer = reply;
            Ok(())
        };
        self.pipeline(&requests, attempts, &mut accept).await?;
        Ok(answer)
    }

    /// Sends one command per key whose reply is 1 or 0, and adds these up.
    async fn count(&self, keys: &[String], name: &str, argument: Option<&str>, ctx: &Context) -> Result<u64> {
        let what = |index: usize| format!("{name} '{}'", keys[index]);
        let requests = Requests {
            count: keys.len(),
            keys: Keys::Each(&|index| keys[index].as_str()),
            replica_lacks: None,
            encode: &|index, batch| match argument {
                Some(argument) => batch.command(&[name.as_bytes(), keys[index].as_bytes(), argument.as_bytes()]),
                None => batch.command(&[name.as_bytes(), keys[index].as_bytes()]),
            },
            what: &what,
        };
        let mut sum = 0;
        self.pipeline(&requests, &mut self.attempts(ctx), &mut |index, reply| match reply {
            Reply::Integer(count @ 0..=1) => {
                sum += count as u64;
                Ok(())
            }
            _ => Err(self.unexpected(&what(index))),
        })
        .await?;
        Ok(sum)
    }

    fn unexpected(&self, what: &str) -> Error {
        unexpected(self.describe(), &what)
    }
}

impl Store for RedisStore {
    fn describe(&self) -> &str {
        match &self.backend {
            Backend::Server(server) => server.place(),
            Backend::Cluster(cluster) => cluster.place(),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { expiry: true, shared: true, max_value_bytes: Some(MAX_VALUE_BYTES) }
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [String],
        ctx: &'a Context,
        on_value: OnValue<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match &self.backend {
                Backend::Server(server) => server.fetch(keys, &mut self.attempts(ctx), on_value).await,
                Backend::Cluster(cluster) => cluster.fetch(keys, &mut self.attempts(ctx), on_value).await,
            }
        })
    }

    fn get_in_parts<'a>(
        &'a self,
        key: &'a String,
        bytes: u64,
        ctx: &'a Context,
        on_value: OnValue<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if let Some(parts) = self.parts(bytes) {
                let (bytes, mut attempts) = (bytes as usize, self.attempts(ctx));
                let fetched = match &self.backend {
                    Backend::Server(server) => {
                        match server.fetch_in_parts(key, bytes, parts, &mut attempts, on_value).await {
                            Err(error) => attempts.again(error).await.map(|()| false),
                            fetched => fetched,
                        }
                    }
                    Backend::Cluster(cluster) => {
                        cluster.fetch_in_parts(key, bytes, parts, &mut attempts, on_value).await
                    }
                };
                if fetched? {
                    return Ok(());
                }
            }
            self.get_many(from_ref(key), ctx, on_value).await
        })
    }

    fn fetches_in_parts(&self, bytes: u64) -> bool {
        self.parts(bytes).is_some()
    }

    fn get_ranges<'a>(
        &'a self,
        ranges: &'a [(String, Range<u64>)],
        ctx: &'a Context,
        on_value: OnValue<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            // GETRANGE cannot ask for nothing: its end is inclusive.
            let (wanted, empty): (Vec<usize>, Vec<usize>) =
                (0..ranges.len()).partition(|index| last_byte(&ranges[*index].1).is_some());
            for index in empty {
                on_value(index, Some(Buffer::from(Vec::<u8>::new())));
            }
            let what = |item: usize| format!("GETRANGE '{}'", ranges[wanted[item]].0);
            let requests = Requests {
                count: wanted.len(),
                keys: Keys::Each(&|item| ranges[wanted[item]].0.as_str()),
                replica_lacks: Some(|reply| matches!(reply, Reply::Bulk(value) if value.is_empty())),
                encode: &|item, batch| {
                    let (key, range) = &ranges[wanted[item]];
                    let (start, end) = (range.start.to_string(), last_byte(range).unwrap_or_default().to_string());
                    batch.command(&[b"GETRANGE", key.as_bytes(), start.as_bytes(), end.as_bytes()]);
                },
                what: &what,
            };
            self.pipeline(&requests, &mut self.attempts(ctx), &mut |item, reply| match reply {
                Reply::Bulk(value) => {
                    on_value(wanted[item], Some(value));
                    Ok(())
                }
                _ => Err(self.unexpected(&what(item))),
            })
            .await
        })
    }

    fn sizes<'a>(&'a self, keys: &'a [String], ctx: &'a Context) -> BoxFuture<'a, Result<Vec<Option<u64>>>> {
        Box::pin(async move {
            let what = |index: usize| format!("STRLEN '{}'", keys[index]);
            let requests = Requests {
                count: keys.len(),
                keys: Keys::Each(&|index| keys[index].as_str()),
                replica_lacks: None,
                encode: &|index, batch| batch.command(&[b"STRLEN", keys[index].as_bytes()]),
                what: &what,
            };
            let mut sizes = vec![None; keys.len()];
            self.pipeline(&requests, &mut self.attempts(ctx), &mut |index, reply| match reply {
                Reply::Integer(size @ 0..) => {
                    sizes[index] = Some(size as u64).filter(|size| *size != 0);
                    Ok(())
                }
                _ => Err(self.unexpected(&what(index))),
            })
            .await?;
            Ok(sizes)
        })
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Payload)], ctx: &'a Context) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let what = |index: usize| {
                let (key, value) = &entries[index];
                format!("SET '{key}' ({} bytes)", payload_len(value))
            };
            let requests = Requests {
                count: entries.len(),
                keys: Keys::Each(&|index| entries[index].0.as_str()),
                replica_lacks: None,
                encode: &|index, batch| {
                    let (key, value) = &entries[index];
                    batch.start(3);
                    batch.argument(b"SET");
                    batch.argument(key.as_bytes());
                    batch.payload(value);
                },
                what: &what,
            };
            self.pipeline(&requests, &mut self.attempts(ctx), &mut |index, reply| match reply {
                Reply::Status(_) => Ok(()),
                _ => Err(self.unexpected(&what(index))),
            })
            .await
        })
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, value: Payload, ctx: &'a Context) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let mut attempts = self.attempts(ctx);
            let what = |_| format!("SET NX '{key}' ({} bytes)", payload_len(&value));
            let encode = |_, batch: &mut Batch| {
                batch.start(4);
                batch.argument(b"SET");
                batch.argument(key.as_bytes());
                batch.payload(&value);
                batch.argument(b"NX");
            };
            match self.one(Keys::One(key), &what, &encode, &mut attempts).await? {
                Reply::Status(_) => Ok(true),
                // The reply to the first sending may have been lost: then the value is ours.
                Reply::Nil if attempts.repeated() => {
                    let what = |_| format!("GET '{key}'");
                    let encode = |_, batch: &mut Batch| batch.command(&[b"GET", key.as_bytes()]);
                    let found = self.one(Keys::One(key), &what, &encode, &mut attempts).await?;
                    Ok(matches!(found, Reply::Bulk(found) if *found == joined(&value)))
                }
                Reply::Nil => Ok(false),
                _ => Err(self.unexpected(&what(0))),
            }
        })
    }

    fn replace_if<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Option<Payload>,
        ctx: &'a Context,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let mut attempts = self.attempts(ctx);
            let what = |_| format!("EVAL (compare and replace) '{key}'");
            let encode = |_, batch: &mut Batch| {
                batch.start(if new.is_some() { 6 } else { 5 });
                for argument in [b"EVAL", REPLACE_IF.as_bytes(), b"1", key.as_bytes(), expected] {
                    batch.argument(argument);
                }
                if let Some(new) = &new {
                    batch.payload(new);
                }
            };
            match self.one(Keys::One(key), &what, &encode, &mut attempts).await? {
                // A new value is unique, so that it is there means that a call like this one put it there.
                Reply::Integer(1 | 2) => Ok(true),
                // Gone, as it would be if the first sending had been carried out and its reply lost.
                Reply::Integer(3) => Ok(attempts.repeated()),
                Reply::Integer(0) => Ok(false),
                _ => Err(self.unexpected(&what(0))),
            }
        })
    }

    fn delete<'a>(&'a self, keys: &'a [String], ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            if !self.without_unlink.load(Relaxed) {
                match self.count(keys, "UNLINK", None, ctx).await {
                    Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => {}
                    result => return result,
                }
            }
            let deleted = self.count(keys, "DEL", None, ctx).await?;
            self.without_unlink.store(true, Relaxed);
            Ok(deleted)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, suffix: &'a str, ctx: &'a Context) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(async move {
            match &self.backend {
                Backend::Server(server) => scan::list(server, prefix, suffix, self.attempts(ctx)).await,
                Backend::Cluster(cluster) => cluster.list(prefix, suffix, &self.attempts(ctx)).await,
            }
        })
    }

    fn expire_at<'a>(&'a self, keys: &'a [String], unix_ms: u64, ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let unix_ms = unix_ms.min(i64::MAX as u64).to_string();
            self.count(keys, "PEXPIREAT", Some(&unix_ms), ctx).await
        })
    }

    fn now_ms<'a>(&'a self, ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let time = self
                .one(
                    Keys::Nothing,
                    &|_| "TIME".to_string(),
                    &|_, batch| batch.command(&[b"TIME"]),
                    &mut self.attempts(ctx),
                )
                .await?;
            match &time {
                Reply::Array(parts) => match &parts[..] {
                    [seconds, micros] => number(seconds)
                        .zip(number(micros))
                        .and_then(|(seconds, micros)| seconds.checked_mul(1000)?.checked_add(micros / 1000)),
                    _ => None,
                },
                _ => None,
            }
            .ok_or_else(|| self.unexpected("TIME"))
        })
    }

    fn nodes_of<'a>(&'a self, keys: &'a [String], ctx: &'a Context) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(async move {
            match &self.backend {
                Backend::Server(server) => Ok(vec![server.place().to_string(); keys.len()]),
                Backend::Cluster(cluster) => cluster.nodes_of(keys, &mut self.attempts(ctx)).await,
            }
        })
    }

    fn set_credentials(&self, user: Option<&str>, password: &str) -> Result<()> {
        self.access.replace(user, password);
        Ok(())
    }

    fn latency(&self) -> Duration {
        self.access.quickest_login()
    }

    fn ping<'a>(&'a self, ctx: &'a Context) -> BoxFuture<'a, Result<ServerInfo>> {
        Box::pin(async move {
            let info = match &self.backend {
                Backend::Server(server) => server.ask(&mut self.attempts(ctx)).await?,
                Backend::Cluster(cluster) => cluster.ask(&mut self.attempts(ctx)).await?,
            };
            Ok(ServerInfo { tls: self.tls, ..info })
        })
    }
}

/// The index of a range's last byte as Redis can take it, if the range has one.
fn last_byte(range: &Range<u64>) -> Option<u64> {
    let limit = i64::MAX as u64;
    (range.start < range.end && range.start <= limit).then(|| (range.end - 1).min(limit))
}

fn number(reply: &Reply) -> Option<u64> {
    match reply {
        Reply::Bulk(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        Reply::Integer(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

//! Many small requests in few round trips, each repeated until it is answered.

use super::batch::Batch;
use super::connection::Shape;
use super::errors::{Failure, server_error};
use super::resp::Reply;
use super::retry::Attempts;
use super::server::Server;
use crate::error::{Error, Result};
use std::slice::from_ref;

/// Commands sent before their replies are read. Those without a payload then fit into a socket's buffer, see
/// `Connection::exchange`, and their replies do not pile up in the server.
const MAX_COMMANDS: usize = 256;
/// Bytes after which no further command joins a request.
const MAX_BYTES: u64 = 64 << 20;
/// What a Redis server accepts as one value unless it is configured otherwise.
pub(super) const MAX_VALUE_BYTES: u64 = 512 << 20;

/// Commands, one for each item, that do not depend on each other and may be repeated.
pub(super) struct Requests<'a> {
    /// How many items there are.
    pub(super) count: usize,
    /// By which a cluster finds the node of an item.
    pub(super) keys: Keys<'a>,
    /// Tells from a replica's reply that it lacks what the master may have. Without, replicas are not asked.
    pub(super) replica_lacks: Option<fn(&Reply) -> bool>,
    /// Adds the command for an item.
    pub(super) encode: &'a (dyn Fn(usize, &mut Batch) + Sync),
    /// Names the command and the key of an item, for messages.
    pub(super) what: &'a (dyn Fn(usize) -> String + Sync),
}

/// The key that each item is about.
#[derive(Clone, Copy)]
pub(super) enum Keys<'a> {
    /// None: any node will do.
    Nothing,
    /// All are about this one.
    One(&'a str),
    /// One for each item.
    Each(&'a (dyn Fn(usize) -> &'a str + Sync)),
}

impl<'a> Keys<'a> {
    pub(super) fn of(&self, item: usize) -> Option<&'a str> {
        match self {
            Keys::Nothing => None,
            Keys::One(key) => Some(key),
            Keys::Each(key) => Some(key(item)),
        }
    }
}

/// Takes the answer to an item; never an error reply, and once for each item.
pub(super) type Accept<'a> = &'a mut (dyn FnMut(usize, Reply) -> Result<()> + Send);

/// The part of the items that goes out together.
pub(super) struct Window {
    pub(super) batch: Batch,
    /// How many items, from the first pending one.
    pub(super) items: usize,
    largest: (usize, u64),
}

impl Window {
    /// With `asking`, each command is preceded by one by which a node accepts keys that are on their way to it.
    pub(super) fn fill(requests: &Requests<'_>, pending: &[usize], asking: bool) -> Self {
        let mut window = Window { batch: Batch::default(), items: 0, largest: (0, 0) };
        for item in pending.iter().take(MAX_COMMANDS) {
            if asking {
                window.batch.command(&[b"ASKING"]);
            }
            window.items += 1;
            let before = window.batch.bytes();
            (requests.encode)(*item, &mut window.batch);
            let bytes = window.batch.bytes() - before;
            if bytes > window.largest.1 {
                window.largest = (*item, bytes);
            }
            if window.batch.bytes() >= MAX_BYTES {
                break;
            }
        }
        window
    }
}

impl Server {
    /// Sends the commands of all items; what was not answered, or answered with an error that can pass, is sent again.
    pub(super) async fn pipeline(
        &self,
        requests: &Requests<'_>,
        attempts: &mut Attempts<'_>,
        accept: Accept<'_>,
    ) -> Result<()> {
        let mut pending: Vec<usize> = (0..requests.count).collect();
        let mut rest: &mut [usize] = &mut pending;
        while !rest.is_empty() {
            let window = Window::fill(requests, rest, false);
            // Items that must be sent again are moved to the front as the replies come in.
            let (mut replies, mut kept) = (0, 0);
            let mut refused: Option<(usize, String)> = None;
            let mut rejected = Ok(());
            let outcome = self
                .exchange(from_ref(&window.batch), Shape::Replies, attempts, &mut |slot, reply| {
                    let item = rest[slot];
                    replies = slot + 1;
                    match reply {
                        Reply::Error(text) => {
                            refused.get_or_insert((item, text));
                            rest.swap(kept, slot);
                            kept += 1;
                        }
                        reply if rejected.is_ok() => rejected = accept(item, reply),
                        _ => {}
                    }
                })
                .await;
            rejected?;
            let error = match (refused, outcome) {
                (Some((item, text)), _) => Some(server_error(&text, self.place(), &(requests.what)(item))),
                (None, Err(failure)) => {
                    let item = rest[replies.min(rest.len() - 1)];
                    Some(self.lost(requests, &window, failure, item))
                }
                (None, Ok(())) => None,
            };
            // The kept ones go behind the answered ones, to stand before those that were not sent.
            rest[..replies].rotate_left(kept);
            rest = &mut rest[replies - kept..];
            match error {
                Some(error) => attempts.again(error).await?,
                None => attempts.succeeded(),
            }
        }
        Ok(())
    }

    /// The error for a request that was not answered. A server ends the connection over a value that it finds
    /// too large, and its reason can get lost on the way.
    pub(super) fn lost(&self, requests: &Requests<'_>, window: &Window, failure: Failure, item: usize) -> Error {
        let (largest, bytes) = window.largest;
        if failure.is_closed() && bytes > MAX_VALUE_BYTES {
            let reply = "ERR Protocol error: invalid bulk length";
            return server_error(reply, self.place(), &(requests.what)(largest));
        }
        failure.into_error(self.place(), &(requests.what)(item))
    }
}

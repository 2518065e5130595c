//! Requests to the nodes that their keys belong to: all nodes at once, each answer to its item.

use std::slice::from_ref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::batch::Batch;
use super::super::connection::{Shape, Sink};
use super::super::errors::{Failure, server_error};
use super::super::pipeline::{Accept, Requests, Window};
use super::super::resp::Reply;
use super::super::retry::Attempts;
use super::super::server::Server;
use super::Cluster;
use super::slots::{Node, Redirect, Shard, slot_of};
use super::topology::Role;
use crate::error::{Error, Result};
use crate::telemetry::{Counter, count};

/// A request that has had no answer for so long makes us look whether its node is still the master.
const SUSPICIOUS: Duration = Duration::from_millis(500);
/// How often it is looked at from then on.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Redirects in a row that are followed at once; after those there are pauses, for the nodes to come to an agreement.
const FAST_REDIRECTS: u32 = 4;
const REDIRECT_PAUSE: Duration = Duration::from_millis(50);
/// Redirects in a row after which something is wrong with the cluster.
const MAX_REDIRECTS: u32 = 40;

/// Where an item is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    /// To a replica of the slot, which may lack it.
    Replica,
    /// To the master of the slot.
    Owner,
    /// To a node that the key is on its way to.
    Ask(Node),
}

/// An item that is not answered yet.
type Pending = (usize, Route);

/// The items that one node gets now.
struct Part {
    server: Arc<Server>,
    node: Node,
    route: Route,
    items: Vec<usize>,
}

/// What became of a part.
#[derive(Default)]
struct Outcome {
    pending: Vec<Pending>,
    redirected: bool,
    error: Option<Error>,
}

/// Accepts answers from several nodes, one at a time.
type SharedAccept<'a, 'b> = Mutex<Accept<'a>>;

impl Cluster {
    /// Sends the commands of all items to their nodes; see [`Server::pipeline`].
    pub(in super::super) async fn pipeline(
        &self,
        requests: &Requests<'_>,
        attempts: &mut Attempts<'_>,
        accept: Accept<'_>,
    ) -> Result<()> {
        let accept = Mutex::new(accept);
        let first = if self.read_replicas && requests.replica_lacks.is_some() { Route::Replica } else { Route::Owner };
        let all: Vec<Pending> = (0..requests.count).map(|item| (item, first.clone())).collect();
        let parts = self.parts(requests, &all, attempts).await?;
        let groups = parts.into_iter().map(|part| {
            let items = part.items.into_iter().map(|item| (item, part.route.clone())).collect();
            self.finish(requests, items, attempts.fork(), &accept)
        });
        // All are waited for: what is still being written when an error is reported could not be removed.
        let mut result = Ok(());
        for outcome in futures::future::join_all(groups).await {
            match outcome {
                Ok(part) => attempts.note_repeated(&part),
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// Works on some items until all are answered.
    async fn finish<'a>(
        &self,
        requests: &Requests<'_>,
        mut pending: Vec<Pending>,
        mut attempts: Attempts<'a>,
        accept: &SharedAccept<'_, '_>,
    ) -> Result<Attempts<'a>> {
        let mut redirects = 0;
        while !pending.is_empty() {
            let before = pending.len();
            let parts = self.parts(requests, &pending, &mut attempts).await?;
            let sent = parts.iter().map(|part| self.send(requests, part, attempts.fork(), accept));
            let (mut left, mut error, mut redirected) = (Vec::new(), None, false);
            for outcome in futures::future::join_all(sent).await {
                let (part, outcome) = outcome?;
                attempts.note_repeated(&part);
                left.extend(outcome.pending);
                error = error.or(outcome.error);
                redirected |= outcome.redirected;
            }
            pending = left;
            if pending.len() < before {
                attempts.succeeded();
            }
            if let Some(error) = error {
                attempts.again_when(error, self.topology.changed()).await?;
            } else if redirected {
                redirects += 1;
                if redirects > FAST_REDIRECTS {
                    // The nodes do not agree yet.
                    tokio::time::sleep(REDIRECT_PAUSE).await;
                }
                if redirects > MAX_REDIRECTS {
                    return Err(Error::unavailable(format!(
                        "{}: the nodes of the cluster send a request round in circles: is its configuration consistent?",
                        self.place
                    )));
                }
            }
        }
        Ok(attempts)
    }

    /// Sorts items by the node and the way that they go.
    async fn parts(
        &self,
        requests: &Requests<'_>,
        pending: &[Pending],
        attempts: &mut Attempts<'_>,
    ) -> Result<Vec<Part>> {
        let mut parts: Vec<Part> = Vec::new();
        for (item, route) in pending {
            let (node, role) = loop {
                if let Some(found) = self.node_for(requests, *item, route, attempts).await? {
                    break found;
                }
                let what = (requests.what)(*item);
                let error = Error::unavailable(format!("{}: no node serves the slot of {what} now", self.place));
                attempts.again_when(error.with_server_code("CLUSTERDOWN"), self.topology.changed()).await?;
            };
            match parts.iter_mut().find(|part| part.node == node && part.route == *route) {
                Some(part) => part.items.push(*item),
                None => {
                    let server = self.topology.server(&node, role)?;
                    parts.push(Part { server, node, route: route.clone(), items: vec![*item] });
                }
            }
        }
        Ok(parts)
    }

    async fn node_for(
        &self,
        requests: &Requests<'_>,
        item: usize,
        route: &Route,
        attempts: &mut Attempts<'_>,
    ) -> Result<Option<(Node, Role)>> {
        if let Route::Ask(node) = route {
            return Ok(Some((node.clone(), Role::Master)));
        }
        let map = self.topology.map(attempts).await?;
        let Some(key) = requests.keys.of(item) else {
            // Any master will do: another one after each failure.
            let masters = map.shards();
            return Ok(Some((masters[attempts.failures() as usize % masters.len()].master.clone(), Role::Master)));
        };
        let Some(shard) = map.owner(slot_of(key)) else { return Ok(None) };
        Ok(Some(match (route, replica_of(shard)) {
            (Route::Replica, Some(replica)) => (replica, Role::Replica),
            _ => (shard.master.clone(), Role::Master),
        }))
    }

    /// Sends the items of one node, window by window.
    async fn send<'a>(
        &self,
        requests: &Requests<'_>,
        part: &Part,
        mut attempts: Attempts<'a>,
        accept: &SharedAccept<'_, '_>,
    ) -> Result<(Attempts<'a>, Outcome)> {
        let asking = matches!(part.route, Route::Ask(_));
        let commands_per_item = if asking { 2 } else { 1 };
        let mut outcome = Outcome::default();
        let mut rest = &part.items[..];
        while !rest.is_empty() && outcome.error.is_none() {
            let window = Window::fill(requests, rest, asking);
            let (items, later) = rest.split_at(window.items);
            let mut answered = 0;
            let mut rejected = Ok(());
            let mut sink = |command: usize, reply: Reply| {
                // The answer to ASKING itself says nothing.
                if !(command + 1).is_multiple_of(commands_per_item) {
                    return;
                }
                let item = items[command / commands_per_item];
                answered = command / commands_per_item + 1;
                if rejected.is_ok() {
                    rejected = self.answer(requests, part, item, reply, accept, &mut outcome);
                }
            };
            let sent = self.exchange(part, from_ref(&window.batch), &mut attempts, &mut sink).await;
            rejected?;
            if let Err(failure) = sent {
                if part.route == Route::Replica {
                    // The master knows; the replica's failure is no failure.
                    self.topology.mark_stale();
                } else {
                    let lost = items[answered.min(items.len() - 1)];
                    outcome.error.get_or_insert(part.server.lost(requests, &window, failure, lost));
                }
                outcome.pending.extend(items[answered..].iter().map(|item| (*item, Route::Owner)));
                attempts.rerouted();
            }
            rest = later;
        }
        outcome.pending.extend(rest.iter().map(|item| (*item, part.route.clone())));
        Ok((attempts, outcome))
    }

    /// What an answer means: taken, to be sent elsewhere, or an error that can pass (or not: then that is returned).
    fn answer(
        &self,
        requests: &Requests<'_>,
        part: &Part,
        item: usize,
        reply: Reply,
        accept: &SharedAccept<'_, '_>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let replica = part.route == Route::Replica;
        let text = match reply {
            Reply::Error(text) => text,
            reply if replica && requests.replica_lacks.is_some_and(|lacks| lacks(&reply)) => {
                outcome.pending.push((item, Route::Owner));
                return Ok(());
            }
            reply => return (accept.lock().unwrap_or_else(PoisonError::into_inner))(item, reply),
        };
        if replica {
            self.topology.mark_stale();
            outcome.pending.push((item, Route::Owner));
            return Ok(());
        }
        match self.redirect(&text, &part.node) {
            Some(Redirect::Moved(..)) => {
                outcome.redirected = true;
                outcome.pending.push((item, Route::Owner));
            }
            Some(Redirect::Ask(node)) => {
                outcome.redirected = true;
                outcome.pending.push((item, Route::Ask(node)));
            }
            None => {
                let error = server_error(&text, part.server.place(), &(requests.what)(item));
                if !error.is_retryable() {
                    return Err(error);
                }
                outcome.error.get_or_insert(error);
                outcome.pending.push((item, Route::Owner));
            }
        }
        Ok(())
    }

    /// Where an error reply sends a request, which the map learns as well.
    pub(super) fn redirect(&self, reply: &str, from: &Node) -> Option<Redirect> {
        let redirect = Redirect::parse(reply, &from.host)?;
        count(Counter::Redirects, 1);
        tracing::debug!(node = %from, reply, "a node of the cluster sends a request to another one");
        if let Redirect::Moved(slot, node) = &redirect {
            self.topology.moved(*slot, node);
        }
        Some(redirect)
    }

    async fn exchange(
        &self,
        part: &Part,
        batches: &[Batch],
        attempts: &mut Attempts<'_>,
        sink: Sink<'_>,
    ) -> std::result::Result<(), Failure> {
        let shape = Shape::Replies;
        match part.route {
            Route::Owner => self.exchange_with_master(&part.server, &part.node, batches, shape, attempts, sink).await,
            Route::Ask(_) | Route::Replica => part.server.exchange(batches, shape, attempts, sink).await,
        }
    }

    /// One request to a master, given up when it turns out that another node has taken its place.
    pub(super) async fn exchange_with_master(
        &self,
        server: &Server,
        node: &Node,
        batches: &[Batch],
        shape: Shape,
        attempts: &mut Attempts<'_>,
        sink: Sink<'_>,
    ) -> std::result::Result<(), Failure> {
        tokio::select! {
            biased;
            outcome = server.exchange(batches, shape, attempts, sink) => outcome,
            () = self.replaced(node) => Err(Failure::Own(replaced_error(server.place()))),
        }
    }

    /// Waits until it turns out that another node has taken a master's place. Nobody looks before there is a reason.
    async fn replaced(&self, node: &Node) {
        tokio::time::sleep(SUSPICIOUS).await;
        self.topology.displaced(node, LOOK_AGAIN).await;
        count(Counter::Failovers, 1);
        tracing::info!(address = %node, "another node has taken the place of a master that does not answer");
    }

    /// Several requests to a master, given up in the same way.
    pub(super) async fn unless_replaced<T>(&self, node: &Node, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            result = work => result,
            () = self.replaced(node) => Err(replaced_error(&node.to_string())),
        }
    }
}

/// The error for a request to a master that is no longer one.
fn replaced_error(place: &str) -> Error {
    Error::unavailable(format!("{place}: no answer, and another node serves its slots now"))
}

/// One of the replicas of a shard, another one each time.
fn replica_of(shard: &Shard) -> Option<Node> {
    if shard.replicas.is_empty() {
        return None;
    }
    Some(shard.replicas[rand::random_range(0..shard.replicas.len())].clone())
}

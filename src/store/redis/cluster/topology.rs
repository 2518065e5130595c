//! The nodes of a cluster and who serves what: learnt from any node, corrected by redirects, refreshed in the
//! background. Nobody who moves data waits for a refresh.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Notify, watch};

use super::super::access::Access;
use super::super::batch::Batch;
use super::super::connection::Shape;
use super::super::errors::server_error;
use super::super::resp::Reply;
use super::super::retry::Attempts;
use super::super::server::Server;
use super::super::url::{Address, Target};
use super::slots::{Node, SlotMap};
use crate::error::{Error, Result};
use crate::runtime::{Context, runtime};
use crate::store::StoreOptions;
use crate::telemetry::{Counter, count};

/// A node that has not answered after so long is not waited for: the next one is asked as well.
const NEXT_NODE_AFTER: Duration = Duration::from_millis(300);
/// Refreshes that are asked for sooner after the last one wait.
const REFRESH_INTERVAL: Duration = Duration::from_millis(250);

pub(super) struct Topology {
    options: StoreOptions,
    access: Arc<Access>,
    seeds: Vec<Target>,
    tls: bool,
    servers: Mutex<HashMap<(Node, Role), Arc<Server>>>,
    map: watch::Sender<Option<Arc<SlotMap>>>,
    first_load: tokio::sync::Mutex<()>,
    stale: Arc<Notify>,
}

/// What a node is asked for; each has connections of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Master,
    Replica,
}

impl Topology {
    pub(super) fn new(seeds: Vec<Target>, access: Arc<Access>, options: &StoreOptions) -> Result<Arc<Topology>> {
        let tls = seeds.iter().any(|seed| matches!(seed.address, Address::Tcp { tls: true, .. }));
        let topology = Topology {
            options: options.clone(),
            access,
            seeds,
            tls,
            servers: Mutex::default(),
            map: watch::Sender::new(None),
            first_load: tokio::sync::Mutex::default(),
            stale: Arc::default(),
        };
        for seed in topology.seed_nodes() {
            // Options that cannot be used show at once.
            topology.server(&seed, Role::Master)?;
        }
        Ok(Arc::new(topology))
    }

    /// The connections to a node.
    pub(super) fn server(&self, node: &Node, role: Role) -> Result<Arc<Server>> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = servers.get(&(node.clone(), role)) {
            return Ok(server.clone());
        }
        let address = Address::Tcp { host: node.host.clone(), port: node.port, tls: self.tls };
        let target = Target { address, credentials: None, database: 0 };
        let server = Arc::new(Server::new(target, self.access.clone(), role == Role::Replica, &self.options)?);
        servers.insert((node.clone(), role), server.clone());
        Ok(server)
    }

    /// The map as it is known now, learnt first if need be.
    pub(super) async fn map(self: &Arc<Self>, attempts: &mut Attempts<'_>) -> Result<Arc<SlotMap>> {
        loop {
            if let Some(map) = self.map.borrow().clone() {
                return Ok(map);
            }
            let _one_at_a_time = self.first_load.lock().await;
            if self.map.borrow().is_some() {
                continue;
            }
            match self.refresh().await {
                Ok(()) => self.start_refreshing()?,
                Err(error) => attempts.again(error).await?,
            }
        }
    }

    /// A redirect has told where a slot is.
    pub(super) fn moved(&self, slot: u16, node: &Node) {
        self.map.send_if_modified(|map| {
            let Some(known) = map.as_ref().filter(|map| map.owner(slot).is_none_or(|shard| shard.master != *node))
            else {
                return false;
            };
            *map = Some(Arc::new(known.with_slot(slot, node.clone())));
            true
        });
        self.mark_stale();
    }

    /// Something has gone wrong that another map may explain.
    pub(super) fn mark_stale(&self) {
        self.stale.notify_one();
    }

    /// Waits until a node is the master of no slot any more. Asks for refreshes meanwhile.
    pub(super) async fn displaced(&self, node: &Node, patience: Duration) {
        let mut map = self.map.subscribe();
        loop {
            if map.borrow_and_update().as_ref().is_some_and(|map| !map.is_master(node)) {
                return;
            }
            self.mark_stale();
            // Whether it changes or not: by then it is time to look again.
            let _ = tokio::time::timeout(patience, map.changed()).await;
        }
    }

    /// Waits until the map changes; asks for refreshes meanwhile.
    pub(super) async fn changed(&self) {
        let mut map = self.map.subscribe();
        loop {
            self.mark_stale();
            if let Ok(Ok(())) = tokio::time::timeout(REFRESH_INTERVAL, map.changed()).await {
                return;
            }
        }
    }

    fn seed_nodes(&self) -> Vec<Node> {
        let node = |seed: &Target| match &seed.address {
            Address::Tcp { host, port, .. } => Some(Node { host: host.clone(), port: *port }),
            Address::Unix(_) => None,
        };
        self.seeds.iter().filter_map(node).collect()
    }

    /// Asks one node after the other, without waiting for those that are slow, until one tells.
    async fn refresh(&self) -> Result<()> {
        let mut nodes: Vec<Node> = Vec::new();
        if let Some(map) = self.map.borrow().clone() {
            nodes.extend(map.shards().iter().map(|shard| shard.master.clone()));
            nodes.extend(map.shards().iter().flat_map(|shard| shard.replicas.clone()));
            // Every process starts somewhere else, and so does every refresh.
            let start = rand::random_range(0..nodes.len().max(1));
            nodes.rotate_left(start);
        }
        nodes.extend(self.seed_nodes());
        let mut asked = FuturesUnordered::new();
        let mut nodes = nodes.into_iter();
        let mut failed = None;
        loop {
            match nodes.next() {
                Some(node) => asked.push(self.ask(node)),
                None if asked.is_empty() => {
                    return Err(failed.unwrap_or_else(|| Error::internal("a cluster without any node")));
                }
                None => {}
            }
            let wait = if nodes.len() == 0 { self.options.connect_timeout * 2 } else { NEXT_NODE_AFTER };
            match tokio::time::timeout(wait, asked.next()).await {
                Ok(Some(Ok(map))) => {
                    count(Counter::SlotMaps, 1);
                    // Who waits for a change is woken by one only.
                    self.map.send_if_modified(|known| {
                        let changed = known.as_deref() != Some(&map);
                        *known = Some(Arc::new(map));
                        changed
                    });
                    return Ok(());
                }
                Ok(Some(Err(error))) => failed = failed.or(Some(error)),
                Ok(None) | Err(_) if nodes.len() == 0 && failed.is_none() => {
                    return Err(Error::timeout("no node of the cluster tells which slots it serves").retryable(true));
                }
                Ok(None) | Err(_) => {}
            }
        }
    }

    async fn ask(&self, node: Node) -> Result<SlotMap> {
        let server = self.server(&node, Role::Master)?;
        let what = "CLUSTER SLOTS";
        let mut batch = Batch::default();
        batch.command(&[b"CLUSTER", b"SLOTS"]);
        let ctx = Context::new();
        let mut attempts = Attempts::new(&ctx, &self.options, server.place());
        let mut answer = Reply::Nil;
        let outcome = server.exchange(&[batch], Shape::Replies, &mut attempts, &mut |_, reply| answer = reply).await;
        outcome.map_err(|failure| failure.into_error(server.place(), &what))?;
        if let Reply::Error(text) = &answer {
            if text.starts_with("ERR This instance has cluster support disabled") {
                return Err(Error::invalid_argument(format!(
                    "{} is not part of a Redis Cluster: leave out option 'cluster'",
                    server.place()
                )));
            }
            return Err(server_error(text, server.place(), &what));
        }
        SlotMap::parse(&answer, &node).ok_or_else(|| {
            Error::unavailable(format!("{}: no node serves any slot: is the cluster being set up?", server.place()))
        })
    }

    /// Refreshes in the background whenever the map is found stale, as long as the store is there.
    fn start_refreshing(self: &Arc<Self>) -> Result<()> {
        let (topology, stale): (Weak<Topology>, Arc<Notify>) = (Arc::downgrade(self), self.stale.clone());
        runtime()?.spawn(async move {
            loop {
                stale.notified().await;
                let Some(topology) = topology.upgrade() else { return };
                if let Err(error) = topology.refresh().await {
                    tracing::info!(%error, "the cluster's slots could not be asked for");
                }
                drop(topology);
                tokio::time::sleep(REFRESH_INTERVAL).await;
            }
        });
        Ok(())
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        self.stale.notify_one();
    }
}

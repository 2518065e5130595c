//! A Redis Cluster: our own slot map over the connections to each node.
//!
//! Requests are sorted by the node that serves their keys' slots ([`slots`], [`topology`]) and go to all nodes at
//! once ([`route`]); each part retries and follows redirects for itself, so a node that is slow or dead holds up
//! nothing but its own slots. Values of one slot are fetched by one MGET ([`fetch`]).

mod fetch;
mod route;
mod slots;
mod topology;

use std::collections::HashSet;
use std::sync::Arc;

use self::slots::slot_of;
use self::topology::{Role, Topology};
use super::access::Access;
use super::retry::Attempts;
use super::scan;
use super::url::{Address, Target, invalid};
use crate::error::{Error, Result};
use crate::store::{ServerInfo, StoreOptions};

pub(super) struct Cluster {
    place: String,
    topology: Arc<Topology>,
    read_replicas: bool,
}

impl Cluster {
    /// Prepares the connections to the seeds; none is made yet.
    pub(super) fn new(seeds: Vec<Target>, access: Arc<Access>, options: &StoreOptions) -> Result<Cluster> {
        if seeds.iter().any(|seed| matches!(seed.address, Address::Unix(_))) {
            return Err(invalid("the nodes of a cluster are reached by TCP: use redis:// or rediss://"));
        }
        if seeds.iter().any(|seed| seed.database != 0) {
            return Err(invalid("a cluster has database 0 only"));
        }
        let shown: Vec<String> = seeds.iter().map(Target::to_string).collect();
        let (first, others) = shown.split_first().ok_or_else(|| Error::internal("a URL without a host"))?;
        let others = others.iter().map(|seed| seed.split_once("://").map_or(seed.as_str(), |(_, host)| host));
        let place = std::iter::once(first.as_str()).chain(others).collect::<Vec<_>>().join(",");
        Ok(Cluster { place, topology: Topology::new(seeds, access, options)?, read_replicas: options.read_replicas })
    }

    /// The seeds, without credentials.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// All keys that start and end like this, from every master. If slots move meanwhile, all are asked again: a
    /// key may have gone from one that was still to be asked to one that had been.
    pub(super) async fn list(&self, prefix: &str, suffix: &str, attempts: &Attempts<'_>) -> Result<Vec<String>> {
        let mut attempts = attempts.fork();
        let mut found = HashSet::new();
        loop {
            let map = self.topology.map(&mut attempts).await?;
            let scans = map.shards().iter().filter(|shard| map.is_master(&shard.master)).map(|shard| {
                let (attempts, server) = (attempts.fork(), self.topology.server(&shard.master, Role::Master));
                let scan = async move { scan::list(&*server?, prefix, suffix, attempts).await };
                self.unless_replaced(&shard.master, scan)
            });
            match futures::future::try_join_all(scans).await {
                Ok(parts) => found.extend(parts.into_iter().flatten()),
                Err(error) => {
                    attempts.again_when(error, self.topology.changed()).await?;
                    continue;
                }
            }
            if self.topology.map(&mut attempts).await? == map {
                return Ok(found.into_iter().collect());
            }
        }
    }

    /// The address of the master of each key.
    pub(super) async fn nodes_of(&self, keys: &[String], attempts: &mut Attempts<'_>) -> Result<Vec<String>> {
        let map = self.topology.map(attempts).await?;
        let node = |key: &String| map.owner(slot_of(key)).map_or_else(String::new, |shard| shard.master.to_string());
        Ok(keys.iter().map(node).collect())
    }

    /// What the masters say: latencies of the first, sums of their memory, everything that any of them denies.
    pub(super) async fn ask(&self, attempts: &mut Attempts<'_>) -> Result<ServerInfo> {
        loop {
            let map = self.topology.map(attempts).await?;
            let asks = map.shards().iter().filter(|shard| map.is_master(&shard.master)).map(|shard| {
                let (mut attempts, server) = (attempts.fork(), self.topology.server(&shard.master, Role::Master));
                self.unless_replaced(&shard.master, async move { server?.ask(&mut attempts).await })
            });
            let error = match futures::future::try_join_all(asks).await {
                Ok(infos) => return Ok(combined(infos)),
                Err(error) => error,
            };
            self.topology.mark_stale();
            if self.topology.map(attempts).await? == map {
                return Err(error);
            }
        }
    }
}

fn combined(infos: Vec<ServerInfo>) -> ServerInfo {
    let sum = |get: fn(&ServerInfo) -> Option<u64>| infos.iter().map(get).sum::<Option<u64>>();
    let unlimited = infos.iter().any(|info| info.max_memory == Some(0));
    let mut all = ServerInfo {
        max_memory: if unlimited { Some(0) } else { sum(|info| info.max_memory) },
        used_memory: sum(|info| info.used_memory),
        ..infos.first().cloned().unwrap_or_default()
    };
    for denied in infos.into_iter().flat_map(|info| info.denied_commands) {
        if !all.denied_commands.contains(&denied) {
            all.denied_commands.push(denied);
        }
    }
    all
}

//! Whole values from a cluster: one MGET for each slot, all slots at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::super::errors::{server_error, unexpected};
use super::super::fetch::{describe, request};
use super::super::pipeline::{Keys, Requests};
use super::super::resp::Reply;
use super::super::retry::Attempts;
use super::Cluster;
use super::slots::slot_of;
use super::topology::Role;
use crate::error::{Error, Result};
use crate::store::OnValue;
use crate::tuning::Parts;

/// How an MGET ended.
enum Ended {
    /// Every value was delivered.
    Whole,
    /// The slot is elsewhere, or on its way there.
    Elsewhere,
    Failed(Error),
}

impl Cluster {
    /// Fetches whole values, handing each over as it arrives.
    pub(in super::super) async fn fetch(
        &self,
        keys: &[String],
        attempts: &mut Attempts<'_>,
        on_value: OnValue<'_>,
    ) -> Result<()> {
        let on_value = Mutex::new(on_value);
        let mut slots: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (index, key) in keys.iter().enumerate() {
            slots.entry(slot_of(key)).or_default().push(index);
        }
        // Keys that are alone in their slot go out together, node by node; so do all if replicas are asked.
        let (alone, many): (Vec<_>, Vec<_>) =
            slots.into_values().partition(|indices| indices.len() == 1 || self.read_replicas);
        let single = self.fetch_each(keys, alone.concat(), attempts.fork(), &on_value);
        let grouped = many.into_iter().map(|indices| self.fetch_slot(keys, indices, attempts.fork(), &on_value));
        futures::try_join!(single, futures::future::try_join_all(grouped)).map(drop)
    }

    /// Fetches a value in parts from its master, see [`Server::fetch_in_parts`](super::super::server::Server).
    pub(in super::super) async fn fetch_in_parts(
        &self,
        key: &str,
        bytes: usize,
        parts: Parts,
        attempts: &mut Attempts<'_>,
        on_value: OnValue<'_>,
    ) -> Result<bool> {
        let owner = self.topology.map(attempts).await?.owner(slot_of(key)).cloned();
        let Some(master) = owner.filter(|_| !self.read_replicas).map(|shard| shard.master.clone()) else {
            return Ok(false);
        };
        let server = self.topology.server(&master, Role::Master)?;
        let fetching = server.fetch_in_parts(key, bytes, parts, attempts, on_value);
        match self.unless_replaced(&master, fetching).await {
            Err(error) => attempts.again_when(error, self.topology.changed()).await.map(|()| false),
            fetched => fetched,
        }
    }

    /// One GET for each key.
    async fn fetch_each(
        &self,
        keys: &[String],
        indices: Vec<usize>,
        mut attempts: Attempts<'_>,
        on_value: &Mutex<OnValue<'_>>,
    ) -> Result<()> {
        if indices.is_empty() {
            return Ok(());
        }
        let key = |item: usize| keys[indices[item]].as_str();
        let what = |item: usize| format!("GET '{}'", key(item));
        let requests = Requests {
            count: indices.len(),
            keys: Keys::Each(&key),
            replica_lacks: Some(|reply| matches!(reply, Reply::Nil)),
            encode: &|item, batch| batch.command(&[b"GET", key(item).as_bytes()]),
            what: &what,
        };
        let mut accept = |item: usize, reply: Reply| {
            let value = match reply {
                Reply::Bulk(value) => Some(value),
                Reply::Nil => None,
                _ => return Err(unexpected(&self.place, &what(item))),
            };
            (on_value.lock().unwrap_or_else(PoisonError::into_inner))(indices[item], value);
            Ok(())
        };
        self.pipeline(&requests, &mut attempts, &mut accept).await
    }

    /// One MGET for all keys of a slot, from the first on that is not delivered yet.
    async fn fetch_slot(
        &self,
        keys: &[String],
        mut indices: Vec<usize>,
        mut attempts: Attempts<'_>,
        on_value: &Mutex<OnValue<'_>>,
    ) -> Result<()> {
        while !indices.is_empty() {
            let (delivered, ended) = self.mget(keys, &indices, &mut attempts, on_value).await?;
            indices.drain(..delivered);
            match ended {
                Ended::Whole => {}
                Ended::Failed(error) => {
                    attempts.again_when(error, self.topology.changed()).await?;
                }
                // Each key may be in another place, and each GET is told where. They follow redirects, too.
                Ended::Elsewhere => {
                    return self.fetch_each(keys, indices, attempts.fork(), on_value).await;
                }
            }
        }
        Ok(())
    }

    async fn mget(
        &self,
        keys: &[String],
        indices: &[usize],
        attempts: &mut Attempts<'_>,
        on_value: &Mutex<OnValue<'_>>,
    ) -> Result<(usize, Ended)> {
        let slot = slot_of(&keys[indices[0]]);
        let wanted: Vec<String> = indices.iter().map(|index| keys[*index].clone()).collect();
        let map = self.topology.map(attempts).await?;
        let Some(shard) = map.owner(slot).cloned() else {
            let error = Error::unavailable(format!("{}: no node serves slot {slot} now", self.place));
            return Ok((0, Ended::Failed(error.with_server_code("CLUSTERDOWN"))));
        };
        let server = self.topology.server(&shard.master, Role::Master)?;
        let (batch, shape) = request(&wanted);
        let (mut delivered, mut refused, mut odd) = (0, None, false);
        let mut sink = |index: usize, reply: Reply| {
            let value = match reply {
                Reply::Bulk(value) => Some(value),
                Reply::Nil => None,
                Reply::Error(text) => return refused = Some(text),
                _ => return odd = true,
            };
            (on_value.lock().unwrap_or_else(PoisonError::into_inner))(indices[index], value);
            delivered = index + 1;
        };
        let master = &shard.master;
        let sent = self.exchange_with_master(&server, master, &[batch], shape, attempts, &mut sink).await;
        if odd {
            return Err(unexpected(server.place(), &describe(&wanted)));
        }
        let ended = match (refused, sent) {
            (Some(text), _) if self.redirect(&text, master).is_some() || text.starts_with("TRYAGAIN") => {
                Ended::Elsewhere
            }
            (Some(text), _) => Ended::Failed(server_error(&text, server.place(), &describe(&wanted))),
            (None, Err(failure)) => {
                Ended::Failed(failure.into_error(server.place(), &describe(&wanted[delivered.min(wanted.len() - 1)..])))
            }
            (None, Ok(())) => Ended::Whole,
        };
        Ok((delivered, ended))
    }
}

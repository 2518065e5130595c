//! One server: its pool, and the requests that go to it.

use std::result::Result;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::access::Access;
use super::batch::Batch;
use super::connect::Endpoint;
use super::connection::{Shape, Sink};
use super::errors::Failure;
use super::pool::{Lease, Pool};
use super::retry::Attempts;
use super::url::Target;
use crate::error::Error;
use crate::store::StoreOptions;
use crate::telemetry::{Counter, count, request_took};

pub(super) struct Server {
    place: String,
    pool: Pool,
    timeout: Duration,
    /// The user may not run GETRANGE, or the server does not know it.
    pub(super) refuses_parts: AtomicBool,
}

impl Server {
    /// A server that answers everything, or a replica that answers reads.
    pub(super) fn new(
        target: Target,
        access: Arc<Access>,
        replica: bool,
        options: &StoreOptions,
    ) -> Result<Self, Error> {
        Ok(Server {
            place: target.to_string(),
            pool: Pool::new(Endpoint::new(target, access, replica, options)?, options.connections),
            timeout: options.timeout,
            refuses_parts: AtomicBool::new(false),
        })
    }

    /// Its address, without credentials.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Sends one request over a connection of the pool and takes its replies.
    ///
    /// A connection that the server had closed while it was idle is replaced, and the request sent again at
    /// once: nothing is wrong with the server then. Every request of ours can be sent twice.
    pub(super) async fn exchange(
        &self,
        batches: &[Batch],
        shape: Shape,
        attempts: &mut Attempts<'_>,
        sink: Sink<'_>,
    ) -> Result<(), Failure> {
        let mut lease = self.pool.lease().await.map_err(Failure::Own)?;
        let mut outcome = self.try_exchange(&mut lease, batches, shape, sink).await;
        if let Err(failure) = &outcome
            && failure.is_closed()
            && lease.is_reused()
            && !lease.connection.heard()
        {
            attempts.reconnecting();
            self.pool.renew(&mut lease).await.map_err(Failure::Own)?;
            outcome = self.try_exchange(&mut lease, batches, shape, sink).await;
        }
        if outcome.is_ok() {
            lease.finish();
        }
        outcome
    }

    async fn try_exchange(
        &self,
        lease: &mut Lease,
        batches: &[Batch],
        shape: Shape,
        sink: Sink<'_>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        count(Counter::Requests, 1);
        let outcome = tokio::time::timeout(self.timeout, lease.connection.exchange(batches, shape, sink))
            .await
            .unwrap_or(Err(Failure::TimedOut(self.timeout)));
        request_took(start.elapsed());
        outcome
    }
}

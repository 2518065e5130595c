//! The connections to one server: at most so many, each used by one request at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::Endpoint;
use super::connection::Connection;
use crate::error::{Error, Result};

const DEFAULT_CONNECTIONS: usize = 8;

pub(super) struct Pool {
    endpoint: Endpoint,
    idle: Arc<Idle>,
    permits: Arc<Semaphore>,
}

/// Connections that wait for work; the one used last is used next, so that surplus ones stay idle.
#[derive(Default)]
struct Idle(Mutex<Vec<Waiting>>);

/// A connection and the generation of the credentials that it was made with.
struct Waiting {
    connection: Connection,
    generation: u64,
}

impl Idle {
    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of this generation; those of older ones are closed.
    fn take(&self, generation: u64) -> Option<Connection> {
        let mut idle = self.lock();
        idle.retain(|waiting| waiting.generation == generation);
        idle.pop().map(|waiting| waiting.connection)
    }
}

/// A connection in use. It goes back to the pool only by [`Lease::finish`]: one whose request failed, timed
/// out or was abandoned may still receive the reply to it, and is closed instead.
pub(super) struct Lease {
    pub(super) connection: Connection,
    reused: bool,
    generation: u64,
    idle: Arc<Idle>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// At most `connections`; 0 means the default.
    pub(super) fn new(endpoint: Endpoint, connections: usize) -> Self {
        let limit = if connections == 0 { DEFAULT_CONNECTIONS } else { connections.min(Semaphore::MAX_PERMITS) };
        Pool { endpoint, idle: Arc::default(), permits: Arc::new(Semaphore::new(limit)) }
    }

    /// A connection, when it is our turn: an idle one or a new one.
    pub(super) async fn lease(&self) -> Result<Lease> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Error::internal("the connection pool was closed"))?;
        let generation = self.endpoint.generation();
        let idle = self.idle.take(generation);
        let (connection, reused) = match idle {
            Some(connection) => (connection, true),
            None => (self.endpoint.connect().await?, false),
        };
        Ok(Lease { connection, reused, generation, idle: self.idle.clone(), _permit: permit })
    }

    /// Replaces a connection that was found dead by a new one. The other idle ones are no younger: they go too.
    pub(super) async fn renew(&self, lease: &mut Lease) -> Result<()> {
        drop(std::mem::take(&mut *self.idle.lock()));
        lease.generation = self.endpoint.generation();
        lease.connection = self.endpoint.connect().await?;
        lease.reused = false;
        Ok(())
    }
}

impl Lease {
    /// Whether the connection had served before, and so may have been closed by the server meanwhile.
    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// The exchange is complete: the connection can serve the next one.
    pub(super) fn finish(self) {
        if self.connection.is_clean() {
            self.idle.lock().push(Waiting { connection: self.connection, generation: self.generation });
        }
    }
}

//! A store of every kind.

use std::sync::Arc;

use arrowredis::store::{Store, StoreOptions, open};
use tempfile::TempDir;

use super::servers::{RedisServer, ServerConfig};

/// An open store and what keeps it running.
pub struct TestStore {
    pub name: &'static str,
    pub store: Arc<dyn Store>,
    pub server: Option<RedisServer>,
    pub dir: Option<TempDir>,
}

/// The embedded store in a folder of its own.
pub fn directory() -> TestStore {
    let dir = TempDir::new().expect("a temporary folder");
    let url = format!("file://{}", dir.path().display());
    TestStore { name: "file", store: open(&url, &StoreOptions::default()).unwrap(), server: None, dir: Some(dir) }
}

/// A store in memory that nobody else has.
pub fn memory() -> TestStore {
    TestStore { name: "memory", store: open("memory://", &StoreOptions::default()).unwrap(), server: None, dir: None }
}

/// A real Redis server of its own.
pub fn redis() -> TestStore {
    let server = RedisServer::start(&ServerConfig::default());
    let store = open(&server.url(), &StoreOptions::default()).unwrap();
    TestStore { name: "redis", store, server: Some(server), dir: None }
}

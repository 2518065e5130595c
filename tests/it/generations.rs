//! A dataset's whole life on servers of three generations, judged by pyarrow. What a store itself must do is in the
//! conformance suite, which runs on each of them as well.

use std::time::Duration;

use arrowredis::store::{StoreOptions, open};
use arrowredis::{Context, Dataset, ErrorKind, ReadOptions, SplitOptions, collect_garbage, delete_dataset};

use crate::common::cluster::RedisCluster;
use crate::common::python::oracle;
use crate::common::servers::{Engine, RedisServer, ServerConfig};
use crate::helpers::{generate, keys, publish, read};

/// Publishes, replaces, reads in parts, and removes.
fn whole_life(engine: Engine, url: &str, options: &StoreOptions) {
    let store = open(url, options).unwrap();
    let versioned = SplitOptions { versioned: true, grace_period: Duration::from_secs(600), ..SplitOptions::default() };
    publish(&store, "d", &generate(50, 4), &versioned).unwrap();
    let first = Dataset::open(&store, "d", &Context::new()).unwrap();
    publish(&store, "d", &generate(70, 4), &SplitOptions { ttl: Some(Duration::from_secs(600)), ..versioned }).unwrap();
    // Whoever has the first version keeps it.
    assert_eq!(first.check(&Context::new()).unwrap(), []);
    assert_eq!(read(&store, "d", &ReadOptions::default()).unwrap(), (70 * 3 * 4, 0), "{engine:?}");
    let columns = vec!["id64".to_string(), "str_c".to_string()];
    let some = ReadOptions { columns: Some(columns), ..ReadOptions::default() };
    assert_eq!(read(&store, "d", &some).unwrap().0, 70 * 3 * 4, "{engine:?}");
    publish(&store, "plain", &generate(10, 2), &SplitOptions::default()).unwrap();
    let again = publish(&store, "plain", &generate(10, 2), &SplitOptions::default()).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists, "{engine:?}: {again}");
    assert_eq!(collect_garbage(&store, "", &Context::new()).unwrap(), Default::default());
    delete_dataset(&store, "d", &Context::new()).unwrap();
    assert_eq!(Dataset::open(&store, "d", &Context::new()).unwrap_err().kind(), ErrorKind::NotFound, "{engine:?}");
    assert_eq!(keys(&store, "plain").len(), 7, "{engine:?}: six chunks and their manifest");
}

#[test]
fn a_dataset_lives_on_servers_of_three_generations() {
    let dir = tempfile::tempdir().unwrap();
    for engine in Engine::ALL {
        let config = ServerConfig { engine, ..ServerConfig::default() };
        let server = RedisServer::start(&config);
        whole_life(engine, &server.url(), &StoreOptions::default());
        let file = dir.path().join("back.arrow").display().to_string();
        let judged: serde_json::Value =
            serde_json::from_str(&oracle("read_dataset.py", &[&server.url(), "plain", &file])).unwrap();
        assert_eq!((&judged["rows"], &judged["chunks"]), (&60.into(), &6.into()), "{engine:?}");
    }
}

#[test]
fn a_dataset_lives_on_clusters_of_later_generations() {
    for engine in [Engine::Redis8, Engine::Valkey9] {
        let cluster = RedisCluster::with(&ServerConfig { engine, ..ServerConfig::default() });
        whole_life(engine, &cluster.url(), &StoreOptions { cluster: true, ..StoreOptions::default() });
    }
}

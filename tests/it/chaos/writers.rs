//! Writers that are killed, and writers that race.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrowredis::store::{Store, StoreOptions, open};
use arrowredis::{Context, Dataset, Error, ErrorKind, ReadOptions, SplitOptions, collect_garbage};
use tempfile::TempDir;

use crate::common::servers::{RedisServer, ServerConfig};
use crate::faults::{report, rounds};
use crate::helpers::{generate, get, keys, publish, put, read, wait_until};

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arrowredis"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Lets the time of a dead writer's lease pass; tells whether there was one.
fn end_lease(store: &Arc<dyn Store>) -> bool {
    let Some(key) = keys(store, "d:upload").pop() else { return false };
    let mut lease: serde_json::Value = serde_json::from_slice(&get(store, &key)).unwrap();
    if lease["expires_at_ms"].as_u64() > Some(0) {
        lease["expires_at_ms"] = 1.into();
    }
    put(store, &key, serde_json::to_vec(&lease).unwrap());
    true
}

#[test]
fn a_killed_uploader_leaves_nothing_that_gc_does_not_remove() {
    let server = RedisServer::start(&ServerConfig::default());
    let store = open(&server.url(), &StoreOptions::default()).unwrap();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("data.arrow").display().to_string();
    let what = ["--partitions", "4", "--batches", "16", "--rows", "2000"];
    let generated = program(&[&["gen", "--out", &file][..], &what].concat()).status().unwrap();
    assert!(generated.success());
    publish(&store, "d2", &generate(10, 1), &SplitOptions::default()).unwrap();
    let neighbours = keys(&store, "d2");
    let url = server.url();
    let (times, mut killed, mut visible, mut reclaimed) = (rounds(12, 500), 0, 0, 0);
    let mut round = 0;
    // Those that were done before they could be killed do not count.
    while killed < times {
        round += 1;
        let layout = if round % 2 == 0 { &["--versioned", "--grace-period", "0"][..] } else { &["--overwrite"] };
        let split = ["split", "--inp", &file, "--prefix", "d", "--redis-url", &url];
        let mut child = program(&[&split[..], layout].concat()).spawn().unwrap();
        // From before its first request to after its end.
        std::thread::sleep(Duration::from_micros(rand_below(60_000)));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        match Dataset::open(&store, "d", &Context::new()) {
            Ok(dataset) => {
                assert_eq!(read(&store, "d", &ReadOptions::default()).unwrap().0, 128_000, "round {round}");
                assert_eq!(dataset.check(&Context::new()).unwrap(), []);
                visible += 1;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "round {round}: {error}"),
        }
        // What the server still has to do of the dead client's requests.
        wait_until("the server stays busy", || {
            !server
                .admin(&["CLIENT", "LIST"])
                .lines()
                .any(|line| line.contains("qbuf=") && !line.contains("qbuf=0 ") && !line.contains("cmd=client"))
        });
        let before = keys(&store, "d").len();
        end_lease(&store);
        collect_garbage(&store, "", &Context::new()).unwrap();
        let left = keys(&store, "d");
        reclaimed += before - left.len();
        let expected = match Dataset::open(&store, "d", &Context::new()) {
            Ok(dataset) => {
                assert_eq!(read(&store, "d", &ReadOptions::default()).unwrap().0, 128_000, "round {round}: after gc");
                dataset.manifest().unwrap().chunk_count() + 1
            }
            Err(_) => 0,
        };
        assert_eq!(left.len() - neighbours.len(), expected, "round {round}: {left:?}");
        assert_eq!(keys(&store, "d2"), neighbours, "round {round}");
    }
    let outcome = format!(
        "no partial dataset seen ({visible} whole ones), gc removed all of {reclaimed} orphaned keys and no other"
    );
    report("uploader killed with -9 at random points, layouts in turn", times, &outcome);
}

fn rand_below(limit: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(Instant::now()) % limit
}

#[test]
fn writers_that_race_publish_whole_versions() {
    let server = RedisServer::start(&ServerConfig::default());
    let store = open(&server.url(), &StoreOptions::default()).unwrap();
    let layouts = [
        SplitOptions { versioned: true, grace_period: Duration::ZERO, ..SplitOptions::default() },
        SplitOptions { overwrite: true, ..SplitOptions::default() },
    ];
    let (times, mut conflicts) = (rounds(15, 500), 0);
    for round in 0..times {
        for options in &layouts {
            let writers = [1, 2].map(|number| {
                let (store, options) = (store.clone(), options.clone());
                std::thread::spawn(move || publish(&store, "d", &generate(10 * number, number), &options))
            });
            let outcomes = writers.map(|writer| writer.join().unwrap());
            let refused: Vec<&Error> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
            assert!(refused.len() < 2, "one wins: {refused:?}");
            assert!(refused.iter().all(|error| error.kind() == ErrorKind::Conflict), "{refused:?}");
            conflicts += refused.len();
            let rows = read(&store, "d", &ReadOptions::default()).unwrap().0;
            let winner = match (&outcomes[0], &outcomes[1]) {
                (Ok(()), Err(_)) => vec![30],
                (Err(_), Ok(())) => vec![120],
                // One after the other: nobody knows which was the last.
                _ => vec![30, 120],
            };
            assert!(winner.contains(&rows), "round {round}: {rows} rows, {outcomes:?}");
        }
    }
    let left = collect_garbage(&store, "", &Context::new()).unwrap();
    assert_eq!(left, Default::default());
    report(
        "two writers on one name, both layouts",
        2 * times,
        &format!("{conflicts} conflicts, the others one after the other; every version whole"),
    );
}

//! Writers that are killed, masters that die, slots that move, under load, through the public API. See `faults` for
//! the short and the long form.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arrowredis::store::{Store, StoreOptions, open};
use arrowredis::{Codec, Context, Dataset, Error, ErrorKind, ReadOptions, SplitOptions, collect_garbage};
use tempfile::TempDir;

use crate::common::cluster::RedisCluster;
use crate::common::servers::{RedisServer, ServerConfig};
use crate::faults::{report, rounds};
use crate::helpers::{generate, get, keys, publish, put, read, wait, wait_until};

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
    let (times, mut visible, mut reclaimed) = (rounds(12, 500), 0, 0);
    for round in 0..times {
        let layout = if round % 2 == 0 { &["--versioned", "--grace-period", "0"][..] } else { &["--overwrite"] };
        let split = ["split", "--inp", &file, "--prefix", "d", "--redis-url", &url];
        let mut child = program(&[&split[..], layout].concat()).spawn().unwrap();
        // From before its first request to after its end.
        std::thread::sleep(Duration::from_micros(rand_below(60_000)));
        child.kill().unwrap();
        child.wait().unwrap();
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

fn clustered() -> StoreOptions {
    StoreOptions {
        cluster: true,
        max_retries: 8,
        retry_base_delay: Duration::from_millis(100),
        connect_timeout: Duration::from_secs(1),
        ..StoreOptions::default()
    }
}

/// Readers and writers that go on until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<Vec<Error>>>,
}

impl Load {
    /// One reader of `d`, and one writer of versions of a dataset of its own.
    fn start(url: &str) -> Load {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = ["read", "write"].map(|kind| {
            let store = open(url, &clustered()).unwrap();
            let (stop, done) = (stop.clone(), done.clone());
            std::thread::spawn(move || {
                let mut errors = Vec::new();
                while !stop.load(Relaxed) {
                    let versioned = SplitOptions {
                        versioned: true,
                        grace_period: Duration::from_secs(5),
                        ..SplitOptions::default()
                    };
                    let outcome = match kind {
                        "read" => read(&store, "d", &ReadOptions::default()).map(|(rows, _)| assert_eq!(rows, 30 * 24)),
                        _ => publish(&store, "w", &generate(10, 12), &versioned),
                    };
                    errors.extend(outcome.err());
                    done.fetch_add(1, Relaxed);
                }
                errors
            })
        });
        Load { stop, done, threads: threads.into() }
    }

    fn wait_for(&self, more: u64) {
        let goal = self.done.load(Relaxed) + more;
        wait_until("the load does not go on", || self.done.load(Relaxed) >= goal);
    }

    /// How much was done, and what went wrong.
    fn end(self) -> (u64, Vec<Error>) {
        self.stop.store(true, Relaxed);
        let errors = self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        (self.done.load(Relaxed), errors)
    }
}

#[test]
fn slots_are_moved_under_load_without_an_error() {
    let cluster = RedisCluster::start();
    let store = open(&cluster.url(), &clustered()).unwrap();
    publish(&store, "d", &generate(10, 24), &SplitOptions::default()).unwrap();
    let masters: Vec<usize> = (0..6).filter(|node| cluster.role(*node).master).collect();
    let load = Load::start(&cluster.url());
    load.wait_for(4);
    // The slots of the dataset itself first, then whatever comes; all to one master after the other, as redis-cli does.
    let tagged = (0..24).map(|part| cluster.slot_of(&format!("d:{{part={part:05}}}:batch=00000")));
    let times = rounds(45, 1000);
    let slots: Vec<u32> = tagged.chain((0..16384).step_by(16)).take(times.div_ceil(2)).collect();
    let mut moved = 0;
    for to in masters.iter().copied().cycle() {
        for slot in &slots {
            let from = cluster.master_of_slot(*slot, to);
            if from != to && moved < times {
                cluster.start_moving(*slot, from, to);
                cluster.finish_moving(*slot, from, to);
                moved += 1;
            }
        }
        let agree = |slot: &u32| (0..6).all(|node| cluster.master_of_slot(*slot, node) == to);
        if moved == times {
            break;
        }
        wait_until("the nodes do not agree", || slots.iter().rev().take(3).all(agree));
    }
    load.wait_for(4);
    let (done, errors) = load.end();
    assert!(errors.is_empty(), "{errors:?}");
    report("slots resharded under read and write load", moved, &format!("{done} reads and uploads, no error"));
}

#[test]
fn a_master_that_is_killed_costs_no_more_than_its_promotion() {
    let mut cluster = RedisCluster::start();
    let store = open(&cluster.url(), &clustered()).unwrap();
    publish(&store, "d", &generate(10, 24), &SplitOptions::default()).unwrap();
    let times = rounds(1, 50);
    let (mut failed, mut done, mut slowest) = (0, 0, Duration::ZERO);
    for round in 0..times {
        // The replicas have everything: what is lost with a master is not ours to keep.
        cluster.wait_until_whole();
        cluster.wait_until_replicated();
        let victim = (0..6).filter(|node| cluster.role(*node).master).nth(round % 3).unwrap();
        let stopped = round % 2 == 1;
        let load = Load::start(&cluster.url());
        load.wait_for(2);
        cluster.signal(victim, if stopped { "STOP" } else { "KILL" });
        let others: Vec<usize> = (0..6).filter(|node| *node != victim).collect();
        let masters = || others.iter().filter(|node| cluster.role(**node).master).count();
        wait_until("no replica is promoted", || masters() == 3);
        wait_until("the cluster stays down", || {
            others.iter().all(|node| cluster.nodes[*node].admin(&["CLUSTER", "INFO"]).contains("cluster_state:ok"))
        });
        let promoted = Instant::now();
        let mut last = String::new();
        while let Err(error) = read(&store, "d", &ReadOptions::default()) {
            assert!(promoted.elapsed() < Duration::from_secs(60), "reads do not recover: {error}, after {last}");
            last = error.to_string();
        }
        slowest = slowest.max(promoted.elapsed());
        load.wait_for(2);
        let (rounds_done, errors) = load.end();
        for error in &errors {
            let typed = [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Conflict, ErrorKind::ChunkMissing];
            assert!(typed.contains(&error.kind()), "{error}");
        }
        (failed, done) = (failed + errors.len(), done + rounds_done);
        match stopped {
            true => cluster.signal(victim, "CONT"),
            false => cluster.nodes[victim].restart(),
        }
    }
    // The short form shares its machine with other tests.
    assert!(times == 1 || slowest < Duration::from_secs(2), "{slowest:?}");
    let outcome = format!(
        "{done} reads and uploads, {failed} typed errors, no wrong row; reads recovered within {slowest:?} of the promotion"
    );
    report("master killed or stopped during upload and read", times, &outcome);
}

#[test]
fn a_consumer_that_sleeps_holds_no_memory_of_the_server() {
    let server = RedisServer::start(&ServerConfig::default());
    let store = open(&server.url(), &StoreOptions::default()).unwrap();
    let (partitions, sleep) = (rounds(2, 60) as u32, rounds(1, 60) as u64);
    let large = SplitOptions { compression: Codec::None, ..SplitOptions::default() };
    publish(&store, "d", &generate(150_000, partitions), &large).unwrap();
    let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
    let bytes = dataset.manifest().unwrap().payload_bytes();
    let before = anonymous_bytes();
    let mut reader = arrowredis::read(&dataset, &ReadOptions::default(), &Context::new()).unwrap();
    let mut rows = reader.next_batch().unwrap().unwrap().data.num_rows();
    let (mut most, mut client) = (0, 0);
    for _ in 0..sleep {
        std::thread::sleep(Duration::from_secs(1));
        let clients = server.admin(&["CLIENT", "LIST"]);
        let memory = |line: &str| line.split(' ').find_map(|word| word.strip_prefix("tot-mem=")?.parse::<u64>().ok());
        most = most.max(clients.lines().filter_map(memory).max().unwrap_or(0));
        client = client.max(anonymous_bytes().saturating_sub(before));
    }
    rows += std::iter::from_fn(|| reader.next_batch()).map(|batch| batch.unwrap().data.num_rows()).sum::<usize>();
    assert_eq!(rows, 450_000 * partitions as usize);
    assert!(most < 64 << 20, "{most} bytes of one connection on the server");
    assert_eq!(reader.metrics().retries, 0, "no connection was lost");
    let mb = |bytes: u64| bytes >> 20;
    // Other tests run in this process unless this is the long form.
    assert!(sleep == 1 || client < (256 + 200) << 20, "{client} bytes of ours");
    let outcome = format!(
        "all of {} MB read; the server held at most {} MB for a connection, the client {} MB more than before",
        mb(bytes),
        mb(most),
        mb(client)
    );
    report(&format!("consumer sleeps {sleep} s in the middle of a read"), 1, &outcome);
    wait(store.delete(&keys(&store, "d"), &Context::new())).unwrap();
}

/// The process's memory that is not a file's.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

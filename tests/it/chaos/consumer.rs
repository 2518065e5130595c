//! A consumer that does not consume.

use std::collections::BTreeMap;
use std::time::Duration;

use arrowredis::store::{StoreOptions, open};
use arrowredis::{Codec, Context, Dataset, GeneratedReader, ReadOptions, SplitOptions};

use crate::common::servers::{RedisServer, ServerConfig};
use crate::faults::{report, rounds};
use crate::helpers::{generate, keys, publish, wait};

#[test]
fn a_consumer_that_sleeps_holds_no_memory_of_the_server() {
    let server = RedisServer::start(&ServerConfig::default());
    let store = open(&server.url(), &StoreOptions::default()).unwrap();
    let (partitions, sleep) = (rounds(2, 72) as u32, rounds(1, 60) as u64);
    let large = SplitOptions { compression: Codec::None, ..SplitOptions::default() };
    let what = generate(150_000, partitions);
    publish(&store, "d", &what, &large).unwrap();
    let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
    let bytes = dataset.manifest().unwrap().payload_bytes();
    let before = anonymous_bytes();
    let mut reader = arrowredis::read(&dataset, &ReadOptions::default(), &Context::new()).unwrap();
    let mut expected = GeneratedReader::new(&what, &Context::new()).unwrap();
    let mut batches = 0;
    let mut check_next = || {
        let found = reader.next_batch().map(|batch| batch.unwrap().data);
        assert!(found == expected.next().map(Result::unwrap), "batch {batches}");
        batches += usize::from(found.is_some());
        found.is_some()
    };
    let half = what.partitions * what.batches / 2;
    assert!((0..half).all(|_| check_next()));
    let connected = connections(&server);
    let (mut most, mut all, mut client) = (0, 0, 0);
    for _ in 0..sleep {
        std::thread::sleep(Duration::from_secs(1));
        most = most.max(connections(&server).values().copied().max().unwrap_or(0));
        all = all.max(memory_of_clients(&server));
        client = client.max(anonymous_bytes().saturating_sub(before));
    }
    let still = connections(&server);
    assert!(connected.keys().all(|id| still.contains_key(id)), "{connected:?} became {still:?}");
    while check_next() {}
    assert_eq!(batches, 2 * half as usize);
    assert!(most < 64 << 20 && all < 64 << 20, "{most} bytes of one connection on the server, {all} of all");
    assert_eq!(reader.metrics().retries, 0, "no connection was lost");
    let mb = |bytes: u64| bytes >> 20;
    // Other tests run in this process unless this is the long form.
    assert!(sleep == 1 || client < (256 + 200) << 20, "{client} bytes of ours");
    let outcome = format!(
        "all of {} MB read, every value as written, without a reconnect; the server held at most {} kB for a connection, \
         {} kB for all of them, the client {} MB more than before",
        mb(bytes),
        most >> 10,
        all >> 10,
        mb(client)
    );
    report(&format!("consumer sleeps {sleep} s in the middle of a read"), 1, &outcome);
    wait(store.delete(&keys(&store, "d"), &Context::new())).unwrap();
}

/// The memory that the server has for each of our connections, by their numbers.
fn connections(server: &RedisServer) -> BTreeMap<u64, u64> {
    let list = server.admin(&["CLIENT", "LIST"]);
    let ours = list.lines().filter(|line| line.contains("name=arrowredis "));
    let value = |line: &str, name: &str| line.split(' ').find_map(|word| word.strip_prefix(name)?.parse::<u64>().ok());
    ours.filter_map(|line| value(line, "id=").zip(value(line, "tot-mem="))).collect()
}

fn memory_of_clients(server: &RedisServer) -> u64 {
    let info = server.admin(&["INFO", "memory"]);
    let value = info.lines().find_map(|line| line.strip_prefix("mem_clients_normal:"));
    value.and_then(|value| value.trim().parse().ok()).expect("the server's own figure")
}

/// The process's memory that is not a file's.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

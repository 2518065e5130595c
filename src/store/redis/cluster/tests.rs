//! The store on a real cluster of six.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::cluster::RedisCluster;
use super::*;

fn clustered() -> StoreOptions {
    StoreOptions { cluster: true, ..quick() }
}

#[test]
fn over_a_cluster() {
    let cluster = RedisCluster::start();
    let store = open_with(&cluster.url(), clustered());
    assert!(store.describe().starts_with("redis://127.0.0.1:") && store.describe().matches(',').count() == 2);
    check(store.clone());
    // One seed is enough, and it may be a replica.
    let replica = (0..6).find(|node| !cluster.role(*node).master).unwrap();
    let other = open_with(&cluster.nodes[replica].url(), clustered());
    run(async move {
        let ctx = Context::new();
        let keys: Vec<String> = (0..64).map(|part| format!("p:{{part={part:05}}}:batch=00000")).collect();
        let entries: Vec<_> = keys.iter().map(|key| (key.clone(), payload(key.as_bytes()))).collect();
        store.put_many(&entries, &ctx).await.unwrap();
        let found = get_all(&*other, &keys, &ctx).await.unwrap();
        assert!(keys.iter().zip(&found).all(|(key, value)| value.as_deref() == Some(key.as_bytes())));
        let nodes: HashSet<String> = other.nodes_of(&keys, &ctx).await.unwrap().into_iter().collect();
        assert_eq!(nodes.len(), 3, "{nodes:?}");
        let info = store.ping(&ctx).await.unwrap();
        assert!(info.cluster && info.role == "master" && info.used_memory > Some(0));
        assert_eq!(ctx.metrics().retries, 0);
    });

    let value = bytes(3 << 20, 3);
    let entry = ("k".to_string(), payload(&value));
    let writer = open_with(&cluster.url(), clustered());
    run(async move { writer.put_many(&[entry], &Context::new()).await }).unwrap();
    cluster.nodes.iter().for_each(|node| drop(node.admin(&["CONFIG", "RESETSTAT"])));
    let (found, retries) = get_in_parts(&open_with(&cluster.url(), clustered()));
    assert!(found.unwrap().as_deref() == Some(&value[..]) && retries == 0);
    let stats: String = cluster.nodes.iter().map(|node| node.admin(&["INFO", "commandstats"])).collect();
    assert!(stats.contains("cmdstat_getrange:calls=6") && !stats.contains("cmdstat_get:"), "{stats}");

    // What replicas lack is read from the master.
    let reader = open_with(&cluster.url(), StoreOptions { read_replicas: true, ..clustered() });
    run(async move {
        let ctx = Context::new();
        for round in 0..20 {
            let keys: Vec<String> = (0..8).map(|batch| format!("r{round}:{{part=1}}:{batch}")).collect();
            let entries: Vec<_> = keys.iter().map(|key| (key.clone(), payload(key.as_bytes()))).collect();
            reader.put_many(&entries, &ctx).await.unwrap();
            let found = get_all(&*reader, &keys, &ctx).await.unwrap();
            assert!(keys.iter().zip(&found).all(|(key, value)| value.as_deref() == Some(key.as_bytes())));
            let ranges: Vec<_> = keys.iter().map(|key| (key.clone(), 1..3)).collect();
            let mut parts = vec![None; ranges.len()];
            reader.get_ranges(&ranges, &ctx, &mut |index, part| parts[index] = part).await.unwrap();
            assert!(keys.iter().zip(&parts).all(|(key, part)| part.as_deref() == Some(&key.as_bytes()[1..3])));
        }
        assert_eq!(reader.get("nobody", &ctx).await.unwrap(), None);
    });
    let replica_reads = |node: &RedisServer| node.admin(&["INFO", "commandstats"]).contains("cmdstat_getrange");
    assert!(cluster.nodes.iter().filter(|node| replica_reads(node)).count() >= 2, "a replica was asked");

    let error = fails(&start().url(), clustered());
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("not part of a Redis Cluster"), "{error}");
}

#[test]
fn over_a_cluster_with_tls() {
    let config = ServerConfig { tls: true, ..ServerConfig::default() };
    let cluster = RedisCluster::with(&config);
    let options = StoreOptions { tls_ca_file: Some(cluster.nodes[0].ca_file()), ..clustered() };
    let store = open_with(&cluster.url(), options);
    run(async move {
        let ctx = Context::new();
        every_method(&*store, &ctx).await.unwrap();
        assert!(store.ping(&ctx).await.unwrap().tls);
        assert_eq!(ctx.metrics().retries, 0);
    });
}

#[test]
fn slots_that_move_are_followed_without_an_error() {
    let cluster = RedisCluster::start();
    let store = open_with(&cluster.url(), clustered());
    let key = |batch: u32| format!("m:{{part=00007}}:batch={batch:05}");
    let keys: Vec<String> = (0..6).map(key).collect();
    let slot = cluster.slot_of(&keys[0]);
    let from = cluster.master_of_slot(slot, 0);
    let to = (0..6).find(|node| *node != from && cluster.role(*node).master).unwrap();
    let all_are_there = |what: &str| {
        let (store, keys, what) = (store.clone(), keys.clone(), what.to_string());
        run(async move {
            let ctx = Context::new();
            let entries: Vec<_> = keys[..4].iter().map(|key| (key.clone(), payload(key.as_bytes()))).collect();
            let found = get_all(&*store, &keys, &ctx).await.unwrap();
            let expected = keys.iter().map(|key| entries.iter().any(|(known, _)| known == key));
            assert!(found.iter().map(Option::is_some).eq(expected), "{what}");
            assert!(keys.iter().zip(&found).all(|(k, v)| v.as_deref().is_none_or(|v| v == k.as_bytes())), "{what}");
            // Writing again, to wherever each key is now.
            store.put_many(&entries, &ctx).await.unwrap();
            assert_eq!(store.delete(&keys[1..2], &ctx).await.unwrap(), 1, "{what}");
            assert!(
                store.put_if_absent(&keys[1], vec![Buffer::from(keys[1].as_bytes())], &ctx).await.unwrap(),
                "{what}"
            );
            let sizes = store.sizes(&keys, &ctx).await.unwrap();
            assert_eq!(sizes.iter().flatten().count(), 4, "{what}");
            assert_eq!(store.list("m:", "", &ctx).await.unwrap().len(), 4, "{what}");
            assert_eq!(ctx.metrics().retries, 0, "{what}: redirects are no retries");
        });
    };
    let (first, entries) = (store.clone(), keys[..4].iter().map(|key| (key.clone(), payload(key.as_bytes()))));
    let entries: Vec<_> = entries.collect();
    run(async move { first.put_many(&entries, &Context::new()).await }).unwrap();
    all_are_there("before");
    cluster.start_moving(slot, from, to);
    all_are_there("announced");
    cluster.move_keys(&[&keys[0], &keys[2]], from, to);
    all_are_there("half moved");
    cluster.finish_moving(slot, from, to);
    all_are_there("moved");
    cluster.start_moving(slot, to, from);
    cluster.finish_moving(slot, to, from);
    all_are_there("moved back");
}

/// Puts and gets in a loop until told to stop; gives the number of rounds and the errors.
fn load(
    store: Arc<dyn Store>,
    part: u32,
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
) -> std::thread::JoinHandle<Vec<crate::Error>> {
    std::thread::spawn(move || {
        run(async move {
            let ctx = Context::new();
            let keys: Vec<String> = (0..4).map(|batch| format!("l:{{part={part:05}}}:{batch}")).collect();
            let mut errors = Vec::new();
            for round in 0u32.. {
                if stop.load(Relaxed) {
                    break;
                }
                let value = bytes(20_000, round as usize);
                let entries: Vec<_> = keys.iter().map(|key| (key.clone(), payload(&value))).collect();
                let outcome = match store.put_many(&entries, &ctx).await {
                    Ok(()) => get_all(&*store, &keys, &ctx).await.map(|found| {
                        // A promoted replica may lack the last writes, and never has half of one.
                        assert!(found.iter().flatten().all(|found| found.len() == value.len()));
                    }),
                    Err(error) => Err(error),
                };
                errors.extend(outcome.err());
                rounds.fetch_add(1, Relaxed);
            }
            errors
        })
    })
}

/// One partition for each master, in the order of the masters.
fn parts_of(cluster: &RedisCluster, masters: &[usize]) -> Vec<u32> {
    let part_of = |master: &usize| {
        (0..).find(|part| cluster.master_of(&format!("l:{{part={part:05}}}:0"), *master) == *master).unwrap()
    };
    masters.iter().map(part_of).collect()
}

#[test]
fn a_master_that_dies_or_sleeps_is_replaced_and_holds_up_nobody_else() {
    let mut cluster = RedisCluster::start();
    let patient = StoreOptions { max_retries: 40, retry_base_delay: Duration::from_millis(100), ..clustered() };
    let patient = StoreOptions { connect_timeout: Duration::from_secs(1), ..patient };
    for (signal, back) in [("STOP", "CONT"), ("KILL", "")] {
        let masters: Vec<usize> = (0..6).filter(|node| cluster.role(*node).master).collect();
        let parts = parts_of(&cluster, &masters);
        let store = open_with(&cluster.url(), patient.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let rounds: Vec<Arc<AtomicUsize>> = parts.iter().map(|_| Arc::default()).collect();
        let loads: Vec<_> =
            parts.iter().zip(&rounds).map(|(part, n)| load(store.clone(), *part, stop.clone(), n.clone())).collect();
        let progress = |index: usize, more: usize| {
            let goal = rounds[index].load(Relaxed) + more;
            cluster.wait_until("no progress", || rounds[index].load(Relaxed) >= goal);
        };
        (0..3).for_each(|index| progress(index, 5));
        cluster.signal(masters[0], signal);
        // The others go on while the first one is down.
        let before = rounds[0].load(Relaxed);
        [1, 2].into_iter().for_each(|index| progress(index, 5));
        assert!(rounds[0].load(Relaxed) <= before + 2, "{signal}: its slots were served");
        progress(0, 5);
        stop.store(true, Relaxed);
        for load in loads {
            let errors = load.join().unwrap();
            assert!(errors.is_empty(), "{signal}: {errors:?}");
        }
        match back {
            "" => cluster.nodes[masters[0]].restart(),
            back => cluster.signal(masters[0], back),
        }
        cluster.wait_until_whole();
    }
}

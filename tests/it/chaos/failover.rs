//! Masters that are killed or stopped.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use arrowredis::store::open;
use arrowredis::{Error, ErrorKind, ReadOptions, SplitOptions};

use super::throughput::{Done, Throughput};
use super::{Load, clustered, versioned};
use crate::common::cluster::RedisCluster;
use crate::faults::{report, rounds};
use crate::helpers::{generate, publish, read, wait_until};

/// How long the healthy shards are watched before a master is lost.
const UNDISTURBED: Duration = Duration::from_millis(1500);
/// What is promised: recovery after a replica was promoted, and the throughput of the other shards meanwhile.
const RECOVERY: Duration = Duration::from_secs(2);
const KEPT: f64 = 0.8;

/// What happened in all rounds.
#[derive(Default)]
struct Outcome {
    done: u64,
    errors: BTreeMap<&'static str, usize>,
    slowest_recovery: Duration,
    slowest_promotion: Duration,
    undisturbed: Done,
    /// While a master was lost: where the others serve on, and where the cluster stops until the slots are served again.
    disturbed: [Done; 2],
}

/// A round: who is lost, and how.
struct Round {
    victim: usize,
    stopped: bool,
    /// The servers' own setting `cluster-require-full-coverage`: healthy nodes refuse requests, too.
    full_coverage: bool,
}

impl Round {
    fn prepare(cluster: &RedisCluster, number: usize) -> Round {
        // The replicas have everything: what is lost with a master is not ours to keep.
        cluster.wait_until_whole();
        cluster.wait_until_replicated();
        let full_coverage = number / 2 % 2 == 1;
        for node in &cluster.nodes {
            let value = if full_coverage { "yes" } else { "no" };
            assert_eq!(node.admin(&["CONFIG", "SET", "cluster-require-full-coverage", value]), "OK");
        }
        let victim = (0..6).filter(|node| cluster.role(*node).master).nth(number % 3).unwrap();
        Round { victim, stopped: number % 2 == 1, full_coverage }
    }

    /// Takes the master away and waits until its slots are served again.
    fn lose(&self, cluster: &RedisCluster) {
        cluster.signal(self.victim, if self.stopped { "STOP" } else { "KILL" });
        let others: Vec<usize> = (0..6).filter(|node| *node != self.victim).collect();
        let masters = || others.iter().filter(|node| cluster.role(**node).master).count();
        wait_until("no replica is promoted", || masters() == 3);
        wait_until("the cluster stays down", || {
            others.iter().all(|node| cluster.nodes[*node].admin(&["CLUSTER", "INFO"]).contains("cluster_state:ok"))
        });
    }

    fn bring_back(&self, cluster: &mut RedisCluster) {
        match self.stopped {
            true => cluster.signal(self.victim, "CONT"),
            false => cluster.nodes[self.victim].restart(),
        }
    }

    fn run(&self, cluster: &RedisCluster, outcome: &mut Outcome) {
        let store = open(&cluster.url(), &clustered()).unwrap();
        read(&store, "d", &ReadOptions::default()).unwrap();
        let masters: Vec<usize> = (0..6).filter(|node| cluster.role(*node).master).collect();
        let throughput = Throughput::start(cluster, &masters, self.victim);
        let load = Load::start(&cluster.url());
        load.wait_for(2);
        let start = throughput.done();
        std::thread::sleep(UNDISTURBED);
        let (before, lost) = (throughput.done(), Instant::now());
        self.lose(cluster);
        let (during, promoted) = (throughput.done(), Instant::now());
        // What was under way, what begins now, and what comes next.
        let mut fresh = read(&store, "d", &ReadOptions::default()).map(|(rows, _)| assert_eq!(rows, 30 * 24)).err();
        fresh = fresh.or(publish(&store, "fresh", &generate(10, 12), &versioned()).err());
        assert!(fresh.is_none(), "after the promotion: {fresh:?}");
        load.wait_for(1);
        outcome.slowest_recovery = outcome.slowest_recovery.max(promoted.elapsed());
        outcome.slowest_promotion = outcome.slowest_promotion.max(promoted - lost);
        load.wait_for(2);
        throughput.end();
        outcome.undisturbed.add(before.since(start));
        outcome.disturbed[usize::from(self.full_coverage)].add(during.since(before));
        let (done, errors) = load.end();
        outcome.done += done;
        errors.iter().for_each(|error| outcome.note(error));
    }
}

impl Outcome {
    fn note(&mut self, error: &Error) {
        let typed = [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Conflict, ErrorKind::ChunkMissing];
        assert!(typed.contains(&error.kind()), "{error}");
        *self.errors.entry(error.kind().name()).or_default() += 1;
    }
}

#[test]
fn a_master_that_is_lost_costs_its_own_slots_no_more_than_its_promotion() {
    let mut cluster = RedisCluster::start();
    let store = open(&cluster.url(), &clustered()).unwrap();
    publish(&store, "d", &generate(10, 24), &SplitOptions::default()).unwrap();
    let times = rounds(1, 50);
    let mut outcome = Outcome::default();
    for number in 0..times {
        let round = Round::prepare(&cluster, number);
        round.run(&cluster, &mut outcome);
        round.bring_back(&mut cluster);
    }
    let Outcome { done, errors, slowest_recovery, slowest_promotion, undisturbed, disturbed } = outcome;
    let [kept, kept_when_down] = disturbed.map(|disturbed| 100.0 * disturbed.kept(undisturbed));
    report(
        "master killed or stopped during uploads and reads",
        times,
        &format!(
            "{done} reads and uploads, typed errors {errors:?}, no wrong row; promoted within {slowest_promotion:.2?}, \
             recovered within {slowest_recovery:.2?} of that"
        ),
    );
    report(
        "meanwhile: throughput of healthy shards, of that of clients that know of no other",
        times,
        &format!("{kept:.0} % kept; {kept_when_down:.0} % where nodes refuse everything until all slots are served"),
    );
    // The short form shares its machine with other tests.
    let (recovery, least) = if times == 1 { (10 * RECOVERY, KEPT / 2.0) } else { (RECOVERY, KEPT) };
    assert!(slowest_recovery < recovery, "{slowest_recovery:?}");
    assert!(kept > 100.0 * least, "{kept} %");
}

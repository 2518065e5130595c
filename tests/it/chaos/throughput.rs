//! What the healthy shards of a cluster serve while another one is down, beside what they could.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;

use arrow::buffer::Buffer;
use arrowredis::store::{Store, StoreOptions, open};
use arrowredis::{Context, ErrorKind};

use super::clustered;
use crate::common::cluster::RedisCluster;
use crate::helpers::wait;

/// Clients that write and read without a pause. The ones that are watched share one store of the whole cluster, of
/// which one client works on the shard that goes down. The others are the control: each has a store of one healthy
/// node and does the same work there. Whatever else the machine does, it does to both, so their ratio says whether the
/// lost shard holds up the healthy ones.
pub struct Throughput {
    stop: Arc<AtomicBool>,
    watched: Arc<AtomicU64>,
    control: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// Rounds done: by the watched clients on healthy shards, and by the control.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    pub watched: u64,
    pub control: u64,
}

impl Done {
    pub fn since(self, before: Done) -> Done {
        Done { watched: self.watched - before.watched, control: self.control - before.control }
    }

    pub fn add(&mut self, more: Done) {
        self.watched += more.watched;
        self.control += more.control;
    }

    /// The share of its throughput that was kept, from the same figures without a fault.
    pub fn kept(self, before: Done) -> f64 {
        let ratio = |done: Done| done.watched as f64 / done.control as f64;
        ratio(self) / ratio(before)
    }
}

impl Throughput {
    pub fn start(cluster: &RedisCluster, masters: &[usize], victim: usize) -> Throughput {
        let (stop, watched, control): (Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>) = Default::default();
        let store = open(&cluster.url(), &clustered()).unwrap();
        let mut threads = Vec::new();
        for master in masters {
            let part = (0..).map(|part| format!("s:{{part={part:05}}}"));
            let part = part.into_iter().find(|part| cluster.master_of(part, *master) == *master).unwrap();
            let start = |store, name: &str, done: &Arc<AtomicU64>| work(store, format!("{part}:{name}"), &stop, done);
            if *master == victim {
                threads.push(start(store.clone(), "lost", &Arc::default()));
            } else {
                let direct = open(&cluster.nodes[*master].url(), &StoreOptions::default()).unwrap();
                threads.push(start(store.clone(), "watched", &watched));
                threads.push(start(direct, "control", &control));
            }
        }
        Throughput { stop, watched, control, threads }
    }

    pub fn done(&self) -> Done {
        Done { watched: self.watched.load(Relaxed), control: self.control.load(Relaxed) }
    }

    pub fn end(self) {
        self.stop.store(true, Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

fn work(store: Arc<dyn Store>, name: String, stop: &Arc<AtomicBool>, done: &Arc<AtomicU64>) -> JoinHandle<()> {
    let (stop, done) = (stop.clone(), done.clone());
    std::thread::spawn(move || {
        let value = Buffer::from(vec![7; 20_000]);
        let keys: Vec<String> = (0..4).map(|number| format!("{name}:{number}")).collect();
        let entries: Vec<_> = keys.iter().map(|key| (key.clone(), vec![value.clone()])).collect();
        while !stop.load(Relaxed) {
            let ctx = Context::new();
            let outcome = wait(async {
                store.put_many(&entries, &ctx).await?;
                // A promoted replica may lack the last write.
                let mut check = |_, found: Option<Buffer>| assert!(found.is_none_or(|found| found == value));
                store.get_many(&keys, &ctx, &mut check).await
            });
            match outcome {
                Ok(()) => drop(done.fetch_add(1, Relaxed)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
            }
        }
    })
}

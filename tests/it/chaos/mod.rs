//! Writers that are killed, masters that die, slots that move, under load, through the public API. See `faults` for
//! the short and the long form.

mod consumer;
mod failover;
mod resharding;
mod throughput;
mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arrowredis::store::{StoreOptions, open};
use arrowredis::{Error, ReadOptions, SplitOptions};

use crate::helpers::{generate, publish, read, wait_until};

/// What users have who set nothing but that it is a cluster.
fn clustered() -> StoreOptions {
    StoreOptions { cluster: true, ..StoreOptions::default() }
}

fn versioned() -> SplitOptions {
    SplitOptions { versioned: true, grace_period: Duration::from_secs(5), ..SplitOptions::default() }
}

/// Readers and writers that go on until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    /// What the reader and what the writer has done.
    done: [Arc<AtomicU64>; 2],
    threads: Vec<std::thread::JoinHandle<Vec<Error>>>,
}

impl Load {
    /// One reader of `d`, and one writer of versions of a dataset of its own.
    fn start(url: &str) -> Load {
        let (stop, done): (Arc<AtomicBool>, [Arc<AtomicU64>; 2]) = Default::default();
        let threads = [0, 1].map(|kind| {
            let store = open(url, &clustered()).unwrap();
            let (stop, done) = (stop.clone(), done[kind].clone());
            std::thread::spawn(move || {
                let mut errors = Vec::new();
                while !stop.load(Relaxed) {
                    let outcome = match kind {
                        0 => read(&store, "d", &ReadOptions::default()).map(|(rows, _)| assert_eq!(rows, 30 * 24)),
                        // After an upload that failed a new name: its lease may still hold.
                        _ => publish(&store, &format!("w{}", errors.len()), &generate(10, 12), &versioned()),
                    };
                    errors.extend(outcome.err());
                    done.fetch_add(1, Relaxed);
                }
                errors
            })
        });
        Load { stop, done, threads: threads.into() }
    }

    /// Waits until the reader and the writer have each done so much more.
    fn wait_for(&self, more: u64) {
        let goals = self.done.each_ref().map(|done| done.load(Relaxed) + more);
        let reached = || self.done.iter().zip(goals).all(|(done, goal)| done.load(Relaxed) >= goal);
        wait_until("the load does not go on", reached);
    }

    /// How much was done, and what went wrong.
    fn end(self) -> (u64, Vec<Error>) {
        self.stop.store(true, Relaxed);
        let errors = self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        (self.done.iter().map(|done| done.load(Relaxed)).sum(), errors)
    }
}

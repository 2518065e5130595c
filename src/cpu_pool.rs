//! The threads that encode and decode.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::runtime::{block_signals, catch_panic};

/// As good as never: a thread that could not be started again would be missed.
const KEEP_ALIVE: Duration = Duration::from_secs(u32::MAX as u64);

/// Threads that do tasks in the order in which these came.
///
/// A thread without a task sleeps at once. One that looks around for more first, as pools for splitting one large
/// computation do, takes the core from those that bring the next: it yielded some forty times for each chunk of an
/// uncompressed read.
pub(crate) struct CpuPool {
    /// Its blocking threads alone are used.
    threads: tokio::runtime::Runtime,
    count: usize,
}

impl CpuPool {
    pub(crate) fn start(count: usize) -> Result<CpuPool> {
        let failed = |why: &str| Error::resource_exhausted(format!("cannot start the CPU threads: {why}"));
        let threads = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(count)
            .thread_keep_alive(KEEP_ALIVE)
            .thread_name("arrowredis-cpu")
            .on_thread_start(block_signals)
            .build()
            .map_err(|e| failed(&e.to_string()))?;
        let pool = CpuPool { threads, count };
        // Where not even one thread can be had, this panics.
        catch_panic(|| {
            pool.spawn(|| {});
            Ok(())
        })
        .map_err(|e| failed(e.message()))?;
        Ok(pool)
    }

    /// How many tasks run at once.
    pub(crate) fn width(&self) -> usize {
        self.count
    }

    /// Queues a task. It should not panic.
    pub(crate) fn spawn(&self, task: impl FnOnce() + Send + 'static) {
        drop(self.threads.spawn_blocking(task));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Barrier};

    use super::*;

    #[test]
    fn tasks_start_in_order_and_as_many_run_at_once_as_there_are_threads() {
        let pool = CpuPool::start(1).unwrap();
        let (sender, receiver) = channel();
        for number in 0..100 {
            let sender = sender.clone();
            pool.spawn(move || sender.send(number).unwrap());
        }
        drop(sender);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());

        let pool = CpuPool::start(3).unwrap();
        assert_eq!(pool.width(), 3);
        let (barrier, running, most) =
            (Arc::new(Barrier::new(3)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (sender, receiver) = channel();
        for _ in 0..9 {
            let (barrier, running, most, sender) = (barrier.clone(), running.clone(), most.clone(), sender.clone());
            pool.spawn(move || {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                // Nobody passes alone.
                barrier.wait();
                running.fetch_sub(1, SeqCst);
                sender.send(()).unwrap();
            });
        }
        drop(sender);
        assert_eq!((receiver.iter().count(), most.load(SeqCst)), (9, 3));
    }

    #[test]
    fn a_task_that_panics_costs_no_thread() {
        let pool = CpuPool::start(1).unwrap();
        pool.spawn(|| panic!("on purpose"));
        let (sender, receiver) = channel();
        pool.spawn(move || sender.send(7).unwrap());
        assert_eq!(receiver.recv(), Ok(7));
    }
}

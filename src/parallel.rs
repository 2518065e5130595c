//! Work on many items at once, results in the order of the items.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::runtime::{Context, Runtime, catch_panic, runtime};

/// How many items are started and not yet handed out, for each that may run at once: enough to keep the
/// workers busy while the caller uses a result or waits for a slow one.
const AHEAD: usize = 2;
/// How often a caller that waits for a result looks whether the operation was cancelled.
const PATIENCE: Duration = Duration::from_millis(20);

/// Maps items on the CPU pool and yields the results in order.
///
/// At most `width` items are worked on at once, and at most twice as many are started and not yet yielded: that
/// bounds the memory. Nothing happens before the first call of `next`, which blocks until the next result is
/// there, so it must not be called on the CPU pool itself. The first error (a panic is one) is yielded in its
/// place and ends the iteration. Dropping the iterator does not wait: what runs ends by itself and is thrown
/// away, and nothing more is started.
pub(crate) struct OrderedMap<T: Send + 'static, R: Send + 'static> {
    items: Option<Box<dyn Iterator<Item = T> + Send>>,
    pending: VecDeque<Receiver<Result<R>>>,
    jobs: Arc<Jobs<T, R>>,
    context: Option<Context>,
}

impl<T: Send + 'static, R: Send + 'static> OrderedMap<T, R> {
    /// Applies `work` to every item, `width` at once (at least one).
    pub(crate) fn new(
        items: impl Iterator<Item = T> + Send + 'static,
        width: usize,
        work: impl Fn(T) -> Result<R> + Send + Sync + 'static,
    ) -> Self {
        OrderedMap {
            items: Some(Box::new(items)),
            pending: VecDeque::new(),
            jobs: Arc::new(Jobs { work: Box::new(work), width: width.max(1), state: Mutex::default() }),
            context: None,
        }
    }

    /// Ends with the operation's `CANCELLED` or `TIMEOUT`, also while waiting for a result.
    pub(crate) fn within(mut self, context: &Context) -> Self {
        self.context = Some(context.clone());
        self
    }

    fn check(&self) -> Result<()> {
        self.context.as_ref().map_or(Ok(()), Context::check)
    }

    fn advance(&mut self) -> Result<Option<R>> {
        self.check()?;
        while self.pending.len() < AHEAD * self.jobs.width {
            let Some(item) = self.items.as_mut().and_then(Iterator::next) else {
                self.items = None;
                break;
            };
            let (sender, receiver) = sync_channel(1);
            self.jobs.submit(item, sender)?;
            self.pending.push_back(receiver);
        }
        let Some(next) = self.pending.pop_front() else { return Ok(None) };
        loop {
            match next.recv_timeout(PATIENCE) {
                Ok(result) => return result.map(Some),
                Err(RecvTimeoutError::Timeout) => self.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::internal("a CPU task ended without a result"));
                }
            }
        }
    }

    fn stop(&mut self) {
        self.items = None;
        self.pending.clear();
        let waiting = std::mem::take(&mut self.jobs.lock().waiting);
        // Items may own much; they are freed outside the lock.
        drop(waiting);
    }
}

impl<T: Send + 'static, R: Send + 'static> Iterator for OrderedMap<T, R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Result<R>> {
        if self.items.is_none() && self.pending.is_empty() {
            return None;
        }
        let result = self.advance();
        if result.is_err() {
            self.stop();
        }
        result.transpose()
    }
}

impl<T: Send + 'static, R: Send + 'static> Drop for OrderedMap<T, R> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the iterator and the pool's threads share.
struct Jobs<T, R> {
    work: Box<dyn Fn(T) -> Result<R> + Send + Sync>,
    width: usize,
    state: Mutex<State<T, R>>,
}

struct State<T, R> {
    waiting: VecDeque<(T, SyncSender<Result<R>>)>,
    running: usize,
}

impl<T, R> Default for State<T, R> {
    fn default() -> Self {
        State { waiting: VecDeque::new(), running: 0 }
    }
}

impl<T: Send + 'static, R: Send + 'static> Jobs<T, R> {
    fn lock(&self) -> MutexGuard<'_, State<T, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, item: T, sender: SyncSender<Result<R>>) -> Result<()> {
        let runtime = runtime()?;
        let mut state = self.lock();
        state.waiting.push_back((item, sender));
        if state.running < self.width {
            state.running += 1;
            let jobs = self.clone();
            runtime.cpu.spawn(move || jobs.run_one(runtime));
        }
        Ok(())
    }

    /// Does one item, then queues behind what other operations want done meanwhile.
    fn run_one(self: Arc<Self>, runtime: &'static Runtime) {
        let next = self.lock().waiting.pop_front();
        if let Some((item, sender)) = next {
            // The receiver is gone if nobody wants the result any more.
            let _ = sender.send(catch_panic(|| (self.work)(item)));
        }
        let mut state = self.lock();
        if state.waiting.is_empty() {
            state.running -= 1;
        } else {
            let jobs = self.clone();
            runtime.cpu.spawn(move || jobs.run_one(runtime));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn results_come_in_order_and_the_width_is_kept() {
        for width in [0, 1, 2, 7] {
            let running = Arc::new(AtomicUsize::new(0));
            let most = Arc::new(AtomicUsize::new(0));
            let (counter, peak) = (running.clone(), most.clone());
            let map = OrderedMap::new(0..200u64, width, move |item| {
                peak.fetch_max(counter.fetch_add(1, SeqCst) + 1, SeqCst);
                std::thread::sleep(Duration::from_micros(item * 7919 % 300));
                counter.fetch_sub(1, SeqCst);
                Ok(item * 2)
            });
            let results: Vec<u64> = map.map(Result::unwrap).collect();
            assert_eq!(results, (0..200).map(|item| item * 2).collect::<Vec<_>>());
            assert!(most.load(SeqCst) <= width.max(1), "{most:?} at once for a width of {width}");
        }
    }

    #[test]
    fn a_slow_caller_bounds_what_is_started() {
        let drawn = Arc::new(AtomicUsize::new(0));
        let counter = drawn.clone();
        let mut map = OrderedMap::new((0..1000).inspect(move |_| _ = counter.fetch_add(1, SeqCst)), 3, Ok);
        assert_eq!(drawn.load(SeqCst), 0, "nothing happens before it is asked for");
        for taken in 0..20 {
            assert_eq!(map.next().unwrap().unwrap(), taken);
            assert_eq!(drawn.load(SeqCst), taken + AHEAD * 3);
        }
    }

    #[test]
    fn an_error_or_a_panic_takes_its_place_and_ends_the_iteration() {
        let started = Arc::new(AtomicUsize::new(0));
        let counter = started.clone();
        let mut map = OrderedMap::new(0..1_000_000, 2, move |item| {
            counter.fetch_add(1, SeqCst);
            match item {
                5 => Err(Error::corrupt("five")),
                _ => Ok(item),
            }
        });
        assert_eq!(map.by_ref().take(5).map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(map.next().unwrap().unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(map.next().is_none());
        assert!(started.load(SeqCst) <= 5 + AHEAD * 2);

        let mut map = OrderedMap::new(0..10, 2, |item| if item == 1 { panic!("no good") } else { Ok(item) });
        assert_eq!(map.next().unwrap().unwrap(), 0);
        let error = map.next().unwrap().unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Internal, "a task panicked: no good"));
        assert!(map.next().is_none());
    }

    #[test]
    fn dropping_neither_waits_nor_leaves_work() {
        let gate = Arc::new(Mutex::new(()));
        let started = Arc::new(AtomicUsize::new(0));
        let closed = gate.lock().unwrap();
        let (counter, wait) = (started.clone(), gate.clone());
        let mut map = OrderedMap::new(0..100, 1, move |item| {
            if counter.fetch_add(1, SeqCst) > 0 {
                drop(wait.lock());
            }
            Ok(item)
        });
        assert_eq!(map.next().unwrap().unwrap(), 0);
        while started.load(SeqCst) < 2 {
            std::thread::yield_now();
        }
        let jobs = Arc::downgrade(&map.jobs);
        drop(map);
        drop(closed);
        while jobs.strong_count() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(started.load(SeqCst), 2, "what had not started never does");
    }

    #[test]
    fn waiting_ends_when_the_operation_is_cancelled() {
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock().unwrap();
        let wait = gate.clone();
        let context = Context::new();
        let token = context.cancel_token().clone();
        let mut map = OrderedMap::new(0..10, 1, move |item| {
            token.cancel();
            drop(wait.lock());
            Ok(item)
        })
        .within(&context);
        assert_eq!(map.next().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(map.next().is_none());
        drop(closed);
    }
}

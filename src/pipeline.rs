//! Fetch and decode overlapped, results in order.
//!
//! Items are fetched in groups, several groups at once; each item goes to the CPU pool the moment its bytes
//! are complete, where those come first that the consumer needs first; it gets the results in the order of
//! the items. What is fetched, decoded and not yet consumed counts against the operation's share of the byte
//! budget, so a slow consumer stops the fetching, and a group is asked for only when all of it can be
//! received at once.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use futures::stream::{BoxStream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::runtime::{CancelToken, Context, Permit, catch_panic, runtime};
use crate::store::BoxFuture;

/// Receives each fetched item by its index; `None` where there is none.
pub(crate) type OnFetched<'a, F> = &'a mut (dyn FnMut(usize, Option<F>) + Send);

/// Where items come from, and what becomes of them.
pub(crate) trait Work: Send + Sync + 'static {
    /// The bytes of an item as fetched.
    type Fetched: Send + 'static;
    /// What the consumer gets.
    type Output: Send + 'static;

    /// Fetches items, handing each over as it arrives.
    fn fetch<'a>(
        &'a self,
        items: Range<usize>,
        ctx: &'a Context,
        on_fetched: OnFetched<'a, Self::Fetched>,
    ) -> BoxFuture<'a, Result<()>>;

    /// Makes sure, once items have been fetched, that they may be handed out: they are processed meanwhile, and
    /// others fetched. `None` where nothing needs to be made sure of. (What is asked for a group is asked before
    /// its fetch, and awaited after it.)
    fn confirm<'a>(&'a self, _items: Range<usize>, _ctx: &'a Context) -> Option<BoxFuture<'a, Result<()>>> {
        None
    }

    /// Turns what was fetched into the result; runs on the CPU pool. Returns it with the bytes it holds.
    fn process(&self, item: usize, fetched: Option<Self::Fetched>) -> Result<(Self::Output, u64)>;
}

/// A run of items that is fetched by one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) items: Range<usize>,
    /// Bytes of each item, in order; estimates where nothing is known.
    pub(crate) bytes: Vec<u64>,
}

impl Group {
    /// Keeps the first item, and returns the others, if there are any.
    fn split_after_first(&mut self) -> Option<Group> {
        let second = self.items.start + 1;
        if second >= self.items.end {
            return None;
        }
        let items = second..std::mem::replace(&mut self.items.end, second);
        Some(Group { items, bytes: self.bytes.split_off(1) })
    }
}

/// The groups of a pipeline in the order of their items, formed while it runs.
pub(crate) type Groups = BoxStream<'static, Result<Group>>;

/// Groups that are known from the start.
pub(crate) fn all(groups: Vec<Group>) -> Groups {
    futures::stream::iter(groups).map(Ok).boxed()
}

/// Forms groups of items: at most `max_items` and about `max_bytes` each, never across a boundary.
pub(crate) fn groups(
    sizes: &[u64],
    max_items: usize,
    max_bytes: u64,
    same_unit: impl Fn(usize, usize) -> bool,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut group_bytes = 0;
    for (item, size) in sizes.iter().enumerate() {
        match groups.last_mut() {
            Some(group)
                if group.bytes.len() < max_items
                    && group_bytes + size <= max_bytes
                    && same_unit(group.items.start, item) =>
            {
                group.items.end = item + 1;
                group.bytes.push(*size);
                group_bytes += size;
            }
            _ => {
                groups.push(Group { items: item..item + 1, bytes: vec![*size] });
                group_bytes = *size;
            }
        }
    }
    groups
}

/// A running pipeline. Dropping it stops the work.
pub(crate) struct Pipeline<T> {
    results: Arc<Results<T>>,
    next: usize,
    count: usize,
    stop: CancelToken,
}

impl<T> std::fmt::Debug for Pipeline<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("next", &self.next).field("count", &self.count).finish()
    }
}

struct Results<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    ready: HashMap<usize, Ready<T>>,
    /// What the consumer sleeps for: nothing else need wake it.
    awaited: usize,
    failed: Option<Error>,
}

struct Ready<T> {
    result: Result<T>,
    permit: Permit,
    /// Whether it may be handed out.
    confirmed: Confirmed,
}

/// Set when the items of a group may be handed out; under the lock of the results, so that nobody sleeps past it.
type Confirmed = Arc<AtomicBool>;

impl<T> Results<T> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, item: usize, ready: Ready<T>) {
        let mut state = self.lock();
        state.ready.insert(item, ready);
        let awaited = state.awaited == item;
        drop(state);
        if awaited {
            self.changed.notify_all();
        }
    }

    fn confirm(&self, confirmed: &Confirmed) {
        let state = self.lock();
        confirmed.store(true, Ordering::Release);
        drop(state);
        self.changed.notify_all();
    }

    fn fail(&self, error: Error) {
        self.lock().failed.get_or_insert(error);
        self.changed.notify_all();
    }
}

impl<T: Send + 'static> Pipeline<T> {
    /// Starts fetching `count` items. At most `concurrency` groups are asked for at once.
    pub(crate) fn start<W: Work<Output = T>>(
        work: Arc<W>,
        groups: Groups,
        count: usize,
        concurrency: usize,
        ctx: &Context,
    ) -> Result<Self> {
        let results = Arc::new(Results {
            state: Mutex::new(State { ready: HashMap::new(), awaited: 0, failed: None }),
            changed: Condvar::new(),
        });
        let stop = CancelToken::new();
        let driver = drive(work, groups, concurrency.max(1), ctx.clone(), results.clone());
        let (context, shared, stopped) = (ctx.clone(), results.clone(), stop.clone());
        runtime()?.spawn(async move {
            let ended = tokio::select! {
                ended = context.guard(driver) => ended,
                () = stopped.cancelled() => return,
            };
            if let Err(error) = ended {
                shared.fail(error);
            }
        });
        Ok(Pipeline { results, next: 0, count, stop })
    }

    /// The next result, in the order of the items; `None` after the last. Blocks until it is there.
    pub(crate) fn next(&mut self) -> Option<Result<T>> {
        if self.next == self.count {
            return None;
        }
        let mut state = self.results.lock();
        loop {
            // A failure of the whole comes first: cancelling must not wait for what was already fetched.
            if let Some(error) = state.failed.clone() {
                drop(state);
                self.finish();
                return Some(Err(error));
            }
            if state.ready.get(&self.next).is_some_and(|ready| ready.confirmed.load(Ordering::Acquire))
                && let Some(Ready { result, permit, .. }) = state.ready.remove(&self.next)
            {
                drop(state);
                drop(permit);
                self.next += 1;
                if result.is_err() {
                    self.finish();
                }
                return Some(result);
            }
            state.awaited = self.next;
            state = self.results.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Stops the work; nothing more comes.
    fn finish(&mut self) {
        self.next = self.count;
        self.stop.cancel();
    }
}

impl<T> Drop for Pipeline<T> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Items that have arrived and wait for a core. There are as many tasks in the pool that take the first of them: what
/// the consumer needs next is never behind what came earlier but is needed later, and holds budget until then.
struct Waiting<W: Work>(Mutex<BTreeMap<usize, Arrived<W>>>);

struct Arrived<W: Work> {
    fetched: Option<W::Fetched>,
    permit: Permit,
    confirmed: Confirmed,
}

impl<W: Work> Default for Waiting<W> {
    fn default() -> Self {
        Waiting(Mutex::default())
    }
}

impl<W: Work> Waiting<W> {
    fn put(&self, item: usize, arrived: Arrived<W>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(item, arrived);
    }

    fn take_first(&self) -> Option<(usize, Arrived<W>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }
}

/// Starts the groups in order as budget and concurrency allow, and waits for all of them.
///
/// An operation that holds nothing gets what it asks for, whatever the others hold. With many of them that would be
/// many times the budget, so a group that is too large for what they leave is fetched item by item.
async fn drive<W: Work>(
    work: Arc<W>,
    mut groups: Groups,
    concurrency: usize,
    ctx: Context,
    results: Arc<Results<W::Output>>,
) -> Result<()> {
    let share = ctx.budget_share()?;
    let waiting = Arc::new(Waiting::<W>::default());
    let slots = Arc::new(Semaphore::new(concurrency));
    let mut running = JoinSet::new();
    let mut rest: Option<Group> = None;
    while let Some(mut group) = match rest.take() {
        Some(rest) => Some(rest),
        None => groups.next().await.transpose()?,
    } {
        let slot = slots.clone().acquire_owned().await.map_err(|_| Error::internal("a closed semaphore"))?;
        if !share.allows(group.bytes.iter().sum()) {
            rest = group.split_after_first();
        }
        let permit = share.acquire(group.bytes.iter().sum()).await;
        while let Some(ended) = running.try_join_next() {
            flatten(ended)?;
        }
        let (work, ctx, results, waiting) = (work.clone(), ctx.clone(), results.clone(), waiting.clone());
        running.spawn(async move { fetch_group(work, group, permit, slot, &ctx, results, waiting).await });
    }
    while let Some(ended) = running.join_next().await {
        flatten(ended)?;
    }
    Ok(())
}

fn flatten(ended: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    ended.unwrap_or_else(|e| Err(Error::internal(format!("a fetch ended without a result: {e}"))))
}

async fn fetch_group<W: Work>(
    work: Arc<W>,
    group: Group,
    mut permit: Permit,
    slot: OwnedSemaphorePermit,
    ctx: &Context,
    results: Arc<Results<W::Output>>,
    waiting: Arc<Waiting<W>>,
) -> Result<()> {
    let _busy = ctx.progress().fetch.start();
    let runtime = runtime()?;
    let first = group.items.start;
    let on_work = work.clone();
    let on_results = results.clone();
    let confirm = work.confirm(group.items.clone(), ctx);
    let confirmed = Confirmed::new(AtomicBool::new(confirm.is_none()));
    let on_confirmed = confirmed.clone();
    let mut on_fetched = |item: usize, fetched: Option<W::Fetched>| {
        let permit = permit.split(group.bytes[item - first]);
        waiting.put(item, Arrived { fetched, permit, confirmed: on_confirmed.clone() });
        let (work, results, waiting) = (on_work.clone(), on_results.clone(), waiting.clone());
        let progress = ctx.progress().clone();
        runtime.cpu.spawn(move || {
            let Some((item, Arrived { fetched, mut permit, confirmed })) = waiting.take_first() else { return };
            let busy = progress.decode.start();
            let result = catch_panic(|| work.process(item, fetched));
            drop(busy);
            let result = result.map(|(output, bytes)| {
                permit.resize(bytes);
                output
            });
            results.put(item, Ready { result, permit, confirmed });
        });
    };
    work.fetch(group.items.clone(), ctx, &mut on_fetched).await?;
    drop(slot);
    if let Some(confirm) = confirm {
        confirm.await?;
        results.confirm(&confirmed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_respect_count_bytes_and_boundaries() {
        let shapes = |groups: Vec<Group>| groups.into_iter().map(|g| g.items).collect::<Vec<_>>();
        let sizes = [10, 10, 10, 50, 5, 5];
        assert_eq!(shapes(groups(&sizes, 2, 100, |_, _| true)), [0..2, 2..4, 4..6]);
        assert_eq!(shapes(groups(&sizes, 9, 40, |_, _| true)), [0..3, 3..4, 4..6]);
        assert_eq!(shapes(groups(&sizes, 9, 100, |a, b| a / 3 == b / 3)), [0..3, 3..6]);
        assert!(groups(&[], 9, 100, |_, _| true).is_empty());
    }

    #[test]
    fn a_group_falls_apart_item_by_item() {
        let mut group = Group { items: 4..7, bytes: vec![1, 2, 3] };
        let mut rest = group.split_after_first().unwrap();
        assert_eq!(group, Group { items: 4..5, bytes: vec![1] });
        assert_eq!(rest.split_after_first().unwrap(), Group { items: 6..7, bytes: vec![3] });
        assert_eq!((rest.items.clone(), rest.split_after_first()), (5..6, None));
    }

    struct Squares {
        fail_at: Option<usize>,
        /// The group that starts with this item is not confirmed.
        refuse: Option<usize>,
    }

    impl Work for Squares {
        type Fetched = usize;
        type Output = usize;

        fn fetch<'a>(
            &'a self,
            items: Range<usize>,
            _: &'a Context,
            on_fetched: OnFetched<'a, usize>,
        ) -> BoxFuture<'a, Result<()>> {
            Box::pin(async move {
                // Later items first: the order must come from the pipeline.
                for item in items.rev() {
                    tokio::time::sleep(std::time::Duration::from_micros((item % 7) as u64 * 100)).await;
                    on_fetched(item, Some(item));
                }
                Ok(())
            })
        }

        fn confirm<'a>(&'a self, items: Range<usize>, _: &'a Context) -> Option<BoxFuture<'a, Result<()>>> {
            let refuse = self.refuse?;
            Some(Box::pin(async move {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                if items.start == refuse { Err(Error::conflict("replaced")) } else { Ok(()) }
            }))
        }

        fn process(&self, item: usize, fetched: Option<usize>) -> Result<(usize, u64)> {
            if self.fail_at == Some(item) {
                return Err(Error::corrupt("spoiled"));
            }
            Ok((fetched.unwrap_or(0).pow(2), 100))
        }
    }

    fn start(squares: Squares, ctx: &Context) -> Pipeline<usize> {
        let groups = all(groups(&[100; 200], 3, 1 << 20, |_, _| true));
        Pipeline::start(Arc::new(squares), groups, 200, 4, ctx).unwrap()
    }

    #[test]
    fn results_come_in_order_within_a_tiny_budget() {
        let ctx = Context::new().with_max_inflight_bytes(300);
        let mut pipeline = start(Squares { fail_at: None, refuse: None }, &ctx);
        let results: Vec<usize> = std::iter::from_fn(|| pipeline.next()).map(Result::unwrap).collect();
        assert_eq!(results, (0..200).map(|i| i * i).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_comes_in_its_place_and_ends_the_pipeline() {
        let mut pipeline = start(Squares { fail_at: Some(50), refuse: None }, &Context::new());
        for i in 0..50 {
            assert_eq!(pipeline.next().unwrap().unwrap(), i * i);
        }
        assert_eq!(pipeline.next().unwrap().unwrap_err().kind(), crate::ErrorKind::Corrupt);
        assert!(pipeline.next().is_none());
    }

    #[test]
    fn nothing_is_handed_out_before_it_is_confirmed() {
        // Items 60 to 62 are one group. What is wrong with it counts for more than what is wrong in it.
        for fail_at in [None, Some(61)] {
            let mut pipeline = start(Squares { fail_at, refuse: Some(60) }, &Context::new());
            let results: Vec<_> = std::iter::from_fn(|| pipeline.next()).collect();
            let (last, handed_out) = results.split_last().unwrap();
            assert_eq!(last.as_ref().unwrap_err().kind(), crate::ErrorKind::Conflict);
            assert!(handed_out.len() <= 60 && handed_out.iter().all(Result::is_ok));
        }
        let mut pipeline = start(Squares { fail_at: None, refuse: Some(usize::MAX) }, &Context::new());
        assert_eq!(std::iter::from_fn(|| pipeline.next()).map(Result::unwrap).count(), 200);
    }

    #[test]
    fn what_is_needed_first_is_processed_first() {
        let (waiting, share) = (Waiting::<Squares>::default(), Context::new().budget_share().unwrap());
        for item in [7, 2, 9, 4] {
            let share = share.clone();
            let permit = Context::new().block_on(async move { Ok(share.acquire(1).await) }).unwrap();
            waiting.put(item, Arrived { fetched: Some(item), permit, confirmed: Confirmed::default() });
        }
        let mut order = Vec::new();
        while let Some((item, arrived)) = waiting.take_first() {
            assert_eq!(arrived.fetched, Some(item));
            order.push(item);
        }
        assert_eq!(order, [2, 4, 7, 9]);
    }

    #[test]
    fn cancelling_wakes_the_consumer() {
        let ctx = Context::new();
        let mut pipeline = start(Squares { fail_at: None, refuse: None }, &ctx);
        pipeline.next().unwrap().unwrap();
        ctx.cancel_token().cancel();
        let last = std::iter::from_fn(|| pipeline.next()).last().unwrap();
        assert_eq!(last.unwrap_err().kind(), crate::ErrorKind::Cancelled);
    }
}

//! The one runtime, the one byte budget, and what bounds an operation: deadline, cancel token, budget share.
//!
//! The runtime starts at the first call that needs it: a few I/O threads (tokio) that move bytes and a CPU
//! pool that encodes and decodes. Callers block on a channel, never inside the runtime, so a call may
//! be made from any thread, also from one that belongs to another runtime.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;
use tokio::sync::Notify;
pub use tokio_util::sync::CancellationToken as CancelToken;

use crate::cpu_pool::CpuPool;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Metrics, Progress};
use crate::options::{Bytes, Options, options};
use crate::telemetry::Counter;

options! {
    /// Settings of the whole process; they can be made until the first use of the library.
    pub struct RuntimeOptions {
        /// Threads that move bytes; 0 means up to four, no more than the cores that the process may use. Environment: ARROWREDIS_IO_THREADS.
        pub io_threads: usize = 0,
        /// Threads that encode and decode; 0 means as many as the cores that the process may use. Environment: ARROWREDIS_CPU_THREADS.
        pub cpu_threads: usize = 0,
        /// The bytes that all operations together may have in flight. Environment: ARROWREDIS_MAX_INFLIGHT_BYTES.
        pub max_inflight_bytes: Bytes = Bytes(256 << 20),
    }
}

impl RuntimeOptions {
    fn from_environment() -> Result<Self> {
        let mut options = RuntimeOptions::default();
        for spec in RuntimeOptions::specs() {
            let name = format!("ARROWREDIS_{}", spec.key.to_uppercase());
            if let Ok(value) = std::env::var(&name) {
                options.set(spec.key, &value).map_err(|e| e.context(format!("environment variable {name}")))?;
            }
        }
        Ok(options)
    }
}

static CONFIGURED: Mutex<Option<RuntimeOptions>> = Mutex::new(None);
static RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// Sets the process-wide settings.
///
/// # Errors
/// `CONFLICT` once the library has been used: the threads are running by then.
pub fn configure(options: RuntimeOptions) -> Result<()> {
    let mut configured = CONFIGURED.lock().unwrap_or_else(PoisonError::into_inner);
    if RUNTIME.get().is_some() {
        return Err(Error::conflict("the runtime has started: set process-wide options before the first use"));
    }
    *configured = Some(options);
    Ok(())
}

/// The threads and the budget of this process.
pub(crate) struct Runtime {
    io: tokio::runtime::Runtime,
    pub(crate) cpu: CpuPool,
    pub(crate) budget: Arc<Budget>,
    pid: u32,
}

/// The cores that affinity and cgroup quota left to this process when it was first asked for: every answer of the
/// system takes a look into half a dozen files, and reads ask for each of their batches.
pub(crate) fn available_cores() -> usize {
    static CORES: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
    *CORES
}

/// The runtime, started if need be.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    let runtime = RUNTIME.get_or_try_init(Runtime::start)?;
    check_fork()?;
    Ok(runtime)
}

/// Fails in a child that was forked after the runtime had started: its threads are not there.
pub(crate) fn check_fork() -> Result<()> {
    match RUNTIME.get() {
        Some(runtime) if runtime.pid != std::process::id() => Err(Error::new(
            ErrorKind::Forked,
            "this process was forked after the library had started its threads: fork before the first call, or exec",
        )),
        _ => Ok(()),
    }
}

/// What operations hold of the budget now; nothing if the runtime has not started.
pub(crate) fn inflight_bytes() -> u64 {
    RUNTIME.get().map_or(0, |runtime| *runtime.budget.lock())
}

impl Runtime {
    fn start() -> Result<Self> {
        let configured = CONFIGURED.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let options = match configured {
            Some(options) => options,
            None => RuntimeOptions::from_environment()?,
        };
        let cores = available_cores();
        let or_default = |asked: usize, default: usize| if asked == 0 { default } else { asked };
        let io = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(or_default(options.io_threads, cores.min(4)))
            .max_blocking_threads(16)
            .thread_name("arrowredis-io")
            .on_thread_start(block_signals)
            .enable_all()
            .build()
            .map_err(|e| Error::resource_exhausted(format!("cannot start the I/O threads: {e}")))?;
        let cpu = CpuPool::start(or_default(options.cpu_threads, cores))?;
        Ok(Runtime { io, cpu, budget: Arc::new(Budget::new(options.max_inflight_bytes.0)), pid: std::process::id() })
    }

    /// Runs a future on the I/O threads in the background.
    pub(crate) fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.io.spawn(future)
    }

    /// Runs a future on the I/O threads and blocks the caller until it ends.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.io.spawn(async move {
            let _ = sender.send(future.await);
        });
        receiver.recv().unwrap_or_else(|_| Err(Error::internal("a task ended without a result")))
    }

    /// Runs CPU work on the pool and awaits its result.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.cpu.spawn(move || {
            let _ = sender.send(catch_panic(work));
        });
        receiver.await.unwrap_or_else(|_| Err(Error::internal("a CPU task ended without a result")))
    }

    /// Runs a blocking system call (file I/O) off the I/O threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.io
            .spawn_blocking(move || catch_panic(work))
            .await
            .unwrap_or_else(|e| Err(Error::internal(format!("a file task ended without a result: {e}"))))
    }
}

/// A panic in a task is a defect of ours, or of a library on hostile bytes; it ends the operation, not the host.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|s| s.to_string())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown panic".to_string());
        Err(Error::internal(format!("a task panicked: {text}")))
    })
}

/// The host's signals are for the host's threads: ours take none, and a broken pipe is an error, not a signal.
pub(crate) fn block_signals() {
    // SAFETY: the set is initialised by sigfillset before it is used, and the mask is changed for the calling
    // thread only, which is ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGTRAP] {
            libc::sigdelset(&mut set, fault);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
}

/// What is left to work that must not be cut short, so that the call still ends close to its deadline.
const AFTER_DEADLINE: Duration = Duration::from_millis(50);

/// What bounds one operation and what it reports: deadline, cancel token, counters, share of the budget.
///
/// Clones belong to the same operation. A context serves one operation; its clock starts when it is made.
#[derive(Debug, Clone)]
pub struct Context {
    cancel: CancelToken,
    timeout: Option<(Instant, Duration)>,
    max_inflight_bytes: Option<u64>,
    progress: Arc<Progress>,
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Context {
    /// No deadline, a cancel token of its own, a fair share of the process's byte budget.
    pub fn new() -> Self {
        Context {
            cancel: CancelToken::new(),
            timeout: None,
            max_inflight_bytes: None,
            progress: Arc::new(Progress::new()),
        }
    }

    /// Ends the operation with `TIMEOUT` when it has run for so long, counted from this call.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Instant::now().checked_add(timeout).map(|deadline| (deadline, timeout));
        self
    }

    /// Ends the operation with `CANCELLED` when the token is fired, by any thread, before or during it.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancelToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Has at most so many bytes in flight. The process's budget may allow less; one chunk is always allowed.
    #[must_use]
    pub fn with_max_inflight_bytes(mut self, bytes: u64) -> Self {
        self.max_inflight_bytes = Some(bytes);
        self
    }

    /// An operation that is part of this one: the same token, deadline and limit, counters of its own.
    #[must_use]
    pub fn part(&self) -> Context {
        Context { progress: Arc::new(Progress::new()), ..self.clone() }
    }

    /// The same operation with at most so many bytes in flight, unless the caller has set a limit already.
    #[must_use]
    pub(crate) fn with_default_inflight_bytes(mut self, bytes: u64) -> Self {
        self.max_inflight_bytes.get_or_insert(bytes);
        self
    }

    /// The live counters of the operation.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// The token that ends the operation.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// The figures as they stand now.
    pub fn metrics(&self) -> Metrics {
        self.progress.snapshot()
    }

    /// The operation's share of the process's budget.
    pub(crate) fn budget_share(&self) -> Result<Arc<Share>> {
        Ok(runtime()?.budget.share(self.max_inflight_bytes))
    }

    /// Fails if the operation was cancelled or its time is up: for loops that do not await.
    pub(crate) fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(cancelled());
        }
        match self.timeout {
            Some((deadline, timeout)) if Instant::now() >= deadline => Err(timed_out(timeout)),
            _ => Ok(()),
        }
    }

    /// Runs a future until it ends, the token is fired or the deadline passes; in the last two cases it is dropped.
    pub(crate) async fn guard<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        let deadline = async {
            match self.timeout {
                Some((deadline, _)) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => {
                self.progress.count_end(Counter::Cancelled);
                Err(cancelled())
            }
            () = deadline => {
                self.progress.count_end(Counter::TimedOut);
                Err(timed_out(self.timeout.map(|t| t.1).unwrap_or_default()))
            }
            result = future => result,
        }
    }

    /// Resolves when the operation should have come back by now: shortly after its deadline, or so long after it
    /// was cancelled. For work that must not be cut short, as its outcome would then be unknown.
    pub(crate) async fn overdue(&self, after_cancel: Duration) -> Error {
        let deadline = async {
            match self.timeout {
                Some((deadline, _)) => tokio::time::sleep_until((deadline + AFTER_DEADLINE).into()).await,
                None => std::future::pending().await,
            }
        };
        let cancel = async {
            self.cancel.cancelled().await;
            tokio::time::sleep(after_cancel).await;
        };
        tokio::select! {
            () = deadline => timed_out(self.timeout.map(|t| t.1).unwrap_or_default()),
            () = cancel => cancelled(),
        }
    }

    /// Runs a future on the runtime under [`Context::guard`] and blocks until it ends; the operation ends with it.
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let result = self.block_on_part(future);
        self.progress.finish();
        result
    }

    /// The same for a step of an operation that goes on afterwards.
    pub(crate) fn block_on_part<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let context = self.clone();
        runtime()?.wait(async move { context.guard(future).await })
    }
}

fn cancelled() -> Error {
    Error::cancelled("the operation was cancelled")
}

fn timed_out(timeout: Duration) -> Error {
    Error::timeout(format!("the operation did not end within its total timeout of {} s", timeout.as_secs_f64()))
        .retryable(true)
}

/// The bytes that all operations of the process together may have in flight.
///
/// Each operation may hold up to half of what the others leave, so `n` equally hungry operations settle at
/// `total / (n + 1)` each, and a newcomer always finds room. An operation that holds nothing is always
/// granted one request, so none can starve and two that wait for each other's consumer cannot deadlock.
#[derive(Debug)]
pub(crate) struct Budget {
    total: u64,
    held: Mutex<u64>,
    released: Notify,
}

/// One operation's part of the [`Budget`].
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    limit: u64,
    held: Mutex<u64>,
}

/// Bytes taken from a [`Share`], given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    share: Arc<Share>,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(total: u64) -> Self {
        Budget { total, held: Mutex::new(0), released: Notify::new() }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn share(self: &Arc<Self>, limit: Option<u64>) -> Arc<Share> {
        Arc::new(Share { budget: self.clone(), limit: limit.unwrap_or(u64::MAX), held: Mutex::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    fn try_acquire(self: &Arc<Self>, bytes: u64) -> Option<Permit> {
        let mut total_held = self.budget.lock();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if *held > 0 && *held + bytes > self.allowed(*total_held, *held) {
            return None;
        }
        *held += bytes;
        *total_held += bytes;
        Some(Permit { share: self.clone(), bytes })
    }

    /// What this operation may hold now: half of what the others leave.
    fn allowed(&self, total_held: u64, held: u64) -> u64 {
        self.limit.min(self.budget.total.saturating_sub(total_held - held) / 2)
    }

    /// Whether so many bytes would be within the budget if this operation held nothing else now. It gets them in the
    /// end even if not; so whoever can do with less should then ask for less.
    pub(crate) fn allows(&self, bytes: u64) -> bool {
        let total_held = self.budget.lock();
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        bytes <= self.allowed(*total_held, *held)
    }

    /// Waits until so many bytes may be in flight.
    pub(crate) async fn acquire(self: &Arc<Self>, bytes: u64) -> Permit {
        loop {
            let released = self.budget.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if let Some(permit) = self.try_acquire(bytes) {
                return permit;
            }
            released.await;
        }
    }
}

impl Permit {
    /// Takes the first `bytes` of this permit as one of its own (at most what there is).
    pub(crate) fn split(&mut self, bytes: u64) -> Permit {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Permit { share: self.share.clone(), bytes }
    }

    /// Changes what is held to the size that the thing really has, without waiting.
    pub(crate) fn resize(&mut self, bytes: u64) {
        let mut total_held = self.share.budget.lock();
        let mut held = self.share.held.lock().unwrap_or_else(PoisonError::into_inner);
        *total_held = *total_held + bytes - self.bytes;
        *held = *held + bytes - self.bytes;
        let shrunk = bytes < self.bytes;
        self.bytes = bytes;
        drop((total_held, held));
        if shrunk {
            self.share.budget.released.notify_waiters();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.resize(0);
        self.share.budget.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_share_the_budget_and_never_starve() {
        let budget = Arc::new(Budget::new(1000));
        let first = budget.share(None);
        let second = budget.share(None);
        let mut held: Vec<Permit> = std::iter::from_fn(|| first.try_acquire(100)).collect();
        assert_eq!(held.len(), 5, "alone, an operation may hold half");
        let others: Vec<Permit> = std::iter::from_fn(|| second.try_acquire(100)).collect();
        assert_eq!(others.len(), 2, "a newcomer gets half of the rest");
        drop(held.pop());
        assert!(first.try_acquire(100).is_none(), "and the first one's part shrinks");
        let third = budget.share(None);
        let huge = third.try_acquire(5000);
        assert!(huge.is_some(), "one request is always granted");
        assert!(third.try_acquire(1).is_none());
        drop((held, others, huge));
        assert_eq!(*budget.lock(), 0);
    }

    #[test]
    fn what_the_others_hold_is_not_allowed() {
        let budget = Arc::new(Budget::new(1000));
        let (first, second) = (budget.share(None), budget.share(Some(200)));
        assert!(first.allows(500) && !first.allows(501), "alone, an operation gets half");
        assert!(second.allows(200) && !second.allows(201), "its own limit holds");
        let held = first.try_acquire(900);
        assert!(held.is_some() && first.allows(500), "what it holds itself does not count");
        assert!(second.allows(50) && !second.allows(51), "the others leave 100");
    }

    #[test]
    fn a_permit_follows_the_size_of_what_it_stands_for() {
        let budget = Arc::new(Budget::new(1000));
        let share = budget.share(Some(300));
        let mut permit = share.try_acquire(100).unwrap();
        let part = permit.split(60);
        assert_eq!((permit.bytes, part.bytes), (40, 60));
        permit.resize(240);
        assert_eq!(*budget.lock(), 300);
        assert!(share.try_acquire(1).is_none(), "the operation's own limit holds");
        drop(part);
        assert!(share.try_acquire(1).is_some());
        drop(permit);
        assert_eq!(*budget.lock(), 0);
    }

    #[test]
    fn waiting_ends_by_release_cancel_and_deadline() {
        let runtime = runtime().unwrap();
        let budget = Arc::new(Budget::new(100));
        let share = budget.share(None);
        let permit = share.try_acquire(50).unwrap();
        let waiting = share.clone();
        let waiter = runtime.spawn(async move { waiting.acquire(50).await.bytes });
        drop(permit);
        assert_eq!(runtime.wait(async { Ok(waiter.await.unwrap()) }).unwrap(), 50);

        let cancelled = Context::new();
        cancelled.cancel_token().cancel();
        let error = cancelled.block_on(std::future::pending::<Result<()>>()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);

        let late = Context::new().with_timeout(Duration::from_millis(10));
        let error = late.block_on(std::future::pending::<Result<()>>()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }

    #[test]
    fn a_panic_in_a_task_is_an_error() {
        let runtime = runtime().unwrap();
        let error =
            runtime.wait(async { super::runtime()?.compute(|| -> Result<()> { panic!("no") }).await }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.message().contains("no"));
    }
}

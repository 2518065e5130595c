//! Log records for the host: by a C callback, or through a bounded queue that it polls.

use std::collections::VecDeque;
use std::ffi::{c_char, c_void};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::error::{Error, Result};
use crate::ffi::constants::{
    ARROWREDIS_LOG_DEBUG, ARROWREDIS_LOG_ERROR, ARROWREDIS_LOG_INFO, ARROWREDIS_LOG_OFF, ARROWREDIS_LOG_TRACE,
    ARROWREDIS_LOG_WARN,
};
use crate::ffi::error::arrowredis_error;
use crate::ffi::guard::{Out, Text, borrow, call, give, handle, infallible, no_text, release};

/// Receives a log record: its level, the module that it comes from, and its text. The strings are NUL-terminated and
/// valid during the call only.
///
/// It is called from threads of the library, several at a time; it must not call this library, throw or unwind.
pub type arrowredis_log_callback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, target: *const c_char, message: *const c_char)>;

/// Where records go.
#[derive(Default)]
struct Sinks {
    callback: Option<Callback>,
    queue: Option<Queue>,
}

#[derive(Clone, Copy)]
struct Callback {
    level: i32,
    function: unsafe extern "C" fn(*mut c_void, i32, *const c_char, *const c_char),
    user_data: *mut c_void,
}

// SAFETY: the header says that callback and user data are used from several threads.
unsafe impl Send for Callback {}

struct Queue {
    level: i32,
    capacity: usize,
    records: VecDeque<arrowredis_log_record>,
}

static SINKS: Mutex<Sinks> = Mutex::new(Sinks { callback: None, queue: None });
static ARRIVED: Condvar = Condvar::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

fn sinks() -> MutexGuard<'static, Sinks> {
    SINKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A log record. Immutable.
pub struct arrowredis_log_record {
    level: i32,
    target: Text,
    message: Text,
}

handle!(arrowredis_log_record, "log record", b"ar.logrc");

/// Hands the library's own events to the sinks.
struct Host;

impl Subscriber for Host {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with(env!("CARGO_PKG_NAME"))
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        deliver(event);
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

fn number(level: &Level) -> i32 {
    match *level {
        Level::ERROR => ARROWREDIS_LOG_ERROR,
        Level::WARN => ARROWREDIS_LOG_WARN,
        Level::INFO => ARROWREDIS_LOG_INFO,
        Level::DEBUG => ARROWREDIS_LOG_DEBUG,
        Level::TRACE => ARROWREDIS_LOG_TRACE,
    }
}

fn deliver(event: &Event<'_>) {
    let level = number(event.metadata().level());
    let (callback, queued) = {
        let sinks = sinks();
        let queued = sinks.queue.as_ref().is_some_and(|queue| level <= queue.level);
        (sinks.callback.filter(|callback| level <= callback.level), queued)
    };
    if callback.is_none() && !queued {
        return;
    }
    let mut line = Line::default();
    event.record(&mut line);
    let target = Text::new(event.metadata().target());
    let message = Text::new(&format!("{}{}", line.message, line.fields));
    if let Some(callback) = callback {
        // SAFETY: the caller handed the function over for this, with its user data; the strings outlive the call.
        unsafe { (callback.function)(callback.user_data, level, target.pointer(), message.pointer()) };
    }
    if queued && let Some(queue) = &mut sinks().queue {
        if queue.records.len() >= queue.capacity {
            queue.records.pop_front();
            DROPPED.fetch_add(1, Relaxed);
        }
        queue.records.push_back(arrowredis_log_record { level, target, message });
        ARRIVED.notify_one();
    }
}

/// A record's text: the message, then its fields.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// Registers with `tracing`, once.
fn listen() -> Result<()> {
    static LISTENING: OnceLock<bool> = OnceLock::new();
    if *LISTENING.get_or_init(|| tracing::subscriber::set_global_default(Host).is_ok()) {
        return Ok(());
    }
    Err(Error::conflict("this process has a subscriber of the library's events already: take them from there"))
}

fn check_level(level: i32) -> Result<()> {
    if (ARROWREDIS_LOG_OFF..=ARROWREDIS_LOG_TRACE).contains(&level) {
        return Ok(());
    }
    Err(Error::invalid_argument(format!("there is no log level {level}: expected 0 (off) to 5 (trace)")))
}

/// Has records of a level (`ARROWREDIS_LOG_…`) and above go to a callback of the process; NULL, or level 0, ends that.
///
/// A call of the callback may still be under way in another thread when this returns. Errors: INVALID_ARGUMENT for an
/// unknown level.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_log_set_callback(
    level: i32,
    callback: arrowredis_log_callback,
    user_data: *mut c_void,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        check_level(level)?;
        listen()?;
        let callback = callback.filter(|_| level > ARROWREDIS_LOG_OFF);
        sinks().callback = callback.map(|function| Callback { level, function, user_data });
        Ok(())
    })
}

/// Has records of a level (`ARROWREDIS_LOG_…`) and above wait in a queue of the process, of so many records at the most:
/// the oldest is dropped for a newer one. Level 0 ends that and forgets what waits.
///
/// Errors: INVALID_ARGUMENT for an unknown level, or no capacity.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_log_set_queue(level: i32, capacity: usize, err: *mut *mut arrowredis_error) -> i32 {
    call(err, || {
        check_level(level)?;
        if level > ARROWREDIS_LOG_OFF && capacity == 0 {
            return Err(Error::invalid_argument("argument 'capacity' cannot be 0: a queue holds at least one record"));
        }
        listen()?;
        let mut sinks = sinks();
        let mut records = sinks.queue.take().map(|queue| queue.records).unwrap_or_default();
        while records.len() > capacity {
            records.pop_front();
        }
        sinks.queue = (level > ARROWREDIS_LOG_OFF).then_some(Queue { level, capacity, records });
        ARRIVED.notify_all();
        Ok(())
    })
}

/// Takes the oldest record from the queue, waiting for one for so many milliseconds. `*out` is NULL when none came; it
/// returns early when the queue is ended. The caller owns `*out`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_log_next(
    timeout_milliseconds: u64,
    out: *mut *mut arrowredis_log_record,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = Out::new(out, "out")?;
        let deadline = Instant::now().checked_add(Duration::from_millis(timeout_milliseconds));
        let mut sinks = sinks();
        let record = loop {
            let Some(queue) = &mut sinks.queue else { break None };
            if let Some(record) = queue.records.pop_front() {
                break Some(record);
            }
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break None;
            }
            sinks = ARRIVED.wait_timeout(sinks, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(sinks);
        out.set(record.map_or(std::ptr::null_mut(), give));
        Ok(())
    })
}

/// How many records were dropped from the queue since the process began, because it was full.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_log_dropped() -> u64 {
    DROPPED.load(Relaxed)
}

/// The level of a record, one of `ARROWREDIS_LOG_…`; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_log_record_level(record: *const arrowredis_log_record) -> i32 {
    infallible(|| borrow(record, "record").map_or(0, |record| record.level))
}

/// The module that a record comes from. Borrowed from the record; NULL for NULL. `length` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_log_record_target(
    record: *const arrowredis_log_record,
    length: *mut usize,
) -> *const c_char {
    borrow(record, "record").map_or_else(|_| no_text(length), |record| record.target.lend(length))
}

/// The text of a record. Borrowed from the record; NULL for NULL. `length` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_log_record_message(
    record: *const arrowredis_log_record,
    length: *mut usize,
) -> *const c_char {
    borrow(record, "record").map_or_else(|_| no_text(length), |record| record.message.lend(length))
}

/// Frees a record. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_log_record_free(record: *mut arrowredis_log_record) {
    release(record);
}

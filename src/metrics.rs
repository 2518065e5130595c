//! What an operation has done so far, and what it cost.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::ArrayRef;
use arrow::record_batch::RecordBatch;

use crate::telemetry::{Counter, count};

/// Bytes in a megabyte, as all throughput figures use it.
pub const MB: f64 = (1 << 20) as f64;

/// The bytes of the rows of a batch, dictionaries included, without what its buffers hold besides.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> u64 {
    let bytes = |column: &ArrayRef| {
        column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_buffer_memory_size()) as u64
    };
    batch.columns().iter().map(bytes).sum()
}

/// The figures of one operation. A snapshot: numbers only, detached from the operation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    /// Rows handed out, written or compared.
    pub rows: u64,
    /// Chunks (or record batches of a file) moved.
    pub chunks: u64,
    /// Bytes on the wire or in the file: headers, dictionaries and bodies as stored.
    pub payload_bytes: u64,
    /// Bytes of the Arrow arrays that were made or encoded.
    pub decoded_bytes: u64,
    /// Seconds during which at least one fetch (or write to the store) ran.
    pub fetch_seconds: f64,
    /// Seconds during which at least one decode or encode ran. Overlaps with `fetch_seconds`.
    pub decode_seconds: f64,
    /// Seconds from the start of the operation to now, or to its end.
    pub total_seconds: f64,
    /// Requests that were repeated after a failure that could pass.
    pub retries: u64,
    /// Chunks that were missing and skipped because the caller asked for that.
    pub chunks_skipped: u64,
    /// Chunks (or record batches of a file) that were not touched, since their statistics rule out that a filter
    /// keeps any of their rows.
    pub chunks_pruned: u64,
    /// Bytes that were not fetched because of a filter: those of pruned chunks, and of the other columns of chunks
    /// whose filter columns show that no row is kept.
    pub bytes_pruned: u64,
    /// How many chunks the operation will move, once known.
    pub chunks_expected: u64,
    /// How many payload bytes the operation will move, once known.
    pub payload_bytes_expected: u64,
}

impl Metrics {
    /// Payload megabytes (2^20 bytes) a second over the whole operation.
    pub fn payload_mb_per_second(&self) -> f64 {
        self.per_second(self.payload_bytes as f64 / MB)
    }

    /// Decoded megabytes (2^20 bytes) a second over the whole operation.
    pub fn decoded_mb_per_second(&self) -> f64 {
        self.per_second(self.decoded_bytes as f64 / MB)
    }

    /// Rows a second over the whole operation.
    pub fn rows_per_second(&self) -> f64 {
        self.per_second(self.rows as f64)
    }

    fn per_second(&self, amount: f64) -> f64 {
        if self.total_seconds > 0.0 { amount / self.total_seconds } else { 0.0 }
    }
}

/// The live counters behind [`Metrics`]; any thread may read them while the operation runs.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    ended: Mutex<Option<Instant>>,
    ended_early: AtomicBool,
    pub(crate) rows: AtomicU64,
    pub(crate) chunks: AtomicU64,
    pub(crate) payload_bytes: AtomicU64,
    pub(crate) decoded_bytes: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) chunks_skipped: AtomicU64,
    pub(crate) chunks_pruned: AtomicU64,
    pub(crate) bytes_pruned: AtomicU64,
    pub(crate) chunks_expected: AtomicU64,
    pub(crate) payload_bytes_expected: AtomicU64,
    pub(crate) fetch: BusyTimer,
    pub(crate) decode: BusyTimer,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Progress {
            started: Instant::now(),
            ended: Mutex::new(None),
            ended_early: AtomicBool::new(false),
            rows: AtomicU64::new(0),
            chunks: AtomicU64::new(0),
            payload_bytes: AtomicU64::new(0),
            decoded_bytes: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            chunks_skipped: AtomicU64::new(0),
            chunks_pruned: AtomicU64::new(0),
            bytes_pruned: AtomicU64::new(0),
            chunks_expected: AtomicU64::new(0),
            payload_bytes_expected: AtomicU64::new(0),
            fetch: BusyTimer::default(),
            decode: BusyTimer::default(),
        }
    }

    /// Adds to a counter. The counters are independent of each other, so no order is needed.
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Relaxed);
    }

    /// Counts that the operation was ended from outside: once, however many parts of it find that out.
    pub(crate) fn count_end(&self, how: Counter) {
        if !self.ended_early.swap(true, Relaxed) {
            count(how, 1);
        }
    }

    /// Stops the clock; the first call counts.
    pub(crate) fn finish(&self) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
    }

    /// The figures as they stand now.
    pub fn snapshot(&self) -> Metrics {
        let end = self.ended.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(Instant::now);
        Metrics {
            rows: self.rows.load(Relaxed),
            chunks: self.chunks.load(Relaxed),
            payload_bytes: self.payload_bytes.load(Relaxed),
            decoded_bytes: self.decoded_bytes.load(Relaxed),
            fetch_seconds: self.fetch.busy().as_secs_f64(),
            decode_seconds: self.decode.busy().as_secs_f64(),
            total_seconds: (end - self.started).as_secs_f64(),
            retries: self.retries.load(Relaxed),
            chunks_skipped: self.chunks_skipped.load(Relaxed),
            chunks_pruned: self.chunks_pruned.load(Relaxed),
            bytes_pruned: self.bytes_pruned.load(Relaxed),
            chunks_expected: self.chunks_expected.load(Relaxed),
            payload_bytes_expected: self.payload_bytes_expected.load(Relaxed),
        }
    }
}

/// Measures the time during which at least one task of a kind ran.
#[derive(Debug, Default)]
pub(crate) struct BusyTimer(Mutex<Busy>);

#[derive(Debug, Default)]
struct Busy {
    running: u32,
    since: Option<Instant>,
    total: Duration,
}

impl BusyTimer {
    /// Counts as running until the guard is dropped.
    pub(crate) fn start(&self) -> BusyGuard<'_> {
        let mut busy = self.lock();
        if busy.running == 0 {
            busy.since = Some(Instant::now());
        }
        busy.running += 1;
        BusyGuard(self)
    }

    fn busy(&self) -> Duration {
        let busy = self.lock();
        busy.total + busy.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Busy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct BusyGuard<'a>(&'a BusyTimer);

impl Drop for BusyGuard<'_> {
    fn drop(&mut self) {
        let mut busy = self.0.lock();
        busy.running -= 1;
        if busy.running == 0
            && let Some(since) = busy.since.take()
        {
            busy.total += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_tasks_count_once() {
        let timer = BusyTimer::default();
        let start = Instant::now();
        let first = timer.start();
        let second = timer.start();
        std::thread::sleep(Duration::from_millis(20));
        drop(first);
        drop(second);
        let busy = timer.busy();
        assert!(busy >= Duration::from_millis(20) && busy <= start.elapsed(), "{busy:?}");
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(timer.busy(), busy, "idle time does not count");
    }

    #[test]
    fn rates_are_over_the_total_time() {
        let metrics = Metrics { rows: 10, payload_bytes: 4 << 20, total_seconds: 2.0, ..Metrics::default() };
        assert_eq!(metrics.rows_per_second(), 5.0);
        assert_eq!(metrics.payload_mb_per_second(), 2.0);
        assert_eq!(Metrics::default().rows_per_second(), 0.0);
    }
}

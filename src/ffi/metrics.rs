//! Figures: of an operation as a plain struct, of the whole process as a text.

use std::ffi::c_char;

use crate::ffi::error::arrowredis_error;
use crate::ffi::guard::{Growing, Out, Text, borrow, call, give, handle, no_text, release};
use crate::metrics::Metrics;

/// What an operation has done so far, and what it cost. A snapshot. MB are 2^20 bytes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct arrowredis_metrics {
    /// Rows handed out, written or compared.
    pub rows: u64,
    /// Chunks (or record batches of a file) moved.
    pub chunks: u64,
    /// Bytes on the wire or in the file, as stored.
    pub payload_bytes: u64,
    /// Bytes of the Arrow arrays that were made or encoded.
    pub decoded_bytes: u64,
    /// Seconds during which at least one fetch, or write to the store, ran.
    pub fetch_seconds: f64,
    /// Seconds during which at least one decode or encode ran. Overlaps with `fetch_seconds`.
    pub decode_seconds: f64,
    /// Seconds from the start of the operation to now, or to its end.
    pub total_seconds: f64,
    /// Requests that were repeated after a failure that could pass.
    pub retries: u64,
    /// Chunks that were missing and skipped because the caller asked for that.
    pub chunks_skipped: u64,
    /// How many chunks the operation will move; 0 until known.
    pub chunks_expected: u64,
    /// How many payload bytes the operation will move; 0 until known.
    pub payload_bytes_expected: u64,
    /// Payload MB a second over the whole operation.
    pub payload_mb_per_second: f64,
    /// Decoded MB a second over the whole operation.
    pub decoded_mb_per_second: f64,
    /// Rows a second over the whole operation.
    pub rows_per_second: f64,
    /// Chunks that were not touched, since their statistics rule out that a filter keeps any of their rows.
    pub chunks_pruned: u64,
    /// Bytes that were not fetched because of a filter.
    pub bytes_pruned: u64,
}

// SAFETY: fields of eight bytes, for all of which any bits are a value; no padding.
unsafe impl Growing for arrowredis_metrics {}

impl From<&Metrics> for arrowredis_metrics {
    fn from(metrics: &Metrics) -> Self {
        arrowredis_metrics {
            rows: metrics.rows,
            chunks: metrics.chunks,
            payload_bytes: metrics.payload_bytes,
            decoded_bytes: metrics.decoded_bytes,
            fetch_seconds: metrics.fetch_seconds,
            decode_seconds: metrics.decode_seconds,
            total_seconds: metrics.total_seconds,
            retries: metrics.retries,
            chunks_skipped: metrics.chunks_skipped,
            chunks_expected: metrics.chunks_expected,
            payload_bytes_expected: metrics.payload_bytes_expected,
            payload_mb_per_second: metrics.payload_mb_per_second(),
            decoded_mb_per_second: metrics.decoded_mb_per_second(),
            rows_per_second: metrics.rows_per_second(),
            chunks_pruned: metrics.chunks_pruned,
            bytes_pruned: metrics.bytes_pruned,
        }
    }
}

/// A text that the library has made. Immutable.
pub struct arrowredis_text(Text);

handle!(arrowredis_text, "text", b"ar.text.");

/// All counters and histograms of the process since its start, in the text format of Prometheus; what each counts
/// stands in the text. It holds no name of a key, a server or a user. The caller owns `*out`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_metrics_text(out: *mut *mut arrowredis_text, err: *mut *mut arrowredis_error) -> i32 {
    call(err, || {
        Out::new(out, "out")?.set(give(arrowredis_text(Text::new(&crate::telemetry::metrics_text()))));
        Ok(())
    })
}

/// The characters of a text. Borrowed from it; NULL for a NULL text. `length` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_text_get(text: *const arrowredis_text, length: *mut usize) -> *const c_char {
    borrow(text, "text").map_or_else(|_| no_text(length), |text| text.0.lend(length))
}

/// Frees a text. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_text_free(text: *mut arrowredis_text) {
    release(text);
}

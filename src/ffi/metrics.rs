//! Figures of an operation as a plain struct.

use crate::ffi::guard::Growing;
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

//! Defaults as pure functions of what is known: measured, and easy to test.

#[cfg(feature = "s3")]
use std::time::Duration;

/// About so many bytes are asked for by one request: enough to hide the round trip, little enough that the
/// server does not buffer much and the decoder is fed early.
pub(crate) const REQUEST_BYTES: u64 = 4 << 20;
/// Keys of one request at the most, unless told.
const KEYS_PER_REQUEST: usize = 64;
/// Bytes of one read in flight, unless told: several requests and their decoded batches. More would only be
/// fresh memory, whose page faults cost more than the longer look-ahead gains.
pub(crate) const LOOK_AHEAD_BYTES: u64 = 32 << 20;
/// Connections to one server, unless told.
pub(crate) const CONNECTIONS: usize = 8;

/// Bytes of one read in flight, unless told, where answers take this long to come: what a fast network carries
/// meanwhile. At the least
/// [`LOOK_AHEAD_BYTES`], and no more than leaves room for another operation in the process's budget.
#[cfg(feature = "s3")]
pub(crate) fn look_ahead(latency: Duration) -> u64 {
    const BYTES_PER_MILLISECOND: u128 = 4 << 20;
    let carried = latency.as_millis().saturating_mul(BYTES_PER_MILLISECOND);
    u64::try_from(carried).unwrap_or(u64::MAX).clamp(LOOK_AHEAD_BYTES, 3 * LOOK_AHEAD_BYTES)
}

/// What one more ranged read costs, in bytes that could be read instead: the server, the way there and we have some
/// microseconds of work with each. It is also the gap up to which two reads are made one.
pub(crate) const READ_COST_BYTES: u64 = 8 << 10;

/// Whether fetching all of a value costs no more than so many bytes of it by so many reads.
pub(crate) fn whole_is_cheaper(value_bytes: u64, wanted_bytes: u64, reads: u64, read_cost_bytes: u64) -> bool {
    wanted_bytes.saturating_add(reads.saturating_mul(read_cost_bytes)) >= value_bytes
}

/// What one more round trip for a chunk's columns costs, in bytes that could be read instead: most of it is hidden
/// by other requests.
const ROUND_TRIP_BYTES: f64 = (32 << 10) as f64;

/// How likely a chunk of which nothing is known holds a row that a filter keeps, by what was found so far.
pub(crate) fn match_probability(evaluated: u64, matched: u64) -> f64 {
    (matched as f64 + 1.0) / (evaluated as f64 + 2.0)
}

/// Whether to look at the columns of a filter before fetching the others.
pub(crate) fn filter_first(other_bytes: u64, match_probability: f64) -> bool {
    other_bytes as f64 * (1.0 - match_probability) > ROUND_TRIP_BYTES
}

/// Keys of one request at the most.
pub(crate) fn keys_per_request(asked: usize) -> usize {
    if asked == 0 { KEYS_PER_REQUEST } else { asked }
}

/// Requests in flight: one being received for every core that decodes, and one more so that the server never
/// waits for us; more would only make the server buffer more.
pub(crate) fn requests_in_flight(asked: usize, cores: usize) -> usize {
    if asked == 0 { (cores + 1).min(CONNECTIONS) } else { asked }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_follow_the_cores() {
        assert_eq!([1, 2, 8, 64].map(|cores| requests_in_flight(0, cores)), [2, 3, 8, 8]);
        assert_eq!(requests_in_flight(256, 2), 256);
        assert_eq!((keys_per_request(0), keys_per_request(5)), (64, 5));
    }

    #[cfg(feature = "s3")]
    #[test]
    fn the_farther_the_server_the_more_is_in_flight() {
        let mib = |milliseconds| look_ahead(Duration::from_millis(milliseconds)) >> 20;
        assert_eq!([0, 1, 8, 16, 20, 1_000_000].map(mib), [32, 32, 32, 64, 80, 96]);
    }

    #[test]
    fn small_chunks_are_fetched_whole_and_large_ones_in_parts() {
        let whole = |value, wanted, reads| whole_is_cheaper(value, wanted, reads, READ_COST_BYTES);
        // Two of ten columns with a head of 1 KiB, by three reads.
        for (value_bytes, expected) in [(1 << 10, true), (30 << 10, true), (40 << 10, false), (2 << 20, false)] {
            assert_eq!(whole(value_bytes, value_bytes / 5 + (1 << 10), 3), expected, "{value_bytes}");
        }
        assert!(whole(2 << 20, 2 << 20, 3), "all of the columns");
        assert!(whole(2 << 20, 20 << 10, 1000), "a thousand columns here and there");
        assert!(whole(u64::MAX, u64::MAX, u64::MAX));
        assert!(!whole_is_cheaper(1 << 10, 1 << 9, 1000, 0), "where reads cost nothing");
    }

    #[test]
    fn filters_come_first_where_they_can_save_much() {
        let worthwhile =
            |other_bytes, evaluated, matched| filter_first(other_bytes, match_probability(evaluated, matched));
        assert!(worthwhile(1 << 20, 0, 0), "nothing is known yet");
        assert!(!worthwhile(32 << 10, 0, 0), "little to save");
        assert!(worthwhile(32 << 20, 100, 100), "much to save, even if it is unlikely");
        assert!(!worthwhile(1 << 20, 100, 100), "they nearly all match");
        assert!(worthwhile(64 << 10, 100, 0), "they hardly ever match");
    }
}

//! Defaults as pure functions of what is known: measured, and easy to test.

use std::time::Duration;

/// Keys of one request at the most, unless told.
const KEYS_PER_REQUEST: usize = 64;
/// Connections to one server, unless told.
pub(crate) const CONNECTIONS: usize = 8;
/// About so many bytes are asked for by one request where the server is near: enough to hide the round trip, little
/// enough that the server does not buffer much and the decoder is fed early.
const REQUEST_BYTES: u64 = 512 << 10;
/// The same where it is far.
const MAX_REQUEST_BYTES: u64 = 4 << 20;
/// Large values are fetched from a near server in parts of about so many bytes: as much as half of the cache that each
/// core has of its own on most computers.
const PART_BYTES: u64 = 512 << 10;
/// Chunks that wait to be written go out together up to about so many bytes.
pub(crate) const WRITE_BYTES: u64 = 1 << 20;
/// Requests that a split makes ready or writes at once: many more than there are connections to one server would only
/// wait, and hold memory.
pub(crate) const WRITES: usize = 4 * CONNECTIONS;
/// What a fast network carries in a millisecond.
const BYTES_PER_MILLISECOND: u64 = 4 << 20;
/// Requests, received or decoded, that one read has ahead of its consumer. With fewer, each waits for the others
/// where cores are busy; with more, memory is fresh that could be reused, and a page fault costs as much as a copy.
const LOOK_AHEAD_REQUESTS: u64 = 16;
/// The same of a copy, which does nothing but write what it receives: nobody waits for cores.
const COPY_AHEAD_REQUESTS: u64 = 8;
/// While a value of this size is received, there is time to ask for the next one.
const LARGE_VALUE_BYTES: u64 = 3 << 20;
const MIN_LOOK_AHEAD_BYTES: u64 = 8 << 20;
/// So much at the most for every request that is received at once.
const LOOK_AHEAD_BYTES_PER_REQUEST: u64 = 7 << 20;
/// Requests for ranges of a far file in flight at the most, unless told: one alone does not come near what a network carries.
#[cfg(feature = "s3")]
pub(crate) const FILE_REQUESTS: usize = 16;
/// Bytes of one read of a file in flight, unless told.
pub(crate) const LOOK_AHEAD_BYTES: u64 = 32 << 20;

/// How the values of a store are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Requests {
    /// In flight at once.
    pub(crate) concurrency: usize,
    /// Bytes of each, if the values are not larger.
    pub(crate) bytes: u64,
}

/// What kind of values are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values {
    /// Of the largest.
    pub(crate) bytes: u64,
    /// Whether that comes in parts.
    pub(crate) in_parts: bool,
    pub(crate) decompressed: bool,
}

/// A request being received for every core that decodes, and more so that the server never waits for us: one, two if each
/// asks for a part and nothing is to be decompressed, none for large values as a whole. Further ones would only make a
/// near server buffer more. A far one has as much under way as a fast network carries until the first answer comes.
pub(crate) fn requests(cores: usize, latency: Duration, values: Values) -> Requests {
    let carried = carried(latency);
    let spare = match values {
        Values { in_parts: true, decompressed: false, .. } => 2,
        Values { in_parts: false, bytes: LARGE_VALUE_BYTES.., .. } => 0,
        _ => 1,
    };
    let fewest = (cores + spare).clamp(2, CONNECTIONS);
    let concurrency = usize::try_from(carried / (MAX_REQUEST_BYTES / 2)).unwrap_or(CONNECTIONS);
    let concurrency = concurrency.clamp(fewest, CONNECTIONS);
    Requests { concurrency, bytes: (carried / concurrency as u64).clamp(REQUEST_BYTES, MAX_REQUEST_BYTES) }
}

/// How a large value is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    /// In so many of about the same size.
    pub(crate) count: usize,
    /// Of which so many are asked for at once.
    pub(crate) at_once: usize,
}

/// Whether, and how, to fetch a value of so many bytes from a server in parts.
///
/// The server copies it twice, into its reply and from there into the socket. Of small parts, one by one, the second copy,
/// and ours, come out of the processor's cache. The round trips are hidden by those of other requests, or where they are
/// longer by asking for more at once.
pub(crate) fn parts(value_bytes: u64, latency: Duration) -> Option<Parts> {
    let count = usize::try_from(value_bytes.div_ceil(PART_BYTES)).ok()?;
    let at_once = usize::try_from(1 + carried(latency) / (2 * PART_BYTES)).ok()?;
    (value_bytes >= 3 * PART_BYTES / 2 && at_once < count).then_some(Parts { count, at_once })
}

/// Bytes of one read in flight, unless told, where values of up to so many bytes are asked for. `copies`: whether they
/// are passed on as they are.
pub(crate) fn look_ahead(requests: Requests, value_bytes: u64, copies: bool) -> u64 {
    let each = requests.bytes.max(value_bytes);
    let at_once = (requests.concurrency as u64 + 1).saturating_mul(each);
    let most = LOOK_AHEAD_BYTES_PER_REQUEST * requests.concurrency as u64;
    let ahead = if copies { COPY_AHEAD_REQUESTS } else { LOOK_AHEAD_REQUESTS };
    each.saturating_mul(ahead).min(most).max(MIN_LOOK_AHEAD_BYTES).max(at_once)
}

/// Requests for whole parts, of such a size, of a file whose answers take this long to come: one for every core that decodes,
/// and as many as a fast network carries until the first answer comes. Where it is near, what further ones bring would only
/// come at the same time as what is needed before it: nothing could be decoded, nor its memory used again, until all is there.
#[cfg(feature = "s3")]
pub(crate) fn part_requests(cores: usize, latency: Duration, part_bytes: u64) -> usize {
    let carried = usize::try_from(carried(latency) / part_bytes.max(1)).unwrap_or(FILE_REQUESTS);
    cores.saturating_add(carried).clamp(2, FILE_REQUESTS)
}

/// Bytes of one read in flight of a file whose answers take this long to come. Its requests are large, so that it is more than
/// [`LOOK_AHEAD_BYTES`], and no more than leaves room for another operation in the process's budget.
#[cfg(feature = "s3")]
pub(crate) fn file_look_ahead(latency: Duration) -> u64 {
    carried(latency).clamp(2 * LOOK_AHEAD_BYTES, 3 * LOOK_AHEAD_BYTES)
}

/// What a fast network carries in this time.
fn carried(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).saturating_mul(BYTES_PER_MILLISECOND / 1024) / 1000 * 1024
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

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: Duration = Duration::from_micros(60);
    const SOME: Values = Values { bytes: 1 << 20, in_parts: true, decompressed: true };

    #[test]
    fn requests_follow_the_cores() {
        let of = |bytes, in_parts, decompressed| {
            let values = Values { bytes, in_parts, decompressed };
            [1, 2, 4, 8, 64].map(|cores| requests(cores, NEAR, values).concurrency)
        };
        assert_eq!([true, false].map(|decompressed| of(1 << 20, false, decompressed)), [[2, 3, 5, 8, 8]; 2]);
        assert_eq!([true, false].map(|decompressed| of(4 << 20, false, decompressed)), [[2, 2, 4, 8, 8]; 2]);
        assert_eq!(
            [true, false].map(|decompressed| of(4 << 20, true, decompressed)),
            [[2, 3, 5, 8, 8], [3, 4, 6, 8, 8]]
        );
        assert_eq!(requests(2, NEAR, SOME).bytes, REQUEST_BYTES);
        assert_eq!((keys_per_request(0), keys_per_request(5)), (64, 5));
    }

    #[test]
    fn the_farther_the_server_the_more_is_in_flight() {
        let at = |milliseconds| requests(2, Duration::from_millis(milliseconds), SOME);
        let kib = |Requests { concurrency, bytes }| (concurrency, bytes >> 10);
        assert_eq!(
            [0, 1, 2, 4, 8, 1_000_000].map(|ms| kib(at(ms))),
            [(3, 512), (3, 1365), (4, 2048), (8, 2048), (8, 4096), (8, 4096)]
        );
        assert_eq!(requests(2, Duration::MAX, SOME), at(8));
    }

    #[test]
    fn large_values_come_in_parts() {
        let at = |bytes, micros| parts(bytes, Duration::from_micros(micros)).map(|parts| (parts.count, parts.at_once));
        assert_eq!([0, 512 << 10, (768 << 10) - 1].map(|bytes| at(bytes, 60)), [None; 3]);
        assert_eq!([768 << 10, 2_000_000, 512 << 20].map(|bytes| at(bytes, 60)), [(2, 1), (4, 1), (1024, 1)].map(Some));
        let farther = [0, 250, 500, 1_000, 20_000].map(|micros| at(3_500_000, micros));
        assert_eq!(farther, [Some((7, 1)), Some((7, 2)), Some((7, 3)), Some((7, 5)), None]);
    }

    #[test]
    fn the_look_ahead_follows_the_values() {
        let mib = |copies| {
            let values = [0, 100 << 10, 1 << 20, 3 << 20, 100 << 20];
            values.map(|bytes| look_ahead(requests(2, NEAR, SOME), bytes, copies) >> 20)
        };
        assert_eq!(mib(false), [8, 8, 16, 21, 400]);
        assert_eq!(mib(true), [8, 8, 8, 21, 400]);
        let alone = Requests { concurrency: 1, bytes: REQUEST_BYTES };
        assert_eq!(look_ahead(alone, 1 << 20, false) >> 20, 8);
        let far = requests(2, Duration::from_millis(20), SOME);
        assert_eq!(look_ahead(far, 0, false) >> 20, 56);
        assert_eq!(look_ahead(far, u64::MAX, true), u64::MAX);
    }

    #[cfg(feature = "s3")]
    #[test]
    fn the_farther_a_file_the_more_parts_are_asked_for() {
        let at = |milliseconds, mib: u64| {
            [1, 2, 8, 64].map(|cores| part_requests(cores, Duration::from_millis(milliseconds), mib << 20))
        };
        assert_eq!([0, 1, 2].map(|milliseconds| at(milliseconds, 8)), [[2, 2, 8, 16], [2, 2, 8, 16], [2, 3, 9, 16]]);
        assert_eq!([at(20, 8), at(100, 8), at(1, 1)], [[11, 12, 16, 16], [16; 4], [5, 6, 12, 16]]);
        assert_eq!(part_requests(2, Duration::MAX, 0), 16);
    }

    #[cfg(feature = "s3")]
    #[test]
    fn a_far_file_is_read_further_ahead() {
        let mib = |milliseconds| file_look_ahead(Duration::from_millis(milliseconds)) >> 20;
        assert_eq!([0, 1, 16, 20, 1_000_000].map(mib), [64, 64, 64, 80, 96]);
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

//! Defaults as pure functions of what is known: measured, and easy to test.

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
}

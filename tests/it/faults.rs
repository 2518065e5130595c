//! Networks and servers that fail at the worst moment: never a hang, never a wrong result, and a report that is true.
//!
//! Each case has a short form, which runs with the other tests, and a long one: `make chaos`, whose lines fill the
//! table in `docs/reliability.md`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrowredis::store::{Store, StoreOptions, open};
use arrowredis::{
    Context, Dataset, Error, ErrorKind, GenerateOptions, GeneratedReader, ReadOptions, Source, SplitOptions,
    SplitReport, delete_dataset, list_datasets, split,
};

use crate::common::proxy::{Fault, Proxy};
use crate::common::servers::{RedisServer, ServerConfig};
use crate::helpers::{generate, get, keys, publish, put, read, wait, wait_until};

/// How often a case runs: in `make test`, and in `make chaos`.
pub fn rounds(short: usize, long: usize) -> usize {
    if std::env::var_os("ARROWREDIS_CHAOS").is_some() { long } else { short }
}

/// A line for the table of `docs/reliability.md`.
pub fn report(case: &str, times: usize, outcome: &str) {
    println!("chaos | {case} | {times} | {outcome} |");
}

fn quick() -> StoreOptions {
    StoreOptions { retry_base_delay: Duration::from_millis(2), timeout: Duration::from_secs(5), ..Default::default() }
}

struct Rig {
    server: RedisServer,
    proxy: Proxy,
    /// By the proxy.
    store: Arc<dyn Store>,
    /// Past it.
    direct: Arc<dyn Store>,
}

impl Rig {
    fn new(options: StoreOptions) -> Rig {
        let server = RedisServer::start(&ServerConfig::default());
        let proxy = Proxy::start(server.port);
        let store = open(&proxy.url(), &options).unwrap();
        let direct = open(&server.url(), &StoreOptions::default()).unwrap();
        Rig { server, proxy, store, direct }
    }

    /// A store with connections of its own.
    fn fresh(&self, options: &StoreOptions) -> Arc<dyn Store> {
        open(&self.proxy.url(), options).unwrap()
    }
}

/// Rows of the session that is cut at every byte.
const SMALL_ROWS: usize = 5;

fn versioned() -> SplitOptions {
    SplitOptions { versioned: true, grace_period: Duration::from_millis(1), ..SplitOptions::default() }
}

/// Publishes a small version and reads it back.
fn session(store: &Arc<dyn Store>) -> Result<usize, Error> {
    publish(store, "d", &generate(20, 1), &versioned())?;
    read(store, "d", &ReadOptions::default()).map(|(rows, _)| rows)
}

/// What somebody else sees: no dataset, or all of one.
fn assert_whole(store: &Arc<dyn Store>, expected: usize, what: &str) {
    match read(store, "d", &ReadOptions::default()) {
        Ok((rows, _)) => assert_eq!(rows, expected, "{what}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{what}: {error}"),
    }
}

/// As many places of a session as there are rounds, spread over all of it.
fn offsets(bytes: u64, rounds: usize) -> impl Iterator<Item = u64> {
    let step = (bytes / rounds as u64).max(1) as usize;
    (0..bytes).step_by(step)
}

/// One chunk published and read: the session that is cut at each of its bytes.
fn small_session(store: &Arc<dyn Store>) -> Result<usize, Error> {
    let what = GenerateOptions { batches: 1, ..generate(SMALL_ROWS as u32, 1) };
    publish(store, "d", &what, &versioned())?;
    read(store, "d", &ReadOptions::default()).map(|(rows, _)| rows)
}

/// Cuts sessions at some places; returns how many ended with an error.
fn cut_at(rig: &Rig, direction: usize, offsets: &[u64]) -> usize {
    let options = StoreOptions { connections: 1, ..quick() };
    let mut failed = 0;
    for offset in offsets {
        let what = format!("cut at byte {offset}, direction {direction}");
        delete(&rig.direct);
        rig.proxy.set(Fault::Cut { offset: *offset, to_client: direction == 1 });
        let start = Instant::now();
        match small_session(&rig.fresh(&options)) {
            Ok(rows) => assert_eq!(rows, SMALL_ROWS, "{what}"),
            Err(error) => {
                assert!(error.is_retryable(), "{what}: {error}");
                failed += 1;
            }
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: it hung");
        assert_whole(&rig.direct, SMALL_ROWS, &what);
    }
    failed
}

#[test]
fn a_session_that_is_cut_anywhere_succeeds_or_says_so() {
    let rig = Rig::new(quick());
    rig.proxy.set(Fault::None);
    small_session(&rig.fresh(&StoreOptions { connections: 1, ..quick() })).unwrap();
    let length = rig.proxy.passed();
    let (mut times, mut failed) = (0, 0);
    for (direction, bytes) in length.into_iter().enumerate() {
        let places: Vec<u64> = offsets(bytes, rounds(120, usize::MAX)).collect();
        // Each session mostly waits; those of the long form do so side by side.
        let cutters: Vec<_> = (places.chunks(places.len().div_ceil(rounds(1, 8))).map(<[u64]>::to_vec))
            .map(|places| std::thread::spawn(move || cut_at(&Rig::new(quick()), direction, &places)))
            .collect();
        failed += cutters.into_iter().map(|cutter| cutter.join().unwrap()).sum::<usize>();
        times += places.len();
    }
    let case = "a session of one chunk cut at byte offsets of either direction";
    report(case, times, &format!("of {length:?} bytes: {failed} typed errors, no wrong result"));
}

fn delete(store: &Arc<dyn Store>) {
    if let Err(error) = delete_dataset(store, "d", &Context::new()) {
        assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict), "{error}");
    }
    // A writer that was cut off leaves its lease for half a minute: too long for a test.
    wait(store.delete(&keys(store, "d"), &Context::new())).unwrap();
}

#[test]
fn a_flipped_bit_is_an_error_or_changes_nothing() {
    let options = StoreOptions { connections: 1, timeout: Duration::from_millis(150), max_retries: 1, ..quick() };
    let rig = Rig::new(quick());
    publish(&rig.direct, "d", &generate(20, 1), &SplitOptions::default()).unwrap();
    rig.proxy.set(Fault::None);
    read(&rig.fresh(&options), "d", &ReadOptions::default()).unwrap();
    let [_, bytes] = rig.proxy.passed();
    let (mut times, mut found) = (0, 0);
    for offset in offsets(bytes, rounds(150, usize::MAX)) {
        rig.proxy.set(Fault::Flip { offset, mask: 1 << (offset % 8) });
        match read(&rig.fresh(&options), "d", &ReadOptions::default()) {
            Ok((rows, _)) => assert_eq!(rows, 60, "byte {offset}"),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::Internal, "byte {offset}: {error}");
                found += 1;
            }
        }
        times += 1;
    }
    assert!(found * 10 > times * 8, "most bytes matter: {found} of {times}");
    report("a bit flipped on the way to a reader", times, &format!("{found} typed errors, no wrong result"));
}

/// Rows of a chunk that is large enough to be fetched in a dozen parts.
const LARGE_ROWS: usize = 150_000;

/// A chunk that readers by the proxy fetch in parts; gives its key, too.
fn large_chunk() -> (Rig, String) {
    let rig = Rig::new(quick());
    let what = GenerateOptions { batches: 1, ..generate(LARGE_ROWS as u32, 1) };
    publish(&rig.direct, "d", &what, &SplitOptions::default()).unwrap();
    let key = keys(&rig.direct, "d:{part=").pop().unwrap();
    (rig, key)
}

#[test]
fn a_chunk_in_parts_that_is_cut_or_changed_on_the_way_is_whole_or_an_error() {
    let (rig, _) = large_chunk();
    let options = StoreOptions { connections: 1, timeout: Duration::from_millis(500), ..quick() };
    let read_it = || read(&rig.fresh(&options), "d", &ReadOptions::default());
    rig.proxy.set(Fault::None);
    assert_eq!(read_it().unwrap().0, LARGE_ROWS);
    let stats = rig.server.admin(&["INFO", "commandstats"]);
    assert!(stats.contains("cmdstat_getrange:calls=1"), "a dozen parts: {stats}");
    let [_, bytes] = rig.proxy.passed();
    let (mut times, mut found) = (0, 0);
    // Not a divisor of a part's length, so that heads, values and line ends are hit.
    for offset in offsets(bytes, rounds(40, 2_003)) {
        rig.proxy.set(Fault::Cut { offset, to_client: true });
        assert_eq!(read_it().unwrap_or_else(|e| panic!("cut at byte {offset}: {e}")).0, LARGE_ROWS);
        rig.proxy.set(Fault::Flip { offset, mask: 1 << (offset % 8) });
        match read_it() {
            Ok((rows, _)) => assert_eq!(rows, LARGE_ROWS, "byte {offset}"),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::Internal, "byte {offset}: {error}");
                found += 1;
            }
        }
        times += 1;
    }
    assert!(found * 10 > times * 9, "{found} of {times}");
    report(
        "a chunk in a dozen parts, cut at byte offsets, and a bit flipped there",
        2 * times,
        &format!("{times} whole after a retry, {found} typed errors"),
    );
}

#[test]
fn a_chunk_that_is_overwritten_between_its_parts_is_found() {
    let (rig, key) = large_chunk();
    let whole = get(&rig.direct, &key);
    let other: Vec<u8> = whole.iter().map(|byte| byte ^ 0x55).collect();
    let (mut right, mut found) = (0, 0);
    for round in 0..rounds(15, 300) {
        put(&rig.direct, &key, whole.clone());
        rig.proxy.set(Fault::Throttle(200 << 20));
        let (direct, key, other) = (rig.direct.clone(), key.clone(), other.clone());
        // From before the first part to after the last.
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(3 * round as u64 % 45));
            put(&direct, &key, other);
        });
        match read(&rig.fresh(&quick()), "d", &ReadOptions::default()) {
            Ok((rows, _)) => {
                assert_eq!(rows, LARGE_ROWS);
                right += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                assert!(error.message().contains("checksum"), "{error}");
                found += 1;
            }
        }
        writer.join().unwrap();
    }
    assert!(found > 0);
    report("a chunk overwritten between its parts", right + found, &format!("{right} whole before, {found} CORRUPT"));
}

#[test]
fn a_connection_that_is_half_closed_slow_or_reset_is_survived() {
    let rig = Rig::new(quick());
    for fault in [
        Fault::Delay(Duration::from_millis(2)),
        Fault::Throttle(2 << 20),
        Fault::HalfClose { offset: 1000 },
        Fault::Cut { offset: 500, to_client: true },
    ] {
        rig.proxy.set(fault.clone());
        assert_eq!(session(&rig.store).unwrap(), 60, "{fault:?}");
    }
}

#[test]
fn when_all_connections_are_cut_at_once_the_next_call_succeeds() {
    let rig = Rig::new(quick());
    session(&rig.store).unwrap();
    let times = rounds(20, 500);
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        rig.proxy.cut_all();
        let start = Instant::now();
        assert_eq!(read(&rig.store, "d", &ReadOptions::default()).unwrap().0, 60);
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    report("all connections cut at once", times, &format!("the next call succeeded, the slowest in {slowest:?}"));
}

fn upload(store: &Arc<dyn Store>, options: &SplitOptions, ctx: &Context) -> Result<SplitReport, Error> {
    let reader = GeneratedReader::new(&generate(20, 1), &Context::new()).unwrap();
    split(Source::Batches(Box::new(reader)), store, "d", options, ctx)
}

#[test]
fn a_lost_reply_to_publishing_is_told_from_a_lost_race() {
    let rig = Rig::new(quick());
    let times = rounds(10, 200);
    for round in 0..times {
        for options in [versioned(), SplitOptions { overwrite: true, ..SplitOptions::default() }] {
            // The command that writes the manifest, and not one that only reads it.
            let command = match options.versioned && round > 0 {
                true => b"d:manifest\r\n$".to_vec(),
                false => b"SET\r\n$10\r\nd:manifest".to_vec(),
            };
            rig.proxy.set(Fault::LoseReply(command));
            let published = upload(&rig.store, &options, &Context::new()).unwrap();
            assert!(published.metrics.retries <= 1);
            let dataset = Dataset::open(&rig.direct, "d", &Context::new()).unwrap();
            assert_eq!(dataset.manifest().unwrap().upload_id(), published.upload_id);
            assert_whole(&rig.direct, 60, "after a lost reply");
        }
    }
    report("reply to the publish lost", 2 * times, "published once, reported as published");
}

#[test]
fn when_nobody_can_tell_whether_it_was_published_the_error_says_so() {
    let options = StoreOptions { timeout: Duration::from_millis(200), max_retries: 1, ..quick() };
    let rig = Rig::new(options);
    rig.proxy.set(Fault::LoseReplyAndVanish(b"SET\r\n$10\r\nd:manifest".to_vec()));
    let error = upload(&rig.store, &SplitOptions::default(), &Context::new()).unwrap_err();
    assert!(error.message().contains("whether it was published could not be found out"), "{error}");
    assert_whole(&rig.direct, 60, "it was");
    // The call's own time ends first.
    rig.proxy.set(Fault::None);
    delete(&rig.direct);
    let patient = rig.fresh(&quick());
    rig.proxy.set(Fault::LoseReplyAndVanish(b"SET\r\n$10\r\nd:manifest".to_vec()));
    let ctx = Context::new().with_timeout(Duration::from_millis(1500));
    let error = upload(&patient, &SplitOptions::default(), &ctx).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.message().contains("whether it was published is not known yet"), "{error}");
}

/// One of a few calls must be in time: the machine itself may be busy.
fn assert_in_time(what: &str, timeout: Duration, call: impl Fn(&Context) -> Error) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..rounds(5, 10) {
        let start = Instant::now();
        let error = call(&Context::new().with_timeout(timeout));
        best = best.min(start.elapsed());
        assert_eq!(error.kind(), ErrorKind::Timeout, "{what}: {error}");
        if best <= timeout + Duration::from_millis(100) {
            return best;
        }
    }
    panic!("{what} took {best:?}, its timeout is {timeout:?}");
}

#[test]
fn a_black_hole_and_a_sleeping_server_end_with_the_calls_timeout() {
    let rig = Rig::new(StoreOptions::default());
    let timeout = Duration::from_millis(300);
    session(&rig.store).unwrap();
    let dataset = Dataset::open(&rig.store, "d", &Context::new()).unwrap();
    let read_all = |dataset: &Dataset, ctx: &Context| {
        let mut reader = arrowredis::read(dataset, &ReadOptions::default(), ctx)?;
        std::iter::from_fn(|| reader.next_batch()).collect::<Result<Vec<_>, _>>().map(drop)
    };
    let verbs = |fresh: &Arc<dyn Store>, what: &str| {
        assert_in_time(&format!("{what}: open"), timeout, |ctx| Dataset::open(fresh, "d", ctx).unwrap_err());
        assert_in_time(&format!("{what}: read"), timeout, |ctx| read_all(&dataset, ctx).unwrap_err());
        assert_in_time(&format!("{what}: split"), timeout, |ctx| upload(fresh, &versioned(), ctx).unwrap_err());
        assert_in_time(&format!("{what}: list"), timeout, |ctx| list_datasets(fresh, "", ctx).unwrap_err());
        assert_in_time(&format!("{what}: delete"), timeout, |ctx| delete_dataset(fresh, "d", ctx).unwrap_err());
        assert_in_time(&format!("{what}: ping"), timeout, |ctx| arrowredis::store::ping(fresh, ctx).unwrap_err());
    };
    rig.proxy.set(Fault::BlackHole);
    verbs(&rig.fresh(&StoreOptions::default()), "black hole");
    rig.proxy.set(Fault::None);
    let pid = rig.server.pid().to_string();
    let signal =
        |name: &str| assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-STOP");
    verbs(&open(&rig.server.url(), &StoreOptions::default()).unwrap(), "sleeping server");
    signal("-CONT");
    report("black hole, sleeping server: six verbs", 12, "ended within the timeout + 100 ms");

    // In the middle of an upload: what was written is removed as soon as the server is there again.
    let slow = GeneratedReader::new(&generate(50_000, 40), &Context::new()).unwrap();
    let large = SplitOptions { compression: arrowredis::Codec::None, ..SplitOptions::default() };
    let ctx = Context::new().with_timeout(Duration::from_millis(700));
    rig.proxy.set(Fault::Throttle(20 << 20));
    let error = split(Source::Batches(Box::new(slow)), &rig.store, "e", &large, &ctx).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    rig.proxy.set(Fault::None);
    wait_until("what was written stays", || keys(&rig.direct, "e").is_empty());
}

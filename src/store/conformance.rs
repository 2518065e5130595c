//! What every store does: one suite that each backend's tests run, to be read as the specification.
//!
//! The suite works under a random prefix, on a store that may hold other keys, and deletes what it wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow::buffer::Buffer;
use rand::Rng;

use super::memory::unix_ms;
use super::{Payload, Store, StoreExt, payload_len};
use crate::error::ErrorKind;
use crate::runtime::{Context, runtime};

const TASKS: usize = 16;

/// Checks a store against all that [`Store`] promises; panics where it falls short.
pub(crate) fn check(store: Arc<dyn Store>) {
    let room = Room { prefix: format!("conformance-{:016x}", rand::rng().random::<u64>()), store, ctx: Context::new() };
    let (tests, cleanup) = (room.clone(), room);
    let outcome = run(async move { runtime().unwrap().spawn(check_all(tests)).await });
    let left = run(async move {
        cleanup.store.delete(&cleanup.list("", "").await, &cleanup.ctx).await.unwrap();
        cleanup.list("", "").await
    });
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
    assert_eq!(left, Vec::<String>::new());
}

fn run<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    runtime().unwrap().wait(async move { Ok(future.await) }).unwrap()
}

async fn check_all(room: Room) {
    says_what_it_is(&room.inner("about")).await;
    keeps_values(&room.inner("values")).await;
    delivers_each_index_once(&room.inner("many")).await;
    keeps_large_values(&room.inner("large")).await;
    may_not_know_an_empty_value(&room.inner("empty")).await;
    reads_ranges(&room.inner("ranges")).await;
    replaces_values_whole(&room.inner("whole")).await;
    puts_if_absent(&room.inner("absent")).await;
    replaces_if_as_expected(&room.inner("cas")).await;
    lets_one_replacement_win(&room.inner("cas-race")).await;
    deletes(&room.inner("delete")).await;
    takes_any_key(&room.inner("keys")).await;
    takes_long_keys(&room.inner("long")).await;
    lists_by_prefix_and_suffix(&room.inner("list")).await;
    lists_thousands(&room.inner("thousands")).await;
    if room.store.capabilities().expiry {
        expires(&room.inner("expiry")).await;
    } else {
        refuses_expiry(&room.inner("expiry")).await;
    }
    serves_many_tasks(&room.inner("tasks")).await;
}

/// The part of a store that one test works in.
#[derive(Clone)]
struct Room {
    store: Arc<dyn Store>,
    prefix: String,
    ctx: Context,
}

impl Room {
    fn inner(&self, name: &str) -> Room {
        Room { prefix: format!("{}:{name}:", self.prefix), ..self.clone() }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn keys(&self, names: &[&str]) -> Vec<String> {
        names.iter().map(|name| self.key(name)).collect()
    }

    async fn put(&self, name: &str, value: &[u8]) {
        self.store.put_many(&[(self.key(name), whole(value))], &self.ctx).await.unwrap();
    }

    async fn get(&self, name: &str) -> Option<Buffer> {
        self.store.get(&self.key(name), &self.ctx).await.unwrap()
    }

    /// The values of keys, in their order; every index must have been delivered exactly once.
    async fn get_many(&self, names: &[&str]) -> Vec<Option<Buffer>> {
        let mut values: Vec<Vec<Option<Buffer>>> = vec![Vec::new(); names.len()];
        let mut on_value = |index: usize, value| values[index].push(value);
        self.store.get_many(&self.keys(names), &self.ctx, &mut on_value).await.unwrap();
        assert!(values.iter().all(|value| value.len() == 1), "every index exactly once");
        values.concat()
    }

    /// The value of a key that should have so many bytes.
    async fn get_in_parts(&self, name: &str, bytes: usize) -> Option<Buffer> {
        let mut values = Vec::new();
        let mut on_value = |index: usize, value| values.push((index, value));
        self.store.get_in_parts(&self.key(name), bytes as u64, &self.ctx, &mut on_value).await.unwrap();
        let Ok([(0, value)]) = <[_; 1]>::try_from(values) else { panic!("one value") };
        value
    }

    async fn get_ranges(&self, ranges: &[(&str, Range<u64>)]) -> Vec<Option<Buffer>> {
        let ranges: Vec<_> = ranges.iter().map(|(name, range)| (self.key(name), range.clone())).collect();
        let mut values: Vec<Vec<Option<Buffer>>> = vec![Vec::new(); ranges.len()];
        let mut on_value = |index: usize, value| values[index].push(value);
        self.store.get_ranges(&ranges, &self.ctx, &mut on_value).await.unwrap();
        assert!(values.iter().all(|value| value.len() == 1), "every index exactly once");
        values.concat()
    }

    async fn sizes(&self, names: &[&str]) -> Vec<Option<u64>> {
        self.store.sizes(&self.keys(names), &self.ctx).await.unwrap()
    }

    async fn put_if_absent(&self, name: &str, value: &[u8]) -> bool {
        self.store.put_if_absent(&self.key(name), vec![Buffer::from(value)], &self.ctx).await.unwrap()
    }

    async fn replace_if(&self, name: &str, expected: &[u8], new: Option<&[u8]>) -> bool {
        self.store.replace_if(&self.key(name), expected, new.map(whole), &self.ctx).await.unwrap()
    }

    async fn delete(&self, names: &[&str]) -> u64 {
        self.store.delete(&self.keys(names), &self.ctx).await.unwrap()
    }

    /// The full keys with a prefix (after this room's own) and a suffix; each must be listed once.
    async fn list(&self, prefix: &str, suffix: &str) -> Vec<String> {
        let mut keys = self.store.list(&self.key(prefix), suffix, &self.ctx).await.unwrap();
        let listed = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), listed, "every key once");
        keys
    }

    async fn now_ms(&self) -> u64 {
        self.store.now_ms(&self.ctx).await.unwrap()
    }

    /// Runs one future per number at the same time, on several threads.
    async fn at_once<T, F>(&self, count: usize, task: impl Fn(Room, usize) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let tasks: Vec<_> = (0..count).map(|i| runtime().unwrap().spawn(task(self.clone(), i))).collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        results
    }
}

fn whole(value: &[u8]) -> Payload {
    vec![Buffer::from(value)]
}

fn buffer(value: &[u8]) -> Option<Buffer> {
    Some(Buffer::from(value))
}

/// Bytes that differ from place to place and from seed to seed.
fn bytes(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(31) ^ (i >> 8)) as u8 ^ seed).collect()
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort();
    keys
}

async fn says_what_it_is(room: &Room) {
    assert!(!room.store.describe().is_empty());
    let info = room.store.ping(&room.ctx).await.unwrap();
    assert!(!info.server.is_empty());
    assert!(!info.latencies.is_empty());
    assert!(info.latencies.iter().all(|latency| *latency < Duration::from_secs(60)));

    let (before, store, after) = (room.now_ms().await, room.now_ms().await, room.now_ms().await);
    assert!(before <= store && store <= after, "the clock runs forward");
    assert!(store.abs_diff(unix_ms()) < 24 * 3600 * 1000, "{store} is not milliseconds since 1970");
}

async fn keeps_values(room: &Room) {
    assert_eq!(room.get("a").await, None);
    room.put("a", b"1").await;
    assert_eq!(room.get("a").await, buffer(b"1"));
    room.put("a", b"a longer value").await;
    assert_eq!(room.get("a").await, buffer(b"a longer value"));
    room.put("a", b"\0\r\n\xff").await;
    assert_eq!(room.get("a").await, buffer(b"\0\r\n\xff"));
    assert_eq!(room.sizes(&["b", "a", "b"]).await, [None, Some(4), None]);
    assert_eq!(room.sizes(&[]).await, []);
    room.store.put_many(&[], &room.ctx).await.unwrap();
}

async fn delivers_each_index_once(room: &Room) {
    let entries: Vec<(String, Payload)> =
        (0..100).map(|i| (room.key(&format!("{i}")), whole(format!("value {i}").as_bytes()))).collect();
    room.store.put_many(&entries, &room.ctx).await.unwrap();

    let names: Vec<String> = (0..150).map(|i| i.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let expected: Vec<_> = (0..150).map(|i| (i < 100).then(|| Buffer::from(format!("value {i}").as_bytes()))).collect();
    assert_eq!(room.get_many(&names).await, expected);
    assert_eq!(room.get_many(&["no", "7", "no", "7"]).await, [None, buffer(b"value 7"), None, buffer(b"value 7")]);
    assert_eq!(room.get_many(&["no"]).await, [None]);
    assert_eq!(room.get_many(&[]).await, []);
}

async fn keeps_large_values(room: &Room) {
    let sizes = [1, 63, 64, 4096, (1 << 20) - 1, (1 << 20) + 1];
    for (seed, size) in sizes.into_iter().enumerate() {
        room.put(&format!("{size}"), &bytes(size, seed as u8)).await;
    }
    // A value in several parts is their concatenation; empty parts do not matter.
    let parts: Payload =
        [7 << 20, 0, 1, (13 << 20) + 3, 100].into_iter().map(|len| Buffer::from(bytes(len, 9))).collect();
    let joined = Buffer::from(parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>());
    assert_eq!(payload_len(&parts), joined.len());
    room.store.put_many(&[(room.key("parts"), parts)], &room.ctx).await.unwrap();

    let names: Vec<String> = sizes.iter().map(|size| size.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["parts"]).collect();
    let values = room.get_many(&names).await;
    for (index, value) in values.iter().enumerate() {
        let value = value.as_ref().unwrap();
        let expected = sizes.get(index).map_or(joined.clone(), |size| Buffer::from(bytes(*size, index as u8)));
        assert!(*value == expected, "{} bytes came back differently", expected.len());
        assert_eq!(value.as_ptr() as usize % 64, 0, "{} bytes are not aligned", expected.len());
    }
    for (name, value) in names.iter().zip(&values) {
        let size = value.as_ref().map_or(0, |value| value.len());
        // Whatever size is expected, what comes is the value.
        for expected in [size, size + 1, size - 1, 0, 3 << 20, 10 << 20] {
            assert!(room.get_in_parts(name, expected).await == *value, "{expected} of {size} bytes");
        }
        let value = room.get_in_parts(name, size).await.unwrap();
        assert_eq!(value.as_ptr() as usize % 64, 0, "{size} bytes are not aligned");
    }
    assert_eq!(room.get_in_parts("nobody", 3 << 20).await, None);
    let expected: Vec<_> = sizes.iter().map(|size| Some(*size as u64)).chain([Some(joined.len() as u64)]).collect();
    assert_eq!(room.sizes(&names).await, expected);
}

/// Chunks are never empty, so a store need not tell an empty value's size from a missing key's.
async fn may_not_know_an_empty_value(room: &Room) {
    room.put("a", b"").await;
    assert_eq!(room.get("a").await, buffer(b""));
    assert!(matches!(room.sizes(&["a"]).await[..], [None | Some(0)]));
    let ranged = room.get_ranges(&[("a", 0..10)]).await;
    assert!(ranged[0].as_ref().is_none_or(|value| value.is_empty()));
    assert_eq!(room.list("", "").await, room.keys(&["a"]));
    assert_eq!(room.delete(&["a"]).await, 1);
}

async fn reads_ranges(room: &Room) {
    const SIZE: u64 = 300_000;
    let value = bytes(SIZE as usize, 5);
    room.put("a", &value).await;
    room.put("b", b"0123456789").await;
    let huge = i64::MAX as u64;
    for range in [
        0..SIZE,
        0..1,
        64..128,
        65_536..200_000,
        299_999..SIZE,
        299_990..SIZE + 10,
        0..u64::MAX,
        5..huge,
        5..huge + 1,
        5..huge + 2,
        SIZE..SIZE + 1,
        SIZE + 1..SIZE + 2,
        huge - 1..huge,
        huge..huge + 1,
        huge + 1..u64::MAX,
        u64::MAX - 1..u64::MAX,
        u64::MAX..u64::MAX,
        0..0,
        17..17,
        Range { start: 20, end: 10 },
    ] {
        let (start, end) = (range.start.min(SIZE) as usize, range.end.min(SIZE) as usize);
        let got = room.get_ranges(&[("a", range.clone())]).await.remove(0).unwrap();
        assert!(got.as_slice() == value.get(start..end).unwrap_or_default(), "{range:?}");
        let may_be_anywhere = got.is_empty() || !range.start.is_multiple_of(64);
        assert!(may_be_anywhere || (got.as_ptr() as usize).is_multiple_of(64), "{range:?} is not aligned");
    }

    // Many ranges at once: of several keys, adjacent, overlapping and repeated.
    let ranges = [("b", 0..3), ("b", 3..5), ("a", 7..9), ("b", 2..4), ("b", 0..3)];
    let expected = [buffer(b"012"), buffer(b"34"), buffer(&value[7..9]), buffer(b"23"), buffer(b"012")];
    assert_eq!(room.get_ranges(&ranges).await, expected);
    assert_eq!(room.get_ranges(&[]).await, []);

    // A missing key is nothing, one way or the other, also among keys that exist.
    let values = room.get_ranges(&[("no", 0..10), ("b", 9..10), ("no", 0..0)]).await;
    assert!([&values[0], &values[2]].iter().all(|value| value.as_ref().is_none_or(|value| value.is_empty())));
    assert_eq!(values[1], buffer(b"9"));
}

/// A reader sees the old value or the new one, never a mixture and never nothing.
async fn replaces_values_whole(room: &Room) {
    const SIZE: usize = 200_000;
    room.put("a", &[0; SIZE]).await;
    let check = |room: Room, task: usize| async move {
        for step in 0..10u8 {
            if task == 0 {
                room.put("a", &[step; SIZE]).await;
            } else {
                let value = room.get("a").await.unwrap();
                assert_eq!(value.len(), SIZE);
                assert!(value.iter().all(|byte| *byte == value[0]), "a mixture of two values");
            }
        }
    };
    room.at_once(4, check).await;
    assert_eq!(room.get("a").await, buffer(&[9; SIZE]));
}

async fn puts_if_absent(room: &Room) {
    assert!(room.put_if_absent("a", b"first").await);
    assert!(!room.put_if_absent("a", b"second").await);
    assert_eq!(room.get("a").await, buffer(b"first"));
    room.delete(&["a"]).await;
    assert!(room.put_if_absent("a", b"third").await);

    let attempt = |room: Room, i: usize| async move { room.put_if_absent("race", format!("{i}").as_bytes()).await };
    let won = room.at_once(TASKS, attempt).await;
    let winners: Vec<usize> = (0..TASKS).filter(|i| won[*i]).collect();
    assert_eq!(winners.len(), 1, "one of all that race wins, not {winners:?}");
    assert_eq!(room.get("race").await, buffer(winners[0].to_string().as_bytes()));
}

async fn replaces_if_as_expected(room: &Room) {
    // An absent key is not as expected, whatever is expected, and stays absent.
    assert!(!room.replace_if("a", b"", Some(b"1")).await);
    assert!(!room.replace_if("a", b"0", Some(b"1")).await);
    assert!(!room.replace_if("a", b"0", None).await);
    assert_eq!(room.get("a").await, None);

    room.put("a", b"1").await;
    for wrong in ["", "0", "10", "2"] {
        assert!(!room.replace_if("a", wrong.as_bytes(), Some(b"x")).await, "{wrong:?} is not the value");
        assert!(!room.replace_if("a", wrong.as_bytes(), None).await, "{wrong:?} is not the value");
    }
    assert_eq!(room.get("a").await, buffer(b"1"));
    assert!(room.replace_if("a", b"1", Some(b"2")).await);
    assert_eq!(room.get("a").await, buffer(b"2"));

    // The same call once more, as after a lost reply: it has succeeded, and says so.
    assert!(room.replace_if("a", b"1", Some(b"2")).await);
    assert!(room.replace_if("a", b"2", Some(b"3")).await);
    assert!(!room.replace_if("a", b"1", Some(b"2")).await, "once more, but someone else came after");
    assert_eq!(room.get("a").await, buffer(b"3"));

    // Values as large as manifests, in parts, with bytes of every kind.
    let (old, new) = (bytes(1_500_000, 1), bytes(2_000_000, 2));
    room.put("a", &old).await;
    let parts: Payload = new.chunks(700_001).map(Buffer::from).collect();
    assert!(room.store.replace_if(&room.key("a"), &old, Some(parts), &room.ctx).await.unwrap());
    assert!(room.get("a").await == buffer(&new));
    assert!(!room.replace_if("a", &new[..new.len() - 1], None).await, "all but the last byte is not the value");

    assert!(room.replace_if("a", &new, None).await);
    assert_eq!(room.get("a").await, None);
    assert!(room.put_if_absent("a", b"1").await);
}

async fn lets_one_replacement_win(room: &Room) {
    for round in 0..4 {
        room.put("a", b"start").await;
        let attempt = move |room: Room, i: usize| async move {
            room.replace_if("a", b"start", Some(format!("{round} {i}").as_bytes())).await
        };
        let won = room.at_once(TASKS, attempt).await;
        let winners: Vec<usize> = (0..TASKS).filter(|i| won[*i]).collect();
        assert_eq!(winners.len(), 1, "one of all that race wins, not {winners:?}");
        assert_eq!(room.get("a").await, buffer(format!("{round} {}", winners[0]).as_bytes()));
        let again = attempt(room.clone(), winners[0]).await;
        assert!(again, "the winner's own call, repeated, is a success");
        assert!(!attempt(room.clone(), TASKS).await);
    }

    room.put("a", b"start").await;
    let won = room.at_once(TASKS, |room, _| async move { room.replace_if("a", b"start", None).await }).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "one deletes it");

    // Nothing gets lost between a comparison and a plain write by someone else.
    room.put("a", b"start").await;
    let attempt = |room: Room, i: usize| async move {
        if i == 0 {
            room.put("a", b"plain").await;
        } else {
            room.replace_if("a", b"start", Some(format!("{i}").as_bytes())).await;
        }
    };
    room.at_once(TASKS, attempt).await;
    assert_eq!(room.get("a").await, buffer(b"plain"), "a plain write is last, or makes every comparison fail");
}

async fn deletes(room: &Room) {
    for name in ["a", "b", "c"] {
        room.put(name, b"1").await;
    }
    assert_eq!(room.delete(&["a", "no", "b", "a"]).await, 2);
    assert_eq!(room.delete(&["a", "no", "b", "a"]).await, 0);
    assert_eq!(room.delete(&[]).await, 0);
    assert_eq!(room.get_many(&["a", "b", "c"]).await, [None, None, buffer(b"1")]);

    let names: Vec<String> = (0..300).map(|i| format!("many {i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let entries: Vec<_> = room.keys(&names).into_iter().map(|key| (key, whole(b"1"))).collect();
    room.store.put_many(&entries, &room.ctx).await.unwrap();
    assert_eq!(room.delete(&names).await, 300);
    assert_eq!(room.list("", "").await, room.keys(&["c"]));
}

/// Any text is a key, and keys that look alike stay apart.
async fn takes_any_key(room: &Room) {
    let names = [
        "plain",
        "Plain",
        "{part=00000}:batch=00000",
        "{}",
        "}{",
        "a b",
        "a/b",
        "a/../b",
        "/",
        "//",
        ".",
        "..",
        "../up",
        "a.b",
        "100%",
        "%41",
        "A",
        "%2F",
        "+",
        "a+",
        "~",
        "#",
        "@00",
        "[ab]",
        "*",
        "?",
        "\\",
        "\\*",
        "[^a]",
        "'\"",
        "é",
        "e\u{301}",
        "日本語🦀",
        "\u{1}\n\t",
        "\0",
        "-",
        "_",
    ];
    let entries: Vec<_> = names.iter().map(|name| (room.key(name), whole(name.as_bytes()))).collect();
    room.store.put_many(&entries, &room.ctx).await.unwrap();
    let expected: Vec<_> = names.iter().map(|name| buffer(name.as_bytes())).collect();
    assert_eq!(room.get_many(&names).await, expected);
    assert_eq!(room.list("", "").await, sorted(room.keys(&names)));
    for name in names {
        assert!(room.list(name, name).await.contains(&room.key(name)), "{name:?} begins and ends with itself");
        assert!(!room.put_if_absent(name, b"x").await, "{name:?}");
        assert!(room.replace_if(name, name.as_bytes(), Some(b"new")).await, "{name:?}");
    }
    assert_eq!(room.delete(&names).await, names.len() as u64);
    assert_eq!(room.list("", "").await, Vec::<String>::new());
}

/// Prefixes have up to 512 bytes, and more follows: lengths around every limit of a backend work, though each
/// of these keys is the beginning of the next.
async fn takes_long_keys(room: &Room) {
    let mut names = BTreeMap::new();
    for (letter, most) in [("x", 640), ("é", 320), ("%", 600)] {
        for length in (1..=most).step_by(37).chain((130..290).step_by(5)).chain(most - 2..=most) {
            names.insert(letter.repeat(length), format!("{letter}{length}"));
        }
    }
    let entries: Vec<_> = names.iter().map(|(name, value)| (room.key(name), whole(value.as_bytes()))).collect();
    room.store.put_many(&entries, &room.ctx).await.unwrap();
    let keys: Vec<&str> = names.keys().map(String::as_str).collect();
    let expected: Vec<_> = names.values().map(|value| buffer(value.as_bytes())).collect();
    assert_eq!(room.get_many(&keys).await, expected);
    assert_eq!(room.list("", "").await, sorted(room.keys(&keys)));
    let longest = names.keys().filter(|name| name.starts_with('é')).max_by_key(|name| name.len()).unwrap();
    assert_eq!(room.list(longest, "").await, room.keys(&[longest.as_str()]));
    let all_but_one: Vec<&str> = keys.iter().copied().filter(|name| name != longest).collect();
    assert_eq!(room.delete(&all_but_one).await, all_but_one.len() as u64);
    assert_eq!(room.list("", "").await, room.keys(&[longest.as_str()]));
    assert_eq!(room.delete(&[longest.as_str()]).await, 1);
}

/// Prefix and suffix are taken literally: what is a pattern elsewhere is a character here.
async fn lists_by_prefix_and_suffix(room: &Room) {
    let names = [
        "sales:{part=00000}:batch=00000",
        "sales:{part=00000}:batch=00001",
        "sales:{part=00001}:batch=00000",
        "sales:manifest",
        "sales:upload",
        "sales@00ff:manifest",
        "sales2:manifest",
        "s*:manifest",
        "s[a]les:manifest",
        "s?les:manifest",
        "s\\a:manifest",
        "é:manifest",
        "%41:manifest",
    ];
    for name in names {
        room.put(name, b"1").await;
    }
    for (prefix, suffix, expected) in [
        ("sales:", "", &names[..5]),
        ("sales:{part=", "", &names[..3]),
        ("sales:{part=", ":batch=00000", &[names[0], names[2]]),
        ("sales:{part=00000}:", "", &names[..2]),
        ("sales", ":manifest", &[names[3], names[5], names[6]]),
        ("sales@", "", &names[5..6]),
        ("s*", "", &names[7..8]),
        ("s[a]", "", &names[8..9]),
        ("s[", ":manifest", &names[8..9]),
        ("s?", "", &names[9..10]),
        ("s\\", "", &names[10..11]),
        ("é", "", &names[11..12]),
        ("%", "", &names[12..13]),
        ("%4", "", &names[12..13]),
        ("A", "", &[]),
        ("", "*", &[]),
        ("", "00000", &[names[0], names[2]]),
        ("nothing", "", &[]),
        ("", "", &names[..]),
    ] {
        assert_eq!(room.list(prefix, suffix).await, sorted(room.keys(expected)), "{prefix:?} ... {suffix:?}");
    }
}

async fn lists_thousands(room: &Room) {
    let keys: Vec<String> = (0..2500).map(|i| room.key(&format!("{{part={i:05}}}:batch={:05}", i % 7))).collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.clone(), whole(b"1"))).collect();
    room.store.put_many(&entries, &room.ctx).await.unwrap();
    assert_eq!(room.list("", "").await, keys);
    let third: Vec<String> = keys.iter().filter(|key| key.ends_with("=00003")).cloned().collect();
    assert_eq!(room.list("{part=", ":batch=00003").await, third);
    assert_eq!(room.store.sizes(&keys, &room.ctx).await.unwrap(), vec![Some(1); keys.len()]);
    assert_eq!(room.store.delete(&keys, &room.ctx).await.unwrap(), keys.len() as u64);
    assert_eq!(room.list("", "").await, Vec::<String>::new());
}

async fn expires(room: &Room) {
    for name in ["past", "soon", "put", "replaced", "repeated", "stays"] {
        room.put(name, b"1").await;
    }
    let expire = async |names: &[&str], at: u64| room.store.expire_at(&room.keys(names), at, &room.ctx).await.unwrap();

    assert_eq!(expire(&["past", "no"], room.now_ms().await - 1000).await, 1);
    assert_eq!(room.get("past").await, None, "a time in the past is now");
    assert_eq!(room.delete(&["past"]).await, 0);

    let at = room.now_ms().await + 300;
    assert_eq!(expire(&["soon", "put", "replaced", "repeated"], at).await, 4);
    let value = room.get("soon").await;
    // A machine that is very busy may take longer than that for two calls.
    assert!(value == buffer(b"1") || room.now_ms().await >= at, "gone before its time");
    room.put("put", b"2").await;
    let replaced = room.replace_if("replaced", b"1", Some(b"2")).await;
    assert!(replaced || room.now_ms().await >= at);
    expire(&["stays"], at + 3_600_000).await;
    expire(&["repeated"], at + 3_600_000).await;
    while room.now_ms().await < at + 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(room.get_many(&["soon", "past"]).await, [None, None]);
    assert_eq!(room.sizes(&["soon"]).await, [None]);
    assert_eq!(room.get("put").await, buffer(b"2"), "a put clears the expiry");
    assert_eq!(room.get("stays").await, buffer(b"1"));
    if replaced {
        assert_eq!(room.get("replaced").await, buffer(b"2"), "a replacement clears the expiry");
        assert_eq!(room.get("repeated").await, buffer(b"1"), "the last time given counts");
        assert_eq!(room.list("", "").await, sorted(room.keys(&["put", "repeated", "replaced", "stays"])));
    }
    assert!(!room.replace_if("soon", b"1", Some(b"2")).await, "what expired is absent");
    assert!(room.put_if_absent("soon", b"2").await);
    assert_eq!(expire(&[], at).await, 0);
}

async fn refuses_expiry(room: &Room) {
    room.put("a", b"1").await;
    let error = room.store.expire_at(&room.keys(&["a"]), room.now_ms().await, &room.ctx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!error.is_retryable());
    assert_eq!(room.get("a").await, buffer(b"1"));
}

async fn serves_many_tasks(room: &Room) {
    let work = |room: Room, task: usize| async move {
        let name = format!("{task}");
        for step in 0..5u8 {
            let value = bytes(10_000 + task, step);
            room.put(&name, &value).await;
            assert_eq!(room.get(&name).await, buffer(&value));
            assert_eq!(room.get_ranges(&[(&name, 100..200)]).await, [buffer(&value[100..200])]);
        }
        room.key(&name)
    };
    let keys: BTreeSet<String> = room.at_once(2 * TASKS, work).await.into_iter().collect();
    assert_eq!(room.list("", "").await, keys.into_iter().collect::<Vec<_>>());
}

//! What the process counts: exactly what happened, no more. It runs in a process of its own, where nothing else does.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrowredis::store::{Store, StoreOptions, open};
use arrowredis::{CancelToken, Context, Dataset, ErrorKind, metrics_text};

use crate::common::servers::listen;
use crate::helpers::wait;

/// Tells the test's own child process that it is the one.
const CHILD: &str = "ARROWREDIS_TEST_TELEMETRY";

/// The fake nodes speak of this slot only.
const KEY_OF_SLOT_1: &str = "k37999";

fn totals() -> HashMap<String, f64> {
    let text = metrics_text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(name, n)| (name.to_string(), n.parse().unwrap())).collect()
}

/// What happened since `before`, without what the machine's speed decides.
fn happened(before: &HashMap<String, f64>) -> Vec<(String, u64)> {
    let watched = ["retries", "redirects", "failovers", "cancelled", "timed_out", "reconnects", "published"];
    let now = totals();
    let difference = |name: &str| {
        let name = format!("arrowredis_{name}_total");
        (name.clone(), (now[&name] - before[&name]) as u64)
    };
    watched.into_iter().map(difference).filter(|(_, n)| *n > 0).collect()
}

fn get(store: &Arc<dyn Store>, key: &str) -> Option<Vec<u8>> {
    let mut found = None;
    wait(store.get_many(&[key.to_string()], &Context::new(), &mut |_, value| found = value)).unwrap();
    found.map(|value| value.to_vec())
}

/// What a fake node does next.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Answers,
    SaysLoading,
    Redirects,
    Sleeps,
}

/// A fake node of a cluster (or a server alone): answers GET, tells that `owner` serves all slots. When it sends a
/// request away, or sleeps over one, `other` is the owner from then on.
fn node(mood: Arc<Mutex<Mood>>, owner: Arc<AtomicU16>, other: Arc<AtomicU16>) -> u16 {
    listen(move |mut stream| {
        let (mood, owner, other) = (mood.clone(), owner.clone(), other.clone());
        std::thread::spawn(move || {
            let mut request = [0; 4096];
            while let Ok(bytes @ 1..) = stream.read(&mut request) {
                let text = String::from_utf8_lossy(&request[..bytes]).into_owned();
                let now = *mood.lock().unwrap();
                let reply = if text.contains("SETNAME") {
                    "+OK\r\n".to_string()
                } else if text.contains("SLOTS") {
                    format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{}\r\n", owner.load(SeqCst))
                } else {
                    match now {
                        Mood::Answers => "$5\r\nvalue\r\n".to_string(),
                        Mood::SaysLoading => {
                            *mood.lock().unwrap() = Mood::Answers;
                            "-LOADING wait\r\n".to_string()
                        }
                        Mood::Redirects => {
                            owner.store(other.load(SeqCst), SeqCst);
                            format!("-MOVED 1 127.0.0.1:{}\r\n", other.load(SeqCst))
                        }
                        Mood::Sleeps => {
                            owner.store(other.load(SeqCst), SeqCst);
                            continue;
                        }
                    }
                };
                if stream.write_all(reply.as_bytes()).is_err() {
                    return;
                }
            }
        });
    })
}

#[test]
fn a_retry_a_redirect_a_failover_and_a_cancel_are_counted_once_each() {
    if std::env::var_os(CHILD).is_none() {
        let name = "telemetry::a_retry_a_redirect_a_failover_and_a_cancel_are_counted_once_each";
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let options = StoreOptions { retry_base_delay: Duration::from_millis(1), ..StoreOptions::default() };
    let counted = |name: &str, n| vec![(format!("arrowredis_{name}_total"), n)];

    let mood = Arc::new(Mutex::new(Mood::SaysLoading));
    let alone = node(mood.clone(), Arc::default(), Arc::default());
    let store = open(&format!("redis://127.0.0.1:{alone}"), &options).unwrap();
    let before = totals();
    assert_eq!(get(&store, "k").unwrap(), b"value");
    assert_eq!(happened(&before), counted("retries", 1));
    let name = "arrowredis_requests_total";
    assert_eq!(totals()[name] - before[name], 2.0, "the first request and its repeat");
    let name = "arrowredis_request_seconds_count";
    assert_eq!(totals()[name] - before[name], 2.0);

    // The first node owns all slots, then says that the second one does, then has to take them back.
    let owner = Arc::new(AtomicU16::new(0));
    let others: [Arc<AtomicU16>; 2] = Default::default();
    let moods = [Mood::Redirects, Mood::Answers].map(|mood| Arc::new(Mutex::new(mood)));
    let nodes = [0, 1].map(|index: usize| node(moods[index].clone(), owner.clone(), others[index].clone()));
    owner.store(nodes[0], SeqCst);
    others[0].store(nodes[1], SeqCst);
    others[1].store(nodes[0], SeqCst);
    let options = StoreOptions { cluster: true, ..options };
    let store = open(&format!("redis://127.0.0.1:{},127.0.0.1:{}", nodes[0], nodes[1]), &options).unwrap();
    let before = totals();
    assert_eq!(get(&store, KEY_OF_SLOT_1).unwrap(), b"value");
    assert_eq!(happened(&before), counted("redirects", 1));

    // The second node falls asleep; the first one serves its slots from now on.
    let before = totals();
    *moods[0].lock().unwrap() = Mood::Answers;
    *moods[1].lock().unwrap() = Mood::Sleeps;
    assert_eq!(get(&store, KEY_OF_SLOT_1).unwrap(), b"value");
    let mut expected = counted("retries", 1);
    expected.extend(counted("failovers", 1));
    assert_eq!(happened(&before), expected);

    let before = totals();
    *mood.lock().unwrap() = Mood::Sleeps;
    let cancel = CancelToken::new();
    let ctx = Context::new().with_cancel(cancel.clone());
    let store = open(&format!("redis://127.0.0.1:{alone}"), &StoreOptions::default()).unwrap();
    let firing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        cancel.cancel();
    });
    assert_eq!(Dataset::open(&store, "d", &ctx).unwrap_err().kind(), ErrorKind::Cancelled);
    firing.join().unwrap();
    assert_eq!(happened(&before), counted("cancelled", 1));
    let ctx = Context::new().with_timeout(Duration::from_millis(20));
    let before = totals();
    assert_eq!(Dataset::open(&store, "d", &ctx).unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(happened(&before), counted("timed_out", 1));
}

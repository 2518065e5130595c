//! Versions, their grace, time to live, dead uploads: who sees what, and what stays in the store.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatchReader;
use arrowredis::store::{Store, StoreOptions, open};
use arrowredis::{
    Codec, Context, Dataset, ErrorKind, GenerateOptions, GeneratedReader, ReadOptions, Source, SplitOptions,
    SplitReport, collect_garbage, delete_dataset, list_datasets, split,
};

use crate::common::servers::{RedisServer, ServerConfig};
use crate::common::stores::{TestStore, directory, memory, redis};
use crate::helpers::{generate, get, keys, publish, put, read, wait, wait_until};

fn versioned() -> SplitOptions {
    SplitOptions { versioned: true, ..SplitOptions::default() }
}

fn every_store() -> [TestStore; 3] {
    [memory(), directory(), redis()]
}

fn upload(store: &Arc<dyn Store>, what: &GenerateOptions, options: &SplitOptions) -> SplitReport {
    let reader = GeneratedReader::new(what, &Context::new()).unwrap();
    split(Source::Batches(Box::new(reader)), store, "d", options, &Context::new()).unwrap()
}

fn rows(dataset: &Dataset) -> u64 {
    let mut reader = arrowredis::read(dataset, &ReadOptions::default(), &Context::new()).unwrap();
    let batches = reader.by_ref().map(|batch| batch.unwrap().num_rows() as u64);
    batches.sum()
}

fn current_rows(store: &Arc<dyn Store>) -> usize {
    read(store, "d", &ReadOptions::default()).unwrap().0
}

#[test]
fn a_version_replaces_the_one_before_and_readers_keep_theirs() {
    for test in every_store() {
        let first = upload(&test.store, &generate(10, 2), &versioned());
        assert_eq!((first.replaced.as_ref(), first.warnings.len()), (None, 0));
        let base = format!("d@{}:", first.upload_id);
        assert_eq!(keys(&test.store, &base).len(), 6);
        let old = Dataset::open(&test.store, "d", &Context::new()).unwrap();
        let second = upload(&test.store, &generate(20, 3), &versioned());
        assert_eq!(second.replaced, Some(first.upload_id.clone()));
        assert_eq!((rows(&old), current_rows(&test.store)), (60, 180), "{}", test.name);
        assert_eq!(old.check(&Context::new()).unwrap(), []);
        let listed = &list_datasets(&test.store, "", &Context::new()).unwrap()[0];
        assert_eq!((listed.chunks, listed.unlisted_chunks, listed.partitions), (9, 6, 3));
        match (&test.server, test.store.capabilities().expiry) {
            (Some(server), _) => {
                for key in keys(&test.store, &base) {
                    let ttl: i64 = server.admin(&["PTTL", &key]).parse().unwrap();
                    assert!((1..=600_000).contains(&ttl), "{key}: {ttl}");
                }
                assert_eq!(server.admin(&["PTTL", "d:manifest"]), "-1");
                assert_eq!(server.admin(&["EXISTS", "d:upload"]), "0");
            }
            (None, false) => {
                // Nothing expires here: gc removes the version, and not before its time.
                let report = collect_garbage(&test.store, "", &Context::new()).unwrap();
                assert_eq!((report.collected[0].chunks, report.collected[0].versions_in_grace), (0, 1));
                assert_eq!(rows(&old), 60);
            }
            (None, true) => assert_eq!(keys(&test.store, "d:upload"), [""; 0]),
        }
        assert_eq!(delete_dataset(&test.store, "d", &Context::new()).unwrap(), 15, "all versions go");
        assert_eq!(keys(&test.store, "d"), [""; 0]);
        assert_eq!(arrowredis::read(&old, &ReadOptions::default(), &Context::new()).unwrap().count(), 1);
    }
}

#[test]
fn when_its_grace_is_over_a_replaced_version_goes() {
    for test in every_store() {
        let short = SplitOptions { grace_period: Duration::from_millis(1), ..versioned() };
        for number in 1..4 {
            upload(&test.store, &generate(10, number), &short);
        }
        wait_until("old versions stay", || {
            collect_garbage(&test.store, "", &Context::new()).unwrap();
            keys(&test.store, "d").len() == 9 + 1
        });
        assert_eq!(current_rows(&test.store), 90);
    }
}

#[test]
fn the_layouts_replace_each_other() {
    for test in every_store() {
        let short = SplitOptions { grace_period: Duration::from_millis(1), ..versioned() };
        let overwrite = SplitOptions { overwrite: true, ..SplitOptions::default() };
        upload(&test.store, &generate(10, 3), &SplitOptions::default());
        upload(&test.store, &generate(20, 2), &short);
        assert_eq!(current_rows(&test.store), 120);
        wait_until("plain chunks stay", || {
            collect_garbage(&test.store, "", &Context::new()).unwrap();
            keys(&test.store, "d:{").is_empty()
        });
        let error = publish(&test.store, "d", &generate(1, 1), &SplitOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        upload(&test.store, &generate(30, 2), &overwrite);
        assert_eq!(current_rows(&test.store), 180);
        assert_eq!(keys(&test.store, "d").len(), 6 + 1, "{}: {:?}", test.name, keys(&test.store, "d"));
    }
}

/// Batches that stop at the second one: it tells so, and waits to be told to go on.
struct Halting {
    reader: GeneratedReader,
    batches: usize,
    reached: Sender<()>,
    go_on: Receiver<()>,
}

impl Iterator for Halting {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches += 1;
        if self.batches == 2 {
            self.reached.send(()).unwrap();
            self.go_on.recv().unwrap();
        }
        self.reader.next()
    }
}

impl RecordBatchReader for Halting {
    fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }
}

/// Runs `meanwhile` while an upload is in the middle, then lets that go on; returns how it ended.
fn in_the_middle_of_an_upload(
    store: &Arc<dyn Store>,
    what: &GenerateOptions,
    options: &SplitOptions,
    meanwhile: impl FnOnce(),
) -> arrowredis::Result<SplitReport> {
    let (reached, is_reached) = channel();
    let (release, go_on) = channel();
    let reader = GeneratedReader::new(what, &Context::new()).unwrap();
    let source = Source::Batches(Box::new(Halting { reader, batches: 0, reached, go_on }));
    let (store, options, store_of_test) = (store.clone(), options.clone(), store.clone());
    let versioned = options.versioned;
    let upload = std::thread::spawn(move || split(source, &store, "d", &options, &Context::new()));
    is_reached.recv().unwrap();
    // The input is read ahead of the writer.
    wait_until("the upload does not start to write", || {
        let lease = keys(&store_of_test, "d:upload").pop().map(|key| get(&store_of_test, &key));
        let lease: serde_json::Value = serde_json::from_slice(&lease.unwrap_or_default()).unwrap_or_default();
        let chunk = format!("d@{}:{{part=00000}}:batch=00000", lease["upload_id"].as_str().unwrap_or_default());
        let alive = lease["expires_at_ms"].as_u64() > Some(1);
        alive
            && match versioned {
                true => keys(&store_of_test, &chunk).len() == 1,
                false => keys(&store_of_test, "d:manifest").is_empty(),
            }
    });
    meanwhile();
    release.send(()).unwrap();
    upload.join().unwrap()
}

#[test]
fn of_two_writers_one_wins_whole_and_the_other_is_told() {
    for test in every_store() {
        for options in [versioned(), SplitOptions { overwrite: true, ..SplitOptions::default() }] {
            upload(&test.store, &generate(1, 1), &options);
            for round in 1..4 {
                let mut second = None;
                let first = in_the_middle_of_an_upload(&test.store, &generate(10 * round, 2), &options, || {
                    second = publish(&test.store, "d", &generate(7, 3), &options).err();
                });
                let refused = second.expect("the second writer is refused");
                assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
                let dataset = Dataset::open(&test.store, "d", &Context::new()).unwrap();
                assert_eq!(dataset.manifest().unwrap().upload_id(), first.unwrap().upload_id);
                assert_eq!(rows(&dataset), u64::from(60 * round));
            }
            delete_dataset(&test.store, "d", &Context::new()).unwrap();
        }
    }
}

fn lease(upload_id: &str, expires_at_ms: u64, more: &str) -> Vec<u8> {
    format!(r#"{{"format_version":1,"upload_id":"{upload_id}","expires_at_ms":{expires_at_ms}{more}}}"#).into_bytes()
}

#[test]
fn a_writer_that_lost_its_lease_or_its_manifest_publishes_nothing() {
    for test in every_store() {
        let before = upload(&test.store, &generate(10, 2), &versioned());
        let taken = || put(&test.store, "d:upload", lease("another", 1, ""));
        let error = in_the_middle_of_an_upload(&test.store, &generate(5, 2), &versioned(), taken).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let is_intact = || {
            let dataset = Dataset::open(&test.store, "d", &Context::new()).unwrap();
            assert_eq!((dataset.manifest().unwrap().upload_id(), rows(&dataset)), (before.upload_id.as_str(), 60));
            assert_eq!(keys(&test.store, "d@").len(), 6, "the loser removed what it wrote");
        };
        is_intact();
        // Somebody who does not keep to leases: the manifest itself is compared.
        let manifest = get(&test.store, "d:manifest");
        let replaced = || put(&test.store, "d:manifest", b"another".to_vec());
        let error = in_the_middle_of_an_upload(&test.store, &generate(5, 2), &versioned(), replaced).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(get(&test.store, "d:manifest"), b"another");
        put(&test.store, "d:manifest", manifest);
        is_intact();
    }
}

#[test]
fn gc_removes_what_dead_uploads_left_and_nothing_else() {
    for test in every_store() {
        let store = &test.store;
        let live = upload(store, &generate(10, 2), &versioned());
        publish(store, "d2", &generate(10, 1), &SplitOptions::default()).unwrap();
        let chunk = |base: &str| format!("{base}:{{part=00000}}:batch=00000");
        let dead = ["d@dead", "d@older", "d:sub", "e"].map(chunk);
        let others = [
            chunk("d@unknown"),
            chunk("d"),
            chunk("d2@dead"),
            "d@dead:x".to_string(),
            "x:upload".to_string(),
            "busy:upload".to_string(),
        ];
        for key in dead.iter().chain(&others) {
            put(store, key, b"x".to_vec());
        }
        let now = wait(store.now_ms(&Context::new())).unwrap();
        put(store, "busy:upload", lease("alive", now + 20_000, ""));
        put(store, "d:upload", lease("dead", 1, r#","layout":"versioned","dead_uploads":["older"]"#));
        put(store, "d:sub:upload", lease("plain", 1, ""));
        put(store, "e:upload", lease("plain", 1, r#","layout":"plain""#));
        let report = collect_garbage(store, "", &Context::new()).unwrap();
        let collected: Vec<_> = report.collected.iter().map(|c| (c.prefix.as_str(), c.chunks)).collect();
        assert_eq!(collected, [("d", 2), ("d:sub", 1), ("e", 1)], "{}", test.name);
        assert_eq!(report.collected[0].dead_uploads, ["older", "dead"]);
        assert_eq!(report.in_use, ["busy"]);
        let mut expected: Vec<String> = others.to_vec();
        expected.extend(["d:manifest".to_string(), "d2:manifest".to_string()]);
        expected.extend(keys(store, &format!("d@{}", live.upload_id)));
        expected.extend((0..3).map(|batch| format!("d2:{{part=00000}}:batch={batch:05}")));
        expected.sort();
        assert_eq!(keys(store, ""), expected, "{}", test.name);
        assert_eq!(current_rows(store), 60);
        assert_eq!(collect_garbage(store, "d", &Context::new()).unwrap(), Default::default());
    }
}

#[test]
fn the_next_writer_removes_what_a_dead_one_left() {
    for test in every_store() {
        put(&test.store, "d@dead:{part=00000}:batch=00000", b"x".to_vec());
        put(&test.store, "d:upload", lease("dead", 1, r#","layout":"versioned""#));
        upload(&test.store, &generate(10, 1), &versioned());
        assert_eq!(keys(&test.store, "d").len(), 3 + 1, "{:?}", keys(&test.store, "d"));
    }
}

#[test]
fn what_a_writer_did_not_finish_after_publishing_is_finished() {
    let test = redis();
    let server = test.server.as_ref().unwrap();
    let first = upload(&test.store, &generate(10, 1), &versioned());
    let second = upload(&test.store, &generate(20, 1), &versioned());
    let old = format!("d@{}:{{part=00000}}:batch=00001", first.upload_id);
    server.admin(&["PERSIST", &old]);
    let at = wait(test.store.now_ms(&Context::new())).unwrap() + 50_000;
    let unfinished = format!(
        r#","layout":"versioned","publishing":{{"replaces":{{"upload_id":"{}","layout":"versioned"}},"grace_ms":70000,"manifest_expires_at_ms":{at}}}"#,
        first.upload_id
    );
    put(&test.store, "d:upload", lease(&second.upload_id, 1, &unfinished));
    let report = collect_garbage(&test.store, "", &Context::new()).unwrap();
    assert_eq!((report.collected[0].chunks, report.collected[0].dead_uploads.len()), (0, 0));
    let ttl = |key: &str| server.admin(&["PTTL", key]).parse::<i64>().unwrap();
    assert!((1..=70_000).contains(&ttl(&old)) && (1..=50_000).contains(&ttl("d:manifest")));
    assert_eq!((current_rows(&test.store), server.admin(&["EXISTS", "d:upload"])), (60, "0".to_string()));
}

#[test]
fn a_time_to_live_is_for_the_whole_dataset() {
    let ttl = |millis| SplitOptions { ttl: Some(Duration::from_millis(millis)), ..versioned() };
    let test = redis();
    let server = test.server.as_ref().unwrap();
    upload(&test.store, &generate(10, 2), &ttl(100_000));
    let expires = |key: &str| server.admin(&["PEXPIRETIME", key]).parse::<i64>().unwrap();
    let manifest = expires("d:manifest");
    assert!(manifest > 0);
    for key in keys(&test.store, "d@") {
        assert_eq!(expires(&key) - manifest, 60_000, "chunks outlive their manifest");
    }
    upload(&test.store, &generate(10, 2), &versioned());
    assert_eq!(expires("d:manifest"), -1, "the next version has none");
    upload(&test.store, &generate(10, 2), &ttl(1));
    wait_until("the manifest stays", || Dataset::open(&test.store, "d", &Context::new()).is_err());

    for (test, options, kind) in
        [(directory(), ttl(1000), ErrorKind::Unsupported), (memory(), ttl(0), ErrorKind::InvalidArgument)]
    {
        let error = publish(&test.store, "d", &generate(1, 1), &options).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains("option 'ttl'"), "{error}");
        assert_eq!(keys(&test.store, ""), [""; 0]);
    }
}

#[test]
fn a_failed_version_leaves_the_old_one_whole() {
    let settings = ["maxmemory 8mb", "maxmemory-policy noeviction"].map(str::to_string).to_vec();
    let server = RedisServer::start(&ServerConfig { settings, ..ServerConfig::default() });
    let store = open(&server.url(), &StoreOptions::default()).unwrap();
    upload(&store, &generate(10, 2), &versioned());
    let large = SplitOptions { compression: Codec::None, ..versioned() };
    let error = publish(&store, "d", &generate(20_000, 4), &large).unwrap_err();
    assert_eq!((error.kind(), error.server_code()), (ErrorKind::ResourceExhausted, Some("OOM")));
    assert_eq!((current_rows(&store), keys(&store, "d").len()), (60, 6 + 1));
}

#[test]
fn a_server_without_room_is_warned_of() {
    let settings = ["maxmemory 20mb", "maxmemory-policy allkeys-lru"].map(str::to_string).to_vec();
    let server = RedisServer::start(&ServerConfig { settings, ..ServerConfig::default() });
    let store = open(&server.url(), &StoreOptions::default()).unwrap();
    let report = upload(&store, &generate(10, 2), &versioned());
    assert_eq!(report.warnings.len(), 1);
    assert!(report.warnings[0].contains("allkeys-lru") && report.warnings[0].contains("CHUNK_MISSING"));
}

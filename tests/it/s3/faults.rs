//! Whatever goes wrong is a typed error; nothing is mixed, nothing hangs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use arrowredis::options::{Bytes, Secret};
use arrowredis::store::S3Options;
use arrowredis::{Codec, Context, ErrorKind, FileOptions, FileReadOptions, IpcFile, read_file, upload_file};
use tempfile::TempDir;

use super::{PATIENCE, assert_no_secret, assert_same, ctx, generate, open, partitions, rows, upload};
use crate::common::http_proxy::{Fate, Proxy};
use crate::common::s3::{S3Server, options, url};
use crate::common::servers::{free_port, listen};

#[test]
fn what_is_wrong_is_said() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 100, 4, Codec::Zstd);
    let good = server.options();
    upload(&path, "file.arrow", &good);
    std::fs::write(dir.path().join("empty"), b"").unwrap();
    std::fs::write(dir.path().join("text"), b"this is no Arrow file").unwrap();
    upload(&dir.path().join("empty"), "empty", &good);
    upload(&dir.path().join("text"), "text", &good);
    let with = |change: fn(&mut S3Options)| {
        let mut options = good.clone();
        change(&mut options);
        options
    };
    let unreachable = S3Options { max_retries: 1, ..options(free_port()) };
    for (location, options, kind, text) in [
        ("s3://datasets/none.arrow", good.clone(), ErrorKind::NotFound, "no such object"),
        ("s3://no-bucket/file.arrow", good.clone(), ErrorKind::NotFound, "no such bucket"),
        ("s3://datasets/empty", good.clone(), ErrorKind::Corrupt, "the object is empty"),
        ("s3://datasets/text", good.clone(), ErrorKind::Corrupt, "not an Arrow IPC file"),
        (
            "s3://datasets/file.arrow",
            with(|o| o.aws_secret_key = Some(Secret::new("wrong"))),
            ErrorKind::PermissionDenied,
            "check the access key",
        ),
        (
            "s3://datasets/file.arrow",
            with(|o| o.aws_access_key = Some(Secret::new("NOBODY"))),
            ErrorKind::PermissionDenied,
            "check the access key",
        ),
        ("s3://datasets/file.arrow", unreachable, ErrorKind::Unavailable, "cannot be reached"),
        (
            "s3://datasets/file.arrow",
            with(|o| o.tls_ca_file = Some("/none.pem".to_string())),
            ErrorKind::InvalidArgument,
            "tls_ca_file",
        ),
        ("s3://datasets", good.clone(), ErrorKind::InvalidArgument, "s3://BUCKET/KEY"),
    ] {
        let opening = FileOptions { s3: options, ..FileOptions::default() };
        let error = IpcFile::open_at(location, &opening, &ctx()).unwrap_err();
        assert_eq!(error.kind(), kind, "{location}: {error}");
        assert!(error.message().contains(text), "{location}: {error}");
        assert_no_secret(&error);
    }
    let error = upload_file(&path, "s3://no-bucket/file.arrow", &good, &ctx()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = upload_file(&dir.path().join("none"), &url("file.arrow"), &good, &ctx()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = upload_file(&path, "file:///tmp/x", &good, &ctx()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let small = S3Options { part_bytes: Bytes(1 << 20), ..good.clone() };
    assert_eq!(upload_file(&path, &url("x"), &small, &ctx()).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

/// What a server may answer once the file is open, and what becomes of it.
#[test]
fn each_refusal_has_its_kind() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 20_000, 5, Codec::None);
    upload(&path, "file.arrow", &server.options());
    for (fate, kind, retried) in [
        (Fate::Refuse(403, "AccessDenied"), ErrorKind::PermissionDenied, false),
        (Fate::Refuse(403, ""), ErrorKind::PermissionDenied, false),
        (Fate::Refuse(404, "NoSuchKey"), ErrorKind::Conflict, false),
        (Fate::Refuse(412, "PreconditionFailed"), ErrorKind::Conflict, false),
        (Fate::Refuse(416, "InvalidRange"), ErrorKind::Conflict, false),
        (Fate::Refuse(500, "InternalError"), ErrorKind::Unavailable, true),
        (Fate::Refuse(503, "SlowDown"), ErrorKind::Unavailable, true),
        (Fate::Refuse(503, ""), ErrorKind::Unavailable, true),
        (Fate::CutShort, ErrorKind::Unavailable, true),
        (Fate::Close, ErrorKind::Unavailable, true),
        (Fate::Hang, ErrorKind::Timeout, true),
    ] {
        let opened = Arc::new(AtomicBool::new(false));
        let judge = opened.clone();
        let proxy = Proxy::start(server.port, move |_| if judge.load(SeqCst) { fate } else { Fate::Pass });
        let patience = Duration::from_millis(if fate == Fate::Hang { 300 } else { 20_000 });
        let file = open("file.arrow", &S3Options { timeout: patience, max_retries: 2, ..options(proxy.port) }).unwrap();
        opened.store(true, SeqCst);
        let started = Instant::now();
        let context = ctx();
        let mut reader = read_file(&file, &partitions(&["0"]), &context).unwrap();
        // Of an answer that breaks off, what has come is of the right version and can be used.
        let error = std::iter::from_fn(|| reader.next_batch()).find_map(Result::err).unwrap();
        assert!(started.elapsed() < PATIENCE / 2, "{fate:?}");
        assert_eq!((error.kind(), error.is_retryable()), (kind, retried || kind == ErrorKind::Conflict), "{error}");
        assert_eq!(context.metrics().retries > 0, retried, "{fate:?}: {error}");
        assert!(error.message().contains("s3://datasets/file.arrow"), "{error}");
        assert_no_secret(&error);
        assert!(reader.next_batch().is_none(), "an error ends the read");
    }
}

#[test]
fn what_can_pass_is_tried_again() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 20_000, 6, Codec::Zstd);
    let local = Arc::new(IpcFile::open(&path, true).unwrap());
    for fate in [Fate::Refuse(503, "SlowDown"), Fate::CutShort, Fate::Close] {
        // Every third request fails once.
        let proxy = Proxy::start(server.port, move |request| if request.number % 3 == 1 { fate } else { Fate::Pass });
        let s3 = S3Options { max_retries: 10, ..options(proxy.port) };
        let uploading = ctx();
        upload_file(&path, &url("file.arrow"), &s3, &uploading).unwrap();
        assert!(std::fs::read(server.object("file.arrow")).unwrap() == std::fs::read(&path).unwrap(), "{fate:?}");
        let remote = open("file.arrow", &s3).unwrap();
        assert_same(&local, &remote, &FileReadOptions::default());
        let reading = ctx();
        assert_eq!(read_file(&remote, &FileReadOptions::default(), &reading).unwrap().count(), 32);
        // Of an upload's answers hardly any has a body that could be cut.
        assert!(uploading.metrics().retries > 0 || fate == Fate::CutShort, "{fate:?}");
        assert!(reading.metrics().retries > 0, "{fate:?}");
        assert_eq!(server.orphans(), Vec::<PathBuf>::new(), "{fate:?}");
    }
}

#[test]
fn an_object_that_is_replaced_meanwhile_is_a_conflict_and_nothing_is_mixed() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let s3 = server.options();
    let first = generate(dir.path(), "first.arrow", 20_000, 7, Codec::None);
    let second = dir.path().join("second.arrow");
    let mut bytes = std::fs::read(&first).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 1000].fill(7);
    std::fs::write(&second, bytes).unwrap();
    for deleted in [false, true] {
        upload(&first, "file.arrow", &s3);
        let file = open("file.arrow", &s3).unwrap();
        let tight =
            FileReadOptions { max_inflight_bytes: Some(Bytes(1)), concurrency: 1, ..FileReadOptions::default() };
        let mut reader = read_file(&file, &tight, &ctx()).unwrap();
        let mut original =
            read_file(&Arc::new(IpcFile::open(&first, true).unwrap()), &FileReadOptions::default(), &ctx()).unwrap();
        let before = reader.next_batch().unwrap().unwrap();
        assert_eq!(before.data, original.next_batch().unwrap().unwrap().data);
        if deleted {
            std::fs::remove_file(server.object("file.arrow")).unwrap();
        } else {
            upload(&second, "file.arrow", &s3);
        }
        let error = loop {
            match reader.next_batch().expect("the file cannot be read to its end") {
                // What was on its way is of the version that was opened.
                Ok(batch) => assert_eq!(batch.data, original.next_batch().unwrap().unwrap().data),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Conflict, true), "{error}");
        assert!(error.message().contains("replaced or deleted while it was read"), "{error}");
        assert_eq!(rows(&file, &partitions(&["7"])).unwrap_err().kind(), ErrorKind::Conflict);
    }
}

#[test]
fn cancelling_and_timeouts_end_what_hangs() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 20_000, 9, Codec::None);
    upload(&path, "file.arrow", &server.options());
    let proxy = Proxy::start(server.port, |_| Fate::Hang);
    let opening = FileOptions { s3: options(proxy.port), ..FileOptions::default() };
    let late = Context::new().with_timeout(Duration::from_millis(200));
    let error = IpcFile::open_at(&url("file.arrow"), &opening, &late).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let cancelled = ctx();
    let token = cancelled.cancel_token().clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        token.cancel();
    });
    let error = IpcFile::open_at(&url("file.arrow"), &opening, &cancelled).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    // A server that says nothing at all, not even that it closes.
    let silent = listen(|stream| {
        std::thread::spawn(move || {
            std::thread::sleep(PATIENCE);
            drop(stream);
        });
    });
    let s3 = S3Options { timeout: Duration::from_millis(200), max_retries: 0, ..options(silent) };
    assert_eq!(open("file.arrow", &s3).unwrap_err().kind(), ErrorKind::Timeout);
}

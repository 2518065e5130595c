//! Files on S3: the same reading API, only the bytes that are wanted, and a clear error for whatever goes wrong.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use arrowredis::options::{OptionValue, Secret};
use arrowredis::store::S3Options;
use arrowredis::{
    Codec, Context, Dataset, Error, ErrorKind, FileOptions, FileReadOptions, Filter, GenerateOptions, IpcFile,
    ReadOptions, Selection, Source, SplitOptions, VerifyFile, VerifyOptions, read_file, upload_file, verify,
};
use tempfile::TempDir;

use crate::common::http_proxy::{Fate, Proxy};
use crate::common::s3::{ACCESS_KEY, S3Server, SECRET_KEY, options, url};
use crate::common::servers::{free_port, listen};
use crate::common::stores::memory;

/// No test waits longer than this for anything: what hangs has failed.
const PATIENCE: Duration = Duration::from_secs(120);

fn ctx() -> Context {
    Context::new().with_timeout(PATIENCE)
}

fn generate(dir: &Path, name: &str, rows: u32, seed: u64, codec: Codec) -> PathBuf {
    let path = dir.join(name);
    let what = GenerateOptions { partitions: 8, batches: 4, rows, seed, compression: codec, ..Default::default() };
    arrowredis::generate_file(&path, &what, &ctx()).unwrap();
    path
}

fn upload(path: &Path, key: &str, options: &S3Options) {
    let report = upload_file(path, &url(key), options, &ctx()).unwrap();
    assert_eq!(report.file_bytes, path.metadata().unwrap().len());
    assert_eq!(report.metrics.payload_bytes, report.file_bytes);
}

fn open(key: &str, s3: &S3Options) -> Result<Arc<IpcFile>, Error> {
    IpcFile::open_at(&url(key), &FileOptions { s3: s3.clone(), ..FileOptions::default() }, &ctx()).map(Arc::new)
}

fn partitions(names: &[&str]) -> FileReadOptions {
    let partitions = Selection::Some(names.iter().map(|name| name.to_string()).collect());
    FileReadOptions { partitions, ..FileReadOptions::default() }
}

/// Reads to the end; rows, or the error.
fn rows(file: &Arc<IpcFile>, options: &FileReadOptions) -> Result<u64, Error> {
    let mut reader = read_file(file, options, &ctx())?;
    while let Some(batch) = reader.next_batch() {
        batch?;
    }
    Ok(reader.metrics().rows)
}

fn assert_same(left: &Arc<IpcFile>, right: &Arc<IpcFile>, options: &FileReadOptions) {
    let side = |file: &Arc<IpcFile>| Arc::new(VerifyFile::new(file.clone(), options.clone(), &ctx()));
    let report = verify(side(left), side(right), &VerifyOptions::default(), &ctx()).unwrap();
    assert!(report.identical, "{:?}", report.differences());
}

fn assert_no_secret(error: &Error) {
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(SECRET_KEY) && !shown.contains(ACCESS_KEY), "{shown}");
}

#[test]
fn what_is_uploaded_is_read_as_the_local_file_is() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let s3 = server.options();
    for (codec, rows_per_batch) in [(Codec::Zstd, 20_000), (Codec::None, 20_000), (Codec::Lz4, 100)] {
        let path = generate(dir.path(), "local.arrow", rows_per_batch, 1, codec);
        upload(&path, "a folder/file ?%.arrow".replace('%', "%25").replace('?', "%3F").as_str(), &s3);
        let stored = server.object("a folder/file ?%.arrow");
        assert!(std::fs::read(&stored).unwrap() == std::fs::read(&path).unwrap(), "{codec}: the bytes on the server");
        let remote = open("a folder/file %3F%25.arrow", &s3).unwrap();
        let local = Arc::new(IpcFile::open(&path, true).unwrap());
        assert_eq!((remote.schema(), remote.batch_count()), (local.schema(), local.batch_count()));
        assert_same(&local, &remote, &FileReadOptions::default());
        let columns = Some(vec!["str_c".to_string(), "id64".to_string(), "list_ints".to_string()]);
        assert_same(&local, &remote, &FileReadOptions { columns, ..FileReadOptions::default() });
        let some = partitions(&["6", "1"]);
        assert_eq!(rows(&remote, &some).unwrap(), u64::from(rows_per_batch) * 8);
        let copy = dir.path().join("copy.arrow");
        arrowredis::read_file_to_file(&remote, &FileReadOptions::default(), codec, &copy, &ctx()).unwrap();
        assert_same(&local, &Arc::new(IpcFile::open(&copy, false).unwrap()), &FileReadOptions::default());
    }
    assert_eq!(server.orphans(), Vec::<PathBuf>::new());
}

#[test]
fn a_file_on_s3_is_split_without_decoding() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 5_000, 2, Codec::Zstd);
    upload(&path, "file.arrow", &server.options());
    let (test, remote) = (memory(), open("file.arrow", &server.options()).unwrap());
    let report = arrowredis::split(Source::File(remote), &test.store, "p", &SplitOptions::default(), &ctx()).unwrap();
    assert_eq!((report.chunks_copied, report.metrics.rows), (32, 160_000));
    let dataset = Dataset::open(&test.store, "p", &ctx()).unwrap();
    let back = dir.path().join("back.arrow");
    arrowredis::read_to_file(&dataset, &ReadOptions::default(), Codec::Zstd, &back, &ctx()).unwrap();
    let open = |path: &Path| Arc::new(IpcFile::open(path, true).unwrap());
    assert_same(&open(&path), &open(&back), &FileReadOptions::default());
}

/// Bytes of what is read besides the wanted parts: the ends of the file, or its footer if that is longer.
fn footer_bytes(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let length = &bytes[bytes.len() - 10..bytes.len() - 6];
    u64::from(u32::from_le_bytes(length.try_into().unwrap()))
}

#[test]
fn only_what_is_wanted_is_fetched() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    for codec in [Codec::Zstd, Codec::None] {
        let path = generate(dir.path(), "local.arrow", 50_000, 3, codec);
        upload(&path, "file.arrow", &server.options());
        let fetched = |read: &FileReadOptions| {
            let proxy = Proxy::start(server.port, |_| Fate::Pass);
            let file = open("file.arrow", &options(proxy.port)).unwrap();
            rows(&file, read).unwrap();
            assert!(proxy.requests().iter().all(|request| request.range.is_some()));
            proxy.body_bytes()
        };
        let local = Arc::new(IpcFile::open(&path, true).unwrap());

        // The bytes of a partition in the file are those that a read of the mapped file touches.
        let one = partitions(&["3"]);
        let mut reader = read_file(&local, &one, &ctx()).unwrap();
        while reader.next_batch().is_some() {}
        let wanted = reader.metrics().payload_bytes;
        let limit = wanted as f64 * 1.05 + footer_bytes(&path) as f64;
        let bytes = fetched(&one);
        assert!(bytes as f64 <= limit, "{codec}: {bytes} bytes for a partition of {wanted}");

        // The bytes of two columns are those of a file that has no others.
        let columns = Some(vec!["float64_c".to_string(), "str_c".to_string()]);
        let two = FileReadOptions { columns, ..FileReadOptions::default() };
        let alone = dir.path().join("two.arrow");
        let wanted = arrowredis::read_file_to_file(&local, &two, codec, &alone, &ctx()).unwrap().file_bytes;
        let bytes = fetched(&two);
        assert!((bytes as f64) < wanted as f64 * 1.2, "{codec}: {bytes} bytes for columns of {wanted}");
    }
}

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
    let small = S3Options { part_bytes: arrowredis::options::Bytes(1 << 20), ..good.clone() };
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
        // An upload's answers have no bodies that could be cut.
        assert_eq!(uploading.metrics().retries > 0, fate != Fate::CutShort, "{fate:?}");
        assert!(reading.metrics().retries > 0, "{fate:?}");
        assert_eq!(server.orphans(), Vec::<PathBuf>::new(), "{fate:?}");
    }
}

/// A batch goes on as soon as it is there, and only what is missing is asked for again.
#[test]
fn a_read_that_breaks_off_goes_on_where_it_was() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 10_000, 12, Codec::None);
    upload(&path, "file.arrow", &server.options());
    let local = Arc::new(IpcFile::open(&path, true).unwrap());
    let opened = Arc::new(AtomicUsize::new(usize::MAX));
    let judge = opened.clone();
    let proxy =
        Proxy::start(
            server.port,
            move |request| {
                if request.number == judge.load(SeqCst) { Fate::CutShort } else { Fate::Pass }
            },
        );
    let remote = open("file.arrow", &options(proxy.port)).unwrap();
    opened.store(proxy.requests().len(), SeqCst);
    let before = proxy.body_bytes();
    let (mut expected, mut found) =
        [&local, &remote].map(|file| read_file(file, &partitions(&["3"]), &ctx()).unwrap()).into();
    while let Some(batch) = expected.next_batch() {
        assert_eq!(found.next_batch().unwrap().unwrap().data, batch.unwrap().data);
    }
    assert!(found.next_batch().is_none());
    assert_eq!(found.metrics().retries, 1);
    let asked: Vec<_> = proxy.requests().iter().skip(opened.load(SeqCst)).map(|r| r.bytes().unwrap()).collect();
    assert_eq!((asked.len(), asked[0].end), (2, asked[1].end), "{asked:?}");
    let (first, again) = (asked[0].end - asked[0].start, asked[1].end - asked[1].start);
    assert!(again < first * 4 / 5, "of four batches at least one had come: {asked:?}");
    // The server sent all of both; the proxy passed on half of the first.
    assert_eq!(proxy.body_bytes() - before, first + again);
}

/// With a budget of one byte each request is for one batch, and none is sent twice.
#[test]
fn a_tight_budget_and_many_columns_bring_the_same() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 3_000, 13, Codec::Zstd);
    upload(&path, "file.arrow", &server.options());
    let local = Arc::new(IpcFile::open(&path, true).unwrap());
    for columns in [None, Some(vec!["bool_c".to_string(), "list_ints".to_string(), "id64".to_string()])] {
        let s3 = S3Options { part_bytes: arrowredis::options::Bytes(7 << 10), ..server.options() };
        let remote = open("file.arrow", &s3).unwrap();
        let one = Some(arrowredis::options::Bytes(1));
        let tight = FileReadOptions { columns, max_inflight_bytes: one, concurrency: 3, ..FileReadOptions::default() };
        assert_same(&local, &remote, &tight);
    }
}

/// A local file that is not mapped is read by the same plan: only what is wanted of it.
#[test]
fn of_a_local_file_only_what_is_wanted_is_read() {
    let dir = TempDir::new().unwrap();
    let path = generate(dir.path(), "local.arrow", 50_000, 14, Codec::Zstd);
    let whole = path.metadata().unwrap().len();
    let read = |mmap: bool, options: &FileReadOptions| {
        let file = Arc::new(IpcFile::open(&path, mmap).unwrap());
        let mut reader = read_file(&file, options, &ctx()).unwrap();
        while let Some(batch) = reader.next_batch() {
            batch.unwrap();
        }
        reader.metrics()
    };
    let one = read(false, &partitions(&["3"]));
    assert_eq!((one.rows, one.payload_bytes), (200_000, read(true, &partitions(&["3"])).payload_bytes));
    let names = ["float64_c", "str_c"].map(str::to_string).to_vec();
    let two = FileReadOptions { columns: Some(names), ..FileReadOptions::default() };
    let alone = dir.path().join("two.arrow");
    let mapped = Arc::new(IpcFile::open(&path, true).unwrap());
    let wanted = arrowredis::read_file_to_file(&mapped, &two, Codec::Zstd, &alone, &ctx()).unwrap().file_bytes;
    let two = read(false, &two);
    assert_eq!(two.rows, 1_600_000);
    assert!((two.payload_bytes as f64) < wanted as f64 * 1.2, "{} for columns of {wanted}", two.payload_bytes);
    // id64 grows from batch to batch: the index tells which batches can hold the wanted rows.
    let filter = Filter::parse("id64 < 50000").unwrap();
    let few = read(false, &FileReadOptions { filter, ..FileReadOptions::default() });
    assert_eq!((few.rows, few.chunks, few.chunks_pruned), (50_000, 1, 31));
    assert!(few.bytes_pruned > whole / 32 * 30 && few.payload_bytes < whole / 31, "{few:?}");
}

/// Conditions skip what cannot match, on S3 as elsewhere.
#[test]
fn a_filter_skips_bytes_on_s3() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 20_000, 15, Codec::Zstd);
    upload(&path, "file.arrow", &server.options());
    let local = Arc::new(IpcFile::open(&path, true).unwrap());
    for (filter, batches) in [("id64 < 20000", 1), ("id64 >= 30000 AND id64 < 50000", 2), ("partition = 5", 4)] {
        let options = FileReadOptions { filter: Filter::parse(filter).unwrap(), ..FileReadOptions::default() };
        let proxy = Proxy::start(server.port, |_| Fate::Pass);
        let remote = open("file.arrow", &self::options(proxy.port)).unwrap();
        let opening = proxy.body_bytes();
        let mut reader = read_file(&remote, &options, &ctx()).unwrap();
        while let Some(batch) = reader.next_batch() {
            batch.unwrap();
        }
        let metrics = reader.metrics();
        let fetched = proxy.body_bytes() - opening;
        let share = path.metadata().unwrap().len() * batches / 32;
        assert_eq!((metrics.chunks, metrics.chunks_pruned), (batches, 32 - batches), "{filter}");
        assert_eq!(fetched, metrics.payload_bytes, "{filter}");
        assert!(fetched < share + share / 20 && metrics.bytes_pruned > 20 * share / batches, "{filter}: {fetched}");
        assert_same(&local, &remote, &options);
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
        let tight = FileReadOptions {
            max_inflight_bytes: Some(arrowredis::options::Bytes(1)),
            concurrency: 1,
            ..FileReadOptions::default()
        };
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

/// Uploads that end early, by whatever, leave neither an object nor parts.
#[test]
fn an_upload_that_fails_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 30_000, 10, Codec::None);
    assert!(path.metadata().unwrap().len() > 30 << 20, "several parts");
    let is_part = |target: &str, number: u32| target.contains(&format!("partNumber={number}&"));
    for (what, fate, cancel, kind) in [
        ("a part is refused", Fate::Refuse(403, "AccessDenied"), false, ErrorKind::PermissionDenied),
        ("a part fails again and again", Fate::Refuse(503, "SlowDown"), false, ErrorKind::Unavailable),
        ("a part is lost", Fate::Close, false, ErrorKind::Unavailable),
        ("cancelled", Fate::Hang, true, ErrorKind::Cancelled),
        ("the deadline passes", Fate::Hang, false, ErrorKind::Timeout),
    ] {
        let sent = Arc::new(AtomicUsize::new(0));
        let context = match fate {
            Fate::Hang if !cancel => Context::new().with_timeout(Duration::from_secs(2)),
            _ => ctx(),
        };
        let (token, count) = (context.cancel_token().clone(), sent.clone());
        let proxy = Proxy::start(server.port, move |request| {
            if request.method == "PUT" {
                count.fetch_add(1, SeqCst);
            }
            if is_part(&request.target, 4) {
                // Parts before it have been sent, or are being sent.
                if cancel {
                    token.cancel();
                }
                return fate;
            }
            Fate::Pass
        });
        let s3 = S3Options { max_retries: 2, ..options(proxy.port) };
        let error = upload_file(&path, &url("never.arrow"), &s3, &context).unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(sent.load(SeqCst) >= 4, "{what}: parts were sent");
        assert!(proxy.requests().iter().any(|request| request.method == "DELETE"), "{what}: the upload was aborted");
        assert_eq!(server.orphans(), Vec::<PathBuf>::new(), "{what}");
        assert!(!server.object("never.arrow").exists(), "{what}");
        assert_no_secret(&error);
    }
}

/// The answer to the last request is lost, but the request was carried out.
#[test]
fn an_upload_whose_last_answer_is_lost_has_succeeded() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 20_000, 11, Codec::None);
    let lost = AtomicBool::new(false);
    let proxy = Proxy::start(server.port, move |request| {
        let completes = request.method == "POST" && request.target.contains("uploadId=");
        if completes && !lost.swap(true, SeqCst) { Fate::CutShort } else { Fate::Pass }
    });
    upload_file(&path, &url("file.arrow"), &options(proxy.port), &ctx()).unwrap();
    assert!(std::fs::read(server.object("file.arrow")).unwrap() == std::fs::read(&path).unwrap());
}

//! Only the bytes that are wanted, and none twice.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use arrowredis::options::{Bytes, OptionValue};
use arrowredis::store::S3Options;
use arrowredis::{Codec, FileReadOptions, Filter, GenerateOptions, IpcFile, read_file};
use tempfile::TempDir;

use super::{assert_same, ctx, generate, open, partitions, rows, upload};
use crate::common::http_proxy::{Fate, Proxy};
use crate::common::s3::{S3Server, options as at};

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
            let file = open("file.arrow", &at(proxy.port)).unwrap();
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
fn a_file_is_opened_by_one_request_for_its_end() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 10_000, 14, Codec::Zstd);
    upload(&path, "file.arrow", &server.options());
    let proxy = Proxy::start(server.port, |_| Fate::Pass);
    let file = open("file.arrow", &at(proxy.port)).unwrap();
    let ranges = || proxy.requests().into_iter().map(|request| request.range.unwrap()).collect::<Vec<_>>();
    assert_eq!(ranges(), ["bytes=-65536"]);
    // Rows are read without the start of the file; whoever copies messages needs the schema that is there, once.
    rows(&file, &partitions(&["0"])).unwrap();
    let starts = || ranges().iter().filter(|range| range.starts_with("bytes=0-")).count();
    assert_eq!(starts(), 0, "{:?}", ranges());
    for name in ["once.arrow", "twice.arrow"] {
        let copy = dir.path().join(name);
        arrowredis::read_file_to_file(&file, &FileReadOptions::default(), Codec::Zstd, &copy, &ctx()).unwrap();
        let [copied, original] = [&copy, &path].map(|path| Arc::new(IpcFile::open(path, true).unwrap()));
        assert_same(&original, &copied, &FileReadOptions::default());
        assert_eq!(starts(), 1, "{:?}", ranges());
    }
}

/// The dictionary comes with the first rows that need it, and not at all where none do.
#[test]
fn a_dictionary_is_fetched_once_by_who_needs_it() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = dir.path().join("local.arrow");
    let what = GenerateOptions {
        batches: 2,
        rows: 2_000,
        compression: Codec::None,
        dict_strings: true,
        string_cardinality: 50_000,
        ..GenerateOptions::default()
    };
    arrowredis::generate_file(&path, &what, &ctx()).unwrap();
    upload(&path, "file.arrow", &server.options());
    let local = Arc::new(IpcFile::open(&path, true).unwrap());
    let proxy = Proxy::start(server.port, |_| Fate::Pass);
    let file = open("file.arrow", &at(proxy.port)).unwrap();
    // It has half a megabyte, and lies between the schema and the first batch.
    let fetched = || {
        let ranges: Vec<_> = proxy.requests().iter().filter_map(|request| request.bytes()).collect();
        ranges.iter().filter(|range| range.start < 400_000).count()
    };
    for (columns, expected) in [(vec!["id64", "list_ints"], 0), (vec!["id64", "str_c"], 1), (vec!["str_c"], 1)] {
        let columns = Some(columns.into_iter().map(str::to_string).collect());
        assert_same(&local, &file, &FileReadOptions { columns, ..partitions(&["3", "7"]) });
        assert_eq!(fetched(), expected);
    }
    assert_same(&local, &file, &FileReadOptions::default());
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
    let remote = open("file.arrow", &at(proxy.port)).unwrap();
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
        let s3 = S3Options { part_bytes: Bytes(7 << 10), ..server.options() };
        let remote = open("file.arrow", &s3).unwrap();
        let one = Some(Bytes(1));
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
        let remote = open("file.arrow", &at(proxy.port)).unwrap();
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

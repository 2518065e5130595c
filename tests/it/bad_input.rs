//! Data that was spoiled, swapped or lost, servers that fill up or die: a clear error each time, never a crash,
//! never half a dataset.

use std::sync::Arc;

use arrowredis::store::{StoreOptions, open};
use arrowredis::{
    Codec, Context, Dataset, Error, ErrorKind, GenerateOptions, GeneratedReader, IpcFile, OnMissing, ReadOptions,
    Source, SplitOptions,
};
use tempfile::TempDir;

use crate::common::servers::{RedisServer, ServerConfig};
use crate::common::stores::{TestStore, directory, memory, redis};
use crate::helpers::{generate, get, keys, publish, put, read, wait, wait_until};

const CHUNK: &str = "d:{part=00001}:batch=00002";

#[test]
fn every_bit_flip_of_a_chunk_and_of_a_manifest_is_found() {
    let test = memory();
    // With one codec each bit; the others are flipped through in the codec's own tests.
    for (codec, step) in [(Codec::Zstd, 1), (Codec::Lz4, 61), (Codec::None, 61)] {
        let split = SplitOptions { compression: codec, overwrite: true, ..SplitOptions::default() };
        publish(&test.store, "d", &generate(3, 2), &split).unwrap();
        for key in [CHUNK, "d:manifest"] {
            let good = get(&test.store, key);
            for bit in (0..good.len() * 8).step_by(step) {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                put(&test.store, key, bad);
                let error = read(&test.store, "d", &ReadOptions::default()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{codec} {key} bit {bit}: {error}");
                assert!(error.message().contains(key), "{error}");
            }
            put(&test.store, key, good);
        }
        assert_eq!(read(&test.store, "d", &ReadOptions::default()).unwrap(), (18, 0));
    }
}

/// Without a checksum a flipped bit may change a value, but never ends the process or yields a broken array.
#[test]
fn bit_flips_without_a_manifest_are_errors_or_values() {
    let test = memory();
    for codec in [Codec::Zstd, Codec::Lz4, Codec::None] {
        let split = SplitOptions { compression: codec, overwrite: true, ..SplitOptions::default() };
        publish(&test.store, "d", &generate(3, 2), &split).unwrap();
        let good = get(&test.store, CHUNK);
        let dataset = Dataset::without_manifest(&test.store, "d").unwrap();
        for bit in (0..good.len() * 8).step_by(7) {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            put(&test.store, CHUNK, bad);
            let reader = arrowredis::read(&dataset, &ReadOptions::default(), &Context::new());
            for batch in reader.into_iter().flatten() {
                match batch {
                    Ok(batch) => batch.columns().iter().for_each(|c| c.to_data().validate_full().unwrap()),
                    Err(error) => assert_ne!(Error::from(error).kind(), ErrorKind::Internal, "bit {bit}"),
                }
            }
        }
    }
}

#[test]
fn garbage_truncation_and_swaps_name_the_chunk() {
    for test in [memory(), directory(), redis()] {
        publish(&test.store, "d", &generate(100, 2), &SplitOptions::default()).unwrap();
        publish(&test.store, "other", &generate(50, 2), &SplitOptions::default()).unwrap();
        let good = get(&test.store, CHUNK);
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("garbage", b"hello, this is not Arrow".to_vec()),
            ("truncated", good[..good.len() / 2].to_vec()),
            ("of another dataset", get(&test.store, "other:{part=00001}:batch=00002")),
            ("of another partition", get(&test.store, "d:{part=00000}:batch=00002")),
        ];
        for (what, bad) in cases {
            put(&test.store, CHUNK, bad);
            let error = read(&test.store, "d", &ReadOptions::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
            assert!(error.message().contains(CHUNK), "{what}: {error}");
            assert_eq!((error.partition(), error.batch()), (Some(1), Some(2)), "{what}");
        }
    }
}

#[test]
fn a_missing_chunk_is_named_or_skipped() {
    for test in [memory(), directory(), redis()] {
        publish(&test.store, "d", &generate(100, 2), &SplitOptions::default()).unwrap();
        wait(test.store.delete(&[CHUNK.to_string()], &Context::new())).unwrap();
        let error = read(&test.store, "d", &ReadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChunkMissing);
        assert!(error.message().contains(CHUNK), "{error}");
        assert_eq!((error.partition(), error.batch()), (Some(1), Some(2)));
        let skip = ReadOptions { on_missing: OnMissing::Skip, ..ReadOptions::default() };
        assert_eq!(read(&test.store, "d", &skip).unwrap(), (500, 1));
    }
}

#[test]
fn a_dataset_is_not_overwritten_unless_asked_for() {
    for test in [memory(), directory(), redis()] {
        publish(&test.store, "d", &generate(100, 3), &SplitOptions::default()).unwrap();
        let error = publish(&test.store, "d", &generate(10, 2), &SplitOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(read(&test.store, "d", &ReadOptions::default()).unwrap().0, 900, "the old one is whole");
        let overwrite = SplitOptions { overwrite: true, ..SplitOptions::default() };
        publish(&test.store, "d", &generate(10, 2), &overwrite).unwrap();
        assert_eq!(read(&test.store, "d", &ReadOptions::default()).unwrap().0, 60);
        let keys = wait(test.store.list("d", "", &Context::new())).unwrap();
        assert_eq!(keys.len(), 2 * 3 + 1, "surplus chunks and the lease are gone: {keys:?}");
    }
}

#[test]
fn a_second_writer_is_told_so() {
    for test in [memory(), directory(), redis()] {
        let expires = wait(test.store.now_ms(&Context::new())).unwrap() + 20_000;
        let lease = |upload: &str, expires: u64| {
            format!(r#"{{"format_version":1,"upload_id":"{upload}","expires_at_ms":{expires}}}"#).into_bytes()
        };
        put(&test.store, "d:upload", lease("somebody", expires));
        let error = publish(&test.store, "d", &generate(10, 2), &SplitOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.message().contains("somebody"), "{error}");
        assert_eq!(
            arrowredis::delete_dataset(&test.store, "d", &Context::new()).unwrap_err().kind(),
            ErrorKind::Conflict
        );
        // A dead writer's lease ends, and what it left may be written over.
        put(&test.store, "d:upload", lease("somebody", 1));
        put(&test.store, "d:{part=00000}:batch=00000", b"left behind".to_vec());
        publish(&test.store, "d", &generate(10, 2), &SplitOptions::default()).unwrap();
        assert_eq!(read(&test.store, "d", &ReadOptions::default()).unwrap().0, 60);
    }
}

#[test]
fn data_without_a_manifest_is_not_overwritten_either() {
    let test = memory();
    put(&test.store, CHUNK, b"somebody's data".to_vec());
    let error = publish(&test.store, "d", &generate(10, 2), &SplitOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(get(&test.store, CHUNK), b"somebody's data");
    assert_eq!(wait(test.store.list("d", "", &Context::new())).unwrap(), [CHUNK], "what was written is gone again");
}

#[test]
fn deleting_takes_all_of_a_dataset_and_nothing_else() {
    for test in [memory(), directory(), redis()] {
        publish(&test.store, "d", &generate(10, 2), &SplitOptions::default()).unwrap();
        publish(&test.store, "d2", &generate(10, 2), &SplitOptions::default()).unwrap();
        let others = ["d", "d:{part=1}:batch=00001", "d:{part=00001}:batch=x", "dd:{part=00001}:batch=00001", "d:x"];
        for key in others {
            put(&test.store, key, b"x".to_vec());
        }
        assert_eq!(arrowredis::delete_dataset(&test.store, "d", &Context::new()).unwrap(), 6);
        let mut left = wait(test.store.list("d", "", &Context::new())).unwrap();
        left.retain(|key| !key.starts_with("d2"));
        left.sort();
        let mut expected = others.map(str::to_string).to_vec();
        expected.sort();
        assert_eq!(left, expected, "{}", test.name);
        assert_eq!(read(&test.store, "d2", &ReadOptions::default()).unwrap().0, 60);
        let error = arrowredis::delete_dataset(&test.store, "nothing", &Context::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

#[test]
fn a_full_server_leaves_nothing_visible() {
    let settings = ["maxmemory 8mb", "maxmemory-policy noeviction"].map(str::to_string).to_vec();
    let server = RedisServer::start(&ServerConfig { settings, ..ServerConfig::default() });
    let store = open(&server.url(), &StoreOptions::default()).unwrap();
    let split = SplitOptions { compression: Codec::None, ..SplitOptions::default() };
    let error = publish(&store, "d", &generate(20_000, 4), &split).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    assert_eq!(error.server_code(), Some("OOM"));
    assert_eq!(wait(store.list("d", "", &Context::new())).unwrap(), Vec::<String>::new());
}

#[test]
fn a_server_that_dies_half_way_is_an_error_for_both_sides() {
    let mut server = RedisServer::start(&ServerConfig::default());
    let options = StoreOptions {
        max_retries: 1,
        retry_base_delay: std::time::Duration::from_millis(10),
        ..StoreOptions::default()
    };
    let store = open(&server.url(), &options).unwrap();
    publish(&store, "d", &generate(50_000, 8), &SplitOptions::default()).unwrap();
    let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
    let small = ReadOptions { concurrency: 1, ..ReadOptions::default() };
    let context = Context::new().with_max_inflight_bytes(1 << 20);
    let mut reader = arrowredis::read(&dataset, &small, &context).unwrap();
    reader.next_batch().unwrap().unwrap();
    server.stop();
    let last = std::iter::from_fn(|| reader.next_batch()).last().unwrap().unwrap_err();
    assert_eq!(last.kind(), ErrorKind::Unavailable, "{last}");
    let error = publish(&store, "e", &generate(10, 2), &SplitOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.is_retryable());
}

#[test]
fn files_that_are_none_are_told_apart() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file.arrow");
    arrowredis::generate_file(&path, &generate(50, 2), &Context::new()).unwrap();
    let good = std::fs::read(&path).unwrap();
    let open_bytes = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        [true, false].map(|mmap| IpcFile::open(&path, mmap).map(|_| ()).unwrap_err())
    };
    for len in (0..good.len()).step_by(7) {
        for error in open_bytes(&good[..len]) {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {len}: {error}");
            assert!(error.message().contains("file.arrow"), "{error}");
        }
    }
    for error in open_bytes(b"id,name\n1,one\n") {
        assert!(error.message().contains("not an Arrow IPC file"), "{error}");
    }
    let error = IpcFile::open(dir.path().join("none.arrow"), true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(IpcFile::open(dir.path(), true).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn every_bit_flip_of_a_file_ends_in_an_error_or_in_rows() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file.arrow");
    let options = GenerateOptions { batches: 1, ..generate(3, 2) };
    arrowredis::generate_file(&path, &options, &Context::new()).unwrap();
    let good = std::fs::read(&path).unwrap();
    for bit in (0..good.len() * 8).step_by(5) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, bad).unwrap();
        let Ok(file) = IpcFile::open(&path, false) else { continue };
        let Ok(reader) = arrowredis::read_file(&Arc::new(file), &Default::default(), &Context::new()) else { continue };
        for batch in reader {
            if let Err(error) = batch {
                assert_ne!(Error::from(error).kind(), ErrorKind::Internal, "bit {bit}");
            }
        }
    }
}

#[test]
fn cancelling_and_deadlines_leave_nothing_behind() {
    for test in [memory(), redis()] {
        let context = Context::new().with_timeout(std::time::Duration::from_millis(60));
        let reader = GeneratedReader::new(&generate(50_000, 64), &Context::new()).unwrap();
        let source = Source::Batches(Box::new(reader));
        let error = arrowredis::split(source, &test.store, "d", &SplitOptions::default(), &context).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        wait_until("what was written stays", || keys(&test.store, "d").is_empty());
    }
}

#[test]
fn bad_names_fail_before_anything_is_asked() {
    // Nobody listens there: only a check before any I/O can answer INVALID_ARGUMENT.
    let test = TestStore { store: open("redis://127.0.0.1:1", &StoreOptions::default()).unwrap(), ..memory() };
    for prefix in ["", "a{b", "a*", "a@b", "a\0"] {
        let error = publish(&test.store, prefix, &generate(10, 2), &SplitOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(Dataset::open(&test.store, prefix, &Context::new()).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(
            arrowredis::delete_dataset(&test.store, prefix, &Context::new()).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
    }
}

#[test]
fn unknown_partitions_and_columns_are_named() {
    let test = memory();
    publish(&test.store, "d", &generate(10, 2), &SplitOptions::default()).unwrap();
    let partition =
        ReadOptions { partitions: arrowredis::Selection::Some(vec!["7".to_string()]), ..ReadOptions::default() };
    let error = read(&test.store, "d", &partition).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("no partition '7': there are 0, 1"), "{error}");
    let column = ReadOptions { columns: Some(vec!["nope".to_string()]), ..ReadOptions::default() };
    let error = read(&test.store, "d", &column).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("no column 'nope'"), "{error}");
}

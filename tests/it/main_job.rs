//! Generate, split, read and read into a file, on every store with every codec.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use arrowredis::store::{StoreOptions, open};
use arrowredis::{
    Codec, Context, Dataset, FileReadOptions, GenerateOptions, Generator, IpcFile, ReadOptions, Reader, Selection,
    Source, SplitOptions, Statistics, VerifyFile, VerifyOptions,
};
use tempfile::TempDir;

use crate::common::python::oracle;
use crate::common::servers::{RedisServer, ServerConfig};
use crate::common::stores::{TestStore, directory, memory, redis};

const SMALL: GenerateOptions = GenerateOptions {
    partitions: 3,
    batches: 4,
    rows: 1000,
    compression: Codec::Zstd,
    dict_strings: true,
    string_cardinality: 100,
    seed: 7,
    parallel: true,
    workers: 0,
};

fn expected(options: &GenerateOptions, partitions: &[u32]) -> Vec<RecordBatch> {
    let generator = Generator::new(options).unwrap();
    partitions
        .iter()
        .flat_map(|partition| (0..options.batches).map(|batch| generator.batch(*partition, batch).unwrap()))
        .collect()
}

fn collect(mut reader: Reader) -> Vec<RecordBatch> {
    let batches: Vec<_> = reader.by_ref().collect::<Result<_, _>>().unwrap();
    let metrics = reader.metrics();
    assert_eq!(metrics.rows, batches.iter().map(|b| b.num_rows() as u64).sum::<u64>());
    assert_eq!(metrics.chunks, batches.len() as u64);
    batches
}

fn read_all(test: &TestStore, prefix: &str, options: &ReadOptions) -> Vec<RecordBatch> {
    let dataset = Dataset::open(&test.store, prefix, &Context::new()).unwrap();
    collect(arrowredis::read(&dataset, options, &Context::new()).unwrap())
}

fn run(test: &TestStore) {
    let dir = TempDir::new().unwrap();
    for dict_strings in [true, false] {
        for file_codec in [Codec::Zstd, Codec::Lz4, Codec::None] {
            let generate = GenerateOptions { dict_strings, compression: file_codec, ..SMALL };
            let path = dir.path().join("dataset.arrow");
            let report = arrowredis::generate_file(&path, &generate, &Context::new()).unwrap();
            assert_eq!(report.metrics.rows, 12_000);
            assert_eq!(report.file_bytes, path.metadata().unwrap().len());
            for codec in [Codec::Zstd, Codec::Lz4, Codec::None] {
                let prefix = format!("main:{dict_strings}:{file_codec}:{codec}");
                let file = Arc::new(IpcFile::open(&path, true).unwrap());
                let split = SplitOptions { compression: codec, ..SplitOptions::default() };
                let report =
                    arrowredis::split(Source::File(file), &test.store, &prefix, &split, &Context::new()).unwrap();
                assert_eq!((report.metrics.rows, report.metrics.chunks, report.partitions), (12_000, 12, 3));
                assert_eq!(report.chunks_copied, if codec == file_codec { 12 } else { 0 }, "{}", test.name);

                assert_eq!(read_all(test, &prefix, &ReadOptions::default()), expected(&generate, &[0, 1, 2]));
                let some = ReadOptions {
                    partitions: Selection::Some(vec!["2".to_string(), "0".to_string()]),
                    columns: Some(vec!["str_c".to_string(), "id64".to_string()]),
                    ..ReadOptions::default()
                };
                let wanted: Vec<_> =
                    expected(&generate, &[0, 2]).iter().map(|batch| batch.project(&[8, 0]).unwrap()).collect();
                assert_eq!(read_all(test, &prefix, &some), wanted);

                for out_codec in [Codec::Zstd, Codec::Lz4, Codec::None] {
                    let out = dir.path().join("out.arrow");
                    let dataset = Dataset::open(&test.store, &prefix, &Context::new()).unwrap();
                    let context = Context::new();
                    let options = ReadOptions::default();
                    let report = arrowredis::read_to_file(&dataset, &options, out_codec, &out, &context).unwrap();
                    assert_eq!(report.metrics.rows, 12_000);
                    for mmap in [false, true] {
                        let file = Arc::new(IpcFile::open(&out, mmap).unwrap());
                        let options = FileReadOptions::default();
                        let batches = collect(arrowredis::read_file(&file, &options, &Context::new()).unwrap());
                        assert_eq!(batches, expected(&generate, &[0, 1, 2]), "{codec} {out_codec} {mmap}");
                    }
                    if codec == file_codec && out_codec == codec {
                        // Messages are copied: the files differ in nothing but the index, which names the upload.
                        let (copy, original) = (out.metadata().unwrap().len(), path.metadata().unwrap().len());
                        assert!(copy.abs_diff(original) < 1024, "{copy} {original}");
                    }
                }
            }
        }
    }
}

#[test]
fn on_the_embedded_store() {
    run(&directory());
}

#[test]
fn in_memory() {
    run(&memory());
}

#[test]
fn on_redis() {
    run(&redis());
}

#[test]
fn any_batches_can_be_published() {
    let test = memory();
    let reader = arrowredis::GeneratedReader::new(&SMALL, &Context::new()).unwrap();
    let split = SplitOptions { statistics: Statistics::On, ..SplitOptions::default() };
    let source = Source::Batches(Box::new(reader));
    let report = arrowredis::split(source, &test.store, "batches", &split, &Context::new()).unwrap();
    assert_eq!(report.metrics.chunks, 12);
    assert_eq!(read_all(&test, "batches", &ReadOptions::default()), expected(&SMALL, &[0, 1, 2]));
}

#[test]
fn a_stream_can_be_published_and_written() {
    let test = memory();
    let reader = arrowredis::GeneratedReader::new(&SMALL, &Context::new()).unwrap();
    arrowredis::split(Source::Batches(Box::new(reader)), &test.store, "a", &SplitOptions::default(), &Context::new())
        .unwrap();
    let dataset = Dataset::open(&test.store, "a", &Context::new()).unwrap();
    let mut bytes = Vec::new();
    arrowredis::read_to_stream(&dataset, &ReadOptions::default(), Codec::Zstd, &mut bytes, &Context::new()).unwrap();
    let source = Source::Stream(Box::new(std::io::Cursor::new(bytes)));
    let report = arrowredis::split(source, &test.store, "b", &SplitOptions::default(), &Context::new()).unwrap();
    assert_eq!(report.chunks_copied, 12);
    assert_eq!(read_all(&test, "b", &ReadOptions::default()), expected(&SMALL, &[0, 1, 2]));
}

/// The whole job at its usual size on a real server: 8 x 16 batches of 50,000 rows there and back, over every
/// transport, with every codec, with plain strings and a dictionary.
#[test]
fn at_full_size_over_every_transport() {
    let server = RedisServer::start(&ServerConfig { tls: true, ..ServerConfig::default() });
    let trusting = StoreOptions { tls_ca_file: Some(server.ca_file()), ..StoreOptions::default() };
    let stores = [
        ("tcp", open(&server.url(), &StoreOptions::default()).unwrap()),
        ("tls", open(&server.tls_url(), &trusting).unwrap()),
        ("unix", open(&server.unix_url(), &StoreOptions::default()).unwrap()),
    ];
    let dir = TempDir::new().unwrap();
    let (original, copy) = (dir.path().join("original.arrow"), dir.path().join("copy.arrow"));
    for (codec, dict_strings) in [(Codec::Zstd, true), (Codec::Lz4, false), (Codec::None, true), (Codec::Zstd, false)] {
        let generate =
            GenerateOptions { partitions: 8, batches: 16, rows: 50_000, compression: codec, dict_strings, ..SMALL };
        arrowredis::generate_file(&original, &generate, &Context::new()).unwrap();
        for (transport, store) in &stores {
            let split = SplitOptions { compression: codec, overwrite: true, ..SplitOptions::default() };
            let file = Arc::new(IpcFile::open(&original, true).unwrap());
            let report = arrowredis::split(Source::File(file.clone()), store, "full", &split, &Context::new()).unwrap();
            assert_eq!((report.metrics.rows, report.chunks_copied), (6_400_000, 128), "{transport}");
            let dataset = Dataset::open(store, "full", &Context::new()).unwrap();
            let (options, context) = (ReadOptions::default(), Context::new());
            arrowredis::read_to_file(&dataset, &options, codec, &copy, &context).unwrap();
            let context = Context::new();
            let side = |file: Arc<IpcFile>| Arc::new(VerifyFile::new(file, FileReadOptions::default(), &context));
            let back = Arc::new(IpcFile::open(&copy, true).unwrap());
            let report = arrowredis::verify(side(file), side(back), &VerifyOptions::default(), &context).unwrap();
            assert!(report.identical, "{transport} {codec}: {:?}", report.differences());
            assert_eq!(report.left.rows, 6_400_000);
        }
        arrowredis::delete_dataset(&stores[0].1, "full", &Context::new()).unwrap();
    }
    let sides = [&original, &copy].map(|path| path.display().to_string());
    oracle("compare.py", &[&sides[0], &sides[1]]);
}

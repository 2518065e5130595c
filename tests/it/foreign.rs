//! Data of other writers: files and streams that pyarrow made, datasets of a plain Python client, and back.

use std::path::Path;
use std::sync::Arc;

use arrowredis::{
    Codec, Context, Dataset, Error, ErrorKind, FileReadOptions, IpcFile, ReadOptions, Source, SplitOptions,
    SplitReport, WriteReport,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::python::oracle;
use crate::common::stores::{TestStore, memory, redis};

pub struct Case {
    pub name: String,
    pub is_file: bool,
    pub mixed: bool,
    pub has_column: bool,
    pub rows: u64,
}

/// Every file and stream that the Python script makes.
pub fn cases(dir: &Path) -> Vec<Case> {
    oracle("make_files.py", &[&dir.display().to_string()]);
    let index: Value = serde_json::from_slice(&std::fs::read(dir.join("index.json")).unwrap()).unwrap();
    let entries = index.as_array().or_else(|| index["files"].as_array()).unwrap();
    let case = |entry: &Value| Case {
        name: entry["file"].as_str().unwrap().to_string(),
        is_file: entry["kind"] == "file",
        mixed: entry["mixed_partitions"] == true,
        has_column: !entry["partition_column"].is_null(),
        rows: entry["rows"].as_u64().unwrap(),
    };
    entries.iter().map(case).collect()
}

/// What cannot be published, and why. Everything else must be.
const REFUSED: [(&str, ErrorKind, &str); 2] = [
    ("partition_null_value", ErrorKind::InvalidArgument, "null in partition column"),
    // Arrow's C++ library lets any bytes through here; the format says UTF-8, and arrow-rs insists.
    ("metadata.", ErrorKind::Unsupported, "not UTF-8"),
];

fn source(dir: &Path, case: &Case) -> Result<Source, Error> {
    let path = dir.join(&case.name);
    if case.is_file {
        return Ok(Source::File(Arc::new(IpcFile::open(&path, true)?)));
    }
    Ok(Source::Stream(Box::new(std::fs::File::open(path).unwrap())))
}

fn publish(dir: &Path, case: &Case, test: &TestStore, prefix: &str, codec: Codec) -> Result<SplitReport, Error> {
    arrowredis::split(source(dir, case)?, &test.store, prefix, &options(case, codec), &Context::new())
}

/// Whether the case is one of [`REFUSED`]; then the error must be as listed.
fn refused(case: &Case, error: &Error) -> bool {
    let entry = REFUSED.iter().find(|(start, ..)| case.name.starts_with(start));
    entry.is_some_and(|(_, kind, text)| error.kind() == *kind && error.message().contains(text))
}

fn options(case: &Case, compression: Codec) -> SplitOptions {
    let batches = (!case.has_column).then_some(2);
    SplitOptions { compression, batches, repartition: case.mixed, ..SplitOptions::default() }
}

fn export(test: &TestStore, prefix: &str, codec: Codec, path: &Path) -> WriteReport {
    let dataset = Dataset::open(&test.store, prefix, &Context::new()).unwrap();
    arrowredis::read_to_file(&dataset, &ReadOptions::default(), codec, path, &Context::new())
        .unwrap_or_else(|e| panic!("{prefix} as {codec}: {e}"))
}

/// Copied, and transcoded there and back, every one of them is what pyarrow wrote.
#[test]
fn every_foreign_file_and_stream_survives() {
    let dir = TempDir::new().unwrap();
    let test = memory();
    let mut pairs = Vec::new();
    let mut refusals = 0;
    for case in cases(dir.path()) {
        for (stored, written) in [(Codec::None, Codec::None), (Codec::Zstd, Codec::Lz4)] {
            let prefix = format!("{}:{stored}", case.name);
            let report = match publish(dir.path(), &case, &test, &prefix, stored) {
                Ok(report) => report,
                Err(error) if refused(&case, &error) => {
                    refusals += 1;
                    continue;
                }
                Err(error) => panic!("{}: {error}", case.name),
            };
            assert_eq!(report.metrics.rows, case.rows, "{}", case.name);
            let out = dir.path().join(format!("{prefix}.out.arrow"));
            assert_eq!(export(&test, &prefix, written, &out).metrics.rows, case.rows, "{}", case.name);
            pairs.push((dir.path().join(&case.name), out, case.name.starts_with("partition_")));
        }
    }
    assert_eq!(refusals, 2 * 2 * REFUSED.len(), "file and stream of each, with both codecs");
    for sorted in [false, true] {
        let paths: Vec<String> = pairs
            .iter()
            .filter(|(.., moved)| *moved == sorted)
            .flat_map(|(a, b, _)| [a.display().to_string(), b.display().to_string()])
            .collect();
        let mut args: Vec<&str> = paths.iter().map(String::as_str).collect();
        if sorted {
            args.extend(["--sort-by", "id64"]);
        }
        oracle("compare.py", &args);
    }
}

/// Read as files, without any store, mapped and not.
#[test]
fn every_foreign_file_is_read_in_place() {
    let dir = TempDir::new().unwrap();
    for case in cases(dir.path()).iter().filter(|case| case.is_file && !case.mixed) {
        for mmap in [true, false] {
            let read = IpcFile::open(dir.path().join(&case.name), mmap).and_then(|file| {
                let batches = (!case.has_column).then_some(2);
                let options = FileReadOptions { batches, ..FileReadOptions::default() };
                arrowredis::read_file(&Arc::new(file), &options, &Context::new())
            });
            if read.as_ref().is_err_and(|error| refused(case, error)) {
                continue;
            }
            let rows: usize = read.unwrap().map(|batch| batch.unwrap().num_rows()).sum();
            assert_eq!(rows as u64, case.rows, "{}", case.name);
        }
    }
}

/// A mixed batch is an error that names it, unless repartitioning was asked for.
#[test]
fn a_batch_of_several_partitions_is_named() {
    let dir = TempDir::new().unwrap();
    let test = memory();
    for case in cases(dir.path()).iter().filter(|case| case.mixed) {
        let plain = SplitOptions::default();
        let error = arrowredis::split(source(dir.path(), case).unwrap(), &test.store, "mixed", &plain, &Context::new())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("batch 0 of"), "{error}");
        assert!(error.message().contains("--repartition"), "{error}");
        assert!(Dataset::open(&test.store, "mixed", &Context::new()).is_err(), "nothing was published");
    }
}

/// What a Python program wrote without a manifest is read, and it reads what we write.
#[test]
fn a_plain_python_client_and_we_understand_each_other() {
    let dir = TempDir::new().unwrap();
    let test = redis();
    let url = test.server.as_ref().unwrap().url();
    let all = cases(dir.path());
    let path = |name: &str| dir.path().join(name).display().to_string();
    for name in ["plain.arrow", "dictionaries.arrow", "nested.arrow", "compression_lz4.arrow", "metadata_v4.arrow"] {
        let case = all.iter().find(|case| case.name == name).unwrap();
        let theirs = format!("theirs:{name}");
        oracle("write_dataset.py", &[&url, &theirs, &path(name)]);
        assert_eq!(
            Dataset::open(&test.store, &theirs, &Context::new()).unwrap_err().kind(),
            ErrorKind::NotFound,
            "without a manifest there is no dataset unless asked for"
        );
        let dataset = Dataset::without_manifest(&test.store, &theirs).unwrap();
        let out = path(&format!("{name}.theirs"));
        let options = ReadOptions::default();
        arrowredis::read_to_file(&dataset, &options, Codec::Zstd, Path::new(&out), &Context::new()).unwrap();

        let ours = format!("ours:{name}");
        let file = source(dir.path(), case).unwrap();
        arrowredis::split(file, &test.store, &ours, &SplitOptions::default(), &Context::new()).unwrap();
        let back = path(&format!("{name}.ours"));
        oracle("read_dataset.py", &[&url, &ours, &back]);
        oracle("compare.py", &[&path(name), &out, &path(name), &back]);
    }
}

/// pyarrow opens the files, chunks and manifests that we write.
#[test]
fn pyarrow_opens_what_we_write() {
    let dir = TempDir::new().unwrap();
    let test = redis();
    let server = test.server.as_ref().unwrap();
    let path = |name: &str| dir.path().join(name);
    let text = |name: &str| dir.path().join(name).display().to_string();
    for (codec, dict_strings) in [(Codec::Zstd, true), (Codec::Lz4, false), (Codec::None, true)] {
        let generate = arrowredis::GenerateOptions {
            partitions: 2,
            batches: 3,
            rows: 500,
            compression: codec,
            dict_strings,
            ..Default::default()
        };
        arrowredis::generate_file(&path("ours.arrow"), &generate, &Context::new()).unwrap();
        let info: Value = serde_json::from_str(&oracle("file_info.py", &[&text("ours.arrow")])).unwrap();
        assert_eq!((&info["rows"], &info["batches"]), (&Value::from(3000), &Value::from(6)));
        let prefix = format!("seen:{codec}");
        let options = SplitOptions { compression: codec, ..SplitOptions::default() };
        let file = Source::File(Arc::new(IpcFile::open(path("ours.arrow"), false).unwrap()));
        arrowredis::split(file, &test.store, &prefix, &options, &Context::new()).unwrap();

        server.fetch(&format!("{prefix}:{{part=00001}}:batch=00002"), &path("chunk"));
        let chunk: Value = serde_json::from_str(&oracle("chunk.py", &[&text("chunk")])).unwrap();
        assert_eq!(chunk["rows"], 500);
        assert_eq!(chunk["body_aligned_64"], true);
        assert_eq!(chunk["id64"], serde_json::json!([2500, 2999]), "{chunk}");
        server.fetch(&format!("{prefix}:manifest"), &path("manifest"));
        let manifest: Value = serde_json::from_str(&oracle("manifest.py", &[&text("manifest")])).unwrap();
        let rows = manifest["chunks"].as_array().unwrap();
        assert_eq!(rows.len(), 6, "{manifest}");
        assert_eq!((&rows[5]["partition"], &rows[5]["batch"], &rows[5]["rows"]), (&1.into(), &2.into(), &500.into()));
        oracle("read_dataset.py", &[&server.url(), &prefix, &text("back.arrow")]);
        oracle("compare.py", &[&text("ours.arrow"), &text("back.arrow")]);
    }
}

//! What the first release wrote is read by every later one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use arrowredis::store::{StoreOptions, open};
use arrowredis::{Context, Dataset, FileReadOptions, GenerateOptions, Generator, IpcFile, ReadOptions};

use crate::common::python::oracle;

const OPTIONS: GenerateOptions = GenerateOptions {
    partitions: 2,
    batches: 2,
    rows: 50,
    compression: arrowredis::Codec::Zstd,
    dict_strings: true,
    string_cardinality: 20,
    seed: 1,
    parallel: true,
    workers: 0,
};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1").join(name)
}

fn expected() -> Vec<RecordBatch> {
    let generator = Generator::new(&OPTIONS).unwrap();
    [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(p, b)| generator.batch(p, b).unwrap()).to_vec()
}

#[test]
fn files_of_version_1_are_read() {
    for name in ["dataset.arrow", "generated.arrow"] {
        let file = Arc::new(IpcFile::open(golden(name), false).unwrap());
        let reader = arrowredis::read_file(&file, &FileReadOptions::default(), &Context::new()).unwrap();
        assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), expected(), "{name}");
    }
}

#[test]
fn a_dataset_of_version_1_is_read() {
    let store = open(&format!("file://{}", golden("store").display()), &StoreOptions::default()).unwrap();
    let dataset = Dataset::open(&store, "golden:v1", &Context::new()).unwrap();
    let manifest = dataset.manifest().unwrap();
    assert_eq!(manifest.upload_id(), "36bb5a87afb462b55cb48f56e350fbdc");
    assert_eq!(manifest.created_at(), "2026-11-22T12:17:34.200Z");
    assert_eq!((manifest.rows(), manifest.chunk_count()), (200, 4));
    let reader = arrowredis::read(&dataset, &ReadOptions::default(), &Context::new()).unwrap();
    assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), expected());
}

/// The same seed gives the same file, byte for byte, in every release that compresses alike.
#[test]
fn the_same_seed_still_gives_the_same_bytes() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("again.arrow");
    for workers in [1, 5] {
        let options = GenerateOptions { workers, ..OPTIONS };
        arrowredis::generate_file(&path, &options, &Context::new()).unwrap();
        let again = std::fs::read(&path).unwrap();
        assert!(again == std::fs::read(golden("generated.arrow")).unwrap(), "{workers} workers");
        oracle("compare.py", &[&path.display().to_string(), &golden("dataset.arrow").display().to_string()]);
        let options = GenerateOptions { parallel: false, ..OPTIONS };
        let other = dir.path().join("sequential.arrow");
        arrowredis::generate_file(&other, &options, &Context::new()).unwrap();
        assert!(again == std::fs::read(&other).unwrap(), "sequential");
    }
}

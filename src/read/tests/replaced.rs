//! Parts of chunks that change, vanish or lie: nothing mixed ever comes out.

use arrow::array::{Float64Array, Int64Array};
use arrow::buffer::Buffer;

use super::store::Watched;
use super::*;
use crate::error::ErrorKind;
use crate::names;
use crate::store::{Payload, StoreExt};

/// A dataset whose first column says which upload it is of.
fn batches(upload: i64) -> Vec<RecordBatch> {
    (0..3)
        .map(|partition| {
            let rows = 3000;
            RecordBatch::try_from_iter([
                ("upload", Arc::new(Int64Array::from(vec![upload; rows])) as ArrayRef),
                ("partition", Arc::new(Int32Array::from(vec![partition; rows]))),
                ("same", Arc::new(Int64Array::from(vec![upload; rows]))),
                ("rest", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64 + upload as f64)))),
            ])
            .unwrap()
        })
        .collect()
}

fn uncompressed(overwrite: bool) -> SplitOptions {
    SplitOptions { overwrite, ..compressed(Codec::None) }
}

/// Reads two columns that are apart, so that they come by ranges of their own.
fn read_two(dataset: &Dataset, on_missing: OnMissing) -> Result<(Vec<ReadBatch>, Metrics)> {
    read_all(dataset, &ReadOptions { on_missing, ..columns(&["upload", "same"]) }, 0)
}

/// Every row that came out before the error is of the first upload.
fn rows_before_the_error(dataset: &Dataset) -> (usize, Option<Error>) {
    let options = columns(&["upload", "same"]);
    let plan = ReadPlan { read_cost_bytes: 0, ..ReadPlan::new(dataset, &options, &Context::new()).unwrap() };
    let mut reader = read_planned(dataset, &options, plan).unwrap();
    let mut rows = 0;
    while let Some(batch) = reader.next_batch() {
        let batch = match batch {
            Ok(batch) => batch.data,
            Err(error) => return (rows, Some(error)),
        };
        rows += batch.num_rows();
        for column in batch.columns() {
            assert!(
                arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(column)
                    .values()
                    .iter()
                    .all(|v| *v == 1)
            );
        }
    }
    (rows, None)
}

#[test]
fn a_dataset_that_is_replaced_at_any_moment_is_a_conflict_or_was_read_before() {
    let requests = {
        let watched = Watched::new(memory());
        let store: Arc<dyn Store> = watched.clone();
        publish(&store, "d", batches(1), &uncompressed(false)).unwrap();
        let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
        assert_eq!(rows_before_the_error(&dataset).0, 9000);
        watched.range_requests.load(std::sync::atomic::Ordering::SeqCst)
    };
    assert!(requests >= 3, "heads, columns and a confirmation: {requests}");
    for request in 0..=requests {
        let watched = Watched::new(memory());
        let store: Arc<dyn Store> = watched.clone();
        publish(&store, "d", batches(1), &uncompressed(false)).unwrap();
        let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
        let writer = store.clone();
        watched.before(request, move || publish(&writer, "d", batches(2), &uncompressed(true)).unwrap());
        let (rows, error) = rows_before_the_error(&dataset);
        if request == requests {
            assert!(error.is_none() && rows == 9000, "it was never replaced");
        } else {
            assert_eq!(error.unwrap().kind(), ErrorKind::Conflict, "replaced before request {request}");
        }
    }
}

#[test]
fn a_dataset_that_is_deleted_is_a_conflict() {
    let watched = Watched::new(memory());
    let store: Arc<dyn Store> = watched.clone();
    publish(&store, "d", batches(1), &uncompressed(false)).unwrap();
    let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
    let writer = store.clone();
    watched.before(1, move || {
        crate::dataset::delete_dataset(&writer, "d", &Context::new()).unwrap();
    });
    let error = rows_before_the_error(&dataset).1.unwrap();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.is_retryable() && error.message().contains("was replaced or deleted"), "{error}");
}

fn edit(store: &Arc<dyn Store>, key: &str, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>> + Send + 'static) {
    let (store, key) = (store.clone(), key.to_string());
    let edited = Context::new().block_on(async move {
        let ctx = Context::new();
        let bytes = store.get(&key, &ctx).await?.unwrap_or_else(|| Buffer::from(Vec::<u8>::new()));
        match change(bytes.to_vec()) {
            Some(bytes) => store.put_many(&[(key, Payload::from([Buffer::from_vec(bytes)]))], &ctx).await,
            None => store.delete(&[key], &ctx).await.map(|_| ()),
        }
    });
    edited.unwrap();
}

#[test]
fn a_missing_chunk_is_named_or_skipped() {
    for when in [0, 1] {
        let watched = Watched::new(memory());
        let store: Arc<dyn Store> = watched.clone();
        publish(&store, "d", batches(1), &uncompressed(false)).unwrap();
        let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
        let key = names::chunk_key("d", 1, 0);
        let evicted = store.clone();
        // Before its head is asked for, or between its head and its columns.
        watched.before(when, move || edit(&evicted, &key, |_| None));
        let error = read_two(&dataset, OnMissing::Error).unwrap_err();
        assert_eq!((error.kind(), error.partition(), error.batch()), (ErrorKind::ChunkMissing, Some(1), Some(0)));
        let (read, metrics) = read_two(&dataset, OnMissing::Skip).unwrap();
        assert_eq!(read.iter().map(|batch| batch.partition).collect::<Vec<_>>(), [0, 2]);
        assert_eq!((metrics.chunks, metrics.chunks_skipped), (2, 1));
    }
}

#[test]
fn bytes_that_do_not_fit_the_manifest_are_corrupt() {
    type Change = fn(Vec<u8>) -> Option<Vec<u8>>;
    let changes: [(&str, Change); 3] = [
        ("cut", |bytes| Some(bytes[..bytes.len() / 2].to_vec())),
        ("cut to its schema", |bytes| Some(bytes[..100].to_vec())),
        ("moved", |bytes| Some([vec![0; 64], bytes].concat())),
    ];
    for (what, change) in changes {
        let store = memory();
        publish(&store, "d", batches(1), &uncompressed(false)).unwrap();
        edit(&store, &names::chunk_key("d", 1, 0), change);
        let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
        let error = read_two(&dataset, OnMissing::Skip).unwrap_err();
        assert_eq!((error.kind(), error.partition()), (ErrorKind::Corrupt, Some(1)), "{what}: {error}");
        let without = Dataset::without_manifest(&store, "d").unwrap();
        let error = read_two(&without, OnMissing::Skip).unwrap_err();
        assert_eq!((error.kind(), error.partition()), (ErrorKind::Corrupt, Some(1)), "{what}: {error}");
    }
}

/// Whatever bit of the head is wrong: an error, or the right rows, never a crash.
#[test]
fn bit_flips_in_a_head_are_survived() {
    let store = memory();
    publish(&store, "d", batches(1), &uncompressed(false)).unwrap();
    let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
    let body = dataset.manifest().unwrap().chunks.get(1).unwrap().index.body_offset as usize;
    let mut refused = 0;
    for bit in (0..body * 8).step_by(5) {
        let flip = move |mut bytes: Vec<u8>| {
            bytes[bit / 8] ^= 1 << (bit % 8);
            Some(bytes)
        };
        edit(&store, &names::chunk_key("d", 1, 0), flip);
        for dataset in [dataset.clone(), Dataset::without_manifest(&store, "d").unwrap()] {
            if let Err(error) = read_two(&dataset, OnMissing::Error) {
                let known =
                    [ErrorKind::Corrupt, ErrorKind::Unsupported, ErrorKind::ResourceExhausted, ErrorKind::NotFound];
                assert!(known.contains(&error.kind()), "bit {bit}: {error}");
                refused += 1;
            }
        }
        edit(&store, &names::chunk_key("d", 1, 0), flip);
    }
    assert!(refused > 100, "{refused}");
}

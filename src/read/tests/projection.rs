//! Reading some columns equals reading all and taking them, and moves no more bytes than it must.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;

use rand::SeedableRng;
use rand::seq::SliceRandom;

use super::store::Watched;
use super::*;
use crate::generate::{GenerateOptions, GeneratedReader};
use crate::test_servers::{RedisServer, ServerConfig};
use crate::tuning::READ_COST_BYTES;

/// Schemas in an ordinary run; a thorough one has 2,000.
const SCHEMAS: u64 = 250;

#[test]
fn columns_of_random_schemas_equal_those_of_a_whole_read() {
    let server = RedisServer::start(&ServerConfig::default());
    let directory = tempfile::tempdir().unwrap();
    let open = |url: &str| Watched::new(crate::store::open(url, &StoreOptions::default()).unwrap());
    let stores = [open("memory://"), open(&format!("file://{}", directory.path().display())), open(&server.url())];
    let (mut ranged, mut compared, mut unreadable) = (0, 0, 0);
    for seed in 0..cases(SCHEMAS) {
        let mut rng = StdRng::seed_from_u64(seed);
        let codec = [Codec::None, Codec::Lz4, Codec::Zstd][seed as usize % 3];
        let watched = &stores[seed as usize / 3 % 3];
        let schema = random_schema(&mut rng);
        let batches = random_batches(&mut rng, &schema);
        let store: Arc<dyn Store> = watched.clone();
        let prefix = format!("random:{seed}");
        publish(&store, &prefix, batches, &compressed(codec)).unwrap_or_else(|e| panic!("{seed}: {e} {schema}"));
        let with_manifest = Dataset::open(&store, &prefix, &Context::new()).unwrap();
        let without = Dataset::without_manifest(&store, &prefix).unwrap();
        for dataset in [with_manifest, without] {
            // A few types without rows, nested into each other, are written by arrow-rs so that nobody can read them.
            let Ok((whole, whole_bytes)) = read_counted(watched, &dataset, &ReadOptions::default(), 0) else {
                unreadable += 1;
                continue;
            };
            let names = random_columns(&mut rng, &schema);
            let cost = [0, 0, 100, READ_COST_BYTES][rng.random_range(0..4)];
            let before = watched.range_requests.load(SeqCst);
            let parts = read_counted(watched, &dataset, &columns(&names), cost);
            let (parts, part_bytes) = parts.unwrap_or_else(|e| panic!("{seed}: {e} {names:?} of {schema}"));
            ranged += u64::from(watched.range_requests.load(SeqCst) > before);
            assert_same(&whole, &parts, &names, seed);
            assert!(part_bytes <= whole_bytes, "{seed}: {part_bytes} of {whole_bytes} bytes for {names:?} of {schema}");
            compared += parts.len();
        }
    }
    // Had all been fetched whole, or been empty, nothing would have been shown.
    assert!(unreadable <= 2 + cases(SCHEMAS) / 20, "{unreadable}");
    assert!(ranged as f64 > cases(SCHEMAS) as f64 * 0.8 && compared as u64 > 4 * cases(SCHEMAS), "{ranged} {compared}");
}

fn random_batches(rng: &mut StdRng, schema: &SchemaRef) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    for partition in 0..rng.random_range(1..4) {
        for _ in 0..rng.random_range(1..4) {
            let rows = [0, 1, 17, 200][rng.random_range(0..4)];
            batches.push(random_batch(rng, schema, partition, rows));
        }
    }
    batches
}

/// Some of the columns in any order.
fn random_columns<'a>(rng: &mut StdRng, schema: &'a SchemaRef) -> Vec<&'a str> {
    let mut names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    names.shuffle(rng);
    names.truncate(rng.random_range(0..=names.len()));
    names
}

/// Reads and gives what was taken of chunks.
fn read_counted(
    watched: &Watched,
    dataset: &Dataset,
    options: &ReadOptions,
    cost: u64,
) -> Result<(Vec<ReadBatch>, u64)> {
    let before = watched.chunk_bytes.load(SeqCst);
    let (batches, metrics) = read_all(dataset, options, cost)?;
    let bytes = watched.chunk_bytes.load(SeqCst) - before;
    // Without a manifest the schema is looked up before anything is counted as read.
    assert!(metrics.payload_bytes == bytes || dataset.manifest().is_none() && metrics.payload_bytes < bytes);
    assert_eq!(metrics.chunks, batches.len() as u64);
    Ok((batches, bytes))
}

fn assert_same(whole: &[ReadBatch], parts: &[ReadBatch], names: &[&str], seed: u64) {
    let place = |batch: &ReadBatch| (batch.partition, batch.batch, batch.data.num_rows());
    assert_eq!(whole.iter().map(place).collect::<Vec<_>>(), parts.iter().map(place).collect::<Vec<_>>(), "{seed}");
    for (whole, part) in whole.iter().zip(parts) {
        let indices: Vec<usize> = names.iter().map(|name| whole.data.schema().index_of(name).unwrap()).collect();
        assert_eq!(whole.data.project(&indices).unwrap(), part.data, "{seed}: {names:?}");
    }
}

/// A dataset like those that `gen` makes, in chunks of a usual shape.
fn generated(store: &Arc<dyn Store>, codec: Codec, dictionary: bool) -> Dataset {
    let what = GenerateOptions {
        partitions: 2,
        batches: 2,
        rows: 20_000,
        dict_strings: dictionary,
        ..GenerateOptions::default()
    };
    let source = Source::Batches(Box::new(GeneratedReader::new(&what, &Context::new()).unwrap()));
    let prefix = format!("generated:{codec}:{dictionary}");
    split(source, store, &prefix, &compressed(codec), &Context::new()).unwrap();
    Dataset::open(store, &prefix, &Context::new()).unwrap()
}

/// Bytes of the buffers of some columns, of the record batches' heads, and of those columns' dictionaries.
pub(super) fn bytes_of(dataset: &Dataset, names: &[&str]) -> u64 {
    let manifest = dataset.manifest().unwrap();
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let (wanted, _) = chunk::projection(manifest.schema(), &names).unwrap();
    let (store, mut sum) = (dataset.store().clone(), 0);
    for entry in manifest.chunks() {
        let (store, key) = (store.clone(), entry.key.clone());
        let payload = Context::new()
            .block_on(async move { crate::store::StoreExt::get(store.as_ref(), &key, &Context::new()).await })
            .unwrap()
            .unwrap();
        let frames = chunk::parse(&payload).unwrap();
        let ranges = chunk::buffer_ranges(&frames.batch, manifest.schema(), &wanted).unwrap();
        sum += ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        sum += frames.batch.head().len() as u64;
        let ids = chunk::dictionary_ids(&frames.schema.schema().unwrap(), &wanted);
        let needed = frames.dictionaries.iter().filter(|frame| ids.contains(&chunk::dictionary_id(frame).unwrap()));
        sum += needed.map(|frame| frame.len() as u64).sum::<u64>();
    }
    sum
}

#[test]
fn two_of_ten_columns_cost_little_more_than_their_buffers() {
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
        for dictionary in [false, true] {
            let watched = Watched::new(memory());
            let store: Arc<dyn Store> = watched.clone();
            let dataset = generated(&store, codec, dictionary);
            let all: Vec<String> =
                dataset.manifest().unwrap().schema().fields().iter().map(|f| f.name().clone()).collect();
            assert_eq!(all.len(), 10);
            for (a, b) in [("id64", "float64_c"), ("int32_c", "str_c"), ("bool_c", "list_ints"), ("str_c", "ts_ns")] {
                let necessary = bytes_of(&dataset, &[a, b]);
                let (batches, bytes) = read_counted(&watched, &dataset, &columns(&[a, b]), READ_COST_BYTES).unwrap();
                assert_eq!(batches.iter().map(|batch| batch.data.num_rows()).sum::<usize>(), 80_000);
                let times = bytes as f64 / necessary as f64;
                assert!(times < 1.2, "{a} and {b} ({codec}, {dictionary}): {bytes} of {necessary} bytes");
                let whole = dataset.manifest().unwrap().payload_bytes();
                assert!(bytes < whole / 2 || b == "list_ints", "{bytes} of {whole}");
            }
        }
    }
}

#[test]
fn no_columns_are_rows_without_a_body() {
    let watched = Watched::new(memory());
    let store: Arc<dyn Store> = watched.clone();
    let dataset = generated(&store, Codec::Zstd, false);
    let (batches, bytes) = read_counted(&watched, &dataset, &columns(&[]), READ_COST_BYTES).unwrap();
    let shapes: BTreeSet<_> = batches.iter().map(|b| (b.data.num_columns(), b.data.num_rows())).collect();
    assert_eq!(shapes, BTreeSet::from([(0, 20_000)]));
    assert!(bytes < 8192, "{bytes}");
}

#[test]
fn uncompressed_columns_are_used_where_they_were_received() {
    let store = memory();
    let dataset = generated(&store, Codec::None, false);
    let (batches, _) = read_all(&dataset, &columns(&["id64", "float64_c", "str_c"]), READ_COST_BYTES).unwrap();
    assert_eq!(batches.len(), 4);
    for (batch, entry) in batches.iter().zip(dataset.manifest().unwrap().chunks()) {
        // This store hands out slices of what it holds.
        let (store, key) = (store.clone(), entry.key.clone());
        let payload = Context::new()
            .block_on(async move { crate::store::StoreExt::get(store.as_ref(), &key, &Context::new()).await });
        let held = payload.unwrap().unwrap();
        for column in batch.data.columns() {
            for buffer in column.to_data().buffers().iter().filter(|buffer| !buffer.is_empty()) {
                assert!(held.as_slice().as_ptr_range().contains(&buffer.as_ptr()), "{} was copied", column.data_type());
            }
        }
    }
}

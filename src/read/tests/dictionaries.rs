//! Of a chunk's dictionaries only those are fetched and decoded that the wanted columns need.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;

use arrow::array::{Array, DictionaryArray, Int32Array, ListArray, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Fields, Int32Type};
use rand::SeedableRng;
use rand::seq::SliceRandom;

use super::store::Watched;
use super::*;
use crate::tuning::READ_COST_BYTES;

/// Datasets in an ordinary run.
const DATASETS: u64 = 60;

/// Values that look alike in no two dictionaries.
fn words(rng: &mut StdRng, len: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..len).map(|_| format!("{:016x}", rng.random::<u64>()))))
}

fn dictionary(rng: &mut StdRng, values: ArrayRef, rows: usize) -> ArrayRef {
    let len = values.len() as i32;
    let keys =
        Int32Array::from_iter((0..rows).map(|_| (len > 0 && rng.random_bool(0.9)).then(|| rng.random_range(0..len))));
    Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values).unwrap())
}

/// A struct of a dictionary and another column.
fn structs(rng: &mut StdRng, len: usize) -> ArrayRef {
    let values = words(rng, len / 2 + 1);
    let word = dictionary(rng, values, len);
    let number: ArrayRef = Arc::new(Int32Array::from_iter_values(0..len as i32));
    let fields = Fields::from(vec![
        Field::new("word", word.data_type().clone(), true),
        Field::new("number", DataType::Int32, true),
    ]);
    Arc::new(StructArray::new(fields, vec![word, number], None))
}

fn lists(rng: &mut StdRng, rows: usize, values: usize) -> ArrayRef {
    let values = words(rng, values);
    let items = dictionary(rng, values, 2 * rows);
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(vec![2; rows]), items, None))
}

/// The kinds of columns that have dictionaries, some within others.
fn column(rng: &mut StdRng, kind: usize, rows: usize, values: usize) -> ArrayRef {
    match kind {
        0 => {
            let values = words(rng, values);
            dictionary(rng, values, rows)
        }
        1 => {
            let values = structs(rng, values);
            dictionary(rng, values, rows)
        }
        2 => lists(rng, rows, values),
        3 => structs(rng, rows),
        _ => Arc::new(Int32Array::from_iter_values((0..rows).map(|_| rng.random()))),
    }
}

/// Chunks of one schema whose dictionaries differ from chunk to chunk, or do not.
fn random_chunks(rng: &mut StdRng) -> Vec<RecordBatch> {
    let kinds: Vec<usize> = (0..rng.random_range(2..7)).map(|_| rng.random_range(0..5)).collect();
    let sizes: Vec<usize> = kinds.iter().map(|_| [1, 30, 2_000][rng.random_range(0..3)]).collect();
    let repeated = rng.random_bool(0.5);
    let seed = rng.random();
    let batch = |partition: i32| {
        let mut rng = StdRng::seed_from_u64(if repeated { seed } else { seed.wrapping_add(partition as u64) });
        let rows = if repeated { 300 } else { rng.random_range(0..600) };
        let columns = kinds.iter().zip(&sizes).enumerate().map(|(place, (kind, size))| {
            let size = if repeated { *size } else { rng.random_range(1..=*size) };
            (format!("c{place}"), column(&mut rng, *kind, rows, size), true)
        });
        let partitions: ArrayRef = Arc::new(Int32Array::from(vec![partition; rows]));
        let columns: Vec<_> = columns.collect();
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().chain([(
            "partition".to_string(),
            partitions,
            true,
        )]))
        .unwrap()
    };
    (0..rng.random_range(1..5)).map(batch).collect()
}

#[test]
fn columns_with_dictionaries_equal_those_of_a_whole_read() {
    let mut picked = 0;
    for seed in 0..cases(DATASETS) {
        let mut rng = StdRng::seed_from_u64(seed);
        let watched = Watched::new(memory());
        let store: Arc<dyn Store> = watched.clone();
        let batches = random_chunks(&mut rng);
        let schema = batches[0].schema();
        let codec = [Codec::None, Codec::Lz4, Codec::Zstd][seed as usize % 3];
        publish(&store, "d", batches, &compressed(codec)).unwrap();
        let datasets = [Dataset::open(&store, "d", &Context::new()), Dataset::without_manifest(&store, "d")];
        for dataset in datasets.map(Result::unwrap) {
            let counted = |options: &ReadOptions, cost: u64| {
                let before = watched.chunk_bytes.load(SeqCst);
                let (batches, _) = read_all(&dataset, options, cost).unwrap_or_else(|e| panic!("{seed}: {e} {schema}"));
                (batches, watched.chunk_bytes.load(SeqCst) - before)
            };
            let (whole, whole_bytes) = counted(&ReadOptions::default(), 0);
            let mut names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            names.shuffle(&mut rng);
            names.truncate(rng.random_range(0..=names.len()));
            let (parts, bytes) = counted(&columns(&names), [0, 0, 300, READ_COST_BYTES][rng.random_range(0..4)]);
            assert!(bytes <= whole_bytes, "{seed}: {bytes} of {whole_bytes} bytes for {names:?} of {schema}");
            picked += u64::from(bytes < whole_bytes / 2);
            assert_eq!(whole.len(), parts.len());
            for (whole, part) in whole.iter().zip(&parts) {
                let indices: Vec<usize> = names.iter().map(|name| schema.index_of(name).unwrap()).collect();
                assert_eq!(whole.data.project(&indices).unwrap(), part.data, "{seed}: {names:?} of {schema}");
            }
        }
    }
    assert!(picked > cases(DATASETS) / 3, "{picked}: nothing was shown");
}

/// Three columns of large dictionaries, and one of numbers.
fn publish_three(store: &Arc<dyn Store>, codec: Codec) -> Dataset {
    let mut rng = StdRng::seed_from_u64(3);
    let batches = (0..4).map(|partition| {
        let mut columns: Vec<(String, ArrayRef, bool)> =
            (0..3).map(|place| (format!("w{place}"), column(&mut rng, 0, 20_000, 20_000), true)).collect();
        columns.push(("n".to_string(), column(&mut rng, 4, 20_000, 0), true));
        columns.push(("partition".to_string(), Arc::new(Int32Array::from(vec![partition; 20_000])), true));
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    });
    publish(store, "three", batches.collect(), &compressed(codec)).unwrap();
    Dataset::open(store, "three", &Context::new()).unwrap()
}

#[test]
fn one_of_three_dictionaries_costs_little_more_than_itself() {
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
        let watched = Watched::new(memory());
        let store: Arc<dyn Store> = watched.clone();
        let with_manifest = publish_three(&store, codec);
        let without = Dataset::without_manifest(&store, "three").unwrap();
        for name in ["w0", "w1", "w2", "n"] {
            let necessary = super::projection::bytes_of(&with_manifest, &[name]);
            for dataset in [&with_manifest, &without] {
                let before = watched.chunk_bytes.load(SeqCst);
                let (batches, _) = read_all(dataset, &columns(&[name]), READ_COST_BYTES).unwrap();
                let bytes = watched.chunk_bytes.load(SeqCst) - before;
                assert_eq!(batches.iter().map(|batch| batch.data.num_rows()).sum::<usize>(), 80_000);
                // What asks for the schema without a manifest is read besides.
                let looked_up = if dataset.manifest().is_some() { 0 } else { 40 << 10 };
                let times = bytes.saturating_sub(looked_up) as f64 / necessary as f64;
                assert!(times < 1.2, "{name} ({codec}): {bytes} of {necessary} bytes");
            }
        }
    }
}

#[test]
fn a_filter_on_one_dictionary_leaves_the_others() {
    let watched = Watched::new(memory());
    let store: Arc<dyn Store> = watched.clone();
    let dataset = publish_three(&store, Codec::Zstd);
    let necessary = super::projection::bytes_of(&dataset, &["w1"]);
    let filter = crate::options::OptionValue::parse("w1 = '8 is in none of them'").unwrap();
    let options = ReadOptions { filter, ..columns(&["w0", "w2"]) };
    let before = watched.chunk_bytes.load(SeqCst);
    let (batches, _) = read_all(&dataset, &options, READ_COST_BYTES).unwrap();
    let bytes = watched.chunk_bytes.load(SeqCst) - before;
    assert!(batches.is_empty());
    assert!(bytes > necessary / 2 && (bytes as f64) < 1.2 * necessary as f64, "{bytes} of {necessary}");
}

#[test]
fn dictionaries_that_nobody_wants_are_not_looked_at() {
    let mut rng = StdRng::seed_from_u64(5);
    let columns = [("a", column(&mut rng, 0, 50, 40), true), ("b", column(&mut rng, 1, 50, 40), true)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut frames = chunk::encode_batch(&batch, Codec::Zstd).unwrap();
    let schema = frames.schema.schema().unwrap();
    let ids = |columns: &[usize]| chunk::dictionary_ids(&schema, columns);
    // Three in all: the second column's has another one within its values.
    assert_eq!((ids(&[0]).len(), ids(&[1]).len(), ids(&[0, 1]).len()), (1, 2, 3));
    for frame in &mut frames.dictionaries {
        if ids(&[1]).contains(&chunk::dictionary_id(frame).unwrap()) {
            let broken = arrow::buffer::Buffer::from(vec![0xff_u8; frame.body.len()]);
            *frame = frame.clone().with_body(broken);
        }
    }
    let limit = chunk::DecodeLimit::new(1 << 20);
    let decode = |names: &[&str]| {
        let names = names.iter().map(|name| name.to_string()).collect();
        chunk::ChunkDecoder::new(None, Some(names), limit).decode_frames(&frames)
    };
    assert_eq!(decode(&["a"]).unwrap().batch, batch.project(&[0]).unwrap());
    assert!(decode(&["b"]).is_err());
    let all: BTreeSet<i64> = frames.dictionaries.iter().map(|frame| chunk::dictionary_id(frame).unwrap()).collect();
    assert_eq!(all, ids(&[0, 1]));
}

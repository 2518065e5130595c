//! What holds of manifests: written and read, spoilt, put together.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int32Array, Int64Array, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, UInt64Type};

use super::format::check_version;
use super::table::ChunkColumns;
use super::*;
use crate::chunk;
use crate::partition::PartitionValue;
use crate::statistics::{ColumnStatistics, batch_statistics, statistics_columns};
use crate::store::joined;

fn sample() -> Manifest {
    let batch = |from: i64| {
        RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from_iter_values(from..from + 10)) as ArrayRef),
            ("p", Arc::new(Int32Array::from(vec![from as i32; 10]))),
        ])
        .unwrap()
    };
    let columns = statistics_columns(&batch(0).schema(), 32);
    let mut builder = ManifestBuilder::new(&columns, &batch(0).schema(), 0);
    // Pushed out of order on purpose.
    for (partition, batch_number) in [(7u32, 1u32), (3, 0), (7, 0)] {
        let data = batch(i64::from(partition) * 100 + i64::from(batch_number));
        let (_, index) = chunk::assemble(&chunk::encode_batch(&data, Codec::Lz4).unwrap());
        let entry = ChunkEntry { partition, batch: batch_number, base: Arc::from("demo:v1"), rows: 10, index };
        let statistics = match batch_number {
            0 => ChunkStatistics::Computed(batch_statistics(&data, &columns).unwrap()),
            _ => ChunkStatistics::Nothing,
        };
        builder.push(&entry, Some(PartitionValue::Int(partition.into())), &statistics).unwrap();
    }
    builder
        .finish(ManifestHeader {
            upload_id: "0123456789abcdef0123456789abcdef".to_string(),
            created_at: now(),
            compression: Codec::Lz4,
            schema_frame: chunk::encode_schema(&batch(0).schema()).unwrap(),
            partition_column: Some(("p".to_string(), DataType::Int32)),
        })
        .unwrap()
}

fn encoded(manifest: &Manifest) -> Buffer {
    Buffer::from_vec(joined(&manifest.encode().unwrap()))
}

#[test]
fn what_is_written_is_read() {
    let manifest = sample();
    let back = Manifest::decode(&encoded(&manifest)).unwrap();
    assert_eq!(back.chunks, manifest.chunks);
    assert_eq!(back.to_record_batch().unwrap(), manifest.to_record_batch().unwrap());
    assert_eq!(back.partitions().unwrap(), [(3, Some("3".to_string())), (7, Some("7".to_string()))]);
    assert_eq!((back.rows(), back.chunk_count()), (30, 3));
    assert_eq!(back.compression(), Codec::Lz4);
    assert_eq!(back.partition_column(), Some("p"));
    assert!(back.knows(1, &[0]) && !back.knows(1, &[0, 2]));
    assert_eq!(back.statistics[0].min.as_primitive::<Int64Type>().value(1), 700);
    assert!(!back.knows(2, &[0]), "nothing was known of that chunk");
    let listing = Manifest::decode_listing(&encoded(&manifest)).unwrap();
    assert_eq!((&listing.chunks, &listing.upload_id, &listing.trailer), (&back.chunks, &back.upload_id, &back.trailer));
    assert!(listing.statistics.is_empty());
    let again = Manifest::from_footer(footer_bytes(&manifest.to_footer_text().unwrap()).unwrap()).unwrap();
    assert_eq!(again.chunks, manifest.chunks);
}

#[test]
fn every_bit_flip_and_every_cut_is_found() {
    let bytes = encoded(&sample());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = Manifest::decode(&Buffer::from_vec(flipped)).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Corrupt, "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(Manifest::decode(&bytes.slice_with_length(0, len)).is_err(), "cut at {len}");
    }
}

#[test]
fn contradictions_are_found_even_with_a_right_checksum() {
    type Case = (&'static str, fn(&mut [ChunkEntry]));
    let cases: [Case; 6] = [
        ("out of order", |c| c.swap(0, 1)),
        ("contradicts", |c| c[0].index.body_length = u64::MAX),
        ("contradicts", |c| c[1].index.metadata_offset = 1 << 40),
        ("out of order", |c| c[2].rows = u64::MAX),
        ("contradicts", |c| c[0].index.payload_bytes = u64::MAX),
        ("contradicts", |c| c.iter_mut().for_each(|c| c.index.payload_bytes = i64::MAX as u64 / 2)),
    ];
    for (part, spoil) in cases {
        let mut manifest = sample();
        let mut chunks: Vec<ChunkEntry> = manifest.chunks.iter().collect();
        spoil(&mut chunks);
        manifest.chunks = table(&chunks);
        let error = Manifest::decode(&encoded(&manifest)).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
        assert!(error.message().contains(part), "{error}");
    }
    assert_eq!(check_version("2").unwrap_err().kind(), crate::ErrorKind::Unsupported);
    assert_eq!(check_version("x").unwrap_err().kind(), crate::ErrorKind::Corrupt);
}

fn table(chunks: &[ChunkEntry]) -> ChunkTable {
    let mut columns = ChunkColumns::default();
    chunks.iter().for_each(|chunk| columns.push(chunk));
    columns.finish(None)
}

fn entry(partition: u32, batch: u32, base: &str) -> ChunkEntry {
    let index = chunk::PayloadIndex { xxh3: u64::from(partition) << 32 | u64::from(batch), ..Default::default() };
    ChunkEntry { partition, batch, base: Arc::from(base), rows: 1, index }
}

/// Statistics of a column that holds this value in one row.
fn of(value: i64) -> ColumnStatistics {
    let array: ArrayRef = Arc::new(Int64Array::from(vec![value]));
    ColumnStatistics { min: array.clone(), max: array, null_count: value as u64 }
}

fn header() -> (SchemaRef, ManifestHeader) {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    let header = ManifestHeader {
        upload_id: "0123456789abcdef0123456789abcdef".to_string(),
        created_at: now(),
        compression: Codec::Lz4,
        schema_frame: chunk::encode_schema(&schema).unwrap(),
        partition_column: None,
    };
    (schema, header)
}

/// Minimum and null count of each row.
fn bounds(manifest: &Manifest) -> Vec<(i64, u64)> {
    let [column] = manifest.statistics.as_slice() else { panic!("{:?}", manifest.statistics) };
    assert_eq!(column.min.to_data(), column.max.to_data());
    let (min, nulls) = (column.min.as_primitive::<Int64Type>(), column.null_count.as_primitive::<UInt64Type>());
    assert_eq!((min.null_count(), nulls.null_count()), (0, 0));
    min.values().iter().copied().zip(nulls.values().iter().copied()).collect()
}

#[test]
fn each_chunk_keeps_its_own_whatever_the_order_in_which_it_came() {
    let (schema, header) = header();
    let numbers: Vec<u32> = (0..1000).map(|i| i * 389 % 1000).collect();
    let mut builder = ManifestBuilder::new(&[0], &schema, 0);
    for number in &numbers {
        let base = if number % 10 < 3 { "demo@old" } else { "demo" };
        let statistics = ChunkStatistics::Computed(vec![of(i64::from(*number))]);
        builder.push(&entry(number / 100, number % 100, base), None, &statistics).unwrap();
    }
    let manifest = builder.finish(header).unwrap();
    assert_eq!(bounds(&manifest), (0..1000).map(|i| (i, i as u64)).collect::<Vec<_>>());
    for (number, chunk) in (0..1000).zip(manifest.chunks.iter()) {
        let base = if number % 10 < 3 { "demo@old" } else { "demo" };
        assert_eq!(chunk, entry(number / 100, number % 100, base));
    }
    assert_eq!(manifest.partition_count(), 10);
    let back = Manifest::decode(&encoded(&manifest)).unwrap();
    assert_eq!((&back.chunks, bounds(&back)), (&manifest.chunks, bounds(&manifest)));
}

#[test]
fn statistics_that_are_known_are_shared_or_joined_with_others() {
    let (schema, header) = header();
    let array = |values: [i64; 4]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
    let null_count: ArrayRef = Arc::new(UInt64Array::from(vec![5, 6, 7, 8]));
    let known = StatisticsColumn { column: 0, min: array([5, 6, 7, 8]), max: array([5, 6, 7, 8]), null_count };
    let build = |chunks: &[(u32, Option<usize>)]| {
        let mut builder = ManifestBuilder::new(&[0], &schema, 4).with_known(Some(vec![known.clone()]));
        for (batch, row) in chunks {
            let statistics =
                row.map_or_else(|| ChunkStatistics::Computed(vec![of(i64::from(*batch))]), ChunkStatistics::Row);
            builder.push(&entry(0, *batch, ""), None, &statistics).unwrap();
        }
        builder.finish(header.clone()).unwrap()
    };
    // In whatever order they were written.
    let all = build(&[(3, Some(3)), (0, Some(0)), (1, Some(1)), (2, Some(2))]);
    assert_eq!(bounds(&all), [(5, 5), (6, 6), (7, 7), (8, 8)]);
    assert_eq!(all.statistics[0].min.to_data().buffers()[0].as_ptr(), known.min.to_data().buffers()[0].as_ptr());
    // A file whose batches are not in the order of its partitions.
    assert_eq!(bounds(&build(&[(2, Some(0)), (0, Some(3)), (1, Some(2))])), [(8, 8), (7, 7), (5, 5)]);
    // Some had to be computed.
    assert_eq!(bounds(&build(&[(2, Some(0)), (9, None), (0, None), (1, Some(2))])), [(0, 0), (7, 7), (5, 5), (9, 9)]);
    let mut builder = ManifestBuilder::new(&[0], &schema, 4).with_known(Some(vec![known.clone()]));
    assert!(builder.push(&entry(0, 0, ""), None, &ChunkStatistics::Row(4)).is_err(), "there is no such row");
}

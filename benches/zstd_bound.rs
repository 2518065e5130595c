//! The least that generating a dataset can take: zstd level 1 alone, over the same buffers, on all cores.
//!
//! The batches are made beforehand; what is timed is the compression of every buffer into a reused output, with
//! one compressor per thread. Prints one JSON object per repeat, as the peers do. `benches/compare` runs it
//! interleaved with `arrowredis gen`.

use std::cell::RefCell;
use std::time::Instant;

use arrow::array::{Array, ArrayData};
use arrowredis::{GenerateOptions, Generator};
use rayon::prelude::*;

const OPTIONS: GenerateOptions = GenerateOptions {
    partitions: 8,
    batches: 16,
    rows: 50_000,
    compression: arrowredis::Codec::Zstd,
    dict_strings: true,
    string_cardinality: 5000,
    seed: 42,
    parallel: true,
    workers: 0,
};

/// The buffers of an array, without its dictionary: that is compressed once, not with every batch.
fn buffers(data: &ArrayData) -> Vec<arrow::buffer::Buffer> {
    let mut found = data.buffers().to_vec();
    if !matches!(data.data_type(), arrow::datatypes::DataType::Dictionary(..)) {
        found.extend(data.child_data().iter().flat_map(buffers));
    }
    found
}

fn compress(batch: &[arrow::buffer::Buffer]) -> usize {
    thread_local! {
        static STATE: RefCell<(Option<zstd::bulk::Compressor<'static>>, Vec<u8>)> = const { RefCell::new((None, Vec::new())) };
    }
    STATE.with_borrow_mut(|(compressor, out)| {
        let compressor = compressor.get_or_insert_with(|| zstd::bulk::Compressor::new(1).expect("a compressor"));
        let mut total = 0;
        for buffer in batch {
            out.clear();
            out.reserve(zstd::zstd_safe::compress_bound(buffer.len()));
            total += compressor.compress_to_buffer(buffer, out).expect("room for the output");
        }
        total
    })
}

fn main() {
    // `cargo bench` adds flags of its own; a number is the count of repeats.
    let repeats = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1);
    let generator = Generator::new(&OPTIONS).expect("options that work");
    let places: Vec<(u32, u32)> =
        (0..OPTIONS.partitions).flat_map(|p| (0..OPTIONS.batches).map(move |b| (p, b))).collect();
    let batches: Vec<Vec<_>> = places
        .par_iter()
        .map(|(partition, batch)| {
            let batch = generator.batch(*partition, *batch).expect("a batch");
            batch.columns().iter().flat_map(|column| buffers(&column.to_data())).collect()
        })
        .collect();
    for _ in 0..repeats {
        let start = Instant::now();
        let payload_bytes: usize = batches.par_iter().map(|batch| compress(batch)).sum();
        let seconds = start.elapsed().as_secs_f64();
        let (rows, chunks) = (batches.len() * OPTIONS.rows as usize, batches.len());
        println!(
            r#"{{"job":"zstd_bound","rows":{rows},"chunks":{chunks},"payload_bytes":{payload_bytes},"total_seconds":{seconds}}}"#
        );
    }
}

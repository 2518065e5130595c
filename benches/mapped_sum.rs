//! Adds up every buffer of a mapped, uncompressed IPC file: read through the library, or in one plain pass over the
//! file's bytes, which is the least that looking at the data can take. Both map the file anew every time and use all
//! cores. Prints one JSON object per repeat, as the peers do; `benches/compare` interleaves the two.

use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayData};
use arrowredis::{Context, FileReadOptions, IpcFile, read_file};
use rayon::prelude::*;

const PART_BYTES: usize = 1 << 20;

/// The sum of the whole 64-bit words of some bytes.
fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

/// Without dictionaries: they are one for the whole file.
fn sum_buffers(data: &ArrayData) -> u64 {
    let own = data.buffers().iter().map(|buffer| sum(buffer)).fold(0, u64::wrapping_add);
    match data.data_type() {
        arrow::datatypes::DataType::Dictionary(..) => own,
        _ => data.child_data().iter().map(sum_buffers).fold(own, u64::wrapping_add),
    }
}

/// Rows, chunks and the sum, by way of the library.
fn through_the_library(path: &str) -> arrowredis::Result<(usize, usize, u64)> {
    let ctx = Context::new();
    let options = FileReadOptions { mmap: true, ..FileReadOptions::default() };
    let file = Arc::new(IpcFile::open(path, true)?);
    let mut reader = read_file(&file, &options, &ctx)?;
    let batches: Vec<_> = std::iter::from_fn(|| reader.next_batch()).collect::<arrowredis::Result<_>>()?;
    let sums = batches.par_iter().map(|batch| {
        let columns = batch.data.columns().iter();
        columns.map(|column| sum_buffers(&column.to_data())).fold(0, u64::wrapping_add)
    });
    let total = sums.reduce(|| 0, u64::wrapping_add);
    Ok((batches.iter().map(|batch| batch.data.num_rows()).sum(), batches.len(), total))
}

fn one_pass(path: &str) -> std::io::Result<u64> {
    let file = File::open(path)?;
    // SAFETY: the benchmark's own file, which nobody changes meanwhile.
    let bytes = unsafe { memmap2::Mmap::map(&file) }?;
    Ok(bytes.par_chunks(PART_BYTES).map(sum).reduce(|| 0, u64::wrapping_add))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [way, path, repeats @ ..] = arguments.as_slice() else {
        // `cargo bench` runs every bench without arguments.
        println!("usage: mapped_sum library|pass FILE [REPEATS]");
        return;
    };
    let (rows, chunks, _) = through_the_library(path).expect("a readable file");
    for _ in 0..repeats.first().map_or(1, |count| count.parse().expect("a number")) {
        let start = Instant::now();
        let sum = match way.as_str() {
            "library" => through_the_library(path).expect("a readable file").2,
            _ => one_pass(path).expect("a readable file"),
        };
        let (seconds, sum) = (start.elapsed().as_secs_f64(), std::hint::black_box(sum));
        println!(r#"{{"job":"mapped_sum","rows":{rows},"chunks":{chunks},"sum":{sum},"total_seconds":{seconds}}}"#);
    }
}

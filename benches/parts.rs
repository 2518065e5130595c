//! The parts of a job that need no network, one by one, on the memory store: making batches, encoding and decoding
//! chunks of each codec, copying messages, choosing columns and rows, opening a manifest.
//!
//!     cargo bench --features cli,mimalloc --bench parts
//!
//! Rates are of Arrow data, in binary units.

use std::io::Cursor;
use std::sync::Arc;

use arrowredis::store::{self, Store, StoreOptions};
use arrowredis::{
    Codec, Comparison, Context, Dataset, Filter, GenerateOptions, Generator, Predicate, ReadOptions, Source,
    SplitOptions, generate_to_stream, read, split,
};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

const CODECS: [Codec; 3] = [Codec::Zstd, Codec::Lz4, Codec::None];

fn main() {
    divan::main();
}

/// 8 partitions of 4 batches of 20,000 rows: about 45 MB of Arrow data.
fn shape(compression: Codec) -> GenerateOptions {
    let small = GenerateOptions { partitions: 8, batches: 4, rows: 20_000, ..GenerateOptions::default() };
    GenerateOptions { compression, dict_strings: true, ..small }
}

fn stream(options: &GenerateOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    generate_to_stream(&mut bytes, options, &Context::new()).expect("a stream");
    bytes
}

fn memory() -> Arc<dyn Store> {
    store::open("memory://", &StoreOptions::default()).expect("a memory store")
}

fn publish(store: &Arc<dyn Store>, bytes: Vec<u8>, options: &SplitOptions) {
    split(Source::Stream(Box::new(Cursor::new(bytes))), store, "parts", options, &Context::new()).expect("a dataset");
}

fn dataset(generated: &GenerateOptions) -> Dataset {
    let (store, options) = (memory(), SplitOptions { compression: generated.compression, ..SplitOptions::default() });
    publish(&store, stream(generated), &options);
    Dataset::open(&store, "parts", &Context::new()).expect("the dataset")
}

/// Reads everything; the bytes of the arrays.
fn read_all(dataset: &Dataset, options: &ReadOptions) -> u64 {
    let mut reader = read(dataset, options, &Context::new()).expect("a reader");
    while let Some(batch) = reader.next_batch() {
        black_box(batch.expect("a batch"));
    }
    reader.metrics().decoded_bytes
}

#[divan::bench]
fn generate_a_batch(bencher: Bencher<'_, '_>) {
    let generator = Generator::new(&shape(Codec::Zstd)).expect("options that work");
    let bytes = generator.batch(0, 0).expect("a batch").get_array_memory_size();
    bencher.counter(BytesCount::new(bytes)).bench(|| generator.batch(black_box(3), black_box(2)));
}

#[divan::bench(args = CODECS)]
fn decode_chunks(bencher: Bencher<'_, '_>, codec: Codec) {
    let dataset = dataset(&shape(codec));
    let bytes = read_all(&dataset, &ReadOptions::default());
    bencher.counter(BytesCount::new(bytes)).bench(|| read_all(&dataset, &ReadOptions::default()));
}

#[divan::bench(args = CODECS)]
fn decode_two_columns(bencher: Bencher<'_, '_>, codec: Codec) {
    let dataset = dataset(&shape(codec));
    let columns = Some(vec!["id64".to_string(), "float64_c".to_string()]);
    let options = ReadOptions { columns, ..ReadOptions::default() };
    let bytes = read_all(&dataset, &options);
    bencher.counter(BytesCount::new(bytes)).bench(|| read_all(&dataset, &options));
}

#[divan::bench]
fn filter_rows(bencher: Bencher<'_, '_>) {
    let dataset = dataset(&shape(Codec::None));
    let filter = Filter(vec![
        Predicate::compare("int32_c", Comparison::GreaterOrEqual, 0),
        Predicate::compare("float64_c", Comparison::Less, 1.5),
    ]);
    let options = ReadOptions { filter, ..ReadOptions::default() };
    let bytes = read_all(&dataset, &options);
    bencher.counter(BytesCount::new(bytes)).bench(|| read_all(&dataset, &options));
}

/// Messages of a stream go into chunks as they are.
#[divan::bench(args = CODECS)]
fn copy_messages(bencher: Bencher<'_, '_>, codec: Codec) {
    let bytes = stream(&shape(codec));
    let options = SplitOptions { compression: codec, ..SplitOptions::default() };
    bencher
        .counter(BytesCount::new(bytes.len()))
        .with_inputs(|| (memory(), bytes.clone()))
        .bench_values(|(store, bytes)| publish(&store, bytes, &options));
}

/// From uncompressed messages to chunks of each codec.
#[divan::bench(args = [Codec::Zstd, Codec::Lz4])]
fn encode_chunks(bencher: Bencher<'_, '_>, codec: Codec) {
    let bytes = stream(&shape(Codec::None));
    let options = SplitOptions { compression: codec, ..SplitOptions::default() };
    bencher
        .counter(BytesCount::new(bytes.len()))
        .with_inputs(|| (memory(), bytes.clone()))
        .bench_values(|(store, bytes)| publish(&store, bytes, &options));
}

/// By number of chunks.
#[divan::bench(args = [100, 1_000, 10_000])]
fn open_a_manifest(bencher: Bencher<'_, '_>, chunks: u32) {
    let small = GenerateOptions { partitions: 10, batches: chunks / 10, rows: 10, ..GenerateOptions::default() };
    let store = memory();
    publish(&store, stream(&small), &SplitOptions::default());
    bencher.counter(ItemsCount::new(chunks)).bench(|| Dataset::open(&store, "parts", &Context::new()));
}

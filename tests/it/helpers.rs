//! Small datasets, and a store's own methods.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use arrow::buffer::Buffer;
use arrowredis::store::Store;
use arrowredis::{Context, Dataset, Error, GenerateOptions, GeneratedReader, ReadOptions, Source, SplitOptions};

pub fn generate(rows: u32, partitions: u32) -> GenerateOptions {
    GenerateOptions { partitions, batches: 3, rows, dict_strings: true, string_cardinality: 10, ..Default::default() }
}

pub fn publish(
    store: &Arc<dyn Store>,
    prefix: &str,
    options: &GenerateOptions,
    split: &SplitOptions,
) -> Result<(), Error> {
    let reader = GeneratedReader::new(options, &Context::new()).unwrap();
    arrowredis::split(Source::Batches(Box::new(reader)), store, prefix, split, &Context::new()).map(|_| ())
}

pub fn read(store: &Arc<dyn Store>, prefix: &str, options: &ReadOptions) -> Result<(usize, u64), Error> {
    let dataset = Dataset::open(store, prefix, &Context::new())?;
    let mut reader = arrowredis::read(&dataset, options, &Context::new())?;
    let mut rows = 0;
    while let Some(batch) = reader.next_batch() {
        rows += batch?.data.num_rows();
    }
    Ok((rows, reader.metrics().chunks_skipped))
}

/// Calls a store's own methods. The runtime outlives every connection that was opened on it.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
    RUNTIME.block_on(future)
}

pub fn get(store: &Arc<dyn Store>, key: &str) -> Vec<u8> {
    let mut found = None;
    wait(store.get_many(&[key.to_string()], &Context::new(), &mut |_, value| found = value)).unwrap();
    found.unwrap_or_else(|| panic!("no {key}")).to_vec()
}

pub fn put(store: &Arc<dyn Store>, key: &str, value: Vec<u8>) {
    wait(store.put_many(&[(key.to_string(), vec![Buffer::from_vec(value)])], &Context::new())).unwrap();
}

/// All keys that start like this, in their order.
pub fn keys(store: &Arc<dyn Store>, start: &str) -> Vec<String> {
    let mut keys = wait(store.list(start, "", &Context::new())).unwrap();
    keys.sort();
    keys
}

/// Waits for what must come, however slow the machine is.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

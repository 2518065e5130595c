//! Reads a dataset batch by batch through the Rust API: what `capi/read_stream.c` does through the C stream.
//! `benches/c-overhead` compares the two.

use std::time::Instant;

use arrowredis::{Context, Dataset, ReadOptions, read, store};

fn main() -> arrowredis::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [url, prefix] = arguments.as_slice() else {
        // `cargo bench` runs every bench without arguments.
        println!("usage: read_stream STORE_URL PREFIX");
        return Ok(());
    };
    let store = store::open(url, &store::StoreOptions::default())?;
    let dataset = Dataset::open(&store, prefix, &Context::new())?;
    let start = Instant::now();
    let (mut batches, mut rows) = (0_u64, 0);
    let mut reader = read(&dataset, &ReadOptions::default(), &Context::new())?;
    while let Some(batch) = reader.next_batch() {
        batches += 1;
        rows += batch?.data.num_rows();
    }
    println!("{batches} {rows} {:.6}", start.elapsed().as_secs_f64());
    Ok(())
}

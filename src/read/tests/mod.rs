//! Reading parts of chunks against reading all and taking what is wanted.

mod dictionaries;
mod filters;
mod layout;
mod mapped;
mod projection;
mod replaced;
mod store;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchIterator};
use rand::Rng;
use rand::rngs::StdRng;

use super::*;
use crate::codec::Codec;
use crate::split::{Source, SplitOptions, split};
use crate::store::{Store, StoreOptions};
use crate::verify::tests::random::{array, random_type};

/// How many random cases a test goes through: few in an ordinary run, ARROWREDIS_TEST_CASES in a thorough one.
fn cases(ordinary: u64) -> u64 {
    std::env::var("ARROWREDIS_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(ordinary)
}

/// A random schema: the partition column, and up to seven of any type.
fn random_schema(rng: &mut StdRng) -> SchemaRef {
    let mut fields = vec![Field::new("partition", DataType::Int32, false)];
    for column in 0..rng.random_range(1..8) {
        let data_type = random_type(rng, 2);
        fields.insert(rng.random_range(0..=fields.len()), Field::new(format!("c{column}"), data_type, true));
    }
    Arc::new(Schema::new(fields))
}

/// Random rows of a schema, all of one partition.
fn random_batch(rng: &mut StdRng, schema: &SchemaRef, partition: i32, rows: usize) -> RecordBatch {
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        "partition" => Arc::new(Int32Array::from(vec![partition; rows])) as ArrayRef,
        _ => array(rng, field.data_type(), rows),
    });
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}

fn publish(store: &Arc<dyn Store>, prefix: &str, batches: Vec<RecordBatch>, options: &SplitOptions) -> Result<()> {
    let schema = batches[0].schema();
    let source = Source::Batches(Box::new(RecordBatchIterator::new(batches.into_iter().map(Ok), schema)));
    split(source, store, prefix, options, &Context::new()).map(|_| ())
}

fn compressed(compression: Codec) -> SplitOptions {
    SplitOptions { compression, ..SplitOptions::default() }
}

fn columns(names: &[&str]) -> ReadOptions {
    ReadOptions { columns: Some(names.iter().map(|name| name.to_string()).collect()), ..ReadOptions::default() }
}

/// Reads all that the options mean, as if one more read cost as much as so many bytes.
fn read_all(dataset: &Dataset, options: &ReadOptions, read_cost_bytes: u64) -> Result<(Vec<ReadBatch>, Metrics)> {
    let plan = ReadPlan { read_cost_bytes, ..ReadPlan::new(dataset, options, &Context::new())? };
    let mut reader = read_planned(dataset, options, plan)?;
    let mut batches = Vec::new();
    while let Some(batch) = reader.next_batch() {
        batches.push(batch?);
    }
    Ok((batches, reader.metrics()))
}

fn memory() -> Arc<dyn Store> {
    crate::store::open("memory://", &StoreOptions::default()).unwrap()
}

//! What the manifest lists of each chunk, column by column as it is stored: what is held of a chunk grows with the
//! dataset, so it is held once, in the arrays that were read or that will be written.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, UInt32Type, UInt64Type};
use arrow::record_batch::RecordBatch;

use crate::chunk::PayloadIndex;
use crate::error::{Error, Result};

/// One chunk as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) partition: u32,
    pub(crate) batch: u32,
    /// What the chunk's key starts with; empty in a file's index.
    pub(crate) base: Arc<str>,
    pub(crate) rows: u64,
    pub(crate) index: PayloadIndex,
}

/// The numeric columns of the manifest, in the order of [`ChunkEntry::numbers`].
const NUMBERS: [&str; 9] = [
    "rows",
    "payload_bytes",
    "xxh3",
    "dictionaries_offset",
    "dictionaries_length",
    "metadata_offset",
    "metadata_length",
    "body_offset",
    "body_length",
];

impl ChunkEntry {
    fn numbers(&self) -> [u64; NUMBERS.len()] {
        let index = &self.index;
        [
            self.rows,
            index.payload_bytes,
            index.xxh3,
            index.dictionaries_offset,
            index.dictionaries_length,
            index.metadata_offset,
            index.metadata_length,
            index.body_offset,
            index.body_length,
        ]
    }
}

/// What the keys of chunks start with: mostly the same for all of them.
#[derive(Debug, Clone, Default, PartialEq)]
struct Bases {
    /// The first row of each run of rows that share a base, and that.
    runs: Vec<(usize, Arc<str>)>,
}

impl Bases {
    fn push(&mut self, row: usize, base: &str) {
        if self.runs.last().is_none_or(|(_, last)| **last != *base) {
            self.runs.push((row, Arc::from(base)));
        }
    }

    fn get(&self, row: usize) -> &Arc<str> {
        // In range: every row that was pushed begins a run or belongs to the last one.
        &self.runs[self.runs.partition_point(|(first, _)| *first <= row) - 1].1
    }
}

/// The chunks of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChunkTable {
    partitions: UInt32Array,
    batches: UInt32Array,
    bases: Bases,
    numbers: [UInt64Array; NUMBERS.len()],
}

impl ChunkTable {
    pub(crate) fn len(&self) -> usize {
        self.partitions.len()
    }

    pub(crate) fn get(&self, row: usize) -> Option<ChunkEntry> {
        (row < self.len()).then(|| self.entry(row))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ChunkEntry> + '_ {
        (0..self.len()).map(|row| self.entry(row))
    }

    fn entry(&self, row: usize) -> ChunkEntry {
        let [
            rows,
            payload_bytes,
            xxh3,
            dictionaries_offset,
            dictionaries_length,
            metadata_offset,
            metadata_length,
            body_offset,
            body_length,
        ] = self.numbers.each_ref().map(|numbers| numbers.value(row));
        ChunkEntry {
            partition: self.partitions.value(row),
            batch: self.batches.value(row),
            base: self.bases.get(row).clone(),
            rows,
            index: PayloadIndex {
                payload_bytes,
                xxh3,
                dictionaries_offset,
                dictionaries_length,
                metadata_offset,
                metadata_length,
                body_offset,
                body_length,
            },
        }
    }

    /// The partition and batch of a chunk.
    pub(crate) fn place(&self, row: usize) -> (u32, u32) {
        (self.partitions.value(row), self.batches.value(row))
    }

    /// The partition of each chunk.
    pub(crate) fn partitions(&self) -> &[u32] {
        self.partitions.values()
    }

    /// The rows of each chunk.
    pub(crate) fn rows(&self) -> &[u64] {
        self.numbers[0].values()
    }

    /// The bytes of each payload.
    pub(crate) fn payload_bytes(&self) -> &[u64] {
        self.numbers[1].values()
    }

    /// In a file's index: where a batch's message starts, and the length of its body.
    pub(crate) fn message(&self, row: usize) -> (u64, u64) {
        (self.numbers[5].value(row), self.numbers[8].value(row))
    }

    /// What the chunks' keys start with; one after the other may be the same.
    pub(crate) fn bases(&self) -> impl Iterator<Item = &Arc<str>> {
        self.bases.runs.iter().map(|(_, base)| base)
    }

    /// The columns before the partition's value, and those after it.
    pub(super) fn columns(&self) -> [Vec<(Field, ArrayRef)>; 2] {
        let field = |name: &str, array: ArrayRef| (Field::new(name, array.data_type().clone(), false), array);
        let bases = (0..self.len()).map(|row| self.bases.get(row).as_ref());
        let mut after = vec![field("base", Arc::new(StringArray::from_iter_values(bases)))];
        after.extend(NUMBERS.iter().zip(&self.numbers).map(|(name, array)| field(name, Arc::new(array.clone()))));
        let before =
            vec![field("partition", Arc::new(self.partitions.clone())), field("batch", Arc::new(self.batches.clone()))];
        [before, after]
    }

    /// Takes the columns of a stored manifest. `whole_chunks`: whether the rows describe chunks of their own, rather
    /// than messages of one file.
    pub(super) fn decode(table: &RecordBatch, whole_chunks: bool) -> Result<ChunkTable> {
        let partitions = column(table, "partition", &DataType::UInt32)?.as_primitive::<UInt32Type>().clone();
        let batches = column(table, "batch", &DataType::UInt32)?.as_primitive::<UInt32Type>().clone();
        let stored_bases = column(table, "base", &DataType::Utf8)?.as_string::<i32>();
        let mut numbers = Vec::with_capacity(NUMBERS.len());
        for name in NUMBERS {
            numbers.push(column(table, name, &DataType::UInt64)?.as_primitive::<UInt64Type>().clone());
        }
        let numbers = numbers.try_into().map_err(|_| Error::internal("as many numbers as names"))?;
        let mut bases = Bases::default();
        for row in 0..table.num_rows() {
            bases.push(row, stored_bases.value(row));
        }
        let chunks = ChunkTable { partitions, batches, bases, numbers };
        chunks.check(whole_chunks)?;
        Ok(chunks)
    }

    fn check(&self, whole_chunks: bool) -> Result<()> {
        // No total that anybody computes can overflow.
        let within = |total: u64, more: u64| total.checked_add(more).filter(|total| *total <= i64::MAX as u64);
        let (mut total_rows, mut total_bytes) = (0u64, 0u64);
        for (row, chunk) in self.iter().enumerate() {
            let ordered = row == 0 || self.place(row - 1) < (chunk.partition, chunk.batch);
            let totals = within(total_rows, chunk.rows).zip(within(total_bytes, chunk.index.payload_bytes));
            let Some(totals) = totals.filter(|_| ordered && (!whole_chunks || consistent(&chunk.index))) else {
                return Err(Error::corrupt(format!(
                    "the manifest's row {row} (partition {}, batch {}) is out of order or contradicts itself",
                    chunk.partition, chunk.batch
                ))
                .at_chunk(chunk.partition, chunk.batch));
            };
            (total_rows, total_bytes) = totals;
        }
        Ok(())
    }
}

fn column<'a>(table: &'a RecordBatch, name: &str, data_type: &DataType) -> Result<&'a ArrayRef> {
    table
        .column_by_name(name)
        .filter(|column| column.data_type() == data_type && column.null_count() == 0)
        .ok_or_else(|| no_column(name))
}

pub(super) fn no_column(name: &str) -> Error {
    Error::corrupt(format!("the manifest has no proper column '{name}'"))
}

/// The parts of a payload follow each other within it.
fn consistent(index: &PayloadIndex) -> bool {
    let end = |offset: u64, length: u64| offset.checked_add(length);
    let body_end = end(index.body_offset, index.body_length);
    end(index.dictionaries_offset, index.dictionaries_length).is_some_and(|e| e <= index.metadata_offset)
        && end(index.metadata_offset, index.metadata_length).is_some_and(|e| e <= index.body_offset)
        && body_end.is_some_and(|e| e <= index.payload_bytes)
}

/// Chunks as they are collected, in any order.
#[derive(Debug, Default)]
pub(super) struct ChunkColumns {
    partitions: Vec<u32>,
    batches: Vec<u32>,
    bases: Bases,
    numbers: [Vec<u64>; NUMBERS.len()],
}

impl ChunkColumns {
    /// With room for so many, and no more: vectors that grow take up to twice what they need.
    pub(super) fn with_capacity(chunks: usize) -> Self {
        ChunkColumns {
            partitions: Vec::with_capacity(chunks),
            batches: Vec::with_capacity(chunks),
            bases: Bases::default(),
            numbers: std::array::from_fn(|_| Vec::with_capacity(chunks)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    pub(super) fn push(&mut self, entry: &ChunkEntry) {
        self.bases.push(self.len(), &entry.base);
        self.partitions.push(entry.partition);
        self.batches.push(entry.batch);
        for (column, number) in self.numbers.iter_mut().zip(entry.numbers()) {
            column.push(number);
        }
    }

    /// The rows in the order of partition and batch; `None` where they have it.
    pub(super) fn order(&self) -> Option<Vec<u32>> {
        let place = |row: u32| (self.partitions[row as usize], self.batches[row as usize]);
        let rows = 0..self.len() as u32;
        if rows.clone().is_sorted_by_key(place) {
            return None;
        }
        let mut order: Vec<u32> = rows.collect();
        order.sort_unstable_by_key(|row| place(*row));
        Some(order)
    }

    /// The chunks in the order given.
    pub(super) fn finish(self, order: Option<&[u32]>) -> ChunkTable {
        let bases = match order.filter(|_| self.bases.runs.len() > 1) {
            None => self.bases,
            Some(order) => {
                let mut bases = Bases::default();
                for (row, from) in order.iter().enumerate() {
                    bases.push(row, self.bases.get(*from as usize));
                }
                bases
            }
        };
        ChunkTable {
            partitions: arranged(self.partitions, order).into(),
            batches: arranged(self.batches, order).into(),
            bases,
            numbers: self.numbers.map(|column| arranged(column, order).into()),
        }
    }
}

/// The values in the order given: first the one at the first place that it names. They are moved in the memory that they
/// have, as all columns twice would be what grows most with the dataset.
pub(super) fn arranged<T: Copy>(mut values: Vec<T>, order: Option<&[u32]>) -> Vec<T> {
    let Some(order) = order else { return values };
    let mut done = vec![false; values.len()];
    for start in 0..values.len() {
        let (first, mut row) = (values[start], start);
        // Each round of places that take from one another, once.
        while !std::mem::replace(&mut done[row], true) {
            let from = order[row] as usize;
            values[row] = if from == start { first } else { values[from] };
            row = from;
        }
    }
    values
}

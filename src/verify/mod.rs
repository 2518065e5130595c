//! Verify: compares two sequences of record batches, whatever they come from.
//!
//! A thread on each side reads ahead by a batch or two ([`feed`]); the rows that both sides have at hand are
//! compared column by column on the CPU pool ([`compare`]); then both move on. So nothing is held but the
//! batches in hand, and batch boundaries do not matter. Comparing by partition does the same once per partition.

mod compare;
mod feed;
mod report;
mod schema;
mod show;
mod side;
mod sources;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::record_batch::RecordBatch;

use crate::error::Result;
use crate::metrics::Progress;
use crate::options::options;
use crate::parallel::OrderedMap;
use crate::runtime::{Context, Runtime, catch_panic, runtime};
use compare::{Span, first_difference};
use feed::{Failure, Feed, Part};
pub use report::{ColumnDifference, PartitionDifference, SideReport, VerifyReport};
use schema::{ColumnPair, SchemaComparison, compare_schemas};
use show::show_pair;
pub use side::{BatchReader, VerifySide, VerifyStream};
pub use sources::{VerifyDataset, VerifyFile};

options! {
    /// How two sides are compared.
    pub struct VerifyOptions {
        /// Compare partition by partition: the order of the partitions, and how they interleave, does not matter.
        pub by_partition: bool = false,
        /// The column that tells to which partition a row belongs, for sides without an index of their partitions.
        pub partition_column: String = crate::schema::PARTITION_COLUMN.to_string(),
    }
}

/// Rows of a column that one task compares.
const TASK_ROWS: usize = 64 << 10;
/// Below so many rows a task costs more than it saves.
const INLINE_ROWS: usize = 1 << 10;

/// Compares two sides: schema, number of rows, and all values.
///
/// Values are compared bit by bit: a NaN equals the same NaN, -0.0 is not 0.0. A null equals a null. Dictionaries,
/// run ends, views and lists are compared by the values that they stand for, but a dictionary column and a plain
/// one differ in their schema. Names, types and order of the columns must agree; nullability and metadata are
/// noted only. Columns of the same name and type are compared even where the schemas, or the numbers of rows,
/// differ.
///
/// Memory: two or three batches of each side. The context's cancel token and deadline end the comparison between
/// two batches; a reader that blocks should watch the same token. The context's counters are the comparison's:
/// readers need counters of their own.
///
/// # Errors
/// Whatever a side fails with, its name in front; `CORRUPT` when a side's batches are not of its schema;
/// `UNSUPPORTED` for a stream by partition. A difference is no error.
pub fn verify(
    left: Arc<dyn VerifySide>,
    right: Arc<dyn VerifySide>,
    options: &VerifyOptions,
    context: &Context,
) -> Result<VerifyReport> {
    let runtime = runtime()?;
    let column = &options.partition_column;
    let plan = if options.by_partition {
        let list = |side: &Arc<dyn VerifySide>| {
            catch_panic(|| side.partitions(column)).map_err(|error| error.context(side.name()))
        };
        Plan::by_partition(list(&left)?, list(&right)?)
    } else {
        Plan::whole()
    };
    let failure = Failure::default();
    let mut comparison = Comparison {
        runtime,
        context,
        left: Feed::start(left, plan.left_parts(), column, &failure, context)?,
        right: Feed::start(right, plan.right_parts(), column, &failure, context)?,
        schemas: None,
        open_pairs: Vec::new(),
        found: BTreeMap::new(),
        partitions: Vec::new(),
    };
    comparison.run(&plan)?;
    comparison.report()
}

/// What is read, in which order.
struct Plan {
    /// What both sides have.
    common: Vec<Part>,
    left_only: Vec<Part>,
    right_only: Vec<Part>,
}

impl Plan {
    fn whole() -> Plan {
        Plan { common: vec![Part::Whole], left_only: Vec::new(), right_only: Vec::new() }
    }

    fn by_partition(left: Vec<String>, right: Vec<String>) -> Plan {
        let (left, right) = (distinct(left), distinct(right));
        let in_left: HashSet<_> = left.iter().cloned().collect();
        let in_right: HashSet<_> = right.iter().cloned().collect();
        let part = Part::Partition;
        let (common, left_only) = left.into_iter().partition::<Vec<_>, _>(|p| in_right.contains(p));
        let right_only = right.into_iter().filter(|p| !in_left.contains(p)).map(part).collect();
        Plan {
            common: common.into_iter().map(part).collect(),
            left_only: left_only.into_iter().map(part).collect(),
            right_only,
        }
    }

    fn left_parts(&self) -> Vec<Part> {
        or_schema([&self.common[..], &self.left_only].concat())
    }

    fn right_parts(&self) -> Vec<Part> {
        or_schema([&self.common[..], &self.right_only].concat())
    }
}

fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// Of a side without partitions, the schema is still compared.
fn or_schema(parts: Vec<Part>) -> Vec<Part> {
    if parts.is_empty() { vec![Part::SchemaOnly] } else { parts }
}

struct Comparison<'a> {
    runtime: &'a Runtime,
    context: &'a Context,
    left: Feed,
    right: Feed,
    schemas: Option<SchemaComparison>,
    /// The columns in which no difference has been found yet.
    open_pairs: Vec<ColumnPair>,
    /// The differences, by the column's place on the left.
    found: BTreeMap<usize, ColumnDifference>,
    partitions: Vec<PartitionDifference>,
}

impl Comparison<'_> {
    fn run(&mut self, plan: &Plan) -> Result<()> {
        for part in &plan.common {
            self.left.open()?;
            self.right.open()?;
            let partition = match part {
                Part::Partition(partition) => Some(partition.as_str()),
                _ => None,
            };
            self.compare_part(partition)?;
        }
        for part in &or_schema_only(&plan.left_only, &plan.common) {
            let rows = count_part(&mut self.left)?;
            self.only_one_side(part, Some(rows), None);
        }
        for part in &or_schema_only(&plan.right_only, &plan.common) {
            let rows = count_part(&mut self.right)?;
            self.only_one_side(part, None, Some(rows));
        }
        Ok(())
    }

    fn only_one_side(&mut self, part: &Part, left_rows: Option<u64>, right_rows: Option<u64>) {
        if let Part::Partition(partition) = part {
            let partition = partition.clone();
            self.partitions.push(PartitionDifference { partition, left_rows, right_rows });
        }
    }

    /// Compares what is open on both sides, up to its end.
    fn compare_part(&mut self, partition: Option<&str>) -> Result<()> {
        if self.schemas.is_none() {
            let mut schemas = compare_feeds(&self.left, &self.right);
            self.open_pairs = std::mem::take(&mut schemas.pairs);
            self.schemas = Some(schemas);
        }
        let before = (self.left.rows, self.right.rows);
        let mut row = 0;
        loop {
            self.context.check()?;
            let rows = self.left.available()?.min(self.right.available()?);
            if rows == 0 {
                break;
            }
            self.compare_window(rows, row, partition)?;
            self.left.advance(rows);
            self.right.advance(rows);
            row += rows as u64;
            Progress::add(&self.context.progress().rows, rows as u64);
        }
        for side in [&mut self.left, &mut self.right] {
            if side.current.is_some() {
                side.drain()?;
            }
        }
        let (left_rows, right_rows) = (self.left.rows - before.0, self.right.rows - before.1);
        if let Some(partition) = partition
            && left_rows != right_rows
        {
            let partition = partition.to_string();
            let (left_rows, right_rows) = (Some(left_rows), Some(right_rows));
            self.partitions.push(PartitionDifference { partition, left_rows, right_rows });
        }
        Ok(())
    }

    /// Compares the next `rows` rows of the columns that have not differed yet.
    fn compare_window(&mut self, rows: usize, first_row: u64, partition: Option<&str>) -> Result<()> {
        let _busy = self.context.progress().decode.start();
        let (Some((left, left_row)), Some((right, right_row))) = (&self.left.current, &self.right.current) else {
            return Ok(());
        };
        let span = Span { left: *left_row, right: *right_row, len: rows };
        let differing = differences(self.runtime, left, right, span, &self.open_pairs)?;
        for (index, at) in &differing {
            let pair = &self.open_pairs[*index];
            let (left, right) = (left.column(pair.left), right.column(pair.right));
            let (left, right) = catch_panic(|| Ok(show_pair(left, span.left + at, right, span.right + at)))?;
            let partition = partition.map(str::to_string);
            let row = first_row + *at as u64;
            self.found.insert(pair.left, ColumnDifference { column: pair.name.clone(), partition, row, left, right });
        }
        if !differing.is_empty() {
            self.open_pairs.retain(|pair| !self.found.contains_key(&pair.left));
        }
        Ok(())
    }

    fn report(mut self) -> Result<VerifyReport> {
        let schemas = self.schemas.take().unwrap_or_else(|| compare_feeds(&self.left, &self.right));
        let (left, right) = (side_report(&self.left), side_report(&self.right));
        let found: Vec<_> = self.found.into_values().collect();
        let progress = self.context.progress();
        Progress::add(&progress.payload_bytes, left.payload_bytes.unwrap_or(0) + right.payload_bytes.unwrap_or(0));
        progress.finish();
        Ok(VerifyReport {
            identical: schemas.differences.is_empty()
                && self.partitions.is_empty()
                && found.is_empty()
                && left.rows == right.rows,
            left,
            right,
            schema_differences: schemas.differences,
            schema_notes: schemas.notes,
            columns: found,
            partitions: self.partitions,
            metrics: self.context.metrics(),
        })
    }
}

/// The parts that are counted only, as [`or_schema`] lets the side's thread read them.
fn or_schema_only(only: &[Part], common: &[Part]) -> Vec<Part> {
    if common.is_empty() { or_schema(only.to_vec()) } else { only.to_vec() }
}

/// Reads the next part of a side that the other side lacks.
fn count_part(side: &mut Feed) -> Result<u64> {
    let before = side.rows;
    side.open()?;
    side.drain()?;
    Ok(side.rows - before)
}

fn compare_feeds(left: &Feed, right: &Feed) -> SchemaComparison {
    match (&left.schema, &right.schema) {
        (Some(left_schema), Some(right_schema)) => {
            compare_schemas(left_schema, left.name(), right_schema, right.name())
        }
        _ => SchemaComparison::default(),
    }
}

fn side_report(side: &Feed) -> SideReport {
    SideReport {
        name: side.name().to_string(),
        rows: side.rows,
        columns: side.schema.as_ref().map_or(0, |schema| schema.fields().len()),
        batches: side.batches,
        payload_bytes: side.payload_bytes(),
    }
}

/// The pairs that differ within the span, each with the first row, counted from the span's start.
fn differences(
    runtime: &Runtime,
    left: &RecordBatch,
    right: &RecordBatch,
    span: Span,
    pairs: &[ColumnPair],
) -> Result<Vec<(usize, usize)>> {
    let parts = pairs.iter().enumerate().flat_map(|(index, pair)| {
        let columns = (left.column(pair.left).clone(), right.column(pair.right).clone());
        (0..span.len).step_by(TASK_ROWS).map(move |start| (index, start, columns.clone()))
    });
    let compare = move |(index, start, (left, right)): (usize, usize, (ArrayRef, ArrayRef))| {
        let part = Span { left: span.left + start, right: span.right + start, len: TASK_ROWS.min(span.len - start) };
        Ok(first_difference(&left, &right, part).map(|at| (index, start + at)))
    };
    let found: Result<Vec<_>> = if span.len < INLINE_ROWS {
        catch_panic(|| parts.map(compare).collect())
    } else {
        let parts: Vec<_> = parts.collect();
        OrderedMap::new(parts.into_iter(), runtime.cpu.width(), compare).collect()
    };
    let mut found: Vec<(usize, usize)> = found?.into_iter().flatten().collect();
    // The tasks' order is kept, so that a column's first row comes first.
    found.dedup_by_key(|(index, _)| *index);
    Ok(found)
}

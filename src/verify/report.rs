//! What a comparison found.

use crate::metrics::Metrics;

/// The outcome of [`verify`](crate::verify()).
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyReport {
    /// Whether both sides have the same columns, the same rows and the same values.
    pub identical: bool,
    /// What was read on the left.
    pub left: SideReport,
    /// What was read on the right.
    pub right: SideReport,
    /// What makes the schemas different, one sentence each: a column on one side only, another type, another order.
    pub schema_differences: Vec<String>,
    /// What differs in the schemas and does not count: nullability, metadata, names of list items and map entries.
    pub schema_notes: Vec<String>,
    /// Every column whose values differ, once, in the order of the left side's columns.
    pub columns: Vec<ColumnDifference>,
    /// When comparing by partition: partitions that only one side has, or that have other numbers of rows.
    pub partitions: Vec<PartitionDifference>,
    /// What it cost. `rows` are the rows compared (each counted once), `chunks` the batches and `decoded_bytes`
    /// the bytes of Arrow arrays of both sides, `fetch_seconds` the time in which a side was being read,
    /// `decode_seconds` the time in which rows were being compared.
    pub metrics: Metrics,
}

/// What was read on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideReport {
    /// What the side is called.
    pub name: String,
    /// Its rows, all of them.
    pub rows: u64,
    /// Its columns.
    pub columns: usize,
    /// The record batches that it came in.
    pub batches: u64,
    /// The bytes it takes where it is stored, if the side knows.
    pub payload_bytes: Option<u64>,
}

/// A column whose values differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDifference {
    /// The column's name.
    pub column: String,
    /// The partition, when comparing by partition: the first one, in the left side's order, in which it differs.
    pub partition: Option<String>,
    /// The first row that differs, counted from 0; from the partition's first row when comparing by partition.
    pub row: u64,
    /// The value on the left, for a person; a long one is cut to where the values differ.
    pub left: String,
    /// The value on the right.
    pub right: String,
}

/// A partition that is not the same on both sides as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDifference {
    /// The partition, by the text of its value, or its id where no value is known.
    pub partition: String,
    /// Its rows on the left; none if the left side has no such partition.
    pub left_rows: Option<u64>,
    /// Its rows on the right; none if the right side has no such partition.
    pub right_rows: Option<u64>,
}

impl VerifyReport {
    /// Every difference as one sentence for a person, the largest first: schema, partitions, rows, values.
    pub fn differences(&self) -> Vec<String> {
        let (left, right) = (&self.left, &self.right);
        let mut lines = self.schema_differences.clone();
        for difference in &self.partitions {
            let PartitionDifference { partition, left_rows, right_rows } = difference;
            lines.push(match (left_rows, right_rows) {
                (Some(l), Some(r)) => {
                    format!("partition {partition} has {l} rows in {} and {r} in {}", left.name, right.name)
                }
                (Some(rows), None) => format!("partition {partition} ({rows} rows) is only in {}", left.name),
                (None, rows) => {
                    format!("partition {partition} ({} rows) is only in {}", rows.unwrap_or_default(), right.name)
                }
            });
        }
        if left.rows != right.rows {
            lines.push(format!("{} has {} rows and {} has {}", left.name, left.rows, right.name, right.rows));
        }
        for difference in &self.columns {
            let ColumnDifference { column, partition, row, left, right } = difference;
            let place = partition.as_ref().map(|p| format!(" of partition {p}")).unwrap_or_default();
            lines.push(format!("column '{column}' differs first in row {row}{place}: {left} and {right}"));
        }
        lines
    }
}

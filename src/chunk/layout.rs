//! Which field nodes and which buffers of a record-batch message belong to which column.
//!
//! The walk follows the pre-order of
//! <https://arrow.apache.org/docs/format/Columnar.html#recordbatch-message> and checks every count on the
//! way: whoever reads the message afterwards can rely on nodes and buffers fitting the schema.

use std::ops::Range;

use arrow::datatypes::{DataType, Field, Schema, UnionMode};
use arrow_ipc::{MetadataVersion, RecordBatch};

use crate::error::{Error, Result};

/// More elements than any real array; products with any element size stay within 64 bits.
const MAX_LEN: i64 = 1 << 40;

/// The part of a record-batch message that belongs to one top-level column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnSpan {
    /// The first of its field nodes, as an index into the message's list.
    pub(crate) first_node: usize,
    /// Its buffers, as indices into the message's list.
    pub(crate) buffers: Range<usize>,
    /// The first of its counts of variadic buffers, as an index into the message's list.
    pub(crate) first_variadic: usize,
}

/// Checks a record-batch message against a schema and locates each column's buffers.
pub(crate) fn column_spans(
    schema: &Schema,
    batch: &RecordBatch<'_>,
    version: MetadataVersion,
    body_len: u64,
) -> Result<Vec<ColumnSpan>> {
    let rows = batch.length();
    if !(0..=MAX_LEN).contains(&rows) {
        return Err(Error::corrupt(format!("a record batch declares {rows} rows")));
    }
    check_buffers(batch, body_len)?;
    let mut walk = Walk { batch, version, node: 0, buffer: 0, variadic: 0 };
    let mut spans = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let (first_node, first_buffer, first_variadic) = (walk.node, walk.buffer, walk.variadic);
        let len = walk.field(field)?;
        if len != rows {
            return Err(Error::corrupt(format!(
                "column '{}' declares {len} values in a batch of {rows} rows",
                field.name()
            )));
        }
        spans.push(ColumnSpan { first_node, buffers: first_buffer..walk.buffer, first_variadic });
    }
    walk.finish()?;
    Ok(spans)
}

/// Every buffer must lie within the body.
fn check_buffers(batch: &RecordBatch<'_>, body_len: u64) -> Result<()> {
    for (index, buffer) in batch.buffers().iter().flatten().enumerate() {
        let fits = u64::try_from(buffer.offset())
            .ok()
            .zip(u64::try_from(buffer.length()).ok())
            .and_then(|(offset, length)| offset.checked_add(length))
            .is_some_and(|end| end <= body_len);
        if !fits {
            return Err(Error::corrupt(format!(
                "buffer {index} (offset {}, length {}) lies outside the body of {body_len} bytes",
                buffer.offset(),
                buffer.length()
            )));
        }
    }
    Ok(())
}

struct Walk<'a, 'b> {
    batch: &'a RecordBatch<'b>,
    version: MetadataVersion,
    node: usize,
    buffer: usize,
    variadic: usize,
}

impl Walk<'_, '_> {
    /// Walks one field and its children; returns the length of its node.
    fn field(&mut self, field: &Field) -> Result<i64> {
        use DataType::*;
        let data_type = field.data_type();
        let len = self.next_node(field)?;
        match data_type {
            Null => {}
            Utf8 | LargeUtf8 | Binary | LargeBinary => self.take_buffers(3, field)?,
            Utf8View | BinaryView => {
                let count = self.next_variadic(field)?;
                self.take_buffers(count + 2, field)?;
            }
            FixedSizeBinary(size) => {
                self.check_width(len, *size, field)?;
                self.take_buffers(2, field)?;
            }
            List(child) | LargeList(child) | Map(child, _) => {
                self.take_buffers(2, field)?;
                self.field(child)?;
            }
            ListView(child) | LargeListView(child) => {
                self.take_buffers(3, field)?;
                self.field(child)?;
            }
            FixedSizeList(child, size) => {
                self.check_width(len, *size, field)?;
                self.take_buffers(1, field)?;
                let children = self.field(child)?;
                if children < len * i64::from(*size) {
                    return Err(Error::corrupt(format!(
                        "column '{}' declares {len} lists of {size} values but only {children} values",
                        field.name()
                    )));
                }
            }
            Struct(children) => {
                self.take_buffers(1, field)?;
                for child in children {
                    self.field(child)?;
                }
            }
            RunEndEncoded(run_ends, values) => {
                self.field(run_ends)?;
                self.field(values)?;
            }
            Union(children, mode) => {
                let validity = usize::from(self.version < MetadataVersion::V5);
                let offsets = usize::from(matches!(mode, UnionMode::Dense));
                self.take_buffers(1 + validity + offsets, field)?;
                for (_, child) in children.iter() {
                    self.field(child)?;
                }
            }
            _ => self.take_buffers(2, field)?,
        }
        Ok(len)
    }

    fn next_node(&mut self, field: &Field) -> Result<i64> {
        let nodes = self.batch.nodes().filter(|nodes| self.node < nodes.len());
        let node = *nodes.ok_or_else(|| missing("field nodes", field))?.get(self.node);
        self.node += 1;
        let (len, nulls) = (node.length(), node.null_count());
        if !(0..=MAX_LEN).contains(&len) || !(0..=len).contains(&nulls) {
            return Err(Error::corrupt(format!("column '{}' declares {len} values and {nulls} nulls", field.name())));
        }
        Ok(len)
    }

    fn next_variadic(&mut self, field: &Field) -> Result<usize> {
        let counts = self.batch.variadicBufferCounts().filter(|counts| self.variadic < counts.len());
        let count = counts.ok_or_else(|| missing("variadic buffer counts", field))?.get(self.variadic);
        self.variadic += 1;
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.buffer_count())
            .ok_or_else(|| Error::corrupt(format!("column '{}' declares {count} data buffers", field.name())))
    }

    fn take_buffers(&mut self, count: usize, field: &Field) -> Result<()> {
        self.buffer += count;
        if self.buffer > self.buffer_count() {
            return Err(missing("buffers", field));
        }
        Ok(())
    }

    fn buffer_count(&self) -> usize {
        self.batch.buffers().map_or(0, |buffers| buffers.len())
    }

    fn check_width(&self, len: i64, width: i32, field: &Field) -> Result<()> {
        if width < 0 || len.checked_mul(i64::from(width)).is_none_or(|total| total > MAX_LEN) {
            return Err(Error::corrupt(format!("column '{}' declares {len} values of {width} each", field.name())));
        }
        Ok(())
    }

    /// Nothing may be left over: then the message belongs to another schema.
    fn finish(&self) -> Result<()> {
        let nodes = self.batch.nodes().map_or(0, |nodes| nodes.len());
        if self.node != nodes || self.buffer != self.buffer_count() {
            return Err(Error::corrupt(format!(
                "a record batch has {nodes} field nodes and {} buffers where its schema needs {} and {}",
                self.buffer_count(),
                self.node,
                self.buffer
            )));
        }
        let variadic = self.batch.variadicBufferCounts().map_or(0, |counts| counts.len());
        if self.variadic != variadic {
            return Err(Error::corrupt(format!(
                "a record batch has {variadic} counts of variadic buffers where its schema needs {}",
                self.variadic
            )));
        }
        Ok(())
    }
}

fn missing(what: &str, field: &Field) -> Error {
    Error::corrupt(format!("a record batch has too few {what} for its schema, at column '{}'", field.name()))
}

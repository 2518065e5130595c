//! Collecting the chunks of an upload, and what is known of them, until the manifest is written.

use std::sync::Arc;

use arrow::array::{Array, ArrayBuilder, ArrayRef, UInt32Array, UInt64Builder, new_null_array};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Schema};

use super::table::{ChunkColumns, ChunkEntry, arranged};
use super::{Manifest, StatisticsColumn};
use crate::chunk::Frame;
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::partition::{self, PartitionValue};
use crate::statistics::{ColumnStatistics, statistics_type};

/// Collects the chunks of an upload as they are written, in any order. What it holds of a chunk is what grows with the
/// dataset while that is written: no more than the columns of the manifest, and room for no more chunks than there are.
#[derive(Debug)]
pub(crate) struct ManifestBuilder {
    chunks: ChunkColumns,
    /// For each row the place of its partition's value in `values`.
    row_values: Vec<u32>,
    values: Vec<Option<PartitionValue>>,
    statistics: Vec<StatisticsBuilder>,
    /// For each row, where statistics are known beforehand, which row of those is its own, or [`PUSHED`].
    sources: Option<Vec<u32>>,
    /// How many rows of statistics are known beforehand.
    known_rows: usize,
}

/// What is known of the columns of a chunk.
#[derive(Debug, Clone)]
pub(crate) enum ChunkStatistics {
    Nothing,
    /// A row of what was [known beforehand](ManifestBuilder::with_known).
    Row(usize),
    /// In the order of the builder's columns.
    Computed(Vec<ColumnStatistics>),
}

/// A chunk whose statistics came with it.
const PUSHED: u32 = u32::MAX;

/// What is the same for all chunks of an upload.
#[derive(Debug, Clone)]
pub(crate) struct ManifestHeader {
    pub(crate) upload_id: String,
    /// RFC 3339; empty where the time must not matter, as in a generated file.
    pub(crate) created_at: String,
    pub(crate) compression: Codec,
    pub(crate) schema_frame: Frame,
    pub(crate) partition_column: Option<(String, DataType)>,
}

impl ManifestBuilder {
    /// `statistics_columns` says of which columns of the schema there will be statistics, `chunks` how many chunks
    /// there will be, as far as known.
    pub(crate) fn new(statistics_columns: &[usize], schema: &Schema, chunks: usize) -> Self {
        let builder = |column: &usize| StatisticsBuilder::new(*column, schema);
        ManifestBuilder {
            chunks: ChunkColumns::with_capacity(chunks),
            row_values: Vec::with_capacity(chunks),
            values: Vec::new(),
            statistics: statistics_columns.iter().filter_map(builder).collect(),
            sources: None,
            known_rows: 0,
        }
    }

    /// Statistics that are known before the chunks are written, of the builder's columns and in their order. They are
    /// shared, not copied: [`ChunkStatistics::Row`] says which row of them is a chunk's.
    pub(crate) fn with_known(mut self, known: Option<Vec<StatisticsColumn>>) -> Self {
        let Some(known) = known else { return self };
        self.known_rows = known.first().map_or(0, |column| column.null_count.len());
        self.sources = Some(Vec::with_capacity(self.row_values.capacity()));
        for (builder, known) in self.statistics.iter_mut().zip(known) {
            builder.known = Some(known);
        }
        self
    }

    /// Adds a chunk.
    pub(crate) fn push(
        &mut self,
        entry: &ChunkEntry,
        value: Option<PartitionValue>,
        statistics: &ChunkStatistics,
    ) -> Result<()> {
        let computed = match statistics {
            ChunkStatistics::Nothing => None,
            ChunkStatistics::Computed(statistics) => Some(statistics),
            ChunkStatistics::Row(row) => {
                let row = u32::try_from(*row).ok().filter(|_| *row < self.known_rows);
                let row = row.ok_or_else(|| Error::internal("statistics that are not known"))?;
                return self.push_chunk(entry, value, row);
            }
        };
        self.push_chunk(entry, value, PUSHED)?;
        for (position, builder) in self.statistics.iter_mut().enumerate() {
            builder.push(computed.map(|statistics| &statistics[position]))?;
        }
        Ok(())
    }

    fn push_chunk(&mut self, entry: &ChunkEntry, value: Option<PartitionValue>, source: u32) -> Result<()> {
        if self.chunks.len() >= PUSHED as usize {
            return Err(Error::unsupported(format!("a dataset of more than {PUSHED} chunks")));
        }
        // Chunks of a partition mostly come one after the other.
        if self.values.last() != Some(&value) {
            self.values.push(value);
        }
        self.chunks.push(entry);
        self.row_values.push(self.values.len() as u32 - 1);
        if let Some(sources) = &mut self.sources {
            sources.push(source);
        }
        Ok(())
    }

    /// For each row of the manifest, which row of the collected statistics is its own; `None` where that is the same.
    /// Those that were known come first, then those that were pushed.
    fn statistics_rows(&mut self, order: Option<&[u32]>) -> Option<UInt32Array> {
        let Some(mut rows) = self.sources.take() else { return order.map(|order| order.to_vec().into()) };
        let mut next = self.known_rows as u32;
        for row in rows.iter_mut().filter(|row| **row == PUSHED) {
            *row = next;
            next += 1;
        }
        let rows = arranged(rows, order);
        let alike = rows.len() == next as usize && rows.iter().enumerate().all(|(row, from)| row == *from as usize);
        (!alike).then(|| rows.into())
    }

    /// The finished manifest.
    pub(crate) fn finish(mut self, header: ManifestHeader) -> Result<Manifest> {
        let order = self.chunks.order();
        let order = order.as_deref();
        let (partition_column, value_type) = match header.partition_column {
            Some((name, data_type)) => (Some(name), data_type),
            None => (None, DataType::Utf8),
        };
        let statistics_rows = self.statistics_rows(order);
        let values = partition::values_array(&self.values, &value_type)?;
        let value_rows = UInt32Array::from(arranged(self.row_values, order));
        let mut statistics = Vec::with_capacity(self.statistics.len());
        for builder in self.statistics {
            statistics.extend(builder.finish(statistics_rows.as_ref())?);
        }
        Ok(Manifest {
            upload_id: header.upload_id,
            created_at: header.created_at,
            compression: header.compression,
            writer: concat!("arrowredis ", env!("CARGO_PKG_VERSION")).to_string(),
            partition_column,
            partition_values: take(&values, &value_rows, None)?,
            statistics,
            chunks: self.chunks.finish(order),
            schema: header.schema_frame.schema()?,
            schema_frame: header.schema_frame,
            trailer: None,
        })
    }
}

/// Collects the statistics of one column. Arrays of one element take hundreds of bytes each, so they are
/// joined as they come.
#[derive(Debug)]
struct StatisticsBuilder {
    column: usize,
    /// What is known of it before any chunk is written.
    known: Option<StatisticsColumn>,
    /// One null, for chunks of which nothing is known.
    absent: ArrayRef,
    min: Vec<ArrayRef>,
    max: Vec<ArrayRef>,
    null_counts: UInt64Builder,
}

impl StatisticsBuilder {
    const JOINED: usize = 64;

    /// `None` for a column that cannot have statistics.
    fn new(column: usize, schema: &Schema) -> Option<Self> {
        let absent = new_null_array(statistics_type(schema.field(column).data_type())?, 1);
        let (min, max) = (Vec::new(), Vec::new());
        Some(StatisticsBuilder { column, known: None, absent, min, max, null_counts: UInt64Builder::with_capacity(0) })
    }

    fn push(&mut self, statistics: Option<&ColumnStatistics>) -> Result<()> {
        self.min.push(statistics.map_or(&self.absent, |s| &s.min).clone());
        self.max.push(statistics.map_or(&self.absent, |s| &s.max).clone());
        self.null_counts.append_option(statistics.map(|s| s.null_count));
        if self.null_counts.len().is_multiple_of(Self::JOINED) {
            join_tail(&mut self.min, Self::JOINED)?;
            join_tail(&mut self.max, Self::JOINED)?;
        }
        Ok(())
    }

    /// The column, with its rows taken from the given places; `None` where nothing is known of any chunk.
    fn finish(mut self, rows: Option<&UInt32Array>) -> Result<Option<StatisticsColumn>> {
        let null_count: ArrayRef = Arc::new(self.null_counts.finish());
        let pushed = [join(&self.min, &self.absent)?, join(&self.max, &self.absent)?, null_count];
        let mut arrays = match self.known {
            None => pushed,
            Some(StatisticsColumn { min, max, null_count, .. }) => {
                let mut arrays = [min, max, null_count];
                for (known, pushed) in arrays.iter_mut().zip(&pushed).filter(|(_, pushed)| !pushed.is_empty()) {
                    *known = concat(&[known, pushed])?;
                }
                arrays
            }
        };
        if let Some(rows) = rows {
            for array in &mut arrays {
                *array = take(array, rows, None)?;
            }
        }
        let [min, max, null_count] = arrays;
        let column = StatisticsColumn { column: self.column, min, max, null_count };
        Ok(Some(column).filter(|column| column.null_count.null_count() < column.null_count.len()))
    }
}

/// Joins the last `count` parts, and what that makes with the part before it as long as both are of one length: of
/// any number of elements there are few parts.
fn join_tail(parts: &mut Vec<ArrayRef>, count: usize) -> Result<()> {
    let mut start = parts.len() - count;
    loop {
        let joined = join_all(&parts[start..])?;
        parts.truncate(start);
        let same = parts.last().is_some_and(|before| before.len() == joined.len());
        parts.push(joined);
        if !same {
            return Ok(());
        }
        start = parts.len() - 2;
    }
}

/// All parts as one array; one without elements, of the type of `like`, if there are none.
fn join(parts: &[ArrayRef], like: &ArrayRef) -> Result<ArrayRef> {
    if parts.is_empty() { Ok(like.slice(0, 0)) } else { join_all(parts) }
}

fn join_all(parts: &[ArrayRef]) -> Result<ArrayRef> {
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    Ok(concat(&parts)?)
}

impl Manifest {
    /// The statistics of the given columns, in their order; `None` if one of them has none.
    pub(crate) fn known_statistics(&self, columns: &[usize]) -> Option<Vec<StatisticsColumn>> {
        let of = |column: &usize| self.statistics.iter().find(|statistics| statistics.column == *column).cloned();
        columns.iter().map(of).collect()
    }

    /// Whether it has statistics of a chunk for all of these columns; not where there are none.
    pub(crate) fn knows(&self, chunk: usize, columns: &[usize]) -> bool {
        let known = |column: &usize| {
            self.statistics.iter().any(|known| known.column == *column && known.null_count.is_valid(chunk))
        };
        !columns.is_empty() && columns.iter().all(known)
    }
}

//! Which batch of a file belongs to which partition.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow::datatypes::DataType;

use super::IpcFile;
use crate::chunk::{self, Body, Frame};
use crate::error::{Error, Result};
use crate::partition::{self, PartitionIds, PartitionValue, Selection};
use crate::runtime::{Context, runtime};

/// Batches whose heads are read together.
const WINDOW: usize = 256;
/// Bytes of partition columns that are read together at the most, unless one alone has more.
const WINDOW_BYTES: u64 = 16 << 20;

/// How the batches of a file without an index of ours are assigned to partitions.
#[derive(Debug, Clone)]
pub(crate) struct PartitionBy {
    pub(crate) column: String,
    /// Batches per partition, for files without that column.
    pub(crate) batches: Option<u32>,
}

/// One batch of a file, as a part of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FileBatch {
    /// Which record batch of the file.
    pub(crate) position: usize,
    pub(crate) partition: u32,
    pub(crate) batch: u32,
    pub(crate) value: Option<PartitionValue>,
}

/// The batches of a file in the order of the file, and the partition column where there is one.
#[derive(Debug)]
pub(crate) struct FilePlan {
    pub(crate) batches: Vec<FileBatch>,
    pub(crate) column: Option<(String, DataType)>,
}

impl FilePlan {
    /// Each partition's id, and its value as text where it has one, in the order of the ids.
    pub(crate) fn partitions(&self) -> Result<Vec<(u32, Option<String>)>> {
        let mut existing: Vec<(u32, Option<PartitionValue>)> =
            self.batches.iter().map(|b| (b.partition, b.value.clone())).collect();
        existing.sort();
        existing.dedup();
        let data_type = self.column.as_ref().map_or(DataType::Null, |(_, data_type)| data_type.clone());
        let (ids, values): (Vec<u32>, Vec<_>) = existing.into_iter().unzip();
        let texts = partition::display_values(&partition::values_array(&values, &data_type)?)?;
        Ok(ids.into_iter().zip(texts).collect())
    }
}

impl IpcFile {
    /// The batches of the wanted partitions, ordered by partition and batch.
    pub(crate) fn select(self: &Arc<Self>, selection: &Selection, by: &PartitionBy, ctx: &Context) -> Result<FilePlan> {
        let has_column = self.schema().index_of(&by.column).is_ok();
        if *selection == Selection::All && !has_column && by.batches.is_none() {
            // Nothing says what a partition is, and nothing needs to.
            let all = PartitionBy { batches: Some(u32::MAX), ..by.clone() };
            return self.plan(&all, ctx);
        }
        let mut plan = self.plan(by, ctx)?;
        let wanted = selection.resolve(&plan.partitions()?).map_err(|e| e.context(format!("'{}'", self.name)))?;
        plan.batches.retain(|batch| wanted.contains(&batch.partition));
        plan.batches.sort_by_key(|batch| (batch.partition, batch.batch));
        Ok(plan)
    }

    /// Assigns every batch to its partition.
    pub(crate) fn plan(self: &Arc<Self>, by: &PartitionBy, ctx: &Context) -> Result<FilePlan> {
        if let Some(plan) = self.plan_from_index(by)? {
            return Ok(plan);
        }
        let Ok(column) = self.schema().index_of(&by.column) else { return self.plan_from_count(by) };
        let data_type = partition::value_type(&by.column, self.schema().field(column).data_type())?;
        let wanted = PartitionColumn { file: self.clone(), column, data_type: data_type.clone() };
        let context = ctx.clone();
        let values = ctx.block_on_part(async move { Arc::new(wanted).values(&context).await })?;
        Ok(FilePlan { batches: assign(&values)?, column: Some((by.column.clone(), data_type)) })
    }

    /// The index serves if it was made for the same partition column.
    fn plan_from_index(&self, by: &PartitionBy) -> Result<Option<FilePlan>> {
        let Some(index) = &self.index else { return Ok(None) };
        let Some(column) = index.partition_column().filter(|column| *column == by.column) else { return Ok(None) };
        let data_type = index.partition_values.data_type().clone();
        let mut batches = Vec::with_capacity(self.batch_count());
        for position in 0..self.batch_count() {
            let Some(row) = self.index_row(position) else { return Ok(None) };
            let (partition, batch) = index.chunks.place(row);
            let value = partition::single_value(&index.partition_values.slice(row, 1), column, "the index")?;
            batches.push(FileBatch {
                position,
                partition,
                batch,
                value: value.map(|value| partition::as_key(value, &data_type)),
            });
        }
        Ok(Some(FilePlan { batches, column: Some((column.to_string(), data_type)) }))
    }

    fn plan_from_count(&self, by: &PartitionBy) -> Result<FilePlan> {
        let per_partition = by.batches.filter(|batches| *batches > 0).ok_or_else(|| {
            Error::invalid_argument(format!(
                "'{}' has no column '{}': name its partition column (--partition-column), or say how many \
                 batches make a partition (--batches)",
                self.name, by.column
            ))
        })?;
        let batch = |position: usize| FileBatch {
            position,
            partition: (position / per_partition as usize) as u32,
            batch: (position % per_partition as usize) as u32,
            value: None,
        };
        Ok(FilePlan { batches: (0..self.batch_count()).map(batch).collect(), column: None })
    }
}

/// The partition column of a file without an index.
struct PartitionColumn {
    file: Arc<IpcFile>,
    column: usize,
    data_type: DataType,
}

/// A batch of which only the partition column is read.
struct Part {
    position: usize,
    head: Frame,
    /// Where the column lies in the body.
    range: Range<u64>,
}

impl PartitionColumn {
    /// The value of every batch. Nothing else of them is read but their heads.
    async fn values(self: &Arc<Self>, ctx: &Context) -> Result<Vec<Option<PartitionValue>>> {
        let count = self.file.batch_count();
        self.file.load_dictionaries(Some(&[self.column]), ctx).await?;
        let mut values = Vec::with_capacity(count);
        for start in (0..count).step_by(WINDOW) {
            let mut parts = self.heads(start..(start + WINDOW).min(count), ctx).await?.into_iter().peekable();
            while parts.peek().is_some() {
                let (mut window, mut bytes) = (Vec::new(), 0);
                while let Some(part) = parts.next_if(|part| bytes == 0 || bytes + part.len() <= WINDOW_BYTES) {
                    bytes += part.len();
                    window.push(part);
                }
                values.extend(self.window(window, ctx).await?);
            }
        }
        Ok(values)
    }

    async fn heads(&self, positions: Range<usize>, ctx: &Context) -> Result<Vec<Part>> {
        let file = &self.file;
        let ranges: Vec<_> = positions.clone().map(|position| file.block(position).head_range()).collect();
        let heads = file.bytes().read_all(&ranges, ctx).await?;
        let part = |(position, head)| {
            let head = file.batch_head(position, head)?;
            let range = chunk::body_range(&head, file.schema(), &[self.column]);
            Ok(Part { position, head, range: range.map_err(|e| file.at_batch(e, position))? })
        };
        positions.zip(heads).map(part).collect()
    }

    async fn window(self: &Arc<Self>, parts: Vec<Part>, ctx: &Context) -> Result<Vec<Option<PartitionValue>>> {
        let in_file = |part: &Part| {
            let body = self.file.block(part.position).body_range();
            body.start + part.range.start..body.start + part.range.end
        };
        let ranges: Vec<_> = parts.iter().map(in_file).collect();
        let bytes = self.file.bytes().read_all(&ranges, ctx).await?;
        let this = self.clone();
        let decode = move || parts.iter().zip(bytes).map(|(part, bytes)| this.value(part, bytes)).collect();
        runtime()?.compute(decode).await
    }

    fn value(&self, part: &Part, bytes: Buffer) -> Result<Option<PartitionValue>> {
        let (file, position) = (&self.file, part.position);
        let body = Body::sparse(vec![(part.range.start, bytes)], file.block(position).body_len);
        let decoded = file.decode(position, &part.head, &body, Some(&[self.column]))?;
        let (name, batch) = (file.schema().field(self.column).name(), format!("batch {position} of '{}'", file.name));
        let value = partition::single_value(decoded.batch.column(0), name, &batch)?;
        Ok(value.map(|value| partition::as_key(value, &self.data_type)))
    }
}

impl Part {
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }
}

/// Numbers the batches within their partitions. A batch without rows goes with the one before it.
fn assign(values: &[Option<PartitionValue>]) -> Result<Vec<FileBatch>> {
    let mut ids = PartitionIds::default();
    ids.reserve(values.iter().flatten());
    let mut counts = std::collections::HashMap::<u32, u32>::new();
    let mut current = values.iter().flatten().next().cloned();
    let mut batches = Vec::with_capacity(values.len());
    for (position, value) in values.iter().enumerate() {
        current = value.clone().or(current);
        let partition = current.as_ref().map_or(Ok(0), |value| ids.id(value))?;
        let count = counts.entry(partition).or_default();
        batches.push(FileBatch { position, partition, batch: *count, value: current.clone() });
        *count += 1;
    }
    Ok(batches)
}

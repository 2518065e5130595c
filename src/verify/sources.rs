//! Datasets and files as sides of a comparison.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::side::{BatchReader, VerifySide};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::ipc_file::{FileBatch, IpcFile, PartitionBy};
use crate::partition::Selection;
use crate::read::{FileReadOptions, ReadOptions, read, read_batches, read_file};
use crate::runtime::Context;

/// A dataset as a side: its rows in the order of partition and batch.
#[derive(Debug)]
pub struct VerifyDataset {
    name: String,
    dataset: Dataset,
    options: ReadOptions,
    ctx: Context,
    /// The counters of the reads so far.
    reads: Mutex<Vec<Context>>,
}

impl VerifyDataset {
    /// The partitions and columns of a dataset that `options` mean. The reads end with the operation of `ctx`.
    pub fn new(dataset: Dataset, options: ReadOptions, ctx: &Context) -> Self {
        let name = format!("dataset '{}'", dataset.prefix());
        VerifyDataset { name, dataset, options, ctx: ctx.clone(), reads: Mutex::default() }
    }

    fn read(&self, partitions: Selection) -> Result<BatchReader> {
        let options = ReadOptions { partitions, ..self.options.clone() };
        let ctx = self.ctx.part();
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).push(ctx.clone());
        Ok(Box::new(read(&self.dataset, &options, &ctx)?))
    }
}

impl VerifySide for VerifyDataset {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self) -> Result<BatchReader> {
        self.read(self.options.partitions.clone())
    }

    fn partitions(&self, _column: &str) -> Result<Vec<String>> {
        let (dataset, options, ctx) = (self.dataset.clone(), self.options.clone(), self.ctx.clone());
        let plan =
            self.ctx.block_on_part(async move { dataset.plan(&options.partitions, options.batches, &ctx).await })?;
        let mut ids: Vec<u32> = plan.iter().map(|chunk| chunk.partition).collect();
        ids.dedup();
        let known = self.dataset.manifest().map(|manifest| manifest.partitions()).transpose()?.unwrap_or_default();
        Ok(names(ids, &known))
    }

    fn open_partition(&self, _column: &str, partition: &str) -> Result<BatchReader> {
        self.read(Selection::Some(vec![partition.to_string()]))
    }

    fn payload_bytes(&self) -> Option<u64> {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        Some(reads.iter().map(|ctx| ctx.metrics().payload_bytes).sum())
    }
}

/// What partitions are called: by their values, or by their ids where no value is known.
fn names(ids: Vec<u32>, known: &[(u32, Option<String>)]) -> Vec<String> {
    let values: HashMap<u32, &String> = known.iter().filter_map(|(id, value)| Some((*id, value.as_ref()?))).collect();
    ids.into_iter().map(|id| values.get(&id).map_or_else(|| id.to_string(), |value| value.to_string())).collect()
}

/// An IPC file as a side: all rows in the order of the file; some of its partitions, or one after the other, in the
/// order of partition and batch.
#[derive(Debug)]
pub struct VerifyFile {
    file: Arc<IpcFile>,
    options: FileReadOptions,
    ctx: Context,
}

impl VerifyFile {
    /// A file, of which `options` say the partitions, the columns and how partitions are told apart. The reads end with
    /// the operation of `ctx`.
    pub fn new(file: Arc<IpcFile>, options: FileReadOptions, ctx: &Context) -> Self {
        VerifyFile { file, options, ctx: ctx.clone() }
    }

    fn partition_by(&self, column: &str) -> PartitionBy {
        PartitionBy { column: column.to_string(), batches: self.options.batches }
    }
}

impl VerifySide for VerifyFile {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn open(&self) -> Result<BatchReader> {
        if matches!(self.options.partitions, Selection::Some(_)) {
            return Ok(Box::new(read_file(&self.file, &self.options, &self.ctx.part())?));
        }
        let in_order: Vec<FileBatch> = (0..self.file.batch_count())
            .map(|position| FileBatch { position, partition: 0, batch: position as u32, value: None })
            .collect();
        Ok(Box::new(read_batches(&self.file, &in_order, &self.options, &self.ctx.part())?))
    }

    fn partitions(&self, column: &str) -> Result<Vec<String>> {
        let by = self.partition_by(column);
        let plan = match &self.options.partitions {
            Selection::All => self.file.plan(&by, &self.ctx)?,
            some @ Selection::Some(_) => self.file.select(some, &by, &self.ctx)?,
        };
        let known = plan.partitions()?;
        Ok(names(known.iter().map(|(id, _)| *id).collect(), &known))
    }

    fn open_partition(&self, column: &str, partition: &str) -> Result<BatchReader> {
        let partitions = Selection::Some(vec![partition.to_string()]);
        let options = FileReadOptions { partitions, partition_column: column.to_string(), ..self.options.clone() };
        Ok(Box::new(read_file(&self.file, &options, &self.ctx.part())?))
    }

    fn payload_bytes(&self) -> Option<u64> {
        Some(self.file.file_bytes())
    }
}

//! The read verb: selected partitions and columns of a dataset or a file, as a stream of record batches.

mod arriving;
mod chunks;
mod fetch;
mod file;
mod layout;
mod ranged;
mod rows;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchReader};

pub(crate) use self::chunks::{ChunkBytes, ChunkFetch};
pub(crate) use self::fetch::{FetchedBatch, FileFetch};
pub(crate) use self::file::{FileRead, read_batches};
pub use self::file::{open_and_read_file, read_file};
pub(crate) use self::rows::{RowDecoder, Rows};
use crate::chunk::{self, Decoded};
use crate::dataset::{Dataset, PlannedChunk};
use crate::error::{Error, ErrorKind, Result};
use crate::filter::{BoundFilter, Filter, Verdict};
use crate::metrics::{Metrics, Progress};
use crate::options::{Bytes, options, words};
use crate::partition::Selection;
use crate::pipeline::Pipeline;
use crate::runtime::Context;
use crate::tuning;

words! {
    /// What to do about a chunk that should be there and is not.
    pub enum OnMissing {
        /// Fail with `CHUNK_MISSING`, naming it.
        Error = "error",
        /// Go on without it and count it.
        Skip = "skip",
    }
    type = "error|skip"
}

options! {
    /// What to read of a dataset, and how.
    pub struct ReadOptions {
        /// Partitions to read: `all`, or ids or values separated by commas.
        pub partitions: Selection = Selection::All,
        /// Columns to read, in this order; all unless given.
        pub columns: Option<Vec<String>> = None,
        /// Conditions on columns that the rows must meet, such as "id64 >= 100 AND name IN ('a', 'b')"; all rows unless given.
        pub filter as "where": Filter = Filter::default(),
        /// What to do about a missing chunk.
        pub on_missing: OnMissing = OnMissing::Error,
        /// Batches per partition, for data without a manifest; found out unless given.
        pub batches: Option<u32> = None,
        /// Check every chunk that is fetched as a whole against the manifest's checksum.
        pub verify_checksums: bool = true,
        /// Keys of one MGET at the most; 0 means 64. Fewer are asked for when they are large.
        pub pipeline: usize = 0,
        /// Requests in flight at the most; 0 means tuned.
        pub concurrency: usize = 0,
        /// Bytes in flight at the most, 7 MiB for each request in flight unless given (21 MiB on two cores, near the server); the process's budget may allow less.
        pub max_inflight_bytes: Option<Bytes> = None,
    }
}

options! {
    /// What to read of an IPC file, and how.
    pub struct FileReadOptions {
        /// Partitions to read: `all`, or ids or values separated by commas.
        pub partitions: Selection = Selection::All,
        /// Columns to read, in this order; all unless given.
        pub columns: Option<Vec<String>> = None,
        /// Conditions on columns that the rows must meet, such as "id64 >= 100 AND name IN ('a', 'b')"; all rows unless given.
        pub filter as "where": Filter = Filter::default(),
        /// The column that says to which partition a row belongs, for files of other writers.
        pub partition_column: String = crate::schema::PARTITION_COLUMN.to_string(),
        /// Batches per partition, for files without a partition column.
        pub batches: Option<u32> = None,
        /// Reads in flight at the most; 0 means tuned.
        pub concurrency: usize = 0,
        /// Bytes in flight at the most, 32 MiB unless given, on S3 from 64 to 96 MiB, the more the longer its answers take; the process's budget may allow less.
        pub max_inflight_bytes: Option<Bytes> = None,
        /// Map the file instead of reading it: its uncompressed columns are used where they lie. It must not change meanwhile.
        pub mmap: bool = false,
    }
}

/// A record batch and where it belongs.
#[derive(Debug, Clone)]
pub struct ReadBatch {
    /// The partition's id.
    pub partition: u32,
    /// The batch within the partition, counted from 0.
    pub batch: u32,
    /// The rows.
    pub data: RecordBatch,
}

/// A running read: an iterator of record batches, ordered by partition and batch.
///
/// Fetching and decoding go on in the background while batches are consumed, as far as the byte budget
/// allows. Dropping the reader stops them. The arrays outlive the reader, the dataset and the store.
#[derive(Debug)]
pub struct Reader {
    schema: SchemaRef,
    pipeline: Pipeline<Option<Decoded>>,
    /// Partition and batch of each item.
    places: Arc<[(u32, u32)]>,
    position: usize,
    dataset: Option<Dataset>,
    ctx: Context,
}

impl Reader {
    /// The schema of the batches: the wanted columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The figures as they stand now.
    pub fn metrics(&self) -> Metrics {
        self.ctx.metrics()
    }

    /// The context that the read runs in.
    pub fn context(&self) -> &Context {
        &self.ctx
    }

    /// The next batch with its place; `None` after the last. An error ends the read.
    pub fn next_batch(&mut self) -> Option<Result<ReadBatch>> {
        loop {
            let Some(result) = self.pipeline.next() else {
                self.ctx.progress().finish();
                return None;
            };
            let (partition, batch) = self.places.get(self.position).copied().unwrap_or_default();
            self.position += 1;
            match result {
                Ok(Some(decoded)) => {
                    let progress = self.ctx.progress();
                    Progress::add(&progress.rows, decoded.batch.num_rows() as u64);
                    return Some(Ok(ReadBatch { partition, batch, data: decoded.batch }));
                }
                Ok(None) => {}
                Err(error) => {
                    self.ctx.progress().finish();
                    return Some(Err(explain(error, self.dataset.as_ref(), &self.ctx)));
                }
            }
        }
    }
}

impl Iterator for Reader {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().map(|batch| batch.map(|batch| batch.data).map_err(ArrowError::from))
    }
}

impl RecordBatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// A chunk that is missing or does not match may just mean that the dataset was replaced: then say so.
pub(crate) fn explain(error: Error, dataset: Option<&Dataset>, ctx: &Context) -> Error {
    let Some(dataset) = dataset.filter(|_| matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::ChunkMissing)) else {
        return error;
    };
    let (asked, context) = (dataset.clone(), ctx.clone());
    match ctx.block_on_part(async move { asked.is_current(&context).await }) {
        Ok(false) => dataset.replaced(),
        _ => error,
    }
}

/// Starts reading a dataset.
///
/// Of wanted columns only their bytes are fetched, where that is cheaper than whole chunks. Rows are handed out once
/// it is known that the dataset was not replaced meanwhile; data without a manifest does not tell.
///
/// # Errors
/// `NOT_FOUND` for a partition or column that does not exist; what the store reports while the plan is made.
pub fn read(dataset: &Dataset, options: &ReadOptions, ctx: &Context) -> Result<Reader> {
    read_planned(dataset, options, ReadPlan::new(dataset, options, ctx)?)
}

fn read_planned(dataset: &Dataset, options: &ReadOptions, plan: ReadPlan) -> Result<Reader> {
    let schema = project_schema(&plan.schema, options.columns.as_deref())?;
    let rows = Rows::new(&plan.schema, options.columns.as_deref(), plan.filter.clone());
    let decoder = RowDecoder::new(&plan.schema, rows)?;
    let places = plan.places();
    let ctx = plan.ctx.clone();
    let on_missing = options.on_missing;
    let pipeline = ChunkFetch::new(dataset, plan, options)?.start(options, move |fetch, item, bytes| {
        let Some(bytes) = bytes else {
            return fetch.missing(item, on_missing, fetch.progress()).map(|()| (None, 0));
        };
        let (decoded, decoded_bytes) = decoder.decode(&bytes).map_err(|e| fetch.at(e, item))?;
        Progress::add(&fetch.progress().decoded_bytes, decoded_bytes);
        let held = decoded.as_ref().map_or(0, |decoded| decoded.held);
        Ok((decoded, held))
    })?;
    Ok(Reader { schema, pipeline, places: places.into(), position: 0, dataset: Some(dataset.clone()), ctx })
}

/// What a read of a dataset will fetch.
#[derive(Debug)]
pub(crate) struct ReadPlan {
    pub(crate) ctx: Context,
    pub(crate) chunks: Vec<PlannedChunk>,
    /// Of the dataset.
    pub(crate) schema: SchemaRef,
    /// Where the first chunk has its schema and the heads of its other messages; empty where there is a manifest.
    pub(crate) head_places: Vec<Range<u64>>,
    /// What one more read of a part of a chunk costs, in bytes that could be read instead.
    pub(crate) read_cost_bytes: u64,
    pub(crate) filter: Option<BoundFilter>,
    /// What the statistics say of each chunk's rows.
    pub(crate) verdicts: Vec<Verdict>,
}

impl ReadPlan {
    pub(crate) fn new(dataset: &Dataset, options: &ReadOptions, ctx: &Context) -> Result<Self> {
        let ctx = match options.max_inflight_bytes {
            Some(bytes) => ctx.clone().with_max_inflight_bytes(bytes.0),
            None => ctx.clone(),
        };
        let (asked, selection, batches, context) =
            (dataset.clone(), options.partitions.clone(), options.batches, ctx.clone());
        let (chunks, (schema, head_places)) = ctx.block_on_part(async move {
            let chunks = asked.plan(&selection, batches, &context).await?;
            let schema = asked.schema_and_head(&chunks, &context).await?;
            Ok((chunks, schema))
        })?;
        let filter = BoundFilter::new(&options.filter, &schema)?;
        let (chunks, verdicts) = prune(chunks, filter.as_ref(), dataset, ctx.progress())?;
        Progress::add(&ctx.progress().chunks_expected, chunks.len() as u64);
        let read_cost_bytes = tuning::READ_COST_BYTES;
        Ok(ReadPlan { ctx, chunks, schema, head_places, read_cost_bytes, filter, verdicts })
    }

    /// Partition and batch of each chunk.
    pub(crate) fn places(&self) -> Vec<(u32, u32)> {
        self.chunks.iter().map(|chunk| (chunk.partition, chunk.batch)).collect()
    }
}

/// The chunks that may hold wanted rows, each with what the manifest's statistics say of it.
fn prune(
    chunks: Vec<PlannedChunk>,
    filter: Option<&BoundFilter>,
    dataset: &Dataset,
    progress: &Progress,
) -> Result<(Vec<PlannedChunk>, Vec<Verdict>)> {
    let verdicts = match (filter, dataset.manifest()) {
        (Some(filter), Some(manifest)) => filter.verdicts(manifest)?,
        _ => Vec::new(),
    };
    let unknown = if filter.is_some() { Verdict::Maybe } else { Verdict::Always };
    let verdict = |chunk: &PlannedChunk| chunk.row.and_then(|row| verdicts.get(row)).copied().unwrap_or(unknown);
    let (kept, pruned): (Vec<_>, Vec<_>) =
        chunks.into_iter().map(|chunk| (verdict(&chunk), chunk)).partition(|(verdict, _)| *verdict != Verdict::Never);
    Progress::add(&progress.chunks_pruned, pruned.len() as u64);
    Progress::add(&progress.bytes_pruned, pruned.iter().map(|(_, chunk)| chunk.payload_bytes).sum());
    Ok(kept.into_iter().map(|(verdict, chunk)| (chunk, verdict)).unzip())
}

/// The schema of the wanted columns.
pub(crate) fn project_schema(schema: &SchemaRef, columns: Option<&[String]>) -> Result<SchemaRef> {
    let Some(columns) = columns else { return Ok(schema.clone()) };
    let (increasing, order) = chunk::projection(schema, columns)?;
    let indices: Vec<usize> = order.into_iter().map(|place| increasing[place]).collect();
    Ok(Arc::new(schema.project(&indices)?))
}

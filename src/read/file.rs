//! Reading an IPC file, wherever it lies.

use std::sync::Arc;

use super::fetch::{FetchedBatch, FileFetch};
use super::{FileReadOptions, Reader, Rows, project_schema};
use crate::chunk::{self, Decoded};
use crate::error::Result;
use crate::filter::{BoundFilter, Verdict};
use crate::ipc_file::{FileBatch, FileOptions, FilePlan, IpcFile, PartitionBy};
use crate::metrics::Progress;
use crate::runtime::Context;

/// Starts reading an IPC file.
///
/// Only the wanted partitions are touched, and only the bytes of the wanted columns are fetched. Of a mapped file,
/// uncompressed columns are handed out where they lie. The batches come in the order of partition and batch.
///
/// # Errors
/// `NOT_FOUND` for a partition or column that does not exist; `CORRUPT` and `UNSUPPORTED` as [`IpcFile::open`].
pub fn read_file(file: &Arc<IpcFile>, options: &FileReadOptions, ctx: &Context) -> Result<Reader> {
    read_batches(file, &selected(file, options, ctx)?.batches, options, ctx)
}

/// The batches of the wanted partitions, ordered by partition and batch.
fn selected(file: &Arc<IpcFile>, options: &FileReadOptions, ctx: &Context) -> Result<FilePlan> {
    let by = PartitionBy { column: options.partition_column.clone(), batches: options.batches };
    file.select(&options.partitions, &by, ctx)
}

/// A read of a file, as it is planned.
pub(crate) struct FileRead {
    pub(crate) ctx: Context,
    /// The batches that are fetched: those that may hold wanted rows.
    pub(crate) plan: FilePlan,
    pub(crate) fetch: FileFetch,
    pub(crate) decoder: FileDecoder,
}

impl FileRead {
    pub(crate) fn new(file: &Arc<IpcFile>, options: &FileReadOptions, ctx: &Context) -> Result<Self> {
        Self::of_batches(file, selected(file, options, ctx)?, options, ctx)
    }

    fn of_batches(file: &Arc<IpcFile>, mut plan: FilePlan, options: &FileReadOptions, ctx: &Context) -> Result<Self> {
        let ctx = match options.max_inflight_bytes {
            Some(bytes) => ctx.clone().with_max_inflight_bytes(bytes.0),
            None => ctx.clone().with_default_inflight_bytes(file.bytes().tuning().look_ahead_bytes),
        };
        let filter = BoundFilter::new(&options.filter, file.schema())?;
        prune(file, &mut plan.batches, filter.as_ref(), ctx.progress())?;
        let rows = Rows::new(file.schema(), options.columns.as_deref(), filter);
        let projection = rows.columns().map(|columns| chunk::projection(file.schema(), columns)).transpose()?;
        let (columns, order) = projection.unzip();
        Progress::add(&ctx.progress().chunks_expected, plan.batches.len() as u64);
        let positions = plan.batches.iter().map(|batch| batch.position).collect();
        let fetch = FileFetch::new(file, positions, columns, options.concurrency);
        Ok(FileRead { decoder: FileDecoder { rows, order, progress: ctx.progress().clone() }, ctx, plan, fetch })
    }
}

/// The batches that may hold wanted rows, by the file's index.
fn prune(
    file: &IpcFile,
    batches: &mut Vec<FileBatch>,
    filter: Option<&BoundFilter>,
    progress: &Progress,
) -> Result<()> {
    let (Some(filter), Some(index)) = (filter, file.index()) else { return Ok(()) };
    let verdicts = filter.verdicts(index)?;
    batches.retain(|batch| {
        let verdict = file.index_row(batch.position).and_then(|row| verdicts.get(row));
        let kept = verdict != Some(&Verdict::Never);
        if !kept {
            Progress::add(&progress.chunks_pruned, 1);
            Progress::add(&progress.bytes_pruned, file.block(batch.position).len());
        }
        kept
    });
    Ok(())
}

/// From a fetched batch to the rows and columns that are wanted.
pub(crate) struct FileDecoder {
    rows: Rows,
    /// The wanted columns among those that are decoded; `None` means all.
    order: Option<Vec<usize>>,
    progress: Arc<Progress>,
}

impl FileDecoder {
    /// The wanted rows; `None` where a filter leaves none.
    pub(crate) fn decode(&self, fetch: &FileFetch, item: usize, batch: &FetchedBatch) -> Result<Option<Decoded>> {
        let mut decoded = fetch.decode(item, batch)?;
        if let Some(order) = &self.order {
            decoded.batch = decoded.batch.project(order)?;
        }
        Progress::add(&self.progress.decoded_bytes, decoded.bytes);
        self.rows.select(decoded).map_err(|e| fetch.named(e))
    }
}

/// Starts reading batches of a file, in the order given.
pub(crate) fn read_batches(
    file: &Arc<IpcFile>,
    batches: &[FileBatch],
    options: &FileReadOptions,
    ctx: &Context,
) -> Result<Reader> {
    let plan = FilePlan { batches: batches.to_vec(), column: None };
    let FileRead { ctx, plan, fetch, decoder } = FileRead::of_batches(file, plan, options, ctx)?;
    let schema = project_schema(file.schema(), options.columns.as_deref())?;
    let places: Arc<[(u32, u32)]> = plan.batches.iter().map(|b| (b.partition, b.batch)).collect();
    let pipeline = fetch.start(&ctx, move |fetch, item, batch| {
        let decoded = decoder.decode(fetch, item, &batch)?;
        let held = decoded.as_ref().map_or(0, |decoded| decoded.held);
        Ok((decoded, held))
    })?;
    Ok(Reader { schema, pipeline, places, position: 0, dataset: None, ctx })
}

/// Opens an IPC file by its path or its URL on S3, and starts reading it; see [`IpcFile::open_at`].
///
/// # Errors
/// As [`IpcFile::open_at`] and [`read_file`].
pub fn open_and_read_file(location: &str, options: &FileReadOptions, ctx: &Context) -> Result<Reader> {
    let opening = FileOptions { mmap: options.mmap, ..FileOptions::default() };
    read_file(&Arc::new(IpcFile::open_at(location, &opening, ctx)?), options, ctx)
}

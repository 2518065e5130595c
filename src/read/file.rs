//! Reading a local IPC file.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::{FileReadOptions, Reader, Rows, project_schema};
use crate::chunk::{self, Decoded, Frame};
use crate::error::{Error, Result};
use crate::filter::{BoundFilter, Verdict};
use crate::ipc_file::{FileBatch, IpcFile, PartitionBy};
use crate::metrics::Progress;
use crate::pipeline::{OnFetched, Pipeline, Work, all, groups};
use crate::runtime::{Context, available_cores, runtime};
use crate::store::BoxFuture;
use crate::tuning;

/// Starts reading an IPC file.
///
/// Only the wanted partitions are touched. Of a mapped file, uncompressed columns are handed out where they
/// lie. The batches come in the order of partition and batch.
///
/// # Errors
/// `NOT_FOUND` for a partition or column that does not exist; `CORRUPT` and `UNSUPPORTED` as [`IpcFile::open`].
pub fn read_file(file: &Arc<IpcFile>, options: &FileReadOptions, ctx: &Context) -> Result<Reader> {
    let by = PartitionBy { column: &options.partition_column, batches: options.batches };
    read_batches(file, &file.select(&options.partitions, &by)?, options, ctx)
}

/// Starts reading batches of a file, in the order given.
pub(crate) fn read_batches(
    file: &Arc<IpcFile>,
    selected: &[FileBatch],
    options: &FileReadOptions,
    ctx: &Context,
) -> Result<Reader> {
    let ctx = match options.max_inflight_bytes {
        Some(bytes) => ctx.clone().with_max_inflight_bytes(bytes.0),
        None => ctx.clone().with_default_inflight_bytes(tuning::LOOK_AHEAD_BYTES),
    };
    let schema = project_schema(file.schema(), options.columns.as_deref())?;
    let filter = BoundFilter::new(&options.filter, file.schema())?;
    let selected = prune(file, selected, filter.as_ref(), ctx.progress())?;
    let rows = Rows::new(file.schema(), options.columns.as_deref(), filter);
    let projection = rows.columns().map(|columns| chunk::projection(file.schema(), columns)).transpose()?;
    let places: Arc<[(u32, u32)]> = selected.iter().map(|b| (b.partition, b.batch)).collect();
    let positions: Vec<usize> = selected.iter().map(|b| b.position).collect();
    let sizes: Vec<u64> = positions.iter().map(|position| file.block(*position).len()).collect();
    let progress = ctx.progress();
    Progress::add(&progress.chunks_expected, positions.len() as u64);
    Progress::add(&progress.payload_bytes_expected, sizes.iter().sum());
    let groups = groups(&sizes, 1, tuning::REQUEST_BYTES, |_, _| true);
    let concurrency = tuning::requests_in_flight(options.concurrency, available_cores());
    let positions_len = positions.len();
    let work = FileWork { progress: ctx.progress().clone(), file: file.clone(), positions, projection, rows };
    let pipeline = Pipeline::start(Arc::new(work), all(groups), positions_len, concurrency, &ctx)?;
    Ok(Reader { schema, pipeline, places, position: 0, dataset: None, ctx })
}

/// The batches that may hold wanted rows, by the file's index.
fn prune(
    file: &IpcFile,
    selected: &[FileBatch],
    filter: Option<&BoundFilter>,
    progress: &Progress,
) -> Result<Vec<FileBatch>> {
    let verdicts = match (filter, file.index()) {
        (Some(filter), Some(index)) => filter.verdicts(index)?,
        _ => return Ok(selected.to_vec()),
    };
    let verdict = |batch: &&FileBatch| file.index_row(batch.position).and_then(|row| verdicts.get(row));
    let (pruned, kept): (Vec<&FileBatch>, Vec<_>) =
        selected.iter().partition(|batch| verdict(batch) == Some(&Verdict::Never));
    Progress::add(&progress.chunks_pruned, pruned.len() as u64);
    Progress::add(&progress.bytes_pruned, pruned.iter().map(|batch| file.block(batch.position).len()).sum());
    Ok(kept.into_iter().cloned().collect())
}

/// Opens an IPC file and starts reading it; see [`IpcFile::open`] for what the option `mmap` means.
///
/// # Errors
/// As [`IpcFile::open`] and [`read_file`].
pub fn open_and_read_file(path: &Path, options: &FileReadOptions, ctx: &Context) -> Result<Reader> {
    read_file(&Arc::new(IpcFile::open(path, options.mmap)?), options, ctx)
}

struct FileWork {
    progress: Arc<Progress>,
    file: Arc<IpcFile>,
    positions: Vec<usize>,
    projection: Option<(Vec<usize>, Vec<usize>)>,
    rows: Rows,
}

impl Work for FileWork {
    type Fetched = Frame;
    type Output = Option<Decoded>;

    fn fetch<'a>(
        &'a self,
        items: Range<usize>,
        ctx: &'a Context,
        on_fetched: OnFetched<'a, Frame>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for item in items {
                let position = self.positions[item];
                let frame = if self.file.is_mapped() {
                    self.file.batch_frame(position)?
                } else {
                    let file = self.file.clone();
                    runtime()?.blocking(move || file.batch_frame(position)).await?
                };
                Progress::add(&ctx.progress().chunks, 1);
                Progress::add(&ctx.progress().payload_bytes, frame.len() as u64);
                on_fetched(item, Some(frame));
            }
            Ok(())
        })
    }

    fn process(&self, item: usize, fetched: Option<Frame>) -> Result<(Option<Decoded>, u64)> {
        let frame = fetched.ok_or_else(|| Error::internal("a batch of a file without bytes"))?;
        let (columns, order) = match &self.projection {
            Some((columns, order)) => (Some(columns.as_slice()), Some(order)),
            None => (None, None),
        };
        let mut decoded = self.file.decode(self.positions[item], &frame, columns)?;
        if let Some(order) = order {
            decoded.batch = decoded.batch.project(order)?;
        }
        Progress::add(&self.progress.decoded_bytes, decoded.bytes);
        let selected = self.rows.select(decoded).map_err(|e| e.context(format!("'{}'", self.file.name())))?;
        let bytes = selected.as_ref().map_or(0, |selected| selected.bytes);
        Ok((selected, bytes))
    }
}

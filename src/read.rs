//! The read verb: selected partitions and columns of a dataset or a file, as a stream of record batches.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchReader};

use crate::chunk::{self, ChunkDecoder, DecodeLimit, Decoded, Frame};
use crate::dataset::{Dataset, PlannedChunk};
use crate::error::{Error, ErrorKind, Result};
use crate::ipc_file::{FileBatch, IpcFile, PartitionBy};
use crate::metrics::{Metrics, Progress};
use crate::options::{Bytes, options, words};
use crate::partition::Selection;
use crate::pipeline::{OnFetched, Pipeline, Work, groups};
use crate::runtime::{Context, available_cores, runtime};
use crate::store::BoxFuture;
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
        /// What to do about a missing chunk.
        pub on_missing: OnMissing = OnMissing::Error,
        /// Batches per partition, for data without a manifest; found out unless given.
        pub batches: Option<u32> = None,
        /// Check every chunk against the manifest's checksum.
        pub verify_checksums: bool = true,
        /// Keys of one MGET at the most; 0 means 64. Fewer are asked for when they are large.
        pub pipeline: usize = 0,
        /// Requests in flight at the most; 0 means tuned.
        pub concurrency: usize = 0,
        /// Bytes in flight at the most, 32 MiB unless given; the process's budget may allow less.
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
        /// The column that says to which partition a row belongs, for files of other writers.
        pub partition_column: String = crate::schema::PARTITION_COLUMN.to_string(),
        /// Batches per partition, for files without a partition column.
        pub batches: Option<u32> = None,
        /// Batches decoded at once at the most; 0 means tuned.
        pub concurrency: usize = 0,
        /// Bytes in flight at the most, 32 MiB unless given; the process's budget may allow less.
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
        Ok(false) => Error::conflict(format!(
            "dataset '{}' in {} was replaced or deleted while it was read: read it again",
            dataset.prefix(),
            dataset.store().describe()
        ))
        .retryable(true),
        _ => error,
    }
}

/// Starts reading a dataset.
///
/// # Errors
/// `NOT_FOUND` for a partition or column that does not exist; what the store reports while the plan is made.
pub fn read(dataset: &Dataset, options: &ReadOptions, ctx: &Context) -> Result<Reader> {
    let (ctx, plan, stored_schema) = prepare(dataset, options, ctx)?;
    let schema = project_schema(&stored_schema, options.columns.as_deref())?;
    let limit = DecodeLimit { base_bytes: runtime()?.budget.total() };
    let decoder = ChunkDecoder::new(Some(stored_schema), options.columns.clone(), limit);
    let fetch = ChunkFetch { dataset: dataset.clone(), plan, verify_checksums: options.verify_checksums };
    let places = fetch.plan.iter().map(|chunk| (chunk.partition, chunk.batch)).collect();
    let on_missing = options.on_missing;
    let pipeline = fetch.start(options, &ctx, move |fetch, item, payload| {
        let Some(payload) = payload else {
            return fetch.missing(item, on_missing, fetch.progress()).map(|()| (None, 0));
        };
        let decoded = decoder.decode(&payload).map_err(|e| fetch.at(e, item))?;
        let bytes = decoded.bytes;
        Progress::add(&fetch.progress().decoded_bytes, bytes);
        Ok((Some(decoded), bytes))
    })?;
    Ok(Reader { schema, pipeline, places, position: 0, dataset: Some(dataset.clone()), ctx })
}

/// The plan of a read, and what is expected, known to the progress.
pub(crate) fn prepare(
    dataset: &Dataset,
    options: &ReadOptions,
    ctx: &Context,
) -> Result<(Context, Vec<PlannedChunk>, SchemaRef)> {
    let ctx = match options.max_inflight_bytes {
        Some(bytes) => ctx.clone().with_max_inflight_bytes(bytes.0),
        None => ctx.clone().with_default_inflight_bytes(tuning::LOOK_AHEAD_BYTES),
    };
    let (asked, selection, batches, context) =
        (dataset.clone(), options.partitions.clone(), options.batches, ctx.clone());
    let (plan, schema) = ctx.block_on_part(async move {
        let plan = asked.plan(&selection, batches, &context).await?;
        let schema = asked.schema(&plan, &context).await?;
        Ok((plan, schema))
    })?;
    let progress = ctx.progress();
    Progress::add(&progress.chunks_expected, plan.len() as u64);
    Progress::add(&progress.payload_bytes_expected, plan.iter().map(|chunk| chunk.payload_bytes).sum());
    Ok((ctx, plan, schema))
}

fn project_schema(schema: &SchemaRef, columns: Option<&[String]>) -> Result<SchemaRef> {
    let Some(columns) = columns else { return Ok(schema.clone()) };
    let (increasing, order) = chunk::projection(schema, columns)?;
    let indices: Vec<usize> = order.into_iter().map(|place| increasing[place]).collect();
    Ok(Arc::new(schema.project(&indices)?))
}

/// Fetches whole chunks of a dataset.
#[derive(Debug)]
pub(crate) struct ChunkFetch {
    pub(crate) dataset: Dataset,
    pub(crate) plan: Vec<PlannedChunk>,
    pub(crate) verify_checksums: bool,
}

/// [`ChunkFetch`] with what is done to each payload.
struct ChunkWork<F> {
    fetch: Fetching,
    process: F,
}

/// A fetch that is under way.
pub(crate) struct Fetching {
    chunks: ChunkFetch,
    progress: Arc<Progress>,
}

impl Fetching {
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Names the chunk in an error about it.
    pub(crate) fn at(&self, error: Error, item: usize) -> Error {
        let chunk = &self.chunks.plan[item];
        let store = self.chunks.dataset.store().describe();
        error.context(format!("chunk '{}' in {store}", chunk.key)).at_chunk(chunk.partition, chunk.batch)
    }

    /// A missing chunk is an error, or counted.
    pub(crate) fn missing(&self, item: usize, on_missing: OnMissing, progress: &Progress) -> Result<()> {
        if on_missing == OnMissing::Skip {
            Progress::add(&progress.chunks_skipped, 1);
            return Ok(());
        }
        let chunk = &self.chunks.plan[item];
        let expected = if chunk.row.is_some() { "which the manifest lists" } else { "which was asked for" };
        Err(Error::chunk_missing(format!(
            "chunk '{}', {expected}, is not in {}: it was deleted, evicted or has expired; publish the dataset again, \
             or skip what is missing (--on-missing skip)",
            chunk.key,
            self.chunks.dataset.store().describe()
        ))
        .at_chunk(chunk.partition, chunk.batch))
    }

    fn check(&self, item: usize, payload: &Buffer) -> Result<()> {
        let chunk = &self.chunks.plan[item];
        let Some(xxh3) = chunk.xxh3.filter(|_| self.chunks.verify_checksums) else { return Ok(()) };
        if payload.len() as u64 != chunk.payload_bytes || chunk::checksum(std::slice::from_ref(payload)) != xxh3 {
            return Err(self.at(Error::corrupt("it does not match the checksum in the manifest"), item));
        }
        Ok(())
    }
}

impl ChunkFetch {
    /// Starts fetching; `process` runs on the CPU pool for every chunk, checked against its checksum.
    pub(crate) fn start<T: Send + 'static>(
        self,
        options: &ReadOptions,
        ctx: &Context,
        process: impl Fn(&Fetching, usize, Option<Buffer>) -> Result<(T, u64)> + Send + Sync + 'static,
    ) -> Result<Pipeline<T>> {
        let sizes: Vec<u64> = self.plan.iter().map(|chunk| chunk.payload_bytes).collect();
        let max_items = tuning::keys_per_request(options.pipeline);
        let groups =
            groups(&sizes, max_items, tuning::REQUEST_BYTES, |a, b| self.plan[a].partition == self.plan[b].partition);
        let concurrency = tuning::requests_in_flight(options.concurrency, available_cores());
        let fetch = Fetching { chunks: self, progress: ctx.progress().clone() };
        Pipeline::start(Arc::new(ChunkWork { fetch, process }), groups, concurrency, ctx)
    }
}

impl<T, F> Work for ChunkWork<F>
where
    T: Send + 'static,
    F: Fn(&Fetching, usize, Option<Buffer>) -> Result<(T, u64)> + Send + Sync + 'static,
{
    type Fetched = Buffer;
    type Output = T;

    fn fetch<'a>(
        &'a self,
        items: Range<usize>,
        ctx: &'a Context,
        on_fetched: OnFetched<'a, Buffer>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let chunks = &self.fetch.chunks;
            let keys: Vec<String> = chunks.plan[items.clone()].iter().map(|chunk| chunk.key.clone()).collect();
            let mut on_value = |index: usize, value: Option<Buffer>| {
                if let Some(value) = &value {
                    Progress::add(&ctx.progress().chunks, 1);
                    Progress::add(&ctx.progress().payload_bytes, value.len() as u64);
                }
                on_fetched(items.start + index, value);
            };
            chunks.dataset.store().get_many(&keys, ctx, &mut on_value).await
        })
    }

    fn process(&self, item: usize, fetched: Option<Buffer>) -> Result<(T, u64)> {
        if let Some(payload) = &fetched {
            self.fetch.check(item, payload)?;
        }
        (self.process)(&self.fetch, item, fetched)
    }
}

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
    let projection = options.columns.as_deref().map(|columns| chunk::projection(file.schema(), columns)).transpose()?;
    let places: Arc<[(u32, u32)]> = selected.iter().map(|b| (b.partition, b.batch)).collect();
    let positions: Vec<usize> = selected.iter().map(|b| b.position).collect();
    let sizes: Vec<u64> = positions.iter().map(|position| file.block(*position).len()).collect();
    let progress = ctx.progress();
    Progress::add(&progress.chunks_expected, positions.len() as u64);
    Progress::add(&progress.payload_bytes_expected, sizes.iter().sum());
    let groups = groups(&sizes, 1, tuning::REQUEST_BYTES, |_, _| true);
    let concurrency = tuning::requests_in_flight(options.concurrency, available_cores());
    let work = FileWork { progress: ctx.progress().clone(), file: file.clone(), positions, projection };
    let pipeline = Pipeline::start(Arc::new(work), groups, concurrency, &ctx)?;
    Ok(Reader { schema, pipeline, places, position: 0, dataset: None, ctx })
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
        let bytes = decoded.bytes;
        Progress::add(&self.progress.decoded_bytes, bytes);
        Ok((Some(decoded), bytes))
    }
}

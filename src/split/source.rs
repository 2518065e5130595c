//! Reading the input: items in order, each with its partition, on a thread of its own.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchReader};
use tokio::sync::mpsc;

use super::{Source, SplitOptions};
use crate::chunk::{BatchFrames, ChunkDecoder, Frame};
use crate::error::{Error, Result};
use crate::ipc_file::{FileBatch, IpcFile};
use crate::ipc_stream::StreamInput;
use crate::manifest::{ManifestBuilder, StatisticsColumn};
use crate::metrics::{Progress, batch_bytes};
use crate::partition::{self, PartitionIds, PartitionValue};
use crate::pipeline::Pipeline;
use crate::read::{FetchedBatch, FileFetch};
use crate::runtime::{Context, block_signals, catch_panic};

/// What one chunk is made from.
#[derive(Debug)]
pub(super) enum Content {
    /// Messages that may be copied.
    Frames(BatchFrames),
    /// Arrays.
    Batch(RecordBatch),
}

impl Content {
    /// Bytes that it holds in memory.
    pub(super) fn len(&self) -> u64 {
        match self {
            Content::Frames(frames) => frames.batch.len() as u64,
            Content::Batch(batch) => batch_bytes(batch),
        }
    }
}

/// One chunk to be written.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) partition: u32,
    pub(super) batch: u32,
    pub(super) value: Option<PartitionValue>,
    pub(super) content: Content,
    /// Which of the statistics that are [known beforehand](PlanFacts::known_statistics) are its own.
    pub(super) statistics_row: Option<usize>,
    /// Where it comes from, for messages.
    pub(super) name: String,
}

/// The input, opened, before its first item is read.
pub(super) struct Plan {
    input: Input,
    pub(super) schema: SchemaRef,
    /// The message to publish the schema with, where batches may be copied.
    pub(super) schema_frame: Option<Frame>,
    pub(super) partition_column: Option<(String, DataType)>,
    /// Columns with statistics.
    pub(super) statistics_columns: Vec<usize>,
    known_statistics: Option<Vec<StatisticsColumn>>,
    /// Chunks and bytes, where known beforehand.
    pub(super) expected: Option<(u64, u64)>,
    /// The partition and batch of every chunk, where known beforehand.
    pub(super) places: Option<Vec<(u32, u32)>>,
}

enum Input {
    File {
        file: Arc<IpcFile>,
        batches: Vec<FileBatch>,
        statistics_columns: Vec<usize>,
    },
    /// A file whose rows are sorted into partitions anew.
    MixedFile {
        file: Arc<IpcFile>,
    },
    Stream(StreamInput),
    Batches(Box<dyn RecordBatchReader + Send>),
}

impl Plan {
    pub(super) fn new(source: Source, options: &SplitOptions, ctx: &Context) -> Result<Plan> {
        ctx.check()?;
        match source {
            Source::File(file) => Plan::of_file(file, options, ctx),
            Source::Stream(reader) => {
                let input = StreamInput::open(reader).map_err(|e| e.context("the input stream"))?;
                let (schema, frame) = (input.schema.clone(), input.schema_frame.clone());
                Plan::of_schema(Input::Stream(input), schema, Some(frame), options)
            }
            Source::Batches(reader) => {
                let schema = reader.schema();
                Plan::of_schema(Input::Batches(reader), schema, None, options)
            }
        }
    }

    fn of_file(file: Arc<IpcFile>, options: &SplitOptions, ctx: &Context) -> Result<Plan> {
        let (schema, frame) = (file.schema().clone(), Some(file.schema_frame(ctx)?));
        let has_column = schema.index_of(&options.partition_column).is_ok();
        if options.repartition && has_column {
            return Plan::of_schema(Input::MixedFile { file }, schema, frame, options);
        }
        let plan = file.plan(&options.partition_by(), ctx)?;
        let statistics_columns = statistics_columns(&schema, options);
        let bytes = plan.batches.iter().map(|b| file.block(b.position).len()).sum();
        Ok(Plan {
            schema,
            schema_frame: frame,
            partition_column: plan.column,
            expected: Some((plan.batches.len() as u64, bytes)),
            places: Some(plan.batches.iter().map(|b| (b.partition, b.batch)).collect()),
            known_statistics: file.index().and_then(|index| index.known_statistics(&statistics_columns)),
            input: Input::File { file, batches: plan.batches, statistics_columns: statistics_columns.clone() },
            statistics_columns,
        })
    }

    /// Input whose partitions show as it is read.
    fn of_schema(input: Input, schema: SchemaRef, frame: Option<Frame>, options: &SplitOptions) -> Result<Plan> {
        let column = options.partition_column.as_str();
        let partition_column = match schema.field_with_name(column) {
            Ok(field) => Some((column.to_string(), partition::value_type(column, field.data_type())?)),
            Err(_) if options.batches.is_some() => None,
            Err(_) => {
                return Err(Error::invalid_argument(format!(
                    "the input has no column '{column}': name its partition column (--partition-column), or say how \
                     many batches make a partition (--batches)"
                )));
            }
        };
        let statistics_columns = statistics_columns(&schema, options);
        Ok(Plan {
            input,
            schema,
            schema_frame: frame,
            partition_column,
            statistics_columns,
            known_statistics: None,
            expected: None,
            places: None,
        })
    }
}

fn statistics_columns(schema: &SchemaRef, options: &SplitOptions) -> Vec<usize> {
    match options.statistics {
        super::Statistics::Off => Vec::new(),
        _ => crate::statistics::statistics_columns(schema, options.statistics_columns),
    }
}

/// The items of the input as they are read.
pub(super) struct Items {
    pub(super) plan: PlanFacts,
    pub(super) receiver: mpsc::Receiver<Result<Item>>,
}

/// What is known of the input beforehand.
pub(super) struct PlanFacts {
    pub(super) schema: SchemaRef,
    pub(super) schema_frame: Option<Frame>,
    pub(super) partition_column: Option<(String, DataType)>,
    pub(super) statistics_columns: Vec<usize>,
    /// Statistics of these columns, in their order, that need not be computed: from a file's index.
    pub(super) known_statistics: Option<Vec<StatisticsColumn>>,
    pub(super) places: Option<Vec<(u32, u32)>>,
    /// Bytes of the input, where known.
    pub(super) expected_bytes: Option<u64>,
}

impl PlanFacts {
    /// An empty manifest for these chunks.
    pub(super) fn manifest_builder(&mut self) -> ManifestBuilder {
        ManifestBuilder::new(&self.statistics_columns, &self.schema, self.chunks())
            .with_known(self.known_statistics.take())
    }

    /// How many chunks there will be, as far as known.
    pub(super) fn chunks(&self) -> usize {
        self.places.as_ref().map_or(0, Vec::len)
    }
}

impl Items {
    /// Starts the thread that reads the input. It ends with the input, at the first error, or when nobody
    /// receives any more; a read that blocks for ever keeps the thread, not the operation.
    pub(super) fn start(plan: Plan, options: &SplitOptions, ctx: &Context) -> Result<Items> {
        let (sender, receiver) = mpsc::channel(2);
        let facts = PlanFacts {
            schema: plan.schema.clone(),
            schema_frame: plan.schema_frame,
            partition_column: plan.partition_column.clone(),
            statistics_columns: plan.statistics_columns,
            known_statistics: plan.known_statistics,
            places: plan.places,
            expected_bytes: plan.expected.map(|(_, bytes)| bytes),
        };
        let assigner = Assigner::new(&plan.schema, plan.partition_column, options);
        let (input, ctx) = (plan.input, ctx.clone());
        let work = move || {
            block_signals();
            let mut emit = |item: Result<Item>| sender.blocking_send(item).is_ok();
            let result = catch_panic(|| {
                let mut output = Output { assigner, emit: &mut emit, ctx };
                input.run(&mut output)
            });
            if let Err(error) = result {
                emit(Err(error));
            }
        };
        std::thread::Builder::new()
            .name("arrowredis-source".to_string())
            .spawn(work)
            .map_err(|e| Error::resource_exhausted(format!("cannot start a thread to read the input: {e}")))?;
        Ok(Items { plan: facts, receiver })
    }
}

/// Where items go, with their partitions.
struct Output<'a> {
    assigner: Assigner,
    emit: &'a mut dyn FnMut(Result<Item>) -> bool,
    ctx: Context,
}

/// The receiver is gone: nobody wants to know more.
fn stopped() -> Error {
    Error::cancelled("the upload has ended")
}

impl Output<'_> {
    fn send(&mut self, item: Item) -> Result<()> {
        self.ctx.check()?;
        if (self.emit)(Ok(item)) { Ok(()) } else { Err(stopped()) }
    }

    /// A batch of messages whose place is to be found out.
    fn frames(&mut self, frames: BatchFrames, stream: &StreamInput, position: usize) -> Result<()> {
        let name = format!("batch {position} of the input");
        if self.assigner.repartition {
            let batch = stream.decode(&frames.batch, None).map_err(|e| e.context(&name))?;
            return self.mixed(batch, &name);
        }
        let value = match self.assigner.column {
            Some(column) => {
                let batch = stream.decode(&frames.batch, Some(&[column])).map_err(|e| e.context(&name))?;
                self.assigner.value(batch.column(0), &name)?
            }
            None => None,
        };
        self.whole(Content::Frames(frames), value, name)
    }

    fn batch(&mut self, batch: RecordBatch, position: usize) -> Result<()> {
        let name = format!("batch {position} of the input");
        if self.assigner.repartition {
            return self.mixed(batch, &name);
        }
        let value = match self.assigner.column {
            Some(column) => self.assigner.value(batch.column(column), &name)?,
            None => None,
        };
        self.whole(Content::Batch(batch), value, name)
    }

    fn whole(&mut self, content: Content, value: Option<PartitionValue>, name: String) -> Result<()> {
        let (partition, batch, value) = self.assigner.place(value)?;
        self.send(Item { partition, batch, value, content, statistics_row: None, name })
    }

    fn mixed(&mut self, batch: RecordBatch, name: &str) -> Result<()> {
        for (value, rows) in self.assigner.sort(batch, name)? {
            self.whole(Content::Batch(rows), Some(value), name.to_string())?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        for (value, rows) in self.assigner.rest()? {
            self.whole(Content::Batch(rows), Some(value), "the last rows of the input".to_string())?;
        }
        Ok(())
    }
}

impl Input {
    fn run(self, output: &mut Output<'_>) -> Result<()> {
        match self {
            Input::File { file, batches, statistics_columns } => {
                let positions = batches.iter().map(|batch| batch.position).collect();
                let (source, schema) = (file.clone(), file.schema_frame(&output.ctx)?);
                let mut messages = FileInput::start(&file, positions, &output.ctx, move |_, _, fetched| {
                    let bytes = fetched.frame.len() as u64;
                    Ok((source.frames(&schema, fetched.frame)?, bytes))
                })?;
                for batch in batches {
                    output.send(Item {
                        partition: batch.partition,
                        batch: batch.batch,
                        value: batch.value,
                        content: Content::Frames(messages.next()?),
                        statistics_row: file.statistics_row(batch.position, &statistics_columns),
                        name: format!("batch {} of '{}'", batch.position, file.name()),
                    })?;
                }
                Ok(())
            }
            Input::MixedFile { file } => {
                let positions = (0..file.batch_count()).collect();
                let mut batches = FileInput::start(&file, positions, &output.ctx, |fetch, item, fetched| {
                    let decoded = fetch.decode(item, &fetched)?;
                    Ok((decoded.batch, decoded.bytes))
                })?;
                for position in 0..file.batch_count() {
                    output.mixed(batches.next()?, &format!("batch {position} of '{}'", file.name()))?;
                }
                output.finish()
            }
            Input::Stream(mut stream) => {
                let mut position = 0;
                while let Some(frames) = stream.next().map_err(|e| e.context("the input stream"))? {
                    output.frames(frames, &stream, position)?;
                    position += 1;
                }
                output.finish()
            }
            Input::Batches(reader) => {
                for (position, batch) in reader.enumerate() {
                    output.batch(batch.map_err(|e| input_error(e.into(), position))?, position)?;
                }
                output.finish()
            }
        }
    }
}

/// The batches of a file, fetched and prepared ahead.
struct FileInput<T> {
    pipeline: Pipeline<T>,
    ctx: Context,
    part: Context,
}

impl<T: Send + 'static> FileInput<T> {
    fn start(
        file: &Arc<IpcFile>,
        positions: Vec<usize>,
        ctx: &Context,
        prepare: impl Fn(&FileFetch, usize, FetchedBatch) -> Result<(T, u64)> + Send + Sync + 'static,
    ) -> Result<Self> {
        // What is read of the file is not what the upload counts.
        let part = ctx.part().with_default_inflight_bytes(file.bytes().tuning().look_ahead_bytes);
        let pipeline = FileFetch::new(file, positions, None, 0).start(&part, prepare)?;
        Ok(FileInput { pipeline, ctx: ctx.clone(), part })
    }

    fn next(&mut self) -> Result<T> {
        self.pipeline.next().unwrap_or_else(|| Err(Error::internal("a file has fewer batches than its footer")))
    }
}

impl<T> Drop for FileInput<T> {
    fn drop(&mut self) {
        Progress::add(&self.ctx.progress().retries, self.part.metrics().retries);
    }
}

/// The caller's reader failed: what it says is not about bytes of ours.
fn input_error(error: Error, position: usize) -> Error {
    error.context(format!("reading batch {position} of the input"))
}

/// Gives each batch its place in the dataset.
struct Assigner {
    column: Option<usize>,
    column_name: String,
    value_type: DataType,
    batches_per_partition: Option<u32>,
    repartition: bool,
    ids: PartitionIds,
    next_batch: HashMap<u32, u32>,
    position: u32,
    last_value: Option<PartitionValue>,
    sorter: Sorter,
}

impl Assigner {
    fn new(schema: &SchemaRef, partition_column: Option<(String, DataType)>, options: &SplitOptions) -> Self {
        let column = partition_column.as_ref().and_then(|(name, _)| schema.index_of(name).ok());
        Assigner {
            column,
            column_name: options.partition_column.clone(),
            value_type: partition_column.map_or(DataType::Null, |(_, data_type)| data_type),
            batches_per_partition: options.batches,
            repartition: options.repartition && column.is_some(),
            ids: PartitionIds::default(),
            next_batch: HashMap::new(),
            position: 0,
            last_value: None,
            sorter: Sorter::default(),
        }
    }

    fn value(&self, column: &ArrayRef, name: &str) -> Result<Option<PartitionValue>> {
        let value = partition::single_value(column, &self.column_name, name)?;
        Ok(value.map(|value| partition::as_key(value, &self.value_type)))
    }

    /// Partition, batch and value of the next batch. One without rows goes with the one before it.
    fn place(&mut self, value: Option<PartitionValue>) -> Result<(u32, u32, Option<PartitionValue>)> {
        let value = value.or_else(|| self.last_value.clone());
        self.last_value = value.clone();
        let partition = match (&value, self.column, self.batches_per_partition) {
            (Some(value), ..) => self.ids.id(value)?,
            (None, Some(_), _) => 0,
            (None, None, batches) => self.position / batches.unwrap_or(u32::MAX),
        };
        self.position += 1;
        let next = self.next_batch.entry(partition).or_default();
        let batch = *next;
        *next += 1;
        Ok((partition, batch, value))
    }

    fn sort(&mut self, batch: RecordBatch, name: &str) -> Result<Vec<(PartitionValue, RecordBatch)>> {
        let column = self.column.ok_or_else(|| Error::internal("sorting without a partition column"))?;
        let rows = batch.num_rows();
        for (value, part) in partition::split_by_value(&batch, column, &self.column_name, name)? {
            self.sorter.push(partition::as_key(value, &self.value_type), part);
        }
        self.sorter.full(rows)
    }

    fn rest(&mut self) -> Result<Vec<(PartitionValue, RecordBatch)>> {
        self.sorter.drain()
    }
}

/// Collects the rows of each partition until they make a batch of a good size.
#[derive(Default)]
struct Sorter {
    order: Vec<PartitionValue>,
    parts: HashMap<PartitionValue, Vec<RecordBatch>>,
    target_rows: usize,
    bytes: usize,
}

impl Sorter {
    /// What is collected at the most, in bytes.
    const MAX_BYTES: usize = 64 << 20;
    const MIN_ROWS: usize = 1 << 16;

    fn push(&mut self, value: PartitionValue, part: RecordBatch) {
        self.bytes += batch_bytes(&part) as usize;
        match self.parts.get_mut(&value) {
            Some(parts) => parts.push(part),
            None => {
                self.order.push(value.clone());
                self.parts.insert(value, vec![part]);
            }
        }
    }

    /// The batches that are full; all of them when too much is held.
    fn full(&mut self, input_rows: usize) -> Result<Vec<(PartitionValue, RecordBatch)>> {
        self.target_rows = self.target_rows.max(input_rows).max(Self::MIN_ROWS);
        let take_all = self.bytes > Self::MAX_BYTES;
        self.take(|rows, target| take_all || rows >= target)
    }

    fn drain(&mut self) -> Result<Vec<(PartitionValue, RecordBatch)>> {
        self.take(|_, _| true)
    }

    fn take(&mut self, wanted: impl Fn(usize, usize) -> bool) -> Result<Vec<(PartitionValue, RecordBatch)>> {
        let mut taken = Vec::new();
        for value in &self.order {
            let Some(parts) = self.parts.get_mut(value) else { continue };
            let rows: usize = parts.iter().map(RecordBatch::num_rows).sum();
            if rows > 0 && wanted(rows, self.target_rows) {
                let parts = std::mem::take(parts);
                self.bytes -= parts.iter().map(|part| batch_bytes(part) as usize).sum::<usize>();
                taken.push((value.clone(), concat_batches(&parts[0].schema(), &parts)?));
            }
        }
        Ok(taken)
    }
}

/// Decodes the content of an item that cannot be copied.
pub(super) fn decode_frames(frames: &BatchFrames, decoder: &ChunkDecoder) -> Result<RecordBatch> {
    Ok(decoder.decode_frames(frames)?.batch)
}

//! Reading into an IPC file or an IPC stream: messages are copied where the codec stays the same.

mod file;

use std::io::Write;
use std::path::Path;

use arrow::record_batch::RecordBatch;

use crate::chunk::{self, BatchFrames, ChunkDecoder, DecodeLimit, Decoded, END_OF_STREAM, Frame};
use crate::codec::Codec;
use crate::dataset::{Dataset, PlannedChunk};
use crate::error::{Error, Result};
use crate::ipc_file::{self, BatchInfo, FileWriter, OutputFile};
use crate::manifest::{ChunkStatistics, Manifest, ManifestBuilder, ManifestHeader, StatisticsColumn};
use crate::metrics::{Metrics, Progress};
use crate::partition::{self, PartitionValue};
use crate::pipeline::Pipeline;
use crate::read::{ChunkBytes, ChunkFetch, ReadOptions, ReadPlan, RowDecoder, Rows, explain, project_schema};
use crate::runtime::{Context, catch_panic, runtime};
use crate::statistics::{batch_statistics, statistics_columns};

pub use self::file::{read_file_to_file, read_file_to_stream};

/// What writing a file or a stream came to.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteReport {
    /// The figures of the whole operation.
    pub metrics: Metrics,
    /// The size of what was written.
    pub file_bytes: u64,
}

/// Columns of a batch that get statistics where they are made anew.
const STATISTICS_COLUMNS: usize = 32;

/// Reads a dataset into an IPC file. The file gets its name only when it is complete.
///
/// # Errors
/// As [`crate::read`]; what the file system reports, naming the file.
pub fn read_to_file(
    dataset: &Dataset,
    options: &ReadOptions,
    codec: Codec,
    path: &Path,
    ctx: &Context,
) -> Result<WriteReport> {
    let mut export = Export::start(dataset, options, codec, ctx)?;
    let result = export.write_file(path);
    ctx.progress().finish();
    let file_bytes = result.map_err(|e| explain(e, Some(dataset), ctx))?;
    Ok(WriteReport { metrics: ctx.metrics(), file_bytes })
}

/// Reads a dataset into an Arrow IPC stream.
///
/// # Errors
/// As [`crate::read`]; what the writer reports.
pub fn read_to_stream(
    dataset: &Dataset,
    options: &ReadOptions,
    codec: Codec,
    out: &mut dyn Write,
    ctx: &Context,
) -> Result<WriteReport> {
    let mut export = Export::start(dataset, options, codec, ctx)?;
    let result = export.write_stream(out);
    ctx.progress().finish();
    let file_bytes = result.map_err(|e| explain(e, Some(dataset), ctx))?;
    Ok(WriteReport { metrics: ctx.metrics(), file_bytes })
}

/// One chunk, ready to be written: its messages in the wanted codec.
struct Prepared {
    frames: BatchFrames,
    rows: u64,
    statistics: ChunkStatistics,
}

impl Prepared {
    /// Messages that are written as they are.
    fn copied(frames: BatchFrames, known: Option<usize>) -> Result<Self> {
        let message = frames.batch.message()?;
        let rows = message.header_as_record_batch().map_or(0, |batch| batch.length());
        let rows = u64::try_from(rows).map_err(|_| Error::corrupt(format!("it declares {rows} rows")))?;
        Ok(Prepared { frames, rows, statistics: known.map_or(ChunkStatistics::Nothing, ChunkStatistics::Row) })
    }

    fn encoded(decoded: &Decoded, codec: Codec, known: Option<usize>, statistics_columns: &[usize]) -> Result<Self> {
        let batch = &decoded.batch;
        let statistics = match known {
            Some(row) => ChunkStatistics::Row(row),
            None => ChunkStatistics::Computed(batch_statistics(batch, statistics_columns)?),
        };
        let frames = chunk::encode_batch(batch, codec)?;
        Ok(Prepared { frames, rows: batch.num_rows() as u64, statistics })
    }
}

struct Export {
    pipeline: Pipeline<Option<Prepared>>,
    places: Vec<(u32, u32)>,
    values: Vec<Option<PartitionValue>>,
    /// Of the columns that are written.
    empty: RecordBatch,
    statistics_columns: Vec<usize>,
    /// Statistics of these that need not be computed.
    known_statistics: Option<Vec<StatisticsColumn>>,
    header: HeaderParts,
    limit: DecodeLimit,
    ctx: Context,
}

/// What the file's header takes from the dataset.
struct HeaderParts {
    upload_id: String,
    created_at: String,
    codec: Codec,
    partition_column: Option<(String, arrow::datatypes::DataType)>,
}

impl Export {
    fn start(dataset: &Dataset, options: &ReadOptions, codec: Codec, ctx: &Context) -> Result<Self> {
        let plan = ReadPlan::new(dataset, options, ctx)?;
        let stored_schema = plan.schema.clone();
        let ctx = plan.ctx.clone();
        let limit = DecodeLimit::new(runtime()?.budget.total());
        let manifest = dataset.manifest().cloned();
        let rows = Rows::new(&stored_schema, options.columns.as_deref(), plan.filter.clone());
        let decoder = RowDecoder::new(&stored_schema, rows)?;
        let schema = project_schema(&stored_schema, options.columns.as_deref())?;
        let statistics_columns = statistics_columns(&schema, STATISTICS_COLUMNS);
        let values = partition_values(manifest.as_ref(), &plan.chunks)?;
        let places = plan.places();
        let header = HeaderParts {
            upload_id: manifest.as_ref().map(|m| m.upload_id.clone()).unwrap_or_default(),
            created_at: manifest.as_ref().map(|m| m.created_at.clone()).unwrap_or_default(),
            codec,
            partition_column: manifest
                .as_ref()
                .and_then(|m| Some((m.partition_column.clone()?, m.partition_values.data_type().clone()))),
        };
        let whole = options.columns.is_none() && options.filter.is_empty();
        let copies = whole && manifest.as_ref().is_some_and(|m| m.compression == codec);
        let rows_of: Vec<Option<usize>> = plan.chunks.iter().map(|chunk| chunk.row).collect();
        let fetch = ChunkFetch::new(dataset, plan, options)?.copying(copies);
        let on_missing = options.on_missing;
        let wanted = statistics_columns.clone();
        let known_statistics = manifest.as_ref().filter(|_| whole).and_then(|m| m.known_statistics(&wanted));
        let pipeline = fetch.start(options, move |fetch, item, bytes| {
            let Some(bytes) = bytes else {
                return fetch.missing(item, on_missing, fetch.progress()).map(|()| (None, 0));
            };
            let knows = |row: &usize| whole && manifest.as_ref().is_some_and(|m| m.knows(*row, &wanted));
            let known = rows_of[item].filter(knows);
            let prepared = prepare_chunk(&bytes, codec, whole, known, &decoder, &wanted);
            let (prepared, decoded_bytes) = prepared.map_err(|e| fetch.at(e, item))?;
            let bytes = prepared.as_ref().map_or(0, |prepared| prepared.frames.batch.len() as u64);
            Progress::add(&fetch.progress().decoded_bytes, decoded_bytes);
            Ok((prepared, bytes))
        })?;
        let empty = RecordBatch::new_empty(schema);
        Ok(Export { pipeline, places, values, empty, statistics_columns, known_statistics, header, limit, ctx })
    }

    fn next(&mut self) -> Option<Result<Option<Prepared>>> {
        let result = self.pipeline.next()?;
        if let Ok(Some(prepared)) = &result {
            Progress::add(&self.ctx.progress().rows, prepared.rows);
        }
        Some(result)
    }

    fn write_file(&mut self, path: &Path) -> Result<u64> {
        let named = |e: Error| match e.kind() {
            crate::ErrorKind::Io | crate::ErrorKind::ResourceExhausted if !e.message().contains('\'') => {
                e.context(format!("cannot write '{}'", path.display()))
            }
            _ => e,
        };
        let mut out = Some(OutputFile::create(path)?);
        let mut writer: Option<FileWriter<OutputFile>> = None;
        for item in 0.. {
            let Some(result) = self.next() else { break };
            let Some(prepared) = result? else { continue };
            let writer = match &mut writer {
                Some(writer) => writer,
                None => {
                    let out = out.take().ok_or_else(|| Error::internal("two first chunks"))?;
                    let new =
                        self.file_writer(out, prepared.frames.schema.clone(), prepared.frames.dictionaries.clone());
                    writer.insert(new.map_err(named)?)
                }
            };
            let (partition, batch) = self.places[item];
            let info = BatchInfo {
                partition,
                batch,
                value: self.values[item].clone(),
                rows: prepared.rows,
                statistics: prepared.statistics,
            };
            if writer.accepts(&prepared.frames)? {
                writer.write_raw(&prepared.frames.batch, info).map_err(named)?;
            } else {
                let decoded = ChunkDecoder::new(None, None, self.limit).decode_frames(&prepared.frames)?;
                writer.write_decoded(&decoded, info).map_err(named)?;
            }
        }
        let writer = match (writer, out) {
            (Some(writer), _) => writer,
            (None, Some(out)) => {
                let frames = chunk::encode_batch(&self.empty, self.header.codec)?;
                self.file_writer(out, frames.schema, frames.dictionaries).map_err(named)?
            }
            (None, None) => return Err(Error::internal("a file without a writer")),
        };
        let (out, file_bytes) = writer.finish().map_err(named)?;
        self.ctx.check()?;
        out.publish()?;
        Ok(file_bytes)
    }

    fn file_writer(
        &mut self,
        out: OutputFile,
        schema: Frame,
        dictionaries: Vec<Frame>,
    ) -> Result<FileWriter<OutputFile>> {
        let header = ManifestHeader {
            upload_id: self.header.upload_id.clone(),
            created_at: self.header.created_at.clone(),
            compression: self.header.codec,
            schema_frame: schema.detached(),
            partition_column: self.header.partition_column.clone(),
        };
        let index = ManifestBuilder::new(&self.statistics_columns, &self.empty.schema(), self.places.len())
            .with_known(self.known_statistics.take());
        FileWriter::new(out, header, dictionaries.iter().map(Frame::detached).collect(), index, self.limit)
    }

    fn write_stream(&mut self, out: &mut dyn Write) -> Result<u64> {
        let mut stream = StreamWriter::new(out);
        while let Some(result) = self.next() {
            let Some(prepared) = result? else { continue };
            stream.write(&prepared.frames)?;
        }
        if stream.schema.is_none() {
            stream.start(&chunk::encode_batch(&self.empty, self.header.codec)?.schema)?;
        }
        stream.finish()
    }
}

/// The value of each planned chunk's partition.
fn partition_values(manifest: Option<&Manifest>, plan: &[PlannedChunk]) -> Result<Vec<Option<PartitionValue>>> {
    plan.iter()
        .map(|chunk| {
            let Some((manifest, row)) = manifest.zip(chunk.row) else { return Ok(None) };
            let values = &manifest.partition_values;
            if manifest.partition_column.is_none() || values.is_null(row) {
                return Ok(None);
            }
            let value = partition::single_value(&values.slice(row, 1), "partition_value", "the manifest")?;
            Ok(value.map(|value| partition::as_key(value, values.data_type())))
        })
        .collect()
}

/// Takes the messages as they are if the codec is the same and all columns and rows are wanted; transcodes otherwise.
/// Returns them (`None` if no row is left) and the bytes of the arrays, where any were made.
fn prepare_chunk(
    bytes: &ChunkBytes,
    codec: Codec,
    whole: bool,
    known: Option<usize>,
    decoder: &RowDecoder,
    statistics_columns: &[usize],
) -> Result<(Option<Prepared>, u64)> {
    if let (true, ChunkBytes::Whole(payload)) = (whole, bytes) {
        let frames = chunk::parse(payload)?;
        if ipc_file::codec_of(&frames.batch)? == codec {
            return Ok((Some(Prepared::copied(frames, known)?), 0));
        }
    }
    let (decoded, decoded_bytes) = decoder.decode(bytes)?;
    let prepared = decoded.map(|decoded| Prepared::encoded(&decoded, codec, known, statistics_columns)).transpose()?;
    Ok((prepared, decoded_bytes))
}

/// Writes an IPC stream, repeating dictionaries only where they change.
pub(crate) struct StreamWriter<'a> {
    out: &'a mut dyn Write,
    written: u64,
    schema: Option<Frame>,
    dictionaries: Vec<Frame>,
}

impl<'a> StreamWriter<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> Self {
        StreamWriter { out, written: 0, schema: None, dictionaries: Vec::new() }
    }

    fn start(&mut self, schema: &Frame) -> Result<()> {
        self.put(&schema.padded_head((8 + schema.metadata().len()).next_multiple_of(64)))?;
        self.schema = Some(schema.detached());
        Ok(())
    }

    pub(crate) fn write(&mut self, frames: &BatchFrames) -> Result<()> {
        match &self.schema {
            None => self.start(&frames.schema)?,
            Some(schema) if schema.same_message(&frames.schema) => {}
            Some(_) => {
                return Err(Error::unsupported(
                    "chunks with different schema messages cannot be joined into one stream: write a file instead",
                ));
            }
        }
        for (place, dictionary) in frames.dictionaries.iter().enumerate() {
            if self.dictionaries.get(place).is_none_or(|last| !last.same_message(dictionary)) {
                self.put_frame(dictionary)?;
            }
        }
        self.dictionaries = frames.dictionaries.iter().map(Frame::detached).collect();
        self.put_frame(&frames.batch)
    }

    fn put_frame(&mut self, frame: &Frame) -> Result<()> {
        self.put(frame.head())?;
        self.put(&frame.body)?;
        self.put(&[0; 8][..frame.body.len().next_multiple_of(8) - frame.body.len()])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|e| Error::from(e).context("cannot write the stream"))
    }

    /// Ends the stream; returns its bytes.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.put(&END_OF_STREAM)?;
        self.out.flush().map_err(|e| Error::from(e).context("cannot write the stream"))?;
        Ok(self.written)
    }
}

/// Writes generated batches to a file: the writing half of [`crate::generate_file`].
pub(crate) struct GeneratedFile {
    writer: FileWriter<OutputFile>,
}

/// A generated batch, encoded.
pub(crate) struct EncodedBatch {
    frames: BatchFrames,
    info: BatchInfo,
}

impl EncodedBatch {
    /// Encodes a batch whose partition is the value of its partition column.
    pub(crate) fn new(data: &RecordBatch, codec: Codec, partition: u32, batch: u32) -> Result<Self> {
        catch_panic(|| {
            let columns = statistics_columns(&data.schema(), STATISTICS_COLUMNS);
            let info = BatchInfo {
                partition,
                batch,
                value: Some(PartitionValue::Int(partition.into())),
                rows: data.num_rows() as u64,
                statistics: ChunkStatistics::Computed(batch_statistics(data, &columns)?),
            };
            Ok(EncodedBatch { frames: chunk::encode_batch(data, codec)?, info })
        })
    }

    /// Bytes of the message.
    pub(crate) fn len(&self) -> u64 {
        self.frames.batch.len() as u64
    }
}

impl GeneratedFile {
    pub(crate) fn create(
        path: &Path,
        empty: &RecordBatch,
        first: &EncodedBatch,
        codec: Codec,
        column: &str,
    ) -> Result<Self> {
        let schema = empty.schema();
        let data_type = schema.field_with_name(column)?.data_type().clone();
        let header = ManifestHeader {
            upload_id: String::new(),
            created_at: String::new(),
            compression: codec,
            schema_frame: first.frames.schema.clone(),
            partition_column: Some((column.to_string(), data_type)),
        };
        let index = ManifestBuilder::new(&statistics_columns(&schema, STATISTICS_COLUMNS), &schema, 0);
        let limit = DecodeLimit::new(u64::MAX);
        let out = OutputFile::create(path)?;
        Ok(GeneratedFile { writer: FileWriter::new(out, header, first.frames.dictionaries.clone(), index, limit)? })
    }

    pub(crate) fn write(&mut self, batch: EncodedBatch) -> Result<()> {
        self.writer.write_raw(&batch.frames.batch, batch.info)
    }

    pub(crate) fn finish(self) -> Result<u64> {
        let (out, file_bytes) = self.writer.finish()?;
        out.publish()?;
        Ok(file_bytes)
    }
}

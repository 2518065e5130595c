//! The index of a dataset: one row per chunk, itself an Arrow IPC stream that any Arrow library opens.
//!
//! The same table, without keys, is the index in the footer of the IPC files that we write. Format version 1
//! is described in `docs/format.md`. Like everything read from a store it is checked before it is used.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, RecordBatchOptions, StringArray, UInt32Array, UInt64Array, UInt64Builder,
};
use arrow::buffer::Buffer;
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::chunk::{self, ChunkDecoder, DecodeLimit, Frame, PayloadIndex};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::names;
use crate::options::OptionValue;
use crate::partition::{self, PartitionValue};
use crate::statistics::{ColumnStatistics, statistics_type};
use crate::store::{Payload, payload_len};

/// The version of the storage format that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"ARROWRDS";
const TRAILER_BYTES: usize = MAGIC.len() + 8;
/// A manifest is small; a hostile one must not make us take much memory.
const LIMIT: DecodeLimit = DecodeLimit { base_bytes: 256 << 20 };

const META_VERSION: &str = "arrowredis.format_version";
const META_UPLOAD_ID: &str = "arrowredis.upload_id";
const META_CREATED_AT: &str = "arrowredis.created_at";
const META_COMPRESSION: &str = "arrowredis.compression";
const META_WRITER: &str = "arrowredis.writer";
const META_SCHEMA: &str = "arrowredis.schema";
const META_PARTITION_COLUMN: &str = "arrowredis.partition_column";
/// Field metadata: which statistic a column of the manifest holds, and of which column of the dataset.
const FIELD_STATISTIC: &str = "arrowredis.statistic";
const FIELD_COLUMN: &str = "arrowredis.column";
const FIELD_COLUMN_INDEX: &str = "arrowredis.column_index";

/// One chunk as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) partition: u32,
    pub(crate) batch: u32,
    /// What the chunk's key starts with; empty in a file's index.
    pub(crate) base: Arc<str>,
    pub(crate) rows: u64,
    pub(crate) index: PayloadIndex,
}

/// The statistics of one column, an element per chunk.
#[derive(Debug, Clone)]
pub(crate) struct StatisticsColumn {
    /// Index of the column in the dataset's schema.
    pub(crate) column: usize,
    pub(crate) min: ArrayRef,
    pub(crate) max: ArrayRef,
    pub(crate) null_count: ArrayRef,
}

/// What the manifest tells of one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkSummary {
    /// Where the store keeps it.
    pub key: String,
    /// Its partition's id.
    pub partition: u32,
    /// Its number within the partition.
    pub batch: u32,
    /// Its rows.
    pub rows: u64,
    /// Bytes of its payload.
    pub payload_bytes: u64,
    /// XXH3-64 of its payload.
    pub xxh3: u64,
}

/// What a dataset consists of.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub(crate) upload_id: String,
    pub(crate) created_at: String,
    pub(crate) compression: Codec,
    pub(crate) writer: String,
    pub(crate) partition_column: Option<String>,
    pub(crate) schema: SchemaRef,
    pub(crate) schema_frame: Frame,
    /// Ordered by partition and batch, each pair once.
    pub(crate) chunks: Vec<ChunkEntry>,
    /// The value of each chunk's partition, in the partition column's type; nulls where there is no column.
    pub(crate) partition_values: ArrayRef,
    pub(crate) statistics: Vec<StatisticsColumn>,
    /// The end of the bytes that it was read from, by which they can be told from those of any other upload.
    pub(crate) trailer: Option<Trailer>,
}

/// The last bytes of a stored manifest: they carry the checksum of all of it, the upload id included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) bytes: Buffer,
    /// Where they lie in the value.
    pub(crate) range: Range<u64>,
}

impl Manifest {
    /// The dataset's schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// 32 hexadecimal digits that tell this upload from every other.
    pub fn upload_id(&self) -> &str {
        &self.upload_id
    }

    /// When the upload was published, as RFC 3339 in UTC.
    pub fn created_at(&self) -> &str {
        &self.created_at
    }

    /// The compression of the chunks' bodies.
    pub fn compression(&self) -> Codec {
        self.compression
    }

    /// The program that wrote the dataset.
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// The partition column, if the dataset has one.
    pub fn partition_column(&self) -> Option<&str> {
        self.partition_column.as_deref()
    }

    /// Rows of all chunks.
    pub fn rows(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.rows).sum()
    }

    /// Bytes of all payloads.
    pub fn payload_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.index.payload_bytes).sum()
    }

    /// The number of chunks.
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// Each partition's id, and its value as text where it has one, in the order of the ids.
    pub fn partitions(&self) -> Result<Vec<(u32, Option<String>)>> {
        let values = partition::display_values(&self.partition_values)?;
        let mut partitions: Vec<(u32, Option<String>)> = Vec::new();
        for (chunk, value) in self.chunks.iter().zip(values) {
            if partitions.last().is_none_or(|(id, _)| *id != chunk.partition) {
                partitions.push((chunk.partition, value));
            }
        }
        Ok(partitions)
    }

    /// The columns whose minimum, maximum and null count are known, in the order of the schema.
    pub fn statistics_columns(&self) -> Vec<&str> {
        self.statistics.iter().map(|statistics| self.schema.field(statistics.column).name().as_str()).collect()
    }

    /// Every chunk, ordered by partition and batch.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkSummary> + '_ {
        self.chunks.iter().map(|chunk| ChunkSummary {
            key: names::chunk_key(&chunk.base, chunk.partition, chunk.batch),
            partition: chunk.partition,
            batch: chunk.batch,
            rows: chunk.rows,
            payload_bytes: chunk.index.payload_bytes,
            xxh3: chunk.index.xxh3,
        })
    }

    /// The chunk listing as the record batch that is stored, statistics included.
    pub fn to_record_batch(&self) -> Result<RecordBatch> {
        let entry = |f: fn(&ChunkEntry) -> u64| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(self.chunks.iter().map(f)))
        };
        let mut fields = vec![
            Field::new("partition", DataType::UInt32, false),
            Field::new("batch", DataType::UInt32, false),
            Field::new("partition_value", self.partition_values.data_type().clone(), true),
            Field::new("base", DataType::Utf8, false),
        ];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from_iter_values(self.chunks.iter().map(|c| c.partition))),
            Arc::new(UInt32Array::from_iter_values(self.chunks.iter().map(|c| c.batch))),
            self.partition_values.clone(),
            Arc::new(StringArray::from_iter_values(self.chunks.iter().map(|c| c.base.as_ref()))),
        ];
        for (name, get) in NUMBERS {
            fields.push(Field::new(name, DataType::UInt64, false));
            columns.push(entry(get));
        }
        for statistics in &self.statistics {
            let name = self.schema.field(statistics.column).name();
            for (kind, array) in
                [("min", &statistics.min), ("max", &statistics.max), ("null_count", &statistics.null_count)]
            {
                let marks = [
                    (FIELD_STATISTIC, kind.to_string()),
                    (FIELD_COLUMN, name.clone()),
                    (FIELD_COLUMN_INDEX, statistics.column.to_string()),
                ];
                let marks: HashMap<_, _> = marks.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
                fields
                    .push(Field::new(format!("{kind}({name})"), array.data_type().clone(), true).with_metadata(marks));
                columns.push(array.clone());
            }
        }
        let mut metadata = vec![
            (META_VERSION, FORMAT_VERSION.to_string()),
            (META_UPLOAD_ID, self.upload_id.clone()),
            (META_CREATED_AT, self.created_at.clone()),
            (META_COMPRESSION, self.compression.show()),
            (META_WRITER, self.writer.clone()),
            (META_SCHEMA, BASE64.encode(self.schema_frame.head())),
        ];
        metadata.extend(self.partition_column.clone().map(|column| (META_PARTITION_COLUMN, column)));
        let metadata: HashMap<_, _> = metadata.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.chunks.len()));
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        RecordBatch::try_new_with_options(schema, columns, &options)
            .map_err(|e| Error::internal(format!("the manifest cannot be built: {e}")))
    }

    /// The bytes that are stored: an IPC stream, the magic, and the XXH3-64 of all before it.
    pub(crate) fn encode(&self) -> Result<Buffer> {
        let (stream, _) = chunk::assemble(&chunk::encode_batch(&self.to_record_batch()?, Codec::Zstd)?);
        Ok(Buffer::from_vec(seal(joined(&stream, TRAILER_BYTES))))
    }

    /// Reads what [`Manifest::encode`] wrote, trusting nothing. The caller says on what in the error's context.
    pub(crate) fn decode(bytes: &Buffer) -> Result<Manifest> {
        let bad = |what: &str| Error::corrupt(format!("the manifest {what}"));
        let stream_len = bytes.len().checked_sub(TRAILER_BYTES).ok_or_else(|| bad("is truncated"))?;
        let (hashed, hash) = bytes.split_at(stream_len + MAGIC.len());
        if hashed[stream_len..] != MAGIC {
            return Err(bad("does not end as a manifest does: it is truncated, or another program wrote the key"));
        }
        if xxhash_rust::xxh3::xxh3_64(hashed).to_le_bytes() != hash {
            return Err(bad("does not match its checksum"));
        }
        let payload = bytes.slice_with_length(0, stream_len);
        let trailer =
            Trailer { bytes: Buffer::from(&bytes[stream_len..]), range: stream_len as u64..bytes.len() as u64 };
        Ok(Manifest { trailer: Some(trailer), ..Manifest::decode_table(&payload, true)? })
    }

    /// `chunks`: whether the rows describe chunks of their own, rather than messages of one file.
    fn decode_table(payload: &Buffer, chunks: bool) -> Result<Manifest> {
        let frames = chunk::parse(payload).map_err(|e| e.context("the manifest"))?;
        let metadata = frames.schema.schema()?.metadata().clone();
        let text = |key: &str| {
            metadata.get(key).cloned().ok_or_else(|| Error::corrupt(format!("the manifest has no '{key}' metadata")))
        };
        check_version(&text(META_VERSION)?)?;
        let table =
            ChunkDecoder::new(None, None, LIMIT).decode_frames(&frames).map_err(|e| e.context("the manifest"))?.batch;
        let head = BASE64
            .decode(text(META_SCHEMA)?)
            .map_err(|e| Error::corrupt(format!("the manifest's schema is not base64: {e}")))?;
        let schema_frame = Frame::from_head(Buffer::from_vec(head))?;
        let schema = schema_frame.schema().map_err(|e| e.context("the manifest's dataset schema"))?;
        let compression = Codec::parse(&text(META_COMPRESSION)?)
            .map_err(|expected| Error::unsupported(format!("the manifest's compression is not {expected}")))?;
        let (chunks, partition_values) = decode_chunks(&table, chunks)?;
        let manifest = Manifest {
            upload_id: text(META_UPLOAD_ID)?,
            created_at: text(META_CREATED_AT)?,
            compression,
            writer: text(META_WRITER)?,
            partition_column: metadata.get(META_PARTITION_COLUMN).cloned(),
            statistics: decode_statistics(&table, &schema)?,
            schema,
            schema_frame,
            chunks,
            partition_values,
            trailer: None,
        };
        Ok(manifest)
    }

    /// The table as text for a file's footer.
    pub(crate) fn to_footer_text(&self) -> Result<String> {
        let (stream, _) = chunk::assemble(&chunk::encode_batch(&self.to_record_batch()?, Codec::Zstd)?);
        Ok(BASE64.encode(joined(&stream, 0)))
    }

    /// Reads what [`Manifest::to_footer_text`] wrote.
    pub(crate) fn from_footer_text(text: &str) -> Result<Manifest> {
        let bytes = BASE64.decode(text).map_err(|e| Error::corrupt(format!("the file's index is not base64: {e}")))?;
        Manifest::decode_table(&Buffer::from_vec(bytes), false)
    }
}

/// Puts the trailer after a stream: the magic, and the checksum of all before it.
pub(crate) fn seal(mut stream: Vec<u8>) -> Vec<u8> {
    stream.extend_from_slice(&MAGIC);
    let hash = xxhash_rust::xxh3::xxh3_64(&stream);
    stream.extend_from_slice(&hash.to_le_bytes());
    stream
}

fn joined(parts: &Payload, spare: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload_len(parts) + spare);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

fn check_version(version: &str) -> Result<()> {
    match version.parse::<u32>() {
        Ok(FORMAT_VERSION) => Ok(()),
        Ok(newer) if newer > FORMAT_VERSION => Err(Error::unsupported(format!(
            "the dataset has format version {newer}, this library reads up to {FORMAT_VERSION}: use a newer release"
        ))),
        _ => Err(Error::corrupt(format!("the manifest's format version is '{version}'"))),
    }
}

/// A numeric column of the manifest: its name, and where its value comes from.
type Number = (&'static str, fn(&ChunkEntry) -> u64);

const NUMBERS: [Number; 9] = [
    ("rows", |c| c.rows),
    ("payload_bytes", |c| c.index.payload_bytes),
    ("xxh3", |c| c.index.xxh3),
    ("dictionaries_offset", |c| c.index.dictionaries_offset),
    ("dictionaries_length", |c| c.index.dictionaries_length),
    ("metadata_offset", |c| c.index.metadata_offset),
    ("metadata_length", |c| c.index.metadata_length),
    ("body_offset", |c| c.index.body_offset),
    ("body_length", |c| c.index.body_length),
];

fn decode_chunks(table: &RecordBatch, whole_chunks: bool) -> Result<(Vec<ChunkEntry>, ArrayRef)> {
    let column = |name: &str, data_type: Option<&DataType>| -> Result<&ArrayRef> {
        let column = table
            .column_by_name(name)
            .filter(|column| data_type.is_none_or(|t| column.data_type() == t && column.null_count() == 0));
        column.ok_or_else(|| Error::corrupt(format!("the manifest has no proper column '{name}'")))
    };
    let partitions = column("partition", Some(&DataType::UInt32))?.as_primitive::<UInt32Type>();
    let batches = column("batch", Some(&DataType::UInt32))?.as_primitive::<UInt32Type>();
    let bases = column("base", Some(&DataType::Utf8))?.as_string::<i32>();
    let mut numbers = Vec::with_capacity(NUMBERS.len());
    for (name, _) in NUMBERS {
        numbers.push(column(name, Some(&DataType::UInt64))?.as_primitive::<UInt64Type>());
    }
    let mut chunks: Vec<ChunkEntry> = Vec::with_capacity(table.num_rows());
    // No total that anybody computes can overflow.
    let within = |total: u64, more: u64| total.checked_add(more).filter(|total| *total <= i64::MAX as u64);
    let (mut total_rows, mut total_bytes) = (0u64, 0u64);
    for row in 0..table.num_rows() {
        let number = |index: usize| numbers[index].value(row);
        let base = match chunks.last() {
            Some(last) if *last.base == *bases.value(row) => last.base.clone(),
            _ => Arc::from(bases.value(row)),
        };
        let chunk = ChunkEntry {
            partition: partitions.value(row),
            batch: batches.value(row),
            base,
            rows: number(0),
            index: PayloadIndex {
                payload_bytes: number(1),
                xxh3: number(2),
                dictionaries_offset: number(3),
                dictionaries_length: number(4),
                metadata_offset: number(5),
                metadata_length: number(6),
                body_offset: number(7),
                body_length: number(8),
            },
        };
        let ordered = chunks.last().is_none_or(|last| (last.partition, last.batch) < (chunk.partition, chunk.batch));
        let totals = within(total_rows, chunk.rows).zip(within(total_bytes, chunk.index.payload_bytes));
        let Some(totals) = totals.filter(|_| ordered && (!whole_chunks || consistent(&chunk.index))) else {
            return Err(Error::corrupt(format!(
                "the manifest's row {row} (partition {}, batch {}) is out of order or contradicts itself",
                chunk.partition, chunk.batch
            ))
            .at_chunk(chunk.partition, chunk.batch));
        };
        (total_rows, total_bytes) = totals;
        chunks.push(chunk);
    }
    Ok((chunks, column("partition_value", None)?.clone()))
}

/// The parts of a payload follow each other within it.
fn consistent(index: &PayloadIndex) -> bool {
    let end = |offset: u64, length: u64| offset.checked_add(length);
    let body_end = end(index.body_offset, index.body_length);
    end(index.dictionaries_offset, index.dictionaries_length).is_some_and(|e| e <= index.metadata_offset)
        && end(index.metadata_offset, index.metadata_length).is_some_and(|e| e <= index.body_offset)
        && body_end.is_some_and(|e| e <= index.payload_bytes)
}

fn decode_statistics(table: &RecordBatch, schema: &SchemaRef) -> Result<Vec<StatisticsColumn>> {
    let find = |column: usize, kind: &str| -> Option<ArrayRef> {
        let index = table.schema().fields().iter().position(|field| {
            let is = |key: &str, value: &str| field.metadata().get(key).is_some_and(|v| v == value);
            is(FIELD_STATISTIC, kind) && is(FIELD_COLUMN_INDEX, &column.to_string())
        })?;
        Some(table.column(index).clone())
    };
    let mut statistics = Vec::new();
    for (column, field) in schema.fields().iter().enumerate() {
        let (Some(min), Some(max), Some(null_count)) =
            (find(column, "min"), find(column, "max"), find(column, "null_count"))
        else {
            continue;
        };
        let expected = statistics_type(field.data_type());
        if expected != Some(min.data_type())
            || expected != Some(max.data_type())
            || null_count.data_type() != &DataType::UInt64
        {
            return Err(Error::corrupt(format!(
                "the statistics of column '{}' have types that do not fit it",
                field.name()
            )));
        }
        statistics.push(StatisticsColumn { column, min, max, null_count });
    }
    Ok(statistics)
}

/// The time of publishing, as manifests carry it.
pub(crate) fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Collects the chunks of an upload as they are written, in any order. What it holds of a chunk is what grows with the
/// dataset while that is written: no more than the columns of the manifest, and room for no more chunks than there are.
#[derive(Debug)]
pub(crate) struct ManifestBuilder {
    rows: Vec<ChunkEntry>,
    /// For each row the place of its partition's value in `values`.
    row_values: Vec<u32>,
    values: Vec<Option<PartitionValue>>,
    statistics: Vec<StatisticsBuilder>,
}

/// Collects the statistics of one column. Arrays of one element take hundreds of bytes each, so they are
/// joined as they come.
#[derive(Debug)]
struct StatisticsBuilder {
    column: usize,
    /// One null, for chunks of which nothing is known.
    absent: ArrayRef,
    min: Vec<ArrayRef>,
    max: Vec<ArrayRef>,
    null_counts: UInt64Builder,
}

impl StatisticsBuilder {
    const JOINED: usize = 64;

    fn push(&mut self, statistics: Option<&ColumnStatistics>) -> Result<()> {
        self.min.push(statistics.map_or(&self.absent, |s| &s.min).clone());
        self.max.push(statistics.map_or(&self.absent, |s| &s.max).clone());
        self.null_counts.append_option(statistics.map(|s| s.null_count));
        if self.null_counts.len().is_multiple_of(Self::JOINED) {
            for parts in [&mut self.min, &mut self.max] {
                let tail = parts.split_off(parts.len() - Self::JOINED);
                parts.push(join(&tail)?);
            }
        }
        Ok(())
    }

    /// The column in the given order of its rows; `None` where nothing is known of any chunk.
    fn finish(mut self, order: &UInt64Array) -> Result<Option<StatisticsColumn>> {
        let null_count = self.null_counts.finish();
        if null_count.null_count() == null_count.len() {
            return Ok(None);
        }
        Ok(Some(StatisticsColumn {
            column: self.column,
            min: take(&join(&self.min)?, order, None)?,
            max: take(&join(&self.max)?, order, None)?,
            null_count: take(&null_count, order, None)?,
        }))
    }
}

fn join(parts: &[ArrayRef]) -> Result<ArrayRef> {
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    Ok(concat(&parts)?)
}

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
        let builder = |column: &usize| {
            let data_type = statistics_type(schema.field(*column).data_type())?;
            let absent = arrow::array::new_null_array(data_type, 1);
            let (min, max) = (Vec::new(), Vec::new());
            let null_counts = UInt64Builder::with_capacity(chunks);
            Some(StatisticsBuilder { column: *column, absent, min, max, null_counts })
        };
        ManifestBuilder {
            rows: Vec::with_capacity(chunks),
            row_values: Vec::with_capacity(chunks),
            values: Vec::new(),
            statistics: statistics_columns.iter().filter_map(builder).collect(),
        }
    }

    /// Adds a chunk; its statistics are in the order of the builder's columns, `None` where nothing is known.
    pub(crate) fn push(
        &mut self,
        entry: ChunkEntry,
        value: Option<PartitionValue>,
        statistics: Option<&[ColumnStatistics]>,
    ) -> Result<()> {
        for (position, builder) in self.statistics.iter_mut().enumerate() {
            builder.push(statistics.map(|statistics| &statistics[position]))?;
        }
        // Chunks of a partition mostly come one after the other.
        if self.values.last() != Some(&value) {
            self.values.push(value);
        }
        self.rows.push(entry);
        self.row_values.push(self.values.len() as u32 - 1);
        Ok(())
    }

    /// The finished manifest.
    pub(crate) fn finish(self, header: ManifestHeader) -> Result<Manifest> {
        let mut order: Vec<u64> = (0..self.rows.len() as u64).collect();
        order.sort_by_key(|row| {
            let entry = &self.rows[*row as usize];
            (entry.partition, entry.batch)
        });
        let order = UInt64Array::from(order);
        let mut chunks = self.rows;
        chunks.sort_unstable_by_key(|entry| (entry.partition, entry.batch));
        let (partition_column, value_type) = match header.partition_column {
            Some((name, data_type)) => (Some(name), data_type),
            None => (None, DataType::Utf8),
        };
        let statistics = self.statistics.into_iter().map(|builder| builder.finish(&order));
        let values = partition::values_array(&self.values, &value_type)?;
        let value_rows: Vec<u32> = order.values().iter().map(|row| self.row_values[*row as usize]).collect();
        Ok(Manifest {
            upload_id: header.upload_id,
            created_at: header.created_at,
            compression: header.compression,
            writer: concat!("arrowredis ", env!("CARGO_PKG_VERSION")).to_string(),
            partition_column,
            partition_values: take(&values, &UInt32Array::from(value_rows), None)?,
            statistics: statistics.filter_map(Result::transpose).collect::<Result<_>>()?,
            chunks,
            schema: header.schema_frame.schema()?,
            schema_frame: header.schema_frame,
            trailer: None,
        })
    }
}

impl Manifest {
    /// The statistics of one chunk for the given columns; `None` if any of them has none.
    pub(crate) fn chunk_statistics(&self, chunk: usize, columns: &[usize]) -> Option<Vec<ColumnStatistics>> {
        columns
            .iter()
            .map(|column| {
                let statistics = self.statistics.iter().find(|s| s.column == *column)?;
                let null_count = statistics.null_count.as_primitive::<UInt64Type>();
                Some(ColumnStatistics {
                    min: statistics.min.slice(chunk, 1),
                    max: statistics.max.slice(chunk, 1),
                    null_count: null_count.is_valid(chunk).then(|| null_count.value(chunk))?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, Int64Array};

    use super::*;
    use crate::statistics::{batch_statistics, statistics_columns};

    fn sample() -> Manifest {
        let batch = |from: i64| {
            RecordBatch::try_from_iter([
                ("id", Arc::new(Int64Array::from_iter_values(from..from + 10)) as ArrayRef),
                ("p", Arc::new(Int32Array::from(vec![from as i32; 10]))),
            ])
            .unwrap()
        };
        let columns = statistics_columns(&batch(0).schema(), 32);
        let mut builder = ManifestBuilder::new(&columns, &batch(0).schema(), 0);
        // Pushed out of order on purpose.
        for (partition, batch_number) in [(7u32, 1u32), (3, 0), (7, 0)] {
            let data = batch(i64::from(partition) * 100 + i64::from(batch_number));
            let (_, index) = chunk::assemble(&chunk::encode_batch(&data, Codec::Lz4).unwrap());
            let entry = ChunkEntry { partition, batch: batch_number, base: Arc::from("demo:v1"), rows: 10, index };
            let statistics = (batch_number == 0).then(|| batch_statistics(&data, &columns).unwrap());
            builder.push(entry, Some(PartitionValue::Int(partition.into())), statistics.as_deref()).unwrap();
        }
        builder
            .finish(ManifestHeader {
                upload_id: "0123456789abcdef0123456789abcdef".to_string(),
                created_at: now(),
                compression: Codec::Lz4,
                schema_frame: chunk::encode_schema(&batch(0).schema()).unwrap(),
                partition_column: Some(("p".to_string(), DataType::Int32)),
            })
            .unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let manifest = sample();
        let back = Manifest::decode(&manifest.encode().unwrap()).unwrap();
        assert_eq!(back.chunks, manifest.chunks);
        assert_eq!(back.to_record_batch().unwrap(), manifest.to_record_batch().unwrap());
        assert_eq!(back.partitions().unwrap(), [(3, Some("3".to_string())), (7, Some("7".to_string()))]);
        assert_eq!((back.rows(), back.chunk_count()), (30, 3));
        assert_eq!(back.compression(), Codec::Lz4);
        assert_eq!(back.partition_column(), Some("p"));
        let statistics = back.chunk_statistics(1, &[0]).unwrap();
        assert_eq!(statistics[0].min.as_primitive::<arrow::datatypes::Int64Type>().value(0), 700);
        assert!(back.chunk_statistics(2, &[0]).is_none(), "nothing was known of that chunk");
        let again = Manifest::from_footer_text(&manifest.to_footer_text().unwrap()).unwrap();
        assert_eq!(again.chunks, manifest.chunks);
    }

    #[test]
    fn every_bit_flip_and_every_cut_is_found() {
        let bytes = sample().encode().unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = Manifest::decode(&Buffer::from_vec(flipped)).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt, "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Manifest::decode(&bytes.slice_with_length(0, len)).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn contradictions_are_found_even_with_a_right_checksum() {
        type Case = (&'static str, fn(&mut Manifest));
        let cases: [Case; 6] = [
            ("out of order", |m| m.chunks.swap(0, 1)),
            ("contradicts", |m| m.chunks[0].index.body_length = u64::MAX),
            ("contradicts", |m| m.chunks[1].index.metadata_offset = 1 << 40),
            ("out of order", |m| m.chunks[2].rows = u64::MAX),
            ("contradicts", |m| m.chunks[0].index.payload_bytes = u64::MAX),
            ("contradicts", |m| m.chunks.iter_mut().for_each(|c| c.index.payload_bytes = i64::MAX as u64 / 2)),
        ];
        for (part, spoil) in cases {
            let mut manifest = sample();
            spoil(&mut manifest);
            let error = Manifest::decode(&manifest.encode().unwrap()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
            assert!(error.message().contains(part), "{error}");
        }
        assert_eq!(check_version("2").unwrap_err().kind(), crate::ErrorKind::Unsupported);
        assert_eq!(check_version("x").unwrap_err().kind(), crate::ErrorKind::Corrupt);
    }
}

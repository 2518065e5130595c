//! The manifest as bytes: a table in an Arrow IPC stream, in a store with a trailer, in a file's footer as text.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::table::{ChunkTable, no_column};
use super::{Manifest, StatisticsColumn, Trailer};
use crate::chunk::{self, ChunkDecoder, DecodeLimit, Frame};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::options::OptionValue;
use crate::statistics::statistics_type;
use crate::store::{Payload, joined};

/// The version of the storage format that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"ARROWRDS";
const TRAILER_BYTES: usize = MAGIC.len() + 8;
/// A manifest is small; a hostile one must not make us take much memory.
const LIMIT: DecodeLimit = DecodeLimit::new(256 << 20);

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

impl Manifest {
    /// The chunk listing as the record batch that is stored, statistics included.
    pub fn to_record_batch(&self) -> Result<RecordBatch> {
        let [mut columns, after] = self.chunks.columns();
        let value_type = self.partition_values.data_type().clone();
        columns.push((Field::new("partition_value", value_type, true), self.partition_values.clone()));
        columns.extend(after);
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
                let field = Field::new(format!("{kind}({name})"), array.data_type().clone(), true);
                columns.push((field.with_metadata(marks), array.clone()));
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
        let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        RecordBatch::try_new_with_options(schema, columns, &options)
            .map_err(|e| Error::internal(format!("the manifest cannot be built: {e}")))
    }

    /// The bytes that are stored: an IPC stream, the magic, and the XXH3-64 of all before it.
    pub(crate) fn encode(&self) -> Result<Payload> {
        let (stream, _) = chunk::assemble(&chunk::encode_batch(&self.to_record_batch()?, Codec::Zstd)?);
        Ok(seal(stream))
    }

    /// Reads what [`Manifest::encode`] wrote, trusting nothing. The caller says on what in the error's context.
    pub(crate) fn decode(bytes: &Buffer) -> Result<Manifest> {
        Manifest::decode_part(bytes, true)
    }

    /// The same without the statistics, which are most of it.
    pub(crate) fn decode_listing(bytes: &Buffer) -> Result<Manifest> {
        Manifest::decode_part(bytes, false)
    }

    fn decode_part(bytes: &Buffer, statistics: bool) -> Result<Manifest> {
        let bad = |what: &str| Error::corrupt(format!("the manifest {what}"));
        let stream_len = bytes.len().checked_sub(TRAILER_BYTES).ok_or_else(|| bad("is truncated"))?;
        let (hashed, hash) = bytes.split_at(stream_len + MAGIC.len());
        if hashed[stream_len..] != MAGIC {
            return Err(bad("does not end as a manifest does: it is truncated, or another program wrote the key"));
        }
        if twox_hash::XxHash3_64::oneshot(hashed).to_le_bytes() != hash {
            return Err(bad("does not match its checksum"));
        }
        let payload = bytes.slice_with_length(0, stream_len);
        let trailer =
            Trailer { bytes: Buffer::from(&bytes[stream_len..]), range: stream_len as u64..bytes.len() as u64 };
        Ok(Manifest { trailer: Some(trailer), ..Manifest::decode_table(&payload, true, statistics)? })
    }

    /// `chunks`: whether the rows describe chunks of their own, rather than messages of one file.
    fn decode_table(payload: &Buffer, chunks: bool, statistics: bool) -> Result<Manifest> {
        let frames = chunk::parse(payload).map_err(|e| e.context("the manifest"))?;
        let schema = frames.schema.schema()?;
        let metadata = schema.metadata();
        let text = |key: &str| {
            metadata.get(key).cloned().ok_or_else(|| Error::corrupt(format!("the manifest has no '{key}' metadata")))
        };
        check_version(&text(META_VERSION)?)?;
        let listing = || {
            let fields = schema.fields().iter().filter(|field| !field.metadata().contains_key(FIELD_STATISTIC));
            fields.map(|field| field.name().clone()).collect()
        };
        let decoder = ChunkDecoder::new(None, (!statistics).then(listing), LIMIT);
        let table = decoder.decode_frames(&frames).map_err(|e| e.context("the manifest"))?.batch;
        let head = BASE64
            .decode(text(META_SCHEMA)?)
            .map_err(|e| Error::corrupt(format!("the manifest's schema is not base64: {e}")))?;
        let schema_frame = Frame::from_head(Buffer::from_vec(head))?;
        let schema = schema_frame.schema().map_err(|e| e.context("the manifest's dataset schema"))?;
        let compression = Codec::parse(&text(META_COMPRESSION)?)
            .map_err(|expected| Error::unsupported(format!("the manifest's compression is not {expected}")))?;
        let chunks = ChunkTable::decode(&table, chunks)?;
        let partition_values = table.column_by_name("partition_value").ok_or_else(|| no_column("partition_value"))?;
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
            partition_values: partition_values.clone(),
            trailer: None,
        };
        Ok(manifest)
    }

    /// The table as text for a file's footer.
    pub(crate) fn to_footer_text(&self) -> Result<String> {
        let (stream, _) = chunk::assemble(&chunk::encode_batch(&self.to_record_batch()?, Codec::Zstd)?);
        Ok(BASE64.encode(joined(&stream)))
    }

    /// Reads what [`footer_bytes`] made of the text in a file's footer.
    pub(crate) fn from_footer(bytes: Vec<u8>) -> Result<Manifest> {
        Manifest::decode_table(&Buffer::from_vec(bytes), false, true)
    }
}

/// The bytes of what [`Manifest::to_footer_text`] wrote.
pub(crate) fn footer_bytes(text: &str) -> Result<Vec<u8>> {
    BASE64.decode(text).map_err(|e| Error::corrupt(format!("the file's index is not base64: {e}")))
}

/// Puts the trailer after a stream: the magic, and the checksum of all before it.
pub(crate) fn seal(mut stream: Payload) -> Payload {
    stream.push(Buffer::from(&MAGIC));
    let hash = chunk::checksum(&stream);
    stream.push(Buffer::from(&hash.to_le_bytes()));
    stream
}

pub(super) fn check_version(version: &str) -> Result<()> {
    match version.parse::<u32>() {
        Ok(FORMAT_VERSION) => Ok(()),
        Ok(newer) if newer > FORMAT_VERSION => Err(Error::unsupported(format!(
            "the dataset has format version {newer}, this library reads up to {FORMAT_VERSION}: use a newer release"
        ))),
        _ => Err(Error::corrupt(format!("the manifest's format version is '{version}'"))),
    }
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

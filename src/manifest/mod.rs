//! The index of a dataset: one row per chunk, itself an Arrow IPC stream that any Arrow library opens.
//!
//! The same table, without keys, is the index in the footer of the IPC files that we write. Format version 1
//! is described in `docs/format.md`. Like everything read from a store it is checked before it is used.

mod builder;
mod format;
mod table;
#[cfg(test)]
mod tests;

use std::ops::Range;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::buffer::Buffer;
use arrow::compute::take;
use arrow::datatypes::SchemaRef;

pub(crate) use builder::{ChunkStatistics, ManifestBuilder, ManifestHeader};
pub use format::FORMAT_VERSION;
pub(crate) use format::footer_bytes;
#[cfg(any(test, fuzzing))]
pub(crate) use format::seal;
pub(crate) use table::{ChunkEntry, ChunkTable};

use crate::chunk::Frame;
use crate::codec::Codec;
use crate::error::Result;
use crate::{names, partition};

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
    pub(crate) chunks: ChunkTable,
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
        self.chunks.rows().iter().sum()
    }

    /// Bytes of all payloads.
    pub fn payload_bytes(&self) -> u64 {
        self.chunks.payload_bytes().iter().sum()
    }

    /// The number of chunks.
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// Each partition's id, and its value as text where it has one, in the order of the ids.
    pub fn partitions(&self) -> Result<Vec<(u32, Option<String>)>> {
        let ids = self.chunks.partitions();
        let starts = (0..ids.len()).filter(|row| *row == 0 || ids[row - 1] != ids[*row]).map(|row| row as u32);
        let starts = UInt32Array::from_iter_values(starts);
        let values = partition::display_values(&take(&self.partition_values, &starts, None)?)?;
        Ok(starts.values().iter().map(|row| ids[*row as usize]).zip(values).collect())
    }

    /// The number of partitions.
    pub(crate) fn partition_count(&self) -> usize {
        self.chunks.partitions().chunk_by(|a, b| a == b).count()
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
}

/// The time of publishing, as manifests carry it.
pub(crate) fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

//! Arrow IPC files: opening them, finding their batches and partitions, and writing them.
//!
//! Files that we write carry an index in the footer's custom metadata, so that a selective read touches only
//! what it needs. Files of other writers are asked for the values of their partition column.

mod footer;
mod unify;
mod writer;

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, SchemaRef};
use arrow_ipc::{CompressionType, MessageHeader};

pub(crate) use footer::MessageBlock;
pub(crate) use writer::{BatchInfo, FileWriter, OutputFile};

use crate::chunk::{self, BatchFrames, Body, DecodeLimit, Decoded, Dictionaries, Frame};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::partition::{self, PartitionIds, PartitionValue, Selection};
use crate::statistics::ColumnStatistics;
use footer::{Footer, HEADER, MAGIC, TAIL_BYTES};

/// Key of the index in the footer's custom metadata.
pub(crate) const INDEX_KEY: &str = "arrowredis.index";
/// Opening a file with a footer beyond this takes a second read.
const TAIL_GUESS: u64 = 64 << 10;

/// The bytes of a local file.
#[derive(Debug, Clone)]
enum FileBytes {
    /// Mapped: slices are the file's own pages.
    Mapped(Buffer),
    /// Read on demand.
    Positioned(Arc<File>, u64),
}

impl FileBytes {
    fn open(path: &Path, mmap: bool) -> Result<Self> {
        let describe = |e: std::io::Error| Error::from(e).context(format!("cannot open '{}'", path.display()));
        let file = File::open(path).map_err(describe)?;
        let metadata = file.metadata().map_err(describe)?;
        if !metadata.is_file() {
            return Err(Error::invalid_argument(format!("'{}' is not a regular file", path.display())));
        }
        if !mmap || metadata.len() == 0 {
            return Ok(FileBytes::Positioned(Arc::new(file), metadata.len()));
        }
        // SAFETY: the mapping is private and read-only, and the crate documents that nobody may truncate or
        // change a file while it is mapped (the reason why mapping is opt-in).
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(describe)?;
        let len = map.len();
        let start = NonNull::new(map.as_ptr().cast_mut()).ok_or_else(|| Error::internal("a mapping at address 0"))?;
        // SAFETY: `start` is valid for `len` bytes as long as the mapping lives; the buffer holds it and never writes.
        let buffer = unsafe { Buffer::from_custom_allocation(start, len, Arc::new(map)) };
        Ok(FileBytes::Mapped(buffer))
    }

    fn len(&self) -> u64 {
        match self {
            FileBytes::Mapped(buffer) => buffer.len() as u64,
            FileBytes::Positioned(_, len) => *len,
        }
    }

    fn read(&self, range: Range<u64>) -> Result<Buffer> {
        let len = range
            .end
            .checked_sub(range.start)
            .filter(|_| range.end <= self.len())
            .and_then(|len| usize::try_from(len).ok())
            .ok_or_else(|| Error::corrupt(format!("bytes {} to {} lie outside the file", range.start, range.end)))?;
        match self {
            FileBytes::Mapped(buffer) => Ok(buffer.slice_with_length(range.start as usize, len)),
            FileBytes::Positioned(file, _) => {
                let mut memory = Memory::new(len)?;
                file.read_exact_at(memory.as_mut_slice(), range.start).map_err(|e| match e.kind() {
                    std::io::ErrorKind::UnexpectedEof => Error::corrupt("the file became shorter while it was read"),
                    _ => Error::from(e),
                })?;
                Ok(memory.freeze())
            }
        }
    }
}

/// How the batches of a file without an index of ours are assigned to partitions.
#[derive(Debug, Clone)]
pub(crate) struct PartitionBy<'a> {
    pub(crate) column: &'a str,
    /// Batches per partition, for files without that column.
    pub(crate) batches: Option<u32>,
}

/// One batch of a file, as a part of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FileBatch {
    /// Which record batch of the file.
    pub(crate) position: usize,
    pub(crate) partition: u32,
    pub(crate) batch: u32,
    pub(crate) value: Option<PartitionValue>,
}

/// The batches of a file in the order of the file, and the partition column where there is one.
#[derive(Debug)]
pub(crate) struct FilePlan {
    pub(crate) batches: Vec<FileBatch>,
    pub(crate) column: Option<(String, DataType)>,
}

impl FilePlan {
    /// Each partition's id, and its value as text where it has one, in the order of the ids.
    pub(crate) fn partitions(&self) -> Result<Vec<(u32, Option<String>)>> {
        let mut existing: Vec<(u32, Option<PartitionValue>)> =
            self.batches.iter().map(|b| (b.partition, b.value.clone())).collect();
        existing.sort();
        existing.dedup();
        let data_type = self.column.as_ref().map_or(DataType::Null, |(_, data_type)| data_type.clone());
        let (ids, values): (Vec<u32>, Vec<_>) = existing.into_iter().unzip();
        let texts = partition::display_values(&partition::values_array(&values, &data_type)?)?;
        Ok(ids.into_iter().zip(texts).collect())
    }
}

/// An open Arrow IPC file.
#[derive(Debug)]
pub struct IpcFile {
    name: String,
    bytes: FileBytes,
    footer: Footer,
    schema_frame: Frame,
    /// Complete, in an order in which they can be decoded.
    dictionary_frames: Vec<Frame>,
    dictionaries: Dictionaries,
    index: Option<Manifest>,
    /// Row of the index for each batch of the file.
    index_rows: Vec<usize>,
    limit: DecodeLimit,
}

impl IpcFile {
    /// Opens a file and reads its footer and dictionaries.
    ///
    /// With `mmap` the file is mapped and uncompressed arrays point into it, without a copy. Then nobody may
    /// change or truncate the file while the reader or any of its arrays lives: a truncated mapping kills the
    /// process with SIGBUS.
    ///
    /// # Errors
    /// `NOT_FOUND`, `PERMISSION_DENIED`, `CORRUPT` when it is no intact IPC file, `UNSUPPORTED` for big-endian
    /// data and what arrow-rs cannot read. The message names the file.
    pub fn open(path: impl AsRef<Path>, mmap: bool) -> Result<IpcFile> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let bytes = FileBytes::open(path, mmap)?;
        Self::from_bytes(name.clone(), bytes).map_err(|e| e.context(format!("'{name}'")))
    }

    /// The same for a file that is in memory.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_buffer(name: &str, bytes: Buffer) -> Result<IpcFile> {
        Self::from_bytes(name.to_string(), FileBytes::Mapped(bytes))
    }

    fn from_bytes(name: String, bytes: FileBytes) -> Result<IpcFile> {
        let limit = DecodeLimit { base_bytes: crate::runtime::runtime()?.budget.total() };
        let file_len = bytes.len();
        let tail_start = file_len.saturating_sub(TAIL_GUESS);
        let tail = bytes.read(tail_start..file_len)?;
        let footer_len = footer::footer_len(&tail[tail.len().saturating_sub(TAIL_BYTES)..], file_len)?;
        let head = bytes.read(0..HEADER.len() as u64)?;
        if head[..MAGIC.len()] != MAGIC {
            return Err(Error::corrupt("this is not an Arrow IPC file: it does not start with the magic 'ARROW1'"));
        }
        let footer_end = file_len - TAIL_BYTES as u64;
        let footer_start = footer_end - footer_len as u64;
        let footer_bytes = match footer_start.checked_sub(tail_start) {
            Some(offset) => tail.slice_with_length(offset as usize, footer_len),
            None => bytes.read(footer_start..footer_end)?,
        };
        let footer = Footer::parse(&footer_bytes, footer_start)?;

        let schema_frame = read_schema_message(&bytes, footer_start)?;
        if schema_frame.schema()?.fields() != footer.schema.fields() {
            return Err(Error::corrupt("the schema at the start of the file is not the one in its footer"));
        }
        let (dictionary_frames, dictionaries) = read_dictionaries(&bytes, &footer, limit)?;
        let index = footer.custom_metadata.get(INDEX_KEY).map(|text| Manifest::from_footer_text(text)).transpose()?;
        let index_rows = index.as_ref().map(|index| index_rows(index, &footer)).transpose()?.unwrap_or_default();
        Ok(IpcFile { name, bytes, footer, schema_frame, dictionary_frames, dictionaries, index, index_rows, limit })
    }

    /// The path that was opened.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.footer.schema
    }

    /// The number of record batches.
    pub fn batch_count(&self) -> usize {
        self.footer.batches.len()
    }

    /// The size of the file in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.bytes.len()
    }

    /// Whether arrays can point into the file's own pages.
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(self.bytes, FileBytes::Mapped(_))
    }

    /// The batches of the wanted partitions, ordered by partition and batch.
    pub(crate) fn select(&self, selection: &Selection, by: &PartitionBy<'_>) -> Result<Vec<FileBatch>> {
        let has_column = self.footer.schema.index_of(by.column).is_ok();
        if *selection == Selection::All && !has_column && by.batches.is_none() {
            // Nothing says what a partition is, and nothing needs to.
            let all = PartitionBy { batches: Some(u32::MAX), ..by.clone() };
            return Ok(self.plan(&all)?.batches);
        }
        let plan = self.plan(by)?;
        let wanted = selection.resolve(&plan.partitions()?).map_err(|e| e.context(format!("'{}'", self.name)))?;
        let mut batches = plan.batches;
        batches.retain(|batch| wanted.contains(&batch.partition));
        batches.sort_by_key(|batch| (batch.partition, batch.batch));
        Ok(batches)
    }

    /// The statistics of a batch from the index, where it has them for all these columns.
    pub(crate) fn statistics(&self, position: usize, columns: &[usize]) -> Option<Vec<ColumnStatistics>> {
        let index = self.index.as_ref()?;
        index.chunk_statistics(*self.index_rows.get(position)?, columns)
    }

    /// The index that the file carries.
    pub(crate) fn index(&self) -> Option<&Manifest> {
        self.index.as_ref()
    }

    /// The row of the index for a batch.
    pub(crate) fn index_row(&self, position: usize) -> Option<usize> {
        self.index_rows.get(position).copied()
    }

    pub(crate) fn schema_frame(&self) -> &Frame {
        &self.schema_frame
    }

    pub(crate) fn block(&self, position: usize) -> &MessageBlock {
        &self.footer.batches[position]
    }

    /// The record-batch message at a position, head and body.
    pub(crate) fn batch_frame(&self, position: usize) -> Result<Frame> {
        let block = *self.block(position);
        let bytes = self.bytes.read(block.range())?;
        frame_of_block(&bytes, &block, MessageHeader::RecordBatch).map_err(|e| self.at_batch(e, position))
    }

    /// The message at a position with all that it needs to be read by itself.
    pub(crate) fn frames(&self, position: usize) -> Result<BatchFrames> {
        Ok(BatchFrames {
            schema: self.schema_frame.clone(),
            dictionaries: self.dictionary_frames.clone(),
            batch: self.batch_frame(position)?,
        })
    }

    /// Decodes a message of this file.
    pub(crate) fn decode(&self, position: usize, frame: &Frame, projection: Option<&[usize]>) -> Result<Decoded> {
        let body = Body::whole(frame.body.clone());
        chunk::decode_batch(frame, &body, &self.footer.schema, projection, &self.dictionaries, self.limit)
            .map_err(|e| self.at_batch(e, position))
    }

    fn batch_head(&self, position: usize) -> Result<Frame> {
        let block = self.block(position);
        Frame::from_head(self.bytes.read(block.offset..block.offset + block.head_len)?)
            .map_err(|e| self.at_batch(e, position))
    }

    fn at_batch(&self, error: Error, position: usize) -> Error {
        error.context(format!("batch {position} of '{}'", self.name))
    }

    /// Assigns every batch to its partition.
    pub(crate) fn plan(&self, by: &PartitionBy<'_>) -> Result<FilePlan> {
        if let Some(plan) = self.plan_from_index(by)? {
            return Ok(plan);
        }
        match self.footer.schema.index_of(by.column) {
            Ok(column) => self.plan_from_column(column, by.column),
            Err(_) => self.plan_from_count(by),
        }
    }

    /// The index serves if it was made for the same partition column.
    fn plan_from_index(&self, by: &PartitionBy<'_>) -> Result<Option<FilePlan>> {
        let Some(index) = &self.index else { return Ok(None) };
        let Some(column) = index.partition_column().filter(|column| *column == by.column) else { return Ok(None) };
        let data_type = index.partition_values.data_type().clone();
        let mut batches = Vec::with_capacity(self.batch_count());
        for (position, row) in self.index_rows.iter().copied().enumerate() {
            let value = partition::single_value(&index.partition_values.slice(row, 1), column, "the index")?;
            batches.push(FileBatch {
                position,
                partition: index.chunks[row].partition,
                batch: index.chunks[row].batch,
                value: value.map(|value| partition::as_key(value, &data_type)),
            });
        }
        Ok(Some(FilePlan { batches, column: Some((column.to_string(), data_type)) }))
    }

    fn plan_from_column(&self, column: usize, name: &str) -> Result<FilePlan> {
        let data_type = partition::value_type(name, self.footer.schema.field(column).data_type())?;
        let mut values = Vec::with_capacity(self.batch_count());
        for position in 0..self.batch_count() {
            values.push(self.partition_value(position, column, name, &data_type)?);
        }
        Ok(FilePlan { batches: assign(&values)?, column: Some((name.to_string(), data_type)) })
    }

    /// Reads nothing of a batch but its header and the partition column.
    fn partition_value(
        &self,
        position: usize,
        column: usize,
        name: &str,
        data_type: &DataType,
    ) -> Result<Option<PartitionValue>> {
        let block = self.block(position);
        let head = self.batch_head(position)?;
        let decoded = chunk::body_range(&head, &self.footer.schema, &[column]).and_then(|range| {
            if head.body_len()? as u64 != block.body_len {
                return Err(block_mismatch());
            }
            let start = block.offset + block.head_len;
            let segment = self.bytes.read(start + range.start..start + range.end)?;
            let body = Body::sparse(vec![(range.start, segment)], block.body_len);
            let schema = &self.footer.schema;
            chunk::decode_batch(&head, &body, schema, Some(&[column]), &self.dictionaries, self.limit)
        });
        let decoded = decoded.map_err(|e| self.at_batch(e, position))?;
        let batch_name = format!("batch {position} of '{}'", self.name);
        let value = partition::single_value(decoded.batch.column(0), name, &batch_name)?;
        Ok(value.map(|value| partition::as_key(value, data_type)))
    }

    fn plan_from_count(&self, by: &PartitionBy<'_>) -> Result<FilePlan> {
        let per_partition = by.batches.filter(|batches| *batches > 0).ok_or_else(|| {
            Error::invalid_argument(format!(
                "'{}' has no column '{}': name its partition column (--partition-column), or say how many \
                 batches make a partition (--batches)",
                self.name, by.column
            ))
        })?;
        let batch = |position: usize| FileBatch {
            position,
            partition: (position / per_partition as usize) as u32,
            batch: (position % per_partition as usize) as u32,
            value: None,
        };
        Ok(FilePlan { batches: (0..self.batch_count()).map(batch).collect(), column: None })
    }
}

/// The row of the index for each batch of the footer. Each must have its own, and nothing else may be listed.
fn index_rows(index: &Manifest, footer: &Footer) -> Result<Vec<usize>> {
    let misfit = || Error::corrupt("the index in the file's footer does not fit its batches");
    if index.chunks.len() != footer.batches.len() || index.schema.fields() != footer.schema.fields() {
        return Err(misfit());
    }
    let place = |row: &usize| (index.chunks[*row].index.metadata_offset, index.chunks[*row].index.body_length);
    let mut by_offset: Vec<usize> = (0..index.chunks.len()).collect();
    by_offset.sort_by_key(place);
    let mut positions: Vec<usize> = (0..footer.batches.len()).collect();
    positions.sort_by_key(|position| footer.batches[*position].offset);
    let mut rows = vec![0; positions.len()];
    for (position, row) in positions.into_iter().zip(by_offset) {
        let block = &footer.batches[position];
        if place(&row) != (block.offset, block.body_len) {
            return Err(misfit());
        }
        rows[position] = row;
    }
    Ok(rows)
}

/// Numbers the batches within their partitions. A batch without rows goes with the one before it.
fn assign(values: &[Option<PartitionValue>]) -> Result<Vec<FileBatch>> {
    let mut ids = PartitionIds::default();
    ids.reserve(values.iter().flatten());
    let mut counts = std::collections::HashMap::<u32, u32>::new();
    let mut current = values.iter().flatten().next().cloned();
    let mut batches = Vec::with_capacity(values.len());
    for (position, value) in values.iter().enumerate() {
        current = value.clone().or(current);
        let partition = current.as_ref().map_or(Ok(0), |value| ids.id(value))?;
        let count = counts.entry(partition).or_default();
        batches.push(FileBatch { position, partition, batch: *count, value: current.clone() });
        *count += 1;
    }
    Ok(batches)
}

fn block_mismatch() -> Error {
    Error::corrupt("the footer and the message disagree about the length of the body")
}

fn frame_of_block(bytes: &Buffer, block: &MessageBlock, kind: MessageHeader) -> Result<Frame> {
    let head_len = usize::try_from(block.head_len).map_err(|_| block_mismatch())?;
    let frame = Frame::from_head(bytes.slice_with_length(0, head_len))?;
    if frame.kind()? != kind {
        return Err(Error::corrupt(format!("expected a {kind:?} message, found {:?}", frame.kind()?)));
    }
    if frame.body_len()? as u64 != block.body_len {
        return Err(block_mismatch());
    }
    Ok(frame.with_body(bytes.slice(head_len)))
}

/// The first message. It follows the magic and zeros up to a multiple of 8, or of 64 where arrow-rs wrote the file.
fn read_schema_message(bytes: &FileBytes, messages_end: u64) -> Result<Frame> {
    const FURTHEST_START: u64 = 64;
    let mut start = HEADER.len() as u64;
    let mut prefix = bytes.read(start..(start + 8).min(messages_end))?;
    while prefix[..] == [0; 8] && start < FURTHEST_START {
        start += 8;
        prefix = bytes.read(start..(start + 8).min(messages_end))?;
    }
    let len = chunk::head_len(&prefix)?.ok_or_else(|| Error::corrupt("the file does not start with its schema"))?;
    let end = start.saturating_add(len as u64);
    if end > messages_end {
        return Err(Error::corrupt("the schema at the start of the file goes beyond its footer"));
    }
    let frame = Frame::from_head(bytes.read(start..end)?)?;
    if frame.kind()? != MessageHeader::Schema {
        return Err(Error::corrupt("the file does not start with its schema"));
    }
    Ok(frame)
}

fn read_dictionaries(bytes: &FileBytes, footer: &Footer, limit: DecodeLimit) -> Result<(Vec<Frame>, Dictionaries)> {
    let mut frames = Vec::with_capacity(footer.dictionaries.len());
    for (i, block) in footer.dictionaries.iter().enumerate() {
        let frame = frame_of_block(&bytes.read(block.range())?, block, MessageHeader::DictionaryBatch);
        frames.push(frame.map_err(|e| e.context(format!("dictionary {i}")))?);
    }
    footer::check_dictionaries(&frames)?;
    let dictionaries = chunk::decode_dictionaries(&frames, &footer.schema, limit)?;
    if footer::has_deltas(&frames)? {
        // A chunk holds complete dictionaries: the deltas are joined once, here.
        frames = join_deltas(&frames, &dictionaries)?;
    }
    Ok((frames, dictionaries))
}

fn join_deltas(frames: &[Frame], dictionaries: &Dictionaries) -> Result<Vec<Frame>> {
    let mut joined = Vec::new();
    let mut codec = Codec::None;
    for frame in frames {
        let message = frame.message()?;
        let Some(dictionary) = message.header_as_dictionary_batch() else { continue };
        codec = dictionary_codec(frame)?;
        if !dictionary.isDelta() {
            joined.push(dictionary.id());
        }
    }
    joined.into_iter().map(|id| chunk::encode_dictionary(id, &dictionaries[&id], codec)).collect()
}

/// The compression of a record-batch message.
pub(crate) fn codec_of(frame: &Frame) -> Result<Codec> {
    Ok(codec(frame.message()?.header_as_record_batch()))
}

/// The compression of a dictionary message.
pub(crate) fn dictionary_codec(frame: &Frame) -> Result<Codec> {
    Ok(codec(frame.message()?.header_as_dictionary_batch().and_then(|dictionary| dictionary.data())))
}

fn codec(batch: Option<arrow_ipc::RecordBatch<'_>>) -> Codec {
    match batch.and_then(|batch| batch.compression()).map(|compression| compression.codec()) {
        None => Codec::None,
        Some(CompressionType::ZSTD) => Codec::Zstd,
        Some(_) => Codec::Lz4,
    }
}

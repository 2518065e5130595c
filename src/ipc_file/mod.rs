//! Arrow IPC files: opening them, finding their batches and partitions, and writing them.
//!
//! Files that we write carry an index in the footer's custom metadata, so that a selective read touches only
//! what it needs. Files of other writers are asked for the values of their partition column.

mod footer;
mod open;
mod plan;
mod unify;
mod writer;

use std::path::Path;
use std::sync::OnceLock;

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow_ipc::{CompressionType, MessageHeader};
use tokio::sync::OnceCell;

pub(crate) use footer::MessageBlock;
pub(crate) use plan::{FileBatch, FilePlan, PartitionBy};
pub(crate) use writer::{BatchInfo, FileWriter, OutputFile};

use crate::chunk::{self, BatchFrames, Body, DecodeLimit, Decoded, Dictionaries, Frame};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::runtime::Context;
use crate::store::{FileBytes, S3Options, S3Url, open_s3};
use footer::Footer;

/// Key of the index in the footer's custom metadata.
pub(crate) const INDEX_KEY: &str = "arrowredis.index";

/// How a file is opened.
#[derive(Debug, Clone, Default)]
pub struct FileOptions {
    /// Map a local file instead of reading it, see [`IpcFile::open`].
    pub mmap: bool,
    /// How a file on S3 is reached.
    pub s3: S3Options,
}

/// An open Arrow IPC file.
#[derive(Debug)]
pub struct IpcFile {
    name: String,
    bytes: FileBytes,
    /// Where the footer starts.
    messages_end: u64,
    footer: Footer,
    /// The first message, once it was read.
    schema_frame: OnceLock<Frame>,
    /// All of them, once they were read.
    dictionaries: OnceCell<FileDictionaries>,
    index: Option<Manifest>,
    /// Row of the index for each batch of the file, where the index has another order.
    index_rows: Option<Vec<u32>>,
    limit: DecodeLimit,
}

/// The dictionaries of a file.
#[derive(Debug)]
struct FileDictionaries {
    /// Complete, in an order in which they can be decoded.
    frames: Vec<Frame>,
    values: Dictionaries,
}

impl IpcFile {
    /// Opens a local file and reads its footer and, where it is mapped or they lie at its start, its dictionaries.
    ///
    /// With `mmap` the file is mapped and uncompressed arrays point into it, without a copy. Then nobody may
    /// change or truncate the file while the reader or any of its arrays lives: a truncated mapping kills the
    /// process with SIGBUS.
    ///
    /// # Errors
    /// `NOT_FOUND`, `PERMISSION_DENIED`, `CORRUPT` when it is no intact IPC file, `UNSUPPORTED` for big-endian
    /// data and what arrow-rs cannot read. The message names the file.
    pub fn open(path: impl AsRef<Path>, mmap: bool) -> Result<IpcFile> {
        let (path, ctx) = (path.as_ref().to_path_buf(), Context::new());
        let context = ctx.clone();
        ctx.block_on_part(async move {
            let name = path.display().to_string();
            let bytes = FileBytes::local(&path, mmap, &context).await?;
            Self::load(name, bytes, &context).await
        })
    }

    /// Opens a local file by its path, or a file on S3 by its URL: `s3://BUCKET/KEY`, options in its query.
    ///
    /// Of a file on S3 this takes one request for its last bytes, and another where the footer does not fit in. All that
    /// is read afterwards is of the same version of the object.
    ///
    /// # Errors
    /// As [`IpcFile::open`]; `INVALID_ARGUMENT` for a URL that cannot be used; `UNAVAILABLE` and what else the server
    /// reports, naming the URL; `UNSUPPORTED` for URLs of S3 where the library was built without it.
    pub fn open_at(location: &str, options: &FileOptions, ctx: &Context) -> Result<IpcFile> {
        if !S3Url::is_one(location) {
            return Self::open(location, options.mmap);
        }
        let (url, context) = (S3Url::parse(location, &options.s3)?, ctx.clone());
        ctx.block_on_part(async move {
            let name = url.to_string();
            let bytes = open_s3(&url, &context).await.map_err(|e| e.context(format!("'{name}'")))?;
            Self::load(name, bytes, &context).await
        })
    }

    /// The same for a file that is in memory.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_buffer(name: &str, bytes: Buffer) -> Result<IpcFile> {
        let (name, ctx) = (name.to_string(), Context::new());
        let context = ctx.clone();
        ctx.block_on_part(async move { Self::load(name, FileBytes::in_memory(bytes), &context).await })
    }

    /// The path or URL that was opened, without any credential.
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

    pub(crate) fn bytes(&self) -> &FileBytes {
        &self.bytes
    }

    /// The row of the index that holds the statistics of a batch, where it has them for all these columns.
    pub(crate) fn statistics_row(&self, position: usize, columns: &[usize]) -> Option<usize> {
        let row = self.index_row(position)?;
        self.index.as_ref()?.knows(row, columns).then_some(row)
    }

    /// The index that the file carries.
    pub(crate) fn index(&self) -> Option<&Manifest> {
        self.index.as_ref()
    }

    /// The row of the index for a batch.
    pub(crate) fn index_row(&self, position: usize) -> Option<usize> {
        match &self.index_rows {
            None => (position < self.index.as_ref()?.chunk_count()).then_some(position),
            Some(rows) => rows.get(position).map(|row| *row as usize),
        }
    }

    pub(crate) fn block(&self, position: usize) -> &MessageBlock {
        &self.footer.batches[position]
    }

    /// The record-batch message at a position, of which these are the bytes, head and body.
    pub(crate) fn batch_frame(&self, position: usize, bytes: &Buffer) -> Result<Frame> {
        frame_of_block(bytes, self.block(position), MessageHeader::RecordBatch).map_err(|e| self.at_batch(e, position))
    }

    /// The head of the record-batch message at a position.
    pub(crate) fn batch_head(&self, position: usize, head: Buffer) -> Result<Frame> {
        let check = |head: Frame| {
            if head.body_len()? as u64 != self.block(position).body_len {
                return Err(block_mismatch());
            }
            Ok(head)
        };
        Frame::from_head(head).and_then(check).map_err(|e| self.at_batch(e, position))
    }

    /// A message of this file with all that it needs to be read by itself, of which `schema` is [`IpcFile::schema_frame`].
    pub(crate) fn frames(&self, schema: &Frame, batch: Frame) -> Result<BatchFrames> {
        let dictionaries = self.dictionaries(None)?.map(|loaded| loaded.frames.clone()).unwrap_or_default();
        Ok(BatchFrames { schema: schema.clone(), dictionaries, batch })
    }

    /// Whether some columns (all, if `None`) have dictionaries.
    fn needs_dictionaries(&self, columns: Option<&[usize]>) -> bool {
        let wanted = |columns| !chunk::dictionary_ids(self.schema(), columns).is_empty();
        !self.footer.dictionaries.is_empty() && columns.is_none_or(wanted)
    }

    /// What [`IpcFile::load_dictionaries`] has loaded for some columns; `None` where they need nothing.
    fn dictionaries(&self, columns: Option<&[usize]>) -> Result<Option<&FileDictionaries>> {
        match self.dictionaries.get() {
            None if self.needs_dictionaries(columns) => Err(Error::internal("dictionaries that were not loaded")),
            loaded => Ok(loaded),
        }
    }

    /// Decodes the wanted columns (all, if `projection` is `None`) of a message of this file.
    pub(crate) fn decode(
        &self,
        position: usize,
        frame: &Frame,
        body: &Body,
        projection: Option<&[usize]>,
    ) -> Result<Decoded> {
        let (none, loaded) = (Dictionaries::default(), self.dictionaries(projection)?);
        let dictionaries = loaded.map_or(&none, |loaded| &loaded.values);
        chunk::decode_batch(frame, body, &self.footer.schema, projection, dictionaries, self.limit)
            .map_err(|e| self.at_batch(e, position))
    }

    pub(crate) fn at_batch(&self, error: Error, position: usize) -> Error {
        error.context(format!("batch {position} of '{}'", self.name))
    }
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

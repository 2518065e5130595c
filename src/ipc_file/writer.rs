//! Writing IPC files: raw messages where they agree, transcoded ones where they do not, and the index.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use tempfile::NamedTempFile;

use super::footer::{Footer, HEADER, MAGIC, MessageBlock};
use super::unify::Unifier;
use super::{INDEX_KEY, codec_of};
use crate::chunk::{self, BatchFrames, DecodeLimit, Decoded, END_OF_STREAM, Frame};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::manifest::{ChunkEntry, ChunkStatistics, Manifest, ManifestBuilder, ManifestHeader};
use crate::partition::PartitionValue;

/// Messages of the file start at multiples of this where we frame them.
const ALIGNMENT: usize = 64;
/// A larger index stays out of the file: first its statistics, then all of it.
const MAX_INDEX_BYTES: usize = 8 << 20;

/// What the index tells of one batch.
#[derive(Debug, Clone)]
pub(crate) struct BatchInfo {
    pub(crate) partition: u32,
    pub(crate) batch: u32,
    pub(crate) value: Option<PartitionValue>,
    pub(crate) rows: u64,
    pub(crate) statistics: ChunkStatistics,
}

/// Writes record batches, in the order given, to one IPC file.
#[derive(Debug)]
pub(crate) struct FileWriter<W: Write> {
    out: W,
    position: u64,
    codec: Codec,
    limit: DecodeLimit,
    header: ManifestHeader,
    index: ManifestBuilder,
    /// The base of every entry of the index: none.
    no_base: Arc<str>,
    schema: SchemaRef,
    /// The dictionary messages of the first batch: the file's, unless another batch brings others.
    dictionary_frames: Vec<Frame>,
    dictionary_blocks: Vec<MessageBlock>,
    batch_blocks: Vec<MessageBlock>,
    unifier: Option<Unifier>,
}

impl<W: Write> FileWriter<W> {
    /// Starts a file. `header` gives schema message, codec, partition column and upload id;
    /// `index` is empty.
    pub(crate) fn new(
        mut out: W,
        header: ManifestHeader,
        dictionaries: Vec<Frame>,
        index: ManifestBuilder,
        limit: DecodeLimit,
    ) -> Result<Self> {
        out.write_all(&HEADER)?;
        let natural = 8 + header.schema_frame.metadata().len();
        let schema_len = (natural + HEADER.len()).next_multiple_of(ALIGNMENT) - HEADER.len();
        let head = header.schema_frame.padded_head(schema_len);
        out.write_all(&head)?;
        let schema = header.schema_frame.schema()?;
        let mut writer = FileWriter {
            out,
            position: (HEADER.len() + head.len()) as u64,
            codec: header.compression,
            limit,
            schema,
            header,
            index,
            no_base: Arc::from(""),
            dictionary_frames: Vec::new(),
            dictionary_blocks: Vec::new(),
            batch_blocks: Vec::new(),
            unifier: None,
        };
        for frame in &dictionaries {
            let block = writer.write_frame(frame)?;
            writer.dictionary_blocks.push(block);
        }
        writer.dictionary_frames = dictionaries;
        Ok(writer)
    }

    /// Whether a batch's message can go into this file as it is.
    pub(crate) fn accepts(&self, frames: &BatchFrames) -> Result<bool> {
        Ok(codec_of(&frames.batch)? == self.codec && self.same_context(frames)?)
    }

    /// Whether schema message, dictionary ids, metadata version and dictionaries agree with the file's.
    fn same_context(&self, frames: &BatchFrames) -> Result<bool> {
        Ok(self.header.schema_frame.same_message(&frames.schema)
            && frames.batch.version()? == self.header.schema_frame.version()?
            && self.dictionary_frames.len() == frames.dictionaries.len()
            && self.dictionary_frames.iter().zip(&frames.dictionaries).all(|(a, b)| a.same_message(b)))
    }

    /// Writes a message that the file [accepts](FileWriter::accepts) byte for byte.
    pub(crate) fn write_raw(&mut self, batch: &Frame, info: BatchInfo) -> Result<()> {
        let block = self.write_frame(batch)?;
        self.record(block, info)
    }

    /// Writes a decoded batch, with its dictionaries joined into the file's.
    pub(crate) fn write_decoded(&mut self, decoded: &Decoded, info: BatchInfo) -> Result<()> {
        let unifier = match &mut self.unifier {
            Some(unifier) => unifier,
            None => {
                let dictionaries = chunk::decode_dictionaries(&self.dictionary_frames, &self.schema, self.limit)?;
                self.unifier.insert(Unifier::new(&dictionaries)?)
            }
        };
        let batch = unifier.remap(&decoded.batch, &self.schema)?;
        let frames = chunk::encode_batch(&batch, self.codec)?;
        self.write_raw(&frames.batch, info)
    }

    fn write_frame(&mut self, frame: &Frame) -> Result<MessageBlock> {
        // Messages of very old writers are framed anew; all others go out as they are.
        let reframed;
        let head = if frame.head().len().is_multiple_of(8) && frame.head().starts_with(&[0xff; 4]) {
            frame.head()
        } else {
            reframed = frame.padded_head((8 + frame.metadata().len()).next_multiple_of(8));
            &reframed
        };
        self.out.write_all(head)?;
        self.out.write_all(&frame.body)?;
        let block =
            MessageBlock { offset: self.position, head_len: head.len() as u64, body_len: frame.body.len() as u64 };
        self.position += block.len();
        Ok(block)
    }

    fn record(&mut self, block: MessageBlock, info: BatchInfo) -> Result<()> {
        self.batch_blocks.push(block);
        let index = chunk::PayloadIndex {
            payload_bytes: block.len(),
            metadata_offset: block.offset,
            metadata_length: block.head_len,
            body_offset: block.offset + block.head_len,
            body_length: block.body_len,
            ..Default::default()
        };
        let BatchInfo { partition, batch, rows, .. } = info;
        let entry = ChunkEntry { partition, batch, base: self.no_base.clone(), rows, index };
        self.index.push(&entry, info.value, &info.statistics)
    }

    /// Writes dictionaries that grew, the end of the stream, the footer with the index, and flushes; returns
    /// the size of the file.
    pub(crate) fn finish(mut self) -> Result<(W, u64)> {
        if let Some(unifier) = self.unifier.take() {
            let frames = unifier
                .dictionaries()
                .into_iter()
                .map(|(id, values)| chunk::encode_dictionary(id, values, self.codec))
                .collect::<Result<Vec<_>>>()?;
            self.dictionary_blocks.clear();
            for frame in &frames {
                let block = self.write_frame(frame)?;
                self.dictionary_blocks.push(block);
            }
        }
        let index = self.index.finish(self.header.clone())?;
        let metadata: Vec<(String, String)> =
            index_text(index)?.into_iter().map(|text| (INDEX_KEY.to_string(), text)).collect();
        let footer = Footer::encode(&self.header.schema_frame, &self.dictionary_blocks, &self.batch_blocks, &metadata)?;
        self.out.write_all(&END_OF_STREAM)?;
        self.out.write_all(&footer)?;
        self.out.write_all(&(footer.len() as i32).to_le_bytes())?;
        self.out.write_all(&MAGIC)?;
        self.out.flush()?;
        let size = self.position + (END_OF_STREAM.len() + footer.len() + 4 + MAGIC.len()) as u64;
        Ok((self.out, size))
    }
}

/// The index as text, without statistics or not at all where it would be too large.
fn index_text(mut index: Manifest) -> Result<Option<String>> {
    let text = index.to_footer_text()?;
    if text.len() <= MAX_INDEX_BYTES {
        return Ok(Some(text));
    }
    index.statistics.clear();
    Ok(Some(index.to_footer_text()?).filter(|text| text.len() <= MAX_INDEX_BYTES))
}

/// A file under a temporary name beside its final one, which it gets when complete. Dropped before, it vanishes.
/// A device or a pipe that has the name keeps it, and is written to.
#[derive(Debug)]
pub(crate) struct OutputFile {
    file: BufWriter<Target>,
    path: PathBuf,
}

#[derive(Debug)]
enum Target {
    Temporary(NamedTempFile),
    Device(File),
}

impl OutputFile {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let context = |e: std::io::Error| Error::from(e).context(format!("cannot write '{}'", path.display()));
        if path.is_dir() {
            return Err(Error::io(format!("cannot write '{}': it is a directory", path.display())));
        }
        if path.exists() && !path.is_file() {
            let device = File::options().write(true).open(path).map_err(context)?;
            return Ok(OutputFile::new(Target::Device(device), path));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        let builder = {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666))
        };
        let file = builder.prefix(".arrowredis-").suffix(".tmp").tempfile_in(folder).map_err(context)?;
        Ok(OutputFile::new(Target::Temporary(file), path))
    }

    fn new(target: Target, path: &Path) -> Self {
        OutputFile { file: BufWriter::with_capacity(256 << 10, target), path: path.to_path_buf() }
    }

    /// Gives the file its name.
    pub(crate) fn publish(self) -> Result<()> {
        let context = |e: std::io::Error| Error::from(e).context(format!("cannot write '{}'", self.path.display()));
        match self.file.into_inner().map_err(|e| context(e.into_error()))? {
            Target::Temporary(file) => file.persist(&self.path).map(drop).map_err(|e| context(e.error)),
            Target::Device(_) => Ok(()),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Target::Temporary(file) => file.write(bytes),
            Target::Device(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Target::Temporary(file) => file.flush(),
            Target::Device(file) => file.flush(),
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

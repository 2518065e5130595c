//! Opening a file: its footer, dictionaries and index, and its schema message.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow_ipc::MessageHeader;
use tokio::sync::OnceCell;

use super::footer::{self, Footer, HEADER, MAGIC, TAIL_BYTES};
use super::{FileDictionaries, IpcFile, dictionary_codec, frame_of_block};
use crate::chunk::{self, DecodeLimit, Dictionaries, Frame};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::runtime::{Context, runtime};
use crate::store::{END_BYTES, FileBytes};

impl IpcFile {
    /// Reads the footer of a file, and of its schema message and dictionaries what is at hand. Errors name it.
    pub(crate) async fn load(name: String, bytes: FileBytes, ctx: &Context) -> Result<IpcFile> {
        let described = format!("'{name}'");
        load(name, bytes, ctx).await.map_err(|e| e.context(described))
    }

    /// The schema message, without which no message can be copied. The start of a file that is far away is read when it is
    /// first asked for: reading rows does not need it.
    ///
    /// # Errors
    /// `CORRUPT` where the file does not start with the schema that is in its footer; what reading reports.
    pub(crate) fn schema_frame(self: &Arc<Self>, ctx: &Context) -> Result<Frame> {
        if let Some(frame) = self.schema_frame.get() {
            return Ok(frame.clone());
        }
        let (file, context) = (self.clone(), ctx.clone());
        let frame = ctx.block_on_part(async move {
            read_schema_message(&file.bytes, file.messages_end, file.schema(), &context)
                .await
                .map_err(|e| e.context(format!("'{}'", file.name)))
        })?;
        Ok(self.schema_frame.get_or_init(|| frame).clone())
    }

    /// Reads the dictionaries, unless they are there or none of these columns (all, if `None`) has one. Those of a file that
    /// is far away come with the first rows that need them, rather than one more round trip before them.
    ///
    /// # Errors
    /// `CORRUPT` for dictionaries that are not sound; what reading reports. The error names the file.
    pub(crate) async fn load_dictionaries(self: &Arc<Self>, columns: Option<&[usize]>, ctx: &Context) -> Result<()> {
        if !self.needs_dictionaries(columns) {
            return Ok(());
        }
        let load = || async {
            let blocks: Vec<_> = self.footer.dictionaries.iter().map(|block| block.range()).collect();
            let bytes = self.bytes.read_all(&blocks, ctx).await?;
            let file = self.clone();
            runtime()?.compute(move || parse_dictionaries(&bytes, &file.footer, file.limit)).await
        };
        let loaded = self.dictionaries.get_or_try_init(load).await;
        loaded.map(|_| ()).map_err(|e| e.context(format!("'{}'", self.name)))
    }
}

async fn load(name: String, bytes: FileBytes, ctx: &Context) -> Result<IpcFile> {
    let runtime = runtime()?;
    let limit = DecodeLimit::new(runtime.budget.total());
    let (footer_bytes, messages_end) = read_footer(&bytes, ctx).await?;
    let mut footer = runtime.compute(move || Footer::parse(&footer_bytes, messages_end)).await?;
    let schema_frame = match bytes.at_hand(&start_of_messages(messages_end)) {
        Some(_) => OnceLock::from(read_schema_message(&bytes, messages_end, &footer.schema, ctx).await?),
        None => OnceLock::new(),
    };
    let at_hand: Option<Vec<_>> = footer.dictionaries.iter().map(|block| bytes.at_hand(&block.range())).collect();
    let parse = move || {
        let dictionaries = at_hand.map(|bytes| parse_dictionaries(&bytes, &footer, limit)).transpose()?;
        let index = footer.index.take().map(Manifest::from_footer).transpose()?;
        let index_rows = index.as_ref().map(|index| index_rows(index, &footer)).transpose()?.flatten();
        let file = IpcFile {
            name,
            bytes,
            messages_end,
            footer,
            schema_frame,
            dictionaries: OnceCell::new_with(dictionaries),
            index,
            index_rows,
            limit,
        };
        Ok(file)
    };
    runtime.compute(parse).await
}

/// The footer, and where it starts.
async fn read_footer(bytes: &FileBytes, ctx: &Context) -> Result<(Buffer, u64)> {
    let file_len = bytes.len();
    let tail = bytes.read(file_len.saturating_sub(TAIL_BYTES as u64)..file_len, ctx).await?;
    let footer_len = footer::footer_len(&tail, file_len)?;
    let end = file_len - TAIL_BYTES as u64;
    let start = end - footer_len as u64;
    Ok((bytes.read(start..end, ctx).await?, start))
}

/// Where the first message lies, most likely.
fn start_of_messages(messages_end: u64) -> Range<u64> {
    0..messages_end.min(END_BYTES)
}

/// The first message. It follows the magic and zeros up to a multiple of 8, or of 64 where arrow-rs wrote the file.
async fn read_schema_message(bytes: &FileBytes, messages_end: u64, schema: &SchemaRef, ctx: &Context) -> Result<Frame> {
    const FURTHEST_START: usize = 64;
    let begins = bytes.read(start_of_messages(messages_end), ctx).await?;
    if !begins.starts_with(&MAGIC) {
        return Err(Error::corrupt("this is not an Arrow IPC file: it does not start with the magic 'ARROW1'"));
    }
    let mut start = HEADER.len();
    while start < FURTHEST_START && begins.get(start..).is_some_and(|rest| rest.starts_with(&[0; 8])) {
        start += 8;
    }
    let missing = || Error::corrupt("the file does not start with its schema");
    let prefix = begins.get(start..).ok_or_else(missing)?;
    let len = chunk::head_len(prefix)?.ok_or_else(missing)?;
    let (start, end) = (start as u64, (start as u64).saturating_add(len as u64));
    if end > messages_end {
        return Err(Error::corrupt("the schema at the start of the file goes beyond its footer"));
    }
    let frame = Frame::from_head(bytes.read(start..end, ctx).await?)?;
    if frame.kind()? != MessageHeader::Schema {
        return Err(missing());
    }
    if frame.schema()?.fields() != schema.fields() {
        return Err(Error::corrupt("the schema at the start of the file is not the one in its footer"));
    }
    Ok(frame)
}

fn parse_dictionaries(bytes: &[Buffer], footer: &Footer, limit: DecodeLimit) -> Result<FileDictionaries> {
    let mut frames = Vec::with_capacity(footer.dictionaries.len());
    for (i, (block, bytes)) in footer.dictionaries.iter().zip(bytes).enumerate() {
        let frame = frame_of_block(bytes, block, MessageHeader::DictionaryBatch);
        frames.push(frame.map_err(|e| e.context(format!("dictionary {i}")))?);
    }
    footer::check_dictionaries(&frames)?;
    let values = chunk::decode_dictionaries(&frames, &footer.schema, limit)?;
    if footer::has_deltas(&frames)? {
        // A chunk holds complete dictionaries: the deltas are joined once, here.
        frames = join_deltas(&frames, &values)?;
    }
    Ok(FileDictionaries { frames, values })
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

/// The row of the index for each batch of the footer; `None` where their order is the same. Each must have its own, and
/// nothing else may be listed.
fn index_rows(index: &Manifest, footer: &Footer) -> Result<Option<Vec<u32>>> {
    let misfit = || Error::corrupt("the index in the file's footer does not fit its batches");
    let (chunks, batches) = (&index.chunks, &footer.batches);
    if chunks.len() != batches.len() || index.schema.fields() != footer.schema.fields() {
        return Err(misfit());
    }
    let of_row = |row: usize| chunks.message(row);
    let of_batch = |position: usize| (batches[position].offset, batches[position].body_len);
    if (0..batches.len()).all(|position| of_row(position) == of_batch(position)) {
        return Ok(None);
    }
    let count = u32::try_from(batches.len()).map_err(|_| misfit())?;
    let mut by_offset: Vec<u32> = (0..count).collect();
    by_offset.sort_by_key(|row| of_row(*row as usize));
    let mut positions: Vec<u32> = (0..count).collect();
    positions.sort_by_key(|position| of_batch(*position as usize).0);
    let mut rows = vec![0; positions.len()];
    for (position, row) in positions.into_iter().zip(by_offset) {
        if of_row(row as usize) != of_batch(position as usize) {
            return Err(misfit());
        }
        rows[position as usize] = row;
    }
    Ok(Some(rows))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int32Array};
    use arrow::datatypes::{DataType, Int32Type};
    use arrow::record_batch::RecordBatch;

    use super::super::{BatchInfo, FileWriter, PartitionBy};
    use super::*;
    use crate::manifest::{ChunkStatistics, ManifestBuilder, ManifestHeader};
    use crate::partition::PartitionValue;
    use crate::statistics::batch_statistics;

    #[test]
    fn an_index_in_another_order_than_the_batches_is_heeded() {
        let batch = |partition: i32| {
            RecordBatch::try_from_iter([("p", Arc::new(Int32Array::from(vec![partition])) as ArrayRef)]).unwrap()
        };
        let header = ManifestHeader {
            upload_id: String::new(),
            created_at: String::new(),
            compression: Codec::None,
            schema_frame: chunk::encode_schema(&batch(0).schema()).unwrap(),
            partition_column: Some(("p".to_string(), DataType::Int32)),
        };
        let limit = DecodeLimit::new(1 << 20);
        let places = [(7u32, 0u32), (3, 0), (7, 1), (5, 0)];
        let index = ManifestBuilder::new(&[0], &batch(0).schema(), 0);
        let mut writer = FileWriter::new(Vec::new(), header, Vec::new(), index, limit).unwrap();
        for (partition, number) in places {
            let data = batch(partition as i32);
            let info = BatchInfo {
                partition,
                batch: number,
                value: Some(PartitionValue::Int(partition.into())),
                rows: 1,
                statistics: ChunkStatistics::Computed(batch_statistics(&data, &[0]).unwrap()),
            };
            writer.write_raw(&chunk::encode_batch(&data, Codec::None).unwrap().batch, info).unwrap();
        }
        let file = Arc::new(IpcFile::from_buffer("file", Buffer::from_vec(writer.finish().unwrap().0)).unwrap());
        let by = PartitionBy { column: "p".to_string(), batches: None };
        let plan = file.plan(&by, &Context::new()).unwrap();
        assert_eq!(plan.batches.iter().map(|b| (b.partition, b.batch)).collect::<Vec<_>>(), places);
        for (position, (partition, _)) in places.into_iter().enumerate() {
            let row = file.statistics_row(position, &[0]).unwrap();
            assert_eq!(file.index_row(position), Some(row));
            let known = &file.index().unwrap().statistics[0];
            assert_eq!(known.min.as_primitive::<Int32Type>().value(row), partition as i32);
        }
        assert_eq!(
            [0, 1, 2, 3, 4].map(|position| file.index_row(position)),
            [Some(2), Some(0), Some(3), Some(1), None]
        );
        assert_eq!(file.statistics_row(0, &[1]), None);
    }
}

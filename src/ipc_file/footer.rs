//! The footer of an IPC file: which messages there are, and where.
//!
//! Format: <https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format>.

use std::collections::HashSet;
use std::ops::Range;

use arrow::datatypes::SchemaRef;
use arrow_ipc::{Block, MetadataVersion};
use flatbuffers::FlatBufferBuilder;

use super::INDEX_KEY;
use crate::chunk::{Frame, decode_schema, invalid_flatbuffer, verifier_options};
use crate::error::{Error, Result};
use crate::manifest;

/// What a file starts and ends with.
pub(crate) const MAGIC: [u8; 6] = *b"ARROW1";
/// The magic padded to 8 bytes, as a file starts.
pub(crate) const HEADER: [u8; 8] = *b"ARROW1\0\0";
/// The footer's length and the magic, as a file ends.
pub(crate) const TAIL_BYTES: usize = 4 + MAGIC.len();
/// A footer takes a few dozen bytes a batch, and our index some more; this is far beyond any real one.
const MAX_FOOTER_BYTES: usize = 1 << 30;

/// One message of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageBlock {
    pub(crate) offset: u64,
    pub(crate) head_len: u64,
    pub(crate) body_len: u64,
}

impl MessageBlock {
    /// Bytes of the whole message.
    pub(crate) fn len(&self) -> u64 {
        self.head_len + self.body_len
    }

    /// Where the message lies in the file.
    pub(crate) fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.len()
    }

    /// Where its head lies in the file.
    pub(crate) fn head_range(&self) -> Range<u64> {
        self.offset..self.offset + self.head_len
    }

    /// Where its body lies in the file.
    pub(crate) fn body_range(&self) -> Range<u64> {
        self.offset + self.head_len..self.offset + self.len()
    }
}

/// The parsed footer.
#[derive(Debug, Clone)]
pub(crate) struct Footer {
    pub(crate) schema: SchemaRef,
    pub(crate) dictionaries: Vec<MessageBlock>,
    pub(crate) batches: Vec<MessageBlock>,
    /// What [`INDEX_KEY`] says in the custom metadata, decoded from base64.
    pub(crate) index: Option<Vec<u8>>,
}

/// The length of the footer, from the last [`TAIL_BYTES`] of a file.
pub(crate) fn footer_len(tail: &[u8], file_len: u64) -> Result<usize> {
    let not_a_file = || {
        Error::corrupt(
            "this is not an Arrow IPC file, or it is truncated: it does not end with the magic 'ARROW1' \
             (an IPC stream can be given on standard input)",
        )
    };
    let (len, magic) = tail.split_first_chunk::<4>().ok_or_else(not_a_file)?;
    if *magic != MAGIC {
        return Err(not_a_file());
    }
    let len = i32::from_le_bytes(*len);
    let room = file_len.saturating_sub((HEADER.len() + TAIL_BYTES) as u64);
    usize::try_from(len)
        .ok()
        .filter(|len| *len as u64 <= room && *len <= MAX_FOOTER_BYTES && *len > 0)
        .ok_or_else(|| Error::corrupt(format!("the file declares a footer of {len} bytes")))
}

impl Footer {
    /// Parses the footer's flatbuffer and checks every block against the part of the file before the footer.
    pub(crate) fn parse(bytes: &[u8], messages_end: u64) -> Result<Footer> {
        let footer = arrow_ipc::root_as_footer_with_opts(&verifier_options(), bytes)
            .map_err(|e| invalid_flatbuffer("the footer of the file", &e))?;
        let version = footer.version();
        if version != MetadataVersion::V4 && version != MetadataVersion::V5 {
            return Err(Error::unsupported(format!("IPC metadata version {version:?}: only V4 and V5 can be read")));
        }
        let schema = footer.schema().ok_or_else(|| Error::corrupt("the footer of the file has no schema"))?;
        // What is held of each batch grows with the file: room is taken for as many as there are.
        let blocks = |list: Option<flatbuffers::Vector<'_, Block>>, what: &str| -> Result<Vec<MessageBlock>> {
            let mut blocks = Vec::with_capacity(list.map_or(0, |list| list.len()));
            for (i, block) in list.iter().flatten().enumerate() {
                blocks.push(check_block(block, messages_end, what, i)?);
            }
            Ok(blocks)
        };
        let dictionaries = blocks(footer.dictionaries(), "dictionary")?;
        let batches = blocks(footer.recordBatches(), "batch")?;
        check_apart(&dictionaries, &batches)?;
        let pairs = footer.custom_metadata();
        let index = pairs.iter().flatten().find(|pair| pair.key() == Some(INDEX_KEY)).and_then(|pair| pair.value());
        let index = index.map(manifest::footer_bytes).transpose()?;
        Ok(Footer { schema: decode_schema(schema)?, dictionaries, batches, index })
    }

    /// Writes a footer; `schema` is the file's schema message.
    pub(crate) fn encode(
        schema: &Frame,
        dictionaries: &[MessageBlock],
        batches: &[MessageBlock],
        custom_metadata: &[(String, String)],
    ) -> Result<Vec<u8>> {
        // All of it, with room for what stands between the parts: a buffer that grows is held twice for a moment.
        let text: usize = custom_metadata.iter().map(|(key, value)| key.len() + value.len() + 32).sum();
        let blocks = (dictionaries.len() + batches.len()) * size_of::<Block>();
        let mut builder = FlatBufferBuilder::with_capacity(schema.metadata().len() + text + blocks + 256);
        let message = schema.message()?;
        let header = message.header_as_schema().ok_or_else(|| Error::internal("a file needs a schema message"))?;
        // Offsets in a flatbuffer are relative and point forward, so the schema message can stand as it is at
        // the end of the footer, dictionary ids and all. Offsets of a builder count from that end.
        let mut embedded = schema.metadata().to_vec();
        embedded.resize(embedded.len().next_multiple_of(8), 0);
        builder.create_vector(&embedded);
        let schema = flatbuffers::WIPOffset::new((embedded.len() - header._tab.loc()) as u32);
        let vector = |blocks: &[MessageBlock]| -> Vec<Block> {
            blocks.iter().map(|b| Block::new(b.offset as i64, b.head_len as i32, b.body_len as i64)).collect()
        };
        let dictionaries = builder.create_vector(&vector(dictionaries));
        let batches = builder.create_vector(&vector(batches));
        let pairs: Vec<_> = custom_metadata.iter().map(|(key, value)| key_value(&mut builder, key, value)).collect();
        let pairs = builder.create_vector(&pairs);
        let mut footer = arrow_ipc::FooterBuilder::new(&mut builder);
        footer.add_version(message.version());
        footer.add_schema(schema);
        footer.add_dictionaries(dictionaries);
        footer.add_recordBatches(batches);
        footer.add_custom_metadata(pairs);
        let root = footer.finish();
        builder.finish(root, None);
        let (mut bytes, start) = builder.collapse();
        bytes.drain(..start);
        Ok(bytes)
    }
}

fn key_value<'a>(
    builder: &mut FlatBufferBuilder<'a>,
    key: &str,
    value: &str,
) -> flatbuffers::WIPOffset<arrow_ipc::KeyValue<'a>> {
    let (key, value) = (builder.create_string(key), builder.create_string(value));
    let mut pair = arrow_ipc::KeyValueBuilder::new(builder);
    pair.add_key(key);
    pair.add_value(value);
    pair.finish()
}

fn check_block(block: &Block, messages_end: u64, what: &str, number: usize) -> Result<MessageBlock> {
    let parts = (
        u64::try_from(block.offset()).ok(),
        u64::try_from(block.metaDataLength()).ok(),
        u64::try_from(block.bodyLength()).ok(),
    );
    if let (Some(offset), Some(head_len), Some(body_len)) = parts {
        let end = offset.checked_add(head_len).and_then(|end| end.checked_add(body_len));
        if offset >= HEADER.len() as u64 && head_len >= 8 && end.is_some_and(|end| end <= messages_end) {
            return Ok(MessageBlock { offset, head_len, body_len });
        }
    }
    Err(Error::corrupt(format!(
        "{what} {number} (offset {}, metadata {}, body {}) lies outside the file",
        block.offset(),
        block.metaDataLength(),
        block.bodyLength()
    )))
}

/// No byte may belong to two messages: otherwise a small file could hold any amount of data.
fn check_apart(dictionaries: &[MessageBlock], batches: &[MessageBlock]) -> Result<()> {
    let mut blocks: Vec<&MessageBlock> = Vec::with_capacity(dictionaries.len() + batches.len());
    blocks.extend(dictionaries.iter().chain(batches));
    blocks.sort_unstable_by_key(|block| block.offset);
    match blocks.windows(2).find(|pair| pair[0].range().end > pair[1].offset) {
        None => Ok(()),
        Some(pair) => Err(Error::corrupt(format!(
            "two messages of the file overlap: the one at byte {} ends at {}, the next starts at {}",
            pair[0].offset,
            pair[0].range().end,
            pair[1].offset
        ))),
    }
}

/// Two dictionaries of one id that are no deltas would leave it open which one a batch means.
pub(crate) fn check_dictionaries(frames: &[Frame]) -> Result<()> {
    let mut seen = HashSet::new();
    for frame in frames {
        let message = frame.message()?;
        let Some(dictionary) = message.header_as_dictionary_batch() else {
            return Err(Error::corrupt(format!(
                "the footer lists a {:?} message among the dictionaries",
                message.header_type()
            )));
        };
        if !dictionary.isDelta() && !seen.insert(dictionary.id()) {
            return Err(Error::corrupt(format!("the file holds two dictionaries with the id {}", dictionary.id())));
        }
    }
    Ok(())
}

/// Whether any of the dictionary messages is a delta.
pub(crate) fn has_deltas(frames: &[Frame]) -> Result<bool> {
    for frame in frames {
        if frame.message()?.header_as_dictionary_batch().is_some_and(|d| d.isDelta()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn blocks_must_lie_apart_and_within_the_file() {
        let schema = crate::chunk::encode_schema(&Schema::new(vec![Field::new("a", DataType::Int8, true)])).unwrap();
        let block = |offset, body_len| MessageBlock { offset, head_len: 64, body_len };
        let parse = |dictionaries: &[MessageBlock], batches: &[MessageBlock]| {
            Footer::parse(&Footer::encode(&schema, dictionaries, batches, &[]).unwrap(), 1000)
        };
        let good = parse(&[block(8, 64)], &[block(300, 0), block(136, 100)]).unwrap();
        assert_eq!((good.dictionaries, good.batches), (vec![block(8, 64)], vec![block(300, 0), block(136, 100)]));
        for (dictionaries, batches, part) in [
            (
                vec![],
                vec![block(8, 64), block(8, 64)],
                "two messages of the file overlap: the one at byte 8 ends at 136",
            ),
            (vec![block(8, 65)], vec![block(136, 0)], "overlap"),
            (vec![], vec![block(0, 64)], "batch 0 (offset 0, metadata 64, body 64) lies outside the file"),
            (vec![], vec![block(936, 8)], "outside the file"),
        ] {
            let error = parse(&dictionaries, &batches).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
            assert!(error.message().contains(part), "{error}");
        }
    }
}

//! One buffer at a time, from its compressed form straight to where its bytes belong.
//!
//! A compressed buffer is an i64 (the uncompressed length, or -1 for «stored as is») and a zstd or LZ4 frame.
//! LZ4 frames are walked here because the streaming decoder of the library copies everything once more:
//! <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>.

use std::cell::RefCell;

use arrow_ipc::CompressionType;

use crate::error::{Error, Result};

/// How a buffer is stored.
pub(crate) enum Stored<'a> {
    /// As is.
    Raw(&'a [u8]),
    /// Compressed: its uncompressed length, and the frame.
    Compressed(usize, &'a [u8]),
}

impl<'a> Stored<'a> {
    /// Takes the length prefix off a buffer of a compressed body.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Stored::Raw(bytes));
        }
        let (prefix, rest) = bytes
            .split_first_chunk::<8>()
            .ok_or_else(|| Error::corrupt("a compressed buffer is shorter than its length prefix"))?;
        match i64::from_le_bytes(*prefix) {
            -1 => Ok(Stored::Raw(rest)),
            len => usize::try_from(len)
                .map(|len| Stored::Compressed(len, rest))
                .map_err(|_| Error::corrupt(format!("a compressed buffer declares {len} bytes"))),
        }
    }

    /// The number of bytes when uncompressed.
    pub(crate) fn len(&self) -> usize {
        match self {
            Stored::Raw(bytes) => bytes.len(),
            Stored::Compressed(len, _) => *len,
        }
    }

    /// Writes the uncompressed bytes to `out`, whose length is [`Stored::len`].
    pub(crate) fn write_to(&self, codec: CompressionType, out: &mut [u8]) -> Result<()> {
        let (bytes, written) = match self {
            Stored::Raw(bytes) => {
                out.copy_from_slice(bytes);
                return Ok(());
            }
            Stored::Compressed(0, _) => return Ok(()),
            Stored::Compressed(_, frame) if codec == CompressionType::ZSTD => (frame, zstd(frame, out)?),
            Stored::Compressed(_, frame) => (frame, lz4_frame(frame, out)?),
        };
        if written != out.len() {
            return Err(Error::corrupt(format!(
                "a compressed buffer of {} bytes declares {} bytes but holds {written}",
                bytes.len(),
                out.len()
            )));
        }
        Ok(())
    }
}

fn zstd(frame: &[u8], out: &mut [u8]) -> Result<usize> {
    thread_local! {
        static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    }
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor
            .decompress_to_buffer(frame, out)
            .map_err(|e| Error::corrupt(format!("a zstd frame cannot be decompressed: {e}")))
    })
}

const LZ4_MAGIC: [u8; 4] = 0x184D_2204u32.to_le_bytes();
const LZ4_WINDOW: usize = 64 << 10;

fn lz4_frame(frame: &[u8], out: &mut [u8]) -> Result<usize> {
    let bad = |what: &str| Error::corrupt(format!("an LZ4 frame cannot be decompressed: {what}"));
    let header = frame.get(..6).ok_or_else(|| bad("it is truncated"))?;
    if header[..4] != LZ4_MAGIC || header[4] >> 6 != 1 {
        return Err(bad("it is not an LZ4 frame of version 1"));
    }
    let flags = header[4];
    let (independent, block_checksum) = (flags & 0x20 != 0, flags & 0x10 != 0);
    let (content_size, dictionary) = (flags & 0x08 != 0, flags & 0x01 != 0);
    if dictionary {
        return Err(bad("it needs an external dictionary"));
    }
    // Magic, flags, block size, then optionally the content size, then the header's checksum.
    let mut at = 6 + if content_size { 8 } else { 0 } + 1;
    let mut written = 0;
    loop {
        let word = frame.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or_else(|| bad("it is truncated"))?;
        let word = u32::from_le_bytes(*word);
        at += 4;
        if word == 0 {
            return Ok(written);
        }
        let len = (word & 0x7fff_ffff) as usize;
        let block = frame.get(at..).and_then(|rest| rest.get(..len)).ok_or_else(|| bad("it is truncated"))?;
        at += len + if block_checksum { 4 } else { 0 };
        let (done, rest) = out.split_at_mut(written);
        written += if word & 0x8000_0000 != 0 {
            rest.get_mut(..len).ok_or_else(|| bad("it holds more than it declares"))?.copy_from_slice(block);
            len
        } else if independent || done.is_empty() {
            lz4_flex::block::decompress_into(block, rest).map_err(|e| bad(&e.to_string()))?
        } else {
            let window = &done[done.len().saturating_sub(LZ4_WINDOW)..];
            lz4_flex::block::decompress_into_with_dict(block, rest, window).map_err(|e| bad(&e.to_string()))?
        };
    }
}

//! LZ4 frames, straight from buffer to buffer: the streaming coders of the library copy everything once more.
//!
//! Format: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>.

use crate::error::{Error, Result};

const MAGIC: [u8; 4] = 0x184D_2204u32.to_le_bytes();
/// How far back a block may refer into the one before.
const WINDOW: usize = 64 << 10;
/// Version 1, blocks that do not depend on each other, no checksums, no content size; blocks of up to 4 MiB.
const DESCRIPTOR: [u8; 2] = [0x60, 0x70];
const BLOCK_BYTES: usize = 4 << 20;
/// Marks the length of a block that is stored as it is.
const STORED: u32 = 1 << 31;
/// Magic, descriptor and its checksum; at the end four zeros.
const HEADER_BYTES: usize = 7;
const END_BYTES: usize = 4;

/// Decompresses a frame; returns how many bytes it held, which may be fewer than `out` has room for.
pub(super) fn decompress(frame: &[u8], out: &mut [u8]) -> Result<usize> {
    let bad = |what: &str| Error::corrupt(format!("an LZ4 frame cannot be decompressed: {what}"));
    let header = frame.get(..6).ok_or_else(|| bad("it is truncated"))?;
    if header[..4] != MAGIC || header[4] >> 6 != 1 {
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
        let len = (word & !STORED) as usize;
        let block = frame.get(at..).and_then(|rest| rest.get(..len)).ok_or_else(|| bad("it is truncated"))?;
        at += len + if block_checksum { 4 } else { 0 };
        let (done, rest) = out.split_at_mut(written);
        written += if word & STORED != 0 {
            rest.get_mut(..len).ok_or_else(|| bad("it holds more than it declares"))?.copy_from_slice(block);
            len
        } else if independent || done.is_empty() {
            lz4_flex::block::decompress_into(block, rest).map_err(|e| bad(&e.to_string()))?
        } else {
            let window = &done[done.len().saturating_sub(WINDOW)..];
            lz4_flex::block::decompress_into_with_dict(block, rest, window).map_err(|e| bad(&e.to_string()))?
        };
    }
}

/// The longest that a frame of so many bytes can be.
pub(super) fn most_bytes(len: usize) -> usize {
    let blocks = len.div_ceil(BLOCK_BYTES);
    // The last block is written to before it is known that it does not get shorter.
    len + HEADER_BYTES + 4 * blocks + END_BYTES + lz4_flex::block::get_maximum_output_size(len.min(BLOCK_BYTES))
}

/// Compresses bytes to a frame at the start of `out`; `None` if there is no room for it.
pub(super) fn compress(bytes: &[u8], out: &mut [u8]) -> Option<usize> {
    let (header, blocks) = out.split_at_mut_checked(HEADER_BYTES)?;
    let [_, checksum, ..] = xxhash_rust::xxh32::xxh32(&DESCRIPTOR, 0).to_le_bytes();
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&DESCRIPTOR);
    header[6] = checksum;
    let mut end = 0;
    for block in bytes.chunks(BLOCK_BYTES) {
        let (word, rest) = blocks[end..].split_first_chunk_mut::<4>()?;
        let compressed = lz4_flex::block::compress_into(block, rest).ok()?;
        let stored = compressed >= block.len();
        let len = if stored { block.len() } else { compressed };
        if stored {
            rest[..len].copy_from_slice(block);
        }
        *word = (len as u32 | if stored { STORED } else { 0 }).to_le_bytes();
        end += 4 + len;
    }
    *blocks[end..].first_chunk_mut::<END_BYTES>()? = [0; END_BYTES];
    Some(HEADER_BYTES + end + END_BYTES)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0xaa; most_bytes(bytes.len())];
        let len = compress(bytes, &mut out).unwrap();
        out.truncate(len);
        out
    }

    /// Compressible, then not, then compressible, over block after block.
    fn mixed(len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..len).map(|i| (i / 100) as u8).collect();
        if let Some(noise) = bytes.get_mut(BLOCK_BYTES..) {
            let noise_len = noise.len().min(BLOCK_BYTES);
            StdRng::seed_from_u64(5).fill(&mut noise[..noise_len]);
        }
        bytes
    }

    #[test]
    fn the_library_reads_our_frames_and_so_do_we() {
        for len in [0, 1, 12, 13, 1000, 70_000, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 5_000]
        {
            let bytes = mixed(len);
            let frame = compressed(&bytes);
            let mut theirs = Vec::new();
            lz4_flex::frame::FrameDecoder::new(frame.as_slice()).read_to_end(&mut theirs).unwrap();
            assert_eq!(theirs, bytes, "{len}");
            let mut ours = vec![0; len];
            assert_eq!(decompress(&frame, &mut ours).unwrap(), len);
            assert_eq!(ours, bytes, "{len}");
        }
    }

    #[test]
    fn a_frame_that_finds_no_room_is_none() {
        let bytes = mixed(100_000);
        let len = compressed(&bytes).len();
        for room in [0, HEADER_BYTES, HEADER_BYTES + 3, len - END_BYTES, len - 1] {
            assert_eq!(compress(&bytes, &mut vec![0; room]), None, "{room}");
        }
    }
}

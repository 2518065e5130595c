//! LZ4 frames, straight from buffer to buffer: the streaming coders of the library copy everything once more.
//!
//! Format: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>.

use lz4_flex::block;

use crate::error::{Error, Result};

const MAGIC: [u8; 4] = 0x184D_2204u32.to_le_bytes();
/// How far back a match may lie.
const WINDOW: usize = 64 << 10;
/// What a match has more bytes than its sequence says.
const LEAST_MATCH: usize = 4;
/// From this length on a match is copied as a run.
const LONG_RUN: usize = 512;
/// Version 1, blocks that do not depend on each other, no checksums, no content size; blocks of up to 4 MiB.
const DESCRIPTOR: [u8; 2] = [0x60, 0x70];
const BLOCK_BYTES: usize = 4 << 20;
/// Marks the length of a block that is stored as it is.
const STORED: u32 = 1 << 31;
/// Magic, descriptor and its checksum; at the end four zeros.
const HEADER_BYTES: usize = 7;
const END_BYTES: usize = 4;

fn bad(what: &str) -> Error {
    Error::corrupt(format!("an LZ4 frame cannot be decompressed: {what}"))
}

/// Decompresses a frame; returns how many bytes it held, which may be fewer than `out` has room for.
pub(super) fn decompress(frame: &[u8], out: &mut [u8]) -> Result<usize> {
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
        written += if word & STORED != 0 {
            let room = out[written..].get_mut(..len).ok_or_else(|| bad("it holds more than it declares"))?;
            room.copy_from_slice(block);
            len
        } else {
            let history = if independent { 0 } else { written };
            decompress_block(block, &mut out[written - history..], history)?
        };
    }
}

/// Decompresses a block behind the `history` at the start of `out`, to which it may refer; returns how many bytes it
/// held.
fn decompress_block(block: &[u8], out: &mut [u8], history: usize) -> Result<usize> {
    // The library copies a run of a few bytes, such as a constant column is, no faster than many short matches.
    let (mut read, mut end) = (0, history);
    while let Some(after) = long_run(block, read, out, end) {
        (read, end) = after;
    }
    let (done, rest) = out.split_at_mut(end);
    let written = match &done[end.saturating_sub(WINDOW)..] {
        [] => block::decompress_into(block, rest),
        window => block::decompress_into_with_dict(&block[read..], rest, window),
    };
    Ok(end - history + written.map_err(|e| bad(&e.to_string()))?)
}

/// Decodes the sequence at `block[at..]` to `out[end..]` if its match is a long one; returns where the next one starts,
/// and the end of the output. Everything else, errors included, is the library's.
fn long_run(block: &[u8], at: usize, out: &mut [u8], end: usize) -> Option<(usize, usize)> {
    let token = *block.get(at)?;
    if token & 15 != 15 {
        return None;
    }
    let (literal_len, at) = length(block, at + 1, token >> 4)?;
    let (literals, rest) = block.get(at..)?.split_at_checked(literal_len)?;
    let period = usize::from(u16::from_le_bytes(*rest.first_chunk()?));
    let (run_len, next) = length(block, at + literal_len + 2, 15)?;
    let run_len = run_len + LEAST_MATCH;
    if run_len < LONG_RUN {
        return None;
    }
    let start = end.checked_add(literal_len)?;
    if period == 0 || period > start || out.len().checked_sub(start)? < run_len {
        return None;
    }
    out[end..start].copy_from_slice(literals);
    // What is there of the run, which starts one period before, is doubled until it is all there.
    let run = &mut out[start - period..start + run_len];
    let mut filled = period;
    while filled < run.len() {
        let more = filled.min(run.len() - filled);
        run.copy_within(..more, filled);
        filled += more;
    }
    Some((next, start + run_len))
}

/// A length that starts in a token, as `first`, and goes on at `block[at..]`; returns it with where it ends.
fn length(block: &[u8], mut at: usize, first: u8) -> Option<(usize, usize)> {
    let mut len = usize::from(first);
    let mut more = first == 15;
    while more {
        let byte = *block.get(at)?;
        len += usize::from(byte);
        at += 1;
        more = byte == 255;
    }
    Some((len, at))
}

/// The longest that a frame of so many bytes can be.
pub(super) fn most_bytes(len: usize) -> usize {
    let blocks = len.div_ceil(BLOCK_BYTES);
    // The last block is written to before it is known that it does not get shorter.
    len + HEADER_BYTES + 4 * blocks + END_BYTES + block::get_maximum_output_size(len.min(BLOCK_BYTES))
}

/// Compresses bytes to a frame at the start of `out`; `None` if there is no room for it.
pub(super) fn compress(bytes: &[u8], out: &mut [u8]) -> Option<usize> {
    let (header, blocks) = out.split_at_mut_checked(HEADER_BYTES)?;
    let [_, checksum, ..] = twox_hash::XxHash32::oneshot(0, &DESCRIPTOR).to_le_bytes();
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&DESCRIPTOR);
    header[6] = checksum;
    let mut end = 0;
    for block in bytes.chunks(BLOCK_BYTES) {
        let (word, rest) = blocks[end..].split_first_chunk_mut::<4>()?;
        let compressed = block::compress_into(block, rest).ok()?;
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
    use std::io::{Read, Write};

    use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
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
            FrameDecoder::new(frame.as_slice()).read_to_end(&mut theirs).unwrap();
            assert_eq!(theirs, bytes, "{len}");
            let mut ours = vec![0; len];
            assert_eq!(decompress(&frame, &mut ours).unwrap(), len);
            assert_eq!(ours, bytes, "{len}");
        }
    }

    /// Runs of all periods, long and short, with something between them; the start of each block refers to what was before.
    fn runs(count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rng = StdRng::seed_from_u64(7);
        for i in 0..count {
            let period = rng.random_range(1..=if i % 5 == 0 { 70_000 } else { 40 });
            let pattern: Vec<u8> = (0..period).map(|_| rng.random()).collect();
            let len = [3, 20, LONG_RUN - 1, LONG_RUN + 30, 5_000, 200_000][rng.random_range(0..6)];
            bytes.extend(pattern.iter().cycle().take(period + len));
        }
        bytes
    }

    #[test]
    fn long_runs_are_decoded_as_by_the_library() {
        let bytes = runs(60);
        let mut linked = FrameInfo::new();
        linked.block_mode = BlockMode::Linked;
        linked.block_size = BlockSize::Max64KB;
        let mut encoder = FrameEncoder::with_frame_info(linked, Vec::new());
        encoder.write_all(&bytes).unwrap();
        for frame in [compressed(&bytes), encoder.finish().unwrap(), compressed(&[7; 300_000]), compressed(&[])] {
            let mut theirs = Vec::new();
            FrameDecoder::new(frame.as_slice()).read_to_end(&mut theirs).unwrap();
            let mut ours = vec![0; theirs.len()];
            assert_eq!(decompress(&frame, &mut ours).unwrap(), theirs.len());
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn damaged_blocks_are_refused_or_decoded_as_by_the_library() {
        let bytes = runs(12);
        let mut good = vec![0; block::get_maximum_output_size(bytes.len())];
        let len = block::compress_into(&bytes, &mut good).unwrap();
        good.truncate(len);
        let mut rng = StdRng::seed_from_u64(8);
        let mut refused = 0;
        for _ in 0..3_000 {
            let mut block = good.clone();
            // Near the start, where the first runs are, or anywhere.
            let places = if rng.random() { 60 } else { len };
            let place = rng.random_range(0..places);
            block[place] ^= 1 << rng.random_range(0..8);
            block.truncate(if rng.random_ratio(1, 4) { rng.random_range(0..len) } else { len });
            let (mut ours, mut theirs) = (vec![0; bytes.len()], vec![0; bytes.len()]);
            let expected = block::decompress_into(&block, &mut theirs);
            match decompress_block(&block, &mut ours, 0) {
                Ok(written) => assert_eq!(&ours[..written], &theirs[..expected.unwrap()]),
                Err(_) => {
                    assert!(expected.is_err());
                    refused += 1;
                }
            }
        }
        assert!((500..2_900).contains(&refused), "{refused}");
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

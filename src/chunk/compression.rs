//! One buffer at a time, from its compressed form straight to where its bytes belong, and back.
//!
//! A compressed buffer is an i64 (the uncompressed length, or -1 for «stored as is») and a zstd or LZ4 frame.

use std::cell::RefCell;

use arrow::buffer::Buffer;
use arrow_ipc::CompressionType;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, ParamSwitch};

use super::lz4;
use super::rebuild::Place;
use super::regular::RegularCompressor;
use crate::error::{Error, Result};
use crate::memory::Memory;

/// Of the uncompressed length, or the mark of a buffer that is stored as it is.
const PREFIX: usize = size_of::<i64>();
/// What buffers hold starts at a multiple of this in a body, behind their prefix: so those that are stored as they are
/// can be used where they are.
const ALIGNMENT: usize = 64;
/// Fast, and on columnar data nearly as small as the levels above it.
const ZSTD_LEVEL: i32 = 1;
/// A buffer is compressed if that saves at least the fifth part of it. Of one that hardly shrinks, such as random
/// numbers, the little that it saves costs every reader more time than all else; as it is it is not even copied.
const LEAST_SAVING: usize = 5;

/// A sample tells of buffers from this size on whether it is worth while to compress them with zstd, which takes its time
/// with what does not shrink, and how. (LZ4 gives up soon.)
const SAMPLED_FROM: usize = 64 << 10;
/// A sample is so many runs from all over the buffer, each this part of it but not less than so many bytes.
const SAMPLE_RUNS: usize = 8;
const SAMPLE_RUN_SHARE: usize = 256;
const LEAST_SAMPLE_RUN: usize = 2 << 10;
/// A sample has to become smaller by this part: it shrinks a little less than the whole.
const LEAST_SAMPLE_SAVING: usize = 6;
/// Every match is looked for if a sample becomes smaller by this part through them than through others that are read sooner.
/// What many short matches save less, such as in small numbers and words, costs twice the time of entropy coding, and every
/// reader that, too.
const LEAST_MATCH_SAVING: usize = 9;
/// Bytes from one search for a match to the next where only long matches, such as repetitions, are looked for.
const SPARSE_SEARCH: u32 = 128;

/// Which matches there are in a zstd frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Matches {
    /// All that a search finds.
    All,
    /// Long ones.
    Long,
    /// Those at one distance: see [`super::regular`].
    Regular,
}

/// How a buffer is stored.
pub(crate) enum Stored {
    /// As is.
    Raw(Buffer),
    /// Compressed: its uncompressed length, and the frame.
    Compressed(CompressionType, u64, Buffer),
}

impl Stored {
    /// Takes the length prefix off a buffer of a compressed body.
    pub(crate) fn parse(bytes: Buffer, codec: CompressionType) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Stored::Raw(bytes));
        }
        let prefix = bytes
            .first_chunk::<PREFIX>()
            .ok_or_else(|| Error::corrupt("a compressed buffer is shorter than its length prefix"))?;
        let (len, rest) = (i64::from_le_bytes(*prefix), bytes.slice(PREFIX));
        match u64::try_from(len) {
            Ok(len) => Ok(Stored::Compressed(codec, len, rest)),
            Err(_) if len == -1 => Ok(Stored::Raw(rest)),
            Err(_) => Err(Error::corrupt(format!("a compressed buffer declares {len} bytes"))),
        }
    }

    /// The number of bytes when uncompressed.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Stored::Raw(bytes) => bytes.len() as u64,
            Stored::Compressed(_, len, _) => *len,
        }
    }

    /// Its bytes where they lie, if there are any, stored as they are, and at a multiple of `alignment`.
    pub(crate) fn in_place(&self, alignment: usize) -> Option<Buffer> {
        match self {
            Stored::Raw(bytes) if !bytes.is_empty() && bytes.as_ptr().addr().is_multiple_of(alignment) => {
                Some(bytes.clone())
            }
            _ => None,
        }
    }

    /// Writes the uncompressed bytes to `out`, whose length is [`Stored::len`].
    pub(crate) fn write_to(&self, out: &mut [u8]) -> Result<()> {
        let (bytes, written) = match self {
            Stored::Raw(bytes) => {
                out.copy_from_slice(bytes);
                return Ok(());
            }
            Stored::Compressed(_, 0, _) => return Ok(()),
            Stored::Compressed(CompressionType::ZSTD, _, frame) => (frame, unzstd(frame, out)?),
            Stored::Compressed(_, _, frame) => (frame, lz4::decompress(frame, out)?),
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

fn unzstd(frame: &[u8], out: &mut [u8]) -> Result<usize> {
    thread_local! {
        static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new()?),
        };
        decompressor
            .decompress_to_buffer(frame, out)
            .map_err(|e| Error::corrupt(format!("a zstd frame cannot be decompressed: {e}")))
    })
}

/// Where the next buffer starts, behind those that end at `end`.
const fn next_start(end: usize) -> usize {
    (end + PREFIX).next_multiple_of(ALIGNMENT) - PREFIX
}

/// Compresses buffers into a body; returns it with where each of them lies.
pub(super) fn compress_body(buffers: &[&[u8]], codec: CompressionType) -> Result<(Buffer, Vec<Place>)> {
    let room = buffers.iter().fold(0, |end, bytes| next_start(end) + PREFIX + bytes.len()).next_multiple_of(ALIGNMENT);
    let spare = buffers.iter().map(|bytes| lz4::most_bytes(bytes.len()) - bytes.len()).max().unwrap_or_default();
    let mut memory = Memory::new(room + spare)?;
    let out = memory.as_mut_slice();
    let (mut places, mut end) = (Vec::with_capacity(buffers.len()), 0usize);
    for bytes in buffers {
        if bytes.is_empty() {
            places.push((end, 0));
            continue;
        }
        let start = next_start(end);
        let len = store(bytes, codec, &mut out[start..])?;
        places.push((start, len));
        out[end..start].fill(0);
        end = (start + len).next_multiple_of(PREFIX);
        out[start + len..end].fill(0);
    }
    let last = end;
    end = end.next_multiple_of(ALIGNMENT);
    out[last..end].fill(0);
    if end >= room / 2 {
        return Ok((memory.freeze().slice_with_length(0, end), places));
    }
    // What stays in memory is what was counted.
    let mut body = Memory::new(end)?;
    body.as_mut_slice().copy_from_slice(&memory.as_mut_slice()[..end]);
    Ok((body.freeze(), places))
}

/// Stores a buffer at the start of `out`, which is large enough; returns the length there.
fn store(bytes: &[u8], codec: CompressionType, out: &mut [u8]) -> Result<usize> {
    let (prefix, rest) = out.split_at_mut(PREFIX);
    let most = bytes.len() - bytes.len().div_ceil(LEAST_SAVING);
    let frame = match codec {
        CompressionType::ZSTD => match promising_matches(bytes)? {
            // What a sample says of the whole need not be so.
            Some(Matches::Regular) => match zstd(bytes, Matches::Regular, &mut rest[..most])? {
                None => zstd(bytes, Matches::All, &mut rest[..most])?,
                found => found,
            },
            Some(matches) => zstd(bytes, matches, &mut rest[..most])?,
            None => None,
        },
        _ => lz4::compress(bytes, rest),
    };
    let (mark, len) = match frame.filter(|len| *len <= most) {
        Some(len) => (bytes.len() as i64, len),
        None => {
            rest[..bytes.len()].copy_from_slice(bytes);
            (-1, bytes.len())
        }
    };
    prefix.copy_from_slice(&mark.to_le_bytes());
    Ok(PREFIX + len)
}

/// Which matches to look for in a buffer, by a sample of it; `None` if it would not become small enough. It depends on
/// nothing but the bytes.
fn promising_matches(bytes: &[u8]) -> Result<Option<Matches>> {
    if bytes.len() < SAMPLED_FROM {
        return Ok(Some(Matches::All));
    }
    let (step, run) = (bytes.len() / SAMPLE_RUNS, (bytes.len() / SAMPLE_RUN_SHARE).max(LEAST_SAMPLE_RUN));
    let sample: Vec<u8> =
        bytes.chunks_exact(step).take(SAMPLE_RUNS).flat_map(|part| &part[(step - run) / 2..][..run]).copied().collect();
    let mut out = vec![0; sample.len() - sample.len().div_ceil(LEAST_SAMPLE_SAVING)];
    let Some(len) = zstd(&sample, Matches::All, &mut out)? else { return Ok(None) };
    let most = out.len().min(len + len / (LEAST_MATCH_SAVING - 1));
    for matches in [Matches::Long, Matches::Regular] {
        if zstd(&sample, matches, &mut out[..most])?.is_some() {
            return Ok(Some(matches));
        }
    }
    Ok(Some(Matches::All))
}

fn compressor() -> Result<Compressor<'static>> {
    let mut compressor = Compressor::new(ZSTD_LEVEL)?;
    // Otherwise there would be no entropy coding where matches are searched for sparsely.
    compressor.set_parameter(CParameter::LiteralCompressionMode(ParamSwitch::Enable))?;
    Ok(compressor)
}

/// Compresses bytes to a frame; `None` if `out` has no room for it.
fn zstd(bytes: &[u8], matches: Matches, out: &mut [u8]) -> Result<Option<usize>> {
    thread_local! {
        static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
        static REGULAR: RefCell<Option<RegularCompressor>> = const { RefCell::new(None) };
    }
    let step = match matches {
        Matches::All => 0,
        Matches::Long => SPARSE_SEARCH,
        Matches::Regular => {
            return REGULAR.with_borrow_mut(|slot| {
                let compressor = match slot {
                    Some(compressor) => compressor,
                    None => slot.insert(RegularCompressor::new(ZSTD_LEVEL)?),
                };
                Ok(compressor.compress(bytes, out))
            });
        }
    };
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(compressor()?),
        };
        compressor.set_parameter(CParameter::TargetLength(step))?;
        // The room is nearly always what is missing; where it is memory, buffers can still be stored as they are.
        Ok(compressor.compress_to_buffer(bytes, out).ok())
    })
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        StdRng::seed_from_u64(9).fill(bytes.as_mut_slice());
        bytes
    }

    /// Of which compression saves about so much.
    fn saving(len: usize, part: f64) -> Vec<u8> {
        let mut bytes = noise(len);
        bytes[..(len as f64 * part) as usize].fill(7);
        bytes
    }

    #[test]
    fn only_what_saves_a_fifth_is_compressed() {
        let buffers = [
            noise(100_000),
            saving(100_000, 0.17),
            saving(100_000, 0.23),
            saving(100_000, 0.9),
            Vec::new(),
            vec![1; 8],
            vec![0; 5 << 20],
        ];
        let raw = [true, true, false, false, true, true, false];
        for codec in [CompressionType::ZSTD, CompressionType::LZ4_FRAME] {
            let slices: Vec<&[u8]> = buffers.iter().map(Vec::as_slice).collect();
            let (body, places) = compress_body(&slices, codec).unwrap();
            for ((bytes, (start, len)), raw) in buffers.iter().zip(&places).zip(raw) {
                assert!(start + len <= body.len());
                let stored = Stored::parse(body.slice_with_length(*start, *len), codec).unwrap();
                assert_eq!(matches!(stored, Stored::Raw(_)), raw, "{codec:?} {}", bytes.len());
                assert_eq!(stored.in_place(ALIGNMENT).is_some(), raw && !bytes.is_empty());
                assert!(raw || *len <= PREFIX + bytes.len() / 5 * 4);
                let mut out = vec![0; stored.len() as usize];
                stored.write_to(&mut out).unwrap();
                assert_eq!(out, *bytes);
            }
            assert!(body.len().is_multiple_of(ALIGNMENT));
        }
    }

    /// 32-bit numbers below 5,000.
    fn small_numbers(count: usize) -> Vec<u8> {
        let mut random = StdRng::seed_from_u64(11);
        (0..count).flat_map(|_| random.random_range(0..5_000_u32).to_le_bytes()).collect()
    }

    #[test]
    fn a_sample_tells_what_compression_will_save() {
        let without =
            |n| noise(1 << 20).into_iter().enumerate().map(move |(i, b)| if i % n == 1 { 0 } else { b }).collect();
        let cases: [(&str, Vec<u8>, Option<Matches>); 8] = [
            ("noise", noise(1 << 20), None),
            ("too little to sample", noise(SAMPLED_FROM - 1), Some(Matches::All)),
            ("a run in noise", saving(1 << 20, 0.23), Some(Matches::Long)),
            ("half of the bytes do not differ", without(2), Some(Matches::Long)),
            ("an eighth of the bytes does not differ", without(8), None),
            ("small numbers", small_numbers(1 << 18), Some(Matches::Long)),
            ("ascending numbers", (0..1_u64 << 17).flat_map(u64::to_le_bytes).collect(), Some(Matches::Regular)),
            ("words", (0..1 << 20).map(|i| b"north south east west "[i % 22]).collect(), Some(Matches::All)),
        ];
        for (what, bytes, expected) in cases {
            assert_eq!(promising_matches(&bytes).unwrap(), expected, "{what}");
        }
    }

    #[test]
    fn ascending_numbers_are_compressed_however_many_they_are() {
        for count in [100, 50_000, 2 << 20] {
            let bytes: Vec<u8> = (0..count).flat_map(u64::to_le_bytes).collect();
            let (body, places) = compress_body(&[&bytes], CompressionType::ZSTD).unwrap();
            let (start, len) = places[0];
            assert!(len < bytes.len() / 4, "{count} numbers: {len} bytes");
            let stored = Stored::parse(body.slice_with_length(start, len), CompressionType::ZSTD).unwrap();
            let mut out = vec![0; bytes.len()];
            stored.write_to(&mut out).unwrap();
            assert!(out == bytes, "{count} numbers");
        }
    }

    #[test]
    fn long_repetitions_are_found_by_a_sparse_search_too() {
        for period in [2_500, 10_007, 25_000, 25_003, 25_011] {
            let bytes = small_numbers(period).repeat(20);
            let mut out = vec![0; bytes.len()];
            let [all, long] =
                [Matches::All, Matches::Long].map(|matches| zstd(&bytes, matches, &mut out).unwrap().unwrap());
            let once = zstd(&bytes[..4 * period], Matches::Long, &mut out).unwrap().unwrap();
            assert!(all <= long && long < 4 * once, "{period} numbers 20 times: {all}, {long}; once: {once}");
        }
    }

    #[test]
    fn the_same_buffers_give_the_same_body_whatever_the_memory_held() {
        let slices = [&noise(300_001)[..], &vec![3; 500_003]];
        for codec in [CompressionType::ZSTD, CompressionType::LZ4_FRAME] {
            let (first, _) = compress_body(&slices, codec).unwrap();
            drop(compress_body(&[&vec![0xff; 900_000][..], &noise(900_000)], codec).unwrap());
            assert_eq!(compress_body(&slices, codec).unwrap().0, first);
        }
    }
}

//! Zstandard frames of buffers whose bytes mostly repeat those a fixed distance before them, such as ascending numbers.
//!
//! zstd looks for the nearest match: of 64-bit numbers that differ in a byte or two that is the number before. A decoder then
//! copies what it has written a moment ago, and waits for it every time. The same bytes from a few numbers earlier are as good
//! and are there: decompression is one and a half times as fast, for a few per cent more bytes. Finding them takes no search.
//!
//! The zstd crate has no safe form of zstd's interface for matches that the caller has found.

use std::ffi::c_int;
use std::ptr::NonNull;

use zstd::zstd_safe::zstd_sys::{
    self, ZSTD_CCtx, ZSTD_Sequence, ZSTD_cParameter, ZSTD_compressSequences, ZSTD_createCCtx, ZSTD_freeCCtx,
    ZSTD_isError,
};

use crate::error::{Error, Result};

/// How far back every match lies: a multiple of the width of most numbers, and farther than what a processor writes at once.
const DISTANCE: usize = 32;
/// Shorter ones are left out: a literal is read sooner than a sequence.
const LEAST_MATCH: usize = 6;
/// Of more bytes, the list of sequences, which can be more than twice as large, would be too much memory.
const MOST_BYTES: usize = 8 << 20;

/// The head of a frame at the most. zstd 1.5.7 does not look whether there is room for it, and would write past the end.
const FRAME_HEAD: usize = 18;

/// A compressor for one thread.
pub(super) struct RegularCompressor(NonNull<ZSTD_CCtx>);

impl RegularCompressor {
    pub(super) fn new(level: c_int) -> Result<Self> {
        // SAFETY: a plain constructor.
        let context = NonNull::new(unsafe { ZSTD_createCCtx() });
        let compressor = RegularCompressor(context.ok_or_else(|| Error::resource_exhausted("no memory for zstd"))?);
        for (parameter, value) in [
            (ZSTD_cParameter::ZSTD_c_compressionLevel, level),
            (ZSTD_cParameter::ZSTD_c_minMatch, LEAST_MATCH as c_int),
            // «validateSequences»
            (ZSTD_cParameter::ZSTD_c_experimentalParam12, 1),
        ] {
            // SAFETY: the context is valid and nobody else uses it.
            let code = unsafe { zstd_sys::ZSTD_CCtx_setParameter(compressor.0.as_ptr(), parameter, value) };
            if is_error(code) {
                return Err(Error::internal("zstd does not take a parameter"));
            }
        }
        Ok(compressor)
    }

    /// Compresses bytes to a frame; `None` if they are too many, there is nothing to repeat, or `out` has no room.
    pub(super) fn compress(&mut self, bytes: &[u8], out: &mut [u8]) -> Option<usize> {
        if bytes.len() > MOST_BYTES || out.len() < FRAME_HEAD {
            return None;
        }
        let sequences = sequences(bytes);
        if sequences.is_empty() {
            return None;
        }
        // SAFETY: the context is valid and `&mut self` its only user; the three pointers are valid for the lengths beside
        // them, `out` overlaps none of the others and has room for the head of the frame, and of the rest zstd looks what
        // there is room for. The sequences describe the bytes, and are validated.
        let code = unsafe {
            ZSTD_compressSequences(
                self.0.as_ptr(),
                out.as_mut_ptr().cast(),
                out.len(),
                sequences.as_ptr(),
                sequences.len(),
                bytes.as_ptr().cast(),
                bytes.len(),
            )
        };
        (!is_error(code)).then_some(code)
    }
}

impl Drop for RegularCompressor {
    fn drop(&mut self) {
        // SAFETY: the context came from `ZSTD_createCCtx` and is freed once.
        unsafe { ZSTD_freeCCtx(self.0.as_ptr()) };
    }
}

fn is_error(code: usize) -> bool {
    // SAFETY: looks at the number alone.
    unsafe { ZSTD_isError(code) != 0 }
}

/// The matches, each with the literals before it. What follows the last is literals.
fn sequences(bytes: &[u8]) -> Vec<ZSTD_Sequence> {
    let mut sequences = Vec::new();
    let (mut end, mut at) = (0, DISTANCE);
    while at < bytes.len() {
        let len = common_prefix(&bytes[at..], &bytes[at - DISTANCE..]);
        if len < LEAST_MATCH {
            // Every match that starts before its end ends there, too.
            at += len + 1;
            continue;
        }
        // Both fit: there are no more than `MOST_BYTES`.
        let (literals, len32) = ((at - end) as u32, len as u32);
        sequences.push(ZSTD_Sequence { offset: DISTANCE as u32, litLength: literals, matchLength: len32, rep: 0 });
        at += len;
        end = at;
    }
    sequences
}

/// How many bytes are the same, as many as the first has at the most.
fn common_prefix(first: &[u8], second: &[u8]) -> usize {
    let (words, others) = (first.as_chunks::<8>().0, second.as_chunks::<8>().0);
    for (index, (word, other)) in words.iter().zip(others).enumerate() {
        let difference = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
        if difference != 0 {
            return 8 * index + difference.trailing_zeros() as usize / 8;
        }
    }
    let start = 8 * words.len();
    start + first[start..].iter().zip(&second[start..]).take_while(|(byte, other)| byte == other).count()
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn round_trip(bytes: &[u8]) -> Option<usize> {
        let mut out = vec![0; zstd::zstd_safe::compress_bound(bytes.len())];
        let len = RegularCompressor::new(1).unwrap().compress(bytes, &mut out)?;
        assert_eq!(zstd::bulk::decompress(&out[..len], bytes.len()).unwrap(), bytes);
        assert_eq!(zstd::zstd_safe::get_frame_content_size(&out[..len]).unwrap(), Some(bytes.len() as u64));
        Some(len)
    }

    #[test]
    fn ascending_numbers_become_small() {
        let numbers =
            |step: u64| (0..60_000).flat_map(|i| (1_000_000_007 + step * i).to_le_bytes()).collect::<Vec<u8>>();
        for step in [0, 1, 3, 1000] {
            let bytes = numbers(step);
            let (len, zstd) = (round_trip(&bytes).unwrap(), zstd::bulk::compress(&bytes, 1).unwrap().len());
            assert!(len < zstd + zstd / 4 + 100, "in steps of {step}: {len}, by a search {zstd}");
        }
    }

    /// Whatever repeats, and wherever it starts and ends: also across the 128 KiB of a block.
    #[test]
    fn every_mixture_of_repetitions_and_noise_comes_back() {
        let mut random = StdRng::seed_from_u64(12);
        let mut compressed = 0;
        for _ in 0..400 {
            let most_run = [12, 100, 5_000, 400_000][random.random_range(0..4)];
            let most = [50, 1_000, 300_000][random.random_range(0..3)];
            let len = random.random_range(0..most);
            let mut bytes: Vec<u8> = Vec::with_capacity(len + most_run);
            while bytes.len() < len {
                let run = random.random_range(1..=most_run);
                let repeats = random.random_bool(0.6) && bytes.len() >= DISTANCE;
                for _ in 0..run {
                    let byte = if repeats { bytes[bytes.len() - DISTANCE] } else { random.random_range(0..=255) };
                    bytes.push(byte);
                }
            }
            compressed += usize::from(round_trip(&bytes).is_some());
        }
        assert!(compressed > 100, "{compressed}");
    }

    #[test]
    fn what_does_not_repeat_or_is_too_much_is_left_to_others() {
        for bytes in [vec![], vec![1; DISTANCE], (0..=255).collect(), vec![0; MOST_BYTES + 1]] {
            assert_eq!(round_trip(&bytes), None, "{} bytes", bytes.len());
        }
        let mut compressor = RegularCompressor::new(1).unwrap();
        let bytes: Vec<u8> = (0..2_000_u64).flat_map(u64::to_le_bytes).collect();
        let mut out = vec![0; bytes.len()];
        let len = compressor.compress(&bytes, &mut out).unwrap();
        for room in (0..len).step_by(7).chain(0..40) {
            let (room, behind) = out.split_at_mut(room);
            behind.fill(0x5a);
            assert_eq!(compressor.compress(&bytes, room), None, "no room");
            assert!(behind.iter().all(|byte| *byte == 0x5a));
        }
        assert_eq!(compressor.compress(&bytes, &mut out), Some(len));
    }
}

//! Which ranged reads fetch the wanted parts of an object (a chunk, an IPC file): pure, without I/O.
//!
//! Parts that lie close together share a read, for a request costs more than a few bytes that nobody wants; long
//! ones are read in parts, so that several requests can be in flight. Reads come in the order in which the
//! caller names what it wants, so that what is decoded first arrives first.

use std::ops::Range;

use arrow::buffer::Buffer;

use crate::error::{Error, Result};
use crate::memory::Memory;

/// When reads are merged and split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RangeRules {
    /// Unwanted bytes between two wanted parts that are read rather than asking twice.
    pub(crate) gap_bytes: u64,
    /// Bytes of one read at the most; at least 1. A wanted part that is no longer than this lies within one read.
    pub(crate) part_bytes: u64,
}

impl RangeRules {
    /// For local files, where a read costs little: the decoder is fed early.
    pub(crate) const LOCAL_FILE: RangeRules = RangeRules { gap_bytes: 16 << 10, part_bytes: 4 << 20 };
    /// For objects on S3, where a request takes milliseconds.
    #[cfg(feature = "s3")]
    pub(crate) const OBJECT: RangeRules = RangeRules { gap_bytes: 32 << 10, part_bytes: 8 << 20 };
}

/// Some of the bytes of a wanted part: in which read they are, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Index into [`RangePlan::reads`].
    pub(crate) read: usize,
    /// The bytes, counted from the start of the read.
    pub(crate) range: Range<u64>,
}

/// The reads that fetch what is wanted, and where in them it is found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RangePlan {
    reads: Vec<Range<u64>>,
    pieces: Vec<Piece>,
    /// Where the pieces of each wanted part end in `pieces`.
    ends: Vec<usize>,
}

impl RangePlan {
    /// Plans the reads of the `wanted` parts of an object of `object_bytes`.
    ///
    /// The parts may overlap, be empty, and come in any order; the order says which are needed first. No read is
    /// empty, and no two overlap.
    ///
    /// # Errors
    /// `CORRUPT` for a part that does not lie within the object.
    pub(crate) fn new(wanted: &[Range<u64>], object_bytes: u64, rules: RangeRules) -> Result<RangePlan> {
        if let Some(outside) = wanted.iter().find(|w| w.start > w.end || w.end > object_bytes) {
            return Err(Error::corrupt(format!(
                "bytes {} to {} lie outside the {object_bytes} bytes there are",
                outside.start, outside.end
            )));
        }
        let mut order: Vec<usize> = (0..wanted.len()).filter(|part| !wanted[*part].is_empty()).collect();
        order.sort_unstable_by_key(|part| (wanted[*part].start, wanted[*part].end));
        let reads = reads(order.iter().map(|part| &wanted[*part]), rules);
        Ok(Self::in_order_of_need(wanted, &reads))
    }

    /// `reads` increase, do not overlap, and cover all that is wanted.
    fn in_order_of_need(wanted: &[Range<u64>], reads: &[Range<u64>]) -> RangePlan {
        let mut plan = RangePlan::default();
        let mut places: Vec<Option<usize>> = vec![None; reads.len()];
        for part in wanted {
            let first = reads.partition_point(|read| read.end <= part.start);
            let touched = reads[first..].iter().take_while(|read| read.start < part.end && !part.is_empty());
            for (index, read) in touched.enumerate() {
                let place = *places[first + index].get_or_insert_with(|| {
                    plan.reads.push(read.clone());
                    plan.reads.len() - 1
                });
                let (start, end) = (part.start.max(read.start), part.end.min(read.end));
                plan.pieces.push(Piece { read: place, range: start - read.start..end - read.start });
            }
            plan.ends.push(plan.pieces.len());
        }
        plan
    }

    /// The ranges of the object to read, those first that are needed first.
    pub(crate) fn reads(&self) -> &[Range<u64>] {
        &self.reads
    }

    /// Bytes of all reads.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.reads.iter().map(|read| read.end - read.start).sum()
    }

    /// Where the bytes of a wanted part are, in their order; nothing for an empty part.
    pub(crate) fn pieces(&self, part: usize) -> &[Piece] {
        let start = part.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.pieces[start..self.ends[part]]
    }

    /// The bytes of a wanted part out of what was read: a slice of it, or a copy if several reads hold them.
    ///
    /// # Errors
    /// `CORRUPT` where a read brought fewer bytes than were asked for.
    pub(crate) fn bytes<'a>(&self, part: usize, fetched: impl Fn(usize) -> Option<&'a Buffer>) -> Result<Buffer> {
        let slice = |piece: &Piece| {
            let (start, end) = (piece.range.start as usize, piece.range.end as usize);
            let bytes = fetched(piece.read).filter(|bytes| bytes.len() >= end);
            let bytes = bytes.ok_or_else(|| self.short(piece.read, fetched(piece.read)))?;
            Ok(bytes.slice_with_length(start, end - start))
        };
        match self.pieces(part) {
            [] => Ok(Buffer::from(Vec::<u8>::new())),
            [piece] => slice(piece),
            pieces => join(&pieces.iter().map(slice).collect::<Result<Vec<_>>>()?),
        }
    }

    fn short(&self, read: usize, fetched: Option<&Buffer>) -> Error {
        let Range { start, end } = self.reads[read];
        Error::corrupt(format!(
            "of the bytes {start} to {end} there are only {}: it is shorter than it was said to be",
            fetched.map_or(0, Buffer::len)
        ))
    }
}

/// One buffer with the bytes of several.
pub(crate) fn join(parts: &[Buffer]) -> Result<Buffer> {
    let mut memory = Memory::new(parts.iter().map(Buffer::len).sum())?;
    let mut rest = memory.as_mut_slice();
    for part in parts {
        let (target, tail) = rest.split_at_mut(part.len());
        target.copy_from_slice(part);
        rest = tail;
    }
    Ok(memory.freeze())
}

/// The reads for parts that come in the order of their starts.
fn reads<'a>(wanted: impl Iterator<Item = &'a Range<u64>>, rules: RangeRules) -> Vec<Range<u64>> {
    // What overlaps cannot be told apart by reads; the rest is only put together where that keeps within a part.
    let mut islands: Vec<Range<u64>> = Vec::new();
    for part in wanted {
        match islands.last_mut() {
            Some(last) if part.start < last.end => last.end = last.end.max(part.end),
            _ => islands.push(part.clone()),
        }
    }
    let part_bytes = rules.part_bytes.max(1);
    let mut reads: Vec<Range<u64>> = Vec::new();
    for island in islands {
        match reads.last_mut() {
            Some(last) if island.start - last.end <= rules.gap_bytes && island.end - last.start <= part_bytes => {
                last.end = island.end;
            }
            _ => split(island, part_bytes, &mut reads),
        }
    }
    reads
}

/// Cuts a range into parts of nearly the same size.
fn split(range: Range<u64>, part_bytes: u64, reads: &mut Vec<Range<u64>>) {
    let len = range.end - range.start;
    let count = len.div_ceil(part_bytes);
    let size = len.div_ceil(count);
    reads.extend((0..count).map(|part| range.start + part * size).map(|start| start..(start + size).min(range.end)));
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn rules(gap_bytes: u64, part_bytes: u64) -> RangeRules {
        RangeRules { gap_bytes, part_bytes }
    }

    fn reads_of(wanted: &[Range<u64>], rules: RangeRules) -> Vec<Range<u64>> {
        RangePlan::new(wanted, 1000, rules).unwrap().reads().to_vec()
    }

    #[test]
    fn small_gaps_are_read_and_large_ones_are_not() {
        assert_eq!(reads_of(&[0..10, 14..20, 25..30], rules(4, 100)), [0..20, 25..30]);
        assert_eq!(reads_of(&[0..10, 10..20], rules(0, 100)), [Range { start: 0, end: 20 }]);
        assert_eq!(reads_of(&[0..10, 11..20], rules(0, 100)), [0..10, 11..20]);
    }

    #[test]
    fn long_parts_are_split_evenly_and_others_stay_whole() {
        assert_eq!(reads_of(&[Range { start: 100, end: 350 }], rules(0, 100)), [100..184, 184..268, 268..350]);
        assert_eq!(reads_of(&[0..60, 60..120, 120..130], rules(0, 100)), [0..60, 60..130]);
        assert_eq!(reads_of(&[0..250, 250..260], rules(0, 100)), [0..84, 84..168, 168..260]);
    }

    #[test]
    fn what_is_wanted_first_is_read_first() {
        let plan = RangePlan::new(&[500..510, 0..10, 505..520], 1000, rules(0, 100)).unwrap();
        assert_eq!(plan.reads(), [500..520, 0..10]);
        assert_eq!(plan.pieces(0), [Piece { read: 0, range: 0..10 }]);
        assert_eq!(plan.pieces(2), [Piece { read: 0, range: 5..20 }]);
        assert_eq!(plan.read_bytes(), 30);
    }

    #[test]
    fn nothing_is_read_for_nothing() {
        let plan = RangePlan::new(&[7..7, 1000..1000], 1000, RangeRules::LOCAL_FILE).unwrap();
        assert_eq!((plan.reads(), plan.pieces(0), plan.pieces(1)), (&[][..], &[][..], &[][..]));
        assert!(plan.bytes(0, |_| None).unwrap().is_empty());
        assert_eq!(RangePlan::new(&[], 0, RangeRules::LOCAL_FILE).unwrap(), RangePlan::default());
    }

    #[test]
    fn parts_outside_and_short_reads_are_corrupt() {
        #[expect(clippy::reversed_empty_ranges, reason = "as hostile bytes may declare it")]
        let cases = [0..1001, 1001..1001, 30..20, u64::MAX - 1..u64::MAX, 0..u64::MAX];
        for outside in cases {
            let error = RangePlan::new(&[0..1, outside], 1000, RangeRules::LOCAL_FILE).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
        }
        let plan = RangePlan::new(&[Range { start: 10, end: 20 }], 1000, RangeRules::LOCAL_FILE).unwrap();
        for fetched in [None, Some(Buffer::from(vec![0u8; 9]))] {
            let error = plan.bytes(0, |_| fetched.as_ref()).unwrap_err();
            let there = fetched.map_or(0, |bytes| bytes.len());
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
            assert!(error.message().contains(&format!("there are only {there}:")), "{error}");
        }
    }

    /// A random plan gives back every wanted byte, reads none twice, and keeps to its rules.
    #[test]
    fn random_plans_bring_what_is_wanted() {
        let mut rng = StdRng::seed_from_u64(7);
        for _ in 0..3000 {
            let object: Vec<u8> = (0..rng.random_range(0..600)).map(|_| rng.random()).collect();
            let len = object.len() as u64;
            let wanted: Vec<Range<u64>> = (0..rng.random_range(0..12))
                .map(|_| {
                    let start = rng.random_range(0..=len);
                    start..(start + rng.random_range(0..80)).min(len)
                })
                .collect();
            let rules = rules(rng.random_range(0..30), rng.random_range(1..120));
            check(&object, &wanted, rules);
        }
    }

    fn check(object: &[u8], wanted: &[Range<u64>], rules: RangeRules) {
        let plan = RangePlan::new(wanted, object.len() as u64, rules).unwrap();
        let fetched: Vec<Buffer> =
            plan.reads().iter().map(|read| Buffer::from(&object[read.start as usize..read.end as usize])).collect();
        for (part, range) in wanted.iter().enumerate() {
            let bytes = plan.bytes(part, |read| fetched.get(read)).unwrap();
            assert_eq!(bytes.as_slice(), &object[range.start as usize..range.end as usize]);
            let alone = !wanted.iter().any(|w| w != range && w.start < range.end && range.start < w.end);
            if alone && range.end - range.start <= rules.part_bytes {
                assert!(plan.pieces(part).len() <= 1, "{range:?} of {wanted:?} is cut in {:?}", plan.reads());
            }
        }
        let mut sorted = plan.reads().to_vec();
        sorted.sort_by_key(|read| read.start);
        assert!(sorted.windows(2).all(|pair| pair[0].end <= pair[1].start), "{sorted:?} overlap");
        assert!(sorted.iter().all(|read| !read.is_empty() && read.end - read.start <= rules.part_bytes));
        // What nobody wants is read only within gaps that the rules allow.
        let mut unwanted = 0;
        for at in sorted.iter().flat_map(|read| read.clone()) {
            unwanted = if wanted.iter().any(|w| w.contains(&at)) { 0 } else { unwanted + 1 };
            assert!(unwanted <= rules.gap_bytes);
        }
        let first_use = |read: usize| {
            (0..wanted.len()).find(|part| plan.pieces(*part).iter().any(|piece| piece.read == read)).unwrap()
        };
        let order: Vec<usize> = (0..plan.reads().len()).map(first_use).collect();
        assert!(order.is_sorted(), "{order:?}");
    }
}

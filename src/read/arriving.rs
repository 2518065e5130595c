//! Batches of a file whose bytes come in: which reads bring them, and when each is complete.
//!
//! One read may bring several batches, and one batch may need several reads. What a read brings for one batch is a
//! *portion*, with memory of its own: a batch goes on as soon as its portions are there, while the rest of the read
//! is still on its way, and its memory is free again when it has been decoded.

use std::ops::Range;

use arrow::buffer::Buffer;

use crate::error::Result;
use crate::ranges::{Piece, RangePlan, RangeRules, join};

/// Runs of bytes, and where each starts in the file.
pub(super) type Segments = Vec<(u64, Buffer)>;

/// What a read brings for one batch; for several, where their wanted bytes overlap.
#[derive(Debug)]
struct Portion {
    read: usize,
    /// In the file.
    range: Range<u64>,
    /// Batches that need it and do not have it yet.
    users: Vec<usize>,
    bytes: Option<Buffer>,
}

#[derive(Debug, Default)]
struct Incoming {
    /// Its wanted parts, as indices into those of all.
    parts: Range<usize>,
    portions: Vec<usize>,
    /// Portions that are still to come.
    missing: usize,
}

/// A read, and the portions that it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlannedRead {
    pub(super) range: Range<u64>,
    /// The first portion; the others follow it.
    pub(super) first: usize,
    /// Where the portions lie in the file, increasing.
    pub(super) portions: Vec<Range<u64>>,
}

/// Some batches on their way.
#[derive(Debug)]
pub(super) struct Arriving {
    wanted: Vec<Range<u64>>,
    plan: RangePlan,
    batches: Vec<Incoming>,
    portions: Vec<Portion>,
}

impl Arriving {
    /// For each batch the ranges that are wanted of an object of `object_bytes`.
    ///
    /// # Errors
    /// `CORRUPT` for a range that lies outside.
    pub(super) fn new(batches: &[Vec<Range<u64>>], object_bytes: u64, rules: RangeRules) -> Result<Self> {
        let wanted: Vec<Range<u64>> = batches.iter().flatten().cloned().collect();
        let plan = RangePlan::new(&wanted, object_bytes, rules)?;
        let mut arriving = Arriving { wanted, plan, batches: Vec::with_capacity(batches.len()), portions: Vec::new() };
        let mut start = 0;
        for ranges in batches {
            let parts = start..start + ranges.len();
            start = parts.end;
            arriving.batches.push(Incoming { parts, ..Incoming::default() });
        }
        arriving.cut_reads();
        Ok(arriving)
    }

    /// Cuts every read into portions.
    fn cut_reads(&mut self) {
        let mut extents: Vec<Vec<(usize, Range<u64>)>> = vec![Vec::new(); self.plan.reads().len()];
        for (index, batch) in self.batches.iter().enumerate() {
            for piece in batch.parts.clone().flat_map(|part| self.plan.pieces(part)) {
                let place = self.place(piece);
                match extents[piece.read].last_mut() {
                    Some((last, extent)) if *last == index => {
                        *extent = extent.start.min(place.start)..extent.end.max(place.end);
                    }
                    _ => extents[piece.read].push((index, place)),
                }
            }
        }
        for (read, mut extents) in extents.into_iter().enumerate() {
            extents.sort_by_key(|(_, extent)| extent.start);
            if extents.windows(2).any(|pair| pair[0].1.end > pair[1].1.start) {
                // What overlaps is not told apart.
                let users = extents.into_iter().map(|(index, _)| index).collect();
                self.add_portion(read, self.plan.reads()[read].clone(), users);
            } else {
                extents.into_iter().for_each(|(index, extent)| self.add_portion(read, extent, vec![index]));
            }
        }
    }

    fn add_portion(&mut self, read: usize, range: Range<u64>, users: Vec<usize>) {
        for user in &users {
            self.batches[*user].portions.push(self.portions.len());
            self.batches[*user].missing += 1;
        }
        self.portions.push(Portion { read, range, users, bytes: None });
    }

    /// Where a piece lies in the file.
    fn place(&self, piece: &Piece) -> Range<u64> {
        let start = self.plan.reads()[piece.read].start;
        start + piece.range.start..start + piece.range.end
    }

    /// All reads, those first that are needed first.
    pub(super) fn reads(&self) -> Vec<PlannedRead> {
        let mut first = 0;
        let planned = |(read, range): (usize, &Range<u64>)| {
            let mine = self.portions[first..].iter().take_while(|portion| portion.read == read);
            let portions: Vec<_> = mine.map(|portion| portion.range.clone()).collect();
            let start = first;
            first += portions.len();
            PlannedRead { range: range.clone(), first: start, portions }
        };
        self.plan.reads().iter().enumerate().map(planned).collect()
    }

    /// Batches that nothing has to be read for.
    pub(super) fn complete(&self) -> Vec<usize> {
        (0..self.batches.len()).filter(|index| self.batches[*index].missing == 0).collect()
    }

    /// Takes a portion; tells which batches are complete with it.
    pub(super) fn arrived(&mut self, portion: usize, bytes: Buffer) -> Vec<usize> {
        let portion = &mut self.portions[portion];
        portion.bytes = Some(bytes);
        let mut complete = portion.users.clone();
        complete.retain(|index| {
            self.batches[*index].missing -= 1;
            self.batches[*index].missing == 0
        });
        complete
    }

    /// The wanted bytes of a batch that is complete. Portions that nobody else needs are forgotten.
    ///
    /// # Errors
    /// `CORRUPT` where fewer bytes came than were asked for; `RESOURCE_EXHAUSTED`.
    pub(super) fn take(&mut self, index: usize) -> Result<Segments> {
        let segments = self.segments(index);
        for portion in std::mem::take(&mut self.batches[index].portions) {
            let portion = &mut self.portions[portion];
            portion.users.retain(|user| *user != index);
            if portion.users.is_empty() {
                portion.bytes = None;
            }
        }
        segments
    }

    fn segments(&self, index: usize) -> Result<Segments> {
        let batch = &self.batches[index];
        if let [portion] = batch.portions.as_slice() {
            // One run, so that arrays can be built where it lies.
            let places = batch.parts.clone().flat_map(|part| self.plan.pieces(part)).map(|piece| self.place(piece));
            let run = places.reduce(|run, place| run.start.min(place.start)..run.end.max(place.end));
            let run = run.unwrap_or(0..0);
            return Ok(vec![(run.start, self.slice(*portion, &run)?)]);
        }
        let bytes = |part: usize| {
            let pieces = self.plan.pieces(part).iter();
            let slices = pieces.map(|piece| self.slice(self.portion_of(batch, piece.read)?, &self.place(piece)));
            let slices = slices.collect::<Result<Vec<Buffer>>>()?;
            Ok((self.wanted[part].start, if slices.len() == 1 { slices[0].clone() } else { join(&slices)? }))
        };
        batch.parts.clone().filter(|part| !self.plan.pieces(*part).is_empty()).map(bytes).collect()
    }

    fn portion_of(&self, batch: &Incoming, read: usize) -> Result<usize> {
        let found = batch.portions.iter().copied().find(|portion| self.portions[*portion].read == read);
        found.ok_or_else(|| crate::error::Error::internal("a read without a portion for its batch"))
    }

    fn slice(&self, portion: usize, range: &Range<u64>) -> Result<Buffer> {
        let Portion { range: whole, bytes, .. } = &self.portions[portion];
        let (start, end) = ((range.start - whole.start) as usize, (range.end - whole.start) as usize);
        let bytes = bytes.as_ref().filter(|bytes| bytes.len() >= end);
        let bytes =
            bytes.ok_or_else(|| crate::error::Error::corrupt("a read brought fewer bytes than were asked for"))?;
        Ok(bytes.slice_with_length(start, end - start))
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    const RULES: RangeRules = RangeRules { gap_bytes: 10, part_bytes: 100 };

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "each batch has a list of parts, if of one")]
    fn a_read_is_cut_where_batches_meet() {
        let batches = [vec![0..30], vec![30..50, 52..60], vec![61..400], vec![]];
        let arriving = Arriving::new(&batches, 400, RULES).unwrap();
        let reads = arriving.reads();
        assert_eq!(reads[0], PlannedRead { range: 0..60, first: 0, portions: vec![0..30, 30..60] });
        assert_eq!(reads[1].portions, [61..146], "one batch by several reads");
        assert_eq!(reads.iter().map(|read| read.first).collect::<Vec<_>>(), [0, 2, 3, 4, 5]);
        assert_eq!(arriving.complete(), [3]);
        let overlapping = Arriving::new(&[vec![0..30], vec![20..50]], 400, RULES).unwrap();
        assert_eq!(overlapping.reads(), [PlannedRead { range: 0..50, first: 0, portions: vec![0..50] }]);
    }

    /// Whatever is wanted, in whatever order it comes: each batch gets its bytes, once, as soon as it can.
    #[test]
    fn every_batch_gets_its_bytes() {
        let object: Vec<u8> = (0..2000).map(|i| (i * 7 % 251) as u8).collect();
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..2000 {
            let range = |rng: &mut StdRng| {
                let start = rng.random_range(0..1900);
                let most = if rng.random_bool(0.1) { 100 } else { 12 };
                start..start + rng.random_range(0..=most)
            };
            let count = rng.random_range(1..6);
            let batches: Vec<Vec<Range<u64>>> =
                (0..count).map(|_| (0..rng.random_range(0..5)).map(|_| range(&mut rng)).collect()).collect();
            let rules = RangeRules { gap_bytes: rng.random_range(0..40), part_bytes: rng.random_range(1..120) };
            let mut arriving = Arriving::new(&batches, object.len() as u64, rules).unwrap();
            let mut coming: Vec<(usize, Range<u64>)> = Vec::new();
            for read in arriving.reads() {
                assert!(read.portions.windows(2).all(|pair| pair[0].end <= pair[1].start), "{read:?}");
                let within = |part: &Range<u64>| read.range.start <= part.start && part.end <= read.range.end;
                assert!(!read.portions.is_empty() && read.portions.iter().all(within), "{read:?}");
                coming.extend((read.first..).zip(read.portions));
            }
            let mut done = arriving.complete();
            while !coming.is_empty() {
                let (portion, range) = coming.swap_remove(rng.random_range(0..coming.len()));
                let bytes = Buffer::from(&object[range.start as usize..range.end as usize]);
                done.extend(arriving.arrived(portion, bytes));
            }
            let mut sorted = done.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..batches.len()).collect::<Vec<_>>(), "each once");
            for index in done {
                let segments = arriving.take(index).unwrap();
                for (start, bytes) in &segments {
                    let start = *start as usize;
                    assert_eq!(bytes.as_slice(), &object[start..start + bytes.len()]);
                }
                let holds = |wanted: &Range<u64>| {
                    let within = |(start, bytes): &(u64, Buffer)| {
                        *start <= wanted.start && wanted.end <= start + bytes.len() as u64
                    };
                    wanted.is_empty() || segments.iter().any(within)
                };
                assert!(batches[index].iter().all(holds), "{:?} of {segments:?}", batches[index]);
            }
            assert!(arriving.portions.iter().all(|portion| portion.bytes.is_none()), "nothing is kept");
        }
    }
}

//! Runs of bytes of a payload that has been fetched in parts.

use std::ops::Range;

use arrow::buffer::Buffer;

use crate::error::{Error, Result};
use crate::ranges::join;

/// What is there of a payload. Runs may touch and overlap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fragments {
    /// Where each run starts, and its bytes; in the order of the starts, none empty.
    runs: Vec<(u64, Buffer)>,
}

impl Fragments {
    /// The first bytes of a payload.
    #[cfg(test)]
    pub(crate) fn start(bytes: Buffer) -> Self {
        let mut fragments = Fragments::default();
        fragments.add(0, bytes);
        fragments
    }

    pub(crate) fn add(&mut self, start: u64, bytes: Buffer) {
        if !bytes.is_empty() {
            let place = self.runs.partition_point(|(other, _)| *other <= start);
            self.runs.insert(place, (start, bytes));
        }
    }

    /// Bytes of all runs.
    pub(crate) fn len(&self) -> u64 {
        self.runs.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// The runs, in the order of their starts.
    pub(crate) fn into_runs(self) -> Vec<(u64, Buffer)> {
        self.runs
    }

    /// The first byte from `offset` on that is not there.
    pub(crate) fn there_up_to(&self, offset: u64) -> u64 {
        self.runs.iter().fold(offset, |end, (start, bytes)| match *start <= end {
            true => end.max(start + bytes.len() as u64),
            false => end,
        })
    }

    /// Whether one run has all of a range.
    pub(crate) fn holds(&self, range: &Range<u64>) -> bool {
        self.runs.iter().any(|(start, bytes)| *start <= range.start && range.end <= start + bytes.len() as u64)
    }

    /// What of a range is not there.
    pub(crate) fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut at = range.start;
        for (start, bytes) in self.runs.iter().filter(|(start, _)| *start < range.end) {
            if *start > at {
                missing.push(at..*start);
            }
            at = at.max(start + bytes.len() as u64);
        }
        if at < range.end {
            missing.push(at..range.end);
        }
        missing
    }

    /// The bytes of a range: a slice of the run that has all of them, or a copy.
    ///
    /// # Errors
    /// `CORRUPT` if some are not there.
    pub(crate) fn bytes(&self, range: Range<u64>) -> Result<Buffer> {
        let mut parts = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let runs = self.runs.iter().filter(|(start, bytes)| (*start..start + bytes.len() as u64).contains(&at));
            let Some((start, bytes)) = runs.max_by_key(|(start, bytes)| start + bytes.len() as u64) else {
                let Range { start, end } = range;
                return Err(Error::corrupt(format!("bytes {start} to {end} of a payload are not there")));
            };
            let end = range.end.min(start + bytes.len() as u64);
            parts.push(bytes.slice_with_length((at - start) as usize, (end - at) as usize));
            at = end;
        }
        match parts.as_slice() {
            [] => Ok(Buffer::from(Vec::<u8>::new())),
            [part] => Ok(part.clone()),
            parts => join(parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragments(ranges: &[Range<u8>]) -> Fragments {
        let mut fragments = Fragments::default();
        for range in ranges {
            fragments.add(u64::from(range.start), Buffer::from_vec(range.clone().collect::<Vec<u8>>()));
        }
        fragments
    }

    #[test]
    fn what_is_there_and_what_is_missing() {
        let there = fragments(&[20..30, 0..10, 10..12, 25..35, 50..50]);
        assert_eq!([0, 5, 12, 20, 40].map(|offset| there.there_up_to(offset)), [12, 12, 12, 35, 40]);
        assert_eq!(there.missing(5..40), [12..20, 35..40]);
        assert_eq!(there.missing(21..34), []);
        assert_eq!(there.missing(40..45), [Range { start: 40, end: 45 }]);
        assert!(there.holds(&(26..34)) && !there.holds(&(8..12)) && !there.holds(&(12..14)));
        assert_eq!(there.into_runs().len(), 4);
    }

    #[test]
    fn bytes_come_out_of_one_run_or_of_several() {
        let there = fragments(&[0..10, 10..12, 20..30, 25..35]);
        for range in [2..7u8, 3..12, 0..0, 22..35, 25..35] {
            let bytes = there.bytes(u64::from(range.start)..u64::from(range.end)).unwrap();
            assert_eq!(bytes.as_slice(), range.collect::<Vec<u8>>());
        }
        let error = there.bytes(11..21).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
        let run = there.bytes(26..28).unwrap();
        assert_eq!(run.len(), 2);
    }
}

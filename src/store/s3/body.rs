//! The body of an answer, cut into the parts that are wanted as it comes in.

use std::ops::Range;

use crate::error::Result;
use crate::memory::Memory;
use crate::store::source::OnPart;

/// Cuts a run of bytes into parts, each in memory of its own, and hands them out. Bytes between parts are dropped.
///
/// It can go on with another body where one has ended early: parts that are complete are not wanted again.
pub(super) struct Cutter<'a> {
    /// Increasing; they do not overlap.
    parts: &'a [Range<u64>],
    on_part: OnPart<'a>,
    /// The part that comes next.
    next: usize,
    /// Where in the file the next byte belongs.
    position: u64,
    /// What there is of the next part. Memory is taken when its first byte is there, not when it is asked for.
    filling: Option<Memory>,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(parts: &'a [Range<u64>], on_part: OnPart<'a>) -> Self {
        Cutter { parts, on_part, next: 0, position: 0, filling: None }
    }

    /// What is still wanted of a range.
    pub(super) fn rest(&self, range: &Range<u64>) -> Range<u64> {
        match self.next {
            0 => range.clone(),
            next => self.parts.get(next).map_or(range.end, |part| part.start)..range.end,
        }
    }

    /// From here on bytes come that belong to this place in the file.
    pub(super) fn start(&mut self, position: u64) {
        self.position = position;
        self.filling = None;
    }

    /// Takes the bytes that follow.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while let Some(part) = self.parts.get(self.next) {
            let skipped = part.start.saturating_sub(self.position).min(bytes.len() as u64);
            bytes = &bytes[skipped as usize..];
            self.position += skipped;
            if self.position < part.start || (bytes.is_empty() && self.position < part.end) {
                return Ok(());
            }
            let len = (part.end - part.start) as usize;
            let mut memory = match self.filling.take() {
                Some(memory) => memory,
                None => Memory::new(len)?,
            };
            let filled = (self.position - part.start) as usize;
            let (taken, rest) = bytes.split_at(bytes.len().min(len - filled));
            memory.as_mut_slice()[filled..filled + taken.len()].copy_from_slice(taken);
            self.position += taken.len() as u64;
            bytes = rest;
            if self.position < part.end {
                self.filling = Some(memory);
                return Ok(());
            }
            let index = self.next;
            self.next += 1;
            (self.on_part)(index, memory.freeze());
        }
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Where in the file the next byte belongs.
    pub(super) fn position(&self) -> u64 {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use arrow::buffer::Buffer;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn parts_come_whole_and_once_however_the_bytes_come() {
        let file: Vec<u8> = (0..1000).map(|i| (i % 251) as u8).collect();
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..500 {
            let mut cuts: Vec<u64> = (0..rng.random_range(2..12)).map(|_| rng.random_range(0..=1000)).collect();
            cuts.sort_unstable();
            let parts: Vec<Range<u64>> = cuts.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect();
            let range = cuts[0].saturating_sub(rng.random_range(0..9))..cuts[cuts.len() - 1];
            let mut found: Vec<(usize, Buffer)> = Vec::new();
            let mut on_part = |index: usize, bytes: Buffer| found.push((index, bytes));
            let mut cutter = Cutter::new(&parts, &mut on_part);
            // The connection is lost again and again; each new one starts where the last part ended.
            for attempt in 0.. {
                let rest = cutter.rest(&range);
                cutter.start(rest.start);
                let mut left = &file[rest.start as usize..rest.end as usize];
                let mut patience = if attempt < 20 { rng.random_range(0..400) } else { usize::MAX };
                cutter.push(&[]).unwrap();
                while !left.is_empty() && patience > 0 {
                    let (bytes, after) = left.split_at(rng.random_range(1..=left.len()).min(patience));
                    cutter.push(bytes).unwrap();
                    (left, patience) = (after, patience - bytes.len());
                }
                assert_eq!(cutter.position(), rest.end - left.len() as u64);
                if left.is_empty() {
                    break;
                }
            }
            assert_eq!(found.iter().map(|(index, _)| *index).collect::<Vec<_>>(), (0..parts.len()).collect::<Vec<_>>());
            for ((_, bytes), part) in found.iter().zip(&parts) {
                assert_eq!(bytes.as_slice(), &file[part.start as usize..part.end as usize]);
            }
        }
    }
}

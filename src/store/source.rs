//! Single files whose bytes are read in ranges, wherever they lie: a local file here, an object on S3 in `s3`.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use arrow::buffer::Buffer;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::BoxFuture;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::ranges::{RangePlan, RangeRules};
use crate::runtime::{Context, available_cores, runtime};
use crate::tuning::{self, Values};

/// A file is opened with so many of its last bytes at hand, where the footer mostly lies, and of a local one with so many
/// of its first: schema and dictionaries.
pub(crate) const END_BYTES: u64 = 64 << 10;

/// The bytes of one file, all of them of the version that was opened.
pub(crate) trait ByteSource: Send + Sync + fmt::Debug {
    /// The size of the file in bytes.
    fn len(&self) -> u64;

    /// How to read from it.
    fn tuning(&self) -> SourceTuning;

    /// All of the bytes, where they can be had without a copy.
    fn mapped(&self) -> Option<&Buffer> {
        None
    }

    /// Fetches a range, which lies within the file.
    ///
    /// # Errors
    /// `CORRUPT` for a file that has become shorter, `CONFLICT` for one that was replaced.
    fn read<'a>(&'a self, range: Range<u64>, ctx: &'a Context) -> BoxFuture<'a, Result<Buffer>>;

    /// Fetches a range and hands out the `parts` of it that are wanted, which increase and do not overlap: in their
    /// order, each once, as soon as it is there.
    ///
    /// # Errors
    /// As [`ByteSource::read`]; some of the parts may have been handed out before.
    fn read_parts<'a>(
        &'a self,
        range: Range<u64>,
        parts: &'a [Range<u64>],
        on_part: OnPart<'a>,
        ctx: &'a Context,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let bytes = self.read(range.clone(), ctx).await?;
            hand_out(&bytes, &range, parts, on_part);
            Ok(())
        })
    }
}

/// Takes a part by its index.
pub(crate) type OnPart<'a> = &'a mut (dyn FnMut(usize, Buffer) + Send);

/// Parts of a range that is there.
fn hand_out(bytes: &Buffer, range: &Range<u64>, parts: &[Range<u64>], on_part: OnPart<'_>) {
    for (index, part) in parts.iter().enumerate() {
        let (start, len) = ((part.start - range.start) as usize, (part.end - part.start) as usize);
        on_part(index, bytes.slice_with_length(start, len));
    }
}

/// How a file is read best.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceTuning {
    /// When reads are merged and split.
    pub(crate) rules: RangeRules,
    /// Reads in flight.
    pub(crate) requests: usize,
    /// The same where each is for a whole part of what is wanted.
    pub(crate) part_requests: usize,
    /// Bytes that one operation has in flight, unless told.
    pub(crate) look_ahead_bytes: u64,
}

/// An open file, with its ends at hand.
#[derive(Debug, Clone)]
pub(crate) struct FileBytes {
    source: Arc<dyn ByteSource>,
    /// The first bytes of a local file; all of them, if mapped.
    head: Buffer,
    /// The last bytes.
    tail: Buffer,
}

impl FileBytes {
    /// A source and the bytes that opening it has brought.
    pub(crate) fn new(source: Arc<dyn ByteSource>, head: Buffer, tail: Buffer) -> Self {
        FileBytes { source, head, tail }
    }

    /// Opens a local file; see [`crate::IpcFile::open`] for what `mmap` means.
    pub(crate) async fn local(path: &Path, mmap: bool, ctx: &Context) -> Result<Self> {
        let path = path.to_path_buf();
        let source: Arc<dyn ByteSource> = runtime()?.blocking(move || open_local(&path, mmap)).await?;
        if let Some(all) = source.mapped().cloned() {
            return Ok(FileBytes::new(source, all, Buffer::from(Vec::<u8>::new())));
        }
        let len = source.len();
        let head = source.read(0..len.min(END_BYTES), ctx).await?;
        let tail = source.read(len.saturating_sub(END_BYTES)..len, ctx).await?;
        Ok(FileBytes::new(source, head, tail))
    }

    /// A file that is in memory.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn in_memory(bytes: Buffer) -> Self {
        FileBytes::new(Arc::new(Mapped(bytes.clone())), bytes, Buffer::from(Vec::<u8>::new()))
    }

    pub(crate) fn len(&self) -> u64 {
        self.source.len()
    }

    pub(crate) fn tuning(&self) -> SourceTuning {
        self.source.tuning()
    }

    /// Whether arrays can point into the file's own pages.
    pub(crate) fn is_mapped(&self) -> bool {
        self.source.mapped().is_some()
    }

    /// The bytes of a range that are at hand without reading.
    pub(crate) fn at_hand(&self, range: &Range<u64>) -> Option<Buffer> {
        let len = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        let within = |bytes: &Buffer, start: u64| {
            let offset = usize::try_from(range.start.checked_sub(start)?).ok()?;
            (offset.checked_add(len)? <= bytes.len()).then(|| bytes.slice_with_length(offset, len))
        };
        within(&self.head, 0).or_else(|| within(&self.tail, self.len().checked_sub(self.tail.len() as u64)?))
    }

    /// Reads a range.
    ///
    /// # Errors
    /// `CORRUPT` for a range outside the file, and as [`ByteSource::read`].
    pub(crate) async fn read(&self, range: Range<u64>, ctx: &Context) -> Result<Buffer> {
        self.check(&range)?;
        match self.at_hand(&range) {
            Some(bytes) => Ok(bytes),
            None => self.source.read(range, ctx).await,
        }
    }

    /// Reads a range, and hands out the parts of it as they come; see [`ByteSource::read_parts`].
    ///
    /// # Errors
    /// As [`FileBytes::read`]; `CORRUPT` also for parts that do not lie in the range as they should.
    pub(crate) async fn read_parts(
        &self,
        range: Range<u64>,
        parts: &[Range<u64>],
        on_part: OnPart<'_>,
        ctx: &Context,
    ) -> Result<()> {
        self.check(&range)?;
        let mut place = range.start;
        for part in parts {
            if part.start < place || part.end < part.start || part.end > range.end {
                return Err(Error::corrupt(format!("bytes {} to {} do not follow {place}", part.start, part.end)));
            }
            place = part.end;
        }
        match self.at_hand(&range) {
            Some(bytes) => hand_out(&bytes, &range, parts, on_part),
            None => self.source.read_parts(range, parts, on_part, ctx).await?,
        }
        Ok(())
    }

    fn check(&self, range: &Range<u64>) -> Result<()> {
        if range.start > range.end || range.end > self.len() {
            return Err(Error::corrupt(format!("bytes {} to {} lie outside the file", range.start, range.end)));
        }
        Ok(())
    }

    /// Reads several ranges, by as few requests as is sensible, several at once; the bytes are in the order asked.
    ///
    /// # Errors
    /// As [`FileBytes::read`].
    pub(crate) async fn read_all(&self, wanted: &[Range<u64>], ctx: &Context) -> Result<Vec<Buffer>> {
        let mut at_hand: Vec<Option<Buffer>> = wanted.iter().map(|range| self.at_hand(range)).collect();
        let missing =
            |(range, found): (&Range<u64>, &Option<Buffer>)| if found.is_some() { 0..0 } else { range.clone() };
        let missing: Vec<Range<u64>> = wanted.iter().zip(&at_hand).map(missing).collect();
        let plan = RangePlan::new(&missing, self.len(), self.tuning().rules)?;
        let (reads, ctx) = (plan.reads().to_vec(), ctx.clone());
        let reads = reads.into_iter().map(|range| {
            let (source, ctx) = (self.source.clone(), ctx.clone());
            async move { source.read(range, &ctx).await }
        });
        let fetched: Vec<Buffer> = stream::iter(reads).buffered(self.tuning().requests).try_collect().await?;
        let bytes = |(part, found): (usize, &mut Option<Buffer>)| match found.take() {
            Some(bytes) => Ok(bytes),
            None => plan.bytes(part, |read| fetched.get(read)),
        };
        at_hand.iter_mut().enumerate().map(bytes).collect()
    }
}

fn open_local(path: &Path, mmap: bool) -> Result<Arc<dyn ByteSource>> {
    let describe = |e: std::io::Error| Error::from(e).context(format!("cannot open '{}'", path.display()));
    let file = File::open(path).map_err(describe)?;
    let metadata = file.metadata().map_err(describe)?;
    if !metadata.is_file() {
        return Err(Error::invalid_argument(format!("'{}' is not a regular file", path.display())));
    }
    if !mmap || metadata.len() == 0 {
        return Ok(Arc::new(Positioned { file: Arc::new(file), len: metadata.len() }));
    }
    // SAFETY: the mapping is private and read-only, and the crate documents that nobody may truncate or
    // change a file while it is mapped (the reason why mapping is opt-in).
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(describe)?;
    let len = map.len();
    let start = NonNull::new(map.as_ptr().cast_mut()).ok_or_else(|| Error::internal("a mapping at address 0"))?;
    // SAFETY: `start` is valid for `len` bytes as long as the mapping lives; the buffer holds it and never writes.
    let buffer = unsafe { Buffer::from_custom_allocation(start, len, Arc::new(map)) };
    Ok(Arc::new(Mapped(buffer)))
}

/// A local file or memory of which slices are handed out.
#[derive(Debug)]
struct Mapped(Buffer);

impl ByteSource for Mapped {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn tuning(&self) -> SourceTuning {
        // Slices cost nothing, however long they are; parts of one would have to be joined.
        let tuning = local_tuning();
        SourceTuning { rules: RangeRules { part_bytes: u64::MAX, ..tuning.rules }, ..tuning }
    }

    fn mapped(&self) -> Option<&Buffer> {
        Some(&self.0)
    }

    fn read<'a>(&'a self, range: Range<u64>, _: &'a Context) -> BoxFuture<'a, Result<Buffer>> {
        let bytes = self.0.slice_with_length(range.start as usize, (range.end - range.start) as usize);
        Box::pin(std::future::ready(Ok(bytes)))
    }
}

/// A local file that is read on demand.
#[derive(Debug)]
struct Positioned {
    file: Arc<File>,
    len: u64,
}

impl ByteSource for Positioned {
    fn len(&self) -> u64 {
        self.len
    }

    fn tuning(&self) -> SourceTuning {
        local_tuning()
    }

    fn read<'a>(&'a self, range: Range<u64>, _: &'a Context) -> BoxFuture<'a, Result<Buffer>> {
        let file = self.file.clone();
        Box::pin(async move { runtime()?.blocking(move || read_at(&file, range)).await })
    }
}

fn local_tuning() -> SourceTuning {
    let values = Values { bytes: 0, in_parts: false, decompressed: true };
    let requests = tuning::requests(available_cores(), Duration::ZERO, values).concurrency;
    SourceTuning {
        rules: RangeRules::LOCAL_FILE,
        requests,
        part_requests: requests,
        look_ahead_bytes: tuning::LOOK_AHEAD_BYTES,
    }
}

/// Reads a range of a file, all of it.
pub(crate) fn read_at(file: &File, range: Range<u64>) -> Result<Buffer> {
    let mut memory = Memory::new((range.end - range.start) as usize)?;
    file.read_exact_at(memory.as_mut_slice(), range.start).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::corrupt("the file became shorter while it was read"),
        _ => Error::from(e),
    })?;
    Ok(memory.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn numbers(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i / 7) as u8).collect()
    }

    fn open(dir: &Path, bytes: &[u8], mmap: bool) -> FileBytes {
        let path = dir.join("file");
        std::fs::write(&path, bytes).unwrap();
        let ctx = Context::new();
        ctx.clone().block_on(async move { FileBytes::local(&path, mmap, &ctx).await }).unwrap()
    }

    #[test]
    fn ranges_come_from_the_ends_or_from_the_file() {
        let dir = tempfile::tempdir().unwrap();
        for len in [0, 1, 1000, END_BYTES as usize, 3 * END_BYTES as usize, 1 << 20] {
            let bytes = numbers(len);
            for mmap in [true, false] {
                let file = open(dir.path(), &bytes, mmap);
                let len = len as u64;
                let wanted = vec![0..0, 0..len, len / 2..len, len / 3..len / 2, len..len, len / 4..len / 4 + len / 9];
                let (expected, asked, ctx) = (wanted.clone(), file.clone(), Context::new());
                let found = ctx.clone().block_on(async move { asked.read_all(&wanted, &ctx).await }).unwrap();
                for (range, found) in expected.iter().zip(&found) {
                    assert_eq!(found.as_slice(), &bytes[range.start as usize..range.end as usize]);
                }
                assert_eq!((file.len(), file.is_mapped()), (len, mmap && len > 0));
                assert_eq!(
                    file.at_hand(&(len / 2..len / 2 + 1)).is_some(),
                    mmap && len > 0 || (1..=1 << 17).contains(&len),
                    "{len}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = open(dir.path(), &numbers(1 << 20), false);
        std::fs::File::options().write(true).open(dir.path().join("file")).unwrap().set_len(1 << 19).unwrap();
        #[expect(clippy::reversed_empty_ranges, reason = "as hostile bytes may declare it")]
        for (range, text) in [
            (0..(1 << 20) + 1, "outside the file"),
            (9..8, "outside the file"),
            ((1 << 19) - 1..(1 << 19) + 1, "became shorter"),
        ] {
            let (file, ctx) = (file.clone(), Context::new());
            let error = ctx.clone().block_on(async move { file.read(range, &ctx).await }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains(text), "{error}");
        }
    }
}

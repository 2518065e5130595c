//! Large, aligned, reusable memory.
//!
//! Fresh memory costs a page fault for every 4 KiB, as much as the copy into it, and zeroing it once more.
//! Payloads and decoded bodies therefore live in blocks that go back to a pool when the last array that uses
//! them is dropped. A block is zeroed memory when fresh and always initialised, starts at a multiple of 64, and
//! its bytes become an Arrow [`Buffer`] without a copy.
//!
//! Blocks are cut from mappings that start where a huge page can, so that where the system has these, fresh memory
//! costs a fault for every 2 MiB. Large blocks have a mapping of their own; smaller ones share one, as the system limits
//! their number. A mapping ends with the last of its blocks.

use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard};

use arrow::buffer::{Buffer, MutableBuffer};
use memmap2::{MmapMut, MmapRaw};

use crate::error::{Error, Result};

/// Below this size the allocator's own reuse is good enough.
const POOLED_FROM: usize = 64 << 10;
/// Capacities below [`LARGE_FROM`] are multiples of this, so that blocks for chunks of similar size can serve each other.
const SMALL_STEP: usize = 32 << 10;
/// From this size on a block has a mapping of its own.
const LARGE_FROM: usize = HUGE_PAGE;
const LARGE_STEP: usize = 256 << 10;
/// From this size on blocks do not share mappings with smaller ones, a few of which would leave no room for them.
const MEDIUM_FROM: usize = 512 << 10;
/// What blocks are cut from that are smaller than that, and those that are larger.
const SHARED_BYTES: [usize; 2] = [HUGE_PAGE, 2 * HUGE_PAGE];
const HUGE_PAGE: usize = 2 << 20;
/// Where [`watched`], the allocator serves what is below this size.
const WATCHED_BELOW: usize = 1 << 32;
/// What the pool keeps for later at the most, in bytes.
const RETAINED: usize = 64 << 20;
/// Where so much more lies idle, any block that is large enough serves: it costs nothing, and fresh memory does.
const AMPLE: usize = RETAINED / 4;

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), bytes: 0, shared: [None, None] });

#[derive(Default)]
struct Pool {
    free: Vec<Block>,
    bytes: usize,
    /// What of the newest shared mappings no block has had yet.
    shared: [Option<Block>; 2],
}

/// Initialised bytes of a mapping; no other block has any of them.
struct Block {
    start: NonNull<u8>,
    len: usize,
    mapping: Arc<MmapRaw>,
}

// SAFETY: the bytes are this block's alone, wherever it goes, and the mapping lives as long as it does.
unsafe impl Send for Block {}
// SAFETY: a shared reference gives no access to the bytes.
unsafe impl Sync for Block {}

impl Block {
    /// A mapping of its own, of at least so many bytes.
    fn map(bytes: usize) -> Option<Block> {
        // The system need not heed alignment; what lies before and behind is never touched.
        let mapping = MmapMut::map_anon(bytes.checked_next_multiple_of(HUGE_PAGE)?.checked_add(HUGE_PAGE)?).ok()?;
        let skipped = mapping.as_ptr().align_offset(HUGE_PAGE);
        if skipped > HUGE_PAGE {
            return None;
        }
        // No loss where there are no huge pages. One of which the block needs less than half costs more than it saves.
        #[cfg(target_os = "linux")]
        let _ =
            mapping.advise_range(memmap2::Advice::HugePage, skipped, (bytes + HUGE_PAGE / 2) / HUGE_PAGE * HUGE_PAGE);
        let mapping = Arc::new(MmapRaw::from(mapping));
        // SAFETY: the mapping is that much longer than the block.
        let start = NonNull::new(unsafe { mapping.as_mut_ptr().add(skipped) })?;
        Some(Block { start, len: bytes, mapping })
    }

    /// Cuts off the first `bytes`, if there are as many.
    fn cut(&mut self, bytes: usize) -> Option<Block> {
        let len = self.len.checked_sub(bytes)?;
        let cut = Block { start: self.start, len: bytes, mapping: self.mapping.clone() };
        // SAFETY: the block has at least so many bytes.
        self.start = unsafe { self.start.add(bytes) };
        self.len = len;
        Some(cut)
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: so many bytes of the mapping, which lives, are initialised and belong to this block alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

fn lock(pool: &Mutex<Pool>) -> MutexGuard<'_, Pool> {
    pool.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Pool {
    /// The smallest free block that fits, unless it is more than twice too large and blocks are scarce.
    fn recycle(&mut self, capacity: usize) -> Option<Block> {
        let fits =
            |block: &Block| block.len >= capacity && (block.len / 2 <= capacity || self.bytes - block.len >= AMPLE);
        let (index, _) = self.free.iter().enumerate().filter(|(_, b)| fits(b)).min_by_key(|(_, b)| b.len)?;
        let block = self.free.swap_remove(index);
        self.bytes -= block.len;
        Some(block)
    }

    /// Keeps a block, or hands it back to be freed outside the lock.
    fn put(&mut self, block: Block) -> Option<Block> {
        if self.bytes + block.len > RETAINED {
            return Some(block);
        }
        self.bytes += block.len;
        self.free.push(block);
        None
    }
}

/// A block of so many bytes or more: one that has served before, if possible. Mappings are made outside the lock.
fn take(pool: &Mutex<Pool>, capacity: usize) -> Option<Block> {
    if capacity >= LARGE_FROM {
        let recycled = lock(pool).recycle(capacity);
        return recycled.or_else(|| Block::map(capacity));
    }
    let kind = usize::from(capacity >= MEDIUM_FROM);
    let pooled = {
        let mut pool = lock(pool);
        pool.recycle(capacity).or_else(|| pool.shared[kind].as_mut()?.cut(capacity))
    };
    if pooled.is_some() {
        return pooled;
    }
    let mut shared = Block::map(SHARED_BYTES[kind])?;
    let block = shared.cut(capacity);
    let mut pool = lock(pool);
    let rest = pool.shared[kind].replace(shared).filter(|rest| rest.len >= POOLED_FROM);
    let surplus = rest.and_then(|rest| pool.put(rest));
    drop(pool);
    drop(surplus);
    block
}

/// Memory that goes back to the pool when dropped.
struct Pooled(Option<Block>);

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(block) = self.0.take() {
            drop(lock(&POOL).put(block));
        }
    }
}

/// Whether a tool watches the system's allocator: then every block comes from there, and none is kept for later.
fn watched() -> bool {
    #[cfg(feature = "mimalloc")]
    return crate::allocator::is_system();
    #[cfg(not(feature = "mimalloc"))]
    false
}

enum Storage {
    Pooled(Pooled),
    Small(MutableBuffer),
}

/// A writable run of initialised bytes, aligned to at least 64, that becomes an Arrow [`Buffer`].
pub struct Memory {
    storage: Storage,
    len: usize,
}

impl Memory {
    /// `len` bytes whose contents are unspecified but initialised.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when the system has no memory left.
    pub fn new(len: usize) -> Result<Self> {
        if len < POOLED_FROM || (len < WATCHED_BELOW && watched()) {
            return Ok(Memory { storage: Storage::Small(MutableBuffer::from_len_zeroed(len)), len });
        }
        let step = if len < LARGE_FROM { SMALL_STEP } else { LARGE_STEP };
        let capacity = len.checked_next_multiple_of(step).ok_or_else(|| out_of_memory(len))?;
        let block = take(&POOL, capacity).ok_or_else(|| out_of_memory(len))?;
        Ok(Memory { storage: Storage::Pooled(Pooled(Some(block))), len })
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.storage {
            Storage::Pooled(Pooled(Some(block))) => &mut block.as_mut_slice()[..self.len],
            Storage::Pooled(Pooled(None)) => &mut [],
            Storage::Small(buffer) => &mut buffer.as_slice_mut()[..self.len],
        }
    }

    /// Shares the bytes as an immutable Arrow buffer, without a copy.
    pub fn freeze(self) -> Buffer {
        let len = self.len;
        match self.storage {
            Storage::Small(buffer) => Buffer::from(buffer).slice_with_length(0, len),
            Storage::Pooled(pooled) => {
                let Some(block) = &pooled.0 else { return Buffer::from(Vec::<u8>::new()) };
                let start = block.start;
                // SAFETY: `start` is valid for `len` initialised bytes for as long as the block lives, the
                // block lives in the `Arc` that the buffer holds, moving it does not move its bytes, and
                // nothing writes to them until the last buffer is gone and the block is back in the pool.
                unsafe { Buffer::from_custom_allocation(start, len, Arc::new(pooled)) }
            }
        }
    }
}

fn out_of_memory(len: usize) -> Error {
    Error::resource_exhausted(format!("no memory for a block of {len} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_freezing_and_are_aligned() {
        for len in [0, 1, 4096, POOLED_FROM - 1, POOLED_FROM, LARGE_FROM - 1, LARGE_FROM, LARGE_FROM + 12345] {
            let mut memory = Memory::new(len).unwrap();
            for (i, byte) in memory.as_mut_slice().iter_mut().enumerate() {
                *byte = i as u8;
            }
            let buffer = memory.freeze();
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().enumerate().all(|(i, byte)| *byte == i as u8));
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
        }
    }

    #[test]
    fn a_block_returns_only_when_its_last_buffer_is_gone() {
        for len in [9 << 20, 300 << 10] {
            let mut memory = Memory::new(len).unwrap();
            memory.as_mut_slice().fill(7);
            let buffer = memory.freeze();
            let slice = buffer.slice(1000);
            drop(buffer);
            let mut other = Memory::new(len).unwrap();
            other.as_mut_slice().fill(9);
            assert!(slice.iter().all(|byte| *byte == 7));
        }
    }

    #[test]
    fn blocks_of_one_mapping_do_not_overlap() {
        let pool = Mutex::default();
        let sizes = [100, 1500, 500, 2000, 64, 1900, 3000];
        let mut blocks: Vec<Block> = sizes.iter().map(|kib| take(&pool, kib << 10).unwrap()).collect();
        for (i, block) in blocks.iter_mut().enumerate() {
            assert!(block.as_mut_slice().iter().all(|byte| *byte == 0), "fresh memory is zeroed");
            block.as_mut_slice().fill(i as u8 + 1);
        }
        for (i, (block, kib)) in blocks.iter_mut().zip(sizes).enumerate() {
            assert!(block.as_mut_slice().len() >= kib << 10);
            assert!(block.as_mut_slice().iter().all(|byte| *byte == i as u8 + 1));
        }
        assert!(Arc::ptr_eq(&blocks[0].mapping, &blocks[2].mapping));
        assert!(blocks.into_iter().all(|block| lock(&pool).put(block).is_none()));
        assert_eq!(take(&pool, 1800 << 10).map(|mut block| block.as_mut_slice()[0]), Some(6), "the smallest that fits");
    }

    #[test]
    fn a_block_that_is_far_too_large_serves_where_many_are_idle() {
        let pool = Mutex::default();
        let put = |bytes| assert!(lock(&pool).put(Block::map(bytes).unwrap()).is_none());
        let serves = |capacity| lock(&pool).recycle(capacity).map(|block| block.len >> 20);
        put(20 << 20);
        assert_eq!(serves(9 << 20), None, "the only one may soon be wanted");
        (0..8).for_each(|_| put(2 << 20));
        assert_eq!(serves(9 << 20), Some(20));
        assert_eq!(serves(512 << 10), None);
        (0..2).for_each(|_| put(2 << 20));
        assert_eq!(serves(512 << 10), Some(2));
    }

    #[test]
    fn an_absurd_size_is_an_error() {
        for len in [usize::MAX - 5, usize::MAX / 2, 1 << 60] {
            assert_eq!(Memory::new(len).err().map(|e| e.kind()), Some(crate::ErrorKind::ResourceExhausted));
        }
    }
}

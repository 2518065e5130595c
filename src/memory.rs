//! Large, aligned, reusable memory.
//!
//! Fresh memory costs a page fault for every 4 KiB, as much as the copy into it, and zeroing it once more.
//! Payloads and decoded bodies therefore live in blocks that go back to a pool when the last array that uses
//! them is dropped. A block is zeroed memory when fresh and always initialised, starts at a multiple of 64, and
//! its bytes become an Arrow [`Buffer`] without a copy. Large blocks are mappings of their own; smaller ones come
//! from the allocator, as the system limits the number of mappings.

use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard};

use arrow::buffer::{Buffer, MutableBuffer};
use memmap2::MmapMut;

use crate::error::{Error, Result};

/// Below this size the allocator's own reuse is good enough.
const POOLED_FROM: usize = 64 << 10;
/// From this size on a block is a mapping of its own.
const MAPPED_FROM: usize = 1 << 20;
/// Where [`watched`], the allocator serves what is below this size.
const WATCHED_BELOW: usize = 1 << 32;
/// What the pool keeps for later at the most, in bytes.
const RETAINED: usize = 64 << 20;
/// Capacities are multiples of this, so that blocks for chunks of similar size can serve each other.
const MAPPED_STEP: usize = 256 << 10;
const HEAP_STEP: usize = 32 << 10;

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), bytes: 0 });

struct Pool {
    free: Vec<Block>,
    bytes: usize,
}

/// Initialised bytes.
enum Block {
    Mapped(MmapMut),
    Heap(MutableBuffer),
}

impl Block {
    fn new(capacity: usize) -> Option<Block> {
        if capacity < MAPPED_FROM {
            return Some(Block::Heap(MutableBuffer::from_len_zeroed(capacity)));
        }
        let block = MmapMut::map_anon(capacity).ok()?;
        // Fewer, larger page faults where the system offers them; no loss where it does not.
        #[cfg(target_os = "linux")]
        let _ = block.advise(memmap2::Advice::HugePage);
        Some(Block::Mapped(block))
    }

    fn len(&self) -> usize {
        match self {
            Block::Mapped(block) => block.len(),
            Block::Heap(block) => block.len(),
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        match self {
            Block::Mapped(block) => block,
            Block::Heap(block) => block.as_slice_mut(),
        }
    }
}

impl Pool {
    fn lock() -> MutexGuard<'static, Pool> {
        POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The smallest free block that fits, unless it is more than twice too large.
    fn take(&mut self, capacity: usize) -> Option<Block> {
        let fits = |block: &Block| block.len() >= capacity && block.len() / 2 <= capacity;
        let (index, _) = self.free.iter().enumerate().filter(|(_, b)| fits(b)).min_by_key(|(_, b)| b.len())?;
        let block = self.free.swap_remove(index);
        self.bytes -= block.len();
        Some(block)
    }

    /// Keeps a block, or hands it back to be freed outside the lock.
    fn put(&mut self, block: Block) -> Option<Block> {
        if self.bytes + block.len() > RETAINED {
            return Some(block);
        }
        self.bytes += block.len();
        self.free.push(block);
        None
    }
}

/// Memory that goes back to the pool when dropped.
struct Pooled(Option<Block>);

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(block) = self.0.take() {
            drop(Pool::lock().put(block));
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
        let step = if len < MAPPED_FROM { HEAP_STEP } else { MAPPED_STEP };
        let capacity = len.checked_next_multiple_of(step).ok_or_else(|| out_of_memory(len))?;
        let recycled = Pool::lock().take(capacity);
        let block = recycled.or_else(|| Block::new(capacity)).ok_or_else(|| out_of_memory(len))?;
        Ok(Memory { storage: Storage::Pooled(Pooled(Some(block))), len })
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
            Storage::Pooled(mut pooled) => {
                let Some(block) = pooled.0.as_mut() else { return Buffer::from(Vec::<u8>::new()) };
                let Some(start) = NonNull::new(block.as_mut_slice().as_mut_ptr()) else {
                    return Buffer::from(Vec::<u8>::new());
                };
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
        for len in [0, 1, 4096, POOLED_FROM - 1, POOLED_FROM, MAPPED_FROM - 1, MAPPED_FROM, MAPPED_FROM + 12345] {
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
    fn an_absurd_size_is_an_error() {
        assert_eq!(Memory::new(usize::MAX - 5).err().map(|e| e.kind()), Some(crate::ErrorKind::ResourceExhausted));
    }
}

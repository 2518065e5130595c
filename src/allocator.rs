//! The allocator of the command-line tool and of the shipped libraries (feature `mimalloc`).
//!
//! `ARROWREDIS_ALLOCATOR=system` in the environment selects the system's allocator instead, so that tools which
//! watch it (valgrind, AddressSanitizer) see every allocation of the very libraries that ship.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: Chosen = Chosen;

struct Chosen;

#[cfg(target_os = "linux")]
unsafe extern "C" {
    /// Of mimalloc's `mimalloc.h`.
    fn mi_option_set(option: libc::c_int, value: libc::c_long);
}

#[cfg(target_os = "linux")]
/// Memory is committed as it is used, not arena by arena: the system backs arenas that are committed at once with
/// pages of 2 MiB, of which a few used bytes each add up to tens of megabytes in long runs.
const MI_OPTION_ARENA_EAGER_COMMIT: libc::c_int = 4;

#[cfg(target_os = "linux")]
/// What is free goes back to the system after so many milliseconds. The default of 10 is less than the time from one
/// batch to the next, each of which would then get its memory anew, page by page.
const MI_OPTION_PURGE_DELAY: libc::c_int = 15;
#[cfg(target_os = "linux")]
const PURGE_DELAY_MS: libc::c_long = 100;

#[cfg(target_os = "linux")]
extern "C" fn set_options() {
    // SAFETY: it sets a number among the allocator's options, and needs nothing that is not there from the start.
    unsafe {
        mi_option_set(MI_OPTION_ARENA_EAGER_COMMIT, 0);
        mi_option_set(MI_OPTION_PURGE_DELAY, PURGE_DELAY_MS);
    }
}

/// Runs while the library is loaded, before mimalloc's own initialisation (which has no priority, so comes last) takes
/// its first memory.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array.00101")]
static SET_OPTIONS: extern "C" fn() = set_options;

const UNKNOWN: u8 = 0;
const MIMALLOC: u8 = 1;
const SYSTEM: u8 = 2;
static CHOICE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Whether the system's allocator serves this process. The answer never changes.
#[inline]
pub(crate) fn is_system() -> bool {
    match CHOICE.load(Relaxed) {
        MIMALLOC => false,
        SYSTEM => true,
        _ => choose(),
    }
}

#[cold]
fn choose() -> bool {
    // SAFETY: the name is a C string. Nothing here allocates. Whoever changes the environment from another thread at
    // the library's first allocation has a race of their own.
    let value = unsafe { libc::getenv(c"ARROWREDIS_ALLOCATOR".as_ptr()) };
    // SAFETY: not NULL, so a C string.
    let system = !value.is_null() && unsafe { std::ffi::CStr::from_ptr(value) } == c"system";
    // Two threads may come here at once; the first answer stands for both.
    let choice = if system { SYSTEM } else { MIMALLOC };
    let _ = CHOICE.compare_exchange(UNKNOWN, choice, Relaxed, Relaxed);
    CHOICE.load(Relaxed) == SYSTEM
}

// SAFETY: every request goes to one of two allocators that keep the contract, always to the same one in a process.
unsafe impl GlobalAlloc for Chosen {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`, which is the callee's.
        unsafe { if is_system() { System.alloc(layout) } else { MiMalloc.alloc(layout) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { if is_system() { System.dealloc(pointer, layout) } else { MiMalloc.dealloc(pointer, layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { if is_system() { System.alloc_zeroed(layout) } else { MiMalloc.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if is_system() {
                System.realloc(pointer, layout, new_size)
            } else {
                MiMalloc.realloc(pointer, layout, new_size)
            }
        }
    }
}

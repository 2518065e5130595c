//! What stands between C and the core: panics, NULL, wrong and closed handles, strings, forked children.

use std::ffi::{CString, c_char};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::error::{Error, Result};
use crate::ffi::constants::ARROWREDIS_OK;
use crate::ffi::error::arrowredis_error;
use crate::runtime::{catch_panic, check_fork};

static LIVE: AtomicI64 = AtomicI64::new(0);

/// Counts as one of the things that the caller has to free, until it is dropped.
#[derive(Debug)]
pub(crate) struct Live(());

impl Live {
    pub(crate) fn new() -> Self {
        LIVE.fetch_add(1, Relaxed);
        Live(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Relaxed);
    }
}

/// How many handles, and exported Arrow structs, have been handed out and not been freed yet.
///
/// Any thread may ask at any time. A program that has freed everything sees 0.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_live_handles() -> i64 {
    LIVE.load(Relaxed)
}

/// A type that C sees as an opaque pointer. The tag tells its kind, so that a pointer to another kind of handle
/// is an error rather than a crash.
pub(crate) trait Handle: Send + Sync {
    const NAME: &'static str;
    const TAG: u64;
}

macro_rules! handle {
    ($type:ty, $name:literal, $tag:literal) => {
        impl $crate::ffi::guard::Handle for $type {
            const NAME: &'static str = $name;
            const TAG: u64 = u64::from_le_bytes(*$tag);
        }
    };
}
pub(crate) use handle;

/// What a handle's pointer really points to.
#[repr(C)]
struct Boxed<T> {
    tag: u64,
    value: T,
    _live: Live,
}

/// Hands a value over to the caller.
pub(crate) fn give<T: Handle>(value: T) -> *mut T {
    Box::into_raw(Box::new(Boxed { tag: T::TAG, value, _live: Live::new() })).cast()
}

/// The handle behind a pointer that the caller passed as `argument`.
///
/// # Errors
/// `INVALID_ARGUMENT` when it is NULL, or not a live handle of this kind.
pub(crate) fn borrow<'a, T: Handle>(pointer: *const T, argument: &str) -> Result<&'a T> {
    if pointer.is_null() {
        return Err(null(argument));
    }
    let boxed = pointer.cast::<Boxed<T>>();
    if !boxed.is_aligned() {
        return Err(not_a_handle::<T>(argument));
    }
    // SAFETY: it is not NULL and aligned, and by the rules of the header it came from this library and has not
    // been freed, so that all kinds of handles begin with a tag. Handles are only ever read through shared
    // references, and `T` is `Sync`.
    unsafe {
        if (&raw const (*boxed).tag).read() != T::TAG {
            return Err(not_a_handle::<T>(argument));
        }
        Ok(&(*boxed).value)
    }
}

/// The same for an argument that may be NULL.
pub(crate) fn borrow_optional<'a, T: Handle>(pointer: *const T, argument: &str) -> Result<Option<&'a T>> {
    if pointer.is_null() { Ok(None) } else { borrow(pointer, argument).map(Some) }
}

fn not_a_handle<T: Handle>(argument: &str) -> Error {
    Error::invalid_argument(format!("argument '{argument}' is not a live {} of this library", T::NAME))
}

fn null(argument: &str) -> Error {
    Error::invalid_argument(format!("argument '{argument}' is NULL"))
}

/// Ends a handle. Never fails: NULL does nothing, and in a child forked from a process that had used the library
/// the memory is left alone, since threads that could hold its locks are not there.
pub(crate) fn release<T: Handle>(pointer: *mut T) {
    if borrow(pointer.cast_const(), "").is_err() || check_fork().is_err() {
        return;
    }
    let _ = catch_panic(|| {
        let boxed = pointer.cast::<Boxed<T>>();
        // SAFETY: `borrow` found a live handle of this kind, which `give` made from a box; the rules of the
        // header let nobody use it during or after this call. The tag is wiped so that a second free of
        // memory that was not used again is found out.
        unsafe {
            (&raw mut (*boxed).tag).write_volatile(0);
            drop(Box::from_raw(boxed));
        }
        Ok(())
    });
}

/// Runs the body of a fallible function: no panic gets out, a forked child is told so, an error is handed over.
pub(crate) fn call(error_out: *mut *mut arrowredis_error, work: impl FnOnce() -> Result<()>) -> i32 {
    match catch_panic(|| check_fork().and_then(|()| work())) {
        Ok(()) => ARROWREDIS_OK,
        Err(error) => {
            let code = error.kind() as i32;
            if !error_out.is_null() {
                let handle = arrowredis_error::hand_over(error);
                // SAFETY: not NULL, so by the rules of the header a place for one pointer.
                unsafe { error_out.write(handle) };
            }
            code
        }
    }
}

/// Runs the body of a function that cannot fail; a panic yields the default.
pub(crate) fn infallible<T: Default>(work: impl FnOnce() -> T) -> T {
    catch_panic(|| Ok(work())).unwrap_or_default()
}

/// A place for a result.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// # Errors
    /// `INVALID_ARGUMENT` when it is NULL.
    pub(crate) fn new(pointer: *mut T, argument: &str) -> Result<Self> {
        if pointer.is_null() { Err(null(argument)) } else { Ok(Out(pointer)) }
    }

    /// Writes the result, without reading what was there.
    pub(crate) fn set(self, value: T) {
        // SAFETY: not NULL, so by the rules of the header a place for a `T`, aligned as C aligns it.
        unsafe { self.0.write(value) };
    }
}

/// A place for a result that the caller may not want.
pub(crate) fn set_optional<T>(pointer: *mut T, value: T) {
    if !pointer.is_null() {
        // SAFETY: not NULL, so by the rules of the header a place for a `T`.
        unsafe { pointer.write(value) };
    }
}

/// A plain struct that may grow at its end in later versions: the caller says how large it knows it to be.
///
/// # Safety
/// It consists of fields of eight bytes, or arrays of bytes that fill a multiple of eight, for all of which any
/// bits are a value; no padding.
pub(crate) unsafe trait Growing: Copy {}

/// No version of a struct is larger: a size beyond is not one.
const LARGEST_STRUCT: usize = 4096;

/// A place for a growing struct.
pub(crate) struct OutStruct<T> {
    pointer: *mut T,
    size: usize,
}

impl<T: Growing> OutStruct<T> {
    /// # Errors
    /// `INVALID_ARGUMENT` when it is NULL, or its size is not that of any version of the struct.
    pub(crate) fn new(pointer: *mut T, size: usize, argument: &str) -> Result<Self> {
        if size == 0 || !size.is_multiple_of(8) || size > LARGEST_STRUCT {
            return Err(Error::invalid_argument(format!(
                "the size of '{argument}' cannot be {size}: pass sizeof of the struct"
            )));
        }
        if pointer.is_null() { Err(null(argument)) } else { Ok(OutStruct { pointer, size }) }
    }

    /// The same for an argument that may be NULL.
    pub(crate) fn optional(pointer: *mut T, size: usize, argument: &str) -> Result<Option<Self>> {
        if pointer.is_null() { Ok(None) } else { Self::new(pointer, size, argument).map(Some) }
    }

    /// Writes as much of the struct as the caller knows; what the caller knows and this version does not is 0.
    pub(crate) fn set(self, value: &T) {
        let known = self.size.min(size_of::<T>());
        let out = self.pointer.cast::<u8>();
        // SAFETY: the caller has `size` bytes there; `known` is no more than that, nor than the size of `value`,
        // whose bytes are all initialised as `Growing` has it.
        unsafe {
            out.copy_from_nonoverlapping(std::ptr::from_ref(value).cast(), known);
            out.add(known).write_bytes(0, self.size - known);
        }
    }
}

/// The text of a string argument.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the argument, when it is NULL with a length, or not UTF-8.
pub(crate) fn text<'a>(pointer: *const c_char, length: usize, argument: &str) -> Result<&'a str> {
    if length == 0 {
        return Ok("");
    }
    if pointer.is_null() {
        return Err(null(argument));
    }
    if length > isize::MAX as usize {
        return Err(Error::invalid_argument(format!("argument '{argument}' cannot be {length} bytes long")));
    }
    // SAFETY: not NULL, so by the rules of the header `length` readable bytes that stay unchanged during the call.
    let bytes = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), length) };
    std::str::from_utf8(bytes).map_err(|e| {
        Error::invalid_argument(format!("argument '{argument}' is not UTF-8: byte {} is wrong", e.valid_up_to()))
    })
}

/// A text that C can borrow: NUL bytes in it are written as `\0`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text(CString);

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        Text(CString::new(text.replace('\0', "\\0")).unwrap_or_default())
    }

    pub(crate) fn pointer(&self) -> *const c_char {
        self.0.as_ptr()
    }

    /// The pointer, and the length if it is asked for.
    pub(crate) fn lend(&self, length: *mut usize) -> *const c_char {
        set_optional(length, self.0.as_bytes().len());
        self.0.as_ptr()
    }
}

/// What a string getter answers when there is nothing: NULL, with length 0.
pub(crate) fn no_text(length: *mut usize) -> *const c_char {
    set_optional(length, 0);
    std::ptr::null()
}

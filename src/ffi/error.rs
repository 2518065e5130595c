//! Codes and error handles.

use std::ffi::c_char;

use crate::error::{Error, ErrorKind};
use crate::ffi::guard::{Text, borrow, give, handle, infallible, no_text, release};

/// What went wrong. Immutable; may be read by any thread.
pub struct arrowredis_error {
    error: Error,
    message: Text,
    server_code: Option<Text>,
}

handle!(arrowredis_error, "error", b"ar.error");

impl arrowredis_error {
    pub(crate) fn hand_over(error: Error) -> *mut arrowredis_error {
        let message = Text::new(error.message());
        let server_code = error.server_code().map(Text::new);
        give(arrowredis_error { error, message, server_code })
    }
}

/// The error's code, one of `ARROWREDIS_…`; `ARROWREDIS_OK` for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_error_code(error: *const arrowredis_error) -> i32 {
    infallible(|| borrow(error, "error").map_or(0, |e| e.error.kind() as i32))
}

/// What failed, on what, and what to do about it: a line for a person, without the code.
///
/// Borrowed from the error. NULL for a NULL error. `length` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_error_message(error: *const arrowredis_error, length: *mut usize) -> *const c_char {
    borrow(error, "error").map_or_else(|_| no_text(length), |e| e.message.lend(length))
}

/// 1 if the same call may succeed later without any change, otherwise 0.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_error_retryable(error: *const arrowredis_error) -> i32 {
    infallible(|| borrow(error, "error").map_or(0, |e| i32::from(e.error.is_retryable())))
}

/// The first word of the server's own error reply, such as `WRONGPASS`; NULL if no server sent one.
///
/// Borrowed from the error. `length` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_error_server_code(error: *const arrowredis_error, length: *mut usize) -> *const c_char {
    let code = borrow(error, "error").ok().and_then(|e| e.server_code.as_ref());
    code.map_or_else(|| no_text(length), |code| code.lend(length))
}

/// The partition that the error is about, or -1.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_error_partition(error: *const arrowredis_error) -> i64 {
    borrow(error, "error").ok().and_then(|e| e.error.partition()).map_or(-1, i64::from)
}

/// The batch within the partition that the error is about, or -1.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_error_batch(error: *const arrowredis_error) -> i64 {
    borrow(error, "error").ok().and_then(|e| e.error.batch()).map_or(-1, i64::from)
}

/// Frees an error. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_error_free(error: *mut arrowredis_error) {
    release(error);
}

/// The name of a code, such as `NOT_FOUND`; `OK` for 0, NULL for a number that is no code. Static.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_code_name(code: i32) -> *const c_char {
    if code == 0 {
        return c"OK".as_ptr();
    }
    let kind = ErrorKind::ALL.iter().find(|kind| **kind as i32 == code);
    kind.map_or(std::ptr::null(), |kind| c_name(*kind))
}

fn c_name(kind: ErrorKind) -> *const c_char {
    static NAMES: std::sync::OnceLock<Vec<Text>> = std::sync::OnceLock::new();
    let names = NAMES.get_or_init(|| ErrorKind::ALL.iter().map(|kind| Text::new(kind.name())).collect());
    names.get(kind as usize - 1).map_or(std::ptr::null(), Text::pointer)
}

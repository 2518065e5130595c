//! Versions, and the settings of the process.

use std::ffi::c_char;

use crate::ffi::constants::ARROWREDIS_ABI_VERSION;
use crate::ffi::error::arrowredis_error;
use crate::ffi::guard::{borrow, call};
use crate::ffi::options::arrowredis_options;

/// The library's version, such as `0.1.0`. Static.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The version of the library's C ABI: compare it with `ARROWREDIS_ABI_VERSION` before anything else.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_abi_version() -> i32 {
    ARROWREDIS_ABI_VERSION
}

/// Makes the process-wide settings: options of kind `ARROWREDIS_OPTIONS_RUNTIME`.
///
/// Errors: CONFLICT once the library has started its threads, which the first operation does.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_configure(options: *const arrowredis_options, err: *mut *mut arrowredis_error) -> i32 {
    call(err, || crate::runtime::configure(borrow(options, "options")?.runtime()?))
}

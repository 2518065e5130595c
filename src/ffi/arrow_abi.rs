//! The structs of the Arrow C Data and C Stream interfaces
//! (<https://arrow.apache.org/docs/format/CDataInterface.html>), field by field: arrow-rs keeps its own private.

use std::ffi::{c_char, c_int, c_void};

use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};

/// A type, or the schema of a record batch.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ArrowSchema {
    pub(crate) format: *const c_char,
    pub(crate) name: *const c_char,
    pub(crate) metadata: *const c_char,
    pub(crate) flags: i64,
    pub(crate) n_children: i64,
    pub(crate) children: *mut *mut ArrowSchema,
    pub(crate) dictionary: *mut ArrowSchema,
    pub(crate) release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    pub(crate) private_data: *mut c_void,
}

/// An array, or a record batch as a struct array.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ArrowArray {
    pub(crate) length: i64,
    pub(crate) null_count: i64,
    pub(crate) offset: i64,
    pub(crate) n_buffers: i64,
    pub(crate) n_children: i64,
    pub(crate) buffers: *mut *const c_void,
    pub(crate) children: *mut *mut ArrowArray,
    pub(crate) dictionary: *mut ArrowArray,
    pub(crate) release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    pub(crate) private_data: *mut c_void,
}

/// A stream of record batches of one schema.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ArrowArrayStream {
    pub(crate) get_schema: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowSchema) -> c_int>,
    pub(crate) get_next: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowArray) -> c_int>,
    pub(crate) get_last_error: Option<unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char>,
    pub(crate) release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    pub(crate) private_data: *mut c_void,
}

/// Moves a struct between our definition and arrow-rs's own of the same C struct.
macro_rules! same_struct {
    ($ours:ident, $theirs:ident) => {
        impl $ours {
            /// Takes over what arrow-rs exported.
            pub(crate) fn from_arrow(theirs: $theirs) -> Self {
                const { assert!(size_of::<$ours>() == size_of::<$theirs>()) };
                // SAFETY: both are `repr(C)` definitions of the same struct; `transmute` moves, so that nothing
                // is released here.
                unsafe { std::mem::transmute::<$theirs, $ours>(theirs) }
            }

            /// Hands over to arrow-rs, which will release it.
            ///
            /// # Safety
            /// The struct is as the interface has it, and nobody else releases it.
            pub(crate) unsafe fn into_arrow(self) -> $theirs {
                // SAFETY: both are `repr(C)` definitions of the same struct; the caller vouches for the contents.
                unsafe { std::mem::transmute::<$ours, $theirs>(self) }
            }

            /// The struct that stands for "nothing": released.
            pub(crate) fn released() -> Self {
                // SAFETY: null pointers, zeroes and no callback are a value of each field.
                unsafe { std::mem::zeroed() }
            }
        }
    };
}

same_struct!(ArrowSchema, FFI_ArrowSchema);
same_struct!(ArrowArray, FFI_ArrowArray);

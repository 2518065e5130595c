//! Schemas, record batches and streams that the caller made. Their contents are checked before use.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use arrow::array::{Array, StructArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi_and_data_type};
use arrow::record_batch::{RecordBatch, RecordBatchOptions, RecordBatchReader};

use crate::error::{Error, ErrorKind, Result};
use crate::ffi::arrow_abi::{ArrowArray, ArrowArrayStream, ArrowSchema};
use crate::runtime::catch_panic;

/// What the caller handed over in a struct of the C interfaces. A function takes it before it looks at anything
/// else: dropping this releases the struct, so that it is released whatever comes of the call.
pub(crate) enum Handed<T> {
    Null,
    Released,
    Struct(T),
}

impl<T> Handed<T> {
    fn get(self, argument: &str) -> Result<T> {
        let wrong = match self {
            Handed::Struct(handed) => return Ok(handed),
            Handed::Null => "is NULL",
            Handed::Released => "was released or moved already",
        };
        Err(Error::invalid_argument(format!("argument '{argument}' {wrong}")))
    }
}

/// Moves a schema out of the caller's hands.
pub(crate) fn take_schema(pointer: *mut ArrowSchema) -> Handed<FFI_ArrowSchema> {
    // SAFETY: by the rules of the header, a schema that the caller hands over and releases no more.
    take(pointer, |s| s.release.is_none(), ArrowSchema::released(), |s| unsafe { s.into_arrow() })
}

/// Moves a record batch out of the caller's hands.
pub(crate) fn take_batch(pointer: *mut ArrowArray) -> Handed<FFI_ArrowArray> {
    // SAFETY: by the rules of the header, an array that the caller hands over and releases no more.
    take(pointer, |a| a.release.is_none(), ArrowArray::released(), |a| unsafe { a.into_arrow() })
}

/// Moves a stream out of the caller's hands.
pub(crate) fn take_stream(pointer: *mut ArrowArrayStream) -> Handed<Owned> {
    let nothing = ArrowArrayStream {
        get_schema: None,
        get_next: None,
        get_last_error: None,
        release: None,
        private_data: std::ptr::null_mut(),
    };
    take(pointer, |stream| stream.release.is_none(), nothing, Owned)
}

fn take<T: Copy, O>(
    pointer: *mut T,
    is_released: impl FnOnce(&T) -> bool,
    nothing: T,
    own: impl FnOnce(T) -> O,
) -> Handed<O> {
    if pointer.is_null() {
        return Handed::Null;
    }
    // SAFETY: not NULL, so by the rules of the header a struct that the caller may write to and hands over.
    let taken = unsafe { pointer.read() };
    if is_released(&taken) {
        return Handed::Released;
    }
    // SAFETY: as above; the interface marks a moved struct as a released one.
    unsafe { pointer.write(nothing) };
    Handed::Struct(own(taken))
}

/// The schema of record batches.
pub(crate) fn import_schema(schema: Handed<FFI_ArrowSchema>, argument: &str) -> Result<SchemaRef> {
    let schema = schema.get(argument)?;
    let unusable = |why: &dyn std::fmt::Display| {
        Error::invalid_argument(format!("argument '{argument}' is no schema of record batches: {why}"))
    };
    // arrow-rs panics on some malformed structs.
    catch_panic(|| Schema::try_from(&schema).map(Arc::new).map_err(|e| unusable(&e))).map_err(|e| match e.kind() {
        ErrorKind::Internal => unusable(&e.message()),
        _ => e,
    })
}

/// A record batch of that schema; the caller's struct is released once the rows are not needed any more.
pub(crate) fn import_batch(batch: Handed<FFI_ArrowArray>, schema: &SchemaRef, argument: &str) -> Result<RecordBatch> {
    to_batch(batch.get(argument)?, schema).map_err(|e| e.context(format!("argument '{argument}'")))
}

fn to_batch(array: FFI_ArrowArray, schema: &SchemaRef) -> Result<RecordBatch> {
    catch_panic(|| {
        let rows_type = DataType::Struct(schema.fields().clone());
        // SAFETY: the interface has the array be of the schema that came with it, and its buffers as large as
        // that says; it was moved to us, so nobody else releases it.
        let mut data = unsafe { from_ffi_and_data_type(array, rows_type) }.map_err(unusable)?;
        data.align_buffers();
        data.validate_full().map_err(unusable)?;
        let rows = StructArray::from(data);
        if rows.null_count() > 0 {
            return Err(Error::invalid_argument("a record batch has rows that are null as a whole"));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(schema.clone(), rows.columns().to_vec(), &options).map_err(unusable)
    })
    .map_err(|error| match error.kind() {
        ErrorKind::Internal => unusable(error.message()),
        _ => error,
    })
}

fn unusable(error: impl std::fmt::Display) -> Error {
    Error::invalid_argument(format!("a record batch that does not fit its schema: {error}"))
}

/// A stream of the caller's, owned by us.
pub(crate) struct ImportedStream {
    stream: Owned,
    schema: SchemaRef,
    ended: bool,
}

/// The struct; dropping it releases it.
pub(crate) struct Owned(ArrowArrayStream);

// SAFETY: the C stream interface lets a stream be used from any thread, by one at a time; we own it.
unsafe impl Send for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(release) = self.0.release {
            // SAFETY: we own the stream, and release it once: here.
            unsafe { release(&raw mut self.0) };
        }
    }
}

impl Owned {
    /// Turns what a callback returned into a result, with the text that the stream has for it.
    fn check(&mut self, code: c_int) -> Result<()> {
        if code == 0 {
            return Ok(());
        }
        let kind = match code {
            libc::ECANCELED => ErrorKind::Cancelled,
            libc::ETIMEDOUT => ErrorKind::Timeout,
            libc::ENOMEM => ErrorKind::ResourceExhausted,
            libc::EINVAL => ErrorKind::InvalidArgument,
            libc::ENOTSUP | libc::ENOSYS => ErrorKind::Unsupported,
            _ => ErrorKind::Io,
        };
        let text = self.0.get_last_error.map(|get_last_error| {
            // SAFETY: the stream is ours and not released; the text is NULL or a C string that stays valid until
            // the next call.
            unsafe {
                let text = get_last_error(&raw mut self.0);
                if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
            }
        });
        let text = text.filter(|text| !text.is_empty());
        let text = text.unwrap_or_else(|| std::io::Error::from_raw_os_error(code).to_string());
        Err(Error::new(kind, format!("the caller's stream failed: {text}")))
    }

    fn schema(&mut self) -> Result<SchemaRef> {
        let get_schema = self.0.get_schema.ok_or_else(|| Error::invalid_argument("a stream without get_schema"))?;
        let mut schema = ArrowSchema::released();
        // SAFETY: the stream is ours and not released, `schema` a place for the result.
        let code = unsafe { get_schema(&raw mut self.0, &raw mut schema) };
        self.check(code)?;
        import_schema(take_schema(&raw mut schema), "stream")
    }

    fn next(&mut self) -> Result<Option<FFI_ArrowArray>> {
        let get_next = self.0.get_next.ok_or_else(|| Error::invalid_argument("a stream without get_next"))?;
        let mut array = ArrowArray::released();
        // SAFETY: the stream is ours and not released, `array` a place for the result.
        let code = unsafe { get_next(&raw mut self.0, &raw mut array) };
        self.check(code)?;
        match take_batch(&raw mut array) {
            Handed::Struct(array) => Ok(Some(array)),
            _ => Ok(None),
        }
    }
}

impl ImportedStream {
    /// Asks a stream for its schema; it is released when this is dropped, or here on failure.
    pub(crate) fn open(stream: Handed<Owned>, argument: &str) -> Result<Self> {
        let mut stream = stream.get(argument)?;
        let schema = stream.schema()?;
        Ok(ImportedStream { stream, schema, ended: false })
    }
}

impl Iterator for ImportedStream {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.stream.next().and_then(|array| array.map(|array| to_batch(array, &self.schema)).transpose());
        self.ended = !matches!(next, Ok(Some(_)));
        next.map_err(ArrowError::from).transpose()
    }
}

impl RecordBatchReader for ImportedStream {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

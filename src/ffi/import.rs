//! Schemas, record batches and streams that the caller made. Their contents are checked before use.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use arrow::array::{Array, StructArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ffi::from_ffi_and_data_type;
use arrow::record_batch::{RecordBatch, RecordBatchOptions, RecordBatchReader};

use crate::error::{Error, ErrorKind, Result};
use crate::ffi::arrow_abi::{ArrowArray, ArrowArrayStream, ArrowSchema};
use crate::runtime::catch_panic;

/// Takes the schema of record batches over; the caller's struct is released whatever the outcome.
pub(crate) fn import_schema(pointer: *mut ArrowSchema, argument: &str) -> Result<SchemaRef> {
    let released = |schema: &ArrowSchema| schema.release.is_none();
    // SAFETY: by the rules of the header, a schema that the caller hands over.
    let taken = unsafe { take(pointer, argument, released, ArrowSchema::released())?.into_arrow() };
    let schema = Schema::try_from(&taken)
        .map_err(|e| Error::invalid_argument(format!("argument '{argument}' is no schema of record batches: {e}")))?;
    Ok(Arc::new(schema))
}

/// Takes a record batch over; the caller's struct is released whatever the outcome, once the rows are not needed.
pub(crate) fn import_batch(pointer: *mut ArrowArray, schema: &SchemaRef, argument: &str) -> Result<RecordBatch> {
    let taken = take(pointer, argument, |array| array.release.is_none(), ArrowArray::released())?;
    to_batch(taken, schema).map_err(|e| e.context(format!("argument '{argument}'")))
}

/// Moves a struct of the C interfaces out of the caller's hands.
fn take<T: Copy>(pointer: *mut T, argument: &str, is_released: impl Fn(&T) -> bool, nothing: T) -> Result<T> {
    if pointer.is_null() {
        return Err(Error::invalid_argument(format!("argument '{argument}' is NULL")));
    }
    // SAFETY: not NULL, so by the rules of the header a struct that the caller may write to and hands over.
    let taken = unsafe { pointer.read() };
    if is_released(&taken) {
        return Err(Error::invalid_argument(format!("argument '{argument}' was released or moved already")));
    }
    // SAFETY: as above; the interface marks a moved struct as a released one.
    unsafe { pointer.write(nothing) };
    Ok(taken)
}

fn to_batch(array: ArrowArray, schema: &SchemaRef) -> Result<RecordBatch> {
    catch_panic(|| {
        let rows_type = DataType::Struct(schema.fields().clone());
        // SAFETY: the interface has the array be of the schema that came with it, and its buffers as large as
        // that says; it was moved to us, so nobody else releases it.
        let mut data = unsafe { from_ffi_and_data_type(array.into_arrow(), rows_type) }.map_err(unusable)?;
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
struct Owned(ArrowArrayStream);

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
        import_schema(&raw mut schema, "stream")
    }

    fn next(&mut self) -> Result<Option<ArrowArray>> {
        let get_next = self.0.get_next.ok_or_else(|| Error::invalid_argument("a stream without get_next"))?;
        let mut array = ArrowArray::released();
        // SAFETY: the stream is ours and not released, `array` a place for the result.
        let code = unsafe { get_next(&raw mut self.0, &raw mut array) };
        self.check(code)?;
        Ok(array.release.is_some().then_some(array))
    }
}

impl ImportedStream {
    /// Takes a stream over; it is released when this is dropped, or here on failure.
    pub(crate) fn take(pointer: *mut ArrowArrayStream, argument: &str) -> Result<Self> {
        let nothing = ArrowArrayStream {
            get_schema: None,
            get_next: None,
            get_last_error: None,
            release: None,
            private_data: std::ptr::null_mut(),
        };
        let mut stream = Owned(take(pointer, argument, |stream| stream.release.is_none(), nothing)?);
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

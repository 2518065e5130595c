//! Schemas, record batches and streams for C.
//!
//! Each exported struct counts as a live handle until it is released. In a forked child, releasing leaks.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use arrow::array::{Array, ArrayData, StructArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow::record_batch::RecordBatch;

use crate::error::{Error, ErrorKind, Result};
use crate::ffi::arrow_abi::{ArrowArray, ArrowArrayStream, ArrowSchema};
use crate::ffi::constants::ARROWREDIS_NO_PARTITION;
use crate::ffi::guard::{Live, Text};
use crate::ffi::reader::Shared;
use crate::read::ReadBatch;
use crate::runtime::{Context, catch_panic, check_fork};

/// An exported struct that counts: what arrow-rs exported, and the count.
struct Counted<T> {
    original: T,
    _live: Live,
}

macro_rules! counted {
    ($count:ident, $release:ident, $struct:ident) => {
        /// Puts the count around the struct's own release.
        fn $count(original: $struct) -> $struct {
            let private_data = Box::into_raw(Box::new(Counted { original, _live: Live::new() })).cast();
            $struct { release: Some($release), private_data, ..original }
        }

        unsafe extern "C" fn $release(exported: *mut $struct) {
            // SAFETY: the interface has the consumer call this with the exported struct, or a moved copy of it. A
            // second call finds no private data and does nothing. The original's release callback gets the
            // original, whose children are where they were exported.
            let _ = catch_panic(|| unsafe {
                let Some(exported) = exported.as_mut() else { return Ok(()) };
                exported.release = None;
                let private_data = std::mem::replace(&mut exported.private_data, std::ptr::null_mut());
                if private_data.is_null() || check_fork().is_err() {
                    return Ok(());
                }
                let mut counted = Box::from_raw(private_data.cast::<Counted<$struct>>());
                if let Some(release) = counted.original.release {
                    release(&raw mut counted.original);
                }
                Ok(())
            });
        }
    };
}

counted!(count_schema, release_schema, ArrowSchema);
counted!(count_array, release_array, ArrowArray);

/// A schema as a C struct.
///
/// # Errors
/// `UNSUPPORTED` for a column name with a NUL byte, which C strings cannot hold.
pub(crate) fn export_schema(schema: &Schema) -> Result<ArrowSchema> {
    schema.fields().iter().try_for_each(|field| check_name(field))?;
    let exported = FFI_ArrowSchema::try_from(schema).map_err(|e| Error::unsupported(e.to_string()))?;
    Ok(count_schema(ArrowSchema::from_arrow(exported)))
}

fn check_name(field: &Field) -> Result<()> {
    if field.name().contains('\0') {
        let name = field.name().replace('\0', "\\0");
        return Err(Error::unsupported(format!("column '{name}' has a NUL byte in its name, which C cannot express")));
    }
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check_name(field)),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => check_name(item),
        DataType::Union(fields, _) => fields.iter().try_for_each(|(_, field)| check_name(field)),
        _ => Ok(()),
    }
}

/// A record batch as a C struct array. Buffers are shared, not copied, but for arrays that begin within theirs:
/// some importers ignore offsets, so those are cut.
pub(crate) fn export_batch(batch: RecordBatch) -> Result<ArrowArray> {
    let data = without_offsets(StructArray::from(batch).into_data())?;
    Ok(count_array(ArrowArray::from_arrow(FFI_ArrowArray::new(&data))))
}

fn without_offsets(data: ArrayData) -> Result<ArrayData> {
    fn has_offset(data: &ArrayData) -> bool {
        data.offset() != 0 || data.child_data().iter().any(has_offset)
    }
    if !has_offset(&data) {
        return Ok(data);
    }
    // Copying takes the rows out of the children, too: whatever comes out begins at 0.
    let mut copy = arrow::array::MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    Ok(copy.freeze())
}

/// What a stream's `private_data` points to.
struct StreamState {
    reader: Arc<Shared>,
    last_error: Option<Text>,
    _live: Live,
}

/// A stream over a reader. It keeps the reader alive; what others take from the reader the stream does not see.
pub(crate) fn export_stream(reader: Arc<Shared>) -> ArrowArrayStream {
    let state = StreamState { reader, last_error: None, _live: Live::new() };
    ArrowArrayStream {
        get_schema: Some(get_schema),
        get_next: Some(get_next),
        get_last_error: Some(get_last_error),
        release: Some(release_stream),
        private_data: Box::into_raw(Box::new(state)).cast(),
    }
}

/// A stream of one batch, which belongs to no partition.
pub(crate) fn export_table(data: RecordBatch) -> ArrowArrayStream {
    let schema = data.schema();
    let batch = ReadBatch { partition: ARROWREDIS_NO_PARTITION, batch: 0, data };
    export_stream(Shared::new(schema, Context::new(), Box::new(std::iter::once(Ok(batch)))))
}

unsafe extern "C" fn get_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    // SAFETY: the interface has the consumer pass a stream that it may use now, and a place for the result.
    unsafe { callback(stream, out, |reader| export_schema(reader.schema())) }
}

unsafe extern "C" fn get_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    // SAFETY: as for `get_schema`.
    unsafe {
        callback(stream, out, |reader| {
            Ok(reader.next(|batch| export_batch(batch.data))?.unwrap_or_else(ArrowArray::released))
        })
    }
}

/// Runs a callback of a stream: its result to `out`, or its error to the stream.
///
/// # Safety
/// `stream` is one of ours that nobody else uses now, `out` a place for a `T`.
unsafe fn callback<T>(stream: *mut ArrowArrayStream, out: *mut T, work: impl FnOnce(&Shared) -> Result<T>) -> c_int {
    // SAFETY: the caller vouches for both; a released stream has no private data.
    let state = unsafe { stream.as_mut().and_then(|stream| stream.private_data.cast::<StreamState>().as_mut()) };
    let (Some(state), false) = (state, out.is_null()) else { return libc::EINVAL };
    match catch_panic(|| check_fork().and_then(|()| work(&state.reader))) {
        Ok(value) => {
            state.last_error = None;
            // SAFETY: not NULL, so a place for a `T`; what was there is not ours to release.
            unsafe { out.write(value) };
            0
        }
        Err(error) => {
            state.last_error = Some(Text::new(&error.to_string()));
            errno(error.kind())
        }
    }
}

unsafe extern "C" fn get_last_error(stream: *mut ArrowArrayStream) -> *const c_char {
    // SAFETY: the interface has the consumer pass a stream that it may use now.
    let state = unsafe { stream.as_ref().and_then(|stream| stream.private_data.cast::<StreamState>().as_ref()) };
    state.and_then(|state| state.last_error.as_ref()).map_or(std::ptr::null(), Text::pointer)
}

unsafe extern "C" fn release_stream(stream: *mut ArrowArrayStream) {
    // SAFETY: the interface has the consumer call this with the stream, or a moved copy of it, and not use it
    // again. A second call finds no private data and does nothing.
    let _ = catch_panic(|| unsafe {
        let Some(stream) = stream.as_mut() else { return Ok(()) };
        stream.release = None;
        let private_data: *mut c_void = std::mem::replace(&mut stream.private_data, std::ptr::null_mut());
        if !private_data.is_null() && check_fork().is_ok() {
            drop(Box::from_raw(private_data.cast::<StreamState>()));
        }
        Ok(())
    });
}

/// What the stream interface has for an error's kind.
fn errno(kind: ErrorKind) -> c_int {
    match kind {
        ErrorKind::Cancelled => libc::ECANCELED,
        ErrorKind::Timeout => libc::ETIMEDOUT,
        ErrorKind::InvalidArgument => libc::EINVAL,
        ErrorKind::NotFound | ErrorKind::ChunkMissing => libc::ENOENT,
        ErrorKind::ResourceExhausted => libc::ENOMEM,
        ErrorKind::Unsupported => libc::ENOTSUP,
        ErrorKind::PermissionDenied => libc::EACCES,
        _ => libc::EIO,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, BooleanArray, Int32Array, ListArray, RecordBatch};
    use arrow::datatypes::Int32Type;

    use super::*;

    /// Importers that ignore offsets (arrow-java) must see the right rows: of bits, of children, and of both.
    #[test]
    fn arrays_that_begin_within_their_buffers_are_cut() {
        let lists = (0..20).map(|i| (i % 3 != 0).then(|| vec![Some(i), None]));
        let columns: [(&str, ArrayRef); 3] = [
            ("bits", Arc::new((0..20).map(|i| Some(i % 3 == 0)).collect::<BooleanArray>())),
            ("numbers", Arc::new((0..20).map(|i| (i % 5 != 0).then_some(i)).collect::<Int32Array>())),
            ("lists", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))),
        ];
        let whole = RecordBatch::try_from_iter(columns).unwrap();
        let part = whole.slice(3, 11);
        assert_ne!(part.column(0).to_data().offset(), 0, "the case that this test is for");
        let cut = without_offsets(StructArray::from(part.clone()).into_data()).unwrap();
        assert!(cut.offset() == 0 && cut.child_data().iter().all(|child| child.offset() == 0));
        assert_eq!(RecordBatch::from(StructArray::from(cut)), part);
        let untouched = StructArray::from(whole).into_data();
        let same = without_offsets(untouched.clone()).unwrap();
        assert_eq!(same.child_data()[1].buffers()[0].as_ptr(), untouched.child_data()[1].buffers()[0].as_ptr());
    }
}

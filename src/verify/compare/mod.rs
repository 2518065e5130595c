//! Where two arrays of one type first differ.
//!
//! Arrow's own equality answers yes or no, takes a null in a dictionary's values for a value, and wants the
//! metadata of nested fields to agree; here the answer is a row, and only logical values count: a null equals a
//! null whatever lies under it, floats are their bits, dictionaries, run ends and views are ways to write values.
//!
//! Every function walks a [`Span`], so nothing is sliced or copied on the way down, and runs over blocks that
//! are compared as raw memory; a block that differs is then searched.

mod encoded;
mod flat;
mod nested;

use arrow::array::types::{BinaryViewType, Int16Type, Int32Type, Int64Type, StringViewType};
use arrow::array::*;
use arrow::buffer::NullBuffer;
use arrow::datatypes::*;

use encoded::{dictionary, runs};
use flat::{bits, bytes, first_bit, fixed, views};
use nested::{nested, union};

/// Rows of two arrays that stand against each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// The first row on the left.
    pub(super) left: usize,
    /// The first row on the right.
    pub(super) right: usize,
    /// How many rows.
    pub(super) len: usize,
}

impl Span {
    /// The first `len` rows.
    fn head(self, len: usize) -> Span {
        Span { len, ..self }
    }

    /// The rows from `start` up to `end`.
    fn part(self, start: usize, end: usize) -> Span {
        Span { left: self.left + start, right: self.right + start, len: end - start }
    }

    /// The elements of the rows where each row has `size` of them.
    fn times(self, size: usize) -> Span {
        Span { left: self.left * size, right: self.right * size, len: self.len * size }
    }
}

/// The first row of the span, counted from its start, at which the arrays differ.
///
/// Both arrays have the same type, apart from names and metadata of nested fields.
pub(super) fn first_difference(left: &dyn Array, right: &dyn Array, span: Span) -> Option<usize> {
    match left.data_type() {
        DataType::Null => None,
        DataType::Union(..) => union(left.as_union(), right.as_union(), span),
        DataType::Dictionary(key, _) => {
            macro_rules! typed {
                ($key:ty) => {
                    dictionary::<$key>(left.as_dictionary(), right.as_dictionary(), span)
                };
            }
            downcast_integer! {
                key.as_ref() => (typed),
                other => unreachable!("{other} is no type of a dictionary's keys"),
            }
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => runs::<Int16Type>(left.as_run(), right.as_run(), span),
            DataType::Int32 => runs::<Int32Type>(left.as_run(), right.as_run(), span),
            _ => runs::<Int64Type>(left.as_run(), right.as_run(), span),
        },
        _ => {
            let (valid, agreed) = validity(left.nulls(), right.nulls(), span);
            let rows = span.head(agreed);
            values(left, right, rows, valid.as_ref()).or((agreed < span.len).then_some(agreed))
        }
    }
}

/// Which rows are valid (nothing where all are), and up to which row both sides agree about that.
fn validity(left: Option<&NullBuffer>, right: Option<&NullBuffer>, span: Span) -> (Option<NullBuffer>, usize) {
    let cut = |nulls: Option<&NullBuffer>, start| {
        nulls.map(|nulls| nulls.slice(start, span.len)).filter(|nulls| nulls.null_count() > 0)
    };
    match (cut(left, span.left), cut(right, span.right)) {
        (None, None) => (None, span.len),
        (Some(nulls), None) | (None, Some(nulls)) => {
            let first_null = first_bit(&nulls.inner().bit_chunks(), |bits| !bits, span.len);
            (None, first_null.unwrap_or(span.len))
        }
        (Some(left), Some(right)) => {
            let agreed = bits(left.inner(), right.inner()).unwrap_or(span.len);
            (Some(left.slice(0, agreed)), agreed)
        }
    }
}

/// The first row at which valid values differ.
fn values(left: &dyn Array, right: &dyn Array, span: Span, valid: Option<&NullBuffer>) -> Option<usize> {
    macro_rules! typed {
        ($type:ty) => {{
            let (left, right) = (left.as_primitive::<$type>().values(), right.as_primitive::<$type>().values());
            let width = size_of::<<$type as ArrowPrimitiveType>::Native>();
            first_valid(span, valid, |span| fixed(left.inner(), right.inner(), width, span))
        }};
    }
    downcast_primitive! {
        left.data_type() => (typed),
        DataType::Boolean => {
            let (left, right) = (left.as_boolean().values(), right.as_boolean().values());
            let cut = |span: Span| bits(&left.slice(span.left, span.len), &right.slice(span.right, span.len));
            first_valid(span, valid, cut)
        }
        DataType::FixedSizeBinary(width) => {
            let (left, right) = (left.as_fixed_size_binary(), right.as_fixed_size_binary());
            first_valid(span, valid, |span| fixed(left.value_data(), right.value_data(), *width as usize, span))
        }
        DataType::Utf8 => bytes::<Utf8Type>(left, right, span, valid),
        DataType::LargeUtf8 => bytes::<LargeUtf8Type>(left, right, span, valid),
        DataType::Binary => bytes::<BinaryType>(left, right, span, valid),
        DataType::LargeBinary => bytes::<LargeBinaryType>(left, right, span, valid),
        DataType::Utf8View => views::<StringViewType>(left, right, span, valid),
        DataType::BinaryView => views::<BinaryViewType>(left, right, span, valid),
        _ => nested_runs(span, valid, |span| nested(left, right, span))
    }
}

/// Looks for a difference again behind each one that lies under a null.
fn first_valid(span: Span, valid: Option<&NullBuffer>, find: impl Fn(Span) -> Option<usize>) -> Option<usize> {
    let mut from = 0;
    while from < span.len {
        let at = from + find(span.part(from, span.len))?;
        if valid.is_none_or(|valid| valid.is_valid(at)) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Looks for a difference in each run of valid rows: what lies under nulls is not even looked at.
fn nested_runs(span: Span, valid: Option<&NullBuffer>, mut find: impl FnMut(Span) -> Option<usize>) -> Option<usize> {
    match valid {
        None => find(span),
        Some(valid) => valid.valid_slices().find_map(|(start, end)| find(span.part(start, end)).map(|at| start + at)),
    }
}

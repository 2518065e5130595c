//! Lists, maps, structs and unions: the first difference of the children, and whose child it is.

use arrow::array::*;
use arrow::datatypes::*;

use super::flat::{fixed, row_of, same_lengths};
use super::{Span, first_difference};

/// The first row at which valid values of a nested type differ, where all rows of the span are valid.
pub(super) fn nested(left: &dyn Array, right: &dyn Array, span: Span) -> Option<usize> {
    match left.data_type() {
        DataType::List(_) => list::<i32>(left, right, span),
        DataType::LargeList(_) => list::<i64>(left, right, span),
        DataType::ListView(_) => list_view::<i32>(left, right, span),
        DataType::LargeListView(_) => list_view::<i64>(left, right, span),
        DataType::Map(..) => {
            let (left, right) = (left.as_map(), right.as_map());
            let offsets = (left.value_offsets(), right.value_offsets());
            elements(offsets.0, left.entries(), offsets.1, right.entries(), span)
        }
        DataType::FixedSizeList(_, size) => {
            let size = *size as usize;
            let (left, right) = (left.as_fixed_size_list(), right.as_fixed_size_list());
            first_difference(left.values(), right.values(), span.times(size)).map(|at| at / size)
        }
        DataType::Struct(_) => {
            let columns = left.as_struct().columns().iter().zip(right.as_struct().columns());
            // A later field matters only above what an earlier one has found.
            columns.fold(None, |found, (left, right)| {
                first_difference(left, right, span.head(found.unwrap_or(span.len))).or(found)
            })
        }
        other => unreachable!("{other} is compared elsewhere"),
    }
}

fn list<O: OffsetSizeTrait>(left: &dyn Array, right: &dyn Array, span: Span) -> Option<usize> {
    let (left, right) = (left.as_list::<O>(), right.as_list::<O>());
    elements(left.value_offsets(), left.values(), right.value_offsets(), right.values(), span)
}

/// Lists that lie one behind the other in their child arrays.
fn elements<O: OffsetSizeTrait>(
    left_offsets: &[O],
    left: &dyn Array,
    right_offsets: &[O],
    right: &dyn Array,
    span: Span,
) -> Option<usize> {
    let left_offsets = &left_offsets[span.left..=span.left + span.len];
    let right_offsets = &right_offsets[span.right..=span.right + span.len];
    let same = same_lengths(left_offsets, right_offsets);
    let (start, end) = (left_offsets[0].as_usize(), left_offsets[same].as_usize());
    let children = Span { left: start, right: right_offsets[0].as_usize(), len: end - start };
    match first_difference(left, right, children) {
        Some(at) => Some(row_of(left_offsets, at)),
        None => (same < span.len).then_some(same),
    }
}

/// Lists that lie anywhere in their child arrays; those that happen to follow each other are taken together.
fn list_view<O: OffsetSizeTrait>(left: &dyn Array, right: &dyn Array, span: Span) -> Option<usize> {
    let (left, right) = (left.as_list_view::<O>(), right.as_list_view::<O>());
    let place =
        |array: &GenericListViewArray<O>, row: usize| (array.offsets()[row].as_usize(), array.sizes()[row].as_usize());
    let mut at = 0;
    while at < span.len {
        let (left_start, left_size) = place(left, span.left + at);
        let (right_start, right_size) = place(right, span.right + at);
        if left_size != right_size {
            return Some(at);
        }
        let mut ends = vec![left_size];
        let mut len = left_size;
        while at + ends.len() < span.len {
            let next = at + ends.len();
            let (next_left, size) = place(left, span.left + next);
            if next_left != left_start + len || place(right, span.right + next) != (right_start + len, size) {
                break;
            }
            len += size;
            ends.push(len);
        }
        let children = Span { left: left_start, right: right_start, len };
        if let Some(child) = first_difference(left.values(), right.values(), children) {
            return Some(at + ends.partition_point(|end| *end <= child));
        }
        at += ends.len();
    }
    None
}

/// Unions: the type id belongs to the value.
pub(super) fn union(left: &UnionArray, right: &UnionArray, span: Span) -> Option<usize> {
    let ids = |array: &UnionArray| array.type_ids().inner().clone();
    let other_type = fixed(&ids(left), &ids(right), 1, span);
    let same_types = other_type.unwrap_or(span.len);
    let place = |at: usize| {
        let (l, r) = (span.left + at, span.right + at);
        (left.type_id(l), left.value_offset(l), right.value_offset(r))
    };
    let mut at = 0;
    while at < same_types {
        let (id, left_start, right_start) = place(at);
        let mut len = 1;
        while at + len < same_types && place(at + len) == (id, left_start + len, right_start + len) {
            len += 1;
        }
        let children = Span { left: left_start, right: right_start, len };
        if let Some(child) = first_difference(left.child(id), right.child(id), children) {
            return Some(at + child);
        }
        at += len;
    }
    other_type
}

//! Values without children, as raw memory.

use arrow::array::types::{ByteArrayType, ByteViewType};
use arrow::array::*;
use arrow::buffer::{BooleanBuffer, NullBuffer};

use super::{Span, first_valid};

/// The first bit, among `len`, that is set after `change`.
pub(super) fn first_bit(
    chunks: &arrow::util::bit_chunk_iterator::BitChunks,
    change: impl Fn(u64) -> u64,
    len: usize,
) -> Option<usize> {
    chunks
        .iter_padded()
        .enumerate()
        .find_map(|(word, bits)| {
            let changed = change(bits);
            (changed != 0).then(|| word * 64 + changed.trailing_zeros() as usize)
        })
        .filter(|at| *at < len)
}

/// The first bit at which two bitmaps of one length differ.
pub(super) fn bits(left: &BooleanBuffer, right: &BooleanBuffer) -> Option<usize> {
    let (left, right) = (left.bit_chunks(), right.bit_chunks());
    left.iter_padded()
        .zip(right.iter_padded())
        .enumerate()
        .find_map(|(word, (left, right))| (left != right).then(|| word * 64 + (left ^ right).trailing_zeros() as usize))
}

/// The first byte at which two slices of one length differ.
fn mismatch(left: &[u8], right: &[u8]) -> Option<usize> {
    const BLOCK: usize = 4096;
    if left == right {
        return None;
    }
    if left.len() <= 64 {
        return left.iter().zip(right).position(|(left, right)| left != right);
    }
    let step = if left.len() > BLOCK { BLOCK } else { 64 };
    let mut blocks = left.chunks(step).zip(right.chunks(step)).enumerate();
    blocks.find_map(|(index, (left, right))| mismatch(left, right).map(|at| index * step + at))
}

/// Values of `width` bytes each.
pub(super) fn fixed(left: &[u8], right: &[u8], width: usize, span: Span) -> Option<usize> {
    let bytes = span.times(width);
    let left = &left[bytes.left..bytes.left + bytes.len];
    let right = &right[bytes.right..bytes.right + bytes.len];
    mismatch(left, right).map(|at| at / width)
}

/// Strings and binary values.
pub(super) fn bytes<T: ByteArrayType>(
    left: &dyn Array,
    right: &dyn Array,
    span: Span,
    valid: Option<&NullBuffer>,
) -> Option<usize> {
    let (left, right) = (left.as_bytes::<T>(), right.as_bytes::<T>());
    let sides = (left.value_offsets(), left.value_data(), right.value_offsets(), right.value_data());
    first_valid(span, valid, |span| byte_ranges(sides, span))
}

/// Offsets and bytes of the left side, offsets and bytes of the right.
type ByteRanges<'a, O> = (&'a [O], &'a [u8], &'a [O], &'a [u8]);

fn byte_ranges<O: OffsetSizeTrait>(sides: ByteRanges<'_, O>, span: Span) -> Option<usize> {
    let (left_offsets, left_data, right_offsets, right_data) = sides;
    let mut start = 0;
    // Blocks grow, so that a search that soon finds something has not looked far ahead.
    let mut block = 16;
    while start < span.len {
        let end = span.len.min(start + block);
        let rows = span.part(start, end);
        let left = &left_offsets[rows.left..=rows.left + rows.len];
        let right = &right_offsets[rows.right..=rows.right + rows.len];
        let same_lengths = same_lengths(left, right);
        let left_bytes = &left_data[left[0].as_usize()..left[same_lengths].as_usize()];
        let right_bytes = &right_data[right[0].as_usize()..right[same_lengths].as_usize()];
        if let Some(at) = mismatch(left_bytes, right_bytes) {
            return Some(start + row_of(left, at));
        }
        if same_lengths < rows.len {
            return Some(start + same_lengths);
        }
        start = end;
        block = (block * 2).min(4096);
    }
    None
}

/// How many rows, from the first, are as long on one side as on the other.
pub(super) fn same_lengths<O: OffsetSizeTrait>(left: &[O], right: &[O]) -> usize {
    let (left_base, right_base) = (left[0], right[0]);
    let moved = |(left, right): (&O, &O)| *left - left_base != *right - right_base;
    // A branch-free pass first: nearly always, all are alike.
    if left.iter().zip(right).fold(false, |any, pair| any | moved(pair)) {
        left.iter().zip(right).position(moved).map_or(left.len() - 1, |end| end - 1)
    } else {
        left.len() - 1
    }
}

/// The row that the element at `at`, counted from the first row's first, belongs to.
pub(super) fn row_of<O: OffsetSizeTrait>(offsets: &[O], at: usize) -> usize {
    let target = offsets[0].as_usize() + at;
    offsets.partition_point(|offset| offset.as_usize() <= target) - 1
}

/// Strings and binary values kept in views.
pub(super) fn views<T: ByteViewType>(
    left: &dyn Array,
    right: &dyn Array,
    span: Span,
    valid: Option<&NullBuffer>,
) -> Option<usize> {
    const LONGEST_INLINE: u32 = 12;
    let (left, right) = (left.as_byte_view::<T>(), right.as_byte_view::<T>());
    first_valid(span, valid, |span| {
        (0..span.len).find(|at| {
            let (l, r) = (span.left + at, span.right + at);
            let (left_view, right_view) = (left.views()[l], right.views()[r]);
            // The low 32 bits of a view are the length; a short value lies in the view itself.
            let same_inline = left_view == right_view && left_view as u32 <= LONGEST_INLINE;
            !same_inline && byte_value(left, l) != byte_value(right, r)
        })
    })
}

fn byte_value<T: ByteViewType>(array: &GenericByteViewArray<T>, row: usize) -> &[u8] {
    array.value(row).as_ref()
}

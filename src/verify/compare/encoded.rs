//! Values written elsewhere: dictionaries and run ends.

use std::sync::Arc;

use arrow::array::types::{ArrowDictionaryKeyType, RunEndIndexType};
use arrow::array::*;
use arrow::buffer::NullBuffer;
use arrow::datatypes::*;

use super::flat::fixed;
use super::{Span, first_difference, validity};

/// Run-end encoded arrays: one comparison for each stretch in which neither side's value changes.
pub(super) fn runs<R: RunEndIndexType>(left: &RunArray<R>, right: &RunArray<R>, span: Span) -> Option<usize> {
    if span.len == 0 {
        return None;
    }
    let mut left_run = left.get_physical_index(span.left);
    let mut right_run = right.get_physical_index(span.right);
    let end = |array: &RunArray<R>, run: usize, start: usize| {
        array.run_ends().values()[run].as_usize() - array.run_ends().offset() - start
    };
    let mut at = 0;
    loop {
        let value = Span { left: left_run, right: right_run, len: 1 };
        if first_difference(left.values(), right.values(), value).is_some() {
            return Some(at);
        }
        let (left_end, right_end) = (end(left, left_run, span.left), end(right, right_run, span.right));
        at = left_end.min(right_end);
        if at >= span.len {
            return None;
        }
        left_run += usize::from(left_end == at);
        right_run += usize::from(right_end == at);
    }
}

/// Dictionaries by value. A null key and a key of a null are the same null.
pub(super) fn dictionary<K: ArrowDictionaryKeyType>(
    left: &DictionaryArray<K>,
    right: &DictionaryArray<K>,
    span: Span,
) -> Option<usize> {
    let (valid, agreed) = if has_nulls(left.values()) || has_nulls(right.values()) {
        let left = left.slice(span.left, span.len).logical_nulls();
        let right = right.slice(span.right, span.len).logical_nulls();
        validity(left.as_ref(), right.as_ref(), Span { left: 0, right: 0, len: span.len })
    } else {
        validity(left.nulls(), right.nulls(), span)
    };
    let found = dictionary_values(left, right, span.head(agreed), valid.as_ref());
    found.or((agreed < span.len).then_some(agreed))
}

fn has_nulls(array: &dyn Array) -> bool {
    array.is_nullable() && array.logical_null_count() > 0
}

fn dictionary_values<K: ArrowDictionaryKeyType>(
    left: &DictionaryArray<K>,
    right: &DictionaryArray<K>,
    span: Span,
    valid: Option<&NullBuffer>,
) -> Option<usize> {
    let (left_keys, right_keys) = (left.keys().values(), right.keys().values());
    let width = size_of::<K::Native>();
    let same_dictionary = same_start(left.values(), right.values(), span.len);
    let mut known = KnownPairs::new(left.values().len(), span.len);
    let mut from = 0;
    while from < span.len {
        // Equal keys into dictionaries that begin alike are equal values; other keys may be.
        let rest = span.part(from, span.len);
        let at = if same_dictionary { from + fixed(left_keys.inner(), right_keys.inner(), width, rest)? } else { from };
        if valid.is_none_or(|valid| valid.is_valid(at)) {
            let pair = (left_keys[span.left + at].as_usize(), right_keys[span.right + at].as_usize());
            if !known.contains(pair) {
                let value = Span { left: pair.0, right: pair.1, len: 1 };
                if first_difference(left.values(), right.values(), value).is_some() {
                    return Some(at);
                }
                known.insert(pair);
            }
        }
        from = at + 1;
    }
    None
}

/// Whether the shorter dictionary is the start of the longer one, where finding out costs less than comparing
/// `rows` rows.
fn same_start(left: &ArrayRef, right: &ArrayRef, rows: usize) -> bool {
    let len = left.len().min(right.len());
    Arc::ptr_eq(left, right)
        || (len <= rows && first_difference(left, right, Span { left: 0, right: 0, len }).is_none())
}

/// For keys of the left dictionary, the key of the right one whose value was last found to be the same.
struct KnownPairs(Vec<usize>);

impl KnownPairs {
    /// Remembers nothing where the dictionary is much larger than the rows to compare.
    fn new(dictionary_len: usize, rows: usize) -> Self {
        KnownPairs(if dictionary_len <= 4 * rows { vec![usize::MAX; dictionary_len] } else { Vec::new() })
    }

    fn contains(&self, (left, right): (usize, usize)) -> bool {
        self.0.get(left) == Some(&right)
    }

    fn insert(&mut self, (left, right): (usize, usize)) {
        if let Some(known) = self.0.get_mut(left) {
            *known = right;
        }
    }
}

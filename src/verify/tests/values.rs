//! Where two arrays first differ, for every type.

use std::sync::Arc;

use arrow::array::types::Int32Type;
use arrow::array::*;
use arrow::compute::{concat, interleave};
use arrow::datatypes::*;
use rand::Rng;
use rand::rngs::StdRng;

use super::super::compare::{Span, first_difference};
use super::super::show::show_pair;
use super::oracle::{Value, value, values};
use super::random::{all_types, array, generator, random_type};

fn whole(left: &dyn Array, right: &dyn Array) -> Option<usize> {
    first_difference(left, right, Span { left: 0, right: 0, len: left.len().min(right.len()) })
}

/// The array with the row at `at` taken from another one; written anew, so that nothing is shared.
fn with_row(array: &ArrayRef, at: usize, other: &ArrayRef, row: usize) -> ArrayRef {
    let rows: Vec<_> = (0..array.len()).map(|i| if i == at { (1, row) } else { (0, i) }).collect();
    interleave(&[array, other], &rows).unwrap()
}

fn rewritten(array: &ArrayRef) -> ArrayRef {
    let middle = array.len() / 2;
    let parts = [array.slice(0, middle), array.slice(middle, array.len() - middle)];
    concat(&parts.each_ref().map(|part| part.as_ref())).unwrap()
}

#[test]
fn every_type_at_the_first_a_middle_and_the_last_row() {
    const LEN: usize = 3000;
    for (index, data_type) in all_types().iter().enumerate() {
        let mut rng = generator(index as u64);
        let left = array(&mut rng, data_type, LEN);
        // Several arrays, so that some have nulls and some have none.
        let others: Vec<_> = (0..10).map(|_| array(&mut rng, data_type, 30)).collect();
        let other = concat(&others.iter().map(|other| other.as_ref()).collect::<Vec<_>>()).unwrap();
        let (left_values, other_values) = (values(&left), values(&other));
        assert_eq!(whole(&left, &rewritten(&left)), None, "{data_type}");
        for at in [0, LEN / 2, LEN - 1] {
            let different = other_values.iter().position(|value| *value != left_values[at]);
            let null = other_values.iter().position(|value| *value == Value::Null);
            let null = null.filter(|_| left_values[at] != Value::Null);
            for row in [different, null].into_iter().flatten() {
                let right = with_row(&left, at, &other, row);
                assert_eq!(whole(&left, &right), Some(at), "{data_type}");
                assert_eq!(whole(&right, &left), Some(at), "{data_type}");
                let (left_text, right_text) = show_pair(&left, at, &right, at);
                assert_ne!(left_text, right_text, "{data_type}");
            }
            let single = match data_type {
                DataType::Null | DataType::FixedSizeBinary(0) => true,
                DataType::FixedSizeList(_, size) => *size == 0,
                _ => false,
            };
            assert!(different.is_some() || single, "{data_type} has other values");
        }
    }
}

/// The first difference of a span, found row by row.
fn naive(left: &dyn Array, right: &dyn Array, span: Span) -> Option<usize> {
    (0..span.len).find(|at| value(left, span.left + at) != value(right, span.right + at))
}

fn random_span(rng: &mut StdRng, len: usize) -> Span {
    let start = rng.random_range(0..=len);
    let end = rng.random_range(start..=len);
    Span { left: start, right: start, len: end - start }
}

#[test]
fn random_arrays_differ_where_a_naive_comparison_says() {
    let mut found = 0;
    for seed in 0..4000 {
        let mut rng = generator(seed);
        let data_type = random_type(&mut rng, 3);
        let len = rng.random_range(0..150);
        let left = array(&mut rng, &data_type, len);
        let other = array(&mut rng, &data_type, len);
        let share = [0.0, 0.01, 0.2][rng.random_range(0..3)];
        let rows: Vec<_> = (0..len).map(|row| (usize::from(rng.random_bool(share)), row)).collect();
        let right = interleave(&[&left, &other], &rows).unwrap();
        for span in [Span { left: 0, right: 0, len }, random_span(&mut rng, len)] {
            let expected = naive(&left, &right, span);
            assert_eq!(first_difference(&left, &right, span), expected, "seed {seed}, {data_type}, {span:?}");
            // The other side at another offset of its buffers, and of the span.
            let shifted = concat(&[&other.slice(0, len / 3), &right]).unwrap();
            let moved = Span { right: span.right + len / 3, ..span };
            assert_eq!(first_difference(&left, &shifted, moved), expected, "seed {seed}, {data_type}, {moved:?}");
            found += usize::from(expected.is_some());
            if let Some(at) = expected {
                let (left_text, right_text) = show_pair(&left, span.left + at, &right, span.right + at);
                assert_ne!(left_text, right_text, "seed {seed}, {data_type}");
            }
        }
    }
    assert!(found > 1000, "the test must find differences to be one: {found}");
}

#[test]
fn floats_are_their_bits() {
    let quiet = |payload: u64| f64::from_bits(0x7ff8_0000_0000_0000 + payload);
    for (left, right, at) in [
        (vec![1.0, quiet(0)], vec![1.0, quiet(0)], None),
        (vec![1.0, quiet(0)], vec![1.0, quiet(1)], Some(1)),
        (vec![f64::NAN, 0.0], vec![f64::NAN, -0.0], Some(1)),
        (vec![f64::NAN], vec![-f64::NAN], Some(0)),
    ] {
        let arrays = [left, right].map(Float64Array::from);
        assert_eq!(whole(&arrays[0], &arrays[1]), at);
        let lists = arrays.map(|values| {
            let field = Arc::new(Field::new("item", DataType::Float64, true));
            let offsets = arrow::buffer::OffsetBuffer::from_lengths([values.len()]);
            ListArray::new(field, offsets, Arc::new(values), None)
        });
        assert_eq!(whole(&lists[0], &lists[1]), at.map(|_| 0));
    }
}

fn words(keys: &[Option<i32>], values: &[Option<&str>]) -> DictionaryArray<Int32Type> {
    DictionaryArray::new(Int32Array::from(keys.to_vec()), Arc::new(StringArray::from(values.to_vec())))
}

#[test]
fn dictionaries_are_their_values() {
    let plain = words(&[Some(0), Some(1), None, Some(0)], &[Some("a"), Some("b")]);
    for (other, at) in [
        (words(&[Some(1), Some(0), None, Some(1)], &[Some("b"), Some("a")]), None),
        (words(&[Some(0), Some(1), None, Some(2)], &[Some("a"), Some("b"), Some("a")]), None),
        (words(&[Some(0), Some(1), Some(2), Some(0)], &[Some("a"), Some("b"), None]), None),
        (words(&[Some(0), Some(1), Some(1), Some(0)], &[Some("a"), Some("b")]), Some(2)),
        (words(&[Some(0), Some(1), None, Some(0)], &[Some("a"), Some("c")]), Some(1)),
        (words(&[Some(0), Some(1), None, Some(1)], &[Some("a"), Some("b")]), Some(3)),
        (words(&[Some(0), Some(1), None, None], &[Some("a"), Some("b"), None]), Some(3)),
    ] {
        assert_eq!(whole(&plain, &other), at, "{other:?}");
        assert_eq!(whole(&other, &plain), at, "{other:?}");
    }
    // A null row may carry a key that the dictionary does not have.
    let keys = Int32Array::new(vec![7, 0].into(), Some(vec![false, true].into()));
    let beyond = DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["a"])));
    assert_eq!(whole(&beyond, &words(&[None, Some(0)], &[Some("a")])), None);
    let empty = words(&[None, None], &[]);
    assert_eq!(whole(&empty, &words(&[None, None], &[Some("a")])), None);
}

#[test]
fn what_lies_under_a_null_does_not_count() {
    let nulls = || Some(vec![true, false, true, false].into());
    let ints = |values: [i32; 4]| Int32Array::new(values.to_vec().into(), nulls());
    assert_eq!(whole(&ints([1, 2, 3, 4]), &ints([1, 9, 3, 9])), None);
    assert_eq!(whole(&ints([1, 2, 3, 4]), &ints([1, 9, 8, 9])), Some(2));
    let text = |values: [&str; 4]| {
        let data = StringArray::from(values.to_vec()).to_data().into_builder().nulls(nulls());
        StringArray::from(data.build().unwrap())
    };
    assert_eq!(whole(&text(["a", "b", "c", "d"]), &text(["a", "longer", "c", ""])), None);
    assert_eq!(whole(&text(["a", "b", "c", "d"]), &text(["a", "longer", "x", ""])), Some(2));
    let structs = |values| {
        let field = Arc::new(Field::new("a", DataType::Int32, true));
        let column: ArrayRef = Arc::new(Int32Array::from(vec![1, values, 3, 4]));
        StructArray::new(vec![field].into(), vec![column], nulls())
    };
    assert_eq!(whole(&structs(2), &structs(9)), None);
}

#[test]
fn strings_of_every_length_differ_by_any_byte() {
    use DataType::{Binary, BinaryView, LargeBinary, LargeUtf8, Utf8, Utf8View};
    for data_type in [Utf8, LargeUtf8, Utf8View, Binary, LargeBinary, BinaryView] {
        let array = |text: &str| {
            let rows: ArrayRef = Arc::new(StringArray::from(vec!["before", text, "a longer row that follows"]));
            arrow::compute::cast(&rows, &data_type).unwrap()
        };
        for len in 1..40 {
            let left = "x".repeat(len);
            assert_eq!(whole(&array(&left), &array(&left)), None);
            assert_eq!(whole(&array(&left), &array(&left[1..])), Some(1));
            for at in 0..len {
                let right = format!("{}y{}", &left[..at], &left[at + 1..]);
                assert_eq!(whole(&array(&left), &array(&right)), Some(1), "{data_type}, byte {at} of {len}");
            }
        }
    }
}

#[test]
fn numbers_in_long_arrays_differ_at_any_row() {
    let numbers = |changed: Option<usize>| {
        Int16Array::from_iter_values((0..5000).map(|row| if Some(row as usize) == changed { -1 } else { row }))
    };
    let (plain, nullable) = (numbers(None), Int16Array::from(vec![Some(0); 5000]));
    assert_eq!(whole(&plain, &numbers(None)), None);
    for row in 0..5000 {
        assert_eq!(whole(&plain, &numbers(Some(row))), Some(row));
        let nulls = arrow::buffer::NullBuffer::from_iter((0..5000).map(|other| other != row));
        let null = Int16Array::new(nullable.values().clone(), Some(nulls));
        assert_eq!((whole(&nullable, &null), whole(&null, &nullable)), (Some(row), Some(row)));
    }
}

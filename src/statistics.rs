//! Minimum, maximum and null count of a column of one batch: sound, or absent.
//!
//! Sound means that no value of the column lies outside: strings are shortened outwards, a NaN makes both
//! bounds absent, and floats are ordered totally, so that -0.0 lies below 0.0.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, BooleanBufferBuilder, LargeStringArray, PrimitiveArray,
    StringArray, StringViewArray, new_null_array,
};
use arrow::compute;
use arrow::datatypes::*;
use arrow::record_batch::RecordBatch;

use crate::error::Result;

/// Bytes of a string that are kept.
const MAX_STRING_BYTES: usize = 64;

/// The bounds of one column of one batch; `min` and `max` have one element each, of [`statistics_type`].
#[derive(Debug, Clone)]
pub(crate) struct ColumnStatistics {
    pub(crate) min: ArrayRef,
    pub(crate) max: ArrayRef,
    pub(crate) null_count: u64,
}

/// The type in which a column's bounds are kept: its own, or its dictionary's values'; `None` if it has none.
pub(crate) fn statistics_type(data_type: &DataType) -> Option<&DataType> {
    use DataType::*;
    match data_type {
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Float16 | Float32 | Float64 => {
            Some(data_type)
        }
        Date32 | Date64 | Time32(_) | Time64(_) | Timestamp(..) | Duration(_) => Some(data_type),
        Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => Some(data_type),
        Utf8 | LargeUtf8 | Utf8View => Some(data_type),
        Dictionary(_, values) => match values.as_ref() {
            Dictionary(..) => None,
            values => statistics_type(values),
        },
        _ => None,
    }
}

/// The first `max_columns` columns that can have statistics.
pub(crate) fn statistics_columns(schema: &Schema, max_columns: usize) -> Vec<usize> {
    let supported = |index: &usize| statistics_type(schema.field(*index).data_type()).is_some();
    (0..schema.fields().len()).filter(supported).take(max_columns).collect()
}

/// Statistics of the given columns of a batch, in their order.
pub(crate) fn batch_statistics(batch: &RecordBatch, columns: &[usize]) -> Result<Vec<ColumnStatistics>> {
    columns.iter().map(|column| column_statistics(batch.column(*column))).collect()
}

fn column_statistics(column: &ArrayRef) -> Result<ColumnStatistics> {
    let null_count = column.logical_null_count() as u64;
    let used =
        if matches!(column.data_type(), DataType::Dictionary(..)) { used_values(column)? } else { column.clone() };
    let (min, max) = bounds(&used).unwrap_or_else(|| {
        let absent = new_null_array(used.data_type(), 1);
        (absent.clone(), absent)
    });
    Ok(ColumnStatistics { min, max, null_count })
}

/// The values of a dictionary column that its rows refer to.
fn used_values(column: &ArrayRef) -> Result<ArrayRef> {
    let dictionary = column.as_any_dictionary();
    let values = dictionary.values();
    let mut used = BooleanBufferBuilder::new(values.len());
    used.append_n(values.len(), false);
    if !values.is_empty() {
        for (row, key) in dictionary.normalized_keys().into_iter().enumerate() {
            if dictionary.keys().is_valid(row) {
                used.set_bit(key, true);
            }
        }
    }
    Ok(compute::filter(values, &BooleanArray::new(used.finish(), None))?)
}

fn bounds(array: &ArrayRef) -> Option<(ArrayRef, ArrayRef)> {
    macro_rules! ordered {
        ($($type:ident),* ; $array:ident, $data_type:ident) => {
            match $data_type {
                $( t if *t == $type::DATA_TYPE => numeric_bounds::<$type>($array.as_primitive()), )*
                DataType::Timestamp(TimeUnit::Second, _) => numeric_bounds::<TimestampSecondType>($array.as_primitive()),
                DataType::Timestamp(TimeUnit::Millisecond, _) => numeric_bounds::<TimestampMillisecondType>($array.as_primitive()),
                DataType::Timestamp(TimeUnit::Microsecond, _) => numeric_bounds::<TimestampMicrosecondType>($array.as_primitive()),
                DataType::Timestamp(TimeUnit::Nanosecond, _) => numeric_bounds::<TimestampNanosecondType>($array.as_primitive()),
                DataType::Decimal32(..) => numeric_bounds::<Decimal32Type>($array.as_primitive()),
                DataType::Decimal64(..) => numeric_bounds::<Decimal64Type>($array.as_primitive()),
                DataType::Decimal128(..) => numeric_bounds::<Decimal128Type>($array.as_primitive()),
                DataType::Decimal256(..) => numeric_bounds::<Decimal256Type>($array.as_primitive()),
                _ => None,
            }
        };
    }
    let data_type = array.data_type();
    match data_type {
        DataType::Float16 => float_bounds::<Float16Type>(array, |v| v.is_nan()),
        DataType::Float32 => float_bounds::<Float32Type>(array, |v| v.is_nan()),
        DataType::Float64 => float_bounds::<Float64Type>(array, |v| v.is_nan()),
        DataType::Utf8 => {
            let strings = array.as_string::<i32>();
            string_bounds(compute::min_string(strings), compute::max_string(strings), |s| {
                Arc::new(StringArray::from(vec![s]))
            })
        }
        DataType::LargeUtf8 => {
            let strings = array.as_string::<i64>();
            string_bounds(compute::min_string(strings), compute::max_string(strings), |s| {
                Arc::new(LargeStringArray::from(vec![s]))
            })
        }
        DataType::Utf8View => {
            let strings = array.as_string_view();
            string_bounds(compute::min_string_view(strings), compute::max_string_view(strings), |s| {
                Arc::new(StringViewArray::from(vec![s]))
            })
        }
        _ => ordered!(
            Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type, Date32Type,
            Date64Type, Time32SecondType, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType,
            DurationSecondType, DurationMillisecondType, DurationMicrosecondType, DurationNanosecondType;
            array, data_type
        ),
    }
}

fn numeric_bounds<T: ArrowNumericType>(array: &PrimitiveArray<T>) -> Option<(ArrayRef, ArrayRef)>
where
    T::Native: PartialOrd,
{
    let (min, max) = extremes(array)?;
    Some((one::<T>(min, array.data_type()), one::<T>(max, array.data_type())))
}

fn float_bounds<T: ArrowNumericType>(
    array: &ArrayRef,
    is_nan: impl Fn(&T::Native) -> bool,
) -> Option<(ArrayRef, ArrayRef)>
where
    T::Native: PartialOrd,
{
    let array = array.as_primitive::<T>();
    // In the total order NaNs come first or last.
    let (min, max) = extremes(array)?;
    (!is_nan(&min) && !is_nan(&max)).then(|| (one::<T>(min, array.data_type()), one::<T>(max, array.data_type())))
}

/// The least and the greatest value that is not null, floats in their total order.
fn extremes<T: ArrowNumericType>(array: &PrimitiveArray<T>) -> Option<(T::Native, T::Native)>
where
    T::Native: PartialOrd,
{
    /// Independent of each other, so that none waits for the one before.
    const LANES: usize = 4;
    if array.null_count() > 0 {
        return Some((compute::min(array)?, compute::max(array)?));
    }
    let less = |a: T::Native, b: T::Native| if b.is_lt(a) { b } else { a };
    let greater = |a: T::Native, b: T::Native| if b.is_gt(a) { b } else { a };
    let first = *array.values().first()?;
    let (mut min, mut max) = ([first; LANES], [first; LANES]);
    let chunks = array.values().chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            min[lane] = less(min[lane], chunk[lane]);
            max[lane] = greater(max[lane], chunk[lane]);
        }
    }
    let (min, max) = (min.iter().chain(rest), max.iter().chain(rest));
    Some((min.fold(first, |a, b| less(a, *b)), max.fold(first, |a, b| greater(a, *b))))
}

fn one<T: ArrowPrimitiveType>(value: T::Native, data_type: &DataType) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(vec![value].into(), None).with_data_type(data_type.clone()))
}

fn string_bounds(
    min: Option<&str>,
    max: Option<&str>,
    build: impl Fn(Option<String>) -> ArrayRef,
) -> Option<(ArrayRef, ArrayRef)> {
    let (min, max) = (min?, max?);
    Some((build(Some(cut(min).to_string())), build(cut_upwards(max))))
}

/// A prefix of at most [`MAX_STRING_BYTES`]: never greater than the whole.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_STRING_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A short string that is not less than the whole: the text itself, or a cut whose last character that can be
/// incremented is; `None` when there is no such string.
fn cut_upwards(text: &str) -> Option<String> {
    if text.len() <= MAX_STRING_BYTES {
        return Some(text.to_string());
    }
    let mut short = cut(text).to_string();
    while let Some(last) = short.pop() {
        // The code points of surrogates are no characters: the next one after them follows.
        let next = (last as u32 + 1..=char::MAX as u32).find_map(char::from_u32);
        if let Some(next) = next {
            short.push(next);
            return Some(short);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, DictionaryArray, Float64Array, Int32Array, ListArray};

    use super::*;

    fn of(array: impl Array + 'static) -> (ArrayRef, ArrayRef, u64) {
        let statistics = column_statistics(&(Arc::new(array) as ArrayRef)).unwrap();
        (statistics.min, statistics.max, statistics.null_count)
    }

    #[test]
    fn bounds_are_those_of_the_values() {
        let (min, max, nulls) = of(Int32Array::from(vec![Some(3), None, Some(-7), Some(9)]));
        assert_eq!((min.as_primitive::<Int32Type>().value(0), max.as_primitive::<Int32Type>().value(0)), (-7, 9));
        assert_eq!(nulls, 1);
        let decimals = Decimal128Array::from(vec![5, -6]).with_precision_and_scale(18, 4).unwrap();
        let (min, ..) = of(decimals);
        assert_eq!(min.data_type(), &DataType::Decimal128(18, 4));
        let unused: DictionaryArray<Int32Type> = vec!["b", "a", "z", "b"].into_iter().collect();
        let (min, max, _) = of(unused.slice(0, 2));
        assert_eq!((min.as_string::<i32>().value(0), max.as_string::<i32>().value(0)), ("a", "b"));
    }

    #[test]
    fn the_least_and_the_greatest_are_found_wherever_they_are() {
        for len in 1..11 {
            for (low, high) in (0..len).flat_map(|low| (0..len).map(move |high| (low, high))).filter(|(a, b)| a != b) {
                let mut values = vec![0.5; len];
                (values[low], values[high]) = (-f64::INFINITY, 1e300);
                assert_eq!(extremes(&Float64Array::from(values.clone())), Some((-f64::INFINITY, 1e300)));
                for nan in [f64::NAN, -f64::NAN] {
                    values[low] = nan;
                    assert!(of(Float64Array::from(values.clone())).0.is_null(0));
                }
            }
        }
        assert_eq!(extremes(&Int32Array::from(Vec::<i32>::new())), None);
    }

    #[test]
    fn what_is_not_sound_is_absent() {
        let (min, max, _) = of(Float64Array::from(vec![1.0, f64::NAN]));
        assert!(min.is_null(0) && max.is_null(0));
        let (min, max, _) = of(Float64Array::from(vec![0.0, -0.0]));
        assert!(min.as_primitive::<Float64Type>().value(0).is_sign_negative());
        assert!(max.as_primitive::<Float64Type>().value(0).is_sign_positive());
        let (min, max, nulls) = of(StringArray::from(vec![None::<&str>, None]));
        assert!(min.is_null(0) && max.is_null(0));
        assert_eq!(nulls, 2);
        assert!(
            statistics_type(ListArray::new_null(Arc::new(Field::new("i", DataType::Int8, true)), 1).data_type())
                .is_none()
        );
    }

    #[test]
    fn long_strings_are_cut_outwards() {
        let long = "é".repeat(40);
        let (min, max, _) = of(StringArray::from(vec![long.as_str()]));
        let (min, max) = (min.as_string::<i32>().value(0).to_string(), max.as_string::<i32>().value(0).to_string());
        assert_eq!(min, "é".repeat(32));
        assert!(min.as_str() <= long.as_str() && long.as_str() < max.as_str());
        assert_eq!(max, format!("{}ê", "é".repeat(31)));
        assert_eq!(cut_upwards(&"\u{10ffff}".repeat(20)), None);
        assert_eq!(cut_upwards(&format!("a{}", "\u{10ffff}".repeat(20))).unwrap(), "b");
        assert_eq!(cut_upwards(&"\u{d7ff}".repeat(30)).unwrap().chars().last(), Some('\u{e000}'));
    }
}

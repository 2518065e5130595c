//! Filters over arrays.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, Scalar};
use arrow::buffer::BooleanBuffer;
use arrow::compute::kernels::cmp;
use arrow::compute::{and, or, take};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float16Type, Float32Type, Float64Type};
use arrow::record_batch::RecordBatch;

use super::Comparison;
use super::bind::{BoundFilter, Test};
use crate::error::{Error, Result};

impl BoundFilter {
    /// Which rows of a batch are wanted; `place` says where in the batch a column of the schema is. A row for which
    /// the mask is null is not wanted.
    pub(crate) fn mask(&self, batch: &RecordBatch, place: impl Fn(usize) -> Option<usize>) -> Result<BooleanArray> {
        let mut mask: Option<BooleanArray> = None;
        for predicate in &self.predicates {
            let column = place(predicate.column).ok_or_else(|| Error::internal("a column of a filter was not read"))?;
            let holds = test(batch.column(column), &predicate.test)?;
            mask = Some(match mask {
                Some(mask) => and(&mask, &holds)?,
                None => holds,
            });
        }
        Ok(mask.unwrap_or_else(|| constant(batch.num_rows(), true)))
    }
}

fn constant(len: usize, value: bool) -> BooleanArray {
    let buffer = if value { BooleanBuffer::new_set(len) } else { BooleanBuffer::new_unset(len) };
    BooleanArray::new(buffer, None)
}

/// For which values the test holds; null where the value is.
pub(super) fn test(array: &ArrayRef, condition: &Test) -> Result<BooleanArray> {
    let valid = || match array.logical_nulls() {
        Some(nulls) => BooleanArray::new(nulls.into_inner(), None),
        None => constant(array.len(), true),
    };
    match condition {
        Test::Never => Ok(constant(array.len(), false)),
        Test::NotNull => Ok(valid()),
        Test::Null => Ok(arrow::compute::not(&valid())?),
        Test::Any(tests) => {
            tests.iter().try_fold(constant(array.len(), false), |any, each| Ok(or(&any, &test(array, each)?)?))
        }
        // A dictionary's values are compared once, however many rows have them.
        Test::Compare(..) | Test::Float(..) if matches!(array.data_type(), DataType::Dictionary(..)) => {
            let dictionary = array.as_any_dictionary();
            let holds = test(dictionary.values(), condition)?;
            Ok(take(&holds, dictionary.keys(), None)?.as_boolean().clone())
        }
        Test::Compare(comparison, value) => {
            let value = Scalar::new(value.clone());
            Ok(match comparison {
                Comparison::Equal => cmp::eq(array, &value),
                Comparison::NotEqual => cmp::neq(array, &value),
                Comparison::Less => cmp::lt(array, &value),
                Comparison::LessOrEqual => cmp::lt_eq(array, &value),
                Comparison::Greater => cmp::gt(array, &value),
                Comparison::GreaterOrEqual => cmp::gt_eq(array, &value),
            }?)
        }
        Test::Float(comparison, value) => match array.data_type() {
            DataType::Float16 => Ok(float::<Float16Type>(array, *comparison, *value)),
            DataType::Float32 => Ok(float::<Float32Type>(array, *comparison, *value)),
            DataType::Float64 => Ok(float::<Float64Type>(array, *comparison, *value)),
            other => Err(Error::internal(format!("a comparison of floats with {other}"))),
        },
    }
}

/// Compares as numbers, where arrow's kernels have a total order: -0.0 equals 0.0, NaN nothing.
fn float<T: ArrowPrimitiveType>(array: &ArrayRef, comparison: Comparison, value: f64) -> BooleanArray
where
    T::Native: Into<f64>,
{
    let array: &PrimitiveArray<T> = array.as_primitive();
    let values = array.values();
    let each =
        |holds: fn(f64, f64) -> bool| BooleanBuffer::collect_bool(values.len(), |i| holds(values[i].into(), value));
    let holds = match comparison {
        Comparison::Equal => each(|a, b| a == b),
        Comparison::NotEqual => each(|a, b| a != b),
        Comparison::Less => each(|a, b| a < b),
        Comparison::LessOrEqual => each(|a, b| a <= b),
        Comparison::Greater => each(|a, b| a > b),
        Comparison::GreaterOrEqual => each(|a, b| a >= b),
    };
    BooleanArray::new(holds, array.nulls().cloned())
}

//! From a filter to the types of a schema's columns.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Decimal256Array, FixedSizeBinaryArray,
    LargeBinaryArray, LargeStringArray, PrimitiveArray, StringArray, StringViewArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::*;

use super::number::{Number, Scaled};
use super::{Comparison, Condition, Filter, Literal, Predicate};
use crate::chunk;
use crate::error::{Error, Result};

/// A filter for the columns of one schema.
#[derive(Debug, Clone)]
pub(crate) struct BoundFilter {
    pub(super) predicates: Vec<BoundPredicate>,
}

#[derive(Debug, Clone)]
pub(super) struct BoundPredicate {
    /// Index of the column in the schema.
    pub(super) column: usize,
    pub(super) test: Test,
}

/// What must hold of a value.
#[derive(Debug, Clone)]
pub(super) enum Test {
    Null,
    NotNull,
    Never,
    /// The array holds one value of the column's type, or of its dictionary's values.
    Compare(Comparison, ArrayRef),
    /// For floats of any width.
    Float(Comparison, f64),
    /// One of these holds.
    Any(Vec<Test>),
}

impl BoundFilter {
    /// `None` for a filter that keeps every row.
    ///
    /// # Errors
    /// `NOT_FOUND` for a column that the schema lacks; `INVALID_ARGUMENT` for a literal that the column cannot hold;
    /// `UNSUPPORTED` for a type that cannot be compared.
    pub(crate) fn new(filter: &Filter, schema: &SchemaRef) -> Result<Option<BoundFilter>> {
        let predicates = filter.0.iter().map(|predicate| {
            let (columns, _) = chunk::projection(schema, std::slice::from_ref(&predicate.column))?;
            let column = columns[0];
            let test = bind(predicate, schema.field(column).data_type());
            Ok(BoundPredicate { column, test: test.map_err(|e| e.context(format!("the condition {predicate}")))? })
        });
        let predicates = predicates.collect::<Result<Vec<_>>>()?;
        Ok((!predicates.is_empty()).then_some(BoundFilter { predicates }))
    }

    /// The columns that it looks at, increasing.
    pub(crate) fn columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = self.predicates.iter().map(|predicate| predicate.column).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

fn bind(predicate: &Predicate, data_type: &DataType) -> Result<Test> {
    let values = value_type(data_type);
    match &predicate.condition {
        Condition::IsNull => Ok(Test::Null),
        Condition::IsNotNull => Ok(Test::NotNull),
        Condition::Compare(comparison, literal) => compare(*comparison, literal, values),
        Condition::In(literals) => {
            let tests = literals.iter().map(|literal| compare(Comparison::Equal, literal, values));
            Ok(Test::Any(tests.collect::<Result<_>>()?))
        }
    }
}

pub(super) fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => value_type(values),
        other => other,
    }
}

fn compare(comparison: Comparison, literal: &Literal, data_type: &DataType) -> Result<Test> {
    use DataType::*;
    let unfit = |expected: &str| {
        Err(Error::invalid_argument(format!(
            "{literal} does not fit a column of type {data_type}: expected {expected}"
        )))
    };
    let one = |array: ArrayRef| Ok(Test::Compare(comparison, array));
    match (data_type, literal) {
        (Boolean, Literal::Bool(value)) => one(Arc::new(BooleanArray::from(vec![*value]))),
        (Boolean, _) => unfit("true or false"),
        (Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView | FixedSizeBinary(_), Literal::Text(text)) => {
            match bytes(text, data_type)? {
                Some(array) => one(array),
                None => unfit("text of that many bytes"),
            }
        }
        (Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView | FixedSizeBinary(_), _) => {
            unfit("text in single quotes")
        }
        (Date32 | Date64 | Time32(_) | Time64(_) | Timestamp(..) | Duration(_), Literal::Text(text)) => {
            match time(text, data_type) {
                Some(array) => one(array),
                None => unfit("a date or time such as '2026-01-31' or '2026-01-31T12:00:00'"),
            }
        }
        (Float16 | Float32 | Float64, Literal::Number(text) | Literal::Text(text)) => {
            match text.parse::<f64>().ok().filter(|_| Number::parse(text).is_some()) {
                Some(value) => Ok(Test::Float(comparison, value)),
                None => unfit("a number"),
            }
        }
        (t, Literal::Number(text) | Literal::Text(text)) if is_exact(t) => match Number::parse(text) {
            Some(number) => Ok(exact(comparison, &number, data_type)),
            None => unfit("a number"),
        },
        (t, Literal::Bool(_)) if is_exact(t) || t.is_floating() => unfit("a number"),
        _ => Err(Error::unsupported(format!(
            "columns of type {data_type} cannot be compared: only IS NULL and IS NOT NULL can be asked of them"
        ))),
    }
}

/// Whether values are integers of some unit.
fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_decimal()
        || (data_type.is_temporal() && !matches!(data_type, DataType::Interval(_)))
}

/// Compares integers of some unit with a number that need not be one, nor in their range.
fn exact(comparison: Comparison, number: &Number, data_type: &DataType) -> Test {
    use Comparison::*;
    let scale = match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => *scale,
        _ => 0,
    };
    let beyond = |negative: bool| match (comparison, negative) {
        (NotEqual, _) | (Less | LessOrEqual, false) | (Greater | GreaterOrEqual, true) => Test::NotNull,
        _ => Test::Never,
    };
    let (floor, is_whole) = match number.scaled(scale) {
        Scaled::Floor(floor, is_whole) => (floor, is_whole),
        Scaled::Beyond { negative } => return beyond(negative),
        Scaled::Nan => return if comparison == NotEqual { Test::NotNull } else { Test::Never },
    };
    // What lies between two integers is greater than the lower one, and equal to none.
    let comparison = match comparison {
        _ if is_whole => comparison,
        Equal => return Test::Never,
        NotEqual => return Test::NotNull,
        Less | LessOrEqual => LessOrEqual,
        Greater | GreaterOrEqual => Greater,
    };
    match integer(floor, data_type) {
        Some(array) => Test::Compare(comparison, array),
        None => beyond(floor.is_negative()),
    }
}

/// The integer as a value of the type; `None` if it is out of its range.
fn integer(value: i256, data_type: &DataType) -> Option<ArrayRef> {
    use DataType::*;
    macro_rules! one {
        ($type:ty) => {{
            let value = <$type as ArrowPrimitiveType>::Native::try_from(value.to_i128()?).ok()?;
            let array = PrimitiveArray::<$type>::new(vec![value].into(), None);
            Some(Arc::new(array.with_data_type(data_type.clone())) as ArrayRef)
        }};
    }
    match data_type {
        Int8 => one!(Int8Type),
        Int16 => one!(Int16Type),
        Int32 => one!(Int32Type),
        Int64 => one!(Int64Type),
        UInt8 => one!(UInt8Type),
        UInt16 => one!(UInt16Type),
        UInt32 => one!(UInt32Type),
        UInt64 => one!(UInt64Type),
        Date32 => one!(Date32Type),
        Date64 => one!(Date64Type),
        Time32(TimeUnit::Second) => one!(Time32SecondType),
        Time32(_) => one!(Time32MillisecondType),
        Time64(TimeUnit::Microsecond) => one!(Time64MicrosecondType),
        Time64(_) => one!(Time64NanosecondType),
        Timestamp(TimeUnit::Second, _) => one!(TimestampSecondType),
        Timestamp(TimeUnit::Millisecond, _) => one!(TimestampMillisecondType),
        Timestamp(TimeUnit::Microsecond, _) => one!(TimestampMicrosecondType),
        Timestamp(TimeUnit::Nanosecond, _) => one!(TimestampNanosecondType),
        Duration(TimeUnit::Second) => one!(DurationSecondType),
        Duration(TimeUnit::Millisecond) => one!(DurationMillisecondType),
        Duration(TimeUnit::Microsecond) => one!(DurationMicrosecondType),
        Duration(TimeUnit::Nanosecond) => one!(DurationNanosecondType),
        Decimal32(..) => one!(Decimal32Type),
        Decimal64(..) => one!(Decimal64Type),
        Decimal128(..) => one!(Decimal128Type),
        Decimal256(..) => {
            let array = Decimal256Array::new(vec![value].into(), None);
            Some(Arc::new(array.with_data_type(data_type.clone())))
        }
        _ => None,
    }
}

/// Text as a value of a string or binary type; `None` if it has not the length that the type asks for.
fn bytes(text: &str, data_type: &DataType) -> Result<Option<ArrayRef>> {
    Ok(Some(match data_type {
        DataType::Utf8 => Arc::new(StringArray::from(vec![text])),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from(vec![text])),
        DataType::Utf8View => Arc::new(StringViewArray::from(vec![text])),
        DataType::Binary => Arc::new(BinaryArray::from(vec![text.as_bytes()])),
        DataType::LargeBinary => Arc::new(LargeBinaryArray::from(vec![text.as_bytes()])),
        DataType::BinaryView => Arc::new(BinaryViewArray::from(vec![text.as_bytes()])),
        DataType::FixedSizeBinary(size) if *size as usize == text.len() && *size > 0 => {
            Arc::new(FixedSizeBinaryArray::try_from(vec![text.as_bytes()])?)
        }
        _ => return Ok(None),
    }))
}

/// A date or time as it is written; one without a zone is taken in the column's.
fn time(text: &str, data_type: &DataType) -> Option<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let array = cast_with_options(&StringArray::from(vec![text]), data_type, &options).ok()?;
    array.is_valid(0).then_some(array)
}

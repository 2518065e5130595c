//! Text to conditions, conditions to types, and what statistics tell.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;
use arrow::record_batch::RecordBatch;

use super::parse;
use super::*;
use crate::error::ErrorKind;

fn filter(text: &str) -> Filter {
    parse::filter(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn conditions_are_read_as_they_are_written() {
    let number = |text: &str| Literal::Number(text.to_string());
    let compare = |column: &str, comparison, literal: Literal| Predicate {
        column: column.to_string(),
        condition: Condition::Compare(comparison, literal),
    };
    let is = |column: &str, condition| Predicate { column: column.to_string(), condition };
    for (text, expected) in [
        ("", vec![]),
        ("id64 >= 100", vec![compare("id64", Comparison::GreaterOrEqual, number("100"))]),
        ("id64>=-1e3", vec![compare("id64", Comparison::GreaterOrEqual, number("-1e3"))]),
        (" a = 'it''s' ", vec![compare("a", Comparison::Equal, "it's".into())]),
        ("a == 'x'", vec![compare("a", Comparison::Equal, "x".into())]),
        ("a <> ''", vec![compare("a", Comparison::NotEqual, "".into())]),
        ("\"the \"\"a\"\" column\" < 'ü, AND'", vec![compare("the \"a\" column", Comparison::Less, "ü, AND".into())]),
        ("\"AND\" IS NULL", vec![is("AND", Condition::IsNull)]),
        ("a is not null and b Is Null", vec![is("a", Condition::IsNotNull), is("b", Condition::IsNull)]),
        ("flag = TRUE", vec![compare("flag", Comparison::Equal, true.into())]),
        ("x != NaN", vec![compare("x", Comparison::NotEqual, number("NaN"))]),
        ("größe-1.b <= .5", vec![compare("größe-1.b", Comparison::LessOrEqual, number(".5"))]),
        ("a IN (1,2 , 'x')", vec![is("a", Condition::In(vec![number("1"), number("2"), "x".into()]))]),
    ] {
        let parsed = filter(text);
        assert_eq!(parsed.0, expected, "{text}");
        assert_eq!(filter(&parsed.to_string()), parsed, "{text} is shown as {parsed}");
    }
}

#[test]
fn what_is_no_condition_is_said_to_be_none() {
    for (text, place) in [
        ("a", "it ends too early"),
        ("a =", "it ends too early"),
        ("a = b", "not so at 'b' (text stands in single quotes)"),
        ("a = 'b", "at ''b': a quote without its end"),
        ("= 1", "at '='"),
        ("a = 1 b = 2", "at 'b'"),
        ("a = 1 OR b = 2", "at 'OR'"),
        ("a = 1 AND", "it ends too early"),
        ("AND a = 1", "at 'AND'"),
        ("a IN ()", "at ')'"),
        ("a IN 1", "at '1'"),
        ("a IN (1 2)", "at '2'"),
        ("a IS 1", "at '1'"),
        ("a NOT NULL", "at 'NOT'"),
        ("a ! 1", "at '! 1'"),
        ("a = 1; drop", "at '; drop'"),
    ] {
        let error = parse::filter(text).unwrap_err();
        assert!(error.starts_with("conditions such as") && error.contains(place), "{text}: {error}");
    }
}

fn holds(array: ArrayRef, condition: &str) -> std::result::Result<Vec<bool>, ErrorKind> {
    let batch = RecordBatch::try_from_iter_with_nullable([("x", array, true)]).unwrap();
    let bound = BoundFilter::new(&filter(&format!("x {condition}")), &batch.schema()).map_err(|e| e.kind())?;
    let mask = bound.unwrap().mask(&batch, Some).unwrap();
    Ok((0..mask.len()).map(|row| mask.is_valid(row) && mask.value(row)).collect())
}

#[test]
fn literals_are_taken_in_the_type_of_the_column() {
    let bytes = || Arc::new(Int8Array::from(vec![Some(-128), Some(1), Some(127), None])) as ArrayRef;
    let unsigned = || Arc::new(UInt64Array::from(vec![0, u64::MAX])) as ArrayRef;
    let decimals = || {
        let array = Decimal128Array::from(vec![12_345, -12_345, 0]).with_precision_and_scale(10, 2).unwrap();
        Arc::new(array) as ArrayRef
    };
    let days = || Arc::new(Date32Array::from(vec![0, 19_782])) as ArrayRef;
    let times = || Arc::new(TimestampMillisecondArray::from(vec![0, 3_600_000]).with_timezone("+01:00")) as ArrayRef;
    let floats = || Arc::new(Float32Array::from(vec![-0.0, 0.1, f32::NAN, f32::INFINITY])) as ArrayRef;
    let words = || Arc::new(StringArray::from(vec![Some("a"), Some("ä"), None])) as ArrayRef;
    let views = || Arc::new(StringViewArray::from(vec!["a long string that is not inlined", "b"])) as ArrayRef;
    let coded = || {
        let values: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("y")]));
        let keys = Int8Array::from(vec![Some(0), Some(1), None, Some(2)]);
        Arc::new(DictionaryArray::new(keys, values)) as ArrayRef
    };
    let flags = || Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])) as ArrayRef;
    let fixed =
        || Arc::new(FixedSizeBinaryArray::try_from(vec![b"ab".as_slice(), b"cd".as_slice()]).unwrap()) as ArrayRef;
    type Make<'a> = &'a dyn Fn() -> ArrayRef;
    let cases: [(Make<'_>, &str, &[bool]); 40] = [
        (&bytes, "> 1", &[false, false, true, false]),
        (&bytes, "< 1000", &[true, true, true, false]),
        (&bytes, "!= 1000", &[true, true, true, false]),
        (&bytes, "= 1000", &[false, false, false, false]),
        (&bytes, ">= -128.5", &[true, true, true, false]),
        (&bytes, "< 0.5", &[true, false, false, false]),
        (&bytes, "> 0.5", &[false, true, true, false]),
        (&bytes, "= 1.5", &[false, false, false, false]),
        (&bytes, "= '1'", &[false, true, false, false]),
        (&bytes, "IN (1, 127, 128)", &[false, true, true, false]),
        (&bytes, "IS NULL", &[false, false, false, true]),
        (&bytes, "IS NOT NULL", &[true, true, true, false]),
        (&bytes, "< -inf", &[false, false, false, false]),
        (&bytes, "!= NaN", &[true, true, true, false]),
        (&unsigned, "= 18446744073709551615", &[false, true]),
        (&unsigned, ">= -1", &[true, true]),
        (&unsigned, "> 18446744073709551616", &[false, false]),
        (&decimals, "= 123.45", &[true, false, false]),
        (&decimals, "= 123.450", &[true, false, false]),
        (&decimals, "< -123.449", &[false, true, false]),
        (&decimals, "<= 123.4501", &[true, true, true]),
        (&decimals, "= -0", &[false, false, true]),
        (&decimals, "< 1e99", &[true, true, true]),
        (&days, "= '2024-02-29'", &[false, true]),
        (&days, "< 1", &[true, false]),
        (&times, ">= '1970-01-01T02:00:00'", &[false, true]),
        (&times, "> '1970-01-01T00:00:00Z'", &[false, true]),
        (&times, "= 3600000", &[false, true]),
        (&floats, "= 0", &[true, false, false, false]),
        (&floats, "!= 0", &[false, true, true, true]),
        (&floats, "= NaN", &[false, false, false, false]),
        (&floats, "> 1e300", &[false, false, false, true]),
        (&floats, "<= 0.1", &[true, false, false, false]),
        (&words, "> 'z'", &[false, true, false]),
        (&words, "IN ('a', 'b')", &[true, false, false]),
        (&views, "< 'b'", &[true, false]),
        (&coded, "!= 'x'", &[false, false, false, true]),
        (&coded, "IS NULL", &[false, true, true, false]),
        (&flags, "= true", &[true, false, false]),
        (&fixed, ">= 'b0'", &[false, true]),
    ];
    for (make, condition, expected) in cases {
        assert_eq!(holds(make(), condition).unwrap(), expected, "{} {condition}", make().data_type());
    }
    let list: ArrayRef = Arc::new(ListArray::new_null(Arc::new(Field::new("item", DataType::Int8, true)), 2));
    assert_eq!(holds(list.clone(), "IS NULL").unwrap(), [true, true]);
    for (array, condition, kind) in [
        (list, "= 1", ErrorKind::Unsupported),
        (bytes(), "= 'one'", ErrorKind::InvalidArgument),
        (bytes(), "= true", ErrorKind::InvalidArgument),
        (words(), "= 1", ErrorKind::InvalidArgument),
        (flags(), "= 1", ErrorKind::InvalidArgument),
        (days(), "= 'soon'", ErrorKind::InvalidArgument),
        (floats(), "= 'x'", ErrorKind::InvalidArgument),
        (fixed(), "= 'abc'", ErrorKind::InvalidArgument),
    ] {
        assert_eq!(holds(array, condition).unwrap_err(), kind, "{condition}");
    }
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int8, true)]));
    let error = BoundFilter::new(&filter("y = 1"), &schema).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "no column 'y': the columns are x"));
    let error = BoundFilter::new(&filter("x = 'one'"), &schema).unwrap_err();
    assert_eq!(error.message(), "the condition x = 'one': 'one' does not fit a column of type Int8: expected a number");
}

#[test]
fn values_of_a_program_become_literals() {
    let predicate = Predicate::compare("x", Comparison::Less, 0.1f64);
    assert_eq!(
        Filter(vec![predicate, Predicate::compare("y", Comparison::Equal, -5i64)]).to_string(),
        "x < 0.1 AND y = -5"
    );
    for value in [f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, -1e300] {
        let text = Predicate::compare("x", Comparison::Less, value).to_string();
        assert_eq!(filter(&text).0, [Predicate::compare("x", Comparison::Less, value)], "{text}");
    }
}

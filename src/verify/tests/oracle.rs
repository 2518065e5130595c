//! What a row holds, found the slow way: a tree of bytes.

use arrow::array::types::{Int16Type, Int32Type, Int64Type};
use arrow::array::*;
use arrow::datatypes::*;

/// One logical value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Bytes(Vec<u8>),
    Items(Vec<Value>),
    Variant(i8, Box<Value>),
}

/// The value in a row.
pub(super) fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let items = |array: ArrayRef| Value::Items((0..array.len()).map(|row| value(&array, row)).collect());
    macro_rules! native {
        ($type:ty) => {{
            let one = array.as_primitive::<$type>().slice(row, 1);
            Value::Bytes(one.values().inner().as_slice().to_vec())
        }};
    }
    downcast_primitive! {
        array.data_type() => (native),
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bytes(vec![u8::from(array.as_boolean().value(row))]),
        DataType::Utf8 => Value::Bytes(array.as_string::<i32>().value(row).into()),
        DataType::LargeUtf8 => Value::Bytes(array.as_string::<i64>().value(row).into()),
        DataType::Utf8View => Value::Bytes(array.as_string_view().value(row).into()),
        DataType::Binary => Value::Bytes(array.as_binary::<i32>().value(row).into()),
        DataType::LargeBinary => Value::Bytes(array.as_binary::<i64>().value(row).into()),
        DataType::BinaryView => Value::Bytes(array.as_binary_view().value(row).into()),
        DataType::FixedSizeBinary(_) => Value::Bytes(array.as_fixed_size_binary().value(row).into()),
        DataType::List(_) => items(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => items(array.as_list::<i64>().value(row)),
        DataType::ListView(_) => items(array.as_list_view::<i32>().value(row)),
        DataType::LargeListView(_) => items(array.as_list_view::<i64>().value(row)),
        DataType::FixedSizeList(..) => items(array.as_fixed_size_list().value(row)),
        DataType::Map(..) => items(std::sync::Arc::new(array.as_map().value(row))),
        DataType::Struct(_) => {
            Value::Items(array.as_struct().columns().iter().map(|column| value(column, row)).collect())
        }
        DataType::Union(..) => {
            let id = array.as_union().type_id(row);
            Value::Variant(id, Box::new(value(&array.as_union().value(row), 0)))
        }
        DataType::Dictionary(..) => {
            let one = array.slice(row, 1);
            let key = one.as_any_dictionary().normalized_keys()[0];
            value(array.as_any_dictionary().values(), key)
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => run::<Int16Type>(array, row),
            DataType::Int32 => run::<Int32Type>(array, row),
            _ => run::<Int64Type>(array, row),
        },
        other => unreachable!("{other}")
    }
}

fn run<R: RunEndIndexType>(array: &dyn Array, row: usize) -> Value {
    let array = array.as_run::<R>();
    let row = row + array.run_ends().offset();
    let run = array.run_ends().values().iter().position(|end| end.as_usize() > row).unwrap();
    value(array.values(), run)
}

/// All values of an array.
pub(super) fn values(array: &dyn Array) -> Vec<Value> {
    (0..array.len()).map(|row| value(array, row)).collect()
}

//! What a generated dataset looks like: ten columns that cover the kinds of buffers that Arrow data is made of.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// The name of the column that says which partition a row belongs to, unless the caller names another.
pub const PARTITION_COLUMN: &str = "partition";

/// The schema of a generated dataset, with plain or dictionary-encoded strings.
///
/// Every field is nullable, as most producers declare theirs, although no value is null.
pub(crate) fn generated_schema(dict_strings: bool) -> SchemaRef {
    let string = if dict_strings {
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
    } else {
        DataType::Utf8
    };
    let columns = [
        ("id64", DataType::Int64),
        (PARTITION_COLUMN, DataType::Int32),
        ("int32_c", DataType::Int32),
        ("float64_c", DataType::Float64),
        ("float32_c", DataType::Float32),
        ("bool_c", DataType::Boolean),
        ("ts_ns", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        ("dec_18_4", DataType::Decimal128(18, 4)),
        ("str_c", string),
        ("list_ints", DataType::List(list_item())),
    ];
    Arc::new(Schema::new(columns.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec()))
}

/// The field of the items of `list_ints`.
pub(crate) fn list_item() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Int32, true))
}

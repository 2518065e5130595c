//! Two values that differ, for a person to see how.

use arrow::array::types::{Int16Type, Int32Type, Int64Type};
use arrow::array::*;
use arrow::datatypes::*;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::compare::{Span, first_difference};

/// Characters of a value that are shown at most.
const SHOWN: usize = 100;
/// Characters before the first difference that are shown where a value is cut.
const BEFORE: usize = 24;

/// One row of each side as text; the texts differ whenever the values do.
pub(super) fn show_pair(left: &dyn Array, left_row: usize, right: &dyn Array, right_row: usize) -> (String, String) {
    let (left_text, right_text) = (text(left, left_row), text(right, right_row));
    if left_text != right_text && !floats(left.data_type()) {
        return shorten(&left_text, &right_text);
    }
    if left_text != right_text && !(left_text == "NaN" || right_text == "NaN") {
        return (left_text, right_text);
    }
    // Alike as text: what differs are the bits, or something inside.
    let (left_bits, right_bits) = inside(left, left_row, right, right_row);
    let (left_text, right_text) = shorten(&left_text, &right_text);
    (format!("{left_text} ({left_bits})"), format!("{right_text} ({right_bits})"))
}

fn floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => floats(values),
        DataType::RunEndEncoded(_, values) => floats(values.data_type()),
        other => other.is_floating(),
    }
}

/// The value in a row as text, in which strings are quoted and control characters escaped.
fn text(array: &dyn Array, row: usize) -> String {
    let row = array.slice(row, 1);
    if row.data_type().is_null() || row.logical_nulls().is_some_and(|nulls| nulls.is_null(0)) {
        return "null".to_string();
    }
    match row.data_type() {
        DataType::Utf8 => format!("{:?}", row.as_string::<i32>().value(0)),
        DataType::LargeUtf8 => format!("{:?}", row.as_string::<i64>().value(0)),
        DataType::Utf8View => format!("{:?}", row.as_string_view().value(0)),
        DataType::Dictionary(..) => {
            let dictionary = row.as_any_dictionary();
            text(dictionary.values(), dictionary.normalized_keys()[0])
        }
        DataType::Timestamp(_, Some(zone)) => format!("{} UTC, shown in {zone}", formatted(&without_zone(&row))),
        _ => formatted(&row),
    }
}

/// A timestamp's instant: the names of zones need a database that a comparison can do without.
fn without_zone(array: &ArrayRef) -> ArrayRef {
    macro_rules! plain {
        ($type:ty) => {
            std::sync::Arc::new(array.as_primitive::<$type>().clone().with_timezone_opt(None::<&str>))
        };
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => plain!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => plain!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => plain!(TimestampMicrosecondType),
        _ => plain!(TimestampNanosecondType),
    }
}

fn formatted(row: &ArrayRef) -> String {
    let options = FormatOptions::new().with_null("null");
    match ArrayFormatter::try_new(row.as_ref(), &options) {
        Ok(formatter) => formatter.value(0).to_string().chars().flat_map(escaped).collect(),
        // A zone inside a nested value, for one.
        Err(_) => format!("a value of type {}", row.data_type()),
    }
}

fn escaped(character: char) -> Vec<char> {
    if character.is_control() { character.escape_default().collect() } else { vec![character] }
}

/// Cuts two texts to the part in which they differ.
fn shorten(left: &str, right: &str) -> (String, String) {
    let common = left.chars().zip(right.chars()).take_while(|(left, right)| left == right).count();
    let cut = |text: &str| {
        let len = text.chars().count();
        if len <= SHOWN {
            return text.to_string();
        }
        let start = if common > SHOWN - BEFORE { common - BEFORE } else { 0 };
        let shown: String = text.chars().skip(start).take(SHOWN).collect();
        let before = if start > 0 { "…" } else { "" };
        let after = if start + SHOWN < len { "…" } else { "" };
        format!("{before}{shown}{after} ({len} characters)")
    };
    (cut(left), cut(right))
}

/// Where inside two values they differ, down to the bits.
fn inside(left: &dyn Array, left_row: usize, right: &dyn Array, right_row: usize) -> (String, String) {
    let nulls = (is_null(left, left_row), is_null(right, right_row));
    if nulls.0 || nulls.1 {
        let word = |null| if null { "null" } else { "not null" };
        return (word(nulls.0).to_string(), word(nulls.1).to_string());
    }
    match (parts(left, left_row), parts(right, right_row)) {
        (Parts::Same(left, left_row), Parts::Same(right, right_row)) => inside(&left, left_row, &right, right_row),
        (Parts::Variant(left_id, left, left_row), Parts::Variant(right_id, right, right_row)) => {
            if left_id == right_id {
                inside(&left, left_row, &right, right_row)
            } else {
                (format!("type id {left_id}"), format!("type id {right_id}"))
            }
        }
        (Parts::Elements(left), Parts::Elements(right)) if left.len() != right.len() => {
            (format!("length {}", left.len()), format!("length {}", right.len()))
        }
        (Parts::Elements(left), Parts::Elements(right)) => {
            let span = Span { left: 0, right: 0, len: left.len() };
            let at = first_difference(&left, &right, span).unwrap_or(0);
            prefixed(&format!("[{at}]"), inside(&left, at, &right, at))
        }
        (Parts::Fields(left), Parts::Fields(right)) => {
            let one = Span { left: 0, right: 0, len: 1 };
            let mut pairs = left.columns().iter().zip(right.columns()).zip(left.fields());
            match pairs.find(|((left, right), _)| first_difference(left, right, one).is_some()) {
                Some(((left, right), field)) => prefixed(&format!(".{}", field.name()), inside(left, 0, right, 0)),
                None => (String::new(), String::new()),
            }
        }
        _ => (leaf(left, left_row), leaf(right, right_row)),
    }
}

fn is_null(array: &dyn Array, row: usize) -> bool {
    // A null of one of a union's types is not the null of another.
    !matches!(array.data_type(), DataType::Union(..)) && array.slice(row, 1).logical_null_count() == 1
}

fn prefixed(path: &str, (left, right): (String, String)) -> (String, String) {
    let join =
        |text: String| if text.starts_with(['[', '.']) { format!("{path}{text}") } else { format!("{path} {text}") };
    (join(left), join(right))
}

/// What a value is made of.
enum Parts {
    /// One value, as it is written elsewhere.
    Same(ArrayRef, usize),
    /// One value of a union, with its type id.
    Variant(i8, ArrayRef, usize),
    Elements(ArrayRef),
    /// One row of a struct.
    Fields(StructArray),
    None,
}

fn parts(array: &dyn Array, row: usize) -> Parts {
    match array.data_type() {
        DataType::Dictionary(..) => {
            let key = array.slice(row, 1).as_any_dictionary().normalized_keys()[0];
            Parts::Same(array.as_any_dictionary().values().clone(), key)
        }
        DataType::RunEndEncoded(ends, _) => {
            let (values, run) = match ends.data_type() {
                DataType::Int16 => run_of::<Int16Type>(array, row),
                DataType::Int32 => run_of::<Int32Type>(array, row),
                _ => run_of::<Int64Type>(array, row),
            };
            Parts::Same(values, run)
        }
        DataType::Union(..) => {
            let union = array.as_union();
            let id = union.type_id(row);
            Parts::Variant(id, union.child(id).clone(), union.value_offset(row))
        }
        DataType::List(_) => Parts::Elements(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Parts::Elements(array.as_list::<i64>().value(row)),
        DataType::ListView(_) => Parts::Elements(array.as_list_view::<i32>().value(row)),
        DataType::LargeListView(_) => Parts::Elements(array.as_list_view::<i64>().value(row)),
        DataType::FixedSizeList(..) => Parts::Elements(array.as_fixed_size_list().value(row)),
        DataType::Map(..) => Parts::Elements(std::sync::Arc::new(array.as_map().value(row))),
        DataType::Struct(_) => Parts::Fields(array.as_struct().slice(row, 1)),
        _ => Parts::None,
    }
}

fn run_of<R: RunEndIndexType>(array: &dyn Array, row: usize) -> (ArrayRef, usize) {
    let array = array.as_run::<R>();
    (array.values().clone(), array.get_physical_index(row))
}

/// The bits of a number, or the text of anything else.
fn leaf(array: &dyn Array, row: usize) -> String {
    macro_rules! bits {
        ($type:ty) => {{
            let one = array.as_primitive::<$type>().slice(row, 1);
            let bytes = one.values().inner().as_slice();
            let native_order = bytes.iter().map(|byte| format!("{byte:02x}"));
            let digits: String =
                if cfg!(target_endian = "little") { native_order.rev().collect() } else { native_order.collect() };
            format!("0x{digits}")
        }};
    }
    downcast_primitive! {
        array.data_type() => (bits),
        _ => text(array, row)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn strings(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    fn show(left: ArrayRef, right: ArrayRef) -> (String, String) {
        show_pair(&left, 0, &right, 0)
    }

    fn nan(bits: u64) -> ArrayRef {
        Arc::new(Float64Array::from(vec![f64::from_bits(bits)]))
    }

    fn list(values: ArrayRef) -> ArrayRef {
        let field = Arc::new(Field::new("item", values.data_type().clone(), true));
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([values.len()]);
        Arc::new(ListArray::new(field, offsets, values, None))
    }

    #[test]
    fn values_that_differ_look_different() {
        let zoned =
            |value| -> ArrayRef { Arc::new(TimestampSecondArray::from(vec![value]).with_timezone("Europe/Berlin")) };
        let union = |id: i8| -> ArrayRef {
            let fields = UnionFields::try_new(
                [0, 1],
                [Field::new("v", DataType::Int8, true), Field::new("v", DataType::Int8, true)],
            );
            let children: Vec<ArrayRef> = vec![Arc::new(Int8Array::from(vec![7])), Arc::new(Int8Array::from(vec![7]))];
            Arc::new(UnionArray::try_new(fields.unwrap(), vec![id].into(), None, children).unwrap())
        };
        let words: ArrayRef = Arc::new(vec!["a\nb"].into_iter().collect::<DictionaryArray<Int8Type>>());
        for (left, right, left_text, right_text) in [
            (strings(&["a"]), strings(&["a "]), "\"a\"", "\"a \""),
            (strings(&["null"]), Arc::new(StringArray::new_null(1)), "\"null\"", "null"),
            (words.clone(), new_null_array(words.data_type(), 1), "\"a\\nb\"", "null"),
            (
                nan(0x7ff8_0000_0000_0001),
                nan(0x7ff8_0000_0000_0002),
                "NaN (0x7ff8000000000001)",
                "NaN (0x7ff8000000000002)",
            ),
            (nan(0), nan(1 << 63), "0.0", "-0.0"),
            (nan(0), nan(0x7ff8 << 48), "0.0 (0x0000000000000000)", "NaN (0x7ff8000000000000)"),
            (
                list(nan(0x7ff8_0000_0000_0001)),
                list(nan(0x7ff8_0000_0000_0002)),
                "[NaN] ([0] 0x7ff8000000000001)",
                "[NaN] ([0] 0x7ff8000000000002)",
            ),
            (list(strings(&["a, b"])), list(strings(&["a", "b"])), "[a, b] (length 1)", "[a, b] (length 2)"),
            (
                list(list(strings(&["null"]))),
                list(list(Arc::new(StringArray::new_null(1)))),
                "[[null]] ([0][0] not null)",
                "[[null]] ([0][0] null)",
            ),
            (
                zoned(0),
                zoned(1),
                "1970-01-01T00:00:00 UTC, shown in Europe/Berlin",
                "1970-01-01T00:00:01 UTC, shown in Europe/Berlin",
            ),
            (
                list(zoned(0)),
                list(zoned(1)),
                "a value of type List(Timestamp(s, \"Europe/Berlin\")) ([0] 0x0000000000000000)",
                "a value of type List(Timestamp(s, \"Europe/Berlin\")) ([0] 0x0000000000000001)",
            ),
            (union(0), union(1), "{v=7} (type id 0)", "{v=7} (type id 1)"),
        ] {
            assert_eq!(show(left, right), (left_text.to_string(), right_text.to_string()));
        }
    }

    #[test]
    fn long_values_are_cut_to_where_they_differ() {
        let left = format!("{}x{}", "é".repeat(500), "z".repeat(500));
        let right = format!("{}y", "é".repeat(500));
        let (left, right) = show(strings(&[&left]), strings(&[&right]));
        assert_eq!(left, format!("…{}x{}… (1003 characters)", "é".repeat(24), "z".repeat(75)));
        assert_eq!(right, format!("…{}y\" (503 characters)", "é".repeat(24)));
    }
}

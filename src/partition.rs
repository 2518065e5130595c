//! Partitions: the values that they stand for, their ids, and how a person names them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Date64Array, Decimal128Array, Int64Array, StringArray, UInt32Array,
    new_null_array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::*;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};

/// A value of a partition column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum PartitionValue {
    /// An integer, or the number in a date.
    Int(i128),
    /// A string.
    Text(String),
}

impl fmt::Display for PartitionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartitionValue::Int(value) => value.fmt(f),
            PartitionValue::Text(value) => write!(f, "'{value}'"),
        }
    }
}

/// The type in which partition values are kept: the column's own, or its dictionary's values'.
///
/// # Errors
/// `UNSUPPORTED` for anything but integers, dates and strings.
pub(crate) fn value_type(column: &str, data_type: &DataType) -> Result<DataType> {
    match data_type {
        DataType::Dictionary(_, values) => value_type(column, values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Date32 | DataType::Date64 => {
            Ok(data_type.clone())
        }
        t if t.is_integer() => Ok(data_type.clone()),
        t => Err(Error::unsupported(format!(
            "column '{column}' of type {t} cannot be the partition column: it must hold integers, dates or strings"
        ))),
    }
}

/// The values of a partition column, row by row; cheap where all rows are alike.
struct Values {
    /// Int64, UInt64 as Decimal128, or Utf8.
    array: ArrayRef,
}

impl Values {
    fn new(column: &ArrayRef) -> Result<Self> {
        let target = match column.data_type() {
            DataType::Dictionary(_, values) => return Values::new(&cast(column, values)?),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            DataType::UInt64 => DataType::Decimal128(20, 0),
            DataType::Date32 => return Values::new(&cast(column, &DataType::Int32)?),
            _ => DataType::Int64,
        };
        Ok(Values { array: cast(column, &target)? })
    }

    fn get(&self, row: usize) -> PartitionValue {
        match self.array.data_type() {
            DataType::Utf8 => PartitionValue::Text(self.array.as_string::<i32>().value(row).to_string()),
            DataType::Int64 => PartitionValue::Int(self.array.as_primitive::<Int64Type>().value(row).into()),
            _ => PartitionValue::Int(self.array.as_primitive::<Decimal128Type>().value(row)),
        }
    }
}

/// The value that all rows of a partition column share; `None` where there are no rows.
///
/// # Errors
/// `INVALID_ARGUMENT` when the rows differ or one is null; `batch_name` says in which batch.
pub(crate) fn single_value(column: &ArrayRef, column_name: &str, batch_name: &str) -> Result<Option<PartitionValue>> {
    if column.is_empty() {
        return Ok(None);
    }
    if column.logical_null_count() > 0 {
        return Err(null_partition(column_name, batch_name));
    }
    let first = column.slice(0, 1);
    let first_value = Values::new(&first)?.get(0);
    let all_alike = match column.data_type() {
        DataType::Dictionary(..) => {
            let keys = column.as_any_dictionary().normalized_keys();
            keys.iter().all(|key| *key == keys[0]) || rows_equal(column)?
        }
        _ => rows_equal(column)?,
    };
    if all_alike {
        return Ok(Some(first_value));
    }
    let values = Values::new(column)?;
    let other = (0..column.len()).map(|row| values.get(row)).find(|value| *value != first_value);
    Err(Error::invalid_argument(format!(
        "{batch_name} holds several values in partition column '{column_name}' ({first_value} and {}): \
         write one partition to a batch, or ask for the rows to be repartitioned (--repartition)",
        other.map_or_else(|| "another".to_string(), |value| value.to_string())
    )))
}

/// Whether every row equals the one after it.
fn rows_equal(column: &ArrayRef) -> Result<bool> {
    let len = column.len();
    Ok(len < 2 || column.slice(0, len - 1).to_data() == column.slice(1, len - 1).to_data())
}

fn null_partition(column_name: &str, batch_name: &str) -> Error {
    Error::invalid_argument(format!(
        "{batch_name} holds a null in partition column '{column_name}': every row needs a partition"
    ))
}

/// Splits a batch by the values of its partition column, in order of first appearance.
pub(crate) fn split_by_value(
    batch: &RecordBatch,
    column: usize,
    column_name: &str,
    batch_name: &str,
) -> Result<Vec<(PartitionValue, RecordBatch)>> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    if batch.column(column).logical_null_count() > 0 {
        return Err(null_partition(column_name, batch_name));
    }
    let values = Values::new(batch.column(column))?;
    let mut order: Vec<PartitionValue> = Vec::new();
    let mut rows: HashMap<PartitionValue, Vec<u32>> = HashMap::new();
    for row in 0..batch.num_rows() {
        let value = values.get(row);
        match rows.get_mut(&value) {
            Some(rows) => rows.push(row as u32),
            None => {
                order.push(value.clone());
                rows.insert(value, vec![row as u32]);
            }
        }
    }
    let pick = |rows: &[u32]| -> Result<RecordBatch> {
        let indices = UInt32Array::from(rows.to_vec());
        let columns =
            batch.columns().iter().map(|c| take(c, &indices, None)).collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    };
    order.into_iter().map(|value| pick(&rows[&value]).map(|batch| (value, batch))).collect()
}

/// Gives ids to partition values: a non-negative integer is its own id; other values get the lowest ids that
/// no integer takes, in order of first appearance.
#[derive(Debug, Default)]
pub(crate) struct PartitionIds {
    ids: HashMap<PartitionValue, u32>,
    taken: BTreeSet<u32>,
    next: u32,
}

impl PartitionIds {
    /// Keeps the ids of integers that will come free of other values.
    pub(crate) fn reserve<'a>(&mut self, values: impl IntoIterator<Item = &'a PartitionValue>) {
        for value in values {
            if let Some(id) = own_id(value) {
                self.taken.insert(id);
                self.ids.insert(value.clone(), id);
            }
        }
    }

    /// The id of a value, the same each time.
    ///
    /// # Errors
    /// `CONFLICT` when an integer comes whose id went to another value before; `RESOURCE_EXHAUSTED` past 2^32 ids.
    pub(crate) fn id(&mut self, value: &PartitionValue) -> Result<u32> {
        if let Some(id) = self.ids.get(value) {
            return Ok(*id);
        }
        let id = match own_id(value) {
            Some(id) if self.taken.contains(&id) => {
                return Err(Error::conflict(format!(
                    "partition {id} cannot have its own value as its id: a value before it took that id; \
                     put the non-negative partitions first, or use a string column"
                )));
            }
            Some(id) => id,
            None => {
                while self.taken.contains(&self.next) {
                    self.next = self.next.checked_add(1).ok_or_else(too_many)?;
                }
                self.next
            }
        };
        self.taken.insert(id);
        self.ids.insert(value.clone(), id);
        Ok(id)
    }
}

fn too_many() -> Error {
    Error::resource_exhausted("more than 2^32 partitions")
}

fn own_id(value: &PartitionValue) -> Option<u32> {
    match value {
        PartitionValue::Int(value) => u32::try_from(*value).ok(),
        PartitionValue::Text(_) => None,
    }
}

/// Whether ids of dates must be assigned rather than taken from their number: the number of a date is no id.
pub(crate) fn as_key(value: PartitionValue, value_type: &DataType) -> PartitionValue {
    match (&value, value_type) {
        (PartitionValue::Int(number), DataType::Date32 | DataType::Date64) => {
            // A date keeps its place among the values as text, so that its number is never taken for an id.
            PartitionValue::Text(number.to_string())
        }
        _ => value,
    }
}

/// Partition values as an array of their own type; `None` becomes null.
pub(crate) fn values_array(values: &[Option<PartitionValue>], data_type: &DataType) -> Result<ArrayRef> {
    let ints = || values.iter().map(|v| v.as_ref().and_then(number));
    Ok(match data_type {
        DataType::Null => new_null_array(&DataType::Null, values.len()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = values.iter().map(|v| match v {
                Some(PartitionValue::Text(text)) => Some(text.clone()),
                _ => None,
            });
            cast(&StringArray::from_iter(texts), data_type)?
        }
        DataType::Date32 => Arc::new(Date32Array::from_iter(ints().map(|v| v.and_then(|v| i32::try_from(v).ok())))),
        DataType::Date64 => Arc::new(Date64Array::from_iter(ints().map(|v| v.and_then(|v| i64::try_from(v).ok())))),
        DataType::UInt64 => {
            let wide = Decimal128Array::from_iter(ints()).with_precision_and_scale(20, 0)?;
            cast(&wide, data_type)?
        }
        _ => cast(&Int64Array::from_iter(ints().map(|v| v.and_then(|v| i64::try_from(v).ok()))), data_type)?,
    })
}

fn number(value: &PartitionValue) -> Option<i128> {
    match value {
        PartitionValue::Int(value) => Some(*value),
        PartitionValue::Text(text) => text.parse().ok(),
    }
}

/// How partition values are written for people: integers as digits, dates as 2026-01-31, strings as they are.
pub(crate) fn display_values(values: &ArrayRef) -> Result<Vec<Option<String>>> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(values.as_ref(), &options)?;
    let text = |row| values.is_valid(row).then(|| formatter.value(row).to_string());
    Ok((0..values.len()).map(|row| if values.data_type().is_null() { None } else { text(row) }).collect())
}

/// Which partitions are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Selection {
    /// Every partition.
    #[default]
    All,
    /// These, each named by its value or its id, in any order.
    Some(Vec<String>),
}

impl crate::options::OptionValue for Selection {
    const TYPE: &'static str = "list";

    fn parse(text: &str) -> std::result::Result<Self, String> {
        if text == "all" {
            return Ok(Selection::All);
        }
        Vec::<String>::parse(text)
            .map(Selection::Some)
            .map_err(|_| "'all', or partitions separated by commas, such as 0,1,2".to_string())
    }

    fn show(&self) -> String {
        match self {
            Selection::All => "all".to_string(),
            Selection::Some(names) => names.join(","),
        }
    }
}

impl Selection {
    /// The ids that are wanted, among those that exist (id and value as text); each once.
    ///
    /// A name is looked for among the values first, then among the ids.
    ///
    /// # Errors
    /// `NOT_FOUND`, naming the partition and what there is.
    pub(crate) fn resolve(&self, existing: &[(u32, Option<String>)]) -> Result<BTreeSet<u32>> {
        let Selection::Some(names) = self else {
            return Ok(existing.iter().map(|(id, _)| *id).collect());
        };
        names
            .iter()
            .map(|name| {
                let by_value = existing.iter().find(|(_, value)| value.as_deref() == Some(name));
                let by_id = || name.parse::<u32>().ok().and_then(|id| existing.iter().find(|(e, _)| *e == id));
                by_value.or_else(by_id).map(|(id, _)| *id).ok_or_else(|| no_such_partition(name, existing))
            })
            .collect()
    }

    /// The ids that are named, where nothing is known of values.
    pub(crate) fn ids(&self) -> Result<Option<BTreeSet<u32>>> {
        let Selection::Some(names) = self else { return Ok(None) };
        let parse = |name: &String| {
            name.parse::<u32>().map_err(|_| {
                Error::invalid_argument(format!(
                    "partition '{name}' is no id, and without a manifest only ids are known"
                ))
            })
        };
        names.iter().map(parse).collect::<Result<_>>().map(Some)
    }
}

fn no_such_partition(name: &str, existing: &[(u32, Option<String>)]) -> Error {
    const SHOWN: usize = 12;
    let mut known: Vec<String> = existing
        .iter()
        .take(SHOWN)
        .map(|(id, value)| match value {
            Some(value) if *value != id.to_string() => format!("{value} (id {id})"),
            _ => id.to_string(),
        })
        .collect();
    if existing.len() > SHOWN {
        known.push(format!("and {} more", existing.len() - SHOWN));
    }
    Error::not_found(format!("no partition '{name}': there are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, Int32Array, UInt64Array};

    use super::*;

    #[test]
    fn integers_are_their_own_ids_and_others_take_what_is_free() {
        let mut ids = PartitionIds::default();
        ids.reserve(&[PartitionValue::Int(0), PartitionValue::Int(2)]);
        assert_eq!(ids.id(&PartitionValue::Int(-5)).unwrap(), 1);
        assert_eq!(ids.id(&PartitionValue::Int(2)).unwrap(), 2);
        assert_eq!(ids.id(&PartitionValue::Int(-6)).unwrap(), 3);
        assert_eq!(ids.id(&PartitionValue::Int(-5)).unwrap(), 1);
        assert_eq!(ids.id(&PartitionValue::Int(3)).unwrap_err().kind(), crate::ErrorKind::Conflict);
        let mut words = PartitionIds::default();
        for (word, id) in [("x", 0), ("a", 1), ("x", 0), ("b", 2)] {
            assert_eq!(words.id(&PartitionValue::Text(word.to_string())).unwrap(), id);
        }
    }

    #[test]
    fn one_value_or_an_error_that_names_the_batch() {
        let same: ArrayRef = Arc::new(Int32Array::from(vec![4; 100]));
        assert_eq!(single_value(&same, "p", "batch 3").unwrap(), Some(PartitionValue::Int(4)));
        let words: DictionaryArray<Int32Type> = vec!["a", "a"].into_iter().collect();
        let words: ArrayRef = Arc::new(words);
        assert_eq!(single_value(&words, "p", "batch 3").unwrap(), Some(PartitionValue::Text("a".to_string())));
        let mixed: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 1]));
        let error = single_value(&mixed, "p", "batch 3").unwrap_err();
        assert!(error.message().contains("batch 3 holds several values in partition column 'p'"), "{error}");
        assert!(error.message().contains("18446744073709551615 and 1"), "{error}");
        let null: ArrayRef = Arc::new(Int32Array::from(vec![None, Some(1)]));
        assert!(single_value(&null, "p", "batch 3").unwrap_err().message().contains("null"));
    }

    #[test]
    fn names_are_values_first_then_ids() {
        let existing =
            [(0, Some("7".to_string())), (7, Some("x".to_string())), (8, None), (9, Some("2026-01-31".to_string()))];
        let pick = |text: &str| {
            <Selection as crate::options::OptionValue>::parse(text).unwrap().resolve(&existing).map(Vec::from_iter)
        };
        assert_eq!(pick("all").unwrap(), [0, 7, 8, 9]);
        assert_eq!(pick("7,8").unwrap(), [0, 8]);
        assert_eq!(pick("x,x,2026-01-31").unwrap(), [7, 9]);
        let error = pick("nope").unwrap_err();
        assert_eq!(error.message(), "no partition 'nope': there are 7 (id 0), x (id 7), 8, 2026-01-31 (id 9)");
    }

    #[test]
    fn values_keep_their_type() {
        for (values, data_type, texts) in [
            (vec![PartitionValue::Int(-3)], DataType::Int16, vec!["-3"]),
            (vec![PartitionValue::Int(u64::MAX.into())], DataType::UInt64, vec!["18446744073709551615"]),
            (vec![as_key(PartitionValue::Int(20_000), &DataType::Date32)], DataType::Date32, vec!["2024-10-04"]),
            (vec![PartitionValue::Text("é".to_string())], DataType::LargeUtf8, vec!["é"]),
        ] {
            let values: Vec<_> = values.into_iter().map(Some).collect();
            let array = values_array(&values, &data_type).unwrap();
            assert_eq!(array.data_type(), &data_type);
            let shown: Vec<_> = display_values(&array).unwrap().into_iter().flatten().collect();
            assert_eq!(shown, texts);
        }
    }

    #[test]
    fn rows_are_split_by_value() {
        let batch = RecordBatch::try_from_iter([
            ("p", Arc::new(StringArray::from(vec!["b", "a", "b"])) as ArrayRef),
            ("v", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ])
        .unwrap();
        let parts = split_by_value(&batch, 0, "p", "batch 0").unwrap();
        let shown: Vec<_> = parts
            .iter()
            .map(|(value, part)| (value.to_string(), part.column(1).as_primitive::<Int32Type>().values().to_vec()))
            .collect();
        assert_eq!(shown, [("'b'".to_string(), vec![1, 3]), ("'a'".to_string(), vec![2])]);
    }
}

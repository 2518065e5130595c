//! How two schemas differ, and which columns stand against each other.

use std::collections::{BTreeSet, HashMap};

use arrow::datatypes::*;

/// Two columns with the same name and type.
#[derive(Debug, Clone)]
pub(super) struct ColumnPair {
    pub(super) name: String,
    /// The column's place on the left.
    pub(super) left: usize,
    /// The column's place on the right.
    pub(super) right: usize,
}

/// What came out of comparing two schemas.
#[derive(Debug, Default)]
pub(super) struct SchemaComparison {
    /// The columns whose values can be compared.
    pub(super) pairs: Vec<ColumnPair>,
    /// What makes the schemas different: names, types, order.
    pub(super) differences: Vec<String>,
    /// What does not: nullability, metadata, names that carry no meaning.
    pub(super) notes: Vec<String>,
}

/// Compares two schemas; the names are how messages call the sides.
pub(super) fn compare_schemas(left: &Schema, left_name: &str, right: &Schema, right_name: &str) -> SchemaComparison {
    let mut result = SchemaComparison::default();
    let (left_keys, right_keys) = (keys(left), keys(right));
    let right_places: HashMap<_, _> = right_keys.iter().enumerate().map(|(place, key)| (key, place)).collect();
    let mut common = Vec::new();
    for (place, (key, field)) in left_keys.iter().zip(left.fields()).enumerate() {
        match right_places.get(key) {
            Some(right_place) => common.push((place, *right_place)),
            None => result.differences.push(only_in(field, left_name)),
        }
    }
    let left_names: BTreeSet<_> = left_keys.iter().collect();
    let right_only = right_keys.iter().zip(right.fields()).filter(|(key, _)| !left_names.contains(key));
    result.differences.extend(right_only.map(|(_, field)| only_in(field, right_name)));
    if !common.is_sorted_by_key(|(_, right_place)| *right_place) {
        let shown = |order: Vec<&str>| order.join(", ");
        let in_left = common.iter().map(|(place, _)| left.field(*place).name().as_str()).collect();
        let mut by_right = common.clone();
        by_right.sort_by_key(|(_, right_place)| *right_place);
        let in_right = by_right.iter().map(|(place, _)| left.field(*place).name().as_str()).collect();
        result.differences.push(format!(
            "the columns have another order: {} in {left_name}, {} in {right_name}",
            shown(in_left),
            shown(in_right)
        ));
    }
    for (left_place, right_place) in common {
        let (left, right) = (left.field(left_place), right.field(right_place));
        let name = left.name().clone();
        if same_type(left.data_type(), right.data_type()) {
            note_field(&format!("column '{name}'"), left, right, (left_name, right_name), &mut result.notes);
            result.pairs.push(ColumnPair { name, left: left_place, right: right_place });
        } else {
            result.differences.push(format!(
                "column '{name}' is {} in {left_name} and {} in {right_name}",
                left.data_type(),
                right.data_type()
            ));
        }
    }
    if left.metadata() != right.metadata() {
        result.notes.push("the metadata of the schemas differs".to_string());
    }
    result
}

/// What identifies each column: its name, and how many of that name come before it.
fn keys(schema: &Schema) -> Vec<(&str, usize)> {
    let mut seen = HashMap::new();
    let count = |field: &'_ FieldRef| {
        let name = field.name().as_str().to_owned();
        let earlier = seen.entry(name).or_insert(0);
        *earlier += 1;
        *earlier
    };
    let counts: Vec<usize> = schema.fields().iter().map(count).collect();
    schema.fields().iter().zip(counts).map(|(field, count)| (field.name().as_str(), count)).collect()
}

fn only_in(field: &Field, side: &str) -> String {
    format!("column '{}' ({}) is only in {side}", field.name(), field.data_type())
}

/// Whether two types hold the same kind of values. The names of struct fields and union variants count; those of
/// list items, map entries and runs do not, nor do nullability and metadata.
pub(super) fn same_type(left: &DataType, right: &DataType) -> bool {
    use DataType::*;
    let inner = |left: &FieldRef, right: &FieldRef| same_type(left.data_type(), right.data_type());
    let named = |left: &FieldRef, right: &FieldRef| left.name() == right.name() && inner(left, right);
    match (left, right) {
        (List(left), List(right))
        | (LargeList(left), LargeList(right))
        | (ListView(left), ListView(right))
        | (LargeListView(left), LargeListView(right)) => inner(left, right),
        (FixedSizeList(left, left_size), FixedSizeList(right, right_size)) => {
            left_size == right_size && inner(left, right)
        }
        (Struct(left), Struct(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| named(left, right))
        }
        (Map(left, left_sorted), Map(right, right_sorted)) => {
            left_sorted == right_sorted
                && match (left.data_type(), right.data_type()) {
                    (Struct(left), Struct(right)) => {
                        left.len() == right.len() && left.iter().zip(right).all(|(left, right)| inner(left, right))
                    }
                    _ => false,
                }
        }
        (Union(left, left_mode), Union(right, right_mode)) => {
            let find = |id| right.iter().find(|(other, _)| *other == id);
            left_mode == right_mode
                && left.len() == right.len()
                && left.iter().all(|(id, left)| find(id).is_some_and(|(_, right)| named(left, right)))
        }
        (Dictionary(left_key, left), Dictionary(right_key, right)) => left_key == right_key && same_type(left, right),
        (RunEndEncoded(left_ends, left), RunEndEncoded(right_ends, right)) => {
            inner(left_ends, right_ends) && inner(left, right)
        }
        (left, right) => left == right,
    }
}

/// Notes what two fields of the same type do not share, and their children.
fn note_field(path: &str, left: &Field, right: &Field, sides: (&str, &str), notes: &mut Vec<String>) {
    if left.is_nullable() != right.is_nullable() {
        let (nullable, other) = if left.is_nullable() { sides } else { (sides.1, sides.0) };
        notes.push(format!("{path} is nullable in {nullable} and not in {other}"));
    }
    if left.metadata() != right.metadata() {
        notes.push(format!("the metadata of {path} differs"));
    }
    if left.dict_is_ordered() != right.dict_is_ordered() {
        let (ordered, other) = if left.dict_is_ordered() == Some(true) { sides } else { (sides.1, sides.0) };
        notes.push(format!("the dictionary of {path} is marked as ordered in {ordered} and not in {other}"));
    }
    for (left, right) in children(left.data_type()).into_iter().zip(children(right.data_type())) {
        if left.name() != right.name() {
            notes.push(format!(
                "a part of {path} is named '{}' in {} and '{}' in {}",
                left.name(),
                sides.0,
                right.name(),
                sides.1
            ));
        }
        note_field(&format!("{path}.{}", left.name()), left, right, sides, notes);
    }
}

fn children(data_type: &DataType) -> Vec<&Field> {
    use DataType::*;
    match data_type {
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _) | Map(item, _) => {
            vec![item]
        }
        Struct(fields) => fields.iter().map(AsRef::as_ref).collect(),
        Union(fields, _) => {
            let mut by_id: Vec<_> = fields.iter().collect();
            by_id.sort_by_key(|(id, _)| *id);
            by_id.into_iter().map(|(_, field)| field.as_ref()).collect()
        }
        RunEndEncoded(ends, values) => vec![ends, values],
        Dictionary(_, values) => children(values),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, true)
    }

    fn compare(left: Vec<Field>, right: Vec<Field>) -> (Vec<String>, Vec<String>, Vec<(usize, usize)>) {
        let result = compare_schemas(&Schema::new(left), "L", &Schema::new(right), "R");
        (result.differences, result.notes, result.pairs.iter().map(|pair| (pair.left, pair.right)).collect())
    }

    #[test]
    fn each_difference_is_told_and_the_rest_is_paired() {
        let int = |name| field(name, DataType::Int32);
        let wide = |name| field(name, DataType::Int64);
        for (left, right, differences, pairs) in [
            (vec![int("a"), int("b")], vec![int("a"), int("b")], vec![], vec![(0, 0), (1, 1)]),
            (
                vec![int("a"), int("b"), int("c")],
                vec![int("c"), int("a"), int("b")],
                vec!["the columns have another order: a, b, c in L, c, a, b in R"],
                vec![(0, 1), (1, 2), (2, 0)],
            ),
            (
                vec![int("a"), int("x"), wide("b")],
                vec![int("a"), int("b"), wide("y")],
                vec![
                    "column 'x' (Int32) is only in L",
                    "column 'y' (Int64) is only in R",
                    "column 'b' is Int64 in L and Int32 in R",
                ],
                vec![(0, 0)],
            ),
            (
                vec![int("a"), int("a")],
                vec![int("a"), int("a"), int("a")],
                vec!["column 'a' (Int32) is only in R"],
                vec![(0, 0), (1, 1)],
            ),
            (vec![], vec![], vec![], vec![]),
        ] {
            let result = compare(left, right);
            assert_eq!(result, (differences.into_iter().map(String::from).collect(), vec![], pairs));
        }
    }

    #[test]
    fn nullability_metadata_and_names_of_items_are_notes() {
        let item = |name: &str, nullable| DataType::new_list(DataType::Int8, nullable).rename_item(name);
        let marked = field("m", DataType::Int8)
            .with_metadata(std::collections::HashMap::from([("k".to_string(), "v".to_string())]));
        let (differences, notes, pairs) = compare(
            vec![Field::new("a", DataType::Int32, false), field("l", item("item", true)), marked],
            vec![field("a", DataType::Int32), field("l", item("element", false)), field("m", DataType::Int8)],
        );
        assert_eq!(differences, Vec::<String>::new());
        assert_eq!(pairs, [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(
            notes,
            [
                "column 'a' is nullable in R and not in L",
                "a part of column 'l' is named 'item' in L and 'element' in R",
                "column 'l'.item is nullable in L and not in R",
                "the metadata of column 'm' differs",
            ]
        );
    }

    trait RenameItem {
        fn rename_item(self, name: &str) -> DataType;
    }

    impl RenameItem for DataType {
        fn rename_item(self, name: &str) -> DataType {
            match self {
                DataType::List(item) => DataType::List(item.as_ref().clone().with_name(name).into()),
                other => other,
            }
        }
    }

    #[test]
    fn types_agree_by_what_they_hold() {
        let of = |fields: Vec<Field>| DataType::Struct(fields.into());
        let list = |inner| DataType::new_list(inner, true);
        let dictionary = |key, value| DataType::Dictionary(Box::new(key), Box::new(value));
        let int = || DataType::Int32;
        for (left, right, same) in [
            (of(vec![field("x", int())]), of(vec![Field::new("x", int(), false)]), true),
            (of(vec![field("x", int())]), of(vec![field("y", int())]), false),
            (of(vec![field("x", int())]), of(vec![]), false),
            (list(int()), list(int()), true),
            (list(int()), DataType::new_large_list(int(), true), false),
            (list(int()), list(DataType::Int64), false),
            (dictionary(int(), DataType::Utf8), dictionary(int(), DataType::Utf8), true),
            (dictionary(int(), DataType::Utf8), dictionary(DataType::Int8, DataType::Utf8), false),
            (dictionary(int(), DataType::Utf8), DataType::Utf8, false),
            (
                DataType::Timestamp(TimeUnit::Second, Some("UTC".into())),
                DataType::Timestamp(TimeUnit::Second, None),
                false,
            ),
            (DataType::Decimal128(10, 2), DataType::Decimal128(10, 3), false),
            (DataType::new_fixed_size_list(int(), 2, true), DataType::new_fixed_size_list(int(), 3, true), false),
        ] {
            assert_eq!(same_type(&left, &right), same, "{left} and {right}");
        }
    }
}

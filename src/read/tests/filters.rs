//! Filtered reads against a plain filter, row by row, over everything.

use std::cmp::Ordering;

use arrow::array::*;
use arrow::datatypes::*;
use rand::SeedableRng;

use super::store::Watched;
use super::*;
use crate::filter::{Comparison, Condition, Literal, Predicate};
use crate::ipc_file::IpcFile;
use crate::tuning::READ_COST_BYTES;

/// Filters in an ordinary run; a thorough one has 2,000.
const FILTERS: u64 = 600;
/// Filters that are tried on one dataset.
const PER_DATASET: u64 = 20;

/// A value as plainly as it can be.
#[derive(Debug, Clone)]
enum Cell {
    Null,
    Bool(bool),
    /// So many times ten to the minus `scale`.
    Exact(i128, u32),
    Float(f64),
    Text(Vec<u8>),
}

impl Cell {
    fn compare(&self, other: &Cell) -> Option<Ordering> {
        match (self, other) {
            (Cell::Bool(a), Cell::Bool(b)) => a.partial_cmp(b),
            (Cell::Exact(a, a_scale), Cell::Exact(b, b_scale)) => {
                (a * 10i128.pow(*b_scale)).partial_cmp(&(b * 10i128.pow(*a_scale)))
            }
            (Cell::Float(a), Cell::Exact(b, scale)) => a.partial_cmp(&text(*b, *scale).parse().unwrap()),
            (Cell::Float(a), Cell::Float(b)) => a.partial_cmp(b),
            (Cell::Text(a), Cell::Text(b)) => a.partial_cmp(b),
            pair => panic!("{pair:?}"),
        }
    }

    fn passes(&self, comparison: Comparison, literal: &Cell) -> bool {
        if matches!(self, Cell::Null) {
            return false;
        }
        let ordering = self.compare(literal);
        match comparison {
            Comparison::Equal => ordering == Some(Ordering::Equal),
            Comparison::NotEqual => ordering != Some(Ordering::Equal),
            Comparison::Less => ordering == Some(Ordering::Less),
            Comparison::LessOrEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => ordering == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

fn text(value: i128, scale: u32) -> String {
    let (sign, digits) =
        (if value < 0 { "-" } else { "" }, format!("{:0>1$}", value.unsigned_abs(), scale as usize + 1));
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn cell(array: &ArrayRef, row: usize) -> Cell {
    macro_rules! exact {
        ($type:ty) => {
            Cell::Exact(i128::try_from(array.as_primitive::<$type>().value(row)).unwrap(), 0)
        };
    }
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        return match dictionary.keys().is_null(row) {
            true => Cell::Null,
            false => cell(dictionary.values(), dictionary.normalized_keys()[row]),
        };
    }
    if array.is_null(row) {
        return Cell::Null;
    }
    match array.data_type() {
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int8 => exact!(Int8Type),
        DataType::Int32 => exact!(Int32Type),
        DataType::Int64 => exact!(Int64Type),
        DataType::UInt64 => exact!(UInt64Type),
        DataType::Date32 => exact!(Date32Type),
        DataType::Timestamp(..) => exact!(TimestampNanosecondType),
        DataType::Decimal128(_, scale) => Cell::Exact(array.as_primitive::<Decimal128Type>().value(row), *scale as u32),
        DataType::Decimal256(_, scale) => {
            Cell::Exact(array.as_primitive::<Decimal256Type>().value(row).to_i128().unwrap(), *scale as u32)
        }
        DataType::Float32 => Cell::Float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).into()),
        DataType::Utf8View => Cell::Text(array.as_string_view().value(row).into()),
        other => panic!("{other}"),
    }
}

fn types() -> Vec<DataType> {
    use DataType::*;
    let dictionary = |values: DataType| Dictionary(Box::new(Int16), Box::new(values));
    let stamp = Timestamp(TimeUnit::Nanosecond, Some("+02:00".into()));
    let mut types = vec![Boolean, Int8, Int32, Int64, UInt64, Date32, stamp, Float32, Float64, Utf8, Utf8View];
    types.extend([Decimal128(18, 4), Decimal256(50, 2), dictionary(Utf8), dictionary(Float64), dictionary(Int64)]);
    types
}

/// Strings that differ before, at and after the place where statistics cut them.
fn word(rng: &mut StdRng, around: i64) -> String {
    let letter = |number: i64| char::from(b'a' + (number.rem_euclid(26)) as u8);
    let start = letter(around + rng.random_range(0..3));
    let filler =
        ["x", "é", "\u{10ffff}"][rng.random_range(0..3)].repeat([0, 1, 61, 62, 63, 64, 70][rng.random_range(0..7)]);
    let end = ["", "a", "b"][rng.random_range(0..3)];
    format!("{start}{filler}{end}")
}

fn float(rng: &mut StdRng, around: i64) -> f64 {
    match rng.random_range(0..40) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2..=6 => -0.0,
        7..=11 => 0.0,
        _ => around as f64 + f64::from(rng.random_range(-2..3)) / 4.0,
    }
}

/// A column whose values lie around a number, so that chunks differ in their bounds.
fn column(rng: &mut StdRng, data_type: &DataType, around: i64, rows: usize) -> ArrayRef {
    if let DataType::Dictionary(_, values) = data_type {
        let values = column(rng, values, around, 9);
        let keys: Int16Array = (0..rows).map(|_| rng.random_bool(0.9).then(|| rng.random_range(0..6))).collect();
        return Arc::new(DictionaryArray::new(keys, values));
    }
    let nulls = [0.0, 0.0, 0.2, 1.0][rng.random_range(0..4)];
    let some = |rng: &mut StdRng| !rng.random_bool(nulls);
    macro_rules! values {
        ($array:ty, $value:expr) => {
            Arc::new((0..rows).map(|_| some(rng).then(|| $value)).collect::<$array>()) as ArrayRef
        };
    }
    match data_type {
        DataType::Boolean => values!(BooleanArray, around % 3 == 0 || rng.random_bool(0.2)),
        DataType::Float64 => values!(Float64Array, float(rng, around)),
        DataType::Float32 => values!(Float32Array, float(rng, around) as f32),
        DataType::Utf8 => values!(StringArray, word(rng, around)),
        DataType::Utf8View => values!(StringViewArray, word(rng, around)),
        other => {
            let numbers = values!(Int64Array, around + rng.random_range(0..5));
            // Raw numbers for times; for decimals with digits behind the point.
            let numbers = if other.is_decimal() { arrow::compute::cast(&numbers, other).unwrap() } else { numbers };
            let wide = matches!(other, DataType::Date32);
            let numbers = if wide { arrow::compute::cast(&numbers, &DataType::Int32).unwrap() } else { numbers };
            arrow::compute::cast(&numbers, other).unwrap()
        }
    }
}

fn dataset_batches(rng: &mut StdRng, schema: &SchemaRef) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    for partition in 0..3 {
        for batch in 0..rng.random_range(1..4) {
            // A partition that begins without rows has no value in the index of a file.
            let rows = [0, 1, 7, 300][rng.random_range(if batch == 0 { 1 } else { 0 }..4)];
            let around = i64::from(partition) * 4 + batch;
            let columns = schema.fields().iter().map(|field| match field.name().as_str() {
                "partition" => Arc::new(Int32Array::from(vec![partition; rows])) as ArrayRef,
                _ => column(rng, field.data_type(), around, rows),
            });
            batches.push(RecordBatch::try_new(schema.clone(), columns.collect()).unwrap());
        }
    }
    batches
}

const COMPARISONS: [Comparison; 6] = [
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::Less,
    Comparison::LessOrEqual,
    Comparison::Greater,
    Comparison::GreaterOrEqual,
];

/// A literal for a column: often one of its values, or close to one.
fn literal(rng: &mut StdRng, data_type: &DataType) -> (Literal, Cell) {
    let around = rng.random_range(-1..13);
    match data_type {
        DataType::Dictionary(_, values) => literal(rng, values),
        DataType::Boolean => {
            let value = rng.random_bool(0.5);
            (value.into(), Cell::Bool(value))
        }
        DataType::Float32 | DataType::Float64 => {
            let value = float(rng, around);
            (value.into(), Cell::Float(value))
        }
        DataType::Utf8 | DataType::Utf8View => {
            let value = word(rng, around);
            (value.as_str().into(), Cell::Text(value.into_bytes()))
        }
        _ => {
            let scale = rng.random_range(0..4);
            let fraction = if rng.random_bool(0.7) { 0 } else { rng.random_range(-9..10) };
            let far = [0, 0, 0, 0, 0, 300, -300, 1 << 70, -(1 << 70)][rng.random_range(0..9)];
            let value = (i128::from(around) + far) * 10i128.pow(scale) + fraction;
            (Literal::Number(text(value, scale)), Cell::Exact(value, scale))
        }
    }
}

/// A predicate, and the same in the plainest terms.
type Plain = Box<dyn Fn(&Cell) -> bool>;

fn predicate(rng: &mut StdRng, schema: &SchemaRef) -> (Predicate, Plain) {
    let field = schema.field(rng.random_range(0..schema.fields().len()));
    let (condition, plain): (Condition, Plain) = match rng.random_range(0..10) {
        0 => (Condition::IsNull, Box::new(|cell| matches!(cell, Cell::Null))),
        1 => (Condition::IsNotNull, Box::new(|cell| !matches!(cell, Cell::Null))),
        2 => {
            let (literals, cells): (Vec<_>, Vec<_>) =
                (0..rng.random_range(1..4)).map(|_| literal(rng, field.data_type())).unzip();
            (Condition::In(literals), Box::new(move |cell| cells.iter().any(|l| cell.passes(Comparison::Equal, l))))
        }
        _ => {
            let comparison = COMPARISONS[rng.random_range(0..6)];
            let (literal, value) = literal(rng, field.data_type());
            (Condition::Compare(comparison, literal), Box::new(move |cell| cell.passes(comparison, &value)))
        }
    };
    (Predicate { column: field.name().clone(), condition }, plain)
}

/// The rows of batches for which all predicates hold, of some columns.
fn plainly(batches: &[RecordBatch], predicates: &[(Predicate, Plain)], columns: &[usize]) -> RecordBatch {
    let schema = batches[0].schema();
    let all = arrow::compute::concat_batches(&schema, batches).unwrap();
    let holds = |row: usize| {
        predicates.iter().all(|(predicate, plain)| plain(&cell(all.column_by_name(&predicate.column).unwrap(), row)))
    };
    let mask: BooleanArray = (0..all.num_rows()).map(|row| Some(holds(row))).collect();
    arrow::compute::filter_record_batch(&all, &mask).unwrap().project(columns).unwrap()
}

/// One batch, dictionaries taken apart.
fn joined(schema: &SchemaRef, batches: impl Iterator<Item = RecordBatch>) -> RecordBatch {
    let batches: Vec<RecordBatch> = batches.map(|batch| flat(&batch)).collect();
    let schema = flat(&RecordBatch::new_empty(schema.clone())).schema();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

fn flat(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        let column = match column.data_type() {
            DataType::Dictionary(_, values) => arrow::compute::cast(column, values).unwrap(),
            _ => column.clone(),
        };
        (Field::new(field.name(), column.data_type().clone(), true), column)
    });
    let (fields, columns): (Vec<_>, Vec<_>) = columns.unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).unwrap()
}

#[test]
fn random_filters_keep_the_rows_that_a_plain_filter_keeps() {
    let directory = tempfile::tempdir().unwrap();
    let mut sums = Metrics::default();
    for seed in 0..cases(FILTERS) / PER_DATASET {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut fields = vec![Field::new("partition", DataType::Int32, false)];
        fields.extend(types().into_iter().enumerate().map(|(i, t)| Field::new(format!("c{i}"), t, true)));
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let batches = dataset_batches(&mut rng, &schema);
        let codec = [Codec::None, Codec::Lz4, Codec::Zstd][seed as usize % 3];
        let store: Arc<dyn Store> = Watched::new(memory());
        publish(&store, "d", batches.clone(), &compressed(codec)).unwrap();
        let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
        let path = directory.path().join(format!("{seed}.arrow"));
        crate::read_to_file(&dataset, &ReadOptions::default(), codec, &path, &Context::new()).unwrap();
        let file = Arc::new(IpcFile::open(&path, seed % 2 == 0).unwrap());
        for case in 0..PER_DATASET {
            let predicates: Vec<_> = (0..rng.random_range(1..4)).map(|_| predicate(&mut rng, &schema)).collect();
            let filter = Filter(predicates.iter().map(|(predicate, _)| predicate.clone()).collect());
            let mut columns: Vec<usize> = (0..schema.fields().len()).collect();
            columns.retain(|_| rng.random_bool(0.3) || case % 4 == 0);
            let expected = joined(
                &Arc::new(schema.project(&columns).unwrap()),
                [plainly(&batches, &predicates, &columns)].into_iter(),
            );
            let names: Vec<String> = columns.iter().map(|index| schema.field(*index).name().clone()).collect();
            let names = (case % 4 != 0).then_some(names);
            let options = ReadOptions { columns: names.clone(), filter: filter.clone(), ..ReadOptions::default() };
            let cost = [0, READ_COST_BYTES][rng.random_range(0..2)];
            let (read, metrics) =
                read_all(&dataset, &options, cost).unwrap_or_else(|e| panic!("{seed}: {filter}: {e}"));
            assert_eq!(metrics.rows, expected.num_rows() as u64, "{seed}: {filter}");
            assert!(read.iter().all(|batch| batch.data.num_rows() > 0));
            let found = joined(&Arc::new(schema.project(&columns).unwrap()), read.into_iter().map(|batch| batch.data));
            assert_eq!(found, expected, "{seed}: {filter}");
            sums.chunks_pruned += metrics.chunks_pruned;
            sums.bytes_pruned += metrics.bytes_pruned;
            sums.rows += metrics.rows;

            let options = FileReadOptions { columns: names, filter: filter.clone(), ..FileReadOptions::default() };
            let mut reader = read_file(&file, &options, &Context::new()).unwrap();
            let rows: usize = reader.by_ref().map(|batch| batch.unwrap().num_rows()).sum();
            assert_eq!(rows, expected.num_rows(), "{seed}: {filter} of a file");
            assert_eq!(reader.metrics().chunks_pruned, metrics.chunks_pruned, "{seed}: {filter} of a file");
        }
    }
    // That something was pruned, and something kept.
    assert!(sums.chunks_pruned > cases(FILTERS) && sums.rows > 10 * cases(FILTERS), "{sums:?}");
}

/// Ten chunks of one partition each, 5,000 rows: `a` counts on, `b` is scattered, `rest` is large.
fn counted() -> (Arc<Watched>, Dataset) {
    let watched = Watched::new(memory());
    let store: Arc<dyn Store> = watched.clone();
    let batches = (0..10i64).map(|chunk| {
        let rows = 5000;
        let a = Int64Array::from_iter_values((0..rows).map(|row| chunk * rows + row));
        // Odd chunks have only odd values, though their bounds tell nothing of it.
        let b = Int64Array::from_iter_values((0..rows).map(|row| 2 * (row * 7919 % 5000) + chunk % 2));
        let rest = StringArray::from_iter_values((0..rows).map(|row| format!("{:>40}", row * chunk)));
        RecordBatch::try_from_iter([
            ("a", Arc::new(a) as ArrayRef),
            ("b", Arc::new(b)),
            ("rest", Arc::new(rest)),
            ("partition", Arc::new(Int32Array::from(vec![chunk as i32; rows as usize]))),
        ])
        .unwrap()
    });
    publish(&store, "d", batches.collect(), &compressed(Codec::None)).unwrap();
    let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
    (watched, dataset)
}

#[test]
fn statistics_keep_chunks_from_being_touched() {
    let (watched, dataset) = counted();
    let payload = dataset.manifest().unwrap().payload_bytes() / 10;
    let options = |filter: &str| {
        let filter = crate::options::OptionValue::parse(filter).unwrap();
        ReadOptions { filter, ..ReadOptions::default() }
    };
    for (filter, rows, chunks) in [
        ("a >= 12000 AND a < 15000", 3000, 1),
        ("a >= 10000 AND a < 15000", 5000, 1),
        ("partition IN (3, 4, 99)", 10_000, 2),
        ("a IS NULL", 0, 0),
        ("a < -1e30", 0, 0),
        ("a > 1 AND partition = 2 AND rest IS NOT NULL", 5000, 1),
    ] {
        let before = watched.chunk_bytes.load(std::sync::atomic::Ordering::SeqCst);
        let (_, metrics) = read_all(&dataset, &options(filter), READ_COST_BYTES).unwrap();
        let bytes = watched.chunk_bytes.load(std::sync::atomic::Ordering::SeqCst) - before;
        assert_eq!((metrics.rows, metrics.chunks, metrics.chunks_pruned), (rows, chunks, 10 - chunks), "{filter}");
        assert_eq!((metrics.chunks_expected, metrics.payload_bytes), (chunks, bytes), "{filter}");
        assert!(metrics.bytes_pruned >= (10 - chunks) * (payload - 100), "{filter}");
        assert!(bytes <= chunks * (payload + 100), "{filter}: {bytes}");
    }
}

#[test]
fn the_columns_of_a_filter_come_first_where_that_saves_the_others() {
    let (watched, dataset) = counted();
    let whole = dataset.manifest().unwrap().payload_bytes();
    let read = |filter: &str| {
        let options = ReadOptions { filter: crate::options::OptionValue::parse(filter).unwrap(), ..columns(&["rest"]) };
        let before = watched.chunk_bytes.load(std::sync::atomic::Ordering::SeqCst);
        let (batches, metrics) = read_all(&dataset, &options, READ_COST_BYTES).unwrap();
        (batches, metrics, watched.chunk_bytes.load(std::sync::atomic::Ordering::SeqCst) - before)
    };
    // Every even value is in the five even chunks.
    let (batches, metrics, bytes) = read("b = 4712");
    assert_eq!(batches.iter().map(|batch| batch.data.num_rows()).collect::<Vec<_>>(), [1; 5]);
    assert_eq!((metrics.chunks, metrics.chunks_pruned), (10, 0));
    assert!(metrics.bytes_pruned > whole / 3, "the other half of the other columns: {metrics:?}");
    assert!(bytes < whole * 2 / 3, "{bytes} of {whole}");
    assert_eq!(batches[0].data.schema().fields().len(), 1);
    let (batches, metrics, bytes) = read("b = 4712 AND a = 7");
    assert_eq!((batches.len(), metrics.chunks_pruned), (0, 9));
    assert!(bytes < whole / 20, "{bytes} of {whole}");
}

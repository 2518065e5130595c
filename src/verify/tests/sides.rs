//! Whole comparisons: batch boundaries, schemas, partitions, errors, limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arrow::array::*;
use arrow::compute::interleave;
use arrow::datatypes::*;
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchIterator};
use rand::Rng;
use rand::rngs::StdRng;

use super::super::*;
use super::oracle::{Value, values};
use super::random::{array, generator, random_type};
use crate::error::{Error, ErrorKind};
use crate::options::Options;

type Batches = Vec<Result<RecordBatch>>;

fn reader(schema: SchemaRef, batches: Batches) -> BatchReader {
    let batches = batches.into_iter().map(|batch| batch.map_err(ArrowError::from));
    Box::new(RecordBatchIterator::new(batches, schema))
}

fn stream(name: &str, schema: &SchemaRef, batches: Batches) -> Arc<dyn VerifySide> {
    Arc::new(VerifyStream::new(name, reader(schema.clone(), batches)))
}

fn compare(left: Arc<dyn VerifySide>, right: Arc<dyn VerifySide>) -> VerifyReport {
    verify(left, right, &VerifyOptions::default(), &Context::new()).unwrap()
}

fn ints(name: &str, values: impl IntoIterator<Item = i64>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    RecordBatch::try_from_iter([(name, column)]).unwrap()
}

/// Two streams of one column, in batches as they are.
fn compare_ints(left: Vec<RecordBatch>, right: Vec<RecordBatch>) -> VerifyReport {
    let schema = ints("v", []).schema();
    let side = |name, batches: Vec<_>| stream(name, &schema, batches.into_iter().map(Ok).collect());
    compare(side("L", left), side("R", right))
}

/// Cuts rows into batches at random, some empty.
fn cut(rng: &mut StdRng, batch: &RecordBatch) -> Batches {
    let mut batches = Vec::new();
    let mut start = 0;
    while start < batch.num_rows() {
        let rows = rng.random_range(0..40).min(batch.num_rows() - start);
        batches.push(Ok(batch.slice(start, rows)));
        start += rows;
    }
    batches
}

#[test]
fn random_tables_in_random_batches() {
    for seed in 0..300 {
        let mut rng = generator(seed);
        let len = rng.random_range(0..300);
        let columns = rng.random_range(0..5);
        let share = [0.0, 0.0, 0.01, 0.3][rng.random_range(0..4)];
        let (mut left, mut right, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for column in 0..columns {
            let data_type = random_type(&mut rng, 2);
            let array_left = array(&mut rng, &data_type, len);
            let other = array(&mut rng, &data_type, len);
            let rows: Vec<_> = (0..len).map(|row| (usize::from(rng.random_bool(share)), row)).collect();
            let array_right = interleave(&[&array_left, &other], &rows).unwrap();
            let (left_values, right_values) = (values(&array_left), values(&array_right));
            if let Some(row) = (0..len).find(|row| left_values[*row] != right_values[*row]) {
                expected.push((format!("c{column}"), row as u64));
            }
            left.push((format!("c{column}"), array_left, true));
            right.push((format!("c{column}"), array_right, true));
        }
        if columns == 0 {
            continue;
        }
        let [left, right] = [left, right].map(|columns| RecordBatch::try_from_iter_with_nullable(columns).unwrap());
        let (left_batches, right_batches) = (cut(&mut rng, &left), cut(&mut rng, &right));
        let batches = (left_batches.len() as u64, right_batches.len() as u64);
        let report = compare(stream("L", &left.schema(), left_batches), stream("R", &right.schema(), right_batches));
        let found: Vec<_> = report.columns.iter().map(|d| (d.column.clone(), d.row)).collect();
        assert_eq!(found, expected, "seed {seed}");
        assert_eq!(report.identical, expected.is_empty(), "seed {seed}");
        assert_eq!((report.left.rows, report.right.rows), (len as u64, len as u64));
        assert_eq!((report.left.batches, report.right.batches), batches);
        assert_eq!(report.metrics.rows, len as u64);
        assert_eq!(report.metrics.chunks, batches.0 + batches.1);
        assert!(report.columns.iter().all(|d| d.left != d.right));
    }
}

#[test]
fn a_report_tells_everything() {
    let report = compare_ints(vec![ints("v", [1, 2]), ints("v", [3])], vec![ints("v", [1]), ints("v", [2, 4, 5])]);
    let side = |name: &str, rows, batches| SideReport {
        name: name.to_string(),
        rows,
        columns: 1,
        batches,
        payload_bytes: None,
    };
    let difference = ColumnDifference {
        column: "v".to_string(),
        partition: None,
        row: 2,
        left: "3".to_string(),
        right: "4".to_string(),
    };
    let metrics = report.metrics.clone();
    assert_eq!((metrics.rows, metrics.chunks, metrics.decoded_bytes), (3, 4, 7 * 8));
    assert!(metrics.total_seconds > 0.0);
    assert_eq!(report.differences(), ["L has 3 rows and R has 4", "column 'v' differs first in row 2: 3 and 4"]);
    assert_eq!(
        report,
        VerifyReport {
            identical: false,
            left: side("L", 3, 2),
            right: side("R", 4, 2),
            schema_differences: vec![],
            schema_notes: vec![],
            columns: vec![difference],
            partitions: vec![],
            metrics,
        }
    );
}

#[test]
fn rows_are_counted_to_the_end_of_the_longer_side() {
    let many = || (0..100).map(|i| ints("v", i * 10..i * 10 + 10)).collect::<Vec<_>>();
    let few = || vec![ints("v", 0..15)];
    for (left, right, rows) in [
        (many(), few(), (1000, 15)),
        (few(), many(), (15, 1000)),
        (vec![], many(), (0, 1000)),
        (many(), vec![ints("v", [])], (1000, 0)),
    ] {
        let report = compare_ints(left, right);
        assert_eq!((report.left.rows, report.right.rows), rows);
        assert!(!report.identical && report.columns.is_empty());
        assert_eq!(report.metrics.rows, rows.0.min(rows.1));
    }
}

#[test]
fn empty_sides_are_identical() {
    for (left, right) in [(vec![], vec![]), (vec![ints("v", [])], vec![]), (vec![], vec![ints("v", []); 3])] {
        assert!(compare_ints(left, right).identical);
    }
    // Rows without columns are still rows.
    let rows = |count| {
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(count));
        let schema = Arc::new(Schema::empty());
        let batch = RecordBatch::try_new_with_options(schema.clone(), vec![], &options).unwrap();
        stream("S", &schema, vec![Ok(batch)])
    };
    assert!(compare(rows(3), rows(3)).identical);
    assert!(!compare(rows(3), rows(4)).identical);
}

#[test]
fn columns_that_both_have_are_compared_whatever_else_differs() {
    let table = |columns: Vec<(&str, ArrayRef)>| {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        stream("S", &batch.schema(), vec![Ok(batch)])
    };
    let ints = |values: Vec<i32>| -> ArrayRef { Arc::new(Int32Array::from(values)) };
    let words = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let dictionary: ArrayRef = Arc::new(vec!["x", "y"].into_iter().collect::<DictionaryArray<Int8Type>>());
    let report = compare(
        table(vec![
            ("a", ints(vec![1, 2])),
            ("b", words(vec!["x", "y"])),
            ("c", ints(vec![5, 6])),
            ("d", ints(vec![0, 0])),
        ]),
        table(vec![("c", ints(vec![5, 7])), ("b", dictionary), ("a", ints(vec![1, 2]))]),
    );
    assert_eq!(
        report.schema_differences,
        [
            "column 'd' (Int32) is only in S",
            "the columns have another order: a, b, c in S, c, b, a in S",
            "column 'b' is Utf8 in S and Dictionary(Int8, Utf8) in S",
        ]
    );
    let found: Vec<_> = report.columns.iter().map(|d| (d.column.as_str(), d.row)).collect();
    assert_eq!(found, [("c", 1)]);
    assert!(!report.identical);
}

#[test]
fn nullability_and_metadata_are_noted_only() {
    let values: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let side = |name, field: Field, metadata: &[(&str, &str)]| {
        let metadata: std::collections::HashMap<_, _> =
            metadata.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let schema = Arc::new(Schema::new_with_metadata(vec![field], metadata));
        stream(name, &schema, vec![Ok(RecordBatch::try_new(schema.clone(), vec![values.clone()]).unwrap())])
    };
    let report = compare(
        side("L", Field::new("v", DataType::Int64, false), &[("k", "v")]),
        side("R", Field::new("v", DataType::Int64, true), &[]),
    );
    assert!(report.identical);
    assert_eq!(
        report.schema_notes,
        ["column 'v' is nullable in R and not in L", "the metadata of the schemas differs"]
    );
}

/// A side with partitions: pairs of a name and its batches.
struct Partitioned {
    name: &'static str,
    partitions: Vec<(&'static str, Vec<RecordBatch>)>,
    opened: AtomicUsize,
}

impl Partitioned {
    fn side(name: &'static str, partitions: Vec<(&'static str, Vec<RecordBatch>)>) -> Arc<Partitioned> {
        Arc::new(Partitioned { name, partitions, opened: AtomicUsize::new(0) })
    }

    fn reader(&self, batches: Vec<RecordBatch>) -> BatchReader {
        self.opened.fetch_add(1, Ordering::Relaxed);
        reader(ints("v", []).schema(), batches.into_iter().map(Ok).collect())
    }
}

impl VerifySide for Partitioned {
    fn name(&self) -> &str {
        self.name
    }

    fn open(&self) -> Result<BatchReader> {
        Ok(self.reader(self.partitions.iter().flat_map(|(_, batches)| batches.clone()).collect()))
    }

    fn partitions(&self, column: &str) -> Result<Vec<String>> {
        assert_eq!(column, "part");
        Ok(self.partitions.iter().map(|(name, _)| name.to_string()).collect())
    }

    fn open_partition(&self, column: &str, partition: &str) -> Result<BatchReader> {
        assert_eq!(column, "part");
        let found = self.partitions.iter().find(|(name, _)| *name == partition);
        let (_, batches) = found.ok_or_else(|| Error::not_found(format!("no partition {partition}")))?;
        Ok(self.reader(batches.clone()))
    }

    fn payload_bytes(&self) -> Option<u64> {
        Some(100)
    }
}

fn by_partition() -> VerifyOptions {
    let mut options = VerifyOptions::default();
    options.set("by_partition", "on").unwrap();
    options.set("partition_column", "part").unwrap();
    options
}

#[test]
fn partitions_may_come_in_any_order() {
    let left = vec![("0", vec![ints("v", 0..5), ints("v", 5..9)]), ("x", vec![ints("v", [7])]), ("2", vec![])];
    let right = vec![("2", vec![ints("v", [])]), ("x", vec![ints("v", [7])]), ("0", vec![ints("v", 0..9)])];
    let (left, right) = (Partitioned::side("L", left), Partitioned::side("R", right));
    let report = verify(left.clone(), right.clone(), &by_partition(), &Context::new()).unwrap();
    assert!(report.identical, "{report:?}");
    assert_eq!((report.left.rows, report.metrics.rows, report.metrics.payload_bytes), (10, 10, 200));
    assert_eq!((left.opened.load(Ordering::Relaxed), right.opened.load(Ordering::Relaxed)), (3, 3));
    assert!(!verify(left, right, &VerifyOptions::default(), &Context::new()).unwrap().identical);
}

#[test]
fn differences_by_partition_name_the_partition() {
    let left = vec![
        ("a", vec![ints("v", 0..9)]),
        ("b", vec![ints("v", [1, 2, 3])]),
        ("gone", vec![ints("v", 0..4)]),
        ("c", vec![ints("v", [1, 0])]),
    ];
    let right = vec![
        ("new", vec![ints("v", 0..2), ints("v", 0..4)]),
        ("c", vec![ints("v", [1, 1])]),
        ("b", vec![ints("v", [1]), ints("v", [5])]),
        ("a", vec![ints("v", 0..9)]),
    ];
    let (left, right) = (Partitioned::side("L", left), Partitioned::side("R", right));
    let report = verify(left, right, &by_partition(), &Context::new()).unwrap();
    assert!(!report.identical);
    assert_eq!((report.left.rows, report.right.rows, report.metrics.rows), (18, 19, 13));
    assert_eq!(
        report.differences(),
        [
            "partition b has 3 rows in L and 2 in R",
            "partition gone (4 rows) is only in L",
            "partition new (6 rows) is only in R",
            "L has 18 rows and R has 19",
            "column 'v' differs first in row 1 of partition b: 2 and 5",
        ]
    );
}

#[test]
fn sides_without_common_partitions_still_have_schemas() {
    for (left, right, identical) in [
        (vec![], vec![], true),
        (vec![("a", vec![ints("v", [1])])], vec![], false),
        (vec![], vec![("a", vec![])], false),
        (vec![("a", vec![])], vec![("b", vec![])], false),
    ] {
        let report =
            verify(Partitioned::side("L", left), Partitioned::side("R", right), &by_partition(), &Context::new())
                .unwrap();
        assert_eq!(report.identical, identical);
        assert_eq!((report.left.columns, report.right.columns), (1, 1));
        assert_eq!(report.schema_differences, Vec::<String>::new());
    }
}

#[test]
fn a_stream_has_no_partitions() {
    let schema = ints("v", []).schema();
    let error = verify(stream("L", &schema, vec![]), stream("R", &schema, vec![]), &by_partition(), &Context::new())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().starts_with("L: a stream cannot be compared by partition"), "{error}");
}

#[test]
fn an_error_of_either_side_comes_out_whole() {
    let schema = ints("v", []).schema();
    let gone = || Error::chunk_missing("chunk gone").at_chunk(3, 4).retryable(true);
    let good = || (0..50).map(|_| Ok(ints("v", 0..10))).collect::<Batches>();
    let bad = || {
        let mut batches = good();
        batches[20] = Err(gone());
        batches
    };
    for (left, right, name) in [(bad(), good(), "L"), (good(), bad(), "R"), (vec![], bad(), "R"), (bad(), vec![], "L")]
    {
        let sides = (stream("L", &schema, left), stream("R", &schema, right));
        let error = verify(sides.0, sides.1, &VerifyOptions::default(), &Context::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChunkMissing);
        assert_eq!((error.partition(), error.batch(), error.is_retryable()), (Some(3), Some(4), true));
        assert_eq!(error.message(), format!("{name}: chunk gone"));
    }
}

#[test]
fn a_batch_of_another_schema_is_corrupt() {
    let schema = ints("v", []).schema();
    let words: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let other = RecordBatch::try_from_iter([("v", words)]).unwrap();
    let batches = || vec![Ok(ints("v", [1])), Ok(other.clone())];
    let error = verify(
        stream("L", &schema, batches()),
        stream("R", &schema, batches()),
        &VerifyOptions::default(),
        &Context::new(),
    )
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(
        error.message(),
        "L: batch 1 is not of the schema that came first: column 'v' (Utf8) instead of 'v' (Int64)"
    );
}

/// A reader that gives a batch at each call, and calls something before.
struct Endless<F: FnMut(usize) + Send>(usize, F);

impl<F: FnMut(usize) + Send> Iterator for Endless<F> {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.1(self.0);
        self.0 += 1;
        Some(Ok(ints("v", 0..10)))
    }
}

impl<F: FnMut(usize) + Send> arrow::record_batch::RecordBatchReader for Endless<F> {
    fn schema(&self) -> SchemaRef {
        ints("v", []).schema()
    }
}

fn endless(before: impl FnMut(usize) + Send + 'static) -> Arc<dyn VerifySide> {
    Arc::new(VerifyStream::new("endless", Box::new(Endless(0, before))))
}

#[test]
fn cancel_and_deadline_end_it() {
    let context = Context::new();
    let token = context.cancel_token().clone();
    let cancelling = endless(move |batch| {
        if batch == 100 {
            token.cancel();
        }
    });
    let error = verify(cancelling, endless(|_| ()), &VerifyOptions::default(), &context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);

    // Also while one side has nothing to say for a long time.
    let context = Context::new().with_timeout(Duration::from_millis(30));
    let start = Instant::now();
    let silent = endless(|_| std::thread::sleep(Duration::from_secs(5)));
    let error = verify(silent, endless(|_| ()), &VerifyOptions::default(), &context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_panic_of_a_reader_is_an_error() {
    let panicking = endless(|batch| assert!(batch < 5, "enough"));
    let error = verify(endless(|_| ()), panicking, &VerifyOptions::default(), &Context::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.message().contains("enough"), "{error}");
}

#[test]
fn no_side_runs_ahead_of_the_other() {
    let ahead = Arc::new(AtomicUsize::new(0));
    let (fast, slow) = (ahead.clone(), ahead.clone());
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let context = Context::new();
    let token = context.cancel_token().clone();
    let left = endless(move |batch| {
        seen.fetch_max(batch.saturating_sub(fast.load(Ordering::SeqCst)), Ordering::SeqCst);
    });
    let right = endless(move |batch| {
        std::thread::sleep(Duration::from_millis(1));
        slow.store(batch, Ordering::SeqCst);
        if batch == 100 {
            token.cancel();
        }
    });
    verify(left, right, &VerifyOptions::default(), &context).unwrap_err();
    let most = most.load(Ordering::SeqCst);
    assert!(most <= 5, "one side was {most} batches ahead");
}

#[test]
fn long_columns_are_compared_in_parts() {
    let len = 5 * TASK_ROWS as i64 / 2;
    for at in [0, TASK_ROWS as i64 - 1, TASK_ROWS as i64, len - 1] {
        // From the first difference on, every row differs.
        let right = (0..len).map(|i| if i >= at { -1 } else { i });
        let report = compare_ints(vec![ints("v", 0..len)], vec![ints("v", right)]);
        let rows: Vec<_> = report.columns.iter().map(|d| (d.row, d.right.as_str())).collect();
        assert_eq!(rows, [(at as u64, "-1")]);
    }
}

#[test]
fn a_null_is_a_null_in_the_oracle_too() {
    assert_eq!(values(&Int8Array::from(vec![None, Some(1)])), [Value::Null, Value::Bytes(vec![1])]);
}

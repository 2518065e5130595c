//! `verify`: compares any two of file, dataset and stream.

use std::sync::Arc;

use arrowredis::{
    Context, FileReadOptions, IpcStreamReader, ReadOptions, SideReport, VerifyDataset, VerifyFile, VerifyOptions,
    VerifyReport, VerifySide, VerifyStream, verify,
};
use clap::{Arg, ArgGroup, ArgMatches, Command};
use serde_json::{Value, json};

use super::{described, no_manifest_flag, open_dataset};
use crate::args;
use crate::failure::Failure;
use crate::input::STANDARD;
use crate::output::{count, counted, megabytes, metrics_object, object, seconds};
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "Compare two files, datasets or streams";
const PARAGRAPH: &str = "Compare any two of file, dataset and stream: schema, number of rows, and every value bit by \
                          bit; how the rows are cut into batches does not matter. Reports every column that differs \
                          with its first differing row and both values; the exit status is then 1.\n\n\
                          A side is an Arrow IPC file by its path or by s3://BUCKET/KEY, - for an Arrow IPC stream on \
                          standard input, or dataset:PREFIX (the same as --dataset1 or --dataset2 PREFIX) for a \
                          dataset of the store.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis verify --file1 dataset.arrow --file2 reconstituted.arrow
  arrowredis verify --file1 dataset.arrow --dataset2 demo:v1 --redis-url redis://localhost:6379/0
  arrowredis verify --dataset1 demo:v1 --dataset2 demo:v2 --by-partition
  some-program | arrowredis verify --file1 dataset.arrow --file2 -";

/// What stands before the prefix where a dataset takes the place of a file.
const DATASET: &str = "dataset:";

pub fn command(command: Command) -> Command {
    let mut command = described(command, ABOUT, PARAGRAPH, EXAMPLES);
    let sides = [("side1", "file1", "dataset1", "first"), ("side2", "file2", "dataset2", "second")];
    for (side, file, dataset, which) in sides {
        let file_help = format!("The {which} side: a file, - for a stream on standard input, or dataset:PREFIX");
        command = command
            .arg(Arg::new(file).long(file).value_name("SIDE").help(file_help))
            .arg(Arg::new(dataset).long(dataset).value_name("PREFIX").help(format!("The {which} side: a dataset")))
            .group(ArgGroup::new(side).args([file, dataset]).required(true));
    }
    let command = args::with_options(command, &VerifyOptions::default(), "Comparison")
        .arg(args::value_flag::<u32>("batches", "Batches per partition, where neither manifest nor column tells", None))
        .arg(args::value_flag::<bool>("mmap", "Map files into memory rather than read them", Some("on")))
        .arg(no_manifest_flag())
        .arg(total_timeout_flag());
    args::with_s3(args::with_store(command))
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let options: VerifyOptions = args::options(matches)?;
    let sides = [Side::of(matches, "file1", "dataset1")?, Side::of(matches, "file2", "dataset2")?];
    if sides.iter().all(|side| matches!(side, Side::Stream)) {
        return Err(Failure::usage("standard input can be one side only"));
    }
    if options.by_partition && sides.iter().any(|side| matches!(side, Side::Stream)) {
        return Err(Failure::usage("a stream cannot be compared by partition: write it to a file first"));
    }
    let files = sides.iter().all(|side| matches!(side, Side::File(_)));
    let what = if files { "Arrow files" } else { "Arrow data" };
    let ctx = session.context(matches)?;
    let [left, right] = sides.map(|side| side.open(matches, session, &ctx));
    session.output.say(format!("🔍 Verifying {what}..."))?;
    let (left, right) = (left?, right?);
    let report = session.watch("Verifying", &ctx, || verify(left, right, &options, &ctx));
    let report = report.map_err(Failure::of_input)?;
    session.output.say(text(&report, files))?;
    Ok(Outcome { differs: !report.identical, ..object(describe(&report)).into() })
}

/// One of the two things to compare.
enum Side {
    File(String),
    Dataset(String),
    Stream,
}

impl Side {
    fn of(matches: &ArgMatches, file: &str, dataset: &str) -> Result<Side, Failure> {
        let named = |prefix: &str| {
            arrowredis::check_prefix(prefix)?;
            Ok(Side::Dataset(prefix.to_string()))
        };
        match matches.get_one::<String>(dataset) {
            Some(prefix) => named(prefix),
            None => match args::text(matches, file) {
                STANDARD => Ok(Side::Stream),
                side => match side.strip_prefix(DATASET) {
                    Some(prefix) => named(prefix),
                    None => Ok(Side::File(side.to_string())),
                },
            },
        }
    }

    fn open(self, matches: &ArgMatches, session: &Session, ctx: &Context) -> Result<Arc<dyn VerifySide>, Failure> {
        let batches = args::value::<u32>(matches, "batches")?;
        args::check_batches(batches)?;
        match self {
            Side::File(path) => {
                let mmap = args::value(matches, "mmap")?.unwrap_or(true);
                let file = args::open_file(matches, session, &path, mmap, ctx)?;
                let options = FileReadOptions { batches, ..FileReadOptions::default() };
                Ok(Arc::new(VerifyFile::new(file, options, ctx)))
            }
            Side::Dataset(prefix) => {
                let store = args::open_store(matches, session)?;
                let dataset = open_dataset(matches, session, &store, &prefix, batches, ctx)?;
                let options = ReadOptions { batches, ..ReadOptions::default() };
                Ok(Arc::new(VerifyDataset::new(dataset, options, ctx)))
            }
            Side::Stream => {
                let reader = IpcStreamReader::new("standard input", Box::new(session.stdin(matches)?))?;
                Ok(Arc::new(VerifyStream::new("standard input", Box::new(reader))))
            }
        }
    }
}

fn text(report: &VerifyReport, files: bool) -> String {
    let side = |name: &str, side: &SideReport| {
        let size = side.payload_bytes.map_or(String::new(), |bytes| format!("{}, ", megabytes(bytes)));
        let (rows, columns) = (counted(side.rows, "row"), counted(side.columns as u64, "column"));
        format!("   {name}: {} ({size}{rows}, {columns})\n", side.name)
    };
    let name = if files { "File" } else { "Side" };
    let what = if files { "FILES" } else { "BOTH SIDES" };
    let mut text = side(&format!("{name} 1"), &report.left) + &side(&format!("{name} 2"), &report.right);
    if report.identical {
        text += &format!(
            "\n✅ {what} ARE IDENTICAL!\n   Schema: {}\n   Rows: {}",
            counted(report.left.columns as u64, "column"),
            count(report.left.rows)
        );
    } else {
        text += &format!("\n❌ {what} DIFFER");
        for difference in report.differences() {
            text += &format!("\n   {difference}");
        }
    }
    for note in &report.schema_notes {
        text += &format!("\n   Note: {note}");
    }
    text + &format!(
        "\n   Time: {}, {} rows/s",
        seconds(report.metrics.total_seconds),
        count(report.metrics.rows_per_second() as u64)
    )
}

fn describe(report: &VerifyReport) -> Value {
    let side = |side: &SideReport| {
        json!({
            "name": side.name,
            "rows": side.rows,
            "columns": side.columns,
            "batches": side.batches,
            "payload_bytes": side.payload_bytes,
        })
    };
    let columns = report.columns.iter().map(|difference| {
        json!({
            "column": difference.column,
            "partition": difference.partition,
            "row": difference.row,
            "left": difference.left,
            "right": difference.right,
        })
    });
    let partitions = report.partitions.iter().map(|difference| {
        json!({
            "partition": difference.partition,
            "left_rows": difference.left_rows,
            "right_rows": difference.right_rows,
        })
    });
    let mut members = metrics_object(&report.metrics);
    members.extend(object(json!({
        "identical": report.identical,
        "left": side(&report.left),
        "right": side(&report.right),
        "differences": report.differences(),
        "schema_differences": report.schema_differences,
        "schema_notes": report.schema_notes,
        "columns": columns.collect::<Vec<_>>(),
        "partitions": partitions.collect::<Vec<_>>(),
    })));
    Value::Object(members)
}

//! `local-read`: partitions of an IPC file on this computer.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrowredis::{
    Codec, Context, FileReadOptions, IpcFile, IpcStreamReader, Metrics, Selection, read_file, read_file_to_file,
    read_file_to_stream,
};
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use super::described;
use super::read::consume;
use crate::args;
use crate::failure::Failure;
use crate::input::{STANDARD, Stdout};
use crate::output::{count, megabytes, metrics_object, object, throughput};
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "Read partitions of an Arrow IPC file on this computer";
const PARAGRAPH: &str = "Read and decode partitions of an Arrow IPC file on this computer and report the figures: the \
                          baseline for reading from a store. Only the wanted partitions are touched. The file is \
                          mapped, so that uncompressed columns are used where they lie; nobody may truncate it meanwhile.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis local-read --inp dataset.arrow --partitions 0,1,2
  arrowredis local-read --inp dataset.arrow --columns id64,str_c --where \"float64_c > 3\"
  arrowredis local-read --inp dataset.arrow --partitions 7 --out seven.arrow --compression lz4
  arrowredis local-read --inp sales.arrow --partition-column country --partitions DE
  arrowredis read --prefix demo:v1 --out - | arrowredis local-read --inp -";

pub fn command(command: Command) -> Command {
    let inp = Arg::new("inp").long("inp").value_name("FILE").required(true);
    let inp = inp
        .help("The Arrow IPC file to read, or s3://BUCKET/KEY; - reads a whole Arrow IPC stream from standard input");
    let mapped = FileReadOptions { mmap: true, ..FileReadOptions::default() };
    with_reading(described(command, ABOUT, PARAGRAPH, EXAMPLES).arg(inp), &mapped)
}

/// Adds the flags that say what to read of a file, how, and whereto.
pub fn with_reading(command: Command, defaults: &FileReadOptions) -> Command {
    let out = Arg::new("out").long("out").value_name("FILE");
    let codec = "Compression of the file or stream that --out names";
    let command = command
        .arg(out.help("The Arrow IPC file to write; - writes an Arrow IPC stream to standard output"))
        .arg(args::value_flag::<Codec>("compression", codec, Some("zstd")));
    args::with_s3(args::with_options(command, defaults, "Reading").arg(total_timeout_flag()))
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    match args::text(matches, "inp") {
        STANDARD => run_stream(matches, session),
        inp => run_file(matches, session, inp),
    }
}

fn run_stream(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let options: FileReadOptions = args::options(matches)?;
    let all = options.partitions == Selection::All && options.columns.is_none() && options.filter.is_empty();
    if !all || matches.contains_id("out") {
        return Err(Failure::usage(
            "a stream is read as a whole: --partitions, --columns, --where and --out need a file",
        ));
    }
    let ctx = session.context(matches)?;
    let stdin = session.stdin(matches)?;
    let metrics = session.watch("Reading", &ctx, || consume_stream(Box::new(stdin)))?;
    let text = format!("\n✅ Read {} rows from local file\n{}", count(metrics.rows), throughput(&metrics));
    session.output.say(text)?;
    let mut members = metrics_object(&metrics);
    members.extend(object(json!({ "inp": STANDARD, "file_bytes": null, "mmap": options.mmap })));
    Ok(members.into())
}

/// Reads a file, wherever it lies, and reports.
pub fn run_file(matches: &ArgMatches, session: &Session, location: &str) -> Result<Outcome, Failure> {
    let options: FileReadOptions = args::options(matches)?;
    args::check_batches(options.batches)?;
    let codec: Codec = args::value(matches, "compression")?.unwrap_or(Codec::Zstd);
    let out = matches.get_one::<String>("out").map(String::as_str);
    let place = if location.starts_with("s3://") { "S3" } else { "local" };
    let ctx = session.context(matches)?;
    let work = || -> Result<_, Failure> {
        let file = args::open_file(matches, session, location, options.mmap, &ctx)?;
        let read = read_all(&file, &options, codec, out, &ctx)?;
        Ok((file, read))
    };
    let (file, (metrics, written_bytes)) = session.watch(&format!("Reading from {place}"), &ctx, work)?;
    let place = if place == "S3" { "S3" } else { "local file" };
    let mut text = format!("\n✅ Read {} rows from {place}", count(metrics.rows));
    let (read, whole) = (megabytes(metrics.payload_bytes), megabytes(file.file_bytes()));
    text += &format!("\n   Batches: {}; {read} of {whole}", count(metrics.chunks));
    if let (Some(out), Some(bytes)) = (out, written_bytes) {
        text += &format!("\n   💾 Saved to {out} ({}, compression={codec})", megabytes(bytes));
    }
    text += &format!("\n{}", throughput(&metrics));
    session.output.say(text)?;
    let mut members = metrics_object(&metrics);
    members.extend(object(json!({
        "inp": file.name(),
        "file_bytes": file.file_bytes(),
        "mmap": options.mmap,
        "out": out,
        "written_bytes": written_bytes,
    })));
    Ok(members.into())
}

fn read_all(
    file: &Arc<IpcFile>,
    options: &FileReadOptions,
    codec: Codec,
    out: Option<&str>,
    ctx: &Context,
) -> Result<(Metrics, Option<u64>), Failure> {
    let report = match out {
        None => return Ok((consume(read_file(file, options, ctx).map_err(Failure::of_input)?)?, None)),
        Some(STANDARD) => {
            let mut stdout = Stdout::new()?;
            read_file_to_stream(file, options, codec, &mut stdout, ctx).map_err(|e| stdout.failure(e))?
        }
        Some(path) => read_file_to_file(file, options, codec, Path::new(path), ctx).map_err(Failure::of_input)?,
    };
    Ok((report.metrics, Some(report.file_bytes)))
}

fn consume_stream(stdin: Box<crate::input::Stdin>) -> Result<Metrics, Failure> {
    let started = Instant::now();
    let mut metrics = Metrics::default();
    for batch in IpcStreamReader::new("standard input", stdin)? {
        let batch = batch.map_err(arrowredis::Error::from)?;
        metrics.rows += batch.num_rows() as u64;
        metrics.chunks += 1;
        metrics.decoded_bytes += batch.get_array_memory_size() as u64;
    }
    metrics.total_seconds = started.elapsed().as_secs_f64();
    Ok(metrics)
}

//! `local-read`: partitions of an IPC file on this computer.

use arrowredis::{Context, FileReadOptions, IpcFile, IpcStreamReader, Metrics, Selection, read_file};
use std::sync::Arc;
use std::time::Instant;

use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use super::described;
use super::read::consume;
use crate::args;
use crate::failure::Failure;
use crate::input::STANDARD;
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
  arrowredis local-read --inp sales.arrow --partition-column country --partitions DE
  arrowredis read --prefix demo:v1 --out - | arrowredis local-read --inp -";

pub fn command(command: Command) -> Command {
    let inp = Arg::new("inp").long("inp").value_name("FILE").required(true);
    let command = described(command, ABOUT, PARAGRAPH, EXAMPLES)
        .arg(inp.help("The Arrow IPC file to read; - reads a whole Arrow IPC stream from standard input"));
    let mapped = FileReadOptions { mmap: true, ..FileReadOptions::default() };
    args::with_options(command, &mapped, "Reading").arg(total_timeout_flag())
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let options: FileReadOptions = args::options(matches)?;
    args::check_batches(options.batches)?;
    let inp = args::text(matches, "inp");
    let ctx = session.context(matches)?;
    let (metrics, file_bytes) = if inp == STANDARD {
        if options.partitions != Selection::All || options.columns.is_some() || !options.filter.is_empty() {
            return Err(Failure::usage("a stream is read as a whole: --partitions, --columns and --where need a file"));
        }
        let stdin = session.stdin(matches)?;
        (session.watch("Reading", &ctx, || consume_stream(Box::new(stdin)))?, None)
    } else {
        let file = Arc::new(IpcFile::open(inp, options.mmap).map_err(Failure::of_input)?);
        let file_bytes = file.file_bytes();
        (session.watch("Reading from local", &ctx, || read_local(&file, &options, &ctx))?, Some(file_bytes))
    };
    let mut text = format!("\n✅ Read {} rows from local file", count(metrics.rows));
    if let Some(bytes) = file_bytes {
        let read = megabytes(metrics.payload_bytes);
        text += &format!("\n   Batches: {}; {read} of {}", count(metrics.chunks), megabytes(bytes));
    }
    text += &format!("\n{}", throughput(&metrics));
    session.output.say(text)?;
    let mut members = metrics_object(&metrics);
    members.extend(object(json!({ "inp": inp, "file_bytes": file_bytes, "mmap": options.mmap })));
    Ok(members.into())
}

fn read_local(file: &Arc<IpcFile>, options: &FileReadOptions, ctx: &Context) -> Result<Metrics, Failure> {
    consume(read_file(file, options, ctx).map_err(Failure::of_input)?)
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

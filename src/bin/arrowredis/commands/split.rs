//! `split`: a file or a stream into a store.

use arrowredis::{Source, SplitOptions, split};
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use super::described;
use crate::args;
use crate::failure::Failure;
use crate::input::STANDARD;
use crate::output::{count, counted, megabytes, metrics_object, object, throughput};
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "Publish an Arrow IPC file or stream as a dataset";
const PARAGRAPH: &str = "Publish an Arrow IPC file or stream as a dataset: one chunk for each record batch, under the \
                          key PREFIX:{part=00000}:batch=00000, and a manifest, which is written last. Batches that \
                          have the wanted compression are copied as they are. With --versioned the chunks of each upload \
                          have keys of their own, PREFIX@UPLOADID:{part=00000}:batch=00000, and a dataset that exists \
                          is replaced in one moment, while its readers keep what they opened. Ctrl-C removes what \
                          was written.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis split --inp dataset.arrow --redis-url redis://localhost:6379/0 --prefix demo:v1
  arrowredis split --inp dataset.arrow --prefix demo:v1 --compression lz4 --overwrite
  arrowredis split --inp tonight.arrow --prefix prices --versioned --grace-period 10m
  arrowredis split --inp sales.arrow --prefix sales --partition-column country --repartition
  arrowredis split --inp plain.arrow --prefix plain --batches 16
  arrowredis split --inp s3://my-bucket/dataset.arrow --prefix demo:v1
  some-program | arrowredis split --inp - --store file:///srv/cache --prefix live";

pub fn command(command: Command) -> Command {
    let inp = Arg::new("inp").long("inp").value_name("FILE").required(true);
    let command = described(command, ABOUT, PARAGRAPH, EXAMPLES)
        .arg(
            inp.help("The Arrow IPC file to read, or s3://BUCKET/KEY; - reads an Arrow IPC stream from standard input"),
        )
        .arg(args::prefix_flag());
    let command = args::with_options(command, &SplitOptions::default(), "Dataset").arg(total_timeout_flag());
    args::with_s3(args::with_store(command))
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let options: SplitOptions = args::options(matches)?;
    args::check_batches(options.batches)?;
    let prefix = args::prefix(matches)?;
    let store = args::open_store(matches, session)?;
    let inp = args::text(matches, "inp");
    let ctx = session.context(matches)?;
    let mut file_bytes = None;
    let source = if inp == STANDARD {
        Source::Stream(Box::new(session.stdin(matches)?))
    } else {
        // A mapped file is read without a copy; the pages are not ours to account for.
        let file = args::open_file(matches, session, inp, true, &ctx)?;
        file_bytes = Some(file.file_bytes());
        Source::File(file)
    };
    let report = session.watch("Uploading", &ctx, || split(source, &store, prefix, &options, &ctx));
    let report = report.map_err(Failure::of_input)?;
    let metrics = &report.metrics;
    let base = if options.versioned { format!("{prefix}@{}", report.upload_id) } else { prefix.to_string() };
    let mut text = format!(
        "\n✅ Stored {} to {} under '{base}:'\n   Keys use hash tag {{part=XXXXX}}\n   Partitions: {}",
        counted(metrics.chunks, "chunk"),
        store.describe(),
        count(report.partitions)
    );
    text += &match report.chunks_copied {
        copied if copied == metrics.chunks => "; all chunks copied as they were".to_string(),
        copied => format!("; {} of {} chunks copied as they were", count(copied), count(metrics.chunks)),
    };
    if let Some(bytes) = file_bytes {
        text += &format!("\n   File size: {}", megabytes(bytes));
    }
    text += &format!("\n   Payload: {}, compression {}", megabytes(metrics.payload_bytes), options.compression);
    text += &format!("\n   Upload id: {}", report.upload_id);
    if let Some(replaced) = &report.replaced {
        text += &format!("\n   Replaced: {replaced}");
    }
    text += &format!("\n{}", throughput(metrics));
    session.output.say(text)?;
    let mut members = metrics_object(metrics);
    members.extend(object(json!({
        "inp": inp,
        "store": store.describe(),
        "prefix": prefix,
        "file_bytes": file_bytes,
        "upload_id": report.upload_id,
        "partitions": report.partitions,
        "chunks_copied": report.chunks_copied,
        "replaced": report.replaced,
        "warnings": report.warnings,
        "compression": options.compression.to_string(),
    })));
    Ok(members.into())
}

//! `gen`: a test dataset into a file or a stream.

use std::path::Path;

use arrowredis::{GenerateOptions, generate_file, generate_to_stream};
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use super::described;
use crate::args;
use crate::failure::Failure;
use crate::input::{STANDARD, Stdout};
use crate::output::{count, megabytes, metrics_object, object, throughput};
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "Generate a partitioned test dataset";
const PARAGRAPH: &str = "Generate a partitioned test dataset with ten columns of different types into an Arrow IPC \
                          file or stream. The same options and seed give the same bytes, whatever the number of workers.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis gen --out dataset.arrow
  arrowredis gen --out dataset.arrow --partitions 32 --batches 16 --rows 100000 --dict-strings --seed 42
  arrowredis gen --out - --rows 1000 | arrowredis split --inp - --prefix demo:v1";

pub fn command(command: Command) -> Command {
    let out = Arg::new("out").long("out").value_name("FILE").required(true);
    let command = described(command, ABOUT, PARAGRAPH, EXAMPLES)
        .arg(out.help("The file to write; - writes an Arrow IPC stream to standard output"));
    args::with_options(command, &GenerateOptions::default(), "Dataset").arg(total_timeout_flag())
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let options: GenerateOptions = args::options(matches)?;
    let out = args::text(matches, "out");
    let ctx = session.context(matches)?;
    let report = session.watch("Generating batches", &ctx, || match out {
        STANDARD => {
            let mut stdout = Stdout::new()?;
            generate_to_stream(&mut stdout, &options, &ctx).map_err(|e| stdout.failure(e))
        }
        path => Ok(generate_file(Path::new(path), &options, &ctx)?),
    })?;
    session.output.say(format!(
        "\n✅ Wrote {out}\n   Partitions: {} × Batches: {} × Rows: {}\n   File size: {}\n{}",
        count(options.partitions.into()),
        count(options.batches.into()),
        count(options.rows.into()),
        megabytes(report.file_bytes),
        throughput(&report.metrics)
    ))?;
    let mut members = metrics_object(&report.metrics);
    members.extend(object(json!({
        "out": out,
        "file_bytes": report.file_bytes,
        "partitions": options.partitions,
        "compression": options.compression.to_string(),
    })));
    Ok(members.into())
}

//! `read`: partitions of a dataset, into memory, a file or a stream.

use std::path::Path;
use std::time::Instant;

use arrowredis::{Codec, Context, Dataset, Metrics, ReadOptions, Reader, read, read_to_file, read_to_stream};
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use super::{described, no_manifest_flag, open_dataset};
use crate::args;
use crate::failure::Failure;
use crate::input::{STANDARD, Stdout};
use crate::output::{count, counted, megabytes, metrics_object, object, seconds, throughput};
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "Read partitions of a dataset";
const PARAGRAPH: &str = "Read partitions of a dataset, ordered by partition and batch. With --out they are written to \
                          an Arrow IPC file or stream, and chunks that have its compression are copied as they are. \
                          Without --out everything is fetched and decoded, and the figures are reported.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis read --redis-url redis://localhost:6379/0 --prefix demo:v1 --partitions 0,1,2
  arrowredis read --prefix demo:v1 --partitions all --out copy.arrow --compression zstd
  arrowredis read --prefix sales --partitions DE,FR --columns day,amount --out - | some-program
  arrowredis read --prefix sales --columns amount --where \"day >= '2026-01-01'\" --where \"country IN ('DE', 'FR')\"
  arrowredis read --prefix old --partitions all --batches 16 --no-manifest    data of other writers";

pub fn command(command: Command) -> Command {
    let out = Arg::new("out").long("out").value_name("FILE");
    let codec = "Compression of the file or stream that --out names";
    let command = described(command, ABOUT, PARAGRAPH, EXAMPLES)
        .arg(args::prefix_flag())
        .arg(out.help("The Arrow IPC file to write; - writes an Arrow IPC stream to standard output"))
        .arg(args::value_flag::<Codec>("compression", codec, Some("zstd")))
        .arg(no_manifest_flag());
    let command = args::with_options(command, &ReadOptions::default(), "Reading").arg(total_timeout_flag());
    args::with_store(command)
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let options: ReadOptions = args::options(matches)?;
    args::check_batches(options.batches)?;
    let codec: Codec = args::value(matches, "compression")?.unwrap_or(Codec::Zstd);
    let prefix = args::prefix(matches)?;
    let out = matches.get_one::<String>("out").map(String::as_str);
    let store = args::open_store(matches, session)?;
    let ctx = session.context(matches)?;
    let opening = Instant::now();
    let dataset = open_dataset(matches, session, &store, prefix, options.batches, &ctx)?;
    let open_seconds = opening.elapsed().as_secs_f64();
    let (metrics, file_bytes) = session.watch("Reading", &ctx, || read_all(&dataset, &options, codec, out, &ctx))?;

    let mut text = found(&dataset)?;
    text += &format!(
        "Fetched {}/{} present chunks in {}; parsed in {}; rows={}",
        count(metrics.chunks),
        count(metrics.chunks_expected),
        seconds(metrics.fetch_seconds),
        seconds(metrics.decode_seconds),
        count(metrics.rows)
    );
    if metrics.chunks_skipped > 0 {
        text += &format!("\n⚠️  {} missing chunks skipped", count(metrics.chunks_skipped));
    }
    if let (Some(out), Some(bytes)) = (out, file_bytes) {
        text += &format!("\n\n✅ Read {} rows from {}", count(metrics.rows), store.describe());
        text += &format!("\n   💾 Saved to {out} ({}, compression={codec})", megabytes(bytes));
    }
    text += &format!("\n{}", throughput(&metrics));
    session.output.say(text)?;
    let mut members = metrics_object(&metrics);
    members.extend(object(json!({
        "store": store.describe(),
        "prefix": prefix,
        "upload_id": dataset.manifest().map(|manifest| manifest.upload_id()),
        "out": out,
        "open_seconds": open_seconds,
        "file_bytes": file_bytes,
    })));
    Ok(members.into())
}

/// A line about the partitions that there are, where the manifest tells.
fn found(dataset: &Dataset) -> Result<String, Failure> {
    const SHOWN: usize = 16;
    let Some(manifest) = dataset.manifest() else { return Ok(String::new()) };
    let partitions = manifest.partitions()?;
    let name = |(id, value): &(u32, Option<String>)| value.clone().unwrap_or_else(|| id.to_string());
    let mut names: Vec<String> = partitions.iter().take(SHOWN).map(name).collect();
    if partitions.len() > SHOWN {
        names.push("…".to_string());
    }
    Ok(format!("Found {}: [{}]\n", counted(partitions.len() as u64, "partition"), names.join(", ")))
}

fn read_all(
    dataset: &Dataset,
    options: &ReadOptions,
    codec: Codec,
    out: Option<&str>,
    ctx: &Context,
) -> Result<(Metrics, Option<u64>), Failure> {
    let report = match out {
        None => return Ok((consume(read(dataset, options, ctx)?)?, None)),
        Some(STANDARD) => {
            let mut stdout = Stdout::new()?;
            read_to_stream(dataset, options, codec, &mut stdout, ctx).map_err(|e| stdout.failure(e))?
        }
        Some(path) => read_to_file(dataset, options, codec, Path::new(path), ctx)?,
    };
    Ok((report.metrics, Some(report.file_bytes)))
}

/// Takes every batch and drops it; the figures are what is left.
pub fn consume(mut reader: Reader) -> Result<Metrics, Failure> {
    while let Some(batch) = reader.next_batch() {
        batch?;
    }
    Ok(reader.metrics())
}

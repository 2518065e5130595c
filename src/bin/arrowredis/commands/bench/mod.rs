//! `bench`: the benchmark suite.

mod limits;
mod measure;
mod plot;
mod report;
mod results;
mod s3_wire;
mod sizes;
mod stages;
mod suite;
mod text;
mod wire;

use std::path::{Path, PathBuf};

use arrowredis::options::Options;
use arrowredis::store::S3Options;
use arrowredis::{Codec, Error, ReadOptions, SplitOptions};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::Value;

use super::described;
use crate::args;
use crate::failure::Failure;
use crate::session::{Outcome, Session, total_timeout_flag};
use sizes::Size;
use stages::Tuning;
use suite::{Places, Suite};

const ABOUT: &str = "Measure everything: generate, split, read, projection, local files, limits";
const PARAGRAPH: &str = "Measure every stage on datasets of the usual sizes, in interleaved rounds, with medians and \
                          quartiles, beside what the wire and the processor allow. Without a store it measures the \
                          embedded one, a directory. With --s3-bucket the file is uploaded to S3 and read from there, \
                          too: local file, store and S3 side by side. A size that fails does not stop the others. What it makes it \
                          removes, unless --no-cleanup.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis bench --redis-url redis://localhost:6379/0
  arrowredis bench --size 250mb --verify --output-json results.json
  arrowredis bench --size all --repeats 5 --report report.html
  arrowredis bench --size 50mb --all-stores --compression lz4
  arrowredis bench --size 250mb --redis-url redis://localhost --s3-bucket my-bucket --aws-region eu-west-1";

pub fn command(command: Command) -> Command {
    let text = |key: &'static str, help: &'static str| Arg::new(key).long(key).help(help);
    let switch = |key: &'static str, help: &'static str| text(key, help).action(ArgAction::SetTrue);
    let command = described(command, ABOUT, PARAGRAPH, EXAMPLES)
        .arg(
            text("size", "50mb, 250mb, 512mb, 1gb, all; or tiny, to try it out")
                .value_name("SIZE")
                .default_value("all"),
        )
        .arg(switch("verify", "Read everything back into a file and compare it with the original"))
        .arg(text("output-json", "Write the results to this file").value_name("FILE"))
        .arg(text("report", "Write a page with plots to this file").value_name("FILE.html"))
        .arg(switch("no-cleanup", "Keep the generated files and the datasets"))
        .arg(text("output-dir", "Folder for the generated files").value_name("DIR").default_value("./benchmark_data"))
        .arg(switch("all-stores", "Measure the embedded stores, directory and memory, beside the given one"))
        .arg(text("s3-bucket", "Upload to this bucket, too, and read from there").value_name("BUCKET"))
        .arg(
            text("s3-key-prefix", "What the names of the objects there start with")
                .value_name("PREFIX")
                .default_value("arrowredis-bench"),
        )
        .arg(args::value_flag::<u64>("seed", "Seed of the random values", Some("42")))
        .arg(args::value_flag::<Codec>("compression", "Compression of files and chunks", Some("zstd")))
        .arg(args::value_flag::<u32>("repeats", "Measured rounds", Some("3")))
        .arg(args::value_flag::<u32>("warmup", "Rounds before them that do not count", Some("1")));
    let tuning = TUNING.iter().map(|(key, help)| args::value_flag::<usize>(key, help, None).help_heading("Tuning"));
    args::with_s3(args::with_store(command.args(tuning)))
        .arg(total_timeout_flag().help("Time for each stage; no limit unless given"))
}

/// The place on S3, if there is to be one.
fn s3(matches: &ArgMatches, session: &Session) -> Result<Option<(String, S3Options)>, Failure> {
    let Some(bucket) = matches.get_one::<String>("s3-bucket") else { return Ok(None) };
    let prefix = args::text(matches, "s3-key-prefix").trim_end_matches('/');
    let base = format!("s3://{bucket}/{}", args::encoded_key(prefix));
    Ok(Some((base, args::s3_options(matches, session)?)))
}

/// Options of reads and splits that the suite hands through.
const TUNING: [(&str, &str); 3] = [
    ("pipeline", "Keys of one request at the most; 0 means 64"),
    ("concurrency", "Requests in flight of a read at the most; 0 means tuned"),
    ("max_inflight", "Chunks that a split writes at once at the most"),
];

fn tuning(matches: &ArgMatches) -> Result<Tuning, Failure> {
    let compression = args::value(matches, "compression")?.unwrap_or(Codec::Zstd);
    let mut tuning = Tuning {
        read: ReadOptions::default(),
        split: SplitOptions { overwrite: true, compression, ..SplitOptions::default() },
    };
    for (key, _) in TUNING {
        let Some(value) = matches.get_one::<String>(key) else { continue };
        if ReadOptions::specs().iter().any(|spec| spec.key == key) {
            tuning.read.set(key, value)?;
        }
        if SplitOptions::specs().iter().any(|spec| spec.key == key) {
            tuning.split.set(key, value)?;
        }
    }
    Ok(tuning)
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let sizes = Size::named(args::text(matches, "size"))?;
    let folder = PathBuf::from(args::text(matches, "output-dir"));
    std::fs::create_dir_all(&folder)
        .map_err(|e| Error::from(e).context(format!("cannot make the folder '{}'", folder.display())))?;
    let suite = Suite {
        places: Places::open(matches, &folder, session)?,
        folder,
        tuning: tuning(matches)?,
        compression: args::value(matches, "compression")?.unwrap_or(Codec::Zstd),
        seed: args::value(matches, "seed")?.unwrap_or(42),
        repeats: args::value(matches, "repeats")?.unwrap_or(3).max(1),
        warmup: args::value(matches, "warmup")?.unwrap_or(1),
        verify: matches.get_flag("verify"),
        s3: s3(matches, session)?,
        keep: matches.get_flag("no-cleanup"),
        matches,
        session,
    };
    let folder = suite.folder.display().to_string();
    session.output.say(text::head(&suite.facts(), &folder, &sizes, suite.verify))?;
    let mut results = Vec::new();
    for size in &sizes {
        results.push(suite.measure(*size)?);
        if session.interrupted() {
            return Err(Failure::Failed(Error::cancelled("interrupted")));
        }
    }
    session.output.say(text::summary(&results, suite.places.main()))?;
    let object = suite.json(&results);
    let written = Value::Object(object.clone());
    if let Some(path) = matches.get_one::<String>("output-json") {
        write(Path::new(path), &format!("{written:#}\n"))?;
        session.output.say(format!("Results: {path}"))?;
    }
    if let Some(path) = matches.get_one::<String>("report") {
        write(Path::new(path), &report::page(&results, suite.places.main(), &suite.facts())?)?;
        session.output.say(format!("Report:  {path}"))?;
    }
    let failed: Vec<&str> = results.iter().filter(|r| r.failure.is_some()).map(|r| r.size.name).collect();
    if failed.is_empty() {
        return Ok(object.into());
    }
    let reason = results.iter().find_map(|result| result.failure.clone()).unwrap_or_default();
    let text = format!("{} of {} sizes failed ({}): {reason}", failed.len(), sizes.len(), failed.join(", "));
    Ok(Outcome { object, differs: false, failure: Some(Failure::Failed(Error::internal(text))) })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|e| Error::from(e).context(format!("cannot write '{}'", path.display())).into())
}

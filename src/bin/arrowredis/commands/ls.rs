//! `ls`: the datasets of a store.

use arrowredis::{DatasetSummary, list_datasets};
use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

use super::described;
use crate::args;
use crate::failure::Failure;
use crate::output::{count, counted, megabytes, object, table};
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "List the datasets of a store";
const PARAGRAPH: &str = "List the datasets of a store in the order of their names, those without a manifest included. \
                          All keys that start with START are looked at. Unlisted chunks are those of replaced versions in \
                          their grace period, and of uploads that are under way or dead (see gc).";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis ls --redis-url redis://localhost:6379/0
  arrowredis ls demo: --json";

pub fn command(command: Command) -> Command {
    let start = Arg::new("start").value_name("START").default_value("").hide_default_value(true);
    let command = described(command, ABOUT, PARAGRAPH, EXAMPLES);
    let command = command.arg(start.help("List only datasets whose names start with this")).arg(total_timeout_flag());
    args::with_store(command)
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let store = args::open_store(matches, session)?;
    let ctx = session.context(matches)?;
    let start = args::text(matches, "start");
    let datasets = list_datasets(&store, start, &ctx)?;
    session.output.show(match datasets.as_slice() {
        [] => format!("no datasets in {}", store.describe()),
        some => table(
            &["PREFIX", ">PARTITIONS", ">CHUNKS", ">ROWS", ">SIZE", "CREATED"],
            &some.iter().map(line).collect::<Vec<_>>(),
        ),
    })?;
    for dataset in &datasets {
        if let Some(problem) = &dataset.problem {
            session.warn(&format!("the manifest of '{}' cannot be used: {problem}", dataset.prefix));
        }
    }
    Ok(object(json!({
        "store": store.describe(),
        "datasets": datasets.iter().map(summary_object).collect::<Vec<_>>(),
        "total_seconds": ctx.metrics().total_seconds,
    }))
    .into())
}

fn line(dataset: &DatasetSummary) -> Vec<String> {
    let unknown = || "?".to_string();
    let mut created = match (&dataset.created_at, dataset.has_manifest) {
        (Some(created), _) => created.clone(),
        (None, true) => "(unusable manifest)".to_string(),
        (None, false) => "(no manifest)".to_string(),
    };
    if dataset.unlisted_chunks > 0 {
        created += &format!(" (+ {} unlisted)", counted(dataset.unlisted_chunks, "chunk"));
    }
    vec![
        dataset.prefix.clone(),
        count(dataset.partitions),
        count(dataset.chunks),
        dataset.rows.map_or_else(unknown, count),
        dataset.payload_bytes.map_or_else(unknown, megabytes),
        created,
    ]
}

pub fn summary_object(dataset: &DatasetSummary) -> Value {
    json!({
        "prefix": dataset.prefix,
        "manifest": dataset.has_manifest,
        "partitions": dataset.partitions,
        "chunks": dataset.chunks,
        "rows": dataset.rows,
        "payload_bytes": dataset.payload_bytes,
        "created_at": dataset.created_at,
        "unlisted_chunks": dataset.unlisted_chunks,
        "problem": dataset.problem,
    })
}

//! `gc`: what dead uploads left behind.

use arrowredis::{CollectedDataset, collect_garbage};
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use super::described;
use crate::args;
use crate::failure::Failure;
use crate::output::{count, counted, object, table};
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "Remove what dead uploads left behind";
const PARAGRAPH: &str = "Remove the chunks of uploads that died before they published, known by the lease that a dead \
                          writer leaves, and nothing else: chunks that a manifest lists are never touched. Where keys \
                          cannot expire, replaced versions go as well when their grace period is over. The lease of \
                          a dead writer ends by itself within 30 s; until then the dataset counts as in use.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis gc --redis-url redis://localhost:6379/0
  arrowredis gc demo: --json";

pub fn command(command: Command) -> Command {
    let start = Arg::new("start").value_name("START").default_value("").hide_default_value(true);
    let command = described(command, ABOUT, PARAGRAPH, EXAMPLES);
    let command = command.arg(start.help("Look only at datasets whose names start with this"));
    args::with_store(command.arg(total_timeout_flag()))
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let store = args::open_store(matches, session)?;
    let ctx = session.context(matches)?;
    let report = collect_garbage(&store, args::text(matches, "start"), &ctx)?;
    let chunks: u64 = report.collected.iter().map(|dataset| dataset.chunks).sum();
    let mut text = match report.collected.as_slice() {
        [] => format!("no dead uploads in {}", store.describe()),
        some => format!(
            "✅ Removed {} of dead uploads from {}\n\n{}",
            counted(chunks, "chunk"),
            store.describe(),
            table(&["PREFIX", ">UPLOADS", ">CHUNKS", ">VERSIONS IN GRACE"], &some.iter().map(line).collect::<Vec<_>>())
        ),
    };
    if !report.in_use.is_empty() {
        text += &format!("\n   In use by a writer: {}", report.in_use.join(", "));
    }
    session.output.show(text)?;
    let collected = report.collected.iter().map(|dataset| {
        json!({
            "prefix": dataset.prefix,
            "dead_uploads": dataset.dead_uploads,
            "chunks": dataset.chunks,
            "versions_in_grace": dataset.versions_in_grace,
        })
    });
    Ok(object(json!({
        "store": store.describe(),
        "chunks": chunks,
        "collected": collected.collect::<Vec<_>>(),
        "in_use": report.in_use,
        "total_seconds": ctx.metrics().total_seconds,
    }))
    .into())
}

fn line(dataset: &CollectedDataset) -> Vec<String> {
    vec![
        dataset.prefix.clone(),
        count(dataset.dead_uploads.len() as u64),
        count(dataset.chunks),
        count(dataset.versions_in_grace),
    ]
}

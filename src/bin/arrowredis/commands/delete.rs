//! `delete`: a dataset, and nothing else.

use std::io::{self, BufRead, IsTerminal, Write};

use arrowredis::delete_dataset;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use super::described;
use crate::args;
use crate::failure::Failure;
use crate::output::{counted, object};
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "Delete a dataset";
const PARAGRAPH: &str = "Delete a dataset: its manifest first, so that nobody sees half of it, then its chunks, \
                          published or not. Keys of other datasets are not touched. On a terminal it asks first.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis delete demo:v1 --redis-url redis://localhost:6379/0
  arrowredis delete demo:v1 --yes";

pub fn command(command: Command) -> Command {
    let yes = Arg::new("yes").long("yes").short('y').help("Do not ask").action(ArgAction::SetTrue);
    let command = described(command, ABOUT, PARAGRAPH, EXAMPLES);
    args::with_store(command.arg(args::prefix_place()).arg(yes).arg(total_timeout_flag()))
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let prefix = args::prefix(matches)?;
    let store = args::open_store(matches, session)?;
    if !matches.get_flag("yes") && !confirm(&format!("Delete dataset '{prefix}' in {}?", store.describe()))? {
        session.output.say("Nothing was deleted")?;
        return Ok(object(json!({ "prefix": prefix, "store": store.describe(), "chunks": 0 })).into());
    }
    let ctx = session.context(matches)?;
    let chunks = delete_dataset(&store, prefix, &ctx)?;
    session.output.say(format!("✅ Deleted '{prefix}' from {}: {}", store.describe(), counted(chunks, "chunk")))?;
    Ok(object(json!({
        "prefix": prefix,
        "store": store.describe(),
        "chunks": chunks,
        "total_seconds": ctx.metrics().total_seconds,
    }))
    .into())
}

/// Asks on the terminal.
fn confirm(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask on: confirm with --yes"));
    }
    let mut answer = String::new();
    let asked = write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stdin().lock().read_line(&mut answer));
    asked.map_err(arrowredis::Error::from)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

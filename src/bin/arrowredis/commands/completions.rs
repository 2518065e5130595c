//! `completions`: what shells need to complete our flags.

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use serde_json::json;

use super::described;
use crate::failure::Failure;
use crate::output::object;
use crate::session::{Outcome, Session};

const ABOUT: &str = "Print a script that completes commands and flags in a shell";
const PARAGRAPH: &str = "Print a script that makes a shell complete the commands and flags of arrowredis.";
const EXAMPLES: &str = "\
EXAMPLES:
  source <(arrowredis completions bash)
  arrowredis completions zsh > ~/.zfunc/_arrowredis
  arrowredis completions fish > ~/.config/fish/completions/arrowredis.fish";

pub fn command(command: Command) -> Command {
    let shell = Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell));
    described(command, ABOUT, PARAGRAPH, EXAMPLES).arg(shell.help("The shell"))
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let shell = matches.get_one::<Shell>("shell").copied().unwrap_or(Shell::Bash);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::cli(), "arrowredis", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    session.output.show(&script)?;
    Ok(object(json!({ "shell": shell.to_string(), "script": script })).into())
}

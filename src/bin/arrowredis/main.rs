//! The command-line tool: flags in, the library's public API, reports out. The only place that prints.

mod args;
mod commands;
mod failure;
mod input;
mod output;
mod progress;
mod session;

use std::process::ExitCode;

use session::Session;

fn main() -> ExitCode {
    let matches = commands::cli().get_matches();
    let Some((name, matches)) = matches.subcommand() else { return ExitCode::from(failure::USAGE) };
    let session = Session::new(matches);
    let result = commands::run(name, matches, &session);
    session.end(name, result)
}

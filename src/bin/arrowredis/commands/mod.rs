//! The commands: one file each, with its flags and what it does.

mod bench;
mod completions;
mod delete;
mod demo;
mod gc;
mod generate;
mod info;
mod local_read;
mod ls;
mod ping;
mod read;
mod s3_read;
mod s3_upload;
mod split;
mod verify;

use std::sync::Arc;

use arrowredis::store::Store;
use arrowredis::{Context, Dataset, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::failure::Failure;
use crate::session::{Outcome, Session, with_common_flags};

/// A command: its name, its flags, and what it does.
struct Entry {
    name: &'static str,
    command: fn(Command) -> Command,
    run: fn(&ArgMatches, &Session) -> Result<Outcome, Failure>,
}

const ENTRIES: &[Entry] = &[
    Entry { name: "gen", command: generate::command, run: generate::run },
    Entry { name: "split", command: split::command, run: split::run },
    Entry { name: "read", command: read::command, run: read::run },
    Entry { name: "local-read", command: local_read::command, run: local_read::run },
    Entry { name: "s3-upload", command: s3_upload::command, run: s3_upload::run },
    Entry { name: "s3-read", command: s3_read::command, run: s3_read::run },
    Entry { name: "verify", command: verify::command, run: verify::run },
    Entry { name: "ls", command: ls::command, run: ls::run },
    Entry { name: "info", command: info::command, run: info::run },
    Entry { name: "delete", command: delete::command, run: delete::run },
    Entry { name: "gc", command: gc::command, run: gc::run },
    Entry { name: "ping", command: ping::command, run: ping::run },
    Entry { name: "bench", command: bench::command, run: bench::run },
    Entry { name: "demo", command: demo::command, run: demo::run },
    Entry { name: "completions", command: completions::command, run: completions::run },
];

const ABOUT: &str = "A shared columnar dataset cache in Redis: publish a partitioned Arrow dataset once, read the \
                     partitions and columns that you need.";

const MORE: &str = "\
EXAMPLES:
  arrowredis demo                                  # all of this in a temporary folder, without a server
  export REDIS_URL=redis://localhost:6379/0
  arrowredis gen --out dataset.arrow --partitions 8 --batches 16 --rows 100000
  arrowredis split --inp dataset.arrow --prefix demo:v1
  arrowredis read --prefix demo:v1 --partitions 0,1,2
  arrowredis read --prefix demo:v1 --out copy.arrow
  arrowredis verify --file1 dataset.arrow --file2 copy.arrow

STORES:
  redis://[USER:PASSWORD@]HOST[:PORT][/DB]   a Redis or Valkey server; rediss:// with TLS
  redis://HOST:PORT,HOST:PORT --cluster on   a Redis Cluster, by one or more of its nodes
  unix:///run/redis.sock[?db=N]              the same over a Unix socket
  file:///DIR                                a directory on this computer
  Special characters of a password are percent-encoded (@ as %40, : as %3A, / as %2F).

FILES:
  Where an Arrow IPC file is read, s3://BUCKET/KEY will do; only what is wanted of it is fetched.

ENVIRONMENT:
  REDIS_URL                      the store, where neither --store nor --redis-url is given
  REDIS_PASSWORD                 the server's password, where the URL carries none
  ARROWREDIS_IO_THREADS          threads that move bytes
  ARROWREDIS_CPU_THREADS         threads that encode and decode
  ARROWREDIS_MAX_INFLIGHT_BYTES  bytes in flight at the most, such as 256MiB
  AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL and others of AWS, for S3
  SSL_CERT_FILE                  certificate authorities to trust
  NO_COLOR                       no colours

EXIT STATUS:
  0    success
  1    verify found a difference, or info --check a missing chunk
  2    the command line asks for something that cannot be
  3    any other failure; one line on standard error says which
  130  interrupted";

/// The whole command line.
pub fn cli() -> Command {
    let command = Command::new("arrowredis")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(MORE)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(110);
    let subcommands = ENTRIES.iter().map(|entry| (entry.command)(Command::new(entry.name)));
    with_common_flags(command.subcommands(subcommands))
}

/// Runs a command.
pub fn run(name: &str, matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    match ENTRIES.iter().find(|entry| entry.name == name) {
        Some(entry) => (entry.run)(matches, session),
        None => Err(Failure::usage(format!("unknown command '{name}'"))),
    }
}

/// A command with its line in the list of commands, its paragraph of help, and examples.
fn described(command: Command, about: &'static str, paragraph: &'static str, examples: &'static str) -> Command {
    command
        .about(about)
        .before_help(paragraph)
        .after_help(examples)
        .help_template("{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}")
}

/// The flag for data that has no manifest.
fn no_manifest_flag() -> Arg {
    Arg::new("no_manifest")
        .long("no-manifest")
        .help("Read without a manifest: partitions and batches are given, or found by looking at the keys")
        .action(ArgAction::SetTrue)
}

/// Opens a dataset by its manifest. Without one it is read by its keys alone, if that was asked for or the number
/// of batches is known.
fn open_dataset(
    matches: &ArgMatches,
    session: &Session,
    store: &Arc<dyn Store>,
    prefix: &str,
    batches: Option<u32>,
    ctx: &Context,
) -> Result<Dataset, Failure> {
    if matches.get_flag("no_manifest") {
        return Ok(Dataset::without_manifest(store, prefix)?);
    }
    match Dataset::open(store, prefix, ctx) {
        Err(e) if e.kind() == ErrorKind::NotFound && batches.is_some() => {
            session.warn(&format!(
                "'{prefix}' has no manifest in {}: reading by its keys alone, so that nothing tells whether the data \
                 is complete and unchanged (--no-manifest does the same without this warning)",
                store.describe()
            ));
            Ok(Dataset::without_manifest(store, prefix)?)
        }
        result => Ok(result?),
    }
}

//! `s3-read`: partitions of an IPC file on S3.

use arrowredis::FileReadOptions;
use clap::{ArgMatches, Command};

use super::described;
use super::local_read::{run_file, with_reading};
use crate::args;
use crate::failure::Failure;
use crate::session::{Outcome, Session};

const ABOUT: &str = "Read partitions of an Arrow IPC file on S3";
const PARAGRAPH: &str = "Read and decode partitions of an Arrow IPC file on S3, or on a server that speaks its \
                          protocol, and report the figures. Only the bytes of the wanted partitions and columns are \
                          fetched. With --out what was read is written to an Arrow IPC file or stream.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis s3-read --bucket my-bucket --key datasets/demo.arrow --partitions 0,1,2 --aws-region eu-west-1
  arrowredis s3-read --bucket my-bucket --key demo.arrow --partitions all --columns id64,str_c
  arrowredis s3-read --bucket test --key demo.arrow --endpoint-url http://localhost:9000 --out copy.arrow";

pub fn command(command: Command) -> Command {
    let command = args::with_object(described(command, ABOUT, PARAGRAPH, EXAMPLES));
    with_reading(command, &FileReadOptions::default()).mut_arg("mmap", |arg| arg.hide(true))
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    run_file(matches, session, &args::object_url(matches))
}

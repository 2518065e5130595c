//! `s3-upload`: a file to S3.

use std::path::Path;

use arrowredis::upload_file;
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use super::described;
use crate::args;
use crate::failure::Failure;
use crate::output::{megabytes, metrics_object, object, seconds};
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "Upload a file to S3";
const PARAGRAPH: &str = "Upload a file to S3, or to a server that speaks its protocol, replacing what is there. Large \
                          files are sent in parts, several at once. Ctrl-C removes the parts that were sent.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis s3-upload --inp dataset.arrow --bucket my-bucket --key datasets/demo.arrow --aws-region eu-west-1
  arrowredis s3-upload --inp dataset.arrow --bucket test --key demo.arrow --endpoint-url http://localhost:9000";

pub fn command(command: Command) -> Command {
    let inp = Arg::new("inp").long("inp").value_name("FILE").required(true).help("The file to upload");
    let command = args::with_object(described(command, ABOUT, PARAGRAPH, EXAMPLES).arg(inp));
    args::with_s3(command.arg(total_timeout_flag()))
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let inp = args::text(matches, "inp");
    let options = args::s3_options(matches, session)?;
    let url = args::object_url(matches);
    let ctx = session.context(matches)?;
    let upload = || upload_file(Path::new(inp), &url, &options, &ctx);
    let report = session.watch_bytes("Uploading to S3", &ctx, upload)?;
    let shown = format!("s3://{}/{}", args::text(matches, "bucket"), args::text(matches, "key"));
    session.output.say(format!(
        "\n✅ Uploaded to {shown}\n   File size: {}\n   Time: {}\n   Throughput: {:.2} MB/s",
        megabytes(report.file_bytes),
        seconds(report.metrics.total_seconds),
        report.metrics.payload_mb_per_second()
    ))?;
    let mut members = metrics_object(&report.metrics);
    members.extend(object(json!({ "inp": inp, "url": shown, "file_bytes": report.file_bytes })));
    Ok(members.into())
}

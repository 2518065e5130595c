//! URLs by which others read an object without credentials.

use std::time::Duration;

use arrowredis::{Codec, ErrorKind, presign_file, upload_file};
use tempfile::TempDir;

use super::{assert_no_secret, ctx, generate};
use crate::common::python::python;
use crate::common::s3::{S3Server, url};

/// By a client that knows nothing but the URL; prints the status, and whether the bytes are those of the file.
const FETCH: &str = "import sys, urllib.request\n\
    request = urllib.request.Request(sys.argv[1], headers={'Range': 'bytes=8-1007'})\n\
    with urllib.request.urlopen(request) as answer:\n\
    \x20   print(answer.status, answer.read() == open(sys.argv[2], 'rb').read()[8:1008])";

#[test]
fn a_signed_url_reads_ranges_and_needs_no_credentials() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 1_000, 7, Codec::Lz4);
    // «a folder/ü+file.arrow»
    let location = url("a%20folder/%C3%BC%2Bfile.arrow");
    upload_file(&path, &location, &server.options(), &ctx()).unwrap();
    let signed = presign_file(&location, &server.options(), Duration::from_secs(60), &ctx()).unwrap();
    assert_eq!(python(FETCH, &[&signed, path.to_str().unwrap()]), "206 True\n");

    // Whether it is there is not asked.
    let month = Duration::from_secs(30 * 24 * 3600);
    let error = presign_file(&url("plain.arrow"), &server.options(), month, &ctx()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.message().contains("cannot sign a URL of 's3://datasets/plain.arrow'"), "{error}");
    assert_no_secret(&error);
}

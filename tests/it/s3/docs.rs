//! What docs/s3.md shows for the shell and for Rust, against real servers. C and C++ are compiled and run by
//! `tests/capi/check_s3_docs.py`, Go by `examples/go/readme_test.go`, Java by `S3Test`.

use std::path::Path;
use std::process::{Command, Stdio};

use arrowredis::Codec;
use tempfile::TempDir;

use super::example;
use super::{generate, upload};
use crate::common::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY, url};
use crate::common::servers::{RedisServer, ServerConfig};

const DOCS: &str = include_str!("../../../docs/s3.md");

/// The text of the first block of a language.
fn block(language: &str) -> &'static str {
    let start = format!("```{language}\n");
    let (_, rest) = DOCS.split_once(&start).expect("a block of the language");
    rest.split_once("```").expect("its end").0
}

#[test]
fn the_commands_of_the_docs_work() {
    let (folder, server, redis) =
        (TempDir::new().unwrap(), S3Server::start(), RedisServer::start(&ServerConfig::default()));
    generate(folder.path(), "dataset.arrow", 1_000, 1, Codec::Zstd);
    let program = Path::new(env!("CARGO_BIN_EXE_arrowredis")).parent().expect("its folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    // Not of the size that a reader wants to measure.
    let commands = block("sh").replace("my-bucket", BUCKET).replace("--size 250mb", "--size tiny --repeats 1");
    let commands: Vec<&str> = commands.lines().collect();
    assert_eq!(commands.len(), 6, "{commands:?}");
    for command in commands {
        let command = command.replace("redis://localhost:6379/0", &redis.url());
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &command])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("HOME", folder.path())
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", server.port))
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("REDIS_URL", redis.url())
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {}\n{printed}", output.status);
    }
    assert!(folder.path().join("some.arrow").metadata().unwrap().len() > 0);
}

#[test]
fn the_rust_of_the_docs_is_compiled_and_works() {
    assert_eq!(block("rust"), include_str!("example.rs"));
    let (folder, server) = (TempDir::new().unwrap(), S3Server::start_in("eu-west-1"));
    let path = generate(folder.path(), "dataset.arrow", 100, 1, Codec::Zstd);
    let mut options = server.options();
    options.aws_region = Some("eu-west-1".to_string());
    upload(&path, "demo.arrow", &options);
    let query = format!(
        "?endpoint_url=http://127.0.0.1:{}&aws_access_key={ACCESS_KEY}&aws_secret_key={}",
        server.port,
        SECRET_KEY.replace('/', "%2F").replace('+', "%2B")
    );
    assert_eq!(example::rows(&(url("demo.arrow") + &query)).unwrap(), 3_200);
}

//! A password that would be noticed anywhere, in a program that prints all it has: logs at every level, errors, the
//! `Debug` form of everything, panics, metrics. It runs as a process of its own, which others look at meanwhile.

use std::io::{BufRead, BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrowredis::store::{Store, StoreOptions, open, ping};
use arrowredis::{
    CancelToken, Context, Dataset, Error, GeneratedReader, ReadOptions, Source, SplitOptions, delete_dataset,
    list_datasets, metrics_text, split,
};

use arrow::record_batch::RecordBatchReader;

use crate::common::servers::{RedisServer, ServerConfig, free_port};
use crate::helpers::{generate, publish, read};

/// How the test's own child process gets the password: `environment`, `file`, `stdin` or `replaced`.
const WAY: &str = "ARROWREDIS_TEST_CANARY_WAY";
/// In the first way the URL with the password in it, in the others without.
const URL: &str = "ARROWREDIS_TEST_CANARY_URL";
const FILE: &str = "ARROWREDIS_TEST_CANARY_FILE";

const CANARY: &str = "c@nary/s3cret:%word";
/// The same as URLs have it, one way and the other.
const ENCODED: [&str; 2] = ["c%40nary%2Fs3cret%3A%25word", "c%40nary%2fs3cret%3a%25word"];
/// What the child says when it is connected, and waits to be looked at.
const READY: &str = "ready to be looked at";

fn assert_hidden(what: &str, text: &str) {
    for part in [CANARY, ENCODED[0], ENCODED[1], "s3cret"] {
        let found = text.lines().find(|line| line.contains(part));
        assert!(found.is_none(), "{what}: the password is shown in {}", found.unwrap_or_default());
    }
}

/// The store as the child gets to it, and what else knows the password.
fn opened(way: &str) -> (Arc<dyn Store>, StoreOptions) {
    let url = std::env::var(URL).unwrap();
    let options = StoreOptions { retry_base_delay: Duration::from_millis(1), ..StoreOptions::default() };
    let options = match way {
        "file" => StoreOptions { password_file: std::env::var(FILE).ok(), ..options },
        _ => options,
    };
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let url = if way == "stdin" { url.replace("//", &format!("//:{}@", line.trim())) } else { url };
    let store = open(&url, &options).unwrap();
    if way == "replaced" {
        store.set_credentials(None, line.trim()).unwrap();
    }
    (store, options)
}

/// Everything that can go wrong with a password, or while one is known.
fn errors(store: &Arc<dyn Store>) -> Vec<Error> {
    let failing = |url: String| {
        let store = open(&url, &StoreOptions { max_retries: 1, ..StoreOptions::default() })?;
        ping(&store, &Context::new()).map(drop)
    };
    let url = std::env::var(URL).unwrap();
    let address = url.rsplit(['@', '/']).next().unwrap();
    let mut errors: Vec<Error> = Vec::new();
    for wrong in ENCODED.map(|encoded| format!("{encoded}-wrong")) {
        for url in [
            format!("redis://:{wrong}@{address}"),
            format!("redis://{wrong}:{wrong}@{address}"),
            format!("redis://:{wrong}@127.0.0.1:{}", free_port()),
            format!("rediss://:{wrong}@{address}"),
            format!("redis://:{wrong}@{address},{address}"),
            format!("redis://:{wrong}@127.0.0.1:none"),
            format!("redis://:{wrong}@127.0.0.1/none"),
            format!("redis://:{wrong}@[::1"),
            format!("reddis://:{wrong}@{address}"),
            format!("unix:///nowhere?password={wrong}"),
            format!("unix:///nowhere?password={wrong}&db=none"),
        ] {
            errors.push(failing(url).unwrap_err());
        }
    }
    let cancelled = CancelToken::new();
    cancelled.cancel();
    errors.push(Dataset::open(store, "d", &Context::new().with_cancel(cancelled)).unwrap_err());
    errors.push(Dataset::open(store, "nobody's", &Context::new()).unwrap_err());
    errors.push(publish(store, "d", &generate(5, 1), &SplitOptions::default()).unwrap_err());
    let schema = GeneratedReader::new(&generate(5, 1), &Context::new()).unwrap().schema();
    let panics = std::iter::from_fn(|| panic!("the caller's own batches panic"));
    let source = Source::Batches(Box::new(arrow::record_batch::RecordBatchIterator::new(panics, schema)));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        split(source, store, "e", &SplitOptions::default(), &Context::new()).map(drop).unwrap_err()
    }));
    errors.extend(panicked.ok());
    errors
}

fn be_the_child(way: &str) {
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::stderr).init();
    let (store, options) = opened(way);
    publish(&store, "d", &generate(5, 2), &SplitOptions::default()).unwrap();
    let dataset = Dataset::open(&store, "d", &Context::new()).unwrap();
    assert_eq!(read(&store, "d", &ReadOptions::default()).unwrap().0, 30);
    println!("{store:?} {store:#?} {options:?} {dataset:?} {}", store.describe());
    println!("{:?} {:?}", ping(&store, &Context::new()).unwrap(), list_datasets(&store, "", &Context::new()).unwrap());
    for error in errors(&store) {
        println!("{error} {error:?} {error:#?} {:?}", std::error::Error::source(&error));
        // What a program prints that does not expect an error.
        let _ = catch_unwind(AssertUnwindSafe(|| std::hint::black_box(Err::<(), _>(error)).unwrap()));
    }
    let _ = catch_unwind(AssertUnwindSafe(|| panic!("{store:?} {options:?} {dataset:?}")));
    println!("{}\n{READY}", metrics_text());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    delete_dataset(&store, "d", &Context::new()).unwrap();
}

#[test]
fn a_password_is_in_nothing_that_a_program_can_print() {
    if let Ok(way) = std::env::var(WAY) {
        return be_the_child(&way);
    }
    let server = RedisServer::start(&ServerConfig { password: Some(CANARY.to_string()), ..Default::default() });
    let file = server.dir().join("password");
    std::fs::write(&file, format!("{CANARY}\n")).unwrap();
    for (way, url, line) in [
        ("environment", format!("redis://:{}@127.0.0.1:{}", ENCODED[0], server.port), "-"),
        ("environment", format!("redis://:{}@127.0.0.1:{}", ENCODED[1], server.port), "-"),
        ("file", server.url(), "-"),
        ("stdin", server.url(), ENCODED[0]),
        ("replaced", server.url(), CANARY),
    ] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "canary::a_password_is_in_nothing_that_a_program_can_print", "--nocapture"]);
        command.env(WAY, way).env(URL, url).env(FILE, &file).env("RUST_BACKTRACE", "full");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            errors.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
        });
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{line}").unwrap();
        let mut output = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !output.ends_with(&format!("{READY}\n")) && lines.read_line(&mut output).unwrap() > 0 {}

        // What the server and other users of the machine see of it while it runs.
        let clients = server.admin(&["CLIENT", "LIST"]);
        let command_line = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
        // So that it has something to tell of at the level of details.
        server.admin(&["CLIENT", "KILL", "TYPE", "normal"]);
        drop(input);
        lines.read_to_string(&mut output).unwrap();
        let (status, errors) = (child.wait().unwrap(), errors.join().unwrap().unwrap());
        assert!(status.success(), "{way}: {output}\n{errors}");
        assert!(clients.contains("name=arrowredis "), "{way}: it was connected: {clients}");
        assert_hidden(&format!("{way}: CLIENT LIST"), &clients);
        assert_hidden(&format!("{way}: /proc"), &String::from_utf8_lossy(&command_line));
        assert_hidden(&format!("{way}: standard output"), &output);
        assert_hidden(&format!("{way}: standard error"), &errors);
        for shown in
            ["WRONGPASS", "RedisStore", "arrowredis_requests_total", "INVALID_ARGUMENT", "CANCELLED", "INTERNAL"]
        {
            assert!(output.contains(shown), "{way}: {shown} is not in {output}");
        }
        for shown in ["panicked at", "WRONGPASS", "DEBUG", "INFO"] {
            assert!(errors.contains(shown), "{way}: {shown} is not in {errors}");
        }
    }
}

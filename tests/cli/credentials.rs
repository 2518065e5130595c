//! Where a password may come from, and where it must never be seen.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::proxy::{Fault, Proxy};
use crate::common::servers::{RedisServer, ServerConfig};
use crate::program::{Program, Run};

/// Would be noticed anywhere. Percent-encoded in a URL it looks different.
const CANARY: &str = "c@nary/s3cret:%word";
const ENCODED: &str = "c%40nary%2Fs3cret%3A%25word";

/// What of a secret must not be seen, in any form.
fn assert_hidden(what: &str, text: &str) {
    for part in [CANARY, ENCODED, "s3cret"] {
        assert!(!text.contains(part), "{what}: the password is shown in {text}");
    }
}

/// A program's command lines and environment names, as another user sees them while it runs.
fn command_line(pid: u32) -> String {
    String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned()
}

#[test]
fn a_password_comes_from_url_environment_file_or_standard_input_and_is_never_seen() {
    let program = Program::new();
    let users = vec![format!("bob on >{CANARY} ~* &* +@all")];
    let server = RedisServer::start(&ServerConfig { password: Some(CANARY.to_string()), users, ..Default::default() });
    let url = format!("redis://127.0.0.1:{}", server.port);
    let with_password = format!("redis://:{ENCODED}@127.0.0.1:{}", server.port);
    let file = program.file("password");
    std::fs::write(&file, format!("{CANARY}\n")).unwrap();
    program.generate();
    let ways: [(&str, Option<&str>, &[&str], bool); 6] = [
        ("REDIS_URL", Some(&with_password), &[], false),
        ("REDIS_PASSWORD", Some(CANARY), &["--redis-url", &url], false),
        ("NOTHING", None, &["--redis-url", &url, "--password-file", &file], false),
        ("NOTHING", None, &["--redis-url", &url, "--password-file", &file, "--user", "bob"], false),
        ("NOTHING", None, &["--redis-url", &url, "--password-stdin"], true),
        ("NOTHING", None, &["--redis-url", &url, "--password-stdin", "--user", "bob"], true),
    ];
    for (name, value, flags, stdin) in ways {
        for words in [
            &["split", "--inp", "data.arrow", "--prefix", "p", "--overwrite", "-vvv"][..],
            &["info", "p", "--json", "-vvv"],
            &["ping", "-vvv"],
            // Errors, too: of the server, and of a name that is not there.
            &["read", "--prefix", "nothing", "-vvv"],
            &["delete", "nothing", "--yes", "--json"],
        ] {
            let mut command = program.command(&[words, flags].concat());
            command.env(name, value.unwrap_or_default());
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            assert_hidden("/proc", &command_line(child.id()));
            let mut input = child.stdin.take().unwrap();
            if stdin {
                input.write_all(format!("{CANARY}\n").as_bytes()).unwrap();
            }
            drop(input);
            let run = Run::of(child.wait_with_output().unwrap());
            let fails = words[0] == "read" || words[0] == "delete";
            assert_eq!(run.status, if fails { 3 } else { 0 }, "{name} {words:?} {flags:?}: {run:#?}");
            assert_hidden(&format!("{name} {words:?} {flags:?}"), &format!("{run:?}"));
        }
        assert_hidden("CLIENT LIST", &server.admin(&["CLIENT", "LIST"]));
    }
}

/// The program while it is connected and at work: what the server and other users of the machine see of it.
#[test]
fn a_running_program_shows_no_password() {
    let program = Program::new();
    let server = RedisServer::start(&ServerConfig { password: Some(CANARY.to_string()), ..Default::default() });
    let proxy = Proxy::start(server.port);
    let with_password = proxy.url().replace("//", &format!("//:{ENCODED}@"));
    let file = program.file("password");
    std::fs::write(&file, CANARY).unwrap();
    program.generate();
    let ways: [(&str, &str, &[&str]); 4] = [
        ("REDIS_URL", &with_password, &[]),
        ("REDIS_PASSWORD", CANARY, &["--redis-url", &proxy.url()]),
        ("NOTHING", "", &["--redis-url", &proxy.url(), "--password-file", &file]),
        ("NOTHING", "", &["--redis-url", &proxy.url(), "--password-stdin"]),
    ];
    for (name, value, flags) in ways {
        proxy.set(Fault::None);
        let words = [&["split", "--inp", "data.arrow", "--prefix", "p", "--overwrite", "-vvv"], flags].concat();
        let mut command = program.command(&words);
        command.env(name, value).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Each piece is held up from when it has begun to work.
        proxy.set(Fault::Delay(Duration::from_millis(50)));
        writeln!(child.stdin.take().unwrap(), "{CANARY}").unwrap_or_default();
        let deadline = Instant::now() + Duration::from_secs(60);
        let clients = loop {
            let clients = server.admin(&["CLIENT", "LIST"]);
            if clients.contains("name=arrowredis ") {
                break clients;
            }
            assert!(Instant::now() < deadline, "{flags:?}: it does not connect");
        };
        let line = command_line(child.id());
        assert!(line.contains("--overwrite"), "{flags:?}: it is still at work: {line}");
        assert_hidden("CLIENT LIST", &clients);
        assert_hidden("/proc", &line);
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.status, 0, "{flags:?}: {run:#?}");
        assert_hidden(&format!("{name} {flags:?}"), &format!("{run:?}"));
    }
}

#[test]
fn ways_that_exclude_each_other_are_refused() {
    let program = Program::new();
    std::fs::write(program.path("password"), "x").unwrap();
    std::fs::write(program.path("empty"), "\n").unwrap();
    for (words, part) in [
        (&["ls", "--redis-url", "redis://:canary@h", "--password-file", "password"][..], "--password-file is set"),
        (&["ls", "--redis-url", "redis://h", "--password-file", "empty"], "it is empty"),
        (&["ls", "--redis-url", "redis://h", "--password-file", "nowhere"], "nowhere"),
        (&["ls", "--redis-url", "redis://:canary@h", "--user", "bob"], "--user is set"),
        (&["ls", "--redis-url", "redis://h", "--password-stdin"], "is empty"),
        (&["split", "--inp", "-", "--prefix", "p", "--redis-url", "redis://h", "--password-stdin"], "cannot be both"),
    ] {
        let run = program.run(words);
        assert_eq!(run.status, 2, "{words:?}: {run:#?}");
        assert!(run.stderr.contains(part) && !run.stderr.contains("canary"), "{words:?}: {run:#?}");
    }
}

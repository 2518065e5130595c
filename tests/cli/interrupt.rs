//! Ctrl-C, SIGTERM and timeouts.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{Program, Run};

const PATIENCE: Duration = Duration::from_secs(60);

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A large stream, of which the last part is never sent.
fn unfinished_stream(program: &Program) -> Vec<u8> {
    let generate = ["gen", "--out", "-", "--partitions", "20", "--batches", "8", "--rows", "500"];
    let mut child = program.command(&generate).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    assert!(child.wait().unwrap().success());
    bytes.truncate(bytes.len() - 1000);
    bytes
}

fn stored_chunks(program: &Program) -> usize {
    let Ok(entries) = std::fs::read_dir(program.path("store")) else { return 0 };
    entries.filter(|entry| entry.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().contains("batch"))).count()
}

#[test]
fn an_interrupted_split_leaves_nothing_behind() {
    let program = Program::new();
    let bytes = unfinished_stream(&program);
    for name in ["INT", "TERM"] {
        let mut child = program.start(&["split", "--inp", "-", "--prefix", "big", "--store", "STORE"]);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&bytes).unwrap();
        wait_until("no chunk was written", || stored_chunks(&program) > 0);
        signal(&child, name);
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!((run.status, run.stderr.as_str()), (130, "error: interrupted\n"), "{name}");
        drop(stdin);
        assert_eq!((program.keys().len(), stored_chunks(&program)), (0, 0), "{name}");
    }
}

#[test]
fn an_interrupted_file_never_gets_its_name() {
    let program = Program::new();
    let child = program.start(&["gen", "--out", "big.arrow", "--partitions", "1000", "--batches", "1000"]);
    wait_until("nothing was written", || !program.names().is_empty());
    signal(&child, "INT");
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!((run.status, run.stderr.as_str()), (130, "error: interrupted\n"));
    assert_eq!(program.names(), Vec::<String>::new());
}

#[test]
fn waiting_for_input_ends_with_the_total_timeout() {
    let program = Program::new();
    for words in [
        &["split", "--inp", "-", "--prefix", "p", "--store", "STORE", "--total-timeout", "200ms"][..],
        &["local-read", "--inp", "-", "--total-timeout", "0.2"],
    ] {
        let mut child = program.start(words);
        let stdin = child.stdin.take();
        let run = Run::of(child.wait_with_output().unwrap());
        drop(stdin);
        assert_eq!(run.status, 3, "{words:?}: {run:#?}");
        assert!(run.stderr.contains("timeout"), "{words:?}: {run:#?}");
    }
    let run = program.run(&["gen", "--out", "a.arrow", "--partitions", "1000", "--total-timeout", "300ms", "--json"]);
    assert_eq!(run.status, 3);
    assert_eq!(run.json()["error"]["code"], "TIMEOUT");
    assert_eq!(program.names(), Vec::<String>::new());
}

//! Arrow streams on standard input and output, and readers that go away.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use crate::program::{Program, Run};

#[test]
fn streams_connect_the_commands() {
    let program = Program::new();
    program.publish();
    for codec in ["zstd", "lz4", "uncompressed"] {
        let prefix = format!("piped:{codec}");
        let read = ["read", "--prefix", "demo:v1", "--store", "STORE", "--out", "-", "--compression", codec];
        let mut reader = program.command(&read).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let split = ["split", "--inp", "-", "--prefix", &prefix, "--store", "STORE", "--compression", codec];
        let split = program.command(&split).stdin(reader.stdout.take().unwrap()).output().unwrap();
        assert_eq!(Run::of(split).status, 0);
        let read = Run::of(reader.wait_with_output().unwrap());
        assert_eq!(read.status, 0, "{read:#?}");
        assert!(read.stderr.contains("rows=600"), "the report goes to standard error: {read:#?}");
        program.ok(&["verify", "--file1", "data.arrow", "--dataset2", &prefix, "--store", "STORE"]);
    }
    let json = program.ok(&["gen", "--out", "-", "--json", "--rows", "10", "--partitions", "1", "--batches", "2"]);
    let report: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(report["rows"], 20);
    assert_eq!(report["file_bytes"].as_u64().unwrap() % 8, 0);
    for (words, expected) in [
        (&["verify", "--file1", "data.arrow", "--file2", "-"][..], "ARE IDENTICAL!"),
        (&["local-read", "--inp", "-"], "Read 600 rows"),
    ] {
        let generate = ["gen", "--out", "-", "--partitions", "3", "--batches", "2", "--rows", "100", "--dict-strings"];
        let generate = &generate[..if words[0] == "verify" { 9 } else { 10 }];
        let mut writer = program.command(generate).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let run = Run::of(program.command(words).stdin(writer.stdout.take().unwrap()).output().unwrap());
        assert!(writer.wait().unwrap().success());
        assert_eq!(run.status, 0, "{run:#?}");
        assert!(run.stdout.contains(expected), "{run:#?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_cause_for_noise() {
    let program = Program::new();
    program.publish();
    for words in [
        &["gen", "--out", "-", "--rows", "100000"][..],
        &["read", "--prefix", "demo:v1", "--store", "STORE", "--out", "-", "--compression", "uncompressed"],
    ] {
        let mut child = program.start(words);
        drop(child.stdout.take());
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!((run.status, run.stderr.as_str()), (3, ""), "{words:?}");
    }
    for words in [&["--help"][..], &["info", "demo:v1", "--store", "STORE"], &["completions", "bash"]] {
        let mut child = program.start(words);
        drop(child.stdout.take());
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{words:?}");
    }
}

#[test]
fn a_full_disk_is_an_error_not_a_short_stream() {
    let program = Program::new();
    program.publish();
    for words in [
        &["gen", "--out", "-", "--rows", "10"][..],
        &["read", "--prefix", "demo:v1", "--store", "STORE", "--out", "-"],
        &["ls", "--store", "STORE"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let run = Run::of(program.command(words).stdout(full).output().unwrap());
        assert_eq!(run.status, 3, "{words:?}: {run:#?}");
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains("No space left"), "{words:?}: {run:#?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:#?}");
    }
}

#[test]
fn a_stream_that_is_cut_off_publishes_nothing() {
    let program = Program::new();
    let mut stream = Vec::new();
    let generate = ["gen", "--out", "-", "--partitions", "2", "--batches", "2", "--rows", "50"];
    let mut child = program.command(&generate).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdout.take().unwrap().read_to_end(&mut stream).unwrap();
    assert!(child.wait().unwrap().success());
    for len in [0, 1, 7, 100, stream.len() / 2, stream.len() - 9] {
        std::fs::write(program.path("cut"), &stream[..len]).unwrap();
        let split = ["split", "--inp", "-", "--prefix", "cut", "--store", "STORE"];
        let cut = File::open(program.path("cut")).unwrap();
        let run = Run::of(program.command(&split).stdin(cut).output().unwrap());
        assert_eq!(run.status, 3, "{len}: {run:#?}");
        assert!(run.stderr.starts_with("error: the input stream: "), "{len}: {run:#?}");
        assert!(program.keys().is_empty(), "{len}");
    }
}

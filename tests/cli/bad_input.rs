//! What goes wrong: the exit status, one clear line, and nothing half-written.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch};
use arrow_ipc::writer::FileWriter;

use crate::program::Program;

/// The folder of the cases: a published dataset and files of several kinds.
fn program() -> Program {
    let program = Program::new();
    program.publish();
    std::fs::write(program.path("text"), "partition,value\n1,2\n").unwrap();
    std::fs::write(program.path("empty"), "").unwrap();
    std::fs::create_dir(program.path("folder")).unwrap();
    let file = |name: &str, columns: Vec<(&str, Vec<i32>)>| {
        let columns = columns.into_iter().map(|(name, values)| (name, Arc::new(Int32Array::from(values)) as ArrayRef));
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = FileWriter::try_new(File::create(program.path(name)).unwrap(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    };
    file("plain.arrow", vec![("n", vec![1, 2, 3])]);
    file("mixed.arrow", vec![("partition", vec![1, 2, 1])]);
    program
}

#[test]
fn every_mistake_has_its_status_and_one_clear_line() {
    let program = program();
    let before = program.names();
    let store = &["--store", "STORE"][..];
    let split =
        |inp: &'static str, more: &[&'static str]| [&["split", "--inp", inp, "--prefix", "p"], store, more].concat();
    let read = |more: &[&'static str]| [&["read", "--prefix", "demo:v1"], store, more].concat();
    // Words, exit status, and what the line must say.
    let cases: Vec<(Vec<&str>, i32, &str)> = vec![
        (split("missing.arrow", &[]), 3, "'missing.arrow'"),
        (split("text", &[]), 3, "'text'"),
        (split("empty", &[]), 3, "'empty'"),
        (split("folder", &[]), 3, "'folder'"),
        (split("plain.arrow", &[]), 3, "--partition-column"),
        (split("mixed.arrow", &[]), 3, "--repartition"),
        (split("data.arrow", &["--compression", "gzip"]), 2, "--compression cannot be 'gzip': expected one of zstd"),
        (split("data.arrow", &["--batches", "0"]), 2, "--batches cannot be '0'"),
        (split("data.arrow", &["--max-inflight", "many"]), 2, "--max-inflight cannot be 'many'"),
        (split("data.arrow", &["--timeout", "soon"]), 2, "--timeout cannot be 'soon'"),
        (split("data.arrow", &["--cluster", "maybe"]), 2, "--cluster cannot be 'maybe'"),
        ([&["split", "--inp", "data.arrow", "--prefix", "a{b"], store].concat(), 2, "prefix \"a{b\" contains '{'"),
        ([&["split", "--inp", "data.arrow", "--prefix", ""], store].concat(), 2, "prefix"),
        ([&["split", "--inp", "data.arrow", "--prefix", "demo:v1"], store].concat(), 3, "--overwrite"),
        (vec!["split", "--inp", "data.arrow", "--prefix", "p"], 2, "no store given: name one with --store URL"),
        (vec!["ls", "--store", "ftp://host"], 2, "unknown kind of store 'ftp'"),
        (vec!["ls", "--redis-url", "http://host"], 2, "--redis-url must start with redis://"),
        (read(&["--partitions", "7"]), 3, "'7'"),
        (read(&["--partitions", "0,,1"]), 2, "--partitions cannot be '0,,1'"),
        (read(&["--columns", "id64,nope"]), 3, "'nope'"),
        (read(&["--on-missing", "cry"]), 2, "--on-missing cannot be 'cry'"),
        (
            read(&["--where", "id64 > 1", "--where", "id64 ~ 1"]),
            2,
            "--where cannot be 'id64 ~ 1': expected conditions such as",
        ),
        (read(&["--where", "id64 > 'x'"]), 2, "'x' does not fit a column of type Int64: expected a number"),
        (read(&["--where", "id65 > 1"]), 3, "no column 'id65'"),
        (read(&["--out", "folder"]), 3, "'folder'"),
        (read(&["--out", "no/such/folder.arrow"]), 3, "'no/such/folder.arrow'"),
        (read(&["--out", "x.arrow", "--compression", "brotli"]), 2, "--compression cannot be 'brotli'"),
        ([&["read", "--prefix", "absent"], store].concat(), 3, "no dataset 'absent'"),
        ([&["info", "absent"], store].concat(), 3, "no dataset 'absent'"),
        ([&["delete", "absent", "--yes"], store].concat(), 3, "no dataset 'absent'"),
        ([&["delete", "demo:v1"], store].concat(), 2, "--yes"),
        (vec!["gen", "--out", "x.arrow", "--rows", "0"], 2, "--rows cannot be '0'"),
        (vec!["gen", "--out", "x.arrow", "--compression", "zip"], 2, "--compression cannot be 'zip'"),
        (vec!["gen", "--out", "folder", "--rows", "10"], 3, "'folder'"),
        (read(&["--out", "/dev/full"]), 3, "'/dev/full'"),
        (vec!["gen", "--out", "/dev/full", "--rows", "10"], 3, "cannot write '/dev/full': No space left on device"),
        (vec!["gen", "--out", "/dev/full/x", "--rows", "10"], 3, "'/dev/full/x'"),
        (vec!["local-read", "--inp", "missing.arrow"], 3, "'missing.arrow'"),
        (vec!["local-read", "--inp", "text"], 3, "'text'"),
        (vec!["local-read", "--inp", "data.arrow", "--partitions", "9"], 3, "'9'"),
        (vec!["local-read", "--inp", "data.arrow", "--mmap", "perhaps"], 2, "--mmap cannot be 'perhaps'"),
        (vec!["verify", "--file1", "data.arrow", "--file2", "missing.arrow"], 3, "'missing.arrow'"),
        (vec!["verify", "--file1", "text", "--file2", "data.arrow"], 3, "'text'"),
        (vec!["verify", "--file1", "-", "--file2", "-"], 2, "standard input can be one side only"),
        (vec!["verify", "--file1", "-", "--file2", "data.arrow", "--by-partition"], 2, "by partition"),
        (vec!["verify", "--file1", "data.arrow", "--dataset2", "demo:v1"], 2, "no store given"),
        ([&["verify", "--file1", "data.arrow", "--dataset2", "gone"], store].concat(), 3, "no dataset 'gone'"),
    ];
    for (words, status, line) in cases {
        let run = program.run(&words);
        assert_eq!(run.status, status, "{words:?}: {run:#?}");
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains(line), "{words:?}: no {line:?} in {run:#?}");
        assert_eq!(run.stderr.lines().count(), 1, "{words:?}: {run:#?}");
        assert_eq!(program.names(), before, "{words:?}");
        assert_eq!(program.keys(), ["demo:v1"], "{words:?}");
        let json = program.run(&[&words[..], &["--json"]].concat());
        assert_eq!(json.status, status, "{words:?}: {json:#?}");
        assert!(json.json()["error"]["message"].as_str().unwrap().contains(line), "{words:?}: {json:#?}");
    }
}

#[test]
fn a_command_line_that_cannot_be_read_is_usage() {
    let program = Program::new();
    for words in [
        &[][..],
        &["fly"],
        &["gen"],
        &["gen", "--out", "x.arrow", "--speed", "fast"],
        &["split", "--inp", "x"],
        &["verify", "--file1", "a"],
        &["verify", "--file1", "a", "--dataset1", "b", "--file2", "c"],
        &["ls", "--store", "file:///a", "--redis-url", "redis://b"],
        &["completions", "tcsh"],
        &["info", "a", "-q", "-v"],
    ] {
        let run = program.run(words);
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{words:?}: {run:#?}");
        assert!(run.stderr.contains("--help") || run.stderr.contains("Usage: arrowredis"), "{words:?}: {run:#?}");
    }
    assert_eq!(program.names(), Vec::<String>::new());
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let program = Program::new();
    program.generate();
    let bytes = std::fs::read(program.path("data.arrow")).unwrap();
    let len = bytes.len();
    for cut in [1, 6, 8, 100, 1000, len / 2, len - 100, len - 10, len - 6, len - 1] {
        std::fs::write(program.path("cut.arrow"), &bytes[..cut]).unwrap();
        for words in [
            &["split", "--inp", "cut.arrow", "--prefix", "cut", "--store", "STORE"][..],
            &["local-read", "--inp", "cut.arrow"],
            &["verify", "--file1", "data.arrow", "--file2", "cut.arrow"],
        ] {
            let run = program.run(words);
            assert_eq!(run.status, 3, "{cut}: {words:?}: {run:#?}");
            assert!(run.stderr.starts_with("error: 'cut.arrow': "), "{cut}: {run:#?}");
            assert_eq!(run.stderr.lines().count(), 1, "{cut}: {run:#?}");
        }
        assert!(program.keys().is_empty());
    }
}

#[test]
fn a_device_is_written_to_and_stays_one() {
    let program = Program::new();
    program.ok(&["gen", "--out", "/dev/null", "--rows", "10"]);
    let null = std::fs::metadata("/dev/null").unwrap();
    assert!(!null.is_file() && !null.is_dir());
}

#[test]
fn a_file_that_exists_is_replaced_only_by_a_whole_one() {
    let program = program();
    program.ok(&["read", "--prefix", "demo:v1", "--store", "STORE", "--out", "out.arrow"]);
    let good = std::fs::read(program.path("out.arrow")).unwrap();
    // One chunk is spoiled: the read fails half-way.
    let spoiled = std::fs::read_dir(program.path("store")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name.contains("00002") && name.contains("batch") && name.contains("00001")).then_some(path)
    });
    std::fs::write(spoiled.expect("a chunk"), "garbage").unwrap();
    let before = program.names();
    let run = program.run(&["read", "--prefix", "demo:v1", "--store", "STORE", "--out", "out.arrow"]);
    assert_eq!(run.status, 3, "{run:#?}");
    assert!(run.stderr.contains("{part=00002}:batch=00001"), "{run:#?}");
    assert_eq!(program.names(), before);
    assert!(std::fs::read(program.path("out.arrow")).unwrap() == good);
}

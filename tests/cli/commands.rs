//! Every command on the embedded store: what it does, its report, its JSON object.

use serde_json::Value;

use crate::program::Program;

/// What every object about moved data has.
const METRICS: [&str; 14] = [
    "rows",
    "chunks",
    "payload_bytes",
    "decoded_bytes",
    "payload_mb_per_second",
    "decoded_mb_per_second",
    "rows_per_second",
    "fetch_seconds",
    "decode_seconds",
    "total_seconds",
    "retries",
    "chunks_skipped",
    "chunks_pruned",
    "bytes_pruned",
];

fn assert_metrics(object: &Value, rows: u64, chunks: u64) {
    for key in METRICS {
        assert!(object[key].is_number(), "{key}: {object}");
    }
    assert_eq!((&object["rows"], &object["chunks"]), (&rows.into(), &chunks.into()), "{object}");
    assert!(object["total_seconds"].as_f64().unwrap() > 0.0, "{object}");
}

#[test]
fn the_main_job_reports_as_the_original_does() {
    let program = Program::new();
    let lines = |words: &[&str], expected: &[&str]| {
        let run = program.ok(words);
        for line in expected {
            assert!(run.stdout.contains(line), "{words:?}: no {line:?} in {run:#?}");
        }
        assert!(!run.stdout.contains('\x1b'), "colour without a terminal: {run:#?}");
        assert_eq!(run.stderr, "", "{words:?}");
    };
    lines(
        &["gen", "--out", "./data.arrow", "--partitions", "3", "--batches", "2", "--rows", "1000", "--dict-strings"],
        &[
            "✅ Wrote ./data.arrow",
            "Partitions: 3 × Batches: 2 × Rows: 1,000",
            "File size: 0.",
            "Throughput: ",
            " rows/s",
        ],
    );
    lines(
        &[
            "split",
            "--inp",
            "./data.arrow",
            "--store",
            "STORE",
            "--prefix",
            "demo:v1",
            "--batches",
            "2",
            "--compression",
            "zstd",
            "--cluster",
            "off",
            "--max-inflight",
            "256",
        ],
        &["✅ Stored 6 chunks to file:///", "under 'demo:v1:'", "Keys use hash tag {part=XXXXX}", "Payload: 0."],
    );
    lines(
        &[
            "read",
            "--store",
            "STORE",
            "--prefix",
            "demo:v1",
            "--partitions",
            "0,2",
            "--batches",
            "2",
            "--pipeline",
            "64",
            "--concurrency",
            "256",
        ],
        &["Found 3 partitions: [0, 1, 2]", "Fetched 4/4 present chunks in ", "; parsed in ", "; rows=4,000\n"],
    );
    for codec in ["zstd", "lz4", "uncompressed"] {
        let out = format!("{codec}.arrow");
        lines(
            &["read", "--store", "STORE", "--prefix", "demo:v1", "--out", &out, "--compression", codec],
            &["✅ Read 6,000 rows from file:///", &format!("💾 Saved to {out} (0."), &format!("compression={codec})")],
        );
        lines(
            &["verify", "--file1", "data.arrow", "--file2", &out],
            &[
                "🔍 Verifying Arrow files...",
                "File 1: data.arrow (0.",
                "6,000 rows",
                "✅ FILES ARE IDENTICAL!",
                "Schema: 10 columns",
                "Rows: 6,000",
            ],
        );
    }
    lines(&["local-read", "--inp", "data.arrow", "--partitions", "1"], &["✅ Read 2,000 rows from local file"]);
    lines(&["local-read", "--inp", "data.arrow", "--mmap", "off", "--columns", "str_c"], &["✅ Read 6,000 rows"]);
    let local = ["local-read", "--inp", "data.arrow", "--columns", "str_c", "--where", "id64 < 500"];
    lines(&local, &["✅ Read 500 rows from local file", "Ruled out by --where: 5 chunks, 0."]);
    let where_ = ["--where", "id64 >= 1500 AND id64 < 2500", "--where", "partition IN (0, 1)"];
    let read = [&["read", "--store", "STORE", "--prefix", "demo:v1"][..], &where_].concat();
    lines(&read, &["Fetched 2/2 present chunks", "rows=1,000", "Ruled out by --where: 4 chunks, 0."]);
    lines(&[&read[..], &["--out", "some.arrow"]].concat(), &["✅ Read 1,000 rows", "Saved to some.arrow"]);
    lines(&["ls", "--store", "STORE"], &["PREFIX ", "demo:v1 ", " 6,000 "]);
    lines(&["ls", "other", "--store", "STORE"], &["no datasets in file:///"]);
    lines(
        &["info", "demo:v1", "--store", "STORE", "--chunks"],
        &[
            "Partitions: 3 by column 'partition'",
            "Chunks: 6",
            "Rows: 6,000",
            "compression zstd",
            "Statistics: id64, ",
            "Schema: 10 columns",
            "demo:v1:{part=00002}:batch=00001",
        ],
    );
    lines(
        &["ping", "--store", "STORE"],
        &["✅ file:///", "Server: directory", "Latency: min ", "Denied commands: none"],
    );
    lines(&["delete", "demo:v1", "--store", "STORE", "--yes"], &["✅ Deleted 'demo:v1' from file:///", ": 6 chunks"]);
    assert!(program.keys().is_empty());
}

#[test]
fn json_is_one_object_with_the_figures() {
    let program = Program::new();
    let json = |words: &[&str]| {
        let object = program.ok(&[words, &["--json"]].concat()).json();
        assert_eq!(object["command"], words[0], "{object}");
        object
    };
    let object = json(&["gen", "--out", "data.arrow", "--partitions", "3", "--batches", "2", "--rows", "100"]);
    assert_metrics(&object, 600, 6);
    assert_eq!(object["file_bytes"], std::fs::metadata(program.path("data.arrow")).unwrap().len());
    let split = json(&["split", "--inp", "data.arrow", "--prefix", "demo:v1", "--store", "STORE"]);
    assert_metrics(&split, 600, 6);
    assert_eq!((&split["chunks_copied"], &split["partitions"]), (&6.into(), &3.into()));
    assert_eq!(split["upload_id"].as_str().unwrap().len(), 32);
    let object = json(&["read", "--prefix", "demo:v1", "--store", "STORE", "--partitions", "1"]);
    assert_metrics(&object, 200, 2);
    assert_eq!(object["upload_id"], split["upload_id"]);
    let object = json(&["read", "--prefix", "demo:v1", "--store", "STORE", "--out", "copy.arrow"]);
    assert_metrics(&object, 600, 6);
    assert_eq!(object["file_bytes"], std::fs::metadata(program.path("copy.arrow")).unwrap().len());
    assert_metrics(&json(&["local-read", "--inp", "copy.arrow", "--partitions", "0,2"]), 400, 4);
    let object = json(&["verify", "--file1", "data.arrow", "--file2", "copy.arrow"]);
    assert_eq!((&object["identical"], &object["rows"]), (&true.into(), &600.into()));
    assert_eq!(object["left"]["name"], "data.arrow");
    let object = json(&["info", "demo:v1", "--store", "STORE", "--chunks"]);
    assert_eq!((&object["rows"], &object["chunks"]), (&600.into(), &6.into()));
    assert_eq!(object["partitions"][1]["value"], "1");
    assert_eq!(object["chunk_list"].as_array().unwrap().len(), 6);
    assert_eq!(json(&["ls", "--store", "STORE"])["datasets"][0]["prefix"], "demo:v1");
    let object = json(&["ping", "--store", "STORE"]);
    assert!(object["latency_ms"]["median"].is_number(), "{object}");
    assert_eq!(json(&["delete", "demo:v1", "--store", "STORE", "--yes"])["chunks"], 6);
    let object = json(&["demo", "--rows", "100"]);
    assert_eq!((&object["identical"], &object["rows"], &object["chunks"]), (&true.into(), &1600.into(), &16.into()));
    assert!(object["payload_bytes"].is_number() && object["total_seconds"].is_number(), "{object}");
    assert!(json(&["completions", "bash"])["script"].as_str().unwrap().contains("arrowredis"));
}

#[test]
fn quiet_prints_what_was_asked_for_and_nothing_else() {
    let program = Program::new();
    for words in [
        &["gen", "--out", "data.arrow", "--rows", "10", "-q"][..],
        &["split", "--inp", "data.arrow", "--prefix", "p", "--store", "STORE", "-q"],
        &["verify", "--file1", "data.arrow", "--file2", "dataset:p", "--store", "STORE", "-q"],
    ] {
        let run = program.ok(words);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "{words:?}");
    }
    assert!(program.ok(&["ls", "-q", "--store", "STORE"]).stdout.contains('p'));
}

#[test]
fn verify_finds_what_differs_and_takes_any_two() {
    let program = Program::new();
    program.publish();
    let other = ["gen", "--out", "other.arrow", "--partitions", "3", "--batches", "2", "--rows", "100", "--seed", "7"];
    program.ok(&other);
    let same: [&[&str]; 6] = [
        &["--file1", "data.arrow", "--file2", "./data.arrow"],
        &["--file1", "data.arrow", "--dataset2", "demo:v1"],
        &["--file1", "dataset:demo:v1", "--file2", "data.arrow", "--by-partition"],
        &["--dataset1", "demo:v1", "--dataset2", "demo:v1", "--by-partition"],
        &["--file1", "data.arrow", "--file2", "data.arrow", "--mmap", "off", "--by-partition"],
        &["--dataset1", "demo:v1", "--dataset2", "demo:v1", "--no-manifest"],
    ];
    for sides in same {
        let run = program.ok(&[&["verify", "--store", "STORE"], sides].concat());
        assert!(run.stdout.contains("ARE IDENTICAL!"), "{sides:?}: {run:#?}");
    }
    let run = program.run(&["verify", "--file1", "data.arrow", "--file2", "other.arrow"]);
    assert_eq!(run.status, 1, "{run:#?}");
    assert!(run.stdout.contains("❌ FILES DIFFER\n"), "{run:#?}");
    for column in ["int32_c", "float64_c", "str_c"] {
        assert!(run.stdout.contains(&format!("column '{column}' differs first in row ")), "{run:#?}");
    }
    assert!(!run.stdout.contains("'id64'"), "{run:#?}");
    let run = program.run(&["verify", "--file1", "data.arrow", "--file2", "other.arrow", "--json"]);
    assert_eq!(run.status, 1, "{run:#?}");
    assert_eq!(run.json()["identical"], false);
}

#[test]
fn data_without_a_manifest_is_read_when_asked_for() {
    let program = Program::new();
    program.publish();
    let manifest = std::fs::read_dir(program.path("store")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.file_name().unwrap().to_string_lossy().contains("manifest").then_some(path)
    });
    std::fs::remove_file(manifest.expect("a manifest")).unwrap();
    let read = ["read", "--prefix", "demo:v1", "--store", "STORE"];
    let run = program.run(&read);
    assert_eq!(run.status, 3);
    assert!(run.stderr.contains("--no-manifest"), "{run:#?}");
    let run = program.ok(&[&read[..], &["--batches", "2"]].concat());
    assert!(run.stderr.starts_with("warning: ") && run.stderr.contains("no manifest"), "{run:#?}");
    assert!(run.stdout.contains("Fetched 6/6 present chunks"), "{run:#?}");
    for more in [&["--no-manifest"][..], &["--no-manifest", "--partitions", "0,1,2", "--batches", "2"]] {
        let run = program.ok(&[&read[..], more].concat());
        assert!(run.stdout.contains("rows=600"), "{run:#?}");
        assert_eq!(run.stderr, "");
    }
    let run = program.run(&[&read[..], &["--no-manifest", "--partitions", "0", "--batches", "3"]].concat());
    assert_eq!(run.status, 3, "{run:#?}");
    assert!(run.stderr.contains("demo:v1:{part=00000}:batch=00002"), "{run:#?}");
    let skip = ["--no-manifest", "--partitions", "0", "--batches", "3", "--on-missing", "skip", "--json"];
    assert_eq!(program.ok(&[&read[..], &skip].concat()).json()["chunks_skipped"], 1);
    let run = program.ok(&["info", "demo:v1", "--store", "STORE"]);
    assert!(run.stdout.contains("No manifest\n   Partitions: 3\n   Chunks: 6"), "{run:#?}");
    let run = program.ok(&["ls", "--store", "STORE"]);
    assert!(run.stdout.contains("(no manifest)"), "{run:#?}");
}

#[test]
fn the_demo_removes_what_it_made() {
    let program = Program::new();
    std::fs::create_dir(program.path("tmp")).unwrap();
    let mut command = program.command(&["demo", "--rows", "100", "--partitions", "1", "--compression", "lz4"]);
    let output = command.env("TMPDIR", program.path("tmp")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for line in ["$ arrowredis gen --out ", "--compression lz4", "$ arrowredis verify --file1 ", "FILES ARE IDENTICAL!"]
    {
        assert!(text.contains(line), "no {line} in {text}");
    }
    assert_eq!(std::fs::read_dir(program.path("tmp")).unwrap().count(), 0);
    program.ok(&["demo", "--rows", "100", "--store", "STORE"]);
    assert!(program.keys().is_empty());
}

#[test]
fn versions_replace_each_other_and_gc_and_check_tell_what_is_there() {
    let program = Program::new();
    program.generate();
    let split = ["split", "--inp", "data.arrow", "--prefix", "p", "--store", "STORE", "--versioned"];
    let first = program.ok(&[&split[..], &["--json"]].concat()).json();
    let id = first["upload_id"].as_str().unwrap();
    let run = program.ok(&split);
    assert!(run.stdout.contains(&format!("   Replaced: {id}\n")) && run.stdout.contains("under 'p@"), "{run:#?}");
    assert!(program.ok(&["ls", "--store", "STORE"]).stdout.contains("(+ 6 chunks unlisted)"));
    let gc = program.ok(&["gc", "--store", "STORE"]);
    assert!(gc.stdout.contains("Removed 0 chunks of dead uploads from file:///"), "{gc:#?}");
    assert!(gc.stdout.contains("VERSIONS IN GRACE\np ") && gc.stdout.trim_end().ends_with(" 1"), "{gc:#?}");
    let last = program.ok(&[&split[..], &["--grace-period", "0", "--json"]].concat()).json();
    let current = last["upload_id"].as_str().unwrap();
    assert!(program.ok(&["gc", "other", "--store", "STORE"]).stdout.starts_with("no dead uploads in file:///"));
    let check = ["info", "p", "--store", "STORE", "--check"];
    assert!(program.ok(&check).stdout.contains("✅ The store holds all of 6 chunks"));
    let chunk = std::fs::read_dir(program.path("store")).unwrap().map(|entry| entry.unwrap().path());
    let mut chunk = chunk.filter(|path| path.display().to_string().contains(current));
    let chunk = chunk.find(|path| path.display().to_string().ends_with("00001")).unwrap();
    std::fs::remove_file(chunk).unwrap();
    let run = program.run(&check);
    assert_eq!(run.status, 1, "{run:#?}");
    assert!(run.stdout.contains("❌ 1 of 6 chunks are not there as the manifest lists them"), "{run:#?}");
    assert!(run.stdout.contains("}:batch=00001 ") && run.stdout.contains("missing"), "{run:#?}");
    let broken = program.run(&[&check[..], &["--json"]].concat()).json()["broken_chunks"].clone();
    assert_eq!((&broken[0]["stored_bytes"], &broken[0]["batch"], &broken[1]), (&Value::Null, &1.into(), &Value::Null));
}

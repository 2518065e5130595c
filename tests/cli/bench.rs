//! The benchmark suite: what it reports, writes and leaves behind.

use serde_json::Value;

#[cfg(feature = "s3")]
use crate::common::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use crate::common::servers::{RedisServer, ServerConfig, free_port};
use crate::program::Program;

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_stage_is_measured_on_redis_with_its_limits() {
    let (program, server) = (Program::new(), RedisServer::start(&ServerConfig::default()));
    let (report, results) = (program.file("report.html"), program.file("results.json"));
    let url = format!("redis://127.0.0.1:{}/1", server.port);
    let folder = program.file("data");
    let words =
        ["bench", "--size", "tiny", "--repeats", "2", "--warmup", "0", "--verify", "--all-stores", "--redis-url"];
    let files = ["--output-json", &results, "--report", &report, "--output-dir", &folder];
    let run = program.ok(&[&words[..], &[&url], &files].concat());
    for line in ["ArrowRedis Benchmark Suite", "Verification: Enabled", "Limits of reading everything", "Summary"] {
        assert!(run.stdout.contains(line), "no {line:?} in {run:#?}");
    }

    let object: Value = serde_json::from_str(&std::fs::read_to_string(&results).unwrap()).unwrap();
    let size = &object["benchmarks"][0];
    assert_eq!((&size["name"], &size["verified"], &size["error"]), (&"tiny".into(), &true.into(), &Value::Null));
    for time in ["gen_time", "split_time", "read_time", "local_read_time", "verify_time", "total_time", "file_size_mb"]
    {
        assert!(size[time].as_f64().unwrap() > 0.0, "{time}: {size}");
    }
    let stages = &size["stages"];
    let on_store = ["split", "read", "read_columns", "read_partition", "verify"];
    for place in ["", "@embedded directory", "@memory"] {
        for stage in on_store {
            let stage = &stages[format!("{stage}{place}")];
            assert_eq!(stage["runs"].as_array().unwrap().len(), 2, "{place}: {stage}");
            let seconds = &stage["seconds"];
            let [low, median, high] = ["q1", "median", "q3"].map(|key| seconds[key].as_f64().unwrap());
            assert!(0.0 < low && low <= median && median <= high, "{seconds}");
        }
    }
    assert_eq!((&stages["read"]["rows"], &stages["read_partition"]["rows"]), (&32_000.into(), &8_000.into()));
    let limits = &size["limits"];
    assert_eq!(limits["wire_ways"].as_array().unwrap().len(), 12, "{limits}");
    assert!(limits["model_seconds"].as_f64() >= limits["wire"]["seconds"].as_f64(), "{limits}");

    assert_plots(&std::fs::read_to_string(&report).unwrap(), stages.as_object().unwrap().len());
    assert_eq!(program.names(), ["report.html", "results.json"], "the generated files are removed");
    let keyspace = server.admin(&["INFO", "keyspace"]);
    assert!(!keyspace.contains("db1:"), "the datasets are removed: {keyspace}");
}

#[cfg(feature = "s3")]
#[test]
fn the_file_is_measured_on_s3_too() {
    let (program, server) = (Program::new(), S3Server::start());
    let (report, results, folder) = (program.file("report.html"), program.file("results.json"), program.file("data"));
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    let words = ["bench", "--size", "tiny", "--repeats", "2", "--warmup", "0", "--output-dir", &folder];
    let files = ["--output-json", &results, "--report", &report];
    let s3 = ["--s3-bucket", "datasets", "--s3-key-prefix", "a/b", "--endpoint-url", &endpoint];
    let keys = ["--aws-access-key", ACCESS_KEY, "--aws-secret-key", SECRET_KEY];
    let run = program.ok(&[&words[..], &files, &s3, &keys].concat());
    for line in ["3-Way Read Comparison", "S3: s3://datasets/a/b", "upload to S3", "The store is"] {
        assert!(run.stdout.contains(line), "no {line:?} in {run:#?}");
    }
    assert!(!format!("{run:?}").contains(SECRET_KEY), "{run:#?}");
    let object: Value = serde_json::from_str(&std::fs::read_to_string(&results).unwrap()).unwrap();
    let size = &object["benchmarks"][0];
    for time in ["s3_upload_time", "s3_read_time", "read_time"] {
        assert!(size[time].as_f64().unwrap() > 0.0, "{time}: {size}");
    }
    let rows = |stage: &str| size["stages"][stage]["rows"].as_u64().unwrap();
    assert_eq!([rows("s3"), rows("s3_columns"), rows("s3_partition")], [32_000, 32_000, 8_000]);
    assert_eq!(
        size["stages"]["s3_upload"]["payload_bytes"].as_f64(),
        size["file_size_mb"].as_f64().map(|mb| mb * 1048576.0)
    );
    assert!(run.stdout.contains("Limits of reading the file on S3:"), "{run:#?}");
    assert!(run.stdout.contains("without the server's CPU"), "{run:#?}");
    let limits = &size["s3_limits"];
    assert_eq!(limits["wire_ways"].as_array().unwrap().len(), 5, "{limits}");
    assert_eq!((&limits["server_cpu_seconds"], &limits["round_trips"]), (&Value::Null, &2.0.into()), "{limits}");
    let term = |name: &str| limits[name].as_f64().unwrap_or_else(|| panic!("no {name} in {limits}"));
    let work = (term("receive_cpu_seconds") + term("decode_cpu_seconds")) / term("cores");
    let model = limits["wire"]["seconds"].as_f64().unwrap().max(2.0 * term("latency_seconds") + work);
    assert!(term("latency_seconds") > 0.0 && (term("model_seconds") - model).abs() < 1e-9, "{limits}");
    assert!(!format!("{run:?}{object}").contains("X-Amz-Signature"), "signed URLs are secrets: {run:#?}");
    let page = std::fs::read_to_string(&report).unwrap();
    assert_eq!(section(&page, "limits").matches("<rect").count(), 2, "wire and model of S3");
    assert_eq!(section(&page, "places").matches("<rect").count(), 6, "two reads at three places");
    assert_eq!(section(&page, "scaling").matches("<path class=\"line").count(), 10);
    assert!(!page.contains(SECRET_KEY));
    assert!(!server.object("a/b/bench-tiny.arrow").exists(), "what was made is removed");
}

fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("<section id=\"{id}\">")).unwrap_or_else(|| panic!("no section {id}"));
    let length = page[start..].find("</section>").unwrap();
    &page[start..start + length]
}

/// Every plot has its data: a bar for each figure, both limits, a point of each line.
fn assert_plots(page: &str, figures: usize) {
    let count = |id: &str, what: &str| section(page, id).matches(what).count();
    assert_eq!(count("places", "<rect"), 4);
    assert_eq!(count("throughput", "<rect"), figures);
    assert_eq!(count("throughput", "class=\"whisker\""), figures);
    assert_eq!(count("limits", "<rect"), 2);
    assert_eq!(count("limits", "class=\"mark\""), 1);
    assert_eq!(count("memory", "<rect"), figures);
    assert_eq!((count("scaling", "<path class=\"line"), count("scaling", "<circle")), (8, 8));
    let stacks = count("time", "class=\"label\"");
    assert!(stacks > 5 && count("time", "<rect") == 4 * stacks, "{stacks}");
    assert_eq!(count("figures", "<tr>"), figures + 1);
    for broken in ["NaN", "inf", "{{", "http://", "https://"] {
        assert!(!page.contains(broken), "{broken} in the page");
    }
}

#[test]
fn without_a_server_the_embedded_store_is_measured_and_kept_if_wanted() {
    let program = Program::new();
    let folder = program.file("data");
    let words = ["bench", "--size", "tiny", "--repeats", "1", "--warmup", "0", "--json", "--no-cleanup"];
    let object = program.ok(&[&words[..], &["--compression", "lz4", "--output-dir", &folder]].concat()).json();
    let size = &object["benchmarks"][0];
    assert_eq!((&object["rows"], &object["chunks"], &size["limits"]), (&32_000.into(), &16.into(), &Value::Null));
    assert_eq!(size["verified"], Value::Null, "nobody asked for it: {:?}", keys(size));
    let store = format!("file://{folder}/store");
    let info = program.ok(&["info", "bench:tiny", "--store", &store, "--json"]).json();
    assert_eq!((&info["compression"], &info["rows"]), (&"lz4".into(), &32_000.into()), "{info}");
    assert!(program.path("data/bench-tiny.arrow").exists());
}

#[test]
fn a_size_that_fails_is_reported_and_the_status_is_three() {
    let program = Program::new();
    let url = format!("redis://127.0.0.1:{}", free_port());
    let folder = program.file("data");
    let words =
        ["bench", "--size", "tiny", "--json", "--max-retries", "0", "--redis-url", &url, "--output-dir", &folder];
    let run = program.run(&words);
    assert_eq!(run.status, 3, "{run:#?}");
    let object = run.json();
    assert!(object["benchmarks"][0]["error"].as_str().unwrap().contains("Connection refused"), "{object}");
    assert!(run.stderr.contains("1 of 1 sizes failed (tiny)"), "{run:#?}");

    let run = program.run(&["bench", "--size", "3gb"]);
    assert_eq!(run.status, 2, "{run:#?}");
    assert!(run.stderr.contains("--size cannot be '3gb': expected 50mb, 250mb, 512mb, 1gb, tiny or all"), "{run:#?}");
}

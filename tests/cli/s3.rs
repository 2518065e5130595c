//! Files on S3, by the program.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::common::http_proxy::{Fate, Proxy};
use crate::common::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use crate::program::{Program, Run};

const PATIENCE: Duration = Duration::from_secs(60);

/// The program with the server's address and keys in its environment.
fn command(program: &Program, port: u16, words: &[&str]) -> Command {
    let mut command = program.command(words);
    command
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", program.path("none"));
    command
}

fn run(program: &Program, port: u16, words: &[&str]) -> Run {
    let run = Run::of(command(program, port, words).stdin(Stdio::null()).output().unwrap());
    assert!(!run.stdout.contains(SECRET_KEY) && !run.stderr.contains(SECRET_KEY), "{run:#?}");
    run
}

fn succeed(program: &Program, port: u16, words: &[&str]) -> Run {
    let run = run(program, port, words);
    assert_eq!(run.status, 0, "{words:?}: {run:#?}");
    run
}

fn generate(program: &Program, rows: &str) {
    let words = ["gen", "--out", "./d.arrow", "--partitions", "4", "--batches", "4", "--rows", rows];
    assert_eq!(program.run(&words).status, 0);
}

#[test]
fn a_file_on_s3_takes_the_place_of_a_local_one() {
    let (program, server) = (Program::new(), S3Server::start());
    generate(&program, "1000");
    let upload = ["s3-upload", "--inp", "./d.arrow", "--bucket", "datasets", "--key", "a b/d?.arrow"];
    let report = succeed(&program, server.port, &upload);
    assert!(report.stdout.contains("✅ Uploaded to s3://datasets/a b/d?.arrow"), "{report:#?}");
    let bytes = std::fs::metadata(program.path("d.arrow")).unwrap().len();
    let json = succeed(&program, server.port, &[&upload[..], &["--json"]].concat()).json();
    assert_eq!((&json["file_bytes"], &json["payload_bytes"]), (&bytes.into(), &bytes.into()), "{json}");

    let read = ["s3-read", "--bucket", "datasets", "--key", "a b/d?.arrow"];
    let report = succeed(&program, server.port, &[&read[..], &["--partitions", "0,2"]].concat());
    assert!(report.stdout.contains("✅ Read 8,000 rows from S3"), "{report:#?}");
    let columns = ["--partitions", "all", "--columns", "id64,str_c", "--out", "./two.arrow", "--json"];
    let json = succeed(&program, server.port, &[&read[..], &columns].concat()).json();
    assert_eq!((&json["rows"], &json["chunks"]), (&16_000.into(), &16.into()), "{json}");
    succeed(&program, server.port, &[&read[..], &["--partitions", "all", "--out", "./copy.arrow"]].concat());
    assert_eq!(program.run(&["verify", "--file1", "./d.arrow", "--file2", "./copy.arrow"]).status, 0);

    let url = "s3://datasets/a b/d%3F.arrow";
    succeed(&program, server.port, &["verify", "--file1", "./d.arrow", "--file2", url]);
    let report = succeed(&program, server.port, &["split", "--inp", url, "--prefix", "p", "--store", "STORE"]);
    assert!(report.stdout.contains("Stored 16 chunks"), "{report:#?}");
    let dataset = ["verify", "--file1", "./d.arrow", "--dataset2", "p", "--store", "STORE"];
    assert_eq!(program.run(&dataset).status, 0);
    let report = succeed(&program, server.port, &["local-read", "--inp", url, "--partitions", "3"]);
    assert!(report.stdout.contains("✅ Read 4,000 rows from S3"), "{report:#?}");
    let different = run(&program, server.port, &["verify", "--file1", "./two.arrow", "--file2", url]);
    assert_eq!(different.status, 1, "{different:#?}");
}

/// The certificates that a system trusts are many. They are read only where TLS is spoken: whoever opens this pipe gets no
/// further.
#[test]
fn certificates_are_not_read_without_tls() {
    let (program, server) = (Program::new(), S3Server::start());
    generate(&program, "10");
    assert!(Command::new("mkfifo").arg(program.path("pipe")).status().unwrap().success());
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    for words in [
        &["s3-upload", "--inp", "./d.arrow", "--bucket", "datasets", "--key", "d.arrow"][..],
        &["s3-read", "--bucket", "datasets", "--key", "d.arrow", "--partitions", "all"][..],
    ] {
        let patient = command(&program, server.port, &[words, &["--endpoint-url", &endpoint]].concat());
        let mut command = Command::new("timeout");
        command.arg(PATIENCE.as_secs().to_string()).arg(patient.get_program()).args(patient.get_args());
        command.envs(patient.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("SSL_CERT_FILE", program.path("pipe")).current_dir(program.path("."));
        let run = Run::of(command.stdin(Stdio::null()).output().unwrap());
        assert_eq!(run.status, 0, "{words:?}: {run:#?}");
    }
}

#[test]
fn failures_say_what_to_try() {
    let (program, server) = (Program::new(), S3Server::start());
    generate(&program, "10");
    let read = ["s3-read", "--bucket", "datasets", "--key", "none.arrow"];
    for (words, status, text) in [
        (&[][..], 3, "no such object"),
        (&["--aws-access-key", "ME", "--aws-secret-key", "MINE"], 3, "check the access key"),
        (&["--aws-access-key", "ME"], 2, "--aws-secret-key"),
        (&["--endpoint-url", "localhost"], 2, "--endpoint-url"),
        (&["--endpoint-url", "http://127.0.0.1:1", "--max-retries", "0"], 3, "cannot be reached"),
        (&["--part-bytes", "0"], 2, "--part-bytes"),
        (&["--path-style", "maybe"], 2, "--path-style"),
    ] {
        let run = run(&program, server.port, &[&read[..], words].concat());
        assert_eq!(run.status, status, "{words:?}: {run:#?}");
        assert!(run.stderr.contains(text), "{words:?}: {run:#?}");
        assert!(!run.stderr.contains("MINE"), "{run:#?}");
    }
    let typed =
        run(&program, server.port, &[&read[..], &["--aws-access-key", "ME", "--aws-secret-key", "MINE"]].concat());
    assert!(typed.stderr.contains("can be seen by other users"), "{typed:#?}");
    let mut keyless = command(&program, server.port, &read);
    let keyless = keyless.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").output().unwrap();
    let keyless = Run::of(keyless);
    assert_eq!(keyless.status, 3);
    assert!(keyless.stderr.contains("no credentials for S3"), "{keyless:#?}");
}

/// The region is what the flag says, then the environment, then the profile, then us-east-1.
#[test]
fn the_region_has_an_order() {
    let program = Program::new();
    let proxy = Proxy::start(1, |_| Fate::Refuse(403, "AccessDenied"));
    std::fs::write(program.path("profile"), "[default]\nregion = eu-north-1\n").unwrap();
    let (profile, none) = (program.file("profile"), program.file("none"));
    let read = ["s3-read", "--bucket", "datasets", "--key", "d.arrow"];
    for (expected, profile, environment, flag) in [
        ("us-east-1", &none, None, &[][..]),
        ("eu-north-1", &profile, None, &[]),
        ("eu-west-3", &profile, Some("eu-west-3"), &[]),
        ("ap-south-1", &profile, Some("eu-west-3"), &["--aws-region", "ap-south-1"]),
    ] {
        let before = proxy.requests().len();
        let mut command = command(&program, proxy.port, &[&read[..], flag].concat());
        command.env("AWS_CONFIG_FILE", profile).env_remove("AWS_REGION").env_remove("AWS_DEFAULT_REGION");
        if let Some(region) = environment {
            command.env("AWS_REGION", region);
        }
        let run = Run::of(command.output().unwrap());
        assert_eq!(run.status, 3, "{run:#?}");
        assert!(run.stderr.contains("these credentials do not allow it"), "{run:#?}");
        let requests = proxy.requests();
        assert!(requests.len() > before, "{expected}");
        for request in &requests[before..] {
            let signed = request.authorization.as_deref().unwrap_or_default();
            assert!(signed.contains(&format!("/{expected}/s3/aws4_request")), "{expected}: {signed}");
        }
    }
}

/// Keys and tokens are in no output, whatever is logged and whatever fails.
#[test]
fn credentials_are_in_no_output() {
    const CANARIES: [&str; 3] = ["CANARYKEYID", "canary/secret+key", "canary-session-token"];
    let (program, server) = (Program::new(), S3Server::start());
    generate(&program, "10");
    let proxy = Proxy::start(server.port, |request| match request.number % 3 {
        0 => Fate::Refuse(503, "SlowDown"),
        1 => Fate::Pass,
        _ => Fate::Close,
    });
    let object = ["--bucket", "datasets", "--key", "d.arrow", "-vvv", "--max-retries", "2"];
    let flags = ["--aws-access-key", CANARIES[0], "--aws-secret-key", CANARIES[1], "--aws-session-token", CANARIES[2]];
    for words in [&["s3-upload", "--inp", "./d.arrow"][..], &["s3-read"], &["s3-read", "--json"]] {
        for by_flags in [true, false] {
            let flags = if by_flags { &flags[..] } else { &[] };
            let mut command = command(&program, proxy.port, &[words, &object, flags].concat());
            command.env("AWS_ACCESS_KEY_ID", CANARIES[0]).env("AWS_SECRET_ACCESS_KEY", CANARIES[1]);
            command.env("AWS_SESSION_TOKEN", CANARIES[2]);
            let run = Run::of(command.stdin(Stdio::null()).output().unwrap());
            assert_eq!(run.status, 3, "{run:#?}");
            let shown = format!("{}{}", run.stdout, run.stderr);
            // The server repeats a key id that it does not know; nothing else of it is known to anybody.
            for canary in &CANARIES[1..] {
                assert!(!shown.contains(canary), "{words:?}: {canary} in {run:#?}");
            }
            assert!(!shown.contains("authorization"), "{run:#?}");
        }
    }
    // Without any, one line says so, and what AWS's libraries make of it is not shown.
    let mut keyless = command(&program, server.port, &["s3-read", "--bucket", "datasets", "--key", "none"]);
    let keyless =
        Run::of(keyless.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").output().unwrap());
    assert_eq!((keyless.status, keyless.stderr.lines().count()), (3, 1), "{keyless:#?}");
}

fn signal(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn an_interrupted_upload_leaves_no_parts() {
    let (program, server) = (Program::new(), S3Server::start());
    generate(&program, "40000");
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let proxy = Proxy::start(server.port, move |request| {
        if request.method == "PUT" {
            count.fetch_add(1, SeqCst);
        }
        // The others are stored, this one never is.
        if request.target.contains("partNumber=3&") { Fate::Hang } else { Fate::Pass }
    });
    let words = ["s3-upload", "--inp", "./d.arrow", "--bucket", "datasets", "--key", "d.arrow", "--part-bytes", "5MiB"];
    let child = command(&program, proxy.port, &words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while sent.load(SeqCst) < 3 || server.orphans().is_empty() {
        assert!(Instant::now() < deadline, "no part was stored");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(server.unfinished_uploads(), "['d.arrow']\n");
    signal(&child);
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!((run.status, run.stderr.as_str()), (130, "error: interrupted\n"));
    assert_eq!(server.unfinished_uploads(), "[]\n");
    assert_eq!(server.orphans(), Vec::<PathBuf>::new());
    assert!(!server.object("d.arrow").exists());
}

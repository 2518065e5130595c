//! The command line on a real Redis server.

use crate::common::servers::{RedisServer, ServerConfig, free_port};
use crate::program::{Program, Run};

#[test]
fn the_whole_job_runs_on_redis_and_the_password_stays_secret() {
    let program = Program::new();
    let server =
        RedisServer::start(&ServerConfig { password: Some("s3cr3t".to_string()), tls: true, ..Default::default() });
    let url = format!("redis://:s3cr3t@127.0.0.1:{}/0", server.port);
    let with_environment = |words: &[&str]| {
        let run = Run::of(program.command(words).env("REDIS_URL", &url).output().unwrap());
        assert!(!format!("{run:?}").contains("s3cr3t"), "{run:#?}");
        run
    };
    for words in [&["demo", "--rows", "100"][..], &["demo", "--rows", "100", "--json", "-vv"]] {
        let run = with_environment(words);
        assert_eq!(run.status, 0, "{run:#?}");
    }
    assert_eq!(server.admin(&["DBSIZE"]), "0", "the demo removes what it made");
    let ping = with_environment(&["ping", "--json"]).json();
    assert_eq!((&ping["server"], &ping["role"], &ping["tls"]), (&"redis".into(), &"master".into(), &false.into()));

    let run = program.ok(&["ping", "--redis-url", &url]);
    assert!(run.stderr.starts_with("warning: a password on the command line") && run.stderr.contains("REDIS_URL"));
    assert!(!format!("{run:?}").contains("s3cr3t"), "{run:#?}");

    let tls = format!("rediss://:s3cr3t@localhost:{}", server.tls_port);
    let words = ["ping", "--json", "--tls-ca-file", &server.ca_file()];
    let run = Run::of(program.command(&words).env("REDIS_URL", &tls).output().unwrap());
    assert_eq!(run.json()["tls"], true, "{run:#?}");
    // Among the system's authorities, which the environment can name, too.
    for (authorities, status) in [(server.ca_file(), 0), (String::new(), 3)] {
        let mut command = program.command(&["ping", "--json"]);
        let run = command.env("REDIS_URL", &tls).env("SSL_CERT_FILE", authorities).output().unwrap();
        assert_eq!(Run::of(run).status, status);
    }
}

#[test]
fn what_a_server_refuses_is_one_line() {
    let program = Program::new();
    let server = RedisServer::start(&ServerConfig { password: Some("right".to_string()), ..Default::default() });
    let port = server.port;
    let closed = free_port();
    let cases = [
        (format!("redis://:wrong@127.0.0.1:{port}"), "PERMISSION_DENIED"),
        (format!("redis://127.0.0.1:{port}"), "PERMISSION_DENIED"),
        (format!("redis://127.0.0.1:{closed}"), "UNAVAILABLE"),
        (format!("rediss://:right@127.0.0.1:{port}"), "UNAVAILABLE"),
    ];
    for (url, code) in cases {
        let words = ["ls", "--redis-url", &url, "--max-retries", "0", "--connect-timeout", "5"];
        let run = program.run(&words);
        assert_eq!(run.status, 3, "{url}: {run:#?}");
        let line = run.stderr.lines().last().unwrap();
        assert!(line.starts_with("error: ") && line.contains("127.0.0.1:"), "{url}: {run:#?}");
        assert!(!run.stderr.contains("wrong@") && !run.stderr.contains("right"), "{url}: {run:#?}");
        assert_eq!(program.run(&[&words[..], &["--json"]].concat()).json()["error"]["code"], code, "{url}");
    }
    let run = program.run(&["ls", "--redis-url", &format!("redis://127.0.0.1:{closed}"), "--retry-base-delay", "1ms"]);
    assert_eq!((run.status, run.stderr.lines().count()), (3, 1), "retries are not worth a line: {run:#?}");
    assert!(run.stderr.starts_with("error: failed after 3 retries: "), "{run:#?}");
}

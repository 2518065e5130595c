//! Help and completions.

use crate::program::Program;

#[test]
fn every_command_and_flag_of_the_original_tool_is_there() {
    let program = Program::new();
    let flags: [(&str, &[&str]); 5] = [
        (
            "gen",
            &[
                "--out",
                "--partitions",
                "--batches",
                "--rows",
                "--compression",
                "--dict-strings",
                "--string-cardinality",
                "--seed",
                "--parallel",
                "--no-parallel",
                "--workers",
            ],
        ),
        ("split", &["--inp", "--redis-url", "--prefix", "--batches", "--compression", "--cluster", "--max-inflight"]),
        (
            "read",
            &[
                "--redis-url",
                "--prefix",
                "--partitions",
                "--batches",
                "--pipeline",
                "--concurrency",
                "--cluster",
                "--out",
                "--compression",
            ],
        ),
        ("local-read", &["--inp", "--partitions"]),
        ("verify", &["--file1", "--file2"]),
    ];
    for (command, flags) in flags {
        let help = program.ok(&[command, "--help"]).stdout;
        for flag in flags {
            assert!(
                help.split_whitespace().any(|word| word.trim_end_matches(',') == *flag),
                "{command} {flag}: {help}"
            );
        }
    }
}

#[test]
fn every_command_explains_itself_with_examples() {
    let program = Program::new();
    let commands =
        ["gen", "split", "read", "local-read", "verify", "ls", "info", "delete", "gc", "ping", "demo", "completions"];
    let overview = program.ok(&["--help"]).stdout;
    for command in commands {
        assert!(overview.contains(&format!("\n  {command} ")), "{overview}");
        let help = program.ok(&[command, "--help"]).stdout;
        assert!(help.contains("EXAMPLES:\n") && help.contains(&format!("arrowredis {command}")), "{help}");
        assert!(help.contains("--json"), "{help}");
    }
}

#[test]
fn the_flags_of_a_store_are_those_of_every_command_that_opens_one() {
    let program = Program::new();
    let flags = [
        "--store",
        "--redis-url",
        "--connections",
        "--connect-timeout",
        "--timeout",
        "--total-timeout",
        "--tcp-keepalive",
        "--client-name",
        "--max-retries",
        "--retry-base-delay",
        "--cluster",
        "--tls-ca-file",
    ];
    for command in ["split", "read", "verify", "ls", "info", "delete", "ping", "demo"] {
        let help = program.ok(&[command, "--help"]).stdout;
        for flag in flags {
            assert!(help.contains(&format!("{flag} <")), "{command} {flag}: {help}");
        }
    }
}

#[test]
fn completions_know_the_flags() {
    let program = Program::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = program.ok(&["completions", shell]).stdout;
        assert!(script.contains("max-inflight"), "{shell}: {script}");
    }
}

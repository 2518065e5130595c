//! The README is run as it stands, so that it cannot drift from the program.
//!
//! In its ```` ```console ```` blocks a line that starts with `$ ` is a command, and the lines up to the next
//! command are what it prints. A ```` ```python ```` block is a command, too, and a ```` ```text ```` block that
//! follows it is what it prints. All of them run in order in one empty folder, against a real server that takes
//! the place of [`SERVER`]. Other blocks are not run here; the Rust example is a documentation test of the crate.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::common::python::{interpreter, python};
use crate::common::servers::{RedisServer, ServerConfig};

const README: &str = include_str!("../../README.md");
/// The server of the README's reader.
const SERVER: &str = "redis://127.0.0.1:6379";

/// A fenced block: its language, and its lines.
struct Block {
    language: String,
    lines: Vec<String>,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in markdown.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => open = Some(Block { language: language.to_string(), lines: Vec::new() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.lines.push(line.to_string());
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

#[derive(Debug)]
enum Step {
    /// `export NAME=VALUE`, for all that follows.
    Export(String, String),
    Shell(String),
    Python(String),
}

/// The steps of a text, each with the lines that are shown as its output.
fn steps(markdown: &str) -> Vec<(Step, Vec<String>)> {
    let mut steps: Vec<(Step, Vec<String>)> = Vec::new();
    let mut after_python = false;
    for Block { language, lines } in blocks(markdown) {
        match language.as_str() {
            "console" => {
                assert!(lines[0].starts_with("$ "), "a console block starts with a command: {}", lines[0]);
                for line in lines {
                    let Some(command) = line.strip_prefix("$ ") else {
                        steps.last_mut().expect("a command before its output").1.push(line);
                        continue;
                    };
                    let export = command.strip_prefix("export ").and_then(|rest| rest.split_once('='));
                    let step = match export {
                        Some((name, value)) => Step::Export(name.to_string(), value.to_string()),
                        None => Step::Shell(command.to_string()),
                    };
                    steps.push((step, Vec::new()));
                }
            }
            "python" => steps.push((Step::Python(lines.join("\n")), Vec::new())),
            "text" if after_python => steps.last_mut().expect("the Python block").1 = lines,
            _ => {}
        }
        after_python = language == "python";
    }
    steps
}

/// What of a shown line must be printed again: all of it, or what stands before the first word with a digit in
/// it, since sizes, times and names differ from run to run.
fn stable_part(line: &str) -> (&str, bool) {
    match line.find(|c: char| c.is_ascii_digit()) {
        None => (line, true),
        Some(digit) => (&line[..line[..digit].rfind([' ', '=']).map_or(0, |space| space + 1)], false),
    }
}

fn is_printed(shown: &str, printed: &str) -> bool {
    let (part, whole) = stable_part(shown);
    printed.lines().any(|line| if whole { line == part } else { line.starts_with(part) })
}

/// The programs that the README calls, in front of everything else in the PATH.
fn path() -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_arrowredis"));
    format!("{}:{}", program.parent().expect("its folder").display(), std::env::var("PATH").unwrap_or_default())
}

#[test]
fn the_commands_of_the_readme_work_and_print_what_it_shows() {
    let server = RedisServer::start(&ServerConfig::default());
    let folder = TempDir::new().unwrap();
    let mut exported: HashMap<String, String> = HashMap::new();
    let mut commands = 0;
    for (step, shown) in steps(&README.replace(SERVER, &server.url())) {
        let mut command = match &step {
            Step::Export(name, value) => {
                exported.insert(name.clone(), value.clone());
                continue;
            }
            Step::Shell(line) => {
                let mut command = Command::new("bash");
                command.arg("-c").arg(format!("set -eo pipefail; exec 2>&1; {line}"));
                command
            }
            Step::Python(code) => {
                let mut command = Command::new(interpreter());
                command.arg("-c").arg(code);
                command
            }
        };
        command.env("PATH", path()).env_remove("REDIS_URL").envs(&exported);
        let Output { status, stdout, stderr } =
            command.current_dir(folder.path()).stdin(Stdio::null()).output().expect("a shell and Python");
        let printed = String::from_utf8(stdout).expect("text");
        assert!(status.success(), "{step:?}: {status}\n{printed}\n{}", String::from_utf8_lossy(&stderr));
        for line in shown {
            assert!(is_printed(&line, &printed), "{step:?} is said to print {line:?}; it printed\n{printed}");
        }
        commands += 1;
    }
    assert!(commands >= 10, "the README has a tour, {commands} commands were found in it");
    assert_eq!(server.admin(&["DBSIZE"]), "0", "the tour cleans up behind itself");
}

/// Others can look into a manifest as docs/format.md says.
#[test]
fn the_python_of_the_format_opens_a_manifest() {
    let (server, folder) = (RedisServer::start(&ServerConfig::default()), TempDir::new().unwrap());
    let program = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arrowredis"));
        let status = command.args(words).arg("--quiet").current_dir(folder.path()).status().expect("the program");
        assert!(status.success(), "{words:?}");
    };
    program(&["gen", "--out", "d.arrow", "--partitions", "2", "--batches", "1", "--rows", "10"]);
    program(&["split", "--inp", "d.arrow", "--prefix", "demo:v1", "--redis-url", &server.url()]);
    let steps = steps(&include_str!("../../docs/format.md").replace(SERVER, &server.url()));
    let [(Step::Python(code), _)] = steps.as_slice() else { panic!("one block of Python: {steps:?}") };
    let printed = python(code, &[]);
    assert!(printed.contains("rows: [[10,10]]") && printed.contains("b'arrowredis.partition_column'"), "{printed}");
}

/// Flags in running text and in commands that are not run exist, too.
#[test]
fn every_flag_of_the_readme_exists() {
    let help = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_arrowredis")).args([command, "--help"]).output().unwrap();
        assert!(output.status.success(), "{command}");
        flags(&String::from_utf8(output.stdout).expect("text"))
    };
    let commands =
        ["gen", "split", "read", "local-read", "verify", "ls", "info", "delete", "gc", "ping", "demo", "completions"];
    let known: BTreeSet<String> = commands.into_iter().flat_map(help).collect();
    // Blocks for a shell call other programs.
    let others: BTreeSet<String> =
        blocks(README).iter().filter(|b| b.language == "sh").flat_map(|b| flags(&b.lines.join("\n"))).collect();
    let unknown: Vec<String> = flags(README)
        .into_iter()
        .filter(|flag| !known.contains(flag) && !others.contains(flag) && flag != "--open")
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn flags(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase())))
        .map(str::to_string)
        .collect()
}

#[test]
fn steps_and_their_output_are_found() {
    let text = "```console\n$ export A=b c\n$ one\nout\n\n$ two | three\n```\n```text\nno\n```\n```python\np\nq\n```\n\
                ```text\nshown\n```\n```sh\nmake demo\n```\n";
    assert_eq!(
        format!("{:?}", steps(text)),
        r#"[(Export("A", "b c"), []), (Shell("one"), ["out", ""]), (Shell("two | three"), []), (Python("p\nq"), ["shown"])]"#
    );
    assert_eq!(stable_part("   Role: master"), ("   Role: master", true));
    assert_eq!(stable_part("   Upload id: f3"), ("   Upload id: ", false));
    assert!(is_printed("Rows: 5", "a\nRows: 77 more") && !is_printed("Rows: 5", "Row: 77"));
    assert!(is_printed("all", "all\nb") && !is_printed("all", "all of it"));
}

//! Running the program.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a store in it, and the program.
pub struct Program {
    dir: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    pub fn new() -> Program {
        Program { dir: tempfile::tempdir().unwrap() }
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The URL of the embedded store.
    pub fn store(&self) -> String {
        format!("file://{}", self.file("store"))
    }

    /// The names of the keys in the embedded store.
    pub fn keys(&self) -> Vec<String> {
        let ls = self.run(&["ls", "--json", "--store", &self.store()]);
        let chunks = ls.json()["datasets"].as_array().unwrap().clone();
        chunks.iter().map(|dataset| dataset["prefix"].as_str().unwrap().to_string()).collect()
    }

    /// The names in the folder.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The program with these words, ready to be started. `STORE` stands for the embedded store, and `./` for the
    /// folder.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arrowredis"));
        command.args(words.iter().map(|word| word.replace("STORE", &self.store())));
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        for name in ["REDIS_URL", "REDIS_PASSWORD", "NO_COLOR", "ARROWREDIS_MAX_INFLIGHT_BYTES"] {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, words: &[&str]) -> Run {
        Run::of(self.command(words).output().unwrap())
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, words: &[&str]) -> Run {
        let run = self.run(words);
        assert_eq!(run.status, 0, "{words:?}: {run:#?}");
        run
    }

    /// Starts a command whose streams are pipes.
    pub fn start(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A small dataset in `data.arrow`: 3 partitions of 2 batches with 100 rows each.
    pub fn generate(&self) {
        self.ok(&["gen", "--out", "data.arrow", "--partitions", "3", "--batches", "2", "--rows", "100"]);
    }

    /// The same, published as `demo:v1` in the embedded store.
    pub fn publish(&self) {
        self.generate();
        self.ok(&["split", "--inp", "data.arrow", "--prefix", "demo:v1", "--store", "STORE"]);
    }
}

impl Run {
    pub fn of(output: Output) -> Run {
        Run {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output as the one JSON object that it must be.
    pub fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:#?}"));
        assert!(value.is_object(), "{self:#?}");
        value
    }
}

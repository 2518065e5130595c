//! pyarrow as an independent judge: the scripts in `tests/oracle`, run by the Python of `.venv`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter of the repository's environment.
pub fn interpreter() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    assert!(python.exists(), "{} is missing: run `make setup`", python.display());
    python
}

/// Runs a script of `tests/oracle`; returns what it printed, or panics with what it said.
pub fn oracle(script: &str, args: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle").join(script);
    let output = Command::new(interpreter()).arg(path).args(args).output().expect("the judge runs");
    assert!(
        output.status.success(),
        "{script} {args:?} refused:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a few lines of Python; returns what they printed.
pub fn python(code: &str, args: &[&str]) -> String {
    let output = Command::new(interpreter()).arg("-c").arg(code).args(args).output().expect("Python runs");
    assert!(output.status.success(), "{code}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

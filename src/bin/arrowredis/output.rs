//! Reports: for a person, or as one JSON object.

use std::io::{self, IsTerminal, Write};

use arrowredis::{MB, Metrics};
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// Where reports go, and in which form.
#[derive(Debug)]
pub struct Output {
    json: bool,
    quiet: bool,
    /// Standard output carries data: the report goes to standard error.
    to_stderr: bool,
}

impl Output {
    pub fn new(json: bool, quiet: bool, to_stderr: bool) -> Output {
        Output { json, quiet, to_stderr }
    }

    /// Whether a person follows what is going on.
    pub fn chatty(&self) -> bool {
        !self.json && !self.quiet
    }

    /// Whether only errors are wanted.
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// Part of a report on what was done.
    pub fn say(&self, text: impl AsRef<str>) -> Result<(), Failure> {
        if self.quiet { Ok(()) } else { self.show(text) }
    }

    /// What was asked for: shown even when quiet.
    pub fn show(&self, text: impl AsRef<str>) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.write(text.as_ref()) }
    }

    /// The one object of `--json`.
    pub fn object(&self, object: Map<String, Value>) -> Result<(), Failure> {
        if self.json { self.write(&Value::Object(object).to_string()) } else { Ok(()) }
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let result = if self.to_stderr {
            writeln!(io::stderr(), "{}", text.trim_end_matches('\n'))
        } else {
            let mut out = io::stdout().lock();
            writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush())
        };
        match result {
            // The work is done; that nobody reads the report to its end is no failure.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(e) => Err(arrowredis::Error::from(e).context("cannot write the report to standard output").into()),
            Ok(()) => Ok(()),
        }
    }
}

/// A word in front of a message on standard error, in colour where the terminal shows colours.
pub fn tag(word: &str, colour: u8) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || !io::stderr().is_terminal();
    if plain { format!("{word}:") } else { format!("\x1b[1;{colour}m{word}:\x1b[0m") }
}

pub const RED: u8 = 31;
pub const YELLOW: u8 = 33;

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// Bytes as megabytes of 2^20.
pub fn megabytes(bytes: u64) -> String {
    match bytes as f64 / MB {
        // A small dataset is more than nothing.
        small if small < 0.01 && bytes > 0 => format!("{small:.4} MB"),
        megabytes => format!("{megabytes:.2} MB"),
    }
}

pub fn seconds(seconds: f64) -> String {
    if seconds < 0.01 { format!("{seconds:.4}s") } else { format!("{seconds:.2}s") }
}

/// `1 chunk`, `2 chunks`.
pub fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// The lines that end a report: time and throughput.
pub fn throughput(metrics: &Metrics) -> String {
    let mut text = format!(
        "   Time: {}\n   Throughput: {:.2} MB/s, {} rows/s",
        seconds(metrics.total_seconds),
        metrics.payload_mb_per_second(),
        count(metrics.rows_per_second() as u64)
    );
    if metrics.decoded_bytes > 0 {
        text += &format!(
            "\n   Arrow data: {}, {:.2} MB/s",
            megabytes(metrics.decoded_bytes),
            metrics.decoded_mb_per_second()
        );
    }
    if metrics.bytes_pruned > 0 {
        let (chunks, bytes) = (counted(metrics.chunks_pruned, "chunk"), megabytes(metrics.bytes_pruned));
        text += &format!("\n   Ruled out by --where: {chunks}, {bytes} not fetched");
    }
    if metrics.retries > 0 {
        text += &format!("\n   Retries: {}", count(metrics.retries));
    }
    text
}

/// The metrics as the members of the JSON object.
pub fn metrics_object(metrics: &Metrics) -> Map<String, Value> {
    object(json!({
        "rows": metrics.rows,
        "chunks": metrics.chunks,
        "payload_bytes": metrics.payload_bytes,
        "decoded_bytes": metrics.decoded_bytes,
        "payload_mb_per_second": metrics.payload_mb_per_second(),
        "decoded_mb_per_second": metrics.decoded_mb_per_second(),
        "rows_per_second": metrics.rows_per_second(),
        "fetch_seconds": metrics.fetch_seconds,
        "decode_seconds": metrics.decode_seconds,
        "total_seconds": metrics.total_seconds,
        "retries": metrics.retries,
        "chunks_skipped": metrics.chunks_skipped,
        "chunks_pruned": metrics.chunks_pruned,
        "bytes_pruned": metrics.bytes_pruned,
    }))
}

/// The members of a JSON object.
pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => Map::from_iter([("value".to_string(), other)]),
    }
}

/// Rows of cells under a head, in columns; those marked `>` are set to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let right: Vec<bool> = head.iter().map(|name| name.starts_with('>')).collect();
    let head: Vec<String> = head.iter().map(|name| name.trim_start_matches('>').to_string()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let cells = cells.iter().zip(&widths).zip(&right).map(|((cell, width), right)| match right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    lines.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_800_000, "12,800,000")] {
            assert_eq!(count(number), expected);
        }
        assert_eq!(megabytes(257_604_813), "245.67 MB");
        assert_eq!(megabytes(100), "0.0001 MB");
        assert_eq!(seconds(0.2345), "0.23s");
        assert_eq!(counted(1, "chunk"), "1 chunk");
    }

    #[test]
    fn tables_are_aligned() {
        let rows = [vec!["a".to_string(), "10".to_string()], vec!["long".to_string(), "2".to_string()]];
        assert_eq!(table(&["NAME", ">ROWS"], &rows), "NAME  ROWS\na       10\nlong     2");
    }
}

//! Progress bars on a terminal, and what else is written beside them.

use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use arrowredis::{Context, MB};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

const INTERVAL: Duration = Duration::from_millis(100);

/// All bars of the process: whoever writes to the terminal meanwhile goes through [`beside_bars`].
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// What a bar counts.
#[derive(Clone, Copy, PartialEq)]
pub enum Unit {
    Chunks,
    Bytes,
}

/// Runs work of an operation; while it runs, a bar shows how far it is.
pub fn watch<T>(label: &str, unit: Unit, visible: bool, ctx: &Context, work: impl FnOnce() -> T) -> T {
    if !visible {
        return work();
    }
    let (running, ended) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(|| draw(label, unit, ctx, ended));
        let result = work();
        drop(running);
        result
    })
}

fn draw(label: &str, unit: Unit, ctx: &Context, ended: Receiver<()>) {
    let counted = style(match unit {
        Unit::Chunks => "{prefix}: {percent:>3}%|{wide_bar}| {pos}/{len} [{elapsed}<{eta}, {msg}]",
        Unit::Bytes => "{prefix}: {percent:>3}%|{wide_bar}| {bytes}/{total_bytes} [{elapsed}<{eta}, {msg}]",
    });
    let open = style("{prefix}: {spinner} {pos} [{elapsed}, {msg}]");
    let bar = BARS.add(ProgressBar::no_length().with_style(open.clone()).with_prefix(label.to_string()));
    loop {
        let metrics = ctx.progress().snapshot();
        let (position, expected) = match unit {
            Unit::Chunks => (metrics.chunks, metrics.chunks_expected),
            Unit::Bytes => (metrics.payload_bytes, metrics.payload_bytes_expected),
        };
        if expected > 0 {
            bar.set_style(counted.clone());
            bar.set_length(expected);
        } else {
            bar.set_style(open.clone());
        }
        bar.set_position(position);
        bar.set_message(format!("{:.1} MB/s", metrics.payload_bytes as f64 / MB / metrics.total_seconds.max(1e-9)));
        bar.tick();
        if ended.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    bar.finish_and_clear();
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Writes to standard error without tearing a bar.
pub fn beside_bars(bytes: &[u8]) -> io::Result<()> {
    BARS.suspend(|| io::stderr().write_all(bytes))
}

/// Standard error for log lines.
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        beside_bars(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

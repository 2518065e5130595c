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

/// Runs work of an operation; while it runs, a bar shows how far it is.
pub fn watch<T>(label: &str, visible: bool, ctx: &Context, work: impl FnOnce() -> T) -> T {
    if !visible {
        return work();
    }
    let (running, ended) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(|| draw(label, ctx, ended));
        let result = work();
        drop(running);
        result
    })
}

fn draw(label: &str, ctx: &Context, ended: Receiver<()>) {
    let counted = style("{prefix}: {percent:>3}%|{wide_bar}| {pos}/{len} [{elapsed}<{eta}, {msg}]");
    let open = style("{prefix}: {spinner} {pos} [{elapsed}, {msg}]");
    let bar = BARS.add(ProgressBar::no_length().with_style(open.clone()).with_prefix(label.to_string()));
    loop {
        let metrics = ctx.progress().snapshot();
        if metrics.chunks_expected > 0 {
            bar.set_style(counted.clone());
            bar.set_length(metrics.chunks_expected);
        } else {
            bar.set_style(open.clone());
        }
        bar.set_position(metrics.chunks);
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

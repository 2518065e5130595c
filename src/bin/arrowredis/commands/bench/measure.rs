//! Time, processor time and memory of a piece of work.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arrowredis::Metrics;
use cpu_time::ProcessTime;

use crate::failure::Failure;

/// What one run of a stage took.
#[derive(Debug, Clone)]
pub struct Run {
    /// From the call to its last result, the fetch of the index included.
    pub seconds: f64,
    /// Of this process, all threads, user and system.
    pub cpu_seconds: f64,
    /// The peak of this process's anonymous memory, where the system tells.
    pub peak_bytes: Option<u64>,
    pub metrics: Metrics,
}

/// Median and quartiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    /// Of one sample at least; quartiles are interpolated.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Spread {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * sorted.len().saturating_sub(1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            let value = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
            value(below) + (value(above) - value(below)) * (place - below as f64)
        };
        Spread { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

/// How often memory is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Runs a piece of work and measures it.
pub fn measure(work: impl FnOnce() -> Result<Metrics, Failure>) -> Result<Run, Failure> {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut peak = anonymous_bytes();
            while !ended.load(Relaxed) {
                std::thread::park_timeout(INTERVAL);
                peak = peak.max(anonymous_bytes());
            }
            peak
        });
        let (start, cpu) = (Instant::now(), ProcessTime::now());
        let result = work();
        let (seconds, cpu_seconds) = (start.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
        ended.store(true, Relaxed);
        sampler.thread().unpark();
        let peak_bytes = sampler.join().unwrap_or_default();
        Ok(Run { seconds, cpu_seconds, peak_bytes, metrics: result? })
    })
}

/// The anonymous memory of this process: mapped files are not ours.
fn anonymous_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_interpolated() {
        assert_eq!(Spread::of([4.0]), Spread { low: 4.0, median: 4.0, high: 4.0 });
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { low: 1.5, median: 2.0, high: 2.5 });
        assert_eq!(Spread::of([1.0, 2.0, 3.0, 4.0, 5.0]), Spread { low: 2.0, median: 3.0, high: 4.0 });
    }

    #[test]
    fn work_is_measured() {
        let run = measure(|| {
            let block = std::hint::black_box(vec![1u8; 32 << 20]);
            std::thread::sleep(Duration::from_millis(30));
            Ok(Metrics { rows: block.len() as u64, ..Metrics::default() })
        });
        let Ok(run) = run else { panic!("the work does not fail") };
        assert!(run.seconds >= 0.03 && run.metrics.rows == 32 << 20, "{run:?}");
        assert!(run.peak_bytes.is_none_or(|peak| peak >= 32 << 20), "{run:?}");
    }
}

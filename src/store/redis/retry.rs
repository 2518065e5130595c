//! Repeating what can succeed later.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::metrics::Progress;
use crate::runtime::Context;
use crate::store::StoreOptions;
use crate::telemetry::{Counter, count};

/// The longest pause between tries that wait for a cluster to replace a lost master.
const FAILOVER_PAUSE: Duration = Duration::from_millis(500);

/// The tries of one operation.
pub(super) struct Attempts<'a> {
    ctx: &'a Context,
    options: &'a StoreOptions,
    place: &'a str,
    failures: u32,
    /// When the current request failed first.
    failing_since: Option<Instant>,
    repeated: bool,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(ctx: &'a Context, options: &'a StoreOptions, place: &'a str) -> Self {
        Attempts { ctx, options, place, failures: 0, failing_since: None, repeated: false }
    }

    /// Tries of the same operation for a part of its requests that goes its own way.
    pub(super) fn fork(&self) -> Attempts<'a> {
        Attempts::new(self.ctx, self.options, self.place)
    }

    /// A part of the requests was sent again.
    pub(super) fn note_repeated(&mut self, part: &Attempts<'_>) {
        self.repeated |= part.repeated;
    }

    /// The request may have been carried out although it will be sent to another server.
    pub(super) fn rerouted(&mut self) {
        self.repeated = true;
    }

    /// How often the current request has failed.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether a request was sent again, so that its first sending may have had its effect already.
    pub(super) fn repeated(&self) -> bool {
        self.repeated
    }

    /// A request will be sent again at once, over a new connection: the old one had been closed while idle.
    pub(super) fn reconnecting(&mut self) {
        self.repeated = true;
        count(Counter::Reconnects, 1);
        tracing::debug!(address = self.place, "an idle connection had been closed by the server: reconnecting");
    }

    /// A request succeeded: the next one has all its tries.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.failing_since = None;
    }

    /// Waits until it is time for another try, or gives the error back when there is to be none.
    pub(super) async fn again(&mut self, error: Error) -> Result<()> {
        self.repeat(error, Duration::ZERO, std::future::pending()).await
    }

    /// The same in a cluster, where a replica takes the place of a master that is lost: as long as that may come,
    /// trying goes on, however few retries are allowed; and at once when the slots have `moved`.
    pub(super) async fn again_when(&mut self, error: Error, moved: impl Future<Output = ()>) -> Result<()> {
        let waits = self.options.max_retries > 0 && may_be_failover(&error);
        let patience = if waits { self.options.failover_timeout } else { Duration::ZERO };
        self.repeat(error, patience, moved).await
    }

    async fn repeat(&mut self, error: Error, patience: Duration, helped: impl Future<Output = ()>) -> Result<()> {
        if !error.is_retryable() {
            return Err(error);
        }
        let failing_since = *self.failing_since.get_or_insert_with(Instant::now);
        let waiting = self.failures >= self.options.max_retries;
        if waiting && failing_since.elapsed() >= patience {
            return Err(match self.failures {
                0 => error,
                1 => error.context("failed after 1 retry"),
                retries => error.context(format_args!("failed after {retries} retries")),
            });
        }
        let delay = delay(self.options.retry_base_delay, self.failures, rand::random());
        let delay = if waiting { delay.min(FAILOVER_PAUSE) } else { delay };
        self.failures += 1;
        self.repeated = true;
        Progress::add(&self.ctx.progress().retries, 1);
        count(Counter::Retries, 1);
        tracing::info!(
            address = self.place,
            attempt = self.failures,
            delay_ms = delay.as_millis() as u64,
            error = %error,
            "a request failed and will be repeated"
        );
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = helped => {}
        }
        Ok(())
    }
}

/// Whether a failure that can pass is what one sees of a lost master before another node serves its slots.
fn may_be_failover(error: &Error) -> bool {
    error.server_code().is_none_or(|code| ["CLUSTERDOWN", "MASTERDOWN", "READONLY", "LOADING"].contains(&code))
}

/// The delay before a repeat: uniform between nothing and a limit that doubles with every failure.
pub(in crate::store) fn delay(base: Duration, failures: u32, fraction: f64) -> Duration {
    base.saturating_mul(1 << failures.min(20)).min(Duration::from_secs(3600)).mul_f64(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_the_delay_doubles() {
        let base = Duration::from_millis(200);
        let limits: Vec<_> = (0..4).map(|failures| delay(base, failures, 1.0).as_millis()).collect();
        assert_eq!(limits, [200, 400, 800, 1600]);
        assert_eq!(delay(base, 3, 0.25), Duration::from_millis(400));
        assert_eq!(delay(base, u32::MAX, 1.0), Duration::from_secs(3600));
        assert_eq!(delay(Duration::ZERO, 3, 1.0), Duration::ZERO);
    }

    #[test]
    fn a_failover_is_waited_for_however_few_retries_there_are() {
        let options = |max_retries| StoreOptions {
            max_retries,
            retry_base_delay: Duration::from_millis(1),
            failover_timeout: Duration::from_millis(80),
            ..StoreOptions::default()
        };
        let lost = || Error::unavailable("no answer");
        let down = || Error::unavailable("down").with_server_code("CLUSTERDOWN");
        let busy = || Error::unavailable("busy").with_server_code("BUSY");
        let tries = |max_retries: u32, error: &dyn Fn() -> Error, in_cluster: bool| {
            let (ctx, options) = (Context::new(), options(max_retries));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let start = Instant::now();
            runtime.block_on(async {
                let mut attempts = Attempts::new(&ctx, &options, "here");
                while match in_cluster {
                    true => attempts.again_when(error(), std::future::pending()).await,
                    false => attempts.again(error()).await,
                }
                .is_ok()
                {}
            });
            (ctx.metrics().retries, start.elapsed() >= options.failover_timeout)
        };
        for error in [&lost as &dyn Fn() -> Error, &down] {
            let (retries, waited) = tries(2, error, true);
            assert!(retries > 2 && waited, "{retries}");
            assert_eq!(tries(2, error, false).0, 2);
            assert_eq!(tries(0, error, true).0, 0, "who wants no retries does not wait either");
        }
        assert_eq!(tries(2, &busy, true).0, 2);
    }
}

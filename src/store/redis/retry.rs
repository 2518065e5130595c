//! Repeating what can succeed later.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::metrics::Progress;
use crate::runtime::Context;
use crate::store::StoreOptions;
use crate::telemetry::{Counter, count};

/// The tries of one operation.
pub(super) struct Attempts<'a> {
    ctx: &'a Context,
    options: &'a StoreOptions,
    place: &'a str,
    failures: u32,
    repeated: bool,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(ctx: &'a Context, options: &'a StoreOptions, place: &'a str) -> Self {
        Attempts { ctx, options, place, failures: 0, repeated: false }
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
    }

    /// Waits until it is time for another try, or gives the error back when there is to be none.
    pub(super) async fn again(&mut self, error: Error) -> Result<()> {
        self.again_when(error, std::future::pending()).await
    }

    /// The same, but tries again as soon as something happens that may help.
    pub(super) async fn again_when(&mut self, error: Error, helped: impl Future<Output = ()>) -> Result<()> {
        if !error.is_retryable() {
            return Err(error);
        }
        if self.failures >= self.options.max_retries {
            return Err(match self.failures {
                0 => error,
                1 => error.context("failed after 1 retry"),
                retries => error.context(format_args!("failed after {retries} retries")),
            });
        }
        let delay = delay(self.options.retry_base_delay, self.failures, rand::random());
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
}

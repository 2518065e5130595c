//! What the whole process has done so far: counters and a histogram, from one table.
//!
//! [`METRICS`] is the only place where a metric is declared: its name, kind, unit and meaning. The text for
//! Prometheus and `docs/metrics.md` are made from it. Nothing here carries a name of a key, a server or a user.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::runtime;

/// What a metric is: a row of [`METRICS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricSpec {
    /// The name, as Prometheus has it.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// What it means.
    pub doc: &'static str,
}

macro_rules! counters {
    ($( $(#[doc = $doc:literal])+ $counter:ident = $name:literal in $unit:literal, )*) => {
        /// What is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Counter {
            $( $(#[doc = $doc])+ $counter, )*
        }

        /// All metrics of the process, in the order of the text.
        pub const METRICS: &[MetricSpec] = &[
            $( MetricSpec { name: $name, kind: "counter", unit: $unit, doc: concat!($($doc),+) }, )*
            REQUEST_SECONDS,
            INFLIGHT_BYTES,
        ];

        const COUNTERS: usize = [$( Counter::$counter ),*].len();
    };
}

counters! {
    /// Requests sent to Redis servers, repeats included.
    Requests = "arrowredis_requests_total" in "requests",
    /// Bytes sent to Redis servers, without what TLS adds.
    BytesSent = "arrowredis_sent_bytes_total" in "bytes",
    /// Bytes received from Redis servers, without what TLS adds.
    BytesReceived = "arrowredis_received_bytes_total" in "bytes",
    /// Requests repeated after a failure that can pass.
    Retries = "arrowredis_retries_total" in "requests",
    /// Answers of a cluster that sent a request, or a key of it, to another node.
    Redirects = "arrowredis_redirects_total" in "answers",
    /// Requests taken from a master that did not answer, because another node had taken its place.
    Failovers = "arrowredis_failovers_total" in "requests",
    /// Maps of a cluster's slots that were learnt.
    SlotMaps = "arrowredis_slot_maps_total" in "maps",
    /// Connections made.
    Connections = "arrowredis_connections_total" in "connections",
    /// Connections that could not be made, refused logins included.
    ConnectionFailures = "arrowredis_connection_failures_total" in "connections",
    /// Connections that a server had closed while they were idle.
    Reconnects = "arrowredis_reconnects_total" in "connections",
    /// Operations ended by their cancel token.
    Cancelled = "arrowredis_cancelled_total" in "operations",
    /// Operations ended by their total timeout.
    TimedOut = "arrowredis_timed_out_total" in "operations",
    /// Datasets published.
    Published = "arrowredis_published_total" in "datasets",
}

const REQUEST_SECONDS: MetricSpec = MetricSpec {
    name: "arrowredis_request_seconds",
    kind: "histogram",
    unit: "seconds",
    doc: " Time from sending a request to the last byte of its answer.",
};
const INFLIGHT_BYTES: MetricSpec = MetricSpec {
    name: "arrowredis_inflight_bytes",
    kind: "gauge",
    unit: "bytes",
    doc: " What operations hold of the process's byte budget now.",
};

/// Upper bounds of the histogram's buckets; the last one has none.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

static VALUES: [AtomicU64; COUNTERS] = [const { AtomicU64::new(0) }; COUNTERS];
static REQUEST_BUCKETS: [AtomicU64; BUCKETS.len() + 1] = [const { AtomicU64::new(0) }; BUCKETS.len() + 1];
static REQUEST_MICROS: AtomicU64 = AtomicU64::new(0);

/// Adds to a counter. The counters are independent of each other, so no order is needed.
pub(crate) fn count(counter: Counter, amount: u64) {
    VALUES[counter as usize].fetch_add(amount, Relaxed);
}

/// Counts a request that took so long.
pub(crate) fn request_took(time: Duration) {
    let seconds = time.as_secs_f64();
    let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
    REQUEST_BUCKETS[bucket].fetch_add(1, Relaxed);
    REQUEST_MICROS.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
}

/// All metrics of the process in Prometheus' text format: totals since it started, nothing secret.
///
/// Cheap enough to be called for every scrape; does not start the library's threads.
pub fn metrics_text() -> String {
    let mut text = String::new();
    for (index, metric) in METRICS.iter().enumerate() {
        let _ = writeln!(text, "# HELP {} {}\n# TYPE {} {}", metric.name, metric.doc.trim(), metric.name, metric.kind);
        match metric.kind {
            "histogram" => write_histogram(&mut text, metric.name),
            "gauge" => drop(writeln!(text, "{} {}", metric.name, runtime::inflight_bytes())),
            _ => drop(writeln!(text, "{} {}", metric.name, VALUES[index].load(Relaxed))),
        }
    }
    text
}

fn write_histogram(text: &mut String, name: &str) {
    let mut total = 0;
    for (index, bucket) in REQUEST_BUCKETS.iter().enumerate() {
        total += bucket.load(Relaxed);
        let bound = BUCKETS.get(index).map_or_else(|| "+Inf".to_string(), f64::to_string);
        let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {total}");
    }
    let seconds = REQUEST_MICROS.load(Relaxed) as f64 / 1e6;
    let _ = writeln!(text, "{name}_sum {seconds}\n{name}_count {total}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_every_metric_of_the_table() {
        request_took(Duration::from_millis(3));
        request_took(Duration::from_secs(60));
        let text = metrics_text();
        let mut names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        for metric in METRICS {
            let head = format!("# HELP {} ", metric.name);
            assert_eq!(text.matches(&head).count(), 1, "{}", metric.name);
            assert!(text.contains(&format!("# TYPE {} {}\n", metric.name, metric.kind)));
            assert!(!metric.doc.contains('\n') && metric.doc.ends_with('.'), "{}", metric.doc);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
        let value = |name: &str| {
            let line = text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
            line.split(' ').nth(1).unwrap().parse::<f64>().unwrap()
        };
        let buckets: Vec<f64> =
            BUCKETS.iter().map(|b| value(&format!("arrowredis_request_seconds_bucket{{le=\"{b}\"}}"))).collect();
        assert!(buckets.is_sorted() && buckets[3] >= 1.0);
        assert!(value("arrowredis_request_seconds_bucket{le=\"+Inf\"}") > buckets[11], "one took a minute");
        assert!(value("arrowredis_request_seconds_sum") > 60.0);
    }

    /// The table in the documentation; `ARROWREDIS_UPDATE=1` writes it anew.
    #[test]
    fn the_documentation_is_made_from_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let mut table = "| name | kind | unit | meaning |\n| --- | --- | --- | --- |\n".to_string();
        for metric in METRICS {
            let _ =
                writeln!(table, "| `{}` | {} | {} | {} |", metric.name, metric.kind, metric.unit, metric.doc.trim());
        }
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once("| name |").unwrap();
        let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
        let expected = format!("{before}{table}\n{after}");
        if std::env::var_os("ARROWREDIS_UPDATE").is_some() {
            std::fs::write(path, &expected).unwrap();
        }
        assert!(
            expected == std::fs::read_to_string(path).unwrap(),
            "{path} is out of date: ARROWREDIS_UPDATE=1 writes it anew"
        );
    }
}

//! What the suite found: figures of each stage, limits, and all of it as JSON.

use serde_json::{Map, Value, json};

use super::limits::{Limits, S3Limits};
use super::measure::{Run, Spread};
use super::sizes::Size;
use super::stages::Stage;
use crate::output::object;

/// A stage on a store, over all its runs.
#[derive(Debug, Clone)]
pub struct Figure {
    pub stage: Stage,
    /// The kind of store; empty for the file.
    pub place: String,
    pub runs: Vec<Run>,
}

impl Figure {
    pub fn seconds(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.seconds))
    }

    pub fn cpu_seconds(&self) -> f64 {
        self.median(|run| run.cpu_seconds)
    }

    pub fn peak_bytes(&self) -> Option<u64> {
        self.runs.iter().filter_map(|run| run.peak_bytes).max()
    }

    fn median(&self, value: impl Fn(&Run) -> f64) -> f64 {
        Spread::of(self.runs.iter().map(value)).median
    }

    /// Bytes of Arrow data a second, in MB of 2^20.
    pub fn decoded_mb_per_second(&self) -> f64 {
        self.median(|run| run.metrics.decoded_bytes as f64 / arrowredis::MB / run.seconds)
    }

    /// Bytes moved a second, in MB of 2^20.
    pub fn payload_mb_per_second(&self) -> f64 {
        self.median(|run| run.metrics.payload_bytes as f64 / arrowredis::MB / run.seconds)
    }

    /// Seconds of fetching, of decoding, and of both at once: they overlap.
    pub fn shares(&self) -> (f64, f64) {
        (self.median(|run| run.metrics.fetch_seconds), self.median(|run| run.metrics.decode_seconds))
    }

    fn json(&self) -> Value {
        let seconds = self.seconds();
        let (fetch, decode) = self.shares();
        let last = self.runs.last().map(|run| run.metrics.clone()).unwrap_or_default();
        json!({
            "place": self.place,
            "seconds": { "median": seconds.median, "q1": seconds.low, "q3": seconds.high },
            "runs": self.runs.iter().map(|run| run.seconds).collect::<Vec<_>>(),
            "cpu_seconds": self.cpu_seconds(),
            "peak_rss_anon_bytes": self.peak_bytes(),
            "fetch_seconds": fetch,
            "decode_seconds": decode,
            "rows": last.rows,
            "chunks": last.chunks,
            "payload_bytes": last.payload_bytes,
            "decoded_bytes": last.decoded_bytes,
            "payload_mb_per_second": self.payload_mb_per_second(),
            "decoded_mb_per_second": self.decoded_mb_per_second(),
            "rows_per_second": self.median(|run| run.metrics.rows as f64 / run.seconds),
            "retries": last.retries,
        })
    }
}

/// What a figure is called: its stage, and the store unless it is the file's.
pub fn name(figure: &Figure) -> String {
    match figure.place.as_str() {
        "" => figure.stage.title().to_string(),
        place => format!("{}, {place}", figure.stage.title()),
    }
}

/// Everything about one size.
#[derive(Debug)]
pub struct SizeResult {
    pub size: Size,
    pub file_bytes: u64,
    pub figures: Vec<Figure>,
    /// Where the store is a server without TLS.
    pub limits: Option<Limits>,
    /// Of the file on S3, if it is there; or why they could not be measured.
    pub s3_limits: Option<Result<S3Limits, String>>,
    /// Why it was not measured to its end.
    pub failure: Option<String>,
}

impl SizeResult {
    pub fn figure(&self, stage: Stage, place: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.stage == stage && figure.place == place)
    }

    /// The median seconds of a stage.
    pub fn seconds(&self, stage: Stage, place: &str) -> Option<f64> {
        self.figure(stage, place).map(|figure| figure.seconds().median)
    }

    /// One object: the figures that the original tool's suite reports under flat keys, and everything else below.
    pub fn json(&self, place: &str) -> Map<String, Value> {
        let seconds = |stage: Stage, place: &str| self.seconds(stage, place);
        let total: f64 = self
            .figures
            .iter()
            .filter(|f| f.place.is_empty() || f.place == place)
            .map(|f| f.seconds().median)
            .fold(0.0, |a, b| a + b);
        let mut stages = Map::new();
        for figure in &self.figures {
            let key = match figure.place.as_str() {
                "" => figure.stage.key().to_string(),
                other if other == place => figure.stage.key().to_string(),
                other => format!("{}@{other}", figure.stage.key()),
            };
            stages.insert(key, figure.json());
        }
        let limits = self.limits.as_ref().zip(seconds(Stage::Read, place)).map(|(limits, read)| limits.json(read));
        let s3_limits = self.s3_limits.as_ref().zip(seconds(Stage::S3, "")).map(|(limits, read)| match limits {
            Ok(limits) => limits.json(read),
            Err(reason) => json!({ "not_measured": reason }),
        });
        object(json!({
            "name": self.size.name,
            "partitions": self.size.partitions,
            "batches": self.size.batches,
            "rows_per_batch": self.size.rows,
            "total_rows": self.size.rows(),
            "file_size_mb": self.file_bytes as f64 / arrowredis::MB,
            "gen_time": seconds(Stage::Generate, ""),
            "split_time": seconds(Stage::Split, place),
            "read_time": seconds(Stage::Read, place),
            "local_read_time": seconds(Stage::Local, ""),
            "s3_upload_time": seconds(Stage::Upload, ""),
            "s3_read_time": seconds(Stage::S3, ""),
            "verify_time": seconds(Stage::Verify, place),
            "verified": self.figure(Stage::Verify, place).map(|_| true),
            "total_time": total,
            "stages": stages,
            "limits": limits,
            "s3_limits": s3_limits,
            "error": self.failure,
        }))
    }
}

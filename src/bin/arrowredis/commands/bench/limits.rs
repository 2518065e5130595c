//! What no reader can be faster than: each term measured alone, in the same run.

use serde_json::{Value, json};

use super::measure::Spread;
use super::s3_wire::{S3Wire, S3WireRun};
use super::wire::WireRun;

/// A reader has to ask for the end of a file before it can ask for what it wants of it.
pub const S3_TRIPS: f64 = 2.0;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// For reading everything from a store.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The best way to receive the payload: its keys a command, connections and seconds.
    pub wire: WireRun,
    pub wire_seconds: Spread,
    /// All twelve ways, by their medians.
    pub ways: Vec<WireRun>,
    /// What decoding alone takes of the processor: the same batches from the mapped file.
    pub decode_cpu_seconds: f64,
    pub cores: usize,
}

impl Limits {
    /// From every round's measurements of the wire.
    pub fn of(rounds: &[Vec<WireRun>], decode_cpu_seconds: f64) -> Option<Limits> {
        let median =
            |way: usize, value: fn(&WireRun) -> f64| Spread::of(rounds.iter().map(|ways| value(&ways[way]))).median;
        let ways: Vec<WireRun> = rounds
            .first()?
            .iter()
            .enumerate()
            .map(|(way, first)| WireRun {
                seconds: median(way, |run| run.seconds),
                client_cpu_seconds: median(way, |run| run.client_cpu_seconds),
                server_cpu_seconds: first
                    .server_cpu_seconds
                    .map(|_| median(way, |run| run.server_cpu_seconds.unwrap_or_default())),
                ..*first
            })
            .collect();
        let (best, wire) = ways.iter().copied().enumerate().min_by(|(_, a), (_, b)| a.seconds.total_cmp(&b.seconds))?;
        Some(Limits {
            wire,
            wire_seconds: Spread::of(rounds.iter().map(|ways| ways[best].seconds)),
            ways,
            decode_cpu_seconds,
            cores: cores(),
        })
    }

    /// max(wire, (server CPU + receive CPU + decode CPU) / cores).
    pub fn model_seconds(&self) -> f64 {
        let server = self.wire.server_cpu_seconds.unwrap_or_default();
        let cpu = (server + self.wire.client_cpu_seconds + self.decode_cpu_seconds) / self.cores as f64;
        self.wire_seconds.median.max(cpu)
    }

    pub fn json(&self, read_seconds: f64) -> Value {
        let way = |run: &WireRun| {
            json!({ "request": run.asked.to_string(), "connections": run.connections, "seconds": run.seconds,
                    "client_cpu_seconds": run.client_cpu_seconds, "server_cpu_seconds": run.server_cpu_seconds })
        };
        json!({
            "wire": way(&self.wire),
            "wire_ways": self.ways.iter().map(way).collect::<Vec<_>>(),
            "wire_share": self.wire_seconds.median / read_seconds,
            "server_cpu_seconds": self.wire.server_cpu_seconds,
            "receive_cpu_seconds": self.wire.client_cpu_seconds,
            "decode_cpu_seconds": self.decode_cpu_seconds,
            "cores": self.cores,
            "model_seconds": self.model_seconds(),
            "model_share": self.model_seconds() / read_seconds,
        })
    }
}

/// For reading the whole file from S3. What the server needs of the processor is not known: S3 does not tell.
#[derive(Debug, Clone)]
pub struct S3Limits {
    /// The best way to receive the file.
    pub wire: S3WireRun,
    pub wire_seconds: Spread,
    /// All five ways, by their medians.
    pub ways: Vec<S3WireRun>,
    pub latency_seconds: f64,
    /// What decoding alone takes of the processor: the same batches from the mapped file.
    pub decode_cpu_seconds: f64,
    pub cores: usize,
}

impl S3Limits {
    /// From every round's measurements of the wire.
    pub fn of(rounds: &[S3Wire], decode_cpu_seconds: f64) -> Option<S3Limits> {
        let spread = |way: usize, value: fn(&S3WireRun) -> f64| {
            Spread::of(rounds.iter().filter_map(|round| round.ways.get(way)).map(value))
        };
        let medians = |(way, first): (usize, &S3WireRun)| S3WireRun {
            connections: first.connections,
            seconds: spread(way, |run| run.seconds).median,
            receive_cpu_seconds: spread(way, |run| run.receive_cpu_seconds).median,
        };
        let ways: Vec<S3WireRun> = rounds.first()?.ways.iter().enumerate().map(medians).collect();
        let best = ways.iter().copied().enumerate().min_by(|(_, a), (_, b)| a.seconds.total_cmp(&b.seconds));
        let (best, wire) = best?;
        Some(S3Limits {
            wire,
            wire_seconds: spread(best, |run| run.seconds),
            ways,
            latency_seconds: Spread::of(rounds.iter().map(|round| round.latency_seconds)).median,
            decode_cpu_seconds,
            cores: cores(),
        })
    }

    /// max(wire, 2 x latency + (receive CPU + decode CPU) / cores).
    pub fn model_seconds(&self) -> f64 {
        let cpu = (self.wire.receive_cpu_seconds + self.decode_cpu_seconds) / self.cores as f64;
        self.wire_seconds.median.max(S3_TRIPS * self.latency_seconds + cpu)
    }

    pub fn json(&self, read_seconds: f64) -> Value {
        let way = |run: &S3WireRun| {
            json!({ "connections": run.connections, "seconds": run.seconds,
                    "receive_cpu_seconds": run.receive_cpu_seconds })
        };
        json!({
            "wire": way(&self.wire),
            "wire_ways": self.ways.iter().map(way).collect::<Vec<_>>(),
            "wire_share": self.wire_seconds.median / read_seconds,
            "round_trips": S3_TRIPS,
            "latency_seconds": self.latency_seconds,
            "server_cpu_seconds": null,
            "receive_cpu_seconds": self.wire.receive_cpu_seconds,
            "decode_cpu_seconds": self.decode_cpu_seconds,
            "cores": self.cores,
            "model_seconds": self.model_seconds(),
            "model_share": self.model_seconds() / read_seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(latency_seconds: f64, seconds: [f64; 2]) -> S3Wire {
        let way = |(connections, seconds)| S3WireRun { connections, seconds, receive_cpu_seconds: 0.4 };
        S3Wire { latency_seconds, ways: [(1, seconds[0]), (2, seconds[1])].map(way).to_vec() }
    }

    #[test]
    fn the_model_of_s3_is_the_wire_or_two_trips_and_the_processor() {
        let rounds = [round(0.01, [3.0, 2.0]), round(0.03, [4.0, 2.2]), round(0.02, [1.0, 2.1])];
        let limits = S3Limits { cores: 2, ..S3Limits::of(&rounds, 1.0).unwrap() };
        assert_eq!((limits.wire.connections, limits.wire_seconds.median, limits.latency_seconds), (2, 2.1, 0.02));
        assert_eq!(limits.model_seconds(), 2.1);
        let decoding = S3Limits { decode_cpu_seconds: 7.6, ..limits };
        assert_eq!(decoding.model_seconds(), 2.0 * 0.02 + (0.4 + 7.6) / 2.0);
        assert_eq!(decoding.json(8.08)["model_share"], 0.5);
        assert!(S3Limits::of(&[], 1.0).is_none());
    }
}

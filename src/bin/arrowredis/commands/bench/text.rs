//! The suite's report for a terminal.

use super::limits::{Limits, S3_TRIPS, S3Limits};
use super::measure::Spread;
use super::results::{Figure, SizeResult, name};
use super::sizes::Size;
use super::stages::Stage;
use crate::output::{count, megabytes, seconds, table};

fn line() -> String {
    "=".repeat(80)
}

/// What will be measured, with what.
pub fn head(facts: &[(&'static str, String)], folder: &str, sizes: &[Size], verify: bool) -> String {
    let names: Vec<&str> = sizes.iter().map(|size| size.name).collect();
    let facts: String = facts.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!(
        "{line}\nArrowRedis Benchmark Suite\n{line}\n{facts}Output directory: {folder}\nBenchmarks: {}\nVerification: \
         {}\n{line}",
        names.join(", "),
        if verify { "Enabled" } else { "Disabled" },
        line = line()
    )
}

/// All figures of a size, its limits, and the file beside the store.
pub fn details(result: &SizeResult, place: &str) -> String {
    let row = |figure: &Figure| {
        let Spread { low, median, high } = figure.seconds();
        vec![
            format!("   {}", name(figure)),
            format!("{median:.3}"),
            format!("{low:.3}–{high:.3}"),
            format!("{:.0}", figure.payload_mb_per_second()),
            format!("{:.0}", figure.decoded_mb_per_second()),
            format!("{:.2}", figure.cpu_seconds()),
            figure.peak_bytes().map_or("?".to_string(), |bytes| format!("{:.0}", bytes as f64 / arrowredis::MB)),
        ]
    };
    let head = ["   STAGE", ">SECONDS", ">QUARTILES", ">MB/S", ">ARROW MB/S", ">CPU S", ">PEAK MB"];
    let rows: Vec<Vec<String>> = result.figures.iter().map(row).collect();
    let size = megabytes(result.file_bytes);
    let mut text = format!("   {size}, {} rows\n{}", count(result.size.rows()), table(&head, &rows));
    if let (Some(limits), Some(read)) = (&result.limits, result.seconds(Stage::Read, place)) {
        text += &limits_text(limits, read);
    }
    if let (Some(limits), Some(read)) = (&result.s3_limits, result.seconds(Stage::S3, "")) {
        text += &match limits {
            Ok(limits) => s3_limits_text(limits, read),
            Err(reason) => format!("\n\n   Limits of reading the file on S3: not measured: {reason}"),
        };
    }
    text + &comparison(result, place)
}

/// The local file, the store and S3 side by side.
fn comparison(result: &SizeResult, place: &str) -> String {
    let (Some(local), Some(read)) = (result.figure(Stage::Local, ""), result.figure(Stage::Read, place)) else {
        return String::new();
    };
    let line = |name: &str, figure: &Figure| {
        format!("\n   {name:<20} {} ({:.2} MB/s)", seconds(figure.seconds().median), figure.payload_mb_per_second())
    };
    let faster = |fast: (&str, &Figure), slow: (&str, &Figure)| {
        let ratio = slow.1.seconds().median / fast.1.seconds().median;
        format!("\n   {} is {ratio:.2}x as fast as {}.", fast.0, slow.0)
    };
    let s3 = result.figure(Stage::S3, "");
    let title = if s3.is_some() { "3-Way Read Comparison" } else { "Read comparison" };
    let mut text = format!("\n\n📊 {title}:{}{}", line("Local FS:", local), line(&format!("{place}:"), read));
    text += &s3.map(|s3| line("S3:", s3)).unwrap_or_default();
    text += &faster(("The local file", local), ("the store", read));
    text + &s3.map(|s3| faster(("The store", read), ("S3", s3))).unwrap_or_default()
}

/// A line for each size.
pub fn summary(results: &[SizeResult], place: &str) -> String {
    let cell = |seconds: Option<f64>| seconds.map_or("-".to_string(), |seconds| format!("{seconds:.2}"));
    let row = |result: &SizeResult| {
        let file = format!("{:.2}", result.file_bytes as f64 / arrowredis::MB);
        let stages = [
            result.seconds(Stage::Generate, ""),
            result.seconds(Stage::Split, place),
            result.seconds(Stage::Read, place),
            result.seconds(Stage::Local, ""),
            result.seconds(Stage::Upload, ""),
            result.seconds(Stage::S3, ""),
            result.seconds(Stage::Verify, place),
        ];
        let total = match &result.failure {
            Some(_) => "failed".to_string(),
            None => format!("{:.2}", stages.iter().flatten().sum::<f64>()),
        };
        [vec![result.size.name.to_string(), file], stages.map(cell).to_vec(), vec![total]].concat()
    };
    let head =
        "Benchmark,>Size (MB),>Gen (s),>Split (s),>Read (s),>Local (s),>S3 up (s),>S3 read (s),>Verify (s),>Total (s)";
    let head: Vec<&str> = head.split(',').collect();
    let rows: Vec<Vec<String>> = results.iter().map(row).collect();
    format!("\n{line}\nSummary\n{line}\n{}\n{line}", table(&head, &rows), line = line())
}

fn limits_text(limits: &Limits, read_seconds: f64) -> String {
    let wire = &limits.wire;
    let server = wire.server_cpu_seconds.map_or("elsewhere".to_string(), |seconds| format!("{seconds:.3} s"));
    format!(
        "\n\n   Limits of reading everything:\n   \
         wire   {:.3} s: the best of twelve ways, {} on {} connection{} ({:.0} % of it reached)\n   \
         model  {:.3} s: max(wire, (server CPU {server} + receive CPU {:.3} s + decode CPU {:.3} s) / {} cores) \
         ({:.0} % of it reached)",
        limits.wire_seconds.median,
        wire.asked,
        wire.connections,
        if wire.connections == 1 { "" } else { "s" },
        100.0 * limits.wire_seconds.median / read_seconds,
        limits.model_seconds(),
        wire.client_cpu_seconds,
        limits.decode_cpu_seconds,
        limits.cores,
        100.0 * limits.model_seconds() / read_seconds,
    )
}

fn s3_limits_text(limits: &S3Limits, read_seconds: f64) -> String {
    let wire = &limits.wire;
    format!(
        "\n\n   Limits of reading the file on S3:\n   \
         wire   {:.3} s: the best of five ways, plain GETs of 8 MiB on {} connection{} ({:.0} % of it reached)\n   \
         model  {:.3} s: max(wire, {S3_TRIPS} x latency {:.4} s + (receive CPU {:.3} s + decode CPU {:.3} s) / {} cores) \
         ({:.0} % of it reached)\n          without the server's CPU, which S3 does not tell",
        limits.wire_seconds.median,
        wire.connections,
        if wire.connections == 1 { "" } else { "s" },
        100.0 * limits.wire_seconds.median / read_seconds,
        limits.model_seconds(),
        limits.latency_seconds,
        wire.receive_cpu_seconds,
        limits.decode_cpu_seconds,
        limits.cores,
        100.0 * limits.model_seconds() / read_seconds,
    )
}

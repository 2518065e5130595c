//! `ping`: how a store is.

use std::time::Duration;

use arrowredis::store::{self, ServerInfo};
use clap::{ArgMatches, Command};
use serde_json::json;

use super::described;
use crate::args;
use crate::failure::Failure;
use crate::output::{megabytes, object};
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "Ask a store how it is";
const PARAGRAPH: &str = "Ask a store how it is: how fast it answers, what serves it and in which version, its role, \
                          whether it is a cluster and the connection encrypted, its memory limit, and which of the \
                          commands that arrowredis needs the user may not run.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis ping --redis-url redis://localhost:6379/0
  REDIS_URL=rediss://default:PASSWORD@HOST:PORT arrowredis ping --json";

pub fn command(command: Command) -> Command {
    args::with_store(described(command, ABOUT, PARAGRAPH, EXAMPLES).arg(total_timeout_flag()))
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let store = args::open_store(matches, session)?;
    let ctx = session.context(matches)?;
    let info = store::ping(&store, &ctx)?;
    let latency = Latency::of(&info.latencies);
    session.output.show(report(store.describe(), &info, &latency))?;
    let milliseconds = |latency: Duration| latency.as_secs_f64() * 1000.0;
    Ok(object(json!({
        "store": store.describe(),
        "latency_ms": {
            "min": milliseconds(latency.min),
            "median": milliseconds(latency.median),
            "max": milliseconds(latency.max),
        },
        "server": info.server,
        "version": info.version,
        "role": info.role,
        "cluster": info.cluster,
        "tls": info.tls,
        "max_memory": info.max_memory,
        "max_memory_policy": info.max_memory_policy,
        "used_memory": info.used_memory,
        "denied_commands": info.denied_commands,
        "retries": ctx.metrics().retries,
        "total_seconds": ctx.metrics().total_seconds,
    }))
    .into())
}

#[derive(Default)]
struct Latency {
    min: Duration,
    median: Duration,
    max: Duration,
}

impl Latency {
    fn of(latencies: &[Duration]) -> Latency {
        let mut sorted = latencies.to_vec();
        sorted.sort();
        match (sorted.first(), sorted.last()) {
            (Some(min), Some(max)) => Latency { min: *min, median: sorted[sorted.len() / 2], max: *max },
            _ => Latency::default(),
        }
    }
}

fn report(place: &str, info: &ServerInfo, latency: &Latency) -> String {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    let mut text = format!("✅ {place} answers\n   Server: {} {}", info.server, info.version).trim_end().to_string();
    text += &format!("\n   Latency: min {:?}, median {:?}, max {:?}", latency.min, latency.median, latency.max);
    if !info.role.is_empty() {
        text += &format!("\n   Role: {}", info.role);
    }
    text += &format!("\n   Cluster: {}\n   TLS: {}", yes_no(info.cluster), yes_no(info.tls));
    let limit = match info.max_memory {
        Some(0) => "no limit".to_string(),
        Some(bytes) => megabytes(bytes),
        None => "unknown".to_string(),
    };
    if info.max_memory.is_some() || info.max_memory_policy.is_some() {
        text +=
            &format!("\n   Memory limit: {limit}, policy {}", info.max_memory_policy.as_deref().unwrap_or("unknown"));
    }
    if let Some(bytes) = info.used_memory {
        text += &format!("\n   Memory in use: {}", megabytes(bytes));
    }
    match info.denied_commands.as_slice() {
        [] => text += "\n   Denied commands: none",
        denied => text += &format!("\n⚠️  Denied commands: {}: ask for these to be allowed", denied.join(", ")),
    }
    text
}

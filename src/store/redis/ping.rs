//! Asking a server how it is.

use std::collections::HashMap;
use std::slice::from_ref;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::connection::Shape;
use super::errors::{is_command_refused, server_error};
use super::resp::Reply;
use super::retry::Attempts;
use super::server::Server;
use crate::error::{Error, Result};
use crate::store::ServerInfo;

const PINGS: usize = 5;

impl Server {
    /// Latency, INFO, and which commands the user may not run.
    pub(super) async fn ask(&self, attempts: &mut Attempts<'_>) -> Result<ServerInfo> {
        let mut ping = Batch::default();
        ping.command(&[b"PING"]);
        // The first one may have to connect.
        self.answers(&ping, attempts).await?;
        let mut latencies = Vec::new();
        for _ in 0..PINGS {
            latencies.push(self.time(&ping, attempts).await?);
        }

        let replies = self.answers(&probes(), attempts).await?;
        let mut server_info = ServerInfo { latencies, ..ServerInfo::default() };
        for (probe, reply) in PROBES.iter().zip(replies) {
            let name = probe[0];
            match reply {
                Reply::Error(text) if is_command_refused(&text) => server_info.denied_commands.push(name.to_string()),
                Reply::Bulk(text) if name == "INFO" => describe(&String::from_utf8_lossy(&text), &mut server_info),
                _ => {}
            }
        }
        Ok(server_info)
    }

    async fn time(&self, ping: &Batch, attempts: &mut Attempts<'_>) -> Result<Duration> {
        let start = Instant::now();
        self.answers(ping, attempts).await?;
        Ok(start.elapsed())
    }

    /// The replies to a request; errors among them are replies, unless the server cannot serve now.
    async fn answers(&self, batch: &Batch, attempts: &mut Attempts<'_>) -> Result<Vec<Reply>> {
        loop {
            let mut replies = Vec::new();
            let outcome =
                self.exchange(from_ref(batch), Shape::Replies, attempts, &mut |_, reply| replies.push(reply)).await;
            let error = match outcome {
                Err(failure) => failure.into_error(self.place(), &"PING"),
                Ok(()) => match replies.iter().find_map(|reply| self.fatal(reply)) {
                    Some(error) => error,
                    None => return Ok(replies),
                },
            };
            attempts.again(error).await?;
        }
    }

    fn fatal(&self, reply: &Reply) -> Option<Error> {
        let Reply::Error(text) = reply else { return None };
        let error = server_error(text, self.place(), &"PING");
        matches!(error.server_code(), Some("LOADING" | "BUSY" | "NOAUTH")).then_some(error)
    }
}

/// Every command that this library needs, on a key that nobody has: none of them changes anything.
const PROBES: [&[&str]; 12] = [
    &["INFO"],
    &["GET", NOBODYS_KEY],
    &["MGET", NOBODYS_KEY],
    &["GETRANGE", NOBODYS_KEY, "0", "0"],
    &["STRLEN", NOBODYS_KEY],
    &["SET", NOBODYS_KEY, "", "XX"],
    &["EVAL", "return redis.call('GET', KEYS[1])", "1", NOBODYS_KEY],
    &["UNLINK", NOBODYS_KEY],
    &["DEL", NOBODYS_KEY],
    &["SCAN", "0", "COUNT", "1"],
    &["PEXPIREAT", NOBODYS_KEY, "1"],
    &["TIME"],
];
/// Stands for a random key.
const NOBODYS_KEY: &str = "KEY";

fn probes() -> Batch {
    let key = format!("arrowredis:ping:{:032x}", rand::random::<u128>());
    let mut batch = Batch::default();
    for probe in PROBES {
        let arguments: Vec<&[u8]> =
            probe.iter().map(|word| if *word == NOBODYS_KEY { key.as_bytes() } else { word.as_bytes() }).collect();
        batch.command(&arguments);
    }
    batch
}

/// Takes from INFO's lines what we report. Servers that are like Redis may leave any of them out.
fn describe(info: &str, server_info: &mut ServerInfo) {
    let fields: HashMap<&str, &str> = info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let text = |key: &str| fields.get(key).map(|value| value.to_string());
    let number = |key: &str| fields.get(key).and_then(|value| value.parse::<u64>().ok());
    let products = [("valkey", "valkey_version"), ("dragonfly", "dragonfly_version"), ("redis", "redis_version")];
    let named = text("server_name").filter(|name| !name.is_empty());
    if let Some((product, field)) = products.iter().find(|(_, field)| fields.contains_key(field)) {
        server_info.server = named.unwrap_or_else(|| product.to_string());
        server_info.version = text(field).unwrap_or_default();
    }
    server_info.role = match fields.get("role") {
        Some(&"slave") => "replica".to_string(),
        Some(role) => role.to_string(),
        None => String::new(),
    };
    let mode = fields.get("redis_mode").or_else(|| fields.get("server_mode"));
    server_info.cluster = fields.get("cluster_enabled") == Some(&"1") || mode == Some(&"cluster");
    server_info.max_memory = number("maxmemory");
    server_info.max_memory_policy = text("maxmemory_policy");
    server_info.used_memory = number("used_memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_of_several_products() {
        let parse = |info: &str| {
            let mut server_info = ServerInfo::default();
            describe(info, &mut server_info);
            server_info
        };
        assert_eq!(parse(""), ServerInfo::default());
        assert_eq!(
            parse(
                "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\nrole:slave\r\nused_memory:7\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\ncluster_enabled:1\r\n"
            ),
            ServerInfo {
                server: "redis".to_string(),
                version: "7.0.15".to_string(),
                role: "replica".to_string(),
                cluster: true,
                max_memory: Some(0),
                max_memory_policy: Some("noeviction".to_string()),
                used_memory: Some(7),
                ..ServerInfo::default()
            }
        );
        let valkey = parse("server_name:valkey\r\nredis_version:7.2.4\r\nvalkey_version:9.0.1\r\nrole:master\r\n");
        assert_eq!(
            (valkey.server.as_str(), valkey.version.as_str(), valkey.role.as_str()),
            ("valkey", "9.0.1", "master")
        );
        let dragonfly = parse("redis_version:7.4.0\r\ndragonfly_version:df-v1.30\r\nmaxmemory:many\r\n");
        assert_eq!(
            (dragonfly.server.as_str(), dragonfly.version.as_str(), dragonfly.max_memory),
            ("dragonfly", "df-v1.30", None)
        );
    }
}

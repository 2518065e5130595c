//! The wire's limit: how fast the server's bytes can be received at all.
//!
//! The chunks of a dataset are asked for with bare commands, as a whole, several at once or in parts, and received into
//! one reused buffer, on 1, 2 and 4 connections; nothing is kept, checked or decoded. The best of the twelve ways is the
//! limit.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Instant;

use arrowredis::{ChunkSummary, Error};
use cpu_time::ProcessTime;
use url::Url;

use crate::failure::Failure;

/// How the chunks were asked for, and what it took.
#[derive(Debug, Clone, Copy)]
pub struct WireRun {
    pub asked: Asked,
    pub connections: usize,
    pub seconds: f64,
    /// What this process needed to receive.
    pub client_cpu_seconds: f64,
    /// What the server needed to serve, by its own word; only if it runs on this computer.
    pub server_cpu_seconds: Option<f64>,
}

/// What one command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// So many chunks, with GET or MGET.
    Chunks(usize),
    /// So many bytes of a chunk, with GETRANGE.
    Part(usize),
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Chunks(1) => write!(f, "GET"),
            Asked::Chunks(count) => write!(f, "MGET of {count}"),
            Asked::Part(bytes) => write!(f, "GETRANGE of {} KiB", bytes >> 10),
        }
    }
}

const ASKED: [Asked; 4] = [Asked::Chunks(1), Asked::Chunks(2), Asked::Chunks(8), Asked::Part(512 << 10)];
const CONNECTIONS: [usize; 3] = [1, 2, 4];

/// Requests that are on their way on each connection, so that the server never waits for the next one. Of parts it shall
/// make one reply ready at a time, which then is in its cache.
fn ahead(asked: Asked, connections: usize) -> usize {
    match asked {
        Asked::Part(_) if connections > 1 => 1,
        _ => 2,
    }
}

const BUFFER: usize = 1 << 20;

/// Where a server listens, without TLS.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: Url,
    pub local: bool,
}

impl Endpoint {
    /// The endpoint of a store, if it is a Redis server that can be measured so: over TCP or a Unix socket.
    pub fn of(url: &str) -> Option<Endpoint> {
        let url = Url::parse(url).ok()?;
        let local = match url.scheme() {
            "unix" | "redis+unix" => true,
            "redis" => {
                let host = url.host_str()?.trim_matches(['[', ']']);
                host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            _ => return None,
        };
        Some(Endpoint { url, local })
    }

    fn connect(&self) -> io::Result<Connection> {
        let url = &self.url;
        let (stream, database): (Box<dyn Stream>, Option<String>) = if url.scheme() == "redis" {
            let address = (url.host_str().unwrap_or("localhost").trim_matches(['[', ']']), url.port().unwrap_or(6379));
            let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            (Box::new(stream), Some(url.path().trim_matches('/').to_string()))
        } else {
            let database = url.query_pairs().find(|(key, _)| key == "db").map(|(_, value)| value.into_owned());
            (unix(url)?, database)
        };
        let mut connection = Connection { stream, buffer: vec![0; BUFFER] };
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        match (decoded(url.username()), url.password().map(decoded)) {
            (_, None) => {}
            (user, Some(password)) if user.is_empty() => connection.command(&["AUTH", &password])?,
            (user, Some(password)) => connection.command(&["AUTH", &user, &password])?,
        }
        if let Some(database) = database.filter(|database| !database.is_empty()) {
            connection.command(&["SELECT", &database])?;
        }
        Ok(connection)
    }
}

#[cfg(unix)]
fn unix(url: &Url) -> io::Result<Box<dyn Stream>> {
    let path = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
    Ok(Box::new(std::os::unix::net::UnixStream::connect(path)?))
}

#[cfg(not(unix))]
fn unix(_url: &Url) -> io::Result<Box<dyn Stream>> {
    Err(io::ErrorKind::Unsupported.into())
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Sends a command whose reply is one short line.
    fn command(&mut self, words: &[&str]) -> io::Result<()> {
        self.stream.write_all(&encode(words))?;
        let line = self.line()?;
        if line.starts_with('-') { Err(io::Error::other(line)) } else { Ok(()) }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line[..line.len() - 2]).into_owned())
    }

    /// The server's processor time so far.
    fn cpu_seconds(&mut self) -> io::Result<f64> {
        self.stream.write_all(&encode(&["INFO", "cpu"]))?;
        let header = self.line()?;
        let length: usize = header.trim_start_matches('$').parse().map_err(|_| io::Error::other(header))?;
        if length + 2 > self.buffer.len() {
            return Err(io::Error::other("a reply to INFO that is far too long"));
        }
        let reply = &mut self.buffer[..length + 2];
        self.stream.read_exact(reply)?;
        let text = String::from_utf8_lossy(reply);
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        Ok(value("used_cpu_sys:").unwrap_or_default() + value("used_cpu_user:").unwrap_or_default())
    }

    fn receive(&mut self, request: &Request) -> io::Result<()> {
        let mut left = request.reply_bytes;
        let mut first = true;
        while left > 0 {
            let wanted = left.min(self.buffer.len());
            let received = self.stream.read(&mut self.buffer[..wanted])?;
            if received == 0 || (first && self.buffer[0] != request.reply_starts) {
                return Err(io::Error::other("the server does not answer as expected: the dataset has changed"));
            }
            first = false;
            left -= received;
        }
        Ok(())
    }
}

fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

struct Request {
    bytes: Vec<u8>,
    reply_bytes: usize,
    reply_starts: u8,
}

/// The length of a reply that is a value.
fn value_bytes(length: usize) -> usize {
    format!("${length}\r\n").len() + length + 2
}

fn requests(chunks: &[ChunkSummary], asked: Asked) -> Vec<Request> {
    match asked {
        Asked::Chunks(keys) => whole(chunks, keys),
        Asked::Part(bytes) => chunks.iter().flat_map(|chunk| parts(chunk, bytes)).collect(),
    }
}

fn parts(chunk: &ChunkSummary, bytes: usize) -> impl Iterator<Item = Request> {
    let length = chunk.payload_bytes as usize;
    (0..length).step_by(bytes).map(move |start| {
        let end = length.min(start + bytes);
        Request {
            bytes: encode(&["GETRANGE", &chunk.key, &start.to_string(), &(end - 1).to_string()]),
            reply_bytes: value_bytes(end - start),
            reply_starts: b'$',
        }
    })
}

fn whole(chunks: &[ChunkSummary], keys: usize) -> Vec<Request> {
    let request = |chunks: &[ChunkSummary]| {
        let command = if keys == 1 { "GET" } else { "MGET" };
        let words: Vec<&str> = [command].into_iter().chain(chunks.iter().map(|chunk| chunk.key.as_str())).collect();
        let head = if keys == 1 { 0 } else { format!("*{}\r\n", chunks.len()).len() };
        Request {
            bytes: encode(&words),
            reply_bytes: head + chunks.iter().map(|chunk| value_bytes(chunk.payload_bytes as usize)).sum::<usize>(),
            reply_starts: if keys == 1 { b'$' } else { b'*' },
        }
    };
    // As everywhere, one command asks for chunks of one partition.
    chunks.chunk_by(|a, b| a.partition == b.partition).flat_map(|part| part.chunks(keys).map(request)).collect()
}

/// Receives all chunks in each of the twelve ways, once.
pub fn measure(endpoint: &Endpoint, chunks: &[ChunkSummary]) -> Result<Vec<WireRun>, Failure> {
    let failed = |e: io::Error| Failure::from(Error::from(e).context("measuring the wire"));
    let mut asking = endpoint.connect().map_err(failed)?;
    let mut runs = Vec::new();
    for asked in ASKED {
        let requests = requests(chunks, asked);
        for connections in CONNECTIONS {
            let open: io::Result<Vec<Connection>> = (0..connections).map(|_| endpoint.connect()).collect();
            let open = open.map_err(failed)?;
            let server_before = asking.cpu_seconds().map_err(failed)?;
            let (start, cpu) = (Instant::now(), ProcessTime::now());
            receive_all(open, &requests, ahead(asked, connections)).map_err(failed)?;
            let (seconds, client_cpu_seconds) = (start.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
            let server_after = asking.cpu_seconds().map_err(failed)?;
            let server_cpu_seconds = endpoint.local.then_some((server_after - server_before).max(0.0));
            runs.push(WireRun { asked, connections, seconds, client_cpu_seconds, server_cpu_seconds });
        }
    }
    Ok(runs)
}

fn receive_all(connections: Vec<Connection>, requests: &[Request], ahead: usize) -> io::Result<()> {
    let count = connections.len();
    std::thread::scope(|scope| {
        let receive = |(number, mut connection): (usize, Connection)| {
            scope.spawn(move || {
                let mine: Vec<&Request> = requests.iter().skip(number).step_by(count).collect();
                for request in mine.iter().take(ahead) {
                    connection.stream.write_all(&request.bytes)?;
                }
                for (at, request) in mine.iter().enumerate() {
                    connection.receive(request)?;
                    if let Some(next) = mine.get(at + ahead) {
                        connection.stream.write_all(&next.bytes)?;
                    }
                }
                Ok(())
            })
        };
        let threads: Vec<_> = connections.into_iter().enumerate().map(receive).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(partition: u32, batch: u32, payload_bytes: u64) -> ChunkSummary {
        ChunkSummary { key: format!("p{partition}b{batch}"), partition, batch, rows: 1, payload_bytes, xxh3: 0 }
    }

    #[test]
    fn requests_know_how_long_their_replies_are() {
        let chunks = [chunk(0, 0, 5), chunk(0, 1, 12), chunk(0, 2, 1), chunk(1, 0, 7)];
        let gets = requests(&chunks, Asked::Chunks(1));
        assert_eq!(gets[1].bytes, b"*2\r\n$3\r\nGET\r\n$4\r\np0b1\r\n");
        assert_eq!(gets[1].reply_bytes, b"$12\r\n".len() + 12 + 2);
        let lengths: Vec<usize> =
            requests(&chunks, Asked::Chunks(2)).iter().map(|request| request.reply_bytes).collect();
        assert_eq!(lengths, [4 + 4 + 5 + 2 + 5 + 12 + 2, 4 + 4 + 1 + 2, 4 + 4 + 7 + 2], "partitions are kept apart");
        let parts: Vec<usize> = requests(&chunks, Asked::Part(5)).iter().map(|request| request.reply_bytes).collect();
        assert_eq!(parts, [4 + 5 + 2, 4 + 5 + 2, 4 + 5 + 2, 4 + 2 + 2, 4 + 1 + 2, 4 + 5 + 2, 4 + 2 + 2]);
        let last = b"*4\r\n$8\r\nGETRANGE\r\n$4\r\np1b0\r\n$1\r\n5\r\n$1\r\n6\r\n";
        assert_eq!(requests(&chunks, Asked::Part(5))[6].bytes, last);
    }

    #[test]
    fn only_servers_without_tls_have_an_endpoint() {
        for (url, expected) in [
            ("redis://localhost:7000/1", Some(true)),
            ("redis://127.0.0.1", Some(true)),
            ("redis://[::1]:6379", Some(true)),
            ("redis://cache.example:6379", Some(false)),
            ("unix:///run/redis.sock?db=2", Some(true)),
            ("rediss://localhost", None),
            ("file:///tmp/x", None),
            ("nothing", None),
        ] {
            assert_eq!(Endpoint::of(url).map(|endpoint| endpoint.local), expected, "{url}");
        }
    }
}

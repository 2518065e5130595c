//! The wire's limit of a file on S3: how fast the server's bytes can be received at all.
//!
//! As every reader must, one request asks for the end of the file first; then all of it is asked for with plain ranged
//! GETs and received into one reused buffer for each connection, on 1 to 16 of them that are open beforehand. Nothing is
//! kept, checked or decoded, and the requests were signed before. The best of the five ways is the limit.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use url::Url;

/// How the file was received, and what it took.
#[derive(Debug, Clone, Copy)]
pub struct S3WireRun {
    pub connections: usize,
    pub seconds: f64,
    /// What this process needed to receive.
    pub receive_cpu_seconds: f64,
}

/// What one round measured.
#[derive(Debug, Clone)]
pub struct S3Wire {
    /// Of an answer of one byte; on an open connection, if the server leaves it open.
    pub latency_seconds: f64,
    pub ways: Vec<S3WireRun>,
}

const CONNECTIONS: [usize; 5] = [1, 2, 4, 8, 16];
const PART_BYTES: u64 = 8 << 20;
const END_BYTES: u64 = 64 << 10;
const BUFFER: usize = 1 << 20;
/// The head of an answer is shorter.
const HEAD: usize = 16 << 10;
/// Answers of one byte from which the latency is taken: the fastest counts.
const PINGS: usize = 5;
const TIMEOUT: Duration = Duration::from_secs(30);

/// An object that can be asked for without TLS.
struct S3Endpoint {
    address: (String, u16),
    /// All of a request but the range itself.
    request: String,
}

impl S3Endpoint {
    /// Of a signed URL; `None` if it needs TLS.
    fn of(signed: &str) -> Option<S3Endpoint> {
        let url = Url::parse(signed).ok().filter(|url| url.scheme() == "http")?;
        let host = url.host_str()?;
        let named = url.port().map_or(host.to_string(), |port| format!("{host}:{port}"));
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        Some(S3Endpoint {
            address: (host.trim_matches(['[', ']']).to_string(), url.port_or_known_default()?),
            request: format!("GET {target} HTTP/1.1\r\nHost: {named}\r\nRange: bytes="),
        })
    }

    fn connect(&self) -> io::Result<Connection<'_>> {
        Ok(Connection { endpoint: self, stream: Some(self.stream()?), buffer: vec![0; BUFFER] })
    }

    fn stream(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((self.address.0.as_str(), self.address.1))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(stream)
    }
}

struct Connection<'a> {
    endpoint: &'a S3Endpoint,
    /// Some servers close it after each answer: then there is none until the next request.
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection<'_> {
    /// Receives a range and forgets it.
    fn get(&mut self, range: &str) -> io::Result<()> {
        let mut stream = self.stream.take().map_or_else(|| self.endpoint.stream(), Ok)?;
        stream.write_all(format!("{}{range}\r\n\r\n", self.endpoint.request).as_bytes())?;
        let mut have = 0;
        let head = loop {
            have += receive(&mut stream, &mut self.buffer[have..HEAD])?;
            if let Some(head) = self.buffer[..have].windows(4).position(|window| window == b"\r\n\r\n") {
                break head;
            }
        };
        let answer = Answer::parse(&String::from_utf8_lossy(&self.buffer[..head]))?;
        let early = have - head - 4;
        let longer = || io::Error::other("the server sends more than it says");
        let mut left = answer.body_bytes.checked_sub(early).ok_or_else(longer)?;
        while left > 0 {
            left -= receive(&mut stream, &mut self.buffer[..left.min(BUFFER)])?;
        }
        self.stream = (!answer.closes).then_some(stream);
        Ok(())
    }
}

/// Bytes that came, one at least.
fn receive(stream: &mut TcpStream, place: &mut [u8]) -> io::Result<usize> {
    match stream.read(place)? {
        0 => Err(io::Error::other("the server has closed the connection, or its answer has no end")),
        count => Ok(count),
    }
}

/// What the head of an answer says of the rest.
#[derive(Debug, PartialEq)]
struct Answer {
    body_bytes: usize,
    /// The connection ends with it.
    closes: bool,
}

impl Answer {
    fn parse(head: &str) -> io::Result<Answer> {
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default();
        if status.split_whitespace().nth(1) != Some("206") {
            return Err(io::Error::other(format!("the server answers '{status}'")));
        }
        let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
        let value = |name: &str| {
            fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        let body_bytes = value("content-length").and_then(|value| value.parse().ok());
        Ok(Answer {
            body_bytes: body_bytes.ok_or_else(|| io::Error::other("the server does not say how long its answer is"))?,
            closes: value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
        })
    }
}

/// The ranges that a file is received in.
fn parts(file_bytes: u64) -> Vec<String> {
    let starts = (0..file_bytes).step_by(PART_BYTES as usize);
    starts.map(|start| format!("{start}-{}", (start + PART_BYTES).min(file_bytes) - 1)).collect()
}

/// Receives the whole object of a signed URL in each of the ways, once; or says why that cannot be.
pub fn measure(signed: &str, file_bytes: u64) -> Result<S3Wire, String> {
    let endpoint = S3Endpoint::of(signed).ok_or("the wire of S3 is measured without TLS only")?;
    receive_in_all_ways(&endpoint, file_bytes).map_err(|e| format!("receiving from S3: {e}"))
}

fn receive_in_all_ways(endpoint: &S3Endpoint, file_bytes: u64) -> io::Result<S3Wire> {
    let mut asking = endpoint.connect()?;
    asking.get("0-0")?;
    let mut latency_seconds = f64::INFINITY;
    for _ in 0..PINGS {
        let start = Instant::now();
        asking.get("0-0")?;
        latency_seconds = latency_seconds.min(start.elapsed().as_secs_f64());
    }
    let parts = parts(file_bytes);
    let mut ways = Vec::new();
    for connections in CONNECTIONS {
        let open = (0..connections).map(|_| endpoint.connect()).collect::<io::Result<Vec<_>>>()?;
        let (start, cpu) = (Instant::now(), ProcessTime::now());
        receive_all(open, &parts)?;
        let (seconds, receive_cpu_seconds) = (start.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
        ways.push(S3WireRun { connections, seconds, receive_cpu_seconds });
    }
    Ok(S3Wire { latency_seconds, ways })
}

fn receive_all(mut connections: Vec<Connection<'_>>, parts: &[String]) -> io::Result<()> {
    if let Some(first) = connections.first_mut() {
        first.get(&format!("-{END_BYTES}"))?;
    }
    let next = &AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = connections
            .into_iter()
            .map(|mut connection| {
                scope.spawn(move || {
                    while let Some(part) = parts.get(next.fetch_add(1, Relaxed)) {
                        connection.get(part)?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_as_they_were_signed() {
        let signed = "http://[::1]:9000/bucket/a%2Fb%20c.arrow?X-Amz-Date=1&X-Amz-Signature=ab%2F";
        let endpoint = S3Endpoint::of(signed).unwrap();
        assert_eq!(endpoint.address, ("::1".to_string(), 9000));
        let expected =
            "GET /bucket/a%2Fb%20c.arrow?X-Amz-Date=1&X-Amz-Signature=ab%2F HTTP/1.1\r\nHost: [::1]:9000\r\n";
        assert_eq!(endpoint.request, format!("{expected}Range: bytes="));
        assert_eq!(S3Endpoint::of("http://s3.example/b/k?s=1").unwrap().address, ("s3.example".to_string(), 80));
        assert!(S3Endpoint::of("https://s3.example/b/k?s=1").is_none());
    }

    #[test]
    fn files_are_received_in_parts() {
        assert_eq!(parts(5), ["0-4"]);
        assert_eq!(parts(PART_BYTES), ["0-8388607"]);
        assert_eq!(parts(PART_BYTES + 2), ["0-8388607", "8388608-8388609"]);
    }

    #[test]
    fn answers_say_how_long_they_are() {
        for (fields, closes) in [("Server: x", false), ("Connection: keep-alive", false), ("connection:close", true)] {
            let answer = Answer::parse(&format!("HTTP/1.1 206 Partial Content\r\n{fields}\r\ncontent-LENGTH: 12"));
            assert_eq!(answer.unwrap(), Answer { body_bytes: 12, closes }, "{fields}");
        }
        for (head, reason) in [
            ("HTTP/1.1 403 Forbidden\r\nContent-Length: 9", "answers 'HTTP/1.1 403 Forbidden'"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9", "answers 'HTTP/1.1 200 OK'"),
            ("HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked", "how long"),
        ] {
            let error = Answer::parse(head).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}

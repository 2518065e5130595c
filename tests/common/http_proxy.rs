//! A proxy of an HTTP server that counts what passes, and does to some requests what a bad network does.
//!
//! One request per connection: the server must close each connection after its answer, as versitygw does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request, as far as its head tells.
#[derive(Debug, Clone)]
pub struct Request {
    /// Counted from 0, over all connections.
    pub number: usize,
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The value of the header `Range`.
    pub range: Option<String>,
    /// The value of the header `Authorization`.
    pub authorization: Option<String>,
}

impl Request {
    /// The range that is asked for, if it has a first byte.
    pub fn bytes(&self) -> Option<std::ops::Range<u64>> {
        let (first, last) = self.range.as_ref()?.strip_prefix("bytes=")?.split_once('-')?;
        Some(first.parse().ok()?..last.parse::<u64>().ok()? + 1)
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    /// The server answers it.
    Pass,
    /// The proxy answers with a status and, if there is one, a code of S3.
    Refuse(u16, &'static str),
    /// The server answers it, and half of the body's bytes arrive before the connection ends.
    CutShort,
    /// Nobody ever answers.
    Hang,
    /// The connection ends at once.
    Close,
}

type Judge = dyn Fn(&Request) -> Fate + Send + Sync;

/// A running proxy. It runs until the process ends.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: u16,
    judge: Box<Judge>,
    count: AtomicUsize,
    body_bytes: AtomicU64,
    requests: Mutex<Vec<Request>>,
}

impl Proxy {
    /// A proxy of the server at a local port.
    pub fn start(server: u16, judge: impl Fn(&Request) -> Fate + Send + Sync + 'static) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared {
            server,
            judge: Box::new(judge),
            count: AtomicUsize::new(0),
            body_bytes: AtomicU64::new(0),
            requests: Mutex::default(),
        });
        let all = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = all.clone();
                std::thread::spawn(move || {
                    // A client that has gone is no fault of the proxy.
                    let _ = shared.serve(client);
                });
            }
        });
        Proxy { port, shared }
    }

    /// Bytes of bodies that the server has sent so far.
    pub fn body_bytes(&self) -> u64 {
        self.shared.body_bytes.load(SeqCst)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("the requests").clone()
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if reader.read_until(b'\n', &mut head)? == 0 {
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let header = |name: &str| {
            let found = text.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
            found.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_string())
        };
        let mut words = text.split(' ').map(str::to_string);
        let request = Request {
            number: self.count.fetch_add(1, SeqCst),
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            range: header("range"),
            authorization: header("authorization"),
        };
        self.requests.lock().expect("the requests").push(request.clone());
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let fate = (self.judge)(&request);
        match fate {
            Fate::Close => return client.shutdown(Shutdown::Both),
            Fate::Hang => {
                // Until the client gives up.
                std::io::copy(&mut reader, &mut std::io::sink())?;
                return Ok(());
            }
            _ => {}
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if let Fate::Refuse(status, code) = fate {
            let body = match code {
                "" => String::new(),
                code => format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a test</Message></Error>"),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            return client.write_all((head + &body).as_bytes());
        }
        let mut server = TcpStream::connect(("127.0.0.1", self.server))?;
        server.set_read_timeout(Some(Duration::from_secs(60)))?;
        server.write_all(&head)?;
        server.write_all(&body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        let body_start = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        let body_len = answer.len() - body_start;
        self.body_bytes.fetch_add(body_len as u64, SeqCst);
        if fate == Fate::CutShort {
            answer.truncate(body_start + body_len / 2);
        }
        client.write_all(&answer)?;
        client.shutdown(Shutdown::Write)
    }
}

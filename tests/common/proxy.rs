//! A TCP proxy that does to connections what networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// What happens to the bytes. Offsets count all bytes of one direction, over all connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: they pass.
    None,
    /// Each piece waits.
    Delay(Duration),
    /// So many bytes a second.
    Throttle(u64),
    /// They are swallowed; connections stay open.
    BlackHole,
    /// The connection that carries this byte to the client (or from it) is reset before it; once.
    Cut { offset: u64, to_client: bool },
    /// The server's side is ended before this byte to the client, while requests still pass; once.
    HalfClose { offset: u64 },
    /// The lowest bits of this byte to the client are changed by this mask.
    Flip { offset: u64, mask: u8 },
    /// The connection whose request contains this text is reset after the server has answered it; once.
    LoseReply(Vec<u8>),
    /// The same, and from then on all is swallowed.
    LoseReplyAndVanish(Vec<u8>),
}

struct Shared {
    fault: Mutex<Fault>,
    /// Bytes that have passed: from the client, and to it.
    passed: [AtomicU64; 2],
    open: Mutex<Vec<Weak<TcpStream>>>,
    connections: AtomicUsize,
    target: u16,
}

/// Passes connections on to a port of this computer, with a fault.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    pub fn start(target: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared {
            fault: Mutex::new(Fault::None),
            passed: Default::default(),
            open: Mutex::default(),
            connections: AtomicUsize::new(0),
            target,
        });
        let accepting = shared.clone();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|client| accepting.serve(client)));
        Proxy { port, shared }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sets what happens from now on, and counts bytes from 0 again.
    pub fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = fault;
        self.shared.passed.iter().for_each(|passed| passed.store(0, SeqCst));
    }

    /// Bytes that have passed since then: from the client, and to it.
    pub fn passed(&self) -> [u64; 2] {
        [0, 1].map(|direction| self.shared.passed[direction].load(SeqCst))
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// Resets all connections.
    pub fn cut_all(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..).filter_map(|stream| stream.upgrade()) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// One connection, both of its ends.
#[derive(Clone)]
struct Pair {
    client: Arc<TcpStream>,
    server: Arc<TcpStream>,
    /// A request has passed whose reply is to be lost.
    doomed: Arc<Mutex<bool>>,
    /// One direction has ended and the other goes on.
    half_closed: Arc<AtomicBool>,
}

impl Pair {
    fn reset(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, client: TcpStream) {
        self.connections.fetch_add(1, SeqCst);
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target)) else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let pair = Pair {
            client: Arc::new(client),
            server: Arc::new(server),
            doomed: Arc::default(),
            half_closed: Arc::default(),
        };
        let mut open = self.open.lock().unwrap();
        open.retain(|stream| stream.strong_count() > 0);
        open.extend([&pair.client, &pair.server].map(Arc::downgrade));
        drop(open);
        for to_client in [false, true] {
            let (shared, pair) = (self.clone(), pair.clone());
            std::thread::spawn(move || {
                shared.pump(&pair, to_client);
                if !pair.half_closed.load(SeqCst) {
                    pair.reset();
                }
            });
        }
    }

    fn pump(&self, pair: &Pair, to_client: bool) {
        let (mut from, mut to) = match to_client {
            true => (&*pair.server, &*pair.client),
            false => (&*pair.client, &*pair.server),
        };
        let mut buffer = vec![0; 16 << 10];
        while let Ok(bytes @ 1..) = from.read(&mut buffer) {
            let piece = &mut buffer[..bytes];
            let start = self.passed[usize::from(to_client)].fetch_add(bytes as u64, SeqCst);
            let keep = self.spoil(pair, to_client, start, piece);
            let whole = keep == piece.len();
            if keep > 0 && to.write_all(&piece[..keep]).is_err() || !whole && !self.swallows() {
                return;
            }
        }
    }

    fn swallows(&self) -> bool {
        *self.fault.lock().unwrap() == Fault::BlackHole
    }

    /// Does to a piece what is to be done; returns how many of its bytes pass.
    fn spoil(&self, pair: &Pair, to_client: bool, start: u64, piece: &mut [u8]) -> usize {
        let mut fault = self.fault.lock().unwrap();
        let within = |offset: u64| {
            let index = offset.checked_sub(start).and_then(|index| usize::try_from(index).ok());
            index.filter(|index| *index < piece.len())
        };
        match fault.clone() {
            Fault::None => {}
            Fault::Delay(delay) => {
                drop(fault);
                std::thread::sleep(delay);
            }
            Fault::Throttle(bytes_per_second) => {
                drop(fault);
                std::thread::sleep(Duration::from_secs_f64(piece.len() as f64 / bytes_per_second as f64));
            }
            Fault::BlackHole => return 0,
            Fault::Cut { offset, to_client: direction } => {
                if let Some(index) = within(offset).filter(|_| direction == to_client) {
                    *fault = Fault::None;
                    return index;
                }
            }
            Fault::HalfClose { offset } => {
                if let Some(index) = within(offset).filter(|_| to_client) {
                    *fault = Fault::None;
                    pair.half_closed.store(true, SeqCst);
                    let _ = (&*pair.client).write_all(&piece[..index]);
                    let _ = pair.client.shutdown(Shutdown::Write);
                    return 0;
                }
            }
            Fault::Flip { offset, mask } => {
                if let Some(index) = within(offset).filter(|_| to_client) {
                    piece[index] ^= mask;
                }
            }
            Fault::LoseReply(text) | Fault::LoseReplyAndVanish(text) if !to_client => {
                if piece.windows(text.len()).any(|window| window == text) {
                    *pair.doomed.lock().unwrap() = true;
                }
            }
            Fault::LoseReply(_) if *pair.doomed.lock().unwrap() => {
                *fault = Fault::None;
                return 0;
            }
            Fault::LoseReplyAndVanish(_) if *pair.doomed.lock().unwrap() => {
                *fault = Fault::BlackHole;
                return 0;
            }
            Fault::LoseReply(_) | Fault::LoseReplyAndVanish(_) => {}
        }
        piece.len()
    }
}

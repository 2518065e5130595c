//! Standard input and output as Arrow streams.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use arrowredis::CancelToken;

use crate::failure::Failure;

/// The name that stands for standard input and output.
pub const STANDARD: &str = "-";

const READ_BYTES: usize = 1 << 20;
const READS_AHEAD: usize = 4;
/// How long a cancelled command may go on waiting for input.
const PATIENCE: Duration = Duration::from_millis(50);

/// Standard input, read by a thread, so that a command that waits for it can be cancelled.
pub struct Stdin {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    position: usize,
    cancel: CancelToken,
    deadline: Option<Instant>,
}

impl Stdin {
    pub fn new(cancel: CancelToken, deadline: Option<Instant>) -> Result<Stdin, Failure> {
        if io::stdin().is_terminal() {
            return Err(Failure::usage("'-' reads an Arrow IPC stream from standard input, which is a terminal"));
        }
        let (sender, blocks) = sync_channel(READS_AHEAD);
        std::thread::spawn(move || {
            loop {
                let mut block = Vec::with_capacity(READ_BYTES);
                let result = io::stdin().lock().take(READ_BYTES as u64).read_to_end(&mut block).map(|_| block);
                let ended = !matches!(&result, Ok(block) if !block.is_empty());
                if sender.send(result).is_err() || ended {
                    break;
                }
            }
        });
        Ok(Stdin { blocks, block: Vec::new(), position: 0, cancel, deadline })
    }

    fn next_block(&self) -> io::Result<Vec<u8>> {
        loop {
            match self.blocks.recv_timeout(PATIENCE) {
                Ok(block) => return block,
                Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
                Err(RecvTimeoutError::Timeout) if self.cancel.is_cancelled() => {
                    return Err(io::Error::other("cancelled while waiting for standard input"));
                }
                Err(RecvTimeoutError::Timeout) if self.deadline.is_some_and(|deadline| Instant::now() > deadline) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "standard input did not end within the total timeout",
                    ));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Read for Stdin {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.position == self.block.len() {
            self.block = self.next_block()?;
            self.position = 0;
        }
        let count = out.len().min(self.block.len() - self.position);
        out[..count].copy_from_slice(&self.block[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}

/// Standard output for a stream of bytes; remembers whether its reader has gone.
pub struct Stdout {
    out: BufWriter<Watched>,
    broken: Arc<AtomicBool>,
}

struct Watched {
    file: File,
    broken: Arc<AtomicBool>,
}

impl Stdout {
    pub fn new() -> Result<Stdout, Failure> {
        if io::stdout().is_terminal() {
            return Err(Failure::usage(
                "--out - writes an Arrow IPC stream to standard output, which is a terminal: redirect it to a file or a pipe",
            ));
        }
        let file = io::stdout().as_fd().try_clone_to_owned().map_err(arrowredis::Error::from)?;
        let broken = Arc::new(AtomicBool::new(false));
        Ok(Stdout { out: BufWriter::new(Watched { file: file.into(), broken: broken.clone() }), broken })
    }

    /// Tells a reader that has gone from any other error.
    pub fn failure(&self, error: arrowredis::Error) -> Failure {
        if self.broken.load(Relaxed) { Failure::BrokenPipe } else { error.into() }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).inspect_err(|e| {
            if e.kind() == io::ErrorKind::BrokenPipe {
                self.broken.store(true, Relaxed);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

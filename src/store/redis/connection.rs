//! One connection: a request goes out, its replies come in.

use std::time::Duration;

use super::batch::Batch;
use super::errors::Failure;
use super::resp::{Assembler, Decoder, Reply, Token};
use super::transport::Transport;
use crate::memory::Memory;
use crate::telemetry::{Counter, count};

/// How long we listen for the reason after a server has closed the connection while we were writing.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What comes back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// One reply for each command.
    Replies,
    /// One array of so many values, each handed over as it arrives. (An error comes as reply 0.)
    Elements(usize),
    /// One value for each command, which are parts of one of so many bytes: that is reply 0, or an error, or nothing if the
    /// parts do not make up so many.
    Parts { bytes: usize, at_once: usize },
}

/// Takes replies as they arrive, by the number of the command or of the element.
pub(super) type Sink<'a> = &'a mut (dyn FnMut(usize, Reply) + Send);

pub(super) struct Connection {
    transport: Transport,
    decoder: Decoder,
    heard: bool,
    refused: bool,
}

impl Connection {
    pub(super) fn new(transport: Transport) -> Self {
        Connection { transport, decoder: Decoder::new(), heard: false, refused: false }
    }

    /// Whether anything came back for the last request.
    pub(super) fn heard(&self) -> bool {
        self.heard
    }

    /// Whether the next request can go over this connection. One that has answered with an error is given up:
    /// the address may lead to another server by now, one that is the master, has loaded, or is not full.
    pub(super) fn is_clean(&self) -> bool {
        self.decoder.is_empty() && !self.refused
    }

    /// Sends the request, then takes the replies; of several batches, each when the one before is answered.
    ///
    /// All of a batch is written before anything is read. That cannot lock up: a request that is large has replies of a
    /// few bytes, and one whose replies are large fits into the socket's buffer whole
    /// (`pipeline::MAX_COMMANDS`), so neither side ever waits for the other to read.
    pub(super) async fn exchange(&mut self, batches: &[Batch], shape: Shape, sink: Sink<'_>) -> Result<(), Failure> {
        self.heard = false;
        if let Shape::Parts { bytes, at_once } = shape {
            return self.parts(batches, bytes, at_once, sink).await;
        }
        for batch in batches {
            self.send(batch, shape, sink).await?;
        }
        Ok(())
    }

    async fn send(&mut self, batch: &Batch, shape: Shape, sink: Sink<'_>) -> Result<(), Failure> {
        match self.write(batch).await {
            Ok(()) => self.receive(batch.commands(), shape, sink).await,
            Err(error) => {
                // The server may have said why it closed the connection. If not, the first error stands.
                let _ = tokio::time::timeout(LAST_WORDS, self.receive(batch.commands(), shape, sink)).await;
                Err(Failure::Io(error))
            }
        }
    }

    async fn receive(&mut self, commands: usize, shape: Shape, sink: Sink<'_>) -> Result<(), Failure> {
        match shape {
            Shape::Elements(count) => self.elements(count, sink).await,
            Shape::Replies | Shape::Parts { .. } => {
                for command in 0..commands {
                    let reply = self.reply().await?;
                    self.refused |= matches!(reply, Reply::Error(_));
                    sink(command, reply);
                }
                Ok(())
            }
        }
    }

    async fn reply(&mut self) -> Result<Reply, Failure> {
        let mut assembler = Assembler::default();
        loop {
            let token = self.token().await?;
            if let Some(reply) = assembler.push(token)? {
                return Ok(reply);
            }
        }
    }

    async fn elements(&mut self, count: usize, sink: Sink<'_>) -> Result<(), Failure> {
        match self.token().await? {
            Token::Array(announced) if announced == count => {}
            Token::Error(text) => {
                self.refused = true;
                sink(0, Reply::Error(text));
                return Ok(());
            }
            other => return Err(Failure::Protocol(format!("{count} values were expected, not {}", name(&other)))),
        }
        for index in 0..count {
            match self.token().await? {
                Token::Bulk(value) => sink(index, Reply::Bulk(value)),
                Token::Nil => sink(index, Reply::Nil),
                other => return Err(Failure::Protocol(format!("a value was expected, not {}", name(&other)))),
            }
        }
        Ok(())
    }

    /// Asks for parts, so many ahead, and receives them into one memory.
    async fn parts(&mut self, batches: &[Batch], bytes: usize, at_once: usize, sink: Sink<'_>) -> Result<(), Failure> {
        self.decoder.place(Memory::new(bytes).map_err(Failure::Own)?);
        let (mut refused, mut rest) = (None, batches.iter());
        let mut under_way = 0;
        for batch in rest.by_ref().take(at_once) {
            self.write(batch).await?;
            under_way += 1;
        }
        while under_way > 0 {
            match self.token().await? {
                Token::Part(_) | Token::Bulk(_) => {}
                Token::Error(text) => refused = Some(text),
                other => return Err(Failure::Protocol(format!("a value was expected, not {}", name(&other)))),
            }
            match rest.next().filter(|_| refused.is_none()) {
                Some(batch) => self.write(batch).await?,
                None => under_way -= 1,
            }
        }
        let value = self.decoder.placed();
        self.refused |= refused.is_some();
        sink(0, refused.map(Reply::Error).or(value.map(Reply::Bulk)).unwrap_or(Reply::Nil));
        Ok(())
    }

    async fn write(&mut self, batch: &Batch) -> std::io::Result<()> {
        let written = self.transport.write_all(&mut batch.slices()).await;
        count(Counter::BytesSent, batch.bytes());
        written
    }

    async fn token(&mut self) -> Result<Token, Failure> {
        loop {
            if let Some(token) = self.decoder.next()? {
                return Ok(token);
            }
            let (first, second) = self.decoder.spaces();
            let bytes = self.transport.read(first, second).await?;
            self.heard = true;
            count(Counter::BytesReceived, bytes as u64);
            self.decoder.filled(bytes);
        }
    }
}

fn name(token: &Token) -> String {
    match token {
        Token::Status(_) => "a status".to_string(),
        Token::Error(_) => "an error".to_string(),
        Token::Integer(_) => "an integer".to_string(),
        Token::Bulk(_) | Token::Part(_) => "a value".to_string(),
        Token::Nil => "nothing".to_string(),
        Token::Array(count) => format!("an array of {count}"),
    }
}

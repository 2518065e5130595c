//! The answers of a Redis server (RESP2): bytes in, tokens out, no I/O.
//!
//! The caller reads from its socket into [`Decoder::spaces`] and says how much it got. Lines pass through a
//! small buffer. A value goes straight into the memory that the Arrow arrays will use: the part of it that is
//! in the buffer already is moved there, and from then on the first of the two spaces *is* that memory. The
//! second space takes what follows the value, so that its line end and the next header cost no read of their
//! own.

use arrow::buffer::Buffer;

use super::errors::Failure;
use crate::memory::Memory;

/// The largest value that is believed to be announced in earnest. (The server's own limit is 512 MB unless changed.)
pub(super) const MAX_BULK_BYTES: u64 = 4 << 30;
/// Arrays in arrays are deeper in no reply that we ask for.
const MAX_DEPTH: usize = 8;
/// The most elements that a reply may have, all nested arrays together.
const MAX_ELEMENTS: usize = 1 << 20;
/// The most bytes that the elements of an array may have which is kept as a whole.
const MAX_ARRAY_BYTES: usize = 256 << 20;
/// Large enough for the headers of many values, small enough that little of a value passes through it.
const BUFFER_BYTES: usize = 16 << 10;

/// One step of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `+OK`
    Status(String),
    /// `-ERR text`
    Error(String),
    /// `:1`
    Integer(i64),
    /// A value.
    Bulk(Buffer),
    /// A value of so many bytes that has gone where [`Decoder::place`] said.
    Part(usize),
    /// A value or array that does not exist.
    Nil,
    /// The start of an array of so many elements.
    Array(usize),
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Status(String),
    Error(String),
    Integer(i64),
    Bulk(Buffer),
    Nil,
    Array(Vec<Reply>),
}

/// Turns the bytes of a connection into tokens.
pub(super) struct Decoder {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes from `start` that are known to hold no line end.
    scanned: usize,
    value: Option<Value>,
    /// Memory that values go to one behind the other, while there is room, and how much of it they fill.
    place: Option<(Memory, usize)>,
}

/// A value that has not arrived completely: so many bytes of it have.
struct Value {
    memory: Memory,
    /// Where in the memory it begins, if it is a part of what belongs there.
    part_at: Option<usize>,
    len: usize,
    filled: usize,
}

impl Value {
    /// What has not arrived yet goes there.
    fn rest(&mut self) -> &mut [u8] {
        let start = self.part_at.unwrap_or_default();
        &mut self.memory.as_mut_slice()[start + self.filled..start + self.len]
    }
}

impl Decoder {
    pub(super) fn new() -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Decoder { buffer, start: 0, end: 0, scanned: 0, value: None, place: None }
    }

    /// From now on values are parts of one: they go into this memory, one behind the other.
    pub(super) fn place(&mut self, memory: Memory) {
        self.place = Some((memory, 0));
    }

    /// What the memory has become, if parts fill it. Further values are values again.
    pub(super) fn placed(&mut self) -> Option<Buffer> {
        let (memory, filled) = self.place.take()?;
        (filled == memory.len()).then(|| memory.freeze())
    }

    /// Whether everything that was received has been handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end && self.value.is_none()
    }

    /// Where the next bytes of the connection belong: first the one, then the other.
    pub(super) fn spaces(&mut self) -> (&mut [u8], &mut [u8]) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let rest = &mut self.buffer[self.end..];
        match &mut self.value {
            Some(value) if value.filled < value.len => (value.rest(), rest),
            _ => (rest, &mut []),
        }
    }

    /// Tells how many bytes were put into [`Decoder::spaces`].
    pub(super) fn filled(&mut self, mut bytes: usize) {
        if let Some(value) = &mut self.value {
            let taken = bytes.min(value.len - value.filled);
            value.filled += taken;
            bytes -= taken;
        }
        self.end += bytes;
    }

    /// The next token, or `None` while bytes are missing.
    pub(super) fn next(&mut self) -> Result<Option<Token>, Failure> {
        if self.value.is_some() {
            return self.end_of_value();
        }
        let Some(line) = self.line()? else { return Ok(None) };
        match parse_line(line)? {
            Header::Token(token) => Ok(Some(token)),
            Header::Value(len) => {
                let (memory, part_at) = match self.place.take_if(|(memory, at)| len <= memory.len() - *at) {
                    Some((memory, at)) => (memory, Some(at)),
                    None => (Memory::new(len).map_err(Failure::Own)?, None),
                };
                let filled = len.min(self.end - self.start);
                let value = self.value.insert(Value { memory, part_at, len, filled: 0 });
                value.rest()[..filled].copy_from_slice(&self.buffer[self.start..self.start + filled]);
                value.filled = filled;
                self.start += filled;
                self.end_of_value()
            }
        }
    }

    fn end_of_value(&mut self) -> Result<Option<Token>, Failure> {
        match self.value.take() {
            Some(value) if value.filled == value.len && self.end - self.start >= 2 => {
                if self.buffer[self.start..self.start + 2] != *b"\r\n" {
                    return Err(protocol("a value is longer than announced"));
                }
                self.start += 2;
                let Some(at) = value.part_at else { return Ok(Some(Token::Bulk(value.memory.freeze()))) };
                self.place = Some((value.memory, at + value.len));
                Ok(Some(Token::Part(value.len)))
            }
            unfinished => {
                self.value = unfinished;
                Ok(None)
            }
        }
    }

    /// The next line without its end.
    fn line(&mut self) -> Result<Option<&[u8]>, Failure> {
        let from = self.start + self.scanned;
        let Some(index) = self.buffer[from..self.end].iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.end - self.start;
            if self.scanned == self.buffer.len() {
                return Err(protocol("a line has no end"));
            }
            // What cannot be Redis is told from its first byte: other protocols may wait for us to go on.
            return match self.buffer[self.start..self.end].first() {
                Some(first) if !b"+-:$*".contains(first) => Err(unknown_type(*first)),
                _ => Ok(None),
            };
        };
        let (start, end) = (self.start, from + index);
        self.start = end + 1;
        self.scanned = 0;
        match self.buffer[start..end].strip_suffix(b"\r") {
            Some(line) => Ok(Some(line)),
            None => Err(protocol("a line ends without a carriage return")),
        }
    }
}

enum Header {
    Token(Token),
    Value(usize),
}

fn parse_line(line: &[u8]) -> Result<Header, Failure> {
    let Some((kind, rest)) = line.split_first() else { return Err(protocol("an empty line")) };
    let text = || String::from_utf8_lossy(rest).into_owned();
    let token = match kind {
        b'+' => Token::Status(text()),
        b'-' => Token::Error(text()),
        b':' => Token::Integer(integer(rest)?),
        b'$' => match integer(rest)? {
            -1 => Token::Nil,
            len => return Ok(Header::Value(length(len, MAX_BULK_BYTES)?)),
        },
        b'*' => match integer(rest)? {
            -1 => Token::Nil,
            len => Token::Array(length(len, MAX_ELEMENTS as u64)?),
        },
        other => return Err(unknown_type(*other)),
    };
    Ok(Header::Token(token))
}

/// Digits with an optional minus sign, nothing else.
fn integer(text: &[u8]) -> Result<i64, Failure> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| plain)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| protocol("a number is not one"))
}

fn length(len: i64, limit: u64) -> Result<usize, Failure> {
    u64::try_from(len)
        .ok()
        .filter(|len| *len <= limit)
        .and_then(|len| usize::try_from(len).ok())
        .ok_or_else(|| protocol(&format!("a length of {len} is announced, the limit is {limit}")))
}

fn protocol(what: &str) -> Failure {
    Failure::Protocol(what.to_string())
}

fn unknown_type(first: u8) -> Failure {
    Failure::Protocol(format!("a reply starts with the byte 0x{first:02x}"))
}

/// Puts tokens together to whole replies.
#[derive(Default)]
pub(super) struct Assembler {
    open: Vec<(Vec<Reply>, usize)>,
    elements: usize,
    bytes: usize,
}

impl Assembler {
    /// Takes the next token; gives the reply when it is complete.
    pub(super) fn push(&mut self, token: Token) -> Result<Option<Reply>, Failure> {
        let mut reply = match token {
            Token::Status(text) => Reply::Status(text),
            Token::Error(text) => Reply::Error(text),
            Token::Integer(number) => Reply::Integer(number),
            Token::Bulk(value) => self.count_bytes(value)?,
            Token::Part(_) => return Err(protocol("a part of a value where none was asked for")),
            Token::Nil => Reply::Nil,
            Token::Array(0) => Reply::Array(Vec::new()),
            Token::Array(len) => return self.descend(len),
        };
        while let Some((mut elements, missing)) = self.open.pop() {
            elements.push(reply);
            if missing > 1 {
                self.open.push((elements, missing - 1));
                return Ok(None);
            }
            reply = Reply::Array(elements);
        }
        Ok(Some(reply))
    }

    fn count_bytes(&mut self, value: Buffer) -> Result<Reply, Failure> {
        if !self.open.is_empty() {
            self.bytes += value.len();
            if self.bytes > MAX_ARRAY_BYTES {
                return Err(protocol("an array is too large"));
            }
        }
        Ok(Reply::Bulk(value))
    }

    fn descend(&mut self, len: usize) -> Result<Option<Reply>, Failure> {
        self.elements += len;
        if self.open.len() == MAX_DEPTH || self.elements > MAX_ELEMENTS {
            return Err(protocol("arrays are nested too deeply or have too many elements"));
        }
        self.open.push((Vec::with_capacity(len.min(1024)), len));
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of the given lengths (the last one repeats) and collects the replies.
    fn decode(input: &[u8], pieces: &[usize]) -> Result<Vec<Reply>, Failure> {
        let mut decoder = Decoder::new();
        let mut assembler = Assembler::default();
        let mut replies = Vec::new();
        let mut at = 0;
        for piece in 0.. {
            while let Some(token) = decoder.next()? {
                if let Some(reply) = assembler.push(token)? {
                    replies.push(reply);
                    assembler = Assembler::default();
                }
            }
            if at == input.len() {
                break;
            }
            let (first, second) = decoder.spaces();
            let length = pieces[piece.min(pieces.len() - 1)].min(input.len() - at).min(first.len() + second.len());
            let (one, two) = input[at..at + length].split_at(length.min(first.len()));
            first[..one.len()].copy_from_slice(one);
            second[..two.len()].copy_from_slice(two);
            decoder.filled(length);
            at += length;
        }
        Ok(replies)
    }

    fn bulk(bytes: &[u8]) -> Reply {
        Reply::Bulk(Buffer::from(bytes))
    }

    #[test]
    fn replies_are_the_same_wherever_the_input_is_cut() {
        let input = b"+OK\r\n-ERR no\r\n:-42\r\n$5\r\nab\r\nc\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n*3\r\n$1\r\nx\r\n*1\r\n:7\r\n$-1\r\n";
        let expected = vec![
            Reply::Status("OK".to_string()),
            Reply::Error("ERR no".to_string()),
            Reply::Integer(-42),
            bulk(b"ab\r\nc"),
            bulk(b""),
            Reply::Nil,
            Reply::Nil,
            Reply::Array(vec![]),
            Reply::Array(vec![bulk(b"x"), Reply::Array(vec![Reply::Integer(7)]), Reply::Nil]),
        ];
        assert_eq!(decode(input, &[usize::MAX]).unwrap(), expected);
        assert_eq!(decode(input, &[1]).unwrap(), expected);
        for first in 0..input.len() {
            for second in 1..input.len() - first {
                assert_eq!(decode(input, &[first.max(1), second, usize::MAX]).unwrap(), expected);
            }
        }
    }

    #[test]
    fn large_values_arrive_whole_and_aligned() {
        let value: Vec<u8> = (0..3_000_001u32).map(|i| (i * 7) as u8).collect();
        let mut input = format!("*2\r\n${}\r\n", value.len()).into_bytes();
        input.extend(&value);
        input.extend(b"\r\n$3\r\nend\r\n");
        let expected = vec![Reply::Array(vec![bulk(&value), bulk(b"end")])];
        for piece in [usize::MAX, 1 << 20, 65_536, 16_384, 16_383, 4_097, 1_000] {
            let replies = decode(&input, &[piece]).unwrap();
            assert!(replies == expected, "pieces of {piece}");
            let [Reply::Array(values)] = &replies[..] else { panic!("one array") };
            let Reply::Bulk(value) = &values[0] else { panic!("a value") };
            assert_eq!(value.as_ptr() as usize % 64, 0);
        }
    }

    #[test]
    fn hostile_input_is_an_error_that_says_what_is_wrong() {
        let deep = "*1\r\n".repeat(9);
        let wide = "*1000000\r\n*1000000\r\n".to_string();
        let endless = format!("+{}", "a".repeat(20_000));
        for (input, part) in [
            ("$-2\r\n", "length of -2"),
            ("$4294967297\r\n", "length of 4294967297"),
            ("$9223372036854775807\r\n", "the limit is"),
            ("$9223372036854775808\r\n", "a number is not one"),
            ("$+5\r\n", "a number is not one"),
            ("$ 5\r\n", "a number is not one"),
            ("$\r\n", "a number is not one"),
            (":-\r\n", "a number is not one"),
            (":1.5\r\n", "a number is not one"),
            ("*-2\r\n", "length of -2"),
            ("*1048577\r\n", "length of 1048577"),
            ("$1\r\nab\r\n", "longer than announced"),
            ("$1\r\na\n\r", "longer than announced"),
            ("+OK\n", "carriage return"),
            ("\r\n", "0x0d"),
            ("\n", "carriage return"),
            ("HTTP/1.1 400 Bad Request\r\n", "0x48"),
            ("\u{15}\u{3}", "0x15"),
            ("%1\r\n", "0x25"),
            ("_\r\n", "0x5f"),
            (&deep, "nested too deeply"),
            (&wide, "too many elements"),
            (&endless, "no end"),
        ] {
            match decode(input.as_bytes(), &[1]) {
                Err(Failure::Protocol(text)) => assert!(text.contains(part), "{input:?}: {text}"),
                other => panic!("{input:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn parts_of_a_value_go_into_one_memory_wherever_the_input_is_cut() {
        // Parts of 5 and 40,000 bytes, one that has no room any more, and then values again.
        let value: Vec<u8> = (0..40_005u32).map(|i| (i * 7) as u8).collect();
        let mut input = b"$5\r\n".to_vec();
        input.extend(&value[..5]);
        input.extend(b"\r\n$40000\r\n");
        input.extend(&value[5..]);
        input.extend(b"\r\n$1\r\nx\r\n$0\r\n\r\n");
        for piece in [1, 7, 4_097, 16_384, 40_000, usize::MAX] {
            let mut decoder = Decoder::new();
            decoder.place(Memory::new(value.len()).unwrap());
            let (mut tokens, mut at) = (Vec::new(), 0);
            while at < input.len() {
                let (first, second) = decoder.spaces();
                let length = piece.min(input.len() - at).min(first.len() + second.len());
                let (one, two) = input[at..at + length].split_at(length.min(first.len()));
                first[..one.len()].copy_from_slice(one);
                second[..two.len()].copy_from_slice(two);
                decoder.filled(length);
                at += length;
                tokens.extend(std::iter::from_fn(|| decoder.next().unwrap()));
            }
            let expected = [Token::Part(5), Token::Part(40_000), Token::Bulk(Buffer::from(b"x")), Token::Part(0)];
            assert_eq!(tokens, expected, "pieces of {piece}");
            assert!(decoder.placed().as_deref() == Some(&value[..]) && decoder.placed().is_none());
        }
        let mut decoder = Decoder::new();
        decoder.place(Memory::new(10).unwrap());
        assert!(decoder.placed().is_none(), "it is not full");
    }

    #[test]
    fn an_announced_length_alone_costs_nothing() {
        let mut decoder = Decoder::new();
        for _ in 0..64 {
            let input = b"$4294967296\r\n";
            let (first, _) = decoder.spaces();
            first[..input.len()].copy_from_slice(input);
            decoder.filled(input.len());
            assert_eq!(decoder.next().map_err(|_| ()), Ok(None));
            decoder = Decoder::new();
        }
    }
}

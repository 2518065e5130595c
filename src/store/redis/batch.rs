//! Requests: one or more commands, encoded for the wire and sent together.

use std::io::IoSlice;
use std::ops::Range;

use arrow::buffer::Buffer;

/// Parts of a value from this size on are sent from where they lie; smaller ones are gathered first.
const SEND_IN_PLACE_FROM: usize = 8 << 10;

/// Pipelined commands.
#[derive(Default)]
pub(super) struct Batch {
    text: Vec<u8>,
    pieces: Vec<Piece>,
    /// Where the text starts that no piece covers yet.
    open: usize,
    commands: usize,
    bytes: u64,
}

enum Piece {
    Text(Range<usize>),
    Value(Buffer),
}

impl Batch {
    /// Adds a command of small arguments.
    pub(super) fn command(&mut self, arguments: &[&[u8]]) {
        self.start(arguments.len());
        for argument in arguments {
            self.argument(argument);
        }
    }

    /// Starts a command: as many arguments follow as announced, its name is the first.
    pub(super) fn start(&mut self, arguments: usize) {
        self.commands += 1;
        self.header(b'*', arguments);
    }

    pub(super) fn argument(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len());
        self.text.extend_from_slice(bytes);
        self.text.extend_from_slice(b"\r\n");
    }

    /// An argument that is made of parts, which are not copied where they are large.
    pub(super) fn payload(&mut self, parts: &[Buffer]) {
        self.header(b'$', parts.iter().map(Buffer::len).sum());
        let gathered = |part: &Buffer| part.len() < SEND_IN_PLACE_FROM;
        self.text.reserve(parts.iter().filter(|part| gathered(part)).map(Buffer::len).sum());
        for part in parts {
            if gathered(part) {
                self.text.extend_from_slice(part);
            } else {
                self.close_text();
                self.bytes += part.len() as u64;
                self.pieces.push(Piece::Value(part.clone()));
            }
        }
        self.text.extend_from_slice(b"\r\n");
    }

    /// How many commands there are, and so how many replies to expect.
    pub(super) fn commands(&self) -> usize {
        self.commands
    }

    /// The bytes to be sent.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes + (self.text.len() - self.open) as u64
    }

    /// The bytes in their order, for vectored writes.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let open = &self.text[self.open..];
        let tail = (!open.is_empty()).then(|| IoSlice::new(open));
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(range) => IoSlice::new(&self.text[range.clone()]),
            Piece::Value(value) => IoSlice::new(value),
        });
        pieces.chain(tail).collect()
    }

    fn close_text(&mut self) {
        if self.open < self.text.len() {
            self.bytes += (self.text.len() - self.open) as u64;
            self.pieces.push(Piece::Text(self.open..self.text.len()));
            self.open = self.text.len();
        }
    }

    fn header(&mut self, kind: u8, number: usize) {
        self.text.push(kind);
        self.text.extend_from_slice(number.to_string().as_bytes());
        self.text.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(batch: &Batch) -> Vec<u8> {
        let wire: Vec<u8> = batch.slices().iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(wire.len() as u64, batch.bytes());
        wire
    }

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        let mut batch = Batch::default();
        assert_eq!(wire(&batch), b"");
        batch.command(&[b"GET", b"k\r\n"]);
        batch.command(&[b"PING"]);
        assert_eq!(wire(&batch), b"*2\r\n$3\r\nGET\r\n$3\r\nk\r\n\r\n*1\r\n$4\r\nPING\r\n");
        assert_eq!(batch.commands(), 2);
        assert_eq!(batch.slices().len(), 1);
    }

    #[test]
    fn large_parts_are_sent_from_where_they_lie() {
        let (small, large) = (Buffer::from(b"ab"), Buffer::from(vec![7u8; SEND_IN_PLACE_FROM]));
        let mut batch = Batch::default();
        for _ in 0..2 {
            batch.start(3);
            batch.argument(b"SET");
            batch.argument(b"k");
            batch.payload(&[small.clone(), large.clone(), large.clone(), small.clone()]);
        }
        let mut one = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16388\r\nab".to_vec();
        one.extend(vec![7u8; 2 * SEND_IN_PLACE_FROM]);
        one.extend(b"ab\r\n");
        assert_eq!(wire(&batch), [one.clone(), one].concat());
        let slices = batch.slices();
        assert_eq!(slices.len(), 7);
        assert!([1, 2, 4, 5].iter().all(|i| slices[*i].as_ptr() == large.as_ptr()));
    }
}

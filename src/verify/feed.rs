//! One side's batches, read ahead by a thread.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::schema::same_type;
use super::side::{BatchReader, VerifySide};
use crate::error::{Error, Result};
use crate::metrics::{Progress, batch_bytes};
use crate::runtime::{Context, block_signals, catch_panic};

/// How often a wait looks at the cancel token, the deadline and the other side.
const LOOK_UP: Duration = Duration::from_millis(20);
/// How long the end of a reader is waited for that nobody needs any more.
const GRACE: Duration = Duration::from_millis(250);

/// What a side is asked to read, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// All rows.
    Whole,
    /// The rows of a partition.
    Partition(String),
    /// No rows, only the schema.
    SchemaOnly,
}

enum Event {
    Opened(SchemaRef),
    Batch(RecordBatch),
    End,
}

/// The first error of either side.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    fn set(&self, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn check(&self) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}

/// A side that is being read: where it stands, and what has been read.
pub(super) struct Feed {
    side: Arc<dyn VerifySide>,
    context: Context,
    failure: Failure,
    events: Option<Receiver<Event>>,
    thread: Option<JoinHandle<()>>,
    /// The schema of the first part.
    pub(super) schema: Option<SchemaRef>,
    /// The batch that the comparison is in, and the row in it.
    pub(super) current: Option<(RecordBatch, usize)>,
    pub(super) rows: u64,
    pub(super) batches: u64,
}

impl Feed {
    /// Starts to read the parts. At most two batches wait here: one that is ready, one that is being read.
    pub(super) fn start(
        side: Arc<dyn VerifySide>,
        parts: Vec<Part>,
        column: &str,
        failure: &Failure,
        context: &Context,
    ) -> Result<Feed> {
        let (sender, events) = sync_channel(1);
        let producer = Producer { side: side.clone(), column: column.to_string(), context: context.clone(), sender };
        let thread_failure = failure.clone();
        let thread = std::thread::Builder::new()
            .name("arrowredis-verify".to_string())
            .spawn(move || {
                block_signals();
                if let Err(error) = catch_panic(|| producer.run(&parts)) {
                    thread_failure.set(error.context(producer.side.name()));
                }
            })
            .map_err(|e| Error::resource_exhausted(format!("cannot start a thread to read {}: {e}", side.name())))?;
        Ok(Feed {
            side,
            context: context.clone(),
            failure: failure.clone(),
            events: Some(events),
            thread: Some(thread),
            schema: None,
            current: None,
            rows: 0,
            batches: 0,
        })
    }

    pub(super) fn name(&self) -> &str {
        self.side.name()
    }

    /// Waits until the next part is open.
    pub(super) fn open(&mut self) -> Result<()> {
        match self.next()? {
            Event::Opened(schema) => {
                self.schema.get_or_insert(schema);
                Ok(())
            }
            _ => Err(Error::internal(format!("{} was read out of order", self.name()))),
        }
    }

    /// The rows that are left in the current batch, of the next batch if need be; 0 at the end of the part.
    pub(super) fn available(&mut self) -> Result<usize> {
        loop {
            if let Some((batch, row)) = &self.current
                && *row < batch.num_rows()
            {
                return Ok(batch.num_rows() - row);
            }
            self.current = None;
            match self.next()? {
                Event::Batch(batch) => {
                    self.check_types(&batch)?;
                    self.count(&batch);
                    self.current = Some((batch, 0));
                }
                Event::End => return Ok(0),
                Event::Opened(_) => return Err(Error::internal(format!("{} was read out of order", self.name()))),
            }
        }
    }

    /// Goes on by so many rows of the current batch.
    pub(super) fn advance(&mut self, rows: usize) {
        if let Some((_, row)) = &mut self.current {
            *row += rows;
        }
    }

    /// Reads to the end of the part and counts.
    pub(super) fn drain(&mut self) -> Result<()> {
        loop {
            self.context.check()?;
            match self.available()? {
                0 => return Ok(()),
                rows => self.advance(rows),
            }
        }
    }

    /// The bytes it takes where it is stored, if known.
    pub(super) fn payload_bytes(&self) -> Option<u64> {
        self.side.payload_bytes()
    }

    fn next(&self) -> Result<Event> {
        let gone = || Error::internal(format!("the thread that reads {} ended too early", self.name()));
        let events = self.events.as_ref().ok_or_else(gone)?;
        loop {
            match events.recv_timeout(LOOK_UP) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Timeout) => {
                    self.context.check()?;
                    self.failure.check()?;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.failure.check()?;
                    return Err(gone());
                }
            }
        }
    }

    /// The comparison relies on the types that the side's first schema promised.
    fn check_types(&self, batch: &RecordBatch) -> Result<()> {
        let Some(schema) = &self.schema else { return Ok(()) };
        match other_column(schema, batch.schema_ref()) {
            None => Ok(()),
            Some(what) => Err(Error::corrupt(format!(
                "{}: batch {} is not of the schema that came first: {what}",
                self.name(),
                self.batches
            ))),
        }
    }

    fn count(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        self.batches += 1;
        let progress = self.context.progress();
        Progress::add(&progress.chunks, 1);
        Progress::add(&progress.decoded_bytes, batch_bytes(batch));
    }
}

impl Drop for Feed {
    /// Lets the thread end. One that is stuck in a foreign reader is left to itself.
    fn drop(&mut self) {
        self.events = None;
        let Some(thread) = self.thread.take() else { return };
        let end = Instant::now() + GRACE;
        while !thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

/// What keeps columns of one schema from standing for those of another.
fn other_column(expected: &SchemaRef, got: &SchemaRef) -> Option<String> {
    if Arc::ptr_eq(expected, got) {
        return None;
    }
    let (expected, got): (&Schema, &Schema) = (expected, got);
    if expected.fields().len() != got.fields().len() {
        return Some(format!("{} columns instead of {}", got.fields().len(), expected.fields().len()));
    }
    expected.fields().iter().zip(got.fields()).find_map(|(expected, got)| {
        let same = expected.name() == got.name() && same_type(expected.data_type(), got.data_type());
        (!same).then(|| {
            format!(
                "column '{}' ({}) instead of '{}' ({})",
                got.name(),
                got.data_type(),
                expected.name(),
                expected.data_type()
            )
        })
    })
}

/// The thread's part of a [`Feed`].
struct Producer {
    side: Arc<dyn VerifySide>,
    column: String,
    context: Context,
    sender: SyncSender<Event>,
}

impl Producer {
    /// Reads all parts, or stops when nobody listens any more.
    fn run(&self, parts: &[Part]) -> Result<()> {
        for part in parts {
            let reader = self.busy(|| match part {
                Part::Whole | Part::SchemaOnly => self.side.open(),
                Part::Partition(partition) => self.side.open_partition(&self.column, partition),
            })?;
            if !self.send(Event::Opened(reader.schema())) {
                return Ok(());
            }
            if *part != Part::SchemaOnly && !self.batches(reader)? {
                return Ok(());
            }
            if !self.send(Event::End) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn batches(&self, mut reader: BatchReader) -> Result<bool> {
        while let Some(batch) = self.busy(|| reader.next()) {
            if !self.send(Event::Batch(batch?)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn busy<T>(&self, work: impl FnOnce() -> T) -> T {
        let _busy = self.context.progress().fetch.start();
        work()
    }

    fn send(&self, event: Event) -> bool {
        self.sender.send(event).is_ok()
    }
}

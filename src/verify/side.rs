//! What is compared: something with rows that can be opened.

use std::sync::{Mutex, PoisonError};

use arrow::record_batch::RecordBatchReader;

use crate::error::{Error, Result};

/// A stream of record batches, of whatever origin.
pub type BatchReader = Box<dyn RecordBatchReader + Send>;

/// One of the two things that [`verify`](crate::verify()) compares: a dataset, a file, a stream.
///
/// Its methods are called from a thread of the comparison, one call at a time. A reader is read to its end or
/// dropped, and at most one reader of a side is open. An error of a reader that carries an [`Error`] (as
/// [`ArrowError::ExternalError`](arrow::error::ArrowError::ExternalError)) comes out of the comparison with its
/// kind and what it knows.
pub trait VerifySide: Send + Sync {
    /// What messages and the report call it.
    fn name(&self) -> &str;

    /// All rows, in their order.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn open(&self) -> Result<BatchReader>;

    /// The partitions, each by the text of its value, or its id where no value is known; `column` is the
    /// partition column, for sides that have no index of their own.
    ///
    /// # Errors
    /// `UNSUPPORTED` where partitions cannot be read one by one, and whatever keeps it from being read.
    fn partitions(&self, column: &str) -> Result<Vec<String>>;

    /// The rows of one of [`VerifySide::partitions`], in their order.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn open_partition(&self, column: &str, partition: &str) -> Result<BatchReader>;

    /// The bytes it takes where it is stored, if known; asked once all has been read.
    fn payload_bytes(&self) -> Option<u64> {
        None
    }
}

/// A stream of batches as a side: it can be read once, and not by partition.
pub struct VerifyStream {
    name: String,
    reader: Mutex<Option<BatchReader>>,
}

impl VerifyStream {
    /// The batches of a reader under a name.
    pub fn new(name: impl Into<String>, reader: BatchReader) -> Self {
        VerifyStream { name: name.into(), reader: Mutex::new(Some(reader)) }
    }

    fn no_partitions(&self) -> Error {
        Error::unsupported(
            "a stream cannot be compared by partition, for it is read only once: write it to a file first",
        )
    }
}

impl VerifySide for VerifyStream {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self) -> Result<BatchReader> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        reader.ok_or_else(|| Error::invalid_argument("a stream can be read only once"))
    }

    fn partitions(&self, _column: &str) -> Result<Vec<String>> {
        Err(self.no_partitions())
    }

    fn open_partition(&self, _column: &str, _partition: &str) -> Result<BatchReader> {
        Err(self.no_partitions())
    }
}

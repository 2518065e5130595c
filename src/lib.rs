//! Redis as a shared columnar dataset cache: publish a partitioned Arrow dataset once, then read the partitions
//! and columns that you need, as Arrow record batches, from any number of processes.
//!
//! # Words
//!
//! A **dataset** is named by its **prefix** and consists of **partitions**, and those of **batches**. A
//! **chunk** is one batch of one partition, as a self-contained Arrow IPC stream. Chunks live in a **store**
//! under keys of their own; the **manifest** lists them. How all that looks in bytes is in `docs/format.md`.
//!
//! # How data flows
//!
//! ```text
//!  generate ─┐                                                             ┌─> record batches
//!  IPC file ─┼─> split ──> chunk codec ──> store ──> chunk codec ──> read ─┼─> IPC file
//!  stream ───┘    │                          │                             └─> stream
//!                 └── lease, manifest last ──┘        verify compares any two of file, dataset, stream
//! ```
//!
//! 1. **Input.** [`GeneratedReader`] and [`generate_file`] make test data. [`IpcFile`] opens a file. Together
//!    with IPC streams and any Arrow reader of yours they are the [`Source`] of a split.
//! 2. **Publish.** [`split()`] writes one chunk for each batch to a store, and the manifest last: that is the
//!    moment at which the dataset exists.
//! 3. **Store.** [`store::open`] takes a URL: Redis over TCP, TLS or a Unix socket, a directory, or memory.
//!    [`list_datasets`], [`delete_dataset`] and [`collect_garbage`] look after what is in it.
//! 4. **Read.** [`Dataset::open`] reads the manifest. [`read()`] hands out the batches of the wanted partitions
//!    and columns, in order, while later ones are fetched and decoded; [`read_to_file`] and [`read_to_stream`]
//!    write them. [`read_file`] does the same with a local file.
//! 5. **Verify.** [`verify()`] compares any two of file, dataset and stream, bit by bit.
//!
//! ```
//! use arrowredis::{Context, Dataset, GenerateOptions, GeneratedReader, ReadOptions, Selection};
//! use arrowredis::{Source, SplitOptions, read, split, store};
//!
//! # fn main() -> arrowredis::Result<()> {
//! // Publish: 4 partitions of 2 batches. A URL such as redis://localhost:6379/0 would do as well.
//! let store = store::open("memory://", &store::StoreOptions::default())?;
//! let what = GenerateOptions { partitions: 4, batches: 2, rows: 1000, ..GenerateOptions::default() };
//! let batches = GeneratedReader::new(&what, &Context::new())?;
//! let source = Source::Batches(Box::new(batches));
//! let report = split(source, &store, "demo:v1", &SplitOptions::default(), &Context::new())?;
//! assert_eq!((report.partitions, report.metrics.rows), (4, 8000));
//!
//! // Read: two of the partitions, and of those one column.
//! let dataset = Dataset::open(&store, "demo:v1", &Context::new())?;
//! let options = ReadOptions {
//!     partitions: Selection::Some(vec!["1".to_string(), "3".to_string()]),
//!     columns: Some(vec!["id64".to_string()]),
//!     ..ReadOptions::default()
//! };
//! let mut reader = read(&dataset, &options, &Context::new())?;
//! let mut places = Vec::new();
//! while let Some(batch) = reader.next_batch() {
//!     let batch = batch?;
//!     assert_eq!((batch.data.num_columns(), batch.data.num_rows()), (1, 1000));
//!     places.push((batch.partition, batch.batch));
//! }
//! assert_eq!(places, [(1, 0), (1, 1), (3, 0), (3, 1)]);
//! # Ok(())
//! # }
//! ```
//!
//! # What every operation shares
//!
//! Calls block, and may come from any thread, also from one that belongs to another runtime. Every operation
//! takes a [`Context`] of its own: a timeout, a [`CancelToken`], and live counters that end up as [`Metrics`].
//! The threads and the byte budget are one for the process; [`configure`] sets them before first use. Errors
//! carry an [`ErrorKind`] to act upon, and a message that says what failed, on what, and what to try. Options
//! are plain structs with defaults; the module [`options`] lists their keys for programs that know them by name.
#![deny(missing_docs)]

// What everything builds on.
mod error;
pub mod options;

// What a generated dataset is.
mod generate;
mod random;
mod schema;

// Bytes to Arrow and back.
mod chunk;
mod codec;
mod ipc_file;
mod ipc_stream;
mod manifest;
mod partition;
mod statistics;

// Which rows are wanted.
mod filter;

// Where chunks live, and what a store holds.
mod dataset;
mod lease;
mod names;
pub mod store;

// The verbs, over any store.
mod export;
mod garbage;
mod read;
mod split;
mod upload;
mod verify;

// What bounds, measures and overlaps the work.
mod cpu_pool;
mod memory;
mod metrics;
mod parallel;
mod pipeline;
mod ranges;
mod runtime;
mod telemetry;
mod tuning;

// The C ABI over all of the above.
mod ffi;

#[cfg(feature = "mimalloc")]
mod allocator;

#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;

/// Real servers for unit tests.
#[cfg(test)]
#[allow(dead_code, reason = "shared with the integration tests, which use more of it")]
#[path = "../tests/common/servers.rs"]
mod test_servers;

/// The README's example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use codec::Codec;
pub use dataset::{BrokenChunk, Dataset, DatasetSummary, NodeSummary, delete_dataset, list_datasets};
pub use error::{Error, ErrorKind, Result};
pub use export::{WriteReport, read_file_to_file, read_file_to_stream, read_to_file, read_to_stream};
pub use filter::{Comparison, Condition, Filter, Literal, Predicate};
pub use garbage::{CollectedDataset, GarbageReport, collect_garbage};
pub use generate::{GenerateOptions, GeneratedReader, Generator, generate_file, generate_to_stream};
pub use ipc_file::{FileOptions, IpcFile};
pub use ipc_stream::IpcStreamReader;
pub use manifest::{ChunkSummary, FORMAT_VERSION, Manifest};
pub use metrics::{MB, Metrics, Progress};
pub use names::check_prefix;
pub use partition::Selection;
pub use read::{FileReadOptions, OnMissing, ReadBatch, ReadOptions, Reader, open_and_read_file, read, read_file};
pub use runtime::{CancelToken, Context, RuntimeOptions, configure};
pub use schema::PARTITION_COLUMN;
pub use split::{Source, SplitOptions, SplitReport, Statistics, split};
pub use telemetry::{METRICS, MetricSpec, metrics_text};
pub use upload::{UploadReport, delete_uploaded, presign_file, upload_file};
pub use verify::{
    BatchReader, ColumnDifference, PartitionDifference, SideReport, VerifyDataset, VerifyFile, VerifyOptions,
    VerifyReport, VerifySide, VerifyStream, verify,
};

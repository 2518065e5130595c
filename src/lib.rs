//! Redis as a shared columnar dataset cache.
#![deny(missing_docs)]

mod error;
pub mod options;

mod chunk;
mod codec;
mod dataset;
mod export;
mod generate;
mod ipc_file;
mod ipc_stream;
mod lease;
mod manifest;
mod memory;
mod metrics;
mod names;
mod parallel;
mod partition;
mod pipeline;
mod random;
mod read;
mod runtime;
mod schema;
mod split;
mod statistics;
mod tuning;
mod verify;

#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;

pub mod store;

pub use codec::Codec;
pub use dataset::{Dataset, DatasetSummary, delete_dataset, list_datasets};
pub use error::{Error, ErrorKind, Result};
pub use export::{WriteReport, read_to_file, read_to_stream};
pub use generate::{GenerateOptions, GeneratedReader, Generator, generate_file, generate_to_stream};
pub use ipc_file::IpcFile;
pub use ipc_stream::IpcStreamReader;
pub use manifest::{ChunkSummary, FORMAT_VERSION, Manifest};
pub use metrics::{MB, Metrics, Progress};
pub use names::check_prefix;
pub use partition::Selection;
pub use read::{FileReadOptions, OnMissing, ReadBatch, ReadOptions, Reader, open_and_read_file, read, read_file};
pub use runtime::{CancelToken, Context, RuntimeOptions, configure};
pub use schema::PARTITION_COLUMN;
pub use split::{Source, SplitOptions, SplitReport, Statistics, split};
pub use verify::{
    BatchReader, ColumnDifference, PartitionDifference, SideReport, VerifyDataset, VerifyFile, VerifyOptions,
    VerifyReport, VerifySide, VerifyStream, verify,
};

//! Redis as a shared columnar dataset cache.
#![deny(missing_docs)]

mod error;
pub mod options;

mod chunk;
mod codec;
mod manifest;
mod memory;
mod metrics;
mod partition;
mod runtime;
mod statistics;

pub mod store;

mod verify;

pub use codec::Codec;
pub use error::{Error, ErrorKind, Result};
pub use manifest::{FORMAT_VERSION, Manifest};
pub use metrics::{MB, Metrics, Progress};
pub use partition::Selection;
pub use runtime::{CancelToken, Context, RuntimeOptions, configure};
pub use verify::{
    BatchReader, ColumnDifference, PartitionDifference, SideReport, VerifyOptions, VerifyReport, VerifySide,
    VerifyStream, verify,
};

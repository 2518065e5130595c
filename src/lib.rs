//! Redis as a shared columnar dataset cache.
#![deny(missing_docs)]

mod error;
pub mod options;

mod chunk;
mod codec;
mod generate;
mod manifest;
mod memory;
mod metrics;
mod parallel;
mod partition;
mod random;
mod runtime;
mod schema;
mod statistics;

pub mod store;

pub use codec::Codec;
pub use error::{Error, ErrorKind, Result};
pub use generate::{GenerateOptions, GeneratedReader, Generator};
pub use manifest::{FORMAT_VERSION, Manifest};
pub use metrics::{MB, Metrics, Progress};
pub use partition::Selection;
pub use runtime::{CancelToken, Context, RuntimeOptions, configure};
pub use schema::PARTITION_COLUMN;

//! Redis as a shared columnar dataset cache.
#![deny(missing_docs)]

mod error;
pub mod options;

mod codec;
mod memory;
mod chunk;
mod metrics;
mod runtime;

pub mod store;

pub use codec::Codec;
pub use error::{Error, ErrorKind, Result};
pub use metrics::{MB, Metrics, Progress};
pub use runtime::{CancelToken, Context, RuntimeOptions, configure};

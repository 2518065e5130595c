//! The split verb: from a file, an IPC stream or any batches to the chunks of a dataset.
//!
//! A thread of its own reads the [`source`]; the [`writer`] encodes on the CPU pool, where anything needs to
//! be encoded, and writes groups of chunks to the store, within the byte budget, while [`preflight`] looks
//! whether the server has room for them; the manifest is published last, under the lease ([`publish`]).

mod preflight;
mod publish;
mod source;
mod writer;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatchReader;

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::ipc_file::{IpcFile, PartitionBy};
use crate::lease::Layout;
use crate::metrics::Metrics;
use crate::names;
use crate::options::{Bytes, options, words};
use crate::runtime::Context;
use crate::store::Store;
use source::{Items, Plan};

words! {
    /// When the manifest gets statistics of the columns.
    pub enum Statistics {
        /// Where they cost nothing extra: from a file's index, and of batches that are encoded anyway.
        Auto = "auto",
        /// Always, decoding batches for it if need be.
        On = "on",
        /// Never.
        Off = "off",
    }
    type = "auto|on|off"
}

options! {
    /// How a dataset is written.
    pub struct SplitOptions {
        /// Compression of the chunks. Batches that have it already are copied, not encoded anew.
        pub compression: Codec = Codec::Zstd,
        /// The column whose value says to which partition a row belongs.
        pub partition_column: String = crate::schema::PARTITION_COLUMN.to_string(),
        /// Batches per partition, for input without a partition column.
        pub batches: Option<u32> = None,
        /// Sort the rows of batches that hold several partitions into batches that hold one.
        pub repartition: bool = false,
        /// Replace a dataset that exists. It is gone from the first write on.
        pub overwrite: bool = false,
        /// Publish a version of its own, which replaces what exists in one moment; readers keep the version that they opened.
        pub versioned: bool = false,
        /// How long the chunks of a replaced version stay for those who read it; on stores without expiry until gc finds that time over.
        pub grace_period: Duration = Duration::from_secs(600),
        /// Time after which the dataset vanishes from the store; never unless given.
        pub ttl: Option<Duration> = None,
        /// When the manifest gets minimum, maximum and null count of columns.
        pub statistics: Statistics = Statistics::Auto,
        /// Columns that get statistics at the most.
        pub statistics_columns: usize = 32,
        /// Chunks that are written at once at the most.
        pub max_inflight: usize = 256,
        /// Keys of one request at the most; 0 means 64. Fewer are written at once when they are large.
        pub pipeline: usize = 0,
        /// Bytes in flight at the most; the process's budget may allow less.
        pub max_inflight_bytes: Option<Bytes> = None,
    }
}

/// What a dataset is made from.
pub enum Source {
    /// An IPC file.
    File(Arc<IpcFile>),
    /// An IPC stream, read to its end.
    Stream(Box<dyn Read + Send>),
    /// Record batches; the reader is called from a thread of the library.
    Batches(Box<dyn RecordBatchReader + Send>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::File(file) => f.debug_tuple("File").field(&file.name()).finish(),
            Source::Stream(_) => f.write_str("Stream"),
            Source::Batches(_) => f.write_str("Batches"),
        }
    }
}

/// What a split came to.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitReport {
    /// The figures of the whole operation.
    pub metrics: Metrics,
    /// The name of the upload that was published.
    pub upload_id: String,
    /// Partitions of the dataset.
    pub partitions: u64,
    /// Chunks that were copied byte for byte rather than encoded anew.
    pub chunks_copied: u64,
    /// The upload that was replaced.
    pub replaced: Option<String>,
    /// What the server's memory and settings may do to the dataset, for a person.
    pub warnings: Vec<String>,
}

/// Writes a dataset to a store and publishes it.
///
/// Readers see the dataset when its manifest is written, which is last. Until then, and after any error, there
/// is none under that prefix (in the versioned layout: the old version, untouched); what was written is removed
/// again. When the context's time is up, removing goes on in the background.
///
/// # Errors
/// `ALREADY_EXISTS` in the plain layout unless overwriting was asked for; `CONFLICT` when another writer is at it;
/// `UNSUPPORTED` for a time to live where the store has no expiry; `TIMEOUT` or `UNAVAILABLE` saying so when it
/// could not be found out whether the dataset was published;
/// `INVALID_ARGUMENT` for a batch that holds several partitions, naming it; `CORRUPT` and `UNSUPPORTED` for
/// input that cannot be used; what the store reports, naming the chunk.
pub fn split(
    source: Source,
    store: &Arc<dyn Store>,
    prefix: &str,
    options: &SplitOptions,
    ctx: &Context,
) -> Result<SplitReport> {
    names::check_prefix(prefix)?;
    if options.batches == Some(0) {
        return Err(Error::invalid_argument("option 'batches' cannot be 0: a partition has at least one batch"));
    }
    check_ttl(store.as_ref(), options)?;
    let ctx = match options.max_inflight_bytes {
        Some(bytes) => ctx.clone().with_max_inflight_bytes(bytes.0),
        None => ctx.clone(),
    };
    let plan = Plan::new(source, options, &ctx)?;
    let progress = ctx.progress();
    crate::Progress::add(&progress.chunks_expected, plan.expected.map_or(0, |(chunks, _)| chunks));
    crate::Progress::add(&progress.payload_bytes_expected, plan.expected.map_or(0, |(_, bytes)| bytes));
    let items = Items::start(plan, options, &ctx)?;
    let upload = writer::upload(items, store.clone(), prefix.to_string(), options.clone(), ctx.clone());
    // Not under the context's guard: the upload ends by itself when cancelled, after cleaning up.
    let result = crate::runtime::runtime()?.wait(upload);
    progress.finish();
    let published = result?;
    Ok(SplitReport {
        metrics: ctx.metrics(),
        upload_id: published.upload_id,
        partitions: published.partitions,
        chunks_copied: published.chunks_copied,
        replaced: published.replaced,
        warnings: published.warnings,
    })
}

fn check_ttl(store: &dyn Store, options: &SplitOptions) -> Result<()> {
    match options.ttl {
        Some(ttl) if ttl < Duration::from_millis(1) => {
            Err(Error::invalid_argument("option 'ttl' cannot be 0: leave it out for a dataset that stays"))
        }
        Some(_) if !store.capabilities().expiry => Err(Error::unsupported(format!(
            "option 'ttl' cannot be used with {}, where keys do not expire: leave it out, and delete the dataset in time",
            store.describe()
        ))),
        _ => Ok(()),
    }
}

impl SplitOptions {
    fn layout(&self) -> Layout {
        if self.versioned { Layout::Versioned } else { Layout::Plain }
    }

    fn partition_by(&self) -> PartitionBy {
        PartitionBy { column: self.partition_column.clone(), batches: self.batches }
    }
}

//! Every number that the header names. None is ever reused.
#![allow(dead_code, reason = "C programs use them; a test compares them with what the library does")]

/// The version of the C ABI that this header describes. It changes only when a program that was compiled against
/// an older header would no longer work.
pub const ARROWREDIS_ABI_VERSION: i32 = 1;

/// Success of a fallible function.
pub const ARROWREDIS_OK: i32 = 0;
/// An argument, option, URL or name that cannot be used.
pub const ARROWREDIS_INVALID_ARGUMENT: i32 = 1;
/// A dataset, partition, column or file that does not exist.
pub const ARROWREDIS_NOT_FOUND: i32 = 2;
/// A dataset that exists and was not to be replaced.
pub const ARROWREDIS_ALREADY_EXISTS: i32 = 3;
/// Another writer was at it, or the data was replaced meanwhile; also process-wide settings made too late.
pub const ARROWREDIS_CONFLICT: i32 = 4;
/// Wrong credentials, or an operation that the user may not do.
pub const ARROWREDIS_PERMISSION_DENIED: i32 = 5;
/// A server that cannot be reached or cannot serve now.
pub const ARROWREDIS_UNAVAILABLE: i32 = 6;
/// Time is up.
pub const ARROWREDIS_TIMEOUT: i32 = 7;
/// The operation's cancel token was fired.
pub const ARROWREDIS_CANCELLED: i32 = 8;
/// Bytes that are not what they should be.
pub const ARROWREDIS_CORRUPT: i32 = 9;
/// A chunk that should be there and is not.
pub const ARROWREDIS_CHUNK_MISSING: i32 = 10;
/// No memory, disk or room in the server left.
pub const ARROWREDIS_RESOURCE_EXHAUSTED: i32 = 11;
/// Something that this version, this store or Arrow cannot do.
pub const ARROWREDIS_UNSUPPORTED: i32 = 12;
/// Input or output failed.
pub const ARROWREDIS_IO: i32 = 13;
/// The process was forked after the library had started its threads.
pub const ARROWREDIS_FORKED: i32 = 14;
/// A defect of this library.
pub const ARROWREDIS_INTERNAL: i32 = 15;

/// Options of a store: how it is connected to.
pub const ARROWREDIS_OPTIONS_STORE: i32 = 1;
/// Options of a read: what to read of a dataset, and how.
pub const ARROWREDIS_OPTIONS_READ: i32 = 2;
/// Options of a read of an IPC file.
pub const ARROWREDIS_OPTIONS_FILE_READ: i32 = 3;
/// Options of a split: how a dataset is written.
pub const ARROWREDIS_OPTIONS_SPLIT: i32 = 4;
/// Options of a generated dataset.
pub const ARROWREDIS_OPTIONS_GENERATE: i32 = 5;
/// Options of a comparison.
pub const ARROWREDIS_OPTIONS_VERIFY: i32 = 6;
/// Settings of the whole process.
pub const ARROWREDIS_OPTIONS_RUNTIME: i32 = 7;
/// Options of files on S3: how their server is reached.
pub const ARROWREDIS_OPTIONS_S3: i32 = 8;

/// No records.
pub const ARROWREDIS_LOG_OFF: i32 = 0;
/// Failures that nobody else reports.
pub const ARROWREDIS_LOG_ERROR: i32 = 1;
/// What a person should look at.
pub const ARROWREDIS_LOG_WARN: i32 = 2;
/// What is worth knowing, such as a retry.
pub const ARROWREDIS_LOG_INFO: i32 = 3;
/// What helps to find a fault.
pub const ARROWREDIS_LOG_DEBUG: i32 = 4;
/// Everything.
pub const ARROWREDIS_LOG_TRACE: i32 = 5;

/// What `arrowredis_reader_next` gives for a batch that belongs to no partition.
pub const ARROWREDIS_NO_PARTITION: u32 = u32::MAX;

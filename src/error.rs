//! One error type, one list of kinds.
//!
//! A backend maps its own errors to an [`ErrorKind`] once, where they arise. A message says what failed, on
//! what, and what to try; it never carries a credential.

use std::fmt;

/// What went wrong, as far as a program can act on it. The numbers are those of the C ABI and are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument, option, URL or name is not acceptable; repeating the call cannot help.
    InvalidArgument = 1,
    /// The dataset, file, bucket, partition or column does not exist.
    NotFound = 2,
    /// The name is taken and overwriting was not asked for.
    AlreadyExists = 3,
    /// Another writer holds the dataset, or changed it meanwhile.
    Conflict = 4,
    /// The credentials are wrong, or the user may not do this.
    PermissionDenied = 5,
    /// The server cannot be reached or cannot serve now; a later try may succeed.
    Unavailable = 6,
    /// The deadline passed.
    Timeout = 7,
    /// The operation's cancel token was fired.
    Cancelled = 8,
    /// Bytes that were read are not what they must be.
    Corrupt = 9,
    /// The manifest lists a chunk that the store does not hold.
    ChunkMissing = 10,
    /// A limit was met: the server's memory, a disk, the byte budget, the size of a value.
    ResourceExhausted = 11,
    /// Valid, but beyond what this version or this backend can do.
    Unsupported = 12,
    /// The operating system failed a file or socket operation.
    Io = 13,
    /// The process was forked after the library had started its threads.
    Forked = 14,
    /// A defect of this library.
    Internal = 15,
}

impl ErrorKind {
    /// Every kind, in the order of its number.
    pub const ALL: [ErrorKind; 15] = [
        ErrorKind::InvalidArgument,
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::Conflict,
        ErrorKind::PermissionDenied,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Cancelled,
        ErrorKind::Corrupt,
        ErrorKind::ChunkMissing,
        ErrorKind::ResourceExhausted,
        ErrorKind::Unsupported,
        ErrorKind::Io,
        ErrorKind::Forked,
        ErrorKind::Internal,
    ];

    /// The kind's name, as every language spells it.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::InvalidArgument => "INVALID_ARGUMENT",
            ErrorKind::NotFound => "NOT_FOUND",
            ErrorKind::AlreadyExists => "ALREADY_EXISTS",
            ErrorKind::Conflict => "CONFLICT",
            ErrorKind::PermissionDenied => "PERMISSION_DENIED",
            ErrorKind::Unavailable => "UNAVAILABLE",
            ErrorKind::Timeout => "TIMEOUT",
            ErrorKind::Cancelled => "CANCELLED",
            ErrorKind::Corrupt => "CORRUPT",
            ErrorKind::ChunkMissing => "CHUNK_MISSING",
            ErrorKind::ResourceExhausted => "RESOURCE_EXHAUSTED",
            ErrorKind::Unsupported => "UNSUPPORTED",
            ErrorKind::Io => "IO",
            ErrorKind::Forked => "FORKED",
            ErrorKind::Internal => "INTERNAL",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

/// An error: its kind, a message for a person, and where it happened.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    retryable: bool,
    server_code: Option<String>,
    partition: Option<u32>,
    batch: Option<u32>,
}

impl Error {
    /// An error of a kind with its message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            retryable: kind == ErrorKind::Unavailable,
            server_code: None,
            partition: None,
            batch: None,
        }))
    }

    /// What went wrong, as far as a program can act on it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message without the kind.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The first word of the server's own error reply (`WRONGPASS`, `OOM`, ...), if a server sent one.
    pub fn server_code(&self) -> Option<&str> {
        self.0.server_code.as_deref()
    }

    /// The partition that the error is about.
    pub fn partition(&self) -> Option<u32> {
        self.0.partition
    }

    /// The batch within [`Error::partition`] that the error is about.
    pub fn batch(&self) -> Option<u32> {
        self.0.batch
    }

    /// Marks whether a repeat can help.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Adds the first word of the server's error reply.
    #[must_use]
    pub fn with_server_code(mut self, code: impl Into<String>) -> Self {
        self.0.server_code = Some(code.into());
        self
    }

    /// Names the chunk that the error is about.
    #[must_use]
    pub fn at_chunk(mut self, partition: u32, batch: u32) -> Self {
        self.0.partition = Some(partition);
        self.0.batch = Some(batch);
        self
    }

    /// Puts what was being done in front of the message.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind, self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("retryable", &self.0.retryable)
            .field("server_code", &self.0.server_code)
            .field("partition", &self.0.partition)
            .field("batch", &self.0.batch)
            .finish()
    }
}

impl std::error::Error for Error {}

macro_rules! constructors {
    ($($name:ident => $kind:ident),* $(,)?) => {
        impl Error {
            $(
                #[doc = concat!("An error of kind [`ErrorKind::", stringify!($kind), "`].")]
                pub fn $name(message: impl Into<String>) -> Self {
                    Error::new(ErrorKind::$kind, message)
                }
            )*
        }
    };
}

constructors! {
    invalid_argument => InvalidArgument,
    not_found => NotFound,
    already_exists => AlreadyExists,
    conflict => Conflict,
    permission_denied => PermissionDenied,
    unavailable => Unavailable,
    timeout => Timeout,
    cancelled => Cancelled,
    corrupt => Corrupt,
    chunk_missing => ChunkMissing,
    resource_exhausted => ResourceExhausted,
    unsupported => Unsupported,
    io => Io,
    internal => Internal,
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::PermissionDenied => ErrorKind::PermissionDenied,
            Io::AlreadyExists => ErrorKind::AlreadyExists,
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::ResourceExhausted,
            Io::TimedOut => ErrorKind::Timeout,
            _ => ErrorKind::Io,
        };
        Error::new(kind, error.to_string())
    }
}

/// Arrow's errors while *reading* mean that the bytes are wrong, or that arrow-rs cannot do what they ask for.
impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        use arrow::error::ArrowError as Arrow;
        let kind = match &error {
            Arrow::NotYetImplemented(_) => ErrorKind::Unsupported,
            Arrow::MemoryError(_) => ErrorKind::ResourceExhausted,
            Arrow::IoError(..) => ErrorKind::Io,
            Arrow::ExternalError(inner) => match inner.downcast_ref::<Error>() {
                Some(own) => return own.clone(),
                None => ErrorKind::Corrupt,
            },
            _ => ErrorKind::Corrupt,
        };
        Error::new(kind, error.to_string())
    }
}

/// So that our errors can travel through `RecordBatchReader`s and come back whole.
impl From<Error> for arrow::error::ArrowError {
    fn from(error: Error) -> Self {
        arrow::error::ArrowError::ExternalError(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_distinct_numbers_and_names() {
        for (index, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(*kind as i32, index as i32 + 1);
        }
        let names: std::collections::HashSet<_> = ErrorKind::ALL.iter().map(|k| k.name()).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len());
    }

    #[test]
    fn an_error_survives_the_way_through_arrow() {
        let error = Error::chunk_missing("gone").at_chunk(3, 4).with_server_code("X");
        let back = Error::from(arrow::error::ArrowError::from(error));
        assert_eq!(back.kind(), ErrorKind::ChunkMissing);
        assert_eq!((back.partition(), back.batch()), (Some(3), Some(4)));
        assert_eq!(back.to_string(), "CHUNK_MISSING: gone");
    }
}

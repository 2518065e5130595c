//! Body compression.

use arrow_ipc::CompressionType;

use crate::options::words;

words! {
    /// How the bodies of record batches are compressed.
    pub enum Codec {
        /// Zstandard, level 1.
        Zstd = "zstd",
        /// LZ4 frames.
        Lz4 = "lz4",
        /// Not at all: arrays can be used where they are.
        None = "uncompressed" | "none",
    }
    type = "zstd|lz4|uncompressed"
}

impl Codec {
    pub(crate) fn compression_type(self) -> Option<CompressionType> {
        match self {
            Codec::Zstd => Some(CompressionType::ZSTD),
            Codec::Lz4 => Some(CompressionType::LZ4_FRAME),
            Codec::None => None,
        }
    }
}

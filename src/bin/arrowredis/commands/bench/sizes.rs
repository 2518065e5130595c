//! The datasets of the benchmark suite.

use arrowredis::{Codec, GenerateOptions};

use crate::failure::Failure;

/// A dataset of the suite. The name says about how large its file is with zstd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub name: &'static str,
    pub partitions: u32,
    pub batches: u32,
    pub rows: u32,
}

const SIZES: [Size; 4] = [
    Size { name: "50MB", partitions: 4, batches: 8, rows: 50_000 },
    Size { name: "250MB", partitions: 8, batches: 16, rows: 50_000 },
    Size { name: "512MB", partitions: 16, batches: 16, rows: 50_000 },
    Size { name: "1GB", partitions: 32, batches: 16, rows: 50_000 },
];

/// A dataset that is over at once, for trying the suite out.
const TINY: Size = Size { name: "tiny", partitions: 4, batches: 4, rows: 2_000 };

impl Size {
    /// The sizes that a word means: the name of one, or `all`.
    pub fn named(word: &str) -> Result<Vec<Size>, Failure> {
        if word == "all" {
            return Ok(SIZES.to_vec());
        }
        let found = SIZES.iter().chain([&TINY]).find(|size| size.name.eq_ignore_ascii_case(word));
        found.map(|size| vec![*size]).ok_or_else(|| {
            let known: Vec<String> = SIZES.iter().map(|size| size.name.to_lowercase()).collect();
            Failure::usage(format!("--size cannot be '{word}': expected {}, tiny or all", known.join(", ")))
        })
    }

    /// The name of the dataset in stores.
    pub fn prefix(&self) -> String {
        format!("bench:{}", self.name.to_lowercase())
    }

    pub fn options(&self, seed: u64, compression: Codec) -> GenerateOptions {
        let Size { partitions, batches, rows, .. } = *self;
        GenerateOptions {
            partitions,
            batches,
            rows,
            seed,
            compression,
            dict_strings: true,
            ..GenerateOptions::default()
        }
    }

    pub fn rows(&self) -> u64 {
        u64::from(self.partitions) * u64::from(self.batches) * u64::from(self.rows)
    }
}

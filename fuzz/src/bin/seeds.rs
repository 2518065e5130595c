//! `seeds CORPUS_DIR`: writes our own part of the corpus, one folder per target.

use std::error::Error;
use std::fs;
use std::path::Path;

use arrow::datatypes::DataType;
use arrowredis::{Codec, Context, GenerateOptions, Generator, fuzzing, generate_file};

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = std::env::args_os().nth(1).ok_or("usage: seeds CORPUS_DIR")?;
    let corpus = Path::new(&corpus);
    for target in ["chunk", "manifest", "ipc_file"] {
        fs::create_dir_all(corpus.join(target))?;
    }
    for codec in [Codec::Zstd, Codec::Lz4, Codec::None] {
        for dict_strings in [false, true] {
            let name = format!("generated-{codec}-{}", if dict_strings { "dictionary" } else { "plain" });
            let options = GenerateOptions {
                partitions: 2,
                batches: 1,
                rows: 12,
                string_cardinality: 5,
                compression: codec,
                dict_strings,
                ..GenerateOptions::default()
            };
            let batch = Generator::new(&options)?.batch(1, 0)?;
            fs::write(corpus.join("chunk").join(&name), fuzzing::encode_chunk(&batch, codec)?)?;
            generate_file(&corpus.join("ipc_file").join(&name), &options, &Context::new())?;
        }
    }
    for (name, value_type) in [("int32", DataType::Int32), ("utf8", DataType::Utf8), ("date32", DataType::Date32)] {
        let (table, stored) = fuzzing::encode_manifest(&fuzzing::sample(7), &value_type)?;
        fs::write(corpus.join("manifest").join(format!("table-{name}")), table)?;
        fs::write(corpus.join("manifest").join(format!("stored-{name}")), stored)?;
    }
    Ok(())
}

//! The stages of the suite: what is done with a dataset, and what it took.

use std::path::PathBuf;
use std::sync::Arc;

use arrowredis::options::Options;
use arrowredis::store::{S3Options, Store};
use arrowredis::{
    Codec, Context, Dataset, FileOptions, FileReadOptions, GenerateOptions, IpcFile, Metrics, ReadOptions, Selection,
    Source, SplitOptions, VerifyFile, VerifyOptions, VerifySide, generate_file, read, read_file, read_to_file, split,
    upload_file, verify,
};

use super::measure::{Run, measure};
use crate::failure::Failure;

/// The columns of a narrow read: eight and eight bytes of the 80 or so of a row.
pub const TWO_COLUMNS: [&str; 2] = ["id64", "float64_c"];

/// What a stage does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    Generate,
    Split,
    Read,
    ReadColumns,
    ReadPartition,
    ReadWhere,
    Local,
    LocalColumns,
    Upload,
    S3,
    S3Columns,
    S3Partition,
    Verify,
}

impl Stage {
    /// The stages on one store, in their order.
    pub const ON_STORE: [Stage; 5] =
        [Stage::Split, Stage::Read, Stage::ReadColumns, Stage::ReadPartition, Stage::ReadWhere];

    /// The stages with the file on S3, in their order.
    pub const ON_S3: [Stage; 4] = [Stage::Upload, Stage::S3, Stage::S3Columns, Stage::S3Partition];

    /// Its key in the results.
    pub fn key(self) -> &'static str {
        match self {
            Stage::Generate => "generate",
            Stage::Split => "split",
            Stage::Read => "read",
            Stage::ReadColumns => "read_columns",
            Stage::ReadPartition => "read_partition",
            Stage::ReadWhere => "read_where",
            Stage::Local => "local",
            Stage::LocalColumns => "local_columns",
            Stage::Upload => "s3_upload",
            Stage::S3 => "s3",
            Stage::S3Columns => "s3_columns",
            Stage::S3Partition => "s3_partition",
            Stage::Verify => "verify",
        }
    }

    /// What it is called in reports.
    pub fn title(self) -> &'static str {
        match self {
            Stage::Generate => "generate",
            Stage::Split => "split",
            Stage::Read => "read all",
            Stage::ReadColumns => "read 2 of 10 columns",
            Stage::ReadPartition => "read 1 partition",
            Stage::ReadWhere => "read 1/32 of the rows by id64",
            Stage::Local => "local file",
            Stage::LocalColumns => "local file, 2 of 10 columns",
            Stage::Upload => "upload to S3",
            Stage::S3 => "file on S3",
            Stage::S3Columns => "file on S3, 2 of 10 columns",
            Stage::S3Partition => "file on S3, 1 partition",
            Stage::Verify => "read back and verify",
        }
    }
}

/// The options of the user that the stages share.
#[derive(Debug, Clone, Default)]
pub struct Tuning {
    pub read: ReadOptions,
    pub split: SplitOptions,
}

/// A dataset of the suite: its file, and its name in stores.
#[derive(Debug)]
pub struct Work {
    pub file: PathBuf,
    /// Where the reconstituted file goes.
    pub copy: PathBuf,
    pub prefix: String,
    /// Where the file goes on S3, if it does, and how that is reached.
    pub s3: Option<(String, S3Options)>,
    pub generate: GenerateOptions,
    pub rows: u64,
    pub tuning: Tuning,
}

impl Work {
    /// Runs a stage once. `ctx` is for this run alone.
    pub fn run(&self, stage: Stage, store: Option<&Arc<dyn Store>>, ctx: &Context) -> Result<Run, Failure> {
        let store = || store.ok_or_else(|| Failure::usage("a stage without a store"));
        match stage {
            Stage::Generate => {
                // Taking the place of an old file would cost what the system needs to forget it.
                let _ = std::fs::remove_file(&self.file);
                measure(|| Ok(generate_file(&self.file, &self.generate, ctx)?.metrics))
            }
            Stage::Split => {
                let store = store()?;
                measure(|| self.split(store, ctx))
            }
            Stage::Local | Stage::LocalColumns => measure(|| self.local(stage == Stage::LocalColumns, ctx)),
            Stage::Upload => {
                let (url, options) = self.s3()?;
                measure(|| Ok(upload_file(&self.file, url, options, ctx)?.metrics))
            }
            Stage::S3 | Stage::S3Columns | Stage::S3Partition => {
                let (url, options) = self.s3()?;
                measure(|| self.on_s3(stage, url, options, ctx))
            }
            Stage::Verify => {
                let store = store()?;
                measure(|| self.verify(store, ctx))
            }
            reading => {
                let (store, options) = (store()?, self.reading(reading)?);
                measure(|| self.read(store, &options, ctx))
            }
        }
    }

    fn reading(&self, stage: Stage) -> Result<ReadOptions, Failure> {
        let mut options = self.tuning.read.clone();
        match stage {
            Stage::ReadColumns => options.columns = Some(TWO_COLUMNS.map(str::to_string).to_vec()),
            Stage::ReadPartition => options.partitions = Selection::Some(vec!["0".to_string()]),
            Stage::ReadWhere => options.set("where", &format!("id64 < {}", self.rows / 32))?,
            _ => {}
        }
        Ok(options)
    }

    fn split(&self, store: &Arc<dyn Store>, ctx: &Context) -> Result<Metrics, Failure> {
        let source = Source::File(Arc::new(IpcFile::open(&self.file, true)?));
        Ok(split(source, store, &self.prefix, &self.tuning.split, ctx)?.metrics)
    }

    fn read(&self, store: &Arc<dyn Store>, options: &ReadOptions, ctx: &Context) -> Result<Metrics, Failure> {
        let dataset = Dataset::open(store, &self.prefix, ctx)?;
        super::super::read::consume(read(&dataset, options, ctx)?)
    }

    fn s3(&self) -> Result<&(String, S3Options), Failure> {
        self.s3.as_ref().ok_or_else(|| Failure::usage("a stage without S3"))
    }

    fn on_s3(&self, stage: Stage, url: &str, s3: &S3Options, ctx: &Context) -> Result<Metrics, Failure> {
        let mut options = FileReadOptions::default();
        match stage {
            Stage::S3Columns => options.columns = Some(TWO_COLUMNS.map(str::to_string).to_vec()),
            Stage::S3Partition => options.partitions = Selection::Some(vec!["0".to_string()]),
            _ => {}
        }
        let opening = FileOptions { s3: s3.clone(), ..FileOptions::default() };
        let file = Arc::new(IpcFile::open_at(url, &opening, ctx)?);
        super::super::read::consume(read_file(&file, &options, ctx)?)
    }

    fn local(&self, two_columns: bool, ctx: &Context) -> Result<Metrics, Failure> {
        let columns = two_columns.then(|| TWO_COLUMNS.map(str::to_string).to_vec());
        let options = FileReadOptions { columns, mmap: true, ..FileReadOptions::default() };
        let file = Arc::new(IpcFile::open(&self.file, options.mmap)?);
        super::super::read::consume(read_file(&file, &options, ctx)?)
    }

    fn verify(&self, store: &Arc<dyn Store>, ctx: &Context) -> Result<Metrics, Failure> {
        let dataset = Dataset::open(store, &self.prefix, ctx)?;
        let codec = dataset.manifest().map_or(Codec::Zstd, |manifest| manifest.compression());
        read_to_file(&dataset, &self.tuning.read, codec, &self.copy, &ctx.part())?;
        let side = |path: &PathBuf| -> Result<Arc<dyn VerifySide>, Failure> {
            let file = Arc::new(IpcFile::open(path, true)?);
            Ok(Arc::new(VerifyFile::new(file, FileReadOptions::default(), ctx)))
        };
        let report = verify(side(&self.file)?, side(&self.copy)?, &VerifyOptions::default(), ctx)?;
        if !report.identical {
            let first = report.differences().into_iter().next().unwrap_or_default();
            let error = arrowredis::Error::internal(format!("the data that came back differs: {first}"));
            return Err(Failure::Failed(error));
        }
        Ok(report.metrics)
    }
}

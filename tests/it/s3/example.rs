use std::sync::Arc;

use arrowredis::store::S3Options;
use arrowredis::{Context, FileOptions, FileReadOptions, IpcFile, Result, read_file};

/// The rows of a file, such as `s3://my-bucket/demo.arrow`.
pub fn rows(location: &str) -> Result<usize> {
    let s3 = S3Options { aws_region: Some("eu-west-1".into()), ..S3Options::default() };
    let file = IpcFile::open_at(location, &FileOptions { s3, ..FileOptions::default() }, &Context::new())?;
    let mut rows = 0;
    for batch in read_file(&Arc::new(file), &FileReadOptions::default(), &Context::new())? {
        rows += batch?.num_rows();
    }
    Ok(rows)
}

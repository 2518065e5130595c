//! Files on S3: the same reading API, only the bytes that are wanted, and a clear error for whatever goes wrong.

mod bytes;
mod docs;
mod example;
mod faults;
mod signed;
mod uploads;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrowredis::store::S3Options;
use arrowredis::{
    Codec, Context, Dataset, Error, FileOptions, FileReadOptions, GenerateOptions, IpcFile, ReadOptions, Selection,
    Source, SplitOptions, VerifyFile, VerifyOptions, read_file, upload_file, verify,
};
use tempfile::TempDir;

use crate::common::s3::{ACCESS_KEY, S3Server, SECRET_KEY, url};
use crate::common::stores::memory;

/// No test waits longer than this for anything: what hangs has failed.
const PATIENCE: Duration = Duration::from_secs(120);

fn ctx() -> Context {
    Context::new().with_timeout(PATIENCE)
}

fn generate(dir: &Path, name: &str, rows: u32, seed: u64, codec: Codec) -> PathBuf {
    let path = dir.join(name);
    let what = GenerateOptions { partitions: 8, batches: 4, rows, seed, compression: codec, ..Default::default() };
    arrowredis::generate_file(&path, &what, &ctx()).unwrap();
    path
}

fn upload(path: &Path, key: &str, options: &S3Options) {
    let report = upload_file(path, &url(key), options, &ctx()).unwrap();
    assert_eq!(report.file_bytes, path.metadata().unwrap().len());
    assert_eq!(report.metrics.payload_bytes, report.file_bytes);
}

fn open(key: &str, s3: &S3Options) -> Result<Arc<IpcFile>, Error> {
    IpcFile::open_at(&url(key), &FileOptions { s3: s3.clone(), ..FileOptions::default() }, &ctx()).map(Arc::new)
}

fn partitions(names: &[&str]) -> FileReadOptions {
    let partitions = Selection::Some(names.iter().map(|name| name.to_string()).collect());
    FileReadOptions { partitions, ..FileReadOptions::default() }
}

/// Reads to the end; rows, or the error.
fn rows(file: &Arc<IpcFile>, options: &FileReadOptions) -> Result<u64, Error> {
    let mut reader = read_file(file, options, &ctx())?;
    while let Some(batch) = reader.next_batch() {
        batch?;
    }
    Ok(reader.metrics().rows)
}

fn assert_same(left: &Arc<IpcFile>, right: &Arc<IpcFile>, options: &FileReadOptions) {
    let side = |file: &Arc<IpcFile>| Arc::new(VerifyFile::new(file.clone(), options.clone(), &ctx()));
    let report = verify(side(left), side(right), &VerifyOptions::default(), &ctx()).unwrap();
    assert!(report.identical, "{:?}", report.differences());
}

fn assert_no_secret(error: &Error) {
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(SECRET_KEY) && !shown.contains(ACCESS_KEY), "{shown}");
}

#[test]
fn what_is_uploaded_is_read_as_the_local_file_is() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let s3 = server.options();
    for (codec, rows_per_batch) in [(Codec::Zstd, 20_000), (Codec::None, 20_000), (Codec::Lz4, 100)] {
        let path = generate(dir.path(), "local.arrow", rows_per_batch, 1, codec);
        upload(&path, "a folder/file ?%.arrow".replace('%', "%25").replace('?', "%3F").as_str(), &s3);
        let stored = server.object("a folder/file ?%.arrow");
        assert!(std::fs::read(&stored).unwrap() == std::fs::read(&path).unwrap(), "{codec}: the bytes on the server");
        let remote = open("a folder/file %3F%25.arrow", &s3).unwrap();
        let local = Arc::new(IpcFile::open(&path, true).unwrap());
        assert_eq!((remote.schema(), remote.batch_count()), (local.schema(), local.batch_count()));
        assert_same(&local, &remote, &FileReadOptions::default());
        let columns = Some(vec!["str_c".to_string(), "id64".to_string(), "list_ints".to_string()]);
        assert_same(&local, &remote, &FileReadOptions { columns, ..FileReadOptions::default() });
        let some = partitions(&["6", "1"]);
        assert_eq!(rows(&remote, &some).unwrap(), u64::from(rows_per_batch) * 8);
        let copy = dir.path().join("copy.arrow");
        arrowredis::read_file_to_file(&remote, &FileReadOptions::default(), codec, &copy, &ctx()).unwrap();
        assert_same(&local, &Arc::new(IpcFile::open(&copy, false).unwrap()), &FileReadOptions::default());
    }
    assert_eq!(server.orphans(), Vec::<PathBuf>::new());
}

#[test]
fn a_file_on_s3_is_split_without_decoding() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 5_000, 2, Codec::Zstd);
    upload(&path, "file.arrow", &server.options());
    let (test, remote) = (memory(), open("file.arrow", &server.options()).unwrap());
    let report = arrowredis::split(Source::File(remote), &test.store, "p", &SplitOptions::default(), &ctx()).unwrap();
    assert_eq!((report.chunks_copied, report.metrics.rows), (32, 160_000));
    let dataset = Dataset::open(&test.store, "p", &ctx()).unwrap();
    let back = dir.path().join("back.arrow");
    arrowredis::read_to_file(&dataset, &ReadOptions::default(), Codec::Zstd, &back, &ctx()).unwrap();
    let open = |path: &Path| Arc::new(IpcFile::open(path, true).unwrap());
    assert_same(&open(&path), &open(&back), &FileReadOptions::default());
}

//! A real S3 server for tests: versitygw over a folder, on a free port, stopped when dropped.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use arrowredis::options::{Bytes, Secret};
use arrowredis::store::S3Options;
use tempfile::TempDir;

use super::python::python;
use super::servers::free_port;

pub const ACCESS_KEY: &str = "TESTACCESSKEY";
pub const SECRET_KEY: &str = "test/secret+key";
pub const BUCKET: &str = "datasets";
const REGION: &str = "us-east-1";

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running server with one bucket.
pub struct S3Server {
    child: Child,
    dir: TempDir,
    pub port: u16,
}

impl S3Server {
    /// Starts a server and waits until it listens.
    pub fn start() -> S3Server {
        Self::start_in(REGION)
    }

    /// The same for a server of some region.
    pub fn start_in(region: &str) -> S3Server {
        let dir = tempfile::Builder::new().prefix("arrowredis-s3-").tempdir().expect("a temporary folder");
        for folder in ["data", "meta"] {
            std::fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        std::fs::create_dir(dir.path().join("data").join(BUCKET)).expect("a bucket");
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            // Somebody else may take a free port before the server does: then others are tried.
            let port = free_port();
            let mut child = spawn(dir.path(), port, region);
            while Instant::now() < deadline && child.try_wait().expect("the server's state").is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return S3Server { child, dir, port };
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            let _ = child.wait();
            let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "versitygw does not start; its log:\n{log}");
        }
    }

    /// How it is reached, at its own port.
    pub fn options(&self) -> S3Options {
        options(self.port)
    }

    /// Where it keeps an object.
    pub fn object(&self, key: &str) -> PathBuf {
        self.dir.path().join("data").join(BUCKET).join(key)
    }

    /// Uploads that were neither completed nor aborted, by the server's own word to another client.
    pub fn unfinished_uploads(&self) -> String {
        const LIST: &str = "import sys, boto3\n\
            s3 = boto3.client('s3', endpoint_url=sys.argv[1], aws_access_key_id=sys.argv[2], \
            aws_secret_access_key=sys.argv[3], region_name='us-east-1')\n\
            print([upload['Key'] for upload in s3.list_multipart_uploads(Bucket=sys.argv[4]).get('Uploads', [])])";
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        python(LIST, &[&endpoint, ACCESS_KEY, SECRET_KEY, BUCKET])
    }

    /// The parts of uploads that were neither completed nor aborted.
    pub fn orphans(&self) -> Vec<PathBuf> {
        let mut orphans = Vec::new();
        let mut folders = vec![self.dir.path().join("data").join(BUCKET).join(".sgwtmp")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    path => orphans.push(path),
                }
            }
        }
        orphans
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server, or a proxy of it, at a port: with little patience.
pub fn options(port: u16) -> S3Options {
    S3Options {
        endpoint_url: Some(format!("http://127.0.0.1:{port}")),
        aws_access_key: Some(Secret::new(ACCESS_KEY)),
        aws_secret_key: Some(Secret::new(SECRET_KEY)),
        aws_region: Some(REGION.to_string()),
        part_bytes: Bytes(5 << 20),
        retry_base_delay: Duration::from_millis(10),
        ..S3Options::default()
    }
}

/// The URL of an object in the bucket.
pub fn url(key: &str) -> String {
    format!("s3://{BUCKET}/{key}")
}

fn spawn(dir: &Path, port: u16, region: &str) -> Child {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/versitygw");
    let log = std::fs::File::create(dir.join("log")).expect("a log");
    Command::new(&program)
        .args(["--port", &format!("127.0.0.1:{port}"), "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--quiet"])
        .args(["--region", region])
        .arg("posix")
        .arg("--sidecar")
        .arg(dir.join("meta"))
        .arg(dir.join("data"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|e| panic!("the tests need {}: run `make setup`: {e}", program.display()))
}

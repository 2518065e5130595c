//! Uploads that end early.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use arrowredis::store::S3Options;
use arrowredis::{Codec, Context, ErrorKind, upload_file};
use tempfile::TempDir;

use super::{PATIENCE, assert_no_secret, ctx, generate};
use crate::common::http_proxy::{Fate, Proxy};
use crate::common::s3::{S3Server, options, url};

/// Uploads that end early, by whatever, leave neither an object nor parts.
#[test]
fn an_upload_that_fails_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 30_000, 10, Codec::None);
    assert!(path.metadata().unwrap().len() > 30 << 20, "several parts");
    let is_part = |target: &str, number: u32| target.contains(&format!("partNumber={number}&"));
    for (what, fate, cancel, kind) in [
        ("a part is refused", Fate::Refuse(403, "AccessDenied"), false, ErrorKind::PermissionDenied),
        ("a part fails again and again", Fate::Refuse(503, "SlowDown"), false, ErrorKind::Unavailable),
        ("a part is lost", Fate::Close, false, ErrorKind::Unavailable),
        ("cancelled", Fate::Hang, true, ErrorKind::Cancelled),
        ("the deadline passes", Fate::Hang, false, ErrorKind::Timeout),
    ] {
        let sent = Arc::new(AtomicUsize::new(0));
        let context = match fate {
            Fate::Hang if !cancel => Context::new().with_timeout(Duration::from_secs(2)),
            _ => ctx(),
        };
        let (token, count) = (context.cancel_token().clone(), sent.clone());
        let proxy = Proxy::start(server.port, move |request| {
            if request.method == "PUT" {
                count.fetch_add(1, SeqCst);
            }
            if is_part(&request.target, 4) {
                // Others have been sent, or are being sent.
                let late = Instant::now() + PATIENCE;
                while count.load(SeqCst) < 4 && Instant::now() < late {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if cancel {
                    token.cancel();
                }
                return fate;
            }
            Fate::Pass
        });
        let s3 = S3Options { max_retries: 2, ..options(proxy.port) };
        let error = upload_file(&path, &url("never.arrow"), &s3, &context).unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(sent.load(SeqCst) >= 4, "{what}: parts were sent");
        assert!(proxy.requests().iter().any(|request| request.method == "DELETE"), "{what}: the upload was aborted");
        assert_eq!(server.orphans(), Vec::<PathBuf>::new(), "{what}");
        assert_eq!(server.unfinished_uploads(), "[]\n", "{what}");
        assert!(!server.object("never.arrow").exists(), "{what}");
        assert_no_secret(&error);
    }
}

/// The answer to the last request is lost, but the request was carried out.
#[test]
fn an_upload_whose_last_answer_is_lost_has_succeeded() {
    let dir = TempDir::new().unwrap();
    let server = S3Server::start();
    let path = generate(dir.path(), "local.arrow", 20_000, 11, Codec::None);
    let lost = AtomicBool::new(false);
    let proxy = Proxy::start(server.port, move |request| {
        let completes = request.method == "POST" && request.target.contains("uploadId=");
        if completes && !lost.swap(true, SeqCst) { Fate::CutShort } else { Fate::Pass }
    });
    upload_file(&path, &url("file.arrow"), &options(proxy.port), &ctx()).unwrap();
    assert!(std::fs::read(server.object("file.arrow")).unwrap() == std::fs::read(&path).unwrap());
}

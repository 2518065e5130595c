//! IPC files on S3, and on servers that speak its protocol.
//!
//! `options` says where a file is and how its server is reached, with or without the Cargo feature `s3`; `client` is a
//! connected client, which repeats what can succeed later; `object` is an object that is read in ranges, `body` what
//! it sends; `upload` writes one; `presign` makes URLs for others. `errors` maps what a server says to the library's kinds.

#[cfg(feature = "s3")]
mod body;
#[cfg(feature = "s3")]
mod client;
#[cfg(feature = "s3")]
mod errors;
#[cfg(feature = "s3")]
mod object;
mod options;
#[cfg(feature = "s3")]
mod presign;
#[cfg(feature = "s3")]
mod upload;

pub(crate) use options::S3Url;
pub use options::{PathStyle, S3Options};

#[cfg(feature = "s3")]
pub(crate) use self::{
    object::{delete, open},
    presign::presign,
    upload::upload,
};

#[cfg(not(feature = "s3"))]
pub(crate) use self::without::{delete, open, presign, upload};

#[cfg(any(test, not(feature = "s3")))]
mod without {
    use std::path::Path;
    use std::time::Duration;

    use super::S3Url;
    use crate::error::{Error, Result};
    use crate::runtime::Context;
    use crate::store::FileBytes;

    fn unsupported(url: &S3Url) -> Error {
        Error::unsupported(format!("{url}: this build of the library has no S3: build it with the Cargo feature 's3'"))
    }

    pub(crate) async fn open(url: &S3Url, _: &Context) -> Result<FileBytes> {
        Err(unsupported(url))
    }

    pub(crate) async fn delete(url: &S3Url, _: &Context) -> Result<()> {
        Err(unsupported(url))
    }

    pub(crate) async fn presign(url: &S3Url, _: Duration) -> Result<String> {
        Err(unsupported(url))
    }

    pub(crate) async fn upload(_: &Path, url: &S3Url, _: &Context) -> Result<u64> {
        Err(unsupported(url))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::ErrorKind;
        use crate::store::S3Options;

        #[test]
        fn what_is_missing_is_named() {
            let (url, ctx) = (S3Url::parse("s3://bucket/key", &S3Options::default()).unwrap(), Context::new());
            let context = ctx.clone();
            let calls = async move {
                let opened = open(&url, &context).await.map(|_| ());
                let uploaded = upload(Path::new("x"), &url, &context).await.map(|_| ());
                let presigned = presign(&url, Duration::from_secs(1)).await.map(|_| ());
                Ok([opened, uploaded, presigned, delete(&url, &context).await])
            };
            for error in ctx.block_on(calls).unwrap().map(Result::unwrap_err) {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                assert!(error.message().contains("s3://bucket/key: this build of the library has no S3"), "{error}");
                assert!(error.message().contains("Cargo feature 's3'"), "{error}");
            }
        }
    }
}

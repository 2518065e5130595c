//! URLs by which an object can be read without credentials.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;

use super::S3Url;
use super::client::client;
use super::errors::request_error;
use crate::error::{Error, Result};

/// A URL that is valid for so long. It is a secret until then. No server is asked.
pub(crate) async fn presign(url: &S3Url, lifetime: Duration) -> Result<String> {
    let client = client(&url.options).await?;
    let config = PresigningConfig::expires_in(lifetime)
        .map_err(|e| Error::invalid_argument(format!("a URL cannot be valid for {lifetime:?}: {e}")))?;
    let request = client.get_object().bucket(&url.bucket).key(&url.key);
    let signed = request.presigned(config).await.map_err(|e| request_error(e, "signing a URL"))?;
    Ok(signed.uri().to_string())
}

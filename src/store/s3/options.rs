//! Where a file on S3 is, and how its server is reached.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};
use crate::options::{Bytes, Options, Secret, options, words};

words! {
    /// Where the name of the bucket stands.
    pub enum PathStyle {
        /// In the path if an endpoint is given, otherwise in the name of the host.
        Auto = "auto",
        /// In the path: `https://host/bucket/key`.
        On = "on",
        /// In the name of the host: `https://bucket.host/key`.
        Off = "off",
    }
    type = "auto|on|off"
}

options! {
    /// How S3 is reached. Every option can also stand in the query of a URL: `s3://bucket/key?aws_region=eu-west-1`.
    pub struct S3Options {
        /// The address of a server that is not that of AWS, such as http://localhost:9000. Unless given: the environment's AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, or the profile.
        pub endpoint_url: Option<String> = None,
        /// The bucket's region. Unless given: the environment's AWS_REGION, the profile's, or us-east-1.
        pub aws_region: Option<String> = None,
        /// The id of the access key. Unless given: AWS's usual chain of environment, profile, container and instance.
        pub aws_access_key: Option<Secret> = None,
        /// The secret access key that belongs to it.
        pub aws_secret_key: Option<Secret> = None,
        /// The session token of temporary keys.
        pub aws_session_token: Option<Secret> = None,
        /// Whether the bucket stands in the path rather than in the host's name; auto: where an endpoint is given.
        pub path_style: PathStyle = PathStyle::Auto,
        /// Bytes of one request at the most: longer reads are split, uploads are made of parts of this size (5 MiB or more).
        pub part_bytes: Bytes = Bytes(8 << 20),
        /// Requests in flight at the most; 0 means 16, fewer where whole parts are read from a near server.
        pub concurrency: usize = 0,
        /// Time to connect, TLS handshake included.
        pub connect_timeout: Duration = Duration::from_secs(5),
        /// Time for one request, from sending it to the last byte of its reply.
        pub timeout: Duration = Duration::from_secs(30),
        /// How often a request is repeated after a failure that can pass.
        pub max_retries: u32 = 3,
        /// The first delay before a repeat; it doubles each time and is jittered over its full length.
        pub retry_base_delay: Duration = Duration::from_millis(200),
        /// A PEM file with the certificate authorities to trust instead of the system's.
        pub tls_ca_file: Option<String> = None,
    }
}

/// An object on S3 and how it is reached. Shown without options, and so without credentials.
#[derive(Debug, Clone)]
pub(crate) struct S3Url {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) options: S3Options,
}

impl S3Url {
    const SCHEME: &str = "s3://";
    const FORM: &str = "expected s3://BUCKET/KEY, with special characters percent-encoded and options, if any, \
                        as in ?aws_region=eu-west-1";

    /// Whether a name of a file is a URL of S3.
    pub(crate) fn is_one(location: &str) -> bool {
        location.starts_with(Self::SCHEME)
    }

    /// Parses a URL; its query has precedence over `options`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, which shows neither the query nor anything of its values.
    pub(crate) fn parse(url: &str, options: &S3Options) -> Result<S3Url> {
        let bad = |what: &str| Error::invalid_argument(format!("a URL of S3 {what}: {}", Self::FORM));
        let rest = url.strip_prefix(Self::SCHEME).ok_or_else(|| bad("must start with s3://"))?;
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let (bucket, key) = path.split_once('/').ok_or_else(|| bad("names a bucket and a key"))?;
        let decode = |text: &str, what: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded.map(|text| text.into_owned()).map_err(|_| bad(&format!("has {what} that is not UTF-8")))
        };
        let mut options = options.clone();
        for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| bad("has an option without a value"))?;
            options.set(&decode(name, "an option")?, &decode(value, "an option")?)?;
        }
        let url = S3Url { bucket: bucket.to_string(), key: decode(key, "a key")?, options };
        url.check()?;
        Ok(url)
    }

    fn check(&self) -> Result<()> {
        let bad = |what: &str| Err(Error::invalid_argument(format!("{what}: {}", Self::FORM)));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if self.bucket.is_empty() || !self.bucket.chars().all(plain) {
            return bad("the name of a bucket consists of letters, digits, dots and dashes");
        }
        if self.key.is_empty() {
            return bad("the key of an object on S3 cannot be empty");
        }
        let options = &self.options;
        if options.aws_access_key.is_some() != options.aws_secret_key.is_some() {
            return Err(Error::invalid_argument(
                "option 'aws_access_key' and option 'aws_secret_key' belong together: give both or neither",
            ));
        }
        if options.aws_session_token.is_some() && options.aws_access_key.is_none() {
            return Err(Error::invalid_argument("option 'aws_session_token' needs option 'aws_access_key'"));
        }
        if options.part_bytes.0 == 0 {
            return Err(Error::invalid_argument("option 'part_bytes' cannot be 0"));
        }
        if let Some(endpoint) = &options.endpoint_url
            && !url::Url::parse(endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        {
            return Err(Error::invalid_argument(
                "option 'endpoint_url' must be the address of a server, such as http://localhost:9000",
            ));
        }
        Ok(())
    }
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_bucket_a_key_and_options() {
        let base = S3Options { max_retries: 7, aws_region: Some("here".to_string()), ..S3Options::default() };
        let text = "s3://my-bucket/a%20b/%3F.arrow?aws_region=there&aws_access_key=AK&aws_secret_key=s%2Fe%2Bc&part_bytes=5MiB";
        let url = S3Url::parse(text, &base).unwrap();
        assert_eq!((url.bucket.as_str(), url.key.as_str()), ("my-bucket", "a b/?.arrow"));
        assert_eq!((url.options.aws_region.as_deref(), url.options.max_retries), (Some("there"), 7));
        assert_eq!(
            (url.options.aws_secret_key.as_ref().unwrap().reveal(), url.options.part_bytes.0),
            ("s/e+c", 5 << 20)
        );
        assert_eq!(url.to_string(), "s3://my-bucket/a b/?.arrow");
        let shown = format!("{url:?}");
        assert!(!shown.contains("s/e+c") && !shown.contains("AK"), "{shown}");
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_secrets() {
        for (url, part) in [
            ("s3:/bucket/key", "must start with s3://"),
            ("s3://bucket", "names a bucket and a key"),
            ("s3:///key", "name of a bucket"),
            ("s3://user:SECRET@bucket/key", "name of a bucket"),
            ("s3://bucket/", "cannot be empty"),
            ("s3://bucket/%ff", "a key that is not UTF-8"),
            ("s3://bucket/key?SECRET", "an option without a value"),
            ("s3://bucket/key?aws_region", "an option without a value"),
            ("s3://bucket/key?region=x", "unknown option 'region'"),
            ("s3://bucket/key?aws_secret_key=SECRET", "belong together"),
            ("s3://bucket/key?aws_session_token=SECRET", "needs option 'aws_access_key'"),
            ("s3://bucket/key?part_bytes=0", "option 'part_bytes'"),
            ("s3://bucket/key?endpoint_url=localhost:9000", "option 'endpoint_url'"),
            ("s3://bucket/key?endpoint_url=SECRET", "option 'endpoint_url'"),
            ("s3://bucket/key?timeout=soon", "option 'timeout' cannot be 'soon'"),
        ] {
            let error = S3Url::parse(url, &S3Options::default()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument, "{url}");
            assert!(error.message().contains(part) && !error.message().contains("SECRET"), "{url}: {error}");
        }
    }
}

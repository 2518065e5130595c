//! What a server of S3 says, and what keeps it from saying anything, mapped once to the library's error kinds.

use std::fmt;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::error::{Error, ErrorKind};

/// A row of the table of error codes; where a server gives none, its status counts.
struct Rule {
    codes: &'static [&'static str],
    status: u16,
    kind: ErrorKind,
    retryable: bool,
    advice: &'static str,
}

const fn rule(
    codes: &'static [&'static str],
    status: u16,
    kind: ErrorKind,
    retryable: bool,
    advice: &'static str,
) -> Rule {
    Rule { codes, status, kind, retryable, advice }
}

const REGION: &str =
    "the bucket is in another region: give its own with --aws-region (option aws_region) or in AWS_REGION";
const KEYS: &str = "check the access key and the secret key";

/// The first row that matches counts.
#[rustfmt::skip]
const RULES: &[Rule] = {
    use ErrorKind::*;
    &[
        rule(&["NoSuchBucket"], 0, NotFound, false, "there is no such bucket"),
        rule(&["NoSuchKey"], 0, NotFound, false, "there is no such object"),
        rule(&["NoSuchUpload"], 0, Conflict, false, "the upload was aborted by somebody else"),
        rule(&["InvalidAccessKeyId", "SignatureDoesNotMatch", "XAdminUserNotFound"], 0, PermissionDenied, false, KEYS),
        rule(&["ExpiredToken", "InvalidToken", "TokenRefreshRequired"], 0, PermissionDenied, false, "the session token is not valid any more"),
        rule(&["RequestTimeTooSkewed"], 0, PermissionDenied, false, "this computer's clock is wrong"),
        rule(&["AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"], 301, InvalidArgument, false, REGION),
        rule(&["PreconditionFailed"], 412, Conflict, false, "the object was replaced meanwhile"),
        rule(&["InvalidRange"], 416, Corrupt, false, "the object is shorter"),
        rule(&["SlowDown", "ServiceUnavailable", "ThrottlingException", "Throttling", "RequestLimitExceeded"], 503, Unavailable, true, "the server is overloaded"),
        rule(&["RequestTimeout", "IncompleteBody"], 408, Unavailable, true, "what was sent did not arrive in time"),
        rule(&["OperationAborted"], 409, Unavailable, true, "the server is busy with another request for the same object"),
        rule(&["TooManyRequests"], 429, Unavailable, true, "the server is overloaded"),
        rule(&["EntityTooLarge", "QuotaExceeded"], 413, ResourceExhausted, false, "the server does not take this much"),
        rule(&["NotImplemented"], 501, Unsupported, false, "the server cannot do this"),
        rule(&["AccessDenied"], 403, PermissionDenied, false, "these credentials do not allow it, or the bucket belongs to somebody else"),
        rule(&["InvalidBucketName", "KeyTooLongError", "InvalidURI"], 0, InvalidArgument, false, "the server does not accept this name"),
        rule(&[], 401, PermissionDenied, false, KEYS),
        rule(&[], 404, NotFound, false, "there is no such bucket or object"),
        rule(&["InternalError"], 500, Unavailable, true, "the server failed"),
        rule(&[], 502, Unavailable, true, "something between here and the server failed"),
        rule(&[], 504, Unavailable, true, "something between here and the server failed"),
    ]
};

/// The error for a request, `what`, that did not succeed.
pub(super) fn request_error<E>(error: SdkError<E, HttpResponse>, what: &str) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match &error {
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            server_error(refused.err().code(), refused.err().message(), status, what)
        }
        SdkError::TimeoutError(_) => Error::timeout(format!("no answer to {what} in time")).retryable(true),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(connector) if connector.is_timeout() => {
                Error::timeout(format!("{what}: cannot connect in time: {}", causes(&error))).retryable(true)
            }
            Some(connector) if !connector.is_user() && !connector.is_other() => Error::unavailable(format!(
                "{what}: the server cannot be reached, or the connection was lost ({}): check the endpoint and the network",
                causes(&error)
            )),
            _ => no_credentials(&error, what),
        },
        SdkError::ResponseError(_) => {
            Error::unavailable(format!("{what}: the answer cannot be read ({})", causes(&error)))
        }
        _ => no_credentials(&error, what),
    }
}

/// A request that was never sent: nearly always for want of credentials.
fn no_credentials<E: std::error::Error + 'static>(error: &SdkError<E, HttpResponse>, what: &str) -> Error {
    let causes = causes(error);
    let lower = causes.to_lowercase();
    if lower.contains("credential") || lower.contains("identity") {
        return Error::permission_denied(format!(
            "{what}: no credentials for S3 ({causes}): give --aws-access-key and --aws-secret-key (options \
             aws_access_key and aws_secret_key), or set up AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile"
        ));
    }
    Error::unavailable(format!("{what}: the request could not be sent ({causes})"))
}

fn server_error(code: Option<&str>, message: Option<&str>, status: u16, what: &str) -> Error {
    let code = code.filter(|code| !code.is_empty());
    let by_code = code.and_then(|code| RULES.iter().find(|rule| rule.codes.contains(&code)));
    let rule = by_code.or_else(|| RULES.iter().find(|rule| rule.status == status && status != 0));
    let said = match (code, message) {
        (Some(code), Some(message)) => format!("{code}, {}", printable(message)),
        (Some(code), None) => code.to_string(),
        (None, _) => format!("status {status}"),
    };
    let error = match rule {
        Some(rule) => {
            Error::new(rule.kind, format!("{what} was refused: {} ({said})", rule.advice)).retryable(rule.retryable)
        }
        None if status >= 500 => Error::unavailable(format!("{what} was refused ({said})")),
        None => Error::io(format!("{what} was refused ({said})")),
    };
    error.with_server_code(code.map_or_else(|| status.to_string(), str::to_string))
}

/// What a body says while it comes in.
pub(super) fn body_error(error: &(dyn std::error::Error + 'static), what: &str) -> Error {
    Error::unavailable(format!("{what}: the connection was lost ({})", causes(error)))
}

/// An error and what it comes from, in one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts = vec![printable(&error.to_string())];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = printable(&error.to_string());
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ")
}

fn printable(text: &str) -> String {
    const LONGEST: usize = 300;
    text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A number of bytes from a server that does not fit what was asked.
pub(super) fn short(what: &str, found: impl fmt::Display, expected: impl fmt::Display) -> Error {
    Error::unavailable(format!("{what}: {found} bytes came where {expected} were asked for"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorKind::*;

    #[test]
    fn each_refusal_has_its_kind() {
        for (code, status, kind, retryable, part) in [
            (Some("NoSuchBucket"), 404, NotFound, false, "no such bucket (NoSuchBucket, text)"),
            (Some("NoSuchKey"), 404, NotFound, false, "no such object"),
            (None, 404, NotFound, false, "bucket or object (status 404)"),
            (Some("SignatureDoesNotMatch"), 403, PermissionDenied, false, "secret key"),
            (Some("AccessDenied"), 403, PermissionDenied, false, "do not allow"),
            (None, 403, PermissionDenied, false, "do not allow"),
            (Some("SomethingNew"), 403, PermissionDenied, false, "SomethingNew"),
            (Some("PermanentRedirect"), 301, InvalidArgument, false, "--aws-region"),
            (Some("PreconditionFailed"), 412, Conflict, false, "replaced"),
            (None, 416, Corrupt, false, "shorter"),
            (Some("SlowDown"), 503, Unavailable, true, "overloaded"),
            (None, 503, Unavailable, true, "status 503"),
            (None, 599, Unavailable, true, "status 599"),
            (Some("EntityTooLarge"), 400, ResourceExhausted, false, "this much"),
            (Some("MalformedXML"), 400, Io, false, "MalformedXML"),
        ] {
            let error = server_error(code, Some("text"), status, "a request");
            assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{code:?} {status}: {error}");
            assert!(error.message().contains(part), "{error}");
            assert_eq!(error.server_code(), Some(code.unwrap_or(&status.to_string())));
        }
    }
}

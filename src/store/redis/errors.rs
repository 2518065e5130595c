//! What can go wrong between us and a server, mapped once to the library's error kinds.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// Why an exchange with a server did not come to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection failed or was closed.
    Io(io::Error),
    /// What the server sent is not the Redis protocol.
    Protocol(String),
    /// The last byte of the reply did not arrive in time.
    TimedOut(Duration),
    /// An error that is complete already.
    Own(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl Failure {
    /// Whether the peer ended the connection.
    pub(super) fn is_closed(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        matches!(self, Failure::Io(error)
            if matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe))
    }

    /// The error for a request, `what`, to a server, `place`.
    pub(super) fn into_error(self, place: &str, what: &dyn fmt::Display) -> Error {
        match self {
            Failure::Own(error) => error,
            Failure::TimedOut(timeout) => Error::timeout(format!(
                "{place}: no complete answer to {what} within {} s: is the server overloaded, or the option 'timeout' too short for this much data?",
                timeout.as_secs_f64()
            ))
            .retryable(true),
            Failure::Protocol(detail) => Error::corrupt(format!(
                "{place}: the answer to {what} is not the Redis protocol ({detail}): is this the port of a Redis server?"
            )),
            Failure::Io(error) => Error::unavailable(format!(
                "{place}: the connection was lost during {what} ({}): is the server still running?",
                reason(&error)
            )),
        }
    }
}

/// The text of an I/O error; an end that came too early says so.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "closed by the server".to_string(),
        _ => error.to_string(),
    }
}

/// A row of the table of error replies: a reply matches by its first word and, where given, by a part of its text.
struct Rule {
    code: &'static str,
    part: &'static str,
    kind: ErrorKind,
    retryable: bool,
    advice: &'static str,
}

const fn rule(code: &'static str, part: &'static str, kind: ErrorKind, retryable: bool, advice: &'static str) -> Rule {
    Rule { code, part, kind, retryable, advice }
}

const CLUSTER: &str = "the server is part of a Redis Cluster: use --cluster on (option cluster=on)";

/// The first row that matches counts.
#[rustfmt::skip]
const RULES: &[Rule] = {
    use ErrorKind::*;
    &[
        rule("WRONGPASS", "", PermissionDenied, false, "check the user and the password"),
        rule("NOAUTH", "", PermissionDenied, false, "the server wants a password: redis://USER:PASSWORD@HOST"),
        rule("NOPERM", "", PermissionDenied, false, "the user's ACL does not allow this; 'arrowredis ping' lists the commands it lacks"),
        rule("DENIED", "", PermissionDenied, false, "the server accepts local clients only (protected mode)"),
        rule("ERR", "operation not permitted", PermissionDenied, false, "the server wants a password: redis://:PASSWORD@HOST"),
        rule("OOM", "", ResourceExhausted, false, "free memory on the server or raise its maxmemory"),
        rule("MISCONF", "", ResourceExhausted, false, "the server cannot save to its disk and refuses writes: see its log"),
        rule("ERR", "invalid bulk length", ResourceExhausted, false, "the value is larger than the server accepts: slice the batch smaller, or raise the server's proto-max-bulk-len"),
        rule("ERR", "string exceeds maximum allowed size", ResourceExhausted, false, "the value is larger than the server accepts: slice the batch smaller, or raise the server's proto-max-bulk-len"),
        rule("ERR", "max number of clients", Unavailable, true, "raise the server's maxclients or use fewer connections"),
        rule("WRONGTYPE", "", InvalidArgument, false, "the key holds something else than a string: choose another prefix"),
        rule("LOADING", "", Unavailable, true, "the server is still loading its data"),
        rule("MASTERDOWN", "", Unavailable, true, "the replica has lost its master"),
        rule("NOREPLICAS", "", Unavailable, true, "the server wants more replicas connected before it accepts writes"),
        rule("BUSY", "", Unavailable, true, "the server is busy with a script"),
        rule("TRYAGAIN", "", Unavailable, true, "the keys are being moved to another node"),
        rule("CLUSTERDOWN", "", Unavailable, true, "the cluster does not serve all its slots now"),
        rule("READONLY", "", Unavailable, true, "the server is a replica: connect to the master"),
        rule("MOVED", "", Unsupported, false, CLUSTER),
        rule("ASK", "", Unsupported, false, CLUSTER),
        rule("CROSSSLOT", "", Unsupported, false, CLUSTER),
        rule("ERR", "SELECT is not allowed in cluster mode", InvalidArgument, false, "a cluster has database 0 only"),
        rule("ERR", "DB index", InvalidArgument, false, "the server has fewer databases: see its setting 'databases'"),
        rule("ERR", "unknown command", Unsupported, false, "the server does not know this command, or it was renamed"),
    ]
};

/// The error for an error reply to a request, `what`, of a server, `place`.
pub(super) fn server_error(reply: &str, place: &str, what: &dyn fmt::Display) -> Error {
    let code = reply.split(' ').next().unwrap_or_default();
    let text: String = reply.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let error = |kind, advice: &str| Error::new(kind, format!("{place}: {what} was refused: {text}{advice}"));
    match RULES.iter().find(|rule| rule.code == code && reply.contains(rule.part)) {
        Some(rule) => error(rule.kind, &format!(" ({})", rule.advice)).retryable(rule.retryable),
        None => error(ErrorKind::Io, "").retryable(false),
    }
    .with_server_code(code)
}

/// The error for a refused login. The reply may repeat what was sent, so nothing but its first word is shown.
pub(super) fn login_error(reply: &str, place: &str) -> Error {
    let error = server_error(reply, "", &"");
    let code = error.server_code().unwrap_or_default().to_string();
    if error.is_retryable() || code == "DENIED" {
        return server_error(&code, place, &"AUTH");
    }
    let advice = match code.as_str() {
        "WRONGPASS" => "check the user and the password",
        _ => "does the server have this user, or no password at all?",
    };
    Error::permission_denied(format!("{place}: the server refused the login with {code}: {advice}"))
        .with_server_code(code)
}

/// Whether a command itself was refused to the user, or is unknown to the server.
pub(super) fn is_command_refused(reply: &str) -> bool {
    (reply.starts_with("NOPERM") && reply.contains("to run")) || reply.starts_with("ERR unknown command")
}

/// A reply of another kind than the command gives.
pub(super) fn unexpected(place: &str, what: &dyn fmt::Display) -> Error {
    Error::corrupt(format!("{place}: the answer to {what} is of another kind than expected: is this a Redis server?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorKind::*;

    #[test]
    fn each_error_reply_has_its_kind() {
        for (reply, kind, retryable, part) in [
            ("WRONGPASS invalid username-password pair", PermissionDenied, false, "check the user"),
            ("NOAUTH Authentication required.", PermissionDenied, false, "wants a password"),
            ("NOPERM User bob has no permissions to run the 'set' command", PermissionDenied, false, "ACL"),
            ("ERR operation not permitted", PermissionDenied, false, "wants a password"),
            ("OOM command not allowed when used memory > 'maxmemory'.", ResourceExhausted, false, "maxmemory"),
            ("ERR Protocol error: invalid bulk length", ResourceExhausted, false, "proto-max-bulk-len"),
            ("WRONGTYPE Operation against a key", InvalidArgument, false, "another prefix"),
            ("ERR max number of clients reached", Unavailable, true, "maxclients"),
            ("LOADING Redis is loading the dataset in memory", Unavailable, true, "loading"),
            ("MASTERDOWN Link with MASTER is down", Unavailable, true, "master"),
            ("BUSY Redis is busy running a script.", Unavailable, true, "script"),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable, true, "moved"),
            ("CLUSTERDOWN The cluster is down", Unavailable, true, "slots"),
            ("READONLY You can't write against a read only replica.", Unavailable, true, "replica"),
            ("MOVED 3999 127.0.0.1:6381", Unsupported, false, "--cluster on"),
            ("ASK 3999 127.0.0.1:6381", Unsupported, false, "--cluster on"),
            ("CROSSSLOT Keys in request don't hash to the same slot", Unsupported, false, "--cluster on"),
            ("ERR SELECT is not allowed in cluster mode", InvalidArgument, false, "database 0"),
            ("ERR DB index is out of range", InvalidArgument, false, "databases"),
            ("ERR unknown command 'UNLINK'", Unsupported, false, "renamed"),
            ("BUSYKEY Target key name already exists.", Io, false, "BUSYKEY"),
            ("ERR something new", Io, false, "something new"),
            ("", Io, false, "refused"),
        ] {
            let error = server_error(reply, "redis://h:1", &"SET 'k'");
            assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{reply}");
            assert_eq!(error.server_code(), reply.split(' ').next(), "{reply}");
            assert!(error.message().starts_with("redis://h:1: SET 'k' was refused: "), "{error}");
            assert!(error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn failures_have_their_kinds() {
        let io = |kind: io::ErrorKind| Failure::Io(kind.into());
        for (failure, kind, retryable, closed) in [
            (io(io::ErrorKind::UnexpectedEof), Unavailable, true, true),
            (io(io::ErrorKind::ConnectionReset), Unavailable, true, true),
            (io(io::ErrorKind::HostUnreachable), Unavailable, true, false),
            (Failure::TimedOut(Duration::from_millis(1500)), Timeout, true, false),
            (Failure::Protocol("x".to_string()), Corrupt, false, false),
            (Failure::Own(Error::not_found("x")), NotFound, false, false),
        ] {
            assert_eq!(failure.is_closed(), closed, "{failure:?}");
            let error = failure.into_error("redis://h:1", &"GET 'k'");
            assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{error}");
        }
    }

    #[test]
    fn a_refused_login_repeats_nothing() {
        for (reply, kind) in [
            ("WRONGPASS canary", PermissionDenied),
            ("ERR unknown command 'AUTH', with args beginning with: 'canary'", PermissionDenied),
            ("ERR AUTH <password> called without any password configured. canary", PermissionDenied),
            ("LOADING canary", Unavailable),
        ] {
            let error = login_error(reply, "redis://h:1");
            assert_eq!(error.kind(), kind);
            assert!(!format!("{error:?}").contains("canary"), "{error}");
        }
    }
}

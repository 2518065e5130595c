//! Where a server is and who we are there, from a URL.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

const DEFAULT_PORT: u16 = 6379;

/// How to reach a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

/// A user and a password. Bytes that are shown to the server and to nobody else.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Option<Vec<u8>>,
    pub(super) password: Vec<u8>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

/// What a URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) address: Address,
    pub(super) credentials: Option<Credentials>,
    pub(super) database: u32,
}

/// The target without credentials, as a URL.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp { host, port, tls } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                write!(f, "{scheme}://{bracketed}:{port}")?;
                if self.database != 0 {
                    write!(f, "/{}", self.database)?;
                }
            }
            Address::Unix(path) => {
                write!(f, "unix://{}", path.display())?;
                if self.database != 0 {
                    write!(f, "?db={}", self.database)?;
                }
            }
        }
        Ok(())
    }
}

/// Parses `redis://`, `rediss://`, `unix://` and `redis+unix://` URLs.
///
/// Messages never repeat what stands between scheme and path: where the URL is malformed, that may be a password.
/// Several hosts, separated by commas, are the seeds of a cluster; there is always at least one target.
pub(super) fn parse(url: &str) -> Result<Vec<Target>> {
    match url.split_once("://") {
        Some(("redis", rest)) => parse_tcp(rest, false),
        Some(("rediss", rest)) => parse_tcp(rest, true),
        Some(("unix" | "redis+unix", rest)) => Ok(vec![parse_unix(rest)?]),
        _ => Err(invalid("expected redis://, rediss://, unix:// or redis+unix://")),
    }
}

fn parse_tcp(rest: &str, tls: bool) -> Result<Vec<Target>> {
    // A database is a number, so whatever stands before the last '@' belongs to the credentials.
    let (user_info, location) = split_user_info(rest);
    if location.contains(['?', '#']) {
        return Err(invalid("a redis:// URL takes no parameters: set them as options"));
    }
    let (authority, path) = location.split_once('/').unwrap_or((location, ""));
    let credentials = parse_user_info(user_info)?;
    let database = if path.is_empty() { 0 } else { parse_database(path)? };
    authority
        .split(',')
        .map(|authority| {
            let (host, port) = parse_host(authority)?;
            let address = Address::Tcp { host, port, tls };
            Ok(Target { address, credentials: credentials.clone(), database })
        })
        .collect()
}

fn parse_unix(rest: &str) -> Result<Target> {
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (user_info, path) = match location.strip_prefix('/') {
        Some(_) => (None, location),
        None => split_user_info(location),
    };
    if !path.starts_with('/') || path == "/" {
        return Err(invalid("a Unix socket is named by its absolute path: unix:///run/redis.sock"));
    }
    let (mut user, mut password, mut database) = (None, None, 0);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "db" => database = parse_database(value)?,
            "user" | "username" => user = Some(decode(value)?),
            "password" => password = Some(decode(value)?),
            _ => return Err(invalid("a unix:// URL takes the parameters db, user and password only")),
        }
    }
    let credentials = match (user, password) {
        (user, Some(password)) => Some(Credentials { user, password }),
        (Some(_), None) => return Err(user_without_password()),
        (None, None) => parse_user_info(user_info)?,
    };
    Ok(Target { address: Address::Unix(unix_path(path)?), credentials, database })
}

fn unix_path(path: &str) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(decode(path)?)))
}

fn split_user_info(text: &str) -> (Option<&str>, &str) {
    text.rsplit_once('@').map_or((None, text), |(user_info, rest)| (Some(user_info), rest))
}

fn parse_user_info(user_info: Option<&str>) -> Result<Option<Credentials>> {
    let Some(user_info) = user_info.filter(|text| !text.is_empty() && *text != ":") else { return Ok(None) };
    let (user, password) = user_info.split_once(':').ok_or_else(user_without_password)?;
    let user = if user.is_empty() { None } else { Some(decode(user)?) };
    Ok(Some(Credentials { user, password: decode(password)? }))
}

fn parse_host(authority: &str) -> Result<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(|| invalid("an IPv6 address lacks its ']'"))?;
            host.parse::<Ipv6Addr>().map_err(|_| invalid("what stands in brackets is not an IPv6 address"))?;
            match (port, port.strip_prefix(':')) {
                ("", _) => (host, None),
                (_, Some(port)) => (host, Some(port)),
                _ => return Err(invalid("after the IPv6 address only :PORT may follow")),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '%') {
        return Err(invalid("the host is missing or malformed"));
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => parse_number(port)
            .filter(|port| *port != 0)
            .ok_or_else(|| invalid("the port is not a number from 1 to 65535; an IPv6 address belongs in brackets, and special characters of a password are percent-encoded"))?,
    };
    Ok((host.to_string(), port))
}

fn parse_database(text: &str) -> Result<u32> {
    parse_number(text).ok_or_else(|| invalid("the database is not a number: redis://HOST:PORT/0"))
}

fn parse_number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn decode(text: &str) -> Result<Vec<u8>> {
    let bytes = text.as_bytes();
    let malformed = |(at, _): (usize, &str)| {
        !(bytes.get(at + 1).is_some_and(u8::is_ascii_hexdigit) && bytes.get(at + 2).is_some_and(u8::is_ascii_hexdigit))
    };
    if text.match_indices('%').any(malformed) {
        return Err(invalid("a '%' is not followed by two hexadecimal digits: write %25 for the character itself"));
    }
    Ok(percent_decode_str(text).collect())
}

fn user_without_password() -> Error {
    invalid("a user without a password; a password alone is written redis://:PASSWORD@HOST")
}

pub(super) fn invalid(why: &str) -> Error {
    Error::invalid_argument(format!("the URL of the Redis server cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn tcp(host: &str, port: u16, tls: bool) -> Address {
        Address::Tcp { host: host.to_string(), port, tls }
    }

    fn login(user: Option<&[u8]>, password: &[u8]) -> Option<Credentials> {
        Some(Credentials { user: user.map(<[u8]>::to_vec), password: password.to_vec() })
    }

    #[test]
    fn urls_and_what_they_say() {
        let socket = || Address::Unix(PathBuf::from("/run/redis/r.sock"));
        for (url, address, credentials, database, shown) in [
            ("redis://localhost", tcp("localhost", 6379, false), None, 0, "redis://localhost:6379"),
            ("redis://h:7000/", tcp("h", 7000, false), None, 0, "redis://h:7000"),
            ("rediss://h:7000/15", tcp("h", 7000, true), None, 15, "rediss://h:7000/15"),
            ("redis://[::1]:7/2", tcp("::1", 7, false), None, 2, "redis://[::1]:7/2"),
            ("redis://[fe80::1]", tcp("fe80::1", 6379, false), None, 0, "redis://[fe80::1]:6379"),
            ("redis://:secret@h", tcp("h", 6379, false), login(None, b"secret"), 0, "redis://h:6379"),
            ("redis://:@h", tcp("h", 6379, false), None, 0, "redis://h:6379"),
            ("redis://@h", tcp("h", 6379, false), None, 0, "redis://h:6379"),
            ("redis://bob:@h", tcp("h", 6379, false), login(Some(b"bob"), b""), 0, "redis://h:6379"),
            ("redis://bob:a:b@h:1", tcp("h", 1, false), login(Some(b"bob"), b"a:b"), 0, "redis://h:1"),
            (
                "redis://b%40b:p%2F%25%ff@h/1",
                tcp("h", 6379, false),
                login(Some(b"b@b"), b"p/%\xff"),
                1,
                "redis://h:6379/1",
            ),
            ("redis://:raw/sl@sh?#@h/3", tcp("h", 6379, false), login(None, b"raw/sl@sh?#"), 3, "redis://h:6379/3"),
            ("unix:///run/redis/r.sock", socket(), None, 0, "unix:///run/redis/r.sock"),
            ("redis+unix:///run/redis%2Fr.sock?db=4", socket(), None, 4, "unix:///run/redis/r.sock?db=4"),
            (
                "unix:///run/redis/r.sock?password=s%26t&user=bob",
                socket(),
                login(Some(b"bob"), b"s&t"),
                0,
                "unix:///run/redis/r.sock",
            ),
            (
                "unix://bob:st@/run/redis/r.sock?db=1",
                socket(),
                login(Some(b"bob"), b"st"),
                1,
                "unix:///run/redis/r.sock?db=1",
            ),
        ] {
            let targets = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(targets[0].to_string(), shown, "{url}");
            assert_eq!(targets, [Target { address, credentials, database }], "{url}");
        }
    }

    #[test]
    fn several_hosts_share_what_else_the_url_says() {
        let targets = parse("rediss://bob:x@h1,[::1]:7,h3:9/").unwrap();
        let shown: Vec<String> = targets.iter().map(Target::to_string).collect();
        assert_eq!(shown, ["rediss://h1:6379", "rediss://[::1]:7", "rediss://h3:9"]);
        assert!(targets.iter().all(|target| target.credentials == login(Some(b"bob"), b"x")));
    }

    #[test]
    fn malformed_urls_are_refused_without_showing_a_password() {
        for (url, part) in [
            ("http://canary@h", "expected redis://"),
            ("redis:canary", "expected redis://"),
            ("redis://", "host is missing"),
            ("redis://:canary@", "host is missing"),
            ("redis://:canary@:7", "host is missing"),
            ("redis://canary@h", "user without a password"),
            ("redis://:canary", "the host is missing"),
            ("redis://bob:canary", "the port is not a number"),
            ("redis://:canary@h:0", "the port is not a number"),
            ("redis://:canary@h:65536", "the port is not a number"),
            ("redis://:canary@h:+7", "the port is not a number"),
            ("redis://:canary@::1:7", "host is missing"),
            ("redis://:canary@fe80::1", "the port is not a number"),
            ("redis://:canary@[::1", "lacks its ']'"),
            ("redis://:canary@[h]:7", "not an IPv6 address"),
            ("redis://:canary@[::1]7", "only :PORT"),
            ("redis://:canary@h/x", "the database is not a number"),
            ("redis://:canary@h/-1", "the database is not a number"),
            ("redis://:canary@h/4294967296", "the database is not a number"),
            ("redis://:canary%@h", "write %25"),
            ("redis://:canary%4x@h", "write %25"),
            ("redis://:canary@h?db=1", "takes no parameters"),
            ("redis://:canary@h:1,,g:2", "host is missing"),
            ("redis://:canary@h:1,g:x", "the port is not a number"),
            ("unix://canary.sock", "absolute path"),
            ("unix:///", "absolute path"),
            ("unix:///s?canary=1", "parameters db, user and password"),
            ("unix:///s?db=canary", "the database is not a number"),
            ("unix:///s?user=canary", "user without a password"),
        ] {
            let error = parse(url).expect_err(url);
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains(part), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{url}: {error}");
        }
    }

    #[test]
    fn no_form_of_a_target_shows_its_credentials() {
        let target = parse("redis://user-canary:password-canary@h/1").unwrap().remove(0);
        assert!(!format!("{target} {target:?} {target:#?}").contains("canary"));
    }
}

//! How a directory is named by a URL, and how keys become file names and come back.
//!
//! A key's bytes are percent-encoded, dots included, so that no key can be `.`, `..`, hidden or hold a slash.
//! What is longer than one name may be goes on in a directory: such a directory's name ends in `+`, a file's
//! never does, so one key's file cannot stand where another key needs a directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::{Error, Result};

/// What of an encoded key fits in one name. With the `+` that is less than the 143 bytes of eCryptfs, the
/// smallest limit in use; other file systems take 255.
pub(super) const NAME_BYTES: usize = 140;
/// Marks the name of a directory that a long key goes on in.
const CONTINUED: char = '+';

const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'=').remove(b':').remove(b'@').remove(b'{').remove(b'}');

/// The directory that a `file:` URL names.
pub(super) fn directory_of(url: &str) -> Result<PathBuf> {
    let rest = url.strip_prefix("file:").unwrap_or(url);
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest),
        None => rest,
    };
    if !path.starts_with('/') {
        return Err(Error::invalid_argument(
            "a directory is named by its absolute path after 'file://', without a host, such as file:///data/cache",
        ));
    }
    if path.contains(['?', '#']) {
        return Err(Error::invalid_argument(
            "a file:// URL takes no options: if '?' or '#' belongs to the path, write it as %3F or %23",
        ));
    }
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Err(Error::invalid_argument("this file:// URL names no directory: write, for instance, file:///data"));
    }
    let is_escape = |tail: &str| tail.get(..2).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if !path.split('%').skip(1).all(is_escape) {
        return Err(Error::invalid_argument(format!(
            "'{path}' is not percent-encoded: after '%' come two hexadecimal digits; '%' itself is written %25"
        )));
    }
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    if bytes.contains(&0) {
        return Err(Error::invalid_argument("a path cannot contain a NUL byte (%00)"));
    }
    Ok(PathBuf::from(OsStr::from_bytes(&bytes)))
}

/// The beginning of the names of all keys that begin with this.
pub(super) fn encode(key: &str) -> String {
    utf8_percent_encode(key, ESCAPED).to_string()
}

/// The key of an encoded name; `None` for a name that [`encode`] does not make.
pub(super) fn decode(encoded: &str) -> Option<String> {
    let key = percent_decode_str(encoded).decode_utf8().ok()?.into_owned();
    (!key.is_empty() && encode(&key) == encoded).then_some(key)
}

/// Where a key's value is, relative to the store's directory.
pub(super) fn path_of(key: &str) -> Result<PathBuf> {
    if key.is_empty() {
        return Err(Error::invalid_argument("a key cannot be empty"));
    }
    let encoded = encode(key);
    let mut rest = encoded.as_str();
    let mut path = PathBuf::new();
    while rest.len() > NAME_BYTES {
        let (name, tail) = rest.split_at(NAME_BYTES);
        path.push(format!("{name}{CONTINUED}"));
        rest = tail;
    }
    path.push(rest);
    Ok(path)
}

/// The part of an encoded key that a directory stands for; `None` if [`path_of`] makes no such directory.
pub(super) fn continued(directory_name: &str) -> Option<&str> {
    directory_name.strip_suffix(CONTINUED).filter(|name| name.len() == NAME_BYTES)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn urls_name_directories() {
        for (url, path) in [
            ("file:///data/cache", "/data/cache"),
            ("file:///data/cache/", "/data/cache"),
            ("file:/data", "/data"),
            ("file://localhost/data", "/data"),
            ("file:///a%20b/%C3%A9%25", "/a b/é%"),
        ] {
            assert_eq!(directory_of(url).unwrap(), Path::new(path), "{url}");
        }
        for (url, hint) in [
            ("file:cache", "file:///data/cache"),
            ("file://cache", "file:///data/cache"),
            ("file://server/cache", "without a host"),
            ("file://localhostess/cache", "without a host"),
            ("file:", "absolute path"),
            ("file:///", "names no directory"),
            ("file:///data?mmap=on", "%3F"),
            ("file:///data#1", "%23"),
            ("file:///100%", "%25"),
            ("file:///100%2", "%25"),
            ("file:///100%é0", "%25"),
            ("file:///a%00b", "NUL"),
        ] {
            let error = directory_of(url).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument, "{url}");
            assert!(error.message().contains(hint), "{url}: {error}");
        }
    }

    #[test]
    fn keys_become_names_and_come_back() {
        for (key, name) in [
            ("sales:{part=00000}:batch=00000", "sales:{part=00000}:batch=00000"),
            ("sales@00ff:manifest", "sales@00ff:manifest"),
            (".", "%2E"),
            ("..", "%2E%2E"),
            ("../a/b", "%2E%2E%2Fa%2Fb"),
            ("100%", "100%25"),
            ("a+b\\c\n", "a%2Bb%5Cc%0A"),
            ("é", "%C3%A9"),
        ] {
            assert_eq!(path_of(key).unwrap(), Path::new(name));
            assert_eq!(decode(name).as_deref(), Some(key));
        }
        for foreign in ["", ".", "..", ".arrowredis", "a.txt", "%41", "%2e", "%FF", "%", "a+"] {
            assert_eq!(decode(foreign), None, "{foreign}");
        }
        assert_eq!(path_of("").unwrap_err().kind(), crate::ErrorKind::InvalidArgument);
    }

    #[test]
    fn long_keys_never_meet_each_others_directories() {
        let (mut files, mut directories) = (HashSet::new(), HashSet::new());
        for letter in ["x", "é", "+"] {
            for length in 1..=NAME_BYTES * 3 + 2 {
                let key = letter.repeat(length);
                let path = path_of(&key).unwrap();
                let names: Vec<_> = path.iter().map(|name| name.to_str().unwrap()).collect();
                let (file, folders) = names.split_last().unwrap();
                assert!(names.iter().all(|name| !name.is_empty() && name.len() <= NAME_BYTES + 1));
                let encoded: String = folders.iter().map(|name| continued(name).unwrap()).collect();
                assert_eq!(decode(&format!("{encoded}{file}")), Some(key));
                directories.extend(path.ancestors().skip(1).map(Path::to_path_buf));
                assert!(files.insert(path), "two keys in one file");
            }
        }
        assert!(files.is_disjoint(&directories));
        assert_eq!(continued("short+"), None);
    }
}

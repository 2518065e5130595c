//! Keys: how a dataset's prefix, chunks, manifest and lease are named in a store.

use crate::error::{Error, Result};

/// The longest prefix in bytes.
const MAX_PREFIX_BYTES: usize = 512;
/// Characters that mean something in keys, patterns or versions.
const FORBIDDEN: &[char] = &['{', '}', '*', '?', '[', ']', '\\', '@'];

/// Checks the name of a dataset.
///
/// # Errors
/// `INVALID_ARGUMENT`, saying what is not allowed.
pub fn check_prefix(prefix: &str) -> Result<()> {
    let bad = |why: String| Err(Error::invalid_argument(format!("the prefix {prefix:?} {why}")));
    if prefix.is_empty() || prefix.len() > MAX_PREFIX_BYTES {
        return bad(format!("is {} bytes long: it must have 1 to {MAX_PREFIX_BYTES}", prefix.len()));
    }
    match prefix.chars().find(|c| FORBIDDEN.contains(c) || c.is_control()) {
        Some(c) => bad(format!("contains {c:?}: it must be free of {{ }} * ? [ ] \\ @ and control characters")),
        None => Ok(()),
    }
}

/// The key of a chunk; `base` is the prefix, or the prefix and the version.
pub(crate) fn chunk_key(base: &str, partition: u32, batch: u32) -> String {
    format!("{base}:{{part={partition:05}}}:batch={batch:05}")
}

/// What the keys of a version's chunks start with.
pub(crate) fn version_base(prefix: &str, upload_id: &str) -> String {
    format!("{prefix}@{upload_id}")
}

/// What the keys of all chunks of a base start with.
pub(crate) fn chunk_key_start(base: &str) -> String {
    format!("{base}:{{part=")
}

/// Partition and batch of a chunk's key; `None` for any other key.
pub(crate) fn parse_chunk_key(base: &str, key: &str) -> Option<(u32, u32)> {
    let (partition, batch) = key.strip_prefix(&chunk_key_start(base))?.split_once("}:batch=")?;
    let (partition, batch) = (partition.parse().ok()?, batch.parse().ok()?);
    // Only the form that we write: no sign, no other padding.
    (chunk_key(base, partition, batch) == key).then_some((partition, batch))
}

/// The key of the manifest.
pub(crate) fn manifest_key(prefix: &str) -> String {
    format!("{prefix}{MANIFEST_SUFFIX}")
}

/// What the keys of manifests end with.
pub(crate) const MANIFEST_SUFFIX: &str = ":manifest";

/// The key of the writer's lease.
pub(crate) fn upload_key(prefix: &str) -> String {
    format!("{prefix}{UPLOAD_SUFFIX}")
}

/// What the keys of leases end with.
pub(crate) const UPLOAD_SUFFIX: &str = ":upload";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_exact_form() {
        assert_eq!(chunk_key("demo:v1", 0, 15), "demo:v1:{part=00000}:batch=00015");
        assert_eq!(chunk_key("p", 123_456, 7), "p:{part=123456}:batch=00007");
        assert_eq!(manifest_key("p"), "p:manifest");
        assert_eq!(upload_key("p"), "p:upload");
        assert_eq!(parse_chunk_key("p", "p:{part=123456}:batch=00007"), Some((123_456, 7)));
        for other in
            ["p:{part=7}:batch=00007", "p:{part=+0007}:batch=00007", "p:manifest", "pp:{part=00001}:batch=00001"]
        {
            assert_eq!(parse_chunk_key("p", other), None, "{other}");
        }
    }

    #[test]
    fn forbidden_prefixes_are_named() {
        for good in ["demo:v1", "é", "a b", "%", &"x".repeat(512)] {
            check_prefix(good).unwrap();
        }
        for bad in ["", "a{b", "a}", "a*", "a?", "[a", "a]", "a\\b", "a@b", "a\0b", "a\nb", "a\u{7f}", &"é".repeat(257)]
        {
            assert_eq!(check_prefix(bad).unwrap_err().kind(), crate::ErrorKind::InvalidArgument, "{bad:?}");
        }
    }
}

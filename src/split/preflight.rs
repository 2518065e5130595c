//! Whether the server has room for what is coming, and will keep it. Asked while the upload runs, so that it
//! costs no time.

use crate::metrics::MB;
use crate::runtime::Context;
use crate::store::{ServerInfo, Store};

/// What a server needs beyond the payloads, as a part of them: keys, allocation in steps.
const OVERHEAD: u64 = 16;

/// Asks the server and says what is to be feared, in the log as well. A server that does not tell is not worth
/// a warning, nor is one that does not answer: the upload will say so.
pub(super) async fn warnings(store: &dyn Store, expected_bytes: Option<u64>, ctx: &Context) -> Vec<String> {
    let Ok(info) = store.ping(&ctx.part()).await else { return Vec::new() };
    let warnings = judge(&info, expected_bytes, store.describe());
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    warnings
}

fn judge(info: &ServerInfo, expected_bytes: Option<u64>, place: &str) -> Vec<String> {
    let Some(limit) = info.max_memory.filter(|limit| *limit > 0) else { return Vec::new() };
    let policy = info.max_memory_policy.as_deref().unwrap_or("unknown");
    let evicts_any = policy.starts_with("allkeys-");
    let mut warnings = Vec::new();
    if evicts_any {
        warnings.push(format!(
            "{place} evicts any key when its memory is full (maxmemory-policy {policy}): chunks may vanish, and reads \
             then fail with CHUNK_MISSING; noeviction or volatile-ttl keeps datasets whole"
        ));
    }
    let free = limit.saturating_sub(info.used_memory.unwrap_or(0));
    let needed = expected_bytes.map(|bytes| bytes.saturating_add(bytes / OVERHEAD));
    if let Some(needed) = needed.filter(|needed| *needed > free) {
        let outcome = match policy {
            "noeviction" => "the upload will fail with RESOURCE_EXHAUSTED",
            _ if evicts_any => "it will evict what is there, this dataset included",
            _ => "it will evict keys that have an expiry, or the upload will fail with RESOURCE_EXHAUSTED",
        };
        let mb = |bytes: u64| bytes as f64 / MB;
        warnings.push(format!(
            "the upload needs about {:.1} MB, and {place} has {:.1} MB left of its maxmemory of {:.1} MB: {outcome}",
            mb(needed),
            mb(free),
            mb(limit)
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_follow_memory_and_policy() {
        let info = |max_memory: Option<u64>, policy: &str| ServerInfo {
            max_memory,
            max_memory_policy: Some(policy.to_string()),
            used_memory: Some(40 << 20),
            ..ServerInfo::default()
        };
        let limit = Some(100 << 20);
        for (info, expected_bytes, parts) in [
            (ServerInfo::default(), Some(1 << 40), &[][..]),
            (info(Some(0), "allkeys-lru"), Some(1 << 40), &[]),
            (info(limit, "noeviction"), Some(50 << 20), &[]),
            (info(limit, "noeviction"), None, &[]),
            (
                info(limit, "noeviction"),
                Some(58 << 20),
                &["61.6 MB, and here has 60.0 MB left of its maxmemory of 100.0 MB: the upload will fail"],
            ),
            (info(limit, "allkeys-lru"), Some(1), &["evicts any key"]),
            (info(limit, "allkeys-lfu"), Some(u64::MAX), &["evicts any key", "this dataset included"]),
            (info(limit, "volatile-ttl"), Some(99 << 20), &["keys that have an expiry"]),
        ] {
            let found = judge(&info, expected_bytes, "here");
            assert_eq!(found.len(), parts.len(), "{found:?}");
            assert!(found.iter().zip(parts).all(|(warning, part)| warning.contains(part)), "{found:?}");
        }
    }
}

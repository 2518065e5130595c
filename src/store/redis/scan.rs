//! Finding keys.

use std::collections::HashSet;

use super::batch::Batch;
use super::errors::unexpected;
use super::pipeline::{Keys, Requests};
use super::resp::Reply;
use super::retry::Attempts;
use super::server::Server;
use crate::error::Result;

/// Keys that the server looks at in one step: about a millisecond of its time.
const STEP: &[u8] = b"1000";

/// All keys of a server that start and end like this. SCAN may give one several times.
pub(super) async fn list(
    server: &Server,
    prefix: &str,
    suffix: &str,
    mut attempts: Attempts<'_>,
) -> Result<Vec<String>> {
    let pattern = pattern(prefix, suffix);
    let what = |_| format!("SCAN '{pattern}'");
    let mut found = HashSet::new();
    let mut cursor = "0".to_string();
    loop {
        let encode = |_, batch: &mut Batch| {
            batch.command(&[b"SCAN", cursor.as_bytes(), b"MATCH", pattern.as_bytes(), b"COUNT", STEP]);
        };
        let mut reply = Reply::Nil;
        let requests = Requests { count: 1, keys: Keys::Nothing, replica_lacks: None, encode: &encode, what: &what };
        let mut accept = |_, answer| {
            reply = answer;
            Ok(())
        };
        server.pipeline(&requests, &mut attempts, &mut accept).await?;
        let (next, keys) = page(reply).ok_or_else(|| unexpected(server.place(), &what(0)))?;
        let fits = |key: &String| key.starts_with(prefix) && key.ends_with(suffix);
        found.extend(keys.into_iter().filter(fits));
        if next == "0" {
            return Ok(found.into_iter().collect());
        }
        cursor = next;
    }
}

/// The next cursor and the keys; one that is not UTF-8 is none of ours.
fn page(reply: Reply) -> Option<(String, Vec<String>)> {
    let Reply::Array(parts) = reply else { return None };
    let [Reply::Bulk(cursor), Reply::Array(keys)] = &parts[..] else { return None };
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_string);
    let cursor = text(cursor).filter(|cursor| cursor.parse::<u64>().is_ok())?;
    let key = |reply: &Reply| match reply {
        Reply::Bulk(key) => text(key),
        _ => None,
    };
    Some((cursor, keys.iter().filter_map(key).collect()))
}

/// What a server looks for. The end of the prefix may be the beginning of the suffix; such keys do not match
/// both one after the other, so then we look for the prefix alone.
fn pattern(prefix: &str, suffix: &str) -> String {
    let overlap = suffix.char_indices().any(|(at, c)| prefix.ends_with(&suffix[..at + c.len_utf8()]));
    format!("{}*{}", escape(prefix), if overlap { String::new() } else { escape(suffix) })
}

/// A text as a pattern that matches only itself.
fn escape(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_the_text_only() {
        assert_eq!(escape(r"a{b}*?[c]\^d"), r"a{b}\*\?\[c\]\\^d");
        for (prefix, suffix, expected) in [
            ("a", "b", "a*b"),
            ("", "", "*"),
            ("é*", "", r"é\**"),
            ("ab", "bc", "ab*"),
            ("ab", "ab", "ab*"),
            ("ab", "a", "ab*a"),
        ] {
            assert_eq!(pattern(prefix, suffix), expected);
        }
    }
}

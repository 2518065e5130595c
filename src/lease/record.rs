//! The value of the lease's key, and what follows from it for whoever finds it. No I/O.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::names;

/// Where the chunks of an upload lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    /// Under the prefix.
    #[default]
    Plain,
    /// Under the prefix and the upload's id.
    Versioned,
}

/// An upload, and where its chunks lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) upload_id: String,
    #[serde(default)]
    pub(crate) layout: Layout,
}

impl Version {
    /// The version that a published dataset is, from the base of one of its chunks.
    pub(crate) fn published(prefix: &str, upload_id: &str, base: Option<&str>) -> Self {
        let plain = base.is_none_or(|base| base == prefix);
        Version { upload_id: upload_id.to_string(), layout: if plain { Layout::Plain } else { Layout::Versioned } }
    }

    /// What the keys of its chunks start with.
    pub(crate) fn base(&self, prefix: &str) -> String {
        match self.layout {
            Layout::Plain => prefix.to_string(),
            Layout::Versioned => names::version_base(prefix, &self.upload_id),
        }
    }
}

/// A version that was replaced and stays for those who read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retired {
    #[serde(flatten)]
    pub(crate) version: Version,
    /// When it may go, in milliseconds since 1970 by the store's clock.
    pub(crate) until_ms: u64,
}

/// What an upload does when it publishes, beyond writing its manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Publishing {
    /// The published version that goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<Version>,
    /// How long it stays, in milliseconds.
    #[serde(default)]
    pub(crate) grace_ms: u64,
    /// When the new manifest expires, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) manifest_expires_at_ms: Option<u64>,
}

/// What earlier writers left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leftovers {
    /// Uploads that died unpublished and whose chunks may still be there.
    #[serde(default)]
    pub(crate) dead_uploads: Vec<String>,
    /// One of them was of the plain layout.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) dead_plain: bool,
    /// Replaced versions whose time is not known to be over, or to which no expiry could be given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) retired: Vec<Retired>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Leftovers {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Leftovers::default()
    }

    /// A version is published or was: it is not one of the dead.
    pub(crate) fn without(mut self, upload_id: &str) -> Self {
        self.dead_uploads.retain(|dead| dead != upload_id);
        self
    }

    /// Its chunks may be there and will never be published.
    pub(crate) fn add_dead(&mut self, version: Version) {
        self.dead_plain |= version.layout == Layout::Plain;
        self.dead_uploads.push(version.upload_id);
    }
}

/// The value of the lease's key, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format_version: u32,
    pub(super) upload_id: String,
    /// Milliseconds since 1970 by the store's clock; 0 once the lease was given back.
    pub(super) expires_at_ms: u64,
    #[serde(default)]
    pub(super) layout: Layout,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) publishing: Option<Publishing>,
    #[serde(flatten)]
    pub(super) leftovers: Leftovers,
}

impl Record {
    pub(super) fn new(upload_id: String, layout: Layout, expires_at_ms: u64) -> Self {
        Record {
            format_version: crate::FORMAT_VERSION,
            upload_id,
            expires_at_ms,
            layout,
            publishing: None,
            leftovers: Leftovers::default(),
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::internal(format!("a lease cannot be written: {e}")))
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Record> {
        serde_json::from_slice(bytes).ok()
    }

    /// The same lease, given back, with what is left to be found.
    pub(super) fn released(&self, leftovers: Leftovers) -> Record {
        Record { expires_at_ms: 0, publishing: None, leftovers, ..self.clone() }
    }

    /// When the manifest must expire that this upload published before it died.
    pub(super) fn unfinished_expiry(&self, published: Option<&str>) -> Option<u64> {
        let ours = published == Some(self.upload_id.as_str());
        self.publishing.as_ref().filter(|_| ours).and_then(|publishing| publishing.manifest_expires_at_ms)
    }

    /// What is left behind when this lease ends without its writer, while `published` is what readers see.
    pub(super) fn into_leftovers(self, published: Option<&str>, now_ms: u64) -> Leftovers {
        let Record { upload_id, expires_at_ms, layout, publishing, mut leftovers, .. } = self;
        let replaces = publishing.as_ref().and_then(|publishing| publishing.replaces.clone());
        if published == Some(upload_id.as_str()) {
            // It died after the deed: what it replaced has not been given its time.
            let grace_ms = publishing.map_or(0, |publishing| publishing.grace_ms);
            let retired = replaces.map(|version| Retired { version, until_ms: now_ms.saturating_add(grace_ms) });
            leftovers.retired.extend(retired);
        } else if expires_at_ms != 0 {
            leftovers.add_dead(Version { upload_id, layout });
            // A plain upload removes the manifest of what it replaces before it writes.
            if let (Layout::Plain, None, Some(replaced)) = (layout, published, replaces) {
                leftovers.add_dead(replaced);
            }
        }
        leftovers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(upload_id: &str, layout: Layout) -> Version {
        Version { upload_id: upload_id.to_string(), layout }
    }

    fn record(layout: Layout, publishing: Option<Publishing>) -> Record {
        Record { publishing, ..Record::new("mine".to_string(), layout, 500) }
    }

    fn dead(ids: &[&str], dead_plain: bool) -> Leftovers {
        Leftovers { dead_uploads: ids.iter().map(|id| id.to_string()).collect(), dead_plain, retired: Vec::new() }
    }

    #[test]
    fn what_a_dead_writer_leaves_depends_on_how_far_it_came() {
        let replaces = |layout| {
            Some(Publishing { replaces: Some(version("old", layout)), grace_ms: 70, manifest_expires_at_ms: Some(9) })
        };
        let retired = |layout| Leftovers {
            retired: vec![Retired { version: version("old", layout), until_ms: 1070 }],
            ..Leftovers::default()
        };
        use Layout::{Plain, Versioned};
        for (record, published, expected, expiry) in [
            (record(Plain, None), None, dead(&["mine"], true), None),
            (record(Versioned, None), None, dead(&["mine"], false), None),
            (record(Versioned, None), Some("old"), dead(&["mine"], false), None),
            (record(Versioned, replaces(Plain)), Some("old"), dead(&["mine"], false), None),
            (record(Versioned, replaces(Plain)), Some("mine"), retired(Plain), Some(9)),
            (record(Versioned, replaces(Versioned)), Some("mine"), retired(Versioned), Some(9)),
            (record(Versioned, None), Some("mine"), Leftovers::default(), None),
            // Overwriting in the plain layout: before and after the old manifest went.
            (record(Plain, replaces(Versioned)), Some("old"), dead(&["mine"], true), None),
            (record(Plain, replaces(Versioned)), None, dead(&["mine", "old"], true), None),
            (record(Plain, None).released(dead(&["other"], false)), None, dead(&["other"], false), None),
        ] {
            assert_eq!(record.unfinished_expiry(published), expiry, "{record:?}");
            assert_eq!(record.clone().into_leftovers(published, 1000), expected, "{record:?} {published:?}");
        }
    }

    #[test]
    fn the_value_is_json_of_a_fixed_form() {
        let plain = record(Layout::Plain, None);
        let text = r#"{"format_version":1,"upload_id":"mine","expires_at_ms":500,"layout":"plain","dead_uploads":[]}"#;
        assert_eq!(String::from_utf8(plain.encode().unwrap()).unwrap(), text);
        let full = Record {
            leftovers: Leftovers {
                dead_plain: true,
                retired: vec![Retired { version: version("old", Layout::Versioned), until_ms: 7 }],
                ..dead(&["a"], true)
            },
            ..record(Layout::Versioned, Some(Publishing::default()))
        };
        for record in [plain, full] {
            assert_eq!(Record::decode(&record.encode().unwrap()), Some(record));
        }
        let (_, shown) = include_str!("../../docs/format.md").split_once("```json\n").unwrap();
        let (shown, _) = shown.split_once("\n```").unwrap();
        let read = Record::decode(shown.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(read.encode().unwrap()).unwrap(),
            shown,
            "as the description of the format shows it"
        );
        let older = r#"{"format_version":1,"upload_id":"x","expires_at_ms":1}"#;
        assert_eq!(Record::decode(older.as_bytes()).unwrap().leftovers, Leftovers::default());
        assert_eq!(Record::decode(b"not a lease"), None);
    }
}

//! What a transaction read and wants to write. It travels inside `ChaincodeAction.results`, so its bytes are signed by
//! every endorser: entries are sorted and the encoding is canonical.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::{self, DecodeError};
use crate::ids::{Digest, Version};
use crate::limits::{KEY_BYTES_MAX, NAME_BYTES_MAX, RWSET_BYTES_MAX, RWSET_ENTRIES_MAX, VALUE_BYTES_MAX};

/// A key that was read, and the version it had; `None` where it did not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvRead {
    /// The key.
    pub key: String,
    /// Where its value had been written.
    pub version: Option<Version>,
}

/// A key that is written: a value, or `None` to delete it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvWrite {
    /// The key.
    pub key: String,
    /// The new value.
    pub value: Option<Bytes>,
}

/// A range that was scanned: what came back is summed in a digest, to detect phantoms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeQuery {
    /// First key, inclusive.
    pub start: String,
    /// Last key, exclusive; empty for no end. Where the scan stopped early, the last key it returned followed by a zero
    /// character, so that the range covers exactly what was seen.
    pub end: String,
    /// Whether the chaincode read the range to its end.
    pub exhausted: bool,
    /// SHA-256 over the MessagePack of the (key, version) pairs returned, in order: see [`RangeQuery::digest_of`].
    pub digest: Digest,
}

impl RangeQuery {
    /// The digest of a scan's result: SHA-256 of the MessagePack array of `[key, version]`.
    #[must_use]
    pub fn digest_of(results: &[(String, Version)]) -> Digest {
        Digest::of(&codec::encode(&results))
    }
}

/// The part of a read-write set that concerns one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceSet {
    /// The namespace: a chaincode's name.
    pub name: String,
    /// Keys read, sorted, each once.
    pub reads: Vec<KvRead>,
    /// Ranges scanned, in the order of the scans.
    pub ranges: Vec<RangeQuery>,
    /// Keys written, sorted, each once.
    pub writes: Vec<KvWrite>,
    /// Key-level metadata; must be empty in version 1.
    pub metadata_writes: Vec<Bytes>,
    /// Private data; must be empty in version 1.
    pub private: Vec<Bytes>,
}

/// A transaction's reads and writes, namespaces sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadWriteSet {
    /// Version of this type's encoding.
    pub version: u16,
    /// One entry a namespace that was touched.
    pub namespaces: Vec<NamespaceSet>,
}

/// Why a read-write set is refused.
#[derive(Debug, Error)]
pub enum RwsetError {
    /// The bytes are no read-write set.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A rule of its form is broken.
    #[error("read-write set of namespace {namespace:?}: {rule}")]
    Form {
        /// The namespace.
        namespace: String,
        /// The rule.
        rule: &'static str,
    },
}

impl ReadWriteSet {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;

    /// A set that touches nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self { version: Self::VERSION, namespaces: Vec::new() }
    }

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a set and checks its form: limits, order, uniqueness, the fields that version 1 leaves empty.
    ///
    /// # Errors
    /// [`RwsetError`] for bytes that are no canonical set, and for each broken rule of form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RwsetError> {
        let set: Self = codec::decode_canonical(bytes, RWSET_BYTES_MAX)?;
        codec::expect_version("ReadWriteSet", set.version, Self::VERSION)?;
        set.check_form()?;
        Ok(set)
    }

    fn check_form(&self) -> Result<(), RwsetError> {
        for pair in self.namespaces.windows(2) {
            if pair[0].name >= pair[1].name {
                return Err(broken(&pair[1], "namespaces are not sorted and unique"));
            }
        }
        self.namespaces.iter().try_for_each(NamespaceSet::check_form)
    }
}

impl NamespaceSet {
    fn check_form(&self) -> Result<(), RwsetError> {
        let entries = self.reads.len().max(self.writes.len()).max(self.ranges.len());
        let sorted_reads = self.reads.windows(2).all(|pair| pair[0].key < pair[1].key);
        let sorted_writes = self.writes.windows(2).all(|pair| pair[0].key < pair[1].key);
        let keys = self.reads.iter().map(|read| &read.key).chain(self.writes.iter().map(|write| &write.key));
        let mut lengths = keys.map(String::len);
        let values = self.writes.iter().filter_map(|write| write.value.as_ref());
        let rules: [(bool, &'static str); 8] = [
            (!self.name.is_empty() && self.name.len() <= NAME_BYTES_MAX, "the name has 1 to 128 bytes"),
            (entries <= RWSET_ENTRIES_MAX, "too many reads, writes or ranges"),
            (sorted_reads, "reads are not sorted and unique"),
            (sorted_writes, "writes are not sorted and unique"),
            (lengths.all(|length| length > 0 && length <= KEY_BYTES_MAX), "a key has 1 to 4096 bytes"),
            (values.map(Bytes::len).all(|length| length <= VALUE_BYTES_MAX), "a value exceeds its limit"),
            (self.metadata_writes.is_empty(), "metadata writes are not part of version 1"),
            (self.private.is_empty(), "private data is not part of version 1"),
        ];
        match rules.iter().find(|(kept, _)| !kept) {
            Some((_, rule)) => Err(broken(self, rule)),
            None => Ok(()),
        }
    }
}

fn broken(namespace: &NamespaceSet, rule: &'static str) -> RwsetError {
    RwsetError::Form { namespace: namespace.name.chars().take(64).collect(), rule }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(key: &str) -> KvWrite {
        KvWrite { key: key.into(), value: Some(Bytes::from_static(b"v")) }
    }

    fn namespace(name: &str) -> NamespaceSet {
        NamespaceSet { name: name.into(), ..NamespaceSet::default() }
    }

    #[test]
    fn the_form_is_checked_rule_by_rule() {
        let read = |key: &str| KvRead { key: key.into(), version: None };
        let rows: Vec<(&str, Vec<NamespaceSet>, bool)> = vec![
            ("empty", vec![], true),
            (
                "sorted writes",
                vec![NamespaceSet { writes: vec![write("a"), write("b")], ..namespace("cc") }],
                true,
            ),
            (
                "unsorted writes",
                vec![NamespaceSet { writes: vec![write("b"), write("a")], ..namespace("cc") }],
                false,
            ),
            (
                "a key twice",
                vec![NamespaceSet { writes: vec![write("a"), write("a")], ..namespace("cc") }],
                false,
            ),
            (
                "unsorted reads",
                vec![NamespaceSet { reads: vec![read("b"), read("a")], ..namespace("cc") }],
                false,
            ),
            ("an empty key", vec![NamespaceSet { writes: vec![write("")], ..namespace("cc") }], false),
            (
                "a long key",
                vec![NamespaceSet { writes: vec![write(&"k".repeat(4097))], ..namespace("cc") }],
                false,
            ),
            ("no name", vec![namespace("")], false),
            ("unsorted namespaces", vec![namespace("b"), namespace("a")], false),
            ("a namespace twice", vec![namespace("a"), namespace("a")], false),
            ("metadata", vec![NamespaceSet { metadata_writes: vec![Bytes::new()], ..namespace("a") }], false),
            ("private data", vec![NamespaceSet { private: vec![Bytes::new()], ..namespace("a") }], false),
        ];
        for (name, namespaces, accepted) in rows {
            let set = ReadWriteSet { version: ReadWriteSet::VERSION, namespaces };
            assert_eq!(ReadWriteSet::from_bytes(&set.to_bytes()).is_ok(), accepted, "{name}");
        }
        let newer = ReadWriteSet { version: 2, namespaces: vec![] };
        assert!(ReadWriteSet::from_bytes(&newer.to_bytes()).is_err());
    }
}

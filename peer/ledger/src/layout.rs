//! Every key and value of a ledger, to the byte. Numbers are big-endian, so that keys sort by number.
//!
//! ```text
//! blocks, block_index   as the block store documents; the mark of a transaction is its validation code
//! state      namespace ‖ 0x00 ‖ key                                   -> 0x01 ‖ block(8) ‖ tx(4) ‖ value
//! history    namespace ‖ 0x00 ‖ key length(2) ‖ key ‖ block(8) ‖ tx(4) -> 0x00 written, 0x01 deleted
//! commits    block(8) -> MessagePack [version, block hash, commit hash, codes as one binary]
//!            "outvoted by a majority" -> MessagePack Outvoted: nothing more is committed to this ledger
//! configs    block(8) -> MessagePack ChannelConfig, in force from the block after on
//! ```
//!
//! A namespace holds no zero byte, so no namespace's keys lie among another's, and within one they sort as their UTF-8
//! bytes. The history key carries the key's length, since a key may begin with another one. The first byte of a state
//! value is the version of its encoding. Identities are state of the namespace `_identity` like any other.

use protocol::limits::{KEY_BYTES_MAX, NAME_BYTES_MAX};
use protocol::{BlockNumber, TxNumber, Version};
use store::{BLOCK_FAMILIES, FamilyKind, FamilySpec, KeyRange};

pub(crate) const STATE: &str = "state";
pub(crate) const HISTORY: &str = "history";
pub(crate) const COMMITS: &str = "commits";
pub(crate) const CONFIGS: &str = "configs";

/// What a folder of this kind is called in its layout record.
pub(crate) const PURPOSE: &str = "ledger";
/// The version of the layout above.
pub(crate) const LAYOUT: u32 = 1;

/// A key of the family of commits that is no block's: those have eight bytes.
pub(crate) const OUTVOTED_KEY: &[u8] = b"outvoted by a majority";

const STATE_FORMAT: u8 = 1;
const VERSION_BYTES: usize = 12;

pub(crate) fn families() -> [FamilySpec; 6] {
    let [blocks, block_index] = BLOCK_FAMILIES;
    [
        blocks,
        block_index,
        FamilySpec { name: STATE, kind: FamilyKind::State },
        FamilySpec { name: HISTORY, kind: FamilyKind::Small },
        FamilySpec { name: COMMITS, kind: FamilyKind::Small },
        FamilySpec { name: CONFIGS, kind: FamilyKind::Small },
    ]
}

/// Whether the layout can hold the key: the limits that every read-write set keeps, and no zero byte in the namespace.
pub(crate) fn is_storable(namespace: &str, key: &str) -> bool {
    !namespace.is_empty()
        && namespace.len() <= NAME_BYTES_MAX
        && !namespace.contains('\0')
        && !key.is_empty()
        && key.len() <= KEY_BYTES_MAX
}

pub(crate) const fn block_key(number: BlockNumber) -> [u8; 8] {
    number.0.to_be_bytes()
}

pub(crate) fn state_key(namespace: &str, key: &str) -> Vec<u8> {
    [namespace.as_bytes(), &[0], key.as_bytes()].concat()
}

/// The keys of a namespace from `start` (inclusive) to `end` (exclusive; empty for the namespace's end).
pub(crate) fn state_range(namespace: &str, start: &str, end: &str) -> KeyRange {
    let end = if end.is_empty() { [namespace.as_bytes(), &[1]].concat() } else { state_key(namespace, end) };
    KeyRange::between(state_key(namespace, start), end)
}

/// The key within its namespace, from a key of the family `state`.
pub(crate) fn key_of_state_key<'a>(namespace: &str, stored: &'a [u8]) -> Option<&'a str> {
    let (_, key) = stored.split_at_checked(namespace.len().checked_add(1)?)?;
    std::str::from_utf8(key).ok()
}

pub(crate) fn state_value(version: Version, value: &[u8]) -> Vec<u8> {
    [&[STATE_FORMAT], &version_bytes(version)[..], value].concat()
}

/// Version and value, `None` where the bytes are no state value of this layout.
pub(crate) fn parse_state_value(stored: &[u8]) -> Option<(Version, &[u8])> {
    let (format, rest) = stored.split_first()?;
    let (version, value) = rest.split_first_chunk::<VERSION_BYTES>()?;
    (*format == STATE_FORMAT).then(|| (parse_version(version), value))
}

pub(crate) fn history_prefix(namespace: &str, key: &str) -> Vec<u8> {
    // A key has at most 4,096 bytes, which `is_storable` checked; a longer one has no history.
    let length = u16::try_from(key.len()).unwrap_or(u16::MAX);
    [namespace.as_bytes(), &[0], &length.to_be_bytes(), key.as_bytes()].concat()
}

pub(crate) fn history_key(namespace: &str, key: &str, version: Version) -> Vec<u8> {
    let mut bytes = history_prefix(namespace, key);
    bytes.extend_from_slice(&version_bytes(version));
    bytes
}

/// The version at the end of a history key.
pub(crate) fn version_of_history_key(stored: &[u8]) -> Option<Version> {
    stored.last_chunk::<VERSION_BYTES>().map(parse_version)
}

fn version_bytes(version: Version) -> [u8; VERSION_BYTES] {
    let mut bytes = [0; VERSION_BYTES];
    bytes[..8].copy_from_slice(&version.block_number.0.to_be_bytes());
    bytes[8..].copy_from_slice(&version.tx_number.0.to_be_bytes());
    bytes
}

fn parse_version(bytes: &[u8; VERSION_BYTES]) -> Version {
    let [b0, b1, b2, b3, b4, b5, b6, b7, t0, t1, t2, t3] = *bytes;
    Version {
        block_number: BlockNumber(u64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7])),
        tx_number: TxNumber(u32::from_be_bytes([t0, t1, t2, t3])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: Version = Version { block_number: BlockNumber(258), tx_number: TxNumber(3) };

    #[test]
    fn keys_and_values_have_the_documented_bytes() {
        assert_eq!(state_key("cc", "k"), b"cc\0k");
        assert_eq!(block_key(BlockNumber(258)), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(state_value(VERSION, b"v"), [1, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, b'v']);
        assert_eq!(
            history_key("cc", "k", VERSION),
            [b'c', b'c', 0, 0, 1, b'k', 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3]
        );
    }

    #[test]
    fn values_read_back_and_other_bytes_do_not() {
        let stored = state_value(VERSION, b"value");
        assert_eq!(parse_state_value(&stored), Some((VERSION, &b"value"[..])));
        assert_eq!(parse_state_value(&state_value(VERSION, b"")), Some((VERSION, &b""[..])));
        for cut in 0..13 {
            assert_eq!(parse_state_value(&stored[..cut]), None);
        }
        let newer = [&[2], &stored[1..]].concat();
        assert_eq!(parse_state_value(&newer), None);
        assert_eq!(version_of_history_key(&history_key("cc", "key", VERSION)), Some(VERSION));
        assert_eq!(version_of_history_key(b"short"), None);
    }

    #[test]
    fn no_namespace_or_key_reaches_into_another() {
        assert!(state_key("a", "z") < state_key("ab", "a"), "namespaces do not interleave");
        assert_eq!(state_range("a", "", ""), KeyRange::between(*b"a\0", *b"a\x01"));
        assert_eq!(state_range("a", "b", "c"), KeyRange::between(*b"a\0b", *b"a\0c"));
        assert_eq!(key_of_state_key("cc", b"cc\0key"), Some("key"));
        assert_eq!(key_of_state_key("cc", b"cc"), None);
        let (short, long) = (history_prefix("cc", "k"), history_key("cc", "kk", VERSION));
        assert!(!long.starts_with(&short));
        let rows: &[(&str, &str, bool)] = &[
            // namespace, key, may be stored
            ("cc", "k", true),
            ("cc", "k\0k", true),
            ("_identity", "MSP/00", true),
            ("c\0c", "k", false),
            ("", "k", false),
            ("cc", "", false),
        ];
        for (namespace, key, storable) in rows {
            assert_eq!(is_storable(namespace, key), *storable, "{namespace:?} {key:?}");
        }
        assert!(is_storable("cc", &"k".repeat(KEY_BYTES_MAX)));
        assert!(!is_storable("cc", &"k".repeat(KEY_BYTES_MAX + 1)));
        assert!(!is_storable(&"n".repeat(NAME_BYTES_MAX + 1), "k"));
    }
}

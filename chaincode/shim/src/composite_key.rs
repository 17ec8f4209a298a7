//! Composite keys, to the character as Fabric's shim makes them: U+0000, the object type, and each attribute, every part
//! ended by U+0000.
//!
//! They live apart from plain keys, since no plain range begins before U+0001, and all keys of one object type and of its
//! first attributes lie side by side.

use crate::chaincode::StubError;

/// Begins every composite key and ends each of its parts; `minUnicodeRuneValue` of Fabric's shim.
const SEPARATOR: char = '\u{0}';
/// Stands behind every part that a key can have; `maxUnicodeRuneValue` of Fabric's shim.
const MAX: char = '\u{10ffff}';
/// Where plain keys begin; what Fabric's shim puts in place of an empty first key.
const FIRST_PLAIN_KEY: &str = "\u{1}";

/// The key of an object type and its attributes.
///
/// # Errors
/// [`StubError::BadAttribute`] for a part that holds U+0000 or U+10FFFF.
pub fn create_composite_key(object_type: &str, attributes: &[&str]) -> Result<String, StubError> {
    let mut key = String::from(SEPARATOR);
    for part in std::iter::once(&object_type).chain(attributes) {
        if let Some((place, found)) = part.char_indices().find(|(_, c)| [SEPARATOR, MAX].contains(c)) {
            return Err(StubError::BadAttribute { place, code_point: found.into() });
        }
        key.push_str(part);
        key.push(SEPARATOR);
    }
    Ok(key)
}

/// The object type and the attributes of a composite key.
///
/// # Errors
/// [`StubError::NotComposite`] for a key that [`create_composite_key`] does not make.
pub fn split_composite_key(key: &str) -> Result<(String, Vec<String>), StubError> {
    let fault = || StubError::NotComposite { key: key.chars().take(64).collect() };
    let parts = key.strip_prefix(SEPARATOR).and_then(|rest| rest.strip_suffix(SEPARATOR));
    let mut parts = parts.ok_or_else(fault)?.split(SEPARATOR).map(str::to_owned);
    let object_type = parts.next().ok_or_else(fault)?;
    Ok((object_type, parts.collect()))
}

/// The range of all keys that begin with these parts and have more of them.
pub(crate) fn partial_range(object_type: &str, attributes: &[&str]) -> Result<(String, String), StubError> {
    let start = create_composite_key(object_type, attributes)?;
    let end = format!("{start}{MAX}");
    Ok((start, end))
}

/// The start of a range of plain keys: composite ones are never among them.
pub(crate) fn plain_start(start: &str) -> Result<&str, StubError> {
    match start {
        "" => Ok(FIRST_PLAIN_KEY),
        key if key.starts_with(SEPARATOR) => {
            Err(StubError::CompositeBound { key: key.chars().take(64).collect() })
        }
        key => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composite_key_is_fabrics_and_reads_back() {
        let rows: &[(&str, &[&str], &str)] = &[
            ("color~name", &["blue", "car1"], "\0color~name\0blue\0car1\0"),
            ("type", &[], "\0type\0"),
            ("", &["a"], "\0\0a\0"),
            ("t", &["", "b"], "\0t\0\0b\0"),
            ("ü", &["\u{10fffe}"], "\0ü\0\u{10fffe}\0"),
        ];
        for (object_type, attributes, key) in rows {
            assert_eq!(create_composite_key(object_type, attributes).unwrap(), *key);
            let (found, parts) = split_composite_key(key).unwrap();
            assert_eq!(
                (found.as_str(), parts),
                (*object_type, attributes.iter().map(|a| (*a).into()).collect())
            );
        }
    }

    #[test]
    fn parts_with_the_reserved_characters_and_other_keys_are_refused() {
        let rows: &[(&str, &[&str], &str)] = &[
            ("a\0", &[], "U+0000 at byte 1"),
            ("t", &["ok", "ä\0"], "U+0000 at byte 2"),
            ("t", &["\u{10ffff}"], "U+10FFFF at byte 0"),
        ];
        for (object_type, attributes, text) in rows {
            let error = create_composite_key(object_type, attributes).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        for key in ["", "plain", "\0open", "\0"] {
            assert!(split_composite_key(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_partial_range_holds_the_longer_keys_and_no_others() {
        let (start, end) = partial_range("t", &["a"]).unwrap();
        let rows = [
            (create_composite_key("t", &["a", ""]).unwrap(), true),
            (create_composite_key("t", &["a", "b", "c"]).unwrap(), true),
            (create_composite_key("t", &["a", "\u{10fffe}"]).unwrap(), true),
            (create_composite_key("t", &["ab"]).unwrap(), false),
            (create_composite_key("t", &["b"]).unwrap(), false),
            ("t".to_owned(), false),
        ];
        for (key, inside) in rows {
            assert_eq!((start.as_str()..end.as_str()).contains(&key.as_str()), inside, "{key:?}");
        }
        assert_eq!(plain_start("").unwrap(), "\u{1}");
        assert_eq!(plain_start("a").unwrap(), "a");
        assert!(plain_start("\0t\0").is_err());
    }
}

//! Looking for something that must not be there, or that stands somewhere in an answer.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The files below `folder` that hold `needle` anywhere in their bytes.
///
/// # Errors
/// A folder that is not readable. A file that goes away meanwhile (a store drops its logs) is left out.
pub fn files_holding(folder: &Path, needle: &[u8]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path).is_ok_and(|bytes| holds(&bytes, needle)) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return true };
    let mut from = 0;
    while let Some(place) = bytes[from..].iter().position(|byte| byte == first) {
        let after = from + place + 1;
        if bytes[after..].starts_with(rest) {
            return true;
        }
        from = after;
    }
    false
}

/// The first value under `key` in a JSON value, at any depth.
#[must_use]
pub fn find_in_json<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => {
            fields.get(key).or_else(|| fields.values().find_map(|field| find_in_json(field, key)))
        }
        Value::Array(items) => items.iter().find_map(|item| find_in_json(item, key)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_wherever_they_stand() {
        let rows: &[(&[u8], &[u8], bool)] = &[
            (b"abcabd", b"abd", true),
            (b"aab", b"ab", true),
            (b"abc", b"abd", false),
            (b"ab", b"abc", false),
            (b"", b"a", false),
            (b"xa", b"a", true),
        ];
        for (bytes, needle, found) in rows {
            assert_eq!(holds(bytes, needle), *found, "{needle:?} in {bytes:?}");
        }
    }

    #[test]
    fn a_folder_is_searched_to_its_depth() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/file"), b"..needle..").unwrap();
        fs::write(folder.path().join("other"), b"hay").unwrap();
        assert_eq!(files_holding(folder.path(), b"needle").unwrap(), [folder.path().join("a/b/file")]);
    }

    #[test]
    fn a_key_is_found_at_any_depth() {
        let value = serde_json::json!({ "a": [{ "b": { "c": 7 } }] });
        assert_eq!(find_in_json(&value, "c"), Some(&serde_json::json!(7)));
        assert_eq!(find_in_json(&value, "d"), None);
    }
}

//! A range of keys in byte order, and the direction to walk it.

/// Keys from `start` (inclusive) to `end` (exclusive; `None` for the family's end).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Option<Vec<u8>>,
}

/// The direction of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the least key.
    Ascending,
    /// From the greatest key.
    Descending,
}

impl KeyRange {
    /// Every key of a family.
    #[must_use]
    pub const fn all() -> Self {
        Self { start: Vec::new(), end: None }
    }

    /// Keys from `start` (inclusive) to `end` (exclusive).
    #[must_use]
    pub fn between(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// Keys from `start` on.
    #[must_use]
    pub fn from(start: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), end: None }
    }

    /// Keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        let start = prefix.into();
        let mut end = start.clone();
        // The least key above all keys with the prefix: drop trailing 0xff, then count the last byte up.
        while let Some(last) = end.pop() {
            if let Some(above) = last.checked_add(1) {
                end.push(above);
                return Self { start, end: Some(end) };
            }
        }
        Self { start, end: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_range_ends_right_above_its_last_key() {
        let rows: &[(&[u8], Option<&[u8]>)] = &[
            (b"", None),
            (b"a", Some(b"b")),
            (b"a\xff", Some(b"b")),
            (b"a\xff\xff", Some(b"b")),
            (b"\xff\xff", None),
            (b"\x00", Some(b"\x01")),
            (b"ab\xfe", Some(b"ab\xff")),
        ];
        for (prefix, end) in rows {
            let range = KeyRange::prefix(*prefix);
            assert_eq!(range.start, *prefix);
            assert_eq!(range.end.as_deref(), *end, "prefix {prefix:?}");
        }
        assert!(KeyRange::between(*b"b", *b"a").is_empty());
        assert!(KeyRange::between(*b"a", *b"a").is_empty());
        assert!(!KeyRange::all().is_empty());
    }
}

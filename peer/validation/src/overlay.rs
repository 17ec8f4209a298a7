//! The writes of a block's valid transactions so far, above the state before the block.

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;
use protocol::{ReadWriteSet, Version};

use crate::{state::StateFault, state::StateReader, validated::StateWrite};

/// Keys that are fetched at once when a scan is repeated.
const PAGE_KEYS: usize = 1_024;

#[derive(Debug)]
struct Entry {
    value: Option<Bytes>,
    version: Version,
}

/// Keys by namespace; the last write wins.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    namespaces: BTreeMap<String, BTreeMap<String, Entry>>,
}

impl Overlay {
    /// Takes the writes of a valid transaction.
    pub(crate) fn apply(&mut self, set: &ReadWriteSet, version: Version) {
        for namespace in set.namespaces.iter().filter(|namespace| !namespace.writes.is_empty()) {
            let keys = self.namespaces.entry(namespace.name.clone()).or_default();
            for write in &namespace.writes {
                keys.insert(write.key.clone(), Entry { value: write.value.clone(), version });
            }
        }
    }

    /// Where the key was last written, in this block or before it.
    pub(crate) fn version(
        &self,
        state: &dyn StateReader,
        namespace: &str,
        key: &str,
    ) -> Result<Option<Version>, StateFault> {
        match self.namespaces.get(namespace).and_then(|keys| keys.get(key)) {
            Some(entry) => Ok(entry.value.as_ref().map(|_| entry.version)),
            None => state.version(namespace, key),
        }
    }

    /// The keys from `start` to `end` with their versions, in order; `None` where they are more than `limit`.
    pub(crate) fn range(
        &self,
        state: &dyn StateReader,
        namespace: &str,
        (start, end): (&str, &str),
        limit: usize,
    ) -> Result<Option<Vec<(String, Version)>>, StateFault> {
        if !end.is_empty() && start >= end {
            return Ok(Some(Vec::new()));
        }
        let empty = BTreeMap::new();
        let written = self.namespaces.get(namespace).unwrap_or(&empty);
        let upper = if end.is_empty() { Bound::Unbounded } else { Bound::Excluded(end) };
        let live = written
            .range::<str, _>((Bound::Included(start), upper))
            .filter(|(_, entry)| entry.value.is_some())
            .map(|(key, entry)| (key.clone(), entry.version));
        let mut found: BTreeMap<String, Version> = live.collect();
        let mut cursor = start.to_owned();
        while found.len() <= limit {
            let page = state.range(namespace, &cursor, end, PAGE_KEYS)?;
            let is_last = page.len() < PAGE_KEYS;
            let Some((last, _)) = page.last() else { break };
            if *last < cursor {
                return Err(StateFault::corrupt(format!("a scan of namespace {namespace} went backwards")));
            }
            // The next page begins right after the last key of this one.
            cursor = format!("{last}\0");
            found.extend(page.into_iter().filter(|(key, _)| !written.contains_key(key)));
            if is_last {
                break;
            }
        }
        Ok((found.len() <= limit).then(|| found.into_iter().collect()))
    }

    /// The last write of each key, sorted by namespace and key.
    pub(crate) fn into_writes(self) -> Vec<StateWrite> {
        let mut writes = Vec::new();
        for (namespace, keys) in self.namespaces {
            for (key, Entry { value, version }) in keys {
                writes.push(StateWrite { namespace: namespace.clone(), key, value, version });
            }
        }
        writes
    }
}

#[cfg(test)]
mod tests {
    use protocol::{BlockNumber, IdentityRecord, KvWrite, MspId, NamespaceSet, Poi, TxId, TxNumber};

    use super::*;

    /// Keys `k00000` and on, in one namespace; a broken reader starts every page anew.
    struct Keys {
        count: usize,
        is_broken: bool,
    }

    const OLD: Version = Version { block_number: BlockNumber(1), tx_number: TxNumber(0) };
    const NEW: Version = Version { block_number: BlockNumber(2), tx_number: TxNumber(0) };

    impl StateReader for Keys {
        fn version(&self, _: &str, _: &str) -> Result<Option<Version>, StateFault> {
            Ok(Some(OLD))
        }

        fn range(
            &self,
            _: &str,
            start: &str,
            end: &str,
            limit: usize,
        ) -> Result<Vec<(String, Version)>, StateFault> {
            let start = if self.is_broken { "" } else { start };
            let keys = (0..self.count).map(|number| format!("k{number:05}"));
            let inside = keys.filter(|key| key.as_str() >= start && (end.is_empty() || key.as_str() < end));
            Ok(inside.take(limit).map(|key| (key, OLD)).collect())
        }

        fn has_transaction(&self, _: &TxId) -> Result<bool, StateFault> {
            Ok(false)
        }

        fn identity(&self, _: &MspId, _: &Poi) -> Result<Option<IdentityRecord>, StateFault> {
            Ok(None)
        }
    }

    fn overlay(writes: &[(&str, Option<&'static [u8]>)]) -> Overlay {
        let writes = writes
            .iter()
            .map(|(key, value)| KvWrite { key: (*key).to_owned(), value: value.map(Bytes::from_static) });
        let set = NamespaceSet { name: "cc".into(), writes: writes.collect(), ..NamespaceSet::default() };
        let mut overlay = Overlay::default();
        overlay.apply(&ReadWriteSet { version: 1, namespaces: vec![set] }, NEW);
        overlay
    }

    #[test]
    fn a_scan_joins_pages_and_writes_and_is_bounded() {
        let written = overlay(&[("k00000", None), ("k01024", Some(b"v")), ("k99999", Some(b"v"))]);
        let rows: &[(usize, &str, &str, usize, Option<usize>)] = &[
            // keys in the state, start, end, limit, keys found
            (0, "", "", 10, Some(2)),
            (3, "", "", 10, Some(4)),
            (3, "k00001", "k00002", 10, Some(1)),
            (3, "k00002", "k00001", 10, Some(0)),
            (1_024, "", "k5", 5_000, Some(1_024)),
            (3_000, "", "k5", 5_000, Some(2_999)),
            (3_000, "", "", 3_000, Some(3_000)),
            (3_000, "", "", 2_999, None),
            (60_000, "", "", 50, None),
        ];
        for (count, start, end, limit, expected) in rows {
            let keys = Keys { count: *count, is_broken: false };
            let found = written.range(&keys, "cc", (start, end), *limit).expect("readable");
            assert_eq!(found.as_ref().map(Vec::len), *expected, "{count} keys from {start:?} to {end:?}");
            assert!(
                found.is_none_or(|found| found.is_sorted() && found.iter().all(|(key, _)| key != "k00000"))
            );
        }
        let found = written.range(&Keys { count: 3_000, is_broken: false }, "cc", ("k01024", "k01026"), 9);
        let found = found.expect("readable").expect("few");
        assert_eq!(found, [("k01024".to_owned(), NEW), ("k01025".to_owned(), OLD)]);
    }

    #[test]
    fn a_reader_that_goes_backwards_is_a_fault_and_no_endless_loop() {
        let keys = Keys { count: 3_000, is_broken: true };
        assert!(overlay(&[]).range(&keys, "cc", ("", ""), 50_000).is_err());
    }

    #[test]
    fn a_deleted_key_has_no_version_and_another_namespace_is_not_touched() {
        let written = overlay(&[("a", None), ("b", Some(b"v"))]);
        let keys = Keys { count: 0, is_broken: false };
        let rows =
            [("cc", "a", None), ("cc", "b", Some(NEW)), ("cc", "c", Some(OLD)), ("other", "a", Some(OLD))];
        for (namespace, key, version) in rows {
            assert_eq!(
                written.version(&keys, namespace, key).expect("readable"),
                version,
                "{namespace} {key}"
            );
        }
    }
}

//! Reading: the same methods on the store as it is now and on a snapshot of one moment.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{ColumnFamily, DB, DBRawIterator, ReadOptions};

use crate::error::{Operation, StoreError};
use crate::key_range::{KeyRange, Order};
use crate::memory::{Families, range_of};
use crate::store::{Engine, Inner};

/// A key and its value.
pub type Entry = (Bytes, Bytes);

/// What a read looks at: a store, and the moment of a snapshot if there is one.
#[derive(Clone)]
pub struct View<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) path: &'a Path,
}

/// Where a view finds keys.
#[derive(Clone)]
pub(crate) enum Source<'a> {
    /// In files: as they are, or as they were at a moment.
    Files { db: &'a DB, moment: Option<&'a rocksdb::Snapshot<'a>> },
    /// In memory, at one moment.
    Memory(Arc<Families>),
}

impl<'a> Source<'a> {
    pub(crate) fn now(inner: &'a Inner) -> Self {
        match &inner.engine {
            Engine::Files(db) => Self::Files { db, moment: None },
            Engine::Memory(memory) => Self::Memory(memory.moment()),
        }
    }
}

/// Reads keys of a store. Every value is checked against the engine's checksum.
///
/// # Errors
/// All methods: [`StoreError::UnknownFamily`] for a family that was not declared at opening, [`StoreError::Corrupt`] for
/// damaged data, [`StoreError::Io`] and [`StoreError::Engine`] for whatever else the engine reports.
pub trait Read {
    /// What the methods below look at.
    fn view(&self) -> View<'_>;

    /// The folder of the store.
    fn path(&self) -> &Path {
        self.view().path
    }

    /// The value of a key.
    fn get(&self, family: &'static str, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.inspect(family, key, Bytes::copy_from_slice)
    }

    /// What `look` makes of the value of a key, without a copy of it.
    fn inspect<T>(
        &self,
        family: &'static str,
        key: &[u8],
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, StoreError> {
        let view = self.view();
        let db = match &view.source {
            Source::Files { db, .. } => db,
            Source::Memory(families) => {
                return Ok(of_memory(families, view.path, family)?.get(key).map(|value| look(value)));
            }
        };
        let value = db
            .get_pinned_cf_opt(family_of(db, view.path, family)?, key, &view.options())
            .map_err(|error| view.fault(family, &error))?;
        Ok(value.map(|value| look(&value)))
    }

    /// Whether a key exists.
    fn exists(&self, family: &'static str, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.inspect(family, key, |_| ())?.is_some())
    }

    /// The values of many keys of a family, in the order of the keys. Faster where the keys are sorted.
    fn multi_get<K: AsRef<[u8]>>(
        &self,
        family: &'static str,
        keys: &[K],
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let view = self.view();
        let db = match &view.source {
            Source::Files { db, .. } => db,
            Source::Memory(families) => {
                let family = of_memory(families, view.path, family)?;
                return Ok(keys.iter().map(|key| family.get(key.as_ref()).cloned()).collect());
            }
        };
        let sorted = keys.is_sorted_by(|left, right| left.as_ref() <= right.as_ref());
        let values = db.batched_multi_get_cf_opt(
            family_of(db, view.path, family)?,
            keys.iter().map(AsRef::as_ref),
            sorted,
            &view.options(),
        );
        values
            .into_iter()
            .map(|value| match value {
                Ok(value) => Ok(value.map(|value| Bytes::copy_from_slice(&value))),
                Err(error) => Err(view.fault(family, &error)),
            })
            .collect()
    }

    /// Shows keys and values of a range to `look`, in order, until it breaks or the range ends. One walk sees one moment.
    fn walk(
        &self,
        family: &'static str,
        range: &KeyRange,
        order: Order,
        mut look: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let view = self.view();
        let db = match &view.source {
            Source::Files { db, .. } => db,
            Source::Memory(families) => {
                let mut entries = range_of(of_memory(families, view.path, family)?, range, order);
                let _ = entries.try_for_each(|(key, value)| look(key, value));
                return Ok(());
            }
        };
        let mut cursor = view.cursor(db, family, range)?;
        match order {
            Order::Ascending => cursor.seek_to_first(),
            Order::Descending => cursor.seek_to_last(),
        }
        while let Some((key, value)) = cursor.item() {
            if look(key, value).is_break() {
                return Ok(());
            }
            match order {
                Order::Ascending => cursor.next(),
                Order::Descending => cursor.prev(),
            }
        }
        cursor.status().map_err(|error| view.fault(family, &error))
    }

    /// At most `limit` keys and values of a range, in order.
    fn scan(
        &self,
        family: &'static str,
        range: &KeyRange,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        if limit > 0 {
            self.walk(family, range, order, |key, value| {
                entries.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
                if entries.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(entries)
    }
}

impl<'a> View<'a> {
    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        if let Source::Files { moment: Some(moment), .. } = self.source {
            options.set_snapshot(moment);
        }
        options
    }

    fn cursor(
        &self,
        db: &'a DB,
        family: &'static str,
        range: &KeyRange,
    ) -> Result<DBRawIterator<'a>, StoreError> {
        let mut options = self.options();
        options.set_iterate_lower_bound(range.start.clone());
        if let Some(end) = &range.end {
            options.set_iterate_upper_bound(end.clone());
        }
        Ok(db.raw_iterator_cf_opt(family_of(db, self.path, family)?, options))
    }

    fn fault(&self, family: &'static str, error: &rocksdb::Error) -> StoreError {
        StoreError::of(self.path, family, Operation::Read, error)
    }
}

pub(crate) fn family_of<'a>(
    db: &'a DB,
    path: &Path,
    name: &'static str,
) -> Result<&'a ColumnFamily, StoreError> {
    db.cf_handle(name).ok_or_else(|| unknown(path, name))
}

fn of_memory<'a>(
    families: &'a Families,
    path: &Path,
    name: &'static str,
) -> Result<&'a BTreeMap<Bytes, Bytes>, StoreError> {
    families.get(name).ok_or_else(|| unknown(path, name))
}

fn unknown(path: &Path, name: &str) -> StoreError {
    StoreError::UnknownFamily { path: path.to_owned(), family: name.to_owned() }
}

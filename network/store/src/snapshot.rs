//! A view of one moment that owns what it looks at.
//!
//! The engine's snapshot borrows the database. Here it lies in one cell with a counted reference to that database, so it
//! has no lifetime, passes between threads, and the store stays open until the last snapshot is dropped. A snapshot holds
//! back the deletion of what it sees: keep it for one simulation or one block, not for hours.

use std::fmt;
use std::sync::Arc;

use self_cell::self_cell;

use crate::memory::Families;
use crate::read::{Read, Source, View};
use crate::store::{Engine, Inner};

/// One moment of what lies below a store.
enum Moment<'a> {
    Files(rocksdb::Snapshot<'a>),
    Memory(Arc<Families>),
}

self_cell!(
    struct Held {
        owner: Arc<Inner>,
        #[covariant]
        dependent: Moment,
    }
);

/// The store as it was when the snapshot was taken.
pub struct Snapshot(Held);

impl Snapshot {
    pub(crate) fn of(inner: Arc<Inner>) -> Self {
        Self(Held::new(inner, |inner| match &inner.engine {
            Engine::Files(db) => Moment::Files(db.snapshot()),
            Engine::Memory(memory) => Moment::Memory(memory.moment()),
        }))
    }
}

impl Read for Snapshot {
    fn view(&self) -> View<'_> {
        let inner = self.0.borrow_owner();
        let source = match (&inner.engine, self.0.borrow_dependent()) {
            (Engine::Files(db), Moment::Files(moment)) => Source::Files { db, moment: Some(moment) },
            (_, Moment::Memory(moment)) => Source::Memory(Arc::clone(moment)),
            (Engine::Memory(memory), Moment::Files(_)) => Source::Memory(memory.moment()),
        };
        View { source, path: &inner.path }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("path", &self.0.borrow_owner().path).finish_non_exhaustive()
    }
}

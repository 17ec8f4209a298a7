//! Transient data: what a client gives to endorsers only. It may hold a report's key, so it is never printed, and it is
//! wiped when it is dropped.

use std::{collections::BTreeMap, fmt, ops::Deref};

use zeroize::Zeroize;

/// Transient fields by name; reads like the map that it holds.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TransientMap(BTreeMap<String, Vec<u8>>);

impl TransientMap {
    /// Takes the fields over; from now on they are wiped with this value.
    #[must_use]
    pub const fn new(fields: BTreeMap<String, Vec<u8>>) -> Self {
        Self(fields)
    }
}

impl From<BTreeMap<String, Vec<u8>>> for TransientMap {
    fn from(fields: BTreeMap<String, Vec<u8>>) -> Self {
        Self(fields)
    }
}

impl Deref for TransientMap {
    type Target = BTreeMap<String, Vec<u8>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for TransientMap {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for TransientMap {
    /// Neither names nor values: a name may itself say what a field is about.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransientMap({} fields, hidden)", self.0.len())
    }
}

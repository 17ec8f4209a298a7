//! What is wrong with a node's settings: gathered, each with key, value, origin and fix, and reported together.
//!
//! A person who starts a node should have to read one list once, and not to mend one line, start, and meet the next.

use std::collections::BTreeMap;
use std::fmt;

/// Characters of a value that a report quotes.
const QUOTED_CHARS_MAX: usize = 80;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, such as `peer.listenAddress`.
    pub key: String,
    /// The value as written, cut; empty if there is none.
    pub value: String,
    /// Where the value came from, such as `file core.yaml`.
    pub origin: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if !self.value.is_empty() {
            write!(f, " = {:?}", self.value)?;
        }
        write!(f, " ({}): {}", self.origin, self.reason)?;
        if self.fix.is_empty() { Ok(()) } else { write!(f, "; {}", self.fix) }
    }
}

/// Everything that is wrong; never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsErrors(pub Vec<Problem>);

impl fmt::Display for SettingsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} problem{} in the settings", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for SettingsErrors {}

/// Where each setting came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(pub(crate) BTreeMap<String, String>);

impl Origins {
    /// The origin of a setting, such as `environment variable CORE_PEER_ADDRESS`; `default` if nobody set it.
    #[must_use]
    pub fn of(&self, key: &str) -> &str {
        self.0.get(key).map_or("default", String::as_str)
    }
}

/// Gathers problems while settings become what a node runs with.
#[derive(Debug, Default)]
pub struct Problems {
    origins: Origins,
    found: Vec<Problem>,
}

impl Problems {
    /// Begins with none; `origins` are those of [`crate::Loaded`].
    #[must_use]
    pub fn new(origins: Origins) -> Self {
        Self { origins, found: Vec::new() }
    }

    /// Adds a problem with a setting, whose origin is looked up.
    pub fn add(&mut self, key: &str, value: impl fmt::Display, reason: impl fmt::Display, fix: &str) {
        let origin = self.origins.of(key).to_owned();
        self.found.push(Problem {
            key: key.to_owned(),
            value: cut(&value.to_string()),
            origin,
            reason: reason.to_string(),
            fix: fix.to_owned(),
        });
    }

    /// Returns the result's value, or adds its error as a problem.
    pub fn check<T>(
        &mut self,
        key: &str,
        value: impl fmt::Display,
        result: Result<T, impl fmt::Display>,
        fix: &str,
    ) -> Option<T> {
        result.map_err(|reason| self.add(key, value, reason, fix)).ok()
    }

    /// Returns the value, or adds that it is missing.
    pub fn require<T>(&mut self, key: &str, value: Option<T>, fix: &str) -> Option<T> {
        if value.is_none() {
            self.add(key, "", "is not set", fix);
        }
        value
    }

    /// Whether none was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns the value if no problem was found.
    ///
    /// # Errors
    /// Every problem. A value that is missing without a problem is a bug of the caller, and reported as one.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, SettingsErrors> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => {
                if self.found.is_empty() {
                    self.add("settings", "", "the node's own check gave neither a value nor a reason", "");
                }
                Err(SettingsErrors(self.found))
            }
        }
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        self.found.push(problem);
    }
}

/// A value short enough to be quoted.
pub(crate) fn cut(value: &str) -> String {
    value.chars().take(QUOTED_CHARS_MAX).collect()
}

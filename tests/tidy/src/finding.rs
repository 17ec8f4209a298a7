//! One breach of a rule, worded so that the reader can mend it without opening this crate.

use std::fmt;

/// Where a rule is broken, which one, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the root of the workspace.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// The rule's name.
    pub rule: &'static str,
    /// What is wrong, with the value.
    pub problem: String,
    /// What mends it.
    pub fix: String,
}

impl Finding {
    /// A finding at a line of a file.
    pub fn new(place: (&str, usize), rule: &'static str, problem: String, fix: &str) -> Self {
        Self { file: place.0.to_owned(), line: place.1, rule, problem, fix: fix.to_owned() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, rule, problem, fix } = self;
        write!(f, "{file}:{line}: [{rule}] {problem}; fix: {fix}")
    }
}

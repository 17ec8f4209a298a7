//! What is wrong with a configuration: every problem with its place, the value found there, and the rule.
//!
//! All problems of a configuration are gathered before any is reported, so that an operator mends a file once.

use std::fmt;

/// Characters of a value that are quoted.
const VALUE_CHARS_MAX: usize = 80;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where, such as `orderer.batch.timeout_ms` or `organizations[HospitalAMSP].peers[0]`.
    pub path: String,
    /// What was found there, shortened.
    pub value: String,
    /// What must hold, and how to mend it.
    pub rule: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}: {}", self.path, self.value, self.rule)
    }
}

/// A configuration that breaks at least one rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("channel configuration has {} problem(s):\n{}", problems.len(), lines(problems))]
pub struct ConfigError {
    /// Every problem, in the order of the configuration.
    pub problems: Vec<ConfigProblem>,
}

fn lines(problems: &[ConfigProblem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}

/// Gathers problems.
#[derive(Default)]
pub(crate) struct Problems(Vec<ConfigProblem>);

impl Problems {
    pub(crate) fn add(&mut self, path: impl Into<String>, value: impl fmt::Display, rule: impl fmt::Display) {
        let value: String = value.to_string().chars().take(VALUE_CHARS_MAX).collect();
        let value = if value.is_empty() { "nothing".to_owned() } else { value };
        self.0.push(ConfigProblem { path: path.into(), value, rule: rule.to_string() });
    }

    /// Adds a problem unless `holds`.
    pub(crate) fn require(
        &mut self,
        holds: bool,
        path: impl Into<String>,
        value: impl fmt::Display,
        rule: impl fmt::Display,
    ) {
        if !holds {
            self.add(path, value, rule);
        }
    }

    /// Adds a problem for the first pair that is not in ascending order; equal neighbours are out of order.
    pub(crate) fn require_ascending<T: Ord>(&mut self, path: &str, items: &[T], name: impl Fn(&T) -> String) {
        if let Some(pair) = items.windows(2).find(|pair| pair[0] >= pair[1]) {
            let rule = if pair[0] == pair[1] {
                "it stands there twice; name it once".to_owned()
            } else {
                format!("it follows {}; the list must be sorted", name(&pair[0]))
            };
            self.add(path, name(&pair[1]), rule);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_result(self) -> Result<(), ConfigError> {
        if self.0.is_empty() { Ok(()) } else { Err(ConfigError { problems: self.0 }) }
    }
}

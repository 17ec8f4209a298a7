//! Gathers what is wrong with a consortium's file: each problem with its place, the value found, and the fix.
//!
//! The form is that of `configtx`, whose own problems follow in the same list, so that a file is mended once.

use std::fmt::Display;

use configtx::ConfigProblem;

/// Characters of a value that are quoted.
const VALUE_CHARS_MAX: usize = 80;

/// Problems found so far.
#[derive(Debug, Default)]
pub struct Gathering {
    problems: Vec<ConfigProblem>,
    /// Whether something is missing without which further rules would only repeat the same fault.
    pub incomplete: bool,
}

impl Gathering {
    /// Adds a problem.
    pub fn add(&mut self, path: impl Into<String>, value: impl Display, rule: impl Display) {
        let value: String =
            value.to_string().chars().filter(|c| !c.is_control()).take(VALUE_CHARS_MAX).collect();
        let value = if value.is_empty() { "nothing".to_owned() } else { value };
        self.problems.push(ConfigProblem { path: path.into(), value, rule: rule.to_string() });
    }

    /// Returns the value, or adds its error as a problem and notes that the configuration is incomplete.
    pub fn need<T>(
        &mut self,
        path: impl Into<String>,
        value: impl Display,
        result: Result<T, impl Display>,
    ) -> Option<T> {
        let kept = self.check(path, value, result);
        self.incomplete |= kept.is_none();
        kept
    }

    /// Returns the value, or adds its error as a problem.
    pub fn check<T>(
        &mut self,
        path: impl Into<String>,
        value: impl Display,
        result: Result<T, impl Display>,
    ) -> Option<T> {
        result.map_err(|error| self.add(path, value, error)).ok()
    }

    /// Every problem, those of `further` last.
    pub fn into_problems(mut self, further: Vec<ConfigProblem>) -> Vec<ConfigProblem> {
        self.problems.extend(further);
        self.problems
    }
}

/// The problems for people, one a line.
pub fn listed(problems: &[ConfigProblem]) -> String {
    let count = problems.len();
    let lines: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    format!("{count} problem{}{lines}", if count == 1 { "" } else { "s" })
}

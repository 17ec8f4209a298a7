//! What was made and what was kept, one line an organisation.

use std::fmt;

/// What a run did with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is new.
    Made,
    /// Some of it was there, the rest was added.
    Completed,
    /// All of it was there.
    Kept,
}

impl Outcome {
    /// The outcome of a thing with two parts.
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Completed }
    }
}

/// What a run did with one organisation.
#[derive(Debug)]
pub struct Report {
    domain: String,
    outcomes: Vec<(&'static str, Outcome)>,
    /// What the operator should look at; nothing was done about it.
    pub warnings: Vec<String>,
}

impl Report {
    /// An empty report.
    pub fn new(domain: &str) -> Self {
        Self { domain: domain.to_owned(), outcomes: Vec::new(), warnings: Vec::new() }
    }

    /// Notes what became of a `ca`, `tlsca`, `kem`, `msp`, or one of the peers, orderers or users.
    pub fn note(&mut self, thing: &'static str, outcome: Outcome) {
        self.outcomes.push((thing, outcome));
    }

    /// `ca, tlsca, 2 peers`, in the order in which they were noted, or `nothing`.
    fn list(&self, wanted: Outcome) -> Option<String> {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for (thing, _) in self.outcomes.iter().filter(|(_, outcome)| *outcome == wanted) {
            match counts.iter_mut().find(|(counted, _)| counted == thing) {
                Some((_, count)) => *count += 1,
                None => counts.push((thing, 1)),
            }
        }
        let words = counts.into_iter().map(|(thing, count)| match (thing, count) {
            ("peer" | "orderer" | "user", 1) => format!("1 {thing}"),
            ("peer" | "orderer" | "user", _) => format!("{count} {thing}s"),
            _ => thing.to_owned(),
        });
        Some(words.collect::<Vec<_>>().join(", ")).filter(|list| !list.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nothing = || "nothing".to_owned();
        write!(f, "{}: made {}", self.domain, self.list(Outcome::Made).unwrap_or_else(nothing))?;
        if let Some(list) = self.list(Outcome::Completed) {
            write!(f, "; completed {list}")?;
        }
        write!(f, "; kept {}", self.list(Outcome::Kept).unwrap_or_else(nothing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_what_was_made_completed_and_kept() {
        use Outcome::{Completed, Kept, Made};
        let table: [(&[(&str, Outcome)], &str); 3] = [
            (&[], "example.com: made nothing; kept nothing"),
            (
                &[("ca", Made), ("peer", Made), ("peer", Made), ("user", Made)],
                "example.com: made ca, 2 peers, 1 user; kept nothing",
            ),
            (
                &[("ca", Kept), ("peer", Completed), ("user", Kept), ("user", Made)],
                "example.com: made 1 user; completed 1 peer; kept ca, 1 user",
            ),
        ];
        for (outcomes, verdict) in table {
            let mut report = Report::new("example.com");
            for (thing, outcome) in outcomes {
                report.note(thing, *outcome);
            }
            assert_eq!(report.to_string(), verdict);
        }
    }
}

//! Implicit-meta policies: `ANY`, `ALL` or `MAJORITY` of the organisations' own policies of one name.
//!
//! Each organisation's policy is judged over all signatures by itself, as in Fabric: the organisations do not compete
//! for signers.

use std::{fmt, str::FromStr};

use protocol::limits::NAME_BYTES_MAX;

use crate::error::PolicyParseError;

const FORM: &str = "ANY, ALL or MAJORITY and the name of a policy, such as 'MAJORITY Endorsement'";

/// How many organisations are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImplicitMetaRule {
    /// One.
    Any,
    /// Every one.
    All,
    /// More than half.
    Majority,
}

impl ImplicitMetaRule {
    /// How many of `organizations` must agree.
    #[must_use]
    pub const fn threshold(self, organizations: usize) -> usize {
        match self {
            Self::Any => 1,
            Self::All => organizations,
            Self::Majority => organizations / 2 + 1,
        }
    }
}

impl fmt::Display for ImplicitMetaRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "ANY",
            Self::All => "ALL",
            Self::Majority => "MAJORITY",
        })
    }
}

/// A rule over the organisations' policies of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImplicitMeta {
    /// How many.
    pub rule: ImplicitMetaRule,
    /// The name of the organisations' policies, such as `Endorsement`.
    pub sub_policy: String,
}

impl ImplicitMeta {
    /// Reads `MAJORITY Endorsement` and the like; the rule may be written in any case.
    ///
    /// # Errors
    /// [`PolicyParseError::Syntax`] with what was found.
    pub fn parse(text: &str) -> Result<Self, PolicyParseError> {
        let bad = |position: usize, found: &str| {
            let found: String = found.chars().take(60).collect();
            let found =
                if found.is_empty() { "the end of the text".to_owned() } else { format!("'{found}'") };
            Err(PolicyParseError::Syntax { position, found, expected: FORM })
        };
        let mut words = text.split_whitespace();
        let rule = words.next().unwrap_or_default();
        let Some(rule) = rule_named(rule) else { return bad(1, rule) };
        let sub_policy = words.next().unwrap_or_default();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if sub_policy.is_empty() || sub_policy.len() > NAME_BYTES_MAX || !sub_policy.chars().all(is_name) {
            return bad(position_of(text, sub_policy), sub_policy);
        }
        match words.next() {
            Some(more) => bad(position_of(text, more), more),
            None => Ok(Self { rule, sub_policy: sub_policy.to_owned() }),
        }
    }
}

impl FromStr for ImplicitMeta {
    type Err = PolicyParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for ImplicitMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rule, self.sub_policy)
    }
}

pub(crate) fn rule_named(word: &str) -> Option<ImplicitMetaRule> {
    [ImplicitMetaRule::Any, ImplicitMetaRule::All, ImplicitMetaRule::Majority]
        .into_iter()
        .find(|rule| rule.to_string().eq_ignore_ascii_case(word))
}

/// The character position of `word`, which is a part of `text` or empty (then the end).
fn position_of(text: &str, word: &str) -> usize {
    if word.is_empty() {
        return text.chars().count() + 1;
    }
    let bytes = word.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    text.get(..bytes).map_or(1, |before| before.chars().count() + 1)
}

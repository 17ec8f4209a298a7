//! Signature policies: a tree of `AND`, `OR` and `OutOf` over principals, in Fabric's notation.
//!
//! `AND` and `OR` are `OutOf` with all and with one; a policy prints in one canonical text that reads back to itself.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{error::PolicyParseError, parser, principal::Principal};

/// A node of a signature policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One signature by the principal.
    SignedBy(Principal),
    /// At least `needed` of `rules`; 1 ≤ `needed` ≤ number of rules.
    OutOf {
        /// How many.
        needed: usize,
        /// Of which.
        rules: Vec<Rule>,
    },
}

impl Rule {
    /// Whether the rule holds where as many signers as it takes sign for each able principal, and nobody for the others.
    fn can_hold(&self, is_able: &dyn Fn(&Principal) -> bool) -> bool {
        match self {
            Self::SignedBy(principal) => is_able(principal),
            Self::OutOf { needed, rules } => {
                rules.iter().filter(|rule| rule.can_hold(is_able)).count() >= *needed
            }
        }
    }

    fn collect(&self, principals: &mut Vec<Principal>) {
        match self {
            Self::SignedBy(principal) => principals.push(principal.clone()),
            Self::OutOf { rules, .. } => rules.iter().for_each(|rule| rule.collect(principals)),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (needed, rules) = match self {
            Self::SignedBy(principal) => return write!(f, "'{principal}'"),
            Self::OutOf { needed, rules } => (*needed, rules),
        };
        let mut separator = "";
        if needed == 1 {
            f.write_str("OR(")?;
        } else if needed == rules.len() {
            f.write_str("AND(")?;
        } else {
            write!(f, "OutOf({needed}")?;
            separator = ", ";
        }
        for rule in rules {
            write!(f, "{separator}{rule}")?;
            separator = ", ";
        }
        f.write_str(")")
    }
}

/// A parsed signature policy, such as `AND('Org1MSP.peer', OR('A.member', 'B.admin'))`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignaturePolicy {
    rule: Rule,
}

impl SignaturePolicy {
    /// The longest text that is read.
    pub const TEXT_BYTES_MAX: usize = 16 << 10;
    /// The deepest nesting; a single principal has depth 1.
    pub const DEPTH_MAX: usize = 16;
    /// The greatest number of principals.
    pub const PRINCIPALS_MAX: usize = 256;

    /// Reads a policy. Names of gates may be written in any case; a single quoted principal is a policy too.
    ///
    /// # Errors
    /// [`PolicyParseError`] with the position, what was found and what is allowed.
    pub fn parse(text: &str) -> Result<Self, PolicyParseError> {
        Ok(Self { rule: parser::parse(text)? })
    }

    /// The tree.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// See [`Rule::can_hold`].
    pub(crate) fn can_hold(&self, is_able: &dyn Fn(&Principal) -> bool) -> bool {
        self.rule.can_hold(is_able)
    }

    /// Every principal named.
    #[must_use]
    pub fn principals(&self) -> BTreeSet<Principal> {
        self.slots().into_iter().collect()
    }

    /// The principals in the order of the text, repetitions included: the slots that signatures fill.
    pub(crate) fn slots(&self) -> Vec<Principal> {
        let mut principals = Vec::new();
        self.rule.collect(&mut principals);
        principals
    }
}

impl FromStr for SignaturePolicy {
    type Err = PolicyParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for SignaturePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.fmt(f)
    }
}

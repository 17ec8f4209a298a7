//! Why a policy was not met, as a tree that prints indented.
//!
//! Signers are named by organisation and the first digits of their PoI, never by their certificate's subject.

use std::fmt;

use protocol::{MspId, Poi, Role};

use crate::{implicit_meta::ImplicitMeta, principal::Principal};

/// Digits of a PoI that tell signers apart in a text.
const POI_DIGITS: usize = 12;

/// A signer in an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerName {
    /// The signer's organisation.
    pub msp_id: MspId,
    /// The signer's PoI.
    pub poi: Poi,
}

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:.POI_DIGITS$}", self.msp_id, self.poi.to_string())
    }
}

/// Why a signer does not meet a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The signer belongs to another organisation.
    WrongOrganization,
    /// The signer has other roles.
    WrongRole {
        /// Those that it has.
        roles: Vec<Role>,
    },
    /// The signer would do, but is counted for another principal already.
    CountedElsewhere,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongOrganization => f.write_str("wrong organisation"),
            Self::WrongRole { roles } => {
                let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
                write!(f, "wrong role: has {}", roles.join(", "))
            }
            Self::CountedElsewhere => f.write_str("already counted for another principal"),
        }
    }
}

/// What became of one principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This signer met it.
    MetBy(SignerName),
    /// Nobody did; each signer with the reason.
    Unmet(Vec<(SignerName, Refusal)>),
}

/// A node of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explained {
    /// A principal.
    Principal {
        /// Which.
        principal: Principal,
        /// What became of it.
        outcome: Outcome,
    },
    /// A rule over rules.
    OutOf {
        /// How many are needed.
        needed: usize,
        /// The rules.
        rules: Vec<Explained>,
    },
    /// An implicit-meta rule over organisations.
    Organizations {
        /// The rule.
        rule: ImplicitMeta,
        /// How many are needed.
        needed: usize,
        /// Each organisation's policy; `None` where it has none of that name.
        organizations: Vec<(MspId, Option<Explained>)>,
    },
}

impl Explained {
    /// Whether the node holds.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self {
            Self::Principal { outcome, .. } => matches!(outcome, Outcome::MetBy(_)),
            Self::OutOf { needed, .. } | Self::Organizations { needed, .. } => self.met() >= *needed,
        }
    }

    /// How many of the node's children hold.
    fn met(&self) -> usize {
        match self {
            Self::Principal { .. } => 0,
            Self::OutOf { rules, .. } => rules.iter().filter(|rule| rule.is_met()).count(),
            Self::Organizations { organizations, .. } => {
                organizations.iter().filter(|(_, rule)| rule.as_ref().is_some_and(Self::is_met)).count()
            }
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "\n{:1$}", "", depth * 2)?;
        match self {
            Self::Principal { principal, outcome: Outcome::MetBy(signer) } => {
                write!(f, "{principal}: met by {signer}")
            }
            Self::Principal { principal, outcome: Outcome::Unmet(signers) } => {
                write!(f, "{principal}: not met")?;
                for (signer, refusal) in signers {
                    write!(f, "\n{:1$}{signer}: {refusal}", "", depth * 2 + 2)?;
                }
                Ok(())
            }
            Self::OutOf { needed, rules } => {
                write!(f, "{} of {} rules met, {needed} needed", self.met(), rules.len())?;
                rules.iter().try_for_each(|rule| rule.write(f, depth + 1))
            }
            Self::Organizations { rule, needed, organizations } => {
                write!(
                    f,
                    "{rule}: {} of {} organisations, {needed} needed",
                    self.met(),
                    organizations.len()
                )?;
                for (msp_id, explained) in organizations {
                    write!(f, "\n{:1$}{msp_id}: ", "", depth * 2 + 2)?;
                    match explained {
                        None => write!(f, "not met: it has no policy named {}", rule.sub_policy)?,
                        Some(explained) => {
                            f.write_str(if explained.is_met() { "met" } else { "not met" })?;
                            explained.write(f, depth + 2)?;
                        }
                    }
                }
                Ok(())
            }
        }
    }
}

/// Why a policy holds or does not; `Display` prints a tree, two spaces a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The policy's path, such as `/Channel/Application/Endorsement`.
    pub path: String,
    /// The policy's canonical text.
    pub policy: String,
    /// Whether it holds.
    pub satisfied: bool,
    /// Everyone who signed, each once, sorted.
    pub signers: Vec<SignerName>,
    /// The tree; `None` where the policy holds and nobody asked for it.
    pub root: Option<Explained>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.satisfied { "satisfied" } else { "not satisfied" };
        write!(f, "policy {} is {verdict}: {}", self.path, self.policy)?;
        if let Some(root) = &self.root {
            let signers: Vec<String> = self.signers.iter().map(ToString::to_string).collect();
            let signers = if signers.is_empty() { "nobody".to_owned() } else { signers.join(", ") };
            write!(f, "\n  signed by {signers}")?;
            root.write(f, 1)?;
        }
        Ok(())
    }
}

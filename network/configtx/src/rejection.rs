//! Why an update of the configuration is refused. Every refusal names the element, the policy or the rule.

use msp::{IdentityRejection, SignatureRejection};
use policy::Explanation;
use protocol::{MspId, TxId};

use crate::{capabilities::NeededRelease, problem::ConfigError};

/// A policy that the signatures do not satisfy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmetPolicy {
    /// The elements whose change it must agree to.
    pub paths: Vec<String>,
    /// The policy's path.
    pub policy: String,
    /// Who signed and who is missing; `None` where the channel has no such policy, so that nobody can agree.
    pub explanation: Option<Explanation>,
}

/// Why an update is refused. The configuration in force stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateRejection {
    /// A part of the envelope or of the update cannot be read.
    #[error("the configuration update is malformed: {what}")]
    Malformed {
        /// The part, and what was met.
        what: String,
    },
    /// For another channel.
    #[error("the configuration update is for channel {found}, this is {expected}")]
    OtherChannel {
        /// In the update or its envelope.
        found: String,
        /// This channel.
        expected: String,
    },
    /// The id is not that of nonce and creator.
    #[error("tx_id '{found}' is not hex(SHA-256(nonce || creator)), which is {expected}")]
    WrongTxId {
        /// In the channel header.
        found: String,
        /// The id computed.
        expected: TxId,
    },
    /// The submitter is no valid identity of the channel.
    #[error("submitter refused: {0}")]
    Submitter(IdentityRejection),
    /// The envelope's signature is not the submitter's.
    #[error("signature of the submitter refused: {0}")]
    Signature(SignatureRejection),
    /// The submitter may not write to the channel.
    #[error("the submitter, of {msp_id}, may not write: {explanation}")]
    NotAWriter {
        /// The submitter's organisation.
        msp_id: MspId,
        /// What the policy wanted.
        explanation: String,
    },
    /// It changes a configuration that is no longer in force, or not yet.
    #[error(
        "the update was made from the configuration with sequence {made_from}, and {in_force} is in force{}; fetch the \
         configuration block, compute the update anew and have it signed again",
        since(changed)
    )]
    Stale {
        /// In the update.
        made_from: u64,
        /// The sequence in force.
        in_force: u64,
        /// Elements of its read set that are not as it read them.
        changed: Vec<String>,
    },
    /// The sequence is right and elements are not: it was made from another channel of that name.
    #[error(
        "the update read other bytes than the configuration in force has at: {}; it was made from another network's \
         configuration, or by hand", paths.join(", ")
    )]
    StaleRead {
        /// The elements.
        paths: Vec<String>,
    },
    /// An element cannot be written like that.
    #[error("{path}: {reason}")]
    Element {
        /// The element's path, as the update names it.
        path: String,
        /// What must hold.
        reason: String,
    },
    /// Policies are not satisfied.
    #[error(
        "the update is not agreed to by those who must{}{}",
        unmet_lines(unmet),
        passed_over_lines(passed_over)
    )]
    Policies {
        /// Every policy that is not satisfied.
        unmet: Vec<UnmetPolicy>,
        /// Signatures that do not count, and why.
        passed_over: Vec<String>,
    },
    /// The configuration that it leads to needs a newer release.
    #[error("the update demands {0}")]
    Capability(NeededRelease),
    /// The configuration that it leads to breaks rules.
    #[error("the update leads to a configuration that does not hold: {0}")]
    Config(ConfigError),
    /// A configuration block holds another configuration than its update leads to.
    #[error("the configuration in the block is not the one to which the update beside it leads")]
    Forged,
}

impl UpdateRejection {
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into() }
    }

    pub(crate) fn element(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Element { path: path.into(), reason: reason.into() }
    }

    /// The release that is needed, where the update itself is agreed to and only this build is too old for it. A node that
    /// meets this in a configuration block must stop there: others go on with a configuration that it cannot follow.
    #[must_use]
    pub const fn needed_release(&self) -> Option<&NeededRelease> {
        match self {
            Self::Capability(needed) => Some(needed),
            _ => None,
        }
    }

    /// Whether it is a question of who may, rather than of what was sent.
    #[must_use]
    pub const fn is_about_rights(&self) -> bool {
        matches!(
            self,
            Self::Submitter(_) | Self::Signature(_) | Self::NotAWriter { .. } | Self::Policies { .. }
        )
    }
}

fn since(changed: &[String]) -> String {
    if changed.is_empty() {
        return " (nothing that it read has changed)".to_owned();
    }
    format!(" (changed since: {})", changed.join(", "))
}

fn unmet_lines(unmet: &[UnmetPolicy]) -> String {
    let line = |unmet: &UnmetPolicy| {
        let UnmetPolicy { paths, policy, explanation } = unmet;
        let why = match explanation {
            Some(explanation) => explanation.to_string().replace('\n', "\n  "),
            None => format!("the channel has no policy {policy}, so nobody can agree"),
        };
        format!("\n  change of {}: {why}", paths.join(", "))
    };
    unmet.iter().map(line).collect()
}

fn passed_over_lines(passed_over: &[String]) -> String {
    passed_over.iter().map(|flaw| format!("\n  passed over: {flaw}")).collect()
}

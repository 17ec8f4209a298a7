//! A policy as it stands in configuration: a text of one of the two kinds.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    error::PolicyParseError,
    implicit_meta::{self, ImplicitMeta},
    signature_policy::SignaturePolicy,
};

/// A parsed policy of either kind. Under serde it is its canonical text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Policy {
    /// Signatures by named principals.
    Signature(SignaturePolicy),
    /// A number of the organisations' own policies.
    ImplicitMeta(ImplicitMeta),
}

impl Policy {
    /// Reads either kind: a text that begins with the word `ANY`, `ALL` or `MAJORITY` is implicit-meta.
    ///
    /// # Errors
    /// [`PolicyParseError`] of the kind that the text begins as.
    pub fn parse(text: &str) -> Result<Self, PolicyParseError> {
        let first = text.split_whitespace().next().unwrap_or_default();
        if implicit_meta::rule_named(first).is_some() {
            ImplicitMeta::parse(text).map(Self::ImplicitMeta)
        } else {
            SignaturePolicy::parse(text).map(Self::Signature)
        }
    }
}

impl From<SignaturePolicy> for Policy {
    fn from(policy: SignaturePolicy) -> Self {
        Self::Signature(policy)
    }
}

impl From<ImplicitMeta> for Policy {
    fn from(policy: ImplicitMeta) -> Self {
        Self::ImplicitMeta(policy)
    }
}

impl FromStr for Policy {
    type Err = PolicyParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Policy {
    type Error = PolicyParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> Self {
        policy.to_string()
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature(policy) => policy.fmt(f),
            Self::ImplicitMeta(policy) => policy.fmt(f),
        }
    }
}

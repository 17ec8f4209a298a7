//! Whose signatures are enough: signature policies and implicit-meta policies, in Fabric's language.
//!
//! [`Policy::parse`] reads the text that stands in configuration; [`CompiledPolicy`] is resolved once and then evaluated
//! over [`msp::VerifiedSignature`]s, which only a check of a real signature can make. A refusal explains itself.
//! Everything here is a function of its arguments; the order of signatures never matters.

mod compiled;
mod error;
mod explanation;
mod implicit_meta;
mod matching;
mod minimal;
mod parser;
mod principal;
mod signature_policy;
mod solver;
mod text;

pub use compiled::{CompiledPolicy, Verdict};
pub use error::{PolicyError, PolicyParseError};
pub use explanation::{Explained, Explanation, Outcome, Refusal, SignerName};
pub use implicit_meta::{ImplicitMeta, ImplicitMetaRule};
pub use principal::Principal;
pub use signature_policy::{Rule, SignaturePolicy};
pub use text::Policy;

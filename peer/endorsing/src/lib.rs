//! What an endorser, a gateway and a client decide about a proposal, as pure functions.
//!
//! In the order of a transaction's life: a client drafts and signs ([`ProposalDraft`], [`sign_proposal`]); a gateway
//! plans whom to ask ([`plan`]); an endorser reads and checks ([`parse_proposal`], [`check_proposal`]) and, after the
//! chaincode ran, endorses ([`endorse`]); the gateway compares ([`compare_responses`]) and assembles ([`assemble`]); the
//! client checks that it holds what it proposed ([`check_prepared`]) and signs. [`release`] judges whether a custodian
//! hands out a report's key.
//!
//! What somebody signed is never encoded again here: headers and payloads are passed on as the bytes that came. Whether
//! an identity is registered is not decided here, since it depends on the ledger.

pub mod release;

mod assemble;
mod check;
mod compare;
mod difference;
mod draft;
mod endorse;
mod hash;
mod plan;
mod prepared;
mod proposal;
mod rejection;
mod transient;

pub use assemble::{AssembleRejection, assemble, sign_envelope};
pub use check::{VerifiedProposal, check_fresh, check_proposal};
pub use compare::compare_responses;
pub use difference::{Difference, DifferingField, ValueMark};
pub use draft::{ProposalDraft, sign_proposal};
pub use endorse::{EndorsementFault, ExecutionResult, endorse, is_success};
pub use hash::{proposal_hash, stored_proposal_payload};
pub use plan::{EndorsementPlan, PlanRefusal, PlanRequest, is_upload, plan};
pub use prepared::{PreparedRejection, check_prepared};
pub use proposal::{NONCE_BYTES_MAX, ParsedProposal, parse_proposal};
pub use rejection::ProposalRejection;
pub use transient::TransientMap;

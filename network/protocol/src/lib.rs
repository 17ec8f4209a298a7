//! The words of the network: what clients sign, what nodes exchange, what is stored and hashed.
//!
//! Two families of messages, never mixed. [`fabric`] holds the protobuf messages that clients sign and call; their bytes
//! are stored and passed on verbatim. Everything else is MessagePack, written and read by [`codec`] alone. Each stored
//! or hashed type begins with its version, and golden files in `tests/golden` freeze every one.
//!
//! This crate decides nothing: no signature, policy or state is looked at here. Limits stand in [`limits`].

pub mod codec;
pub mod fabric;
pub mod limits;
pub mod merkle;

mod attestation;
mod block;
mod calendar;
mod chaincode;
mod config;
mod config_update;
mod consensus;
mod custody;
mod delivery;
mod exchange;
mod identity;
mod identity_claim;
mod identity_record;
mod ids;
mod outvoted;
mod report_service;
mod rwset;
mod signed;
mod validation_code;

pub use attestation::{CommitAttestation, SignedAttestation};
pub use block::{Block, BlockHeader, BlockSignature, Proof, data_hash};
pub use calendar::rfc3339;
pub use chaincode::{AdmissionConfig, ChaincodeDefinition, Checkers, ReferenceHash, ReportsConfig};
pub use config::{
    BatchConfig, Capability, ChannelConfig, Consenter, Endpoint, IdentityRule, OrdererConfig, Organization,
    RegisteredIdentity,
};
pub use config_update::{ConfigEnvelope, ConfigRead, ConfigUpdate, ConfigWrite};
pub use consensus::{ConsensusReply, ConsensusRequest, LogState, RaftMessage, SignatureShare, Standing};
pub use custody::{KeyDeposit, KeyRelease, KeyRequest, SealedKey};
pub use delivery::DeliverReply;
pub use exchange::{BlockRequest, BlockResponse, FetchReason};
pub use identity::{MspConfig, MspId, NodeOus, OuIdentifier, Poi, Role};
pub use identity_claim::{IdentityAction, IdentityClaim, ProofScope};
pub use identity_record::{IdentityRecord, IdentityStatus};
pub use ids::{
    BlockHash, BlockNumber, ChaincodeName, ChannelId, CommitHash, Digest, InvalidName, TxId, TxNumber,
    Version,
};
pub use outvoted::{Contradiction, Outvoted};
pub use report_service::{
    DownloadEvent, DownloadRequest, SealDescription, SealRequest, SealedReport, UploadedBefore,
    UploadedRequest, VerifyFinding, VerifyReport, VerifyRequest,
};
pub use rwset::{KvRead, KvWrite, NamespaceSet, RangeQuery, ReadWriteSet};
pub use signed::{SignedRequest, SigningDomain};
pub use validation_code::TxValidationCode;

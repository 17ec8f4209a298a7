//! What a peer does for its hospital's users and for other hospitals' peers, beside endorsing and committing.
//!
//! Users call the gateway service (endorse, submit, wait) and the report service (seal, download, verify). Other peers
//! call the exchange of sealed blocks and the custody of data keys, and attest what they have reached. All of it stands on [`ports`], which the peer's
//! binary implements; nothing here validates a block or runs a chaincode.

mod attestations;
mod custody;
mod dialer;
mod examine;
mod exchange;
mod images;
mod off_reactor;
mod peers;
pub mod ports;
mod report_service;
mod revoked;
mod service;
mod signed_request;
#[cfg(test)]
mod testing;
mod trail;
mod upkeep;

pub use attestations::{Attestation, AttestationService, Attestations, Said, Stop};
pub use custody::{CUSTODY_FAMILIES, Custody, CustodyError, CustodyService, OwedDeposit};
pub use dialer::{Dialer, NodeGuard};
pub use examine::{ExamineError, Examiner, UploadProposal};
pub use exchange::{ExchangeService, FetchError, FetchLimits, Fetcher, HolderAnswer, ServeLimits, WantedDag};
pub use images::{
    ADDRESS_SPACE_BYTES_MAX, CPU_SECONDS_MAX, ImageError, ImageReader, ImageWorkers, Look, ReadImage,
    WorkerCommand, WorkerCounts, WorkerLimits, decode_and_hash, run_image_worker,
};
pub use peers::{PeerChannels, Peers, RemotePeers};
pub use report_service::{ReportLimits, ReportParts, ReportService};
pub use service::{
    BroadcastVerdict, EndorseAsk, EndorserAnswer, Endorsers, EndpointFailure, GatewayLimits, GatewayService,
    NoOrderer, Orderers, UploadCustody,
};
pub use upkeep::{Upkeep, UpkeepError};

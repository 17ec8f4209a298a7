//! Operations on reports: upload, list, show, share, open and download, verify.

mod checkers;
mod download;
mod earlier;
mod part_file;
mod reading;
mod report_id;
mod sealing;
mod show;
mod upload;
mod verify;
mod verify_block;

pub use checkers::{CheckerChoice, checker_choices};
pub use download::{Downloaded, Downloading, Target};
pub use report_id::{ReportIdError, resolve_report_id};
pub use show::{MapPeer, ProofOfWork, ShownReport};
pub use upload::{Upload, UploadProgress, Uploaded};
pub use verify_block::BlockVerification;

use protocol::{ChaincodeName, InvalidName};

use crate::error::Fault;

/// The chaincode of reports.
pub(crate) fn chaincode() -> Result<ChaincodeName, Fault> {
    ChaincodeName::new(reports::NAME).map_err(|error: InvalidName| Fault::Name(error))
}

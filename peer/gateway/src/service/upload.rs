//! Uploads of reports at the gateway: the data key is in safe custody before the client gets anything that it could have
//! ordered (DESIGN.md, key custody).
//!
//! An upload is a call of `UploadReport` at the chaincode `reports`. Who may be asked to check it is decided by the plan
//! (`endorsing`); here stands what the gateway itself does for it.

use std::fmt;
use std::future::Future;

use endorsing::ParsedProposal;
use protocol::{ChannelId, TxId};
use reports::{TRANSIENT_CID, TRANSIENT_DATA_KEY};
use transport::Status;
use zeroize::Zeroizing;

/// The function of the chaincode `reports` that records a report.
const UPLOAD_FUNCTION: &[u8] = b"UploadReport";
/// The text of a CID is below 100 characters; more is none.
const CID_BYTES_MAX: usize = 128;

/// Where the data keys of this hospital's uploads are kept.
pub trait UploadCustody: Send + Sync + 'static {
    /// Takes a key; when this returns, the key survives a crash of the machine. Taking the same key again is fine.
    fn take(
        &self,
        channel: &ChannelId,
        report_id: &TxId,
        cid: &str,
        data_key: &[u8; 32],
    ) -> impl Future<Output = Result<(), Status>> + Send;

    /// The CID for which the key of that report was taken into custody; `None` where there is none.
    ///
    /// # Errors
    /// A status for the caller where the store cannot be read.
    fn held(&self, channel: &ChannelId, report_id: &TxId) -> Result<Option<String>, Status>;
}

/// Whether a call records a report.
pub(super) fn records_report(chaincode: &str, function: Option<&[u8]>) -> bool {
    chaincode == reports::NAME && function == Some(UPLOAD_FUNCTION)
}

/// Whether two texts name the same content: a CID has a text in every base.
pub(super) fn is_same_cid(left: &str, right: &str) -> bool {
    let cid = |text: &str| text.parse::<offchain::Cid>().ok();
    left == right || cid(left).is_some_and(|left| cid(right) == Some(left))
}

/// What an upload leaves in custody.
pub(super) struct Upload {
    pub(super) cid: String,
    pub(super) data_key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("cid", &self.cid).finish_non_exhaustive()
    }
}

impl Upload {
    /// The upload that a proposal makes; `None` where it makes none.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` names the transient field that is missing or has the wrong form.
    pub(super) fn of(proposal: &ParsedProposal) -> Result<Option<Self>, Status> {
        let function = proposal.args.first().map(AsRef::as_ref);
        if !records_report(proposal.chaincode.as_str(), function) {
            return Ok(None);
        }
        let key = proposal.transient.get(TRANSIENT_DATA_KEY).ok_or_else(|| {
            Status::invalid_argument(format!(
                "an upload carries its data key in the transient field {TRANSIENT_DATA_KEY}"
            ))
        })?;
        let data_key = <[u8; 32]>::try_from(key.as_slice()).map(Zeroizing::new).map_err(|_| {
            let text = format!(
                "the transient field {TRANSIENT_DATA_KEY} has {} bytes; a data key has 32",
                key.len()
            );
            Status::invalid_argument(text)
        })?;
        let cid = proposal.transient.get(TRANSIENT_CID).map(|cid| std::str::from_utf8(cid));
        match cid {
            Some(Ok(cid)) if !cid.is_empty() && cid.len() <= CID_BYTES_MAX => {
                Ok(Some(Self { cid: cid.to_owned(), data_key }))
            }
            _ => Err(Status::invalid_argument(format!(
                "an upload carries the CID of the sealed report as text in the transient field {TRANSIENT_CID}"
            ))),
        }
    }
}

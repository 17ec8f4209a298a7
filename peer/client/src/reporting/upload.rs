//! Upload: seal at the own peer, have it checked by the channel's checkers, order, wait.
//!
//! The data key passes through this process once, from the peer's answer into the proposal's transient field, and is
//! wiped. A checker that cannot be reached is replaced by the next; a checker that refuses is not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use protocol::{BlockNumber, ChannelId, MspId, SealedReport, TxId};
use reports::{ReportRecord, TRANSIENT_CID, TRANSIENT_DATA_KEY, UploadClaim};
use zeroize::Zeroize as _;

use crate::connection::Connection;
use crate::draft::Draft;
use crate::error::{ClientError, Fault};
use crate::reporting::chaincode;
use crate::reporting::checkers::{checker_choices, required, unreached};
use crate::reporting::reading::require_readers;
use crate::transactions::Endorsed;

/// A report to be uploaded. `Debug` does not show the patient.
#[derive(Clone)]
pub struct Upload {
    /// The file.
    pub path: PathBuf,
    /// The hospital's own name of the patient; it leaves this program for the own peer only. May be empty.
    pub patient: String,
    /// DICOM modality, such as `CR`.
    pub modality: String,
    /// Organisations that may open the report from the start.
    pub share_with: Vec<MspId>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("modality", &self.modality).finish_non_exhaustive()
    }
}

/// How far an upload has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadProgress {
    /// Bytes on their way to the own peer.
    Sealing {
        /// Bytes sent.
        sent: u64,
        /// Bytes of the file.
        size: u64,
    },
    /// The own peer sealed the file.
    Sealed {
        /// Root CID of the sealed bytes.
        cid: String,
        /// Wavelet hash, 16 hex digits.
        perceptual_hash: String,
    },
    /// These organisations are asked to check.
    Checking {
        /// Who.
        by: Vec<MspId>,
    },
    /// This organisation was not reached; the next one is asked.
    Unreached {
        /// Who.
        msp_id: MspId,
    },
    /// They checked and endorsed.
    Checked {
        /// Who.
        by: Vec<MspId>,
    },
    /// An orderer has it.
    Ordered {
        /// The transaction.
        tx_id: TxId,
    },
    /// It is valid on the own peer.
    Committed {
        /// Its block.
        block_number: BlockNumber,
    },
}

/// A report that is on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// Its record, as committed.
    pub record: ReportRecord,
    /// Its block.
    pub block_number: BlockNumber,
    /// Who checked.
    pub checked_by: Vec<MspId>,
}

impl Connection {
    /// Uploads a report. `progress` is told of each step, from within this call.
    ///
    /// # Errors
    /// [`crate::Rejection`] where a checker refuses the image or its claims; [`Fault::CheckersMissing`] names who could
    /// not be reached.
    pub async fn upload_report(
        &self,
        channel: &ChannelId,
        upload: &Upload,
        progress: &(dyn Fn(UploadProgress) + Send + Sync),
    ) -> Result<Uploaded, ClientError> {
        let config = self.channel_config(channel).await?;
        require_readers(&config, &upload.share_with)?;
        let Some(rules) = config.reports else {
            return Err(Fault::NoReports { channel: channel.as_str().to_owned() }.into());
        };
        if !rules.checkers.organizations.contains(self.msp_id()) {
            let (own, checkers) = (self.msp_id().clone(), rules.checkers.organizations);
            return Err(Fault::OwnNotAChecker { own, channel: channel.as_str().to_owned(), checkers }.into());
        }
        let sealed = self.seal(channel, upload, progress).await?;
        progress(UploadProgress::Sealed {
            cid: sealed.cid.clone(),
            perceptual_hash: sealed.perceptual_hash.clone(),
        });
        let draft = draft(sealed, upload)?;
        let (endorsed, checked_by) = self.check_upload(channel, draft, &rules.checkers, progress).await?;
        progress(UploadProgress::Checked { by: checked_by.clone() });
        self.order(channel, &endorsed).await?;
        progress(UploadProgress::Ordered { tx_id: endorsed.tx_id.clone() });
        let submitted = self.committed(channel, endorsed).await?;
        progress(UploadProgress::Committed { block_number: submitted.block_number });
        let record: ReportRecord = self.read_json(&submitted.payload)?;
        Ok(Uploaded { record, block_number: submitted.block_number, checked_by })
    }

    /// Asks checkers until as many as needed have endorsed, the next one for each that cannot be reached.
    async fn check_upload(
        &self,
        channel: &ChannelId,
        mut draft: Draft,
        checkers: &protocol::Checkers,
        progress: &(dyn Fn(UploadProgress) + Send + Sync),
    ) -> Result<(Endorsed, Vec<MspId>), ClientError> {
        let own = self.msp_id();
        let mut missing = BTreeSet::new();
        let mut last = String::from("none was asked");
        // Each round either ends the loop or makes `missing` larger.
        while let Some(choice) = checker_choices(checkers, own, &missing) {
            progress(UploadProgress::Checking { by: choice.organizations.clone() });
            draft.endorsing_organizations.clone_from(&choice.organizations);
            let error = match self.endorse(channel, &draft).await {
                Ok(endorsed) => return Ok((endorsed, choice.organizations)),
                Err(error) => error,
            };
            let gone = error.status().map_or_else(BTreeSet::new, |(code, message, details)| {
                unreached(code, message, details, &choice.organizations, own)
            });
            if gone.is_empty() {
                return Err(error);
            }
            last = error.to_string();
            for msp_id in gone {
                progress(UploadProgress::Unreached { msp_id: msp_id.clone() });
                missing.insert(msp_id);
            }
        }
        Err(Fault::CheckersMissing {
            required: required(checkers),
            own: own.clone(),
            missing: missing.into_iter().collect(),
            checkers: checkers.organizations.clone(),
            last,
        }
        .into())
    }
}

/// The proposal of an upload; the sealed report's key is wiped where it was.
fn draft(mut sealed: SealedReport, upload: &Upload) -> Result<Draft, Fault> {
    let transient = BTreeMap::from([
        (TRANSIENT_DATA_KEY.to_owned(), sealed.data_key.to_vec()),
        (TRANSIENT_CID.to_owned(), sealed.cid.as_bytes().to_vec()),
    ]);
    sealed.data_key.zeroize();
    let claim = UploadClaim {
        cid: sealed.cid,
        binding: sealed.binding,
        media_type: sealed.media_type,
        modality: upload.modality.clone(),
        perceptual_hash: sealed.perceptual_hash,
        size: sealed.size,
        sealed_size: sealed.sealed_size,
        patient_ref: sealed.patient_ref,
        share_with: upload.share_with.clone(),
    };
    let claim = serde_json::to_vec(&claim)
        .map_err(|error| Fault::Proposal { reason: format!("the claim does not serialise: {error}") })?;
    let mut draft = Draft::new(chaincode()?, "UploadReport", &[]).with_transient(transient);
    draft.args.push(Bytes::from(claim));
    Ok(draft)
}

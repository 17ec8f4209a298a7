//! Verification as the paper's Algorithm 3 asks for it: by proof of identity and block number.
//!
//! The block is read from the own peer, the reports that the identity uploaded in it are found by their creators, and each
//! is verified as by its id.

use msp::MspSet;
use protocol::{BlockNumber, ChannelConfig, ChannelId, Poi, TxId, VerifyReport};
use transport::Code;
use validation::{ParsedTransaction, parse_transaction};

use crate::connection::Connection;
use crate::deliver::BlockPosition;
use crate::error::{ClientError, Fault, Rejection};

/// The function that records a report.
const UPLOAD_FUNCTION: &[u8] = b"UploadReport";

/// What was found of an identity's reports in a block.
#[derive(Clone, Debug)]
pub struct BlockVerification {
    /// The identity.
    pub poi: Poi,
    /// The block.
    pub block_number: BlockNumber,
    /// Its reports with their findings, in the block's order.
    pub reports: Vec<(TxId, VerifyReport)>,
    /// Why the block itself gives no report; `None` where it gives at least one.
    pub reason: Option<String>,
}

impl Connection {
    /// Has the own peer verify every report that an identity uploaded in a block.
    ///
    /// # Errors
    /// As a call. A block that is damaged, or holds no report of the identity, is a result.
    pub async fn verify_block(
        &self,
        channel: &ChannelId,
        poi: &Poi,
        number: BlockNumber,
    ) -> Result<BlockVerification, ClientError> {
        let mut found =
            BlockVerification { poi: *poi, block_number: number, reports: Vec::new(), reason: None };
        let block = match self.block(channel, BlockPosition::Number(number)).await {
            Ok(block) => block,
            Err(error) => match error.status() {
                Some((Code::DataLoss, text, _)) => {
                    found.reason = Some(text.to_owned());
                    return Ok(found);
                }
                _ => return Err(error),
            },
        };
        let config = self.channel_config(channel).await?;
        let msps = verifiers(&config)?;
        let transactions = block.envelopes.iter().filter_map(|envelope| parse_transaction(envelope).ok());
        for transaction in transactions.filter(|transaction| is_upload_of(transaction, poi, &msps)) {
            let report = self.verify_report(channel, &transaction.tx_id).await?;
            found.reports.push((transaction.tx_id, report));
        }
        if found.reports.is_empty() {
            found.reason = Some(format!("block {number} holds no report that was uploaded by {poi}"));
        }
        Ok(found)
    }
}

impl BlockVerification {
    /// Whether there is a report and every finding holds.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.reason.is_none() && self.rejection().is_none()
    }

    /// The refusal, where there is no report or one does not hold.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        if let Some(reason) = &self.reason {
            let (poi, block_number) = (self.poi, self.block_number);
            return Some(Rejection::NoReport { poi, block_number, reason: reason.clone() });
        }
        self.reports.iter().find_map(|(id, report)| Rejection::of_verification(id, report))
    }
}

fn verifiers(config: &ChannelConfig) -> Result<MspSet, ClientError> {
    MspSet::new(config.organizations.iter().map(|organization| &organization.msp)).map_err(|error| {
        Fault::Proposal { reason: format!("the configuration of channel {}: {error}", config.channel) }.into()
    })
}

fn is_upload_of(transaction: &ParsedTransaction, poi: &Poi, msps: &MspSet) -> bool {
    let function = transaction.args.first().map(AsRef::as_ref);
    transaction.chaincode == reports::NAME
        && function == Some(UPLOAD_FUNCTION)
        && msps.certify(&transaction.creator).is_ok_and(|creator| creator.poi() == *poi)
}

//! The verdict on a transaction, from the own peer, which answers when its own ledger has it.

use msp::Signer;
use prost::Message as _;
use protocol::fabric::{CommitStatusRequest, SignedCommitStatusRequest};
use protocol::{BlockNumber, ChannelId, TxId, TxValidationCode};

use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::error::{ClientError, Fault, Rejection};
use crate::transactions::{Endorsed, Submitted};

impl Connection {
    /// Waits until the transaction has a verdict at the own peer and returns it with its block, whatever it is.
    ///
    /// # Errors
    /// As a call; a deadline says that the transaction may still commit.
    pub async fn commit_status(
        &self,
        channel: &ChannelId,
        tx_id: &TxId,
    ) -> Result<(TxValidationCode, BlockNumber), ClientError> {
        let signer: &dyn Signer = self.signer();
        let request = CommitStatusRequest {
            transaction_id: tx_id.as_str().to_owned(),
            channel_id: channel.as_str().to_owned(),
            identity: signer.serialized_identity(),
        };
        let request = request.encode_to_vec();
        let signature =
            signer.sign(&request).map_err(|error| Fault::Proposal { reason: error.to_string() })?;
        let signed = SignedCommitStatusRequest { request: request.into(), signature: signature.into() };
        let call = self.call(Phase::CommitStatus, Some(tx_id));
        let answer = call.answer(self.gateway().commit_status(signed)).await?;
        let code = u8::try_from(answer.result)
            .ok()
            .and_then(TxValidationCode::from_number)
            .ok_or_else(|| call.unusable(format!("verdict {} is unknown to this release", answer.result)))?;
        Ok((code, BlockNumber(answer.block_number)))
    }

    /// Waits for the verdict on a transaction that was handed to ordering.
    ///
    /// # Errors
    /// [`Rejection::Invalid`] where the verdict is not `VALID`; otherwise as [`Connection::commit_status`].
    pub async fn committed(&self, channel: &ChannelId, endorsed: Endorsed) -> Result<Submitted, ClientError> {
        let Endorsed { tx_id, payload, .. } = endorsed;
        let (code, block_number) = self.commit_status(channel, &tx_id).await?;
        if code.is_valid() {
            Ok(Submitted { tx_id, code, block_number, payload })
        } else {
            Err(Rejection::Invalid { tx_id, code, block_number }.into())
        }
    }
}

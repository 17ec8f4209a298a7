//! The way of a transaction through the gateway: propose, endorse, check, sign, submit, wait.

use bytes::Bytes;
use endorsing::{check_prepared, sign_envelope};
use protocol::fabric::{EndorseRequest, Envelope, EvaluateRequest, Response, SubmitRequest};
use protocol::{BlockNumber, ChaincodeName, ChannelId, Endpoint, MspId, TxId, TxValidationCode};

use crate::calls::Call;
use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::draft::{Draft, Proposed, propose};
use crate::error::{ClientError, Fault, Rejection};

/// A transaction that was endorsed, compared with its proposal, and signed: ready to be ordered.
#[derive(Clone, Debug)]
pub struct Endorsed {
    /// The transaction.
    pub tx_id: TxId,
    /// The chaincode's result.
    pub payload: Bytes,
    pub(crate) envelope: Envelope,
}

/// A transaction that committed as valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The transaction.
    pub tx_id: TxId,
    /// The verdict, always `VALID`.
    pub code: TxValidationCode,
    /// Its block.
    pub block_number: BlockNumber,
    /// The chaincode's result.
    pub payload: Bytes,
}

impl Connection {
    /// Runs a function without a transaction and returns its answer. `target_organizations` may be empty.
    ///
    /// # Errors
    /// [`Rejection`] where node or chaincode refuses, [`Fault`] where no verdict was reached.
    pub async fn evaluate(
        &self,
        channel: &ChannelId,
        draft: &Draft,
        target_organizations: &[MspId],
    ) -> Result<Response, ClientError> {
        let proposed = propose(channel, draft, self.signer())?;
        let request = EvaluateRequest {
            transaction_id: proposed.tx_id().as_str().to_owned(),
            channel_id: channel.as_str().to_owned(),
            proposed_transaction: Some(proposed.signed),
            target_organizations: texts(target_organizations),
        };
        let call = self.call(Phase::Evaluate, None);
        let answer = call.answer(self.gateway().evaluate(request)).await?;
        let result = answer.result.ok_or_else(|| call.unusable("it holds no result"))?;
        success(&draft.chaincode, result)
    }

    /// The whole way: endorse, check, sign, submit, wait for the verdict.
    ///
    /// # Errors
    /// [`Rejection::Invalid`] where the verdict is not `VALID`; otherwise as the single steps.
    pub async fn submit(&self, channel: &ChannelId, draft: &Draft) -> Result<Submitted, ClientError> {
        let endorsed = self.endorse(channel, draft).await?;
        self.order(channel, &endorsed).await?;
        self.committed(channel, endorsed).await
    }

    /// Has a function endorsed, compares what came back with what was proposed, and signs it.
    ///
    /// # Errors
    /// [`Fault::Tampered`] where the gateway returned another transaction (nothing was signed then); [`Rejection`] where
    /// endorsers refused or disagreed.
    pub async fn endorse(&self, channel: &ChannelId, draft: &Draft) -> Result<Endorsed, ClientError> {
        let proposed = propose(channel, draft, self.signer())?;
        let request = EndorseRequest {
            transaction_id: proposed.tx_id().as_str().to_owned(),
            channel_id: channel.as_str().to_owned(),
            proposed_transaction: Some(proposed.signed.clone()),
            endorsing_organizations: texts(&draft.endorsing_organizations),
        };
        let call = self.call(Phase::Endorse, None);
        let answer = call.answer(self.gateway().endorse(request)).await?;
        let envelope =
            answer.prepared_transaction.ok_or_else(|| call.unusable("it holds no prepared transaction"))?;
        self.check_and_sign(self.endpoint(), &envelope, &proposed)
    }

    /// Hands a signed transaction to the orderers through the gateway.
    ///
    /// # Errors
    /// As a call; a deadline says that the transaction may still commit.
    pub async fn order(&self, channel: &ChannelId, endorsed: &Endorsed) -> Result<(), ClientError> {
        let request = SubmitRequest {
            transaction_id: endorsed.tx_id.as_str().to_owned(),
            channel_id: channel.as_str().to_owned(),
            prepared_transaction: Some(endorsed.envelope.clone()),
        };
        let call = self.call(Phase::Submit, Some(&endorsed.tx_id));
        call.answer(self.gateway().submit(request)).await.map(|_| ())
    }

    /// Compares an envelope with its proposal and signs it only if nothing differs.
    pub(crate) fn check_and_sign(
        &self,
        origin: &Endpoint,
        envelope: &Envelope,
        proposed: &Proposed,
    ) -> Result<Endorsed, ClientError> {
        let action = check_prepared(envelope, &proposed.parsed)
            .map_err(|source| Fault::Tampered { endpoint: origin.clone(), source })?;
        let envelope = sign_envelope(envelope.clone(), self.signer())
            .map_err(|error| Fault::Proposal { reason: error.to_string() })?;
        let payload = action.response.map(|response| response.payload).unwrap_or_default();
        Ok(Endorsed { tx_id: proposed.tx_id().clone(), payload, envelope })
    }

    pub(crate) fn call<'a>(&'a self, phase: Phase, tx_id: Option<&'a TxId>) -> Call<'a> {
        Call { endpoint: self.endpoint(), phase, deadline: self.deadlines().of(phase), tx_id }
    }
}

/// The answer, if the chaincode succeeded. Fabric: 200 to 399 is success.
pub(crate) fn success(chaincode: &ChaincodeName, response: Response) -> Result<Response, ClientError> {
    if endorsing::is_success(response.status) {
        return Ok(response);
    }
    let Response { status, message, .. } = response;
    Err(Rejection::Chaincode { chaincode: chaincode.as_str().to_owned(), status, message }.into())
}

fn texts(msp_ids: &[MspId]) -> Vec<String> {
    msp_ids.iter().map(|msp_id| msp_id.as_str().to_owned()).collect()
}

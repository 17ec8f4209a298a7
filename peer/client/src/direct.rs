//! The way past the gateway, as Fabric's own command line goes: endorse at named peers, broadcast to a named orderer.

use endorsing::{assemble, compare_responses};
use prost::Message as _;
use protocol::fabric::{
    BroadcastResponse, Envelope, ProposalResponse, SerializedIdentity, Status as FabricStatus,
};
use protocol::{ChannelId, Endpoint, MspId, TxId};
use tokio_stream::StreamExt as _;
use transport::services::broadcast::AtomicBroadcastClient;
use transport::services::endorser::EndorserClient;
use transport::{Status, TrustRoots};

use crate::calls::Call;
use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::draft::{Draft, propose};
use crate::error::{ClientError, Fault, Rejection};
use crate::transactions::{Endorsed, success};

impl Connection {
    /// Has a function endorsed at each of the peers, compares their answers and what would be signed, and signs.
    ///
    /// # Errors
    /// [`Rejection::Difference`] where they answered differently; a fault names the peer that was not reached.
    pub async fn endorse_at(
        &self,
        channel: &ChannelId,
        draft: &Draft,
        peers: &[(Endpoint, TrustRoots)],
    ) -> Result<Endorsed, ClientError> {
        let proposed = propose(channel, draft, self.signer())?;
        let mut answers: Vec<(MspId, ProposalResponse)> = Vec::with_capacity(peers.len());
        for (endpoint, roots) in peers {
            let dialler = self.dialler(roots);
            dialler.probe(endpoint).await.map_err(Fault::Transport)?;
            let service = EndorserClient::new(dialler.connect(endpoint));
            let call = self.call_at(endpoint, Phase::ProcessProposal, None);
            let answer = call.answer(service.process_proposal(proposed.signed.clone())).await?;
            let response = answer.response.clone().ok_or_else(|| call.unusable("it holds no response"))?;
            success(&draft.chaincode, response)?;
            answers.push((endorser_of(&answer).ok_or_else(|| call.unusable("it is not endorsed"))?, answer));
        }
        compare_responses(&answers).map_err(|difference| Rejection::Difference(Box::new(difference)))?;
        let responses: Vec<ProposalResponse> = answers.into_iter().map(|(_, answer)| answer).collect();
        let envelope = assemble(&proposed.parsed, &responses)
            .map_err(|error| Fault::Proposal { reason: error.to_string() })?;
        self.check_and_sign(self.endpoint(), &envelope, &proposed)
    }

    /// Hands a signed transaction to an orderer.
    ///
    /// # Errors
    /// [`Rejection::Broadcast`] with Fabric's status where the orderer refuses.
    pub async fn broadcast(
        &self,
        endorsed: &Endorsed,
        orderer: &Endpoint,
        roots: &TrustRoots,
    ) -> Result<(), ClientError> {
        self.broadcast_envelope(&endorsed.tx_id, endorsed.envelope.clone(), orderer, roots).await
    }

    /// Hands an envelope that its creator signed to an orderer.
    ///
    /// # Errors
    /// As [`Connection::broadcast`].
    pub(crate) async fn broadcast_envelope(
        &self,
        tx_id: &TxId,
        envelope: Envelope,
        orderer: &Endpoint,
        roots: &TrustRoots,
    ) -> Result<(), ClientError> {
        let dialler = self.dialler(roots);
        dialler.probe(orderer).await.map_err(Fault::Transport)?;
        let service = AtomicBroadcastClient::new(dialler.connect(orderer));
        let call = self.call_at(orderer, Phase::Broadcast, Some(tx_id));
        let answer = call.status(send(&service, envelope)).await?;
        let Some(BroadcastResponse { status, info }) = answer else {
            return Err(call.unusable("the stream ended without a status"));
        };
        if status == i32::from(FabricStatus::Success) {
            return Ok(());
        }
        let endpoint = orderer.clone();
        let name = status_name(status);
        // 503 and 500 speak of the orderer's state; all others judge the envelope.
        if status >= i32::from(FabricStatus::InternalServerError) {
            let code = transport::Code::Unavailable;
            let message = format!("status {status} ({name}): {info}");
            return Err(Fault::Call {
                endpoint,
                phase: Phase::Broadcast,
                code,
                message,
                details: Vec::new(),
            }
            .into());
        }
        Err(Rejection::Broadcast { endpoint, status, name, info }.into())
    }

    pub(crate) fn call_at<'a>(
        &self,
        endpoint: &'a Endpoint,
        phase: Phase,
        tx_id: Option<&'a TxId>,
    ) -> Call<'a> {
        Call { endpoint, phase, deadline: self.deadlines().of(phase), tx_id }
    }
}

async fn send(
    service: &AtomicBroadcastClient,
    envelope: Envelope,
) -> Result<Option<BroadcastResponse>, Status> {
    let mut answers = service.broadcast(tokio_stream::once(envelope)).await?.into_inner();
    answers.next().await.transpose()
}

/// The organisation that endorsed.
fn endorser_of(answer: &ProposalResponse) -> Option<MspId> {
    let endorser = answer.endorsement.as_ref()?.endorser.clone();
    let identity = SerializedIdentity::decode(endorser).ok()?;
    MspId::new(identity.mspid).ok()
}

/// Fabric's name of a `common.Status`.
pub(crate) fn status_name(status: i32) -> &'static str {
    FabricStatus::try_from(status).unwrap_or(FabricStatus::Unknown).name()
}

//! What was said once is not heard twice: a proposal, an envelope, and the high-s twin of an envelope, sent again.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use endorsing::{ProposalDraft, TransientMap, sign_envelope, sign_proposal};
use msp::SigningIdentity;
use protocol::fabric::{EndorseRequest, EndorseResponse, Envelope, SignedProposal, SubmitRequest};
use protocol::{ChaincodeName, ChannelId, TxId};
use scenarios::{Stage, endpoint, signer, tls_identity, wait_for_same_heights};
use testnet::{Hospital, Network, NetworkOptions, User};
use tokio::runtime::Runtime;
use transport::services::gateway::GatewayClient;
use transport::{Code, Status, TlsClient, TrustRoots};

const CATCH_UP: Duration = Duration::from_secs(30);

/// A client that keeps what it sent, to send it again.
struct Sender {
    runtime: Runtime,
    gateway: GatewayClient,
    signer: SigningIdentity,
    channel: ChannelId,
}

impl Sender {
    fn connect(user: &User) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let roots = TrustRoots::from_pem([&std::fs::read(user.tls_root())?[..]])?;
        let dialler = TlsClient::new(&tls_identity(user)?, &roots);
        let peer = endpoint(user.address())?;
        let gateway = runtime.block_on(async { GatewayClient::new(dialler.connect(&peer)) });
        let (signer, channel) = (signer(user)?, ChannelId::new(user.channel())?);
        Ok(Self { runtime, gateway, signer, channel })
    }

    fn proposal(&self, id: &str, nonce: &'static [u8]) -> Result<(TxId, SignedProposal)> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let args = ["CreateAsset", id, "blue", "5", "Tomoko", "300"];
        let draft = ProposalDraft {
            channel: self.channel.clone(),
            chaincode: ChaincodeName::new("asset-transfer")?,
            args: args.iter().map(|arg| Bytes::copy_from_slice(arg.as_bytes())).collect(),
            transient: TransientMap::default(),
            creator: self.signer.serialized(),
            nonce: Bytes::from_static(nonce),
            timestamp_ms: u64::try_from(now.as_millis())?,
        };
        Ok((draft.tx_id(), sign_proposal(draft, &self.signer)?))
    }

    fn endorse(&self, tx_id: &TxId, proposal: &SignedProposal) -> Result<EndorseResponse, Status> {
        let request = EndorseRequest {
            transaction_id: tx_id.as_str().to_owned(),
            channel_id: self.channel.as_str().to_owned(),
            proposed_transaction: Some(proposal.clone()),
            endorsing_organizations: Vec::new(),
        };
        self.runtime.block_on(self.gateway.endorse(request)).map(|answer| answer.into_inner())
    }

    fn submit(&self, tx_id: &TxId, envelope: &Envelope) -> Result<(), Status> {
        let request = SubmitRequest {
            transaction_id: tx_id.as_str().to_owned(),
            channel_id: self.channel.as_str().to_owned(),
            prepared_transaction: Some(envelope.clone()),
        };
        self.runtime.block_on(self.gateway.submit(request)).map(drop)
    }
}

#[test]
fn a_proposal_and_an_envelope_count_once() -> Result<()> {
    let network = Stage::start(NetworkOptions::default())?;
    let sender = Sender::connect(&network.doctor(Hospital::A))?;
    let (tx_id, proposal) = sender.proposal("once", b"a nonce that is used again")?;
    let endorsed = |answer: EndorseResponse| answer.prepared_transaction.context("no transaction");
    let envelope = endorsed(sender.endorse(&tx_id, &proposal)?)?;
    let envelope = sign_envelope(envelope, &sender.signer)?;
    let height = wait_for_same_heights(&network, CATCH_UP)?.height;

    let twin = Envelope { signature: high_s(&envelope.signature).into(), ..envelope.clone() };
    let refused = sender.submit(&tx_id, &twin).expect_err("the twin is not ordered");
    ensure!(refused.message().contains("has a high s"), "{refused:?}");
    println!("the high-s twin: {}", refused.message());

    sender.submit(&tx_id, &envelope)?;
    Network::wait_until("the transaction is committed", CATCH_UP, || {
        let found = wait_for_same_heights(&network, CATCH_UP)?.height;
        ensure!(found == height + 1, "{found} blocks");
        Ok(())
    })?;
    let Err(refused) = sender.endorse(&tx_id, &proposal) else { bail!("the proposal was endorsed again") };
    // The endorsers' own words stand in the details, one row an endorser.
    let told = String::from_utf8_lossy(refused.details()).into_owned();
    ensure!(told.contains("is committed; a new proposal needs a new nonce"), "{refused:?}");
    println!("the same proposal again: {:?}: {told:?}", refused.code());

    // The orderers answer that the transaction is in a block, which is what its sender wants to hear, and order nothing.
    match sender.submit(&tx_id, &envelope) {
        Ok(()) => println!("the same envelope again: answered"),
        Err(status) => {
            ensure!(status.code() != Code::Unavailable, "{status:?}");
            println!("the same envelope again: {:?}: {}", status.code(), status.message());
        }
    }
    // Another nonce is another transaction; it commits after all that was sent before, and shows that nothing else did.
    let (other, proposal) = sender.proposal("twice", b"another nonce")?;
    let envelope = endorsed(sender.endorse(&other, &proposal)?)?;
    sender.submit(&other, &sign_envelope(envelope, &sender.signer)?)?;
    Network::wait_until("the other transaction is committed", CATCH_UP, || {
        let found = wait_for_same_heights(&network, CATCH_UP)?.height;
        ensure!(found == height + 2, "{found} blocks, begun at {height}");
        Ok(())
    })
}

/// The twin with n - s of a DER signature over P-256, which verifies as well.
fn high_s(der: &[u8]) -> Vec<u8> {
    malleable::high_s(der)
}

#[path = "../../../../../network/configtx/tests/fixture/malleable.rs"]
mod malleable;

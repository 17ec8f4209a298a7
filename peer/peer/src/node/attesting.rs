//! Tells the channel's other peers what this one has reached, and hears what they have.
//!
//! Under load the newest block suffices: whoever agrees at one height agrees at every lower one. So a few rounds a second
//! are enough, and the last block is always told. A round now and then on an idle channel reaches those that were away.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use gateway::ports::ChannelLedger as _;
use gateway::{Attestations, Dialer};
use msp::{Signer, VerifiedIdentity};
use protocol::{CommitAttestation, Endpoint, MspId, SignedAttestation};
use tokio::time::{Instant, sleep_until, timeout};
use transport::Status;
use validation::Comparison;

use super::channel::Channel;
use super::settings::with_causes;

/// From the beginning of a round to the next one's: at most two a second.
const ROUND_MIN: Duration = Duration::from_millis(500);
/// On an idle channel, a round so often.
const ROUND_MAX: Duration = Duration::from_secs(30);
/// Peers that are called at a time.
const CALLS_MAX: usize = 16;

/// What an attester works with.
pub struct Attester {
    /// The channel.
    pub channel: Arc<Channel>,
    /// Who attests.
    pub signer: Arc<dyn Signer>,
    /// How peers are dialled: each is believed only with a certificate of its own organisation.
    pub dialer: Dialer,
    /// Where attestations are kept.
    pub attestations: Arc<Attestations>,
}

impl Attester {
    /// Attests until the channel stops or the task is aborted.
    pub async fn run(self) {
        loop {
            let began = Instant::now();
            let height = self.channel.height();
            if let Err(reason) = self.round().await {
                tracing::error!(channel = %self.channel.channel(), reason, "nothing was attested");
            }
            let name = self.channel.channel();
            let commit = async {
                tokio::select! {
                    reached = self.channel.reached(height + 1) => reached,
                    () = self.attestations.contradicted(name) => Ok(()),
                }
            };
            if let Ok(Err(_)) = timeout(ROUND_MAX, commit).await {
                return;
            }
            sleep_until(began + ROUND_MIN).await;
        }
    }

    /// Tells every other peer, of the own organisation too, and takes what they answer. One of the addresses is this peer's
    /// own, under a name that it need not know: what it hears from itself it passes over.
    async fn round(&self) -> Result<(), String> {
        let bundle = self.channel.bundle();
        let info = self.channel.ledger().info();
        let Some(number) = info.height.checked_sub(1).map(protocol::BlockNumber) else { return Ok(()) };
        let attestation = CommitAttestation {
            version: CommitAttestation::VERSION,
            channel: info.channel,
            number,
            block_hash: info.block_hash,
            commit_hash: info.commit_hash,
        };
        let signed = self.attestations.attest(&attestation, self.signer.as_ref());
        let signed = signed.map_err(|error| with_causes(&error))?;
        self.attestations.review(&*self.channel).map_err(|fault| fault.to_string())?;
        let organizations = bundle.config().organizations.iter();
        let peers: Vec<(MspId, Endpoint)> = organizations
            .flat_map(|org| org.peers.iter().map(|peer| (org.msp.msp_id.clone(), peer.clone())))
            .collect();
        let calls = stream::iter(peers).map(|(msp_id, endpoint)| {
            let (bundle, signed) = (Arc::clone(&bundle), signed.clone());
            async move {
                let answer = self.dialer.attest(&bundle, (&msp_id, &endpoint), signed).await;
                (msp_id, endpoint, answer)
            }
        });
        let mut answers = calls.buffer_unordered(CALLS_MAX);
        while let Some((msp_id, endpoint, answer)) = answers.next().await {
            // Who is not reached, or does not attest, is told and asked again in a later round.
            if let Ok(Some(signed)) = answer {
                self.heard(&msp_id, &endpoint, &signed);
            }
        }
        Ok(())
    }

    /// Takes what the peer at that endpoint has reached; avoids it where that is another ledger.
    fn heard(&self, msp_id: &MspId, endpoint: &Endpoint, signed: &SignedAttestation) {
        let is_of_the_endpoint = |identity: &VerifiedIdentity| {
            if identity.msp_id() == msp_id {
                return Ok(());
            }
            Err(Status::permission_denied(format!("it is signed by {}", identity.msp_id())))
        };
        let bundle = self.channel.bundle();
        match self.attestations.take(&*self.channel, signed, is_of_the_endpoint) {
            Ok(Comparison::Agrees) => self.dialer.avoid(&bundle, (msp_id, endpoint), None),
            Ok(Comparison::Differs) => {
                let reason =
                    "its ledger differs from this peer's, so it is not asked; see /healthz".to_owned();
                self.dialer.avoid(&bundle, (msp_id, endpoint), Some(reason));
            }
            Ok(Comparison::Ahead) => {}
            Err(status) => {
                tracing::debug!(channel = %self.channel.channel(), %msp_id, %endpoint, reason = status.message(), "an attestation is refused");
            }
        }
    }
}

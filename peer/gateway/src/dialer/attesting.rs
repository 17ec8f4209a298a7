//! Attestations over the dialler's lines, and the peers that are avoided since they attest another ledger.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use configtx::ConfigBundle;
use protocol::{ChannelId, Endpoint, MspId, SignedAttestation};
use tokio::time::Instant;
use transport::Status;
use transport::services::attestations::AttestationsClient;

use super::{Dialer, called};
use crate::service::EndpointFailure;

/// How long a peer may take to answer: it verifies one signature.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Peers that are not asked for anything on a channel, with the reason. Bounded by the channels' configurations: only
/// endpoints that stand there are ever called.
pub(super) type Avoided = Mutex<BTreeMap<(ChannelId, MspId, Endpoint), String>>;

impl Dialer {
    /// Tells a peer what this one has reached; returns what that peer has reached, if it says so. One that failed a moment
    /// ago is left alone.
    ///
    /// # Errors
    /// A status where the peer is not reached, or refuses.
    pub async fn attest(
        &self,
        bundle: &ConfigBundle,
        (msp_id, endpoint): (&MspId, &Endpoint),
        signed: SignedAttestation,
    ) -> Result<Option<SignedAttestation>, Status> {
        let line = self.line(bundle, msp_id, endpoint).map_err(Status::unavailable)?;
        if line.is_suspect() {
            return Err(Status::unavailable("it failed a moment ago"));
        }
        let client = AttestationsClient::new(line.channel.clone());
        let answer = called(&line, Instant::now() + ANSWER_MAX, client.attest(signed)).await?;
        Ok(answer.into_inner())
    }

    /// Asks a peer for nothing more on the channel, for that reason; with `None`, asks it again.
    pub fn avoid(
        &self,
        bundle: &ConfigBundle,
        (msp_id, endpoint): (&MspId, &Endpoint),
        reason: Option<String>,
    ) {
        let key = (bundle.config().channel.clone(), msp_id.clone(), endpoint.clone());
        let mut avoided = self.0.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        match reason {
            Some(reason) => drop(avoided.insert(key, reason)),
            None => drop(avoided.remove(&key)),
        }
    }

    /// Why a peer is avoided; `None` for one that is not.
    pub(super) fn avoided(
        &self,
        bundle: &ConfigBundle,
        msp_id: &MspId,
        endpoint: &Endpoint,
    ) -> Option<String> {
        let avoided = self.0.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        if avoided.is_empty() {
            return None;
        }
        let key = (bundle.config().channel.clone(), msp_id.clone(), endpoint.clone());
        avoided.get(&key).cloned()
    }

    /// A row for each of these peers that is avoided.
    pub(super) fn avoided_of(
        &self,
        bundle: &ConfigBundle,
        peers: &[(MspId, Endpoint)],
    ) -> Vec<EndpointFailure> {
        let row = |(msp_id, endpoint): &(MspId, Endpoint)| {
            let message = self.avoided(bundle, msp_id, endpoint)?;
            let (msp_id, address) = (msp_id.as_str().to_owned(), endpoint.to_string());
            Some(EndpointFailure { msp_id, address, message, is_answer: false })
        };
        peers.iter().filter_map(row).collect()
    }
}

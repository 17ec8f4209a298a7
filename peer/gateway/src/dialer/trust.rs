//! Whom the dialler believes: one TLS client a channel and organisation, with exactly the TLS roots that the configuration in
//! force gives that organisation. Other roots make another client, so that a change of the configuration holds for the next
//! call. A node whose TLS key the channel revoked is not believed on that channel, whatever another channel says of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use configtx::ConfigBundle;
use protocol::{ChannelId, Digest, MspId};
use transport::{PeerCertificate, TlsClient, TrustRoots};

/// Organisations with their roots that are remembered; far more than any consortium has. Beyond it all are forgotten.
const CLIENTS_MAX: usize = 1_024;

/// A channel, an organisation and the digest of its TLS roots.
pub(super) type Trusted = (ChannelId, MspId, Digest);

/// Refuses nodes whose TLS key a channel admits no longer. Asked at each handshake and after each recheck of the client's
/// gate; the text of a refusal is for the log.
#[derive(Clone)]
pub struct NodeGuard(Arc<Refusing>);

type Refusing = dyn Fn(&ChannelId, &PeerCertificate) -> Result<(), String> + Send + Sync;

impl NodeGuard {
    /// Takes the closure, which must be quick.
    pub fn new(
        judge: impl Fn(&ChannelId, &PeerCertificate) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(judge))
    }
}

impl fmt::Debug for NodeGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeGuard")
    }
}

/// The clients, made when they are first needed.
pub(super) struct OrganizationClients {
    identity: TlsClient,
    guard: NodeGuard,
    clients: Mutex<BTreeMap<Trusted, TlsClient>>,
}

impl OrganizationClients {
    /// Takes who dials; whose roots that client believes is of no account here.
    pub(super) const fn new(identity: TlsClient, guard: NodeGuard) -> Self {
        Self { identity, guard, clients: Mutex::new(BTreeMap::new()) }
    }

    /// The client that believes the nodes of an organisation and nobody else.
    ///
    /// # Errors
    /// A text where the channel does not have the organisation, or no usable TLS roots of it.
    pub(super) fn of(&self, bundle: &ConfigBundle, msp_id: &MspId) -> Result<(Trusted, TlsClient), String> {
        let organization =
            bundle.organization(msp_id).ok_or_else(|| format!("the channel has no organisation {msp_id}"))?;
        let roots: Vec<Bytes> = organization.msp.tls_ca_certs().cloned().collect();
        let channel = &bundle.config().channel;
        let trusted = (channel.clone(), msp_id.clone(), digest_of(&roots));
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&trusted) {
            return Ok((trusted, client.clone()));
        }
        let roots = TrustRoots::new(roots)
            .map_err(|error| format!("the TLS roots of {msp_id} in the configuration: {error}"))?;
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        let (guard, channel) = (self.guard.clone(), channel.clone());
        let client = self.identity.narrowed(&roots, move |certificate| (guard.0)(&channel, certificate));
        clients.insert(trusted.clone(), client.clone());
        Ok((trusted, client))
    }
}

/// Digest of the digests: no two lists of certificates run into the same bytes.
fn digest_of(roots: &[Bytes]) -> Digest {
    let digests: Vec<u8> = roots.iter().flat_map(|root| Digest::of(root).0).collect();
    Digest::of(&digests)
}

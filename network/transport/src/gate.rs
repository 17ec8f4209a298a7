//! The question that is asked about a TLS key at its handshake, at every request, and whenever the answer may have changed.
//!
//! A handshake happens once and a connection may live for weeks; a key that is revoked meanwhile must lose it within one
//! block. Who is revoked is known above this crate, so the gate is a closure. There is no list of connections: each waits
//! for the gate's next change beside its own work, so what is watched is exactly what lives.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::peer_certificate::PeerCertificate;

type Judge = dyn Fn(&PeerCertificate) -> Result<(), String> + Send + Sync;

/// Judges certificates. A refused handshake ends with the alert `certificate_revoked`; the refusal of a request becomes `PERMISSION_DENIED` with the text that the closure returns,
/// which a remote party reads: a short reason, no internals. Clones share the closure and its rechecks.
#[derive(Clone)]
pub struct ConnectionGate {
    judge: Arc<Judge>,
    changes: Arc<watch::Sender<u64>>,
}

impl ConnectionGate {
    /// Takes the closure. It is called on the path of every request and must be quick: a lookup, no waiting.
    pub fn new(judge: impl Fn(&PeerCertificate) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { judge: Arc::new(judge), changes: Arc::new(watch::Sender::new(0)) }
    }

    /// A gate that refuses besides whom `judge` refuses. A recheck of either asks both.
    #[must_use]
    pub fn narrowed(
        &self,
        judge: impl Fn(&PeerCertificate) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let wider = Arc::clone(&self.judge);
        let both = move |certificate: &PeerCertificate| wider(certificate).and_then(|()| judge(certificate));
        Self { judge: Arc::new(both), changes: Arc::clone(&self.changes) }
    }

    /// Has every live connection judged again at once; those that are refused are closed, with the streams on them. Call it
    /// when what the closure knows has changed.
    pub fn recheck(&self) {
        self.changes.send_modify(|revision| *revision += 1);
    }

    /// Asks the closure.
    ///
    /// # Errors
    /// The closure's reason.
    pub fn judge(&self, certificate: &PeerCertificate) -> Result<(), String> {
        (self.judge)(certificate)
    }

    /// Waits until the closure refuses the certificate, and gives its reason. Judges now and after every recheck.
    pub(crate) async fn refusal(self, certificate: PeerCertificate) -> String {
        // Taken before the first judgement, so that no change between the two is missed.
        let mut changes = self.changes();
        loop {
            if let Err(reason) = self.judge(&certificate) {
                return reason;
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Default for ConnectionGate {
    /// A gate that refuses nobody.
    fn default() -> Self {
        Self::new(|_| Ok(()))
    }
}

impl fmt::Debug for ConnectionGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionGate")
    }
}

//! Whom TLS believes: the files that the settings name, and the organisations of every channel's configuration in force.
//!
//! A handshake comes before anybody has named a channel, so trust is the union over the channels, renewed when any of them
//! changes. It opens no channel: each of them judges by its own configuration whom it serves.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;
use transport::TrustRoots;

use crate::chain::Chain;
use crate::configuration::trusted;

/// The roots of this node's listener and of its calls.
pub struct Trust {
    roots: TrustRoots,
    own: Vec<Bytes>,
    chains: Vec<Arc<Chain>>,
    /// Held while the roots are gathered and replaced, so that the newest configuration of every channel wins.
    renewing: Mutex<()>,
}

impl Trust {
    /// Takes the roots to keep in step with these chains, and those of the settings' files, which are always in force.
    pub const fn new(roots: TrustRoots, own: Vec<Bytes>, chains: Vec<Arc<Chain>>) -> Self {
        Self { roots, own, chains, renewing: Mutex::new(()) }
    }

    /// Believes the organisations in force, and no others: connections of whoever left the last channel end.
    pub fn renew(&self) {
        let _renewing = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        let bundles: Vec<_> = self.chains.iter().map(|chain| chain.bundle()).collect();
        if let Err(error) = self.roots.replace(trusted(&self.own, bundles.iter().map(|bundle| &**bundle))) {
            tracing::error!(%error, "TLS believes the organisations of before");
        }
    }

    /// Renews after every configuration block of one chain until `shutdown` turns true.
    pub async fn follow(self: Arc<Self>, chain: Arc<Chain>, mut shutdown: watch::Receiver<bool>) {
        let mut configurations = chain.configurations();
        loop {
            // What changed before this task ran is in force already.
            self.renew();
            tokio::select! {
                _ = shutdown.wait_for(|ends| *ends) => return,
                changed = configurations.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }
}

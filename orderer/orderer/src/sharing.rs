//! The consenters' signatures on their way: own ones to all others, and those that are missing asked for.
//!
//! Each other consenter has a queue of its own, so that one that is down delays nobody. What is lost on the way is asked
//! for: soon where blocks wait for it, else now and then, which tells at the same time who is reached. The consenters are
//! those of the configuration in force.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::{BlockNumber, ConsensusReply, ConsensusRequest, SignatureShare};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::blocking::blocking;
use crate::chain::Chain;
use crate::clocks::Clocks;
use crate::consensus_service::SHARES_MAX;
use crate::consenters::{ConsenterKey, ConsenterNetwork};

/// Signatures that wait for one consenter; what does not fit is asked for later.
const QUEUE_MAX: usize = 1024;
/// A call with signatures.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two questions while blocks wait for signatures.
const ASK_PAUSE: Duration = Duration::from_millis(200);
/// Between two signs of life while none is missing.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// What is shared, and with whom.
pub struct Sharing {
    /// The chain.
    pub chain: Arc<Chain>,
    /// The way to the others.
    pub consenters: Arc<dyn ConsenterNetwork>,
    /// Their clocks.
    pub clocks: Arc<Clocks>,
}

/// Another consenter: the queue to it, and the tasks that send and ask. They end with it.
struct Other {
    queue: mpsc::Sender<SignatureShare>,
    _tasks: JoinSet<()>,
}

/// Sends own signatures and asks for missing ones until `shutdown` turns true.
pub async fn share(
    sharing: Sharing,
    mut own: mpsc::Receiver<SignatureShare>,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut configurations = sharing.chain.configurations();
    let mut others = BTreeMap::new();
    sharing.renew(&mut others);
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|ends| *ends) => return,
            changed = configurations.changed() => match changed {
                Ok(()) => sharing.renew(&mut others),
                Err(_) => return,
            },
            share = own.recv() => match share {
                Some(share) => for other in others.values() {
                    // A full queue belongs to a consenter that is down; it will ask.
                    let _ = other.queue.try_send(share.clone());
                },
                None => return,
            },
        }
    }
}

impl Sharing {
    /// Turns to the consenters of the configuration in force.
    fn renew(&self, others: &mut BTreeMap<ConsenterKey, Other>) {
        self.consenters.renew(&self.chain.bundle().config().orderer.consenters);
        let keys = self.consenters.others();
        self.clocks.keep(&keys);
        others.retain(|key, _| keys.contains(key));
        for key in keys {
            others.entry(key).or_insert_with(|| self.begin(key));
        }
    }

    fn begin(&self, key: ConsenterKey) -> Other {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(send(Arc::clone(&self.chain), Arc::clone(&self.consenters), key, waiting));
        tasks.spawn(ask(Arc::clone(&self.chain), Arc::clone(&self.consenters), key));
        Other { queue, _tasks: tasks }
    }
}

async fn send(
    chain: Arc<Chain>,
    consenters: Arc<dyn ConsenterNetwork>,
    consenter: ConsenterKey,
    mut waiting: mpsc::Receiver<SignatureShare>,
) {
    let mut shares = Vec::new();
    while waiting.recv_many(&mut shares, SHARES_MAX).await > 0 {
        let shares = std::mem::take(&mut shares);
        let request = ConsensusRequest::Share { channel: chain.channel().clone(), shares };
        if let Err(error) = consenters.call(consenter, request, CALL_TIMEOUT).await {
            tracing::debug!(%consenter, %error, "signatures not sent");
        }
    }
}

async fn ask(chain: Arc<Chain>, consenters: Arc<dyn ConsenterNetwork>, consenter: ConsenterKey) {
    loop {
        let first = chain.first_unsigned();
        let from = first.unwrap_or(BlockNumber(u64::MAX));
        let request = ConsensusRequest::Shares { channel: chain.channel().clone(), from };
        let count = match consenters.call(consenter, request, CALL_TIMEOUT).await {
            Ok(ConsensusReply::Shares(shares)) => take(&chain, consenter, shares).await,
            Ok(_) => 0,
            Err(error) => {
                tracing::debug!(%consenter, %error, "consenter not reached");
                0
            }
        };
        let pause = match (first, count) {
            // As long as it helps, the next ones are asked for at once.
            (Some(_), 1..) => Duration::ZERO,
            (Some(_), 0) => ASK_PAUSE,
            (None, _) => IDLE_PAUSE,
        };
        tokio::time::sleep(pause).await;
    }
}

async fn take(chain: &Arc<Chain>, consenter: ConsenterKey, shares: Vec<SignatureShare>) -> usize {
    let chain = Arc::clone(chain);
    let added = blocking(move || chain.add_shares(consenter, shares)).await;
    match added {
        Ok(Ok(count)) => count,
        Ok(Err(error)) => {
            tracing::error!(%error, "signatures not stored");
            0
        }
        Err(_) => 0,
    }
}

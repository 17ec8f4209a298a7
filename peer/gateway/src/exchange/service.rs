//! The service `consilium.Exchange`: streams the blocks of one DAG.
//!
//! Work is bounded for each asking organisation and each stream: a block is read only when the one before was taken, and
//! who does not take it in time loses the stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ipfs::{SealedStore, SealedStoreError};
use offchain::{Cid, DagWalk, Next};
use protocol::limits::PROPOSAL_BYTES_MAX;
use protocol::{BlockRequest, BlockResponse, MspId, SignedRequest, SigningDomain, codec};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use transport::services::exchange::Exchange;
use transport::{PeerCertificate, Request, Response, ResponseStream, Status};

use super::SEALED_BYTES_MAX;
use super::permission::{Ask, may_have};
use crate::custody::blocking;
use crate::ports::{Asker, Node};
use crate::revoked::until_revoked;
use crate::signed_request::{now_ms, payload, require_peer, signer};

/// A request holds at most a proposal and a little more.
const REQUEST_BYTES_MAX: usize = PROPOSAL_BYTES_MAX + (64 << 10);
/// Blocks that wait in a stream: one on its way, one read ahead. Each has at most 2 MiB.
const BLOCKS_AHEAD: usize = 1;

/// How much is served at once.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Streams of one asking organisation at a time.
    pub streams_per_organization: usize,
    /// How long a receiver may take for one block.
    pub block_timeout: Duration,
    /// How long one stream may last.
    pub stream_timeout: Duration,
}

impl Default for ServeLimits {
    /// Four streams an organisation, half a minute a block, an hour a stream.
    fn default() -> Self {
        Self {
            streams_per_organization: 4,
            block_timeout: Duration::from_secs(30),
            stream_timeout: Duration::from_secs(3_600),
        }
    }
}

/// Serves sealed blocks to the peers of the channel's organisations.
#[derive(Debug)]
pub struct ExchangeService<N> {
    node: Arc<N>,
    store: SealedStore,
    limits: ServeLimits,
    /// One entry an organisation that ever asked; only organisations of a channel get that far.
    streams: Mutex<BTreeMap<MspId, Arc<Semaphore>>>,
}

impl<N: Node> ExchangeService<N> {
    /// Serves what `store` holds by what `node`'s ledgers say.
    pub const fn new(node: Arc<N>, store: SealedStore, limits: ServeLimits) -> Self {
        Self { node, store, limits, streams: Mutex::new(BTreeMap::new()) }
    }

    fn slot(&self, asker: &MspId) -> Result<OwnedSemaphorePermit, Status> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = streams
            .entry(asker.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(self.limits.streams_per_organization)));
        Arc::clone(slots).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "{asker} has {} streams of sealed blocks open here, the limit; ask again",
                self.limits.streams_per_organization
            ))
        })
    }
}

impl<N: Node> Exchange for ExchangeService<N> {
    async fn fetch(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<ResponseStream<BlockResponse>>, Status> {
        let certificate = request.extensions().get::<PeerCertificate>().cloned();
        let signed = request.into_inner();
        let asked: BlockRequest = payload(&signed, SigningDomain::BlockRequest, REQUEST_BYTES_MAX)?;
        codec::expect_version("BlockRequest", asked.version, 1)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let ledger = self.node.admit(&asked.channel, certificate.as_ref())?;
        let now_ms = now_ms();
        let asker = signer(&*ledger, &signed, now_ms)?;
        require_peer(&*ledger, &asker, certificate.as_ref())?;
        let root: Cid = asked
            .root
            .parse()
            .map_err(|error| Status::invalid_argument(format!("the root is no CID: {error}")))?;
        let slot = self.slot(asker.msp_id())?;
        let peer = asker;
        let (own, asker) = (self.node.msp_id().clone(), peer.msp_id().clone());
        let (store, reason) = (self.store.clone(), asked.reason);
        let answer = blocking(move || {
            let ask = Ask { asker: &asker, root, reason: &reason, now_ms };
            if let Err(refusal) = may_have(&*ledger, &own, &ask)? {
                return Ok(Some(BlockResponse::Refused(refusal)));
            }
            let held = store.held(root).map_err(|error| store_status(&error))?;
            Ok(held.is_none().then(|| BlockResponse::NotHeld(format!("{own} does not hold {root}"))))
        })
        .await?;
        Ok(Response::new(match answer {
            Some(answer) => Box::pin(tokio_stream::once(Ok(answer))),
            None => {
                let blocks = serve(self.store.clone(), root, self.limits, slot);
                until_revoked(Arc::clone(&self.node), asked.channel, Asker::new(&peer, certificate), blocks)
            }
        }))
    }
}

/// The blocks of a DAG in the order of a depth-first walk.
fn serve(
    store: SealedStore,
    root: Cid,
    limits: ServeLimits,
    slot: OwnedSemaphorePermit,
) -> ResponseStream<BlockResponse> {
    let (sender, receiver) = mpsc::channel(BLOCKS_AHEAD);
    tokio::spawn(async move {
        let _slot = slot;
        // Whoever is too slow loses the stream: dropping the sender ends it, and the receiver finds it short.
        let _ = tokio::time::timeout(limits.stream_timeout, walk(&store, root, limits, &sender)).await;
    });
    Box::pin(ReceiverStream::new(receiver))
}

async fn walk(
    store: &SealedStore,
    root: Cid,
    limits: ServeLimits,
    sender: &mpsc::Sender<Result<BlockResponse, Status>>,
) {
    let mut walk = DagWalk::new(root, SEALED_BYTES_MAX);
    while let Next::Want(cid) = walk.next() {
        let read = read(store.clone(), cid).await;
        let block = match read {
            Ok(block) => block,
            Err(answer) => {
                let _ = sender.send_timeout(answer, limits.block_timeout).await;
                return;
            }
        };
        let sent = sender.send_timeout(Ok(BlockResponse::Block(block.clone())), limits.block_timeout).await;
        if sent.is_err() || walk.supply(cid, block).is_err() {
            return;
        }
    }
}

async fn read(store: SealedStore, cid: Cid) -> Result<Bytes, Result<BlockResponse, Status>> {
    let block = blocking(move || Ok(store.block(cid))).await.map_err(Err)?;
    block.map_err(|error| match error {
        SealedStoreError::Missing { .. } | SealedStoreError::Damaged { .. } => {
            tracing::error!(%cid, %error, "exchange.block");
            Ok(BlockResponse::NotHeld(format!("block {cid} is not intact here")))
        }
        other => Err(store_status(&other)),
    })
}

/// Logs a fault of the sealed store once, where it becomes a status.
pub(crate) fn store_status(error: &SealedStoreError) -> Status {
    tracing::error!(%error, "gateway.sealed_store_fault");
    Status::internal("the store of sealed reports failed; the operator finds the reason in the log")
}

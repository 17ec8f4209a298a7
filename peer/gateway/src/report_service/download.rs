//! Handing out a report whose opening is on the ledger.
//!
//! The order is the promise: the opening is VALID here and was created by the asking user; the release rule gives the
//! key; the sealed bytes are brought here; what comes out is streamed, and only after the last byte is its binding
//! compared with the ledger's. A receiver believes nothing before `Verified`.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use ipfs::{DataKey, OpenError, Opened, open};
use msp::VerifiedIdentity;
use protocol::{DownloadEvent, DownloadRequest, KeyRequest, TxValidationCode};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use transport::{ResponseStream, Status};
use validation::parse_transaction;

use super::holders::{holders_of, signed_block_request};
use super::key_request::obtain_key;
use super::service::Shared;
use crate::custody::{blocking, wait_for};
use crate::exchange::{SEALED_BYTES_MAX, WantedDag, store_status};
use crate::ports::{ChannelLedger, Node};
use crate::signed_request::ledger_status;
use crate::trail::{Author, Origin, TrailError, author, committed, origin};

/// Events that wait in the stream; each has at most 256 KiB.
const EVENTS_AHEAD: usize = 4;

type Events = mpsc::Sender<Result<DownloadEvent, Status>>;

/// The events of one download.
pub(super) fn stream<N: Node>(
    shared: Arc<Shared<N>>,
    ledger: Arc<dyn ChannelLedger>,
    user: VerifiedIdentity,
    asked: DownloadRequest,
    slot: OwnedSemaphorePermit,
) -> ResponseStream<DownloadEvent> {
    let (events, receiver) = mpsc::channel(EVENTS_AHEAD);
    tokio::spawn(async move {
        let _slot = slot;
        if let Err(status) = download(&shared, ledger, &user, &asked, &events).await {
            let _ = events.send_timeout(Err(status), shared.limits.user_timeout).await;
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

async fn download<N: Node>(
    shared: &Arc<Shared<N>>,
    ledger: Arc<dyn ChannelLedger>,
    user: &VerifiedIdentity,
    asked: &DownloadRequest,
    events: &Events,
) -> Result<(), Status> {
    wait_for(&*shared.node, &ledger, &asked.open_tx_id).await?;
    opened_by(&*ledger, user, asked)?;
    let origin = origin(&*ledger, &asked.report_id).map_err(trail_status)?;
    tell(
        shared,
        events,
        format!("the opening is recorded; asking for the key of report {}", asked.report_id),
    )
    .await?;
    let request = KeyRequest {
        version: 1,
        channel: asked.channel.clone(),
        report_id: asked.report_id.clone(),
        open_tx_id: asked.open_tx_id.clone(),
    };
    let key = obtain_key(shared, &ledger, &origin, &request).await?;
    tell(shared, events, "the key was released".to_owned()).await?;
    bring(shared, &*ledger, &origin, asked, events).await?;
    let opened = hand_out(shared, &origin, key, events.clone()).await?;
    let record = &origin.record;
    if !opened.binding.to_string().eq_ignore_ascii_case(&record.binding) || opened.size != record.size {
        return Err(Status::data_loss(format!(
            "the opened report is not the recorded one: binding {} and {} bytes are on the ledger, {} and {} were found",
            record.binding, record.size, opened.binding, opened.size
        )));
    }
    let verified = DownloadEvent::Verified { binding: record.binding.clone(), size: record.size };
    send(shared, events, verified).await
}

/// Checks that the asking user is the creator of the opening, and that it is VALID.
fn opened_by(
    ledger: &dyn ChannelLedger,
    user: &VerifiedIdentity,
    asked: &DownloadRequest,
) -> Result<(), Status> {
    let open_tx_id = &asked.open_tx_id;
    let found = committed(ledger, open_tx_id).map_err(|fault| ledger_status(&fault))?;
    let Some((at, envelope)) = found else {
        return Err(Status::not_found(format!("transaction {open_tx_id} is not committed here")));
    };
    if at.code != TxValidationCode::Valid {
        return Err(Status::failed_precondition(format!(
            "the opening {open_tx_id} is {} on the ledger; record a new one",
            at.code.name()
        )));
    }
    let creator = parse_transaction(&envelope).ok().and_then(|transaction| author(&transaction));
    if creator == Some(Author { msp_id: user.msp_id().clone(), poi: user.poi() }) {
        return Ok(());
    }
    Err(Status::permission_denied(format!(
        "the opening {open_tx_id} was recorded by another identity; record your own"
    )))
}

/// Sees to it that the sealed bytes are here.
async fn bring<N: Node>(
    shared: &Shared<N>,
    ledger: &dyn ChannelLedger,
    origin: &Origin,
    asked: &DownloadRequest,
    events: &Events,
) -> Result<(), Status> {
    if shared.store.held(origin.cid).map_err(|error| store_status(&error))?.is_some() {
        return Ok(());
    }
    tell(shared, events, format!("fetching the sealed report {}", origin.cid)).await?;
    let bundle = ledger.bundle();
    let request = signed_block_request(shared.node.signer(), &asked.channel, &asked.report_id, origin)?;
    let holders = holders_of(&bundle, origin);
    let size_max = origin.record.sealed_size.min(SEALED_BYTES_MAX);
    Ok(shared.fetcher.fetch(&bundle, &holders, &WantedDag { root: origin.cid, request, size_max }).await?)
}

/// Opens the sealed bytes and streams the plaintext.
async fn hand_out<N: Node>(
    shared: &Arc<Shared<N>>,
    origin: &Origin,
    key: DataKey,
    events: Events,
) -> Result<Opened, Status> {
    tell(shared, &events, "opening the sealed report".to_owned()).await?;
    let (store, cid, size) = (shared.store.clone(), origin.cid, origin.record.size);
    let (plain, mut chunks) = mpsc::channel::<Bytes>(EVENTS_AHEAD);
    let opening = blocking(move || {
        let block = |cid| store.block(cid).map_err(|error| OpenError::Source { cause: error.to_string() });
        open(cid, &key, block, ChunkWriter(plain), size).map_err(|error| match error {
            OpenError::Target(_) => Status::cancelled("the receiver left"),
            other => Status::data_loss(format!("the sealed report {cid} could not be opened: {other}")),
        })
    });
    let passing = async move {
        while let Some(chunk) = chunks.recv().await {
            send(shared, &events, DownloadEvent::Chunk(chunk)).await?;
        }
        Ok::<(), Status>(())
    };
    let (opened, passed) = tokio::join!(opening, passing);
    passed?;
    opened
}

/// Hands plaintext from the opening thread to the stream.
struct ChunkWriter(mpsc::Sender<Bytes>);

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map(|()| bytes.len()).map_err(|_| io::Error::other("the receiver left"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn tell<N: Node>(shared: &Shared<N>, events: &Events, text: String) -> Result<(), Status> {
    send(shared, events, DownloadEvent::Progress(text)).await
}

async fn send<N: Node>(shared: &Shared<N>, events: &Events, event: DownloadEvent) -> Result<(), Status> {
    events
        .send_timeout(Ok(event), shared.limits.user_timeout)
        .await
        .map_err(|_| Status::deadline_exceeded("the receiver left or was too slow"))
}

/// What the own ledger does not tell of a report, as a status to the own user.
pub(super) fn trail_status(error: TrailError) -> Status {
    match error {
        TrailError::Ledger(fault) => ledger_status(&fault),
        TrailError::NotCommitted { .. } => Status::not_found(error.to_string()),
        other => Status::failed_precondition(other.to_string()),
    }
}

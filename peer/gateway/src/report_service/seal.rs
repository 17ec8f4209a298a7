//! Sealing an upload: a stream of bytes in, sealed blocks in the store and what the proposal needs out.
//!
//! The bytes are sealed as they come, and kept once in memory until an image worker has decoded them, so a file may be as
//! large as an image and no larger. A stream that ends early, lies about its size, or holds no image leaves nothing behind.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use imaging::DecodeLimits;
use ipfs::{SealError, Sealed, SealedStore, StagedDag, seal};
use protocol::limits::NODE_MESSAGE_BYTES_MAX;
use protocol::{Digest, SealDescription, SealRequest, SealedReport, SigningDomain};
use tokio::sync::mpsc;
use transport::{PeerCertificate, ResponseStream, Status};

use super::service::{Shared, slot};
use crate::custody::{Custody, blocking, custody_status};
use crate::examine::PlainBuffer;
use crate::exchange::store_status;
use crate::images::{ImageError, ReadImage};
use crate::off_reactor::OffReactor;
use crate::ports::{Asker, Node};
use crate::revoked::until_revoked;
use crate::signed_request::{now_ms, payload};

/// Chunks between the network and the sealing thread.
const CHUNKS_AHEAD: usize = 4;
/// Longest name of a patient.
const PATIENT_BYTES_MAX: usize = 1_024;

/// Seals what the stream gives.
pub(super) async fn seal_stream<N: Node>(
    shared: &Arc<Shared<N>>,
    mut stream: ResponseStream<SealRequest>,
    certificate: Option<PeerCertificate>,
) -> Result<SealedReport, Status> {
    let first = next(shared, &mut stream).await?;
    let Some(SealRequest::Begin(signed)) = first else {
        return Err(Status::invalid_argument("an upload begins with its signed description"));
    };
    let described: SealDescription = payload(&signed, SigningDomain::Seal, NODE_MESSAGE_BYTES_MAX)?;
    let ledger = shared.node.admit(&described.channel, certificate.as_ref())?;
    let user = shared.own_user(&*ledger, &signed, certificate.as_ref())?;
    let asker = Asker::new(&user, certificate);
    let mut stream = until_revoked(Arc::clone(&shared.node), described.channel.clone(), asker, stream);
    check(&described, &shared.limits.decode)?;
    let slot = slot(&shared.seals, "files are being sealed")?;
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let (store, size) = (shared.store.clone(), described.size);
    // Where the caller goes away the sealing goes on to its end; so does its place.
    let sealing = blocking(move || Ok(OffReactor::new((seal_received(&store, size, receiver)?, slot))));
    let feeding = async {
        let fed = feed(shared, &mut stream, &sender).await;
        drop(sender);
        fed
    };
    let (sealed, fed) = tokio::join!(sealing, feeding);
    // Why the stream ended says more than that the bytes ended early.
    fed?;
    let sealed = sealed?;
    let read = shared.images.read(&sealed.0.plaintext.0, &shared.limits.decode).await;
    let image = read.map_err(|error| of_image(&error))?;
    let custody = Arc::clone(&shared.custody);
    blocking(move || {
        let (received, _slot) = sealed.into_inner();
        store_received(&custody, &described, received, image)
    })
    .await
}

/// The next message, within the time that a user has.
async fn next<N: Node>(
    shared: &Shared<N>,
    stream: &mut ResponseStream<SealRequest>,
) -> Result<Option<SealRequest>, Status> {
    match tokio::time::timeout(shared.limits.user_timeout, stream.next()).await {
        Ok(message) => message.transpose(),
        Err(_) => Err(Status::deadline_exceeded("the upload was silent for too long; send it again")),
    }
}

/// Passes chunks on until the stream ends.
async fn feed<N: Node>(
    shared: &Shared<N>,
    stream: &mut ResponseStream<SealRequest>,
    sender: &mpsc::Sender<Piece>,
) -> Result<(), Status> {
    while let Some(message) = next(shared, stream).await? {
        let SealRequest::Chunk(chunk) = message else {
            return Err(Status::invalid_argument("an upload has one description, at its beginning"));
        };
        // A closed channel means that the sealing failed; its own answer says why.
        if sender.send(Piece::Chunk(chunk)).await.is_err() {
            return Ok(());
        }
    }
    let _ = sender.send(Piece::End).await;
    Ok(())
}

fn check(described: &SealDescription, limits: &DecodeLimits) -> Result<(), Status> {
    if described.size == 0 {
        return Err(Status::invalid_argument("the file is empty; upload a PNG or JPEG file"));
    }
    if described.size > limits.encoded_bytes_max {
        return Err(Status::invalid_argument(format!(
            "the file has {} bytes, over the limit of images of {}; compress or scale it",
            described.size, limits.encoded_bytes_max
        )));
    }
    if described.patient.len() > PATIENT_BYTES_MAX {
        return Err(Status::invalid_argument(format!(
            "a patient's name has at most {PATIENT_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

/// What the sealing thread receives: the end is told, so that a broken stream never passes for a whole file.
enum Piece {
    Chunk(Bytes),
    End,
}

/// The file as it arrives; what was read stays in `plaintext` for the decoder.
struct Upload {
    pieces: mpsc::Receiver<Piece>,
    chunk: Bytes,
    plaintext: PlainBuffer,
    has_ended: bool,
}

impl Read for Upload {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !self.has_ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Chunk(chunk)) => self.chunk = chunk,
                Some(Piece::End) => self.has_ended = true,
                None => return Err(io::Error::other("the upload was broken off")),
            }
        }
        let read = target.len().min(self.chunk.len());
        self.plaintext.write_all(&self.chunk[..read])?;
        target[..read].copy_from_slice(&self.chunk[..read]);
        self.chunk.advance(read);
        Ok(read)
    }
}

/// A whole file, sealed and not yet kept. Dropped, it leaves nothing behind.
struct Received {
    staged: StagedDag,
    sealed: Sealed,
    plaintext: PlainBuffer,
}

/// Seals what arrives.
fn seal_received(
    store: &SealedStore,
    described_size: u64,
    pieces: mpsc::Receiver<Piece>,
) -> Result<Received, Status> {
    let plaintext = PlainBuffer::with_room(described_size);
    let mut upload = Upload { pieces, chunk: Bytes::new(), plaintext, has_ended: false };
    let mut staged = store.stage();
    let sealed = seal(&mut upload, &mut staged).map_err(|error| of_sealing(&error, described_size))?;
    if sealed.size != described_size {
        return Err(Status::invalid_argument(format!(
            "the description says {described_size} bytes, {} came; send the file again",
            sealed.size
        )));
    }
    Ok(Received { staged, sealed, plaintext: upload.plaintext })
}

/// Keeps what was sealed, now that it is known to be an image.
fn store_received(
    custody: &Custody,
    described: &SealDescription,
    received: Received,
    image: ReadImage,
) -> Result<SealedReport, Status> {
    let Received { staged, sealed, plaintext } = received;
    let digest = Digest::of(&plaintext.0);
    drop(plaintext);
    let Sealed { cid, data_key, binding, size, sealed_size } = sealed;
    let patient_ref = custody
        .patient_ref(&described.channel, &described.patient)
        .map_err(|error| custody_status(&error))?;
    staged.finish(cid, sealed_size, now_ms()).map_err(|error| store_status(&error))?;
    custody
        .remember_file(&described.channel, &digest, &cid.to_string())
        .map_err(|error| custody_status(&error))?;
    tracing::info!(channel = %described.channel, %cid, size, "reports.sealed");
    Ok(SealedReport {
        cid: cid.to_string(),
        data_key: *data_key.as_bytes(),
        binding: binding.to_string(),
        media_type: image.media_type.as_str().to_owned(),
        perceptual_hash: format!("{:016x}", image.perceptual_hash),
        size,
        sealed_size,
        patient_ref,
    })
}

fn of_image(error: &ImageError) -> Status {
    let text = error.to_string();
    if error.is_passing() { Status::unavailable(text) } else { Status::invalid_argument(text) }
}

fn of_sealing(error: &SealError, described: u64) -> Status {
    match error {
        SealError::Source(_) => Status::invalid_argument(format!(
            "the upload broke off, or has more than the {described} bytes of its description; send it again"
        )),
        SealError::TooLarge { .. } => Status::invalid_argument(error.to_string()),
        SealError::Sink(_) | SealError::Sealing { .. } => {
            tracing::error!(%error, "reports.seal");
            Status::internal("the report could not be sealed; the operator finds the reason in the log")
        }
    }
}

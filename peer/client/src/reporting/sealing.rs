//! Sends a file to the own peer to be sealed, and hands back what the upload's proposal needs.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use protocol::limits::REPORT_BYTES_MAX;
use protocol::{ChannelId, SealDescription, SealRequest, SealedReport, SignedRequest, SigningDomain};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use transport::Status;

use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::error::{ClientError, Fault};
use crate::reporting::upload::{Upload, UploadProgress};

/// Bytes of one message: small beside the HTTP/2 windows, large beside the cost of a message.
const CHUNK_BYTES: usize = 256 << 10;
/// Messages that wait for the network: memory stays at one megabyte whatever the file's size.
const QUEUE_MESSAGES: usize = 4;

impl Connection {
    /// Streams the file and waits for the sealed form.
    pub(crate) async fn seal(
        &self,
        channel: &ChannelId,
        upload: &Upload,
        progress: &(dyn Fn(UploadProgress) + Send + Sync),
    ) -> Result<SealedReport, ClientError> {
        let (mut file, size) = open(&upload.path).await?;
        let description = SealDescription {
            channel: channel.clone(),
            patient: upload.patient.clone(),
            modality: upload.modality.clone(),
            size,
        };
        let begin = self.signed_request(SigningDomain::Seal, &description)?;
        let (sender, receiver) = mpsc::channel(QUEUE_MESSAGES);
        let call = self.call(Phase::Seal, None);
        let ended = Notify::new();
        let feed = async {
            let fed =
                feed(&mut file, upload, size, Outlet { begin, sender, progress, idle: call.deadline }).await;
            ended.notify_one();
            fed
        };
        // The peer's answer is due a while after the last byte, however long the bytes took.
        let late = async {
            ended.notified().await;
            tokio::time::sleep(call.deadline).await;
        };
        let answer = async {
            tokio::select! {
                answer = self.reports().seal(ReceiverStream::new(receiver)) => answer,
                () = late => Err(Status::deadline_exceeded("no answer to the last byte of the file")),
            }
        };
        let (fed, sealed) = tokio::join!(feed, answer);
        let sealed = match (fed, sealed) {
            // A file that could not be read is the cause of whatever the peer then said.
            (Err(fault), _) => return Err(fault.into()),
            (Ok(()), Ok(sealed)) => sealed.into_inner(),
            (Ok(()), Err(status)) => return Err(ClientError::of_status(call.endpoint, call.phase, &status)),
        };
        if sealed.size != size {
            return Err(call.unusable(format!("{size} bytes were sent and {} were sealed", sealed.size)));
        }
        Ok(sealed)
    }
}

/// Where the file's bytes go.
struct Outlet<'a> {
    begin: SignedRequest,
    sender: mpsc::Sender<SealRequest>,
    progress: &'a (dyn Fn(UploadProgress) + Send + Sync),
    idle: Duration,
}

/// Sends the description and the file's bytes. Ends quietly where the peer closes its end: its status says why.
async fn feed(file: &mut File, upload: &Upload, size: u64, outlet: Outlet<'_>) -> Result<(), Fault> {
    let send = async |message: SealRequest| match timeout(outlet.idle, outlet.sender.send(message)).await {
        Ok(sent) => Ok(sent.is_ok()),
        Err(_) => Err(Fault::Proposal {
            reason: format!("the peer took no byte of the file for {} s; try again", outlet.idle.as_secs()),
        }),
    };
    if !send(SealRequest::Begin(outlet.begin.clone())).await? {
        return Ok(());
    }
    let mut sent = 0;
    while sent < size {
        let chunk = next_chunk(file, &upload.path, size - sent).await?;
        sent += chunk.len() as u64;
        if !send(SealRequest::Chunk(chunk)).await? {
            return Ok(());
        }
        (outlet.progress)(UploadProgress::Sealing { sent, size });
    }
    Ok(())
}

/// Opens a regular file of a size that can be uploaded.
pub(crate) async fn open(path: &Path) -> Result<(File, u64), Fault> {
    let fault = |action| move |source| Fault::File { path: path.to_owned(), action, source };
    let file = File::open(path).await.map_err(fault("cannot be opened"))?;
    let metadata = file.metadata().await.map_err(fault("cannot be looked at"))?;
    let unfit = |reason: String| Fault::UnfitFile { path: path.to_owned(), reason };
    if !metadata.is_file() {
        return Err(unfit("is no regular file; name the report's file".to_owned()));
    }
    match metadata.len() {
        0 => Err(unfit("is empty (0 bytes); name the report's file".to_owned())),
        size if size > REPORT_BYTES_MAX => {
            Err(unfit(format!("has {size} bytes; a report has at most {REPORT_BYTES_MAX}")))
        }
        size => Ok((file, size)),
    }
}

/// The next bytes, at most `rest` of them; an error where the file is shorter than it was.
async fn next_chunk(file: &mut File, path: &Path, rest: u64) -> Result<Bytes, Fault> {
    let wanted = usize::try_from(rest).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
    let mut chunk = vec![0; wanted];
    file.read_exact(&mut chunk).await.map_err(|source| Fault::File {
        path: path.to_owned(),
        action: "cannot be read to the end that it had; do not change it during the upload",
        source,
    })?;
    Ok(chunk.into())
}

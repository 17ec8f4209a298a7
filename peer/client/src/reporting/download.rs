//! Opening and receiving a report: the record first, then the bytes, and a file only if every byte is vouched for.
//!
//! The plaintext is compared with the ledger by the own peer, which alone has the data key. This side compares what the
//! peer reports with the record that it read itself, counts the bytes, and keeps nothing where anything differs.

use std::path::PathBuf;

use protocol::{ChannelId, DownloadEvent, DownloadRequest, SigningDomain, TxId};
use reports::ReportRecord;
use tokio_stream::StreamExt as _;
use transport::Streaming;

use crate::calls::Call;
use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::error::{ClientError, Fault};
use crate::reporting::part_file::PartFile;

/// What to download, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The report.
    pub report_id: TxId,
    /// The file to write; it must not exist.
    pub out: PathBuf,
    /// Why the report is opened; it stands on the ledger.
    pub purpose: String,
    /// An opening of this user that is on the ledger already, to be presented again.
    pub opening: Option<TxId>,
}

/// How far a download has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Downloading {
    /// The opening is on the ledger.
    Opened {
        /// Its transaction.
        tx_id: TxId,
    },
    /// What the peer is doing.
    Peer(String),
    /// Bytes received.
    Receiving {
        /// How many.
        received: u64,
        /// Of how many.
        size: u64,
    },
}

/// A report that was received and vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Its record.
    pub record: ReportRecord,
    /// The opening on the ledger.
    pub opening: TxId,
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
}

impl Connection {
    /// Records the opening, receives the report, and writes it to a file that appears only when it is verified.
    ///
    /// # Errors
    /// [`Fault::Download`] where the opening is recorded and the report was not received: it can be presented again.
    pub async fn download_report(
        &self,
        channel: &ChannelId,
        target: &Target,
        progress: &(dyn Fn(Downloading) + Send + Sync),
    ) -> Result<Downloaded, ClientError> {
        // Everything that can be known before is looked at before: an opening stays on the ledger for ever.
        let part = PartFile::create(&target.out).await?;
        let record = self.report(channel, &target.report_id).await?;
        let opening = match &target.opening {
            Some(opening) => opening.clone(),
            None => self.open_report(channel, &target.report_id, &target.purpose).await?.1.tx_id,
        };
        progress(Downloading::Opened { tx_id: opening.clone() });
        let request = DownloadRequest {
            channel: channel.clone(),
            report_id: record.report_id.clone(),
            open_tx_id: opening.clone(),
        };
        let received = self.receive(&request, &record, part, progress).await;
        let size = received
            .map_err(|source| Fault::Download { opening: opening.clone(), source: Box::new(source) })?;
        Ok(Downloaded { record, opening, path: target.out.clone(), size })
    }

    async fn receive(
        &self,
        request: &DownloadRequest,
        record: &ReportRecord,
        mut part: PartFile,
        progress: &(dyn Fn(Downloading) + Send + Sync),
    ) -> Result<u64, ClientError> {
        let request = self.signed_request(SigningDomain::Download, request)?;
        let call = self.call(Phase::Download, None);
        let mut events = call.answer(self.reports().download(request)).await?;
        let mut received = 0_u64;
        loop {
            match next(call, &mut events).await? {
                None => return Err(call.unusable("the stream ended before the report was verified")),
                Some(DownloadEvent::Progress(text)) => progress(Downloading::Peer(text)),
                Some(DownloadEvent::Chunk(bytes)) => {
                    received = received.saturating_add(bytes.len() as u64);
                    if received > record.size {
                        let size = record.size;
                        return Err(call.unusable(format!("more than the record's {size} bytes came")));
                    }
                    part.write(&bytes).await?;
                    progress(Downloading::Receiving { received, size: record.size });
                }
                Some(DownloadEvent::Verified { binding, size }) => {
                    agree(record, received, &binding, size).map_err(|reason| call.unusable(reason))?;
                    break;
                }
            }
        }
        // Bytes after the verdict are vouched for by nobody.
        if next(call, &mut events).await?.is_some() {
            return Err(call.unusable("something follows the end of the verified report"));
        }
        part.finish().await?;
        Ok(received)
    }
}

async fn next(
    call: Call<'_>,
    events: &mut Streaming<DownloadEvent>,
) -> Result<Option<DownloadEvent>, ClientError> {
    call.status(async { events.next().await.transpose() }).await
}

/// Whether what the peer vouches for is what the ledger's record says and what came.
fn agree(record: &ReportRecord, received: u64, binding: &str, size: u64) -> Result<(), String> {
    if !binding.eq_ignore_ascii_case(&record.binding) {
        return Err(format!("it vouches for binding {binding}, the ledger's is {}", record.binding));
    }
    if size != record.size || received != record.size {
        return Err(format!("the record has {} bytes, {received} came, {size} were announced", record.size));
    }
    Ok(())
}

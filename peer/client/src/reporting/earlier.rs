//! Whether a file was uploaded before, asked before it is sealed once more.

use std::path::Path;

use protocol::{ChannelId, Digest, SigningDomain, UploadedBefore, UploadedRequest};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::error::{ClientError, Fault, Rejection};
use crate::reporting::sealing::open;

/// Bytes that are hashed at a time.
const CHUNK_BYTES: usize = 256 << 10;

impl Connection {
    /// The reports by which the own hospital uploaded the same file to the channel before, the newest last.
    ///
    /// # Errors
    /// As a call; a fault for a file that cannot be read.
    pub async fn uploaded_before(
        &self,
        channel: &ChannelId,
        path: &Path,
    ) -> Result<Vec<UploadedBefore>, ClientError> {
        let digest = digest_of(path).await?;
        let request = UploadedRequest { version: UploadedRequest::VERSION, channel: channel.clone(), digest };
        let signed = self.signed_request(SigningDomain::Uploaded, &request)?;
        self.call(Phase::Uploaded, None).answer(self.reports().uploaded(signed)).await
    }

    /// Refuses a file that the own hospital uploaded before.
    ///
    /// # Errors
    /// [`Rejection::UploadedBefore`] names the reports; otherwise as [`Connection::uploaded_before`].
    pub async fn require_new_file(&self, channel: &ChannelId, path: &Path) -> Result<(), ClientError> {
        let reports = self.uploaded_before(channel, path).await?;
        if reports.is_empty() {
            return Ok(());
        }
        let reports = reports.into_iter().map(|report| report.report_id).collect();
        Err(Rejection::UploadedBefore { path: path.to_owned(), reports }.into())
    }
}

/// SHA-256 of a file, read once in pieces.
async fn digest_of(path: &Path) -> Result<Digest, Fault> {
    let (mut file, _) = open(path).await?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk).await.map_err(|source| Fault::File {
            path: path.to_owned(),
            action: "cannot be read",
            source,
        })?;
        if read == 0 {
            return Ok(Digest(hasher.finalize().into()));
        }
        hasher.update(&chunk[..read]);
    }
}

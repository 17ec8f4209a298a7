//! The gateway's hold on custody: an upload's key is on disk before the client gets anything that could be ordered.

use ipfs::DataKey;
use protocol::{ChannelId, TxId};
use transport::Status;

use super::service::blocking;
use super::vault::{Custody, CustodyError};
use crate::service::UploadCustody;

impl UploadCustody for Custody {
    async fn take(
        &self,
        channel: &ChannelId,
        report_id: &TxId,
        cid: &str,
        data_key: &[u8; 32],
    ) -> Result<(), Status> {
        let (custody, key) = (self.clone(), DataKey::from_bytes(*data_key));
        let (channel, report_id, cid) = (channel.clone(), report_id.clone(), cid.to_owned());
        blocking(move || {
            Self::take(&custody, &channel, &report_id, &cid, &key).map_err(|error| status(&error))
        })
        .await
    }

    fn held(&self, channel: &ChannelId, report_id: &TxId) -> Result<Option<String>, Status> {
        let found = self.key(channel, report_id).map_err(|error| status(&error))?;
        Ok(found.map(|(cid, _)| cid))
    }
}

/// Logs a fault of custody once, where it becomes a status.
pub(crate) fn status(error: &CustodyError) -> Status {
    if let CustodyError::OtherKey { .. } = error {
        return Status::already_exists(error.to_string());
    }
    tracing::error!(%error, "custody.fault");
    Status::internal("the key custody of this peer failed; its operator finds the reason in the log")
}

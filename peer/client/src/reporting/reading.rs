//! Reads and simple writes of the report chaincode, as typed functions.

use protocol::{ChannelConfig, ChannelId, MspId, TxId};
use reports::{Grant, Opening, ReportPage, ReportRecord};
use serde::de::DeserializeOwned;

use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::draft::Draft;
use crate::error::{ClientError, Rejection};
use crate::reporting::chaincode;
use crate::transactions::Submitted;

impl Connection {
    /// All reports of the channel, by id.
    ///
    /// # Errors
    /// As [`Connection::evaluate`].
    pub async fn list_reports(&self, channel: &ChannelId) -> Result<Vec<ReportRecord>, ClientError> {
        self.read(channel, "ListReports", &[]).await
    }

    /// Some of the channel's reports: at most `page_size` from a bookmark on; an empty one begins with the first.
    ///
    /// # Errors
    /// As [`Connection::evaluate`]; status 400 for a bookmark that no page gave.
    pub async fn list_reports_page(
        &self,
        channel: &ChannelId,
        page_size: u32,
        bookmark: &str,
    ) -> Result<ReportPage, ClientError> {
        self.read(channel, "ListReports", &[&page_size.to_string(), bookmark]).await
    }

    /// A report's record.
    ///
    /// # Errors
    /// As [`Connection::evaluate`]; status 404 where there is no such report.
    pub async fn report(&self, channel: &ChannelId, id: &TxId) -> Result<ReportRecord, ClientError> {
        self.read(channel, "ReadReport", &[id.as_str()]).await
    }

    /// A report's grants, withdrawn ones included.
    ///
    /// # Errors
    /// As [`Connection::evaluate`].
    pub async fn grants(&self, channel: &ChannelId, id: &TxId) -> Result<Vec<Grant>, ClientError> {
        self.read(channel, "ListGrants", &[id.as_str()]).await
    }

    /// Who opened a report, when and why.
    ///
    /// # Errors
    /// As [`Connection::evaluate`].
    pub async fn openings(&self, channel: &ChannelId, id: &TxId) -> Result<Vec<Opening>, ClientError> {
        self.read(channel, "ListOpenings", &[id.as_str()]).await
    }

    /// Gives an organisation the right to open a report.
    ///
    /// # Errors
    /// [`Rejection::UnknownOrganization`]; otherwise as [`Connection::submit`].
    pub async fn share_report(
        &self,
        channel: &ChannelId,
        id: &TxId,
        with: &MspId,
    ) -> Result<(Grant, Submitted), ClientError> {
        require_readers(&self.channel_config(channel).await?, std::slice::from_ref(with))?;
        self.write(channel, "ShareReport", &[id.as_str(), with.as_str()]).await
    }

    /// Withdraws that right.
    ///
    /// # Errors
    /// As [`Connection::submit`].
    pub async fn unshare_report(
        &self,
        channel: &ChannelId,
        id: &TxId,
        with: &MspId,
    ) -> Result<(Grant, Submitted), ClientError> {
        self.write(channel, "UnshareReport", &[id.as_str(), with.as_str()]).await
    }

    /// Records that this user opens a report, and why.
    ///
    /// # Errors
    /// As [`Connection::submit`].
    pub async fn open_report(
        &self,
        channel: &ChannelId,
        id: &TxId,
        purpose: &str,
    ) -> Result<(Opening, Submitted), ClientError> {
        self.write(channel, "OpenReport", &[id.as_str(), purpose]).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        channel: &ChannelId,
        function: &str,
        args: &[&str],
    ) -> Result<T, ClientError> {
        let draft = Draft::new(chaincode()?, function, args);
        let response = self.evaluate(channel, &draft, &[]).await?;
        self.read_json(&response.payload)
    }

    async fn write<T: DeserializeOwned>(
        &self,
        channel: &ChannelId,
        function: &str,
        args: &[&str],
    ) -> Result<(T, Submitted), ClientError> {
        let draft = Draft::new(chaincode()?, function, args);
        let submitted = self.submit(channel, &draft).await?;
        Ok((self.read_json(&submitted.payload)?, submitted))
    }

    pub(crate) fn read_json<T: DeserializeOwned>(&self, payload: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(payload).map_err(|error| {
            self.call(Phase::Evaluate, None).unusable(format!("it is no such record: {error}"))
        })
    }
}

/// Checks that reports can be shared with these: a misspelt name would stay on the ledger as a grant to nobody.
pub(crate) fn require_readers(config: &ChannelConfig, msp_ids: &[MspId]) -> Result<(), Rejection> {
    let readers = config.organizations.iter().filter(|organization| organization.kem_public_key.is_some());
    let known: Vec<MspId> = readers.map(|organization| organization.msp.msp_id.clone()).collect();
    match msp_ids.iter().find(|msp_id| !known.contains(msp_id)) {
        Some(msp_id) => {
            let (msp_id, channel) = (msp_id.clone(), config.channel.as_str().to_owned());
            Err(Rejection::UnknownOrganization { msp_id, channel, known })
        }
        None => Ok(()),
    }
}

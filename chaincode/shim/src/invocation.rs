//! Everything a chaincode's run depends on beside the world state.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use protocol::{ChaincodeName, ChannelId, MspConfig, MspId, Poi, ReportsConfig, Role, TxId};

/// Who created the transaction, as the peer verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creator {
    /// Organisation.
    pub msp_id: MspId,
    /// Proof of identity: SHA-256 of the signing key.
    pub poi: Poi,
    /// Roles, sorted.
    pub roles: Vec<Role>,
    /// Attributes of the certificate, such as `role` = `doctor`.
    pub attributes: BTreeMap<String, String>,
}

/// What the peer found in a report's bytes before the chaincode started: it fetched the sealed bytes by CID, opened them
/// with the key from the proposal's transient data and decoded the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// Root CID of the sealed bytes, text.
    pub cid: String,
    /// SHA-256(data key ‖ plaintext), hex.
    pub binding: String,
    /// Media type by content, such as `image/png`.
    pub media_type: String,
    /// 64-bit wavelet hash.
    pub perceptual_hash: u64,
    /// Bytes of the plaintext.
    pub size: u64,
    /// Bytes of the sealed file.
    pub sealed_size: u64,
}

/// One run of a chaincode.
#[derive(Clone)]
pub struct Invocation {
    /// The channel.
    pub channel: ChannelId,
    /// The chaincode.
    pub chaincode: ChaincodeName,
    /// The version that the channel runs.
    pub version: String,
    /// The transaction.
    pub tx_id: TxId,
    /// Function name, then its arguments.
    pub args: Vec<Bytes>,
    /// Data for the endorsers only; never stored, traced or logged.
    pub transient: BTreeMap<String, Vec<u8>>,
    /// Who asks.
    pub creator: Creator,
    /// The client's clock as it stands in the proposal, milliseconds since 1970; the same on every endorser.
    pub timestamp_ms: u64,
    /// The channel's rules for reports.
    pub reports: Option<ReportsConfig>,
    /// The creator's organisation as the channel's configuration has it, for the system chaincode; `None` for others.
    pub organization: Option<MspConfig>,
    /// The report's content, where the proposal carries a data key.
    pub examination: Option<Examination>,
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("channel", &self.channel)
            .field("chaincode", &self.chaincode)
            .field("tx_id", &self.tx_id)
            .finish_non_exhaustive()
    }
}

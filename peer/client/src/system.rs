//! Fabric's system chaincodes at the own peer: `cscc` for channels and their configuration, `qscc` for blocks.
//!
//! They are asked through `protos.Endorser`, without a transaction. A call about no channel in particular still needs a
//! channel's name in its header; [`NO_CHANNEL`] stands there.

use bytes::Bytes;
use prost::Message as _;
use protocol::fabric::Response;
use protocol::limits::BLOCK_BYTES_MAX;
use protocol::{Block, BlockNumber, ChaincodeName, ChannelConfig, ChannelId};
use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::deliver::BlockPosition;
use crate::draft::{Draft, propose};
use crate::error::{ClientError, Fault};
use crate::transactions::success;

/// The channel name in the header of a call that concerns no channel.
const NO_CHANNEL: &str = "system";
const CSCC: &str = "cscc";
const QSCC: &str = "qscc";

/// How far a channel has come at the own peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainInfo {
    /// How many blocks are committed.
    pub height: u64,
    /// Hash of the newest block's header, hex.
    pub current_block_hash: String,
    /// Hash of the header before it, hex.
    pub previous_block_hash: String,
    /// Chained hash of everything that the blocks changed, hex.
    pub commit_hash: String,
}

/// The forms in which a list of channels may come.
#[derive(Deserialize)]
#[serde(untagged)]
enum ChannelList {
    Names(Vec<ChannelId>),
    Object { channels: Vec<ChannelEntry> },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ChannelEntry {
    Name(ChannelId),
    Object { channel_id: ChannelId },
}

impl Connection {
    /// Has the own peer join the channel of a genesis block; returns the channel.
    ///
    /// # Errors
    /// [`crate::Rejection`] where the peer refuses, such as a channel that it joined before.
    pub async fn join(&self, genesis: &[u8]) -> Result<ChannelId, ClientError> {
        let block = Block::from_bytes(genesis).map_err(|error| Fault::Proposal {
            reason: format!("the genesis block is not usable: {error}"),
        })?;
        let channel = block.header.channel;
        self.system(CSCC, &channel, "JoinChain", &[genesis]).await?;
        Ok(channel)
    }

    /// The channels that the own peer joined, sorted.
    ///
    /// # Errors
    /// As a call.
    pub async fn channels(&self) -> Result<Vec<ChannelId>, ClientError> {
        let channel = ChannelId::new(NO_CHANNEL).map_err(Fault::Name)?;
        let payload = self.system(CSCC, &channel, "GetChannels", &[]).await?.payload;
        let list = serde_json::from_slice(&payload).map_err(|error| self.unusable(&error))?;
        let mut channels: Vec<ChannelId> = match list {
            ChannelList::Names(names) => names,
            ChannelList::Object { channels } => channels
                .into_iter()
                .map(|(ChannelEntry::Name(id) | ChannelEntry::Object { channel_id: id })| id)
                .collect(),
        };
        channels.sort();
        Ok(channels)
    }

    /// The channel's configuration in force at the own peer.
    ///
    /// # Errors
    /// As a call.
    pub async fn channel_config(&self, channel: &ChannelId) -> Result<ChannelConfig, ClientError> {
        let args = [channel.as_str().as_bytes()];
        let payload = self.system(CSCC, channel, "GetChannelConfig", &args).await?.payload;
        ChannelConfig::from_bytes(&payload).map_err(|error| self.unusable(&error))
    }

    /// How far the channel has come at the own peer.
    ///
    /// # Errors
    /// As a call.
    pub async fn chain_info(&self, channel: &ChannelId) -> Result<ChainInfo, ClientError> {
        let args = [channel.as_str().as_bytes()];
        let payload = self.system(QSCC, channel, "GetChainInfo", &args).await?.payload;
        serde_json::from_slice(&payload).map_err(|error| self.unusable(&error))
    }

    /// A block from the own peer's ledger.
    ///
    /// # Errors
    /// [`crate::Rejection`] where there is no such block.
    pub async fn block(&self, channel: &ChannelId, position: BlockPosition) -> Result<Block, ClientError> {
        match position {
            BlockPosition::Number(number) => self.block_of_number(channel, number).await,
            BlockPosition::Oldest => self.block_of_number(channel, BlockNumber(0)).await,
            BlockPosition::Newest => {
                let height = self.chain_info(channel).await?.height;
                self.block_of_number(channel, BlockNumber(height.saturating_sub(1))).await
            }
            BlockPosition::Config => {
                let newest = Box::pin(self.block(channel, BlockPosition::Newest)).await?;
                self.block_of_number(channel, newest.header.last_config).await
            }
        }
    }

    async fn block_of_number(&self, channel: &ChannelId, number: BlockNumber) -> Result<Block, ClientError> {
        let text = number.to_string();
        let args = [channel.as_str().as_bytes(), text.as_bytes()];
        let payload = self.system(QSCC, channel, "GetBlockByNumber", &args).await?.payload;
        let block = Block::from_bytes(&payload).map_err(|error| self.unusable(&error))?;
        if block.header.number != number || block.header.channel != *channel {
            return Err(self.unusable(&format!(
                "asked for block {number} of {channel}, got block {} of {}",
                block.header.number, block.header.channel
            )));
        }
        Ok(block)
    }

    async fn system(
        &self,
        chaincode: &str,
        channel: &ChannelId,
        function: &str,
        args: &[&[u8]],
    ) -> Result<Response, ClientError> {
        let mut draft = Draft::new(ChaincodeName::new(chaincode).map_err(Fault::Name)?, function, &[]);
        draft.args.extend(args.iter().map(|arg| Bytes::copy_from_slice(arg)));
        let proposed = propose(channel, &draft, self.signer())?;
        let call = self.call(Phase::ProcessProposal, None);
        let answer = call.answer(self.endorser().process_proposal(proposed.signed)).await?;
        let response = answer.response.ok_or_else(|| call.unusable("it holds no response"))?;
        let response = success(&draft.chaincode, response)?;
        // Block and configuration have their own decoders; this bounds what else may come.
        if response.encoded_len() > BLOCK_BYTES_MAX + 1_024 {
            return Err(call.unusable("it is larger than any block"));
        }
        Ok(response)
    }

    fn unusable(&self, reason: &dyn std::fmt::Display) -> ClientError {
        self.call(Phase::ProcessProposal, None).unusable(reason.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_channels_is_read_in_every_form() {
        let rows = [
            (r#"["a","b"]"#, 2),
            (r#"{"channels":["a"]}"#, 1),
            (r#"{"channels":[{"channel_id":"a"},{"channel_id":"b"}]}"#, 2),
            ("[]", 0),
        ];
        for (text, count) in rows {
            let found = match serde_json::from_str(text).unwrap() {
                ChannelList::Names(names) => names.len(),
                ChannelList::Object { channels } => channels.len(),
            };
            assert_eq!(found, count, "{text}");
        }
        for text in ["{}", "[1]", r#"["UPPER"]"#] {
            assert!(serde_json::from_str::<ChannelList>(text).is_err(), "{text}");
        }
    }
}

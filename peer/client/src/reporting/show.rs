//! A report's record with the proof that it stands in the chain: its block and the next one, the paper's `map_peer`.

use protocol::{Block, BlockHeader, BlockNumber, ChannelId, TxId, TxValidationCode};
use reports::{Grant, ReportRecord};
use serde::Serialize;

use crate::connection::Connection;
use crate::deliver::BlockPosition;
use crate::error::{ClientError, Rejection};

/// The proof-of-work value of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProofOfWork {
    /// The number that was found.
    pub nonce: u64,
    /// How many leading bits of the block's hash it makes zero.
    pub difficulty_bits: u8,
}

/// Where a report stands in the chain: the paper's `map_peer`, with its field names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapPeer {
    /// Proof of identity of the uploader.
    #[serde(rename = "PoI")]
    pub poi: String,
    /// The block.
    #[serde(rename = "Block_Index")]
    pub block_index: u64,
    /// Hash of the block's header.
    #[serde(rename = "Hash_value")]
    pub hash_value: String,
    /// The block's proof-of-work value.
    #[serde(rename = "PoW")]
    pub pow: ProofOfWork,
    /// Hash of the header before.
    #[serde(rename = "Previous_Block_Hash")]
    pub previous_block_hash: String,
    /// The block's time by the orderers, milliseconds since 1970.
    #[serde(rename = "timestamp")]
    pub timestamp_ms: u64,
    /// The verdict on the transaction.
    pub code: String,
    /// Whether the next block names this block's hash; `None` while there is no next block.
    pub next_block_confirms: Option<bool>,
}

/// A report with everything that the ledger says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownReport {
    /// The record.
    pub record: ReportRecord,
    /// Where it stands in the chain.
    pub map_peer: MapPeer,
    /// Who may open it, withdrawn grants included.
    pub grants: Vec<Grant>,
}

impl Connection {
    /// A report's record, joined with its block and the next one, and its grants.
    ///
    /// # Errors
    /// As [`Connection::evaluate`] and [`Connection::block`].
    pub async fn show_report(&self, channel: &ChannelId, id: &TxId) -> Result<ShownReport, ClientError> {
        let record = self.report(channel, id).await?;
        let (code, number) = self.commit_status(channel, id).await?;
        let block = self.block(channel, BlockPosition::Number(number)).await?;
        let next = self.next_block(channel, number).await?;
        let grants = self.grants(channel, id).await?;
        let map_peer = map_peer(&record.poi, code, &block.header, next.as_ref().map(|next| &next.header));
        Ok(ShownReport { record, map_peer, grants })
    }

    async fn next_block(
        &self,
        channel: &ChannelId,
        number: BlockNumber,
    ) -> Result<Option<Block>, ClientError> {
        if self.chain_info(channel).await?.height <= number.next().0 {
            return Ok(None);
        }
        match self.block(channel, BlockPosition::Number(number.next())).await {
            Ok(block) => Ok(Some(block)),
            Err(ClientError::Rejected(rejection)) if matches!(*rejection, Rejection::Refused { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn map_peer(poi: &str, code: TxValidationCode, header: &BlockHeader, next: Option<&BlockHeader>) -> MapPeer {
    let hash = header.hash();
    MapPeer {
        poi: poi.to_owned(),
        block_index: header.number.0,
        hash_value: hash.to_string(),
        pow: ProofOfWork { nonce: header.proof.nonce, difficulty_bits: header.proof.difficulty_bits },
        previous_block_hash: header.previous_hash.to_string(),
        timestamp_ms: header.timestamp_ms,
        code: code.name().to_owned(),
        next_block_confirms: next.map(|next| next.previous_hash == hash),
    }
}

#[cfg(test)]
mod tests {
    use protocol::{BlockHash, Digest, Proof};

    use super::*;

    fn header(number: u64, previous_hash: BlockHash) -> BlockHeader {
        BlockHeader {
            version: BlockHeader::VERSION,
            channel: ChannelId::new("reports").unwrap(),
            number: BlockNumber(number),
            previous_hash,
            data_hash: Digest::ZERO,
            timestamp_ms: 1_700_000_000_000,
            last_config: BlockNumber(0),
            proof: Proof { difficulty_bits: 0, nonce: 9 },
            envelope_count: None,
        }
    }

    #[test]
    fn the_next_block_confirms_this_one_by_its_hash() {
        let block = header(7, BlockHash([1; 32]));
        let (good, bad) = (header(8, block.hash()), header(8, BlockHash::ZERO));
        let rows = [(Some(&good), Some(true)), (Some(&bad), Some(false)), (None, None)];
        for (next, confirms) in rows {
            let shown = map_peer("00ff", TxValidationCode::Valid, &block, next);
            assert_eq!(shown.next_block_confirms, confirms);
            assert_eq!(shown.hash_value, block.hash().to_string());
        }
    }

    #[test]
    fn json_has_the_papers_field_names() {
        let shown = map_peer("00ff", TxValidationCode::Valid, &header(7, BlockHash::ZERO), None);
        let json = serde_json::to_value(shown).unwrap();
        let names = ["PoI", "Block_Index", "Hash_value", "PoW", "Previous_Block_Hash", "timestamp"];
        for name in names {
            assert!(!json[name].is_null(), "{name} in {json}");
        }
    }
}

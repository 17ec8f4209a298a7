//! A chaincode's events, from the own peer's gateway: those of VALID transactions, block by block, from a checkpoint on.
//!
//! A program that keeps the [`Checkpoint`] of the last event it has dealt with, and begins behind it the next time,
//! misses none and sees none twice, whatever was restarted meanwhile.

use std::collections::VecDeque;

use bytes::Bytes;
use msp::Signer;
use prost::Message as _;
use protocol::fabric::{
    ChaincodeEventsRequest, ChaincodeEventsResponse, SeekPosition, SignedChaincodeEventsRequest,
};
use protocol::{BlockNumber, ChaincodeName, ChannelId, TxId};
use transport::Streaming;

use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::error::{ClientError, Fault};

/// How far a program has come with events: all up to and including that transaction in that block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The block.
    pub block_number: BlockNumber,
    /// The transaction whose event was dealt with last.
    pub tx_id: TxId,
}

/// Where events begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventsStart {
    /// With the next block that is committed.
    NextCommit,
    /// With that block.
    Block(BlockNumber),
    /// Behind a transaction, wherever it stands; where it is not committed yet, behind it once it is.
    AfterTransaction(TxId),
    /// Behind a checkpoint.
    After(Checkpoint),
}

/// An event of a valid transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedEvent {
    /// The block.
    pub block_number: BlockNumber,
    /// The transaction.
    pub tx_id: TxId,
    /// The event's name.
    pub name: String,
    /// Its content.
    pub payload: Bytes,
}

impl ReceivedEvent {
    /// Where to go on once this event is dealt with.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { block_number: self.block_number, tx_id: self.tx_id.clone() }
    }
}

/// A stream of events. Dropped, it ends at the peer, too.
#[derive(Debug)]
pub struct ChaincodeEvents {
    connection: Connection,
    blocks: Streaming<ChaincodeEventsResponse>,
    received: VecDeque<ReceivedEvent>,
}

impl ChaincodeEvents {
    /// The next event, however long it takes; `None` where the peer ended the stream without a reason.
    ///
    /// # Errors
    /// What ended the stream: the peer shuts down, the channel stopped there, or the reader may not read any longer.
    pub async fn next(&mut self) -> Result<Option<ReceivedEvent>, ClientError> {
        loop {
            if let Some(event) = self.received.pop_front() {
                return Ok(Some(event));
            }
            let endpoint = self.connection.endpoint();
            let block = self.blocks.message().await;
            let block =
                block.map_err(|status| ClientError::of_status(endpoint, Phase::ChaincodeEvents, &status))?;
            let Some(ChaincodeEventsResponse { events, block_number }) = block else { return Ok(None) };
            for event in events {
                let tx_id = TxId::new(event.tx_id.as_str()).map_err(|error| {
                    self.connection.call(Phase::ChaincodeEvents, None).unusable(error.to_string())
                })?;
                let block_number = BlockNumber(block_number);
                let (name, payload) = (event.event_name, event.payload);
                self.received.push_back(ReceivedEvent { block_number, tx_id, name, payload });
            }
        }
    }
}

impl Connection {
    /// Follows the events of a chaincode.
    ///
    /// # Errors
    /// As a call; the policy's explanation where the user may not read the channel.
    pub async fn chaincode_events(
        &self,
        channel: &ChannelId,
        chaincode: &ChaincodeName,
        start: EventsStart,
    ) -> Result<ChaincodeEvents, ClientError> {
        let (position, after) = match start {
            EventsStart::NextCommit => (None, None),
            EventsStart::Block(number) => (Some(number), None),
            EventsStart::AfterTransaction(tx_id) => (None, Some(tx_id)),
            EventsStart::After(Checkpoint { block_number, tx_id }) => (Some(block_number), Some(tx_id)),
        };
        let signer: &dyn Signer = self.signer();
        let request = ChaincodeEventsRequest {
            channel_id: channel.as_str().to_owned(),
            chaincode_id: chaincode.as_str().to_owned(),
            identity: signer.serialized_identity(),
            start_position: position.map(|number| SeekPosition::specified(number.0)),
            after_transaction_id: after.map(|tx_id| tx_id.as_str().to_owned()).unwrap_or_default(),
        };
        let request = request.encode_to_vec();
        let signature =
            signer.sign(&request).map_err(|error| Fault::Proposal { reason: error.to_string() })?;
        let signed = SignedChaincodeEventsRequest { request: request.into(), signature: signature.into() };
        let call = self.call(Phase::ChaincodeEvents, None);
        let blocks = call.answer(self.gateway().chaincode_events(signed)).await?;
        Ok(ChaincodeEvents { connection: self.clone(), blocks, received: VecDeque::new() })
    }
}

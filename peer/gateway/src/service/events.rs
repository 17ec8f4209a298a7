//! ChaincodeEvents: streams a chaincode's events to a reader of the channel, one answer for each block that has some.
//!
//! A stream begins where the reader says (a block, behind a transaction, or the next commit), reads what is committed
//! from the block store, and then waits for each block. It is pulled: nothing is read before the reader has taken what
//! was sent, so a slow reader holds one block's events and no more. It ends with a status when the channel stops, the
//! peer shuts down, or the reader may not read any longer. Positions and texts: Fabric's `internal/pkg/gateway`.

use std::sync::Arc;

use configtx::ConfigBundle;
use futures_util::stream::unfold;
use msp::VerifiedIdentity;
use prost::Message as _;
use protocol::fabric::{
    ChaincodeEventsRequest, ChaincodeEventsResponse, SeekPosition, SignedChaincodeEventsRequest,
    seek_position,
};
use protocol::limits::NODE_MESSAGE_BYTES_MAX;
use protocol::{BlockNumber, ChaincodeName, ChannelId, TxId, TxNumber};
use transport::{ResponseStream, Status};

use super::event_blocks::EventBlocks;
use super::reader::check_reader;
use super::slots::StreamPlace;
use super::upload::UploadCustody;
use super::{Caller, GatewayService, now_ms};
use crate::ports::{Asker, ChannelLedger, Node};
use crate::revoked::until_revoked;
use crate::signed_request::{ledger_status, require_active};

impl<N: Node, C: UploadCustody> GatewayService<N, C> {
    pub(super) fn events_streamed(
        &self,
        signed: SignedChaincodeEventsRequest,
        caller: Caller,
    ) -> Result<ResponseStream<ChaincodeEventsResponse>, Status> {
        if signed.request.len() > NODE_MESSAGE_BYTES_MAX {
            return Err(Status::resource_exhausted("the chaincode events request is too large"));
        }
        let request = ChaincodeEventsRequest::decode(signed.request.clone())
            .map_err(|_| Status::invalid_argument("invalid chaincode events request: it cannot be read"))?;
        let invalid = |error: &dyn std::fmt::Display| {
            Status::invalid_argument(format!("invalid chaincode events request: {error}"))
        };
        let channel = ChannelId::new(request.channel_id.as_str()).map_err(|error| invalid(&error))?;
        let chaincode = ChaincodeName::new(request.chaincode_id.as_str()).map_err(|error| invalid(&error))?;
        let after = match request.after_transaction_id.as_str() {
            "" => None,
            text => Some(TxId::new(text).map_err(|error| invalid(&error))?),
        };
        let ledger = self.joined(&channel, &caller)?;
        let reader = Reader::admit(&*ledger, request.identity.clone(), signed)?;
        let place = self.streams.enter(reader.identity.msp_id())?;
        let (next, after) = begin(&*ledger, request.start_position, after)?;
        let asker = Asker::new(&reader.identity, caller.certificate);
        let stream = EventStream {
            node: Arc::clone(&self.node),
            blocks: Arc::clone(&self.event_blocks),
            reader,
            channel: channel.clone(),
            chaincode,
            next,
            after,
            _place: place,
        };
        let events: ResponseStream<_> = Box::pin(unfold(Some(stream), |stream| async move {
            let mut stream = stream?;
            match stream.following().await {
                Ok(response) => Some((Ok(response), Some(stream))),
                Err(status) => Some((Err(status), None)),
            }
        }));
        Ok(until_revoked(Arc::clone(&self.node), channel, asker, events))
    }
}

/// Behind which transaction the events begin.
#[derive(Clone, Debug, PartialEq, Eq)]
enum After {
    /// Behind none: all that come are wanted.
    Nothing,
    /// Behind that place.
    Place(BlockNumber, TxNumber),
    /// Behind a transaction that is not committed here yet.
    Unknown(TxId),
}

/// The first block, and what of it was had before. As in Fabric, a transaction that is on the ledger decides by itself.
fn begin(
    ledger: &dyn ChannelLedger,
    position: Option<SeekPosition>,
    after: Option<TxId>,
) -> Result<(BlockNumber, After), Status> {
    let after = match after {
        None => After::Nothing,
        Some(tx_id) => locate(ledger, tx_id)?,
    };
    if let After::Place(number, _) = after {
        return Ok((number, after));
    }
    let next = match position.and_then(|position| position.r#type) {
        None | Some(seek_position::Type::NextCommit(_)) => BlockNumber(ledger.height()),
        Some(seek_position::Type::Specified(specified)) => BlockNumber(specified.number),
        Some(seek_position::Type::Newest(_) | seek_position::Type::Oldest(_)) => {
            return Err(Status::invalid_argument(
                "invalid start position type: events begin at a specified block or at the next commit",
            ));
        }
    };
    Ok((next, after))
}

fn locate(ledger: &dyn ChannelLedger, tx_id: TxId) -> Result<After, Status> {
    let found = ledger.transaction(&tx_id).map_err(|fault| ledger_status(&fault))?;
    Ok(found.map_or(After::Unknown(tx_id), |at| After::Place(at.block_number, at.tx_number)))
}

/// One reader's way through the blocks.
struct EventStream<N> {
    node: Arc<N>,
    blocks: Arc<EventBlocks>,
    reader: Reader,
    channel: ChannelId,
    chaincode: ChaincodeName,
    next: BlockNumber,
    after: After,
    _place: StreamPlace,
}

impl<N: Node> EventStream<N> {
    /// The events of the next block that has some for this reader.
    async fn following(&mut self) -> Result<ChaincodeEventsResponse, Status> {
        loop {
            let number = self.next;
            let ledger = self.ledger()?;
            if ledger.height() <= number.0 {
                drop(ledger);
                self.node.reached(&self.channel, number.0.saturating_add(1)).await?;
                continue;
            }
            if let After::Unknown(tx_id) = &self.after {
                self.after = locate(&*ledger, tx_id.clone())?;
            }
            let begin = match self.after {
                After::Nothing => Some(TxNumber(0)),
                After::Place(block, tx) if block == number => tx.0.checked_add(1).map(TxNumber),
                After::Place(block, _) => (block < number).then_some(TxNumber(0)),
                After::Unknown(_) => None,
            };
            self.next = number.next();
            let Some(begin) = begin else { continue };
            let block = self.blocks.of(Arc::clone(&ledger), number).await?;
            let events = block.of_chaincode(self.chaincode.as_str(), begin);
            if !events.is_empty() {
                self.reader.check_again(&*ledger)?;
                return Ok(ChaincodeEventsResponse { events, block_number: number.0 });
            }
        }
    }

    fn ledger(&self) -> Result<Arc<dyn ChannelLedger>, Status> {
        self.node.ledger(&self.channel).ok_or_else(|| self.node.absent(&self.channel))
    }
}

/// Who reads, and what shows that they may.
struct Reader {
    serialized: bytes::Bytes,
    signed: SignedChaincodeEventsRequest,
    identity: VerifiedIdentity,
    bundle: Arc<ConfigBundle>,
}

impl Reader {
    fn admit(
        ledger: &dyn ChannelLedger,
        serialized: bytes::Bytes,
        signed: SignedChaincodeEventsRequest,
    ) -> Result<Self, Status> {
        let bundle = ledger.bundle();
        let identity = check_reader(ledger, &bundle, &serialized, (&signed.request, &signed.signature))?;
        Ok(Self { serialized, signed, identity, bundle })
    }

    /// Asked before each answer, since a stream may live for months: an expired certificate or a new policy ends it, and a
    /// revoked identity even where no event comes. The signature is verified again only where the configuration changed.
    fn check_again(&mut self, ledger: &dyn ChannelLedger) -> Result<(), Status> {
        let bundle = ledger.bundle();
        if !Arc::ptr_eq(&bundle, &self.bundle) {
            *self = Self::admit(ledger, self.serialized.clone(), self.signed.clone())?;
            return Ok(());
        }
        if now_ms() > self.identity.not_after_ms() {
            return Err(Status::permission_denied(
                "the certificate of the stream's reader has expired; enrol again and resume with the new one",
            ));
        }
        require_active(ledger, &self.identity)
    }
}

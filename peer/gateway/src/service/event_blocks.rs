//! The chaincode events of blocks: read once for all streams, and remembered within a bound.
//!
//! Events are those of VALID transactions, as their endorsers signed them and as validation reads them. They are copied
//! out of the block, so that a remembered event does not keep a whole block in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use protocol::fabric::ChaincodeEvent;
use protocol::{Block, BlockNumber, ChannelId, TxNumber, TxValidationCode};
use tokio::sync::{OnceCell, Semaphore};
use transport::Status;
use validation::parse_transaction;

use crate::ports::{ChannelLedger, LedgerFault};
use crate::signed_request::ledger_status;

/// Blocks whose events are remembered: the live streams of all channels want the newest, replays a few at a time.
const BLOCKS_MAX: usize = 64;
/// Bytes of remembered events.
const BYTES_MAX: usize = 32 << 20;
/// Blocks that are read at a time, over all streams and channels: each is in memory twice meanwhile, and a replay of a long
/// ledger must leave threads to others. Whoever waits is served in turn.
const READS_MAX: usize = 3;
/// What an event takes in memory beside its texts.
const EVENT_OVERHEAD_BYTES: usize = 128;

/// The events of one block, in order.
#[derive(Debug, Default)]
pub(super) struct BlockEvents {
    events: Vec<(TxNumber, ChaincodeEvent)>,
    bytes: usize,
}

impl BlockEvents {
    /// The events of a block whose transactions were judged so. A transaction without a verdict counts as invalid.
    fn of(block: &Block, verdicts: &[TxValidationCode]) -> Self {
        let valid = (0..).map(TxNumber).zip(&block.envelopes).zip(verdicts);
        let valid = valid.filter(|(_, code)| code.is_valid()).map(|(placed, _)| placed);
        let events: Vec<_> = valid
            // A valid transaction that does not parse holds a configuration.
            .filter_map(|(number, envelope)| {
                let event = parse_transaction(envelope).ok()?.event?;
                let payload = Bytes::copy_from_slice(&event.payload);
                Some((number, ChaincodeEvent { payload, ..event }))
            })
            .collect();
        let size = |event: &ChaincodeEvent| {
            event.chaincode_id.len() + event.tx_id.len() + event.event_name.len() + event.payload.len()
        };
        let bytes = events.iter().map(|(_, event)| size(event) + EVENT_OVERHEAD_BYTES).sum();
        Self { events, bytes }
    }

    /// The events of a chaincode from a place in the block on.
    pub(super) fn of_chaincode(&self, chaincode: &str, begin: TxNumber) -> Vec<ChaincodeEvent> {
        let wanted = self
            .events
            .iter()
            .filter(|(number, event)| number.0 >= begin.0 && event.chaincode_id == chaincode);
        wanted.map(|(_, event)| event.clone()).collect()
    }
}

/// A block's events, once somebody has read them.
type Cell = Arc<OnceCell<Arc<BlockEvents>>>;

/// The events of the blocks that were asked for last.
#[derive(Debug)]
pub(super) struct EventBlocks {
    cells: Mutex<VecDeque<(ChannelId, BlockNumber, Cell)>>,
    reads: Semaphore,
}

impl Default for EventBlocks {
    fn default() -> Self {
        Self { cells: Mutex::default(), reads: Semaphore::new(READS_MAX) }
    }
}

impl EventBlocks {
    /// The events of a committed block. Those who ask at the same time wait for one read.
    pub(super) async fn of(
        &self,
        ledger: Arc<dyn ChannelLedger>,
        number: BlockNumber,
    ) -> Result<Arc<BlockEvents>, Status> {
        let cell = self.cell(ledger.channel(), number);
        let read = async {
            let closed = |_| Status::unavailable("the peer is shutting down");
            let _turn = self.reads.acquire().await.map_err(closed)?;
            let read = tokio::task::spawn_blocking(move || read(&*ledger, number)).await;
            match read {
                Ok(events) => events.map(Arc::new).map_err(|fault| ledger_status(&fault)),
                Err(_) => Err(Status::internal("the events of a block were not read")),
            }
        };
        cell.get_or_try_init(|| read).await.cloned()
    }

    fn cell(&self, channel: &ChannelId, number: BlockNumber) -> Cell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cells.iter().rev().find(|(of, at, _)| *at == number && of == channel);
        if let Some((.., cell)) = known {
            return Arc::clone(cell);
        }
        let cell = Cell::default();
        cells.push_back((channel.clone(), number, Arc::clone(&cell)));
        let bytes = |cells: &VecDeque<(ChannelId, BlockNumber, Cell)>| -> usize {
            cells.iter().filter_map(|(.., cell)| cell.get()).map(|events| events.bytes).sum()
        };
        while cells.len() > BLOCKS_MAX || (cells.len() > 1 && bytes(&cells) > BYTES_MAX) {
            cells.pop_front();
        }
        cell
    }
}

fn read(ledger: &dyn ChannelLedger, number: BlockNumber) -> Result<BlockEvents, LedgerFault> {
    let fault = |cause: String| LedgerFault { channel: ledger.channel().clone(), cause };
    let absent = || fault(format!("block {number} is committed, and its bytes or verdicts are missing"));
    let bytes = ledger.block(number)?.ok_or_else(absent)?;
    let verdicts = ledger.verdicts(number)?.ok_or_else(absent)?;
    let block = Block::from_bytes(&bytes).map_err(|error| fault(format!("block {number}: {error}")))?;
    Ok(BlockEvents::of(&block, &verdicts))
}

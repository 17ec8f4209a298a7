//! openraft's own suite over our log store and state machine, and what it does not ask.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
use openraft::testing::{StoreBuilder, Suite, log_id};
use openraft::{Entry, EntryPayload, RaftLogReader, Vote};
use store::{Batch, Durability, MemoryDisk, Store, StoreOptions};
use tempfile::TempDir;

use super::record::EntryRecord;
use super::state_machine::StateMachine;
use super::*;
use crate::chain::tests::{Place, next_block, place, reopen};
use crate::chain::{Applied, chain_families};
use crate::world::World;

/// Stores of one channel: snapshots pass between them.
struct Builder {
    world: World,
}

pub fn families() -> Vec<store::FamilySpec> {
    let mut families = chain_families();
    families.extend(LOG_FAMILIES);
    families
}

fn open(folder: &std::path::Path) -> Store {
    Store::open(folder, &families(), StoreOptions::new("orderer", 1)).expect("a store")
}

impl StoreBuilder<RaftTypes, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageFault> {
        let folder = TempDir::new().expect("a folder");
        let chain = reopen(&self.world, open(folder.path()));
        let log = LogStore::new(chain.store().clone()).expect("a thread");
        Ok((folder, log, StateMachine::open(chain).expect("a state machine")))
    }
}

#[test]
fn the_librarys_suite_passes() {
    Suite::test_all(Builder { world: World::new(&[7050, 7051, 7052]) }).expect("the suite passes");
}

/// The same over disks in memory, on which simulations run.
struct InMemory {
    world: World,
}

impl StoreBuilder<RaftTypes, LogStore, StateMachine, MemoryDisk> for InMemory {
    async fn build(&self) -> Result<(MemoryDisk, LogStore, StateMachine), StorageFault> {
        let disk = MemoryDisk::new(|| Duration::from_micros(10));
        let chain = reopen(&self.world, Store::in_memory(&disk, &families()));
        let log = LogStore::new(chain.store().clone()).expect("a task");
        Ok((disk, log, StateMachine::open(chain).expect("a state machine")))
    }
}

#[test]
fn the_librarys_suite_passes_in_memory() {
    Suite::test_all(InMemory { world: World::new(&[7050, 7051, 7052]) }).expect("the suite passes");
}

#[tokio::test]
async fn a_crash_takes_entries_that_were_not_acknowledged_and_no_vote() {
    let vote = Vote::new_committed(7, 3);
    for (kept, last) in [(0, 4), (1, 5), (9, 6)] {
        let disk = MemoryDisk::new(|| Duration::from_secs(3_600));
        let mut log = LogStore::new(Store::in_memory(&disk, &families())).expect("a task");
        let written = |index| {
            let store = Store::in_memory(&disk, &families());
            let mut batch = Batch::new();
            let record = EntryRecord::from(&entry(index, 10));
            batch.put(super::log_store::LOG, index.to_be_bytes().to_vec(), protocol::codec::encode(&record));
            store.write(&batch, Durability::Unsynced).expect("written");
        };
        (1..=4).for_each(written);
        log.save_vote(&vote).await.expect("saved, and with it what was written before");
        (5..=6).for_each(written);
        assert_eq!(disk.unsynced(), 2);
        disk.crash(kept);
        assert!(log.save_vote(&Vote::new(8, 1)).await.is_err(), "a process of before writes no more");
        let mut log = LogStore::new(Store::in_memory(&disk, &families())).expect("a task");
        assert_eq!(log.read_vote().await.expect("read"), Some(vote), "{kept} kept");
        let state = log.get_log_state().await.expect("read");
        assert_eq!(state.last_log_id, Some(log_id(1, 1, last)), "{kept} kept");
    }
}

fn entry(index: u64, bytes: usize) -> Entry<RaftTypes> {
    let payload = EntryPayload::Normal(ProposedBlock(Bytes::from(vec![7; bytes])));
    Entry { log_id: log_id(1, 1, index), payload }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_a_follower_is_bounded_in_bytes_and_never_empty() {
    let folder = TempDir::new().expect("a folder");
    let mut log = LogStore::new(open(folder.path())).expect("a thread");
    let entries: Vec<_> =
        (0..10).map(|index| entry(index, if index == 7 { 5 << 20 } else { 1 << 20 })).collect();
    log.blocking_append(entries).await.expect("appended");
    let rows = [
        // start, end, how many come
        (0, 10, 3),
        (0, 2, 2),
        (4, 10, 3),
        (7, 10, 1),
        (9, 10, 1),
        (3, 3, 0),
    ];
    for (start, end, count) in rows {
        let found = log.limited_get_log_entries(start, end).await.expect("read");
        assert_eq!(found.len(), count, "{start}..{end}");
    }
    assert_eq!(log.try_get_log_entries(0..10).await.expect("read").len(), 10, "without a limit all come");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_vote_and_purge_survive_a_restart() {
    let folder = TempDir::new().expect("a folder");
    let vote = Vote::new_committed(7, 3);
    {
        let mut log = LogStore::new(open(folder.path())).expect("a thread");
        log.blocking_append((1..=9).map(|index| entry(index, 10))).await.expect("appended");
        log.save_vote(&vote).await.expect("saved");
        log.truncate(log_id(1, 1, 8)).await.expect("truncated");
        log.purge(log_id(1, 1, 2)).await.expect("purged");
    }
    let mut log = reopened(folder.path());
    assert_eq!(log.read_vote().await.expect("read"), Some(vote));
    let state = log.get_log_state().await.expect("read");
    assert_eq!(state.last_purged_log_id, Some(log_id(1, 1, 2)));
    assert_eq!(state.last_log_id, Some(log_id(1, 1, 7)));
    let indices: Vec<_> =
        log.try_get_log_entries(..).await.expect("read").iter().map(|e| e.log_id.index).collect();
    assert_eq!(indices, [3, 4, 5, 6, 7]);
}

/// The thread that waits for the disk lets go of the store soon after the last clone is gone.
fn reopened(folder: &std::path::Path) -> LogStore {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        match Store::open(folder, &families(), StoreOptions::new("orderer", 1)) {
            Ok(store) => return LogStore::new(store).expect("a thread"),
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn applied_blocks_and_their_place_survive_a_restart() {
    let folder = TempDir::new().expect("a folder");
    let (world, block) = {
        let Place { chain, world, .. } = place(open(folder.path()));
        let block = next_block(&chain, vec![world.envelope(0, 1)]);
        let bytes = Bytes::from(block.to_bytes());
        let mut machine = StateMachine::open(chain).expect("a state machine");
        let entries = [
            Entry { log_id: log_id(1, 1, 1), payload: EntryPayload::Blank },
            Entry { log_id: log_id(1, 1, 2), payload: EntryPayload::Normal(ProposedBlock(bytes.clone())) },
            Entry { log_id: log_id(2, 1, 3), payload: EntryPayload::Normal(ProposedBlock(bytes)) },
        ];
        let results = machine.apply(entries).await.expect("applied");
        assert_eq!(results[..2], [Applied::Nothing, Applied::Block(protocol::BlockNumber(1))]);
        // A repetition of the same bytes is where it is; within one batch it is found by its number.
        assert!(
            matches!(&results[2], Applied::Dropped(reason) if reason.contains("block 2 is due")),
            "{results:?}"
        );
        (world, block)
    };
    let chain = reopen(&world, open(folder.path()));
    assert_eq!(chain.last_header(), block.header);
    let mut machine = StateMachine::open(Arc::clone(&chain)).expect("a state machine");
    assert_eq!(machine.applied_state().await.expect("read").0, Some(log_id(2, 1, 3)));
}

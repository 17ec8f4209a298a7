//! What a killed process, a torn log file or a changed byte leaves of an orderer: log, vote, place applied and chain.
//!
//! All four lie in one store, so that whatever a crash takes away is the end of one sequence of batches. The tests cut or
//! change the store's log file offset by offset and compare what opens with what stood after each operation; between two
//! operations nothing opens. By default offsets are taken in steps; `CONSILIUM_LONG=1` takes every one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
use openraft::testing::log_id;
use openraft::{Entry, EntryPayload, RaftLogReader, Vote};
use protocol::{Block, BlockNumber};
use store::{BlockStore, Read as _, Store, StoreError, StoreOptions};
use tempfile::TempDir;

use super::state_machine::StateMachine;
use super::storage_tests::families;
use super::*;
use crate::chain::tests::{next_block, place, reopen};
use crate::chain::{Chain, ChainFault};
use crate::world::World;

const FOLDER: &str = "CONSILIUM_TEST_ORDERER_FOLDER";
/// Ends a child that nobody kills.
const ROUNDS_MAX: u64 = 20_000;
/// Operations whose traces are cut and changed.
const OPERATIONS: u64 = 3;

fn try_open(folder: &Path) -> Result<Store, StoreError> {
    Store::open(folder, &families(), StoreOptions::new("orderer", 1))
}

/// What a node knows when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    /// Index of the last entry of the log.
    logged: u64,
    /// Index of the last entry applied.
    applied: u64,
    /// The last block.
    tip: BlockNumber,
    /// Term of the vote.
    term: u64,
}

async fn standing(chain: &Arc<Chain>) -> Standing {
    let mut log = LogStore::new(chain.store().clone()).expect("a thread");
    let mut machine = StateMachine::open(Arc::clone(chain)).expect("a state machine");
    let logged = log.get_log_state().await.expect("reads").last_log_id.map_or(0, |last| last.index);
    let entries = log.try_get_log_entries(..).await.expect("reads");
    assert!(entries.iter().map(|entry| entry.log_id.index).eq(1..=logged), "the log has no gaps");
    let applied = machine.applied_state().await.expect("reads").0.map_or(0, |last| last.index);
    let term = log.read_vote().await.expect("reads").map_or(0, |vote| vote.leader_id.term);
    Standing { logged, applied, tip: chain.last_header().number, term }
}

/// Votes, appends a block, applies it: entry `index` holds block `index`. Calls back after each step.
async fn operate(chain: &Arc<Chain>, block: &Block, mut done: impl FnMut(&str, u64)) {
    let index = block.header.number.0;
    let mut log = LogStore::new(chain.store().clone()).expect("a thread");
    log.save_vote(&Vote::new_committed(index, 1)).await.expect("saved");
    done("voted", index);
    let bytes = Bytes::from(block.to_bytes());
    let entry =
        || Entry { log_id: log_id(1, 1, index), payload: EntryPayload::Normal(ProposedBlock(bytes.clone())) };
    log.blocking_append([entry()]).await.expect("appended");
    done("logged", index);
    let mut machine = StateMachine::open(Arc::clone(chain)).expect("a state machine");
    machine.apply([entry()]).await.expect("applied");
    done("applied", index);
}

/// An orderer's closed store, with the length of its log file after each step and what stood then.
struct Original {
    folder: TempDir,
    path: PathBuf,
    world: World,
    log: Vec<u8>,
    /// The first is that before all operations.
    steps: Vec<(usize, Standing)>,
}

impl Original {
    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("orderer");
        let (world, chain) = {
            let place = place(try_open(&path).expect("opens"));
            (place.world, place.chain)
        };
        let length =
            || usize::try_from(std::fs::metadata(newest_log(&path)).expect("metadata").len()).expect("fits");
        let mut last = standing(&chain).await;
        let mut steps = vec![(length(), last.clone())];
        for number in 0..OPERATIONS {
            let block = next_block(&chain, vec![world.envelope(0, number)]);
            operate(&chain, &block, |step, index| {
                match step {
                    "voted" => last.term = index,
                    "logged" => last.logged = index,
                    _ => (last.applied, last.tip) = (index, BlockNumber(index)),
                }
                steps.push((length(), last.clone()));
            })
            .await;
            assert_eq!(standing(&chain).await, last, "what the steps say is what stands");
        }
        drop(chain);
        let log = std::fs::read(newest_log(&path)).expect("reads");
        Self { folder, path, world, log, steps }
    }

    /// Opens a copy whose log file holds these bytes.
    fn open_with(&self, name: &str, log: &[u8]) -> Result<Arc<Chain>, StoreError> {
        let copy = self.folder.path().join(name);
        std::fs::create_dir(&copy).expect("creates");
        for entry in std::fs::read_dir(&self.path).expect("lists") {
            let entry = entry.expect("lists");
            // The engine's own log and options are not needed to open.
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with(['L', 'O']) {
                std::fs::copy(entry.path(), copy.join(name)).expect("copies");
            }
        }
        std::fs::write(newest_log(&copy), log).expect("writes");
        Ok(reopen(&self.world, try_open(&copy)?))
    }

    /// What stood when the file had `length` bytes or fewer, and what stood one step later.
    fn around(&self, length: usize) -> [&Standing; 2] {
        let after = self.steps.iter().position(|(end, _)| *end > length).unwrap_or(self.steps.len() - 1);
        [&self.steps[after.saturating_sub(1)].1, &self.steps[after].1]
    }

    fn offsets(&self) -> impl Iterator<Item = usize> {
        let (begin, end) = (self.steps[0].0, self.log.len());
        let step = if std::env::var_os("CONSILIUM_LONG").is_some() { 1 } else { ((end - begin) / 70).max(1) };
        (begin..end).step_by(step).chain([end - 1])
    }

    fn remove(&self, name: &str) {
        std::fs::remove_dir_all(self.folder.path().join(name)).expect("removes");
    }
}

fn newest_log(path: &Path) -> PathBuf {
    let entries = std::fs::read_dir(path).expect("lists").map(|entry| entry.expect("lists").path());
    entries.filter(|file| file.extension().is_some_and(|found| found == "log")).max().expect("a log")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_file_torn_anywhere_opens_where_some_step_ended() {
    let original = Original::new().await;
    for cut in original.offsets() {
        let chain = original.open_with("torn", &original.log[..cut]).expect("opens");
        let found = standing(&chain).await;
        assert!(
            original.around(cut).contains(&&found),
            "cut at {cut}: {found:?}, not {:?}",
            original.around(cut)
        );
        assert!(found.applied <= found.logged && found.tip.0 == found.applied, "cut at {cut}: {found:?}");
        let block = next_block(&chain, vec![original.world.envelope(0, 99)]);
        if found.applied == found.logged {
            operate(&chain, &block, |_, _| ()).await;
            assert_eq!(standing(&chain).await.tip, found.tip.next(), "cut at {cut}: it goes on");
        }
        drop(chain);
        original.remove("torn");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_stops_the_start_or_opens_where_some_step_ended() {
    let original = Original::new().await;
    let mut refused = 0;
    for at in original.offsets() {
        let mut log = original.log.clone();
        log[at] ^= 0x20;
        match original.open_with("changed", &log) {
            Err(error) => {
                assert!(error.is_corruption(), "changed at {at}: {error:?}");
                assert!(error.to_string().contains("changed"), "the folder is named: {error}");
                refused += 1;
            }
            // A length that reaches past the end looks like a record that was torn.
            Ok(chain) => {
                let found = standing(&chain).await;
                let stood: Vec<&Standing> = original.steps.iter().map(|(_, standing)| standing).collect();
                assert!(
                    stood.contains(&&found) && found != *stood[stood.len() - 1],
                    "changed at {at}: {found:?}"
                );
            }
        }
        original.remove("changed");
    }
    assert!(refused > 50, "only {refused} changes were seen");
}

/// The child's part: goes on from where its store stands, and prints each step that is done.
#[tokio::test(flavor = "multi_thread")]
async fn child_orders_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let place = place(try_open(Path::new(&folder)).expect("opens"));
    for number in 0..ROUNDS_MAX {
        let block = next_block(&place.chain, vec![place.world.envelope(0, number)]);
        operate(&place.chain, &block, |step, index| {
            let mut output = std::io::stdout().lock();
            writeln!(output, "{step}={index}").and_then(|()| output.flush()).expect("the parent reads");
        })
        .await;
    }
}

fn spawn(path: &Path) -> Child {
    Command::new(std::env::current_exe().expect("the test binary"))
        .args([
            "raft::crash_tests::child_orders_until_it_is_killed",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FOLDER, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

/// Kills the child after some steps, and returns how often each kind of step was acknowledged: votes, entries, blocks.
fn kill_after(mut child: Child, steps: usize) -> [u64; 3] {
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut lines = output.lines().map(|line| line.expect("text"));
    let mut last = [0; 3];
    let mut read = |line: &str| {
        for (kind, name) in ["voted=", "logged=", "applied="].iter().enumerate() {
            if let Some((_, index)) = line.rsplit_once(name) {
                last[kind] = index.parse().expect("a number");
            }
        }
    };
    let is_step = |line: &String| line.contains("ed=");
    for line in lines.by_ref().filter(is_step).take(steps) {
        read(&line);
    }
    child.kill().expect("is killed");
    child.wait().expect("ends");
    // What it printed before the signal arrived was acknowledged too.
    lines.for_each(|line| read(&line));
    last
}

/// What can be read of a store without the keys of its world, which died with the child.
async fn standing_of_store(store: &Store) -> Result<Standing, ChainFault> {
    let blocks = BlockStore::new(store.clone());
    let tip = blocks.tip()?.map_or(BlockNumber(0), |tip| tip.number);
    for number in 0..=tip.0 {
        blocks.block_checked(BlockNumber(number))?.expect("no block is missing");
        let key = [&number.to_be_bytes()[..], &0_u32.to_be_bytes()].concat();
        assert_eq!(
            store.get("signatures", &key)?.is_some(),
            number > 0,
            "block {number} has the own signature"
        );
    }
    let mut log = LogStore::new(store.clone()).expect("a thread");
    let logged = log.get_log_state().await.expect("reads").last_log_id.map_or(0, |last| last.index);
    let term = log.read_vote().await.expect("reads").map_or(0, |vote| vote.leader_id.term);
    let applied = store.get(super::log_store::META, b"applied")?;
    let applied = applied.map(|bytes| super::record::decode_applied(&bytes).expect("a record"));
    let applied = applied.and_then(|record| record.last).map_or(0, |last| last.index);
    Ok(Standing { logged, applied, tip, term })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_orderer_has_every_acknowledged_step_and_no_half_of_another() {
    for round in 0..8 {
        let folder = TempDir::new().expect("a folder");
        let [voted, logged, applied] = kill_after(spawn(folder.path()), 1 + round * round * 3);
        let found = standing_of_store(&try_open(folder.path()).expect("opens")).await.expect("reads");
        let near = |found: u64, acknowledged: u64| found == acknowledged || found == acknowledged + 1;
        assert!(
            near(found.term, voted) && near(found.logged, logged),
            "{found:?} after {voted}, {logged}, {applied}"
        );
        assert!(near(found.applied, applied) && found.tip.0 == found.applied, "{found:?} after {applied}");
        assert!(
            found.applied <= found.logged && found.logged <= found.term,
            "{found:?}: no step before another"
        );
    }
}

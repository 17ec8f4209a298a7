//! Raft's log and vote in the node's store.
//!
//! An entry is readable as soon as [`RaftLogStorage::append`] returns and is acknowledged only when it is on the disk: a
//! thread of its own brings the write-ahead log to the disk once for all appends that wait, and calls back then. A vote
//! is on the disk before `save_vote` returns. Keys of the log are indices in big-endian order, so that a range is a scan.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, ControlFlow, RangeBounds};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{
    AnyError, Entry, LogId, LogState, OptionalSend, RaftLogId, RaftLogReader, StorageIOError, Vote,
};
use protocol::codec;
use protocol::limits::NODE_MESSAGE_BYTES_MAX;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Batch, Durability, FamilyKind, FamilySpec, KeyRange, Order, Read, Store};
use tokio::sync::mpsc;

use super::record::{EntryRecord, LogPlace, VERSION, VoteRecord, decode_entry};
use super::{NodeId, RaftTypes, StorageFault, runtime};

/// The log: index -> entry.
pub const LOG: &str = "raft_log";
/// Single records by name.
pub const META: &str = "raft_meta";
/// The families that consensus needs in a store.
pub const LOG_FAMILIES: [FamilySpec; 2] =
    [FamilySpec { name: LOG, kind: FamilyKind::Blocks }, FamilySpec { name: META, kind: FamilyKind::Small }];

const INSTANCE: &[u8] = b"instance";
const VOTE: &[u8] = b"vote";
const COMMITTED: &[u8] = b"committed";
const PURGED: &[u8] = b"purged";
const FLUSHED: &[u8] = b"flushed";

/// Bytes of entries in one message to a follower: far below the limit of a message, enough to fill a fast link for the
/// time of a heartbeat.
const REPLICATION_BYTES_MAX: usize = 4 << 20;
/// Appends that may wait for the disk. openraft itself waits far earlier; one more is flushed by its caller.
const FLUSHES_MAX: usize = 1024;

type Fault = StorageIOError<NodeId>;

/// The thread that waits for the disk. It ends before the last clone of its log is gone: a thread that closed the database
/// while the process ends would meet it torn down.
pub struct Flusher {
    /// Taken when the log is dropped.
    flushes: Option<Flushes>,
    thread: Option<JoinHandle<()>>,
}

/// The way to whoever waits for the disk.
enum Flushes {
    Thread(SyncSender<LogFlushed<RaftTypes>>),
    /// In a simulation, whose disk takes simulated time.
    Task(mpsc::Sender<LogFlushed<RaftTypes>>),
}

impl Flusher {
    /// Hands an append to the thread; gives it back where too many wait already.
    fn refused(&self, callback: LogFlushed<RaftTypes>) -> Option<LogFlushed<RaftTypes>> {
        match &self.flushes {
            None => Some(callback),
            Some(Flushes::Thread(flushes)) => match flushes.try_send(callback) {
                Ok(()) => None,
                Err(TrySendError::Full(callback) | TrySendError::Disconnected(callback)) => Some(callback),
            },
            Some(Flushes::Task(flushes)) => match flushes.try_send(callback) {
                Ok(()) => None,
                Err(error) => Some(error.into_inner()),
            },
        }
    }

    fn start(store: &Store) -> io::Result<Self> {
        let disk = store.clone();
        if store.simulated_wait().is_some() {
            let (flushes, waiting) = mpsc::channel(FLUSHES_MAX);
            tokio::spawn(flush_in_simulated_time(disk, waiting));
            return Ok(Self { flushes: Some(Flushes::Task(flushes)), thread: None });
        }
        let (flushes, waiting) = sync_channel(FLUSHES_MAX);
        let body = move || flush_all(&disk, &waiting);
        let thread = std::thread::Builder::new().name("raft-log".to_owned()).spawn(body)?;
        Ok(Self { flushes: Some(Flushes::Thread(flushes)), thread: Some(thread) })
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.flushes = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was its own end; nobody waits for its answers any more.
            let _ = thread.join();
        }
    }
}

/// The id of a log.
#[derive(Serialize, Deserialize)]
struct InstanceRecord {
    version: u16,
    id: NodeId,
}

/// The log and the vote of one channel. Clones share the store.
#[derive(Clone)]
pub struct LogStore {
    store: Store,
    flusher: Arc<Flusher>,
}

impl LogStore {
    /// The log in a store that was opened with [`LOG_FAMILIES`]; starts the thread that waits for the disk.
    ///
    /// # Errors
    /// The system's, where it starts no thread.
    pub fn new(store: Store) -> io::Result<Self> {
        let flusher = Arc::new(Flusher::start(&store)?);
        Ok(Self { store, flusher })
    }

    /// The id of this log; drawn at random, and on the disk before it is returned, where the log is new. A log of before ids
    /// were drawn has its consenter's number in the first configuration, plus 1.
    ///
    /// # Errors
    /// A fault of the store or of the system's randomness.
    pub fn instance(&self, first_number: Option<u32>) -> Result<NodeId, AnyError> {
        if let Some(InstanceRecord { version, id }) = self.record(INSTANCE)? {
            codec::expect_version("InstanceRecord", version, VERSION)
                .map_err(|error| AnyError::new(&error))?;
            return Ok(id);
        }
        let is_new = self.record::<VoteRecord>(VOTE)?.is_none();
        let id = match first_number {
            Some(number) if !is_new => NodeId::from(number) + 1,
            _ => drawn()?,
        };
        self.write_record(INSTANCE, &InstanceRecord { version: VERSION, id }, Durability::Synced)?;
        Ok(id)
    }

    /// Forgets the log with its id, votes and the place applied: what remains is as new, in one synced write.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn forget(&self) -> Result<(), AnyError> {
        let mut batch = Batch::new();
        batch.delete_range(LOG, key(0), key(u64::MAX));
        batch.delete_range(META, Vec::new(), vec![u8::MAX]);
        self.store.write(&batch, Durability::Synced).map_err(|error| AnyError::new(&error))
    }

    /// Tells by its count whether a clone of this log is still in use.
    pub fn in_use(&self) -> Weak<Flusher> {
        Arc::downgrade(&self.flusher)
    }

    fn record<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, AnyError> {
        let bytes = self.store.get(META, key).map_err(|error| AnyError::new(&error))?;
        let decode =
            |bytes| codec::decode(bytes, NODE_MESSAGE_BYTES_MAX).map_err(|error| AnyError::new(&error));
        bytes.as_deref().map(decode).transpose()
    }

    fn write_record<T: Serialize>(
        &self,
        key: &'static [u8],
        record: &T,
        durability: Durability,
    ) -> Result<(), AnyError> {
        let mut batch = Batch::new();
        batch.put(META, key, codec::encode(record));
        self.store.write(&batch, durability).map_err(|error| AnyError::new(&error))
    }

    fn last_entry(&self) -> Result<Option<Entry<RaftTypes>>, Fault> {
        let last = self.store.scan(LOG, &KeyRange::all(), Order::Descending, 1).map_err(read_fault)?;
        last.first().map(|(_, value)| decode_entry(value)).transpose().map_err(read_fault)
    }

    /// Entries of a range, at least one if there is one, then no more than `bytes_max`.
    fn entries(&self, range: &KeyRange, bytes_max: usize) -> Result<Vec<Entry<RaftTypes>>, Fault> {
        let (mut entries, mut bytes, mut fault) = (Vec::new(), 0_usize, None);
        let walked = self.store.walk(LOG, range, Order::Ascending, |_, value| {
            bytes = bytes.saturating_add(value.len());
            if bytes > bytes_max && !entries.is_empty() {
                return ControlFlow::Break(());
            }
            match decode_entry(value) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    fault = Some(read_fault(error));
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        walked.map_err(read_fault)?;
        fault.map_or(Ok(entries), Err)
    }
}

/// An id that no other log has, as far as chance goes, and that is no number of a consenter.
fn drawn() -> Result<NodeId, AnyError> {
    let random = runtime::drawn().map_err(|error| AnyError::error(error.to_string()))?;
    Ok(random | (1 << 63))
}

/// Waits for appends and brings them to the disk, one synced write for all that wait.
fn flush_all(store: &Store, waiting: &Receiver<LogFlushed<RaftTypes>>) {
    while let Ok(first) = waiting.recv() {
        let mut flushed = vec![first];
        flushed.extend(waiting.try_iter());
        flush_for(store, flushed);
    }
}

/// The same where the disk is simulated.
async fn flush_in_simulated_time(store: Store, mut waiting: mpsc::Receiver<LogFlushed<RaftTypes>>) {
    let mut flushed = Vec::new();
    while waiting.recv_many(&mut flushed, FLUSHES_MAX).await > 0 {
        tokio::time::sleep(store.simulated_wait().unwrap_or_default()).await;
        flush_for(&store, std::mem::take(&mut flushed));
    }
}

fn flush_for(store: &Store, callbacks: Vec<LogFlushed<RaftTypes>>) {
    let result = flush(store);
    for callback in callbacks {
        let answer = result.clone().map_err(io::Error::other);
        callback.log_io_completed(answer);
    }
}

/// A synced write brings everything that was written before it to the disk too: they share the write-ahead log.
fn flush(store: &Store) -> Result<(), String> {
    let mut batch = Batch::new();
    batch.put(META, FLUSHED, codec::encode(&VERSION));
    store.write(&batch, Durability::Synced).map_err(|error| error.to_string())
}

fn key(index: u64) -> Vec<u8> {
    index.to_be_bytes().to_vec()
}

fn key_range(range: &impl RangeBounds<u64>) -> KeyRange {
    let start = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    match range.end_bound() {
        Bound::Included(&u64::MAX) | Bound::Unbounded => KeyRange::from(key(start)),
        Bound::Included(index) => KeyRange::between(key(start), key(index + 1)),
        Bound::Excluded(index) => KeyRange::between(key(start), key(*index)),
    }
}

fn read_fault<E: std::error::Error + 'static>(error: E) -> Fault {
    StorageIOError::read_logs(AnyError::new(&error))
}

/// Runs work that waits for the disk where it may wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, StorageFault> {
    match crate::blocking::blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) => Err(StorageIOError::write(AnyError::new(&error)).into()),
    }
}

impl RaftLogReader<RaftTypes> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<RaftTypes>>, StorageFault> {
        Ok(self.entries(&key_range(&range), usize::MAX)?)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry<RaftTypes>>, StorageFault> {
        Ok(self.entries(&key_range(&(start..end)), REPLICATION_BYTES_MAX)?)
    }
}

impl RaftLogStorage<RaftTypes> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<RaftTypes>, StorageFault> {
        let purged: Option<LogPlace> = self.record(PURGED).map_err(StorageIOError::read_logs)?;
        let last_purged_log_id = purged.map(Into::into);
        let last_log_id = self.last_entry()?.map(|entry| *entry.get_log_id()).or(last_purged_log_id);
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<NodeId>) -> Result<(), StorageFault> {
        let (log, record) = (self.clone(), VoteRecord::from(*vote));
        let save = move || log.write_record(VOTE, &record, Durability::Synced);
        blocking(move || save().map_err(StorageIOError::write_vote)).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<NodeId>>, StorageFault> {
        let record: Option<VoteRecord> = self.record(VOTE).map_err(StorageIOError::read_vote)?;
        Ok(record.map(Into::into))
    }

    async fn save_committed(&mut self, committed: Option<LogId<NodeId>>) -> Result<(), StorageFault> {
        // A hint only: what is lost is found out again from the leader.
        let record = committed.map(LogPlace::from);
        Ok(self.write_record(COMMITTED, &record, Durability::Unsynced).map_err(StorageIOError::write)?)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<NodeId>>, StorageFault> {
        let record: Option<Option<LogPlace>> = self.record(COMMITTED).map_err(StorageIOError::read)?;
        Ok(record.flatten().map(Into::into))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<RaftTypes>) -> Result<(), StorageFault>
    where
        I: IntoIterator<Item = Entry<RaftTypes>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut batch = Batch::new();
        for entry in entries {
            batch.put(LOG, key(entry.get_log_id().index), codec::encode(&EntryRecord::from(&entry)));
        }
        let written = self.store.write(&batch, Durability::Unsynced);
        written.map_err(|error| StorageIOError::write_logs(AnyError::new(&error)))?;
        if let Some(callback) = self.flusher.refused(callback) {
            callback.log_io_completed(flush(&self.store).map_err(io::Error::other));
        }
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId<NodeId>) -> Result<(), StorageFault> {
        let store = self.store.clone();
        let mut batch = Batch::new();
        batch.delete_range(LOG, key(log_id.index), key(u64::MAX));
        let write = move || store.write(&batch, Durability::Synced);
        blocking(move || write().map_err(|error| StorageIOError::write_logs(AnyError::new(&error)))).await
    }

    async fn purge(&mut self, log_id: LogId<NodeId>) -> Result<(), StorageFault> {
        let store = self.store.clone();
        let mut batch = Batch::new();
        batch.put(META, PURGED, codec::encode(&LogPlace::from(log_id)));
        batch.delete_range(LOG, key(0), key(log_id.index.saturating_add(1)));
        let write = move || store.write(&batch, Durability::Synced);
        blocking(move || write().map_err(|error| StorageIOError::write_logs(AnyError::new(&error)))).await
    }
}

//! The encodings of what Raft keeps on disk: log entries, votes, log ids, memberships.
//!
//! MessagePack of our own types, each stored record beginning with its version. openraft's types never reach the disk,
//! so that another release of the library reads the same folders. A record is written in the lowest version that holds it:
//! version 2 names the consenter of each id, version 1 has none to name.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::{CommittedLeaderId, Entry, EntryPayload, LogId, Membership, StoredMembership, Vote};
use protocol::codec::{self, DecodeError};
use protocol::limits::{BLOCK_BYTES_MAX, NODE_MESSAGE_BYTES_MAX};
use serde::{Deserialize, Serialize};

use super::{Node, NodeId, ProposedBlock, RaftTypes};
use crate::consenters::ConsenterKey;

/// The version of records without a consenter's key.
pub const VERSION: u16 = 1;
/// The newest version, in which members are named with their consenter.
pub const VERSION_MAX: u16 = 2;
/// A block and the record around it.
const ENTRY_BYTES_MAX: usize = BLOCK_BYTES_MAX + NODE_MESSAGE_BYTES_MAX;

/// A place in the log, with the leader that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    pub term: u64,
    pub leader: NodeId,
    pub index: u64,
}

/// A vote, given or won.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteRecord {
    pub term: u64,
    pub node: NodeId,
    pub committed: bool,
}

/// Who votes: one list, or two while the list changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipRecord {
    pub voters: Vec<Vec<NodeId>>,
    pub nodes: Vec<NodeRecord>,
}

/// A member: since version 2 with its consenter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NodeRecord {
    Bare(NodeId),
    Of(NodeId, ConsenterKey),
}

/// What a log entry holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryContent {
    Blank,
    Block(Bytes),
    Membership(MembershipRecord),
}

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord {
    pub version: u16,
    pub place: LogPlace,
    pub content: EntryContent,
}

/// What a state machine has applied, besides its blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedRecord {
    pub version: u16,
    pub last: Option<LogPlace>,
    pub membership_at: Option<LogPlace>,
    pub membership: MembershipRecord,
}

impl From<LogId<NodeId>> for LogPlace {
    fn from(id: LogId<NodeId>) -> Self {
        Self { term: id.leader_id.term, leader: id.leader_id.node_id, index: id.index }
    }
}

impl From<LogPlace> for LogId<NodeId> {
    fn from(place: LogPlace) -> Self {
        Self::new(CommittedLeaderId::new(place.term, place.leader), place.index)
    }
}

impl From<Vote<NodeId>> for VoteRecord {
    fn from(vote: Vote<NodeId>) -> Self {
        Self { term: vote.leader_id.term, node: vote.leader_id.node_id, committed: vote.committed }
    }
}

impl From<VoteRecord> for Vote<NodeId> {
    fn from(record: VoteRecord) -> Self {
        if record.committed {
            Self::new_committed(record.term, record.node)
        } else {
            Self::new(record.term, record.node)
        }
    }
}

impl MembershipRecord {
    /// The lowest version that holds it.
    pub fn version(&self) -> u16 {
        let is_bare = self.nodes.iter().all(|node| matches!(node, NodeRecord::Bare(_)));
        if is_bare { VERSION } else { VERSION_MAX }
    }
}

impl EntryContent {
    fn version(&self) -> u16 {
        match self {
            Self::Membership(membership) => membership.version(),
            Self::Blank | Self::Block(_) => VERSION,
        }
    }
}

impl From<&Membership<NodeId, Node>> for MembershipRecord {
    fn from(membership: &Membership<NodeId, Node>) -> Self {
        let voters = membership.get_joint_config().iter().map(|voters| voters.iter().copied().collect());
        let nodes = membership.nodes().map(|(id, node)| match node.consenter {
            Some(consenter) => NodeRecord::Of(*id, consenter),
            None => NodeRecord::Bare(*id),
        });
        Self { voters: voters.collect(), nodes: nodes.collect() }
    }
}

impl From<MembershipRecord> for Membership<NodeId, Node> {
    fn from(record: MembershipRecord) -> Self {
        let voters: Vec<BTreeSet<NodeId>> =
            record.voters.into_iter().map(|voters| voters.into_iter().collect()).collect();
        let nodes = record.nodes.into_iter().map(|node| match node {
            NodeRecord::Bare(id) => (id, Node::default()),
            NodeRecord::Of(id, consenter) => (id, Node::of(consenter)),
        });
        let nodes: BTreeMap<NodeId, Node> = nodes.collect();
        Self::new(voters, nodes)
    }
}

impl From<&Entry<RaftTypes>> for EntryRecord {
    fn from(entry: &Entry<RaftTypes>) -> Self {
        let content = match &entry.payload {
            EntryPayload::Blank => EntryContent::Blank,
            EntryPayload::Normal(block) => EntryContent::Block(block.0.clone()),
            EntryPayload::Membership(membership) => EntryContent::Membership(membership.into()),
        };
        Self { version: content.version(), place: entry.log_id.into(), content }
    }
}

impl From<EntryRecord> for Entry<RaftTypes> {
    fn from(record: EntryRecord) -> Self {
        let payload = match record.content {
            EntryContent::Blank => EntryPayload::Blank,
            EntryContent::Block(bytes) => EntryPayload::Normal(ProposedBlock(bytes)),
            EntryContent::Membership(membership) => EntryPayload::Membership(membership.into()),
        };
        Self { log_id: record.place.into(), payload }
    }
}

impl AppliedRecord {
    /// The record of a state machine.
    pub fn new(last: Option<LogId<NodeId>>, stored: &StoredMembership<NodeId, Node>) -> Self {
        let membership = MembershipRecord::from(stored.membership());
        Self {
            version: membership.version(),
            last: last.map(Into::into),
            membership_at: stored.log_id().map(Into::into),
            membership,
        }
    }

    /// The membership, with the place where it was written.
    pub fn stored_membership(&self) -> StoredMembership<NodeId, Node> {
        StoredMembership::new(self.membership_at.map(Into::into), self.membership.clone().into())
    }
}

/// Reads an entry of the log.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry<RaftTypes>, DecodeError> {
    let record: EntryRecord = codec::decode(bytes, ENTRY_BYTES_MAX)?;
    expect_known("EntryRecord", record.version)?;
    Ok(record.into())
}

/// Reads what was applied.
pub fn decode_applied(bytes: &[u8]) -> Result<AppliedRecord, DecodeError> {
    let record: AppliedRecord = codec::decode(bytes, NODE_MESSAGE_BYTES_MAX)?;
    expect_known("AppliedRecord", record.version)?;
    Ok(record)
}

/// Refuses what a newer release wrote, by name.
pub fn expect_known(type_name: &'static str, version: u16) -> Result<(), DecodeError> {
    let known = version.clamp(VERSION, VERSION_MAX);
    codec::expect_version(type_name, version, known)
}

#[cfg(test)]
mod tests {
    use protocol::Digest;

    use super::*;

    fn place() -> LogPlace {
        LogPlace { term: 3, leader: 2, index: 700 }
    }

    fn membership() -> MembershipRecord {
        let nodes = [1, 2, 3, 4].map(NodeRecord::Bare).to_vec();
        MembershipRecord { voters: vec![vec![1, 2, 3], vec![2, 3, 4]], nodes }
    }

    fn named() -> MembershipRecord {
        let nodes = vec![NodeRecord::Bare(2), NodeRecord::Of(u64::MAX, Digest([9; 32]))];
        MembershipRecord { voters: vec![vec![u64::MAX]], nodes }
    }

    #[test]
    fn every_kind_of_entry_reads_back_through_the_librarys_type() {
        let rows = [
            EntryContent::Blank,
            EntryContent::Block(Bytes::from_static(b"block")),
            EntryContent::Membership(membership()),
            EntryContent::Membership(named()),
        ];
        for content in rows {
            let record = EntryRecord { version: content.version(), place: place(), content };
            let bytes = codec::encode(&record);
            let entry = decode_entry(&bytes).expect("reads back");
            assert_eq!(codec::encode(&EntryRecord::from(&entry)), bytes);
            for cut in 0..bytes.len() {
                assert!(decode_entry(&bytes[..cut]).is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn the_bytes_on_disk_are_frozen() {
        let block = EntryContent::Block(Bytes::from_static(&[7]));
        let record = EntryRecord { version: VERSION, place: place(), content: block };
        let bytes = codec::encode(&record);
        // [version, [term, leader, index], {"Block": bin}]
        let golden =
            [0x93, 1, 0x93, 3, 2, 0xcd, 0x02, 0xbc, 0x81, 0xa5, b'B', b'l', b'o', b'c', b'k', 0xc4, 1, 7];
        assert_eq!(bytes, golden);
        let vote = VoteRecord { term: 1, node: 2, committed: true };
        assert_eq!(codec::encode(&vote), [0x93, 1, 2, 0xc3]);
        let applied = AppliedRecord {
            version: VERSION,
            last: Some(place()),
            membership_at: None,
            membership: MembershipRecord { voters: vec![vec![1]], nodes: vec![NodeRecord::Bare(1)] },
        };
        let golden = [0x94, 1, 0x93, 3, 2, 0xcd, 0x02, 0xbc, 0xc0, 0x92, 0x91, 0x91, 1, 0x91, 1];
        assert_eq!(codec::encode(&applied), golden);
        let record = EntryRecord { version: 2, place: place(), content: EntryContent::Membership(named()) };
        // [2, [term, leader, index], {"Membership": [[[id]], [id, [id, key]]]}]
        let golden = [
            &[0x93, 2, 0x93, 3, 2, 0xcd, 0x02, 0xbc, 0x81, 0xaa][..],
            b"Membership",
            &[0x92, 0x91, 0x91, 0xcf],
            &[0xff; 8],
            &[0x92, 2, 0x92, 0xcf],
            &[0xff; 8],
            &[0xc4, 32],
            &[9; 32],
        ];
        assert_eq!(codec::encode(&record), golden.concat());
    }

    #[test]
    fn a_newer_version_is_refused() {
        let record = EntryRecord { version: 3, place: place(), content: EntryContent::Blank };
        let error = decode_entry(&codec::encode(&record)).expect_err("newer");
        assert!(error.to_string().contains("newer release"), "{error}");
    }

    #[test]
    fn votes_and_places_read_back_through_the_librarys_types() {
        for committed in [false, true] {
            let record = VoteRecord { term: 9, node: 3, committed };
            assert_eq!(VoteRecord::from(Vote::from(record)), record);
        }
        assert_eq!(LogPlace::from(LogId::from(place())), place());
        for record in [membership(), named()] {
            let library: Membership<NodeId, Node> = record.clone().into();
            assert_eq!(MembershipRecord::from(&library), record);
        }
    }
}

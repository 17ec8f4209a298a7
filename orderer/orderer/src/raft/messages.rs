//! The encodings of what consenters say to each other about the log.
//!
//! They travel as opaque bytes inside a `RaftMessage`, in MessagePack of our own types. Nothing is judged here.

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, VoteRequest, VoteResponse,
};
use openraft::{SnapshotMeta, StoredMembership};
use protocol::codec::{self, DecodeError};
use protocol::limits::MESSAGE_BYTES_MAX;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::record::{EntryRecord, LogPlace, MembershipRecord, VERSION, VoteRecord, expect_known};
use super::{NodeId, RaftTypes};

/// Entries for a follower; without entries a heartbeat.
#[derive(Serialize, Deserialize)]
pub struct AppendMessage {
    pub version: u16,
    pub vote: VoteRecord,
    pub previous: Option<LogPlace>,
    pub entries: Vec<EntryRecord>,
    pub committed: Option<LogPlace>,
}

/// A follower's answer to entries.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendAnswer {
    Success,
    Partial(Option<LogPlace>),
    Conflict,
    HigherVote(VoteRecord),
}

/// A candidate asks for a vote.
#[derive(Serialize, Deserialize)]
pub struct VoteMessage {
    pub version: u16,
    pub vote: VoteRecord,
    pub last: Option<LogPlace>,
}

/// The answer to a candidate.
#[derive(Serialize, Deserialize)]
pub struct VoteAnswer {
    pub vote: VoteRecord,
    pub is_granted: bool,
    pub last: Option<LogPlace>,
}

/// A piece of a snapshot.
#[derive(Serialize, Deserialize)]
pub struct SnapshotMessage {
    pub version: u16,
    pub vote: VoteRecord,
    pub last: Option<LogPlace>,
    pub membership_at: Option<LogPlace>,
    pub membership: MembershipRecord,
    pub snapshot_id: String,
    pub offset: u64,
    pub data: ByteBuf,
    pub is_last: bool,
}

/// A message that begins with its version.
pub trait Versioned: DeserializeOwned {
    /// What an error calls it.
    const NAME: &'static str;

    /// The newest version in it.
    fn version(&self) -> u16;
}

impl Versioned for AppendMessage {
    const NAME: &'static str = "AppendMessage";

    fn version(&self) -> u16 {
        self.entries.iter().map(|entry| entry.version).fold(self.version, u16::max)
    }
}

impl Versioned for VoteMessage {
    const NAME: &'static str = "VoteMessage";

    fn version(&self) -> u16 {
        self.version
    }
}

impl Versioned for SnapshotMessage {
    const NAME: &'static str = "SnapshotMessage";

    fn version(&self) -> u16 {
        self.version
    }
}

/// Reads a message, and refuses one of a newer release by name.
pub fn read<T: Versioned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let message: T = decode(bytes)?;
    expect_known(T::NAME, message.version())?;
    Ok(message)
}

/// Reads an answer.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    codec::decode(bytes, MESSAGE_BYTES_MAX)
}

impl AppendMessage {
    /// The message of openraft's request.
    pub fn new(request: &AppendEntriesRequest<RaftTypes>) -> Self {
        Self {
            version: VERSION,
            vote: request.vote.into(),
            previous: request.prev_log_id.map(Into::into),
            entries: request.entries.iter().map(Into::into).collect(),
            committed: request.leader_commit.map(Into::into),
        }
    }

    /// openraft's request.
    pub fn into_request(self) -> AppendEntriesRequest<RaftTypes> {
        AppendEntriesRequest {
            vote: self.vote.into(),
            prev_log_id: self.previous.map(Into::into),
            entries: self.entries.into_iter().map(Into::into).collect(),
            leader_commit: self.committed.map(Into::into),
        }
    }
}

impl From<AppendEntriesResponse<NodeId>> for AppendAnswer {
    fn from(response: AppendEntriesResponse<NodeId>) -> Self {
        match response {
            AppendEntriesResponse::Success => Self::Success,
            AppendEntriesResponse::PartialSuccess(place) => Self::Partial(place.map(Into::into)),
            AppendEntriesResponse::Conflict => Self::Conflict,
            AppendEntriesResponse::HigherVote(vote) => Self::HigherVote(vote.into()),
        }
    }
}

impl From<AppendAnswer> for AppendEntriesResponse<NodeId> {
    fn from(answer: AppendAnswer) -> Self {
        match answer {
            AppendAnswer::Success => Self::Success,
            AppendAnswer::Partial(place) => Self::PartialSuccess(place.map(Into::into)),
            AppendAnswer::Conflict => Self::Conflict,
            AppendAnswer::HigherVote(vote) => Self::HigherVote(vote.into()),
        }
    }
}

impl VoteMessage {
    /// The message of openraft's request.
    pub fn new(request: &VoteRequest<NodeId>) -> Self {
        Self { version: VERSION, vote: request.vote.into(), last: request.last_log_id.map(Into::into) }
    }

    /// openraft's request.
    pub fn into_request(self) -> VoteRequest<NodeId> {
        VoteRequest { vote: self.vote.into(), last_log_id: self.last.map(Into::into) }
    }
}

impl From<VoteResponse<NodeId>> for VoteAnswer {
    fn from(response: VoteResponse<NodeId>) -> Self {
        Self {
            vote: response.vote.into(),
            is_granted: response.vote_granted,
            last: response.last_log_id.map(Into::into),
        }
    }
}

impl From<VoteAnswer> for VoteResponse<NodeId> {
    fn from(answer: VoteAnswer) -> Self {
        Self {
            vote: answer.vote.into(),
            vote_granted: answer.is_granted,
            last_log_id: answer.last.map(Into::into),
        }
    }
}

impl SnapshotMessage {
    /// The message of openraft's request.
    pub fn new(request: InstallSnapshotRequest<RaftTypes>) -> Self {
        let meta = request.meta;
        let membership = MembershipRecord::from(meta.last_membership.membership());
        Self {
            version: membership.version(),
            vote: request.vote.into(),
            last: meta.last_log_id.map(Into::into),
            membership_at: meta.last_membership.log_id().map(Into::into),
            membership,
            snapshot_id: meta.snapshot_id,
            offset: request.offset,
            data: ByteBuf::from(request.data),
            is_last: request.done,
        }
    }

    /// openraft's request.
    pub fn into_request(self) -> InstallSnapshotRequest<RaftTypes> {
        let last_membership =
            StoredMembership::new(self.membership_at.map(Into::into), self.membership.into());
        let last_log_id = self.last.map(Into::into);
        InstallSnapshotRequest {
            vote: self.vote.into(),
            meta: SnapshotMeta { last_log_id, last_membership, snapshot_id: self.snapshot_id },
            offset: self.offset,
            data: self.data.into_vec(),
            done: self.is_last,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::record::{EntryContent, NodeRecord};
    use super::*;

    fn place(index: u64) -> LogPlace {
        LogPlace { term: 2, leader: 1, index }
    }

    const VOTE: VoteRecord = VoteRecord { term: 2, node: 1, committed: true };

    #[test]
    fn messages_read_back_through_the_librarys_types() {
        let content = EntryContent::Block(Bytes::from_static(b"block"));
        let append = AppendMessage {
            version: VERSION,
            vote: VOTE,
            previous: Some(place(4)),
            entries: vec![EntryRecord { version: VERSION, place: place(5), content }],
            committed: Some(place(4)),
        };
        let bytes = codec::encode(&append);
        let read: AppendMessage = decode(&bytes).expect("reads back");
        assert_eq!(codec::encode(&AppendMessage::new(&read.into_request())), bytes);

        let bytes = codec::encode(&VoteMessage { version: VERSION, vote: VOTE, last: Some(place(9)) });
        let read: VoteMessage = decode(&bytes).expect("reads back");
        assert_eq!(codec::encode(&VoteMessage::new(&read.into_request())), bytes);

        let snapshot = SnapshotMessage {
            version: VERSION,
            vote: VOTE,
            last: Some(place(9)),
            membership_at: Some(place(0)),
            membership: MembershipRecord {
                voters: vec![vec![1, 2]],
                nodes: [1, 2].map(NodeRecord::Bare).to_vec(),
            },
            snapshot_id: "9".to_owned(),
            offset: 3,
            data: ByteBuf::from(vec![1, 2, 3]),
            is_last: true,
        };
        let bytes = codec::encode(&snapshot);
        let read: SnapshotMessage = decode(&bytes).expect("reads back");
        assert_eq!(codec::encode(&SnapshotMessage::new(read.into_request())), bytes);
    }

    #[test]
    fn the_bytes_of_messages_and_answers_are_frozen() {
        let content = EntryContent::Block(Bytes::from_static(&[7]));
        let entries = vec![EntryRecord { version: VERSION, place: place(5), content }];
        let append = AppendMessage {
            version: VERSION,
            vote: VOTE,
            previous: Some(place(4)),
            entries,
            committed: None,
        };
        let membership =
            MembershipRecord { voters: vec![vec![1, 2]], nodes: [1, 2].map(NodeRecord::Bare).to_vec() };
        let snapshot = SnapshotMessage {
            version: VERSION,
            vote: VOTE,
            last: None,
            membership_at: Some(place(0)),
            membership,
            snapshot_id: "9".to_owned(),
            offset: 3,
            data: ByteBuf::from(vec![1, 2]),
            is_last: true,
        };
        let rows = [
            // [version, vote, place before, [entries], place committed]
            (
                codec::encode(&append),
                "9501930201c39302010491930193020105".to_owned() + "81a5426c6f636bc40107c0",
            ),
            (
                codec::encode(&VoteMessage { version: VERSION, vote: VOTE, last: None }),
                "9301930201c3c0".to_owned(),
            ),
            (
                codec::encode(&VoteAnswer { vote: VOTE, is_granted: false, last: None }),
                "93930201c3c2c0".to_owned(),
            ),
            (codec::encode(&snapshot), "9901930201c3c0930201009291920102920102a13903c4020102c3".to_owned()),
            (codec::encode(&AppendAnswer::Success), "a753756363657373".to_owned()),
            (codec::encode(&AppendAnswer::Partial(None)), "81a75061727469616cc0".to_owned()),
            (codec::encode(&AppendAnswer::HigherVote(VOTE)), "81aa486967686572566f7465930201c3".to_owned()),
        ];
        for (bytes, golden) in rows {
            assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), golden);
        }
    }

    #[test]
    fn a_message_of_a_newer_release_is_refused_by_name() {
        let vote = codec::encode(&VoteMessage { version: 3, vote: VOTE, last: None });
        let entries = vec![EntryRecord { version: 3, place: place(5), content: EntryContent::Blank }];
        let append = AppendMessage { version: VERSION, vote: VOTE, previous: None, entries, committed: None };
        let errors = [
            read::<VoteMessage>(&vote).err().expect("newer").to_string(),
            read::<AppendMessage>(&codec::encode(&append)).err().expect("newer").to_string(),
        ];
        for error in errors {
            assert!(error.contains("has version 3") && error.contains("newer release"), "{error}");
        }
    }

    #[test]
    fn answers_read_back_through_the_librarys_types() {
        let rows = [
            AppendAnswer::Success,
            AppendAnswer::Partial(None),
            AppendAnswer::Partial(Some(place(1))),
            AppendAnswer::Conflict,
            AppendAnswer::HigherVote(VOTE),
        ];
        for answer in rows {
            let bytes = codec::encode(&answer);
            let read: AppendAnswer = decode(&bytes).expect("reads back");
            let library: AppendEntriesResponse<NodeId> = read.into();
            assert_eq!(AppendAnswer::from(library), answer);
        }
    }
}

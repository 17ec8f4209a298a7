//! What a consenter that lies says to the consensus of another, and how it is refused: one row a rule.

use std::sync::Arc;

use futures_util::FutureExt as _;
use protocol::{BlockNumber, ChannelId, Digest, RaftMessage, codec};
use serde_bytes::ByteBuf;
use tempfile::TempDir;
use tokio::sync::watch;

use super::messages::{AppendAnswer, AppendMessage, SnapshotMessage, VoteAnswer, VoteMessage};
use super::network::Network;
use super::record::{LogPlace, MembershipRecord, VERSION, VoteRecord};
use super::*;
use crate::backend::OrderingBackend as _;
use crate::catching_up::Target;
use crate::chain::Trusting;
use crate::chain::tests::{Place, open, place};
use crate::clocks::Clocks;
use crate::consenters::CallError;
use crate::consenters::fake::Answering;
use crate::world::NOW_MS;

const FOREIGN: NodeId = 77;

async fn started(folder: &TempDir) -> (RaftConsensus, Vec<ConsenterKey>) {
    let Place { chain, world, .. } = place(open(folder));
    let keys: Vec<_> = world.config.orderer.consenters.iter().map(|it| it.tls_spki).collect();
    let away = |_, _| async { Err(CallError::Unreachable("away".to_owned())) }.boxed();
    let nothing = Target { number: BlockNumber(0), trusting: Trusting::Majority };
    let parts = RaftParts {
        chain,
        consenters: Arc::new(Answering { others: keys[1..].to_vec(), answers: Box::new(away) }),
        clocks: Arc::new(Clocks::new(|| NOW_MS, 0)),
        own: keys[0],
        first: keys.clone(),
        begins: false,
        targets: watch::channel(nothing).0,
    };
    (RaftConsensus::start(parts).await.expect("starts"), keys)
}

fn vote(term: u64, node: NodeId) -> VoteRecord {
    VoteRecord { term, node, committed: true }
}

fn append(vote: VoteRecord) -> RaftMessage {
    let message =
        AppendMessage { version: VERSION, vote, previous: None, entries: Vec::new(), committed: None };
    RaftMessage::Append(codec::encode(&message).into())
}

fn candidate(vote: VoteRecord) -> RaftMessage {
    RaftMessage::Vote(codec::encode(&VoteMessage { version: VERSION, vote, last: None }).into())
}

fn snapshot(vote: VoteRecord, offset: u64, is_last: bool, index: u64) -> RaftMessage {
    let message = SnapshotMessage {
        version: VERSION,
        vote,
        last: Some(LogPlace { term: 1, leader: FOREIGN, index }),
        membership_at: None,
        membership: MembershipRecord { voters: Vec::new(), nodes: Vec::new() },
        snapshot_id: "one".to_owned(),
        offset,
        data: ByteBuf::from(vec![0; 16]),
        is_last,
    };
    RaftMessage::Snapshot(codec::encode(&message).into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consenter_that_lies_is_refused_before_consensus_hears_it() {
    let folder = TempDir::new().expect("a folder");
    let (consensus, keys) = started(&folder).await;
    let (own, from) = (consensus.id, keys[1]);
    let far = 1 << 33;
    let rows = [
        ("entries of the last term there is", own, append(vote(u64::MAX, FOREIGN)), "too far ahead"),
        ("a candidate from far ahead", own, candidate(vote(far, FOREIGN)), "too far ahead"),
        ("a snapshot from far ahead", own, snapshot(vote(far, FOREIGN), 0, true, 5), "too far ahead"),
        ("a later piece of a snapshot", own, snapshot(vote(1, FOREIGN), 1 << 42, true, 5), "in one message"),
        ("a first piece of a snapshot", own, snapshot(vote(1, FOREIGN), 0, false, 5), "in one message"),
        (
            "a snapshot of an entry from far ahead",
            own,
            snapshot(vote(1, FOREIGN), 0, true, u64::MAX),
            "far ahead",
        ),
        ("a snapshot of nothing", own, snapshot(vote(1, FOREIGN), 0, true, 5), ""),
        (
            "in the name of the log that it speaks to",
            own,
            append(vote(1, own)),
            "is not that of the consenter",
        ),
        ("to another log", own ^ 1, append(vote(1, FOREIGN)), "it lost the other one"),
        ("what is no message", own, RaftMessage::Append(vec![0xc1].into()), ""),
    ];
    for (name, target, message, words) in rows {
        let refusal = consensus.receive(target, from, message).await.expect_err(name);
        assert!(refusal.contains(words), "{name}: {refusal}");
    }
    let terms = consensus.raft.metrics().borrow().current_term;
    assert_eq!(terms, 0, "no vote was given");
    consensus.shutdown().await;
}

#[tokio::test]
async fn an_answer_of_a_term_from_far_ahead_is_none() {
    use openraft::network::{RPCOption, RaftNetwork as _, RaftNetworkFactory as _};
    use openraft::raft::{AppendEntriesRequest, VoteRequest};

    let lie = |_, request| {
        async move {
            let protocol::ConsensusRequest::Raft { message, .. } = request else {
                return Err(CallError::Refused("only messages of consensus are asked".to_owned()));
            };
            let reply = match message {
                RaftMessage::Append(_) => codec::encode(&AppendAnswer::HigherVote(vote(u64::MAX, FOREIGN))),
                _ => codec::encode(&VoteAnswer {
                    vote: vote(u64::MAX, FOREIGN),
                    is_granted: false,
                    last: None,
                }),
            };
            Ok(protocol::ConsensusReply::Raft { clock_ms: 5, reply: reply.into() })
        }
        .boxed()
    };
    let mut network = Network {
        channel: ChannelId::new("reports").expect("valid"),
        consenters: Arc::new(Answering { others: Vec::new(), answers: Box::new(lie) }),
        clocks: Arc::new(Clocks::new(|| 0, 0)),
        owners: Owners { first: Arc::new(Vec::new()) },
    };
    let mut peer = network.new_client(FOREIGN, &Node::of(Digest([2; 32]))).await;
    let option = || RPCOption::new(std::time::Duration::from_secs(1));
    let asked = openraft::Vote::new_committed(3, 1);
    let entries =
        AppendEntriesRequest { vote: asked, prev_log_id: None, entries: Vec::new(), leader_commit: None };
    let error = peer.append_entries(entries, option()).await.expect_err("refused");
    assert!(error.to_string().contains("too far ahead of term 3"), "{error}");
    let error = peer.vote(VoteRequest::new(asked, None), option()).await.expect_err("refused");
    assert!(error.to_string().contains("too far ahead of term 3"), "{error}");
}

//! Entries that take longer than openraft waits arrive once.

use std::sync::Mutex;

use futures_util::FutureExt as _;
use openraft::testing::{blank_ent, log_id};
use tokio::sync::Notify;

use super::*;
use crate::consenters::fake::Answering;

/// A consenter that answers when the test lets it.
#[derive(Default)]
struct Slow {
    calls: Mutex<Vec<usize>>,
    answers: Notify,
}

fn answering(slow: &Arc<Slow>) -> Arc<Answering> {
    let slow = Arc::clone(slow);
    let answer = move |_, request| {
        let slow = Arc::clone(&slow);
        async move {
            let ConsensusRequest::Raft { message: RaftMessage::Append(bytes), .. } = request else {
                return Err(CallError::Refused("only entries are asked".to_owned()));
            };
            let message: AppendMessage = messages::decode(&bytes).expect("decodes");
            slow.calls.lock().expect("unpoisoned").push(message.entries.len());
            if !message.entries.is_empty() {
                slow.answers.notified().await;
            }
            let reply = codec::encode(&AppendAnswer::Success).into();
            Ok(ConsensusReply::Raft { clock_ms: 5, reply })
        }
        .boxed()
    };
    Arc::new(Answering { others: Vec::new(), answers: Box::new(answer) })
}

fn request(indices: std::ops::Range<u64>) -> AppendEntriesRequest<RaftTypes> {
    AppendEntriesRequest {
        vote: Vote::new_committed(1, 1),
        prev_log_id: None,
        entries: indices.map(|index| blank_ent(1, 1, index)).collect(),
        leader_commit: Some(log_id(1, 1, 0)),
    }
}

#[tokio::test]
async fn a_repetition_waits_for_the_message_that_is_on_its_way() {
    let slow = Arc::new(Slow::default());
    let clocks = Arc::new(Clocks::new(|| 0, 0));
    let channel = ChannelId::new("reports").expect("valid");
    let owners = Owners { first: Arc::new(Vec::new()) };
    let mut network = Network { channel, consenters: answering(&slow), clocks: Arc::clone(&clocks), owners };
    let mut peer = network.new_client(2, &Node::of(protocol::Digest([2; 32]))).await;
    let option = || RPCOption::new(Duration::from_millis(1));

    for _ in 0..3 {
        let impatient =
            tokio::time::timeout(Duration::from_millis(1), peer.append_entries(request(1..3), option()));
        assert!(impatient.await.is_err(), "openraft loses patience");
    }
    peer.append_entries(request(0..0), option()).await.expect("a heartbeat passes by");
    slow.answers.notify_one();
    let answer = peer.append_entries(request(1..3), option()).await.expect("answered");
    assert_eq!(answer, AppendEntriesResponse::Success);
    assert_eq!(*slow.calls.lock().expect("unpoisoned"), [2, 0], "the entries were sent once");
    // It goes on from what it said.
    assert!(matches!(clocks.clocks_ms()[..], [0, (5..)]), "the answer's clock is kept");

    slow.answers.notify_one();
    peer.append_entries(request(3..4), option()).await.expect("other entries are sent");
    assert_eq!(*slow.calls.lock().expect("unpoisoned"), [2, 0, 1]);
}

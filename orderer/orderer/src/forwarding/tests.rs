//! What goes into a call, whom an organisation holds up, and what becomes of a call to a leader that hangs.

use futures_util::FutureExt as _;

use protocol::Digest;

use super::*;
use crate::consenters::CallError;
use crate::consenters::fake::Answering;

fn msp_id(number: usize) -> MspId {
    MspId::new(format!("Org{number}MSP")).expect("valid")
}

fn key(consenter: u8) -> ConsenterKey {
    Digest([consenter; 32])
}

fn forwarding(leader: u8, org: usize, bytes: usize) -> (Forwarding, oneshot::Receiver<Answer>) {
    let (reply, answer) = oneshot::channel();
    (
        Forwarding { leader: key(leader), msp_id: msp_id(org), envelope: Bytes::from(vec![0; bytes]), reply },
        answer,
    )
}

#[test]
fn a_call_holds_what_goes_to_one_leader_and_fits() {
    let rows: &[(&str, &[(u8, usize)], &[usize])] = &[
        // leader and bytes of those that wait; the envelopes of the calls
        ("nothing", &[], &[]),
        ("the same leader", &[(1, 10), (1, 10), (1, 10)], &[3]),
        ("another leader", &[(1, 10), (1, 10), (2, 10), (1, 10)], &[2, 1, 1]),
        ("too many bytes", &[(1, 10), (1, 10), (1, BYTES_MAX)], &[2, 1]),
        ("a large one travels alone", &[(1, 2 * BYTES_MAX), (1, 10)], &[1, 1]),
        ("no more calls than may be under way", &[(1, BYTES_MAX); CALLS_MAX + 2], &[1; CALLS_MAX]),
    ];
    for (name, waiting, calls) in rows {
        let mut queue = Queue::default();
        for (leader, bytes) in *waiting {
            queue.push(forwarding(*leader, 1, *bytes).0);
        }
        let found: Vec<usize> = std::iter::from_fn(|| queue.next()).map(|batch| batch.len()).collect();
        assert_eq!(found, *calls, "{name}");
        let left: usize = queue.waiting.iter().map(|forwarding| forwarding.envelope.len()).sum();
        assert_eq!(queue.bytes, left, "{name}");
    }
}

#[test]
fn what_finds_no_place_is_told_to_come_again_and_what_waits_for_another_leader_goes_back() {
    let mut queue = Queue::default();
    let mut first = forwarding(1, 1, 10);
    queue.push(first.0);
    for _ in 1..WAITING_MAX {
        queue.push(forwarding(2, 1, 10).0);
    }
    let mut last = forwarding(2, 1, 10);
    queue.push(last.0);
    assert_eq!(last.1.try_recv().expect("answered").0, Status::TooManyRequests);
    queue.keep(Some(key(2)));
    assert_eq!(first.1.try_recv().expect("answered").0, Status::ServiceUnavailable);
    assert_eq!((queue.waiting.len(), queue.bytes), (WAITING_MAX - 1, 10 * (WAITING_MAX - 1)));
    queue.keep(None);
    assert_eq!((queue.waiting.len(), queue.bytes), (0, 0));
}

/// Consenter 1 hangs where much is forwarded; all else is answered at once.
fn others() -> Answering {
    let answer = |consenter, request| {
        async move {
            let ConsensusRequest::Forward { envelopes, .. } = request else {
                return Err(CallError::Refused("only envelopes are forwarded".to_owned()));
            };
            if consenter == key(1) && envelopes.iter().any(|envelope: &Bytes| envelope.len() >= BYTES_MAX) {
                std::future::pending::<()>().await;
            }
            Ok(ConsensusReply::Forwarded(vec![(Status::Success.into(), String::new()); envelopes.len()]))
        }
        .boxed()
    };
    Answering { others: vec![key(1), key(2)], answers: Box::new(answer) }
}

fn led_by(leader: u8) -> Leadership {
    Leadership { leader: Some(key(leader)), ..Leadership::default() }
}

#[tokio::test]
async fn a_leader_that_hangs_holds_envelopes_no_longer_than_its_leadership() {
    let leadership = watch::Sender::new(led_by(1));
    let (sender, forwardings) = mpsc::channel(16);
    let parts = ForwardParts {
        channel: ChannelId::new("reports").expect("valid"),
        consenters: Arc::new(others()),
        leadership: leadership.subscribe(),
        forwardings,
    };
    tokio::spawn(forward(parts));
    let mut hanging = Vec::new();
    for _ in 0..3 * CALLS_MAX {
        let (forwarding, answer) = forwarding(1, 1, BYTES_MAX);
        sender.send(forwarding).await.expect("it runs");
        hanging.push(answer);
    }
    // Another organisation's envelope passes all of them.
    let (other, answer) = forwarding(1, 2, 10);
    sender.send(other).await.expect("it runs");
    assert_eq!(answer.await.expect("answered").0, Status::Success);
    leadership.send_replace(led_by(2));
    for answer in hanging {
        assert_eq!(
            answer.await.expect("answered").0,
            Status::ServiceUnavailable,
            "it goes to the next leader"
        );
    }
    let (again, answer) = forwarding(2, 1, 10);
    sender.send(again).await.expect("it runs");
    assert_eq!(answer.await.expect("answered").0, Status::Success);
}

//! The leader's loop over a backend that orders at once, drops, or hangs, as a test says.

use std::collections::VecDeque;
use std::sync::Mutex;

use protocol::RaftMessage;
use store::Store;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::*;
use crate::chain::tests::{Place, open, place_of};
use crate::world::{NOW_MS, World};

/// What the backend does with a proposed block.
#[derive(Clone, Copy)]
enum Fate {
    Drop,
    NotLeader,
    Hang,
}

struct FakeBackend {
    chain: Arc<Chain>,
    leadership: watch::Sender<Leadership>,
    fates: Mutex<VecDeque<Fate>>,
    proposed: watch::Sender<usize>,
    released: Notify,
}

impl OrderingBackend for FakeBackend {
    fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    fn propose(&self, block: Bytes) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        async move {
            self.proposed.send_modify(|count| *count += 1);
            let fate = self.fates.lock().expect("unpoisoned").pop_front();
            match fate {
                Some(Fate::Drop) => return Ok(Applied::Dropped("as the test says".to_owned())),
                Some(Fate::NotLeader) => return Err(ProposeError::NotLeader),
                Some(Fate::Hang) => self.released.notified().await,
                None => {}
            }
            Ok(self.chain.apply(&[Some(block)], |_| ()).expect("applied").remove(0))
        }
        .boxed()
    }

    fn receive(&self, _: u64, _: RaftMessage) -> BoxFuture<'_, Result<Bytes, String>> {
        async { Err("nobody calls".to_owned()) }.boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}

struct Stage {
    world: World,
    chain: Arc<Chain>,
    backend: Arc<FakeBackend>,
    submissions: mpsc::Sender<Submission>,
    ending: watch::Sender<bool>,
    _folder: TempDir,
}

fn leading(is_ready: bool) -> Leadership {
    Leadership { leader: Some(0), is_ready, term: 1 }
}

fn stage(fates: &[Fate], change: impl FnOnce(Store) -> Place) -> Stage {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, .. } = change(open(&folder));
    let backend = Arc::new(FakeBackend {
        chain: Arc::clone(&chain),
        leadership: watch::Sender::new(leading(true)),
        fates: Mutex::new(fates.iter().copied().collect()),
        proposed: watch::Sender::new(0),
        released: Notify::new(),
    });
    let (submissions, submitted) = mpsc::channel(100);
    let (ending, ends) = watch::channel(false);
    let parts = LeaderParts {
        chain: Arc::clone(&chain),
        backend: backend.clone(),
        clocks: Arc::new(Clocks::new(|| NOW_MS)),
        submissions: submitted,
    };
    tokio::spawn(lead(parts, ends));
    Stage { world, chain, backend, submissions, ending, _folder: folder }
}

fn one(store: Store) -> Place {
    place_of(store, &[7050])
}

impl Stage {
    async fn submit(&self, number: u64) -> oneshot::Receiver<Verdict> {
        let envelope = self.world.envelope(0, number);
        self.submit_envelope(envelope).await
    }

    async fn submit_envelope(&self, envelope: Bytes) -> oneshot::Receiver<Verdict> {
        let admitted = ordering::admit(&envelope, &self.chain.bundle(), NOW_MS).expect("admitted");
        let (reply, verdict) = oneshot::channel();
        let submission = Submission { envelope, admitted, reply };
        self.submissions.send(submission).await.expect("the loop runs");
        verdict
    }

    async fn order(&self, number: u64) -> Verdict {
        self.submit(number).await.await.expect("answered")
    }

    /// Waits until the loop has taken all that was submitted.
    async fn taken(&self) {
        while self.submissions.capacity() < self.submissions.max_capacity() {
            tokio::task::yield_now().await;
        }
    }

    async fn proposed(&self, count: usize) {
        self.backend.proposed.subscribe().wait_for(|proposed| *proposed >= count).await.expect("runs");
    }
}

#[tokio::test]
async fn envelopes_are_ordered_and_a_repetition_gets_the_same_block() {
    let stage = stage(&[], one);
    assert_eq!(stage.order(1).await, Verdict::Ordered(BlockNumber(1)));
    assert_eq!(stage.order(2).await, Verdict::Ordered(BlockNumber(2)));
    assert_eq!(stage.order(1).await, Verdict::Ordered(BlockNumber(1)));
    assert_eq!(stage.chain.last_header().number, BlockNumber(2));
    assert_eq!(stage.chain.last_header().timestamp_ms, NOW_MS + 2);
}

#[tokio::test]
async fn what_comes_while_a_block_is_in_consensus_shares_the_next_one() {
    let stage = stage(&[Fate::Hang], one);
    let first = stage.submit(1).await;
    stage.proposed(1).await;
    let waiting = [stage.submit(2).await, stage.submit(3).await, stage.submit(2).await];
    stage.taken().await;
    stage.backend.released.notify_one();
    assert_eq!(first.await, Ok(Verdict::Ordered(BlockNumber(1))));
    for verdict in waiting {
        assert_eq!(verdict.await, Ok(Verdict::Ordered(BlockNumber(2))));
    }
}

#[tokio::test]
async fn a_dropped_block_is_proposed_anew_a_few_times() {
    let stage = stage(&[Fate::Drop, Fate::Drop], one);
    assert_eq!(stage.order(1).await, Verdict::Ordered(BlockNumber(1)));
    assert_eq!(*stage.backend.proposed.borrow(), 3);
    let always = self::stage(&[Fate::Drop; 20], one);
    assert!(matches!(always.order(1).await, Verdict::Failed(_)));
    assert_eq!(*always.backend.proposed.borrow(), 1 + DROPS_MAX as usize);
}

#[tokio::test]
async fn who_does_not_lead_says_so_and_orders_again_when_it_does() {
    let stage = stage(&[Fate::NotLeader], one);
    assert_eq!(stage.order(1).await, Verdict::NotLeader);
    assert_eq!(stage.order(1).await, Verdict::Ordered(BlockNumber(1)), "a refused envelope may come again");
    stage.backend.leadership.send_replace(leading(false));
    assert_eq!(stage.order(2).await, Verdict::NotLeader);
    stage.backend.leadership.send_replace(leading(true));
    assert_eq!(stage.order(2).await, Verdict::Ordered(BlockNumber(2)));
}

#[tokio::test]
async fn lost_leadership_frees_whoever_waits_but_not_what_is_in_consensus() {
    let stage = stage(&[Fate::Hang], one);
    let first = stage.submit(1).await;
    stage.proposed(1).await;
    let second = stage.submit(2).await;
    stage.backend.leadership.send_replace(leading(false));
    assert_eq!(second.await, Ok(Verdict::NotLeader));
    stage.backend.released.notify_one();
    assert_eq!(first.await, Ok(Verdict::Ordered(BlockNumber(1))));
    stage.backend.leadership.send_replace(leading(true));
    assert_eq!(stage.order(2).await, Verdict::Ordered(BlockNumber(2)));
}

#[tokio::test]
async fn the_end_answers_everybody() {
    let stage = stage(&[Fate::Hang], one);
    let first = stage.submit(1).await;
    stage.proposed(1).await;
    stage.ending.send_replace(true);
    assert_eq!(first.await, Ok(Verdict::NotLeader));
}

#[tokio::test]
async fn a_block_is_sealed_as_the_channel_asks() {
    use crate::chain::tests::sealed_place;
    let stage = stage(&[], |store| sealed_place(store, 6));
    assert_eq!(stage.order(1).await, Verdict::Ordered(BlockNumber(1)));
    let header = stage.chain.last_header();
    assert_eq!(header.proof.difficulty_bits, 6);
    assert!(header.is_sealed());
}

#[tokio::test]
async fn an_update_has_a_block_of_its_own_and_holds_from_the_next_one_on() {
    let stage = stage(&[Fate::Hang], one);
    let first = stage.submit(1).await;
    stage.proposed(1).await;
    let update = stage.world.config_update(&stage.world.config, &[0], |config| {
        config.orderer.batch.max_message_count = 1;
    });
    let before = stage.submit(2).await;
    let changed = stage.submit_envelope(update.clone()).await;
    let behind = [stage.submit(3).await, stage.submit(4).await];
    stage.taken().await;
    stage.backend.released.notify_one();
    assert_eq!(first.await, Ok(Verdict::Ordered(BlockNumber(1))));
    assert_eq!(before.await, Ok(Verdict::Ordered(BlockNumber(2))));
    assert_eq!(changed.await, Ok(Verdict::Ordered(BlockNumber(3))));
    for (number, verdict) in (4..).zip(behind) {
        assert_eq!(verdict.await, Ok(Verdict::Ordered(BlockNumber(number))), "one a block from now on");
    }
    assert_eq!(stage.chain.last_config(), BlockNumber(3));
    assert_eq!(stage.chain.last_header().last_config, BlockNumber(3));
}

#[tokio::test]
async fn what_a_new_configuration_refuses_is_answered_and_holds_up_nobody() {
    let stage = stage(&[Fate::Hang], one);
    let first = stage.submit(1).await;
    stage.proposed(1).await;
    // Signatures differ by a few bytes.
    let limit = u32::try_from(stage.world.envelope(0, 1).len() + 64).expect("small");
    let tighten = |count: u32| {
        stage.world.config_update(&stage.world.config, &[0], |config| {
            config.orderer.batch.max_message_count = count;
            config.orderer.batch.absolute_max_bytes = limit;
            config.orderer.batch.preferred_max_bytes = limit;
        })
    };
    let changed = stage.submit_envelope(tighten(10)).await;
    let stale = stage.submit_envelope(tighten(11)).await;
    let large = stage.world.envelope_with(0, 2, |header, _| header.extension = Bytes::from(vec![0; 4096]));
    let large = stage.submit_envelope(large).await;
    let small = stage.submit(3).await;
    stage.taken().await;
    stage.backend.released.notify_one();
    assert_eq!(first.await, Ok(Verdict::Ordered(BlockNumber(1))));
    assert_eq!(changed.await, Ok(Verdict::Ordered(BlockNumber(2))));
    let Ok(Verdict::Refused(Status::BadRequest, text)) = stale.await else { panic!("it is stale") };
    assert!(text.contains("sequence 0, and 1 is in force"), "{text}");
    assert!(matches!(large.await, Ok(Verdict::Refused(Status::RequestEntityTooLarge, _))));
    assert_eq!(small.await, Ok(Verdict::Ordered(BlockNumber(3))));
}

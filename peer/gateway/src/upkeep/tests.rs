//! What happens after a commit, once and again.

use std::sync::atomic::{AtomicU64, Ordering};

use configtx::ConfigBundle;
use futures_util::future::BoxFuture;
use ipfs::{DataKey, seal};
use protocol::{BlockResponse, CommitHash, IdentityRecord, KeyRelease, Poi, SignedRequest, Version};
use shim::Examination;
use transport::ResponseStream;

use super::*;
use crate::exchange::FetchLimits;
use crate::ports::CommittedAt;
use crate::testing::{Hospital, World, msp_id, upload_call};

fn staged(hospital: &Hospital) -> (Examination, DataKey) {
    let mut staged = hospital.store.stage();
    let sealed = seal(&b"a report"[..], &mut staged).expect("sealed");
    staged.finish(sealed.cid, sealed.sealed_size, now_ms()).expect("staged");
    let examination = Examination {
        cid: sealed.cid.to_string(),
        binding: sealed.binding.to_string(),
        media_type: "image/png".into(),
        perceptual_hash: 7,
        size: sealed.size,
        sealed_size: sealed.sealed_size,
    };
    (examination, sealed.data_key)
}

fn newest(world: &World) -> BlockNumber {
    BlockNumber(world.ledger.height() - 1)
}

#[tokio::test]
async fn a_committed_upload_is_kept_deposited_and_held() {
    let world = World::new();
    let [owner, custodian, holder] = Hospital::all(&world);
    let (examination, key) = staged(&owner);
    let report_id = world.commit("HospitalA", upload_call(&examination, "HospitalA", &["HospitalB"]));
    let channel = world.channel();
    owner.custody.take(&channel, &report_id, &examination.cid, &key).expect("taken");
    for hospital in [&owner, &custodian, &holder] {
        // Twice, as after a restart.
        hospital.upkeep.committed(&*world.ledger, newest(&world)).expect("no fault");
        hospital.upkeep.committed(&*world.ledger, newest(&world)).expect("no fault");
    }
    owner.is_down("HospitalB", true);
    assert_eq!(owner.upkeep.round().await, 1, "the custodian is down");
    owner.is_down("HospitalB", false);
    assert_eq!(owner.upkeep.round().await, 0);
    assert_eq!(owner.custody.confirmed(&channel, &report_id).expect("readable"), [msp_id("HospitalB")]);
    let (_, deposited) = custodian.custody.key(&channel, &report_id).expect("readable").expect("held");
    assert!(deposited == key);
    assert!(!holder.custody.holds(&channel, &report_id).expect("readable"), "a holder gets no key");
    let cid: Cid = examination.cid.parse().expect("a CID");
    for hospital in [&custodian, &holder] {
        assert_eq!(hospital.upkeep.round().await, 0);
        assert!(hospital.store.held(cid).expect("readable").expect("held").is_kept);
    }
    assert!(owner.store.held(cid).expect("readable").expect("held").is_kept);
}

#[tokio::test]
async fn what_never_committed_is_swept_after_an_hour() {
    let world = World::new();
    let [owner, ..] = Hospital::all(&world);
    let (recorded, _) = staged(&owner);
    let (refused, _) = staged(&owner);
    world.commit("HospitalA", upload_call(&recorded, "HospitalA", &[]));
    owner.upkeep.committed(&*world.ledger, newest(&world)).expect("no fault");
    world.commit_as("HospitalA", TxValidationCode::MvccReadConflict, upload_call(&refused, "HospitalA", &[]));
    owner.upkeep.committed(&*world.ledger, newest(&world)).expect("no fault");
    let held = |examination: &Examination| {
        let cid: Cid = examination.cid.parse().expect("a CID");
        owner.store.held(cid).expect("readable").is_some()
    };
    let hour = Duration::from_secs(3_600);
    owner.upkeep.sweep(now_ms() + 3_500_000, hour).await;
    assert!(held(&recorded) && held(&refused), "not before the hour");
    owner.upkeep.sweep(now_ms() + 3_700_000, hour).await;
    assert!(held(&recorded) && !held(&refused));
}

#[tokio::test]
async fn a_deposit_is_taken_from_the_owner_and_at_a_custodian_only() {
    let world = World::new();
    let [owner, custodian, other] = Hospital::all(&world);
    let (examination, key) = staged(&owner);
    let channel = world.channel();
    let report_id = world.commit("HospitalA", upload_call(&examination, "HospitalA", &["HospitalB"]));
    let rows = [
        // giver, receiver, still owed
        (&owner, "HospitalC", 1),
        (&other, "HospitalB", 1),
        (&owner, "HospitalB", 0),
    ];
    for (giver, receiver, left) in rows {
        giver.custody.forget(&channel, &report_id).expect("forgotten");
        giver.custody.take(&channel, &report_id, &examination.cid, &key).expect("taken");
        giver.custody.owe(&channel, &report_id, &[msp_id(receiver)]).expect("owed");
        assert_eq!(giver.upkeep.round().await, left, "{} to {receiver}", giver.node.msp_id());
    }
    assert!(custodian.custody.holds(&channel, &report_id).expect("readable"));
}

fn cid(examination: &Examination) -> Cid {
    examination.cid.parse().expect("a CID")
}

fn held(hospital: &Hospital, examination: &Examination) -> Option<bool> {
    hospital.store.held(cid(examination)).expect("readable").map(|held| held.is_kept)
}

/// A peer that was down for a day sweeps its uploads by the clock before the blocks that record them arrive.
#[tokio::test]
async fn a_sweep_spares_what_may_still_be_recorded() {
    type Story = fn(&World, &Hospital, &Examination, &DataKey);
    fn take(world: &World, hospital: &Hospital, report_id: &TxId, examination: &Examination, key: &DataKey) {
        hospital.custody.take(&world.channel(), report_id, &examination.cid, key).expect("taken");
    }
    let (minutes, hour) = (Duration::from_secs(3_500), Duration::from_secs(3_600));
    let rows: [(&str, Story, Duration, bool); 5] = [
        // name, story, how long the process has run, held after the sweep
        ("nobody has a key", |_, _, _, _| {}, hour, false),
        ("the process is young", |_, _, _, _| {}, minutes, true),
        (
            "its transaction is undecided",
            |world, owner, examination, key| take(world, owner, &TxId::of(b"soon", b""), examination, key),
            hour,
            true,
        ),
        (
            "its transaction is invalid",
            |world, owner, examination, key| {
                let code = TxValidationCode::MvccReadConflict;
                let tx_id = world.commit_as("HospitalA", code, upload_call(examination, "HospitalA", &[]));
                take(world, owner, &tx_id, examination, key);
            },
            hour,
            false,
        ),
        (
            "its transaction is valid and its block not looked after",
            |world, owner, examination, key| {
                let tx_id = world.commit("HospitalA", upload_call(examination, "HospitalA", &[]));
                take(world, owner, &tx_id, examination, key);
            },
            hour,
            true,
        ),
    ];
    for (name, story, up, expected) in rows {
        let world = World::new();
        let [owner, ..] = Hospital::all(&world);
        let (examination, key) = staged(&owner);
        story(&world, &owner, &examination, &key);
        owner.upkeep.sweep(now_ms() + 86_400_000, up).await;
        assert_eq!(held(&owner, &examination).is_some(), expected, "{name}");
    }
}

#[tokio::test]
async fn an_owner_without_its_own_bytes_gets_them_back_from_a_holder() {
    let world = World::new();
    let [owner, custodian, _] = Hospital::all(&world);
    let (examination, _) = staged(&owner);
    world.commit("HospitalA", upload_call(&examination, "HospitalA", &["HospitalB"]));
    custodian.upkeep.committed(&*world.ledger, newest(&world)).expect("no fault");
    assert_eq!(custodian.upkeep.round().await, 0);
    owner.store.remove(cid(&examination)).expect("removed");
    owner.upkeep.committed(&*world.ledger, newest(&world)).expect("no fault");
    owner.is_down("HospitalB", true);
    assert_eq!(owner.upkeep.round().await, 1, "nobody has them");
    owner.is_down("HospitalB", false);
    assert_eq!(owner.upkeep.round().await, 0);
    assert_eq!(held(&owner, &examination), Some(true));
}

/// A ledger with one block that cannot be read for a while.
#[derive(Debug)]
struct Faulty<'a> {
    world: &'a dyn ChannelLedger,
    unreadable: AtomicU64,
}

impl ChannelLedger for Faulty<'_> {
    fn channel(&self) -> &ChannelId {
        self.world.channel()
    }
    fn bundle(&self) -> Arc<ConfigBundle> {
        self.world.bundle()
    }
    fn height(&self) -> u64 {
        self.world.height()
    }
    fn block(&self, number: BlockNumber) -> Result<Option<Bytes>, LedgerFault> {
        if number.0 == self.unreadable.load(Ordering::Relaxed) {
            return Err(LedgerFault { channel: self.channel().clone(), cause: "a disk".into() });
        }
        self.world.block(number)
    }
    fn verdicts(&self, number: BlockNumber) -> Result<Option<Vec<TxValidationCode>>, LedgerFault> {
        self.world.verdicts(number)
    }
    fn differences(&self, number: BlockNumber) -> Vec<String> {
        self.world.differences(number)
    }
    fn commit_hash(&self, number: BlockNumber) -> Result<Option<CommitHash>, LedgerFault> {
        self.world.commit_hash(number)
    }
    fn transaction(&self, tx_id: &TxId) -> Result<Option<CommittedAt>, LedgerFault> {
        self.world.transaction(tx_id)
    }
    fn envelope(&self, tx_id: &TxId) -> Result<Option<Bytes>, LedgerFault> {
        self.world.envelope(tx_id)
    }
    fn state(&self, namespace: &str, key: &str) -> Result<Option<(Bytes, Version)>, LedgerFault> {
        self.world.state(namespace, key)
    }
    fn identity(&self, msp_id: &MspId, poi: &Poi) -> Result<Option<IdentityRecord>, LedgerFault> {
        self.world.identity(msp_id, poi)
    }
    fn block_time_ms(&self) -> u64 {
        self.world.block_time_ms()
    }
}

/// A fault of the disk cost a block its upkeep, and a start looked at the newest sixteen blocks only.
#[tokio::test]
async fn a_block_whose_upkeep_failed_is_done_later_however_old_it_is() {
    let world = World::new();
    let [owner, custodian, _] = Hospital::all(&world);
    let (first, key) = staged(&owner);
    let (second, _) = staged(&owner);
    let channel = world.channel();
    let progress = |hospital: &Hospital| hospital.custody.looked_after(&channel).expect("readable").0;
    let ledger = Faulty { world: &*world.ledger, unreadable: AtomicU64::new(1) };
    let report_id = world.commit("HospitalA", upload_call(&first, "HospitalA", &["HospitalB"]));
    owner.custody.take(&channel, &report_id, &first.cid, &key).expect("taken");
    owner.upkeep.committed(&ledger, BlockNumber(0)).expect("no fault");
    assert_eq!(progress(&owner), 1);
    owner.upkeep.committed(&ledger, BlockNumber(1)).expect_err("unreadable");
    world.commit("HospitalA", upload_call(&second, "HospitalA", &["HospitalB"]));
    owner.upkeep.committed(&ledger, BlockNumber(2)).expect_err("the block before");
    assert_eq!((held(&owner, &first), held(&owner, &second)), (Some(false), Some(true)));
    world.ledger.grow(300);
    owner.upkeep.resume(&ledger).expect_err("still unreadable");
    assert_eq!(progress(&owner), 1, "never past a block that failed");
    ledger.unreadable.store(u64::MAX, Ordering::Relaxed);
    for (name, hospital) in [("some of the way", &owner), ("all of the way", &custodian)] {
        hospital.upkeep.resume(&ledger).expect("no fault");
        assert_eq!(progress(hospital), world.ledger.height(), "{name}");
    }
    assert_eq!(held(&owner, &first), Some(true));
    assert_eq!((owner.upkeep.round().await, custodian.upkeep.round().await), (0, 0));
    assert_eq!((held(&custodian, &first), held(&custodian, &second)), (Some(true), Some(true)));
    assert!(custodian.custody.holds(&channel, &report_id).expect("readable"), "deposited");
}

/// What is wanted was in memory only.
#[tokio::test]
async fn what_is_wanted_outlives_the_process() {
    let world = World::new();
    let [owner, custodian, _] = Hospital::all(&world);
    let (examination, _) = staged(&owner);
    world.commit("HospitalA", upload_call(&examination, "HospitalA", &["HospitalB"]));
    custodian.upkeep.resume(&*world.ledger).expect("no fault");
    let restarted = Upkeep::new(
        Arc::clone(&custodian.node),
        Arc::clone(&custodian.custody),
        custodian.store.clone(),
        Arc::clone(&custodian.fetcher),
        custodian.peers.clone(),
    );
    restarted.resume(&*world.ledger).expect("no fault");
    assert_eq!(restarted.round().await, 0);
    assert_eq!(held(&custodian, &examination), Some(true));
}

/// What a stopped channel wanted was forgotten, and its custodian never held it.
#[tokio::test]
async fn what_a_channel_wants_stays_noted_while_the_channel_is_not_served() {
    let world = World::new();
    let [owner, custodian, _] = Hospital::all(&world);
    let (examination, _) = staged(&owner);
    let report_id = world.commit("HospitalA", upload_call(&examination, "HospitalA", &["HospitalB"]));
    let stopped = ChannelId::new("stopped").expect("valid");
    custodian.custody.want(&stopped, &report_id).expect("writable");
    assert_eq!(custodian.upkeep.round().await, 1, "it is left for later");
    let wanted = custodian.custody.wanted(None, 9).expect("readable");
    assert!(wanted.iter().any(|wanted| wanted.channel == stopped), "{wanted:?}");
}

/// Nobody ever gives a block, everybody takes a key.
#[derive(Default)]
struct Stuck {
    deposited: Notify,
}

impl Peers for Stuck {
    fn fetch<'a>(
        &'a self,
        _: &'a ConfigBundle,
        _: &'a MspId,
        _: SignedRequest,
    ) -> BoxFuture<'a, Result<ResponseStream<BlockResponse>, Status>> {
        Box::pin(std::future::pending())
    }

    fn request_key<'a>(
        &'a self,
        _: &'a ConfigBundle,
        _: &'a MspId,
        _: SignedRequest,
    ) -> BoxFuture<'a, Result<KeyRelease, Status>> {
        Box::pin(std::future::pending())
    }

    fn deposit_key<'a>(
        &'a self,
        _: &'a ConfigBundle,
        _: &'a MspId,
        _: SignedRequest,
    ) -> BoxFuture<'a, Result<String, Status>> {
        self.deposited.notify_one();
        Box::pin(async { Ok("taken".to_owned()) })
    }
}

/// One fetch that hung for half an hour stopped deposits and sweeps for as long.
#[tokio::test]
async fn a_fetch_that_hangs_keeps_no_deposit_waiting() {
    let world = World::new();
    let [owner, ..] = Hospital::all(&world);
    let (examination, key) = staged(&owner);
    let peers = Arc::new(Stuck::default());
    let calls: Arc<dyn Peers> = Arc::<Stuck>::clone(&peers);
    let fetcher = Fetcher::new(owner.store.clone(), Arc::clone(&calls), FetchLimits::default());
    let upkeep = Upkeep::new(
        Arc::clone(&owner.node),
        Arc::clone(&owner.custody),
        owner.store.clone(),
        Arc::new(fetcher),
        calls,
    );
    owner.store.remove(cid(&examination)).expect("removed");
    let fetching = world.commit("HospitalA", upload_call(&examination, "HospitalA", &["HospitalB"]));
    upkeep.resume(&*world.ledger).expect("no fault");
    assert_eq!(owner.custody.wanted(None, 9).expect("readable").len(), 1, "{fetching} is wanted");
    let late = async {
        // The fetch is under way when the next report is committed.
        tokio::task::yield_now().await;
        let (examination, _) = staged(&owner);
        let report_id = world.commit("HospitalA", upload_call(&examination, "HospitalA", &["HospitalB"]));
        owner.custody.take(&world.channel(), &report_id, &examination.cid, &key).expect("taken");
        upkeep.committed(&*world.ledger, newest(&world)).expect("no fault");
        peers.deposited.notified().await;
    };
    tokio::select! {
        () = upkeep.run() => panic!("it never ends by itself"),
        () = late => {}
    }
}

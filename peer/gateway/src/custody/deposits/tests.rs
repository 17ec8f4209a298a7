//! What custodians that are slow, down or refuse do to the deposits of others: nothing.

use std::collections::BTreeMap;
use std::sync::Mutex;

use configtx::ConfigBundle;
use futures_util::future::BoxFuture;
use ipfs::DataKey;
use offchain::Cid;
use protocol::{BlockResponse, KeyRelease, TxId};
use shim::Examination;
use tokio::sync::Semaphore;
use transport::ResponseStream;

use super::*;
use crate::testing::{Hospital, World, msp_id, upload_call};

/// What a custodian does with a deposit.
#[derive(Clone, Copy)]
enum Custodian {
    Takes,
    /// Takes it as soon as another took one.
    Waits,
    Fails(Code),
}

struct Custodians {
    custodians: BTreeMap<MspId, Custodian>,
    asked: Mutex<BTreeMap<MspId, usize>>,
    taken: Semaphore,
}

impl Custodians {
    fn new(custodians: [(&str, Custodian); 2]) -> Self {
        let custodians = custodians.into_iter().map(|(name, custodian)| (msp_id(name), custodian)).collect();
        Self { custodians, asked: Mutex::default(), taken: Semaphore::new(0) }
    }

    fn asked(&self, name: &str) -> usize {
        self.asked.lock().expect("no panic").get(&msp_id(name)).copied().unwrap_or_default()
    }
}

impl Peers for Custodians {
    fn fetch<'a>(
        &'a self,
        _: &'a ConfigBundle,
        _: &'a MspId,
        _: SignedRequest,
    ) -> BoxFuture<'a, Result<ResponseStream<BlockResponse>, Status>> {
        Box::pin(async { Err(Status::unimplemented("not here")) })
    }

    fn request_key<'a>(
        &'a self,
        _: &'a ConfigBundle,
        _: &'a MspId,
        _: SignedRequest,
    ) -> BoxFuture<'a, Result<KeyRelease, Status>> {
        Box::pin(async { Err(Status::unimplemented("not here")) })
    }

    fn deposit_key<'a>(
        &'a self,
        _: &'a ConfigBundle,
        msp_id: &'a MspId,
        _: SignedRequest,
    ) -> BoxFuture<'a, Result<String, Status>> {
        *self.asked.lock().expect("no panic").entry(msp_id.clone()).or_default() += 1;
        let custodian = self.custodians[msp_id];
        Box::pin(async move {
            match custodian {
                Custodian::Takes => self.taken.add_permits(1),
                Custodian::Waits => self.taken.acquire().await.expect("never closed").forget(),
                Custodian::Fails(code) => return Err(Status::new(code, "not now")),
            }
            Ok("taken".to_owned())
        })
    }
}

fn committed(world: &World, owner: &Hospital, seed: u8) -> TxId {
    let cid = Cid::of_raw(&[seed]).to_string();
    let examination = Examination {
        cid: cid.clone(),
        binding: String::new(),
        media_type: "image/png".into(),
        perceptual_hash: 1,
        size: 1,
        sealed_size: 1,
    };
    let report_id = world.commit("HospitalA", upload_call(&examination, "HospitalA", &[]));
    let key = DataKey::from_bytes([seed; 32]);
    owner.custody.take(&world.channel(), &report_id, &cid, &key).expect("taken");
    report_id
}

#[tokio::test]
async fn a_custodian_that_does_not_answer_is_asked_once_a_round_and_stops_nobody() {
    let rows = [
        // what B does, how often it is asked for three deposits, still owed
        (Custodian::Fails(Code::Unavailable), 1, 3),
        (Custodian::Fails(Code::DeadlineExceeded), 1, 3),
        (Custodian::Fails(Code::FailedPrecondition), 3, 3),
        (Custodian::Waits, 3, 0),
    ];
    for (custodian, asked, left) in rows {
        let world = World::new();
        let [owner, ..] = Hospital::all(&world);
        let peers = Custodians::new([("HospitalB", custodian), ("HospitalC", Custodian::Takes)]);
        for seed in 0..3 {
            let report_id = committed(&world, &owner, seed);
            let to = ["HospitalB", "HospitalC"].map(msp_id);
            owner.custody.owe(&world.channel(), &report_id, &to).expect("owed");
        }
        assert_eq!(deliver_owed(&*owner.node, &owner.custody, &peers).await, left);
        assert_eq!((peers.asked("HospitalB"), peers.asked("HospitalC")), (asked, 3));
    }
}

/// Three hundred deposits that cannot be made stand before one that can.
#[tokio::test]
async fn many_deposits_that_fail_hide_none_that_would_not() {
    let world = World::new();
    let [owner, ..] = Hospital::all(&world);
    let (channel, to) = (world.channel(), [msp_id("HospitalC")]);
    let report_id = committed(&world, &owner, 0);
    let before = (0_u64..).map(|number| TxId::of(&number.to_be_bytes(), b"")).filter(|id| *id < report_id);
    let key = DataKey::from_bytes([7; 32]);
    for unknown in before.take(300) {
        owner.custody.take(&channel, &unknown, "a CID", &key).expect("taken");
        owner.custody.owe(&channel, &unknown, &to).expect("owed");
    }
    owner.custody.owe(&channel, &report_id, &to).expect("owed");
    let peers = Custodians::new([("HospitalB", Custodian::Takes), ("HospitalC", Custodian::Takes)]);
    assert_eq!(deliver_owed(&*owner.node, &owner.custody, &peers).await, 300);
    assert_eq!(owner.custody.confirmed(&channel, &report_id).expect("readable"), to);
}

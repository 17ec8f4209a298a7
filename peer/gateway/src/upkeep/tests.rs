//! What happens after a commit, once and again.

use ipfs::{DataKey, seal};
use protocol::TxValidationCode;
use shim::Examination;

use super::*;
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
    owner.upkeep.sweep(now_ms() + 3_500_000).await;
    assert!(held(&recorded) && held(&refused), "not before the hour");
    owner.upkeep.sweep(now_ms() + 3_700_000).await;
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

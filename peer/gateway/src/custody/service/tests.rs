//! Who may call the custody service, and how.

use protocol::{ChannelId, TxId};
use shim::Examination;
use transport::Code;
use transport::services::custody::Custody as _;

use super::*;
use crate::service::UploadCustody;
use crate::signed_request::sign;
use crate::testing::{Hospital, World, msp_id, upload_call};

const KEY: [u8; 32] = [0x42; 32];

async fn reported(world: &World, owner: &Hospital) -> TxId {
    let cid = offchain::Cid::of_raw(b"sealed").to_string();
    let examination = Examination {
        cid: cid.clone(),
        binding: "00".repeat(32),
        media_type: "image/png".into(),
        perceptual_hash: 7,
        size: 3,
        sealed_size: 6,
    };
    let report_id = world.commit("HospitalA", upload_call(&examination, "HospitalA", &["HospitalB"]));
    // As the gateway takes it.
    UploadCustody::take(&*owner.custody, &world.channel(), &report_id, &cid, &KEY).await.expect("taken");
    report_id
}

#[tokio::test]
async fn the_gateway_finds_a_key_again_by_its_report() {
    let world = World::new();
    let [owner, other, _] = Hospital::all(&world);
    let report_id = reported(&world, &owner).await;
    let held = |hospital: &Hospital, channel: &ChannelId| {
        UploadCustody::held(&*hospital.custody, channel, &report_id).expect("readable")
    };
    let cid = offchain::Cid::of_raw(b"sealed").to_string();
    assert_eq!(held(&owner, &world.channel()), Some(cid));
    assert_eq!(held(&other, &world.channel()), None);
    assert_eq!(held(&owner, &ChannelId::new("another").expect("a name")), None, "the key is of one channel");
    let again = UploadCustody::take(&*owner.custody, &world.channel(), &report_id, "other", &KEY).await;
    assert_eq!(again.expect_err("another CID").code(), Code::AlreadyExists);
}

#[tokio::test]
async fn keys_are_asked_for_by_peers_over_their_own_connections() {
    let world = World::new();
    let [owner, ..] = Hospital::all(&world);
    let report_id = reported(&world, &owner).await;
    world.grant("HospitalA", &report_id, "HospitalC", true);
    let open_tx_id = world.open("HospitalC", &report_id);
    let request = |org: &str, name: &str, domain, version| {
        let (report_id, open_tx_id) = (report_id.clone(), open_tx_id.clone());
        let request = KeyRequest { version, channel: world.channel(), report_id, open_tx_id };
        sign(world.identity(org, name), domain, &request).expect("signed")
    };
    let mut foreign = request("HospitalC", "peer0", SigningDomain::KeyRequest, 1);
    foreign.signer = world.identity("HospitalB", "peer0").serialized();
    let asked = SigningDomain::KeyRequest;
    let rows = [
        // name, request, connection, code
        ("a reader's peer", request("HospitalC", "peer0", asked, 1), "HospitalC", Code::Ok),
        ("the same again", request("HospitalC", "peer0", asked, 1), "HospitalC", Code::Ok),
        (
            "over another's connection",
            request("HospitalC", "peer0", asked, 1),
            "HospitalB",
            Code::PermissionDenied,
        ),
        ("a user", request("HospitalC", "user", asked, 1), "HospitalC", Code::PermissionDenied),
        (
            "another domain",
            request("HospitalC", "peer0", SigningDomain::Download, 1),
            "HospitalC",
            Code::InvalidArgument,
        ),
        ("an unknown version", request("HospitalC", "peer0", asked, 2), "HospitalC", Code::InvalidArgument),
        ("another's name on it", foreign, "HospitalB", Code::Unauthenticated),
    ];
    for (name, signed, connection, expected) in rows {
        let mut request = Request::new(signed);
        request.extensions_mut().insert(world.certificates[&msp_id(connection)].clone());
        let code = match owner.custody_service.request(request).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                assert!(matches!(answer, KeyRelease::Released(_)), "{name}: {answer:?}");
                Code::Ok
            }
            Err(status) => status.code(),
        };
        assert_eq!(code, expected, "{name}");
    }
    world.ledger.revoke(&msp_id("HospitalC"), world.identity("HospitalC", "peer0").poi());
    let mut revoked = Request::new(request("HospitalC", "peer0", asked, 1));
    revoked.extensions_mut().insert(world.certificates[&msp_id("HospitalC")].clone());
    let status = owner.custody_service.request(revoked).await.expect_err("a revoked peer");
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn only_those_who_may_ever_get_a_key_wait_for_the_record_of_an_opening() {
    let world = World::new();
    let [owner, ..] = Hospital::all(&world);
    let report_id = reported(&world, &owner).await;
    world.grant("HospitalA", &report_id, "HospitalB", true);
    let unknown = TxId::of(b"nowhere", b"");
    let rows = [
        // asker, report, what is answered of an opening that is not committed here
        ("HospitalA", &report_id, "not committed here"),
        ("HospitalB", &report_id, "not committed here"),
        ("HospitalC", &report_id, "knows neither the opening"),
        ("HospitalA", &unknown, "knows neither the opening"),
    ];
    for (asker, report_id, expected) in rows {
        let open_tx_id = TxId::of(b"not yet", b"");
        let request =
            KeyRequest { version: 1, channel: world.channel(), report_id: report_id.clone(), open_tx_id };
        let signed =
            sign(world.identity(asker, "peer0"), SigningDomain::KeyRequest, &request).expect("signed");
        let mut request = Request::new(signed);
        request.extensions_mut().insert(world.certificates[&msp_id(asker)].clone());
        let answer = owner.custody_service.request(request).await.expect("an answer").into_inner();
        let KeyRelease::Unavailable(text) = answer else { panic!("{asker}: {answer:?}") };
        assert!(text.contains(expected), "{asker}: {text}");
    }
}

#[tokio::test]
async fn one_organisation_does_not_take_the_places_of_another() {
    let world = World::new();
    let [owner, ..] = Hospital::all(&world);
    let service = &owner.custody_service;
    let turns: Vec<_> =
        (0..WAITS_MAX).map(|_| service.turn(&msp_id("HospitalC")).expect("a place")).collect();
    let status = service.turn(&msp_id("HospitalC")).expect_err("no place");
    assert_eq!(status.code(), Code::ResourceExhausted);
    drop(service.turn(&msp_id("HospitalB")).expect("its own places"));
    drop(turns);
    drop(service.turn(&msp_id("HospitalC")).expect("free again"));
}

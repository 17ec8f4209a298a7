//! Who may call the custody service, and how.

use protocol::TxId;
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
    assert!(UploadCustody::holds(&*owner.custody, &report_id).expect("readable"));
    assert!(!UploadCustody::holds(&*other.custody, &report_id).expect("readable"));
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

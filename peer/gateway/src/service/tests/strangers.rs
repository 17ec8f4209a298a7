//! What somebody hears from every service who connects with a certificate that TLS believes for another channel: the same
//! as of a channel that is not there. The requests are those of a member; only the connection is not.

use std::sync::Arc;

use bytes::Bytes;
use protocol::fabric::{ChaincodeEventsRequest, EvaluateRequest, SubmitRequest};
use protocol::{
    BlockRequest, CommitAttestation, CommitHash, Digest, DownloadRequest, FetchReason, KeyDeposit,
    KeyRequest, SealDescription, SealRequest, SealedKey, SignedRequest, SigningDomain, TxId, UploadedRequest,
    VerifyRequest,
};
use serde::Serialize;
use transport::services::attestations::Attestations as _;
use transport::services::custody::Custody as _;
use transport::services::exchange::Exchange as _;
use transport::services::gateway::Gateway as _;
use transport::services::reports::Reports as _;
use transport::{Code, PeerCertificate, Request, Status};

use super::world::{Call, OWN, World, within};
use super::{commit_status, endorse, events, submit};
use crate::signed_request::sign;
use crate::testing::{self, Hospital};
use crate::{AttestationService, Attestations};

/// A request over a connection with a certificate of no organisation of the channel.
fn from_outside<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(outsider());
    request
}

fn outsider() -> PeerCertificate {
    PeerCertificate { der: Bytes::from_static(b"a certificate of another channel"), spki: Digest([7; 32]) }
}

fn assert_unknown<T>(service: &str, answer: Result<T, Status>) {
    let Err(status) = answer else { panic!("{service} serves a stranger") };
    let expected = "this peer has not joined channel reports; ask its operator to join it";
    assert_eq!((status.code(), status.message()), (Code::NotFound, expected), "{service}");
}

fn signed<T: Serialize>(
    world: &testing::World,
    name: &str,
    domain: SigningDomain,
    request: &T,
) -> SignedRequest {
    sign(world.identity("HospitalB", name), domain, request).expect("signed")
}

#[tokio::test]
async fn the_gateway_has_no_such_channel_for_them() {
    let world = World::new();
    let call = Call::default();
    let endorsing = world.endorse_request(&call, &[]);
    let evaluating = EvaluateRequest {
        transaction_id: endorsing.transaction_id.clone(),
        channel_id: endorsing.channel_id.clone(),
        proposed_transaction: endorsing.proposed_transaction.clone(),
        target_organizations: Vec::new(),
    };
    let submitting: SubmitRequest = submit::prepared(&world, &call, &[]).await;
    let asking = commit_status::question(&world, OWN, "user", |_| {});
    let following = ChaincodeEventsRequest {
        channel_id: "reports".to_owned(),
        chaincode_id: "reports".to_owned(),
        ..ChaincodeEventsRequest::default()
    };
    let following = events::signed(world.network.identity(OWN, "user"), following);
    let gateway = &world.gateway;
    within(gateway.evaluate(Request::new(evaluating.clone()))).await.expect("members are served");
    endorse::endorse(&world, endorsing.clone()).await.expect("members are served");
    assert_unknown("evaluate", within(gateway.evaluate(from_outside(evaluating))).await);
    assert_unknown("endorse", within(gateway.endorse(from_outside(endorsing))).await);
    assert_unknown("submit", within(gateway.submit(from_outside(submitting))).await);
    assert_unknown("commit status", within(gateway.commit_status(from_outside(asking))).await);
    assert_unknown("events", within(gateway.chaincode_events(from_outside(following))).await);
}

#[tokio::test]
async fn custody_exchange_reports_and_attestations_have_no_such_channel_for_them() {
    let world = testing::World::new();
    let [owner, ..] = Hospital::all(&world);
    let (channel, id) = (world.channel(), TxId::of(b"a report", b""));
    let asked =
        KeyRequest { version: 1, channel: channel.clone(), report_id: id.clone(), open_tx_id: id.clone() };
    let asked = from_outside(signed(&world, "peer0", SigningDomain::KeyRequest, &asked));
    assert_unknown("key request", owner.custody_service.request(asked).await);
    let key = SealedKey { encapsulated: Bytes::from_static(b"e"), ciphertext: Bytes::from_static(b"c") };
    let deposit = KeyDeposit { version: 1, channel: channel.clone(), report_id: id.clone(), key };
    let deposit = from_outside(signed(&world, "peer0", SigningDomain::KeyDeposit, &deposit));
    assert_unknown("key deposit", owner.custody_service.deposit(deposit).await);
    let reason = FetchReason::Report(id.clone());
    let blocks = BlockRequest { version: 1, channel: channel.clone(), root: String::new(), reason };
    let blocks = from_outside(signed(&world, "peer0", SigningDomain::BlockRequest, &blocks));
    assert_unknown("exchange", owner.exchange_service.fetch(blocks).await);

    let download =
        DownloadRequest { channel: channel.clone(), report_id: id.clone(), open_tx_id: id.clone() };
    let download = from_outside(signed(&world, "user", SigningDomain::Download, &download));
    assert_unknown("download", owner.reports.download(download).await);
    let verify = VerifyRequest { channel: channel.clone(), report_id: id.clone() };
    let verify = from_outside(signed(&world, "user", SigningDomain::Verify, &verify));
    assert_unknown("verify", owner.reports.verify(verify).await);
    let uploaded = UploadedRequest { version: 1, channel: channel.clone(), digest: Digest([1; 32]) };
    let uploaded = from_outside(signed(&world, "user", SigningDomain::Uploaded, &uploaded));
    assert_unknown("uploaded", owner.reports.uploaded(uploaded).await);
    let sealing =
        SealDescription { channel: channel.clone(), patient: "x".into(), modality: "CR".into(), size: 1 };
    let sealing = SealRequest::Begin(signed(&world, "user", SigningDomain::Seal, &sealing));
    let sealing = Box::pin(tokio_stream::iter([Ok(sealing)]));
    assert_unknown("seal", owner.reports.seal_stream(sealing, Some(outsider())).await);

    let own = (testing::msp_id("HospitalA"), world.identity("HospitalA", "peer0").poi());
    let attestations = Arc::new(Attestations::new(own, Box::new(|_, _| {})));
    let service = AttestationService::new(world.node("HospitalA"), attestations.clone());
    let attestation = CommitAttestation {
        version: CommitAttestation::VERSION,
        channel,
        number: protocol::BlockNumber(0),
        block_hash: protocol::BlockHash([1; 32]),
        commit_hash: CommitHash([1; 32]),
    };
    let word = attestations.attest(&attestation, world.identity("HospitalB", "peer0")).expect("signed");
    assert_unknown("attestations", service.attest(from_outside(word)).await);
}

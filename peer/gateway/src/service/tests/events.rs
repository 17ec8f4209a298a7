//! Which events a reader gets, where they begin, and how a stream ends.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use msp::SigningIdentity;
use prost::Message as _;
use protocol::fabric::{
    ChaincodeEventsRequest, ProposalResponse, SeekPosition, SignedChaincodeEventsRequest, SignedProposal,
};
use protocol::{ChannelId, MspId, TxId, TxValidationCode};
use tokio::sync::watch;
use transport::services::gateway::Gateway as _;
use transport::{Code, Request, ResponseStream, Status};

use super::super::{GatewayLimits, GatewayService};
use super::world::{FakeCustody, World as Surroundings, within};
use crate::ports::{ChannelLedger, CommittedAt, Node};
use crate::testing::{Call, World, msp_id};

const OWN: &str = "HospitalA";

/// A peer whose channel can stop.
struct EventNode {
    own: MspId,
    world: World,
    stopped: watch::Sender<bool>,
}

impl Node for EventNode {
    fn msp_id(&self) -> &MspId {
        &self.own
    }

    fn signer(&self) -> &dyn msp::Signer {
        self.world.identity(OWN, "peer0")
    }

    fn ledger(&self, channel: &ChannelId) -> Option<Arc<dyn ChannelLedger>> {
        let is_served = *channel == self.world.channel() && !*self.stopped.borrow();
        is_served.then(|| Arc::clone(&self.world.ledger) as Arc<dyn ChannelLedger>)
    }

    fn absent(&self, channel: &ChannelId) -> Status {
        if *channel == self.world.channel() {
            return Status::unavailable("the channel has stopped");
        }
        Status::not_found("this peer has not joined the channel")
    }

    fn channels(&self) -> Vec<ChannelId> {
        vec![self.world.channel()]
    }

    async fn endorse(&self, _: SignedProposal) -> Result<ProposalResponse, Status> {
        Err(Status::unimplemented("no endorser here"))
    }

    async fn committed(&self, _: &ChannelId, _: &TxId) -> Result<CommittedAt, Status> {
        Err(Status::unimplemented("nobody waits here"))
    }

    async fn reached(&self, _: &ChannelId, height: u64) -> Result<(), Status> {
        let (mut heights, mut stopped) = (self.world.ledger.heights.subscribe(), self.stopped.subscribe());
        tokio::select! {
            _ = stopped.wait_for(|stops| *stops) => Err(Status::unavailable("the channel has stopped")),
            reached = heights.wait_for(|reached| *reached >= height) => {
                reached.map(drop).map_err(|_| Status::unavailable("the peer is shutting down"))
            }
        }
    }
}

struct Scene {
    node: Arc<EventNode>,
    gateway: GatewayService<EventNode, FakeCustody>,
}

/// A request as that identity signs it.
pub(super) fn signed(
    identity: &SigningIdentity,
    request: ChaincodeEventsRequest,
) -> SignedChaincodeEventsRequest {
    let request = ChaincodeEventsRequest { identity: identity.serialized(), ..request };
    let request = Bytes::from(request.encode_to_vec());
    let signature = identity.sign(&request).into();
    SignedChaincodeEventsRequest { request, signature }
}

type Answers = ResponseStream<protocol::fabric::ChaincodeEventsResponse>;

impl Scene {
    fn with(limits: GatewayLimits) -> Self {
        let around = Surroundings::new();
        let (own, stopped) = (msp_id(OWN), watch::Sender::new(false));
        let node = Arc::new(EventNode { own, world: World::new(), stopped });
        let lines = (around.endorsers.clone() as _, around.orderers.clone() as _);
        let gateway = GatewayService::over(node.clone(), lines, around.custody.clone(), limits);
        Self { node, gateway }
    }

    fn new() -> Self {
        Self::with(GatewayLimits::default())
    }

    /// Commits a block; each transaction's event is named after its function.
    fn commit(&self, calls: &[(&str, TxValidationCode)]) -> Vec<TxId> {
        let world = &self.node.world;
        let user = world.identity(OWN, "user");
        let (tx_ids, envelopes): (Vec<TxId>, Vec<_>) = calls
            .iter()
            .map(|(function, code)| {
                let call = |_: &TxId| Call { args: vec![(*function).into()], reads: vec![], writes: vec![] };
                let (tx_id, envelope) = world.envelope(user, call);
                (tx_id, (envelope, *code))
            })
            .unzip();
        world.ledger.commit(&envelopes);
        tx_ids
    }

    fn request(
        &self,
        (org, user): (&str, &str),
        request: ChaincodeEventsRequest,
    ) -> SignedChaincodeEventsRequest {
        signed(self.node.world.identity(org, user), request)
    }

    async fn ask(&self, request: SignedChaincodeEventsRequest) -> Result<Answers, Status> {
        let answer = within(self.gateway.chaincode_events(Request::new(request))).await?;
        Ok(answer.into_inner())
    }

    async fn follow(&self, request: ChaincodeEventsRequest) -> Answers {
        self.ask(self.request((OWN, "user"), request)).await.expect("a reader")
    }
}

fn of(chaincode: &str, start: Option<u64>, after: &str) -> ChaincodeEventsRequest {
    ChaincodeEventsRequest {
        channel_id: "reports".to_owned(),
        chaincode_id: chaincode.to_owned(),
        start_position: start.map(SeekPosition::specified),
        after_transaction_id: after.to_owned(),
        ..ChaincodeEventsRequest::default()
    }
}

/// The next answer: its block, and the names of its events.
async fn next(answers: &mut Answers) -> Result<(u64, Vec<String>), Status> {
    let answer = within(answers.next()).await.expect("a stream does not end without a reason")?;
    Ok((answer.block_number, answer.events.into_iter().map(|event| event.event_name).collect()))
}

const VALID: TxValidationCode = TxValidationCode::Valid;
const STALE: TxValidationCode = TxValidationCode::MvccReadConflict;

/// Blocks 1 to 4: two valid transactions and a stale one, a stale one alone, nothing, a valid one.
fn history(scene: &Scene) -> Vec<TxId> {
    let mut tx_ids = scene.commit(&[("One", VALID), ("Stale", STALE), ("Two", VALID)]);
    tx_ids.extend(scene.commit(&[("Lost", STALE)]));
    scene.commit(&[]);
    tx_ids.extend(scene.commit(&[("Three", VALID)]));
    tx_ids
}

#[tokio::test]
async fn events_of_valid_transactions_come_by_block_from_where_the_reader_says_and_then_live() {
    let scene = Scene::new();
    let tx_ids = history(&scene);
    let [one, stale, two, lost, three] = &tx_ids[..] else { panic!("five transactions") };
    let (first, second, third) = ((1, vec!["One", "Two"]), (4, vec!["Three"]), (5, vec!["Live"]));
    let unknown = "f".repeat(64);
    let rows: Vec<(&str, Option<u64>, &str, Vec<&(u64, Vec<&str>)>)> = vec![
        ("from the first block", Some(0), "", vec![&first, &second, &third]),
        ("from a block in between", Some(2), "", vec![&second, &third]),
        ("from the next commit", None, "", vec![&third]),
        ("from a block to come", Some(5), "", vec![&third]),
        ("behind a transaction", None, two.as_str(), vec![&second, &third]),
        ("behind a transaction, whatever block is named", Some(0), three.as_str(), vec![&third]),
        ("behind one without an event", None, lost.as_str(), vec![&second, &third]),
    ];
    let mut streams = Vec::new();
    for (name, start, after, expected) in rows {
        streams.push((name, scene.follow(of("reports", start, after)).await, expected));
    }
    let mut within_a_block = scene.follow(of("reports", Some(1), one.as_str())).await;
    let mut behind_a_stale_one = scene.follow(of("reports", Some(1), stale.as_str())).await;
    let mut behind_an_unknown_one = scene.follow(of("reports", Some(0), &unknown)).await;
    let mut of_another = scene.follow(of("basic", Some(0), "")).await;
    scene.commit(&[("Live", VALID)]);
    for (name, mut stream, expected) in streams {
        for (block, events) in expected {
            let found = next(&mut stream).await.expect(name);
            assert_eq!(
                (found.0, found.1.iter().map(String::as_str).collect()),
                (*block, events.clone()),
                "{name}"
            );
        }
    }
    for stream in [&mut within_a_block, &mut behind_a_stale_one] {
        assert_eq!(next(stream).await.expect("events"), (1, vec!["Two".to_owned()]));
        assert_eq!(next(stream).await.expect("events"), (4, vec!["Three".to_owned()]));
    }
    scene.node.stopped.send_replace(true);
    for stream in [&mut behind_an_unknown_one, &mut of_another] {
        let status = next(stream).await.expect_err("no events, and then the channel stopped");
        assert_eq!(status.code(), Code::Unavailable);
    }
}

/// The checkpoint of a reader may be ahead of a peer that was restored from an older copy.
#[tokio::test]
async fn a_transaction_that_is_not_committed_yet_is_waited_for() {
    let scene = Scene::new();
    let world = &scene.node.world;
    let user = world.identity(OWN, "user");
    let call =
        |name: &'static str| move |_: &TxId| Call { args: vec![name.into()], reads: vec![], writes: vec![] };
    let (known, had) = world.envelope(user, call("Had"));
    let (_, wanted) = world.envelope(user, call("Wanted"));
    let mut stream = scene.follow(of("reports", Some(1), known.as_str())).await;
    scene.commit(&[("Before", VALID)]);
    world.ledger.commit(&[(had, VALID), (wanted, VALID)]);
    assert_eq!(next(&mut stream).await.expect("events"), (2, vec!["Wanted".to_owned()]));
}

#[tokio::test]
async fn an_event_holds_chaincode_transaction_name_and_payload() {
    let scene = Scene::new();
    let tx_ids = scene.commit(&[("One", VALID)]);
    let mut answers = scene.follow(of("reports", Some(0), "")).await;
    let answer = within(answers.next()).await.expect("an answer").expect("events");
    let [event] = &answer.events[..] else { panic!("one event: {answer:?}") };
    let id = tx_ids[0].as_str();
    assert_eq!((event.chaincode_id.as_str(), event.tx_id.as_str()), ("reports", id));
    assert_eq!((event.event_name.as_str(), &event.payload[..]), ("One", id.as_bytes()));
}

#[tokio::test]
async fn nobody_but_a_reader_follows() {
    let scene = Scene::new();
    let user = |request| scene.request((OWN, "user"), request);
    let plain = || of("reports", None, "");
    let mut forged = user(plain());
    forged.signature = scene.request((OWN, "admin"), plain()).signature;
    let mut rubbish = user(plain());
    rubbish.request = vec![0xff; 5].into();
    let mut newest = plain();
    newest.start_position = Some(SeekPosition::newest());
    let (invalid, denied) = (Code::InvalidArgument, Code::PermissionDenied);
    let rows = [
        ("a forged signature", forged, denied, "signature"),
        ("rubbish", rubbish, invalid, "cannot be read"),
        ("no chaincode", user(of("", None, "")), invalid, "invalid chaincode events request"),
        ("no transaction id", user(of("reports", None, "short")), invalid, "transaction id"),
        ("the newest block", user(newest), invalid, "invalid start position type"),
        (
            "a channel not joined",
            user(ChaincodeEventsRequest { channel_id: "other".into(), ..plain() }),
            Code::NotFound,
            "not joined the channel",
        ),
        ("an unregistered identity", scene.request((OWN, "stranger"), plain()), denied, "not registered"),
    ];
    for (name, request, code, text) in rows {
        let status = scene.ask(request).await.map(drop).expect_err(name);
        assert_eq!(status.code(), code, "{name}: {status:?}");
        assert!(status.message().contains(text), "{name}: {status:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_reader_is_revoked_or_the_channel_stops() {
    let scene = Scene::new();
    let mut own = scene.follow(of("reports", None, "")).await;
    let other = scene.request(("HospitalB", "user"), of("reports", None, ""));
    let mut other = scene.ask(other).await.expect("readers of every hospital may follow");
    let poi = scene.node.world.identity("HospitalB", "user").poi();
    scene.node.world.ledger.revoke(&msp_id("HospitalB"), poi);
    scene.commit(&[("One", VALID)]);
    assert_eq!(next(&mut own).await.expect("events").1, ["One"]);
    let status = next(&mut other).await.expect_err("revoked");
    assert!(status.code() == Code::PermissionDenied && status.message().contains("revoked"), "{status:?}");
    assert!(within(other.next()).await.is_none(), "nothing comes after the reason");
    scene.node.stopped.send_replace(true);
    let status = next(&mut own).await.expect_err("stopped");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the channel has stopped"));
    assert!(within(own.next()).await.is_none());
}

#[tokio::test]
async fn streams_are_bounded_in_all_and_for_each_hospital_and_one_that_leaves_makes_room() {
    let limits = GatewayLimits { streams_max: 3, streams_of_one_hospital_max: 2, ..GatewayLimits::default() };
    let scene = Scene::with(limits);
    let ask = |org| scene.ask(scene.request((org, "user"), of("reports", None, "")));
    let held = [ask(OWN).await.expect("the first"), ask(OWN).await.expect("the second")];
    let status = ask(OWN).await.map(drop).expect_err("the hospital's limit");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("the limit of one hospital"), "{status:?}");
    let other = ask("HospitalB").await.expect("another hospital has its own");
    let status = ask("HospitalB").await.map(drop).expect_err("the limit of all");
    assert!(status.message().contains("exceeding concurrency limit (3)"), "{status:?}");
    drop(held);
    let _again = [ask(OWN).await.expect("a place"), ask(OWN).await.expect("another")];
    drop(other);
}

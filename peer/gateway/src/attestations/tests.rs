//! Which attestations are taken, what is made of them, and when a channel stops.

use std::sync::{Arc, Mutex};

use protocol::{
    BlockHash, BlockNumber, ChannelId, CommitAttestation, CommitHash, Outvoted, SignedAttestation, codec,
};
use transport::services::attestations::Attestations as _;
use transport::{Code, Request, Status};
use validation::Comparison::{self, Agrees, Ahead, Differs};

use super::{Attestation, AttestationService, Attestations};
use crate::ports::ChannelLedger as _;
use crate::testing::{World, msp_id};

/// A peer of hospital A that hears others, and the reasons for which its channel was stopped.
struct Scene {
    world: World,
    attestations: Arc<Attestations>,
    stops: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    /// On a ledger of blocks 0 to 4.
    fn new() -> Self {
        let world = World::new();
        world.ledger.grow(4);
        let stops: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&stops);
        let stop = move |channel: &ChannelId, outvoted: &Outvoted| {
            assert_eq!(channel.as_str(), "reports");
            noted.lock().unwrap().push(outvoted.to_string());
        };
        let own = (msp_id("HospitalA"), world.identity("HospitalA", "peer0").poi());
        Self { world, attestations: Arc::new(Attestations::new(own, Box::new(stop))), stops }
    }

    /// The true attestation of a block, or of another ledger.
    fn attestation(&self, number: u64, is_true: bool) -> CommitAttestation {
        let number = BlockNumber(number);
        let own = self.world.ledger.commit_hash(number).unwrap();
        let commit_hash = own.filter(|_| is_true).unwrap_or(CommitHash([9; 32]));
        let (version, channel) = (CommitAttestation::VERSION, self.world.channel());
        CommitAttestation { version, channel, number, block_hash: BlockHash([1; 32]), commit_hash }
    }

    fn signed(&self, (org, name): (&str, &str), attestation: &CommitAttestation) -> SignedAttestation {
        let identity = self.world.identity(org, name);
        let attestation = codec::encode(attestation);
        let signature = identity.sign(&attestation).into();
        SignedAttestation { attestation: attestation.into(), peer: identity.serialized(), signature }
    }

    fn take(&self, signed: &SignedAttestation) -> Result<Comparison, Status> {
        self.attestations.take(&*self.world.ledger, signed, |_| Ok(()))
    }

    fn say(&self, org: &str, number: u64, is_true: bool) -> Comparison {
        let signed = self.signed((org, "peer0"), &self.attestation(number, is_true));
        self.take(&signed).expect("a peer's word")
    }

    fn review(&self) {
        self.attestations.review(&*self.world.ledger).unwrap();
    }

    /// Organisation, block and comparison, and the block ahead, against the own ledger as it is.
    fn shown(&self) -> Vec<(String, u64, Comparison, Option<u64>)> {
        let ledger = &*self.world.ledger;
        let said = self.attestations.said(&self.world.channel()).into_iter();
        let row = |said: Attestation| {
            (said.msp_id.to_string(), said.number.0, said.comparison, said.ahead.map(|number| number.0))
        };
        said.map(|said| row(said.against(ledger, ledger.height()).unwrap())).collect()
    }
}

#[test]
fn only_an_active_peer_of_the_channel_is_heard() {
    let scene = Scene::new();
    let attestation = scene.attestation(3, true);
    let peer = |attestation: &CommitAttestation| scene.signed(("HospitalB", "peer0"), attestation);
    let mut forged = peer(&attestation);
    forged.signature = peer(&scene.attestation(2, true)).signature;
    let elsewhere = CommitAttestation { channel: ChannelId::new("other").unwrap(), ..attestation.clone() };
    let newer = CommitAttestation { version: 2, ..attestation.clone() };
    let mut longer = peer(&attestation);
    longer.attestation = [&longer.attestation[..], &[0]].concat().into();
    let (denied, invalid) = (Code::PermissionDenied, Code::InvalidArgument);
    let rows = [
        ("a user", scene.signed(("HospitalB", "user"), &attestation), denied, "another role"),
        ("a forged signature", forged, denied, "refused"),
        ("another channel", peer(&elsewhere), invalid, "another channel"),
        ("a newer version", peer(&newer), invalid, "newer release"),
        ("trailing bytes", longer, invalid, "does not decode"),
    ];
    for (name, signed, code, text) in rows {
        let status = scene.take(&signed).expect_err(name);
        assert_eq!(status.code(), code, "{name}: {status:?}");
        assert!(status.message().contains(text), "{name}: {status:?}");
    }
    let poi = scene.world.identity("HospitalB", "peer0").poi();
    scene.world.ledger.revoke(&msp_id("HospitalB"), poi);
    let status = scene.take(&peer(&attestation)).expect_err("revoked");
    assert!(status.code() == denied && status.message().contains("revoked"), "{status:?}");
    assert!(scene.shown().is_empty());
}

#[test]
fn the_newest_word_of_each_peer_is_kept_and_compared_once_the_own_ledger_is_there() {
    let scene = Scene::new();
    let b = |number, comparison, ahead| vec![("HospitalB".to_owned(), number, comparison, ahead)];
    assert_eq!(scene.say("HospitalB", 3, true), Agrees);
    assert_eq!(scene.shown(), b(3, Agrees, None));
    assert_eq!(scene.say("HospitalB", 2, false), Differs, "it is told, and an older word changes nothing");
    assert_eq!(scene.shown(), b(3, Agrees, None));
    // Two blocks ahead, of a ledger that this one will not become.
    assert_eq!(scene.say("HospitalB", 6, false), Ahead);
    assert_eq!(
        scene.shown(),
        b(3, Agrees, Some(6)),
        "the verdict stands beside the block of which it speaks"
    );
    scene.world.ledger.grow(1);
    scene.review();
    assert_eq!(scene.shown(), b(3, Agrees, Some(6)));
    scene.world.ledger.grow(1);
    scene.review();
    assert_eq!(scene.shown(), b(6, Differs, None));
    // It differs as long as nothing newer agrees, however far ahead it goes.
    assert_eq!(scene.say("HospitalB", 9, false), Ahead);
    assert_eq!(scene.shown(), b(6, Differs, Some(9)));
    scene.world.ledger.grow(3);
    assert_eq!(scene.say("HospitalB", 9, true), Agrees, "restored from a copy");
    assert_eq!(scene.shown(), b(9, Agrees, None));
    assert!(scene.stops.lock().unwrap().is_empty());
}

#[test]
fn who_runs_ahead_is_compared_at_the_lowest_block_that_it_named() {
    let rows: [(&str, &[u64], u64); 3] = [
        // name, what the peer of another ledger says in turn, the blocks after which it is found out
        ("always a block further", &[5, 6, 7, 8], 1),
        ("a height that nobody reaches, then a true one", &[u64::MAX - 1, 6], 2),
        ("lower and lower", &[9, 7], 3),
    ];
    for (name, numbers, blocks) in rows {
        let scene = Scene::new();
        for number in numbers {
            assert_eq!(scene.say("HospitalB", *number, false), Ahead, "{name}");
        }
        for block in 1..=blocks {
            scene.world.ledger.grow(1);
            let expected = if block < blocks { Ahead } else { Differs };
            assert_eq!(scene.shown()[0].2, expected, "{name}: block {block}, before it is reviewed");
            scene.review();
            assert_eq!(scene.shown()[0].2, expected, "{name}: block {block}");
        }
    }
}

/// A ledger that was made anew says another hash of the same block.
#[test]
fn of_one_block_ahead_the_last_word_counts() {
    let (scene, later) = (Scene::new(), Scene::new());
    later.world.ledger.grow(1);
    assert_eq!(scene.say("HospitalB", 5, false), Ahead);
    let truth = scene.signed(("HospitalB", "peer0"), &later.attestation(5, true));
    assert_eq!(scene.take(&truth).expect("a peer's word"), Ahead);
    scene.world.ledger.grow(1);
    scene.review();
    assert_eq!(scene.shown()[0].2, Agrees);
}

#[test]
fn the_word_of_a_peer_that_was_revoked_or_left_counts_no_more() {
    type Silence = fn(&Scene);
    let rows: [(&str, Silence); 2] = [
        ("revoked", |scene| {
            let poi = scene.world.identity("HospitalB", "peer0").poi();
            scene.world.ledger.revoke(&msp_id("HospitalB"), poi);
        }),
        ("left", |scene| {
            scene.world.ledger.configure(|config| {
                config.organizations.retain(|org| org.msp.msp_id != msp_id("HospitalB"));
                config.chaincodes.retain(|definition| definition.endorsement_policy.is_empty());
                config.reports = None;
            });
        }),
    ];
    for (name, silence) in rows {
        let scene = Scene::new();
        scene.say("HospitalB", 4, false);
        assert_eq!(scene.shown().len(), 1, "{name}");
        silence(&scene);
        scene.say("HospitalC", 4, false);
        assert!(scene.stops.lock().unwrap().is_empty(), "{name}: one voice is left");
        // As the attester does after the block that silenced it.
        scene.review();
        assert_eq!(scene.shown(), [("HospitalC".to_owned(), 4, Differs, None)], "{name}");
        assert!(scene.stops.lock().unwrap().is_empty(), "{name}: one voice is left");
    }
}

#[test]
fn another_peer_of_the_own_organisation_is_compared_and_has_no_voice() {
    let mut scene = Scene::new();
    // Seen from hospital A's second peer, whose key is another's.
    let other = scene.world.identity("HospitalA", "user").poi();
    let noted = Arc::clone(&scene.stops);
    let stop = move |_: &ChannelId, outvoted: &Outvoted| noted.lock().unwrap().push(outvoted.to_string());
    scene.attestations = Arc::new(Attestations::new((msp_id("HospitalA"), other), Box::new(stop)));
    scene.say("HospitalA", 4, false);
    scene.say("HospitalB", 4, false);
    let both = ["HospitalA", "HospitalB"].map(|name| (name.to_owned(), 4, Differs, None));
    assert_eq!(scene.shown(), both);
    assert!(scene.stops.lock().unwrap().is_empty(), "one other organisation of three is no majority");
    scene.say("HospitalC", 4, false);
    assert_eq!(scene.stops.lock().unwrap().len(), 1);
}

/// Otherwise each of N peers that speak costs N looks into the store, on the thread that answers all of them.
#[test]
fn to_take_a_word_costs_the_same_reads_however_many_are_kept() {
    let scene = Scene::new();
    let say = |org: &str, is_true| {
        let before = scene.world.ledger.reads();
        scene.say(org, 4, is_true);
        scene.world.ledger.reads() - before
    };
    // Who was heard before, then who speaks: all that is kept grows.
    let alone = say("HospitalB", true);
    assert!(alone > 0);
    for (org, is_true) in
        [("HospitalC", true), ("HospitalB", true), ("HospitalC", false), ("HospitalC", false)]
    {
        assert_eq!(say(org, is_true), alone, "{org} {is_true}");
    }
    // The word that may stop the channel is worth a look at all of them, once.
    assert!(say("HospitalB", false) > alone);
    assert_eq!(say("HospitalB", false), alone);
    assert_eq!(scene.stops.lock().unwrap().len(), 1);
}

/// A verdict of before beside the height of now would say that a peer is ahead of a ledger that has its block.
#[test]
fn what_is_shown_is_compared_with_the_height_that_is_shown() {
    let scene = Scene::new();
    let later = Scene::new();
    later.world.ledger.grow(3);
    for number in [5, 7] {
        let truth = scene.signed(("HospitalB", "peer0"), &later.attestation(number, true));
        assert_eq!(scene.take(&truth).expect("a peer's word"), Ahead);
    }
    let rows =
        [(0, 7, Ahead, Some(7)), (1, 5, Agrees, Some(7)), (1, 5, Agrees, Some(7)), (1, 7, Agrees, None)];
    for (blocks, number, comparison, ahead) in rows {
        // Committed, and not reviewed.
        scene.world.ledger.grow(blocks);
        assert_eq!(scene.shown(), [("HospitalB".to_owned(), number, comparison, ahead)]);
    }
    // Nor is a block compared that is not among those shown.
    let said = scene.attestations.said(&scene.world.channel());
    let shown = said[0].against(&*scene.world.ledger, 6).unwrap();
    assert_eq!((shown.number.0, shown.ahead.map(|number| number.0)), (5, Some(7)));
}

#[test]
fn a_peer_that_hears_itself_learns_nothing() {
    let scene = Scene::new();
    assert_eq!(scene.say("HospitalA", 4, true), Agrees);
    assert!(scene.shown().is_empty());
}

#[tokio::test]
async fn one_differing_organisation_is_shown_and_a_majority_stops_the_channel() {
    let scene = Scene::new();
    let channel = scene.world.channel();
    scene.say("HospitalB", 4, false);
    assert_eq!(scene.shown(), [("HospitalB".to_owned(), 4, Differs, None)]);
    assert!(scene.stops.lock().unwrap().is_empty(), "one of three is no majority");
    scene.attestations.contradicted(&channel).await;
    scene.say("HospitalC", 3, true);
    assert!(scene.stops.lock().unwrap().is_empty());
    scene.say("HospitalC", 4, false);
    let stops = scene.stops.lock().unwrap();
    let [reason] = &stops[..] else { panic!("it stops once: {stops:?}") };
    let (other, own) =
        (CommitHash([9; 32]), scene.world.ledger.commit_hash(BlockNumber(4)).unwrap().unwrap());
    for part in [
        "2 of the channel's 3 organisations",
        &format!("HospitalB attests commit hash {other} at block 4, this peer has {own}"),
        &format!("HospitalC attests commit hash {other} at block 4"),
    ] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
}

#[tokio::test]
async fn a_caller_gets_the_own_word_in_return_over_a_connection_of_its_organisation_only() {
    let scene = Scene::new();
    let service = AttestationService::new(scene.world.node("HospitalA"), scene.attestations.clone());
    let request = |certificate: &str| {
        let mut request = Request::new(scene.signed(("HospitalB", "peer0"), &scene.attestation(4, true)));
        request.extensions_mut().insert(scene.world.certificates[&msp_id(certificate)].clone());
        request
    };
    let answer = service.attest(request("HospitalB")).await.expect("heard").into_inner();
    assert_eq!(answer, None, "it has attested nothing yet");
    let own = scene.attestation(4, true);
    let signed = scene.attestations.attest(&own, scene.world.identity("HospitalA", "peer0")).expect("signed");
    let answer = service.attest(request("HospitalB")).await.expect("heard").into_inner();
    assert_eq!(answer.as_ref(), Some(&signed));
    assert_eq!(codec::decode::<CommitAttestation>(&signed.attestation, 1 << 10).unwrap(), own);
    let status = service.attest(request("HospitalC")).await.expect_err("a stolen word");
    assert_eq!(status.code(), Code::PermissionDenied);
    let mut elsewhere = scene.attestation(4, true);
    elsewhere.channel = ChannelId::new("other").unwrap();
    let request = Request::new(scene.signed(("HospitalB", "peer0"), &elsewhere));
    assert_eq!(service.attest(request).await.expect_err("not joined").code(), Code::NotFound);
}

//! A peer without ports on one channel: who may call what, and what a channel that stopped still does.

use std::collections::BTreeMap;
use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use configtx::{Capabilities, genesis_block};
use endorsing::{ProposalDraft, TransientMap, sign_proposal};
use futures_util::future::BoxFuture;
use gateway::ports::Node as _;
use gateway::{
    Attestations, Dialer, Examiner, FetchLimits, Fetcher, ImageError, ImageReader, NodeGuard, ReadImage,
    RemotePeers,
};
use host::{ChaincodeHost, HostLimits};
use imaging::DecodeLimits;
use ipfs::{SEALED_FAMILIES, SealedStore};
use issuing::{CaProfile, CertificateAuthority, SigningKeyPair, Subject, TlsProfile};
use msp::{MspSet, SigningIdentity};
use node::{Health, Metrics};
use protocol::fabric::{ProposalResponse, SignedProposal};
use protocol::{BlockNumber, ChaincodeName, ChannelId, CommitHash, Contradiction, Outvoted, TxId};
use reports::Reports;
use store::{Store, StoreOptions};
use tokio::sync::{Semaphore, watch};
use transport::{Code, PeerCertificate, Status, TlsClient, TlsIdentity, TrustRoots};

use super::channel::Channel;
use super::channels::Channels;
use super::clock::now_ms;
use super::committing::{Refusal, commit_or_stop, shortened};
use super::endorser::{Endorser, PROPOSALS_MAX};
use super::fault::NodeFault;
use super::health;
use super::metrics::PeerMetrics;
use super::peer_node::PeerNode;
use super::revocations::tests::fixture::network::{NOW_MS, Network, msp_id};

struct World {
    network: Network,
    channels: Arc<Channels>,
    node: PeerNode,
    closing: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

/// Looks at no image: every report of these tests is refused before.
struct NoImages;

impl ImageReader for NoImages {
    fn read<'a>(&'a self, _: &'a [u8], _: &'a DecodeLimits) -> BoxFuture<'a, Result<ReadImage, ImageError>> {
        Box::pin(std::future::ready(Err(ImageError::Busy { waiting: 0 })))
    }
}

/// A proposal as a user of a hospital may sign it.
#[derive(Clone, Copy)]
struct Call<'a> {
    /// The channel of the proposal's header.
    channel: &'a str,
    creator: (&'a str, &'a str),
    chaincode: &'a str,
    args: &'a [&'a str],
    transient: &'a [(&'a str, &'a [u8])],
    age_ms: u64,
}

impl Default for Call<'_> {
    fn default() -> Self {
        let (channel, creator, chaincode) = ("reports", ("HospitalC", "user"), "reports");
        Self { channel, creator, chaincode, args: &["ListReports"], transient: &[], age_ms: 0 }
    }
}

/// A TLS certificate and the root that issued it.
fn tls() -> (TlsIdentity, Bytes) {
    let profile = CaProfile {
        common_name: "tlsca".to_owned(),
        organization: "tls".to_owned(),
        organizational_unit: None,
        subject: Subject::default(),
    };
    let ca = CertificateAuthority::create(&profile, NOW_MS).unwrap();
    let key = SigningKeyPair::generate().unwrap();
    let profile = TlsProfile { name: "node".to_owned(), sans: vec![], subject: Subject::default() };
    let certificate = ca.issue_tls(&profile, key.public_key(), NOW_MS).unwrap();
    let identity = TlsIdentity::from_pem(certificate.pem().as_bytes(), key.private_pem().as_bytes()).unwrap();
    (identity, Bytes::copy_from_slice(ca.certificate().der()))
}

impl World {
    /// A peer of that hospital on a channel where the hospitals A and B check reports.
    fn of(own: &str) -> Self {
        let mut network = Network::new();
        let rules = network.config.reports.as_mut().unwrap();
        rules.checkers.organizations = ["HospitalA", "HospitalB"].map(msp_id).to_vec();
        let folder = tempfile::tempdir().unwrap();
        let (identity, root) = tls();
        let roots = TrustRoots::new(vec![root.clone()]).unwrap();
        let ledgers = folder.path().join("ledgers");
        let channels =
            Arc::new(Channels::open(ledgers, roots.clone(), vec![root], Capabilities::RELEASED).unwrap());
        channels.join(genesis_block(&network.config, NOW_MS)).unwrap();
        let options = StoreOptions::new("sealed reports", 1);
        let store = Store::open(&folder.path().join("sealed"), &SEALED_FAMILIES, options).unwrap();
        let sealed = SealedStore::new(store);
        let peers = Arc::new(RemotePeers::new(Dialer::new(
            TlsClient::new(&identity, &roots),
            NodeGuard::new(|_, _| Ok(())),
        )));
        let fetcher = Arc::new(Fetcher::new(sealed.clone(), peers, FetchLimits::default()));
        let signer: Arc<SigningIdentity> = Arc::new(network.orgs[own].issue("peer1", "peer"));
        let endorser = Arc::new(Endorser {
            channels: channels.clone(),
            host: ChaincodeHost::start(vec![Arc::new(Reports)], HostLimits::default()).unwrap(),
            signer: signer.clone(),
            own_msp: MspSet::new([&network.orgs[own].msp_config()]).unwrap(),
            examiner: Examiner::new(sealed, fetcher, Arc::new(NoImages), DecodeLimits::default()),
            self_test_id: String::new(),
            joined: Arc::new(|_| Ok(())),
            turns: Semaphore::new(PROPOSALS_MAX),
            metrics: Arc::new(PeerMetrics::new(&Metrics::new())),
        });
        let address = "peer1:7051".to_owned();
        let (closing, closed) = watch::channel(false);
        let node = PeerNode { channels: channels.clone(), endorser, signer, address, closing: closed };
        Self { network, channels, node, closing, _folder: folder }
    }

    fn channel(&self) -> Arc<Channel> {
        self.channels.channel(&name()).unwrap()
    }

    fn signed(&self, call: &Call<'_>) -> SignedProposal {
        let creator = self.network.identity(call.creator.0, call.creator.1);
        let transient: BTreeMap<String, Vec<u8>> =
            call.transient.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        let draft = ProposalDraft {
            channel: ChannelId::new(call.channel).unwrap(),
            chaincode: ChaincodeName::new(call.chaincode).unwrap(),
            args: call.args.iter().map(|arg| Bytes::copy_from_slice(arg.as_bytes())).collect(),
            transient: TransientMap::new(transient),
            creator: creator.serialized(),
            nonce: Bytes::from_static(b"nonce"),
            timestamp_ms: now_ms() - call.age_ms,
        };
        sign_proposal(draft, creator).unwrap()
    }

    async fn process(&self, call: &Call<'_>) -> Result<ProposalResponse, Status> {
        self.node.endorser.process(self.signed(call), None).await
    }
}

fn name() -> ChannelId {
    ChannelId::new("reports").unwrap()
}

#[tokio::test]
async fn a_key_is_read_by_checkers_and_the_own_hospital_in_uploads_only() {
    let (upload, listing): (&[&str], &[&str]) = (&["UploadReport", "{}"], &["ListReports"]);
    let key: &[(&str, &[u8])] = &[("data_key", b"short"), ("content_cid", b"cid")];
    let cid: &[(&str, &[u8])] = &[("content_cid", b"cid")];
    let (invalid, precondition) = (Code::InvalidArgument, Code::FailedPrecondition);
    // "32 bytes" and "given where" are words of the examination, which was reached then.
    let rows = [
        // own hospital, creator's, chaincode, call, transient fields, code, words
        ("HospitalB", "HospitalC", "reports", upload, key, invalid, "32 bytes"),
        ("HospitalB", "HospitalC", "reports", upload, cid, invalid, "given where"),
        ("HospitalC", "HospitalC", "reports", upload, key, invalid, "32 bytes"),
        ("HospitalC", "HospitalA", "reports", upload, key, precondition, "HospitalC is no checker"),
        ("HospitalC", "HospitalA", "reports", upload, cid, precondition, "HospitalC is no checker"),
        ("HospitalB", "HospitalC", "reports", listing, key, invalid, "belong to UploadReport"),
        ("HospitalC", "HospitalC", "reports", listing, cid, invalid, "belong to UploadReport"),
        ("HospitalB", "HospitalC", "basic", upload, key, invalid, "belong to UploadReport"),
    ];
    for (own, creator, chaincode, args, transient, code, words) in rows {
        let call = Call { creator: (creator, "user"), chaincode, args, transient, ..Call::default() };
        let status = World::of(own).process(&call).await.expect_err(words);
        assert_eq!(status.code(), code, "{own} {creator} {chaincode} {args:?}: {status:?}");
        assert!(status.message().contains(words), "{own} {creator} {chaincode} {args:?}: {status:?}");
    }
    let answer = World::of("HospitalC").process(&Call::default()).await.expect("no key, no question");
    assert_eq!(answer.response.expect("a response").status, 200);
}

#[tokio::test]
async fn system_calls_are_fresh_and_those_on_a_channel_are_for_its_registered_identities() {
    let world = World::of("HospitalC");
    let (user, stranger) = (("HospitalC", "user"), ("HospitalC", "stranger"));
    let rows: &[((&str, &str), &str, &[&str], u64, Code, &str)] = &[
        (user, "qscc", &["GetChainInfo", "reports"], 0, Code::Ok, ""),
        (user, "qscc", &["GetBlockByNumber", "reports", "0"], 0, Code::Ok, ""),
        (user, "cscc", &["GetChannelConfig", "reports"], 0, Code::Ok, ""),
        (user, "cscc", &["GetChannels"], 0, Code::Ok, ""),
        (stranger, "cscc", &["GetChannels"], 0, Code::Ok, ""),
        (stranger, "qscc", &["GetChainInfo", "reports"], 0, Code::PermissionDenied, "not registered"),
        (
            stranger,
            "qscc",
            &["GetBlockByNumber", "reports", "0"],
            0,
            Code::PermissionDenied,
            "not registered",
        ),
        (stranger, "cscc", &["GetChannelConfig", "reports"], 0, Code::PermissionDenied, "not registered"),
        (user, "qscc", &["GetChainInfo", "reports"], 16 * 60_000, Code::InvalidArgument, "15 minutes"),
        (user, "cscc", &["GetChannels"], 16 * 60_000, Code::InvalidArgument, "15 minutes"),
        (
            ("HospitalA", "user"),
            "cscc",
            &["GetChannels"],
            0,
            Code::PermissionDenied,
            "this peer's organisation",
        ),
    ];
    for (creator, chaincode, args, age_ms, code, words) in rows {
        let call = Call { creator: *creator, chaincode, args, age_ms: *age_ms, ..Call::default() };
        let (found, text) = match world.process(&call).await {
            Ok(_) => (Code::Ok, String::new()),
            Err(status) => (status.code(), status.message().to_owned()),
        };
        assert_eq!(found, *code, "{creator:?} {args:?}: {text}");
        assert!(text.contains(words), "{creator:?} {args:?}: {text}");
    }
}

#[tokio::test]
async fn what_came_by_the_gateway_is_told_of_the_headers_channel_alone() {
    let world = World::of("HospitalC");
    let ask = |channel: &'static str, args: &'static [&'static str]| {
        let signed = world.signed(&Call { channel, chaincode: "qscc", args, ..Call::default() });
        world.node.endorser.process(signed, None)
    };
    ask("reports", &["GetChainInfo", "reports"]).await.expect("the header's channel");
    for args in [&["GetChainInfo", "reports"][..], &["GetBlockByNumber", "reports", "0"]] {
        let status = ask("trial", args).await.expect_err("the gateway asked about another channel");
        assert_eq!(status.message(), gateway::ports::not_joined(&name()).message(), "{args:?}");
    }
}

#[tokio::test]
async fn a_channel_is_there_for_connections_of_its_own_organisations_alone() {
    let world = World::of("HospitalC");
    let (identity, _) = tls();
    let outsider =
        PeerCertificate { der: Bytes::copy_from_slice(identity.certificate_der()), spki: identity.spki() };
    let chain_info = Call { chaincode: "qscc", args: &["GetChainInfo", "reports"], ..Call::default() };
    let mut elsewhere = world.signed(&Call::default());
    for call in [Call::default(), chain_info] {
        let signed = world.signed(&call);
        world.node.endorser.process(signed.clone(), None).await.expect("the own gateway's callers");
        let status = world.node.endorser.process(signed.clone(), Some(&outsider)).await.expect_err("outside");
        assert_eq!(status.message(), gateway::ports::not_joined(&name()).message());
        elsewhere = signed;
    }
    // Nor does a stranger learn of a stopped channel what its members learn.
    world.channel().stop("the disk is full");
    let outside = world.node.admit(&name(), Some(&outsider)).expect_err("outside");
    assert_eq!(outside.code(), Code::NotFound);
    assert_eq!(world.node.admit(&name(), None).expect_err("stopped").code(), Code::Unavailable);
    let status = world.node.endorser.process(elsewhere, Some(&outsider)).await.expect_err("outside");
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn proposals_under_way_are_bounded() {
    let world = World::of("HospitalC");
    let turns = &world.node.endorser.turns;
    let all = turns.acquire_many(u32::try_from(PROPOSALS_MAX).unwrap()).await.unwrap();
    let status = world.process(&Call::default()).await.expect_err("no place");
    assert_eq!(status.code(), Code::ResourceExhausted);
    drop(all);
    world.process(&Call::default()).await.expect("a place again");
}

#[tokio::test]
async fn a_channel_that_stopped_serves_nobody_and_health_says_why() {
    let world = World::of("HospitalC");
    let (channel, tx_id) = (world.channel(), TxId::of(b"nonce", b"creator"));
    let health = Health::new("1.0");
    let own = (protocol::MspId::new("HospitalC").unwrap(), protocol::Poi::from_digest([0; 32]));
    let attestations = Arc::new(Attestations::new(own, Box::new(|_, _| {})));
    health::register(&health, ("peer1", "HospitalC"), &world.channels, &attestations);
    assert!(health.is_healthy());
    assert!(world.node.ledger(&name()).is_some());
    let mut waiting = pin!(channel.committed(&tx_id));
    let mut reaching = pin!(channel.reached(99));
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert!(reaching.as_mut().poll(&mut context).is_pending());

    channel.stop("the disk is full");
    channel.stop("a later reason");
    let Poll::Ready(told) = waiting.as_mut().poll(&mut context) else { panic!("it waits for ever") };
    assert!(told.expect_err("stopped").contains("has stopped"));
    let Poll::Ready(told) = reaching.as_mut().poll(&mut context) else { panic!("it waits for ever") };
    assert!(told.expect_err("stopped").contains("has stopped"));
    let component = health.components().remove("channels").expect("a component");
    assert!(!health.is_healthy());
    assert_eq!(component.reason, "channel reports stopped: the disk is full");
    assert!(component.facts["reports"]["height"].is_u64(), "{component:?}");

    assert!(world.node.ledger(&name()).is_none());
    let chain_info = Call { chaincode: "qscc", args: &["GetChainInfo", "reports"], ..Call::default() };
    let answers = [
        world.node.absent(&name()),
        world.process(&Call::default()).await.expect_err("stopped"),
        world.process(&chain_info).await.expect_err("stopped"),
        world.node.committed(&name(), &tx_id).await.expect_err("stopped"),
        world.node.reached(&name(), 99).await.expect_err("stopped"),
        Status::unavailable(channel.committed(&tx_id).await.expect_err("stopped")),
    ];
    for status in answers {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("channel reports has stopped"), "{status:?}");
    }
    let other = world.node.absent(&ChannelId::new("other").unwrap());
    assert_eq!(other.code(), Code::NotFound);
}

/// A ledger that is contradicted is no better after a restart, and its peer may hear nobody for a while.
#[tokio::test]
async fn an_outvoted_channel_stays_stopped_after_a_restart_and_says_how_to_go_on() {
    let network = Network::new();
    let (folder, genesis) = (tempfile::tempdir().unwrap(), genesis_block(&network.config, NOW_MS));
    let path = folder.path().join("reports");
    let rows: [(&str, fn(&Channel, &Outvoted), bool); 2] = [
        ("the disk is full", |channel, _| channel.stop("the disk is full"), false),
        ("outvoted", Channel::stop_outvoted, true),
    ];
    let (attested, own) = (CommitHash([1; 32]), CommitHash([2; 32]));
    let said = |name| Contradiction { msp_id: msp_id(name), number: BlockNumber(0), attested, own };
    let outvoted = Outvoted::new(3, vec![said("HospitalA"), said("HospitalB")]);
    drop(Channel::create(&path, genesis.clone(), Capabilities::RELEASED).unwrap());
    for (name, stop, is_kept) in rows {
        let channel = Channel::open(&path, Capabilities::RELEASED).unwrap();
        assert_eq!(channel.stopped(), None, "{name}");
        stop(&channel, &outvoted);
        let told = channel.stopped().expect(name).to_owned();
        drop(channel);
        let again = Channel::open(&path, Capabilities::RELEASED).unwrap();
        assert_eq!(again.stopped(), is_kept.then_some(&*told), "{name}");
        if !is_kept {
            continue;
        }
        for part in [
            "those of 2 of the channel's 3 organisations",
            "HospitalB attests commit hash 0101",
            "move the folder ledgers/reports of its fileSystemPath away",
            "join the channel again",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(again.reached(1).await.is_err() && again.unavailable().is_some());
        let refused = commit_or_stop(&again, || panic!("nothing is committed"));
        assert!(matches!(refused, Err(Refusal::Fault(_))));
        drop(again);
        std::fs::rename(&path, folder.path().join("away")).unwrap();
        let anew = Channel::create(&path, genesis.clone(), Capabilities::RELEASED).unwrap();
        assert_eq!(anew.stopped(), None, "as it is told to go on");
    }
}

#[test]
fn a_peer_joins_no_more_channels_than_its_limit() {
    let network = Network::new();
    let folder = tempfile::tempdir().unwrap();
    let (_, root) = tls();
    let open = || {
        let roots = TrustRoots::new(vec![root.clone()]).unwrap();
        let ledgers = folder.path().join("ledgers");
        Channels::open(ledgers, roots, vec![root.clone()], Capabilities::RELEASED).unwrap().at_most(2)
    };
    let genesis = |name: &str| {
        let mut config = network.config.clone();
        config.channel = ChannelId::new(name).unwrap();
        genesis_block(&config, NOW_MS)
    };
    let channels = open();
    for name in ["one", "two"] {
        assert!(channels.join(genesis(name)).unwrap().is_some(), "{name}");
    }
    let refused = |channels: &Channels| {
        let error = channels.join(genesis("three")).expect_err("one too many").to_string();
        assert!(error.contains("is in 2 channels, the limit") && error.contains("channel three"), "{error}");
        assert!(channels.channel(&ChannelId::new("three").unwrap()).is_none());
    };
    refused(&channels);
    assert!(channels.join(genesis("two")).unwrap().is_none(), "it is joined already");
    drop(channels);
    let channels = open();
    assert_eq!(channels.all().len(), 2);
    refused(&channels);
}

#[tokio::test]
async fn whoever_waits_when_the_peer_ends_is_told() {
    let world = World::of("HospitalC");
    let (name, tx_id) = (name(), TxId::of(b"nonce", b"creator"));
    world.node.reached(&name, 1).await.expect("the genesis block is there");
    let mut context = Context::from_waker(std::task::Waker::noop());
    let (mut committed, mut reached) =
        (pin!(world.node.committed(&name, &tx_id)), pin!(world.node.reached(&name, 2)));
    assert!(committed.as_mut().poll(&mut context).is_pending());
    assert!(reached.as_mut().poll(&mut context).is_pending());
    world.closing.send_replace(true);
    for status in [committed.await.expect_err("ends"), reached.await.expect_err("ends")] {
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "the peer is shutting down"));
    }
}

#[tokio::test]
async fn a_fault_or_a_panic_of_a_commit_stops_the_channel() {
    type Commit = fn() -> Result<(), Refusal>;
    let rows: &[(&str, Commit, Option<&str>)] = &[
        ("committed", || Ok(()), None),
        ("another block", || Err(Refusal::NotTheNext("number 9".to_owned())), None),
        (
            "a fault",
            || Err(Refusal::Fault(NodeFault::Ledger { cause: "disk full".to_owned() })),
            Some("disk full"),
        ),
        ("a panic", || panic!("a flaw in the program"), Some("failed within this peer's program")),
    ];
    for (name, commit, reason) in rows {
        let world = World::of("HospitalC");
        let channel = world.channel();
        let outcome = commit_or_stop(&channel, commit);
        assert_eq!(matches!(outcome, Err(Refusal::Fault(_))), reason.is_some(), "{name}");
        let stopped = channel.stopped();
        assert_eq!(stopped.is_some(), reason.is_some(), "{name}: {stopped:?}");
        assert!(stopped.unwrap_or("").contains(reason.unwrap_or("")), "{name}: {stopped:?}");
    }
}

#[tokio::test]
async fn callers_that_wait_for_one_transaction_are_bounded() {
    let world = World::of("HospitalC");
    let (channel, tx_id) = (world.channel(), TxId::of(b"nonce", b"creator"));
    let mut context = Context::from_waker(std::task::Waker::noop());
    let mut waiting: Vec<_> = (0..256).map(|_| Box::pin(channel.committed(&tx_id))).collect();
    assert!(waiting.iter_mut().all(|wait| wait.as_mut().poll(&mut context).is_pending()));
    let text = channel.committed(&tx_id).await.expect_err("one too many");
    assert!(text.contains("256 callers wait"), "{text}");
    waiting.pop();
    assert!(pin!(channel.committed(&tx_id)).poll(&mut context).is_pending(), "there is room again");
}

#[test]
fn a_reason_in_the_log_has_an_end() {
    assert_eq!(shortened("short"), "short");
    assert_eq!(shortened(&"ä".repeat(600)), "ä".repeat(500));
    assert_eq!(shortened(&"x".repeat(500)).len(), 500);
}

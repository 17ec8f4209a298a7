//! Who gets sealed blocks, and what a fetcher makes of holders that lie.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use configtx::ConfigBundle;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use ipfs::{SEALED_FAMILIES, Sealed, SealedStore, seal};
use offchain::Cid;
use prost::Message;
use protocol::{
    BlockRequest, BlockResponse, FetchReason, KeyRelease, MspId, SignedRequest, SigningDomain, TxId,
};
use reports::ReportState;
use shim::Examination;
use store::{Store, StoreOptions};
use transport::services::exchange::Exchange;
use transport::{Code, Request, ResponseStream, Status};

use super::permission::{Ask, Verdict, may_have};
use super::*;
use crate::peers::Peers;
use crate::signed_request::{now_ms, sign};
use crate::testing::{Hospital, World, msp_id, upload_call};

fn examination(root: Cid) -> Examination {
    Examination {
        cid: root.to_string(),
        binding: "00".repeat(32),
        media_type: "image/png".into(),
        perceptual_hash: 7,
        size: 3,
        sealed_size: 6,
    }
}

fn root() -> Cid {
    Cid::of_raw(b"sealed")
}

/// The verdict on a recorded report of `HospitalA`; custodian is B, holder is C in the fixture's configuration.
#[test]
fn a_recorded_report_goes_to_its_keepers_and_to_whom_its_owner_granted_it() {
    type Story = fn(&World, &TxId) -> TxId;
    let nothing: Story = |_, id| id.clone();
    let granted: Story = |world, id| {
        world.grant("HospitalA", id, "Orderers", true);
        id.clone()
    };
    let rows: &[(&str, Story, &str, Result<(), &str>)] = &[
        // name, story, asker, verdict
        ("the owner", nothing, "HospitalA", Ok(())),
        ("a custodian", nothing, "HospitalB", Ok(())),
        ("a configured holder", nothing, "HospitalC", Ok(())),
        ("anybody else", nothing, "Orderers", Err("neither owner, custodian nor holder")),
        ("with a grant of the owner", granted, "Orderers", Ok(())),
        (
            "with a grant of another hospital",
            |world, id| {
                world.grant("HospitalB", id, "Orderers", true);
                id.clone()
            },
            "Orderers",
            Err("no live grant"),
        ),
        (
            "after the owner's withdrawal",
            |world, id| {
                world.grant("HospitalA", id, "Orderers", true);
                world.grant("HospitalA", id, "Orderers", false);
                id.clone()
            },
            "Orderers",
            Err("no live grant"),
        ),
        (
            "after a withdrawal by another hospital",
            |world, id| {
                world.grant("HospitalA", id, "Orderers", true);
                world.grant("HospitalC", id, "Orderers", false);
                id.clone()
            },
            "Orderers",
            Ok(()),
        ),
        (
            "an erased report",
            |world, id| {
                world.rewrite("HospitalA", id, true, |record| record.state = ReportState::Erased);
                id.clone()
            },
            "HospitalB",
            Err("was erased"),
        ),
        (
            "a report that is not on the ledger",
            |_, _| TxId::of(b"none", b""),
            "HospitalA",
            Err("not committed"),
        ),
        (
            "a transaction that is no upload",
            |world, id| world.open("HospitalA", id),
            "HospitalA",
            Err("no upload"),
        ),
        (
            "another report's root",
            |world, _| {
                let other = examination(Cid::of_raw(b"other"));
                world.commit("HospitalA", upload_call(&other, "HospitalA", &[]))
            },
            "HospitalA",
            Err("another CID"),
        ),
    ];
    for (name, story, asker, expected) in rows {
        let world = World::new();
        let uploaded = world.commit("HospitalA", upload_call(&examination(root()), "HospitalA", &[]));
        let reason = FetchReason::Report(story(&world, &uploaded));
        let verdict = judged(&world, "HospitalA", asker, &reason);
        check(name, verdict, *expected);
    }
}

fn judged(world: &World, own: &str, asker: &str, reason: &FetchReason) -> Verdict {
    let ask = Ask { asker: &msp_id(asker), root: root(), reason, now_ms: now_ms() };
    may_have(&*world.ledger, &msp_id(own), &ask).expect("no fault")
}

/// Name, proposal, own hospital, asker, verdict.
type UploadRow<'a> = (&'a str, Bytes, &'a str, &'a str, Result<(), &'a str>);

fn check(name: &str, verdict: Result<(), String>, expected: Result<(), &str>) {
    match (verdict, expected) {
        (Ok(()), Ok(())) => {}
        (Err(text), Err(part)) => assert!(text.contains(part), "{name}: {text}"),
        (verdict, expected) => panic!("{name}: {verdict:?}, expected {expected:?}"),
    }
}

#[test]
fn an_upload_under_way_goes_to_checkers_that_show_its_proposal() {
    let world = World::new();
    let cid = root().to_string();
    let user = world.identity("HospitalA", "user");
    let proposal = |creator, cid: &str| Bytes::from(world.proposal(creator, &[1; 32], cid).encode_to_vec());
    let genuine = proposal(user, &cid);
    let mut changed = genuine.to_vec();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let rows: Vec<UploadRow<'_>> = vec![
        // name, proposal, own hospital, asker, verdict
        ("a checker", genuine.clone(), "HospitalA", "HospitalB", Ok(())),
        (
            "an organisation that checks nothing",
            genuine.clone(),
            "HospitalA",
            "Orderers",
            Err("not among the channel's checkers"),
        ),
        (
            "at another hospital than the uploader's",
            genuine,
            "HospitalB",
            "HospitalC",
            Err("ask its own peer"),
        ),
        (
            "a proposal of another CID",
            proposal(user, &Cid::of_raw(b"x").to_string()),
            "HospitalA",
            "HospitalB",
            Err("names another CID"),
        ),
        (
            "a proposal of another hospital's user",
            proposal(world.identity("HospitalB", "user"), &cid),
            "HospitalA",
            "HospitalB",
            Err("ask its own peer"),
        ),
        (
            "a proposal of somebody who is not registered",
            proposal(world.identity("HospitalA", "stranger"), &cid),
            "HospitalA",
            "HospitalB",
            Err("not registered"),
        ),
        ("a changed proposal", changed.into(), "HospitalA", "HospitalB", Err("")),
        (
            "no proposal",
            Bytes::from_static(b"\xff"),
            "HospitalA",
            "HospitalB",
            Err("holds no signed proposal"),
        ),
    ];
    for (name, proposal, own, asker, expected) in rows {
        let reason = FetchReason::Endorsement(proposal);
        let verdict = judged(&world, own, asker, &reason);
        check(name, verdict, expected);
    }
}

fn block_request(world: &World, org: &str, name: &str, root: Cid, reason: FetchReason) -> SignedRequest {
    let request = BlockRequest { version: 1, channel: world.channel(), root: root.to_string(), reason };
    sign(world.identity(org, name), SigningDomain::BlockRequest, &request).expect("signed")
}

/// Only peers over connections of their own organisation are served.
#[tokio::test]
async fn the_exchange_serves_peers_over_their_own_connections_only() {
    let world = World::new();
    let hospitals = Hospital::all(&world);
    let sealed = sealed_into(&hospitals[0].store, b"a report", true);
    let report_id = world.commit("HospitalA", upload_call(&examination(sealed.cid), "HospitalA", &[]));
    let reason = || FetchReason::Report(report_id.clone());
    let request = |org, name| block_request(&world, org, name, sealed.cid, reason());
    let mut other_domain = request("HospitalB", "peer0");
    other_domain.domain = SigningDomain::KeyRequest;
    let mut tampered = request("HospitalB", "peer0");
    tampered.payload = [&tampered.payload[..], &[0]].concat().into();
    let rows = [
        ("its own connection", request("HospitalB", "peer0"), Some("HospitalB"), Code::Ok),
        (
            "another hospital's connection",
            request("HospitalB", "peer0"),
            Some("HospitalC"),
            Code::PermissionDenied,
        ),
        ("no certificate", request("HospitalB", "peer0"), None, Code::PermissionDenied),
        ("a user", request("HospitalB", "user"), Some("HospitalB"), Code::PermissionDenied),
        ("a stranger", request("HospitalB", "stranger"), Some("HospitalB"), Code::PermissionDenied),
        ("another domain", other_domain, Some("HospitalB"), Code::InvalidArgument),
        ("trailing bytes", tampered, Some("HospitalB"), Code::InvalidArgument),
    ];
    for (name, signed, connection, expected) in rows {
        let mut request = Request::new(signed);
        if let Some(connection) = connection {
            request.extensions_mut().insert(world.certificates[&msp_id(connection)].clone());
        }
        let code = match hospitals[0].exchange_service.fetch(request).await {
            Ok(answer) => {
                let blocks: Vec<_> = answer.into_inner().collect().await;
                assert!(matches!(blocks.as_slice(), [Ok(BlockResponse::Block(_))]), "{name}");
                Code::Ok
            }
            Err(status) => status.code(),
        };
        assert_eq!(code, expected, "{name}");
    }
}

fn sealed_into(store: &SealedStore, plain: &[u8], keep: bool) -> Sealed {
    let mut staged = store.stage();
    let sealed = seal(plain, &mut staged).expect("sealed");
    staged.finish(sealed.cid, sealed.sealed_size, now_ms()).expect("staged");
    if keep {
        store.keep(sealed.cid).expect("kept");
    }
    sealed
}

fn blocks_of(store: &SealedStore, root: Cid) -> Vec<Bytes> {
    let mut walk = offchain::DagWalk::new(root, SEALED_BYTES_MAX);
    let mut blocks = Vec::new();
    while let offchain::Next::Want(cid) = walk.next() {
        let block = store.block(cid).expect("held");
        walk.supply(cid, block.clone()).expect("intact");
        blocks.push(block);
    }
    blocks
}

/// How a holder behaves.
#[derive(Clone)]
enum Holder {
    Says(Vec<BlockResponse>),
    Breaks(Vec<BlockResponse>),
    Unreachable,
    Silent,
    /// Says this and is silent then.
    Stalls(Vec<BlockResponse>),
}

/// Holders by name, for the fetcher alone.
struct Holders(BTreeMap<MspId, Holder>);

impl Peers for Holders {
    fn fetch<'a>(
        &'a self,
        _: &'a ConfigBundle,
        msp_id: &'a MspId,
        _: SignedRequest,
    ) -> BoxFuture<'a, Result<ResponseStream<BlockResponse>, Status>> {
        let holder = self.0[msp_id].clone();
        Box::pin(async move {
            let stream: ResponseStream<BlockResponse> = match holder {
                Holder::Says(said) => Box::pin(tokio_stream::iter(said.into_iter().map(Ok))),
                Holder::Breaks(said) => {
                    let broken = Err(Status::unavailable("connection reset"));
                    Box::pin(tokio_stream::iter(said.into_iter().map(Ok).chain([broken])))
                }
                Holder::Unreachable => return Err(Status::unavailable("connection refused")),
                Holder::Silent => Box::pin(tokio_stream::pending()),
                Holder::Stalls(said) => {
                    let said = futures_util::stream::iter(said.into_iter().map(Ok));
                    Box::pin(said.chain(futures_util::stream::pending()))
                }
            };
            Ok(stream)
        })
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
        _: &'a MspId,
        _: SignedRequest,
    ) -> BoxFuture<'a, Result<String, Status>> {
        Box::pin(async { Err(Status::unimplemented("not here")) })
    }
}

fn store_in(folder: &tempfile::TempDir) -> SealedStore {
    SealedStore::new(
        Store::open(folder.path(), &SEALED_FAMILIES, StoreOptions::new("sealed", 1)).expect("a store"),
    )
}

#[tokio::test]
async fn a_fetcher_believes_hashes_and_nothing_else() {
    let source = tempfile::tempdir().expect("a folder");
    let source = (store_in(&source), source).0;
    let plain: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let sealed = sealed_into(&source, &plain, true);
    let honest: Vec<BlockResponse> =
        blocks_of(&source, sealed.cid).into_iter().map(BlockResponse::Block).collect();
    assert!(honest.len() > 3, "a root and leaves");
    let replaced = |place: usize, block: &'static [u8]| {
        let mut said = honest.clone();
        said[place] = BlockResponse::Block(Bytes::from_static(block));
        Holder::Says(said)
    };
    let mut swapped = honest.clone();
    swapped.swap(1, 2);
    let large = BlockResponse::Block(vec![0; 3 << 20].into());
    let refusal = BlockResponse::Refused("no grant\n\u{7}".into());
    let rows: Vec<(&str, Holder, u64, Option<&str>)> = vec![
        // name, holder, size limit, its answer in the error
        ("honest", Holder::Says(honest.clone()), sealed.sealed_size, None),
        ("a wrong root", replaced(0, b"wrong"), u64::MAX, Some("wrong block")),
        ("a wrong leaf", replaced(2, b"wrong"), u64::MAX, Some("wrong block")),
        ("leaves in another order", Holder::Says(swapped), u64::MAX, Some("wrong block")),
        ("a block that is too large", Holder::Says(vec![large]), u64::MAX, Some("wrong block")),
        ("truncated", Holder::Says(honest[..2].to_vec()), u64::MAX, Some("ended before block")),
        ("nothing", Holder::Says(vec![]), u64::MAX, Some("ended before block")),
        ("broken off", Holder::Breaks(honest[..2].to_vec()), u64::MAX, Some("connection reset")),
        ("refused", Holder::Says(vec![refusal]), u64::MAX, Some("HospitalA: no grant")),
        ("not held", Holder::Says(vec![BlockResponse::NotHeld("gone".into())]), u64::MAX, Some("gone")),
        ("not reachable", Holder::Unreachable, u64::MAX, Some("connection refused")),
        ("silent", Holder::Silent, u64::MAX, Some("silent for more than")),
        ("larger than announced", Holder::Says(honest), sealed.sealed_size - 1, Some("wrong block")),
    ];
    let world = World::new();
    for (name, holder, size_max, expected) in rows {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store_in(&folder);
        let peers = Arc::new(Holders(BTreeMap::from([(msp_id("HospitalA"), holder)])));
        let limits = FetchLimits { idle: Duration::from_millis(500), total: Duration::from_secs(30) };
        let fetcher = Fetcher::new(store.clone(), peers, limits);
        let request =
            block_request(&world, "HospitalB", "peer0", sealed.cid, FetchReason::Report(TxId::of(b"", b"")));
        let bundle = crate::ports::ChannelLedger::bundle(&*world.ledger);
        let outcome = fetcher
            .fetch(&bundle, &[msp_id("HospitalA")], &WantedDag { root: sealed.cid, request, size_max })
            .await;
        match (outcome, expected) {
            (Ok(()), None) => assert_eq!(store.verify(sealed.cid).expect("intact"), sealed.sealed_size),
            (Err(error), Some(part)) => {
                assert!(error.to_string().contains(part), "{name}: {error}");
                assert!(error.to_string().contains(&sealed.cid.to_string()), "{name}: {error}");
                assert!(store.held(sealed.cid).expect("readable").is_none(), "{name} leaves no entry");
                assert!(store.block(sealed.cid).is_err(), "{name} leaves no block");
            }
            (outcome, expected) => panic!("{name}: {outcome:?}, expected {expected:?}"),
        }
    }
}

#[tokio::test]
async fn holders_are_asked_in_turn_until_one_gives_everything() {
    let source = tempfile::tempdir().expect("a folder");
    let source = (store_in(&source), source).0;
    let sealed = sealed_into(&source, &[7; 2_500_000], true);
    let honest: Vec<BlockResponse> =
        blocks_of(&source, sealed.cid).into_iter().map(BlockResponse::Block).collect();
    let holders = BTreeMap::from([
        (msp_id("HospitalA"), Holder::Breaks(honest[..2].to_vec())),
        (msp_id("HospitalB"), Holder::Says(vec![BlockResponse::Block(Bytes::from_static(b"junk"))])),
        (msp_id("HospitalC"), Holder::Says(honest)),
    ]);
    let folder = tempfile::tempdir().expect("a folder");
    let store = store_in(&folder);
    let fetcher = Fetcher::new(store.clone(), Arc::new(Holders(holders)), FetchLimits::default());
    let world = World::new();
    let request =
        || block_request(&world, "HospitalB", "peer0", sealed.cid, FetchReason::Report(TxId::of(b"", b"")));
    let bundle = crate::ports::ChannelLedger::bundle(&*world.ledger);
    let ask = ["HospitalA", "HospitalB"].map(msp_id);
    let error = fetcher
        .fetch(&bundle, &ask, &WantedDag { root: sealed.cid, request: request(), size_max: u64::MAX })
        .await
        .expect_err("liars only");
    let FetchError::NotFetched { answers, .. } = &error else { panic!("{error}") };
    assert_eq!(answers.iter().map(|answer| answer.msp_id.clone()).collect::<Vec<_>>(), ask);
    let ask = ["HospitalA", "HospitalB", "HospitalC"].map(msp_id);
    // Two at once: the second finds what the first brought.
    let wanted = WantedDag { root: sealed.cid, request: request(), size_max: u64::MAX };
    let (first, second) =
        tokio::join!(fetcher.fetch(&bundle, &ask, &wanted), fetcher.fetch(&bundle, &ask, &wanted));
    first.and(second).expect("the third is honest");
    assert_eq!(store.verify(sealed.cid).expect("intact"), sealed.sealed_size);
    let nobody = fetcher
        .fetch(&bundle, &[], &WantedDag { root: root(), request: request(), size_max: u64::MAX })
        .await
        .expect_err("nobody to ask");
    assert!(nobody.to_string().contains("nobody else is known to hold it"), "{nobody}");
}

/// A large sealed report of nobody in particular, and what an honest holder says of it.
fn large() -> (Sealed, Vec<BlockResponse>) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store_in(&folder);
    let sealed = sealed_into(&store, &[7; 2_500_000], true);
    let said = blocks_of(&store, sealed.cid).into_iter().map(BlockResponse::Block).collect();
    (sealed, said)
}

fn wanted(world: &World, root: Cid) -> WantedDag {
    let reason = FetchReason::Report(TxId::of(b"", b""));
    let request = block_request(world, "HospitalB", "peer0", root, reason);
    WantedDag { root, request, size_max: u64::MAX }
}

/// A holder that sends half and stalls is given up at the deadline, and what it sent takes nothing from the next one's.
#[tokio::test]
async fn a_holder_that_stalls_is_left_at_the_deadline_for_the_next() {
    let world = World::new();
    let (sealed, honest) = large();
    let holders = BTreeMap::from([
        (msp_id("HospitalA"), Holder::Stalls(honest[..2].to_vec())),
        (msp_id("HospitalC"), Holder::Says(honest)),
    ]);
    let folder = tempfile::tempdir().expect("a folder");
    let store = store_in(&folder);
    let limits = FetchLimits { idle: Duration::from_secs(60), total: Duration::from_secs(3) };
    let fetcher = Fetcher::new(store.clone(), Arc::new(Holders(holders)), limits);
    let bundle = crate::ports::ChannelLedger::bundle(&*world.ledger);
    let ask = ["HospitalA", "HospitalC"].map(msp_id);
    fetcher.fetch(&bundle, &ask, &wanted(&world, sealed.cid)).await.expect("the second is honest");
    assert_eq!(store.verify(sealed.cid).expect("intact"), sealed.sealed_size);
    assert_eq!(fetcher.gates_open(), 0);
}

/// A call that was dropped leaves its writing thread behind; the next one used to start beside it.
#[test]
fn the_turn_of_a_dropped_fetch_lasts_until_its_thread_has_ended() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::new();
        let (sealed, honest) = large();
        let holders = BTreeMap::from([(msp_id("HospitalA"), Holder::Says(honest))]);
        let folder = tempfile::tempdir().expect("a folder");
        let store = store_in(&folder);
        let limits = FetchLimits { idle: Duration::from_secs(60), total: Duration::from_secs(3) };
        let fetcher = Fetcher::new(store.clone(), Arc::new(Holders(holders)), limits);
        let bundle = crate::ports::ChannelLedger::bundle(&*world.ledger);
        let (ask, wanted) = ([msp_id("HospitalA")], wanted(&world, sealed.cid));
        let fetch = || fetcher.fetch(&bundle, &ask, &wanted);
        // The only thread that may block is busy, so the writer of the first fetch waits for it.
        let (free, busy) = std::sync::mpsc::channel::<()>();
        let occupied = tokio::task::spawn_blocking(move || busy.recv());
        {
            let first = std::pin::pin!(fetch());
            assert!(futures_util::poll!(first).is_pending());
        }
        assert_eq!(fetcher.gates_open(), 1, "the caller is gone, the writer is not");
        let second = fetch().await.expect_err("the turn is taken");
        assert!(matches!(second, FetchError::UnderWay { .. }), "{second}");
        free.send(()).expect("listened to");
        occupied.await.expect("no panic").expect("told");
        fetch().await.expect("the writer has ended");
        assert_eq!(store.verify(sealed.cid).expect("intact"), sealed.sealed_size);
        assert_eq!(fetcher.gates_open(), 0, "every gate was forgotten");
    });
}

//! What an endorser says of intact and of damaged uploads.

use configtx::ConfigBundle;
use futures_util::future::BoxFuture;
use ipfs::{Sealed, seal};
use protocol::{BlockResponse, KeyRelease, SignedRequest};
use transport::{ResponseStream, Status};

use super::*;
use crate::exchange::FetchLimits;
use crate::peers::Peers;
use crate::signed_request::now_ms;
use crate::testing::{Hospital, SameProcess, World, msp_id, png};

fn sealed_into(store: &SealedStore, plain: &[u8]) -> Sealed {
    let mut staged = store.stage();
    let sealed = seal(plain, &mut staged).expect("sealed");
    staged.finish(sealed.cid, sealed.sealed_size, now_ms()).expect("staged");
    sealed
}

/// Any bytes as a DAG of one leaf, as if they were a sealed file.
fn bytes_into(store: &SealedStore, bytes: &[u8]) -> Cid {
    use offchain::{BlockSink as _, DagBuilder};
    let mut staged = store.stage();
    let mut blocks = Vec::new();
    let mut builder = DagBuilder::new(|cid, block| -> Result<(), std::convert::Infallible> {
        blocks.push((cid, block));
        Ok(())
    });
    builder.push(bytes).expect("built");
    let root = builder.finish().expect("built");
    for (cid, block) in blocks {
        (&mut staged).put(cid, block).expect("stored");
    }
    staged.finish(root.cid, root.size, now_ms()).expect("staged");
    root.cid
}

fn sealed_bytes(store: &SealedStore, root: Cid) -> Vec<u8> {
    let mut walk = offchain::DagWalk::new(root, u64::MAX);
    let mut bytes = Vec::new();
    while let offchain::Next::Want(cid) = walk.next() {
        let leaf = walk.supply(cid, store.block(cid).expect("held")).expect("intact");
        bytes.extend(leaf.unwrap_or_default());
    }
    bytes
}

#[tokio::test]
async fn damaged_uploads_are_told_apart() {
    let world = World::new();
    let [hospital, ..] = Hospital::all(&world);
    let store = &hospital.store;
    let image = png(64, 0);
    let sealed = sealed_into(store, &image);
    let intact = sealed_bytes(store, sealed.cid);
    let (mut flipped, mut header) = (intact.clone(), intact.clone());
    *flipped.last_mut().expect("bytes") ^= 1;
    header[3] ^= 1;
    let cut = bytes_into(store, &intact[..intact.len() - 100]);
    let (flipped, header) = (bytes_into(store, &flipped), bytes_into(store, &header));
    let letter = sealed_into(store, b"Dear Dr. Jones, about Mrs. Roe");
    let cut_image = sealed_into(store, &image[..image.len() / 2]);
    let empty = sealed_into(store, b"");
    let large = sealed_into(store, &vec![7; 40_000]);
    let huge = sealed_into(store, &vec![7; 2_000_000]);
    let other = DataKey::from_bytes([9; 32]);
    let key = |sealed: &Sealed| sealed.data_key.clone();
    let rows = [
        // name, CID, key, message
        ("another key", sealed.cid, other, "the data key does not open"),
        ("cut short", cut, key(&sealed), "is damaged"),
        ("a bit of the content flipped", flipped, key(&sealed), "is damaged"),
        ("a bit of the header flipped", header, key(&sealed), "is damaged"),
        ("a letter", letter.cid, key(&letter), "not an image that can be checked"),
        ("half an image", cut_image.cid, key(&cut_image), "cut short"),
        ("nothing", empty.cid, key(&empty), "empty"),
        ("a little too large", large.cid, key(&large), "more than 30000 bytes"),
        ("much too large", huge.cid, key(&huge), "more than 30000 bytes"),
        ("not in the store", Cid::of_raw(b"absent"), key(&sealed), "not in this peer's store"),
    ];
    let limits = DecodeLimits { encoded_bytes_max: 30_000, ..DecodeLimits::default() };
    let examiner = Examiner::new(store.clone(), Arc::clone(&hospital.fetcher), Arc::new(SameProcess), limits);
    for (name, cid, key, expected) in rows {
        let error = examiner.examine_held(cid, key, ()).await.expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(!error.contains("Jones"), "{name} shows content: {error}");
    }
    let found = examiner.examine_held(sealed.cid, sealed.data_key.clone(), ()).await.expect("intact");
    assert_eq!(found.binding, sealed.binding.to_string());
    assert_eq!((found.size, found.sealed_size), (sealed.size, sealed.sealed_size));
    assert_eq!(found.media_type, "image/png");
}

#[tokio::test]
async fn a_checker_fetches_from_the_uploader_and_finds_what_was_sealed() {
    let world = World::new();
    let [own, checker, _] = Hospital::all(&world);
    let sealed = sealed_into(&own.store, &png(200, 5));
    let user = world.identity("HospitalA", "user");
    let signed = world.proposal(user, sealed.data_key.as_bytes(), &sealed.cid.to_string());
    let parsed = endorsing::parse_proposal(&signed).expect("parsed");
    let examiner = Examiner::new(
        checker.store.clone(),
        Arc::clone(&checker.fetcher),
        Arc::new(SameProcess),
        DecodeLimits::default(),
    );
    let signer = world.identity("HospitalB", "peer0");
    let upload = UploadProposal { proposal: &parsed, creator_msp: user.msp_id(), signed: &signed };
    let examine = || examiner.examine(&*world.ledger, signer, &upload);
    let found = examine().await.expect("examined").expect("an upload");
    assert_eq!((found.cid, found.binding), (sealed.cid.to_string(), sealed.binding.to_string()));
    own.is_down("HospitalA", true);
    assert!(examine().await.expect("from the own store").is_some());
}

#[tokio::test]
async fn an_upload_that_cannot_be_had_names_the_uploader_and_its_answer() {
    let world = World::new();
    let [own, checker, _] = Hospital::all(&world);
    let absent = Cid::of_raw(b"absent").to_string();
    let user = world.identity("HospitalA", "user");
    let examiner = Examiner::new(
        checker.store.clone(),
        Arc::clone(&checker.fetcher),
        Arc::new(SameProcess),
        DecodeLimits::default(),
    );
    let signer = world.identity("HospitalB", "peer0");
    let rows = [
        // key, cid, uploader is down, message
        (vec![1; 32], absent.as_str(), false, "HospitalA: HospitalA does not hold"),
        (vec![1; 32], absent.as_str(), true, "HospitalA: connection refused"),
        (vec![1; 31], absent.as_str(), false, "transient field data_key must be 32 bytes"),
        (vec![1; 32], "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", false, "transient field content_cid"),
    ];
    for (key, cid, down, expected) in rows {
        own.is_down("HospitalA", down);
        let signed = world.proposal(user, &key, cid);
        let parsed = endorsing::parse_proposal(&signed).expect("parsed");
        let upload = UploadProposal { proposal: &parsed, creator_msp: &msp_id("HospitalA"), signed: &signed };
        let outcome = examiner.examine(&*world.ledger, signer, &upload).await;
        let error = outcome.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Nobody ever answers.
struct Silence;

impl Peers for Silence {
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
        Box::pin(std::future::pending())
    }
}

/// Two uploads whose bytes never come took every turn, so that this peer examined nothing.
#[tokio::test]
async fn uploads_whose_bytes_do_not_come_take_no_turn_from_those_that_are_here() {
    let world = World::new();
    let [hospital, ..] = Hospital::all(&world);
    let fetcher = Fetcher::new(hospital.store.clone(), Arc::new(Silence), FetchLimits::default());
    let examiner = Examiner::new(
        hospital.store.clone(),
        Arc::new(fetcher),
        Arc::new(SameProcess),
        DecodeLimits::default(),
    );
    let signer = world.identity("HospitalB", "peer0");
    let user = world.identity("HospitalA", "user");
    let proposals = [b"one", b"two", b"six"].map(|absent| {
        let signed = world.proposal(user, &[1; 32], &Cid::of_raw(absent).to_string());
        (endorsing::parse_proposal(&signed).expect("parsed"), signed)
    });
    let creator_msp = msp_id("HospitalA");
    let uploads = proposals.each_ref().map(|(proposal, signed)| UploadProposal {
        proposal,
        creator_msp: &creator_msp,
        signed,
    });
    let mut fetching: Vec<_> =
        uploads.iter().map(|upload| Box::pin(examiner.examine(&*world.ledger, signer, upload))).collect();
    for examination in &mut fetching {
        assert!(futures_util::poll!(examination).is_pending());
    }
    let places = |msp_id| {
        let shares = examiner.shares.lock().expect("no panic");
        shares.get(&msp_id).map(|share| share.fetches.available_permits())
    };
    assert_eq!((places(creator_msp.clone()), places(msp_id("HospitalC"))), (Some(0), None));
    let sealed = sealed_into(&hospital.store, &png(64, 0));
    let signed = world.proposal(user, sealed.data_key.as_bytes(), &sealed.cid.to_string());
    let parsed = endorsing::parse_proposal(&signed).expect("parsed");
    let upload = UploadProposal { proposal: &parsed, creator_msp: &creator_msp, signed: &signed };
    assert!(examiner.examine(&*world.ledger, signer, &upload).await.expect("examined").is_some());
    drop(fetching);
    assert_eq!(places(creator_msp.clone()), Some(FETCHES_MAX));
}

/// Looks at no image to its end.
struct Stuck;

impl ImageReader for Stuck {
    fn read<'a>(&'a self, _: &'a [u8], _: &'a DecodeLimits) -> BoxFuture<'a, Result<ReadImage, ImageError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn images_of_one_hospital_never_take_every_place() {
    let world = World::new();
    let [hospital, ..] = Hospital::all(&world);
    let sealed = sealed_into(&hospital.store, &png(64, 0));
    let (store, fetcher) = (hospital.store.clone(), Arc::clone(&hospital.fetcher));
    let examiner = Examiner::new(store, fetcher, Arc::new(Stuck), DecodeLimits::default());
    let signer = world.identity("HospitalB", "peer0");
    let user = world.identity("HospitalA", "user");
    let signed = world.proposal(user, sealed.data_key.as_bytes(), &sealed.cid.to_string());
    let parsed = endorsing::parse_proposal(&signed).expect("parsed");
    let (own, other) = (msp_id("HospitalA"), msp_id("HospitalC"));
    let of = |creator_msp| UploadProposal { proposal: &parsed, creator_msp, signed: &signed };
    let (first, second, third) = (of(&own), of(&own), of(&own));
    let mut stuck: Vec<_> = [&first, &second]
        .into_iter()
        .map(|upload| Box::pin(examiner.examine(&*world.ledger, signer, upload)))
        .collect();
    for examination in &mut stuck {
        assert!(futures_util::poll!(examination).is_pending());
    }
    let mut waits = Box::pin(examiner.examine(&*world.ledger, signer, &third));
    assert!(futures_util::poll!(&mut waits).is_pending());
    assert_eq!(examiner.turns.available_permits(), 1, "a place is left");
    let of_other = of(&other);
    let mut examination = Box::pin(examiner.examine(&*world.ledger, signer, &of_other));
    assert!(futures_util::poll!(&mut examination).is_pending());
    assert_eq!(examiner.turns.available_permits(), 0, "another hospital has it");
    drop((stuck, waits, examination));
}

/// A caller that gives up leaves the work running; its turn used to be free at once.
#[test]
fn the_turn_of_a_dropped_examination_lasts_until_its_work_has_ended() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::new();
        let [hospital, ..] = Hospital::all(&world);
        let sealed = sealed_into(&hospital.store, &png(64, 0));
        let examiner = Examiner::new(
            hospital.store.clone(),
            Arc::clone(&hospital.fetcher),
            Arc::new(SameProcess),
            DecodeLimits::default(),
        );
        let user = world.identity("HospitalA", "user");
        let signed = world.proposal(user, sealed.data_key.as_bytes(), &sealed.cid.to_string());
        let parsed = endorsing::parse_proposal(&signed).expect("parsed");
        let upload = UploadProposal { proposal: &parsed, creator_msp: user.msp_id(), signed: &signed };
        let (free, busy) = std::sync::mpsc::channel::<()>();
        let occupied = tokio::task::spawn_blocking(move || busy.recv());
        {
            let signer = world.identity("HospitalA", "peer0");
            let examination = std::pin::pin!(examiner.examine(&*world.ledger, signer, &upload));
            assert!(futures_util::poll!(examination).is_pending());
        }
        assert_eq!(examiner.turns.available_permits(), EXAMINATIONS_MAX - 1, "its work is still to come");
        free.send(()).expect("listened to");
        occupied.await.expect("no panic").expect("told");
        // The only thread that may block takes one thing after another: the opening, then the wiping that it leaves.
        for _ in 0..2 {
            tokio::task::spawn_blocking(|| ()).await.expect("no panic");
        }
        assert_eq!(examiner.turns.available_permits(), EXAMINATIONS_MAX);
    });
}

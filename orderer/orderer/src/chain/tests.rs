//! A chain over a real store: what is applied, what is dropped, when a block may leave.

use ordering::{Assembly, assemble};
use protocol::{BlockHash, Digest, codec};
use store::StoreOptions;
use tempfile::TempDir;

use super::*;
use crate::raft::LOG_FAMILIES;
use crate::world::{NOW_MS, World};

/// A chain of consenter 0 among three, its world, and the queue of its own signatures.
pub struct Place {
    pub chain: Arc<Chain>,
    pub world: World,
    pub own: mpsc::Receiver<SignatureShare>,
}

pub fn place(store: Store) -> Place {
    place_of(store, &[7050, 7051, 7052])
}

pub fn place_of(store: Store, ports: &[u16]) -> Place {
    settle(store, World::new(ports))
}

/// One consenter, whose channel asks for a proof of work.
pub fn sealed_place(store: Store, difficulty_bits: u8) -> Place {
    let mut world = World::new(&[7050]);
    world.config.orderer.difficulty_bits = difficulty_bits;
    settle(store, world)
}

pub fn settle(store: Store, world: World) -> Place {
    let (chain, own) = Chain::open(parts(&world, store)).expect("a chain");
    Place { chain, world, own }
}

fn parts(world: &World, store: Store) -> ChainParts {
    let orderer = &world.orgs[0].orderer;
    let signer = msp::SigningIdentity::from_pem(
        world.orgs[0].msp_id.clone(),
        orderer.cert_pem.as_bytes(),
        orderer.key_pem.as_bytes(),
    );
    let signer = signer.expect("an identity");
    ChainParts {
        store,
        genesis: configtx::genesis_block(&world.config, NOW_MS),
        bundle: Arc::new(world.bundle()),
        certificate: signer.certificate_der().to_vec().into(),
        signer: Arc::new(signer),
    }
}

pub fn reopen(world: &World, store: Store) -> Arc<Chain> {
    Chain::open(parts(world, store)).expect("a chain").0
}

pub fn open(folder: &TempDir) -> Store {
    let mut families = chain_families();
    families.extend(LOG_FAMILIES);
    Store::open(folder.path(), &families, StoreOptions::new("orderer", 1)).expect("a store")
}

pub fn next_block(chain: &Chain, envelopes: Vec<Bytes>) -> Block {
    let previous = chain.last_header();
    let clocks = [NOW_MS + 5];
    let facts = Assembly {
        previous: &previous,
        version: 1,
        last_config: BlockNumber(0),
        difficulty_bits: 0,
        clocks_ms: &clocks,
    };
    assemble(&facts, envelopes)
}

fn apply(chain: &Chain, block: &Block) -> Applied {
    chain.apply(&[Some(block.to_bytes().into())], |_| ()).expect("applied").remove(0)
}

/// The signature of another consenter over a block.
fn share(world: &World, consenter: u32, header: &BlockHeader) -> SignatureShare {
    let signature = world.orgs[consenter as usize].orderer.identity.sign(&codec::encode(header));
    let signature = BlockSignature { consenter, signature: signature.into() };
    SignatureShare { number: header.number, block_hash: header.hash(), signature }
}

fn key(world: &World, consenter: u32) -> Digest {
    world.orgs[consenter as usize].orderer.tls_spki
}

fn deliverable(chain: &Chain) -> u64 {
    chain.deliverable().borrow().0
}

#[test]
fn a_block_leaves_only_with_the_signatures_of_a_majority() {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, mut own } = place(open(&folder));
    let block = next_block(&chain, vec![world.envelope(0, 1), world.envelope(1, 2)]);
    assert_eq!(apply(&chain, &block), Applied::Block(BlockNumber(1)));
    assert_eq!(own.try_recv().expect("signed").signature.consenter, 0);
    assert_eq!(chain.delivered_block(BlockNumber(1)).expect("read"), None);
    assert_eq!(chain.first_unsigned(), Some(BlockNumber(1)));

    let stolen = SignatureShare {
        signature: BlockSignature { consenter: 1, ..share(&world, 2, &block.header).signature },
        ..share(&world, 2, &block.header)
    };
    let other = SignatureShare { block_hash: BlockHash::ZERO, ..share(&world, 1, &block.header) };
    let rows = [
        ("another's signature under its name", 1, stolen, 0),
        ("a share that another consenter brings", 1, share(&world, 2, &block.header), 0),
        ("for another block", 1, other, 0),
        ("its own", 1, share(&world, 1, &block.header), 1),
    ];
    for (name, from, share, counted) in rows {
        assert_eq!(deliverable(&chain), 0, "{name}");
        assert_eq!(chain.add_shares(key(&world, from), vec![share]).expect("stored"), counted, "{name}");
    }
    assert_eq!(deliverable(&chain), 1);
    let delivered = chain.delivered_block(BlockNumber(1)).expect("read").expect("signed");
    let delivered = Block::from_bytes(&delivered).expect("canonical");
    assert_eq!((&delivered.header, &delivered.envelopes), (&block.header, &block.envelopes));
    world
        .bundle()
        .verify_block_signatures(&codec::encode(&delivered.header), &delivered.signatures)
        .expect("peers accept it");
}

#[test]
fn signatures_may_come_before_their_block() {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, .. } = place(open(&folder));
    let block = next_block(&chain, vec![world.envelope(0, 1)]);
    assert_eq!(chain.add_shares(key(&world, 2), vec![share(&world, 2, &block.header)]).expect("kept"), 0);
    apply(&chain, &block);
    assert_eq!(deliverable(&chain), 1);
}

#[test]
fn blocks_leave_in_order() {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, .. } = place(open(&folder));
    let first = next_block(&chain, vec![world.envelope(0, 1)]);
    apply(&chain, &first);
    let second = next_block(&chain, vec![world.envelope(0, 2)]);
    apply(&chain, &second);
    chain.add_shares(key(&world, 1), vec![share(&world, 1, &second.header)]).expect("stored");
    assert_eq!(deliverable(&chain), 0, "the first is not signed yet");
    chain.add_shares(key(&world, 1), vec![share(&world, 1, &first.header)]).expect("stored");
    assert_eq!(deliverable(&chain), 2);
}

#[test]
fn what_does_not_continue_the_chain_is_dropped_and_leaves_no_trace() {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, .. } = place(open(&folder));
    let good = next_block(&chain, vec![world.envelope(0, 1)]);
    let with = |change: fn(&mut Block)| {
        let mut block = good.clone();
        change(&mut block);
        block.to_bytes()
    };
    let rows = [
        ("no block", b"nonsense".to_vec(), "not a valid Block"),
        ("a gap", with(|block| block.header.number = BlockNumber(2)), "block 1 is due"),
        ("another past", with(|block| block.header.previous_hash = BlockHash::ZERO), "hash before it"),
        ("other envelopes", with(|block| block.header.data_hash = Digest::ZERO), "data hash"),
        (
            "signatures already",
            with(|block| {
                block.signatures = vec![BlockSignature { consenter: 0, signature: Bytes::new() }];
            }),
            "carries no signatures",
        ),
    ];
    for (name, bytes, verdict) in rows {
        let result = chain.apply(&[Some(bytes.into())], |_| ()).expect("applied").remove(0);
        assert!(
            matches!(&result, Applied::Dropped(reason) if reason.contains(verdict)),
            "{name}: {result:?}"
        );
    }
    assert_eq!(chain.last_header().number, BlockNumber(0));
    assert_eq!(apply(&chain, &good), Applied::Block(BlockNumber(1)));
}

#[test]
fn several_blocks_are_applied_in_one_batch_and_found_by_transaction() {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, .. } = place_of(open(&folder), &[7050]);
    let first = next_block(&chain, vec![world.envelope(0, 1)]);
    let facts = Assembly {
        previous: &first.header,
        version: 1,
        last_config: BlockNumber(0),
        difficulty_bits: 0,
        clocks_ms: &[NOW_MS + 6],
    };
    let second = assemble(&facts, vec![world.envelope(0, 2)]);
    let entries = [Some(first.to_bytes().into()), None, Some(second.to_bytes().into())];
    let results = chain.apply(&entries, |_| ()).expect("applied");
    let verdict = [Applied::Block(BlockNumber(1)), Applied::Nothing, Applied::Block(BlockNumber(2))];
    assert_eq!(results, verdict);
    assert_eq!(deliverable(&chain), 2, "one consenter is a majority of one");
    let tx_id = inspect(&world.envelope(0, 2), &world.config).expect("an envelope").tx_id;
    assert_eq!(chain.block_of(&tx_id).expect("read"), Some(BlockNumber(2)));
}

#[test]
fn a_restart_finds_blocks_signatures_and_height() {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, .. } = place(open(&folder));
    let mut headers = Vec::new();
    for number in 0..3 {
        let block = next_block(&chain, vec![world.envelope(0, number)]);
        apply(&chain, &block);
        headers.push(block.header);
    }
    chain
        .add_shares(key(&world, 2), headers[..2].iter().map(|header| share(&world, 2, header)).collect())
        .expect("stored");
    assert_eq!(deliverable(&chain), 2);
    drop(chain);
    let chain = reopen(&world, open(&folder));
    assert_eq!(chain.last_header(), headers[2]);
    assert_eq!(deliverable(&chain), 2);
    assert_eq!(chain.first_unsigned(), Some(BlockNumber(3)));
    let own = chain.own_shares(BlockNumber(2), 10).expect("read");
    assert_eq!(own.iter().map(|share| share.number.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(own[1].block_hash, headers[2].hash());
    assert_eq!(chain.own_shares(BlockNumber(0), 1).expect("read").len(), 1, "at most the limit");
    chain.add_shares(key(&world, 1), vec![share(&world, 1, &headers[2])]).expect("stored");
    assert_eq!(deliverable(&chain), 3);
}

#[test]
fn another_genesis_block_is_refused_with_both_hashes() {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, .. } = place(open(&folder));
    drop(chain);
    let genesis = configtx::genesis_block(&world.config, NOW_MS + 1);
    let other = ChainParts { genesis: genesis.clone(), ..parts(&world, open(&folder)) };
    let error = Chain::open(other).err().expect("refused").to_string();
    assert!(error.contains(&genesis.header.hash().to_string()), "{error}");
    assert!(error.contains("own folder") || error.contains("its own"), "{error}");
}

/// The configuration block to which an update by organisation 0 and 1 leads.
fn config_block(chain: &Chain, world: &World, change: impl FnOnce(&mut protocol::ChannelConfig)) -> Block {
    let bundle = chain.bundle();
    let update = world.config_update(bundle.config(), &[0, 1], change);
    let previous = chain.last_header();
    let clocks = [NOW_MS + 5];
    let at_ms = ordering::block_timestamp(previous.timestamp_ms, &clocks);
    let next = configtx::next_config(&bundle, &update, at_ms).expect("agreed");
    let facts = Assembly {
        previous: &previous,
        version: 1,
        last_config: previous.number.next(),
        difficulty_bits: 0,
        clocks_ms: &clocks,
    };
    assemble(&facts, vec![next.envelope().clone()])
}

#[test]
fn a_configuration_block_is_in_force_from_the_next_entry_on_and_after_a_restart() {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, .. } = place(open(&folder));
    let block = config_block(&chain, &world, |config| config.orderer.difficulty_bits = 2);
    let plain = next_block(&chain, vec![world.envelope(0, 1)]);
    let facts = Assembly {
        previous: &block.header,
        version: 1,
        last_config: BlockNumber(1),
        difficulty_bits: 2,
        clocks_ms: &[NOW_MS + 9],
    };
    let mut behind = assemble(&facts, vec![world.envelope(0, 2)]);
    behind.header.proof.nonce = ordering::Seal::new(&behind.header).find(0..1 << 10).expect("few bits");
    // All in one batch: the second is judged by the configuration before, the third by the one within the batch.
    let entries = [&block, &plain, &behind].map(|block| Some(Bytes::from(block.to_bytes())));
    let results = chain.apply(&entries, |_| ()).expect("applied");
    assert_eq!(results[0], Applied::Block(BlockNumber(1)));
    assert!(matches!(&results[1], Applied::Dropped(_)), "{results:?}");
    assert_eq!(results[2], Applied::Block(BlockNumber(2)));
    assert_eq!((chain.last_config(), chain.bundle().config().sequence), (BlockNumber(1), 1));
    let tx_id =
        configtx::judge_config_envelope(&world.bundle(), &block.envelopes[0], block.header.timestamp_ms)
            .expect("follows")
            .tx_id()
            .clone();
    assert_eq!(chain.block_of(&tx_id).expect("read"), Some(BlockNumber(1)), "a repetition finds it");
    drop(chain);
    let chain = reopen(&world, open(&folder));
    assert_eq!((chain.last_config(), chain.bundle().config().orderer.difficulty_bits), (BlockNumber(1), 2));
}

#[test]
fn a_configuration_that_does_not_follow_is_dropped_like_any_other_block() {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, .. } = place(open(&folder));
    let mut block = config_block(&chain, &world, |config| config.orderer.difficulty_bits = 2);
    block.envelopes = vec![configtx::config_envelope(&world.config)];
    block.header.data_hash = protocol::data_hash(&block.envelopes);
    let result = apply(&chain, &block);
    assert!(matches!(&result, Applied::Dropped(reason) if reason.contains("is refused")), "{result:?}");
    assert_eq!((chain.last_config(), chain.bundle().config().sequence), (BlockNumber(0), 0));
}

#[test]
fn a_block_that_nobody_vouches_for_is_signed_when_the_channel_has_begun_with_it() {
    let (folder, other) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let Place { chain, world, mut own } = place(open(&folder));
    let source = reopen(&world, open(&other));
    let block = next_block(&source, vec![world.envelope(0, 1)]);
    let bytes = Bytes::from(block.to_bytes());
    let refused =
        chain.take(std::slice::from_ref(&bytes), Trusting::Majority, u64::MAX).expect_err("unsigned");
    assert!(matches!(refused, TakeRefusal::Unsigned { signed: 0, needed: 2, .. }), "{refused}");
    let refused = chain
        .take(std::slice::from_ref(&bytes), Trusting::Any, block.header.timestamp_ms - 1)
        .expect_err("ahead");
    assert!(refused.to_string().contains("too far ahead of this consenter's clock"), "{refused}");

    assert_eq!(chain.take(&[bytes], Trusting::Any, block.header.timestamp_ms).expect("taken"), 1);
    assert!(own.try_recv().is_err() && chain.own_shares(BlockNumber(1), 1).expect("read").is_empty());
    chain.add_shares(key(&world, 1), vec![share(&world, 1, &block.header)]).expect("stored");
    assert_eq!((deliverable(&chain), chain.unsigned()), (0, 1), "this consenter has not signed");

    for _ in 0..2 {
        chain.sign_missing().expect("signs");
        assert_eq!((deliverable(&chain), chain.unsigned()), (1, 0));
    }
    assert_eq!(own.try_recv().expect("signed").signature.consenter, 0);
    assert!(own.try_recv().is_err(), "once");
}

#[test]
fn own_signatures_are_looked_for_in_so_many_blocks_as_are_asked() {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, .. } = place(open(&folder));
    for number in 1..=5 {
        apply(&chain, &next_block(&chain, vec![world.envelope(0, number)]));
    }
    for (from, limit, numbers) in [(0, 2, 1..=2), (4, 9, 4..=5), (1, 5, 1..=5)] {
        let shares = chain.own_shares(BlockNumber(from), limit).expect("read");
        assert_eq!(shares.iter().map(|it| it.number.0).collect::<Vec<_>>(), numbers.collect::<Vec<_>>());
    }
    assert_eq!(chain.own_shares(BlockNumber(u64::MAX), 5).expect("read"), []);
}

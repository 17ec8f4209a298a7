//! Chains of blocks: what is refused when a block comes in, and what is found when one is read.

use std::path::Path;

use bytes::Bytes;
use protocol::{Block, BlockHash, BlockHeader, BlockNumber, ChannelId, Proof, TxId, TxNumber, data_hash};
use store::{
    BLOCK_FAMILIES, Batch, BlockFault, BlockStore, Durability, IndexedTransaction, Read as _, StagedBlock,
    Store, StoreOptions, Tip,
};

fn open_chain(path: &Path) -> BlockStore<Store> {
    BlockStore::new(Store::open(path, &BLOCK_FAMILIES, StoreOptions::new("blocks", 1)).expect("opens"))
}

fn block(number: u64, previous_hash: BlockHash, envelope: &[u8]) -> Block {
    let envelopes = vec![Bytes::copy_from_slice(envelope)];
    let header = BlockHeader {
        version: BlockHeader::VERSION,
        channel: ChannelId::new("reports").expect("valid"),
        number: BlockNumber(number),
        previous_hash,
        data_hash: data_hash(&envelopes),
        timestamp_ms: 1_000 + number,
        last_config: BlockNumber(0),
        proof: Proof::default(),
        envelope_count: None,
    };
    Block { header, envelopes, signatures: vec![] }
}

fn tx_id(number: u64) -> TxId {
    TxId::of(&number.to_be_bytes(), b"creator")
}

fn append(chain: &BlockStore<Store>, block: &Block) -> Result<Tip, BlockFault> {
    let transactions =
        [IndexedTransaction { tx_id: tx_id(block.header.number.0), tx_number: TxNumber(0), mark: 11 }];
    let staged = StagedBlock { block, bytes: &block.to_bytes().into(), transactions: &transactions };
    chain.append(staged, Durability::Synced)
}

/// A chain of `count` blocks in `path`.
fn chain_of(path: &Path, count: u64) -> (BlockStore<Store>, Vec<Block>) {
    let chain = open_chain(path);
    let mut blocks: Vec<Block> = Vec::new();
    for number in 0..count {
        let previous = blocks.last().map_or(BlockHash::ZERO, |block| block.header.hash());
        let next = block(number, previous, format!("envelope {number}").as_bytes());
        append(&chain, &next).expect("appends");
        blocks.push(next);
    }
    (chain, blocks)
}

#[test]
fn blocks_are_found_by_number_hash_and_transaction_after_a_restart() {
    let folder = tempfile::tempdir().expect("tempdir");
    assert_eq!(open_chain(folder.path()).height().expect("reads"), 0);
    drop(chain_of(folder.path(), 5));
    let chain = open_chain(folder.path());
    assert_eq!(chain.height().expect("reads"), 5);
    for number in 0..5 {
        let block = chain.block_checked(BlockNumber(number)).expect("checks").expect("is there");
        assert_eq!(block.header.number, BlockNumber(number));
        let bytes = chain.block(BlockNumber(number)).expect("reads");
        assert_eq!(bytes.as_deref(), Some(&block.to_bytes()[..]));
        assert_eq!(chain.block_hash(BlockNumber(number)).expect("reads"), Some(block.header.hash()));
        let place = chain.transaction(&tx_id(number)).expect("reads");
        assert_eq!(place, Some((BlockNumber(number), TxNumber(0), 11)));
    }
    assert!(chain.block(BlockNumber(5)).expect("reads").is_none());
    assert!(chain.block_checked(BlockNumber(5)).expect("reads").is_none());
    assert!(chain.block_hash(BlockNumber(5)).expect("reads").is_none());
    assert!(chain.transaction(&tx_id(5)).expect("reads").is_none());
}

#[test]
fn only_the_next_block_of_the_same_chain_is_appended() {
    let folder = tempfile::tempdir().expect("tempdir");
    let (chain, blocks) = chain_of(folder.path(), 2);
    let tip = blocks[1].header.hash();
    let rows: &[(&str, Block, &str)] = &[
        ("the same again", blocks[1].clone(), "the next block"),
        ("a gap", block(3, tip, b"x"), "has number 2"),
        ("genesis again", block(0, BlockHash::ZERO, b"x"), "has number 2"),
        ("another chain", block(2, blocks[0].header.hash(), b"x"), "belongs to another chain"),
    ];
    for (name, block, words) in rows {
        let error = append(&chain, block).expect_err(name);
        assert!(error.to_string().contains(words), "{name}: {error}");
        assert_eq!(chain.tip().expect("reads").map(|tip| tip.hash), Some(tip), "{name}");
    }
    append(&chain, &block(2, tip, b"x")).expect("the next one");
    let empty = tempfile::tempdir().expect("tempdir");
    let chain = open_chain(empty.path());
    assert!(matches!(append(&chain, &block(1, BlockHash::ZERO, b"x")), Err(BlockFault::NotNext { .. })));
    assert!(matches!(append(&chain, &block(0, tip, b"x")), Err(BlockFault::OtherChain { .. })));
}

#[test]
fn several_blocks_go_into_one_batch() {
    let folder = tempfile::tempdir().expect("tempdir");
    let chain = open_chain(folder.path());
    let (mut batch, mut tip) = (Batch::new(), None);
    for number in 0..3 {
        let previous = tip.map_or(BlockHash::ZERO, |tip: Tip| tip.hash);
        let block = block(number, previous, b"x");
        let staged = StagedBlock { block: &block, bytes: &block.to_bytes().into(), transactions: &[] };
        tip = Some(chain.stage(&mut batch, tip, staged).expect("stages"));
    }
    assert_eq!(chain.height().expect("reads"), 0, "staged is not written");
    chain.view().write(&batch, Durability::Synced).expect("writes");
    assert_eq!((chain.height().expect("reads"), chain.tip().expect("reads")), (3, tip));
}

#[test]
fn a_run_of_blocks_is_bounded_in_count_and_bytes_but_never_empty() {
    let folder = tempfile::tempdir().expect("tempdir");
    let (chain, blocks) = chain_of(folder.path(), 5);
    let length = blocks[0].to_bytes().len();
    let rows: &[(u64, usize, usize, usize)] = &[
        // from, count, bytes, blocks returned
        (0, 9, usize::MAX, 5),
        (0, 2, usize::MAX, 2),
        (0, 9, 2 * length + 1, 2),
        (0, 9, 0, 1),
        (3, 9, usize::MAX, 2),
        (5, 9, usize::MAX, 0),
        (0, 0, usize::MAX, 0),
    ];
    for (from, count, bytes, returned) in rows {
        let run = chain.blocks(BlockNumber(*from), *count, *bytes).expect("reads");
        assert_eq!(run.len(), *returned, "from {from}, {count} blocks, {bytes} bytes");
        for (block, number) in run.iter().zip(*from..) {
            assert_eq!(Block::from_bytes(block).expect("reads").header.number, BlockNumber(number));
        }
    }
}

#[test]
fn a_snapshot_of_a_chain_keeps_its_height() {
    let folder = tempfile::tempdir().expect("tempdir");
    let (chain, blocks) = chain_of(folder.path(), 2);
    let before = BlockStore::new(chain.view().snapshot());
    append(&chain, &block(2, blocks[1].header.hash(), b"x")).expect("appends");
    assert_eq!((before.height().expect("reads"), chain.height().expect("reads")), (2, 3));
    assert!(before.block_checked(BlockNumber(1)).expect("checks").is_some());
    assert!(before.transaction(&tx_id(2)).expect("reads").is_none());
}

#[test]
fn a_block_that_was_changed_on_disk_is_named_with_what_differs() {
    let folder = tempfile::tempdir().expect("tempdir");
    let (chain, blocks) = chain_of(folder.path(), 3);
    let key = 1_u64.to_be_bytes().to_vec();
    let changed = |change: &dyn Fn(&mut Block)| {
        let mut block = blocks[1].clone();
        change(&mut block);
        block.to_bytes()
    };
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("no block", b"junk".to_vec(), "cannot be read"),
        ("cut short", blocks[1].to_bytes()[..40].to_vec(), "cannot be read"),
        ("another block", blocks[2].to_bytes(), "says that it is block 2"),
        ("the time", changed(&|block| block.header.timestamp_ms += 1), "but the index says"),
        (
            "an envelope",
            changed(&|block| block.envelopes[0] = Bytes::from_static(b"forged")),
            "have data hash",
        ),
        ("no envelope", changed(&|block| block.envelopes.clear()), "have data hash"),
    ];
    for (name, bytes, words) in rows {
        let mut batch = Batch::new();
        batch.put("blocks", key.clone(), bytes);
        chain.view().write(&batch, Durability::Synced).expect("writes");
        let error = chain.block_checked(BlockNumber(1)).expect_err(name);
        assert!(error.to_string().contains(words), "{name}: {error}");
        assert!(error.to_string().contains(&folder.path().display().to_string()), "{name}: {error}");
    }
    let mut batch = Batch::new();
    batch.delete("blocks", key);
    chain.view().write(&batch, Durability::Synced).expect("writes");
    assert!(matches!(chain.block_checked(BlockNumber(1)), Err(BlockFault::Missing { .. })));
    let mut batch = Batch::new();
    batch.put("block_index", [&[1][..], &1_u64.to_be_bytes()].concat(), vec![9; 32]);
    chain.view().write(&batch, Durability::Synced).expect("writes");
    assert!(matches!(chain.block_checked(BlockNumber(2)), Err(BlockFault::PreviousHashDiffers { .. })));
    let mut batch = Batch::new();
    batch.put("block_index", vec![0], vec![9; 39]);
    chain.view().write(&batch, Durability::Synced).expect("writes");
    assert!(chain.tip().expect_err("a short record").is_corruption());
    assert!(chain.view().exists("block_index", &[0]).expect("reads"));
}

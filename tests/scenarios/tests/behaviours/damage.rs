//! One byte of what a peer keeps is changed behind its back. Verification says which part is damaged.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use client::{Deadlines, Draft};
use ipfs::SEALED_FAMILIES;
use offchain::Cid;
use protocol::{BlockNumber, ChaincodeName, TxId};
use scenarios::{Doctor, Image, Stage, upload, verify};
use store::{
    BLOCK_FAMILIES, Batch, Durability, FamilyKind, FamilySpec, KeyRange, Order, Read as _, Store,
    StoreOptions,
};
use testnet::{Hospital, Network, NetworkOptions};

const BLOCKS: &str = BLOCK_FAMILIES[0].name;
const SEALED_BLOCKS: &str = SEALED_FAMILIES[0].name;

#[test]
fn a_changed_byte_is_found_and_named() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    let files = tempfile::tempdir()?;
    let image = files.path().join("report.png");
    // Over 1 MiB, so that the sealed file has a root and two leaves.
    Image::rings(1200, 1000, 7).write(&image)?;
    let doctor = network.doctor(Hospital::A);
    let (id, _) = upload(&doctor, &image, "patient-1")?;
    let number = block_of_report(&network, &id)?;
    let valid = verify(&doctor, &id)?.expect_code(0)?;
    ensure!(valid.stdout.contains("Valid Transaction") && !valid.stdout.contains("Invalid"), "{valid:?}");

    let leaf = Flip::sealed_leaf(&network)?;
    let cid = Cid::from_bytes(&leaf.key)?;
    damaged_report(&mut network, &leaf, &id, &cid.to_string())?;

    let rows = [
        // Where in the block's bytes, and what lies there.
        (Place::FromStart(40), "the header"),
        (Place::Middle, "the envelope"),
    ];
    for (place, what) in rows {
        let flip = Flip::block(&network, number, place)?;
        println!("one byte of {what} of block {number} is changed");
        damaged_report(&mut network, &flip, &id, &format!("block {number}"))?;
    }
    // The last block is looked at when the ledger is opened: the peer does not start.
    let last = number.next();
    let flip = Flip::block(&network, last, Place::Middle)?;
    println!("one byte of the last block, {last}, is changed");
    refused_start(&mut network, &flip, &format!("block {last}"))?;

    let shown = verify(&doctor, &id)?.expect_code(0)?;
    ensure!(shown.stdout.contains("Valid Transaction"), "restored, and still {shown:?}");
    println!("restored, the report is a Valid Transaction again");
    Ok(())
}

/// Changes a byte while A's peer is down: verification names it. Restores it.
fn damaged_report(network: &mut Network, flip: &Flip, id: &str, name: &str) -> Result<()> {
    network.peer_process(Hospital::A)?.stop()?;
    flip.write(&flip.damaged)?;
    network.start_peer(Hospital::A)?;
    let invalid = verify(&network.doctor(Hospital::A), id)?.expect_code(1)?;
    println!("{}", invalid.stdout);
    ensure!(invalid.stdout.starts_with("Invalid Transaction"), "{invalid:?}");
    ensure!(
        invalid.stdout.contains(name) && invalid.stderr.contains(name),
        "{name} is not named: {invalid:?}"
    );
    network.peer_process(Hospital::A)?.stop()?;
    flip.write(&flip.whole)?;
    network.start_peer(Hospital::A)
}

/// Changes a byte while A's peer is down: it does not start, and its log names the damage. Restores it.
fn refused_start(network: &mut Network, flip: &Flip, name: &str) -> Result<()> {
    network.peer_process(Hospital::A)?.stop()?;
    flip.write(&flip.damaged)?;
    let refusal = network.start_peer(Hospital::A).err().context("the peer starts with a damaged ledger")?;
    let refusal = format!("{refusal:#}");
    println!("the peer does not start: {refusal}");
    ensure!(refusal.contains(name), "{name} is not named: {refusal}");
    flip.write(&flip.whole)?;
    network.start_peer(Hospital::A)
}

/// The report's block. A further one is made, so that the report's is not the last, which is checked at the start.
fn block_of_report(network: &Network, id: &str) -> Result<BlockNumber> {
    let doctor = Doctor::connect(&network.doctor(Hospital::A), Deadlines::default())?;
    let tx_id = TxId::new(id)?;
    let (_, number) = doctor.run(|peer, channel| peer.commit_status(channel, &tx_id))?;
    let draft = Draft::new(
        ChaincodeName::new("asset-transfer")?,
        "CreateAsset",
        &["later", "blue", "5", "Tomoko", "3"],
    );
    doctor.run(|peer, channel| peer.submit(channel, &draft))?;
    Ok(number)
}

#[derive(Clone, Copy)]
enum Place {
    FromStart(usize),
    Middle,
}

/// A store of A's peer, with what it takes to open it.
#[derive(Clone)]
struct Shelf {
    path: PathBuf,
    purpose: &'static str,
    families: Vec<FamilySpec>,
}

impl Shelf {
    fn sealed(network: &Network) -> Self {
        let path = network.peer_data(Hospital::A).join("sealed");
        Self { path, purpose: "sealed reports", families: SEALED_FAMILIES.to_vec() }
    }

    fn ledger(network: &Network) -> Self {
        let path = network.peer_data(Hospital::A).join("ledgers").join(&network.options().channel);
        let small = |name| FamilySpec { name, kind: FamilyKind::Small };
        let state = FamilySpec { name: "state", kind: FamilyKind::State };
        let mut families = BLOCK_FAMILIES.to_vec();
        families.extend([state, small("history"), small("commits"), small("configs")]);
        Self { path, purpose: "ledger", families }
    }

    fn open(&self) -> Result<Store> {
        Ok(Store::open(&self.path, &self.families, StoreOptions::new(self.purpose, 1))?)
    }

    /// The entry with a wanted key, from a copy of the store, since the peer holds the store itself.
    fn entry(&self, family: &'static str, wanted: impl Fn(&[u8]) -> bool) -> Result<(Bytes, Bytes)> {
        let copy = tempfile::tempdir()?;
        let path = copy.path().join("copy");
        let copied = Command::new("cp").arg("-r").arg(&self.path).arg(&path).status()?;
        ensure!(copied.success(), "{} cannot be copied", self.path.display());
        let store = Self { path, ..self.clone() }.open()?;
        let entries = store.scan(family, &KeyRange::all(), Order::Ascending, 10_000)?;
        entries
            .into_iter()
            .find(|(key, _)| wanted(key))
            .with_context(|| format!("{family} holds no such key"))
    }
}

/// A value in a store of A's peer, whole and with one byte changed.
struct Flip {
    shelf: Shelf,
    family: &'static str,
    key: Bytes,
    whole: Bytes,
    damaged: Bytes,
}

impl Flip {
    /// A byte of a leaf of a sealed report: its CID's codec is raw.
    fn sealed_leaf(network: &Network) -> Result<Self> {
        let is_leaf = |key: &[u8]| key.get(1) == Some(&0x55);
        let shelf = Shelf::sealed(network);
        let entry = shelf.entry(SEALED_BLOCKS, is_leaf)?;
        Ok(Self::of(shelf, SEALED_BLOCKS, entry, Place::Middle))
    }

    fn block(network: &Network, number: BlockNumber, place: Place) -> Result<Self> {
        let shelf = Shelf::ledger(network);
        let entry = shelf.entry(BLOCKS, |key| *key == number.0.to_be_bytes())?;
        Ok(Self::of(shelf, BLOCKS, entry, place))
    }

    fn of(shelf: Shelf, family: &'static str, (key, whole): (Bytes, Bytes), place: Place) -> Self {
        let mut damaged = whole.to_vec();
        let at = match place {
            Place::FromStart(at) => at,
            Place::Middle => damaged.len() / 2,
        };
        damaged[at] ^= 0x20;
        Self { shelf, family, key, whole, damaged: damaged.into() }
    }

    fn write(&self, value: &Bytes) -> Result<()> {
        let mut batch = Batch::new();
        batch.put(self.family, self.key.clone(), value.clone());
        Ok(self.shelf.open()?.write(&batch, Durability::Synced)?)
    }
}

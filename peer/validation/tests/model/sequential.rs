//! The model: a map, a set of ids, a set of the revoked, and the rules in the order in which they are asked.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use protocol::{
    BlockHash, BlockNumber, CommitHash, Digest, KvRead, KvWrite, NamespaceSet, RangeQuery, TxId, TxNumber,
    TxValidationCode as Code, Version, codec, merkle,
};

use crate::fixture::Network;
use crate::generator::{Form, Person, Step, Touch};

/// Value and version by namespace and key.
pub type Map = BTreeMap<(String, String), (Bytes, Version)>;
/// A write as a history lists it: transaction, namespace, key, value.
pub type Write = (u32, String, String, Option<Bytes>);

/// The chaincodes, whose names are their namespaces: `basic` needs peers of two hospitals, `either` one of A or B.
pub const NAMESPACES: [&str; 2] = ["basic", "either"];

/// What the model says of a block.
pub struct Outcome {
    pub codes: Vec<Code>,
    pub commit_hash: CommitHash,
    pub history: Vec<Write>,
}

pub struct Model {
    is_open: bool,
    commit: CommitHash,
    /// States after each block; the last is the one being written.
    states: Vec<Map>,
    ids: BTreeSet<(Person, String)>,
    revoked: BTreeSet<Person>,
    codes: Vec<Code>,
    leaves: Vec<Digest>,
    history: Vec<Write>,
}

fn key(number: u8) -> String {
    format!("k{number}")
}

/// The bounds of a scan: `k7` stands for no end, and `k6` for a key beyond all.
fn bounds((start, end): (u8, u8)) -> (String, String) {
    (key(start), if end == 7 { String::new() } else { key(end) })
}

fn scan(map: &Map, namespace: &str, scanned: (u8, u8)) -> Vec<(String, Version)> {
    let (start, end) = bounds(scanned);
    let inside =
        |(ns, key): &&(String, String)| ns == namespace && *key >= start && (end.is_empty() || *key < end);
    map.keys().filter(inside).map(|full| (full.1.clone(), map[full].1)).collect()
}

fn version_of(map: &Map, namespace: &str, number: u8) -> Option<Version> {
    map.get(&(namespace.to_owned(), key(number))).map(|(_, version)| *version)
}

impl Model {
    pub fn new(is_open: bool, commit: CommitHash) -> Self {
        let (states, ids, revoked) = (vec![Map::new(), Map::new()], BTreeSet::new(), BTreeSet::new());
        Self { is_open, commit, states, ids, revoked, codes: vec![], leaves: vec![], history: vec![] }
    }

    pub fn state(&self) -> &Map {
        self.states.last().expect("never empty")
    }

    pub fn set_revoked(&mut self, person: Person, is_revoked: bool) {
        let _ = if is_revoked { self.revoked.insert(person) } else { self.revoked.remove(&person) };
    }

    /// The state that a step was simulated against: that after some earlier block.
    fn then(&self, step: &Step) -> &Map {
        let last_committed = self.states.len() - 2;
        &self.states[last_committed.saturating_sub(step.staleness)]
    }

    /// The read-write set of a step, against the state that it saw.
    pub fn simulate(&self, step: &Step) -> Vec<NamespaceSet> {
        let then = self.then(step);
        let sets = NAMESPACES.iter().zip(&step.touches).map(|(name, touch)| NamespaceSet {
            name: (*name).to_owned(),
            reads: touch
                .reads
                .iter()
                .map(|number| KvRead { key: key(*number), version: version_of(then, name, *number) })
                .collect(),
            ranges: touch.scan.iter().map(|scanned| range(then, name, *scanned)).collect(),
            writes: touch
                .writes
                .iter()
                .map(|(number, value)| KvWrite { key: key(*number), value: bytes(*value) })
                .collect(),
            ..NamespaceSet::default()
        });
        sets.collect()
    }

    /// Runs a step at the end of the block so far.
    pub fn run(&mut self, step: &Step, nonce: &str, envelope: &Bytes, network: &Network) {
        let place = u32::try_from(self.codes.len()).expect("few");
        let code = self.judge(step, nonce);
        let tx_id = match step.form {
            Form::Junk => String::new(),
            _ => TxId::of(nonce.as_bytes(), &step.creator.of(network).serialized()).as_str().to_owned(),
        };
        let leaf = codec::encode(&(TxNumber(place), Digest::of(envelope), tx_id.as_str(), code));
        self.leaves.push(merkle::leaf_hash(&leaf));
        self.codes.push(code);
        if code != Code::Valid {
            return;
        }
        // The states are those after blocks 0, 1, …, and the last belongs to the block that is being run.
        let block_number = BlockNumber(self.states.len() as u64 - 1);
        let at = Version { block_number, tx_number: TxNumber(place) };
        let state = self.states.last_mut().expect("never empty");
        for (name, touch) in NAMESPACES.iter().zip(&step.touches) {
            for (number, value) in &touch.writes {
                let full = ((*name).to_owned(), key(*number));
                self.history.push((place, full.0.clone(), full.1.clone(), bytes(*value)));
                match bytes(*value) {
                    Some(value) => drop(state.insert(full, (value, at))),
                    None => drop(state.remove(&full)),
                }
            }
        }
    }

    fn judge(&mut self, step: &Step, nonce: &str) -> Code {
        match step.form {
            Form::Junk => return Code::BadPayload,
            Form::Forged => return Code::BadCreatorSignature,
            Form::Sound | Form::BadRwset => {}
        }
        // An id is used up by whoever signed for it, whatever becomes of the transaction.
        let is_new = self.ids.insert((step.creator, nonce.to_owned()));
        if step.form == Form::BadRwset {
            return Code::BadRwset;
        }
        if !is_new {
            return Code::DuplicateTxid;
        }
        if !self.may_act(step.creator) {
            return Code::InvalidOtherReason;
        }
        let Some(own) = NAMESPACES.iter().position(|name| *name == step.chaincode) else {
            return Code::InvalidChaincode;
        };
        if !step.is_current_version {
            return Code::ExpiredChaincode;
        }
        if !step.touches[1 - own].writes.is_empty() {
            return Code::IllegalWriteset;
        }
        if !self.is_endorsed(step) {
            return Code::EndorsementPolicyFailure;
        }
        let (then, now) = (self.then(step), self.state());
        let conflicts =
            NAMESPACES.iter().zip(&step.touches).find_map(|(name, touch)| conflict(name, touch, then, now));
        conflicts.unwrap_or(Code::Valid)
    }

    fn may_act(&self, person: Person) -> bool {
        !self.revoked.contains(&person) && (self.is_open || person.name != "stranger")
    }

    fn is_endorsed(&self, step: &Step) -> bool {
        let peers = step.endorsers.iter().filter(|person| person.name == "peer0" && self.may_act(**person));
        let hospitals: BTreeSet<usize> = peers.map(|person| person.hospital).collect();
        match step.chaincode {
            "basic" => hospitals.len() >= 2,
            _ => hospitals.contains(&0) || hospitals.contains(&1),
        }
    }

    /// Ends the block, and begins the next.
    pub fn end_block(&mut self, block_hash: &BlockHash) -> Outcome {
        let codes = std::mem::take(&mut self.codes);
        let history = std::mem::take(&mut self.history);
        let number = BlockNumber(self.states.len() as u64 - 1);
        let mut last: BTreeMap<(&str, &str), (Version, Option<Digest>)> = BTreeMap::new();
        for (place, namespace, key, value) in &history {
            let at = Version { block_number: number, tx_number: TxNumber(*place) };
            last.insert((namespace, key), (at, value.as_ref().map(|value| Digest::of(value))));
        }
        let metadata: Option<Digest> = None;
        let leaf = |((namespace, key), (at, value)): (&(&str, &str), &(Version, Option<Digest>))| {
            merkle::leaf_hash(&codec::encode(&(*namespace, "", *key, at, value, metadata)))
        };
        let writes = merkle::root(&last.iter().map(leaf).collect::<Vec<_>>());
        let verdicts = merkle::root(&std::mem::take(&mut self.leaves));
        let parts = [self.commit.as_bytes(), block_hash.as_bytes(), verdicts.as_bytes(), writes.as_bytes()];
        self.commit = CommitHash::of(&parts.map(|part| &part[..]).concat());
        self.states.push(self.state().clone());
        Outcome { codes, commit_hash: self.commit, history }
    }
}

fn conflict(namespace: &str, touch: &Touch, then: &Map, now: &Map) -> Option<Code> {
    let moved = |number: &u8| version_of(then, namespace, *number) != version_of(now, namespace, *number);
    if touch.reads.iter().any(moved) {
        return Some(Code::MvccReadConflict);
    }
    let differs =
        touch.scan.is_some_and(|scanned| scan(then, namespace, scanned) != scan(now, namespace, scanned));
    differs.then_some(Code::PhantomReadConflict)
}

fn range(map: &Map, namespace: &str, scanned: (u8, u8)) -> RangeQuery {
    let (start, end) = bounds(scanned);
    let digest = RangeQuery::digest_of(&scan(map, namespace, scanned));
    RangeQuery { start, end, exhausted: true, digest }
}

fn bytes(value: Option<u8>) -> Option<Bytes> {
    value.map(|byte| Bytes::copy_from_slice(&[byte]))
}

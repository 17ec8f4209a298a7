//! The rules one by one, and a random consensus that applies, drops and loses its leader.

use std::collections::BTreeSet;

use proptest::prelude::*;
use protocol::{BlockHash, BlockNumber, ChannelId, Digest, Proof};

use super::*;

fn header(number: u64, previous_hash: BlockHash, salt: u64) -> BlockHeader {
    BlockHeader {
        version: BlockHeader::VERSION,
        channel: ChannelId::new("reports").expect("valid"),
        number: BlockNumber(number),
        previous_hash,
        data_hash: Digest::ZERO,
        timestamp_ms: salt,
        last_config: BlockNumber(0),
        proof: Proof::default(),
        envelope_count: None,
    }
}

fn group(items: &[u64]) -> Group<u64> {
    Group { items: items.to_vec(), is_alone: false }
}

fn alone(item: u64) -> Group<u64> {
    Group { items: vec![item], is_alone: true }
}

/// What happens to the pipeline.
#[derive(Clone, Debug)]
enum Event {
    Push(Group<u64>),
    /// Begins whatever may begin, and leaves it in the seal.
    Seal,
    /// The seal is found.
    Propose,
    Applied,
    Dropped,
    Resume,
}
use Event::{Applied, Dropped, Propose, Push, Resume, Seal};

/// The events, then what is in consensus, whether something is sealed, and all that is given up.
fn run(events: Vec<Event>) -> (usize, bool, Vec<u64>) {
    let mut pipeline = Pipeline::default();
    for event in events {
        match event {
            Push(group) => pipeline.push(group),
            Seal => {
                if let Some(group) = pipeline.begin() {
                    pipeline.seal(group);
                }
            }
            Propose => pipeline.propose(header(1, BlockHash::ZERO, 0)),
            Applied => drop(pipeline.leave()),
            Dropped => {
                let group = pipeline.leave();
                pipeline.drain(group);
            }
            Resume => {
                for group in pipeline.resume().into_iter().flatten() {
                    pipeline.push(group);
                }
            }
        }
    }
    let facts = (pipeline.in_consensus(), pipeline.sealing.is_some());
    let all = pipeline.abandon().into_iter().flat_map(|group| group.items).collect();
    (facts.0, facts.1, all)
}

#[test]
fn each_rule_of_the_pipeline() {
    type Row = (&'static str, Vec<Event>, (usize, bool, Vec<u64>));
    let rows: Vec<Row> = vec![
        ("nothing", vec![Seal, Propose, Applied, Resume], (0, false, vec![])),
        (
            "several are in consensus",
            vec![Push(group(&[1])), Push(group(&[2])), Seal, Propose, Seal, Propose],
            (2, false, vec![1, 2]),
        ),
        (
            "one is sealed at a time",
            vec![Push(group(&[1])), Push(group(&[2])), Seal, Seal],
            (0, true, vec![1, 2]),
        ),
        (
            "an update waits until all before it are applied",
            vec![Push(group(&[1])), Push(alone(2)), Seal, Propose, Seal, Propose],
            (1, false, vec![1, 2]),
        ),
        (
            "then it goes",
            vec![Push(group(&[1])), Push(alone(2)), Seal, Propose, Applied, Seal, Propose],
            (1, false, vec![2]),
        ),
        (
            "what comes behind an update waits for it",
            vec![Push(alone(1)), Push(group(&[2])), Seal, Propose, Seal, Propose],
            (1, false, vec![1, 2]),
        ),
        (
            "an update behind an update waits too",
            vec![Push(alone(1)), Push(alone(2)), Seal, Propose, Seal, Propose],
            (1, false, vec![1, 2]),
        ),
        (
            "while a dropped block's followers are in consensus nothing begins",
            vec![
                Push(group(&[1])),
                Push(group(&[2])),
                Push(group(&[3])),
                Seal,
                Propose,
                Seal,
                Propose,
                Dropped,
                Resume,
                Seal,
                Propose,
            ],
            (1, false, vec![1, 2, 3]),
        ),
        (
            "when they have left all come again in order, the sealed one too",
            vec![
                Push(group(&[1])),
                Push(group(&[2])),
                Push(group(&[3])),
                Push(group(&[4])),
                Seal,
                Propose,
                Seal,
                Propose,
                Seal,
                Dropped,
                Dropped,
                Resume,
            ],
            (0, false, vec![1, 2, 3, 4]),
        ),
    ];
    for (name, events, verdict) in rows {
        assert_eq!(run(events), verdict, "{name}");
    }
}

#[test]
fn it_is_busy_until_all_that_was_cut_is_in_consensus() {
    let mut pipeline = Pipeline::default();
    assert!(!pipeline.is_busy());
    pipeline.push(group(&[1]));
    assert!(pipeline.is_busy(), "cut");
    let begun = pipeline.begin().expect("it may");
    pipeline.seal(begun);
    assert!(pipeline.is_busy(), "being sealed");
    pipeline.propose(header(1, BlockHash::ZERO, 0));
    assert!(!pipeline.is_busy(), "in consensus");
}

/// The leader's loop, the log and the chain, in a few lines: blocks carry the hash before them, and the log's owner keeps
/// those that continue the chain.
#[derive(Default)]
struct Model {
    pipeline: Pipeline<u64>,
    log: VecDeque<(BlockHeader, Vec<u64>)>,
    chain: Vec<(BlockHeader, Vec<u64>)>,
    /// As the cutter: what comes again goes before what waits.
    requeued: VecDeque<Group<u64>>,
    salt: u64,
}

impl Model {
    fn tip(&self) -> (u64, BlockHash) {
        self.chain.last().map_or((0, BlockHash::ZERO), |(header, _)| (header.number.0, header.hash()))
    }

    fn assemble(&mut self) {
        while let Some(group) = self.requeued.pop_front() {
            self.pipeline.push(group);
        }
        while let Some(group) = self.pipeline.begin() {
            if group.is_alone {
                assert_eq!(self.pipeline.in_consensus(), 0, "an update shares consensus with none");
            }
            let (number, hash) =
                self.pipeline.tip().map_or_else(|| self.tip(), |tip| (tip.number.0, tip.hash()));
            self.salt += 1;
            let header = header(number + 1, hash, self.salt);
            self.log.push_back((header.clone(), group.items.clone()));
            self.pipeline.seal(group);
            self.pipeline.propose(header);
        }
    }

    /// The log hands back its oldest block, which `spoils` at will.
    fn hand_back(&mut self, spoils: bool) -> Option<Vec<u64>> {
        let (header, items) = self.log.pop_front()?;
        let (number, hash) = self.tip();
        let continues = header.number.0 == number + 1 && header.previous_hash == hash;
        let group = self.pipeline.leave().expect("it was proposed");
        assert_eq!(group.items, items, "consensus answers in order");
        if continues && !spoils {
            assert!(!self.pipeline.is_draining(), "nothing continues behind a dropped block");
            self.chain.push((header, items.clone()));
            return Some(items);
        }
        self.pipeline.drain(Some(group));
        if let Some(groups) = self.pipeline.resume() {
            groups.into_iter().rev().for_each(|group| self.requeued.push_front(group));
        }
        None
    }
}

proptest! {
    #[test]
    fn what_is_applied_is_what_was_cut_in_order_whatever_is_dropped(
        history in proptest::collection::vec((0_u8..8, any::<bool>()), 0..300),
    ) {
        let mut model = Model::default();
        let (mut cut, mut next) = (Vec::new(), 0_u64);
        for (kind, flag) in history {
            match kind {
                0..3 => {
                    let items: Vec<u64> = (next..next + 1 + u64::from(flag)).collect();
                    next += items.len() as u64;
                    cut.extend(items.iter().copied());
                    model.requeued.push_back(Group { items, is_alone: false });
                }
                3 => {
                    cut.push(next);
                    model.requeued.push_back(alone(next));
                    next += 1;
                }
                4 => drop(model.hand_back(flag)),
                _ => drop(model.hand_back(false)),
            }
            if !model.pipeline.is_draining() {
                model.assemble();
            }
        }
        while !model.log.is_empty() {
            model.hand_back(false);
            if !model.pipeline.is_draining() {
                model.assemble();
            }
        }
        let applied: Vec<u64> = model.chain.iter().flat_map(|(_, items)| items.clone()).collect();
        prop_assert_eq!(&applied, &cut, "each once, in order");
    }

    #[test]
    fn giving_up_returns_everything_once(
        history in proptest::collection::vec(0_u8..5, 0..100),
    ) {
        let mut pipeline = Pipeline::default();
        let (mut held, mut next) = (BTreeSet::new(), 0_u64);
        for kind in history {
            match kind {
                0 => {
                    pipeline.push(group(&[next]));
                    held.insert(next);
                    next += 1;
                }
                1 => if let Some(group) = pipeline.begin() {
                    pipeline.seal(group);
                },
                2 => pipeline.propose(header(1, BlockHash::ZERO, 0)),
                3 => for item in pipeline.leave().into_iter().flat_map(|group| group.items) {
                    held.remove(&item);
                },
                _ => {
                    let group = pipeline.leave();
                    pipeline.drain(group);
                    for group in pipeline.resume().into_iter().flatten() {
                        pipeline.push(group);
                    }
                }
            }
        }
        let all: Vec<u64> = pipeline.abandon().into_iter().flat_map(|group| group.items).collect();
        prop_assert_eq!(all.len(), held.len(), "none twice");
        prop_assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), held);
        prop_assert_eq!(pipeline.in_consensus(), 0);
    }
}

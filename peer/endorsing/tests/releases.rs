//! The key-release rule, one row a clause.
#![allow(clippy::expect_used, reason = "tests")]

use proptest::prelude::*;

use endorsing::release::{
    OPENING_AGE_BLOCKS_MAX, OpeningFacts, ReleaseFacts, ReleaseRefusal, ReportAct, judge,
};
use protocol::{BlockNumber, Digest, MspId, TxId, TxNumber, TxValidationCode, Version};

fn msp(name: &str) -> MspId {
    MspId::new(name).expect("valid")
}

fn tx(byte: u8) -> TxId {
    TxId::of(&[byte], b"creator")
}

fn at(block: u64, tx: u32) -> Version {
    Version { block_number: BlockNumber(block), tx_number: TxNumber(tx) }
}

fn act(version: Version, creator: &str, creator_was_active: bool) -> ReportAct {
    ReportAct { version, creator_msp: msp(creator), creator_was_active }
}

/// The reader opened in block 50 by a grant of block 10; the custodian is at block 60.
fn facts() -> ReleaseFacts {
    ReleaseFacts {
        report_id: tx(1),
        owner: msp("Owner"),
        height: BlockNumber(60),
        asking: msp("Reader"),
        recipient_key: Digest([7; 32]),
        configured_key: Some(Digest([7; 32])),
        released_to: None,
        opening: OpeningFacts {
            code: TxValidationCode::Valid,
            version: at(50, 3),
            creator_msp: msp("Reader"),
            report_id: Some(tx(1)),
        },
        grant: Some(act(at(10, 0), "Owner", true)),
        grant_ends: None,
        withdrawals: vec![],
        erasures: vec![],
    }
}

fn as_owner(facts: &mut ReleaseFacts) {
    facts.asking = msp("Owner");
    facts.opening.creator_msp = msp("Owner");
    facts.grant = None;
}

fn verdict(facts: &ReleaseFacts) -> &'static str {
    match judge(facts) {
        Ok(()) => "released",
        Err(ReleaseRefusal::OpeningNotValid { .. }) => "not valid",
        Err(ReleaseRefusal::OpensAnotherReport { .. }) => "another report",
        Err(ReleaseRefusal::OpeningTooOld { .. }) => "too old",
        Err(ReleaseRefusal::NotReached { .. }) => "not reached",
        Err(ReleaseRefusal::OpenedByAnother { .. }) => "opened by another",
        Err(ReleaseRefusal::ForeignRecipientKey { .. }) => "foreign key",
        Err(ReleaseRefusal::ReleasedToAnotherKey) => "released before",
        Err(ReleaseRefusal::Erased { .. }) => "erased",
        Err(ReleaseRefusal::NoGrant { .. }) => "no grant",
        Err(ReleaseRefusal::GrantNotByOwner { .. }) => "grant not by owner",
        Err(ReleaseRefusal::GrantNotLive { .. }) => "grant not live",
        Err(ReleaseRefusal::Withdrawn { .. }) => "withdrawn",
    }
}

type Change = fn(&mut ReleaseFacts);

#[test]
fn each_clause_alone_forbids_a_release() {
    let rows: Vec<(&str, Change, &str)> = vec![
        ("a reader with a grant", |_| (), "released"),
        ("the owner", as_owner, "released"),
        ("an opening that conflicted", |f| f.opening.code = TxValidationCode::MvccReadConflict, "not valid"),
        ("an opening of another report", |f| f.opening.report_id = Some(tx(2)), "another report"),
        ("a transaction that opens nothing", |f| f.opening.report_id = None, "another report"),
        ("100 blocks old", |f| f.height = BlockNumber(150), "released"),
        ("101 blocks old", |f| f.height = BlockNumber(151), "too old"),
        ("a block ahead of the custodian", |f| f.height = BlockNumber(49), "not reached"),
        ("opened by another organisation", |f| f.opening.creator_msp = msp("Other"), "opened by another"),
        (
            "opened by the owner, asked by the reader",
            |f| f.opening.creator_msp = msp("Owner"),
            "opened by another",
        ),
        ("another recipient key", |f| f.recipient_key = Digest([8; 32]), "foreign key"),
        ("an organisation without a key", |f| f.configured_key = None, "foreign key"),
        ("released to the same key before", |f| f.released_to = Some(Digest([7; 32])), "released"),
        ("released to another key before", |f| f.released_to = Some(Digest([9; 32])), "released before"),
        ("no grant", |f| f.grant = None, "no grant"),
        ("a grant by the reader", |f| f.grant = Some(act(at(10, 0), "Reader", true)), "grant not by owner"),
        (
            "a grant by a revoked user",
            |f| f.grant = Some(act(at(10, 0), "Owner", false)),
            "grant not by owner",
        ),
        ("a grant before it in its block", |f| f.grant = Some(act(at(50, 2), "Owner", true)), "released"),
        ("a grant at its own place", |f| f.grant = Some(act(at(50, 3), "Owner", true)), "grant not live"),
        ("a grant after it", |f| f.grant = Some(act(at(51, 0), "Owner", true)), "grant not live"),
        ("a grant that ended", |f| f.grant_ends = Some(BlockNumber(50)), "grant not live"),
        ("a grant in its last block", |f| f.grant_ends = Some(BlockNumber(51)), "released"),
        ("withdrawn before", |f| f.withdrawals = vec![act(at(20, 0), "Owner", true)], "withdrawn"),
        ("withdrawn after", |f| f.withdrawals = vec![act(at(55, 0), "Owner", true)], "withdrawn"),
        ("withdrawn, then granted", |f| f.withdrawals = vec![act(at(9, 0), "Owner", true)], "released"),
        ("withdrawn by a stranger", |f| f.withdrawals = vec![act(at(20, 0), "Other", true)], "released"),
        ("withdrawn by a revoked user", |f| f.withdrawals = vec![act(at(20, 0), "Owner", false)], "released"),
        (
            "withdrawn by the owner and then by a stranger",
            |f| f.withdrawals = vec![act(at(20, 0), "Owner", true), act(at(30, 0), "Other", true)],
            "withdrawn",
        ),
        ("erased", |f| f.erasures = vec![act(at(40, 0), "Owner", true)], "erased"),
        (
            "erased, asked by the owner",
            |f| (as_owner(f), f.erasures = vec![act(at(58, 0), "Owner", true)]).1,
            "erased",
        ),
        ("erased by a stranger", |f| f.erasures = vec![act(at(40, 0), "Other", true)], "released"),
    ];
    for (name, change, expected) in rows {
        let mut facts = facts();
        change(&mut facts);
        assert_eq!(verdict(&facts), expected, "{name}");
    }
}

#[test]
fn a_refusal_says_what_to_do() {
    let mut facts = facts();
    facts.height = BlockNumber(1_000);
    let text = judge(&facts).expect_err("too old").to_string();
    assert_eq!(
        text,
        "the opening was recorded in block 50, more than 100 blocks before 1000; record a new one"
    );
}

fn organisation() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("Owner"), 3 => Just("Reader"), 1 => Just("Other")]
}

fn some_act() -> impl Strategy<Value = ReportAct> {
    (8..13_u64, 0..3_u32, organisation(), proptest::bool::weighted(0.8))
        .prop_map(|(block, place, creator, active)| act(at(block, place), creator, active))
}

prop_compose! {
    fn some_facts()(
        (asking, opener) in (organisation(), organisation()),
        (code, report) in (prop_oneof![4 => Just(0_u8), 1 => Just(11_u8)], prop_oneof![4 => Just(1_u8), 1 => Just(2_u8)]),
        (block, place) in (9..13_u64, 0..3_u32),
        height in prop_oneof![4 => Just(100_u64), 1 => Just(111), 1 => Just(10)],
        (recipient, configured) in (prop_oneof![6 => Just(7_u8), 1 => Just(8_u8)], proptest::option::weighted(0.9, Just(7_u8))),
        released_to in proptest::option::weighted(0.2, 7..9_u8),
        grant in proptest::option::weighted(0.8, some_act()),
        grant_ends in proptest::option::weighted(0.3, 9..14_u64),
        withdrawals in proptest::collection::vec(some_act(), 0..2),
        erasures in proptest::collection::vec(some_act(), 0..1),
    ) -> ReleaseFacts {
        ReleaseFacts {
            report_id: tx(1),
            owner: msp("Owner"),
            height: BlockNumber(height),
            asking: msp(asking),
            recipient_key: Digest([recipient; 32]),
            configured_key: configured.map(|byte| Digest([byte; 32])),
            released_to: released_to.map(|byte| Digest([byte; 32])),
            opening: OpeningFacts {
                code: TxValidationCode::from_number(code).expect("a code"),
                version: at(block, place),
                creator_msp: msp(opener),
                report_id: Some(tx(report)),
            },
            grant,
            grant_ends: grant_ends.map(BlockNumber),
            withdrawals,
            erasures,
        }
    }
}

/// The rule as one sentence of DESIGN, written down a second time.
fn is_released(facts: &ReleaseFacts) -> bool {
    let by_owner = |act: &&ReportAct| act.creator_was_active && act.creator_msp == facts.owner;
    let opening = &facts.opening;
    let (opened, height) = (opening.version.block_number.0, facts.height.0);
    let is_recorded = opening.code == TxValidationCode::Valid
        && opening.report_id == Some(facts.report_id.clone())
        && opening.creator_msp == facts.asking
        && (opened..=opened + OPENING_AGE_BLOCKS_MAX).contains(&height);
    let is_to_the_asker = facts.configured_key == Some(facts.recipient_key)
        && facts.released_to.is_none_or(|key| key == facts.recipient_key);
    let is_erased = facts.erasures.iter().any(|act| by_owner(&act));
    let is_granted = facts.grant.iter().filter(by_owner).any(|grant| {
        grant.version < opening.version
            && facts.grant_ends.is_none_or(|end| opened < end.0)
            && !facts.withdrawals.iter().filter(by_owner).any(|act| act.version > grant.version)
    });
    is_recorded && is_to_the_asker && !is_erased && (facts.asking == facts.owner || is_granted)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_clauses_together_are_the_rule(facts in some_facts()) {
        prop_assert_eq!(judge(&facts).is_ok(), is_released(&facts), "{:?}", judge(&facts));
    }
}

//! Reading the world state, history, envelopes and copies.

use bytes::Bytes;
use protocol::{
    BlockNumber, CommitHash, Contradiction, IdentityRecord, IdentityStatus, MspId, Outvoted, Poi, Role,
    TxNumber, codec,
};
use shim::StateReader as _;

use super::{Ledger, block_commit, check_against_rule, create, ledger_of, ruled_blocks, version, write};
use crate::block_commit::StateWrite;
use crate::history::HistoryEntry;
use crate::snapshot::StateSnapshot;

fn commit(ledger: &Ledger, writes: Vec<StateWrite>) {
    let info = ledger.info();
    let previous = (info.block_hash, info.commit_hash);
    ledger.commit_block(&block_commit(info.height, previous, vec![], writes)).expect("commits");
}

fn in_namespace(namespace: &str, key: &str) -> StateWrite {
    StateWrite { namespace: namespace.into(), ..write(key, Some(key), version(1, 0)) }
}

fn keys(snapshot: &StateSnapshot, namespace: &str, start: &str, end: &str, limit: usize) -> String {
    let found = snapshot.values(namespace, start, end, limit).expect("reads");
    for (key, value, _) in &found {
        assert_eq!(
            snapshot.value(namespace, key).expect("reads").map(|(value, _)| value),
            Some(value.clone())
        );
    }
    found.into_iter().map(|(key, _, _)| key).collect::<Vec<_>>().join(" ")
}

#[test]
fn that_a_ledger_was_outvoted_is_kept_beside_its_blocks_and_in_its_copies() {
    let folder = tempfile::tempdir().expect("tempdir");
    let (path, copy) = (folder.path().join("ledger"), folder.path().join("copy"));
    let ledger = ledger_of(&path, 7);
    assert_eq!(ledger.outvoted().expect("reads"), None);
    let (attested, own) = (CommitHash([1; 32]), CommitHash([2; 32]));
    let msp_id = MspId::new("AMSP").expect("valid");
    let outvoted = Outvoted::new(1, vec![Contradiction { msp_id, number: BlockNumber(6), attested, own }]);
    ledger.keep_outvoted(&outvoted).expect("keeps");
    ledger.checkpoint(&copy).expect("copies");
    drop(ledger);
    for path in [path, copy] {
        let ledger = Ledger::open(&path).expect("opens");
        assert_eq!(ledger.outvoted().expect("reads").as_ref(), Some(&outvoted), "{}", path.display());
        check_against_rule(&ledger);
    }
}

#[test]
fn a_range_stays_in_its_namespace_and_its_bounds() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = create(folder.path());
    let writes = ["m a", "m ab", "m b", "m é", "mm a", "l z", "n a"];
    let writes = writes.iter().filter_map(|text| text.split_once(' '));
    commit(&ledger, writes.map(|(namespace, key)| in_namespace(namespace, key)).collect());
    let snapshot = ledger.snapshot();
    let rows: &[(&str, &str, &str, usize, &str)] = &[
        // namespace, start, end, limit, keys
        ("m", "", "", 9, "a ab b é"),
        ("m", "a", "b", 9, "a ab"),
        ("m", "ab", "", 9, "ab b é"),
        ("m", "a", "a", 9, ""),
        ("m", "b", "a", 9, ""),
        ("m", "a", "ab\0", 9, "a ab"),
        ("m", "", "", 2, "a ab"),
        ("m", "", "", 0, ""),
        ("mm", "", "", 9, "a"),
        ("k", "", "", 9, ""),
        ("m\0a", "", "", 9, ""),
    ];
    for (namespace, start, end, limit, expected) in rows {
        let found = keys(&snapshot, namespace, start, end, *limit);
        assert_eq!(found, *expected, "{namespace:?} {start:?}..{end:?} limit {limit}");
    }
    assert_eq!(snapshot.value("m\0a", "b").expect("reads"), None);
    assert_eq!(snapshot.value("m", "").expect("reads"), None);
    assert_eq!(snapshot.version("m", "a").expect("reads"), Some(version(1, 0)));
    assert_eq!(snapshot.version("m", "none").expect("reads"), None);
}

#[test]
fn a_snapshot_shows_one_height_to_every_thread() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = create(folder.path());
    commit(&ledger, vec![write("a", Some("1"), version(1, 0)), write("b", Some("1"), version(1, 0))]);
    let before = ledger.snapshot();
    commit(&ledger, vec![write("a", None, version(2, 0)), write("b", Some("2"), version(2, 0))]);
    let reader = std::thread::spawn(move || {
        assert_eq!(before.height().expect("reads"), 2);
        assert_eq!(keys(&before, "cc", "a", "c", 9), "a b");
        assert_eq!(before.version("cc", "b").expect("reads"), Some(version(1, 0)));
    });
    reader.join().expect("the reader's claims hold");
    assert_eq!(keys(&ledger.snapshot(), "cc", "a", "c", 9), "b");
}

#[test]
fn a_reader_never_sees_half_a_block() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = create(folder.path());
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 1;
            while seen < 30 {
                let snapshot = ledger.snapshot();
                seen = snapshot.height().expect("reads");
                let versions = ["x", "y"].map(|key| snapshot.version("cc", key).expect("reads"));
                assert_eq!(versions[0], versions[1]);
                assert_eq!(versions[0].map_or(1, |version| version.block_number.next().0), seen);
            }
        });
        for number in 1..30 {
            let both = ["x", "y"].map(|key| write(key, Some("v"), version(number, 0)));
            commit(&ledger, both.to_vec());
        }
        reader.join().expect("the reader's claims hold");
    });
}

#[test]
fn a_history_lists_changes_of_that_key_only_newest_first() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = create(folder.path());
    commit(&ledger, vec![write("k", Some("1"), version(1, 4)), write("kk", Some("1"), version(1, 4))]);
    commit(&ledger, vec![write("k", None, version(2, 0))]);
    commit(&ledger, vec![write("k", Some("3"), version(3, 1)), write("k\0", Some("3"), version(3, 1))]);
    let entry = |number, place, is_delete| HistoryEntry { version: version(number, place), is_delete };
    let all = [entry(3, 1, false), entry(2, 0, true), entry(1, 4, false)];
    for limit in 0..5 {
        let found = ledger.history("cc", "k", limit).expect("reads");
        assert_eq!(found, all[..limit.min(3)], "limit {limit}");
    }
    assert_eq!(ledger.history("cc", "kk", 9).expect("reads"), [entry(1, 4, false)]);
    assert_eq!(ledger.history("cc", "k\0", 9).expect("reads"), [entry(3, 1, false)]);
    assert!(ledger.history("c", "k", 9).expect("reads").is_empty());
    assert!(ledger.history("cc", "", 9).expect("reads").is_empty());
}

#[test]
fn an_identity_is_read_from_its_namespace() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = create(folder.path());
    let (msp_id, poi) = (MspId::new("HospitalAMSP").expect("valid"), Poi::from_digest([7; 32]));
    let record = IdentityRecord {
        version: IdentityRecord::VERSION,
        msp_id: msp_id.clone(),
        poi,
        roles: vec![Role::Client],
        certificate: Bytes::from_static(b"certificate"),
        tls_spki: vec![],
        status: IdentityStatus::Active,
        changed_at: vec![BlockNumber(1)],
    };
    let put = |bytes: Vec<u8>, number| StateWrite {
        namespace: IdentityRecord::NAMESPACE.into(),
        key: IdentityRecord::key(&msp_id, &poi),
        value: Some(bytes.into()),
        version: version(number, 0),
    };
    assert_eq!(ledger.snapshot().identity(&msp_id, &poi).expect("reads"), None);
    commit(&ledger, vec![put(codec::encode(&record), 1)]);
    assert_eq!(ledger.snapshot().identity(&msp_id, &poi).expect("reads"), Some(record.clone()));
    let newer = IdentityRecord { version: 2, ..record };
    for (bytes, number) in [(b"junk".to_vec(), 2), (codec::encode(&newer), 3)] {
        commit(&ledger, vec![put(bytes, number)]);
        let fault = ledger.snapshot().identity(&msp_id, &poi).expect_err("no record");
        assert!(fault.is_corruption(), "{fault:?}");
    }
}

#[test]
fn envelopes_and_runs_of_blocks_are_those_that_were_committed() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = ledger_of(folder.path(), 4);
    let rule: Vec<_> = ruled_blocks().take(4).collect();
    for commit in &rule {
        let number = commit.block.header.number;
        for (envelope, place) in commit.block.envelopes.iter().zip(0..) {
            assert_eq!(ledger.envelope(number, TxNumber(place)).expect("reads").as_ref(), Some(envelope));
        }
        assert_eq!(ledger.envelope(number, TxNumber(3)).expect("reads"), None);
        assert_eq!(ledger.block_hash(number).expect("reads"), Some(commit.block.header.hash()));
    }
    assert_eq!(ledger.envelope(BlockNumber(4), TxNumber(0)).expect("reads"), None);
    let run = ledger.blocks(BlockNumber(1), 2, usize::MAX).expect("reads");
    assert_eq!(run, [rule[1].bytes.clone(), rule[2].bytes.clone()]);
}

#[test]
fn a_copy_is_a_ledger_of_its_height() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = ledger_of(&folder.path().join("ledger"), 6);
    let copy = folder.path().join("copy");
    ledger.checkpoint(&copy).expect("copies");
    ledger.commit_block(&ruled_blocks().nth(6).expect("a block")).expect("commits");
    let copied = Ledger::open(&copy).expect("opens");
    assert_eq!((ledger.info().height, copied.info().height), (7, 6));
    check_against_rule(&copied);
}

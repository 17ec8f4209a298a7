//! What custody promises across a restart, and what it refuses.

use std::path::Path;

use store::StoreOptions;

use super::*;

fn open(path: &Path, kem: u8) -> Custody {
    let store = Store::open(path, &CUSTODY_FAMILIES, StoreOptions::new("custody", 1)).expect("a store");
    Custody::open(store, KemPrivateKey::from_bytes([kem; 32])).expect("custody")
}

fn channel(name: &str) -> ChannelId {
    ChannelId::new(name).expect("a name")
}

fn tx(number: u8) -> TxId {
    TxId::of(&[number], b"creator")
}

fn msp(name: &str) -> MspId {
    MspId::new(name).expect("a name")
}

const CID: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

#[test]
fn everything_is_there_again_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = DataKey::from_bytes([7; 32]);
    let reference = {
        let custody = open(folder.path(), 1);
        custody.take(&channel("reports"), &tx(1), CID, &key).expect("taken");
        custody.log_release(&channel("reports"), &tx(2), Digest([5; 32])).expect("logged");
        custody.owe(&channel("reports"), &tx(1), &[msp("B"), msp("C")]).expect("owed");
        let owed = custody.owed(10).expect("readable");
        custody.confirm(&owed[0]).expect("confirmed");
        custody.patient_ref(&channel("reports"), "Jane Roe").expect("a pseudonym")
    };
    let custody = open(folder.path(), 1);
    let (cid, held) = custody.key(&channel("reports"), &tx(1)).expect("readable").expect("held");
    assert!(cid == CID && held == key);
    assert_eq!(custody.released_to(&channel("reports"), &tx(2)).expect("readable"), Some(Digest([5; 32])));
    assert_eq!(custody.confirmed(&channel("reports"), &tx(1)).expect("readable"), [msp("B")]);
    let owed = custody.owed(10).expect("readable");
    assert_eq!(owed.iter().map(|owed| owed.to.clone()).collect::<Vec<_>>(), [msp("C")]);
    assert_eq!(custody.patient_ref(&channel("reports"), "Jane Roe").expect("a pseudonym"), reference);
}

#[test]
fn a_key_is_taken_once_and_never_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let custody = open(folder.path(), 1);
    let key = DataKey::from_bytes([7; 32]);
    let rows = [
        // key, cid, taken
        (key.clone(), CID, true),
        (key.clone(), CID, true),
        (DataKey::from_bytes([8; 32]), CID, false),
        (key, "another", false),
    ];
    for (row, (key, cid, taken)) in rows.into_iter().enumerate() {
        let outcome = custody.take(&channel("reports"), &tx(1), cid, &key);
        assert_eq!(outcome.is_ok(), taken, "row {row}");
    }
    assert!(custody.holds(&channel("reports"), &tx(1)).expect("readable"));
    assert!(!custody.holds(&channel("other"), &tx(1)).expect("readable"));
}

#[test]
fn an_opening_is_released_to_one_recipient_key_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let custody = open(folder.path(), 1);
    let (first, second) = (Digest([1; 32]), Digest([2; 32]));
    custody.log_release(&channel("reports"), &tx(1), first).expect("logged");
    custody.log_release(&channel("reports"), &tx(1), first).expect("the same again");
    let refused = custody.log_release(&channel("reports"), &tx(1), second);
    assert!(matches!(refused, Err(CustodyError::ReleasedToAnother { .. })), "{refused:?}");
    custody.log_release(&channel("reports"), &tx(2), second).expect("another opening");
}

#[test]
fn deposits_are_owed_until_confirmed_and_forgotten_with_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let custody = open(folder.path(), 1);
    let custodians = [msp("B"), msp("C")];
    let reports = channel("reports");
    assert_eq!(custody.owe(&reports, &tx(1), &custodians).expect("owed"), 0, "nothing is owed without a key");
    custody.take(&reports, &tx(1), CID, &DataKey::from_bytes([7; 32])).expect("taken");
    assert_eq!(custody.owe(&reports, &tx(1), &custodians).expect("owed"), 2);
    for owed in custody.owed(10).expect("readable") {
        custody.confirm(&owed).expect("confirmed");
    }
    assert_eq!(custody.owe(&reports, &tx(1), &custodians).expect("owed"), 0, "who confirmed is owed nothing");
    assert_eq!(custody.confirmed(&reports, &tx(1)).expect("readable"), custodians);
    custody.owe(&reports, &tx(1), &[msp("D")]).expect("owed");
    custody.forget(&reports, &tx(1)).expect("forgotten");
    assert!(custody.owed(10).expect("readable").is_empty());
    assert!(!custody.holds(&reports, &tx(1)).expect("readable"));
}

#[test]
fn pseudonyms_differ_by_patient_channel_and_hospital() {
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (own, other) = (open(one.path(), 1), open(two.path(), 1));
    let of = |custody: &Custody, name: &str, patient: &str| {
        custody.patient_ref(&channel(name), patient).expect("a pseudonym")
    };
    let reference = of(&own, "reports", "Jane Roe");
    assert_eq!(reference.len(), 64);
    let rows = [
        ("the same patient", of(&own, "reports", "Jane Roe"), true),
        ("spaces around", of(&own, "reports", " Jane Roe "), true),
        ("another patient", of(&own, "reports", "John Roe"), false),
        ("another channel", of(&own, "trials", "Jane Roe"), false),
        ("another hospital", of(&other, "reports", "Jane Roe"), false),
    ];
    for (name, pseudonym, equal) in rows {
        assert_eq!(pseudonym == reference, equal, "{name}");
    }
    assert_eq!(of(&own, "reports", "  "), "");
}

#[test]
fn another_kem_key_opens_nothing_and_disk_and_debug_show_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = [0xa7; 32];
    {
        let custody = open(folder.path(), 1);
        custody.take(&channel("reports"), &tx(1), CID, &DataKey::from_bytes(secret)).expect("taken");
        custody.patient_ref(&channel("reports"), "Zaphod Beeblebrox").expect("a pseudonym");
        assert_eq!(format!("{custody:?}"), "Custody(..)");
        custody.store.flush().expect("flushed");
    }
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).unwrap_or_default();
        assert!(!bytes.windows(17).any(|window| window == b"Zaphod Beeblebrox"));
        assert!(!bytes.windows(32).any(|window| window == secret));
    }
    let stranger = open(folder.path(), 2);
    let outcome = stranger.key(&channel("reports"), &tx(1));
    assert!(matches!(outcome, Err(CustodyError::Kem(_))));
}

#[test]
fn sealed_files_are_found_by_their_digest_and_channel_and_leave_no_digest_on_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let digest = Digest::of(b"a picture");
    {
        let custody = open(folder.path(), 1);
        for number in 0..20 {
            custody.remember_file(&channel("reports"), &digest, &format!("cid{number}")).expect("kept");
        }
    }
    let custody = open(folder.path(), 1);
    let found = custody.sealings_of_file(&channel("reports"), &digest).expect("readable");
    assert_eq!(found, (4..20).map(|number| format!("cid{number}")).collect::<Vec<_>>(), "the newest sixteen");
    let rows = [("reports", Digest::of(b"another")), ("other", digest)];
    for (name, digest) in rows {
        assert!(custody.sealings_of_file(&channel(name), &digest).expect("readable").is_empty(), "{name}");
    }
    for (key, value) in custody.store.scan(UPLOADS, &KeyRange::all(), Order::Ascending, 10).expect("readable")
    {
        let bytes = [&key[..], &value].concat();
        assert!(!bytes.windows(32).any(|window| window == digest.as_bytes()), "the digest is keyed");
    }
}

#[test]
fn the_bytes_on_disk_are_frozen_and_a_newer_release_is_named() {
    let sealed = SealedKey { encapsulated: vec![1, 2].into(), ciphertext: vec![3].into() };
    let key = KeyEntry { version: VERSION, cid: "b".to_owned(), sealed, confirmed: vec![msp("B")] };
    // [version, CID, [encapsulated key, ciphertext], [who confirmed]]
    assert_eq!(hex::encode(codec::encode(&key)), "9401a16292c4020102c4010391a142");
    let release = ReleaseEntry { version: VERSION, recipient: Digest([7; 32]) };
    // [version, recipient's KEM key]
    assert_eq!(hex::encode(codec::encode(&release)), format!("9201c420{}", "07".repeat(32)));
    let report_id: TxId = "ab".repeat(32).parse().expect("an id");
    let owed = OwedDeposit { channel: channel("c"), report_id: report_id.clone(), to: msp("B") };
    // [channel, report, custodian]
    let id = hex::encode("ab".repeat(32));
    assert_eq!(hex::encode(codec::encode(&owed)), format!("93a163d940{id}a142"));
    assert_eq!(hex::encode(entry_key(&channel("c"), &report_id, "B")), format!("{id}00630042"));

    let folder = tempfile::tempdir().expect("a folder");
    let custody = open(folder.path(), 1);
    let newer = KeyEntry { version: 2, ..key };
    custody.put(KEYS, entry_key(&channel("reports"), &tx(1), ""), &newer).expect("written");
    let error = custody.confirmed(&channel("reports"), &tx(1)).expect_err("newer");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("KeyEntry has version 2") && cause.contains("newer release"), "{cause}");
}

//! What an authority writes and what it refuses; the contents are also read by the openssl command line, in
//! `tests/openssl.rs`.

use proptest::prelude::*;

use super::*;

const NOW_MS: u64 = 1_795_332_240_000; // 2026-11-22 07:24:00 UTC

fn authority(name: &str) -> CertificateAuthority {
    authority_of(name, KeyAlgorithm::Ecdsa)
}

fn authority_of(name: &str, algorithm: KeyAlgorithm) -> CertificateAuthority {
    let profile = CaProfile {
        common_name: name.to_owned(),
        organization: "org1.example.com".to_owned(),
        organizational_unit: None,
        subject: Subject::default(),
    };
    CertificateAuthority::create_for(&profile, algorithm, NOW_MS).unwrap()
}

fn identity(name: &str) -> IdentityProfile {
    IdentityProfile {
        name: name.to_owned(),
        organizational_unit: Some("peer".to_owned()),
        subject: Subject::default(),
    }
}

#[test]
fn validity_begins_five_minutes_before_the_nearest_minute_and_lasts_3650_days() {
    let table: [(u64, Option<i64>); 7] = [
        (NOW_MS, Some(1_795_332_240 - 300)),
        (NOW_MS + 29_999, Some(1_795_332_240 - 300)),
        (NOW_MS + 30_000, Some(1_795_332_300 - 300)),
        (300_000, Some(0)),
        (0, None),
        (u64::MAX, None),
        (253_402_300_799_000, None),
    ];
    for (now_ms, verdict) in table {
        let found = validity(now_ms);
        assert_eq!(found.map(|(first, _)| first.unix_timestamp()), verdict, "{now_ms}");
        if let Some((first, last)) = found {
            assert_eq!((last - first).whole_days(), 3650);
        }
    }
}

#[test]
fn what_an_authority_issues_names_it_and_verifies_under_its_key_alone() {
    let (ours, theirs) = (authority("ca.org1.example.com"), authority("ca.org1.example.com"));
    let third = authority("ca.org3.example.com");
    let key = SigningKeyPair::generate().unwrap();
    let issued = ours.issue_identity(&identity("peer0"), key.public_key(), NOW_MS).unwrap();
    assert_eq!(issued.common_name(), "peer0");
    assert_eq!(issued.organizational_units(), ["peer"]);
    assert_eq!(issued.public_key(), key.public_key());
    assert!(!issued.is_authority());
    let table: [(&CertificateAuthority, Option<&str>); 3] =
        [(&ours, None), (&theirs, Some("another key")), (&third, Some("another name"))];
    for (asked, verdict) in table {
        let found = issued.check_issued_by(asked.certificate()).err().map(|error| error.to_string());
        match (found, verdict) {
            (None, None) => {}
            (Some(found), Some(wanted)) => assert!(found.contains(wanted), "{found}"),
            (found, wanted) => panic!("{found:?}, wanted {wanted:?}"),
        }
    }
}

#[test]
fn an_authority_survives_its_pem_and_goes_on_issuing_for_keys_of_every_kind() {
    let kinds = [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519];
    for of_authority in kinds {
        let made = authority_of("ca.org1.example.com", of_authority);
        let twin = authority_of("ca.org1.example.com", of_authority);
        let other_kind = authority_of("ca.org1.example.com", kinds[usize::from(of_authority == kinds[0])]);
        let read = CertificateAuthority::load(&made.certificate().pem(), &made.private_pem()).unwrap();
        assert_eq!(read.certificate(), made.certificate());
        assert_eq!(*read.private_pem(), *made.private_pem());
        made.certificate().check_issued_by(made.certificate()).unwrap();
        for of_identity in kinds {
            let key = SigningKeyPair::generate_for(of_identity).unwrap();
            let issued = read.issue_identity(&identity("peer1"), key.public_key(), NOW_MS).unwrap();
            assert_eq!(issued.public_key(), key.public_key());
            issued.check_issued_by(made.certificate()).unwrap();
            let rows = [(&twin, "another key"), (&other_kind, "of another kind than its signature")];
            for (asked, verdict) in rows {
                let error = issued.check_issued_by(asked.certificate()).unwrap_err().to_string();
                assert!(error.contains(verdict), "{of_authority} and {of_identity}: {error}");
            }
        }
    }
}

#[test]
fn a_foreign_key_or_an_end_entity_makes_no_authority() {
    let made = authority("ca.org1.example.com");
    let key = SigningKeyPair::generate().unwrap();
    let leaf = made.issue_identity(&identity("peer0"), key.public_key(), NOW_MS).unwrap();
    let table: [(String, Zeroizing<String>, &str); 3] = [
        (
            made.certificate().pem(),
            key.private_pem(),
            "does not belong to the certificate of `ca.org1.example.com`",
        ),
        (leaf.pem(), key.private_pem(), "`peer0` is not that of an authority"),
        (made.certificate().pem(), Zeroizing::new(leaf.pem()), "label `PRIVATE KEY`"),
    ];
    for (certificate, private, verdict) in table {
        let error = CertificateAuthority::load(&certificate, &private).unwrap_err().to_string();
        assert!(error.contains(verdict), "{error}");
    }
}

#[test]
fn alternative_names_are_compared_as_a_list() {
    let made = authority("tlsca.org1.example.com");
    let key = SigningKeyPair::generate().unwrap();
    let names: Vec<_> = ["peer0.org1.example.com", "peer0", "localhost", "127.0.0.1", "::1"]
        .iter()
        .map(|name| SubjectAltName::parse(name).unwrap())
        .collect();
    let profile = TlsProfile { name: "peer0".to_owned(), sans: names.clone(), subject: Subject::default() };
    let issued = made.issue_tls(&profile, key.public_key(), NOW_MS).unwrap();
    assert!(issued.has_subject_alt_names(&names));
    assert!(!issued.has_subject_alt_names(&names[1..]));
    assert!(!issued.has_subject_alt_names(&[]));
    let caller = TlsProfile { name: "User1".to_owned(), sans: vec![], subject: Subject::default() };
    assert!(made.issue_tls(&caller, key.public_key(), NOW_MS).unwrap().has_subject_alt_names(&[]));
}

#[test]
fn serial_numbers_are_positive_of_full_length_and_differ() {
    let drawn: std::collections::BTreeSet<Vec<u8>> =
        (0..64).map(|_| serial_number().unwrap().to_bytes()).collect();
    assert_eq!(drawn.len(), 64);
    assert!(drawn.iter().all(|bytes| bytes.len() == 16 && (0x40..0x80).contains(&bytes[0])));
}

#[test]
fn names_that_do_not_fit_and_times_out_of_range_are_refused() {
    let made = authority("ca.org1.example.com");
    let key = SigningKeyPair::generate().unwrap();
    let long = "x".repeat(65);
    let table: [(&str, u64, &str); 4] = [
        ("", NOW_MS, "1 to 64 characters"),
        (&long, NOW_MS, "1 to 64 characters"),
        ("peer\u{0}", NOW_MS, "control characters"),
        ("peer0", u64::MAX, "is no time for a certificate"),
    ];
    for (name, now_ms, verdict) in table {
        let error = made.issue_identity(&identity(name), key.public_key(), now_ms).unwrap_err().to_string();
        assert!(error.contains(verdict), "{error}");
    }
}

#[test]
fn a_certificate_with_one_byte_changed_is_refused_or_does_not_verify() {
    for algorithm in [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519] {
        let made = authority_of("ca.org1.example.com", algorithm);
        let key = SigningKeyPair::generate_for(algorithm).unwrap();
        let issued = made.issue_identity(&identity("peer0"), key.public_key(), NOW_MS).unwrap();
        for i in 0..issued.der().len() {
            let mut changed = issued.der().to_vec();
            changed[i] ^= 0x01;
            let accepted = Certificate::from_der(&changed)
                .is_ok_and(|read| read.check_issued_by(made.certificate()).is_ok());
            assert!(!accepted, "{algorithm}, byte {i}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_certificate_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Certificate::from_der(&bytes).is_err());
    }
}

//! An independent reader's view: the openssl command line reads, verifies and prints what this crate makes, and
//! the printed text is compared line by line with that of certificates made by Fabric's own cryptogen.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise, in its helpers too")]

use std::path::{Path, PathBuf};
use std::process::Command;

use issuing::{
    CaProfile, Certificate, CertificateAuthority, IdentityProfile, KemKeyPair, KemPrivateKey, KemPublicKey,
    KeyAlgorithm, SigningKeyPair, Subject, SubjectAltName, TlsProfile,
};

/// The moment at which the sample was made, so that even the dates agree: 2026-11-22 07:24:00 UTC.
const NOW_MS: u64 = 1_795_332_240_000;

fn shared() -> PathBuf {
    let fallback = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    std::env::var_os("CONSILIUM_SHARED").map_or(fallback, PathBuf::from)
}

/// Runs openssl; its output, or `None` where it is not installed.
fn openssl(arguments: &[&str]) -> Option<(bool, String)> {
    match Command::new("openssl").args(arguments).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
        }
        Err(_) => {
            println!("SKIPPED: the openssl command line is not here");
            None
        }
    }
}

fn authority(prefix: &str, domain: &str) -> CertificateAuthority {
    let profile = CaProfile {
        common_name: format!("{prefix}.{domain}"),
        organization: domain.to_owned(),
        organizational_unit: None,
        subject: Subject::default(),
    };
    CertificateAuthority::create(&profile, NOW_MS).unwrap()
}

fn identity(authority: &CertificateAuthority, name: &str, unit: Option<&str>) -> Certificate {
    let profile = IdentityProfile {
        name: name.to_owned(),
        organizational_unit: unit.map(str::to_owned),
        subject: Subject::default(),
    };
    let key = SigningKeyPair::generate().unwrap();
    authority.issue_identity(&profile, key.public_key(), NOW_MS).unwrap()
}

fn tls(authority: &CertificateAuthority, name: &str, sans: &[&str]) -> Certificate {
    let sans = sans.iter().map(|san| SubjectAltName::parse(san).unwrap()).collect();
    let profile = TlsProfile { name: name.to_owned(), sans, subject: Subject::default() };
    let key = SigningKeyPair::generate().unwrap();
    authority.issue_tls(&profile, key.public_key(), NOW_MS).unwrap()
}

/// The text of a certificate without what differs between any two: numbers, keys, identifiers, signatures.
fn comparable(text: &str) -> Vec<String> {
    let is_hexadecimal = |line: &str| {
        line.contains(':') && line.split(':').all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !is_hexadecimal(line))
        .map(str::to_owned)
        .collect()
}

/// The expected text of the sample's certificate at `path`.
fn sample(texts: &str, path: &str) -> Vec<String> {
    let section = texts.split("=== ").find(|section| section.lines().next() == Some(path));
    comparable(section.unwrap_or_else(|| panic!("{path} is not in the sample")).split_once('\n').unwrap().1)
}

#[test]
fn openssl_prints_our_certificates_as_it_prints_those_of_fabric() {
    let Ok(texts) = std::fs::read_to_string(shared().join("data/fabric-crypto/certs-text.txt")) else {
        println!("DATA ABSENT: data/fabric-crypto/certs-text.txt");
        return;
    };
    let org1 = "org1.example.com";
    let (ca, tlsca) = (authority("ca", org1), authority("tlsca", org1));
    let (orderer_ca, orderer_tlsca) = (authority("ca", "example.com"), authority("tlsca", "example.com"));
    let peer0 = "peer0.org1.example.com";
    let orderer = "orderer.example.com";
    let peers = "peerOrganizations/org1.example.com";
    let orderers = "ordererOrganizations/example.com/orderers/orderer.example.com";
    let table: [(String, Certificate); 11] = [
        (format!("nodeous/{peers}/ca/ca.org1.example.com-cert.pem"), ca.certificate().clone()),
        (format!("nodeous/{peers}/tlsca/tlsca.org1.example.com-cert.pem"), tlsca.certificate().clone()),
        (
            format!("nodeous/{peers}/peers/{peer0}/msp/signcerts/{peer0}-cert.pem"),
            identity(&ca, peer0, Some("peer")),
        ),
        (
            format!("nodeous/{peers}/peers/{peer0}/tls/server.crt"),
            tls(&tlsca, peer0, &[peer0, "peer0", "localhost", "127.0.0.1"]),
        ),
        (
            format!("nodeous/{peers}/users/Admin@{org1}/msp/signcerts/Admin@{org1}-cert.pem"),
            identity(&ca, "Admin@org1.example.com", Some("admin")),
        ),
        (
            format!("nodeous/{peers}/users/Admin@{org1}/tls/client.crt"),
            tls(&tlsca, "Admin@org1.example.com", &[]),
        ),
        (
            format!("nodeous/{peers}/users/User1@{org1}/msp/signcerts/User1@{org1}-cert.pem"),
            identity(&ca, "User1@org1.example.com", Some("client")),
        ),
        (
            format!("nodeous/{orderers}/msp/signcerts/{orderer}-cert.pem"),
            identity(&orderer_ca, orderer, Some("orderer")),
        ),
        (
            format!("nodeous/{orderers}/tls/server.crt"),
            tls(&orderer_tlsca, orderer, &[orderer, "orderer", "localhost", "127.0.0.1"]),
        ),
        (
            format!("default(NodeOUs off)/{peers}/peers/{peer0}/msp/signcerts/{peer0}-cert.pem"),
            identity(&ca, peer0, None),
        ),
        (
            format!("default(NodeOUs off)/{orderers}/msp/signcerts/{orderer}-cert.pem"),
            identity(&orderer_ca, orderer, None),
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certificate.pem");
    for (path, certificate) in table {
        std::fs::write(&file, certificate.pem()).unwrap();
        let Some((done, text)) = openssl(&["x509", "-noout", "-text", "-in", file.to_str().unwrap()]) else {
            return;
        };
        assert!(done, "{text}");
        assert_eq!(comparable(&text), sample(&texts, &path), "{path}");
    }
}

#[test]
fn openssl_verifies_the_chain_for_the_purpose_of_each_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ca, other) = (authority("ca", "org1.example.com"), authority("ca", "org1.example.com"));
    std::fs::write(path("ca"), ca.certificate().pem()).unwrap();
    std::fs::write(path("other"), other.certificate().pem()).unwrap();
    std::fs::write(path("identity"), identity(&ca, "peer0", Some("peer")).pem()).unwrap();
    std::fs::write(path("tls"), tls(&ca, "peer0", &["localhost"]).pem()).unwrap();
    let table: [(&[&str], &str, &str, bool); 6] = [
        (&[], "ca", "identity", true),
        (&["-purpose", "sslserver", "-verify_hostname", "localhost"], "ca", "tls", true),
        (&["-purpose", "sslclient"], "ca", "tls", true),
        (&["-verify_hostname", "elsewhere"], "ca", "tls", false),
        (&[], "other", "identity", false),
        (&[], "other", "tls", false),
    ];
    let at = (NOW_MS / 1000).to_string();
    for (options, root, leaf, verdict) in table {
        let (root, leaf) = (path(root), path(leaf));
        let arguments =
            [&["verify", "-attime", &at, "-CAfile", &root][..], options, &[leaf.as_str()]].concat();
        let Some((done, text)) = openssl(&arguments) else { return };
        assert_eq!(done, verdict, "{arguments:?}: {text}");
    }
}

#[test]
fn the_key_identifier_is_sha_256_of_the_point_and_is_what_issued_certificates_name() {
    let ours = authority("ca", "org1.example.com");
    let issued = identity(&ours, "peer0", Some("peer"));
    let hex: Vec<String> =
        ours.certificate().public_key().key_identifier().iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(hex.len(), 32);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certificate.pem");
    for (certificate, extension) in
        [(ours.certificate(), "subjectKeyIdentifier"), (&issued, "authorityKeyIdentifier")]
    {
        std::fs::write(&file, certificate.pem()).unwrap();
        let arguments = ["x509", "-noout", "-ext", extension, "-in", file.to_str().unwrap()];
        let Some((_, text)) = openssl(&arguments) else { return };
        assert!(text.contains(&hex.join(":")), "{text}");
    }
}

#[test]
fn certificates_made_by_fabric_are_read_and_traced_to_their_authority() {
    let root = shared().join("data/fabric-crypto/trees/nodeous/peerOrganizations/org1.example.com");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let Some(pem) = read("ca/ca.org1.example.com-cert.pem") else {
        println!("DATA ABSENT: data/fabric-crypto/trees");
        return;
    };
    let ca = Certificate::from_pem(&pem).unwrap();
    assert!(ca.is_authority());
    let tlsca = Certificate::from_pem(&read("tlsca/tlsca.org1.example.com-cert.pem").unwrap()).unwrap();
    let peer0 = "peers/peer0.org1.example.com";
    let table: [(String, &Certificate, bool); 4] = [
        (format!("{peer0}/msp/signcerts/peer0.org1.example.com-cert.pem"), &ca, true),
        (format!("{peer0}/msp/signcerts/peer0.org1.example.com-cert.pem"), &tlsca, false),
        (format!("{peer0}/tls/server.crt"), &tlsca, true),
        (format!("{peer0}/tls/server.crt"), &ca, false),
    ];
    for (path, authority, verdict) in table {
        let certificate = Certificate::from_pem(&read(&path).unwrap()).unwrap();
        assert_eq!(certificate.check_issued_by(authority).is_ok(), verdict, "{path}");
    }
}

#[test]
fn openssl_and_we_read_each_others_signing_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem").to_str().unwrap().to_owned();
    let ours = SigningKeyPair::generate().unwrap();
    std::fs::write(&file, ours.private_pem().as_bytes()).unwrap();
    let Some((done, text)) = openssl(&["pkey", "-in", &file, "-noout", "-text", "-check"]) else { return };
    assert!(done && text.contains("NIST CURVE: P-256"), "{text}");
    let arguments = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &file];
    assert!(openssl(&arguments).unwrap().0);
    SigningKeyPair::from_pem(&std::fs::read_to_string(&file).unwrap()).unwrap();
}

#[test]
fn openssl_and_we_read_each_others_ed25519_keys_and_it_verifies_our_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let ours = SigningKeyPair::generate_for(KeyAlgorithm::Ed25519).unwrap();
    std::fs::write(path("key"), ours.private_pem().as_bytes()).unwrap();
    let Some((done, text)) = openssl(&["pkey", "-in", &path("key"), "-noout", "-text"]) else { return };
    assert!(done && text.contains("ED25519 Private-Key"), "{text}");
    assert!(openssl(&["genpkey", "-algorithm", "ED25519", "-out", &path("theirs")]).unwrap().0);
    let theirs = SigningKeyPair::from_pem(&std::fs::read_to_string(path("theirs")).unwrap()).unwrap();
    assert_eq!(theirs.public_key().key_algorithm(), KeyAlgorithm::Ed25519);

    let profile = CaProfile {
        common_name: "ca.org1.example.com".to_owned(),
        organization: "org1.example.com".to_owned(),
        organizational_unit: None,
        subject: Subject::default(),
    };
    let ca = CertificateAuthority::create_for(&profile, KeyAlgorithm::Ed25519, NOW_MS).unwrap();
    let profile = IdentityProfile {
        name: "peer0".to_owned(),
        organizational_unit: Some("peer".to_owned()),
        subject: Subject::default(),
    };
    std::fs::write(path("ca"), ca.certificate().pem()).unwrap();
    let at = (NOW_MS / 1000).to_string();
    for key in [&ours, &theirs, &SigningKeyPair::generate().unwrap()] {
        let leaf = ca.issue_identity(&profile, key.public_key(), NOW_MS).unwrap();
        std::fs::write(path("leaf"), leaf.pem()).unwrap();
        let (done, text) =
            openssl(&["verify", "-x509_strict", "-attime", &at, "-CAfile", &path("ca"), &path("leaf")])
                .unwrap();
        assert!(done, "{text}");
        let (_, text) = openssl(&["x509", "-noout", "-text", "-in", &path("leaf")]).unwrap();
        assert!(text.contains("Signature Algorithm: ED25519"), "{text}");
    }
}

#[test]
fn openssl_and_we_read_each_others_kem_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let ours = KemKeyPair::generate().unwrap();
    std::fs::write(path("private"), ours.private_pem().as_bytes()).unwrap();
    let Some((done, derived)) = openssl(&["pkey", "-in", &path("private"), "-pubout"]) else { return };
    assert!(done && derived == ours.public_pem(), "{derived}");

    let theirs = path("theirs");
    assert!(openssl(&["genpkey", "-algorithm", "X25519", "-out", &theirs]).unwrap().0);
    let private = KemPrivateKey::from_pem(&std::fs::read_to_string(&theirs).unwrap()).unwrap();
    let (_, public) = openssl(&["pkey", "-in", &theirs, "-pubout"]).unwrap();
    assert_eq!(private.public_key().unwrap(), KemPublicKey::from_pem(&public).unwrap());
}

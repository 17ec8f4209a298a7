//! A channel on disk through a registration and a revocation: whom it refuses before, after, and after a restart.

#[path = "../../../../validation/tests/fixture/mod.rs"]
pub mod fixture;

use std::future::Future as _;
use std::pin::pin;
use std::task::Context;

use bytes::Bytes;
use configtx::genesis_block;
use fixture::registry::{claim, honest, register, revoke};
use fixture::{Chain, NOW_MS, Network};
use gateway::ports::ChannelLedger as _;
use issuing::{CaProfile, CertificateAuthority, SigningKeyPair, Subject, TlsProfile};
use protocol::IdentityAction;

use super::super::channel::Channel;
use super::*;

fn tls_authority(name: &str) -> CertificateAuthority {
    let profile = CaProfile {
        common_name: format!("tlsca.{name}"),
        organization: name.to_owned(),
        organizational_unit: None,
        subject: Subject::default(),
    };
    CertificateAuthority::create(&profile, NOW_MS).unwrap()
}

fn certificate(ca: &CertificateAuthority, key: &SigningKeyPair) -> PeerCertificate {
    let profile = TlsProfile { name: "doctor".to_owned(), sans: vec![], subject: Subject::default() };
    let certificate = ca.issue_tls(&profile, key.public_key(), NOW_MS).unwrap();
    let spki = Digest(msp::spki_sha256(certificate.der()).unwrap());
    PeerCertificate { der: Bytes::copy_from_slice(certificate.der()), spki }
}

/// The next block of a chain in memory, committed there and on the channel.
fn commit(network: &Network, chain: &mut Chain, channel: &Channel, args: Vec<Bytes>) -> BlockNumber {
    let nonce = chain.last.number.to_string();
    let tx = honest(network, chain, &nonce, network.identity("HospitalA", "admin"), args);
    let block = chain.validate(network, vec![tx.envelope()]).unwrap();
    assert!(block.codes()[0].is_valid(), "{:?}", block.transactions()[0].reason);
    chain.commit(&block);
    let number = block.number();
    channel.commit(block).unwrap();
    number
}

#[test]
fn a_revoked_tls_key_is_refused_under_its_own_organisation_from_the_block_on_and_after_a_restart() {
    let mut network = Network::new();
    let authorities = ["HospitalA", "HospitalB"].map(tls_authority);
    for (organization, ca) in network.config.organizations.iter_mut().zip(&authorities) {
        organization.msp.tls_root_certs = vec![Bytes::copy_from_slice(ca.certificate().der())];
    }
    let [ours, theirs] = &authorities;
    let (key, other) = (SigningKeyPair::generate().unwrap(), SigningKeyPair::generate().unwrap());
    let doctor = network.orgs["HospitalA"].issue("doctor", "client");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reports");
    let channel = Channel::create(&path, genesis_block(&network.config, NOW_MS)).unwrap();
    let mut chain = Chain::new(&network);
    let refused = |channel: &Channel, certificate: &PeerCertificate| {
        channel.revocations().refuses(&channel.bundle(), certificate).map(|msp_id| msp_id.to_string())
    };
    let presented = certificate(ours, &key);
    let mut claimed = claim(IdentityAction::Register, &doctor, &[]);
    claimed.tls_spki = vec![presented.spki];
    let claimed = fixture::registry::proven(IdentityAction::Register, claimed, &doctor, "reports");
    let registered = commit(&network, &mut chain, &channel, register(&claimed));
    assert_eq!((refused(&channel, &presented), channel.revocations().is_of(registered)), (None, false));

    {
        let poi = doctor.poi();
        let mut waiting = pin!(channel.until_revoked(doctor.msp_id(), &poi));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let revoked = commit(&network, &mut chain, &channel, revoke("HospitalA", &doctor.poi()));
        assert!(channel.revocations().is_of(revoked) && !channel.revocations().is_of(registered));
        assert!(waiting.as_mut().poll(&mut context).is_ready());
        assert!(pin!(channel.until_revoked(doctor.msp_id(), &poi)).poll(&mut context).is_ready());
    }
    let rows = [
        ("the key", presented, Some("HospitalA")),
        ("another certificate of the key", certificate(ours, &key), Some("HospitalA")),
        ("another hospital's certificate of the key", certificate(theirs, &key), None),
        ("a colleague", certificate(ours, &other), None),
    ];
    for (name, certificate, msp_id) in &rows {
        assert_eq!(refused(&channel, certificate).as_deref(), *msp_id, "{name}");
    }
    drop(channel);
    let channel = Channel::open(&path).unwrap();
    for (name, certificate, msp_id) in &rows {
        assert_eq!(refused(&channel, certificate).as_deref(), *msp_id, "{name}, after a restart");
    }
}

#[test]
fn the_oldest_revocations_are_let_go_beyond_the_limit() {
    let keys = |blocks: &[u64]| -> Keys {
        (0_u8..).zip(blocks).map(|(key, block)| (Digest([key; 32]), BlockNumber(*block))).collect()
    };
    let rows: &[(&[u64], usize, &[u64])] = &[
        (&[], 2, &[]),
        (&[5, 4], 2, &[5, 4]),
        (&[5, 4, 6], 2, &[5, 6]),
        (&[4, 4, 6], 2, &[6]),
        (&[4, 5, 6, 7], 1, &[7]),
    ];
    for (blocks, limit, left) in rows {
        let mut keys = keys(blocks);
        forget_oldest(&mut keys, *limit);
        let found: Vec<u64> = keys.values().map(|number| number.0).collect();
        assert_eq!(found, *left, "{blocks:?} at most {limit}");
    }
}

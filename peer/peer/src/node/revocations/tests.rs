//! A channel on disk through a registration and a revocation: whom it refuses before, after, and after a restart.

#[path = "../../../../validation/tests/fixture/mod.rs"]
pub mod fixture;

use std::future::Future as _;
use std::pin::pin;
use std::task::Context;

use bytes::Bytes;
use configtx::{Capabilities, genesis_block};
use fixture::registry::{claim, honest, register, revoke};
use fixture::{Chain, NOW_MS, Network};
use gateway::ports::{Asker, ChannelLedger as _};
use issuing::{CaProfile, CertificateAuthority, SigningKeyPair, Subject, TlsProfile};
use protocol::{ChannelId, IdentityAction};
use transport::{Code, TrustRoots};

use super::super::channel::Channel;
use super::super::channels::Channels;
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
    commit_by("HospitalA", network, (chain, channel), args)
}

fn commit_by(
    org: &str,
    network: &Network,
    (chain, channel): (&mut Chain, &Channel),
    args: Vec<Bytes>,
) -> BlockNumber {
    let nonce = chain.last.number.to_string();
    let tx = honest(network, chain, &nonce, network.identity(org, "admin"), args);
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
    let channel =
        Channel::create(&path, genesis_block(&network.config, NOW_MS), Capabilities::RELEASED).unwrap();
    let mut chain = Chain::new(&network);
    let refused = |channel: &Channel, certificate: &PeerCertificate| match channel.standing(certificate) {
        Standing::Revoked(msp_id) => Some(msp_id.to_string()),
        Standing::Member => None,
        Standing::Stranger => Some("nobody".to_owned()),
    };
    let presented = certificate(ours, &key);
    let mut claimed = claim(IdentityAction::Register, &doctor, &[]);
    claimed.tls_spki = vec![presented.spki];
    let claimed = fixture::registry::proven(IdentityAction::Register, claimed, &doctor, ("reports", 1));
    let registered = commit(&network, &mut chain, &channel, register(&claimed));
    assert_eq!((refused(&channel, &presented), channel.revocations().is_of(registered)), (None, false));

    {
        let poi = doctor.poi();
        let asker = Asker { msp_id: doctor.msp_id().clone(), poi, certificate: None };
        let mut waiting = pin!(channel.until_revoked(&asker));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let revoked = commit(&network, &mut chain, &channel, revoke("HospitalA", &doctor.poi()));
        assert!(channel.revocations().is_of(revoked) && !channel.revocations().is_of(registered));
        assert!(waiting.as_mut().poll(&mut context).is_ready());
        assert!(pin!(channel.until_revoked(&asker)).poll(&mut context).is_ready());
    }
    let rows = [
        ("the key", presented, Some("HospitalA")),
        ("another certificate of the key", certificate(ours, &key), Some("HospitalA")),
        ("another hospital's certificate of the key", certificate(theirs, &key), None),
        ("a colleague", certificate(ours, &other), None),
        (
            "the key under a CA that is not the channel's",
            certificate(&tls_authority("other"), &key),
            Some("nobody"),
        ),
    ];
    for (name, certificate, msp_id) in &rows {
        assert_eq!(refused(&channel, certificate).as_deref(), *msp_id, "{name}");
    }
    drop(channel);
    let channel = Channel::open(&path, Capabilities::RELEASED).unwrap();
    for (name, certificate, msp_id) in &rows {
        assert_eq!(refused(&channel, certificate).as_deref(), *msp_id, "{name}, after a restart");
    }
}

/// Registers somebody with that TLS key, and revokes them.
fn register_and_revoke(
    org: &'static str,
    network: &Network,
    (chain, channel): (&mut Chain, &Channel),
    tls: &PeerCertificate,
) {
    let user = network.orgs[org].issue("somebody", "client");
    let mut claimed = claim(IdentityAction::Register, &user, &[]);
    claimed.tls_spki = vec![tls.spki];
    let name = channel.channel().to_string();
    let claimed = fixture::registry::proven(IdentityAction::Register, claimed, &user, (name.as_str(), 0));
    commit_by(org, network, (&mut *chain, channel), register(&claimed));
    commit_by(org, network, (&mut *chain, channel), revoke(org, &user.poi()));
}

/// What a channel says of a key, in one word.
fn told(channels: &Channels, name: &str, certificate: &PeerCertificate) -> &'static str {
    match channels.admit(&ChannelId::new(name).unwrap(), Some(certificate)) {
        Ok(_) => "served",
        Err(status) if status.code() == Code::PermissionDenied => "revoked",
        Err(status) if status.message().contains("has not joined") => "unknown",
        Err(status) => panic!("{status:?}"),
    }
}

#[test]
fn a_channel_takes_a_key_from_itself_alone_and_the_connection_when_no_channel_is_left() {
    let mut network = Network::new();
    let [ours, theirs, elsewhere] = ["HospitalA", "HospitalB", "elsewhere"].map(tls_authority);
    let root = |ca: &CertificateAuthority| vec![Bytes::copy_from_slice(ca.certificate().der())];
    for (organization, ca) in network.config.organizations.iter_mut().zip([&ours, &theirs]) {
        organization.msp.tls_root_certs = root(ca);
    }
    let first = network.config.clone();
    let mut second = first.clone();
    second.channel = ChannelId::new("trial").unwrap();
    // The second channel shares the CA of hospital A, and knows nothing of hospital B's.
    second.organizations[1].msp.tls_root_certs = root(&elsewhere);
    let folder = tempfile::tempdir().unwrap();
    let roots = TrustRoots::new(root(&ours)).unwrap();
    let channels =
        Channels::open(folder.path().to_owned(), roots, root(&ours), Capabilities::RELEASED).unwrap();
    channels.join(genesis_block(&first, NOW_MS)).unwrap();
    channels.join(genesis_block(&second, NOW_MS)).unwrap();
    let keys = [(); 4].map(|()| SigningKeyPair::generate().unwrap());
    let (both, one) = (certificate(&ours, &keys[0]), certificate(&theirs, &keys[1]));
    let (colleague, again) = (certificate(&ours, &keys[2]), certificate(&elsewhere, &keys[0]));
    let stranger = certificate(&tls_authority("nowhere"), &keys[1]);
    let check = |when: &str, rows: &[(&str, &PeerCertificate, &str, &str, bool)]| {
        for (who, key, first, second, is_connected) in rows {
            assert_eq!(told(&channels, "reports", key), *first, "{when}: {who} on the first");
            assert_eq!(told(&channels, "trial", key), *second, "{when}: {who} on the second");
            assert_eq!(channels.admits(key).is_ok(), *is_connected, "{when}: {who}'s connection");
        }
    };
    check(
        "before",
        &[
            ("a member of both", &both, "served", "served", true),
            ("a member of the first", &one, "served", "unknown", true),
            ("the same key under the second's CA", &again, "unknown", "served", true),
        ],
    );

    let channel = channels.channel(&first.channel).unwrap();
    let mut chain = Chain::new(&network);
    register_and_revoke("HospitalA", &network, (&mut chain, &channel), &both);
    register_and_revoke("HospitalB", &network, (&mut chain, &channel), &one);
    check(
        "revoked on the first",
        &[
            ("a member of both", &both, "revoked", "served", true),
            ("a member of the first", &one, "revoked", "unknown", false),
            ("a colleague", &colleague, "served", "served", true),
            ("the same key under the second's CA", &again, "unknown", "served", true),
            ("the key under a CA of no channel", &stranger, "unknown", "unknown", false),
        ],
    );

    network.config = second.clone();
    let channel = channels.channel(&second.channel).unwrap();
    register_and_revoke("HospitalA", &network, (&mut Chain::new(&network), &channel), &both);
    check(
        "revoked on both",
        &[
            ("a member of both", &both, "revoked", "revoked", false),
            ("a colleague", &colleague, "served", "served", true),
        ],
    );
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

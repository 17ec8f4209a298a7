//! A small consortium for tests: real keys and certificates, one organisation a consenter, one user each.

use bytes::Bytes;
use configtx::ConfigBundle;
use issuing::{
    CaProfile, CertificateAuthority, IdentityProfile, SigningKeyPair, Subject, SubjectAltName, TlsProfile,
};
use msp::SigningIdentity;
use prost::Message;
use protocol::fabric::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader};
use protocol::{
    BatchConfig, ChannelConfig, ChannelId, Consenter, Digest, Endpoint, IdentityRule, MspConfig, MspId,
    NodeOus, OrdererConfig, Organization, OuIdentifier, TxId,
};

/// When all certificates of this world are made: 2026-11-22 07:24:00 UTC.
pub const NOW_MS: u64 = 1_795_332_240_000;

/// A node's or user's material, PEM.
#[allow(dead_code, reason = "the orderer's own tests read every field")]
pub struct Member {
    pub identity: SigningIdentity,
    pub cert_pem: String,
    pub key_pem: String,
    pub tls_cert_pem: String,
    pub tls_key_pem: String,
    pub tls_spki: Digest,
}

pub struct Org {
    pub msp_id: MspId,
    pub ca: CertificateAuthority,
    pub tls_ca: CertificateAuthority,
    pub orderer: Member,
    pub user: Member,
}

pub struct World {
    pub orgs: Vec<Org>,
    pub config: ChannelConfig,
    /// When certificates are made.
    pub made_ms: u64,
}

impl World {
    /// One organisation and consenter a port.
    pub fn new(ports: &[u16]) -> Self {
        Self::made_at(NOW_MS, ports)
    }

    /// The same with certificates made at `now_ms`.
    pub fn made_at(now_ms: u64, ports: &[u16]) -> Self {
        let orgs: Vec<Org> = (1..=ports.len()).map(|number| org(number, now_ms)).collect();
        let config = config(&orgs, ports);
        Self { orgs, config, made_ms: now_ms }
    }

    pub fn bundle(&self) -> ConfigBundle {
        ConfigBundle::new(self.config.clone()).expect("the world's configuration is valid")
    }

    /// An envelope by the user of organisation `org`, which `change` may spoil before it is signed.
    pub fn envelope_with(
        &self,
        org: usize,
        number: u64,
        change: impl FnOnce(&mut ChannelHeader, &mut SignatureHeader),
    ) -> Bytes {
        let user = &self.orgs[org].user.identity;
        let nonce = Bytes::copy_from_slice(&[&[org as u8][..], &number.to_be_bytes(), &[0; 15]].concat());
        let mut channel_header = ChannelHeader {
            r#type: HeaderType::EndorserTransaction as i32,
            channel_id: self.config.channel.to_string(),
            tx_id: TxId::of(&nonce, &user.serialized()).to_string(),
            ..ChannelHeader::default()
        };
        let mut signature_header = SignatureHeader { creator: user.serialized(), nonce };
        change(&mut channel_header, &mut signature_header);
        signed(user, &channel_header, &signature_header, Bytes::from(format!("transaction {number}")))
    }

    pub fn envelope(&self, org: usize, number: u64) -> Bytes {
        self.envelope_with(org, number, |_, _| ())
    }

    /// An update of `before` by the administrators of these organisations, submitted by the user of the first one.
    pub fn config_update(
        &self,
        before: &ChannelConfig,
        admins: &[usize],
        change: impl FnOnce(&mut ChannelConfig),
    ) -> Bytes {
        let mut after = before.clone();
        change(&mut after);
        let update = configtx::compute_update(before, &after).expect("something changes");
        // Each update has an id of its own.
        let nonce = Bytes::copy_from_slice(&Digest::of(&update.to_bytes()).0[..24]);
        let mut pending = configtx::PendingUpdate::new(update);
        for place in admins {
            let org = &self.orgs[*place];
            let admin = member(&org.msp_id, (&org.ca, &org.tls_ca, self.made_ms), "Admin", "admin");
            pending.sign(&admin.identity, Bytes::from_static(b"nonce")).expect("signs");
        }
        let user = &self.orgs[0].user.identity;
        let (_, envelope) = pending.submission(user, nonce, self.made_ms).expect("signs");
        envelope.encode_to_vec().into()
    }
}

/// An envelope over these headers and this data, signed by `signer`.
pub fn signed(
    signer: &SigningIdentity,
    channel_header: &ChannelHeader,
    signature_header: &SignatureHeader,
    data: Bytes,
) -> Bytes {
    let header = Header {
        channel_header: channel_header.encode_to_vec().into(),
        signature_header: signature_header.encode_to_vec().into(),
    };
    let payload = Bytes::from(Payload { header: Some(header), data }.encode_to_vec());
    let signature = Bytes::from(SigningIdentity::sign(signer, &payload));
    Envelope { payload, signature }.encode_to_vec().into()
}

fn authority(name: &str, now_ms: u64) -> CertificateAuthority {
    let profile = CaProfile {
        common_name: name.to_owned(),
        organization: name.to_owned(),
        organizational_unit: None,
        subject: Subject::default(),
    };
    CertificateAuthority::create(&profile, now_ms).expect("an authority")
}

fn org(number: usize, now_ms: u64) -> Org {
    let msp_id = MspId::new(format!("Org{number}MSP")).expect("valid");
    let domain = format!("org{number}.example.com");
    let ca = authority(&format!("ca.{domain}"), now_ms);
    let tls_ca = authority(&format!("tlsca.{domain}"), now_ms);
    let cas = (&ca, &tls_ca, now_ms);
    let orderer = member(&msp_id, cas, &format!("orderer0.{domain}"), "orderer");
    let user = member(&msp_id, cas, &format!("User1@{domain}"), "client");
    Org { msp_id, ca, tls_ca, orderer, user }
}

/// Makes a member of the organisation with that role.
pub fn member(
    msp_id: &MspId,
    (ca, tls_ca, now_ms): (&CertificateAuthority, &CertificateAuthority, u64),
    name: &str,
    role: &str,
) -> Member {
    let key = SigningKeyPair::generate().expect("a key");
    let tls_key = SigningKeyPair::generate().expect("a key");
    let (subject, organizational_unit) = (Subject::default(), Some(role.to_owned()));
    let profile = IdentityProfile { name: name.to_owned(), organizational_unit, subject: subject.clone() };
    let cert = ca.issue_identity(&profile, key.public_key(), now_ms).expect("a certificate");
    let sans = ["127.0.0.1", "localhost"].map(|san| SubjectAltName::parse(san).expect("a name")).to_vec();
    let profile = TlsProfile { name: name.to_owned(), sans, subject };
    let tls_cert = tls_ca.issue_tls(&profile, tls_key.public_key(), now_ms).expect("a certificate");
    let (cert_pem, key_pem) = (cert.pem(), key.private_pem().to_string());
    Member {
        identity: SigningIdentity::from_pem(msp_id.clone(), cert_pem.as_bytes(), key_pem.as_bytes())
            .expect("an identity"),
        cert_pem,
        key_pem,
        tls_cert_pem: tls_cert.pem(),
        tls_key_pem: tls_key.private_pem().to_string(),
        tls_spki: Digest::of(&tls_key.public_key().spki_der()),
    }
}

fn config(orgs: &[Org], ports: &[u16]) -> ChannelConfig {
    let consenters = orgs.iter().zip(ports).map(|(org, port)| Consenter {
        msp_id: org.msp_id.clone(),
        endpoint: Endpoint { host: "127.0.0.1".to_owned(), port: *port },
        identity_cert: org.orderer.cert_pem.clone().into(),
        tls_spki: org.orderer.tls_spki,
    });
    let batch = BatchConfig {
        max_message_count: 50,
        absolute_max_bytes: 1 << 20,
        preferred_max_bytes: 1 << 19,
        timeout_ms: 200,
    };
    let texts = [
        ("/Channel/Readers", "ANY Readers"),
        ("/Channel/Writers", "ANY Writers"),
        ("/Channel/Admins", "MAJORITY Admins"),
        ("/Channel/Application/Readers", "ANY Readers"),
        ("/Channel/Application/Writers", "ANY Writers"),
        ("/Channel/Application/Admins", "MAJORITY Admins"),
        ("/Channel/Application/Endorsement", "MAJORITY Endorsement"),
        ("/Channel/Orderer/Readers", "ANY Readers"),
        ("/Channel/Orderer/Writers", "ANY Writers"),
        ("/Channel/Orderer/Admins", "MAJORITY Admins"),
        ("/Channel/Orderer/BlockValidation", "ANY Writers"),
    ];
    ChannelConfig {
        version: ChannelConfig::VERSION,
        channel: ChannelId::new("reports").expect("valid"),
        sequence: 0,
        capabilities: configtx::Capabilities::RELEASED.names(),
        organizations: orgs.iter().map(organization).collect(),
        orderer: OrdererConfig { consenters: consenters.collect(), batch, difficulty_bits: 0 },
        policies: texts.map(|(path, text)| (path.to_owned(), text.to_owned())).into_iter().collect(),
        chaincodes: Vec::new(),
        reports: None,
        identities: IdentityRule::Open,
        first_identities: Vec::new(),
    }
}

fn organization(org: &Org) -> Organization {
    let ou = |unit: &str| Some(OuIdentifier { organizational_unit: unit.to_owned(), certificate: None });
    let msp_id = &org.msp_id;
    let text = |role: &str| format!("OR('{msp_id}.{role}')");
    let msp = MspConfig {
        version: MspConfig::VERSION,
        msp_id: msp_id.clone(),
        root_certs: vec![org.ca.certificate().der().to_vec().into()],
        intermediate_certs: Vec::new(),
        admin_certs: Vec::new(),
        tls_root_certs: vec![org.tls_ca.certificate().der().to_vec().into()],
        tls_intermediate_certs: Vec::new(),
        node_ous: Some(NodeOus {
            client: ou("client"),
            peer: ou("peer"),
            admin: ou("admin"),
            orderer: ou("orderer"),
        }),
    };
    let policies =
        [("Readers", "member"), ("Writers", "member"), ("Admins", "admin"), ("Endorsement", "peer")];
    Organization {
        msp,
        kem_public_key: None,
        peers: vec![Endpoint { host: format!("peer0.{}", msp_id.as_str().to_lowercase()), port: 7051 }],
        policies: policies.map(|(name, role)| (name.to_owned(), text(role))).into_iter().collect(),
    }
}

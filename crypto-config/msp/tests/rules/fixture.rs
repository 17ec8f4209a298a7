//! Certificates of every good and bad kind, made with rcgen.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::{MspConfig, MspId, NodeOus, OuIdentifier, fabric::SerializedIdentity};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SignatureAlgorithm,
};
use time::{OffsetDateTime, macros::datetime};

pub(crate) const BEGIN: OffsetDateTime = datetime!(2025-01-01 00:00 UTC);
pub(crate) const END: OffsetDateTime = datetime!(2035-01-01 00:00 UTC);
pub(crate) const BEGIN_MS: u64 = 1_735_689_600_000;
pub(crate) const END_MS: u64 = 2_051_222_400_000;
pub(crate) const NOW_MS: u64 = 1_767_225_600_000;

pub(crate) fn msp_id(name: &str) -> MspId {
    MspId::new(name).unwrap()
}

/// A CA that can issue anything, good or bad.
pub(crate) struct Ca {
    pub(crate) der: Bytes,
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Leaf {
    pub(crate) der: Vec<u8>,
    pub(crate) pem: String,
    pub(crate) key_pem: String,
    pub(crate) key_der: Vec<u8>,
}

impl Leaf {
    pub(crate) fn signer(&self, msp: &str) -> msp::SigningIdentity {
        msp::SigningIdentity::from_pem(msp_id(msp), self.pem.as_bytes(), self.key_pem.as_bytes()).unwrap()
    }
}

pub(crate) fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

fn ca_params(name: &str, path_length: Option<u8>) -> CertificateParams {
    let mut params = leaf_params(name, &[]);
    params.is_ca =
        IsCa::Ca(path_length.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// An identity certificate's parameters: CN and any number of OUs up to two.
pub(crate) fn leaf_params(name: &str, units: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    // rcgen holds one value a type; the second OU is the same type, spelt as a number.
    let types = [DnType::OrganizationalUnitName, DnType::CustomDnType(vec![2, 5, 4, 11])];
    for (kind, unit) in types.into_iter().zip(units) {
        subject.push(kind, *unit);
    }
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    (params.not_before, params.not_after) = (BEGIN, END);
    params
}

pub(crate) fn extension(oid: &[u64], content: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(critical);
    extension
}

impl Ca {
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(ca_params(name, None), key(&PKCS_ECDSA_P256_SHA256))
    }

    pub(crate) fn root_with(params: CertificateParams, key: KeyPair) -> Self {
        let certificate = params.self_signed(&key).unwrap();
        let der = Bytes::copy_from_slice(certificate.der());
        Self { der, pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn root_limited(name: &str, path_length: u8) -> Self {
        Self::root_with(ca_params(name, Some(path_length)), key(&PKCS_ECDSA_P256_SHA256))
    }

    pub(crate) fn root_of(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        Self::root_with(ca_params(name, None), key(algorithm))
    }

    pub(crate) fn root_until(name: &str, end: OffsetDateTime) -> Self {
        let mut params = ca_params(name, None);
        params.not_after = end;
        Self::root_with(params, key(&PKCS_ECDSA_P256_SHA256))
    }

    pub(crate) fn intermediate(&self, name: &str) -> Self {
        self.intermediate_of(name, &PKCS_ECDSA_P256_SHA256)
    }

    pub(crate) fn intermediate_of(&self, name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let (params, key) = (ca_params(name, None), key(algorithm));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let der = Bytes::copy_from_slice(certificate.der());
        Self { der, pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    /// A certificate, of a CA or not, over a public key whose private key nobody needs.
    pub(crate) fn certify_key(&self, name: &str, is_ca: bool, key: &impl PublicKeyData) -> Bytes {
        let params = if is_ca { ca_params(name, None) } else { leaf_params(name, &["peer"]) };
        Bytes::copy_from_slice(params.signed_by(key, &self.issuer).unwrap().der())
    }

    pub(crate) fn issue(&self, name: &str, units: &[&str]) -> Leaf {
        self.issue_params(&leaf_params(name, units))
    }

    pub(crate) fn issue_params(&self, params: &CertificateParams) -> Leaf {
        self.issue_for(params, &key(&PKCS_ECDSA_P256_SHA256))
    }

    pub(crate) fn issue_for(&self, params: &CertificateParams, key: &KeyPair) -> Leaf {
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        Leaf {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            key_der: key.serialize_der(),
        }
    }
}

/// An Ed25519 key in any 32 bytes, sound or not.
pub(crate) struct RawEd25519(pub(crate) [u8; 32]);

impl PublicKeyData for RawEd25519 {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

/// The neutral point, for which anybody can sign.
pub(crate) fn small_order() -> RawEd25519 {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    RawEd25519(bytes)
}

pub(crate) fn default_node_ous() -> NodeOus {
    let ou = |name: &str| Some(OuIdentifier { organizational_unit: name.to_owned(), certificate: None });
    NodeOus { client: ou("client"), peer: ou("peer"), admin: ou("admin"), orderer: ou("orderer") }
}

/// An MSP with NodeOUs, one root and no TLS CA.
pub(crate) fn config(name: &str, root: &Ca) -> MspConfig {
    MspConfig {
        version: MspConfig::VERSION,
        msp_id: msp_id(name),
        root_certs: vec![root.der.clone()],
        intermediate_certs: Vec::new(),
        admin_certs: Vec::new(),
        tls_root_certs: Vec::new(),
        tls_intermediate_certs: Vec::new(),
        node_ous: Some(default_node_ous()),
    }
}

pub(crate) fn serialized(msp: &str, id_bytes: &[u8]) -> Vec<u8> {
    let identity = SerializedIdentity { mspid: msp.to_owned(), id_bytes: Bytes::copy_from_slice(id_bytes) };
    prost::Message::encode_to_vec(&identity)
}

/// An MSP folder's files.
pub(crate) fn files<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, Vec<u8>> {
    entries.into_iter().map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).collect()
}

/// A PEM block of other bytes.
pub(crate) fn pem_block(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut body = String::new();
    for group in der.chunks(3) {
        let mut bytes = [0_u8; 4];
        bytes[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bytes);
        for place in 0..4 {
            let sextet = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap();
            body.push(if place <= group.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

//! Signers with real certificates and real signatures: proof tokens cannot be made in any other way.

use std::{collections::BTreeMap, sync::LazyLock};

use msp::{MspSet, SigningIdentity, VerifiedSignature};
use protocol::{MspConfig, MspId, NodeOus, OuIdentifier};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256,
};

/// 2026, inside the validity of every certificate here.
const NOW_MS: u64 = 1_767_225_600_000;

pub(crate) fn msp_id(name: &str) -> MspId {
    MspId::new(name).unwrap()
}

/// One signature by each of three organisations' people, by name: `A.peer1`, `B.admin2`, `C.client1` and so on.
/// `A.both` are two certificates of one key, a peer's and an admin's.
static SIGNATURES: LazyLock<BTreeMap<String, Vec<VerifiedSignature>>> = LazyLock::new(|| {
    let mut signatures = BTreeMap::new();
    for organization in ["A", "B", "C"] {
        let ca = Ca::new(organization);
        let set = MspSet::new([&ca.config]).unwrap();
        for role in ["peer", "admin", "client", "orderer"] {
            for number in ["1", "2"] {
                let signature = ca.sign(&set, role, &key());
                signatures.insert(format!("{organization}.{role}{number}"), vec![signature]);
            }
        }
        let key = key();
        let both = ["peer", "admin"].map(|role| ca.sign(&set, role, &key));
        signatures.insert(format!("{organization}.both"), both.to_vec());
    }
    signatures
});

/// The signatures of the named people, in that order.
pub(crate) fn signed_by(names: &[&str]) -> Vec<VerifiedSignature> {
    names.iter().flat_map(|name| SIGNATURES.get(*name).expect(name).clone()).collect()
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

struct Ca {
    issuer: Issuer<'static, KeyPair>,
    config: MspConfig,
}

impl Ca {
    fn new(organization: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = name(organization, None);
        let key = key();
        let certificate = params.self_signed(&key).unwrap();
        let ou = |name: &str| Some(OuIdentifier { organizational_unit: name.to_owned(), certificate: None });
        let config = MspConfig {
            version: MspConfig::VERSION,
            msp_id: msp_id(organization),
            root_certs: vec![certificate.der().to_vec().into()],
            intermediate_certs: Vec::new(),
            admin_certs: Vec::new(),
            tls_root_certs: Vec::new(),
            tls_intermediate_certs: Vec::new(),
            node_ous: Some(NodeOus {
                client: ou("client"),
                peer: ou("peer"),
                admin: ou("admin"),
                orderer: ou("orderer"),
            }),
        };
        Self { issuer: Issuer::new(params, key), config }
    }

    fn sign(&self, set: &MspSet, role: &str, key: &KeyPair) -> VerifiedSignature {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("somebody", Some(role));
        let pem = params.signed_by(key, &self.issuer).unwrap().pem();
        let msp_id = self.config.msp_id.clone();
        let signer =
            SigningIdentity::from_pem(msp_id, pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        let identity = set.identify(&signer.serialized(), NOW_MS).unwrap();
        identity.verify(b"message", &signer.sign(b"message")).unwrap()
    }
}

fn name(common_name: &str, unit: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(unit) = unit {
        name.push(DnType::OrganizationalUnitName, unit);
    }
    name
}

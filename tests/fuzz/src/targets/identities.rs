//! Who somebody is: certificates, serialised identities, signatures, MSP folders.

use std::collections::BTreeMap;

use bytes::Bytes;
use msp::{Msp, MspFolder};
use prost::Message as _;
use protocol::fabric::SerializedIdentity;
use protocol::{MspConfig, MspId};

use crate::material::{NOW_MS, SIGNATURE, SIGNED_MESSAGE, SIGNER, bundle};

/// A certificate: as a presented one of the material's hospital, as the root of an organisation, and as it is.
pub fn certificate(bytes: &[u8]) -> bool {
    let key = msp::spki_sha256(bytes);
    let config = MspConfig {
        version: MspConfig::VERSION,
        msp_id: MspId::new("Fuzzed").expect("a valid name"),
        root_certs: vec![Bytes::copy_from_slice(bytes)],
        intermediate_certs: vec![],
        admin_certs: vec![],
        tls_root_certs: vec![],
        tls_intermediate_certs: vec![],
        node_ous: None,
    };
    if let Ok(msp) = Msp::new(&config) {
        assert!(key.is_ok(), "a root has a key");
        let _ = msp.identify(bytes, NOW_MS);
    }
    let armored = pem::encode(&pem::Pem::new("CERTIFICATE", bytes));
    let presented = SerializedIdentity { mspid: "HospitalA".into(), id_bytes: armored.into() };
    identity(&presented.encode_to_vec()) || key.is_ok()
}

/// A serialised identity.
pub fn identity(bytes: &[u8]) -> bool {
    let certified = bundle().msps().certify(bytes);
    let Ok(identity) = bundle().identify(bytes, NOW_MS) else { return false };
    assert!(certified.is_ok(), "who is identified is certified");
    assert!(bundle().organization(identity.msp_id()).is_some(), "nobody comes from elsewhere");
    let again = bundle().identify(bytes, NOW_MS).expect("identifying depends on the bytes alone");
    assert_eq!(identity, again);
    assert!(identity.verify(b"nothing", b"").is_err(), "an empty signature holds for nobody");
    true
}

/// A signature of the material's signer over its message: one encoding holds, and nothing else does.
pub fn signature(bytes: &[u8]) -> bool {
    let signer = bundle().identify(SIGNER, NOW_MS).expect("the material's signer");
    let holds = signer.verify(SIGNED_MESSAGE, bytes).is_ok();
    assert!(!holds || bytes == SIGNATURE, "a second encoding of a signature holds");
    holds
}

/// An MSP folder: the input is cut into files at lines that begin with `=== ` and name the file.
pub fn msp_folder(bytes: &[u8]) -> bool {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut name = String::from("config.yaml");
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Some(named) = line.strip_prefix(b"=== ") {
            name = String::from_utf8_lossy(named).trim().to_owned();
        } else {
            files.entry(name.clone()).or_default().extend_from_slice(line);
        }
    }
    let msp_id = MspId::new("HospitalA").expect("a valid name");
    let Ok(folder) = MspFolder::parse(msp_id.clone(), &files) else { return false };
    assert_eq!(folder.config.msp_id, msp_id);
    Msp::new(&folder.config).expect("a folder that was read is an organisation");
    true
}

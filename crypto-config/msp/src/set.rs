//! The organisations of a channel: from a serialised identity to a verified one.
//!
//! An identity names its MSP; only that MSP's CAs are tried. No two organisations may share an issuing CA, since each
//! could then speak for the other; this is checked when the set is built.

use std::{collections::BTreeMap, fmt, sync::Arc};

use protocol::{
    MspConfig, MspId,
    fabric::{Message, SerializedIdentity},
    limits::IDENTITY_BYTES_MAX,
};

use crate::{
    certificate::Certificate,
    error::MspError,
    identity::{Certified, VerifiedIdentity},
    rejection::IdentityRejection,
    verifier::Msp,
};

/// The verifiers of all organisations of a channel.
pub struct MspSet {
    msps: BTreeMap<MspId, Msp>,
}

impl MspSet {
    /// Compiles all verifiers.
    ///
    /// # Errors
    /// [`MspError`] of the first MSP that cannot be compiled, and [`MspError::DuplicateMsp`], [`MspError::SharedCa`].
    pub fn new<'a>(configs: impl IntoIterator<Item = &'a MspConfig>) -> Result<Self, MspError> {
        let mut msps: BTreeMap<MspId, Msp> = BTreeMap::new();
        for config in configs {
            let msp = Msp::new(config)?;
            if msps.insert(config.msp_id.clone(), msp).is_some() {
                return Err(MspError::DuplicateMsp { msp_id: config.msp_id.clone() });
            }
        }
        refuse_shared_cas(&msps)?;
        Ok(Self { msps })
    }

    /// The identity in `serialized` (Fabric's `SerializedIdentity`) at `at_ms` Unix milliseconds.
    ///
    /// # Errors
    /// [`IdentityRejection`] with the first rule that the identity breaks.
    pub fn identify(&self, serialized: &[u8], at_ms: u64) -> Result<VerifiedIdentity, IdentityRejection> {
        self.certify(serialized)?.at(at_ms)
    }

    /// The time-independent part of [`MspSet::identify`]. Its result depends on the bytes and on this set only, so a
    /// caller may keep it in a bounded cache keyed by the bytes, for as long as it keeps the set.
    ///
    /// # Errors
    /// Every [`IdentityRejection`] but expiry.
    pub fn certify(&self, serialized: &[u8]) -> Result<Arc<Certified>, IdentityRejection> {
        if serialized.len() > IDENTITY_BYTES_MAX {
            return Err(IdentityRejection::TooLarge { bytes: serialized.len(), limit: IDENTITY_BYTES_MAX });
        }
        let identity = SerializedIdentity::decode(serialized).map_err(|_| IdentityRejection::Malformed {
            what: "it is not a SerializedIdentity message".to_owned(),
        })?;
        if identity.encode_to_vec() != serialized {
            let what = "it holds more than an MSP id and a certificate, or not in this order".to_owned();
            return Err(IdentityRejection::Malformed { what });
        }
        let msp = MspId::new(identity.mspid.as_str()).ok().and_then(|msp_id| self.msps.get(&msp_id));
        let msp = msp.ok_or_else(|| IdentityRejection::UnknownMsp {
            msp_id: identity.mspid.chars().filter(|character| !character.is_control()).take(128).collect(),
            known: self.msps.keys().cloned().collect(),
        })?;
        msp.certify(&identity.id_bytes)
    }

    /// The organisation whose TLS CA issued the certificate (DER). Validity in time is the TLS layer's matter.
    #[must_use]
    pub fn tls_msp(&self, tls_cert_der: &[u8]) -> Option<MspId> {
        let certificate = Certificate::parse(tls_cert_der).ok()?;
        self.msps.values().find(|msp| msp.has_issued_tls(&certificate)).map(|msp| msp.msp_id().clone())
    }

    /// The verifier of one organisation.
    #[must_use]
    pub fn msp(&self, msp_id: &MspId) -> Option<&Msp> {
        self.msps.get(msp_id)
    }

    /// The organisations, sorted.
    pub fn msp_ids(&self) -> impl Iterator<Item = &MspId> {
        self.msps.keys()
    }
}

impl fmt::Debug for MspSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MspSet").field(&self.msps.keys().collect::<Vec<_>>()).finish()
    }
}

fn refuse_shared_cas(msps: &BTreeMap<MspId, Msp>) -> Result<(), MspError> {
    let mut owners: BTreeMap<_, &MspId> = BTreeMap::new();
    for (msp_id, msp) in msps {
        for (kind, tree) in msp.issuing_cas() {
            for ca in tree.issuing() {
                let owner = *owners.entry((kind, ca.poi)).or_insert(msp_id);
                if owner != msp_id {
                    return Err(MspError::SharedCa {
                        first: owner.clone(),
                        second: msp_id.clone(),
                        kind,
                        subject: ca.subject_text.clone(),
                    });
                }
            }
        }
    }
    Ok(())
}

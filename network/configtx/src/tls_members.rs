//! Remembers which organisation of the channel issued a TLS certificate.
//!
//! Every request is asked for it, and finding an issuer costs a signature. That nobody here issued it is remembered too.

use std::sync::Arc;

use msp::MspSet;
use protocol::{Digest, MspId};

use crate::remembered::Remembered;

#[derive(Debug, Default)]
pub(crate) struct TlsMembers(Remembered<Option<Arc<MspId>>>);

impl TlsMembers {
    pub(crate) fn issuer(&self, msps: &MspSet, certificate: &[u8]) -> Option<Arc<MspId>> {
        let key = Digest::of(certificate);
        if let Some(issuer) = self.0.of(&key) {
            return issuer;
        }
        let issuer = msps.tls_msp(certificate).map(Arc::new);
        self.0.keep(key, issuer.clone());
        issuer
    }
}

//! The endorsements of one transaction, on the way to the signatures that hold.
//!
//! Each endorser counts once. The first endorsement of each is verified together with those of other transactions; a
//! further one by the same endorser is looked at only if those before it did not hold, so that repeating one endorsement
//! costs nothing.

use bytes::Bytes;
use configtx::ConfigBundle;
use msp::{IdentityRejection, SignatureClaim, VerifiedIdentity, VerifiedSignature};
use protocol::fabric::Endorsement;

use super::SignatureVerdict;
use crate::parse::ParsedTransaction;

/// The endorsements of a transaction, each with its endorser.
pub(crate) struct Endorsements {
    /// What endorsers signed, each followed by its own identity.
    endorsed: Bytes,
    endorsements: Vec<(Endorsement, Endorser)>,
}

enum Endorser {
    Unknown(IdentityRejection),
    /// The first endorsement by this endorser.
    New(VerifiedIdentity),
    /// One more by an endorser before it.
    Repeated(VerifiedIdentity),
}

impl Endorsements {
    pub(crate) fn of(parsed: &ParsedTransaction, bundle: &ConfigBundle, at_ms: u64) -> Self {
        let mut endorsements: Vec<(Endorsement, Endorser)> = Vec::with_capacity(parsed.endorsements.len());
        for endorsement in &parsed.endorsements {
            let endorser = match bundle.identify(&endorsement.endorser, at_ms) {
                Err(rejection) => Endorser::Unknown(rejection),
                Ok(identity) if endorsements.iter().any(|(_, known)| known.is(&identity)) => {
                    Endorser::Repeated(identity)
                }
                Ok(identity) => Endorser::New(identity),
            };
            endorsements.push((endorsement.clone(), endorser));
        }
        Self { endorsed: parsed.endorsed.clone(), endorsements }
    }

    /// What is to be verified before [`Endorsements::judge`], in its order.
    pub(crate) fn claims(&self) -> impl Iterator<Item = SignatureClaim<'_>> {
        self.endorsements.iter().filter_map(|(endorsement, endorser)| match endorser {
            Endorser::New(identity) => Some(SignatureClaim {
                identity,
                message: [&self.endorsed, &endorsement.endorser],
                signature: &endorsement.signature,
            }),
            Endorser::Unknown(_) | Endorser::Repeated(_) => None,
        })
    }

    /// The endorsements that hold, each endorser once, and why the others do not count. Takes as many of `verdicts` as
    /// [`Endorsements::claims`] gave claims.
    pub(crate) fn judge(
        self,
        verdicts: &mut impl Iterator<Item = SignatureVerdict>,
        bundle: &ConfigBundle,
    ) -> (Vec<VerifiedSignature>, Vec<String>) {
        let mut held: Vec<VerifiedSignature> = Vec::with_capacity(self.endorsements.len());
        let mut passed_over = Vec::new();
        for (place, (endorsement, endorser)) in self.endorsements.iter().enumerate() {
            let (identity, verdict) = match endorser {
                Endorser::Unknown(rejection) => {
                    passed_over.push(format!("endorsement {place}: {rejection}"));
                    continue;
                }
                Endorser::New(identity) => (identity, verdicts.next()),
                Endorser::Repeated(identity) => (identity, None),
            };
            if held.iter().any(|known| known.identity() == identity) {
                passed_over.push(format!("endorsement {place}: its endorser is counted already"));
                continue;
            }
            let alone = || {
                let message = [&self.endorsed[..], &endorsement.endorser[..]].concat();
                bundle.verify(identity, &message, &endorsement.signature)
            };
            match verdict.unwrap_or_else(alone) {
                Ok(signature) => held.push(signature),
                Err(rejection) => passed_over.push(format!("endorsement {place}: {rejection}")),
            }
        }
        (held, passed_over)
    }
}

impl Endorser {
    fn is(&self, identity: &VerifiedIdentity) -> bool {
        match self {
            Self::Unknown(_) => false,
            Self::New(known) | Self::Repeated(known) => known == identity,
        }
    }
}

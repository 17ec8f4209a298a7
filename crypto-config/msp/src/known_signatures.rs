//! Remembers signatures that held, so that a node checks none twice.
//!
//! A transaction's signatures meet a peer more than once: at endorsement or submission, and again in its block. What is
//! remembered is that a key signed a message, which depends on no time, configuration or ledger; who may act is asked
//! anew each time. Only a signature that was verified here is remembered: never a refusal, and never one that was only made
//! here, since a key's holder can fail and then this node alone would believe it. A digest stands for key, message and
//! signature, so that nothing of them is kept.

use std::{
    collections::HashSet,
    fmt, mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use protocol::Poi;

use crate::{
    hashing::Hash,
    identity::{SignatureClaim, VerifiedIdentity, VerifiedSignature, verify_all},
    rejection::SignatureRejection,
};

/// Signatures of one generation: those of some ten thousand transactions, more than wait for their block at a time. Two
/// generations are kept, 3 MB at most.
const GENERATION_MAX: usize = 32_768;

type Seen = [u8; 32];

/// A bounded memory of signatures that held. Safe to share between threads.
#[derive(Default)]
pub struct KnownSignatures {
    generations: Mutex<Generations>,
}

/// Asked and added to, never walked through: the order of a hash set decides nothing.
#[derive(Default)]
struct Generations {
    current: HashSet<Seen>,
    before: HashSet<Seen>,
}

impl Generations {
    fn has(&self, seen: &Seen) -> bool {
        self.current.contains(seen) || self.before.contains(seen)
    }

    fn add(&mut self, seen: Seen) {
        if self.current.len() >= GENERATION_MAX {
            self.before = mem::take(&mut self.current);
        }
        self.current.insert(seen);
    }
}

impl KnownSignatures {
    /// Proof that `identity` signed `message`: from memory, or as [`VerifiedIdentity::verify`], and then remembered.
    ///
    /// # Errors
    /// As [`VerifiedIdentity::verify`].
    pub fn verify(
        &self,
        identity: &VerifiedIdentity,
        message: &[u8],
        signature: &[u8],
    ) -> Result<VerifiedSignature, SignatureRejection> {
        let seen = digest(identity.poi(), &[message], signature);
        if self.lock().has(&seen) {
            return Ok(VerifiedSignature::remembered(identity));
        }
        // The lock is not held meanwhile: others check beside this one.
        let verified = identity.verify(message, signature)?;
        self.lock().add(seen);
        Ok(verified)
    }

    /// The verdict on each claim, in their order: what [`KnownSignatures::verify`] says of it alone. What is not remembered is
    /// verified together.
    pub fn verify_all(
        &self,
        claims: &[SignatureClaim<'_>],
    ) -> Vec<Result<VerifiedSignature, SignatureRejection>> {
        let seen_of =
            |claim: &SignatureClaim<'_>| digest(claim.identity.poi(), &claim.message, claim.signature);
        let seen: Vec<Seen> = claims.iter().map(seen_of).collect();
        let known: Vec<bool> = {
            let generations = self.lock();
            seen.iter().map(|seen| generations.has(seen)).collect()
        };
        let new = claims.iter().zip(&known).filter(|(_, is_known)| !**is_known);
        let mut verified = verify_all(&new.map(|(claim, _)| *claim).collect::<Vec<_>>()).into_iter();
        let mut generations = self.lock();
        let verdicts = claims.iter().zip(seen).zip(known).map(|((claim, seen), is_known)| {
            if is_known {
                return Ok(VerifiedSignature::remembered(claim.identity));
            }
            let alone = || claim.identity.verify(&claim.message.concat(), claim.signature);
            let verdict = verified.next().unwrap_or_else(alone);
            if verdict.is_ok() {
                generations.add(seen);
            }
            verdict
        });
        verdicts.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KnownSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownSignatures { .. }")
    }
}

/// Key, lengths and contents: no two triples have one input. The message comes in parts.
fn digest(poi: Poi, message: &[&[u8]], signature: &[u8]) -> Seen {
    let mut hash = Hash::new();
    hash.update(poi.as_bytes());
    hash.update_bounded(message);
    hash.update_bounded(&[signature]);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_generations_are_remembered_and_the_third_last_is_not() {
        let mut generations = Generations::default();
        let seen = |number: usize| -> Seen {
            let mut seen = [0; 32];
            seen[..8].copy_from_slice(&(number as u64).to_be_bytes());
            seen
        };
        for number in 0..=2 * GENERATION_MAX {
            generations.add(seen(number));
            assert!(generations.current.len() + generations.before.len() <= 2 * GENERATION_MAX);
        }
        let rows = [
            ("the newest", 2 * GENERATION_MAX, true),
            ("the first of the generation before", GENERATION_MAX, true),
            ("one of the first generation", 0, false),
        ];
        for (name, number, is_known) in rows {
            assert_eq!(generations.has(&seen(number)), is_known, "{name}");
        }
    }

    #[test]
    fn no_two_triples_share_a_digest() {
        let (a, b) = (Poi::from_digest([1; 32]), Poi::from_digest([2; 32]));
        let rows = [
            digest(a, &[b"ab"], b"c"),
            digest(a, &[b"a"], b"bc"),
            digest(b, &[b"ab"], b"c"),
            digest(a, &[b"ab"], b"d"),
        ];
        let distinct: HashSet<Seen> = rows.into();
        assert_eq!(distinct.len(), rows.len());
        assert_eq!(digest(a, &[b"a", b"b"], b"c"), rows[0], "parts are as good as the whole");
    }
}

//! Ed25519 by the one rule of this network: ZIP 215. Messages and certificates are verified here and nowhere else.
//!
//! RFC 8032 leaves open what becomes of points of small order and of encodings that are not canonical. Libraries differ
//! there, and two peers that differ fork a ledger. ZIP 215 leaves nothing open: points are taken as they decode, s is
//! below the group's order, and [8][s]B = [8]R + [8][k]A. It is also the rule under which signatures that are checked
//! together get the verdicts that each gets alone, which other rules do not promise.
//!
//! A batch is one equation over all its signatures, each weighed by a coefficient that a forger must not foresee. Pure
//! crates draw no random numbers, so coefficients are hashed from all that the batch holds (Fiat and Shamir's way): to
//! change a signature is to change every coefficient, and a wrong batch passes with probability 2^-125 for each one tried.
//! The library gathers signatures by key in a hash map, so which coefficient weighs which signature differs from run to run;
//! the verdict does not. True signatures pass together under every choice, which is what ZIP 215's factor of 8 is for, and a
//! batch that fails says nothing of its members: each is judged alone.

use std::convert::Infallible;

use ed25519_zebra::{Signature, VerificationKey, VerificationKeyBytes, batch};
use rand_core::{TryCryptoRng, TryRng};

use crate::{hashing::Hash, rejection::SignatureRejection};

/// Signatures in one equation. Twice as many are hardly faster each, and a false one costs its whole batch a second look.
const BATCH_MAX: usize = 128;
/// Below this the equation costs more than its members do alone.
const BATCH_MIN: usize = 4;

/// An Ed25519 public key as a certificate may state it: a point in its one canonical encoding, not of small order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ed25519Key(VerificationKey);

impl Ed25519Key {
    /// Reads 32 bytes.
    ///
    /// # Errors
    /// What is wrong with the key: its length; a second encoding of a point, because one key has one PoI; bytes that are
    /// no point; a point of small order, because anybody can sign for it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| "an Ed25519 key that has not 32 bytes")?;
        if !is_canonical(&bytes) {
            return Err("an Ed25519 key in a second encoding");
        }
        let key = Self::decode(bytes).ok_or("an Ed25519 key that is no point of the curve")?;
        if key.is_of_small_order() {
            return Err("an Ed25519 key of small order, for which anybody can sign");
        }
        Ok(key)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// Whether `signature` (64 bytes, R and s) over `message` is this key's.
    ///
    /// # Errors
    /// [`SignatureRejection::Malformed`] for another length, [`SignatureRejection::BadSignature`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureRejection> {
        self.verify_read(message, &read(signature)?)
    }

    fn verify_read(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureRejection> {
        self.0.verify(signature, message).map_err(|_| SignatureRejection::BadSignature)
    }

    /// Any point of the curve, in any encoding: what ZIP 215 verifies with.
    fn decode(bytes: [u8; 32]) -> Option<Self> {
        VerificationKey::try_from(bytes).ok().map(Self)
    }

    /// With R = 0 and s = 0 the equation becomes [8][k]A = 0, which holds for the eight points of small order, and for
    /// others only if the hash k is a multiple of the group's order.
    fn is_of_small_order(&self) -> bool {
        let mut zeros = [0; 64];
        // The encoding of the neutral point, (0, 1).
        zeros[0] = 1;
        self.verify_read(b"", &Signature::from_bytes(&zeros)).is_ok()
    }
}

/// Whether the y in `bytes` (little-endian, below the sign bit) is below the field's order, 2^255 - 19.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

fn read(signature: &[u8]) -> Result<Signature, SignatureRejection> {
    let bytes: &[u8; 64] = signature
        .try_into()
        .map_err(|_| SignatureRejection::Malformed { what: "an Ed25519 signature has 64 bytes" })?;
    Ok(Signature::from_bytes(bytes))
}

/// A signature that is to be verified.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) key: &'a Ed25519Key,
    /// Two parts that follow each other.
    pub(crate) message: [&'a [u8]; 2],
    pub(crate) signature: &'a [u8],
}

/// The verdict on each claim, in their order: what [`Ed25519Key::verify`] says of it alone.
pub(crate) fn verify_all(claims: &[Claim<'_>]) -> Vec<Result<(), SignatureRejection>> {
    claims.chunks(BATCH_MAX).flat_map(verify_batch).collect()
}

fn verify_batch(claims: &[Claim<'_>]) -> Vec<Result<(), SignatureRejection>> {
    let signatures: Vec<_> = claims.iter().map(|claim| read(claim.signature)).collect();
    let readable: Vec<(&Claim<'_>, &Signature)> = claims
        .iter()
        .zip(&signatures)
        .filter_map(|(claim, read)| Some((claim, read.as_ref().ok()?)))
        .collect();
    let hold_together = readable.len() >= BATCH_MIN && hold_together(&readable);
    let verdicts = claims.iter().zip(signatures).map(|(claim, read)| match read {
        Ok(_) if hold_together => Ok(()),
        Ok(signature) => claim.key.verify_read(&claim.message.concat(), &signature),
        Err(rejection) => Err(rejection),
    });
    verdicts.collect()
}

fn hold_together(claims: &[(&Claim<'_>, &Signature)]) -> bool {
    let mut verifier = batch::Verifier::new();
    for (claim, signature) in claims {
        verifier.queue((VerificationKeyBytes::from(claim.key.0), **signature, &claim.message.concat()));
    }
    verifier.verify(Coefficients::of(claims)).is_ok()
}

/// The coefficients of one batch: SHA-256 of its content, then SHA-256 of that digest and a counter.
struct Coefficients {
    seed: [u8; 32],
    drawn: u64,
}

impl Coefficients {
    fn of(claims: &[(&Claim<'_>, &Signature)]) -> Self {
        let mut content = Hash::new();
        content.update(b"consilium ed25519 batch");
        for (claim, signature) in claims {
            content.update(claim.key.as_bytes());
            content.update(&signature.to_bytes());
            content.update_bounded(&claim.message);
        }
        Self { seed: content.finish(), drawn: 0 }
    }
}

impl TryRng for Coefficients {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, wanted: &mut [u8]) -> Result<(), Infallible> {
        for part in wanted.chunks_mut(32) {
            let mut hash = Hash::new();
            hash.update(&self.seed);
            hash.update(&self.drawn.to_be_bytes());
            self.drawn += 1;
            let block = hash.finish();
            part.copy_from_slice(&block[..part.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Coefficients {}

#[cfg(test)]
mod tests;

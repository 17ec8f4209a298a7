//! HMAC with SHA-256 (RFC 2104), for pseudonyms: one fixed use, so no general library.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const BLOCK_BYTES: usize = 64;

/// HMAC-SHA256 of `message` under a key of 32 bytes.
pub(super) fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let padded = |pad: u8| {
        let mut block = Zeroizing::new([pad; BLOCK_BYTES]);
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new_with_prefix(&padded(0x36)[..]).chain_update(message).finalize();
    Sha256::new_with_prefix(&padded(0x5c)[..]).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_are_those_of_an_independent_implementation() {
        // Made with Python's hmac module.
        let rows: [([u8; 32], &[u8], &str); 2] = [
            ([0x0b; 32], b"Hi There", "198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7"),
            ([0; 32], b"", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
        ];
        for (key, message, expected) in rows {
            assert_eq!(hex::encode(hmac_sha256(&key, message)), expected);
        }
    }
}

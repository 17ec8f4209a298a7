//! SHA-256 over parts, so that messages are hashed without being joined.

use aws_lc_rs::digest::{Context, SHA256};

/// A digest that is being made.
pub(crate) struct Hash(Context);

impl Hash {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds a text with its length before it, so that it cannot pass for the beginning of what follows.
    pub(crate) fn update_bounded(&mut self, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.update(&(length as u64).to_be_bytes());
        for part in parts {
            self.update(part);
        }
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        // SHA-256 has 32 bytes.
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

//! What keys and signatures may be: of another kind, sent again, in another's place.

mod ed25519;
mod replays;
mod swapped_certificates;

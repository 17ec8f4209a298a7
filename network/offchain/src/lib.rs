//! Content identifiers and the DAG that a sealed report becomes off-chain, built and checked block by block.
//!
//! The one profile that is written is IPFS' `unixfs-v1-2025`: CIDv1, SHA-256, raw leaves of 1 MiB, link nodes of at
//! most 1,024 links, balanced. Content and profile determine every block, so two honest nodes name a file alike, and a
//! reader can refuse any DAG that is not exactly the one the builder would have made.
//!
//! Nothing here does I/O: [`DagBuilder`] hands blocks to a [`BlockSink`], [`DagWalk`] says which block it wants next.
//! Memory is bounded by one chunk and one list of links a level, whatever the size of the content. Only ciphertext has a
//! CID; the record binds the plaintext by [`Binding`].

mod binding;
mod builder;
mod cid;
mod error;
mod node;
mod profile;
mod walk;

pub use binding::{Binding, BindingHasher, InvalidBinding};
pub use builder::{BlockSink, BuildError, DagBuilder, Root};
pub use cid::{CID_BYTES, Cid, CidError, Codec};
pub use error::DagError;
pub use node::{Link, links};
pub use profile::{DAG_DEPTH_MAX, LINKS_MAX, Profile};
pub use walk::{DagWalk, Next};

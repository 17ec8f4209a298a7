//! The house rules as a test: layers, owners of technologies, licences, manifests, READMEs, words and measures.
//!
//! Each rule is a pure function from a [`Workspace`] to a list of [`Finding`]s, which name file, line, rule and fix; the
//! tests in `tests/rules.rs` fail on any. [`report`] prints what is measured, beside its bar. Nothing here builds or
//! changes the tree: it reads `cargo metadata` and the files that git tracks or would track.

mod bars;
mod clones;
mod finding;
mod layers;
mod licences;
mod manifest;
mod measures;
mod metadata;
mod owners;
mod purity;
mod readmes;
mod report;
mod scan;
mod sources;
mod words;
mod workspace;

pub use bars::check as bars;
pub use finding::Finding;
pub use layers::check as layers;
pub use licences::check as licences;
pub use manifest::check as manifests;
pub use owners::check as owners;
pub use purity::check as purity;
pub use readmes::check as readmes;
pub use report::report;
pub use sources::check as sources;
pub use words::check as words;
pub use workspace::{SourceFile, Workspace};

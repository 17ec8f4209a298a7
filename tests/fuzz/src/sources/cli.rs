//! The command line's arguments; the reader of base64 stands beside them as in their own crate.

#[path = "../../../../peer/peer/src/cli/base64.rs"]
pub mod base64;
#[path = "../../../../peer/peer/src/cli/constructor.rs"]
pub mod constructor;

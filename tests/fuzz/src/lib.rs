//! Every decoder under hostile bytes.
//!
//! A [`Target`] is a plain function over bytes: it decodes, checks what must hold of everything that is accepted, and
//! panics where it does not. A target never judges whether input *should* be accepted; it says whether it was, so that
//! seeds can prove that they reach the depth they were made for. `tests/replay.rs` runs each target over its seeds and
//! over mutations of them; the binary `guided` gives the same functions to libFuzzer (see README.md).
//!
//! Everything here depends on the input alone: no clock, no randomness, keys from files in `material`.
#![allow(clippy::expect_used, reason = "a target reports what it found by panicking")]

pub mod material;
pub mod mutation;
// The included files name test modules of their own crates: they are never built as tests of this one, nor formatted.
#[cfg(not(test))]
#[rustfmt::skip]
mod sources;
#[cfg(not(test))]
pub mod targets;

// What the included files call it in their own crate.
#[cfg(not(test))]
use sources::template;
#[cfg(not(test))]
pub use targets::{TARGETS, Target, named};

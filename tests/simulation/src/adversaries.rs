//! Adversaries, one file each: a clock that is wrong, and a thief of one orderer's keys.
//!
//! The thief sits in the stolen consenter's process, leads with it, and says what it likes in its name ([`Thief`]). What it
//! may gain is written in each file. None of them sees more than one orderer's keys.

pub mod clock_ahead;
pub mod dating_key;
pub mod equivocating_key;
pub mod forging_key;
mod thief;

pub use thief::Thief;

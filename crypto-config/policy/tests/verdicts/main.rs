//! Verdicts of policies over real signatures, and their texts.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod evaluation;
mod explanations;
mod model;
mod plans;
mod signers;
mod texts;
mod truth_table;

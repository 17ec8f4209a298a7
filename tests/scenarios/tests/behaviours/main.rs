//! Behaviours of whole networks, one module each. See the crate's documentation for what they share.

mod admission;
mod bad_input;
mod chaincode_events;
mod channel_updates;
mod damage;
mod differing_ledger;
mod endorsers_disagree;
mod help;
mod identities;
mod image_workers;
mod metrics;
mod misbehaving_chaincode;
mod mixed_load;
mod one_hospital_down;
mod one_orderer;
mod openssl_and_crypto;
mod patched_peers_share;
mod report_lifecycle;
mod sigkill;
mod signing_keys;
mod start_and_restart;
mod stock_client;
mod two_channels;
mod uploaded_before;
mod wrong_proposals;
mod wrong_settings;

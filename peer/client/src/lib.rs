//! What a user's program does with a channel: propose, check, sign, submit, wait; and the operations on identities and
//! reports.
//!
//! A [`Connection`] leads to the gateway of the own hospital's peer and signs with one user's key. [`Connection::submit`]
//! is the whole way of a transaction. Before anything is signed, the envelope that came back is compared with what was
//! proposed; a difference is a fault that names it, and nothing is signed or sent. [`Connection::endorse_at`] and
//! [`Connection::broadcast`] go the same way past the gateway, for operators. [`Connection::update_channel`] submits a change
//! of the channel's configuration that administrators signed.
//!
//! Two kinds of failure, never mixed: a [`Rejection`] is somebody's verdict on what was asked, a [`Fault`] is a matter of
//! network, node, file or configuration. Nothing here decides who may do what, and no plaintext, key or patient appears
//! in an error or in `Debug` output.

mod calls;
mod commit;
mod config_update;
mod connection;
mod deadlines;
mod deliver;
mod direct;
mod draft;
mod error;
mod events;
mod identities;
mod reporting;
mod system;
mod transactions;

pub use config_update::sign_update;
pub use connection::{Connection, ConnectionSettings};
pub use deadlines::{Deadlines, Phase};
pub use deliver::BlockPosition;
pub use draft::Draft;
pub use error::{ClientError, Detail, Fault, Rejection};
pub use events::{ChaincodeEvents, Checkpoint, EventsStart, ReceivedEvent};
pub use identities::claim;
pub use reporting::{
    BlockVerification, CheckerChoice, Downloaded, Downloading, MapPeer, ProofOfWork, ReportIdError,
    ShownReport, Target, Upload, UploadProgress, Uploaded, checker_choices, resolve_report_id,
};
pub use system::ChainInfo;
pub use transactions::{Endorsed, Submitted};

/// What a user may hold of others' crates through this one: records of identities and reports.
pub use ::identities::ShownIdentity;
pub use reports::{AdmissionRecord, Grant, Opening, ReportPage, ReportRecord, ReportState, VerdictRecord};

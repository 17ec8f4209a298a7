//! How a verb ends that is not done, and the exit code of each end.

use std::process::ExitCode;

use client::{ClientError, ReportIdError};
use node::SettingsErrors;
use serde_json::json;

use super::output::OutputFormat;

/// The request was judged and refused.
pub const REJECTED: u8 = 1;
/// Network, node, file or configuration failed.
pub const FAULT: u8 = 2;
/// The command line is wrong (`EX_USAGE`).
pub const USAGE: u8 = 64;

/// Why a verb is not done.
#[derive(Debug)]
pub enum Failure {
    /// Refused, with the code's name.
    Rejected {
        /// Such as `MVCC_READ_CONFLICT`.
        code: String,
        /// Why.
        text: String,
    },
    /// A fault.
    Fault(String),
    /// The command line is wrong.
    Usage(String),
}

impl Failure {
    /// A fault.
    pub fn fault(text: impl ToString) -> Self {
        Self::Fault(text.to_string())
    }

    /// A wrong command line.
    pub fn usage(text: impl ToString) -> Self {
        Self::Usage(text.to_string())
    }

    /// The exit code.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Rejected { .. } => REJECTED,
            Self::Fault(_) => FAULT,
            Self::Usage(_) => USAGE,
        }
    }

    fn line(&self, format: OutputFormat) -> String {
        let (kind, code, text) = match self {
            Self::Rejected { code, text } => ("rejected", code.as_str(), text),
            Self::Fault(text) => ("fault", "", text),
            Self::Usage(text) => ("usage", "", text),
        };
        match (format, code) {
            (OutputFormat::Json, code) => json!({ "error": kind, "code": code, "message": text }).to_string(),
            (OutputFormat::Text, "") => format!("{kind}: {text}"),
            (OutputFormat::Text, code) => format!("{kind}: {code}: {text}"),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Rejected(rejection) => {
                Self::Rejected { code: rejection.code_name(), text: rejection.to_string() }
            }
            ClientError::Fault(fault) => Self::Fault(fault.to_string()),
        }
    }
}

impl From<SettingsErrors> for Failure {
    fn from(errors: SettingsErrors) -> Self {
        Self::fault(errors)
    }
}

impl From<ReportIdError> for Failure {
    fn from(error: ReportIdError) -> Self {
        Self::usage(error)
    }
}

/// Says on stderr why a verb is not done; returns the exit code.
pub fn report(failure: &Failure, format: OutputFormat) -> ExitCode {
    eprintln!("{}", failure.line(format));
    ExitCode::from(failure.exit_code())
}

#[cfg(test)]
mod tests {
    use client::Rejection;
    use protocol::{BlockNumber, TxId, TxValidationCode};

    use super::*;

    #[test]
    fn a_verdict_ends_with_1_and_its_codes_name() {
        let rejection = Rejection::Invalid {
            tx_id: TxId::of(b"n", b"c"),
            code: TxValidationCode::MvccReadConflict,
            block_number: BlockNumber(7),
        };
        let failure = Failure::from(ClientError::from(rejection));
        assert_eq!(failure.exit_code(), 1);
        assert!(failure.line(OutputFormat::Text).starts_with("rejected: MVCC_READ_CONFLICT: "));
        let json: serde_json::Value = serde_json::from_str(&failure.line(OutputFormat::Json)).unwrap();
        assert_eq!((&json["error"], &json["code"]), (&json!("rejected"), &json!("MVCC_READ_CONFLICT")));
    }

    #[test]
    fn faults_end_with_2_and_wrong_usage_with_64() {
        assert_eq!(Failure::fault("x").exit_code(), 2);
        assert_eq!(Failure::usage("x").exit_code(), 64);
        assert_eq!(Failure::usage("x").line(OutputFormat::Text), "usage: x");
    }
}

//! Two kinds of failure: a verdict on what was asked, and a fault on the way. Texts carry what each endpoint said.
//!
//! Which gRPC codes are verdicts: those that the same request would get again (Fabric's gateway uses `ABORTED` for a
//! refused endorsement and `UNKNOWN` for a chaincode's error in an evaluation).

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use endorsing::{Difference, PreparedRejection};
use protocol::fabric::ErrorDetail;
use protocol::{BlockNumber, Endpoint, InvalidName, MspId, Poi, TxId, TxValidationCode};
use thiserror::Error;
use transport::{Code, Status, TransportError, details_of};

use crate::deadlines::Phase;

/// What one endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The endpoint.
    pub address: String,
    /// Its organisation.
    pub msp_id: String,
    /// What it said.
    pub message: String,
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n  {} ({}): {}", self.address, self.msp_id, self.message)
    }
}

impl From<ErrorDetail> for Detail {
    fn from(detail: ErrorDetail) -> Self {
        Self { address: detail.address, msp_id: detail.msp_id, message: detail.message }
    }
}

/// Somebody judged the request and refused it. The same request will be refused again.
#[derive(Debug, Error)]
pub enum Rejection {
    /// A transaction was ordered and is not valid: nothing of it is in the world state.
    #[error("transaction {tx_id} is in block {block_number} with verdict {code}: nothing of it was written")]
    Invalid {
        /// The transaction.
        tx_id: TxId,
        /// The verdict.
        code: TxValidationCode,
        /// Its block.
        block_number: BlockNumber,
    },
    /// A chaincode answered an error.
    #[error("chaincode {chaincode} answered status {status}: {message}")]
    Chaincode {
        /// Which.
        chaincode: String,
        /// Its status, 400 or more.
        status: i32,
        /// Its text.
        message: String,
    },
    /// A node refused the call.
    #[error("{endpoint} refused to {phase}: {message}{}", joined(.details))]
    Refused {
        /// Who refused.
        endpoint: Endpoint,
        /// What was asked.
        phase: Phase,
        /// The gRPC code.
        code: Code,
        /// What it said.
        message: String,
        /// What the endpoints behind it said.
        details: Vec<Detail>,
    },
    /// Endorsers answered differently.
    #[error("the endorsers do not agree: {0:#}")]
    Difference(Box<Difference>),
    /// An orderer refused the envelope.
    #[error("orderer {endpoint} refused the transaction with status {status} ({name}): {info}")]
    Broadcast {
        /// Who refused.
        endpoint: Endpoint,
        /// Fabric's number.
        status: i32,
        /// Fabric's name of it.
        name: &'static str,
        /// What it said.
        info: String,
    },
    /// What the own peer compared does not agree.
    #[error("report {report_id} does not hold: {}", .differences.join("; "))]
    Differs {
        /// The report.
        report_id: TxId,
        /// What differs.
        differences: Vec<String>,
    },
    /// The own hospital uploaded the same file before. Nothing was sealed.
    #[error(
        "{path} was uploaded before, as report {}; share that one, or repeat with --again to record the file once more",
        .reports.iter().map(TxId::as_str).collect::<Vec<_>>().join(", "), path = .path.display()
    )]
    UploadedBefore {
        /// The file.
        path: PathBuf,
        /// The reports, the newest last.
        reports: Vec<TxId>,
    },
    /// There is nothing to verify where somebody's report was looked for.
    #[error("no report of {poi} can be verified in block {block_number}: {reason}")]
    NoReport {
        /// Whose.
        poi: Poi,
        /// Where.
        block_number: BlockNumber,
        /// Why.
        reason: String,
    },
    /// A report was to be shared with somebody who has no peer on the channel. Nothing was proposed.
    #[error("{msp_id} has no peer on channel {channel}, so it could never open a report; share with one of {}", names(.known))]
    UnknownOrganization {
        /// Who was named.
        msp_id: MspId,
        /// The channel.
        channel: String,
        /// Who could be named.
        known: Vec<MspId>,
    },
}

impl Rejection {
    /// The code's name, as the command line reports it: Fabric's name of a verdict or status, or gRPC's of a code.
    #[must_use]
    pub fn code_name(&self) -> String {
        match self {
            Self::Invalid { code, .. } => code.name().to_owned(),
            Self::Chaincode { status, .. } => format!("CHAINCODE_STATUS_{status}"),
            Self::Refused { code, .. } => grpc_name(*code).to_owned(),
            Self::Difference(_) => "ENDORSEMENT_MISMATCH".to_owned(),
            Self::Broadcast { name, .. } => (*name).to_owned(),
            Self::Differs { .. } => "CONTENT_DIFFERS".to_owned(),
            Self::UploadedBefore { .. } => "UPLOADED_BEFORE".to_owned(),
            Self::NoReport { .. } => "NO_SUCH_REPORT".to_owned(),
            Self::UnknownOrganization { .. } => "UNKNOWN_ORGANIZATION".to_owned(),
        }
    }
}

/// Something on the way failed. Nothing is said about the request itself.
#[derive(Debug, Error)]
pub enum Fault {
    /// The endpoint was not reached, or one side does not believe the other.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A call ended without a verdict.
    #[error("{endpoint}: {phase} failed with {}: {message}{}", grpc_name(*.code), joined(.details))]
    Call {
        /// Who was asked.
        endpoint: Endpoint,
        /// What for.
        phase: Phase,
        /// The gRPC code.
        code: Code,
        /// What came back.
        message: String,
        /// What the endpoints behind it said.
        details: Vec<Detail>,
    },
    /// No answer came in time.
    #[error("{endpoint}: no answer to {phase} within {} s; {}", .after.as_secs(), what_next(*.phase, .tx_id.as_ref()))]
    Deadline {
        /// Who was asked.
        endpoint: Endpoint,
        /// What for.
        phase: Phase,
        /// The deadline.
        after: Duration,
        /// The transaction, where it may still commit.
        tx_id: Option<TxId>,
    },
    /// The envelope to sign is not what was proposed. Nothing was signed.
    #[error(
        "{endpoint} returned another transaction than the one proposed; nothing was signed or sent: {source}"
    )]
    Tampered {
        /// Who returned it.
        endpoint: Endpoint,
        /// What differs.
        #[source]
        source: PreparedRejection,
    },
    /// An answer does not make sense.
    #[error("{endpoint}: the answer to {phase} is not usable: {reason}")]
    Answer {
        /// Who answered.
        endpoint: Endpoint,
        /// What was asked.
        phase: Phase,
        /// What is wrong with it.
        reason: String,
    },
    /// The own key, clock or source of randomness does not work, or the proposal is beyond a limit.
    #[error("the proposal cannot be made: {reason}")]
    Proposal {
        /// Why.
        reason: String,
    },
    /// A file cannot be used.
    #[error("{path}: {action}: {source}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What failed, with what to do about it.
        action: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A file is not what the operation needs.
    #[error("{path}: {reason}", path = .path.display())]
    UnfitFile {
        /// Which.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The channel keeps no reports.
    #[error(
        "channel {channel} has no rules for reports, so it keeps none: use a channel whose configuration has `reports`"
    )]
    NoReports {
        /// The channel.
        channel: String,
    },
    /// Not enough checkers can be reached.
    #[error(
        "the upload needs {required} checkers ({own} counted) and not enough can be reached; missing: {}; \
         the channel's checkers are {}; the last answer: {last}",
        names(.missing), names(.checkers)
    )]
    CheckersMissing {
        /// How many must check.
        required: usize,
        /// The own organisation.
        own: MspId,
        /// Who was not reached.
        missing: Vec<MspId>,
        /// Who may check.
        checkers: Vec<MspId>,
        /// What came back last.
        last: String,
    },
    /// The own organisation may not check, so nothing can be uploaded.
    #[error(
        "{own} is not among the checkers of channel {channel} ({}), and every upload is checked by its own hospital first: \
         have the channel's configuration name it",
        names(.checkers)
    )]
    OwnNotAChecker {
        /// The own organisation.
        own: MspId,
        /// The channel.
        channel: String,
        /// Who may check.
        checkers: Vec<MspId>,
    },
    /// The opening is on the ledger, but the report was not received.
    #[error(
        "the opening is recorded as transaction {opening}, but the report was not received: {source}; \
         repeat the download with the same opening (--opening {opening})"
    )]
    Download {
        /// The opening.
        opening: TxId,
        /// Why.
        #[source]
        source: Box<ClientError>,
    },
    /// A name breaks its rule.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

/// Why an operation did not succeed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// A verdict.
    #[error(transparent)]
    Rejected(Box<Rejection>),
    /// A fault.
    #[error(transparent)]
    Fault(Box<Fault>),
}

impl From<Rejection> for ClientError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

impl From<Fault> for ClientError {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl ClientError {
    /// Sorts a status: a verdict or a fault.
    pub(crate) fn of_status(endpoint: &Endpoint, phase: Phase, status: &Status) -> Self {
        let endpoint = endpoint.clone();
        let (code, message) = (status.code(), status.message().to_owned());
        let details: Vec<Detail> = details_of(status).into_iter().map(Detail::from).collect();
        if is_verdict(phase, code) {
            Rejection::Refused { endpoint, phase, code, message, details }.into()
        } else {
            Fault::Call { endpoint, phase, code, message, details }.into()
        }
    }

    /// The code and details of a status that came from the gateway.
    pub(crate) fn status(&self) -> Option<(Code, &str, &[Detail])> {
        match self {
            Self::Rejected(rejection) => match &**rejection {
                Rejection::Refused { code, message, details, .. } => Some((*code, message, details)),
                _ => None,
            },
            Self::Fault(fault) => match &**fault {
                Fault::Call { code, message, details, .. } => Some((*code, message, details)),
                _ => None,
            },
        }
    }
}

fn is_verdict(phase: Phase, code: Code) -> bool {
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => true,
        Code::Unknown => matches!(phase, Phase::Evaluate | Phase::Endorse | Phase::ProcessProposal),
        _ => false,
    }
}

/// gRPC's name of a code.
fn grpc_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn joined(details: &[Detail]) -> String {
    details.iter().map(Detail::to_string).collect()
}

fn names(msp_ids: &[MspId]) -> String {
    if msp_ids.is_empty() {
        return "none".to_owned();
    }
    msp_ids.iter().map(MspId::as_str).collect::<Vec<_>>().join(", ")
}

fn what_next(phase: Phase, tx_id: Option<&TxId>) -> String {
    match (phase, tx_id) {
        (Phase::CommitStatus | Phase::Submit | Phase::Broadcast, Some(tx_id)) => {
            format!("transaction {tx_id} may still commit: ask for it before you submit again")
        }
        _ => "the node is overloaded or hangs; try again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use transport::error_details;

    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint { host: "peer0".to_owned(), port: 7051 }
    }

    #[test]
    fn a_status_is_a_verdict_or_a_fault_by_its_code() {
        let rows = [
            // code, phase, name of the verdict, or nothing for a fault
            (Code::Aborted, Phase::Endorse, Some("ABORTED")),
            (Code::FailedPrecondition, Phase::Endorse, Some("FAILED_PRECONDITION")),
            (Code::PermissionDenied, Phase::Seal, Some("PERMISSION_DENIED")),
            (Code::NotFound, Phase::Download, Some("NOT_FOUND")),
            (Code::Unknown, Phase::Evaluate, Some("UNKNOWN")),
            (Code::Unknown, Phase::Submit, None),
            (Code::Unavailable, Phase::Endorse, None),
            (Code::DeadlineExceeded, Phase::Endorse, None),
            (Code::ResourceExhausted, Phase::Submit, None),
            (Code::Internal, Phase::Verify, None),
        ];
        for (code, phase, verdict) in rows {
            let error = ClientError::of_status(&endpoint(), phase, &Status::new(code, "text"));
            let name = match &error {
                ClientError::Rejected(rejection) => Some(rejection.code_name()),
                ClientError::Fault(_) => None,
            };
            assert_eq!(name.as_deref(), verdict, "{code:?} in {phase}");
            assert!(error.to_string().contains("peer0:7051"), "{error}");
        }
    }

    #[test]
    fn a_text_holds_what_every_endpoint_said() {
        let detail = |address: &str, message: &str| ErrorDetail {
            address: address.to_owned(),
            msp_id: "HospitalBMSP".to_owned(),
            message: message.to_owned(),
        };
        let details = vec![detail("peer0.b:7051", "write of key k differs"), detail("peer1.b:7051", "no")];
        let status =
            error_details(Code::Aborted, "failed to collect enough transaction endorsements", details);
        let text = ClientError::of_status(&endpoint(), Phase::Endorse, &status).to_string();
        for part in
            ["peer0.b:7051 (HospitalBMSP): write of key k differs", "peer1.b:7051", "failed to collect"]
        {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_missed_verdict_says_that_the_transaction_may_still_commit() {
        let tx_id = TxId::of(b"nonce", b"creator");
        let fault = |phase| Fault::Deadline {
            endpoint: endpoint(),
            phase,
            after: Duration::from_secs(60),
            tx_id: Some(tx_id.clone()),
        };
        let text = fault(Phase::CommitStatus).to_string();
        assert!(text.contains("may still commit") && text.contains(tx_id.as_str()), "{text}");
        assert!(!fault(Phase::Endorse).to_string().contains("may still commit"));
    }
}

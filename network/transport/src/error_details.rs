//! Fabric's error details: what each endpoint answered, in the trailer `grpc-status-details-bin`.
//!
//! The trailer holds a `google.rpc.Status` with one `Any` a detail. Go clients need the exact type URL; Node's ignore it.

use bytes::Bytes;
use prost::Message as _;
use protocol::fabric::{Any, ErrorDetail, RpcStatus};
use tonic::{Code, Status};

const TYPE_URL: &str = "type.googleapis.com/gateway.ErrorDetail";

/// Makes a status that carries details.
#[must_use]
pub fn error_details(code: Code, message: impl Into<String>, details: Vec<ErrorDetail>) -> Status {
    let message = message.into();
    if details.is_empty() {
        return Status::new(code, message);
    }
    let details = details
        .into_iter()
        .map(|detail| Any { type_url: TYPE_URL.to_owned(), value: Bytes::from(detail.encode_to_vec()) })
        .collect();
    let rpc = RpcStatus { code: i32::from(code), message: message.clone(), details };
    Status::with_details(code, message, Bytes::from(rpc.encode_to_vec()))
}

/// The details that a status carries; those of other types, and bytes that are no status, are left out.
#[must_use]
pub fn details_of(status: &Status) -> Vec<ErrorDetail> {
    let Ok(rpc) = RpcStatus::decode(status.details()) else { return Vec::new() };
    rpc.details
        .into_iter()
        .filter(|any| any.type_url == TYPE_URL)
        .filter_map(|any| ErrorDetail::decode(any.value).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(address: &str) -> ErrorDetail {
        ErrorDetail {
            address: address.to_owned(),
            msp_id: "Org1MSP".to_owned(),
            message: "chaincode response 500, no".to_owned(),
        }
    }

    #[test]
    fn details_survive_the_trailer() {
        let details = vec![detail("peer0:7051"), detail("peer1:7051")];
        let status = error_details(Code::Aborted, "failed to endorse", details.clone());
        let trailers = status.into_http::<()>();
        let read = Status::from_header_map(trailers.headers()).expect("a status");
        assert_eq!((read.code(), read.message()), (Code::Aborted, "failed to endorse"));
        assert_eq!(details_of(&read), details);
    }

    #[test]
    fn a_status_without_usable_details_has_none() {
        let other = RpcStatus {
            code: 10,
            message: String::new(),
            details: vec![Any { type_url: "type.googleapis.com/other.Type".to_owned(), value: Bytes::new() }],
        };
        let rows = [
            ("none", Status::aborted("x")),
            ("no details given", error_details(Code::Aborted, "x", Vec::new())),
            ("not a status", Status::with_details(Code::Aborted, "x", Bytes::from_static(&[0xff; 9]))),
            ("another type", Status::with_details(Code::Aborted, "x", Bytes::from(other.encode_to_vec()))),
        ];
        for (name, status) in rows {
            assert!(details_of(&status).is_empty(), "{name}");
        }
    }
}

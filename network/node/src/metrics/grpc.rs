//! Counts what a node's gRPC listener answers.

use transport::{Answered, Code, Observer};

use super::{Counter, Description, Metrics, describe};

const UNARY: Description<3> = describe(
    "grpc_server_unary_requests_completed",
    ["service", "method", "code"],
    "Requests with one answer, by method and code.",
);
const STREAMS: Description<2> = describe(
    "grpc_server_stream_requests_received",
    ["service", "method"],
    "Requests that are answered with a stream, by method.",
);

/// Tells `metrics` of every request that a server answers.
#[must_use]
pub fn grpc_observer(metrics: &Metrics) -> Observer {
    let (unary, streams) = (metrics.counter(&UNARY), metrics.counter(&STREAMS));
    Observer::new(move |answered| count(&unary, &streams, answered))
}

fn count(unary: &Counter<3>, streams: &Counter<2>, answered: &Answered) {
    let service = answered.service.replace('.', "_");
    match answered.code {
        Some(Code::Ok) => unary.add([&service, answered.method, "OK"], 1),
        Some(code) => unary.add([&service, answered.method, &format!("{code:?}")], 1),
        None => streams.add([&service, answered.method], 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_method_and_code() {
        let metrics = Metrics::new();
        let (unary, streams) = (metrics.counter(&UNARY), metrics.counter(&STREAMS));
        for code in [Some(Code::Ok), Some(Code::Ok), Some(Code::PermissionDenied), None] {
            count(&unary, &streams, &Answered { service: "gateway.Gateway", method: "Endorse", code });
        }
        let text = metrics.text();
        for line in [
            "grpc_server_unary_requests_completed{code=\"OK\",method=\"Endorse\",service=\"gateway_Gateway\"} 2",
            "grpc_server_unary_requests_completed{code=\"PermissionDenied\",method=\"Endorse\",service=\"gateway_Gateway\"} 1",
            "grpc_server_stream_requests_received{method=\"Endorse\",service=\"gateway_Gateway\"} 1",
        ] {
            assert!(text.lines().any(|served| served == line), "{line}\n{text}");
        }
    }
}

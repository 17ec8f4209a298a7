//! Orderers that answer by script, and what becomes of the envelope.

use std::cell::RefCell;
use std::time::Duration;

use protocol::Endpoint;
use protocol::fabric::{BroadcastResponse, Status};
use tokio::time::Instant;

use super::{ELECTION_MAX, SILENT_MAX, is_majority_lost, until_decided};
use crate::service::{BroadcastVerdict, EndpointFailure, NoOrderer};

fn endpoint(port: u16) -> Endpoint {
    Endpoint { host: "orderer".to_owned(), port }
}

fn failure(endpoint: &Endpoint, message: String) -> EndpointFailure {
    EndpointFailure {
        msp_id: "Orderers".to_owned(),
        address: endpoint.to_string(),
        message,
        is_answer: false,
    }
}

/// Runs a script: each attempt takes the next answer, the last one is repeated. Returns the outcome and whom it asked.
async fn run(
    script: &[Result<Status, &'static str>],
    patience: Duration,
) -> (Result<BroadcastVerdict, NoOrderer>, Vec<u16>) {
    let asked = RefCell::new(Vec::new());
    let round = || vec![endpoint(1), endpoint(2)];
    let send = |endpoint: Endpoint| {
        let place = asked.borrow().len().min(script.len() - 1);
        asked.borrow_mut().push(endpoint.port);
        let answer = match script[place] {
            Ok(status) => Ok(BroadcastResponse { status: status.into(), info: "info".to_owned() }),
            Err(text) => Err(text.to_owned()),
        };
        std::future::ready(answer)
    };
    let outcome = until_decided(round, send, failure, Instant::now() + patience).await;
    (outcome, asked.into_inner())
}

#[tokio::test]
async fn an_envelope_goes_to_the_next_orderer_until_one_decides() {
    use Status as S;
    let unreached = Err("refused");
    let rows: &[(&str, &[Result<Status, &'static str>], &[u16], Status)] = &[
        ("the first takes it", &[Ok(S::Success)], &[1], S::Success),
        ("the second takes it", &[unreached, Ok(S::Success)], &[1, 2], S::Success),
        ("a refusal is final", &[Ok(S::BadRequest)], &[1], S::BadRequest),
        ("forbidden is final", &[Ok(S::Forbidden)], &[1], S::Forbidden),
        ("a full queue is final", &[Ok(S::TooManyRequests)], &[1], S::TooManyRequests),
        ("too large is final", &[Ok(S::RequestEntityTooLarge)], &[1], S::RequestEntityTooLarge),
        (
            "no leader, then one",
            &[Ok(S::ServiceUnavailable), unreached, Ok(S::Success)],
            &[1, 2, 1],
            S::Success,
        ),
        (
            "an election",
            &[Ok(S::ServiceUnavailable), Ok(S::ServiceUnavailable), Ok(S::Success)],
            &[1, 2, 1],
            S::Success,
        ),
        ("a broken orderer", &[Ok(S::InternalServerError), Ok(S::Success)], &[1, 2], S::Success),
        ("both are broken", &[Ok(S::InternalServerError)], &[1, 2], S::InternalServerError),
        ("not served at all", &[Ok(S::NotFound)], &[1, 2], S::NotFound),
        ("not served, later", &[Ok(S::NotFound), unreached, Ok(S::Success)], &[1, 2, 1], S::Success),
    ];
    for (row, script, asked, status) in rows {
        let (outcome, whom) = run(script, Duration::from_secs(20)).await;
        assert_eq!(whom, *asked, "{row}");
        assert_eq!(outcome.map(|verdict| verdict.status), Ok(*status), "{row}");
    }
}

#[tokio::test]
async fn the_deadline_ends_the_rounds_and_each_orderer_has_its_row() {
    let (outcome, asked) =
        run(&[Err("refused"), Ok(Status::ServiceUnavailable)], Duration::from_millis(500)).await;
    let nobody = outcome.expect_err("no orderer");
    assert!(nobody.rounds >= 2, "{nobody:?}");
    assert!(asked.len() >= 2 * usize::try_from(nobody.rounds).unwrap() - 1, "{asked:?}");
    assert_eq!(nobody.failures.len(), 2);
    assert_eq!(nobody.failures[1].message, "status=SERVICE_UNAVAILABLE, info=info");
}

#[tokio::test]
async fn without_orderers_nothing_is_waited_for() {
    let send = |_| std::future::ready(Err("never".to_owned()));
    let outcome = until_decided(Vec::new, send, failure, Instant::now() + Duration::from_secs(20)).await;
    assert_eq!(outcome, Err(NoOrderer { rounds: 1, failures: Vec::new() }));
}

#[tokio::test]
async fn an_orderer_that_hangs_is_not_waited_for_when_another_decides() {
    let asked = RefCell::new(Vec::new());
    let send = |endpoint: Endpoint| {
        asked.borrow_mut().push(endpoint.port);
        let is_first = endpoint.port == 1;
        async move {
            if is_first {
                std::future::pending::<()>().await;
            }
            Ok(BroadcastResponse { status: Status::Success.into(), info: String::new() })
        }
    };
    let round = || vec![endpoint(1), endpoint(2)];
    let outcome = until_decided(round, send, failure, Instant::now() + 10 * SILENT_MAX).await;
    assert_eq!(outcome.map(|verdict| verdict.status), Ok(Status::Success));
    assert_eq!(asked.into_inner(), [1, 2]);
}

#[test]
fn a_majority_is_lost_when_those_that_are_reached_have_waited_longer_than_an_election() {
    let rows = [
        ("nobody was reached", false, ELECTION_MAX * 2, false),
        ("an election", true, ELECTION_MAX / 2, false),
        ("longer than that", true, ELECTION_MAX, true),
    ];
    for (name, is_told_later, round, verdict) in rows {
        assert_eq!(is_majority_lost(is_told_later, round), verdict, "{name}");
    }
}

#[test]
fn every_status_has_its_name() {
    let rows = [(Status::Success, "SUCCESS"), (Status::NotFound, "NOT_FOUND"), (Status::Unknown, "UNKNOWN")];
    for (status, text) in rows {
        assert_eq!(status.name(), text);
    }
}

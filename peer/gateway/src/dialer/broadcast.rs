//! How an envelope finds an orderer that orders it.
//!
//! An election takes a second or two, and during it every orderer answers `SERVICE_UNAVAILABLE`: the user should not see
//! it. So the orderers are tried in rounds with growing pauses until the caller's deadline. Sending the same envelope
//! twice is harmless, since a transaction id commits once.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use protocol::Endpoint;
use protocol::fabric::{BroadcastResponse, Status};
use tokio::time::{Instant, sleep_until};

use crate::service::{BroadcastVerdict, EndpointFailure, NoOrderer};

/// Pause after the first round; it doubles up to the second.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What an orderer's answer means for the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Every orderer would say the same.
    Decided,
    /// This orderer cannot; another may.
    AskAnother,
    /// Nobody can at this moment.
    AskLater,
}

const fn meaning(status: Status) -> Meaning {
    match status {
        Status::Success
        | Status::BadRequest
        | Status::Forbidden
        | Status::RequestEntityTooLarge
        | Status::NotImplemented
        // All orderers put an organisation's envelopes into one queue: asking another one fills it further.
        | Status::TooManyRequests => Meaning::Decided,
        Status::NotFound | Status::InternalServerError | Status::Unknown => Meaning::AskAnother,
        Status::ServiceUnavailable => Meaning::AskLater,
    }
}

/// Tries the orderers of each `round` in its order until one decides. A round in which none is hoped for later ends with
/// the last answer.
pub(super) async fn until_decided<Sent>(
    round: impl Fn() -> Vec<Endpoint>,
    send: impl Fn(Endpoint) -> Sent,
    failure: impl Fn(&Endpoint, String) -> EndpointFailure,
    deadline: Instant,
) -> Result<BroadcastVerdict, NoOrderer>
where
    Sent: Future<Output = Result<BroadcastResponse, String>>,
{
    let mut failures = BTreeMap::new();
    let mut pause = PAUSE_MIN;
    let mut rounds = 0;
    loop {
        rounds += 1;
        let mut last = None;
        let mut may_change = false;
        for endpoint in round() {
            let message = match send(endpoint.clone()).await {
                Err(message) => {
                    may_change = true;
                    message
                }
                Ok(answer) => {
                    let verdict = verdict(failure(&endpoint, String::new()), answer);
                    match meaning(verdict.status) {
                        Meaning::Decided => return Ok(verdict),
                        Meaning::AskAnother => last = Some(verdict.clone()),
                        Meaning::AskLater => may_change = true,
                    }
                    format!("status={}, info={}", verdict.status.name(), verdict.info)
                }
            };
            failures.insert(endpoint.clone(), failure(&endpoint, message));
            if Instant::now() >= deadline {
                break;
            }
        }
        if let (Some(verdict), false) = (last, may_change) {
            return Ok(verdict);
        }
        let next = Instant::now() + jittered(pause);
        if next >= deadline || failures.is_empty() {
            return Err(NoOrderer { rounds, failures: failures.into_values().collect() });
        }
        sleep_until(next).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// What an orderer said; `from` names it.
fn verdict(from: EndpointFailure, answer: BroadcastResponse) -> BroadcastVerdict {
    let status = Status::try_from(answer.status).unwrap_or(Status::Unknown);
    BroadcastVerdict { status, info: answer.info, address: from.address, msp_id: from.msp_id }
}

/// Between half of the pause and all of it, so that clients of a lost leader do not come back in step.
fn jittered(pause: Duration) -> Duration {
    let share = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    pause.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests;

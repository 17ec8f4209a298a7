//! How an envelope finds an orderer that orders it.
//!
//! An election takes a second or two, and during it every orderer answers `SERVICE_UNAVAILABLE`: the user should not see
//! it. So the orderers are tried in rounds with growing pauses until the caller's deadline, or until those that are reached
//! say, longer than any election, that a majority is missing. One that hangs does not hold up the others. Sending the same
//! envelope twice is harmless, since a transaction id commits once.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use protocol::Endpoint;
use protocol::fabric::{BroadcastResponse, Status};
use tokio::time::{Instant, sleep_until, timeout};

use crate::service::{BroadcastVerdict, EndpointFailure, NoOrderer};

/// Pause after the first round; it doubles up to the second.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long an orderer may be silent before the next one is asked as well: an election is over by then.
pub(super) const SILENT_MAX: Duration = Duration::from_secs(4);
/// A round of answers that took so long was longer than an election: an orderer that reaches no majority waits for it three
/// seconds before it says so.
const ELECTION_MAX: Duration = Duration::from_millis(2_500);

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

/// What came of asking all orderers once.
#[derive(Default)]
struct Round {
    decided: Option<BroadcastVerdict>,
    /// The last answer of one that cannot while another may.
    last: Option<BroadcastVerdict>,
    /// Whether one was not reached, or cannot at this moment.
    may_change: bool,
    /// Whether one said that nobody can at this moment.
    is_told_later: bool,
}

/// Tries the orderers of each `round` in its order until one decides. A round in which none is hoped for later ends with
/// the last answer; one that was long enough for an election ends the search, since then a majority is missing.
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
        let began = Instant::now();
        let found = ask_all(round(), &send, &failure, &mut failures, deadline).await;
        if let Some(verdict) = found.decided {
            return Ok(verdict);
        }
        if let (Some(verdict), false) = (found.last, found.may_change) {
            return Ok(verdict);
        }
        let next = Instant::now() + jittered(pause);
        let is_over = next >= deadline || failures.is_empty();
        if is_over || is_majority_lost(found.is_told_later, began.elapsed()) {
            return Err(NoOrderer { rounds, failures: failures.into_values().collect() });
        }
        sleep_until(next).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Asks one after the other; the next one as soon as one cannot, or has been silent for [`SILENT_MAX`]. Sending an envelope
/// to two is harmless, and whoever decides first is believed. Each call ends at the deadline at the latest.
async fn ask_all<Sent>(
    endpoints: Vec<Endpoint>,
    send: impl Fn(Endpoint) -> Sent,
    failure: impl Fn(&Endpoint, String) -> EndpointFailure,
    failures: &mut BTreeMap<Endpoint, EndpointFailure>,
    deadline: Instant,
) -> Round
where
    Sent: Future<Output = Result<BroadcastResponse, String>>,
{
    let mut round = Round::default();
    let mut left = endpoints.into_iter();
    let mut asked = FuturesUnordered::new();
    loop {
        if Instant::now() < deadline
            && let Some(endpoint) = left.next()
        {
            let answer = send(endpoint.clone());
            asked.push(async move { (endpoint, answer.await) });
        }
        let silent = timeout(SILENT_MAX, asked.next());
        let (endpoint, answer) = match silent.await {
            Ok(Some(answered)) => answered,
            Ok(None) => return round,
            Err(_) => continue,
        };
        let message = match answer {
            Err(message) => {
                round.may_change = true;
                message
            }
            Ok(answer) => {
                let verdict = verdict(failure(&endpoint, String::new()), answer);
                let message = format!("status={}, info={}", verdict.status.name(), verdict.info);
                match meaning(verdict.status) {
                    Meaning::Decided => return Round { decided: Some(verdict), ..round },
                    Meaning::AskAnother => round.last = Some(verdict),
                    Meaning::AskLater => (round.may_change, round.is_told_later) = (true, true),
                }
                message
            }
        };
        failures.insert(endpoint.clone(), failure(&endpoint, message));
    }
}

/// Whether orderers that are reached have waited for the others longer than an election takes.
fn is_majority_lost(is_told_later: bool, round: Duration) -> bool {
    is_told_later && round >= ELECTION_MAX
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

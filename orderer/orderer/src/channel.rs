//! One channel of the ordering node: from an envelope to its answer.
//!
//! Decides who orders an envelope: this consenter if it leads, else the leader, to whom it is forwarded; during an
//! election it waits and tries again until a deadline. A client sees an election as a slow answer, also where the leader
//! hangs with its envelope, and the loss of a majority, after some seconds, as `SERVICE_UNAVAILABLE` with the names of those
//! who are missing. Sending an envelope to two leaders is harmless: neither orders what is in a block.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ordering::{Admitted, admit};
use protocol::fabric::Status;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::backend::{Leadership, OrderingBackend};
use crate::chain::Chain;
use crate::clocks::Clocks;
use crate::consenters::{ConsenterKey, ConsenterNetwork};
use crate::forwarding::Forwarding;
use crate::leader::{Submission, Verdict};
use crate::quorum;

/// An envelope's longest wait: several elections on a loaded machine.
pub const ORDER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an envelope waits at least for a majority of the consenters that is not there: several elections.
const MAJORITY_PATIENCE: Duration = Duration::from_secs(3);
/// Pause before the leader is asked again, unless leadership changes earlier.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The answer to an envelope: Fabric's status and a text.
pub type Answer = (Status, String);

/// One channel.
pub struct Channel {
    /// Its blocks.
    pub chain: Arc<Chain>,
    /// Consensus.
    pub backend: Arc<dyn OrderingBackend>,
    /// The consenters' clocks.
    pub clocks: Arc<Clocks>,
    /// The way to the others.
    pub consenters: Arc<dyn ConsenterNetwork>,
    /// To the leader's loop on this node.
    pub submissions: mpsc::Sender<Submission>,
    /// To the leader on another node.
    pub forwardings: mpsc::Sender<Forwarding>,
}

/// What one attempt came to.
enum Attempt {
    Done(Answer),
    Again,
}

impl Channel {
    /// Orders a client's envelope, here or at the leader, and answers when it is in a block or refused.
    pub async fn order(&self, envelope: Bytes) -> Answer {
        let admitted = match self.admit(&envelope) {
            Ok(admitted) => admitted,
            Err(answer) => return answer,
        };
        tokio::select! {
            answer = self.attempts(&admitted, &envelope) => answer,
            () = self.majority_lost() => self.unavailable(),
        }
    }

    async fn attempts(&self, admitted: &Admitted, envelope: &Bytes) -> Answer {
        let deadline = Instant::now() + ORDER_TIMEOUT;
        let mut leadership = self.backend.leadership();
        while Instant::now() < deadline {
            if let Some(answer) = self.stopped() {
                return answer;
            }
            let now = leadership.borrow_and_update().clone();
            let attempt = match now.leader {
                Some(_) if now.is_own => self.attempt_here(&now, admitted, envelope, deadline).await,
                Some(leader) => self.attempt_there(leader, admitted, envelope, deadline).await,
                None => Attempt::Again,
            };
            if let Attempt::Done(answer) = attempt {
                return answer;
            }
            let pause = RETRY_PAUSE.min(deadline.saturating_duration_since(Instant::now()));
            // Either way the next round looks again.
            let _ = timeout(pause, leadership.changed()).await;
        }
        self.unavailable()
    }

    /// Ends when an envelope has waited long enough and no majority is reached. A consenter that follows a leader leaves
    /// that to it: the others need not be heard of here.
    async fn majority_lost(&self) {
        sleep(MAJORITY_PATIENCE).await;
        while self.follows() || self.has_majority() {
            sleep(RETRY_PAUSE).await;
        }
    }

    fn follows(&self) -> bool {
        let leadership = self.backend.leadership().borrow().clone();
        leadership.leader.is_some() && !leadership.is_own
    }

    fn has_majority(&self) -> bool {
        let count = self.consenters.others().len() + 1;
        count.saturating_sub(self.consenters.missing().len()) >= ordering::majority(count)
    }

    /// Orders an envelope that another consenter forwarded, or answers that this one does not lead.
    pub async fn order_forwarded(&self, envelope: Bytes) -> Answer {
        let admitted = match self.admit(&envelope) {
            Ok(admitted) => admitted,
            Err(answer) => return answer,
        };
        let leadership = self.backend.leadership().borrow().clone();
        let deadline = Instant::now() + ORDER_TIMEOUT;
        let attempt = tokio::select! {
            attempt = self.attempt_here(&leadership, &admitted, &envelope, deadline) => attempt,
            () = self.majority_lost() => Attempt::Again,
        };
        match attempt {
            Attempt::Done(answer) => answer,
            Attempt::Again => self.unavailable(),
        }
    }

    fn admit(&self, envelope: &Bytes) -> Result<Admitted, Answer> {
        if let Some(answer) = self.stopped() {
            return Err(answer);
        }
        // A clock that is behind refuses nobody: a block is later than those before it.
        let now_ms = self.clocks.now_ms().max(self.chain.last_header().timestamp_ms);
        admit(envelope, &self.chain.bundle(), now_ms)
            .map_err(|rejection| (rejection.status(), rejection.to_string()))
    }

    async fn attempt_here(
        &self,
        leadership: &Leadership,
        admitted: &Admitted,
        envelope: &Bytes,
        deadline: Instant,
    ) -> Attempt {
        if !leadership.is_ready {
            return Attempt::Again;
        }
        if admitted.is_config_update
            && let Err(answer) = quorum::check(self, envelope).await
        {
            return Attempt::Done(answer);
        }
        let (reply, verdict) = oneshot::channel();
        let submission = Submission { envelope: envelope.clone(), admitted: admitted.clone(), reply };
        let answered = async {
            self.submissions.send(submission).await.ok()?;
            verdict.await.ok()
        };
        match timeout_at(deadline, answered).await {
            Ok(Some(Verdict::Ordered(_))) => Attempt::Done((Status::Success, String::new())),
            Ok(Some(Verdict::Refused(status, reason))) => Attempt::Done((status, reason)),
            Ok(Some(Verdict::Busy(reason))) => Attempt::Done((Status::TooManyRequests, reason)),
            Ok(Some(Verdict::Failed(reason))) => Attempt::Done((Status::InternalServerError, reason)),
            Ok(Some(Verdict::NotLeader)) => Attempt::Again,
            Ok(None) => {
                Attempt::Done((Status::ServiceUnavailable, "this orderer is shutting down".to_owned()))
            }
            Err(_) => Attempt::Done(self.unavailable()),
        }
    }

    async fn attempt_there(
        &self,
        leader: ConsenterKey,
        admitted: &Admitted,
        envelope: &Bytes,
        deadline: Instant,
    ) -> Attempt {
        let (reply, answer) = oneshot::channel();
        let msp_id = admitted.msp_id.clone();
        let forwarding = Forwarding { leader, msp_id, envelope: envelope.clone(), reply };
        let answered = async {
            self.forwardings.send(forwarding).await.ok()?;
            answer.await.ok()
        };
        match timeout_at(deadline, answered).await {
            Ok(Some((Status::ServiceUnavailable, _)) | None) => Attempt::Again,
            Ok(Some(answer)) => Attempt::Done(answer),
            Err(_) => Attempt::Done(self.unavailable()),
        }
    }

    /// What anybody is told once the channel has stopped on this node.
    pub fn stopped(&self) -> Option<Answer> {
        let stopped = self.chain.stopped().borrow().clone()?;
        let text =
            format!("channel {} has stopped on this orderer: {}", self.chain.channel(), stopped.reason);
        Some((Status::ServiceUnavailable, text))
    }

    /// Why nothing is ordered now.
    pub fn unavailable(&self) -> Answer {
        if let Some(answer) = self.stopped() {
            return answer;
        }
        if self.chain.consenter().is_none() {
            let channel = self.chain.channel();
            let text = format!(
                "this orderer is no consenter of channel '{channel}' by the configuration that it knows"
            );
            return (Status::ServiceUnavailable, text);
        }
        let missing = self.consenters.missing();
        let count = self.consenters.others().len() + 1;
        let needed = ordering::majority(count);
        let text = if missing.is_empty() {
            format!("no leader of the {count} orderers was found in {ORDER_TIMEOUT:?}; try again")
        } else {
            format!(
                "{} of {count} orderers are reached and {needed} are needed; missing: {}",
                count - missing.len(),
                missing.join(", ")
            )
        };
        (Status::ServiceUnavailable, text)
    }

    /// Who leads, live.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.backend.leadership()
    }
}

//! One call with its deadline, and its failure in this crate's words.

use std::future::Future;
use std::time::Duration;

use protocol::{Endpoint, TxId};
use transport::{Response, Status};

use crate::deadlines::Phase;
use crate::error::{ClientError, Fault};

/// What an error needs to know of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) phase: Phase,
    pub(crate) deadline: Duration,
    pub(crate) tx_id: Option<&'a TxId>,
}

impl Call<'_> {
    /// Waits for an answer until the deadline.
    pub(crate) async fn answer<T>(
        self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, ClientError> {
        self.status(async { call.await.map(Response::into_inner) }).await
    }

    /// Waits for anything that fails with a status.
    pub(crate) async fn status<T>(
        self,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, ClientError> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) => Err(ClientError::of_status(self.endpoint, self.phase, &status)),
            Err(_) => Err(self.late().into()),
        }
    }

    /// An answer that makes no sense.
    pub(crate) fn unusable(self, reason: impl Into<String>) -> ClientError {
        Fault::Answer { endpoint: self.endpoint.clone(), phase: self.phase, reason: reason.into() }.into()
    }

    fn late(self) -> Fault {
        Fault::Deadline {
            endpoint: self.endpoint.clone(),
            phase: self.phase,
            after: self.deadline,
            tx_id: self.tx_id.cloned(),
        }
    }
}

//! A change of a channel's configuration: the own signature on it, and its way to an orderer.

use bytes::Bytes;
use configtx::PendingUpdate;
use msp::Signer;
use protocol::{Endpoint, TxId};
use transport::TrustRoots;

use crate::connection::Connection;
use crate::draft::{draw_nonce, now_ms};
use crate::error::{ClientError, Fault};

/// Adds a signature to an update; false where this identity has signed it before.
///
/// # Errors
/// [`Fault::Proposal`] where the key does not sign or the system gives no random numbers.
pub fn sign_update(update: &mut PendingUpdate, signer: &dyn Signer) -> Result<bool, ClientError> {
    let nonce = Bytes::copy_from_slice(&draw_nonce()?);
    let signed = update.sign(signer, nonce);
    Ok(signed.map_err(|error| Fault::Proposal { reason: error.to_string() })?)
}

impl Connection {
    /// Adds the own signature to an update and submits it to an orderer; answers when it is in a block.
    ///
    /// # Errors
    /// [`Rejection::Broadcast`](crate::Rejection::Broadcast) with everything that keeps the update from being accepted.
    pub async fn update_channel(
        &self,
        mut update: PendingUpdate,
        orderer: &Endpoint,
        roots: &TrustRoots,
    ) -> Result<TxId, ClientError> {
        sign_update(&mut update, self.signer())?;
        let nonce = Bytes::copy_from_slice(&draw_nonce()?);
        let submission = update.submission(self.signer(), nonce, now_ms()?);
        let (tx_id, envelope) = submission.map_err(|error| Fault::Proposal { reason: error.to_string() })?;
        self.broadcast_envelope(&tx_id, envelope, orderer, roots).await?;
        Ok(tx_id)
    }
}

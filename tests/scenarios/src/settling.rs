//! A client that does not let go of a transaction until it knows its verdict.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use client::{ClientError, Connection, Draft, Endorsed};
use protocol::{ChannelId, TxId, TxValidationCode};

/// Between two attempts; asking again at once would slow down the recovery that it waits for.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Who hears of every attempt that failed, and may call the client off.
pub trait Witness: Sync {
    /// An attempt failed, and another follows.
    fn met(&self, error: &ClientError);
    /// Whether there is no point in going on.
    fn is_over(&self) -> bool;
}

/// Endorses, orders and asks for the verdict until there is one. An envelope that was handed over is handed over again, never
/// made anew: it can be valid only once.
///
/// # Errors
/// Where there is no verdict within `patience`, with the last reason.
pub async fn settle(
    (connection, channel): (&Connection, &ChannelId),
    draft: &Draft,
    patience: Duration,
    witness: &impl Witness,
) -> Result<(TxId, TxValidationCode)> {
    let ends_at = Instant::now() + patience;
    let mut pending = None;
    loop {
        let error = match attempt((connection, channel), draft, &mut pending, witness).await {
            Ok(verdict) => return Ok(verdict),
            Err(error) => error,
        };
        witness.met(&error);
        if Instant::now() > ends_at || witness.is_over() {
            return Err(error).context("there is no verdict in time");
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

async fn attempt(
    (connection, channel): (&Connection, &ChannelId),
    draft: &Draft,
    pending: &mut Option<Endorsed>,
    witness: &impl Witness,
) -> Result<(TxId, TxValidationCode), ClientError> {
    let endorsed = match pending.clone() {
        Some(endorsed) => endorsed,
        None => pending.insert(connection.endorse(channel, draft).await?).clone(),
    };
    if let Err(error) = connection.order(channel, &endorsed).await {
        // It may have been handed over all the same: only the verdict tells.
        witness.met(&error);
    }
    let (code, _) = connection.commit_status(channel, &endorsed.tx_id).await?;
    Ok((endorsed.tx_id, code))
}

//! A peer that lost everything joins again: how fast and at what cost it commits the channel's blocks.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use scenarios::channel_height;
use testnet::{Hospital, Network};

use crate::results::CatchUp;
use crate::stage::Stage;
use crate::usage;

/// Longest wait for the peer to be level with the others.
const DEADLINE: Duration = Duration::from_secs(600);

/// Stops a hospital's peer, removes its data, starts it, joins it, and waits until it is level with hospital A's.
///
/// # Errors
/// Where it does not start, or is not level in time.
pub fn measure(stage: &mut Stage, hospital: Hospital, transactions: u64) -> Result<CatchUp> {
    ensure!(hospital != Hospital::A, "hospital A's peer is the one to be level with");
    let goal = channel_height(&stage.network, Hospital::A)?;
    stage.network.peer_process(hospital)?.stop()?;
    std::fs::remove_dir_all(stage.network.peer_data(hospital))?;
    stage.network.start_peer(hospital)?;
    let id = stage.network.peer_process(hospital)?.id();
    let (before, begun) = (usage::of_process(id)?, Instant::now());
    stage.network.join_peer(hospital)?;
    Network::wait_until("the emptied peer is level with the others", DEADLINE, || {
        let found = channel_height(&stage.network, hospital)?;
        ensure!(found == goal, "it is at {found:?}, the others at {goal:?}");
        Ok(())
    })?;
    let (elapsed, used) = (begun.elapsed(), usage::of_process(id)?.since(&before));
    Ok(CatchUp {
        transactions,
        cpu_ms: used.cpu_s * 1_000.0 / transactions.max(1) as f64,
        a_second: transactions as f64 / elapsed.as_secs_f64(),
    })
}

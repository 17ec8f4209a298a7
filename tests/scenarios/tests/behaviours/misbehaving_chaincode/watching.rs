//! What peers take of the machine, and what they count.

use anyhow::{Context as _, Result, ensure};
use scenarios::Process;
use testnet::{Hospital, Network};

/// Two results of 100 MB may be under way at a time, each as the chaincode made it; the rest is what a peer takes for blocks
/// and messages of such sizes.
const GROWTH_KB_MAX: u64 = 400 << 10;
/// What may stay when all is over.
const REST_KB_MAX: u64 = 200 << 10;

/// Memory of the peers' processes.
pub(super) struct Peaks(Vec<(Hospital, Process, u64)>);

impl Peaks {
    /// Looks at every peer as it is before anything misbehaves.
    pub(super) fn of(network: &mut Network) -> Result<Self> {
        let mut peers = Vec::new();
        for hospital in Hospital::ALL {
            let process = Process(network.peer_process(hospital)?.id());
            peers.push((hospital, process, kilobytes(process, "VmRSS")?));
        }
        Ok(Self(peers))
    }

    /// The peers are the same processes as before, and took no more than they may.
    pub(super) fn are_within_bounds(&self) -> Result<()> {
        for (hospital, process, before) in &self.0 {
            ensure!(process.lives(), "the peer of {hospital:?} ended");
            let (most, now) = (kilobytes(*process, "VmHWM")?, kilobytes(*process, "VmRSS")?);
            println!("{hospital:?}: {before} KB before, {most} KB at most, {now} KB after");
            ensure!(most <= before + GROWTH_KB_MAX, "{hospital:?} took {most} KB, {before} KB before");
            ensure!(now <= before + REST_KB_MAX, "{hospital:?} keeps {now} KB, {before} KB before");
        }
        Ok(())
    }
}

fn kilobytes(process: Process, field: &str) -> Result<u64> {
    let text = process.status(field)?;
    text.strip_suffix("kB").map(str::trim).with_context(|| text.clone())?.parse().context("a number")
}

/// The value of a sample in Prometheus' text.
pub(super) fn sample(metrics: &str, name: &str) -> Result<u64> {
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = value.with_context(|| format!("no {name} in\n{metrics}"))?;
    value.parse().with_context(|| format!("{name} is {value}"))
}

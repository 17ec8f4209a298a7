//! The network under load, and what its processes have used.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use testnet::{Batching, Hospital, Network, NetworkOptions};

use crate::options::RunOptions;
use crate::usage::{self, Usage};

/// A network with the options that made it.
pub struct Stage {
    /// The network.
    pub network: Network,
    /// From the start of the first process to the last peer that joined.
    pub started_in: Duration,
    hospitals: Vec<Hospital>,
    orderers: Vec<Hospital>,
}

impl Stage {
    /// Starts the network that a run asks for.
    ///
    /// # Errors
    /// Whatever does not start.
    pub fn start(options: &RunOptions) -> Result<Self> {
        Self::start_in(options, false)
    }

    /// As [`Self::start`]; with `namespaces` each node is in a network namespace of its own, and so is this thread from then on.
    ///
    /// # Errors
    /// Whatever does not start.
    pub fn start_in(options: &RunOptions, namespaces: bool) -> Result<Self> {
        let begun = Instant::now();
        let network = Network::start(NetworkOptions {
            hospitals: options.hospitals,
            orderers: options.orderers,
            public_key_algorithm: options.keys.algorithm(),
            asset_policy: Some(options.policy.text().to_owned()),
            batching: Batching {
                max_message_count: options.batch,
                timeout_ms: options.batch_timeout_ms,
                ..Batching::default()
            },
            namespaces,
            ..NetworkOptions::default()
        })?;
        let orderers = Hospital::ALL.into_iter().take(options.orderers).collect();
        Ok(Self {
            network,
            started_in: begun.elapsed(),
            hospitals: options.peer_hospitals().collect(),
            orderers,
        })
    }

    /// What every process has used, by name.
    ///
    /// # Errors
    /// Where one has ended.
    pub fn usage(&mut self) -> Result<BTreeMap<String, Usage>> {
        let mut usages = BTreeMap::new();
        for hospital in &self.hospitals {
            let id = self.network.peer_process(*hospital)?.id();
            usages.insert(format!("peer-{}", hospital.letter()), usage::of_process(id)?);
        }
        for hospital in &self.orderers {
            let id = self.network.orderer_process(*hospital)?.id();
            usages.insert(format!("orderer-{}", hospital.letter()), usage::of_process(id)?);
        }
        usages.insert("client".to_owned(), usage::of_process(std::process::id())?);
        Ok(usages)
    }

    /// Bytes of a peer's data folder.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn peer_disk(&self, hospital: Hospital) -> Result<u64> {
        usage::bytes_in(&self.network.peer_data(hospital))
    }

    /// The last hospital with a peer.
    ///
    /// # Errors
    /// Never: a network has two.
    pub fn last_hospital(&self) -> Result<Hospital> {
        self.hospitals.last().copied().context("a network has peers")
    }
}

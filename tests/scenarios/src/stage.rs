//! Places for networks: tests of one process run side by side, and six nodes each would drown a small machine.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, PoisonError};

use anyhow::Result;
use testnet::{Network, NetworkOptions};

/// Networks that run at once.
const NETWORKS_MAX: usize = 2;

static RUNNING: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// A network in its place. The place is free when this is dropped, after the network's processes have ended.
pub struct Stage {
    network: Network,
    _place: Place,
}

impl Stage {
    /// Waits for a place and starts a network.
    ///
    /// # Errors
    /// As [`Network::start`].
    pub fn start(options: NetworkOptions) -> Result<Self> {
        let place = Place::take();
        Ok(Self { network: Network::start(options)?, _place: place })
    }
}

impl Deref for Stage {
    type Target = Network;

    fn deref(&self) -> &Network {
        &self.network
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut Network {
        &mut self.network
    }
}

struct Place;

impl Place {
    fn take() -> Self {
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = FREED
            .wait_while(running, |running| *running >= NETWORKS_MAX)
            .unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}

//! Clients that go on through an upgrade: whatever fails is tried again until it is on the ledger.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use client::{Deadlines, Draft};
use protocol::ChaincodeName;
use scenarios::Doctor;
use testnet::{Network, User};

/// What a restarted node or an election may cost one transaction, on a busy machine.
const HEALED_WITHIN: Duration = Duration::from_secs(60);

/// What the clients have come to.
#[derive(Default)]
pub struct Load {
    done: AtomicUsize,
    retried: AtomicUsize,
    ends: AtomicBool,
}

/// A running client. It ends with its first failure that no retry heals.
pub type Client<'scope> = ScopedJoinHandle<'scope, Result<()>>;

impl Load {
    /// Starts a client that creates assets until the load ends.
    pub fn client<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, user: User) -> Client<'scope> {
        scope.spawn(move || {
            let mut number = 0;
            while !self.ends.load(Ordering::Relaxed) {
                self.create(&user, &format!("{}-{number}", user.hospital().letter()))?;
                number += 1;
            }
            Ok(())
        })
    }

    /// Creates one asset, however often that takes.
    fn create(&self, user: &User, id: &str) -> Result<()> {
        let deadline = Instant::now() + HEALED_WITHIN;
        loop {
            match create(user, id) {
                Ok(()) => break,
                // The answer to an earlier try was lost, and it is on the ledger.
                Err(error) if format!("{error:#}").contains("already exists") => break,
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context(format!("{id}: no retry healed it")));
                }
                Err(_) => drop(self.retried.fetch_add(1, Ordering::Relaxed)),
            }
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until the clients have brought some more transactions to the ledger.
    pub fn goes_on(&self, clients: &[Client<'_>], when: &str) -> Result<()> {
        let so_far = self.done.load(Ordering::Relaxed);
        Network::wait_until(&format!("more transactions {when}"), HEALED_WITHIN * 2, || {
            if clients.iter().any(Client::is_finished) {
                bail!("a client has ended");
            }
            ensure!(self.done.load(Ordering::Relaxed) > so_far + 10, "the load stands");
            Ok(())
        })
    }

    /// Ends the clients and tells how they fared.
    pub fn end(&self, clients: Vec<Client<'_>>) -> Result<()> {
        self.ends.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().ok().context("a client panicked")??;
        }
        let (done, retried) = (self.done.load(Ordering::Relaxed), self.retried.load(Ordering::Relaxed));
        println!("{done} transactions on the ledger, {retried} tries failed and were healed by another");
        Ok(())
    }
}

fn create(user: &User, id: &str) -> Result<()> {
    let doctor = Doctor::connect(user, Deadlines::default())?;
    let draft =
        Draft::new(ChaincodeName::new("asset-transfer")?, "CreateAsset", &[id, "blue", "5", "Tomoko", "300"]);
    doctor.run(|peer, channel| peer.submit(channel, &draft))?;
    Ok(())
}

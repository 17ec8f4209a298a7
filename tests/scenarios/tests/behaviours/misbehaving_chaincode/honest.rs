//! Users who do as they should, again and again, while others do not.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use client::{Deadlines, Draft};
use protocol::ChaincodeName;
use scenarios::Doctor;
use testnet::{Network, User};

const PATIENCE: Duration = Duration::from_secs(60);

/// Callers of one chaincode.
pub(super) struct Callers {
    chaincode: &'static str,
    user: User,
    ends: AtomicBool,
    done: AtomicUsize,
    slowest: Mutex<Duration>,
    failures: Mutex<Vec<String>>,
}

/// Ends the calls when it is dropped, so that a failed test does not wait for them.
pub(super) struct Calling<'a>(&'a AtomicBool);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Callers {
    pub(super) fn of(chaincode: &'static str, user: &User) -> Self {
        Self {
            chaincode,
            user: user.clone(),
            ends: AtomicBool::new(false),
            done: AtomicUsize::new(0),
            slowest: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Writes and reads until the returned value is dropped.
    pub(super) fn start<'scope, 'env: 'scope>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
    ) -> Calling<'env> {
        scope.spawn(|| {
            if let Err(error) = self.call() {
                self.failures().push(format!("{error:#}"));
            }
        });
        Calling(&self.ends)
    }

    fn call(&self) -> Result<()> {
        let doctor = Doctor::connect(&self.user, Deadlines::default())?;
        let name = ChaincodeName::new(self.chaincode)?;
        for number in 0_u64.. {
            if self.ends.load(Ordering::Relaxed) {
                return Ok(());
            }
            let key = format!("honest-{number}");
            let write = match self.chaincode {
                "asset-transfer" => {
                    Draft::new(name.clone(), "CreateAsset", &[&key, "blue", "5", "Tom", "900"])
                }
                _ => Draft::new(name.clone(), "Put", &[&key]),
            };
            let began = Instant::now();
            let outcome = doctor.run(|peer, channel| peer.submit(channel, &write));
            let mut slowest = self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
            *slowest = slowest.max(began.elapsed());
            match outcome {
                Ok(_) => drop(self.done.fetch_add(1, Ordering::Relaxed)),
                Err(error) => self.failures().push(error.to_string()),
            }
        }
        bail!("it ran out of numbers")
    }

    /// Waits for calls that were begun and answered after this was asked.
    pub(super) fn have_gone_on(&self) -> Result<()> {
        let so_far = self.done.load(Ordering::Relaxed);
        Network::wait_until("honest calls go on", PATIENCE, || {
            let done = self.done.load(Ordering::Relaxed);
            ensure!(done > so_far + 3, "{done} of {}: {:?}", self.chaincode, self.failures());
            Ok(())
        })
    }

    pub(super) fn had_no_failure(&self) -> Result<()> {
        let (failures, done) = (self.failures(), self.done.load(Ordering::Relaxed));
        let slowest = *self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
        println!("{done} honest transactions of {}, the slowest took {slowest:?}", self.chaincode);
        ensure!(failures.is_empty(), "{} honest calls failed: {failures:?}", failures.len());
        Ok(())
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

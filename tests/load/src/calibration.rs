//! What this machine gives at this hour: signatures and fsyncs, measured beside every run.
//!
//! The machine may be shared and its clock may change, so figures of two runs are compared as ratios to these.

use std::fs::File;
use std::hint::black_box;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use msp::{Msp, SigningIdentity};
use protocol::MspId;
use serde::{Deserialize, Serialize};
use testnet::User;

use crate::options::PolicyKind;
use crate::percentiles::Percentiles;

/// Bytes of a signed message: about those of a proposal response with its certificate.
const MESSAGE_BYTES: usize = 1_500;
/// How long each kind of operation is repeated.
const MEASURED_FOR: Duration = Duration::from_millis(400);
/// Operations between two looks at the clock.
const OPERATIONS_A_LOOK: u32 = 16;
/// Syncs that are timed: each is a write of one page.
const SYNCS: usize = 200;
const SYNC_BYTES: usize = 4_096;

/// What the machine gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Signatures made a second and core.
    pub signs_a_s: f64,
    /// Signatures verified a second and core.
    pub verifies_a_s: f64,
    /// Time of a write of 4 KiB and its fsync.
    pub fsync: Percentiles,
}

impl Calibration {
    /// CPU milliseconds of a transaction's signatures over all processes, at `peers` peers.
    #[must_use]
    pub fn signature_ms(&self, policy: PolicyKind, peers: usize) -> f64 {
        let (signs, verifies) = signature_operations(policy.endorsements(), peers);
        1_000.0 * (f64::from(signs) / self.signs_a_s + f64::from(verifies) / self.verifies_a_s)
    }
}

/// Signatures made and verified for one transaction, where no node checks one twice.
///
/// Made: proposal, envelope and question for the verdict by the client, and one by each endorser. Verified: the proposal
/// at each endorser; the envelope at gateway and orderer; the question; and at each peer what it has not seen before: the
/// gateway the other endorsements, another endorser the creator and the other endorsements, a peer that did not endorse
/// the creator and all endorsements.
#[must_use]
pub fn signature_operations(endorsements: u32, peers: usize) -> (u32, u32) {
    let peers = u32::try_from(peers).unwrap_or(u32::MAX);
    let others = endorsements - 1;
    let before = endorsements + 3;
    let endorsers = others + others * (1 + others);
    let bystanders = peers.saturating_sub(endorsements) * (1 + endorsements);
    (endorsements + 3, before + endorsers + bystanders)
}

/// Measures with a user's key, and with a file in `folder`.
///
/// # Errors
/// Where the user's material is not readable or the file cannot be written.
pub fn calibrate(user: &User, folder: &Path) -> Result<Calibration> {
    let material = node::load_msp(&user.msp_folder(), MspId::new(user.hospital().msp_id())?)?;
    let msp = Msp::new(&material.config)?;
    let signer = material.into_signer()?;
    let (signs_a_s, verifies_a_s) = signatures(&signer, &msp)?;
    Ok(Calibration { signs_a_s, verifies_a_s, fsync: fsyncs(folder)? })
}

fn signatures(signer: &SigningIdentity, msp: &Msp) -> Result<(f64, f64)> {
    let message = vec![7_u8; MESSAGE_BYTES];
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
    let identity = msp.identify(signer.certificate_der(), u64::try_from(now_ms)?)?;
    let signs_a_s = rate(|| {
        black_box(signer.sign(black_box(&message)));
        Ok(())
    })?;
    let signature = signer.sign(&message);
    let verifies_a_s = rate(|| {
        identity.verify(black_box(&message), black_box(&signature)).context("a signature just made")?;
        Ok(())
    })?;
    Ok((signs_a_s, verifies_a_s))
}

/// How often an operation runs a second.
fn rate(mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < MEASURED_FOR {
        for _ in 0..OPERATIONS_A_LOOK {
            operation()?;
        }
        count += OPERATIONS_A_LOOK;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

fn fsyncs(folder: &Path) -> Result<Percentiles> {
    let path = folder.join("fsync-probe");
    let mut file = File::create(&path).with_context(|| path.display().to_string())?;
    let page = [7_u8; SYNC_BYTES];
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.rewind()?;
        let start = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    std::fs::remove_file(&path)?;
    Ok(Percentiles::of(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_costs_the_signatures_that_nobody_checks_twice() {
        // endorsements, peers: made, verified
        let rows = [
            ("AND of two, two peers", 2, 2, (5, 8)),
            ("OR, one peer", 1, 1, (4, 4)),
            ("OR, two peers", 1, 2, (4, 6)),
            ("two of three, three peers", 2, 3, (5, 11)),
        ];
        for (name, endorsements, peers, expected) in rows {
            assert_eq!(signature_operations(endorsements, peers), expected, "{name}");
        }
    }

    #[test]
    fn a_machine_of_ten_thousand_operations_a_second_pays_a_tenth_of_a_millisecond_each() {
        let calibration =
            Calibration { signs_a_s: 10_000.0, verifies_a_s: 10_000.0, fsync: Percentiles::default() };
        assert!((calibration.signature_ms(PolicyKind::And, 2) - 1.3).abs() < 1e-9);
    }
}

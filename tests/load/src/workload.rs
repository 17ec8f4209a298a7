//! What the clients ask for, drawn from their number and the number of the step alone.

use anyhow::Result;
use client::Draft;
use protocol::ChaincodeName;

use crate::options::Workload;

/// Assets that `mix` chooses from.
const MIXED_ASSETS: u64 = 2_000;
/// Assets that `hot` chooses from.
const HOT_ASSETS: u64 = 10;
/// Bytes of a value, as Fabric's measurement had them.
const VALUE_BYTES: usize = 256;

/// One step of a client.
#[derive(Clone, Debug)]
pub enum Step {
    /// A transaction.
    Submit(Draft),
    /// A read.
    Evaluate(Draft),
    /// An upload of an image drawn from this number.
    Upload(u32),
}

/// Steps of one workload.
#[derive(Clone, Debug)]
pub struct Steps {
    workload: Workload,
    chaincode: ChaincodeName,
}

impl Steps {
    /// The steps of a workload.
    ///
    /// # Errors
    /// Never with the name of our sample chaincode.
    pub fn new(workload: Workload) -> Result<Self> {
        Ok(Self { workload, chaincode: ChaincodeName::new("asset-transfer")? })
    }

    /// Assets that must be there before the first step.
    #[must_use]
    pub fn prepared(&self) -> Vec<Draft> {
        let count = match self.workload {
            Workload::Mix | Workload::Evaluate => MIXED_ASSETS,
            Workload::Hot => HOT_ASSETS,
            Workload::Put | Workload::Upload | Workload::CatchUp => 0,
        };
        (0..count).map(|number| self.put(&asset(number))).collect()
    }

    /// Step `step` of client `client`.
    #[must_use]
    pub fn of(&self, client: usize, step: u64) -> Step {
        let drawn = mixed(client as u64, step);
        match self.workload {
            Workload::Put | Workload::CatchUp => Step::Submit(self.put(&format!("load-{client}-{step}"))),
            Workload::Evaluate => Step::Evaluate(self.read(drawn % MIXED_ASSETS)),
            Workload::Mix if step.is_multiple_of(2) => Step::Evaluate(self.read(drawn % MIXED_ASSETS)),
            Workload::Mix => Step::Submit(self.transfer(drawn % MIXED_ASSETS, drawn)),
            Workload::Hot => Step::Submit(self.transfer(drawn % HOT_ASSETS, drawn)),
            Workload::Upload => Step::Upload(u32::try_from(drawn % 1_000_000).unwrap_or_default()),
        }
    }

    fn put(&self, id: &str) -> Draft {
        let fixed = serde_json::json!({
            "AppraisedValue": 300, "Color": "blue", "ID": id, "Owner": "", "Size": 5
        });
        let owner = "x".repeat(VALUE_BYTES.saturating_sub(fixed.to_string().len()));
        Draft::new(self.chaincode.clone(), "PutAsset", &[id, "blue", "5", &owner, "300"])
    }

    fn read(&self, number: u64) -> Draft {
        Draft::new(self.chaincode.clone(), "ReadAsset", &[&asset(number)])
    }

    fn transfer(&self, number: u64, drawn: u64) -> Draft {
        Draft::new(self.chaincode.clone(), "TransferAsset", &[&asset(number), &format!("owner-{drawn}")])
    }
}

fn asset(number: u64) -> String {
    format!("shared-{number}")
}

/// A number that looks random and is the same in every run: SplitMix64 of both.
fn mixed(client: u64, step: u64) -> u64 {
    let mut value =
        client.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(step.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_have_keys_of_their_own_and_256_bytes() {
        let steps = Steps::new(Workload::Put).expect("a name");
        let mut keys = std::collections::BTreeSet::new();
        for (client, step) in [(0, 0), (0, 1), (1, 0), (255, 99_999)] {
            let Step::Submit(draft) = steps.of(client, step) else { panic!("a put is a transaction") };
            let text = |at: usize| String::from_utf8(draft.args[at].to_vec()).expect("text");
            let value = serde_json::json!({
                "AppraisedValue": 300, "Color": "blue", "ID": text(1), "Owner": text(4), "Size": 5
            });
            assert_eq!(value.to_string().len(), VALUE_BYTES);
            assert!(keys.insert(text(1)));
        }
    }

    #[test]
    fn a_step_is_the_same_in_every_run_and_another_for_everybody() {
        let drawn: std::collections::BTreeSet<u64> =
            (0..20).flat_map(|client| (0..20).map(move |step| mixed(client, step))).collect();
        assert_eq!(drawn.len(), 400);
        assert_eq!(mixed(3, 4), mixed(3, 4));
    }
}

//! Who may depend on whom: on lower layers, or on a crate printed above in the same layer of the tree.
//!
//! The tree's order is written down here once. A binary never depends on a binary. Three of the outermost crates are
//! libraries: `peer` and `orderer`, of which their own binaries are a few lines, so that another program may be the same node
//! with more chaincodes or capabilities; and `testnet`, which the test crates below it use.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::workspace::{Crate, Workspace};

const RULE: &str = "layers";

/// Every crate of the tree, in the order in which the tree prints them.
const ORDER: [&str; 36] = [
    "msp",
    "policy",
    "issuing",
    "cryptogen",
    "ca",
    "protocol",
    "configtx",
    "offchain",
    "transport",
    "store",
    "web",
    "ipfs",
    "node",
    "configtxgen",
    "local",
    "ordering",
    "orderer",
    "endorsing",
    "validation",
    "ledger",
    "client",
    "gateway",
    "console",
    "peer",
    "shim",
    "imaging",
    "identities",
    "reports",
    "asset-transfer",
    "host",
    "testnet",
    "scenarios",
    "simulation",
    "tidy",
    "load",
    "fuzz",
];

/// The outermost layer: binaries and tests.
const OUTERMOST: u64 = 5;

/// Position of a crate in the tree.
pub(crate) fn rank(name: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == name)
}

/// Findings about layers.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ours in &workspace.crates {
        let path = ours.manifest_path();
        let name = ours.package.name.as_str();
        if ours.layer().is_none_or(|layer| layer > OUTERMOST) {
            let problem = format!("{name} has no layer from 0 to {OUTERMOST}");
            findings.push(Finding::new(
                (&path, 1),
                RULE,
                problem,
                "write `layer = N` under [package.metadata]",
            ));
        }
        if rank(name).is_none() {
            let problem = format!("{name} is not in the tree");
            findings.push(Finding::new((&path, 1), RULE, problem, "give it a place in ORDER of tests/tidy"));
        }
        let names: BTreeSet<&str> = ours.normal_dependencies().collect();
        for other in names.iter().filter_map(|name| workspace.crate_named(name)) {
            if let Err(problem) = may_depend(&Side::of(ours), &Side::of(other)) {
                let place = ours.place_of(&path, &other.package.name);
                let fix = "move the shared part to a lower layer, or pass it in through a trait";
                findings.push(Finding::new(place, RULE, problem, fix));
            }
        }
    }
    findings
}

/// One end of a dependency.
struct Side<'a> {
    name: &'a str,
    layer: u64,
    is_library: bool,
}

impl<'a> Side<'a> {
    fn of(ours: &'a Crate) -> Self {
        let layer = ours.layer().unwrap_or(OUTERMOST);
        Self { name: &ours.package.name, layer, is_library: ours.is_library() }
    }
}

fn may_depend(from: &Side<'_>, to: &Side<'_>) -> Result<(), String> {
    let (low, high) = (to.layer, from.layer);
    if low > high {
        return Err(format!("{} of layer {high} depends on {} of layer {low}", from.name, to.name));
    }
    if low < high {
        return Ok(());
    }
    if low == OUTERMOST && !to.is_library {
        return Err(format!("{} depends on {}, a binary", from.name, to.name));
    }
    if rank(to.name) >= rank(from.name) {
        return Err(format!(
            "{} depends on {}, which the tree prints below it in layer {low}",
            from.name, to.name
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_depends_downwards_or_on_one_above_it_in_its_layer() {
        let rows = [
            (("msp", 1, true), ("protocol", 0, true), true),
            (("protocol", 0, true), ("msp", 1, true), false),
            (("policy", 1, true), ("msp", 1, true), true),
            (("msp", 1, true), ("policy", 1, true), false),
            (("reports", 2, true), ("identities", 2, true), true),
            (("configtx", 2, true), ("offchain", 2, true), false),
            (("gateway", 4, true), ("ledger", 4, true), true),
            (("ledger", 4, true), ("gateway", 4, true), false),
            (("peer", 5, false), ("orderer", 5, false), false),
            (("peer", 5, false), ("gateway", 4, true), true),
            (("scenarios", 5, true), ("testnet", 5, true), true),
            (("testnet", 5, true), ("scenarios", 5, true), false),
            (("scenarios", 5, true), ("peer", 5, true), true),
            (("orderer", 5, false), ("peer", 5, true), false),
            (("local", 5, false), ("peer", 5, true), false),
            (("scenarios", 5, true), ("orderer", 5, true), true),
            (("scenarios", 5, true), ("load", 5, false), false),
        ];
        for (from, to, verdict) in rows {
            let side = |(name, layer, is_library)| Side { name, layer, is_library };
            let result = may_depend(&side(from), &side(to));
            assert_eq!(result.is_ok(), verdict, "{} on {}: {result:?}", from.0, to.0);
        }
    }

    #[test]
    fn the_tree_names_every_crate_once() {
        let names: BTreeSet<&str> = ORDER.into_iter().collect();
        assert_eq!(names.len(), ORDER.len());
        assert_eq!(rank("msp"), Some(0));
        assert_eq!(rank("unknown"), None);
    }
}

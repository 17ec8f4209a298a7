//! Each technology has one owner crate; only the owner names its package among its dependencies.
//!
//! Tests are exempt: what a dev-dependency pulls in never runs at a hospital. Those uses are listed in the report.

use crate::finding::Finding;
use crate::workspace::Workspace;

const RULE: &str = "owners";

/// Packages and the crates that may name them.
pub(crate) const OWNERS: [(&str, &[&str]); 31] = [
    ("actix", &["host"]),
    ("actix-web", &["web"]),
    ("age", &["ipfs"]),
    ("aws-lc-rs", &["msp", "issuing", "transport"]),
    ("cid", &["offchain"]),
    ("close_fds", &["gateway"]),
    ("dicom-object", &["imaging"]),
    ("dicom-pixeldata", &["imaging"]),
    ("ed25519-consensus", &["msp"]),
    ("ed25519-zebra", &["msp"]),
    ("figment", &["node"]),
    ("hpke", &["ipfs"]),
    ("image", &["imaging"]),
    ("image_hasher", &["imaging"]),
    ("ipld-dagpb", &["offchain"]),
    ("libc", &["gateway"]),
    ("mad-turmoil", &["simulation"]),
    ("multihash", &["offchain"]),
    ("openraft", &["orderer"]),
    ("prometheus", &["node"]),
    ("rcgen", &["issuing"]),
    ("reqwest", &["web"]),
    ("rocksdb", &["store"]),
    ("rustix", &["gateway", "node", "testnet"]),
    ("rustls", &["transport"]),
    ("seccompiler", &["gateway"]),
    ("tokio-rustls", &["transport"]),
    ("tonic", &["transport"]),
    ("tonic-prost", &["transport"]),
    ("turmoil", &["simulation"]),
    ("x509-parser", &["msp"]),
];

/// Packages, the lowest layer that may name them, and crates below it that may all the same.
const LOWEST_LAYER: [(&str, u64, &[&str]); 4] =
    [("clap", 5, &[]), ("getrandom", 3, &["issuing"]), ("tokio", 3, &[]), ("tracing", 3, &[])];

/// Findings about owners.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ours in &workspace.crates {
        let path = ours.manifest_path();
        for name in ours.normal_dependencies() {
            if let Err(problem) = may_name(&ours.package.name, ours.layer(), name) {
                let fix = "use what the owner re-exports, or ask it for what is missing";
                findings.push(Finding::new(ours.place_of(&path, name), RULE, problem, fix));
            }
        }
    }
    findings
}

/// Uses of owned packages in tests of other crates, one text each.
pub(crate) fn exempt(workspace: &Workspace) -> Vec<String> {
    let mut uses = Vec::new();
    for ours in &workspace.crates {
        for name in ours.dev_dependencies() {
            if may_name(&ours.package.name, ours.layer(), name).is_err() {
                uses.push(format!("{} tests with {name}", ours.package.name));
            }
        }
    }
    uses
}

fn may_name(ours: &str, layer: Option<u64>, package: &str) -> Result<(), String> {
    let owned = OWNERS.iter().find(|(owned, _)| *owned == package);
    if let Some((_, owners)) = owned.filter(|(_, owners)| !owners.contains(&ours)) {
        return Err(format!("{ours} names {package}, which {} owns", owners.join(", ")));
    }
    let limited = LOWEST_LAYER.iter().find(|(limited, ..)| *limited == package);
    if let Some((_, lowest, exempt)) = limited
        && layer.is_none_or(|layer| layer < *lowest)
        && !exempt.contains(&ours)
    {
        return Err(format!("{ours} names {package}, which is for layer {lowest} and above"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_names_a_package() {
        let rows = [
            ("msp", 1, "x509-parser", true),
            ("transport", 3, "x509-parser", false),
            ("msp", 1, "aws-lc-rs", true),
            ("issuing", 1, "aws-lc-rs", true),
            ("ipfs", 4, "aws-lc-rs", false),
            ("gateway", 4, "libc", true),
            ("peer", 5, "libc", false),
            ("web", 3, "tonic", false),
            ("orderer", 5, "openraft", true),
            ("peer", 5, "clap", true),
            ("gateway", 4, "clap", false),
            ("issuing", 1, "getrandom", true),
            ("msp", 1, "getrandom", false),
            ("store", 3, "tokio", true),
            ("endorsing", 2, "tokio", false),
            ("endorsing", 2, "tracing", false),
            ("endorsing", 2, "bytes", true),
        ];
        for (ours, layer, package, verdict) in rows {
            assert_eq!(may_name(ours, Some(layer), package).is_ok(), verdict, "{ours} names {package}");
        }
    }

    #[test]
    fn owners_are_in_the_tree() {
        for owner in OWNERS.iter().flat_map(|(_, owners)| owners.iter()) {
            assert!(crate::layers::rank(owner).is_some(), "{owner}");
        }
    }
}

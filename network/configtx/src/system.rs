//! The system chaincode: every channel has it, no configuration names it.
//!
//! `_identity` changes the registered identities. Its definition is this release's own, and its endorsement policy depends
//! on who calls: one peer of the creator's organisation, and nobody else, since an organisation answers for its members. For
//! an organisation without peers one peer of any other answers: validation derives each change again from its arguments,
//! so an endorser adds no right of its own.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use policy::{CompiledPolicy, Policy};
use protocol::{ChaincodeDefinition, ChaincodeName, ChannelConfig, IdentityRecord, MspId};

use crate::problem::Problems;

/// Version of the rules by which identities change.
pub const IDENTITIES_VERSION: &str = "1.1";

/// The definition of `_identity`.
#[expect(clippy::expect_used, reason = "the namespace of identities is a chaincode's name")]
static IDENTITIES: LazyLock<ChaincodeDefinition> = LazyLock::new(|| ChaincodeDefinition {
    name: ChaincodeName::new(IdentityRecord::NAMESPACE).expect("a valid name"),
    version: IDENTITIES_VERSION.to_owned(),
    sequence: 1,
    endorsement_policy: String::new(),
    self_test_id: String::new(),
});

/// Whether a chaincode's name is that of the system's own.
#[must_use]
pub fn is_system_chaincode(name: &str) -> bool {
    name == IdentityRecord::NAMESPACE
}

/// The definition of a system chaincode; `None` for every other name.
pub(crate) fn definition(name: &str) -> Option<&'static ChaincodeDefinition> {
    is_system_chaincode(name).then(|| &*IDENTITIES)
}

/// For each organisation the policy of changes of its identities: one of its peers, or of all peers where it has none.
pub(crate) fn policies(config: &ChannelConfig, problems: &mut Problems) -> BTreeMap<MspId, CompiledPolicy> {
    let mut compiled = BTreeMap::new();
    let with_peers = || config.organizations.iter().filter(|organization| !organization.peers.is_empty());
    for organization in &config.organizations {
        let msp_id = &organization.msp.msp_id;
        let path = format!("/Channel/Application/Identities/{msp_id}/Endorsement");
        let is_alone = !organization.peers.is_empty() || with_peers().next().is_none();
        let endorsers: Vec<String> = if is_alone {
            vec![format!("'{msp_id}.peer'")]
        } else {
            with_peers().map(|endorsing| format!("'{}.peer'", endorsing.msp.msp_id)).collect()
        };
        let text = format!("OR({})", endorsers.join(", "));
        let policy = Policy::parse(&text).map_err(|error| error.to_string());
        let policy = policy.and_then(|policy| {
            CompiledPolicy::compile(&path, &policy, &[], |_, _| None).map_err(|error| error.to_string())
        });
        match policy {
            Ok(policy) => drop(compiled.insert(msp_id.clone(), policy)),
            Err(error) => problems.add("organizations", msp_id, error),
        }
    }
    compiled
}

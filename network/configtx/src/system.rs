//! The system chaincode: every channel has it, no configuration names it.
//!
//! `_identity` changes the registered identities. Its version follows from the channel's capabilities, and its endorsement policy depends
//! on who calls: one peer of the creator's organisation, and nobody else, since an organisation answers for its members. For
//! an organisation without peers one peer of any other answers: validation derives each change again from its arguments,
//! so an endorser adds no right of its own.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use policy::{CompiledPolicy, Policy};
use protocol::{ChaincodeDefinition, ChaincodeName, ChannelConfig, IdentityRecord, MspId, ProofScope};

use crate::{
    capabilities::{V1_1, has},
    problem::Problems,
};

/// The rules by which identities change, named by the version of the chaincode that follows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityRules {
    /// A renewal's proof holds for the channel, as often as it is shown.
    V1_0,
    /// A renewal's proof holds for the record as it stands, and a certificate bars a key that was never registered.
    V1_1,
}

impl IdentityRules {
    /// Those in force on a channel: capability `V1_1` brings version 1.1.
    #[must_use]
    pub fn of(config: &ChannelConfig) -> Self {
        if has(config, &V1_1) { Self::V1_1 } else { Self::V1_0 }
    }

    /// The chaincode's version.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
        }
    }

    /// What the proof of a renewal must be good for, where the record had so many changes.
    #[must_use]
    pub const fn renewal(self, changes: u64) -> ProofScope {
        match self {
            Self::V1_0 => ProofScope::Renewal,
            Self::V1_1 => ProofScope::RenewalAfter(changes),
        }
    }

    /// The rules of a version; `None` for one that this release does not have.
    #[must_use]
    pub fn of_version(version: &str) -> Option<Self> {
        [Self::V1_0, Self::V1_1].into_iter().find(|rules| rules.version() == version)
    }
}

/// The definition of `_identity` under each rules.
static IDENTITIES: LazyLock<[ChaincodeDefinition; 2]> =
    LazyLock::new(|| [defined(IdentityRules::V1_0), defined(IdentityRules::V1_1)]);

#[expect(clippy::expect_used, reason = "the namespace of identities is a chaincode's name")]
fn defined(rules: IdentityRules) -> ChaincodeDefinition {
    ChaincodeDefinition {
        name: ChaincodeName::new(IdentityRecord::NAMESPACE).expect("a valid name"),
        version: rules.version().to_owned(),
        sequence: 1,
        endorsement_policy: String::new(),
        self_test_id: String::new(),
    }
}

/// Whether a chaincode's name is that of the system's own.
#[must_use]
pub fn is_system_chaincode(name: &str) -> bool {
    name == IdentityRecord::NAMESPACE
}

/// The definition of a system chaincode; `None` for every other name.
pub(crate) fn definition(name: &str, rules: IdentityRules) -> Option<&'static ChaincodeDefinition> {
    let [v1_0, v1_1] = &*IDENTITIES;
    is_system_chaincode(name).then_some(match rules {
        IdentityRules::V1_0 => v1_0,
        IdentityRules::V1_1 => v1_1,
    })
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

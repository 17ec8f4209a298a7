//! Who must agree to a change: Fabric's `mod_policy`, derived from an element's path.
//!
//! ```text
//! an organisation's own certificates, endpoints, key and policies    its own Admins     (Fabric: Org/Admins)
//! joining and leaving; whether an organisation has peers at all      /Channel/Application/Admins
//! chaincodes, rules for reports, rule for identities                 /Channel/Application/Admins
//! batch, difficulty, consenters                                      /Channel/Orderer/Admins
//! capabilities, the channel's policies                               /Channel/Admins
//! ```
//!
//! Where a group has no policy of its own, `/Channel/Admins` stands in. An organisation that gains or loses its peers gains
//! or loses its voice among those who endorse, so its own administrators do not decide that alone.

use std::fmt;

use policy::CompiledPolicy;
use protocol::{ChannelConfig, MspId};

use crate::{
    bundle::ConfigBundle,
    element::{Element, OrganizationPart},
    policies::{admins_path, paths},
};

/// Whose administrators must agree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModPolicy {
    /// `/Channel/Admins`.
    Channel,
    /// `/Channel/Application/Admins`.
    Application,
    /// `/Channel/Orderer/Admins`.
    Orderer,
    /// The organisation's own.
    Organization(MspId),
}

impl ModPolicy {
    /// Whose agreement a change of `element` from `before` to `after` needs.
    #[must_use]
    pub fn of(element: &Element, before: &ChannelConfig, after: &ChannelConfig) -> Self {
        match element {
            Element::Capabilities | Element::Policy(_) => Self::Channel,
            Element::Consenters | Element::Batch | Element::DifficultyBits => Self::Orderer,
            Element::Chaincode(_)
            | Element::Checkers
            | Element::Custodians
            | Element::Holders
            | Element::Admission(_)
            | Element::Identities
            | Element::Organization(_, OrganizationPart::FirstIdentities) => Self::Application,
            Element::Organization(msp_id, _) => {
                let has_peers = |config: &ChannelConfig| {
                    config.organization(msp_id).map(|organization| !organization.peers.is_empty())
                };
                match (has_peers(before), has_peers(after)) {
                    (Some(had), Some(has)) if had == has => Self::Organization(msp_id.clone()),
                    _ => Self::Application,
                }
            }
        }
    }

    /// The compiled policy in force; `None` where the channel has none, so that nobody can agree.
    #[must_use]
    pub fn compiled<'a>(&self, bundle: &'a ConfigBundle) -> Option<&'a CompiledPolicy> {
        let own = match self {
            Self::Channel => None,
            Self::Application => bundle.policy(paths::APPLICATION_ADMINS),
            Self::Orderer => bundle.policy(paths::ORDERER_ADMINS),
            Self::Organization(msp_id) => return bundle.admins_of(msp_id),
        };
        own.or_else(|| bundle.policy(paths::ADMINS))
    }
}

impl fmt::Display for ModPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel => f.write_str(paths::ADMINS),
            Self::Application => f.write_str(paths::APPLICATION_ADMINS),
            Self::Orderer => f.write_str(paths::ORDERER_ADMINS),
            Self::Organization(msp_id) => f.write_str(&admins_path(msp_id)),
        }
    }
}

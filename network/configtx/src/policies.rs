//! The channel's policies: which stand by default, over which organisations they are meant, and their compiled form.
//!
//! The application group is every organisation but those that only order; the orderer group is every organisation with
//! a consenter; `/Channel` itself stands over all. `Endorsement` is counted over the organisations that have peers,
//! since nobody else can endorse. An organisation's own policy is a signature policy, by default over its own roles.

use std::collections::{BTreeMap, BTreeSet};

use policy::{CompiledPolicy, ImplicitMeta, Policy, SignaturePolicy};
use protocol::{ChannelConfig, MspId, Organization};

use crate::problem::Problems;

/// Paths of the channel's policies.
pub mod paths {
    /// Who may read the channel.
    pub const READERS: &str = "/Channel/Readers";
    /// Who may write to the channel.
    pub const WRITERS: &str = "/Channel/Writers";
    /// Who may change the channel.
    pub const ADMINS: &str = "/Channel/Admins";
    /// Who may read blocks and evaluate.
    pub const APPLICATION_READERS: &str = "/Channel/Application/Readers";
    /// Who may propose and submit.
    pub const APPLICATION_WRITERS: &str = "/Channel/Application/Writers";
    /// Who may change the application's part.
    pub const APPLICATION_ADMINS: &str = "/Channel/Application/Admins";
    /// Who must endorse where a chaincode names no policy of its own.
    pub const ENDORSEMENT: &str = "/Channel/Application/Endorsement";
    /// Who may read from orderers.
    pub const ORDERER_READERS: &str = "/Channel/Orderer/Readers";
    /// Who may act as orderer.
    pub const ORDERER_WRITERS: &str = "/Channel/Orderer/Writers";
    /// Who may change the orderers' part.
    pub const ORDERER_ADMINS: &str = "/Channel/Orderer/Admins";
    /// Who must have signed a block, besides a majority of the consenters.
    pub const BLOCK_VALIDATION: &str = "/Channel/Orderer/BlockValidation";
}

/// Every standard path with the policy that stands there by default.
const DEFAULTS: [(&str, &str); 11] = [
    (paths::READERS, "ANY Readers"),
    (paths::WRITERS, "ANY Writers"),
    (paths::ADMINS, "MAJORITY Admins"),
    (paths::APPLICATION_READERS, "ANY Readers"),
    (paths::APPLICATION_WRITERS, "ANY Writers"),
    (paths::APPLICATION_ADMINS, "MAJORITY Admins"),
    (paths::ENDORSEMENT, "MAJORITY Endorsement"),
    (paths::ORDERER_READERS, "ANY Readers"),
    (paths::ORDERER_WRITERS, "ANY Writers"),
    (paths::ORDERER_ADMINS, "MAJORITY Admins"),
    (paths::BLOCK_VALIDATION, "ANY Writers"),
];

/// The names of an organisation's own policies, each with the role that meets it by default.
const OF_ORGANIZATION: [(&str, &str); 4] =
    [("Readers", "member"), ("Writers", "member"), ("Admins", "admin"), ("Endorsement", "peer")];

/// The compiled policies of a channel.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    by_path: BTreeMap<String, CompiledPolicy>,
    by_chaincode: BTreeMap<String, CompiledPolicy>,
    admins: BTreeMap<MspId, CompiledPolicy>,
}

impl Policies {
    /// Compiles every policy; adds a problem for each that cannot be.
    pub(crate) fn compile(config: &ChannelConfig, problems: &mut Problems) -> Self {
        let scope = Scope::new(config, problems);
        let mut policies = Self::default();
        for (path, default) in DEFAULTS {
            let found = config.policies.get(path);
            // A group without organisations has no policy by default; one that is written there must be meant.
            if found.is_none() && scope.organizations(path, &parsed_sub_policy(default)).is_empty() {
                continue;
            }
            let text = found.map_or(default, String::as_str);
            if let Some(compiled) = scope.compile(&format!("policies[{path}]"), path, text, problems) {
                policies.by_path.insert(path.to_owned(), compiled);
            }
        }
        for (path, text) in config.policies.iter().filter(|(path, _)| !is_standard(path)) {
            if let Some(compiled) = scope.compile_own(path, text, problems) {
                policies.by_path.insert(path.clone(), compiled);
            }
        }
        for definition in
            config.chaincodes.iter().filter(|definition| !definition.endorsement_policy.is_empty())
        {
            let name = definition.name.as_str();
            let path = format!("/Channel/Application/Chaincodes/{name}/Endorsement");
            let place = format!("chaincodes[{name}].endorsement_policy");
            if let Some(compiled) = scope.compile(&place, &path, &definition.endorsement_policy, problems) {
                policies.by_chaincode.insert(name.to_owned(), compiled);
            }
        }
        for msp_id in &scope.all {
            let Some(own) = scope.own.get(&(msp_id.clone(), "Admins".to_owned())) else { continue };
            let compiled = CompiledPolicy::from_signature(admins_path(msp_id), own);
            match compiled {
                Ok(compiled) => drop(policies.admins.insert(msp_id.clone(), compiled)),
                Err(error) => {
                    problems.add(format!("organizations[{msp_id}].policies[Admins]"), own, error);
                }
            }
        }
        policies
    }

    pub(crate) fn admins_of(&self, msp_id: &MspId) -> Option<&CompiledPolicy> {
        self.admins.get(msp_id)
    }

    pub(crate) fn at(&self, path: &str) -> Option<&CompiledPolicy> {
        self.by_path.get(path)
    }

    /// The chaincode's own policy, or the channel's.
    pub(crate) fn endorsement(&self, chaincode: &str) -> Option<&CompiledPolicy> {
        self.by_chaincode.get(chaincode).or_else(|| self.at(paths::ENDORSEMENT))
    }
}

/// The organisations over which policies stand, and their own policies.
struct Scope {
    all: Vec<MspId>,
    application: Vec<MspId>,
    endorsing: Vec<MspId>,
    orderer: Vec<MspId>,
    own: BTreeMap<(MspId, String), SignaturePolicy>,
}

impl Scope {
    fn new(config: &ChannelConfig, problems: &mut Problems) -> Self {
        let orders = |organization: &Organization| {
            config.orderer.consenters.iter().any(|consenter| consenter.msp_id == organization.msp.msp_id)
        };
        let ids = |belongs: &dyn Fn(&Organization) -> bool| -> Vec<MspId> {
            let chosen = config.organizations.iter().filter(|organization| belongs(organization));
            chosen.map(|organization| organization.msp.msp_id.clone()).collect()
        };
        let mut scope = Self {
            all: ids(&|_| true),
            application: ids(&|organization| !organization.peers.is_empty() || !orders(organization)),
            endorsing: ids(&|organization| !organization.peers.is_empty()),
            orderer: ids(&orders),
            own: BTreeMap::new(),
        };
        for organization in &config.organizations {
            scope.read_own(organization, problems);
        }
        scope
    }

    /// Reads an organisation's own policies and adds those that stand by default.
    fn read_own(&mut self, organization: &Organization, problems: &mut Problems) {
        let msp_id = &organization.msp.msp_id;
        for (name, role) in OF_ORGANIZATION {
            let default = format!("OR('{msp_id}.{role}')");
            let text = organization.policies.get(name).unwrap_or(&default);
            self.read_one(msp_id, name, text, problems);
        }
        let others = organization.policies.iter();
        for (name, text) in others.filter(|(name, _)| OF_ORGANIZATION.iter().all(|(known, _)| known != name))
        {
            self.read_one(msp_id, name, text, problems);
        }
    }

    fn read_one(&mut self, msp_id: &MspId, name: &str, text: &str, problems: &mut Problems) {
        let place = format!("organizations[{msp_id}].policies[{name}]");
        match SignaturePolicy::parse(text) {
            Ok(policy) => {
                self.require_known(&place, text, &policy, problems);
                self.own.insert((msp_id.clone(), name.to_owned()), policy);
            }
            Err(error) => {
                problems.add(place, text, format!("{error}; an organisation's policy is a signature policy"))
            }
        }
    }

    fn require_known(&self, place: &str, text: &str, policy: &SignaturePolicy, problems: &mut Problems) {
        let named: BTreeSet<MspId> =
            policy.principals().into_iter().map(|principal| principal.msp_id).collect();
        for msp_id in named.iter().filter(|msp_id| !self.all.contains(msp_id)) {
            problems.add(place, text, format!("{msp_id} is no organisation of the channel"));
        }
    }

    fn organizations(&self, path: &str, sub_policy: &str) -> &[MspId] {
        if path.starts_with("/Channel/Orderer/") {
            &self.orderer
        } else if !path.starts_with("/Channel/Application/") {
            &self.all
        } else if sub_policy == "Endorsement" {
            &self.endorsing
        } else {
            &self.application
        }
    }

    fn compile(
        &self,
        place: &str,
        path: &str,
        text: &str,
        problems: &mut Problems,
    ) -> Option<CompiledPolicy> {
        let policy = match Policy::parse(text) {
            Ok(policy) => policy,
            Err(error) => {
                problems.add(place, text, error);
                return None;
            }
        };
        let organizations = match &policy {
            Policy::Signature(policy) => {
                self.require_known(place, text, policy, problems);
                &[][..]
            }
            Policy::ImplicitMeta(ImplicitMeta { sub_policy, .. }) => self.organizations(path, sub_policy),
        };
        let own = |msp_id: &MspId, name: &str| self.own.get(&(msp_id.clone(), name.to_owned())).cloned();
        match CompiledPolicy::compile(path, &policy, organizations, own) {
            Ok(compiled) => Some(compiled),
            Err(error) => {
                problems.add(place, text, error);
                None
            }
        }
    }

    /// A policy of the channel's own naming, to which nothing refers but a caller that asks for its path.
    fn compile_own(&self, path: &str, text: &str, problems: &mut Problems) -> Option<CompiledPolicy> {
        let rest = path.strip_prefix("/Channel/").unwrap_or_default();
        let name =
            rest.strip_prefix("Application/").or_else(|| rest.strip_prefix("Orderer/")).unwrap_or(rest);
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            let rule = "a policy stands at /Channel/NAME, /Channel/Application/NAME or /Channel/Orderer/NAME";
            problems.add("policies", path, rule);
            return None;
        }
        self.compile(&format!("policies[{path}]"), path, text, problems)
    }
}

fn is_standard(path: &str) -> bool {
    DEFAULTS.iter().any(|(standard, _)| *standard == path)
}

/// Where the policy of an organisation's administrators stands.
pub(crate) fn admins_path(msp_id: &MspId) -> String {
    format!("/Channel/Organizations/{msp_id}/Admins")
}

/// The name after the rule in an implicit-meta text.
fn parsed_sub_policy(text: &str) -> String {
    text.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

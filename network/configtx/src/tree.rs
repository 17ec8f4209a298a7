//! A configuration taken apart, changed element by element, and put together again.
//!
//! Elements may be written in any order: an organisation's endpoints may come before its certificates. Whether the whole
//! then keeps the rules of a configuration is asked afterwards.

use std::collections::BTreeMap;

use protocol::{
    AdmissionConfig, ChaincodeDefinition, ChaincodeName, ChannelConfig, Checkers, Digest, Endpoint,
    MspConfig, MspId, Organization, RegisteredIdentity, ReportsConfig, codec,
    limits::CONFIG_UPDATE_BYTES_MAX,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::element::{Element, OrganizationPart};

/// A configuration in parts.
pub(crate) struct Tree {
    /// All that is no list by name.
    trunk: ChannelConfig,
    organizations: BTreeMap<MspId, OrganizationParts>,
    chaincodes: BTreeMap<ChaincodeName, ChaincodeDefinition>,
    reports: ReportsParts,
    first_identities: Vec<RegisteredIdentity>,
}

#[derive(Default)]
struct OrganizationParts {
    msp: Option<MspConfig>,
    kem_public_key: Option<Digest>,
    peers: Vec<Endpoint>,
    policies: BTreeMap<String, String>,
}

#[derive(Default)]
struct ReportsParts {
    checkers: Option<Checkers>,
    custodians: Vec<MspId>,
    holders: Vec<MspId>,
    admission: BTreeMap<String, AdmissionConfig>,
}

impl Tree {
    /// Takes a configuration apart.
    pub(crate) fn of(config: &ChannelConfig) -> Self {
        let mut trunk = config.clone();
        let parts = |organization: Organization| {
            let Organization { msp, kem_public_key, peers, policies } = organization;
            let msp_id = msp.msp_id.clone();
            (msp_id, OrganizationParts { msp: Some(msp), kem_public_key, peers, policies })
        };
        let organizations = std::mem::take(&mut trunk.organizations).into_iter().map(parts).collect();
        let chaincodes = std::mem::take(&mut trunk.chaincodes).into_iter();
        let chaincodes = chaincodes.map(|definition| (definition.name.clone(), definition)).collect();
        let reports = trunk.reports.take().map_or_else(ReportsParts::default, |reports| ReportsParts {
            checkers: Some(reports.checkers),
            custodians: reports.custodians,
            holders: reports.holders,
            admission: reports.admission.into_iter().map(|rule| (rule.modality.clone(), rule)).collect(),
        });
        // Only block 0 lists identities.
        trunk.first_identities.clear();
        Self { trunk, organizations, chaincodes, reports, first_identities: Vec::new() }
    }

    /// Writes or removes an element.
    ///
    /// # Errors
    /// A sentence: bytes that are no such value, a name that is not that of the path, an element that must stay.
    pub(crate) fn write(&mut self, element: &Element, value: Option<&[u8]>) -> Result<(), String> {
        match element {
            Element::Capabilities => self.trunk.capabilities = required(value)?,
            Element::Consenters => self.trunk.orderer.consenters = required(value)?,
            Element::Batch => self.trunk.orderer.batch = required(value)?,
            Element::DifficultyBits => self.trunk.orderer.difficulty_bits = required(value)?,
            Element::Identities => self.trunk.identities = required(value)?,
            Element::Policy(path) => put(&mut self.trunk.policies, path, optional(value)?),
            Element::Chaincode(name) => self.write_chaincode(name, optional(value)?)?,
            Element::Organization(msp_id, part) => self.write_organization(msp_id, *part, value)?,
            Element::Checkers => self.reports.checkers = optional(value)?,
            Element::Custodians => self.reports.custodians = optional(value)?.unwrap_or_default(),
            Element::Holders => self.reports.holders = optional(value)?.unwrap_or_default(),
            Element::Admission(modality) => {
                let rule: Option<AdmissionConfig> = optional(value)?;
                same_name(rule.as_ref().map(|rule| rule.modality.as_str()), modality)?;
                put(&mut self.reports.admission, modality, rule);
            }
        }
        Ok(())
    }

    /// A definition's sequence counts its changes, so that nobody takes one for another.
    fn write_chaincode(
        &mut self,
        name: &ChaincodeName,
        definition: Option<ChaincodeDefinition>,
    ) -> Result<(), String> {
        same_name(definition.as_ref().map(|definition| definition.name.as_str()), name.as_str())?;
        let next = self.chaincodes.get(name).map_or(1, |before| before.sequence.saturating_add(1));
        match &definition {
            Some(definition) if definition.sequence != next => Err(format!(
                "the definition has sequence {}, and its next one is {next}",
                definition.sequence
            )),
            _ => {
                put(&mut self.chaincodes, name, definition);
                Ok(())
            }
        }
    }

    fn write_organization(
        &mut self,
        msp_id: &MspId,
        part: OrganizationPart,
        value: Option<&[u8]>,
    ) -> Result<(), String> {
        let organization = self.organizations.entry(msp_id.clone()).or_default();
        match part {
            OrganizationPart::Msp => {
                let msp: Option<MspConfig> = optional(value)?;
                same_name(msp.as_ref().map(|msp| msp.msp_id.as_str()), msp_id.as_str())?;
                organization.msp = msp;
            }
            OrganizationPart::KemPublicKey => organization.kem_public_key = optional(value)?,
            OrganizationPart::Peers => organization.peers = optional(value)?.unwrap_or_default(),
            OrganizationPart::Policies => organization.policies = optional(value)?.unwrap_or_default(),
            OrganizationPart::FirstIdentities => {
                let identities: Vec<RegisteredIdentity> = required(value)?;
                if let Some(other) = identities.iter().find(|identity| identity.msp_id != *msp_id) {
                    return Err(format!("it lists an identity of {}", other.msp_id));
                }
                self.first_identities.extend(identities);
            }
        }
        Ok(())
    }

    /// The configuration that follows, with the identities that it registers.
    ///
    /// # Errors
    /// Path and sentence of a part without its whole: endpoints of no organisation, rules for no reports.
    pub(crate) fn into_next(
        self,
        sequence: u64,
    ) -> Result<(ChannelConfig, Vec<RegisteredIdentity>), (String, String)> {
        let Self { mut trunk, organizations, chaincodes, reports, first_identities } = self;
        trunk.sequence = sequence;
        for (msp_id, parts) in organizations {
            let is_empty =
                parts.kem_public_key.is_none() && parts.peers.is_empty() && parts.policies.is_empty();
            match parts.msp {
                Some(msp) => trunk.organizations.push(Organization {
                    msp,
                    kem_public_key: parts.kem_public_key,
                    peers: parts.peers,
                    policies: parts.policies,
                }),
                None if is_empty => {}
                None => {
                    let path = Element::Organization(msp_id, OrganizationPart::Msp).to_string();
                    return Err((path, "other parts of the organisation stand without it".to_owned()));
                }
            }
        }
        trunk.chaincodes = chaincodes.into_values().collect();
        let ReportsParts { checkers, custodians, holders, admission } = reports;
        let is_empty = custodians.is_empty() && holders.is_empty() && admission.is_empty();
        trunk.reports = match checkers {
            Some(checkers) => {
                let admission = admission.into_values().collect();
                Some(ReportsConfig { checkers, custodians, holders, admission })
            }
            None if is_empty => None,
            None => {
                let path = Element::Checkers.to_string();
                return Err((path, "other rules for reports stand without it".to_owned()));
            }
        };
        Ok((trunk, first_identities))
    }
}

fn put<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, key: &K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key.clone(), value)),
        None => drop(map.remove(key)),
    }
}

fn same_name(found: Option<&str>, expected: &str) -> Result<(), String> {
    match found {
        Some(found) if found != expected => {
            Err(format!("its value is that of {}", found.chars().take(128).collect::<String>()))
        }
        _ => Ok(()),
    }
}

fn required<T: DeserializeOwned + Serialize>(value: Option<&[u8]>) -> Result<T, String> {
    optional(value)?.ok_or_else(|| "a configuration cannot be without it".to_owned())
}

fn optional<T: DeserializeOwned + Serialize>(value: Option<&[u8]>) -> Result<Option<T>, String> {
    let read = |bytes| codec::decode_canonical(bytes, CONFIG_UPDATE_BYTES_MAX);
    value.map(read).transpose().map_err(|error: codec::DecodeError| error.to_string())
}

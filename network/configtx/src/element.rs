//! The elements of a configuration: what an update reads and writes, each with a path and bytes of its own.
//!
//! Fabric's tree has groups, values and policies; here the same tree is flat. A list that is empty, a key that is not
//! there and rules that a channel does not have are no elements, so that one configuration has one set of elements:
//!
//! ```text
//! /Channel/Capabilities                          /Channel/Orderer/Consenters
//! /Channel/Policies{path of the policy}          /Channel/Orderer/Batch
//! /Channel/Organizations/{MSP}/MSP               /Channel/Orderer/DifficultyBits
//! /Channel/Organizations/{MSP}/KemPublicKey      /Channel/Application/Chaincodes/{name}
//! /Channel/Organizations/{MSP}/Peers             /Channel/Application/Reports/Checkers
//! /Channel/Organizations/{MSP}/Policies          /Channel/Application/Reports/Custodians
//! /Channel/Organizations/{MSP}/FirstIdentities   /Channel/Application/Reports/Holders
//! /Channel/Application/Identities                /Channel/Application/Reports/Admission/{modality}
//! ```
//!
//! An organisation is a member where its `MSP` is; a channel has rules for reports where `Checkers` is.
//! `FirstIdentities` exists in an update only: whom a joining organisation brings, as block 0 registers its members.

use std::fmt;

use bytes::Bytes;
use protocol::{ChaincodeName, ChannelConfig, MspId, codec};
use serde::Serialize;

/// Where each kind of element stands.
const CAPABILITIES: &str = "/Channel/Capabilities";
const POLICIES: &str = "/Channel/Policies";
const ORGANIZATIONS: &str = "/Channel/Organizations/";
const CONSENTERS: &str = "/Channel/Orderer/Consenters";
const BATCH: &str = "/Channel/Orderer/Batch";
const DIFFICULTY_BITS: &str = "/Channel/Orderer/DifficultyBits";
const CHAINCODES: &str = "/Channel/Application/Chaincodes/";
const CHECKERS: &str = "/Channel/Application/Reports/Checkers";
const CUSTODIANS: &str = "/Channel/Application/Reports/Custodians";
const HOLDERS: &str = "/Channel/Application/Reports/Holders";
const ADMISSION: &str = "/Channel/Application/Reports/Admission/";
const IDENTITIES: &str = "/Channel/Application/Identities";

/// A part of an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationPart {
    /// Its certificates.
    Msp,
    /// The key to which data keys are sealed.
    KemPublicKey,
    /// Where its peers listen.
    Peers,
    /// Its own policies.
    Policies,
    /// Identities that are registered when it joins.
    FirstIdentities,
}

impl OrganizationPart {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Msp, "MSP"),
        (Self::KemPublicKey, "KemPublicKey"),
        (Self::Peers, "Peers"),
        (Self::Policies, "Policies"),
        (Self::FirstIdentities, "FirstIdentities"),
    ];
}

/// An element of a configuration. `Display` gives its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// What nodes must know.
    Capabilities,
    /// The policy at that path.
    Policy(String),
    /// A part of that organisation.
    Organization(MspId, OrganizationPart),
    /// The consenters.
    Consenters,
    /// When a block is cut.
    Batch,
    /// Proof-of-work difficulty.
    DifficultyBits,
    /// The definition of that chaincode.
    Chaincode(ChaincodeName),
    /// Who checks uploads.
    Checkers,
    /// Who keeps data keys.
    Custodians,
    /// Who keeps sealed bytes.
    Holders,
    /// The rule for that modality.
    Admission(String),
    /// Whether identities must be registered.
    Identities,
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capabilities => f.write_str(CAPABILITIES),
            Self::Policy(path) => write!(f, "{POLICIES}{path}"),
            Self::Organization(msp_id, part) => {
                let name = OrganizationPart::ALL.iter().find(|(known, _)| known == part);
                write!(f, "{ORGANIZATIONS}{msp_id}/{}", name.map_or("", |(_, name)| name))
            }
            Self::Consenters => f.write_str(CONSENTERS),
            Self::Batch => f.write_str(BATCH),
            Self::DifficultyBits => f.write_str(DIFFICULTY_BITS),
            Self::Chaincode(name) => write!(f, "{CHAINCODES}{name}"),
            Self::Checkers => f.write_str(CHECKERS),
            Self::Custodians => f.write_str(CUSTODIANS),
            Self::Holders => f.write_str(HOLDERS),
            Self::Admission(modality) => write!(f, "{ADMISSION}{modality}"),
            Self::Identities => f.write_str(IDENTITIES),
        }
    }
}

impl Element {
    /// Those whose path names nothing of the configuration.
    const FIXED: [Self; 8] = [
        Self::Capabilities,
        Self::Consenters,
        Self::Batch,
        Self::DifficultyBits,
        Self::Checkers,
        Self::Custodians,
        Self::Holders,
        Self::Identities,
    ];

    /// The element of a path; `None` where this release knows none of that path.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        if let Some(element) = Self::FIXED.into_iter().find(|element| element.to_string() == path) {
            return Some(element);
        }
        if let Some(policy) = path.strip_prefix(POLICIES) {
            return Some(Self::Policy(policy.to_owned()));
        }
        if let Some(modality) = path.strip_prefix(ADMISSION) {
            return Some(Self::Admission(modality.to_owned()));
        }
        if let Some(name) = path.strip_prefix(CHAINCODES) {
            return ChaincodeName::new(name).ok().map(Self::Chaincode);
        }
        let (msp_id, part) = path.strip_prefix(ORGANIZATIONS)?.split_once('/')?;
        let (part, _) = OrganizationPart::ALL.into_iter().find(|(_, name)| *name == part)?;
        Some(Self::Organization(MspId::new(msp_id).ok()?, part))
    }

    /// The element's bytes in a configuration; `None` where it is not there.
    #[must_use]
    pub fn bytes(&self, config: &ChannelConfig) -> Option<Bytes> {
        let reports = config.reports.as_ref();
        match self {
            Self::Capabilities => some(&config.capabilities),
            Self::Policy(path) => config.policies.get(path).and_then(some),
            Self::Organization(msp_id, part) => organization_bytes(config, msp_id, *part),
            Self::Consenters => some(&config.orderer.consenters),
            Self::Batch => some(&config.orderer.batch),
            Self::DifficultyBits => some(&config.orderer.difficulty_bits),
            Self::Chaincode(name) => config.chaincode(name.as_str()).and_then(some),
            Self::Checkers => reports.and_then(|reports| some(&reports.checkers)),
            Self::Custodians => reports.and_then(|reports| some_list(&reports.custodians)),
            Self::Holders => reports.and_then(|reports| some_list(&reports.holders)),
            Self::Admission(modality) => {
                reports?.admission.iter().find(|rule| rule.modality == *modality).and_then(some)
            }
            Self::Identities => some(&config.identities),
        }
    }

    /// Every element of a configuration.
    #[must_use]
    pub fn all(config: &ChannelConfig) -> Vec<Self> {
        let mut elements = Self::FIXED.to_vec();
        elements.extend(config.policies.keys().cloned().map(Self::Policy));
        for organization in &config.organizations {
            let of_part =
                |(part, _): (OrganizationPart, _)| Self::Organization(organization.msp.msp_id.clone(), part);
            elements.extend(OrganizationPart::ALL.map(of_part));
        }
        elements.extend(config.chaincodes.iter().map(|definition| Self::Chaincode(definition.name.clone())));
        let rules = config.reports.iter().flat_map(|reports| &reports.admission);
        elements.extend(rules.map(|rule| Self::Admission(rule.modality.clone())));
        elements.retain(|element| element.bytes(config).is_some());
        elements
    }
}

fn organization_bytes(config: &ChannelConfig, msp_id: &MspId, part: OrganizationPart) -> Option<Bytes> {
    let organization = config.organization(msp_id)?;
    match part {
        OrganizationPart::Msp => some(&organization.msp),
        OrganizationPart::KemPublicKey => organization.kem_public_key.as_ref().and_then(some),
        OrganizationPart::Peers => some_list(&organization.peers),
        OrganizationPart::Policies => {
            (!organization.policies.is_empty()).then(|| encoded(&organization.policies))
        }
        OrganizationPart::FirstIdentities => None,
    }
}

fn some<T: Serialize>(value: &T) -> Option<Bytes> {
    Some(encoded(value))
}

fn some_list<T: Serialize>(list: &[T]) -> Option<Bytes> {
    (!list.is_empty()).then(|| encoded(&list))
}

/// An element's bytes.
pub(crate) fn encoded<T: Serialize>(value: &T) -> Bytes {
    codec::encode(value).into()
}

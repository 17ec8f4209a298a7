//! The parts of the file that speak of chaincodes and of the admission of reports.

use protocol::{
    AdmissionConfig, ChaincodeDefinition, ChaincodeName, Checkers, MspId, ReferenceHash, ReportsConfig,
};

use crate::consortium::{AdmissionEntry, ChaincodeEntry, ReferenceEntry, ReportsSection};
use crate::gathering::Gathering;

/// The chaincode whose endorsers must compute the perceptual hash alike.
const REPORTS: &str = "reports";
/// Hexadecimal digits of a 64-bit hash.
const HASH_DIGITS: usize = 16;

/// The definitions that the file names. That of `reports` pins the self-test of this release.
pub fn chaincodes(entries: &[ChaincodeEntry], gathering: &mut Gathering) -> Vec<ChaincodeDefinition> {
    let mut definitions = Vec::new();
    for entry in entries {
        let Some(name) =
            gathering.check("Chaincodes.Name", &entry.name, ChaincodeName::new(entry.name.as_str()))
        else {
            continue;
        };
        let self_test_id = if entry.name == REPORTS { imaging::self_test() } else { String::new() };
        definitions.push(ChaincodeDefinition {
            name,
            version: entry.version.clone(),
            sequence: 1,
            endorsement_policy: entry.policy.clone().unwrap_or_default(),
            self_test_id,
        });
    }
    definitions
}

/// The rules for reports.
pub fn config(section: &ReportsSection, gathering: &mut Gathering) -> ReportsConfig {
    let checkers = Checkers {
        required: section.checkers.required,
        organizations: msp_ids("Reports.Checkers.Organizations", &section.checkers.organizations, gathering),
    };
    ReportsConfig {
        checkers,
        custodians: msp_ids("Reports.Custodians", &section.custodians, gathering),
        holders: msp_ids("Reports.Holders", &section.holders, gathering),
        admission: section.admission.iter().map(|entry| admission(entry, gathering)).collect(),
    }
}

fn msp_ids(place: &str, names: &[String], gathering: &mut Gathering) -> Vec<MspId> {
    let read = |name: &String| gathering.check(place, name, MspId::new(name.as_str()));
    names.iter().filter_map(read).collect()
}

fn admission(entry: &AdmissionEntry, gathering: &mut Gathering) -> AdmissionConfig {
    let place = format!("Reports.Admission[{}]", entry.modality);
    let refuse = match entry.refuse.as_str() {
        "refuse" => true,
        "warn" => false,
        other => {
            gathering.add(format!("{place}.Refuse"), other, "write `warn` or `refuse`");
            false
        }
    };
    let references =
        entry.references.iter().filter_map(|entry| reference(&place, entry, gathering)).collect();
    AdmissionConfig { modality: entry.modality.clone(), profile: entry.profile.clone(), refuse, references }
}

fn reference(place: &str, entry: &ReferenceEntry, gathering: &mut Gathering) -> Option<ReferenceHash> {
    let place = format!("{place}.References[{}]", entry.id);
    for (key, value) in [("source", &entry.source), ("licence", &entry.licence)] {
        if value.trim().is_empty() {
            gathering.add(
                format!("{place}.{key}"),
                value,
                "say where the image came from and under which licence",
            );
        }
    }
    let is_hash = entry.hash.len() == HASH_DIGITS && entry.hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = is_hash.then(|| u64::from_str_radix(&entry.hash, 16).ok()).flatten();
    let rule = format!("a hash has {HASH_DIGITS} hexadecimal digits; quote it, so that YAML reads no number");
    let hash = gathering.check(format!("{place}.hash"), &entry.hash, hash.ok_or(rule))?;
    Some(ReferenceHash {
        id: entry.id.clone(),
        hash,
        source: entry.source.clone(),
        licence: entry.licence.clone(),
    })
}

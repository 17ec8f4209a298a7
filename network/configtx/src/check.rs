//! The rules of a channel's configuration that need no policy: names, order, limits, organisations, reports.
//!
//! Each rule adds a problem with its place and the value found; nothing stops at the first.

use std::collections::BTreeSet;

use msp::{Msp, MspSet};
use policy::Principal;
use protocol::{
    AdmissionConfig, BatchConfig, ChannelConfig, Endpoint, MspConfig, MspId, RegisteredIdentity,
    ReportsConfig, Role,
    limits::{BLOCK_BYTES_MAX, BLOCK_ENVELOPES_MAX, CONFIG_BYTES_MAX, DIFFICULTY_BITS_MAX, NAME_BYTES_MAX},
};

use crate::{
    capabilities::{Capabilities, NeededRelease, V1_0, has},
    policies::Policies,
    problem::Problems,
};

/// The profiles by which an upload's likeness to references is judged.
pub const PROFILES: [&str; 2] = ["calibrated", "paper-50"];

/// The chaincode whose proposals show a report to its checkers.
const REPORTS: &str = "reports";
/// What a block keeps free for its header, signatures and framing.
const BLOCK_OVERHEAD_BYTES: usize = 1 << 20;
/// A minute: nobody waits longer for a block.
const TIMEOUT_MS_MAX: u32 = 60_000;
/// Consenters of one channel; a majority must sign every block.
const CONSENTERS_MAX: usize = 64;

/// Everything that is seen without certificates.
pub(crate) fn form(config: &ChannelConfig, known: Capabilities, problems: &mut Problems) {
    let version = config.version;
    problems.require(version == ChannelConfig::VERSION, "version", version, "this release knows version 1");
    let bytes = config.to_bytes().len();
    let rule =
        format!("a configuration has at most {CONFIG_BYTES_MAX} bytes; name fewer references or identities");
    problems.require(bytes <= CONFIG_BYTES_MAX, "configuration", format!("{bytes} bytes"), rule);
    capabilities(config, known, problems);
    orderer(config, problems);
    chaincodes(config, problems);
    if let Some(reports) = &config.reports {
        checkers(config, reports, problems);
        members(config, "reports.custodians", &reports.custodians, problems);
        members(config, "reports.holders", &reports.holders, problems);
        let modalities: Vec<&str> = reports.admission.iter().map(|rule| rule.modality.as_str()).collect();
        problems.require_ascending("reports.admission", &modalities, ToString::to_string);
        reports.admission.iter().for_each(|rule| admission(rule, problems));
    }
}

fn capabilities(config: &ChannelConfig, known: Capabilities, problems: &mut Problems) {
    problems.require_ascending("capabilities", &config.capabilities, |capability| capability.0.clone());
    let rule = format!("the channel must name {}", V1_0.name);
    problems.require(
        has(config, &V1_0),
        "capabilities",
        format!("{} others", config.capabilities.len()),
        rule,
    );
    for capability in config.capabilities.iter().filter(|capability| !known.knows(capability)) {
        problems.add("capabilities", &capability.0, NeededRelease::of(capability));
    }
}

fn orderer(config: &ChannelConfig, problems: &mut Problems) {
    let consenters = &config.orderer.consenters;
    let count = consenters.len();
    let rule = format!("a channel has 1 to {CONSENTERS_MAX} consenters (an odd number is best)");
    problems.require((1..=CONSENTERS_MAX).contains(&count), "orderer.consenters", count, rule);
    let (mut endpoints, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for (number, consenter) in consenters.iter().enumerate() {
        let path = format!("orderer.consenters[{number}]");
        let is_member = config.organization(&consenter.msp_id).is_some();
        problems.require(
            is_member,
            format!("{path}.msp_id"),
            &consenter.msp_id,
            "no organisation of the channel",
        );
        let is_new = endpoints.insert(&consenter.endpoint);
        let rule = "another consenter listens there; each needs an endpoint of its own";
        problems.require(is_new, format!("{path}.endpoint"), &consenter.endpoint, rule);
        endpoint(&format!("{path}.endpoint"), &consenter.endpoint, problems);
        let is_new = keys.insert(consenter.tls_spki);
        let rule = "another consenter has the same TLS key; each needs a key of its own";
        problems.require(is_new, format!("{path}.tls_spki"), consenter.tls_spki, rule);
    }
    let bits = config.orderer.difficulty_bits;
    let rule = format!("at most {DIFFICULTY_BITS_MAX} leading zero bits");
    problems.require(bits <= DIFFICULTY_BITS_MAX, "orderer.difficulty_bits", bits, rule);
    batch(&config.orderer.batch, problems);
}

fn batch(batch: &BatchConfig, problems: &mut Problems) {
    let BatchConfig { max_message_count, absolute_max_bytes, preferred_max_bytes, timeout_ms } = *batch;
    let count_max = u32::try_from(BLOCK_ENVELOPES_MAX).unwrap_or(u32::MAX);
    let bytes_max = u32::try_from(BLOCK_BYTES_MAX - BLOCK_OVERHEAD_BYTES).unwrap_or(u32::MAX);
    let rows = [
        ("max_message_count", max_message_count, 1, count_max, "envelopes"),
        ("absolute_max_bytes", absolute_max_bytes, 1, bytes_max, "bytes"),
        (
            "preferred_max_bytes",
            preferred_max_bytes,
            1,
            absolute_max_bytes.max(1),
            "bytes (absolute_max_bytes at most)",
        ),
        ("timeout_ms", timeout_ms, 1, TIMEOUT_MS_MAX, "milliseconds"),
    ];
    for (name, value, least, most, unit) in rows {
        let rule = format!("it must lie between {least} and {most} {unit}");
        problems.require((least..=most).contains(&value), format!("orderer.batch.{name}"), value, rule);
    }
}

fn chaincodes(config: &ChannelConfig, problems: &mut Problems) {
    let names: Vec<&str> = config.chaincodes.iter().map(|definition| definition.name.as_str()).collect();
    problems.require_ascending("chaincodes", &names, ToString::to_string);
    for definition in &config.chaincodes {
        let path = format!("chaincodes[{}]", definition.name);
        let rule = "names that begin with `_` belong to the system; choose another";
        problems.require(
            !definition.name.as_str().starts_with('_'),
            format!("{path}.name"),
            &definition.name,
            rule,
        );
        let length = definition.version.len();
        let rule = format!("a version has 1 to {NAME_BYTES_MAX} bytes");
        let is_version = (1..=NAME_BYTES_MAX).contains(&length);
        problems.require(is_version, format!("{path}.version"), &definition.version, rule);
    }
}

fn checkers(config: &ChannelConfig, reports: &ReportsConfig, problems: &mut Problems) {
    let checkers = &reports.checkers;
    let path = "reports.checkers.organizations";
    let mut seen = BTreeSet::new();
    for msp_id in &checkers.organizations {
        problems.require(seen.insert(msp_id), path, msp_id, "it stands there twice; name it once");
        holds_keys(config, path, msp_id, problems);
    }
    let most = u32::try_from(checkers.organizations.len()).unwrap_or(u32::MAX);
    let is_count = (2..=most).contains(&checkers.required);
    let rule = format!(
        "an upload is checked by its own hospital and at least one other, of the {most} in checkers.organizations: \
         name a number from 2 to {most}, or more organisations"
    );
    problems.require(is_count, "reports.checkers.required", checkers.required, rule);
}

/// Whether those who may check uploads can together meet the policy under which uploads are endorsed: nobody else is ever
/// shown a report, so otherwise no upload could become VALID.
pub(crate) fn uploads(config: &ChannelConfig, policies: &Policies, problems: &mut Problems) {
    let (Some(reports), Some(definition)) = (&config.reports, config.chaincode(REPORTS)) else { return };
    let Some(policy) = policies.endorsement(REPORTS) else { return };
    let endorses = |principal: &Principal| matches!(principal.role, Role::Peer | Role::Member);
    let checks = |principal: &Principal| {
        let has_peers =
            config.organization(&principal.msp_id).is_some_and(|organization| !organization.peers.is_empty());
        has_peers && reports.checkers.organizations.contains(&principal.msp_id)
    };
    if policy.can_be_met_by(|principal| endorses(principal) && checks(principal)) {
        return;
    }
    let principals = policy.principals();
    let missing: BTreeSet<&str> = principals
        .iter()
        .filter(|principal| endorses(principal) && !checks(principal))
        .map(|principal| principal.msp_id.as_str())
        .collect();
    let missing = if missing.is_empty() {
        "it asks for others than peers".to_owned()
    } else {
        format!(
            "missing among them, or without peers: {}",
            missing.into_iter().collect::<Vec<_>>().join(", ")
        )
    };
    let text = match definition.endorsement_policy.as_str() {
        "" => "the channel's".to_owned(),
        own => own.to_owned(),
    };
    let rule = format!(
        "the checkers cannot satisfy {} ({text}), the endorsement policy of chaincode {REPORTS}, so no upload could become \
         valid; {missing}; add them, or name a policy that the checkers can meet",
        policy.path()
    );
    let found = reports.checkers.organizations.iter().map(MspId::as_str).collect::<Vec<_>>().join(", ");
    problems.add("reports.checkers.organizations", found, rule);
}

fn members(config: &ChannelConfig, path: &str, list: &[MspId], problems: &mut Problems) {
    problems.require_ascending(path, list, ToString::to_string);
    list.iter().for_each(|msp_id| holds_keys(config, path, msp_id, problems));
}

/// Whether the organisation is one of the channel to which keys can be sealed.
fn holds_keys(config: &ChannelConfig, path: &str, msp_id: &MspId, problems: &mut Problems) {
    match config.organization(msp_id) {
        None => problems.add(path, msp_id, "no organisation of the channel"),
        Some(organization) => {
            let rule = "the organisation has no KEM key; give it kem_public_key";
            problems.require(organization.kem_public_key.is_some(), path, msp_id, rule);
        }
    }
}

fn admission(rule: &AdmissionConfig, problems: &mut Problems) {
    let path = format!("reports.admission[{}]", rule.modality);
    let length = rule.modality.len();
    let name_rule = format!("a modality has 1 to {NAME_BYTES_MAX} bytes");
    problems.require(
        (1..=NAME_BYTES_MAX).contains(&length),
        format!("{path}.modality"),
        &rule.modality,
        name_rule,
    );
    let is_known = PROFILES.contains(&rule.profile.as_str());
    let known = format!("known profiles are {}", PROFILES.join(" and "));
    problems.require(is_known, format!("{path}.profile"), &rule.profile, known);
    let ids: Vec<&str> = rule.references.iter().map(|reference| reference.id.as_str()).collect();
    problems.require_ascending(&format!("{path}.references"), &ids, ToString::to_string);
    let has_names = ids.iter().all(|id| (1..=NAME_BYTES_MAX).contains(&id.len()));
    let id_rule = format!("a reference's id has 1 to {NAME_BYTES_MAX} bytes");
    problems.require(has_names, format!("{path}.references"), "an id of another length", id_rule);
}

fn endpoint(path: &str, endpoint: &Endpoint, problems: &mut Problems) {
    let is_endpoint = !endpoint.host.is_empty() && endpoint.host.len() <= 253 && endpoint.port != 0;
    problems.require(is_endpoint, path, endpoint, "an endpoint is HOST:PORT with a port from 1 to 65535");
}

/// Checks the organisations; returns their verifiers if all can be compiled.
pub(crate) fn organizations(config: &ChannelConfig, problems: &mut Problems) -> Option<MspSet> {
    let ids: Vec<&MspId> = config.organizations.iter().map(|organization| &organization.msp.msp_id).collect();
    problems.require(!ids.is_empty(), "organizations", 0, "a channel has at least one organisation");
    problems.require_ascending("organizations", &ids, ToString::to_string);
    let mut compiled = !ids.is_empty();
    for organization in &config.organizations {
        let path = format!("organizations[{}]", organization.msp.msp_id);
        let version = organization.msp.version;
        let is_version = version == MspConfig::VERSION;
        problems.require(is_version, format!("{path}.msp.version"), version, "this release knows version 1");
        if let Err(error) = Msp::new(&organization.msp) {
            problems.add(format!("{path}.msp"), &organization.msp.msp_id, error);
            compiled = false;
        }
        problems.require_ascending(&format!("{path}.peers"), &organization.peers, ToString::to_string);
        for (number, peer) in organization.peers.iter().enumerate() {
            endpoint(&format!("{path}.peers[{number}]"), peer, problems);
        }
    }
    if !compiled {
        return None;
    }
    match MspSet::new(config.organizations.iter().map(|organization| &organization.msp)) {
        Ok(msps) => Some(msps),
        Err(error) => {
            problems.add("organizations", format!("{} organisations", ids.len()), error);
            None
        }
    }
}

/// Checks the identities that block 0 registers; a later configuration lists none.
pub(crate) fn first_identities(config: &ChannelConfig, msps: &MspSet, problems: &mut Problems) {
    let identities = &config.first_identities;
    let is_first = config.sequence == 0 || identities.is_empty();
    let rule = "only the genesis block registers identities; leave the list empty";
    problems.require(is_first, "first_identities", identities.len(), rule);
    registered(identities, msps, problems);
}

/// Checks identities that a configuration registers: sorted, of their MSP, with the PoI and roles of their certificate.
pub(crate) fn registered(identities: &[RegisteredIdentity], msps: &MspSet, problems: &mut Problems) {
    let keys: Vec<_> = identities.iter().map(|identity| (&identity.msp_id, identity.poi)).collect();
    problems.require_ascending("first_identities", &keys, |(msp_id, poi)| format!("{msp_id}/{poi}"));
    for identity in identities {
        let path = format!("first_identities[{}/{}]", identity.msp_id, identity.poi);
        let Some(msp) = msps.msp(&identity.msp_id) else {
            problems.add(format!("{path}.msp_id"), &identity.msp_id, "no organisation of the channel");
            continue;
        };
        problems.require_ascending(&format!("{path}.roles"), &identity.roles, ToString::to_string);
        problems.require_ascending(&format!("{path}.tls_spki"), &identity.tls_spki, ToString::to_string);
        match msp.certify(&identity.certificate) {
            Err(rejection) => problems.add(format!("{path}.certificate"), &identity.msp_id, rejection),
            Ok(certified) => {
                let rule = "it is not the PoI of the certificate beside it";
                problems.require(certified.poi() == identity.poi, format!("{path}.poi"), identity.poi, rule);
                for role in identity.roles.iter().filter(|role| !certified.roles().contains(role)) {
                    problems.add(format!("{path}.roles"), role, "the certificate does not give that role");
                }
            }
        }
    }
}

//! The difference between two configurations, and the configuration to which a difference leads.
//!
//! Nothing is authorised here: these are functions of their arguments that any node, tool or test may call.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::{
    Capability, ChannelConfig, ConfigRead, ConfigUpdate, ConfigWrite, Digest, MspId, RegisteredIdentity,
    codec,
    limits::{CONFIG_ELEMENTS_MAX, CONFIG_UPDATE_BYTES_MAX},
};

use crate::{
    capabilities::{V1_1, has},
    element::{Element, OrganizationPart, encoded},
    rejection::UpdateRejection,
    tree::Tree,
};

/// The update that turns `before` into `after`; `None` where they do not differ. The sequence of `after` is of no account,
/// and of its first identities those count whose organisation joins.
///
/// A chaincode's definition that differs gets the sequence that follows, whatever `after` says, so that a file which
/// describes the whole consortium need not count.
#[must_use]
pub fn compute_update(before: &ChannelConfig, after: &ChannelConfig) -> Option<ConfigUpdate> {
    let after = with_counted_definitions(before, after.clone());
    let mut changes: BTreeMap<String, (Option<Bytes>, Option<Bytes>)> = BTreeMap::new();
    for element in Element::all(before).into_iter().chain(Element::all(&after)) {
        let (old, new) = (element.bytes(before), element.bytes(&after));
        if old != new {
            changes.insert(element.to_string(), (old, new));
        }
    }
    for (msp_id, identities) in joining_identities(before, &after) {
        let element = Element::Organization(msp_id, OrganizationPart::FirstIdentities);
        changes.insert(element.to_string(), (None, Some(encoded(&identities))));
    }
    if changes.is_empty() {
        return None;
    }
    let mut update = ConfigUpdate {
        version: ConfigUpdate::VERSION,
        channel: before.channel.clone(),
        sequence: before.sequence,
        read_set: Vec::new(),
        write_set: Vec::new(),
    };
    for (path, (old, new)) in changes {
        update.read_set.push(ConfigRead { path: path.clone(), digest: old.map(|bytes| Digest::of(&bytes)) });
        update.write_set.push(ConfigWrite { path, value: new });
    }
    Some(update)
}

fn with_counted_definitions(before: &ChannelConfig, mut after: ChannelConfig) -> ChannelConfig {
    for definition in &mut after.chaincodes {
        let Some(old) = before.chaincode(definition.name.as_str()) else {
            definition.sequence = 1;
            continue;
        };
        definition.sequence = old.sequence;
        if definition != old {
            definition.sequence = old.sequence.saturating_add(1);
        }
    }
    after
}

fn joining_identities(
    before: &ChannelConfig,
    after: &ChannelConfig,
) -> BTreeMap<MspId, Vec<RegisteredIdentity>> {
    let mut joining: BTreeMap<MspId, Vec<RegisteredIdentity>> = BTreeMap::new();
    for identity in &after.first_identities {
        if before.organization(&identity.msp_id).is_none() && after.organization(&identity.msp_id).is_some() {
            joining.entry(identity.msp_id.clone()).or_default().push(identity.clone());
        }
    }
    joining
}

/// The configuration to which an update of `before` leads, with the identities that it registers. Whether anybody agreed,
/// and whether the configuration keeps its rules, is not asked.
///
/// # Errors
/// [`UpdateRejection`]: another channel, a stale update, an element that cannot be written like that.
pub fn apply_update(
    before: &ChannelConfig,
    update: &ConfigUpdate,
) -> Result<(ChannelConfig, Vec<RegisteredIdentity>), UpdateRejection> {
    if update.channel != before.channel {
        let (found, expected) = (update.channel.to_string(), before.channel.to_string());
        return Err(UpdateRejection::OtherChannel { found, expected });
    }
    check_form(update)?;
    check_reads(before, update)?;
    let mut tree = Tree::of(before);
    for write in &update.write_set {
        let element = known(&write.path)?;
        check_write(before, update, &element, write)?;
        tree.write(&element, write.value.as_deref())
            .map_err(|reason| UpdateRejection::element(&write.path, reason))?;
    }
    let sequence = before.sequence.saturating_add(1);
    let (after, first) =
        tree.into_next(sequence).map_err(|(path, reason)| UpdateRejection::element(path, reason))?;
    check_result(&after, update)?;
    check_consenters(before, &after)?;
    Ok((after, first))
}

/// Both sets sorted, each path once, every path that is written read.
fn check_form(update: &ConfigUpdate) -> Result<(), UpdateRejection> {
    let reads: Vec<&str> = update.read_set.iter().map(|read| read.path.as_str()).collect();
    let writes: Vec<&str> = update.write_set.iter().map(|write| write.path.as_str()).collect();
    for (name, paths) in [("read", &reads), ("write", &writes)] {
        if paths.len() > CONFIG_ELEMENTS_MAX {
            let what =
                format!("its {name} set has {} elements; the limit is {CONFIG_ELEMENTS_MAX}", paths.len());
            return Err(UpdateRejection::Malformed { what });
        }
        if !paths.is_sorted_by(|a, b| a < b) {
            let what = format!("its {name} set is not sorted by path, each path once");
            return Err(UpdateRejection::Malformed { what });
        }
    }
    if writes.is_empty() {
        return Err(UpdateRejection::malformed("it writes nothing"));
    }
    match writes.iter().find(|path| reads.binary_search(path).is_err()) {
        Some(path) => Err(UpdateRejection::element(*path, "it is written and stands not in the read set")),
        None => Ok(()),
    }
}

fn check_reads(before: &ChannelConfig, update: &ConfigUpdate) -> Result<(), UpdateRejection> {
    let mut changed = Vec::new();
    for read in &update.read_set {
        let found = known(&read.path)?.bytes(before).map(|bytes| Digest::of(&bytes));
        if found != read.digest {
            changed.push(read.path.clone());
        }
    }
    let (made_from, in_force) = (update.sequence, before.sequence);
    if made_from != in_force {
        return Err(UpdateRejection::Stale { made_from, in_force, changed });
    }
    if changed.is_empty() { Ok(()) } else { Err(UpdateRejection::StaleRead { paths: changed }) }
}

fn known(path: &str) -> Result<Element, UpdateRejection> {
    Element::of_path(path).ok_or_else(|| {
        let shown: String = path.chars().filter(|c| !c.is_control()).take(256).collect();
        UpdateRejection::element(shown, "this release knows no such element of a configuration")
    })
}

/// What an element may not become, whoever agrees.
fn check_write(
    before: &ChannelConfig,
    update: &ConfigUpdate,
    element: &Element,
    write: &ConfigWrite,
) -> Result<(), UpdateRejection> {
    if element.bytes(before) == write.value {
        return Err(UpdateRejection::element(&write.path, "it is written as it stands"));
    }
    let reason = match element {
        Element::Capabilities if !keeps_capabilities(before, write) => {
            "a channel keeps the capabilities that it has, since blocks and records were written under them; a capability \
             can be added, and none taken away"
        }
        Element::Consenters if !has(before, &V1_1) => {
            "the consenters of a channel without capability V1_1 are those of its first block, since nodes of release 1.0 \
             would refuse their change; add the capability first"
        }
        Element::Organization(msp_id, OrganizationPart::FirstIdentities) => {
            let msp = Element::Organization(msp_id.clone(), OrganizationPart::Msp).to_string();
            let joins = before.organization(msp_id).is_none()
                && update.write_set.iter().any(|write| write.path == msp && write.value.is_some());
            if joins {
                return Ok(());
            }
            "only an organisation that joins by the same update brings identities; members register theirs themselves"
        }
        _ => return Ok(()),
    };
    Err(UpdateRejection::element(&write.path, reason))
}

/// Whether every capability is still there. A value that cannot be read is refused where it is written.
fn keeps_capabilities(before: &ChannelConfig, write: &ConfigWrite) -> bool {
    let Some(after) = capabilities_in(write) else { return true };
    before.capabilities.iter().all(|capability| after.contains(capability))
}

/// The capabilities that an update writes; `None` where it writes none that can be read.
pub(crate) fn written_capabilities(update: &ConfigUpdate) -> Option<Vec<Capability>> {
    let path = Element::Capabilities.to_string();
    update.write_set.iter().find(|write| write.path == path).and_then(capabilities_in)
}

fn capabilities_in(write: &ConfigWrite) -> Option<Vec<Capability>> {
    codec::decode_canonical(write.value.as_deref()?, CONFIG_UPDATE_BYTES_MAX).ok()
}

/// One consenter at a time comes, goes, or is replaced: the logs that vote follow a configuration one change after the
/// other, and never lag behind it by more than that.
fn check_consenters(before: &ChannelConfig, after: &ChannelConfig) -> Result<(), UpdateRejection> {
    let (before, after) = (&before.orderer.consenters, &after.orderer.consenters);
    let gone = before.iter().filter(|consenter| !after.contains(consenter)).count();
    let new = after.iter().filter(|consenter| !before.contains(consenter)).count();
    if gone <= 1 && new <= 1 {
        return Ok(());
    }
    let reason =
        format!("it takes {gone} consenters away and brings {new}; change one of them by each update");
    Err(UpdateRejection::element(Element::Consenters.to_string(), reason))
}

/// An element has one form: what was written stands there now, byte for byte.
fn check_result(after: &ChannelConfig, update: &ConfigUpdate) -> Result<(), UpdateRejection> {
    for write in &update.write_set {
        let element = known(&write.path)?;
        let is_first = matches!(element, Element::Organization(_, OrganizationPart::FirstIdentities));
        if !is_first && element.bytes(after) != write.value {
            let reason = "a configuration would hold it in another form; an empty list is written as nothing";
            return Err(UpdateRejection::element(&write.path, reason));
        }
    }
    Ok(())
}

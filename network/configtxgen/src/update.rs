//! A change of a channel: computed from the configuration block in force and an edited file, and shown to those who sign it.

use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use configtx::{
    ConfigBundle, Element, OrganizationPart, PendingUpdate, apply_update, compute_update, config_of_block,
    mod_policies,
};
use protocol::codec::{DecodeError, decode};
use protocol::limits::CONFIG_UPDATE_BYTES_MAX;
use protocol::{ChannelConfig, ConfigUpdate};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::inspection;
use crate::output;

/// The configuration in a block that was fetched from a node. It is in force, and what is wrong with it is to be repaired.
///
/// # Errors
/// Rejected where the file holds no configuration that this release can use.
pub fn original(path: &Path) -> Result<ConfigBundle, Failure> {
    let config = config_of_block(&output::read(path)?).map_err(|error| Failure::rejected(path, &error))?;
    ConfigBundle::new(config).map_err(|error| Failure::rejected(path, &error))
}

/// The update that leads from a configuration to another.
///
/// # Errors
/// Rejected where they say the same, or where no update leads from one to the other.
pub fn between(before: &ConfigBundle, after: &ChannelConfig) -> Result<ConfigUpdate, Failure> {
    let update = compute_update(before.config(), after).ok_or_else(|| {
        Failure::Rejected("the file says what the channel's configuration says already: no update".to_owned())
    })?;
    // What no signature could bring about is said before anybody is asked for one.
    apply_update(before.config(), &update).map_err(|rejection| Failure::Rejected(rejection.to_string()))?;
    Ok(update)
}

/// What an update changes and who must sign it, for people.
pub fn summary(before: &ConfigBundle, update: &ConfigUpdate) -> String {
    let mut text = String::new();
    let Ok((after, _)) = apply_update(before.config(), update) else { return text };
    for (policy, paths) in mod_policies(before.config(), &after, update) {
        let way = match policy.compiled(before) {
            None => "nobody can: the channel has no such policy".to_owned(),
            Some(compiled) => {
                let ways = compiled.minimal_sets(1);
                let names = ways.first().map(|set| set.iter().map(ToString::to_string).collect::<Vec<_>>());
                format!("such as {}", names.unwrap_or_default().join(" and "))
            }
        };
        text += &format!("\n  {policy} must agree ({way}) to a change of");
        for path in paths {
            text += &format!("\n    {path}");
        }
    }
    text
}

/// What became of a file.
pub enum Placed {
    /// The update was written.
    Written,
    /// The same update was there, perhaps signed.
    Unchanged,
}

/// Writes an update, unless the same one is there.
///
/// # Errors
/// Rejected where another file is there, unless `force`.
pub fn place(path: &Path, update: &ConfigUpdate, force: bool) -> Result<Placed, Failure> {
    if path.exists() && !force {
        return match read(path) {
            Ok(existing) if existing.update() == update => Ok(Placed::Unchanged),
            _ => {
                let reason = "is there and holds something else; kept. Name another file, or give --force";
                Err(Failure::rejected(path, &reason))
            }
        };
    }
    let bytes = PendingUpdate::new(update.clone()).to_bytes();
    output::write(path, &bytes).with_context(|| format!("{}: cannot be written", path.display()))?;
    Ok(Placed::Written)
}

/// Reads an update's file.
///
/// # Errors
/// Rejected where it is none.
pub fn read(path: &Path) -> Result<PendingUpdate, Failure> {
    let unread = || format!("{}: cannot be read", path.display());
    let length = std::fs::metadata(path).with_context(unread)?.len();
    if length > CONFIG_UPDATE_BYTES_MAX as u64 {
        return Err(Failure::rejected(path, &format!("has {length} bytes: this is no update")));
    }
    let bytes = Bytes::from(std::fs::read(path).with_context(unread)?);
    PendingUpdate::from_bytes(&bytes).map_err(|rejection| Failure::rejected(path, &rejection))
}

/// An update as JSON: what it writes, and who has signed. Signatures are not verified.
pub fn shown(pending: &PendingUpdate) -> Value {
    let update = pending.update();
    let reads: Vec<Value> = (update.read_set.iter())
        .map(|read| json!({ "path": read.path, "sha256": read.digest.map(|digest| digest.to_string()) }))
        .collect();
    let writes: Vec<Value> = (update.write_set.iter())
        .map(|write| match &write.value {
            None => json!({ "path": write.path, "removed": true }),
            Some(value) => json!({ "path": write.path, "value": element(&write.path, value) }),
        })
        .collect();
    json!({
        "channel": update.channel.as_str(),
        "sequence": update.sequence,
        "read_set": reads,
        "write_set": writes,
        "signed_by": pending.signers(),
    })
}

/// The value of an element for people.
fn element(path: &str, bytes: &[u8]) -> Value {
    let unreadable = |error: DecodeError| json!({ "problem": error.to_string() });
    let Some(element) = Element::of_path(path) else {
        return json!({ "problem": "this release knows no such element" });
    };
    typed(&element, bytes).unwrap_or_else(unreadable)
}

fn typed(element: &Element, bytes: &[u8]) -> Result<Value, DecodeError> {
    use OrganizationPart::{FirstIdentities, KemPublicKey, Msp, Peers, Policies};
    Ok(match element {
        Element::Capabilities => json!(read_as::<Vec<String>>(bytes)?),
        Element::Policy(_) => json!(read_as::<String>(bytes)?),
        Element::Organization(_, Msp) => inspection::msp_config(&read_as(bytes)?),
        Element::Organization(_, KemPublicKey) => json!(read_as::<protocol::Digest>(bytes)?.to_string()),
        Element::Organization(_, Peers) => {
            let peers: Vec<protocol::Endpoint> = read_as(bytes)?;
            json!(peers.iter().map(ToString::to_string).collect::<Vec<_>>())
        }
        Element::Organization(_, Policies) => {
            json!(read_as::<std::collections::BTreeMap<String, String>>(bytes)?)
        }
        Element::Organization(_, FirstIdentities) => {
            let identities: Vec<protocol::RegisteredIdentity> = read_as(bytes)?;
            json!(
                identities.iter().map(|identity| inspection::registered(identity, None)).collect::<Vec<_>>()
            )
        }
        Element::Consenters => {
            let consenters: Vec<protocol::Consenter> = read_as(bytes)?;
            let shown = consenters.iter().map(|consenter| inspection::consenter_of(consenter, None));
            json!(shown.collect::<Vec<_>>())
        }
        Element::Batch => inspection::batch(&read_as(bytes)?),
        Element::DifficultyBits => json!(read_as::<u8>(bytes)?),
        Element::Chaincode(_) => inspection::chaincode(&read_as(bytes)?),
        Element::Checkers => inspection::checkers(&read_as(bytes)?),
        Element::Custodians | Element::Holders => {
            json!(inspection::names(&read_as::<Vec<protocol::MspId>>(bytes)?))
        }
        Element::Admission(_) => inspection::admission(&read_as(bytes)?),
        Element::Identities => json!(inspection::identity_rule(read_as(bytes)?)),
    })
}

fn read_as<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode(bytes, CONFIG_UPDATE_BYTES_MAX)
}

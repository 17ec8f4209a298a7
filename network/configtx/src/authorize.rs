//! Whether those who must agree to a change have signed it, and the configuration that is then in force.
//!
//! The verdict depends on the configuration in force, the bytes and a time, and on nothing else: consenters, which hold no
//! world state, and peers, which do, must never differ on the configuration. So signers are judged by their certificates
//! and the policies, as for a block's signatures, and not by the registry of identities: an administrator who was revoked
//! there still counts here until the organisation's own `MSP` element no longer vouches for the certificate.

use std::collections::BTreeMap;

use msp::VerifiedSignature;
use prost::Message as _;
use protocol::{
    ChannelConfig, ConfigUpdate, RegisteredIdentity,
    fabric::{ConfigSignature, ConfigUpdateEnvelope, SignatureHeader},
};

use crate::{
    bundle::ConfigBundle,
    capabilities::{NeededRelease, V1_1, has},
    check,
    element::Element,
    mod_policy::ModPolicy,
    problem::Problems,
    rejection::{UnmetPolicy, UpdateRejection},
    update::{apply_update, written_capabilities},
};

/// Signatures on one update: more than a consortium has administrators who must agree.
const SIGNATURES_MAX: usize = 64;

/// A configuration that those agreed to who must.
#[derive(Debug)]
pub(crate) struct Authorized {
    pub(crate) bundle: ConfigBundle,
    pub(crate) registered: Vec<RegisteredIdentity>,
}

/// Judges an update against the configuration in force, certificates at `at_ms` Unix milliseconds.
pub(crate) fn authorize(
    bundle: &ConfigBundle,
    envelope: &ConfigUpdateEnvelope,
    at_ms: u64,
) -> Result<Authorized, UpdateRejection> {
    let update = ConfigUpdate::from_bytes(&envelope.config_update)
        .map_err(|error| UpdateRejection::malformed(error.to_string()))?;
    if let Some((needed, switch)) = newer_release(bundle, &update) {
        // Whether the change is agreed to is asked first: nobody stops a node with a capability that others did not want.
        let (after, _) = apply_update(bundle.config(), &switch)?;
        agreed(bundle, (&switch, &after), envelope, at_ms)?;
        return Err(UpdateRejection::Capability(needed));
    }
    let (after, registered) = apply_update(bundle.config(), &update)?;
    agreed(bundle, (&update, &after), envelope, at_ms)?;
    // Blocks of a channel without the capability may hold what later became a rule for configurations that are made.
    let next = if has(bundle.config(), &V1_1) { ConfigBundle::proposed_to } else { ConfigBundle::known_to };
    let bundle = next(after, bundle.known()).map_err(UpdateRejection::Config)?;
    let mut problems = Problems::default();
    check::registered(&registered, bundle.msps(), &mut problems);
    problems.into_result().map_err(UpdateRejection::Config)?;
    Ok(Authorized { bundle, registered })
}

/// Whether everybody who must has signed.
fn agreed(
    bundle: &ConfigBundle,
    (update, after): (&ConfigUpdate, &ChannelConfig),
    envelope: &ConfigUpdateEnvelope,
    at_ms: u64,
) -> Result<(), UpdateRejection> {
    let (signatures, passed_over) = signatures(bundle, envelope, at_ms)?;
    let unmet = unmet_policies(bundle, update, after, &signatures);
    if unmet.is_empty() { Ok(()) } else { Err(UpdateRejection::Policies { unmet, passed_over }) }
}

/// The release that an update needs beyond this build, and the part of the update that says so. A newer release may write
/// in the same update what this one cannot read, so nothing else of it is looked at.
fn newer_release(bundle: &ConfigBundle, update: &ConfigUpdate) -> Option<(NeededRelease, ConfigUpdate)> {
    let needed = bundle.known().lacks(&written_capabilities(update)?)?;
    let path = Element::Capabilities.to_string();
    let mut switch = update.clone();
    switch.read_set.retain(|read| read.path == path);
    switch.write_set.retain(|write| write.path == path);
    Some((needed, switch))
}

/// The signatures that hold, and why the others are passed over.
fn signatures(
    bundle: &ConfigBundle,
    envelope: &ConfigUpdateEnvelope,
    at_ms: u64,
) -> Result<(Vec<VerifiedSignature>, Vec<String>), UpdateRejection> {
    let count = envelope.signatures.len();
    if count > SIGNATURES_MAX {
        let what = format!("it has {count} signatures; the limit is {SIGNATURES_MAX}");
        return Err(UpdateRejection::Malformed { what });
    }
    let (mut held, mut passed_over) = (Vec::with_capacity(count), Vec::new());
    for (place, signature) in envelope.signatures.iter().enumerate() {
        match verify(bundle, envelope, signature, at_ms) {
            Ok(signature) => held.push(signature),
            Err(reason) => passed_over.push(format!("signature {place}: {reason}")),
        }
    }
    Ok((held, passed_over))
}

fn verify(
    bundle: &ConfigBundle,
    envelope: &ConfigUpdateEnvelope,
    signature: &ConfigSignature,
    at_ms: u64,
) -> Result<VerifiedSignature, String> {
    let header = SignatureHeader::decode(signature.signature_header.clone())
        .map_err(|_| "its header cannot be read".to_owned())?;
    let identity = bundle.identify(&header.creator, at_ms).map_err(|rejection| rejection.to_string())?;
    let message = [&signature.signature_header[..], &envelope.config_update[..]].concat();
    identity.verify(&message, &signature.signature).map_err(|rejection| rejection.to_string())
}

/// The policies that must agree, each with the elements whose change asks for it.
#[must_use]
pub fn mod_policies(
    before: &ChannelConfig,
    after: &ChannelConfig,
    update: &ConfigUpdate,
) -> BTreeMap<ModPolicy, Vec<String>> {
    let mut policies: BTreeMap<ModPolicy, Vec<String>> = BTreeMap::new();
    for write in &update.write_set {
        if let Some(element) = Element::of_path(&write.path) {
            policies.entry(ModPolicy::of(&element, before, after)).or_default().push(write.path.clone());
        }
    }
    policies
}

fn unmet_policies(
    bundle: &ConfigBundle,
    update: &ConfigUpdate,
    after: &ChannelConfig,
    signatures: &[VerifiedSignature],
) -> Vec<UnmetPolicy> {
    let unmet = |(policy, paths): (ModPolicy, Vec<String>)| {
        let explanation = match policy.compiled(bundle) {
            None => None,
            Some(compiled) => {
                let verdict = compiled.evaluate(signatures);
                if verdict.satisfied {
                    return None;
                }
                Some(verdict.explanation)
            }
        };
        Some(UnmetPolicy { paths, policy: policy.to_string(), explanation })
    };
    mod_policies(bundle.config(), after, update).into_iter().filter_map(unmet).collect()
}

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
    check,
    element::Element,
    mod_policy::ModPolicy,
    problem::Problems,
    rejection::{UnmetPolicy, UpdateRejection},
    update::apply_update,
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
    let (after, registered) = apply_update(bundle.config(), &update)?;
    let (signatures, passed_over) = signatures(bundle, envelope, at_ms)?;
    let unmet = unmet_policies(bundle, &update, &after, &signatures);
    if !unmet.is_empty() {
        return Err(UpdateRejection::Policies { unmet, passed_over });
    }
    // Whether the change is agreed to was asked first: nobody stops a node with a capability that others did not want.
    if let Some(capability) = check::unknown_capability(&after) {
        let (capability, release) = (capability.to_owned(), check::release_of(capability));
        return Err(UpdateRejection::Capability { capability, release });
    }
    let bundle = ConfigBundle::proposed(after).map_err(UpdateRejection::Config)?;
    let mut problems = Problems::default();
    check::registered(&registered, bundle.msps(), &mut problems);
    problems.into_result().map_err(UpdateRejection::Config)?;
    Ok(Authorized { bundle, registered })
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

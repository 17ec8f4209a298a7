//! A configuration block for people: hashes in hexadecimal, certificates by name, end and fingerprint.

use configtx::{ConfigBlockError, ConfigBundle, config_of_block};
use issuing::Certificate;
use msp::MspSet;
use protocol::{
    AdmissionConfig, BatchConfig, Block, ChaincodeDefinition, ChannelConfig, Checkers, Consenter, Digest,
    IdentityRule, MspConfig, MspId, NodeOus, Organization, OuIdentifier, RegisteredIdentity, ReportsConfig,
};
use serde_json::{Value, json};

/// The block as JSON. The configuration's rules are judged too; what breaks one is listed under `problems`.
///
/// # Errors
/// [`ConfigBlockError`] for a block without a configuration.
pub fn block(block: &Block) -> Result<Value, ConfigBlockError> {
    let header = &block.header;
    let config = config_of_block(block)?;
    let problems = match ConfigBundle::new(config.clone()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(ToString::to_string).collect(),
    };
    Ok(json!({
        "block_hash": header.hash().to_string(),
        "header": {
            "version": header.version,
            "channel": header.channel.as_str(),
            "number": header.number.0,
            "previous_hash": header.previous_hash.to_string(),
            "data_hash": header.data_hash.to_string(),
            "timestamp_ms": header.timestamp_ms,
            "last_config": header.last_config.0,
            "proof": { "difficulty_bits": header.proof.difficulty_bits, "nonce": header.proof.nonce },
        },
        "signatures": block.signatures.len(),
        "config": channel_config(&config),
        "problems": problems,
    }))
}

fn channel_config(config: &ChannelConfig) -> Value {
    let msps = MspSet::new(config.organizations.iter().map(|organization| &organization.msp)).ok();
    let identity = |identity| registered(identity, msps.as_ref());
    let consenter = |consenter| consenter_of(consenter, msps.as_ref());
    json!({
        "version": config.version,
        "channel": config.channel.as_str(),
        "sequence": config.sequence,
        "capabilities": config.capabilities,
        "organizations": config.organizations.iter().map(organization).collect::<Vec<_>>(),
        "orderer": {
            "consenters": config.orderer.consenters.iter().map(consenter).collect::<Vec<_>>(),
            "batch": batch(&config.orderer.batch),
            "difficulty_bits": config.orderer.difficulty_bits,
        },
        "policies": config.policies,
        "chaincodes": config.chaincodes.iter().map(chaincode).collect::<Vec<_>>(),
        "reports": config.reports.as_ref().map(reports),
        "identities": identity_rule(config.identities),
        "first_identities": config.first_identities.iter().map(identity).collect::<Vec<_>>(),
    })
}

/// When a block is cut.
pub fn batch(batch: &BatchConfig) -> Value {
    json!({
        "max_message_count": batch.max_message_count,
        "absolute_max_bytes": batch.absolute_max_bytes,
        "preferred_max_bytes": batch.preferred_max_bytes,
        "timeout_ms": batch.timeout_ms,
    })
}

/// A chaincode's definition.
pub fn chaincode(definition: &ChaincodeDefinition) -> Value {
    json!({
        "name": definition.name.as_str(),
        "version": definition.version,
        "sequence": definition.sequence,
        "endorsement_policy": definition.endorsement_policy,
        "self_test_id": definition.self_test_id,
    })
}

/// Whether identities must be registered.
pub fn identity_rule(rule: IdentityRule) -> &'static str {
    match rule {
        IdentityRule::Registered => "registered",
        IdentityRule::Open => "open",
    }
}

fn organization(organization: &Organization) -> Value {
    json!({
        "msp": msp_config(&organization.msp),
        "kem_public_key": organization.kem_public_key.map(|key| key.to_string()),
        "peers": organization.peers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "policies": organization.policies,
    })
}

/// An organisation's certificates.
pub fn msp_config(config: &MspConfig) -> Value {
    let all = |certificates: &[bytes::Bytes]| -> Vec<Value> {
        certificates.iter().map(|der| certificate(der)).collect()
    };
    json!({
        "msp_id": config.msp_id.as_str(),
        "root_certs": all(&config.root_certs),
        "intermediate_certs": all(&config.intermediate_certs),
        "admin_certs": all(&config.admin_certs),
        "tls_root_certs": all(&config.tls_root_certs),
        "tls_intermediate_certs": all(&config.tls_intermediate_certs),
        "node_ous": config.node_ous.as_ref().map(node_ous),
    })
}

fn node_ous(ous: &NodeOus) -> Value {
    let unit = |ou: &Option<OuIdentifier>| ou.as_ref().map(|ou| ou.organizational_unit.clone());
    json!({
        "client": unit(&ous.client),
        "peer": unit(&ous.peer),
        "admin": unit(&ous.admin),
        "orderer": unit(&ous.orderer),
    })
}

/// A certificate's name, if its key is of a kind that is read here, and its fingerprint.
fn certificate(der: &[u8]) -> Value {
    let common_name = Certificate::from_der(der).ok().map(|certificate| certificate.common_name());
    json!({ "common_name": common_name, "sha256": Digest::of(der).to_string() })
}

/// As [`certificate`], for a signing certificate of the channel: with its end.
fn signing_certificate(pem: &[u8], msp_id: &MspId, at_ms: u64, msps: Option<&MspSet>) -> Value {
    let identified = msps.and_then(|msps| msps.msp(msp_id)?.identify(pem, at_ms).ok());
    match identified {
        Some(identity) => json!({
            "common_name": identity.subject_common_name(),
            "not_after_ms": identity.not_after_ms(),
            "sha256": Digest::of(identity.certificate_der()).to_string(),
        }),
        None => json!({ "problem": "not a valid certificate of its MSP now" }),
    }
}

/// A consenter; its certificate is judged where its organisation is known.
pub fn consenter_of(consenter: &Consenter, msps: Option<&MspSet>) -> Value {
    json!({
        "msp_id": consenter.msp_id.as_str(),
        "endpoint": consenter.endpoint.to_string(),
        "identity_cert": signing_certificate(&consenter.identity_cert, &consenter.msp_id, crate::now_ms(), msps),
        "tls_spki": consenter.tls_spki.to_string(),
    })
}

/// An identity that is registered; its certificate is judged where its organisation is known.
pub fn registered(identity: &RegisteredIdentity, msps: Option<&MspSet>) -> Value {
    json!({
        "msp_id": identity.msp_id.as_str(),
        "poi": identity.poi.to_string(),
        "roles": identity.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
        "certificate": signing_certificate(&identity.certificate, &identity.msp_id, crate::now_ms(), msps),
        "tls_spki": identity.tls_spki.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn reports(reports: &ReportsConfig) -> Value {
    json!({
        "checkers": checkers(&reports.checkers),
        "custodians": names(&reports.custodians),
        "holders": names(&reports.holders),
        "admission": reports.admission.iter().map(admission).collect::<Vec<_>>(),
    })
}

/// Who checks uploads.
pub fn checkers(checkers: &Checkers) -> Value {
    json!({ "required": checkers.required, "organizations": names(&checkers.organizations) })
}

/// MSP ids as texts.
pub fn names(ids: &[MspId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

/// How a modality's uploads are judged.
pub fn admission(rule: &AdmissionConfig) -> Value {
    json!({
        "modality": rule.modality,
        "profile": rule.profile,
        "refuse": rule.refuse,
        "references": rule.references.iter().map(|reference| json!({
            "id": reference.id,
            "hash": format!("{:016x}", reference.hash),
            "source": reference.source,
            "licence": reference.licence,
        })).collect::<Vec<_>>(),
    })
}

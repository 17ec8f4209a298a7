//! Block 0: the configuration that a channel begins with, and the identities that it registers.
//!
//! The block is trusted because the operator gave it to the node; what is checked here is that it is whole and that its
//! configuration keeps every rule. It counts as one valid transaction. Its writes: key `config` of `_config` (the
//! configuration's bytes) at version (0, 0), and identity `i` of the configuration's list at version (0, i).

use bytes::Bytes;
use configtx::{Capabilities, ConfigBlockError, ConfigBundle, ConfigError, config_of_block};
use protocol::{
    Block, BlockHash, BlockHeader, BlockNumber, ChannelConfig, CommitHash, Digest, IdentityRecord,
    IdentityStatus, Proof, RegisteredIdentity, TxNumber, TxValidationCode, Version, codec,
};

use crate::validated::{Draft, HistoryWrite, StateWrite, TransactionSummary, ValidatedBlock};

/// The namespace of the configuration.
pub const CONFIG_NAMESPACE: &str = "_config";
/// The key of the configuration in its namespace.
pub const CONFIG_KEY: &str = "config";

/// Why a block cannot begin a channel.
#[derive(Debug, thiserror::Error)]
pub enum GenesisRejection {
    /// The header is not that of a genesis block.
    #[error("the block is no genesis block: {rule}")]
    Header {
        /// What must hold.
        rule: &'static str,
    },
    /// The block holds no configuration.
    #[error("the block is no genesis block: {0}")]
    Block(#[from] ConfigBlockError),
    /// The configuration breaks rules.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Judges a genesis block, for a build that knows the capabilities of this release.
///
/// # Errors
/// [`GenesisRejection`]: what is wrong with the block, or everything that is wrong with its configuration.
pub fn validate_genesis(block: Block) -> Result<ValidatedBlock, GenesisRejection> {
    validate_genesis_known_to(block, Capabilities::RELEASED)
}

/// As [`validate_genesis`], for a build that knows these capabilities.
///
/// # Errors
/// As [`validate_genesis`].
pub fn validate_genesis_known_to(
    block: Block,
    known: Capabilities,
) -> Result<ValidatedBlock, GenesisRejection> {
    check_header(&block)?;
    let config = config_of_block(&block)?;
    if config.sequence != 0 {
        return Err(GenesisRejection::Header { rule: "its configuration must have sequence 0" });
    }
    ConfigBundle::known_to(config.clone(), known)?;
    let writes = writes(&config);
    let history = writes.iter().map(|write| HistoryWrite {
        tx_number: write.version.tx_number,
        namespace: write.namespace.clone(),
        key: write.key.clone(),
        value: write.value.clone(),
    });
    let envelope_hash = block.envelopes.first().map_or(Digest::ZERO, |envelope| Digest::of(envelope));
    let summary = TransactionSummary {
        number: TxNumber(0),
        envelope_hash,
        tx_id: None,
        claimed_tx_id: None,
        code: TxValidationCode::Valid,
        reason: None,
        chaincode: None,
        creator: None,
        event: None,
    };
    let draft = Draft {
        block_hash: block.header.hash(),
        block,
        summaries: vec![summary],
        history: history.collect(),
        writes,
        config: Some(config),
    };
    Ok(draft.seal(CommitHash::ZERO))
}

fn check_header(block: &Block) -> Result<(), GenesisRejection> {
    let header = &block.header;
    let rules = [
        (header.version == BlockHeader::VERSION, "its header must have version 1"),
        (header.number == BlockNumber(0), "its number must be 0"),
        (header.previous_hash == BlockHash::ZERO, "its previous hash must be zero"),
        (header.last_config == BlockNumber(0), "it must name itself as its configuration"),
        (header.proof == Proof::default(), "it must be sealed without work"),
        (block.signatures.is_empty(), "it must carry no signatures"),
    ];
    match rules.iter().find(|(holds, _)| !holds) {
        Some((_, rule)) => Err(GenesisRejection::Header { rule }),
        None => Ok(()),
    }
}

/// The writes of block 0, sorted by namespace and key.
fn writes(config: &ChannelConfig) -> Vec<StateWrite> {
    let version = |number: u32| Version { block_number: BlockNumber(0), tx_number: TxNumber(number) };
    let mut writes = vec![StateWrite {
        namespace: CONFIG_NAMESPACE.to_owned(),
        key: CONFIG_KEY.to_owned(),
        value: Some(config.to_bytes().into()),
        version: version(0),
    }];
    let identities = (0..).zip(&config.first_identities);
    writes.extend(identities.map(|(number, identity)| registration(identity, version(number))));
    // The list is sorted by MSP id and PoI, which is not the order of the keys where one MSP id begins another.
    writes.sort_by(|a, b| (&a.namespace, &a.key).cmp(&(&b.namespace, &b.key)));
    writes
}

/// The write that registers an identity.
pub(crate) fn registration(identity: &RegisteredIdentity, version: Version) -> StateWrite {
    let record = IdentityRecord {
        version: IdentityRecord::VERSION,
        msp_id: identity.msp_id.clone(),
        poi: identity.poi,
        roles: identity.roles.clone(),
        certificate: identity.certificate.clone(),
        tls_spki: identity.tls_spki.clone(),
        status: IdentityStatus::Active,
        changed_at: vec![version.block_number],
    };
    StateWrite {
        namespace: IdentityRecord::NAMESPACE.to_owned(),
        key: IdentityRecord::key(&identity.msp_id, &identity.poi),
        value: Some(Bytes::from(codec::encode(&record))),
        version,
    }
}

//! The limits of everything that arrives. A decoder checks its limit before it allocates.

/// Names of channels, organisations, chaincodes, policies.
pub const NAME_BYTES_MAX: usize = 128;
/// One envelope as a client sends it: large enough for a chaincode's largest write set, far below a block.
pub const ENVELOPE_BYTES_MAX: usize = 16 << 20;
/// One signed proposal, transient data included.
pub const PROPOSAL_BYTES_MAX: usize = 16 << 20;
/// One block on the wire and on disk: `absolute_max_bytes` of the batch may not exceed it, less the header's share.
pub const BLOCK_BYTES_MAX: usize = 96 << 20;
/// One gRPC message of any service.
pub const MESSAGE_BYTES_MAX: usize = 100 << 20;
/// Envelopes in one block.
pub const BLOCK_ENVELOPES_MAX: usize = 20_000;
/// A serialised identity: an MSP id and one PEM certificate.
pub const IDENTITY_BYTES_MAX: usize = 32 << 10;
/// Endorsements on one transaction.
pub const ENDORSEMENTS_MAX: usize = 64;
/// Reads, writes and ranges of one transaction, each.
pub const RWSET_ENTRIES_MAX: usize = 50_000;
/// One key of the world state.
pub const KEY_BYTES_MAX: usize = 4 << 10;
/// One value of the world state.
pub const VALUE_BYTES_MAX: usize = 8 << 20;
/// One read-write set, encoded.
pub const RWSET_BYTES_MAX: usize = 12 << 20;
/// The channel's configuration, encoded.
pub const CONFIG_BYTES_MAX: usize = 8 << 20;
/// One update of the configuration with its signatures: with the configuration it leads to it fits into one envelope.
pub const CONFIG_UPDATE_BYTES_MAX: usize = 4 << 20;
/// Elements that one update reads or writes, each: a consortium's whole configuration.
pub const CONFIG_ELEMENTS_MAX: usize = 10_000;
/// One block of a UnixFS DAG (bitswap's own limit).
pub const DAG_BLOCK_BYTES_MAX: usize = 2 << 20;
/// One small message between nodes (custody, signature shares, votes).
pub const NODE_MESSAGE_BYTES_MAX: usize = 1 << 20;
/// The greatest difficulty of the proof of work, in leading zero bits.
pub const DIFFICULTY_BITS_MAX: u8 = 24;
/// One plaintext report.
pub const REPORT_BYTES_MAX: u64 = 4 << 30;

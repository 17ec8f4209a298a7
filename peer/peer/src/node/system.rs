//! System chaincodes, as the field's tools call them: `cscc` joins and lists channels, `qscc` reads a ledger.
//!
//! They answer members of the peer's own organisation, write no transaction, and need no endorsement. What concerns one
//! channel is for identities that are registered there, what concerns the peer for those that are revoked nowhere.

use std::sync::Arc;

use bytes::Bytes;
use endorsing::ParsedProposal;
use gateway::ports::{ChannelLedger as _, not_joined};
use msp::VerifiedIdentity;
use protocol::{Block, BlockNumber, ChannelId, Role};
use serde_json::json;
use transport::{PeerCertificate, Status};

use super::channel::Channel;
use super::channels::Channels;
use super::endorser::{registered, revoked_nowhere, serving};
use super::fault::NodeFault;

/// A call of a system chaincode.
pub enum SystemCall {
    /// `cscc JoinChain(genesis block)`.
    JoinChain(Bytes),
    /// `cscc GetChannels()`: JSON `[{"channel_id": …}]`.
    GetChannels,
    /// `cscc GetChannelConfig(channel)`: MessagePack of the configuration in force.
    GetChannelConfig(String),
    /// `qscc GetChainInfo(channel)`: JSON with height and hashes.
    GetChainInfo(String),
    /// `qscc GetBlockByNumber(channel, number)`: the block's bytes.
    GetBlockByNumber(String, String),
    /// `qscc GetTransactionByID(channel, tx id)`: JSON with block, place and code.
    GetTransactionByID(String, String),
    /// No such function.
    Unknown(String),
}

impl SystemCall {
    /// The call of a proposal; `None` if it names no system chaincode.
    pub fn of(proposal: &ParsedProposal) -> Option<Self> {
        let chaincode = proposal.chaincode.as_str();
        if !matches!(chaincode, "cscc" | "qscc") {
            return None;
        }
        let text = |place: usize| {
            proposal.args.get(place).map(|arg| String::from_utf8_lossy(arg).into_owned()).unwrap_or_default()
        };
        Some(match (chaincode, text(0).as_str()) {
            ("cscc", "JoinChain") => Self::JoinChain(proposal.args.get(1).cloned().unwrap_or_default()),
            ("cscc", "GetChannels") => Self::GetChannels,
            ("cscc", "GetChannelConfig") => Self::GetChannelConfig(text(1)),
            ("qscc", "GetChainInfo") => Self::GetChainInfo(text(1)),
            ("qscc", "GetBlockByNumber") => Self::GetBlockByNumber(text(1), text(2)),
            ("qscc", "GetTransactionByID") => Self::GetTransactionByID(text(1), text(2)),
            (chaincode, function) => Self::Unknown(format!("{chaincode} {function}")),
        })
    }
}

/// What follows the join of a channel.
pub type Joined = dyn Fn(Arc<Channel>) -> Result<(), Status> + Send + Sync;

/// Who calls, on which channel, and over which connection.
pub struct Asking<'a> {
    /// The channel of the proposal's header; what it asks about stands in its arguments.
    pub channel: &'a ChannelId,
    /// Who signed.
    pub creator: &'a VerifiedIdentity,
    /// The connection's certificate; `None` within the process.
    pub caller: Option<&'a PeerCertificate>,
}

/// Answers a call of a member of the own organisation.
///
/// # Errors
/// A status for a caller who may not, an unknown channel or block, a block that is no genesis block.
pub fn answer(
    call: &SystemCall,
    asking: &Asking<'_>,
    channels: &Channels,
    joined: &Joined,
) -> Result<Bytes, Status> {
    let creator = asking.creator;
    match call {
        SystemCall::JoinChain(block) => join(block, creator, channels, joined),
        SystemCall::GetChannels => {
            revoked_nowhere(channels, creator)?;
            let names: Vec<_> = channels
                .all()
                .iter()
                .map(|channel| json!({ "channel_id": channel.channel().as_str() }))
                .collect();
            Ok(Bytes::from(json!({ "channels": names }).to_string()))
        }
        SystemCall::GetChannelConfig(name) => {
            Ok(find(channels, name, asking)?.bundle().config().to_bytes().into())
        }
        SystemCall::GetChainInfo(name) => chain_info(&*find(channels, name, asking)?),
        SystemCall::GetBlockByNumber(name, number) => {
            block_by_number(&*find(channels, name, asking)?, number)
        }
        SystemCall::GetTransactionByID(name, tx_id) => {
            transaction_by_id(&*find(channels, name, asking)?, tx_id)
        }
        SystemCall::Unknown(call) => Err(Status::unimplemented(format!(
            "there is no system call {call}; there are cscc JoinChain, GetChannels, GetChannelConfig and qscc GetChainInfo, \
             GetBlockByNumber, GetTransactionByID"
        ))),
    }
}

fn join(
    block: &[u8],
    creator: &VerifiedIdentity,
    channels: &Channels,
    joined: &Joined,
) -> Result<Bytes, Status> {
    revoked_nowhere(channels, creator)?;
    if !creator.has_role(Role::Admin) {
        return Err(Status::permission_denied(format!(
            "joining a channel needs an administrator of {}; this identity has {}",
            creator.msp_id(),
            creator.roles().iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
        )));
    }
    let block = Block::from_bytes(block).map_err(|error| {
        Status::invalid_argument(format!("the file is no block of this network: {error}"))
    })?;
    let name = block.header.channel.clone();
    match channels.join(block) {
        Ok(Some(channel)) => {
            joined(channel)?;
            tracing::info!(channel = %name, "channel joined");
            Ok(Bytes::from(json!({ "channel_id": name.as_str(), "joined": true }).to_string()))
        }
        Ok(None) => Ok(Bytes::from(json!({ "channel_id": name.as_str(), "joined": false }).to_string())),
        Err(NodeFault::Genesis { cause }) => Err(Status::invalid_argument(cause)),
        Err(fault @ NodeFault::TooManyChannels { .. }) => Err(Status::failed_precondition(fault.to_string())),
        Err(fault) => {
            tracing::error!(%fault, channel = %name, "channel not joined");
            Err(Status::internal("the ledger cannot be made; see the peer's log"))
        }
    }
}

/// A channel that does its work and on which the caller is registered.
fn find(channels: &Channels, name: &str, asking: &Asking<'_>) -> Result<Arc<Channel>, Status> {
    let id = ChannelId::new(name).map_err(|error| Status::invalid_argument(error.to_string()))?;
    // Within the process the gateway has asked whether the caller is admitted to the header's channel, and to no other.
    if asking.caller.is_none() && id != *asking.channel {
        return Err(not_joined(&id));
    }
    let channel = channels.admit(&id, asking.caller)?;
    registered(&channel, &channel.bundle(), asking.creator)?;
    serving(&channel)?;
    Ok(channel)
}

fn chain_info(channel: &Channel) -> Result<Bytes, Status> {
    let info = channel.ledger().info();
    let header = channel.ledger().last_header();
    let answer = json!({
        "channel_id": info.channel.as_str(),
        "height": info.height,
        "current_block_hash": info.block_hash.to_string(),
        "previous_block_hash": header.previous_hash.to_string(),
        "commit_hash": info.commit_hash.to_string(),
        "timestamp_ms": header.timestamp_ms,
    });
    Ok(Bytes::from(answer.to_string()))
}

fn block_by_number(channel: &Channel, text: &str) -> Result<Bytes, Status> {
    let number: u64 = match text {
        "newest" => channel.height().saturating_sub(1),
        "oldest" => 0,
        "config" => channel.ledger().last_header().last_config.0,
        text => text.parse().map_err(|_| {
            Status::invalid_argument(format!("block {text:?} is no number, nor newest, oldest or config"))
        })?,
    };
    let block = channel.block(BlockNumber(number)).map_err(|fault| {
        tracing::error!(%fault, block_number = number, "block not readable");
        Status::data_loss(format!("block {number} is not readable on this peer: {}", fault.cause))
    })?;
    block.ok_or_else(|| {
        Status::not_found(format!(
            "channel {} has {} blocks; there is no block {number}",
            channel.channel(),
            channel.height()
        ))
    })
}

fn transaction_by_id(channel: &Channel, text: &str) -> Result<Bytes, Status> {
    let tx_id = protocol::TxId::new(text).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let found = channel.transaction(&tx_id).map_err(|fault| {
        tracing::error!(%fault, "transaction not readable");
        Status::internal("the ledger of this peer is not readable")
    })?;
    let found = found.ok_or_else(|| {
        Status::not_found(format!("transaction {tx_id} is not on channel {}", channel.channel()))
    })?;
    let answer = json!({
        "tx_id": tx_id.as_str(),
        "block_number": found.block_number.0,
        "tx_number": found.tx_number.0,
        "code": found.code.name(),
    });
    Ok(Bytes::from(answer.to_string()))
}

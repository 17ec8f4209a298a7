//! From an envelope's bytes to the parts of a transaction, or to the code that says why there are none.
//!
//! No signature and no configuration is looked at here. What must agree within an envelope is compared: the transaction
//! id with nonce and creator, the headers with each other, the proposal hash with what it covers, the chaincode in each
//! of the four places that name it. Sizes come before work. Codes are Fabric's (`core/common/validation`).

use bytes::Bytes;
use endorsing::{NONCE_BYTES_MAX, is_success, proposal_hash};
use prost::Message;
use protocol::{
    ChannelId, ReadWriteSet, TxId, TxValidationCode,
    fabric::{
        ChaincodeAction, ChaincodeActionPayload, ChaincodeEvent, ChaincodeHeaderExtension,
        ChaincodeInvocationSpec, ChaincodeProposalPayload, ChannelHeader, Endorsement, Envelope, Header,
        HeaderType, Payload, ProposalResponsePayload, Response, SignatureHeader, Transaction,
    },
    limits::{ENDORSEMENTS_MAX, ENVELOPE_BYTES_MAX, IDENTITY_BYTES_MAX},
};

/// Why a transaction is invalid: its code, and a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The verdict.
    pub code: TxValidationCode,
    /// What was found. It quotes no argument and no value.
    pub reason: String,
}

impl Flaw {
    pub(crate) fn new(code: TxValidationCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// The parts of a transaction whose form holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedTransaction {
    /// The channel that its header names.
    pub channel: ChannelId,
    /// Its id, which is the hash of nonce and creator.
    pub tx_id: TxId,
    /// The chaincode.
    pub chaincode: String,
    /// The version of the chaincode that the endorsers ran.
    pub chaincode_version: String,
    /// Function name, then its arguments.
    pub args: Vec<Bytes>,
    /// The creator's serialised identity.
    pub creator: Bytes,
    /// What the creator signed.
    pub payload: Bytes,
    /// The creator's signature over `payload`.
    pub signature: Bytes,
    /// What endorsers signed, each followed by its own identity.
    pub endorsed: Bytes,
    /// The endorsements.
    pub endorsements: Vec<Endorsement>,
    /// The chaincode's answer.
    pub response: Response,
    /// Reads and writes.
    pub rwset: ReadWriteSet,
    /// The chaincode's event.
    pub event: Option<ChaincodeEvent>,
}

/// The parts of an envelope as far as they could be read: what a flawed transaction still tells of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opened {
    /// The id in the header, if it has the form of one.
    pub(crate) claimed_tx_id: Option<TxId>,
    pub(crate) is_config: bool,
    /// Everything that the creator's signature needs; `Some` only where the id is the hash of nonce and creator.
    pub(crate) signed: Option<Signed>,
}

#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) channel: ChannelId,
    pub(crate) tx_id: TxId,
    pub(crate) creator: Bytes,
    pub(crate) payload: Bytes,
    pub(crate) signature: Bytes,
    header: Header,
    extension: Bytes,
    data: Bytes,
}

/// Reads a transaction and compares its parts with each other. Signatures are not verified.
///
/// # Errors
/// [`Flaw`] with the code of the first rule that the envelope breaks.
pub fn parse_transaction(envelope: &Bytes) -> Result<ParsedTransaction, Flaw> {
    let mut opened = Opened::default();
    let flaw = open(envelope, &mut opened).err();
    match (flaw, opened.signed) {
        (None, Some(signed)) => content(signed),
        (Some(flaw), _) => Err(flaw),
        (None, None) => {
            Err(Flaw::new(TxValidationCode::UnsupportedTxPayload, "the envelope holds a configuration"))
        }
    }
}

/// Reads the envelope's headers; fills `opened` as far as it gets.
pub(crate) fn open(envelope: &Bytes, opened: &mut Opened) -> Result<(), Flaw> {
    use TxValidationCode::{BadChannelHeader, BadCommonHeader, BadPayload, NilEnvelope, UnknownTxType};

    if envelope.is_empty() {
        return Err(Flaw::new(NilEnvelope, "the envelope is empty"));
    }
    if envelope.len() > ENVELOPE_BYTES_MAX {
        let reason = format!("the envelope has {} bytes; the limit is {ENVELOPE_BYTES_MAX}", envelope.len());
        return Err(Flaw::new(BadPayload, reason));
    }
    let outer: Envelope = read(envelope, BadPayload, "the envelope")?;
    if !outer.is_encoded_as(envelope) {
        return Err(Flaw::new(BadPayload, "the envelope holds more than payload and signature"));
    }
    let Envelope { payload: payload_bytes, signature } = outer;
    let payload: Payload = read(&payload_bytes, BadPayload, "the payload")?;
    let header = payload.header.ok_or_else(|| Flaw::new(BadCommonHeader, "the payload has no header"))?;
    let channel_header: ChannelHeader = read(&header.channel_header, BadChannelHeader, "the channel header")?;
    opened.claimed_tx_id = TxId::new(channel_header.tx_id.as_str()).ok();
    if channel_header.r#type == i32::from(HeaderType::Config) {
        opened.is_config = true;
        return Ok(());
    }
    if channel_header.r#type != i32::from(HeaderType::EndorserTransaction) {
        return Err(Flaw::new(
            UnknownTxType,
            format!("header type {} is not processed", channel_header.r#type),
        ));
    }
    let signer: SignatureHeader = read(&header.signature_header, BadCommonHeader, "the signature header")?;
    if !(1..=NONCE_BYTES_MAX).contains(&signer.nonce.len()) {
        return Err(Flaw::new(BadCommonHeader, format!("the nonce has {} bytes", signer.nonce.len())));
    }
    if !(1..=IDENTITY_BYTES_MAX).contains(&signer.creator.len()) {
        return Err(Flaw::new(BadCommonHeader, format!("the creator has {} bytes", signer.creator.len())));
    }
    if channel_header.epoch != 0 {
        return Err(Flaw::new(BadChannelHeader, format!("epoch {} is not 0", channel_header.epoch)));
    }
    let channel = ChannelId::new(channel_header.channel_id.as_str())
        .map_err(|error| Flaw::new(TxValidationCode::TargetChainNotFound, error.to_string()))?;
    let tx_id = TxId::of(&signer.nonce, &signer.creator);
    if opened.claimed_tx_id.as_ref() != Some(&tx_id) {
        let reason = format!("the header's tx id is not hex(SHA-256(nonce ‖ creator)), which is {tx_id}");
        return Err(Flaw::new(TxValidationCode::BadProposalTxid, reason));
    }
    let (creator, extension, data) = (signer.creator, channel_header.extension, payload.data);
    let payload = payload_bytes;
    opened.signed = Some(Signed { channel, tx_id, creator, payload, signature, header, extension, data });
    Ok(())
}

/// Reads what the headers announce.
pub(crate) fn content(signed: Signed) -> Result<ParsedTransaction, Flaw> {
    use TxValidationCode::{BadHeaderExtension, BadRwset, InvalidChaincode, InvalidEndorserTransaction};

    let extension: ChaincodeHeaderExtension =
        read(&signed.extension, BadHeaderExtension, "the header's extension")?;
    let named = extension.chaincode_id.map(|id| id.name).unwrap_or_default();
    let action = sole_action(&signed)?;
    let (invoked, args) = invocation(&action.chaincode_proposal_payload)?;
    let endorsed = action
        .action
        .ok_or_else(|| Flaw::new(TxValidationCode::NilTxaction, "the action holds nothing endorsed"))?;
    if endorsed.endorsements.len() > ENDORSEMENTS_MAX {
        let reason = format!("{} endorsements; the limit is {ENDORSEMENTS_MAX}", endorsed.endorsements.len());
        return Err(Flaw::new(InvalidEndorserTransaction, reason));
    }
    let result =
        result(&signed.header, &action.chaincode_proposal_payload, &endorsed.proposal_response_payload)?;
    let ran = result.chaincode_id.clone().unwrap_or_default();
    if named.is_empty() || named != invoked || named != ran.name {
        let reason = "header, invocation and result do not name one and the same chaincode";
        return Err(Flaw::new(InvalidChaincode, reason));
    }
    let event = event(&result, &named, &signed.tx_id)?;
    let response = result.response.filter(|response| is_success(response.status)).ok_or_else(|| {
        Flaw::new(InvalidEndorserTransaction, "the chaincode did not answer success (200 to 399)")
    })?;
    let rwset =
        ReadWriteSet::from_bytes(&result.results).map_err(|error| Flaw::new(BadRwset, error.to_string()))?;
    Ok(ParsedTransaction {
        channel: signed.channel,
        tx_id: signed.tx_id,
        chaincode: named,
        chaincode_version: ran.version,
        args,
        creator: signed.creator,
        payload: signed.payload,
        signature: signed.signature,
        endorsed: endorsed.proposal_response_payload,
        endorsements: endorsed.endorsements,
        response,
        rwset,
        event,
    })
}

/// The one action of a transaction, under the signature header of the envelope.
fn sole_action(signed: &Signed) -> Result<ChaincodeActionPayload, Flaw> {
    use TxValidationCode::{InvalidEndorserTransaction, MarshalTxError, NilTxaction};

    let mut transaction: Transaction = read(&signed.data, MarshalTxError, "the transaction")?;
    let action =
        transaction.actions.pop().ok_or_else(|| Flaw::new(NilTxaction, "the transaction has no action"))?;
    if !transaction.actions.is_empty() {
        let reason =
            format!("the transaction has {} actions; it must have one", transaction.actions.len() + 1);
        return Err(Flaw::new(InvalidEndorserTransaction, reason));
    }
    if action.header != signed.header.signature_header {
        return Err(Flaw::new(InvalidEndorserTransaction, "the action's header is not that of the envelope"));
    }
    read(&action.payload, MarshalTxError, "the action")
}

/// Chaincode and arguments of the proposal that the transaction keeps.
fn invocation(stored: &Bytes) -> Result<(String, Vec<Bytes>), Flaw> {
    use TxValidationCode::{InvalidEndorserTransaction, MarshalTxError};

    let payload: ChaincodeProposalPayload = read(stored, MarshalTxError, "the proposal's payload")?;
    if !payload.transient_map.is_empty() {
        return Err(Flaw::new(InvalidEndorserTransaction, "the transaction holds transient data"));
    }
    let invocation: ChaincodeInvocationSpec = read(&payload.input, MarshalTxError, "the invocation")?;
    let spec = invocation.chaincode_spec.unwrap_or_default();
    let name = spec.chaincode_id.map(|id| id.name).unwrap_or_default();
    Ok((name, spec.input.map(|input| input.args).unwrap_or_default()))
}

/// The result that endorsers signed, if it answers this proposal.
fn result(header: &Header, stored: &[u8], endorsed: &Bytes) -> Result<ChaincodeAction, Flaw> {
    use TxValidationCode::BadResponsePayload;

    let payload: ProposalResponsePayload = read(endorsed, BadResponsePayload, "the response payload")?;
    let hash = proposal_hash(&header.channel_header, &header.signature_header, stored);
    if payload.proposal_hash[..] != hash.as_bytes()[..] {
        return Err(Flaw::new(BadResponsePayload, "the proposal hash is not that of this proposal"));
    }
    read(&payload.extension, BadResponsePayload, "the chaincode action")
}

/// The event, if there is one and it is this chaincode's in this transaction.
fn event(result: &ChaincodeAction, chaincode: &str, tx_id: &TxId) -> Result<Option<ChaincodeEvent>, Flaw> {
    use TxValidationCode::BadResponsePayload;

    if result.events.is_empty() {
        return Ok(None);
    }
    let event: ChaincodeEvent = read(&result.events, BadResponsePayload, "the event")?;
    if event.chaincode_id == chaincode && event.tx_id == tx_id.as_str() {
        Ok(Some(event))
    } else {
        Err(Flaw::new(BadResponsePayload, "the event is that of another chaincode or transaction"))
    }
}

fn read<M: Message + Default>(bytes: &Bytes, code: TxValidationCode, part: &str) -> Result<M, Flaw> {
    M::decode(bytes.clone()).map_err(|error| Flaw::new(code, format!("{part} does not decode: {error}")))
}

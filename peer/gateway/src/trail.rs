//! What the own block store tells of a report: who uploaded it, and who changed its records since.
//!
//! Other hospitals can endorse what they like into the state, so a record is believed only through the transaction that
//! wrote it, found by the version that the own ledger gave the value, never by an id that stands in the value. Who owns a
//! report is who created its upload. Earlier changes of a key are followed through the reads of the transactions: a read
//! of a VALID transaction had the version that was current then. Nothing is decided here; `endorsing::release` judges.

use bytes::Bytes;
use endorsing::release::ReportAct;
use offchain::Cid;
use prost::Message;
use protocol::fabric::SerializedIdentity;
use protocol::{Block, IdentityStatus, MspId, NamespaceSet, Poi, TxId, TxValidationCode, Version};
use reports::{ReportRecord, UploadClaim, report_key};
use thiserror::Error;
use validation::{ParsedTransaction, parse_transaction};

use crate::ports::{ChannelLedger, CommittedAt, LedgerFault};

/// Changes of one key that are followed back.
const CHANGES_MAX: usize = 256;

/// Why a report's past is not known.
#[derive(Debug, Error)]
pub(crate) enum TrailError {
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
    #[error("transaction {tx_id} is not committed on this peer's channel {channel}")]
    NotCommitted { tx_id: TxId, channel: protocol::ChannelId },
    #[error("transaction {tx_id} is {} on the ledger", .code.name())]
    NotValid { tx_id: TxId, code: TxValidationCode },
    #[error("transaction {tx_id} is no upload of a report")]
    NotAnUpload { tx_id: TxId },
    #[error(
        "the record {key} was changed by {by} outside the chaincode's rules; ask the owner to record the report again"
    )]
    Tampered { key: String, by: MspId },
}

/// The upload of a report.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// Organisation of the upload's creator.
    pub(crate) owner: MspId,
    /// The record as the upload wrote it.
    pub(crate) record: ReportRecord,
    /// Root of its sealed bytes.
    pub(crate) cid: Cid,
    /// Where the upload stands.
    pub(crate) version: Version,
}

/// One change of a key: what was written, where, by whom and by which call.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) value: Option<Bytes>,
    pub(crate) act: ReportAct,
    pub(crate) call: Call,
}

/// What a transaction's creator signed that it wants: a write set can hold anything that enough endorsers agree on, the
/// call cannot.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) tx_id: TxId,
    pub(crate) chaincode: String,
    pub(crate) args: Vec<Bytes>,
}

impl Call {
    /// Whether it asks for a grant of that report to that organisation: it shares the report, or uploads it shared.
    pub(crate) fn grants(&self, report_id: &TxId, to: &MspId) -> bool {
        if self.chaincode != reports::NAME {
            return false;
        }
        match self.args.as_slice() {
            [function, id, msp_id] if function.as_ref() == b"ShareReport" => {
                id.as_ref() == report_id.as_str().as_bytes() && msp_id.as_ref() == to.as_str().as_bytes()
            }
            [function, claim] if function.as_ref() == b"UploadReport" => {
                let claim = serde_json::from_slice::<UploadClaim>(claim);
                self.tx_id == *report_id && claim.is_ok_and(|claim| claim.share_with.contains(to))
            }
            _ => false,
        }
    }
}

/// The changes of a key, the newest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) changes: Vec<Change>,
    /// Whether the list reaches back to the key's first value.
    pub(crate) is_whole: bool,
}

/// Who created a committed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Author {
    pub(crate) msp_id: MspId,
    pub(crate) poi: Poi,
}

/// A committed transaction with its place; `None` where it is not committed here.
pub(crate) fn committed(
    ledger: &dyn ChannelLedger,
    tx_id: &TxId,
) -> Result<Option<(CommittedAt, Bytes)>, LedgerFault> {
    let Some(at) = ledger.transaction(tx_id)? else { return Ok(None) };
    match ledger.envelope(tx_id)? {
        Some(envelope) => Ok(Some((at, envelope))),
        None => Err(damaged(ledger, format!("transaction {tx_id} is indexed but its block lacks it"))),
    }
}

/// The upload of a report, which must be VALID on the own ledger.
pub(crate) fn origin(ledger: &dyn ChannelLedger, report_id: &TxId) -> Result<Origin, TrailError> {
    let not_an_upload = || TrailError::NotAnUpload { tx_id: report_id.clone() };
    let Some((at, envelope)) = committed(ledger, report_id)? else {
        return Err(TrailError::NotCommitted { tx_id: report_id.clone(), channel: ledger.channel().clone() });
    };
    if at.code != TxValidationCode::Valid {
        return Err(TrailError::NotValid { tx_id: report_id.clone(), code: at.code });
    }
    let transaction = parse_transaction(&envelope).map_err(|_| not_an_upload())?;
    if transaction.args.first().map(Bytes::as_ref) != Some(b"UploadReport".as_slice()) {
        return Err(not_an_upload());
    }
    let key = report_key(report_id);
    let written = reports_set(&transaction).and_then(|set| written(set, &key)).ok_or_else(not_an_upload)?;
    let record: ReportRecord =
        serde_json::from_slice(written.as_deref().unwrap_or_default()).map_err(|_| not_an_upload())?;
    let cid: Cid = record.cid.parse().map_err(|_| not_an_upload())?;
    let owner = author(&transaction).ok_or_else(not_an_upload)?.msp_id;
    let version = Version { block_number: at.block_number, tx_number: at.tx_number };
    Ok(Origin { owner, record, cid, version })
}

/// The creator of a transaction that is committed as VALID. Its certificate chained and its signature held under the
/// configuration in force at its block: that is what the code says. The configuration of today is not asked, since an
/// organisation may have changed its authorities, or left, after it acted.
pub(crate) fn author(transaction: &ParsedTransaction) -> Option<Author> {
    let identity = SerializedIdentity::decode(transaction.creator.clone()).ok()?;
    let msp_id = MspId::new(identity.mspid).ok()?;
    Some(Author { msp_id, poi: msp::poi_of(&identity.id_bytes).ok()? })
}

/// The set of reads and writes in the namespace of reports, where the report chaincode itself ran.
pub(crate) fn reports_set(transaction: &ParsedTransaction) -> Option<&NamespaceSet> {
    if transaction.chaincode != reports::NAME {
        return None;
    }
    transaction.rwset.namespaces.iter().find(|set| set.name == reports::NAME)
}

/// What a set writes under a key; `None` where it does not write it.
pub(crate) fn written<'a>(set: &'a NamespaceSet, key: &str) -> Option<&'a Option<Bytes>> {
    set.writes.iter().find(|write| write.key == key).map(|write| &write.value)
}

/// The changes of a key in the namespace of reports, from its value in the state backwards.
pub(crate) fn changes(ledger: &dyn ChannelLedger, key: &str) -> Result<Changes, TrailError> {
    let mut found = Changes::default();
    let Some((_, mut version)) = ledger.state(reports::NAME, key)? else {
        return Ok(Changes { is_whole: true, ..found });
    };
    while found.changes.len() < CHANGES_MAX {
        let transaction = transaction_at(ledger, version)?;
        let act = act(ledger, &transaction, version)?;
        let set = transaction.rwset.namespaces.iter().find(|set| set.name == reports::NAME);
        let value = set
            .and_then(|set| written(set, key))
            .cloned()
            .ok_or_else(|| damaged(ledger, format!("block {} does not write {key}", version.block_number)))?;
        let earlier =
            set.and_then(|set| set.reads.iter().find(|read| read.key == key)).map(|read| read.version);
        let call =
            Call { tx_id: transaction.tx_id, chaincode: transaction.chaincode, args: transaction.args };
        found.changes.push(Change { value, act, call });
        match earlier {
            Some(Some(earlier)) if earlier < version => version = earlier,
            Some(None) => {
                found.is_whole = true;
                break;
            }
            _ => break,
        }
    }
    Ok(found)
}

fn transaction_at(ledger: &dyn ChannelLedger, version: Version) -> Result<ParsedTransaction, LedgerFault> {
    let number = version.block_number;
    let fault = |what: String| damaged(ledger, what);
    let bytes = ledger.block(number)?.ok_or_else(|| fault(format!("block {number} is missing")))?;
    let block = Block::from_bytes(&bytes).map_err(|error| fault(format!("block {number}: {error}")))?;
    let envelope = usize::try_from(version.tx_number.0).ok().and_then(|place| block.envelopes.get(place));
    let envelope = envelope
        .ok_or_else(|| fault(format!("block {number} has no transaction {}", version.tx_number.0)))?;
    parse_transaction(envelope)
        .map_err(|_| fault(format!("transaction {} of block {number} does not parse", version.tx_number.0)))
}

/// A VALID transaction as the release rule sees it.
fn act(
    ledger: &dyn ChannelLedger,
    transaction: &ParsedTransaction,
    version: Version,
) -> Result<ReportAct, LedgerFault> {
    let unreadable = || damaged(ledger, format!("transaction {} has no readable creator", transaction.tx_id));
    let Author { msp_id, poi } = author(transaction).ok_or_else(unreadable)?;
    // The transaction is VALID, so its creator was no revoked identity then, and a registered one where the channel asked
    // for that. A record never disappears: who has none acted while the channel asked for none, whatever it asks today.
    let creator_was_active = match ledger.identity(&msp_id, &poi)? {
        Some(record) if record.status == IdentityStatus::Revoked => {
            record.changed_at.last().is_none_or(|revoked| *revoked >= version.block_number)
        }
        Some(_) | None => true,
    };
    Ok(ReportAct { version, creator_msp: msp_id, creator_was_active })
}

pub(crate) fn damaged(ledger: &dyn ChannelLedger, cause: String) -> LedgerFault {
    LedgerFault { channel: ledger.channel().clone(), cause }
}

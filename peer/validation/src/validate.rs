//! Gives every transaction of a block its code, in order, at the state before each.
//!
//! Runs once a block, on one thread, after every envelope was examined. A transaction that is invalid leaves nothing but
//! its id and its code. A fault of the state ends it: no block is committed in part.

use std::collections::BTreeSet;

use configtx::{ConfigBundle, is_system_chaincode};
use protocol::{
    Block, CommitHash, Digest, IdentityRecord, KvWrite, NamespaceSet, ReadWriteSet, TxId, TxValidationCode,
    Version, merkle,
};

use crate::{
    configuration,
    examine::{Content, EndorsedTransaction, ExaminedTransaction},
    identities::{Identities, Standing},
    identity_change::{identity_entry, stamped},
    identity_write,
    link::OrderedBlock,
    mvcc,
    overlay::Overlay,
    parse::Flaw,
    rules,
    state::{StateFault, StateReader},
    validated::{Draft, HistoryWrite, TransactionSummary, ValidatedBlock},
};

/// Judges a block. `examined` holds the examination of each envelope, in order; `state` is the state after the block
/// before, whose commit hash is `previous_commit`.
///
/// # Errors
/// [`StateFault`] where the state cannot be read; the block must then be validated anew.
///
/// # Panics
/// If `examined` is not the examination of this block's envelopes under this configuration and at this block's time:
/// committing it would fork the ledger.
pub fn validate_block(
    ordered: OrderedBlock,
    examined: Vec<ExaminedTransaction>,
    bundle: &ConfigBundle,
    state: &dyn StateReader,
    previous_commit: CommitHash,
) -> Result<ValidatedBlock, StateFault> {
    let (block, block_hash, next) = ordered.into_parts();
    assert_belongs(&examined, &block, bundle);
    if let Some(next) = next {
        let ordered = (block, block_hash);
        return configuration::validate(ordered, examined, &next, state, previous_commit);
    }
    let mut sequence = Sequence {
        bundle,
        state,
        identities: Identities::new(bundle.config().identities, state),
        seen: BTreeSet::new(),
        overlay: Overlay::default(),
        history: Vec::new(),
    };
    let mut summaries = Vec::with_capacity(examined.len());
    for transaction in examined {
        let version = Version { block_number: block.header.number, tx_number: transaction.number };
        let flaw = match sequence.judge(&transaction)? {
            Verdict::Flawed(flaw) => Some(flaw),
            Verdict::Valid(record) => {
                sequence.take_writes(&transaction, record, version);
                None
            }
        };
        summaries.push(summary(transaction, flaw));
    }
    let Sequence { overlay, history, .. } = sequence;
    let draft = Draft { block, block_hash, summaries, history, writes: overlay.into_writes(), config: None };
    Ok(draft.seal(previous_commit))
}

/// Compares the examinations with the block that they are said to be of.
fn assert_belongs(examined: &[ExaminedTransaction], block: &Block, bundle: &ConfigBundle) {
    let leaves: Vec<Digest> = examined.iter().map(|transaction| transaction.data_leaf).collect();
    assert!(
        examined.len() == block.envelopes.len() && merkle::root(&leaves) == block.header.data_hash,
        "the examined envelopes are those of the block, in its order"
    );
    let in_order = (0_u32..).zip(examined).all(|(place, transaction)| transaction.number.0 == place);
    assert!(in_order, "each envelope was examined under its own number");
    let in_time = examined.iter().all(|transaction| transaction.at_ms == block.header.timestamp_ms);
    assert!(in_time, "every envelope was examined at the block's time");
    let sequence = bundle.config().sequence;
    let in_config = examined.iter().all(|transaction| transaction.config_sequence == sequence);
    assert!(in_config, "every envelope was examined under the configuration in force");
}

/// A block being judged: what the transactions so far left behind.
struct Sequence<'a> {
    bundle: &'a ConfigBundle,
    state: &'a dyn StateReader,
    identities: Identities<'a>,
    /// Ids of this block so far, of valid and invalid transactions.
    seen: BTreeSet<TxId>,
    overlay: Overlay,
    history: Vec<HistoryWrite>,
}

/// What is said of a transaction.
enum Verdict {
    Flawed(Flaw),
    /// Its writes count. Where it changes an identity: the record, as derived here from its arguments.
    Valid(Option<IdentityRecord>),
}

impl Verdict {
    fn flawed(code: TxValidationCode, reason: impl Into<String>) -> Self {
        Self::Flawed(Flaw::new(code, reason))
    }
}

impl Sequence<'_> {
    /// The first rule that the transaction breaks.
    fn judge(&mut self, examined: &ExaminedTransaction) -> Result<Verdict, StateFault> {
        let is_repeated = self.is_repeated(examined)?;
        match &examined.content {
            Content::Flawed(flaw) => Ok(Verdict::Flawed(flaw.clone())),
            // One that stands alone never comes here; in company it changes nothing.
            Content::Config => Ok(Verdict::flawed(
                TxValidationCode::InvalidConfigTransaction,
                "a configuration stands alone in its block",
            )),
            Content::Transaction(_) if is_repeated => {
                Ok(Verdict::flawed(TxValidationCode::DuplicateTxid, "the tx id stands in the ledger already"))
            }
            Content::Transaction(transaction) => self.judge_transaction(transaction, examined.at_ms),
        }
    }

    fn is_repeated(&mut self, examined: &ExaminedTransaction) -> Result<bool, StateFault> {
        let Some(tx_id) = &examined.tx_id else { return Ok(false) };
        Ok(!self.seen.insert(tx_id.clone()) || self.state.has_transaction(tx_id)?)
    }

    fn judge_transaction(
        &self,
        transaction: &EndorsedTransaction,
        at_ms: u64,
    ) -> Result<Verdict, StateFault> {
        let creator = &transaction.creator;
        let standing = self.identities.standing(creator)?;
        if standing != Standing::MayAct {
            let reason = format!("the creator {}/{} is {standing:?}", creator.msp_id(), creator.poi());
            return Ok(Verdict::flawed(TxValidationCode::InvalidOtherReason, reason));
        }
        if let Err(flaw) = rules::chaincode(transaction, self.bundle) {
            return Ok(Verdict::Flawed(flaw));
        }
        if let Some(flaw) = rules::endorsement(transaction, self.bundle, &self.identities)? {
            return Ok(Verdict::Flawed(flaw));
        }
        if let Some(flaw) = mvcc::conflict(&transaction.parsed.rwset.namespaces, &self.overlay, self.state)? {
            return Ok(Verdict::Flawed(flaw));
        }
        if !is_system_chaincode(&transaction.parsed.chaincode) {
            return Ok(Verdict::Valid(None));
        }
        Ok(match identity_write::derive(transaction, self.bundle, &self.identities, at_ms)? {
            Ok(record) => Verdict::Valid(record),
            Err(flaw) => Verdict::Flawed(flaw),
        })
    }

    /// Takes the writes of a valid transaction: those that it was endorsed with, or the record that it changes.
    fn take_writes(
        &mut self,
        examined: &ExaminedTransaction,
        record: Option<IdentityRecord>,
        version: Version,
    ) {
        let Content::Transaction(transaction) = &examined.content else { return };
        let Some(record) = record else {
            return self.take_set(&transaction.parsed.rwset, version);
        };
        let record = stamped(record, version.block_number);
        let (key, value) = identity_entry(&record);
        let namespace = NamespaceSet {
            name: IdentityRecord::NAMESPACE.to_owned(),
            writes: vec![KvWrite { key, value: Some(value) }],
            ..NamespaceSet::default()
        };
        self.take_set(&ReadWriteSet { version: ReadWriteSet::VERSION, namespaces: vec![namespace] }, version);
        self.identities.put(record);
    }

    fn take_set(&mut self, rwset: &ReadWriteSet, version: Version) {
        self.overlay.apply(rwset, version);
        for namespace in &rwset.namespaces {
            for write in &namespace.writes {
                self.history.push(HistoryWrite {
                    tx_number: version.tx_number,
                    namespace: namespace.name.clone(),
                    key: write.key.clone(),
                    value: write.value.clone(),
                });
            }
        }
    }
}

fn summary(examined: ExaminedTransaction, flaw: Option<Flaw>) -> TransactionSummary {
    let ExaminedTransaction { number, envelope_hash, claimed_tx_id, tx_id, creator, content, .. } = examined;
    let (chaincode, event) = match content {
        Content::Transaction(transaction) => (Some(transaction.parsed.chaincode), transaction.parsed.event),
        Content::Config | Content::Flawed(_) => (None, None),
    };
    let (code, reason) = match flaw {
        None => (TxValidationCode::Valid, None),
        Some(Flaw { code, reason }) => (code, Some(reason)),
    };
    TransactionSummary {
        number,
        envelope_hash,
        tx_id,
        claimed_tx_id,
        code,
        reason,
        chaincode,
        creator: creator.map(|identity| crate::CreatorName::of(&identity)),
        // An invalid transaction raised no event.
        event: event.filter(|_| code == TxValidationCode::Valid),
    }
}

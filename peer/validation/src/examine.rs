//! Judges one envelope by itself: form, creator's signature, endorsers' signatures.
//!
//! The result depends on the envelope, the configuration and the block's time only, so callers examine a block's
//! envelopes in parallel and in any order. Nothing here panics, whatever the bytes are.

use bytes::Bytes;
use configtx::ConfigBundle;
use msp::{VerifiedIdentity, VerifiedSignature};
use protocol::{Digest, TxId, TxNumber, TxValidationCode, merkle};

use crate::parse::{self, Flaw, Opened, ParsedTransaction, Signed};

/// What an envelope is worth before the state is asked.
#[derive(Debug)]
pub struct ExaminedTransaction {
    pub(crate) number: TxNumber,
    /// SHA-256 of the envelope, for the leaf of its code.
    pub(crate) envelope_hash: Digest,
    /// The envelope's leaf in the block's data hash: ties this examination to the block that is validated.
    pub(crate) data_leaf: Digest,
    pub(crate) at_ms: u64,
    pub(crate) config_sequence: u64,
    pub(crate) claimed_tx_id: Option<TxId>,
    /// The id, once the creator's signature over it held.
    pub(crate) tx_id: Option<TxId>,
    /// Who signed, once the signature held.
    pub(crate) creator: Option<VerifiedIdentity>,
    pub(crate) content: Content,
}

/// What was found in the envelope.
#[derive(Debug)]
pub(crate) enum Content {
    Flawed(Flaw),
    Config,
    Transaction(Box<EndorsedTransaction>),
}

/// A transaction whose form and creator hold, with the endorsements that hold.
#[derive(Debug)]
pub(crate) struct EndorsedTransaction {
    pub(crate) parsed: ParsedTransaction,
    pub(crate) creator: VerifiedIdentity,
    pub(crate) endorsements: Vec<VerifiedSignature>,
    /// Endorsements that do not count, for the log.
    pub(crate) passed_over: Vec<String>,
}

impl ExaminedTransaction {
    /// The transaction's place in its block.
    #[must_use]
    pub const fn number(&self) -> TxNumber {
        self.number
    }

    /// The code, where it is settled before the state is asked.
    #[must_use]
    pub const fn early_code(&self) -> Option<TxValidationCode> {
        match &self.content {
            Content::Flawed(flaw) => Some(flaw.code),
            Content::Config | Content::Transaction(_) => None,
        }
    }

    /// The id that the header states, whether or not it is true.
    #[must_use]
    pub const fn claimed_tx_id(&self) -> Option<&TxId> {
        self.claimed_tx_id.as_ref()
    }
}

/// Examines the envelope at place `number` of a block that is stamped `at_ms`.
#[must_use]
pub fn examine(number: TxNumber, envelope: &Bytes, bundle: &ConfigBundle, at_ms: u64) -> ExaminedTransaction {
    let mut opened = Opened::default();
    let flaw = parse::open(envelope, &mut opened).err();
    let mut examined = ExaminedTransaction {
        number,
        envelope_hash: Digest::of(envelope),
        data_leaf: merkle::leaf_hash(envelope),
        at_ms,
        config_sequence: bundle.config().sequence,
        claimed_tx_id: opened.claimed_tx_id.take(),
        tx_id: None,
        creator: None,
        content: Content::Config,
    };
    if let Some(flaw) = flaw {
        examined.content = Content::Flawed(flaw);
    } else if let Some(signed) = opened.signed {
        examined.content = match transaction(signed, bundle, &mut examined) {
            Ok(transaction) => Content::Transaction(Box::new(transaction)),
            Err(flaw) => Content::Flawed(flaw),
        };
    }
    examined
}

fn transaction(
    signed: Signed,
    bundle: &ConfigBundle,
    examined: &mut ExaminedTransaction,
) -> Result<EndorsedTransaction, Flaw> {
    let channel = &bundle.config().channel;
    if signed.channel != *channel {
        let reason = format!("the transaction is for channel {}, this is {channel}", signed.channel);
        return Err(Flaw::new(TxValidationCode::TargetChainNotFound, reason));
    }
    let bad_creator = |reason: String| Flaw::new(TxValidationCode::BadCreatorSignature, reason);
    let identity = bundle.identify(&signed.creator, examined.at_ms);
    let creator = identity.map_err(|rejection| bad_creator(rejection.to_string()))?;
    let signature = bundle.verify(&creator, &signed.payload, &signed.signature);
    signature.map_err(|rejection| bad_creator(rejection.to_string()))?;
    examined.tx_id = Some(signed.tx_id.clone());
    examined.creator = Some(creator.clone());
    let parsed = parse::content(signed)?;
    let (endorsements, passed_over) = endorsements(&parsed, bundle, examined.at_ms);
    Ok(EndorsedTransaction { parsed, creator, endorsements, passed_over })
}

/// The endorsements that hold, each endorser once, and why the others do not count.
fn endorsements(
    parsed: &ParsedTransaction,
    bundle: &ConfigBundle,
    at_ms: u64,
) -> (Vec<VerifiedSignature>, Vec<String>) {
    let mut held: Vec<VerifiedSignature> = Vec::with_capacity(parsed.endorsements.len());
    let mut passed_over = Vec::new();
    for (place, endorsement) in parsed.endorsements.iter().enumerate() {
        let identity = match bundle.identify(&endorsement.endorser, at_ms) {
            Ok(identity) => identity,
            Err(rejection) => {
                passed_over.push(format!("endorsement {place}: {rejection}"));
                continue;
            }
        };
        if held.iter().any(|known| *known.identity() == identity) {
            passed_over.push(format!("endorsement {place}: its endorser is counted already"));
            continue;
        }
        let message = [&parsed.endorsed[..], &endorsement.endorser[..]].concat();
        match bundle.verify(&identity, &message, &endorsement.signature) {
            Ok(signature) => held.push(signature),
            Err(rejection) => passed_over.push(format!("endorsement {place}: {rejection}")),
        }
    }
    (held, passed_over)
}

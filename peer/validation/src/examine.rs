//! Judges each envelope by itself: form, creator's signature, endorsers' signatures.
//!
//! The result depends on the envelope, the configuration and the block's time only, so callers examine a block's
//! envelopes in parallel, in any order and in parts of any size. Signatures of one part are verified together, first
//! those of creators, then those of endorsers, which changes the cost and no verdict. Nothing here panics, whatever the
//! bytes are.

use bytes::Bytes;
use configtx::ConfigBundle;
use msp::{SignatureClaim, SignatureRejection, VerifiedIdentity, VerifiedSignature};
use protocol::{Digest, TxId, TxNumber, TxValidationCode, merkle};

use crate::parse::{self, Flaw, Opened, ParsedTransaction, Signed};
use endorsements::Endorsements;

mod endorsements;

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
    /// Examines envelopes, each with its place in a block that is stamped `at_ms`; the results are in their order, and what
    /// [`examine`] says of each.
    #[must_use]
    pub fn of_all(envelopes: &[(TxNumber, &Bytes)], bundle: &ConfigBundle, at_ms: u64) -> Vec<Self> {
        let opened: Vec<Stage<Created>> = envelopes
            .iter()
            .map(|(number, envelope)| Created::open(*number, envelope, bundle, at_ms))
            .collect();
        let claims: Vec<SignatureClaim<'_>> =
            opened.iter().filter_map(Stage::rest).map(Created::claim).collect();
        let mut verdicts = bundle.verify_all(&claims).into_iter();
        let read: Vec<Stage<Endorsed>> = opened
            .into_iter()
            .map(|stage| stage.then(|created, examined| created.read(verdicts.next(), examined, bundle)))
            .collect();
        let claims: Vec<SignatureClaim<'_>> =
            read.iter().filter_map(Stage::rest).flat_map(|endorsed| endorsed.endorsements.claims()).collect();
        let mut verdicts = bundle.verify_all(&claims).into_iter();
        let judged = read.into_iter().map(|stage| {
            let Stage { mut examined, rest } = stage;
            if let Some(endorsed) = rest {
                examined.content = Content::Transaction(Box::new(endorsed.judge(&mut verdicts, bundle)));
            }
            examined
        });
        judged.collect()
    }

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
///
/// # Panics
/// Never: one envelope gives one examination.
#[must_use]
pub fn examine(number: TxNumber, envelope: &Bytes, bundle: &ConfigBundle, at_ms: u64) -> ExaminedTransaction {
    #[expect(clippy::expect_used, reason = "one envelope gives one examination")]
    ExaminedTransaction::of_all(&[(number, envelope)], bundle, at_ms)
        .pop()
        .expect("one envelope, one examination")
}

/// A verdict on a signature, as it comes back from [`ConfigBundle::verify_all`].
pub(crate) type SignatureVerdict = Result<VerifiedSignature, SignatureRejection>;

/// An envelope on its way: what is known of it, and what is left to be judged; nothing where the verdict is settled.
struct Stage<T> {
    examined: ExaminedTransaction,
    rest: Option<T>,
}

impl<T> Stage<T> {
    fn rest(&self) -> Option<&T> {
        self.rest.as_ref()
    }

    /// The next stage, where there is one; a flaw settles the verdict.
    fn then<U>(self, step: impl FnOnce(T, &mut ExaminedTransaction) -> Result<U, Flaw>) -> Stage<U> {
        let Self { mut examined, rest } = self;
        let rest = rest.and_then(|rest| match step(rest, &mut examined) {
            Ok(next) => Some(next),
            Err(flaw) => {
                examined.content = Content::Flawed(flaw);
                None
            }
        });
        Stage { examined, rest }
    }
}

/// A transaction whose creator is known and whose signature is not judged yet.
struct Created {
    signed: Signed,
    creator: VerifiedIdentity,
}

impl Created {
    fn open(number: TxNumber, envelope: &Bytes, bundle: &ConfigBundle, at_ms: u64) -> Stage<Self> {
        let mut opened = Opened::default();
        let flaw = parse::open(envelope, &mut opened).err();
        let examined = ExaminedTransaction {
            number,
            envelope_hash: Digest::of(envelope),
            data_leaf: merkle::leaf_hash(envelope),
            at_ms,
            config_sequence: bundle.config().sequence,
            claimed_tx_id: opened.claimed_tx_id.take(),
            tx_id: None,
            creator: None,
            content: flaw.map_or(Content::Config, Content::Flawed),
        };
        // Where there is a flaw, there are no signed parts.
        Stage { examined, rest: opened.signed }.then(|signed, _| Self::identify(signed, bundle, at_ms))
    }

    fn identify(signed: Signed, bundle: &ConfigBundle, at_ms: u64) -> Result<Self, Flaw> {
        let channel = &bundle.config().channel;
        if signed.channel != *channel {
            let reason = format!("the transaction is for channel {}, this is {channel}", signed.channel);
            return Err(Flaw::new(TxValidationCode::TargetChainNotFound, reason));
        }
        let creator = bundle.identify(&signed.creator, at_ms);
        let creator = creator.map_err(|rejection| bad_creator(&rejection))?;
        Ok(Self { signed, creator })
    }

    fn claim(&self) -> SignatureClaim<'_> {
        let Signed { payload, signature, .. } = &self.signed;
        SignatureClaim { identity: &self.creator, message: [payload, &[]], signature }
    }

    /// Takes the verdict on the creator's signature, and reads what the creator signed.
    fn read(
        self,
        verdict: Option<SignatureVerdict>,
        examined: &mut ExaminedTransaction,
        bundle: &ConfigBundle,
    ) -> Result<Endorsed, Flaw> {
        let Self { signed, creator } = self;
        let verdict = verdict.unwrap_or_else(|| bundle.verify(&creator, &signed.payload, &signed.signature));
        verdict.map_err(|rejection| bad_creator(&rejection))?;
        examined.tx_id = Some(signed.tx_id.clone());
        examined.creator = Some(creator.clone());
        let parsed = parse::content(signed)?;
        let endorsements = Endorsements::of(&parsed, bundle, examined.at_ms);
        Ok(Endorsed { parsed, creator, endorsements })
    }
}

/// A transaction whose form and creator hold, and whose endorsements are not judged yet.
struct Endorsed {
    parsed: ParsedTransaction,
    creator: VerifiedIdentity,
    endorsements: Endorsements,
}

impl Endorsed {
    fn judge(
        self,
        verdicts: &mut impl Iterator<Item = SignatureVerdict>,
        bundle: &ConfigBundle,
    ) -> EndorsedTransaction {
        let Self { parsed, creator, endorsements } = self;
        let (endorsements, passed_over) = endorsements.judge(verdicts, bundle);
        EndorsedTransaction { parsed, creator, endorsements, passed_over }
    }
}

fn bad_creator(rejection: &dyn std::fmt::Display) -> Flaw {
    Flaw::new(TxValidationCode::BadCreatorSignature, rejection.to_string())
}

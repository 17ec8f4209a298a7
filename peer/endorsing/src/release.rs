//! Whether a custodian hands out a report's data key.
//!
//! It runs at a custodian's peer for every request, over facts that the peer read from **its own** blocks and state; it
//! reads nothing itself. The rule is DESIGN's "Key custody", one variant of [`ReleaseRefusal`] a clause. What other
//! hospitals can endorse into the state is not enough: a grant, its withdrawal and an erasure count only where their
//! transaction was created by an identity of the owner's organisation that was active then. No key stands in a fact or
//! in a text.

use protocol::{BlockNumber, Digest, MspId, TxId, TxValidationCode, Version};

/// Age in blocks after which an opening's record no longer opens anything.
pub const OPENING_AGE_BLOCKS_MAX: u64 = 100;

/// A valid transaction about a report, with who created it, as the custodian's own block store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportAct {
    /// Where it was committed.
    pub version: Version,
    /// The organisation of its creator.
    pub creator_msp: MspId,
    /// Whether the creator was registered and active at that place.
    pub creator_was_active: bool,
}

impl ReportAct {
    fn is_by(&self, owner: &MspId) -> bool {
        self.creator_was_active && self.creator_msp == *owner
    }
}

/// The transaction that recorded the opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningFacts {
    /// Its verdict.
    pub code: TxValidationCode,
    /// Where it stands.
    pub version: Version,
    /// The organisation of its creator.
    pub creator_msp: MspId,
    /// Whether it is an `OpenReport` call, and of which report; `None` for any other call.
    pub report_id: Option<TxId>,
}

/// What a custodian knows when it is asked for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseFacts {
    /// The report that is asked for.
    pub report_id: TxId,
    /// The organisation that owns it.
    pub owner: MspId,
    /// The last block that the custodian committed.
    pub height: BlockNumber,
    /// The organisation that asks, as its verified signature says.
    pub asking: MspId,
    /// The KEM key to which the custodian would seal.
    pub recipient_key: Digest,
    /// The KEM key of the asking organisation in the configuration in force.
    pub configured_key: Option<Digest>,
    /// The KEM key to which this custodian released for the same opening before.
    pub released_to: Option<Digest>,
    /// The opening.
    pub opening: OpeningFacts,
    /// The last grant of this report to the asking organisation before the opening; `None` where there is none.
    pub grant: Option<ReportAct>,
    /// Where the grant ends, if it has an end: the first block at which it is no longer live.
    pub grant_ends: Option<BlockNumber>,
    /// Every withdrawal (unshare, or reseal) that concerns the asking organisation, whenever it was committed. All of
    /// them, since one that the owner did not create must not hide one that it did.
    pub withdrawals: Vec<ReportAct>,
    /// Every erasure of the report.
    pub erasures: Vec<ReportAct>,
}

/// The clause that forbids a release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseRefusal {
    /// The opening is not valid on the ledger.
    #[error("the opening is {} on the ledger; only a VALID opening releases a key", .code.name())]
    OpeningNotValid {
        /// Its verdict.
        code: TxValidationCode,
    },
    /// The transaction opens nothing, or another report.
    #[error("the transaction does not open report {asked}; record an opening of that report")]
    OpensAnotherReport {
        /// The report that is asked for.
        asked: TxId,
    },
    /// The opening is too old.
    #[error(
        "the opening was recorded in block {opened}, more than {OPENING_AGE_BLOCKS_MAX} blocks before {height}; record a new one"
    )]
    OpeningTooOld {
        /// Its block.
        opened: BlockNumber,
        /// The custodian's last block.
        height: BlockNumber,
    },
    /// The custodian has not reached the opening.
    #[error("the opening is in block {opened}, this node is at {height}; ask again")]
    NotReached {
        /// Its block.
        opened: BlockNumber,
        /// The custodian's last block.
        height: BlockNumber,
    },
    /// Somebody else recorded the opening.
    #[error("the opening was recorded by {creator}, not by {asking}")]
    OpenedByAnother {
        /// Who recorded it.
        creator: MspId,
        /// Who asks.
        asking: MspId,
    },
    /// The recipient's key is not the organisation's.
    #[error("the recipient key is not the KEM key of {asking} in the channel configuration")]
    ForeignRecipientKey {
        /// Who asks.
        asking: MspId,
    },
    /// The key was released for this opening to another recipient key.
    #[error("the key was released for this opening to another recipient key before; record a new opening")]
    ReleasedToAnotherKey,
    /// The report was erased by its owner.
    #[error("report {report_id} was erased by its owner")]
    Erased {
        /// The report.
        report_id: TxId,
    },
    /// The asking organisation holds no grant.
    #[error("{asking} held no grant of {owner} for this report when it was opened")]
    NoGrant {
        /// Who asks.
        asking: MspId,
        /// The owner.
        owner: MspId,
    },
    /// A grant stands in the ledger that the owner did not create.
    #[error("the grant to {asking} was created by {creator}, not by an active identity of the owner {owner}")]
    GrantNotByOwner {
        /// Who asks.
        asking: MspId,
        /// Who created the grant.
        creator: MspId,
        /// The owner.
        owner: MspId,
    },
    /// The grant had not begun or had ended at the opening.
    #[error("the grant to {asking} was not live in block {opened}, when the report was opened")]
    GrantNotLive {
        /// Who asks.
        asking: MspId,
        /// The opening's block.
        opened: BlockNumber,
    },
    /// The owner withdrew the grant.
    #[error("{owner} withdrew the grant to {asking}")]
    Withdrawn {
        /// The owner.
        owner: MspId,
        /// Who asks.
        asking: MspId,
    },
}

/// Whether the key is released.
///
/// # Errors
/// [`ReleaseRefusal`]: the first clause that forbids it, in the order of its variants.
pub fn judge(facts: &ReleaseFacts) -> Result<(), ReleaseRefusal> {
    judge_opening(facts)?;
    let asking = &facts.asking;
    if facts.configured_key != Some(facts.recipient_key) {
        return Err(ReleaseRefusal::ForeignRecipientKey { asking: asking.clone() });
    }
    if facts.released_to.is_some_and(|key| key != facts.recipient_key) {
        return Err(ReleaseRefusal::ReleasedToAnotherKey);
    }
    if facts.erasures.iter().any(|act| act.is_by(&facts.owner)) {
        return Err(ReleaseRefusal::Erased { report_id: facts.report_id.clone() });
    }
    if *asking == facts.owner { Ok(()) } else { judge_grant(facts) }
}

/// The clauses about the record of the opening.
fn judge_opening(facts: &ReleaseFacts) -> Result<(), ReleaseRefusal> {
    let OpeningFacts { code, version, creator_msp, report_id } = &facts.opening;
    let (opened, height) = (version.block_number, facts.height);
    if *code != TxValidationCode::Valid {
        return Err(ReleaseRefusal::OpeningNotValid { code: *code });
    }
    if report_id.as_ref() != Some(&facts.report_id) {
        return Err(ReleaseRefusal::OpensAnotherReport { asked: facts.report_id.clone() });
    }
    if opened > height {
        return Err(ReleaseRefusal::NotReached { opened, height });
    }
    if height.0 - opened.0 > OPENING_AGE_BLOCKS_MAX {
        return Err(ReleaseRefusal::OpeningTooOld { opened, height });
    }
    if *creator_msp != facts.asking {
        let (creator, asking) = (creator_msp.clone(), facts.asking.clone());
        return Err(ReleaseRefusal::OpenedByAnother { creator, asking });
    }
    Ok(())
}

/// The clauses about a reader that is not the owner.
fn judge_grant(facts: &ReleaseFacts) -> Result<(), ReleaseRefusal> {
    let (asking, owner) = (facts.asking.clone(), facts.owner.clone());
    let opened = facts.opening.version;
    let Some(grant) = &facts.grant else { return Err(ReleaseRefusal::NoGrant { asking, owner }) };
    if !grant.is_by(&facts.owner) {
        return Err(ReleaseRefusal::GrantNotByOwner { asking, creator: grant.creator_msp.clone(), owner });
    }
    let has_ended = facts.grant_ends.is_some_and(|ends| opened.block_number >= ends);
    if grant.version >= opened || has_ended {
        return Err(ReleaseRefusal::GrantNotLive { asking, opened: opened.block_number });
    }
    // A withdrawal after the opening counts too: the owner's last word is obeyed as soon as the custodian knows it.
    if facts.withdrawals.iter().any(|act| act.is_by(&facts.owner) && act.version > grant.version) {
        return Err(ReleaseRefusal::Withdrawn { owner, asking });
    }
    Ok(())
}

//! The newest attestation of each peer, by channel.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use msp::{Signer, SigningError, VerifiedIdentity};
use protocol::limits::IDENTITY_BYTES_MAX;
use protocol::{
    BlockNumber, ChannelId, CommitAttestation, CommitHash, IdentityRule, IdentityStatus, MspId, Poi, Role,
    SignedAttestation, codec,
};
use tokio::sync::Notify;
use transport::Status;
use validation::{Comparison, Concord, concord};

use crate::ports::{ChannelLedger, LedgerFault};
use crate::signed_request::{ledger_status, now_ms, require_active};

/// A number, two hashes and a channel's name.
pub(super) const ATTESTATION_BYTES_MAX: usize = 1 << 10;
/// Peers of one organisation whose attestations are kept; the one with the oldest makes room.
const PEERS_OF_ONE_MAX: usize = 16;

/// Stops a channel, with the reason.
pub type Stop = Box<dyn Fn(&ChannelId, &str) + Send + Sync>;

/// What a peer attested last, beside the own ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// Its organisation.
    pub msp_id: MspId,
    /// Proof of its identity.
    pub poi: Poi,
    /// The block.
    pub number: BlockNumber,
    /// The commit hash that it reached.
    pub commit_hash: CommitHash,
    /// How that compares with the own ledger.
    pub comparison: Comparison,
}

/// One channel's attestations.
#[derive(Default)]
struct Book {
    own: Option<SignedAttestation>,
    peers: BTreeMap<(MspId, Poi), Known>,
    contradiction: Arc<Notify>,
}

/// What a peer said. Of its words ahead of the own ledger the lowest waits to be compared, and keeps its place until the own
/// ledger is there: a peer that is always a block ahead must not escape comparison, nor one that once claimed a height that
/// nobody reaches and then names lower ones. Who names only such heights has no voice.
#[derive(Debug, Default)]
struct Known {
    /// Its identity, as it signed: asked again whenever its word counts.
    peer: Bytes,
    compared: Option<Attested>,
    ahead: Option<Attested>,
    /// The highest ahead, to be shown.
    highest: Option<Attested>,
}

impl Known {
    fn newest(&self) -> Option<&Attested> {
        self.highest.as_ref().or(self.compared.as_ref())
    }

    /// Takes one that cannot be compared yet.
    fn expect(&mut self, attested: Attested) {
        // Of one block its latest word counts: its ledger may have been made anew.
        if self.ahead.as_ref().is_none_or(|ahead| attested.number <= ahead.number) {
            self.ahead = Some(attested.clone());
        }
        if self.highest.as_ref().is_none_or(|highest| highest.number <= attested.number) {
            self.highest = Some(attested);
        }
    }

    /// What it says of the own ledger, as far as that is known.
    fn comparison(&self) -> Comparison {
        self.compared.as_ref().map_or(Comparison::Ahead, |attested| attested.comparison)
    }

    /// Takes one that could be compared; `true` where the peer begins to differ by it.
    fn settle(&mut self, channel: &ChannelId, attested: Attested) -> bool {
        if self.compared.as_ref().is_some_and(|known| known.number > attested.number) {
            return false;
        }
        let was = self.comparison();
        tell(channel, &attested, was);
        let begins = attested.comparison == Comparison::Differs && was != Comparison::Differs;
        for ahead in [&mut self.ahead, &mut self.highest] {
            ahead.take_if(|ahead| ahead.number <= attested.number);
        }
        self.compared = Some(attested);
        begins
    }
}

/// The newest attestation of each peer of each channel, bounded by the channels' organisations.
pub struct Attestations {
    /// This peer. Others of its organisation are compared and shown; the organisation's voice is this peer's own.
    own: (MspId, Poi),
    books: Mutex<BTreeMap<ChannelId, Book>>,
    stop: Stop,
}

impl fmt::Debug for Attestations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attestations")
    }
}

impl Attestations {
    /// Takes organisation and PoI of this peer, and what stops a channel.
    #[must_use]
    pub fn new(own: (MspId, Poi), stop: Stop) -> Self {
        Self { own, books: Mutex::default(), stop }
    }

    /// Signs what this peer reached, to be told to others, and keeps it as the answer to those who ask.
    ///
    /// # Errors
    /// The key's holder does not sign.
    pub fn attest(
        &self,
        attestation: &CommitAttestation,
        signer: &dyn Signer,
    ) -> Result<SignedAttestation, SigningError> {
        let bytes = codec::encode(attestation);
        let signature = signer.sign(&bytes)?.into();
        let signed =
            SignedAttestation { attestation: bytes.into(), peer: signer.serialized_identity(), signature };
        self.books().entry(attestation.channel.clone()).or_default().own = Some(signed.clone());
        Ok(signed)
    }

    /// What this peer attested last.
    #[must_use]
    pub fn own(&self, channel: &ChannelId) -> Option<SignedAttestation> {
        self.books().get(channel).and_then(|book| book.own.clone())
    }

    /// Takes what a peer says; who is on the line is judged by `is_welcome`. Returns how it compares with the own ledger.
    ///
    /// # Errors
    /// A status for an attestation that is malformed or old, or not signed by an active peer of the channel.
    pub fn take(
        &self,
        ledger: &dyn ChannelLedger,
        signed: &SignedAttestation,
        is_welcome: impl FnOnce(&VerifiedIdentity) -> Result<(), Status>,
    ) -> Result<Comparison, Status> {
        let attestation = read(signed)?;
        if attestation.channel != *ledger.channel() {
            return Err(Status::invalid_argument("the attestation is of another channel"));
        }
        let identity = attester(ledger, signed)?;
        is_welcome(&identity)?;
        let own = ledger.commit_hash(attestation.number).map_err(|fault| ledger_status(&fault))?;
        let attested = Attested {
            msp_id: identity.msp_id().clone(),
            poi: identity.poi(),
            number: attestation.number,
            commit_hash: attestation.commit_hash,
            comparison: Comparison::of(attestation.commit_hash, own),
        };
        let comparison = attested.comparison;
        // This peer may have called itself.
        if (identity.msp_id(), identity.poi()) == (&self.own.0, self.own.1) {
            return Ok(comparison);
        }
        self.keep(ledger.channel(), attested, &signed.peer);
        self.review(ledger).map_err(|fault| ledger_status(&fault))?;
        Ok(comparison)
    }

    /// Forgets who may speak no more, compares what was ahead of the own ledger with what it has now, and acts on the whole.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn review(&self, ledger: &dyn ChannelLedger) -> Result<(), LedgerFault> {
        let (silenced, reached) = self.looked_up(ledger)?;
        let bundle = ledger.bundle();
        let said: Vec<Attested> = {
            let mut books = self.books();
            let Some(book) = books.get_mut(ledger.channel()) else { return Ok(()) };
            silenced.iter().for_each(|key| drop(book.peers.remove(key)));
            for attested in reached {
                let known = book.peers.get_mut(&(attested.msp_id.clone(), attested.poi));
                if known.is_some_and(|known| known.settle(ledger.channel(), attested)) {
                    book.contradiction.notify_one();
                }
            }
            let others = book.peers.iter().filter(|((msp_id, _), _)| *msp_id != self.own.0);
            let words = others.map(|((msp_id, _), known)| (msp_id, known.comparison()));
            let Concord::Outvoted(by) = concord(bundle.endorsing_organizations(), words) else {
                return Ok(());
            };
            let compared = book.peers.values().filter_map(|known| known.compared.as_ref());
            let differing = compared.filter(|attested| attested.comparison == Comparison::Differs);
            differing.filter(|attested| by.contains(&attested.msp_id)).cloned().collect()
        };
        let by: BTreeSet<&MspId> = said.iter().map(|attested| &attested.msp_id).collect();
        let of = bundle.endorsing_organizations().count();
        (self.stop)(ledger.channel(), &reason(ledger, &said, (by.len(), of))?);
        Ok(())
    }

    /// Who may speak no more, and what waited and can be compared now. The ledger is read without the lock, so that a slow
    /// disk holds up nobody who only looks.
    #[expect(clippy::type_complexity, reason = "two lists for one caller")]
    fn looked_up(
        &self,
        ledger: &dyn ChannelLedger,
    ) -> Result<(Vec<(MspId, Poi)>, Vec<Attested>), LedgerFault> {
        let peers: Vec<_> = {
            let books = self.books();
            let peers = books.get(ledger.channel()).into_iter().flat_map(|book| &book.peers);
            peers.map(|(key, known)| (key.clone(), known.peer.clone(), known.ahead.clone())).collect()
        };
        let (mut silenced, mut reached) = (Vec::new(), Vec::new());
        for (key, peer, ahead) in peers {
            if !may_speak(ledger, &peer)? {
                silenced.push(key);
            } else if let Some(ahead) = ahead {
                let comparison = Comparison::of(ahead.commit_hash, ledger.commit_hash(ahead.number)?);
                if comparison != Comparison::Ahead {
                    reached.push(Attested { comparison, ..ahead });
                }
            }
        }
        Ok((silenced, reached))
    }

    /// What every peer attested last, sorted by organisation.
    #[must_use]
    pub fn shown(&self, channel: &ChannelId) -> Vec<Attested> {
        let books = self.books();
        let peers = books.get(channel).into_iter().flat_map(|book| book.peers.values());
        let shown = |known: &Known| {
            let newest = known.newest()?;
            Some(Attested { comparison: known.comparison(), ..newest.clone() })
        };
        peers.filter_map(shown).collect()
    }

    /// Waits until a peer of the channel begins to differ from the own ledger, or has since this was last asked.
    pub async fn contradicted(&self, channel: &ChannelId) {
        let contradiction = Arc::clone(&self.books().entry(channel.clone()).or_default().contradiction);
        contradiction.notified().await;
    }

    fn keep(&self, channel: &ChannelId, attested: Attested, peer: &Bytes) {
        let mut books = self.books();
        let Book { peers, contradiction, .. } = books.entry(channel.clone()).or_default();
        let key = (attested.msp_id.clone(), attested.poi);
        if !peers.contains_key(&key) {
            make_room(peers, &key.0);
        }
        let known = peers.entry(key).or_default();
        known.peer = peer.clone();
        if attested.comparison != Comparison::Ahead {
            if known.settle(channel, attested) {
                contradiction.notify_one();
            }
        } else {
            known.expect(attested);
        }
    }

    fn books(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Book>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets an organisation's oldest attestation where it has as many as are kept.
fn make_room(peers: &mut BTreeMap<(MspId, Poi), Known>, msp_id: &MspId) {
    let of_it = || peers.iter().filter(|((of, _), _)| of == msp_id);
    if of_it().count() < PEERS_OF_ONE_MAX {
        return;
    }
    let number = |known: &Known| known.newest().map(|attested| attested.number);
    let oldest = of_it().min_by_key(|(_, known)| number(known)).map(|(key, _)| key.clone());
    if let Some(oldest) = oldest {
        peers.remove(&oldest);
    }
}

/// One line where a peer begins to differ, and one where it agrees again.
fn tell(channel: &ChannelId, attested: &Attested, was: Comparison) {
    let Attested { msp_id, poi, number, commit_hash, comparison } = attested;
    match (was, comparison) {
        (Comparison::Differs, Comparison::Differs) => {}
        (_, Comparison::Differs) => {
            tracing::warn!(%channel, %msp_id, %poi, block_number = number.0, %commit_hash, "a peer attests another ledger; it is avoided");
        }
        (Comparison::Differs, Comparison::Agrees) => {
            tracing::info!(%channel, %msp_id, %poi, block_number = number.0, "a peer attests this ledger again");
        }
        _ => {}
    }
}

/// Why the own channel stops, and what its operator can do.
fn reason(
    ledger: &dyn ChannelLedger,
    said: &[Attested],
    (by, of): (usize, usize),
) -> Result<String, LedgerFault> {
    let mut rows = Vec::new();
    for Attested { msp_id, number, commit_hash, .. } in said {
        let own = ledger.commit_hash(*number)?.unwrap_or(CommitHash::ZERO);
        rows.push(format!(
            "{msp_id} attests commit hash {commit_hash} at block {number}, this peer has {own}"
        ));
    }
    Ok(format!(
        "this peer's ledger differs from those of {by} of the channel's {of} organisations, a majority: {}; stop the peer, \
         move the channel's folder of its ledgers away, and join the channel again",
        rows.join("; ")
    ))
}

fn read(signed: &SignedAttestation) -> Result<CommitAttestation, Status> {
    let malformed = |error: &dyn fmt::Display| {
        Status::invalid_argument(format!("the attestation does not decode: {error}"))
    };
    let attestation: CommitAttestation = codec::decode_canonical(&signed.attestation, ATTESTATION_BYTES_MAX)
        .map_err(|error| malformed(&error))?;
    codec::expect_version("CommitAttestation", attestation.version, CommitAttestation::VERSION)
        .map_err(|error| malformed(&error))?;
    Ok(attestation)
}

/// Whether a peer that spoke may still speak: its certificate is valid now and believed by the configuration in force, and the
/// ledger does not hold it as revoked.
fn may_speak(ledger: &dyn ChannelLedger, peer: &[u8]) -> Result<bool, LedgerFault> {
    let bundle = ledger.bundle();
    let Ok(identity) = bundle.identify(peer, now_ms()) else { return Ok(false) };
    let record = ledger.identity(identity.msp_id(), &identity.poi())?;
    let is_open = bundle.config().identities == IdentityRule::Open;
    let is_active = record.map_or(is_open, |record| record.status == IdentityStatus::Active);
    Ok(is_active && identity.has_role(Role::Peer))
}

/// The peer that signed, active on the own ledger.
fn attester(ledger: &dyn ChannelLedger, signed: &SignedAttestation) -> Result<VerifiedIdentity, Status> {
    let SignedAttestation { attestation, peer, signature } = signed;
    if peer.len() > IDENTITY_BYTES_MAX {
        return Err(Status::invalid_argument("the attesting peer's identity is too large"));
    }
    let refused = |rejection: &dyn fmt::Display| {
        Status::permission_denied(format!("the attestation is refused: {rejection}"))
    };
    let bundle = ledger.bundle();
    let identity = bundle.msps().identify(peer, now_ms()).map_err(|rejection| refused(&rejection))?;
    if !identity.has_role(Role::Peer) {
        return Err(refused(&"only peers attest, and the signer has another role"));
    }
    identity.verify(attestation, signature).map_err(|rejection| refused(&rejection))?;
    require_active(ledger, &identity)?;
    Ok(identity)
}

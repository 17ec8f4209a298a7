//! The newest attestation of each peer, by channel.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use configtx::ConfigBundle;
use msp::{Signer, SigningError, VerifiedIdentity};
use protocol::limits::IDENTITY_BYTES_MAX;
use protocol::{
    ChannelId, CommitAttestation, CommitHash, Contradiction, IdentityRule, IdentityStatus, MspId, Outvoted,
    Poi, Role, SignedAttestation, codec,
};
use tokio::sync::Notify;
use transport::Status;
use validation::{Comparison, Concord, concord};

use super::known::{Attested, Known, Said};
use crate::ports::{ChannelLedger, LedgerFault};
use crate::signed_request::{ledger_status, now_ms, require_active};

/// A number, two hashes and a channel's name.
pub(super) const ATTESTATION_BYTES_MAX: usize = 1 << 10;
/// Peers of one organisation whose attestations are kept; the one with the oldest makes room.
const PEERS_OF_ONE_MAX: usize = 16;

/// Stops a channel that a majority contradicts, for good.
pub type Stop = Box<dyn Fn(&ChannelId, &Outvoted) + Send + Sync>;

/// One channel's attestations.
#[derive(Default)]
struct Book {
    own: Option<SignedAttestation>,
    peers: BTreeMap<(MspId, Poi), Known>,
    contradiction: Arc<Notify>,
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
        let begins_to_differ = self.keep(ledger.channel(), attested, &signed.peer);
        // All that others said is looked up only where it may stop the channel: a word costs what that word is worth.
        if begins_to_differ && self.is_outvoted(ledger) {
            self.review(ledger).map_err(|fault| ledger_status(&fault))?;
        }
        Ok(comparison)
    }

    /// Whether what is kept would stop the channel, if all of it still counts.
    fn is_outvoted(&self, ledger: &dyn ChannelLedger) -> bool {
        let (bundle, books) = (ledger.bundle(), self.books());
        let book = books.get(ledger.channel());
        book.is_some_and(|book| matches!(self.concord(&bundle, book), Concord::Outvoted(_)))
    }

    /// The own organisation's voice is this peer's.
    fn concord(&self, bundle: &ConfigBundle, book: &Book) -> Concord {
        let others = book.peers.iter().filter(|((msp_id, _), _)| *msp_id != self.own.0);
        let words = others.map(|((msp_id, _), known)| (msp_id, known.comparison()));
        concord(bundle.endorsing_organizations(), words)
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
            let Concord::Outvoted(by) = self.concord(&bundle, book) else { return Ok(()) };
            let compared = book.peers.values().filter_map(|known| known.compared.as_ref());
            let differing = compared.filter(|attested| attested.comparison == Comparison::Differs);
            differing.filter(|attested| by.contains(&attested.msp_id)).cloned().collect()
        };
        let organizations = bundle.endorsing_organizations().count();
        (self.stop)(ledger.channel(), &outvoted(ledger, &said, organizations)?);
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

    /// What every peer attested, sorted by organisation.
    #[must_use]
    pub fn said(&self, channel: &ChannelId) -> Vec<Said> {
        let books = self.books();
        let peers = books.get(channel).into_iter().flat_map(|book| &book.peers);
        peers.map(|((msp_id, poi), known)| known.said(msp_id, *poi)).collect()
    }

    /// Waits until a peer of the channel begins to differ from the own ledger, or has since this was last asked.
    pub async fn contradicted(&self, channel: &ChannelId) {
        let contradiction = Arc::clone(&self.books().entry(channel.clone()).or_default().contradiction);
        contradiction.notified().await;
    }

    /// Returns whether the peer begins to differ by it.
    fn keep(&self, channel: &ChannelId, attested: Attested, peer: &Bytes) -> bool {
        let mut books = self.books();
        let Book { peers, contradiction, .. } = books.entry(channel.clone()).or_default();
        let key = (attested.msp_id.clone(), attested.poi);
        if !peers.contains_key(&key) {
            make_room(peers, &key.0);
        }
        let known = peers.entry(key).or_default();
        known.peer = peer.clone();
        if attested.comparison == Comparison::Ahead {
            known.expect(attested);
            return false;
        }
        let begins_to_differ = known.settle(channel, attested);
        if begins_to_differ {
            contradiction.notify_one();
        }
        begins_to_differ
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

/// Who contradicts the own ledger, and by which hashes.
fn outvoted(
    ledger: &dyn ChannelLedger,
    said: &[Attested],
    organizations: usize,
) -> Result<Outvoted, LedgerFault> {
    let mut contradictions = Vec::new();
    for Attested { msp_id, number, commit_hash, .. } in said {
        contradictions.push(Contradiction {
            msp_id: msp_id.clone(),
            number: *number,
            attested: *commit_hash,
            own: ledger.commit_hash(*number)?.unwrap_or(CommitHash::ZERO),
        });
    }
    Ok(Outvoted::new(u32::try_from(organizations).unwrap_or(u32::MAX), contradictions))
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

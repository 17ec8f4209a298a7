//! The examination of an upload before its chaincode runs: fetch the sealed bytes, open them with the key from the
//! proposal, have the image decoded and hashed.
//!
//! The plaintext is in this process's memory, in one buffer that is wiped, and in that of one image worker, and only as
//! long as it takes. Every refusal comes before the cost that it prevents: forms before the network, the sealed size
//! before the buffer, the image's claimed dimensions before its pixels. How many reports are open at once is bounded, how
//! many are fetched for one organisation, and how many of one organisation are open; nobody waits for his turn to examine
//! while another's bytes are still on their way.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use endorsing::ParsedProposal;
use imaging::DecodeLimits;
use ipfs::{DataKey, OpenError, Opened, SealedStore, open};
use msp::Signer;
use offchain::Cid;
use prost::Message;
use protocol::fabric::SignedProposal;
use protocol::{BlockRequest, FetchReason, MspId, SigningDomain};
use shim::Examination;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::exchange::{FetchError, Fetcher, WantedDag};
use crate::images::{ImageError, ImageReader, ReadImage};
use crate::off_reactor::OffReactor;
use crate::ports::ChannelLedger;
use crate::signed_request::sign;

/// Reports that are open in memory at once: each may take 256 MiB here, and 1.2 GiB in its worker.
pub(crate) const EXAMINATIONS_MAX: usize = 3;
/// Those of one creator's organisation: one fewer, so that no hospital's images, however slow, take every place.
const EXAMINATIONS_OF_ONE_MAX: usize = 2;
/// Reports of one creator's organisation that are fetched at once.
const FETCHES_MAX: usize = 2;
/// How long an upload waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(60);
/// What age adds to a file: header, then 16 bytes a 64 KiB chunk.
const fn sealed_bytes_max(plain: u64) -> u64 {
    plain + (plain >> 12) + 4_096
}

/// Why an upload was not examined.
#[derive(Debug, Error)]
pub enum ExamineError {
    /// A transient field is missing or has another form.
    #[error("the transient field {field} must be {rule}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its rule.
        rule: &'static str,
    },
    /// Nobody gave the sealed bytes.
    #[error(transparent)]
    NotHeld(#[from] FetchError),
    /// The key is another one.
    #[error("the data key does not open the sealed report {cid}")]
    WrongKey {
        /// The sealed report.
        cid: Cid,
    },
    /// The sealed bytes are no intact sealed file.
    #[error("the sealed report {cid} is damaged: {cause}")]
    Damaged {
        /// The sealed report.
        cid: Cid,
        /// What was met.
        cause: String,
    },
    /// More bytes than an image may have.
    #[error("the report has more than {limit} bytes, the limit of images; compress or scale it")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The plaintext is no image that is accepted, or could not be looked at.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Too many examinations are under way.
    #[error("this peer examines {EXAMINATIONS_MAX} reports already; propose again")]
    Busy,
    /// Too many reports of the creator's organisation are being fetched.
    #[error("this peer fetches {FETCHES_MAX} reports of {msp_id} already; propose again")]
    BusyFetching {
        /// The organisation.
        msp_id: MspId,
    },
    /// Too many reports of the creator's organisation are being examined.
    #[error("this peer examines {EXAMINATIONS_OF_ONE_MAX} reports of {msp_id} already; propose again")]
    BusyExamining {
        /// The organisation.
        msp_id: MspId,
    },
    /// This peer failed.
    #[error("this peer could not examine the report: {cause}")]
    Fault {
        /// What failed; without internals.
        cause: String,
    },
}

impl ExamineError {
    /// Whether the proposal may succeed at another time: nothing is wrong with the report itself.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::NotHeld(_)
            | Self::Busy
            | Self::BusyFetching { .. }
            | Self::BusyExamining { .. }
            | Self::Fault { .. } => true,
            Self::Image(error) => error.is_passing(),
            Self::Field { .. } | Self::WrongKey { .. } | Self::Damaged { .. } | Self::TooLarge { .. } => {
                false
            }
        }
    }
}

/// A proposal that may be an upload. Its creator must have been verified.
#[derive(Clone, Copy, Debug)]
pub struct UploadProposal<'a> {
    /// Its parts.
    pub proposal: &'a ParsedProposal,
    /// Organisation of its verified creator.
    pub creator_msp: &'a MspId,
    /// What it was parsed from.
    pub signed: &'a SignedProposal,
}

/// Examines uploads for this peer's endorsements.
pub struct Examiner {
    store: SealedStore,
    fetcher: Arc<Fetcher>,
    images: Arc<dyn ImageReader>,
    limits: DecodeLimits,
    turns: Arc<Semaphore>,
    /// One entry an organisation whose user ever uploaded; only organisations of a channel get that far.
    shares: Mutex<BTreeMap<MspId, Share>>,
}

impl std::fmt::Debug for Examiner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Examiner").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What one organisation may have under way.
#[derive(Clone, Debug)]
struct Share {
    fetches: Arc<Semaphore>,
    examinations: Arc<Semaphore>,
}

impl Default for Share {
    fn default() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { fetches: places(FETCHES_MAX), examinations: places(EXAMINATIONS_OF_ONE_MAX) }
    }
}

impl Examiner {
    /// Examines what is in `store`, or what `fetcher` brings there, with what `images` see.
    #[must_use]
    pub fn new(
        store: SealedStore,
        fetcher: Arc<Fetcher>,
        images: Arc<dyn ImageReader>,
        limits: DecodeLimits,
    ) -> Self {
        let turns = Arc::new(Semaphore::new(EXAMINATIONS_MAX));
        Self { store, fetcher, images, limits, turns, shares: Mutex::default() }
    }

    /// What is in the report that a proposal names in its transient fields; `None` where it names none. The sealed
    /// bytes are asked for at the creator's hospital.
    ///
    /// # Errors
    /// [`ExamineError`] says what is wrong with key, bytes or image, or who was asked for them in vain.
    pub async fn examine(
        &self,
        ledger: &dyn ChannelLedger,
        signer: &dyn Signer,
        upload: &UploadProposal<'_>,
    ) -> Result<Option<Examination>, ExamineError> {
        let Some((cid, key)) = named(upload.proposal)? else { return Ok(None) };
        self.bring(ledger, signer, cid, upload).await?;
        let share = self.share(upload.creator_msp);
        let busy = || ExamineError::BusyExamining { msp_id: upload.creator_msp.clone() };
        let own_turn = turn(&share.examinations).await.ok_or_else(busy)?;
        let turn = turn(&self.turns).await.ok_or(ExamineError::Busy)?;
        self.examine_held(cid, key, (own_turn, turn)).await.map(Some)
    }

    /// Opens, decodes and hashes a sealed report that is in the store. Where the caller goes away the opening goes on to
    /// its end; so do the turns.
    pub(crate) async fn examine_held(
        &self,
        cid: Cid,
        key: DataKey,
        turns: impl Send + Sync + 'static,
    ) -> Result<Examination, ExamineError> {
        let (store, limit) = (self.store.clone(), self.limits.encoded_bytes_max);
        let opening = tokio::task::spawn_blocking(move || {
            open_held(&store, cid, &key, limit).map(|opened| OffReactor::new((opened, turns)))
        });
        // The turns last until the plaintext is wiped.
        let held = opening.await.map_err(|error| fault(&error, "a worker failed"))??;
        let ((Opened { binding, size, sealed_size }, plaintext), _) = &*held;
        let ReadImage { media_type, perceptual_hash } = self.images.read(&plaintext.0, &self.limits).await?;
        let (cid, binding, media_type) =
            (cid.to_string(), binding.to_string(), media_type.as_str().to_owned());
        let (size, sealed_size) = (*size, *sealed_size);
        Ok(Examination { cid, binding, media_type, perceptual_hash, size, sealed_size })
    }

    fn share(&self, msp_id: &MspId) -> Share {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.entry(msp_id.clone()).or_default().clone()
    }

    /// Sees to it that the sealed bytes are here. Only the creator's hospital is shown the proposal: it holds the key.
    async fn bring(
        &self,
        ledger: &dyn ChannelLedger,
        signer: &dyn Signer,
        cid: Cid,
        upload: &UploadProposal<'_>,
    ) -> Result<(), ExamineError> {
        let held = self.store.held(cid).map_err(|error| fault(&error, "its sealed store failed"))?;
        if held.is_some() {
            return Ok(());
        }
        let request = BlockRequest {
            version: 1,
            channel: ledger.channel().clone(),
            root: cid.to_string(),
            reason: FetchReason::Endorsement(Bytes::from(upload.signed.encode_to_vec())),
        };
        let request = sign(signer, SigningDomain::BlockRequest, &request)
            .map_err(|status| fault(&status.message(), "it could not sign its request"))?;
        let share = self.share(upload.creator_msp);
        let busy = || ExamineError::BusyFetching { msp_id: upload.creator_msp.clone() };
        let _turn = turn(&share.fetches).await.ok_or_else(busy)?;
        let bundle = ledger.bundle();
        let size_max = sealed_bytes_max(self.limits.encoded_bytes_max);
        let holder = std::slice::from_ref(upload.creator_msp);
        Ok(self.fetcher.fetch(&bundle, holder, &WantedDag { root: cid, request, size_max }).await?)
    }
}

/// A permit that may go to another thread; `None` where there was none in time.
async fn turn(turns: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    tokio::time::timeout(TURN_TIMEOUT, Arc::clone(turns).acquire_owned()).await.ok()?.ok()
}

/// The sealed report and the key that a proposal names.
fn named(proposal: &ParsedProposal) -> Result<Option<(Cid, DataKey)>, ExamineError> {
    let key = proposal.transient.get(reports::TRANSIENT_DATA_KEY);
    let cid = proposal.transient.get(reports::TRANSIENT_CID);
    let field = |field, rule| ExamineError::Field { field, rule };
    let (key, cid) = match (key, cid) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(field(reports::TRANSIENT_DATA_KEY, "given where content_cid is")),
        (Some(_), None) => return Err(field(reports::TRANSIENT_CID, "given where data_key is")),
        (Some(key), Some(cid)) => (key, cid),
    };
    let key = DataKey::from_slice(key).map_err(|_| field(reports::TRANSIENT_DATA_KEY, "32 bytes"))?;
    let cid = std::str::from_utf8(cid).ok().and_then(|text| text.parse().ok());
    let cid = cid.ok_or_else(|| {
        field(reports::TRANSIENT_CID, "the text of a CID, version 1, raw or dag-pb, sha2-256")
    })?;
    Ok(Some((cid, key)))
}

/// The plaintext of a sealed report that is in the store. Takes the CPU for as long as that needs.
fn open_held(
    store: &SealedStore,
    cid: Cid,
    key: &DataKey,
    limit: u64,
) -> Result<(Opened, PlainBuffer), ExamineError> {
    let held = store.held(cid).map_err(|error| fault(&error, "its sealed store failed"))?;
    let sealed_size = held
        .map(|held| held.sealed_size)
        .ok_or_else(|| ExamineError::Damaged { cid, cause: "it is not in this peer's store".to_owned() })?;
    if sealed_size > sealed_bytes_max(limit) {
        return Err(ExamineError::TooLarge { limit });
    }
    let mut plaintext = PlainBuffer::with_room(sealed_size.min(limit));
    let block = |cid| store.block(cid).map_err(|error| OpenError::Source { cause: error.to_string() });
    let opened = open(cid, key, block, &mut plaintext, limit).map_err(|error| of_opening(cid, error))?;
    Ok((opened, plaintext))
}

fn of_opening(cid: Cid, error: OpenError) -> ExamineError {
    match error {
        OpenError::WrongKey => ExamineError::WrongKey { cid },
        OpenError::TooLarge { limit } => ExamineError::TooLarge { limit },
        OpenError::Damaged { cause } | OpenError::Source { cause } => ExamineError::Damaged { cid, cause },
        OpenError::KeyLength { .. } | OpenError::Key { .. } | OpenError::Target(_) => {
            ExamineError::Fault { cause: error.to_string() }
        }
    }
}

fn fault(error: &dyn std::fmt::Display, what: &str) -> ExamineError {
    tracing::error!(%error, "examine.fault");
    ExamineError::Fault { cause: what.to_owned() }
}

/// Plaintext in memory: wiped when dropped, and never moved to a larger place, which would leave a copy.
pub(crate) struct PlainBuffer(pub(crate) Zeroizing<Vec<u8>>);

impl PlainBuffer {
    /// A buffer for at most so many bytes.
    pub(crate) fn with_room(bytes: u64) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(usize::try_from(bytes).unwrap_or(usize::MAX))))
    }
}

impl Write for PlainBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.0.capacity() - self.0.len() {
            return Err(io::Error::other("more plaintext than was announced"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

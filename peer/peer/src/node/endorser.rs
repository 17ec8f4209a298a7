//! Endorsing: checks a proposal, runs the chaincode, signs what it did.
//!
//! The cheap checks come first, then one signature, then the ledger (registered, not committed before), then the report's
//! content where a key came along, then the chaincode. A refusal by the chaincode is an answer without an endorsement; a
//! proposal that may not run is an error. Proposals are never logged: they carry transient data.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use configtx::{ConfigBundle, is_system_chaincode};
use endorsing::{
    ExecutionResult, ParsedProposal, VerifiedProposal, check_fresh, check_proposal, endorse, parse_proposal,
};
use gateway::ports::ChannelLedger;
use gateway::{Examiner, UploadProposal};
use host::{ChaincodeHost, HostError, Run};
use msp::{MspSet, SigningIdentity, VerifiedIdentity};
use protocol::fabric::{ChaincodeEvent, ProposalResponse, SignedProposal};
use protocol::{ChaincodeDefinition, IdentityRule, IdentityStatus, MspConfig, MspId};
use shim::{Creator, Examination, Invocation};
use tokio::sync::Semaphore;
use transport::services::endorser::Endorser as EndorserService;
use transport::{PeerCertificate, Request, Response, Status};

use super::channel::Channel;
use super::channels::Channels;
use super::clock::now_ms;
use super::metrics::{PeerMetrics, ProposalClock};
use super::settings::with_causes;
use super::system::{self, Asking, SystemCall};

/// The endorser of a peer.
pub struct Endorser {
    pub(crate) channels: Arc<Channels>,
    pub(crate) host: ChaincodeHost,
    pub(crate) signer: Arc<SigningIdentity>,
    pub(crate) own_msp: MspSet,
    pub(crate) examiner: Examiner,
    /// Result of the perceptual hash's self-test on this machine.
    pub(crate) self_test_id: String,
    pub(crate) joined: Arc<system::Joined>,
    /// Places for proposals under way.
    pub(crate) turns: Semaphore,
    pub(crate) metrics: Arc<PeerMetrics>,
}

/// Proposals under way at a time, system calls included: each may hold 17 MiB.
pub const PROPOSALS_MAX: usize = 256;
/// The call that carries a report's key.
const UPLOAD_FUNCTION: &[u8] = b"UploadReport";

impl EndorserService for Endorser {
    async fn process_proposal(
        &self,
        request: Request<SignedProposal>,
    ) -> Result<Response<ProposalResponse>, Status> {
        let caller = request.extensions().get::<PeerCertificate>().cloned();
        self.process(request.into_inner(), caller.as_ref()).await.map(Response::new)
    }
}

impl Endorser {
    /// Answers a signed proposal that came over a connection with that certificate; `None` for the own gateway, which
    /// asked whether the channel admits its caller.
    ///
    /// # Errors
    /// A status for a proposal that may not run: malformed, not signed by a member, not registered, unknown channel or
    /// chaincode, already committed, content that cannot be examined.
    pub async fn process(
        &self,
        signed: SignedProposal,
        caller: Option<&PeerCertificate>,
    ) -> Result<ProposalResponse, Status> {
        let mut clock = self.metrics.proposal();
        let outcome = self.judge(signed, caller, &mut clock).await;
        clock.end(&outcome);
        outcome
    }

    async fn judge(
        &self,
        signed: SignedProposal,
        caller: Option<&PeerCertificate>,
        clock: &mut ProposalClock<'_>,
    ) -> Result<ProposalResponse, Status> {
        let _turn = self.turns.try_acquire().map_err(|_| {
            Status::resource_exhausted(format!(
                "this peer works on {PROPOSALS_MAX} proposals already, the limit; propose again in a moment"
            ))
        })?;
        let proposal =
            parse_proposal(&signed).map_err(|error| Status::invalid_argument(error.to_string()))?;
        if let Some(call) = SystemCall::of(&proposal) {
            clock.concerns("none", proposal.chaincode.as_str());
            return self.answer_system(call, (&proposal, &signed), caller);
        }
        let channel = self.channels.admit(&proposal.channel, caller)?;
        serving(&channel)?;
        let bundle = channel.bundle();
        let verified = check_proposal(proposal, &signed, &bundle, now_ms())
            .map_err(|error| status_of_rejection(&error))?;
        registered(&channel, &bundle, verified.creator())?;
        clock.concerns(channel.channel().as_str(), verified.proposal().chaincode.as_str());
        let tx_id = &verified.proposal().tx_id;
        if channel.transaction(tx_id).map_err(internal)?.is_some() {
            return Err(Status::already_exists(format!(
                "transaction {tx_id} is committed; a new proposal needs a new nonce"
            )));
        }
        let creator_msp = verified.creator().msp_id();
        let examines = may_examine(&bundle, verified.proposal(), creator_msp, self.signer.as_ref().msp_id())?;
        let definition = self.definition(&bundle, &verified)?;
        let examination = if examines { self.examine(&channel, &verified, &signed).await? } else { None };
        let result = self.execute(&channel, &verified, (&bundle, &definition.version), examination).await?;
        let result = ExecutionResult { chaincode_version: definition.version, ..result };
        endorse(&verified, result, self.signer.as_ref(), now_ms())
            .map_err(|error| Status::internal(error.to_string()))
    }

    /// The chaincode's definition, if this peer runs the version that the channel agreed on.
    fn definition(
        &self,
        bundle: &ConfigBundle,
        verified: &VerifiedProposal,
    ) -> Result<ChaincodeDefinition, Status> {
        let name = verified.proposal().chaincode.as_str();
        let Some(definition) = bundle.definition(name) else {
            return Err(Status::not_found(format!(
                "channel {} has no chaincode {name}",
                bundle.config().channel
            )));
        };
        match self.host.installed().get(name) {
            Some(version) if *version == definition.version => {}
            // A release follows all versions of its own chaincode that it knows.
            Some(_) if is_system_chaincode(name) => {}
            Some(version) => {
                return Err(Status::failed_precondition(format!(
                    "this peer has version {version} of chaincode {name}; the channel runs version {}",
                    definition.version
                )));
            }
            None => {
                return Err(Status::failed_precondition(format!(
                    "chaincode {name} is not installed on this peer"
                )));
            }
        }
        if !definition.self_test_id.is_empty() && definition.self_test_id != self.self_test_id {
            return Err(Status::failed_precondition(format!(
                "the perceptual hash of this peer gives self-test {}, the channel's {}; this peer does not endorse {name}",
                self.self_test_id, definition.self_test_id
            )));
        }
        Ok(definition.clone())
    }

    async fn examine(
        &self,
        channel: &Arc<Channel>,
        verified: &VerifiedProposal,
        signed: &SignedProposal,
    ) -> Result<Option<Examination>, Status> {
        let upload = UploadProposal {
            proposal: verified.proposal(),
            creator_msp: verified.creator().msp_id(),
            signed,
        };
        let examined = self.examiner.examine(channel.as_ref(), self.signer.as_ref(), &upload).await;
        examined.map_err(|error| {
            let text = with_causes(&error);
            if error.is_passing() { Status::unavailable(text) } else { Status::invalid_argument(text) }
        })
    }

    async fn execute(
        &self,
        channel: &Channel,
        verified: &VerifiedProposal,
        (bundle, version): (&ConfigBundle, &str),
        examination: Option<Examination>,
    ) -> Result<ExecutionResult, Status> {
        let (proposal, creator) = (verified.proposal(), verified.creator());
        let invocation = Invocation {
            channel: proposal.channel.clone(),
            chaincode: proposal.chaincode.clone(),
            version: version.to_owned(),
            tx_id: proposal.tx_id.clone(),
            args: proposal.args.clone(),
            // The report's key has done its work; a chaincode never sees it.
            transient: without_key(&proposal.transient),
            creator: Creator {
                msp_id: creator.msp_id().clone(),
                poi: creator.poi(),
                roles: creator.roles().to_vec(),
                attributes: creator.attributes().clone(),
            },
            timestamp_ms: proposal.timestamp_ms,
            reports: bundle.config().reports.clone(),
            organization: own_configuration(bundle, proposal, creator.msp_id()),
            examination,
        };
        let state = Arc::new(channel.ledger().snapshot());
        let (started, chaincode) = (Instant::now(), proposal.chaincode.as_str());
        let result = self.host.invoke(Run { invocation, state }).await;
        self.metrics.ran((proposal.channel.as_str(), chaincode), &result, started);
        let result = result.map_err(status_of_host)?;
        let event = result.event.map(|(event_name, payload)| ChaincodeEvent {
            chaincode_id: String::new(),
            tx_id: String::new(),
            event_name,
            payload,
        });
        Ok(ExecutionResult {
            rwset: result.rwset,
            response: result.response,
            event,
            chaincode_version: String::new(),
        })
    }

    fn answer_system(
        &self,
        call: SystemCall,
        (proposal, signed): (&ParsedProposal, &SignedProposal),
        caller: Option<&PeerCertificate>,
    ) -> Result<ProposalResponse, Status> {
        let creator = self.own_msp.identify(&proposal.creator, now_ms()).map_err(|error| {
            Status::permission_denied(format!("system chaincodes serve this peer's organisation: {error}"))
        })?;
        creator.verify(&signed.proposal_bytes, &signed.signature).map_err(|error| {
            Status::permission_denied(format!("the creator's signature is refused: {error}"))
        })?;
        check_fresh(proposal, now_ms()).map_err(|error| status_of_rejection(&error))?;
        let payload = system::answer(
            &call,
            &Asking { channel: &proposal.channel, creator: &creator, caller },
            &self.channels,
            self.joined.as_ref(),
        )?;
        let response = protocol::fabric::Response { status: 200, message: String::new(), payload };
        Ok(ProposalResponse { version: 1, response: Some(response), ..ProposalResponse::default() })
    }
}

/// The creator's organisation, for the system chaincode: it judges certificates that the creator brings.
fn own_configuration(bundle: &ConfigBundle, proposal: &ParsedProposal, creator: &MspId) -> Option<MspConfig> {
    let organization =
        bundle.organization(creator).filter(|_| is_system_chaincode(proposal.chaincode.as_str()));
    organization.map(|organization| organization.msp.clone())
}

/// Whether the proposal's report is examined here. Keys and reports are for the checkers that the channel names and for the
/// creator's own hospital: elsewhere, and in any other call, a key is refused unread.
fn may_examine(
    bundle: &ConfigBundle,
    proposal: &ParsedProposal,
    creator_msp: &MspId,
    own: &MspId,
) -> Result<bool, Status> {
    let fields = [reports::TRANSIENT_DATA_KEY, reports::TRANSIENT_CID];
    if fields.iter().all(|field| proposal.transient.get(*field).is_none()) {
        return Ok(false);
    }
    let function = proposal.args.first().map(AsRef::as_ref);
    if proposal.chaincode.as_str() != reports::NAME || function != Some(UPLOAD_FUNCTION) {
        return Err(Status::invalid_argument(format!(
            "the transient fields {} and {} belong to UploadReport of chaincode {} alone; leave them out",
            fields[0],
            fields[1],
            reports::NAME
        )));
    }
    let rules = bundle.config().reports.as_ref();
    if creator_msp == own || rules.is_some_and(|rules| rules.checkers.organizations.contains(own)) {
        return Ok(true);
    }
    Err(Status::failed_precondition(format!(
        "{own} is no checker of reports on channel {}; the channel's configuration names them \
         (reports.checkers.organizations), and nobody else is to get a data key",
        bundle.config().channel
    )))
}

/// A channel that stopped stays behind: what it says of identities, grants and states may be over.
pub(super) fn serving(channel: &Channel) -> Result<(), Status> {
    channel.unavailable().map_or(Ok(()), |text| Err(Status::unavailable(text)))
}

fn without_key(transient: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let others = transient.iter().filter(|(name, _)| name.as_str() != reports::TRANSIENT_DATA_KEY);
    others.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The creator must be registered and active; on a channel that is open to every certificate of its MSPs, not revoked.
pub(super) fn registered(
    channel: &Channel,
    bundle: &ConfigBundle,
    creator: &VerifiedIdentity,
) -> Result<(), Status> {
    let record = channel.identity(creator.msp_id(), &creator.poi()).map_err(internal)?;
    match record.map(|record| record.status) {
        Some(IdentityStatus::Active) => Ok(()),
        Some(IdentityStatus::Revoked) => Err(revoked(creator)),
        None if bundle.config().identities == IdentityRule::Open => Ok(()),
        None => Err(Status::permission_denied(format!(
            "identity {} of {} is not registered on channel {}; an administrator of {} registers it",
            creator.poi(),
            creator.msp_id(),
            channel.channel(),
            creator.msp_id()
        ))),
    }
}

/// The creator must not be revoked on any channel of this peer: what it asks for concerns the peer, not one channel.
pub(super) fn revoked_nowhere(channels: &Channels, creator: &VerifiedIdentity) -> Result<(), Status> {
    for channel in channels.all() {
        let record = channel.identity(creator.msp_id(), &creator.poi()).map_err(internal)?;
        if record.is_some_and(|record| record.status != IdentityStatus::Active) {
            return Err(revoked(creator));
        }
    }
    Ok(())
}

fn revoked(creator: &VerifiedIdentity) -> Status {
    Status::permission_denied(format!("identity {} of {} is revoked", creator.poi(), creator.msp_id()))
}

fn status_of_rejection(error: &endorsing::ProposalRejection) -> Status {
    use endorsing::ProposalRejection as Rejection;
    match error {
        Rejection::Creator(_) | Rejection::Signature(_) | Rejection::NotAWriter(_) => {
            Status::permission_denied(error.to_string())
        }
        Rejection::UnknownChaincode { .. } => Status::not_found(error.to_string()),
        _ => Status::invalid_argument(error.to_string()),
    }
}

fn status_of_host(error: HostError) -> Status {
    match error {
        HostError::Busy { .. } | HostError::Slow { .. } => Status::resource_exhausted(error.to_string()),
        HostError::DeadlineExceeded { .. } => Status::deadline_exceeded(error.to_string()),
        HostError::UnknownChaincode { .. } => Status::failed_precondition(error.to_string()),
        _ => Status::unavailable(error.to_string()),
    }
}

fn internal(fault: gateway::ports::LedgerFault) -> Status {
    tracing::error!(%fault, "a proposal was not judged");
    Status::internal("the ledger of this peer is not readable")
}

//! Who asks: the identity behind a signed request between nodes, or from a user to the own peer.
//!
//! It decides nothing about reports. A request is believed when its signature, under its own domain, is that of an
//! identity whose certificate chains to an organisation of the channel and whose registration is active on the own
//! ledger. Between nodes the client certificate of the connection must be of the same organisation, so that a request
//! that was captured somewhere is of no use to another organisation.

use std::time::{SystemTime, UNIX_EPOCH};

use msp::{Signer, VerifiedIdentity};
use protocol::{IdentityRule, IdentityStatus, MspId, Role, SignedRequest, SigningDomain, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use transport::{PeerCertificate, Status};

use crate::ports::{ChannelLedger, LedgerFault};

/// The clock of this node, milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Reads the payload of a request that is for `domain`.
pub(crate) fn payload<T: DeserializeOwned>(
    request: &SignedRequest,
    domain: SigningDomain,
    limit: usize,
) -> Result<T, Status> {
    if request.domain != domain {
        return Err(Status::invalid_argument(format!(
            "the request is signed for {:?}, this method takes {domain:?}",
            request.domain
        )));
    }
    codec::decode(&request.payload, limit)
        .map_err(|error| Status::invalid_argument(format!("the request does not decode: {error}")))
}

/// Who signed the request.
pub(crate) fn signer(
    ledger: &dyn ChannelLedger,
    request: &SignedRequest,
    now_ms: u64,
) -> Result<VerifiedIdentity, Status> {
    let bundle = ledger.bundle();
    let identity = bundle
        .identify(&request.signer, now_ms)
        .map_err(|rejection| Status::unauthenticated(format!("the signer is not accepted: {rejection}")))?;
    bundle
        .verify(&identity, &SignedRequest::signed_bytes(request.domain, &request.payload), &request.signature)
        .map_err(|rejection| Status::unauthenticated(format!("the request's signature: {rejection}")))?;
    require_active(ledger, &identity)?;
    Ok(identity)
}

/// Refuses an identity that the ledger does not hold as active.
pub(crate) fn require_active(ledger: &dyn ChannelLedger, identity: &VerifiedIdentity) -> Result<(), Status> {
    let (msp_id, poi) = (identity.msp_id(), identity.poi());
    let record = ledger.identity(msp_id, &poi).map_err(|fault| ledger_status(&fault))?;
    let rule = ledger.bundle().config().identities;
    match record.map(|record| record.status) {
        Some(IdentityStatus::Active) => Ok(()),
        None if rule == IdentityRule::Open => Ok(()),
        Some(IdentityStatus::Revoked) => {
            Err(Status::permission_denied(format!("identity {poi} of {msp_id} is revoked")))
        }
        None => Err(Status::permission_denied(format!(
            "identity {poi} of {msp_id} is not registered on channel {}",
            ledger.channel()
        ))),
    }
}

/// Refuses whoever is not a peer that speaks over a connection of its own organisation.
pub(crate) fn require_peer(
    ledger: &dyn ChannelLedger,
    identity: &VerifiedIdentity,
    certificate: Option<&PeerCertificate>,
) -> Result<(), Status> {
    if !identity.has_role(Role::Peer) {
        return Err(Status::permission_denied("only a peer may ask this; the signer has another role"));
    }
    let bundle = ledger.bundle();
    let connected = certificate.and_then(|certificate| bundle.tls_msp(&certificate.der));
    if connected.as_deref() != Some(identity.msp_id()) {
        return Err(Status::permission_denied(format!(
            "the request is signed by {}, but the connection's certificate is not of that organisation",
            identity.msp_id()
        )));
    }
    Ok(())
}

/// Refuses whoever is not a user or an administrator of the own hospital.
pub(crate) fn require_own_user(own: &MspId, identity: &VerifiedIdentity) -> Result<(), Status> {
    if identity.msp_id() != own {
        return Err(Status::permission_denied(format!(
            "this peer serves the users of {own} only; {} has its own peer",
            identity.msp_id()
        )));
    }
    if identity.has_role(Role::Client) || identity.has_role(Role::Admin) {
        return Ok(());
    }
    Err(Status::permission_denied("only a client or an admin may ask this; the signer has another role"))
}

/// Signs a request as this peer.
pub(crate) fn sign<T: Serialize>(
    signer: &dyn Signer,
    domain: SigningDomain,
    request: &T,
) -> Result<SignedRequest, Status> {
    let payload = codec::encode(request);
    let signature = signer
        .sign(&SignedRequest::signed_bytes(domain, &payload))
        .map_err(|error| Status::internal(format!("this peer cannot sign: {error}")))?;
    Ok(SignedRequest {
        domain,
        payload: payload.into(),
        signer: signer.serialized_identity(),
        signature: signature.into(),
    })
}

/// Logs a fault of the ledger once, where it becomes a status that tells nothing of it.
pub(crate) fn ledger_status(fault: &LedgerFault) -> Status {
    tracing::error!(channel = %fault.channel, cause = %fault.cause, "gateway.ledger_fault");
    Status::internal("the ledger of this peer is not readable; its operator finds the reason in the log")
}

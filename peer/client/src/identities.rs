//! The identities of the own organisation on a channel: register, renew, revoke, read.
//!
//! An administrator signs the transaction, the identity's own key signs the claim: [`claim`] needs that key and nothing
//! else, so that its holder can make the claim where the key is and hand over bytes that are no secret.

use ::identities::{IdentityPage, LIST_IDENTITIES, READ_IDENTITY, ShownIdentity};
use bytes::Bytes;
use configtx::IdentityRules;
use msp::SigningIdentity;
use prost::Message as _;
use protocol::fabric::SerializedIdentity;
use protocol::{
    ChaincodeName, ChannelId, Digest, IdentityAction, IdentityClaim, IdentityRecord, MspId, Poi, ProofScope,
};
use validation::{REGISTER_IDENTITY, RENEW_IDENTITY, REVOKE_IDENTITY};

use crate::connection::Connection;
use crate::draft::Draft;
use crate::error::{ClientError, Fault};
use crate::transactions::Submitted;

/// Pages of a listing; with 500 records each far more than any organisation has.
const PAGES_MAX: usize = 200;

/// A claim of an identity, with the proof by its own key for that scope.
///
/// # Errors
/// [`Fault::Proposal`] where the identity cannot be read back, which a loaded one always can.
pub fn claim(
    scope: ProofScope,
    channel: &ChannelId,
    identity: &SigningIdentity,
    mut tls_spki: Vec<Digest>,
) -> Result<IdentityClaim, ClientError> {
    tls_spki.sort_unstable();
    tls_spki.dedup();
    let serialized = SerializedIdentity::decode(identity.serialized())
        .map_err(|error| Fault::Proposal { reason: error.to_string() })?;
    let mut claim = IdentityClaim {
        version: IdentityClaim::VERSION,
        msp_id: identity.msp_id().clone(),
        certificate: serialized.id_bytes,
        tls_spki,
        proof: Bytes::new(),
    };
    claim.proof = identity.sign(&claim.proven_bytes(scope, channel, &identity.poi())).into();
    Ok(claim)
}

impl Connection {
    /// The claim of this connection's own user and TLS key, for an administrator to register or renew.
    ///
    /// # Errors
    /// As [`claim`].
    pub fn own_claim(
        &self,
        scope: ProofScope,
        channel: &ChannelId,
        mut tls_spki: Vec<Digest>,
    ) -> Result<IdentityClaim, ClientError> {
        tls_spki.push(self.tls_spki());
        claim(scope, channel, self.signer(), tls_spki)
    }

    /// What the proof of a renewal must be good for, by the rules that the channel has in force, where the record had so many
    /// changes.
    ///
    /// # Errors
    /// As [`Connection::channel_config`].
    pub async fn renewal_scope(&self, channel: &ChannelId, changes: u64) -> Result<ProofScope, ClientError> {
        Ok(IdentityRules::of(&self.channel_config(channel).await?).renewal(changes))
    }

    /// Registers or renews the identity of a claim. Returns its record.
    ///
    /// # Errors
    /// As [`Connection::submit`]; the chaincode's refusals name the rule.
    pub async fn submit_claim(
        &self,
        action: IdentityAction,
        channel: &ChannelId,
        claim: &IdentityClaim,
    ) -> Result<(ShownIdentity, Submitted), ClientError> {
        let function = match action {
            IdentityAction::Register => REGISTER_IDENTITY,
            IdentityAction::Renew => RENEW_IDENTITY,
        };
        let mut draft = Draft::new(chaincode()?, function, &[]);
        draft.args.push(claim.to_bytes().into());
        self.change(channel, &draft).await
    }

    /// Revokes an identity, for good; with its certificate (PEM) also one that was never registered. Returns its record.
    ///
    /// # Errors
    /// As [`Connection::submit`]; the chaincode's refusals name the rule.
    pub async fn revoke_identity(
        &self,
        channel: &ChannelId,
        msp_id: &MspId,
        poi: &Poi,
        certificate: Option<Bytes>,
    ) -> Result<(ShownIdentity, Submitted), ClientError> {
        let mut draft = Draft::new(chaincode()?, REVOKE_IDENTITY, &[msp_id.as_str(), &poi.to_string()]);
        draft.args.extend(certificate);
        self.change(channel, &draft).await
    }

    /// The record of an identity.
    ///
    /// # Errors
    /// As [`Connection::evaluate`]; status 404 where it is not registered.
    pub async fn identity(
        &self,
        channel: &ChannelId,
        msp_id: &MspId,
        poi: &Poi,
    ) -> Result<ShownIdentity, ClientError> {
        let draft = Draft::new(chaincode()?, READ_IDENTITY, &[msp_id.as_str(), &poi.to_string()]);
        let response = self.evaluate(channel, &draft, &[]).await?;
        self.read_json(&response.payload)
    }

    /// The records of an organisation, by PoI.
    ///
    /// # Errors
    /// As [`Connection::evaluate`].
    pub async fn identities(
        &self,
        channel: &ChannelId,
        msp_id: &MspId,
    ) -> Result<Vec<ShownIdentity>, ClientError> {
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let args: Vec<&str> = std::iter::once(msp_id.as_str()).chain(after.as_deref()).collect();
            let draft = Draft::new(chaincode()?, LIST_IDENTITIES, &args);
            let page: IdentityPage = self.read_json(&self.evaluate(channel, &draft, &[]).await?.payload)?;
            found.extend(page.identities);
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok(found)
    }

    /// Submits a change and adds to the record the block in which it came to stand, as validation does.
    async fn change(
        &self,
        channel: &ChannelId,
        draft: &Draft,
    ) -> Result<(ShownIdentity, Submitted), ClientError> {
        let submitted = self.submit(channel, draft).await?;
        let mut record: ShownIdentity = self.read_json(&submitted.payload)?;
        record.changed_at.push(submitted.block_number.0);
        Ok((record, submitted))
    }
}

fn chaincode() -> Result<ChaincodeName, Fault> {
    ChaincodeName::new(IdentityRecord::NAMESPACE).map_err(Fault::Name)
}

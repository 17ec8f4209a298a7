//! A checked and compiled configuration: what every node asks about its channel.
//!
//! It is built once for each configuration block and then only read. A bundle exists only where every rule holds, so
//! that no reader checks again.

use std::{collections::BTreeMap, sync::Arc};

use msp::{
    IdentityRejection, KnownSignatures, MspSet, SignatureClaim, SignatureRejection, VerifiedIdentity,
    VerifiedSignature,
};
use policy::CompiledPolicy;
use protocol::{BlockSignature, ChaincodeDefinition, ChannelConfig, Digest, MspId, Organization};

use crate::{
    capabilities::{Capabilities, V9_9, has},
    check,
    consenters::{BlockSignatureRejection, ConsenterSet},
    identities::KnownIdentities,
    policies::{Policies, paths},
    problem::{ConfigError, Problems},
    system::{self, IdentityRules},
    tls_members::TlsMembers,
};

/// A channel's configuration in force.
#[derive(Debug)]
pub struct ConfigBundle {
    config: ChannelConfig,
    /// What this build knows: the configurations that follow are judged by it.
    known: Capabilities,
    msps: MspSet,
    policies: Policies,
    /// Who endorses a change of an organisation's identities.
    identity_policies: BTreeMap<MspId, CompiledPolicy>,
    consenters: ConsenterSet,
    identities: KnownIdentities,
    signatures: KnownSignatures,
    tls_members: TlsMembers,
}

impl ConfigBundle {
    /// Checks every rule of a configuration and compiles its organisations and policies, for a build that knows the
    /// capabilities of this release.
    ///
    /// # Errors
    /// [`ConfigError`] with every broken rule, its place and the value found there.
    pub fn new(config: ChannelConfig) -> Result<Self, ConfigError> {
        Self::known_to(config, Capabilities::RELEASED)
    }

    /// As [`ConfigBundle::new`], for a build that knows these capabilities.
    ///
    /// # Errors
    /// As [`ConfigBundle::new`].
    pub fn known_to(config: ChannelConfig, known: Capabilities) -> Result<Self, ConfigError> {
        Self::checked(config, known, |_, _, _| {})
    }

    /// As [`ConfigBundle::new`], with the rules for a configuration that is being made: one that is in force already and
    /// breaks them is gone on with, since no node of its channel could start otherwise, nor repair it.
    ///
    /// # Errors
    /// As [`ConfigBundle::new`], and for an upload policy that the checkers cannot meet.
    pub fn proposed(config: ChannelConfig) -> Result<Self, ConfigError> {
        Self::proposed_to(config, Capabilities::RELEASED)
    }

    pub(crate) fn proposed_to(config: ChannelConfig, known: Capabilities) -> Result<Self, ConfigError> {
        Self::checked(config, known, check::uploads)
    }

    fn checked(
        config: ChannelConfig,
        known: Capabilities,
        besides: impl FnOnce(&ChannelConfig, &Policies, &mut Problems),
    ) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        check::form(&config, known, &mut problems);
        let msps = check::organizations(&config, &mut problems);
        let policies = Policies::compile(&config, &mut problems);
        besides(&config, &policies, &mut problems);
        let identity_policies = system::policies(&config, &mut problems);
        let consenters = match &msps {
            Some(msps) => {
                check::first_identities(&config, msps, &mut problems);
                ConsenterSet::new(&config, msps, &mut problems)
            }
            None => ConsenterSet::default(),
        };
        if let (Some(msps), true) = (msps, problems.is_empty()) {
            let (identities, signatures) = (KnownIdentities::default(), KnownSignatures::default());
            return Ok(Self {
                config,
                known,
                msps,
                policies,
                identity_policies,
                consenters,
                identities,
                signatures,
                tls_members: TlsMembers::default(),
            });
        }
        // Without organisations there is at least one problem, so this always answers the error.
        Err(problems.into_result().err().unwrap_or(ConfigError { problems: Vec::new() }))
    }

    /// The configuration itself.
    #[must_use]
    pub fn config(&self) -> &ChannelConfig {
        &self.config
    }

    /// The capabilities that this build knows.
    #[must_use]
    pub const fn known(&self) -> Capabilities {
        self.known
    }

    /// The version of block headers that follow this configuration: no other is written, nor believed.
    #[must_use]
    pub fn header_version(&self) -> u16 {
        if has(&self.config, &V9_9) { 2 } else { 1 }
    }

    /// The rules by which identities change.
    #[must_use]
    pub fn identity_rules(&self) -> IdentityRules {
        IdentityRules::of(&self.config)
    }

    /// The verifiers of its organisations.
    #[must_use]
    pub fn msps(&self) -> &MspSet {
        &self.msps
    }

    /// The identity in `serialized` (Fabric's `SerializedIdentity`) at `at_ms` Unix milliseconds. Answers as
    /// [`MspSet::identify`], and remembers the certificates that hold.
    ///
    /// # Errors
    /// [`IdentityRejection`] with the first rule that the identity breaks.
    pub fn identify(&self, serialized: &[u8], at_ms: u64) -> Result<VerifiedIdentity, IdentityRejection> {
        self.identities.identify(&self.msps, serialized, at_ms)
    }

    /// The organisation whose TLS CA issued the certificate (DER); `None` for a stranger to the channel. Answers as
    /// [`MspSet::tls_msp`], and finds no issuer twice.
    #[must_use]
    pub fn tls_msp(&self, tls_cert_der: &[u8]) -> Option<Arc<MspId>> {
        self.tls_members.issuer(&self.msps, tls_cert_der)
    }

    /// Proof that `identity` signed `message`. Answers as [`VerifiedIdentity::verify`], and checks nothing twice.
    ///
    /// # Errors
    /// [`SignatureRejection`]: malformed, or not made by this key over this message.
    pub fn verify(
        &self,
        identity: &VerifiedIdentity,
        message: &[u8],
        signature: &[u8],
    ) -> Result<VerifiedSignature, SignatureRejection> {
        self.signatures.verify(identity, message, signature)
    }

    /// The verdict on each claim, in their order, as [`ConfigBundle::verify`] gives it alone: what is not remembered is verified
    /// together.
    pub fn verify_all(
        &self,
        claims: &[SignatureClaim<'_>],
    ) -> Vec<Result<VerifiedSignature, SignatureRejection>> {
        self.signatures.verify_all(claims)
    }

    /// The policy at a path, such as [`paths::APPLICATION_WRITERS`]; `None` where none stands and none by default.
    #[must_use]
    pub fn policy(&self, path: &str) -> Option<&CompiledPolicy> {
        self.policies.at(path)
    }

    /// The definition of a chaincode that the channel runs: one of its configuration, or the system's own.
    #[must_use]
    pub fn definition(&self, chaincode: &str) -> Option<&ChaincodeDefinition> {
        self.config.chaincode(chaincode).or_else(|| system::definition(chaincode, self.identity_rules()))
    }

    /// The policy that the endorsements of a creator's transaction must meet. Changes of identities need one peer of the
    /// creator's organisation and no other; every other chaincode answers as [`ConfigBundle::endorsement_policy`].
    #[must_use]
    pub fn endorsement_policy_for(&self, chaincode: &str, creator: &MspId) -> Option<&CompiledPolicy> {
        if system::is_system_chaincode(chaincode) {
            return self.identity_policies.get(creator);
        }
        self.endorsement_policy(chaincode)
    }

    /// The endorsement policy of a chaincode of the channel: its own, or `/Channel/Application/Endorsement`. `None` for
    /// a name that the channel does not define.
    #[must_use]
    pub fn endorsement_policy(&self, chaincode: &str) -> Option<&CompiledPolicy> {
        self.config.chaincode(chaincode)?;
        self.policies.endorsement(chaincode)
    }

    /// The policy of an organisation's own administrators; `None` for an organisation that the channel does not have.
    #[must_use]
    pub fn admins_of(&self, msp_id: &MspId) -> Option<&CompiledPolicy> {
        self.policies.admins_of(msp_id)
    }

    /// Whether a block with this header (its canonical bytes) was signed by strictly more than half of the consenters
    /// and by whom the policy `BlockValidation` demands. A signature that does not hold is not counted.
    ///
    /// # Errors
    /// [`BlockSignatureRejection`].
    pub fn verify_block_signatures(
        &self,
        header_bytes: &[u8],
        signatures: &[BlockSignature],
    ) -> Result<(), BlockSignatureRejection> {
        self.consenters.verify(header_bytes, signatures, self.policy(paths::BLOCK_VALIDATION))
    }

    /// The number of the consenter with that TLS key.
    #[must_use]
    pub fn consenter_of_tls_spki(&self, spki: &Digest) -> Option<u32> {
        let place =
            self.config.orderer.consenters.iter().position(|consenter| consenter.tls_spki == *spki)?;
        u32::try_from(place).ok()
    }

    /// The organisation of that MSP id.
    #[must_use]
    pub fn organization(&self, msp_id: &MspId) -> Option<&Organization> {
        self.config.organization(msp_id)
    }

    /// The organisations that have peers, sorted: those that can endorse.
    pub fn endorsing_organizations(&self) -> impl Iterator<Item = &MspId> {
        let with_peers =
            self.config.organizations.iter().filter(|organization| !organization.peers.is_empty());
        with_peers.map(|organization| &organization.msp.msp_id)
    }
}

//! From the file to a channel's configuration: every name read, every file opened, every problem gathered.
//!
//! What a configuration must keep is decided by `configtx`; here is only what the file alone can get wrong: paths, units,
//! names that no organisation has. Paths are relative to the file's folder.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use configtx::{ConfigBundle, ConfigProblem};
use issuing::{Certificate, KemPublicKey};
use protocol::{
    BatchConfig, Capability, ChannelConfig, ChannelId, Consenter, Digest, Endpoint, IdentityRule, MspId,
    OrdererConfig, Organization, RegisteredIdentity,
};

use crate::consortium::{ConsenterEntry, Consortium, OrdererSection, OrganizationEntry, Profile};
use crate::gathering::Gathering;
use crate::{identities, reports, units};

/// A certificate or a public key is a page of text.
const PEM_BYTES_MAX: u64 = 64 << 10;

/// The configuration that a profile describes, checked by `configtx`. A profile that names no capabilities has those in
/// `capabilities`.
///
/// # Errors
/// Every problem of the file and, where enough of it could be read, of the configuration.
pub fn channel_config(
    consortium: &Consortium,
    profile: Option<&str>,
    (channel, capabilities): (ChannelId, Vec<Capability>),
    folder: &Path,
) -> Result<ChannelConfig, Vec<ConfigProblem>> {
    let mut reading = Reading { folder, gathering: Gathering::default() };
    let Some(profile) = reading.profile(consortium, profile) else {
        return Err(reading.gathering.into_problems(Vec::new()));
    };
    let config = reading.config(consortium, profile, (channel, capabilities));
    if reading.gathering.incomplete {
        return Err(reading.gathering.into_problems(Vec::new()));
    }
    match ConfigBundle::proposed(config) {
        Ok(bundle) => {
            let problems = reading.gathering.into_problems(Vec::new());
            if problems.is_empty() { Ok(bundle.config().clone()) } else { Err(problems) }
        }
        Err(error) => Err(reading.gathering.into_problems(error.problems)),
    }
}

struct Reading<'a> {
    folder: &'a Path,
    gathering: Gathering,
}

impl Reading<'_> {
    fn profile<'a>(&mut self, consortium: &'a Consortium, name: Option<&str>) -> Option<&'a Profile> {
        let known: Vec<&str> = consortium.profiles.keys().map(String::as_str).collect();
        let only = match known[..] {
            [only] => Some(only),
            _ => None,
        };
        let found = name.or(only).and_then(|name| consortium.profiles.get(name));
        if found.is_none() {
            let rule = format!("name one of the file's profiles by --profile: {}", known.join(", "));
            self.gathering.add("Profiles", name.unwrap_or_default(), rule);
        }
        found
    }

    fn config(
        &mut self,
        consortium: &Consortium,
        profile: &Profile,
        (channel, capabilities): (ChannelId, Vec<Capability>),
    ) -> ChannelConfig {
        let named = profile.capabilities.as_ref();
        let named = named.map(|names| names.iter().cloned().map(Capability).collect());
        let mut organizations = Vec::new();
        let mut first_identities = Vec::new();
        for entry in self.members(consortium, profile) {
            if let Some((organization, identities)) = self.organization(entry) {
                organizations.push(organization);
                first_identities.extend(identities);
            }
        }
        configtx::in_canonical_order(ChannelConfig {
            version: ChannelConfig::VERSION,
            channel,
            sequence: 0,
            capabilities: named.unwrap_or(capabilities),
            organizations,
            orderer: self.orderer(&profile.orderer),
            policies: profile.policies.clone(),
            chaincodes: reports::chaincodes(&profile.chaincodes, &mut self.gathering),
            reports: profile.reports.as_ref().map(|section| reports::config(section, &mut self.gathering)),
            identities: self.identity_rule(profile.identities.as_deref()),
            first_identities,
        })
    }

    /// The organisations of a profile; a name that stands there twice or is unknown is a problem.
    fn members<'a>(&mut self, consortium: &'a Consortium, profile: &Profile) -> Vec<&'a OrganizationEntry> {
        let mut seen = BTreeSet::new();
        for entry in consortium.organizations.iter().filter(|entry| !seen.insert(&entry.name)) {
            self.gathering.add(
                "Organizations",
                &entry.name,
                "two organisations have this Name; choose another",
            );
        }
        let Some(names) = &profile.organizations else {
            return consortium.organizations.iter().collect();
        };
        let mut members = Vec::new();
        for name in names {
            let found = consortium.organizations.iter().find(|entry| entry.name == *name);
            let rule = "no Name under Organizations at the top of the file";
            members.extend(self.gathering.need("Profile.Organizations", name, found.ok_or(rule)));
        }
        members
    }

    fn organization(&mut self, entry: &OrganizationEntry) -> Option<(Organization, Vec<RegisteredIdentity>)> {
        let place = |key: &str| format!("Organizations[{}].{key}", entry.name);
        let msp_id = self.gathering.need(place("ID"), &entry.id, MspId::new(entry.id.as_str()));
        let kem_public_key = entry.kem_file.as_ref().and_then(|file| {
            let key = self
                .pem(file)
                .and_then(|text| KemPublicKey::from_pem(&text).map_err(|error| error.to_string()));
            self.gathering.need(place("KemFile"), file, key).map(|key| Digest(*key.as_bytes()))
        });
        if entry.kem_file.is_none() && !entry.peers.is_empty() {
            self.gathering.add(
                place("KemFile"),
                "",
                "an organisation with peers needs it, such as `…/kem/public.pem`",
            );
        }
        let endpoints: Vec<Endpoint> = (entry.peers.iter())
            .filter_map(|text| self.gathering.check(place("Peers"), text, endpoint(text)))
            .collect();
        let msp_dir = self.folder.join(&entry.msp_dir);
        let loaded = node::load_msp(&msp_dir, msp_id?);
        let msp = self.gathering.need(place("MSPDir"), &entry.msp_dir, loaded)?.config;
        let identities = identities::found_beside(&msp_dir, &msp, &place("MSPDir"), &mut self.gathering);
        let policies = entry.policies.clone();
        Some((Organization { msp, kem_public_key, peers: endpoints, policies }, identities))
    }

    fn orderer(&mut self, section: &OrdererSection) -> OrdererConfig {
        let place = |key: &str| format!("Orderer.{key}");
        let mut size = |key: &str, text: &str| {
            self.gathering.check(place(&format!("BatchSize.{key}")), text, units::bytes(text)).unwrap_or(1)
        };
        let absolute_max_bytes = size("AbsoluteMaxBytes", &section.batch_size.absolute_max_bytes);
        let preferred_max_bytes = size("PreferredMaxBytes", &section.batch_size.preferred_max_bytes);
        let timeout = units::milliseconds(&section.batch_timeout);
        let batch = BatchConfig {
            max_message_count: section.batch_size.max_message_count,
            absolute_max_bytes,
            // A size that was not understood must not give a second problem by its stand-in.
            preferred_max_bytes: if absolute_max_bytes == 1 { 1 } else { preferred_max_bytes },
            timeout_ms: self
                .gathering
                .check(place("BatchTimeout"), &section.batch_timeout, timeout)
                .unwrap_or(1),
        };
        let numbered = section.consenters.iter().enumerate();
        let consenters = numbered.filter_map(|(number, entry)| self.consenter(number, entry)).collect();
        OrdererConfig { consenters, batch, difficulty_bits: section.difficulty_bits }
    }

    fn consenter(&mut self, number: usize, entry: &ConsenterEntry) -> Option<Consenter> {
        let place = |key: &str| format!("Orderer.Consenters[{number}].{key}");
        let msp_id = self.gathering.need(place("MSPID"), &entry.msp_id, MspId::new(entry.msp_id.as_str()));
        let identity = self.pem(&entry.identity);
        let identity = self.gathering.need(place("Identity"), &entry.identity, identity);
        let spki = self.tls_spki(&entry.server_tls_cert);
        let tls_spki = self.gathering.need(place("ServerTLSCert"), &entry.server_tls_cert, spki);
        if let Some(file) = &entry.client_tls_cert {
            let spki = self.tls_spki(file);
            let client = self.gathering.check(place("ClientTLSCert"), file, spki);
            if client.is_some() && tls_spki.is_some() && client != tls_spki {
                let rule = "its key is not that of ServerTLSCert; a consenter is known by one TLS key";
                self.gathering.add(place("ClientTLSCert"), file, rule);
            }
        }
        Some(Consenter {
            msp_id: msp_id?,
            endpoint: Endpoint { host: entry.host.clone(), port: entry.port },
            identity_cert: Bytes::from(identity?),
            tls_spki: tls_spki?,
        })
    }

    fn identity_rule(&mut self, text: Option<&str>) -> IdentityRule {
        match text {
            None | Some("registered") => {}
            Some("open") => return IdentityRule::Open,
            Some(other) => self.gathering.add("Identities", other, "write `registered` or `open`"),
        }
        IdentityRule::Registered
    }

    fn tls_spki(&self, file: &str) -> Result<Digest, String> {
        spki_of_pem(&self.pem(file)?)
    }

    fn pem(&self, file: &str) -> Result<String, String> {
        read_pem(&self.folder.join(file))
    }
}

/// SHA-256 of the certificate's SubjectPublicKeyInfo.
pub fn spki_of_pem(text: &str) -> Result<Digest, String> {
    let certificate = Certificate::from_pem(text).map_err(|error| error.to_string())?;
    msp::spki_sha256(certificate.der()).map(Digest).map_err(|error| error.to_string())
}

/// The text of a small file; the error says what to do.
pub fn read_pem(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("{}: {error}; correct the path", path.display());
    if std::fs::metadata(path).map_err(failed)?.len() > PEM_BYTES_MAX {
        return Err(format!("{}: larger than {PEM_BYTES_MAX} bytes; name a PEM file", path.display()));
    }
    std::fs::read_to_string(path).map_err(failed)
}

fn endpoint(text: &str) -> Result<Endpoint, &'static str> {
    let rule = "write `host:port`, such as `peer0.hospital-a.example.com:7051`";
    let (host, port) = text.rsplit_once(':').ok_or(rule)?;
    let port = port.parse().map_err(|_| rule)?;
    if host.is_empty() { Err(rule) } else { Ok(Endpoint { host: host.to_owned(), port }) }
}

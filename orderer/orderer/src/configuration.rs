//! The orderer's settings: Fabric's names, in the file `orderer.yaml` and in variables `ORDERER_*`.
//!
//! Two views: what users wrote ([`Written`]), and what the node runs with ([`Settings`]): keys read, certificates checked,
//! the genesis block compiled, the own place among the consenters found. The passage between them gathers every problem,
//! and nothing is opened or bound before it is through.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use configtx::{Capabilities, ConfigBundle, config_of_block};
use msp::SigningIdentity;
use node::{Layers, Problems, SettingsErrors, load_folder, load_msp};
use ordering::ConsenterKeys;
use protocol::limits::CONFIG_BYTES_MAX;
use protocol::{Block, MspId};
use serde::{Deserialize, Serialize};
use transport::{TlsIdentity, TrustRoots};

/// The prefix of the variables, Fabric's.
const ENV_PREFIX: &str = "ORDERER";
/// A certificate or key file.
const PEM_BYTES_MAX: u64 = 1 << 20;
/// A genesis block: a configuration and its header.
const GENESIS_BYTES_MAX: u64 = CONFIG_BYTES_MAX as u64 + (1 << 20);
/// Channels of one node: each is a group of consensus with timers, a store and queues of its own.
const CHANNELS_MAX: usize = 32;
/// The setting of the CAs that are believed beside the channels'.
const ROOT_CAS: &str = "General.TLS.RootCAs";
/// The setting of the CAs of who may ask how the node fares.
const OPERATOR_CAS: &str = "Operations.TLS.ClientRootCAs";
const CA_FIX: &str = "name files with CA certificates, PEM";
/// The setting of the genesis blocks.
const BOOTSTRAP_FILE: &str = "General.BootstrapFile";

/// What users wrote.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Written {
    general: General,
    file_ledger: FileLedger,
    operations: Operations,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct General {
    listen_address: String,
    listen_port: u16,
    #[serde(rename = "LocalMSPID")]
    local_msp_id: String,
    #[serde(rename = "LocalMSPDir")]
    local_msp_dir: PathBuf,
    bootstrap_method: String,
    bootstrap_file: PathBuf,
    #[serde(rename = "TLS")]
    tls: Tls,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tls {
    enabled: bool,
    private_key: PathBuf,
    certificate: PathBuf,
    #[serde(rename = "RootCAs")]
    root_cas: Vec<PathBuf>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FileLedger {
    location: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Operations {
    listen_address: String,
    #[serde(rename = "TLS")]
    tls: OperationsTls,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct OperationsTls {
    #[serde(rename = "ClientRootCAs")]
    client_root_cas: Vec<PathBuf>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            general: General {
                listen_address: "127.0.0.1".to_owned(),
                listen_port: 7050,
                local_msp_id: "SampleOrg".to_owned(),
                local_msp_dir: "msp".into(),
                bootstrap_method: "file".to_owned(),
                bootstrap_file: "genesis.block".into(),
                tls: Tls {
                    enabled: true,
                    private_key: "tls/server.key".into(),
                    certificate: "tls/server.crt".into(),
                    root_cas: vec!["tls/ca.crt".into()],
                },
            },
            file_ledger: FileLedger { location: "ledger".into() },
            operations: Operations { listen_address: String::new(), tls: OperationsTls::default() },
        }
    }
}

/// What the node runs with.
#[derive(Debug)]
pub struct Settings {
    /// Host and port of the gRPC listener.
    pub listen: (String, u16),
    /// Where `/healthz` is served; `None` for nowhere.
    pub operations: Option<String>,
    /// The folder of the ledgers.
    pub ledger: PathBuf,
    /// The TLS key and certificate.
    pub tls: TlsIdentity,
    /// Whom TLS believes: the files named, and the TLS CAs of all channels.
    pub roots: TrustRoots,
    /// Those of the files named, which every configuration leaves in force: the own organisation's.
    pub own_roots: Vec<Bytes>,
    /// Whom the operations listener believes: the own organisation, and whom its settings name.
    pub operators: TrustRoots,
    /// The signing identity.
    pub signer: Arc<SigningIdentity>,
    /// The channels, sorted by name; at least one.
    pub channels: Vec<ChannelSettings>,
}

/// A channel that this node orders for.
#[derive(Debug)]
pub struct ChannelSettings {
    /// The block that begins it.
    pub genesis: Block,
    /// Its configuration.
    pub bundle: Arc<ConfigBundle>,
}

/// Which nodes may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Consenters that the genesis block of each channel names.
    Named,
    /// Any: a later configuration names them.
    Any,
}

/// Reads the settings: defaults, then `file`, then the environment. Channels are those of a build that knows `known`.
///
/// # Errors
/// Every problem, with its origin and fix.
pub fn read(file: Option<&Path>, place: Place, known: Capabilities) -> Result<Settings, SettingsErrors> {
    let layers = Layers::new().defaults(&Written::default());
    let layers = match file {
        Some(path) => layers.file(path),
        None => layers,
    };
    let base = file.and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    layers
        .env(ENV_PREFIX)
        .resolve(|written, problems| Passage { written, base, place, known, problems }.settings())
}

struct Passage<'a> {
    written: &'a Written,
    /// Relative paths begin at the file's folder, as in Fabric.
    base: PathBuf,
    place: Place,
    known: Capabilities,
    problems: &'a mut Problems,
}

impl Passage<'_> {
    fn settings(mut self) -> Option<Settings> {
        let General { listen_address, listen_port, tls, .. } = &self.written.general;
        if !tls.enabled {
            let fix = "remove the setting: every connection uses mutual TLS";
            self.problems.add("General.TLS.Enabled", false, "this node speaks nothing else", fix);
        }
        self.bootstrap_method();
        let signer = self.signer();
        let identity = self.tls();
        let genesis = self.genesis();
        let own_roots = self.own_roots();
        let operators = self.operators(own_roots.as_deref());
        let roots = self.roots(own_roots.as_deref(), genesis.as_deref().unwrap_or_default());
        let (signer, identity) = (signer?, identity?);
        let channels = self.channels(genesis?, &signer, &identity)?;
        let operations = Some(self.written.operations.listen_address.clone()).filter(|text| !text.is_empty());
        Some(Settings {
            listen: (listen_address.clone(), *listen_port),
            operations,
            ledger: self.base.join(&self.written.file_ledger.location),
            tls: identity,
            roots: roots?,
            own_roots: own_roots?,
            operators: operators?,
            signer: Arc::new(signer),
            channels,
        })
    }

    fn bootstrap_method(&mut self) {
        let method = &self.written.general.bootstrap_method;
        if method != "file" {
            let fix = "write file, and the genesis block's path in BootstrapFile";
            self.problems.add("General.BootstrapMethod", method, "is not offered", fix);
        }
    }

    fn signer(&mut self) -> Option<SigningIdentity> {
        const ID: &str = "General.LocalMSPID";
        const DIR: &str = "General.LocalMSPDir";
        let general = &self.written.general;
        let id = &general.local_msp_id;
        let msp_id = self.problems.check(ID, id, MspId::new(id.as_str()), "write the organisation's MSP id");
        let path = self.base.join(&general.local_msp_dir);
        let fix = "name the node's msp folder, with signcerts and keystore";
        let Some(msp_id) = msp_id else {
            // The folder is looked at all the same, so that both problems are reported together.
            self.problems.check(DIR, path.display(), load_folder(&path), fix)?;
            return None;
        };
        let loaded = load_msp(&path, msp_id);
        let folder = self.problems.check(DIR, path.display(), loaded, fix)?;
        self.problems.check(DIR, path.display(), folder.into_signer(), fix)
    }

    fn tls(&mut self) -> Option<TlsIdentity> {
        let tls = &self.written.general.tls;
        let certificate = self.file("General.TLS.Certificate", &tls.certificate, PEM_BYTES_MAX);
        let key = self.file("General.TLS.PrivateKey", &tls.private_key, PEM_BYTES_MAX);
        let identity = TlsIdentity::from_pem(&certificate?, &key?);
        let shown = self.base.join(&tls.certificate);
        let fix = "name the node's TLS certificate and its own key, both PEM";
        self.problems.check("General.TLS.Certificate", shown.display(), identity, fix)
    }

    /// The genesis block of each channel: the file named, or every `*.block` of the folder named.
    fn genesis(&mut self) -> Option<Vec<(Block, Arc<ConfigBundle>)>> {
        let named = self.written.general.bootstrap_file.clone();
        let path = self.base.join(&named);
        let files = if path.is_dir() {
            let fix = "name a folder with the genesis block of each channel";
            let names = self.problems.check(BOOTSTRAP_FILE, path.display(), blocks_in(&path), fix)?;
            names.into_iter().map(|name| named.join(name)).collect()
        } else {
            vec![named]
        };
        // Every file is looked at, so that all problems are reported together.
        let read: Vec<_> = files.iter().map(|file| self.genesis_block(file)).collect();
        let mut blocks = read.into_iter().collect::<Option<Vec<_>>>()?;
        blocks.sort_by(|(one, _), (other, _)| one.header.channel.cmp(&other.header.channel));
        let doubled = blocks.windows(2).find(|pair| pair[0].0.header.channel == pair[1].0.header.channel);
        if let Some([(block, _), _]) = doubled {
            let (channel, fix) = (&block.header.channel, "leave one block of each channel in the folder");
            self.problems.add(BOOTSTRAP_FILE, channel, "two genesis blocks begin this channel", fix);
            return None;
        }
        Some(blocks)
    }

    fn genesis_block(&mut self, path: &Path) -> Option<(Block, Arc<ConfigBundle>)> {
        let fix = "name the genesis block that configtxgen wrote for this channel";
        let bytes = self.file(BOOTSTRAP_FILE, path, GENESIS_BYTES_MAX)?;
        let path = self.base.join(path);
        let block = self.problems.check(BOOTSTRAP_FILE, path.display(), Block::from_bytes(&bytes), fix)?;
        let config = self.problems.check(BOOTSTRAP_FILE, path.display(), config_of_block(&block), fix)?;
        let bundle = ConfigBundle::known_to(config, self.known);
        let bundle = self.problems.check(BOOTSTRAP_FILE, path.display(), bundle, fix)?;
        Some((block, Arc::new(bundle)))
    }

    fn channels(
        &mut self,
        genesis: Vec<(Block, Arc<ConfigBundle>)>,
        signer: &SigningIdentity,
        tls: &TlsIdentity,
    ) -> Option<Vec<ChannelSettings>> {
        let found: Vec<Option<ChannelSettings>> = genesis
            .into_iter()
            .map(|(genesis, bundle)| {
                self.consenter(&bundle, signer, tls)?;
                Some(ChannelSettings { genesis, bundle })
            })
            .collect();
        found.into_iter().collect()
    }

    fn own_roots(&mut self) -> Option<Vec<Bytes>> {
        let files = &self.written.general.tls.root_cas;
        self.certificates(ROOT_CAS, files)
    }

    /// What a node says of all its channels is for those who run it, whatever organisations its channels have.
    fn operators(&mut self, own: Option<&[Bytes]>) -> Option<TrustRoots> {
        let files = &self.written.operations.tls.client_root_cas;
        let mut roots = if files.is_empty() { Vec::new() } else { self.certificates(OPERATOR_CAS, files)? };
        roots.extend_from_slice(own?);
        self.problems.check(OPERATOR_CAS, "", TrustRoots::new(roots), CA_FIX)
    }

    /// The CAs in the files named.
    fn certificates(&mut self, key: &str, files: &[PathBuf]) -> Option<Vec<Bytes>> {
        let mut read = Vec::new();
        for path in files {
            read.push(self.file(key, path, PEM_BYTES_MAX)?);
        }
        let named = TrustRoots::from_pem(read.iter().map(Vec::as_slice));
        Some(self.problems.check(key, "", named, CA_FIX)?.certificates())
    }

    fn roots(&mut self, own: Option<&[Bytes]>, genesis: &[(Block, Arc<ConfigBundle>)]) -> Option<TrustRoots> {
        let roots = TrustRoots::new(trusted(own?, genesis.iter().map(|(_, bundle)| &**bundle)));
        self.problems.check(ROOT_CAS, "", roots, CA_FIX)
    }

    fn consenter(
        &mut self,
        bundle: &ConfigBundle,
        signer: &SigningIdentity,
        tls: &TlsIdentity,
    ) -> Option<()> {
        let consenters = &bundle.config().orderer.consenters;
        let keys = ConsenterKeys::new(consenters, bundle.msps());
        let keys = self.problems.check(BOOTSTRAP_FILE, "", keys, "make the genesis block anew")?;
        let Some(number) = keys.number_of(signer.certificate_der()) else {
            if self.place == Place::Any {
                return Some(());
            }
            let reason = format!(
                "this node's certificate is that of none of the {} consenters of channel '{}'",
                consenters.len(),
                bundle.config().channel
            );
            let shown = self.base.join(&self.written.general.local_msp_dir);
            let fix = "name the msp folder of a consenter; start with --join where a later configuration names this node";
            self.problems.add("General.LocalMSPDir", shown.display(), reason, fix);
            return None;
        };
        let own = bundle.msps().msp(signer.msp_id())?;
        let shown = self.base.join(&self.written.general.tls.certificate);
        let fix = "name tls/server.crt of the node, with its own key";
        let checked = own.check_tls(tls.certificate_der());
        self.problems.check("General.TLS.Certificate", shown.display(), checked, fix)?;
        let expected = consenters.get(number as usize)?.tls_spki;
        // A later configuration may name another key.
        if tls.spki() != expected && self.place != Place::Any {
            let reason = format!(
                "its key has SHA-256 {}, and the channel names {expected} for consenter {number}",
                tls.spki()
            );
            let shown = self.base.join(&self.written.general.tls.certificate);
            let fix = "name the TLS certificate with which the genesis block was made; start with --join where a later \
                       configuration names this key";
            self.problems.add("General.TLS.Certificate", shown.display(), reason, fix);
            return None;
        }
        Some(())
    }

    fn file(&mut self, key: &str, path: &Path, limit: u64) -> Option<Vec<u8>> {
        let path = self.base.join(path);
        let read = read_file(&path, limit);
        self.problems.check(key, path.display(), read, "name a readable file")
    }
}

/// The CAs of the files named, and the TLS CAs of all organisations of the channels.
pub fn trusted<'a>(own: &[Bytes], bundles: impl Iterator<Item = &'a ConfigBundle>) -> Vec<Bytes> {
    let mut roots = own.to_vec();
    for organization in bundles.flat_map(|bundle| &bundle.config().organizations) {
        roots.extend(organization.msp.tls_ca_certs().cloned());
    }
    roots.sort();
    roots.dedup();
    roots
}

/// Names of the files `*.block` of a folder, sorted.
fn blocks_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let name = PathBuf::from(entry.map_err(|error| error.to_string())?.file_name());
        if name.extension().is_some_and(|extension| extension == "block") {
            found.push(name);
        }
    }
    found.sort();
    match found.len() {
        0 => Err("it holds no file whose name ends in .block".to_owned()),
        1..=CHANNELS_MAX => Ok(found),
        more => Err(format!("it holds {more} blocks, and a node orders for at most {CHANNELS_MAX} channels")),
    }
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > limit {
        return Err(format!("the file has {bytes} bytes, and at most {limit} are read"));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;

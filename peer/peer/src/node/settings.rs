//! What a peer runs with: `core.yaml` and `CORE_*` variables, checked as a whole before a port is bound.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ipfs::KemPrivateKey;
use issuing::KemPrivateKey as KemFile;
use msp::{Msp, SigningIdentity};
use node::{Layers, Problems, SettingsErrors, load_folder, load_msp};
use protocol::{MspConfig, MspId};
use serde::{Deserialize, Serialize};
use transport::{TlsIdentity, TrustRoots};

use crate::duration;

/// Bounds of `chaincode.executetimeout`: below it honest runs end on a busy machine, above
/// it every caller of a chaincode that hangs waits longer than an upload takes.
const EXECUTE_TIMEOUT_MIN: Duration = Duration::from_secs(1);
const EXECUTE_TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// Settings as users write them, with Fabric's names. Paths are relative to the file's folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserSettings {
    /// The peer.
    pub peer: PeerSection,
    /// Runs of chaincodes.
    pub chaincode: ChaincodeSection,
    /// Health.
    pub operations: OperationsSection,
    /// A channel that the command line uses; the node ignores it.
    pub channel: Option<String>,
}

/// `peer:`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerSection {
    /// Name in logs.
    pub id: String,
    /// Where others reach it; the command line's target.
    pub address: Option<String>,
    /// Where it listens.
    pub listen_address: String,
    /// Its organisation.
    pub local_msp_id: Option<String>,
    /// Folder with `signcerts`, `keystore`, `cacerts`.
    pub msp_config_path: Option<String>,
    /// Folder of ledgers, sealed reports and keys.
    pub file_system_path: String,
    /// TLS files.
    pub tls: TlsSection,
    /// KEM key.
    pub kem: FileSetting,
}

/// `peer.tls:`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsSection {
    /// Must be true: there is no listener without TLS.
    pub enabled: bool,
    /// Must be true: callers always show a certificate.
    pub client_auth_required: bool,
    /// The node's certificate.
    pub cert: FileSetting,
    /// Its key.
    pub key: FileSetting,
    /// Roots that are trusted before a channel is joined: the own organisation's TLS CA.
    pub rootcert: FileSetting,
    /// For the command line.
    pub client_cert: FileSetting,
    /// For the command line.
    pub client_key: FileSetting,
}

/// A file's path.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FileSetting {
    /// The path.
    pub file: Option<String>,
}

/// `chaincode:`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChaincodeSection {
    /// How long one run may take, such as `30s`.
    pub executetimeout: String,
}

/// `operations:`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationsSection {
    /// Where `/healthz` listens, with mutual TLS.
    pub listen_address: Option<String>,
    /// Who may ask there.
    pub tls: OperationsTls,
}

/// `operations.tls:`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OperationsTls {
    /// CAs of other organisations whose members may ask, beside the own one.
    #[serde(rename = "clientRootCAs")]
    pub client_root_cas: FilesSetting,
}

/// Paths of files.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FilesSetting {
    /// The paths.
    pub files: Vec<String>,
}

impl Default for UserSettings {
    fn default() -> Self {
        Self {
            peer: PeerSection {
                id: "peer".to_owned(),
                address: None,
                listen_address: "0.0.0.0:7051".to_owned(),
                local_msp_id: None,
                msp_config_path: None,
                file_system_path: "/var/lib/consilium/peer".to_owned(),
                tls: TlsSection {
                    enabled: true,
                    client_auth_required: true,
                    cert: FileSetting::default(),
                    key: FileSetting::default(),
                    rootcert: FileSetting::default(),
                    client_cert: FileSetting::default(),
                    client_key: FileSetting::default(),
                },
                kem: FileSetting::default(),
            },
            chaincode: ChaincodeSection { executetimeout: "30s".to_owned() },
            operations: OperationsSection { listen_address: None, tls: OperationsTls::default() },
            channel: None,
        }
    }
}

/// What the node runs with: files read, keys matched, addresses parsed.
pub struct Settings {
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) listen: SocketAddr,
    pub(crate) operations: Option<SocketAddr>,
    pub(crate) msp: MspConfig,
    pub(crate) signer: Arc<SigningIdentity>,
    pub(crate) tls: TlsIdentity,
    pub(crate) roots: TrustRoots,
    pub(crate) own_roots: Vec<Bytes>,
    /// Whom the operations listener believes: the own hospital, and whom its settings name.
    pub(crate) operators: TrustRoots,
    pub(crate) kem: KemPrivateKey,
    pub(crate) folder: PathBuf,
    /// From a run's request to its answer, its wait for a thread included.
    pub(crate) execute_timeout: Duration,
}

impl Settings {
    /// Reads defaults, then `file`, then the environment.
    ///
    /// # Errors
    /// Every problem together, each with its origin and fix.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsErrors> {
        let base = file.and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
        let layers = Layers::new().defaults(&UserSettings::default());
        let layers = match file {
            Some(file) => layers.file(file),
            None => layers,
        };
        layers.env("CORE").resolve(|user: &UserSettings, problems| actual(user, &base, problems))
    }
}

fn actual(user: &UserSettings, base: &Path, problems: &mut Problems) -> Option<Settings> {
    let tls_is_on = [
        ("peer.tls.enabled", user.peer.tls.enabled),
        ("peer.tls.clientAuthRequired", user.peer.tls.client_auth_required),
    ];
    for (key, is_on) in tls_is_on {
        if !is_on {
            problems.add(
                key,
                "false",
                "node listeners always use mutual TLS",
                "set it to true or leave it out",
            );
        }
    }
    let listen = address(problems, "peer.listenAddress", &user.peer.listen_address);
    let operations = user
        .operations
        .listen_address
        .as_deref()
        .map(|text| address(problems, "operations.listenAddress", text));
    let msp = own_msp(user, base, problems);
    let cert = file(problems, base, "peer.tls.cert.file", &user.peer.tls.cert);
    let key = file(problems, base, "peer.tls.key.file", &user.peer.tls.key);
    let root = file(problems, base, "peer.tls.rootcert.file", &user.peer.tls.rootcert);
    let kem = file(problems, base, "peer.kem.file", &user.peer.kem);
    // Nothing returns before the last check, so that all problems are reported together.
    let tls = cert.zip(key).and_then(|(cert, key)| {
        let tls = TlsIdentity::from_pem(&cert, &key);
        problems.check("peer.tls.cert.file", "", tls, "name a certificate and the key that belongs to it")
    });
    let roots = root.and_then(|root| {
        let roots = TrustRoots::from_pem([&root[..]]);
        problems.check("peer.tls.rootcert.file", "", roots, "name the TLS CA's certificate")
    });
    let kem = kem.and_then(|text| {
        let kem = KemFile::from_pem(&String::from_utf8_lossy(&text));
        let fix = "name the organisation's kem/private.pem, as cryptogen makes it";
        problems.check("peer.kem.file", "", kem, fix)
    });
    let operators = operators(user, base, roots.as_ref(), problems);
    let execute_timeout = execute_timeout(&user.chaincode.executetimeout, problems);
    let (msp, signer) = msp?;
    let tls = tls.and_then(|tls| tls_of_msp(tls, &msp, &user.peer.tls, problems));
    let (roots, operations) = (roots?, operations.map_or(Some(None), |found| found.map(Some))?);
    let own_roots = roots.certificates();
    Some(Settings {
        id: user.peer.id.clone(),
        address: user.peer.address.clone().unwrap_or_else(|| user.peer.listen_address.clone()),
        listen: listen?,
        operations,
        msp,
        signer,
        tls: tls?,
        own_roots,
        operators: operators?,
        roots,
        kem: KemPrivateKey::from_bytes(*kem?.expose()),
        folder: base.join(&user.peer.file_system_path),
        execute_timeout: execute_timeout?,
    })
}

/// The time of one run: within it every caller waits for a chaincode that never ends.
fn execute_timeout(text: &str, problems: &mut Problems) -> Option<Duration> {
    const KEY: &str = "chaincode.executetimeout";
    let parsed = duration::parse(text).and_then(|timeout| {
        let is_usable = (EXECUTE_TIMEOUT_MIN..=EXECUTE_TIMEOUT_MAX).contains(&timeout);
        if is_usable { Ok(timeout) } else { Err("it is below 1s or above 10m".to_owned()) }
    });
    problems.check(KEY, text, parsed, "write a time from 1s to 10m, such as 30s, the default")
}

/// What a node says of all its channels is for those who run it, whatever organisations its channels have.
fn operators(
    user: &UserSettings,
    base: &Path,
    own: Option<&TrustRoots>,
    problems: &mut Problems,
) -> Option<TrustRoots> {
    const KEY: &str = "operations.tls.clientRootCAs.files";
    let fix = "name files with CA certificates, PEM; paths are relative to the settings file";
    let mut read = Vec::new();
    for path in &user.operations.tls.client_root_cas.files {
        read.push(problems.check(KEY, path, std::fs::read(base.join(path)), fix)?);
    }
    let mut roots = own?.certificates();
    if !read.is_empty() {
        let named = TrustRoots::from_pem(read.iter().map(Vec::as_slice));
        roots.extend(problems.check(KEY, "", named, fix)?.certificates());
    }
    problems.check(KEY, "", TrustRoots::new(roots), fix)
}

/// The TLS identity, if it is one of the organisation's: with a signing certificate, or one of another CA, the node would
/// start and be refused by everybody.
fn tls_of_msp(
    tls: TlsIdentity,
    config: &MspConfig,
    written: &TlsSection,
    problems: &mut Problems,
) -> Option<TlsIdentity> {
    let checked = Msp::new(config).and_then(|msp| msp.check_tls(tls.certificate_der()));
    let path = written.cert.file.as_deref().unwrap_or_default();
    problems.check(
        "peer.tls.cert.file",
        path,
        checked,
        "name tls/server.crt of the peer, with its own key",
    )?;
    Some(tls)
}

fn own_msp(
    user: &UserSettings,
    base: &Path,
    problems: &mut Problems,
) -> Option<(MspConfig, Arc<SigningIdentity>)> {
    let name =
        problems.require("peer.localMspId", user.peer.local_msp_id.clone(), "name the organisation's MSP id");
    let path = problems.require(
        "peer.mspConfigPath",
        user.peer.msp_config_path.clone(),
        "name the peer's msp folder",
    );
    let msp_id = name.and_then(|name| {
        let msp_id = MspId::new(name.clone());
        problems.check("peer.localMspId", &name, msp_id, "use the name in the channel's configuration")
    });
    let path = path?;
    let Some(msp_id) = msp_id else {
        // The folder is looked at all the same, so that both problems are reported together.
        let read = load_folder(&base.join(&path));
        problems.check("peer.mspConfigPath", &path, read, "name the peer's msp folder")?;
        return None;
    };
    let loaded = load_msp(&base.join(&path), msp_id).map_err(|error| with_causes(&error));
    let folder = problems.check("peer.mspConfigPath", &path, loaded, "name the peer's msp folder")?;
    let config = folder.config.clone();
    let signer = folder.into_signer();
    let signer = problems.check(
        "peer.mspConfigPath",
        &path,
        signer,
        "put the signing certificate's key into keystore/",
    )?;
    Some((config, Arc::new(signer)))
}

fn address(problems: &mut Problems, key: &str, text: &str) -> Option<SocketAddr> {
    problems.check(key, text, text.parse(), "write an IP address and a port, such as 0.0.0.0:7051")
}

fn file(problems: &mut Problems, base: &Path, key: &str, setting: &FileSetting) -> Option<Vec<u8>> {
    let path = problems.require(key, setting.file.clone(), "name the file")?;
    let found = std::fs::read(base.join(&path));
    problems.check(key, &path, found, "name a readable file; paths are relative to the settings file")
}

/// An error with its causes on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

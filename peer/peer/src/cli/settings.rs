//! What the command line needs to know to call the own peer: flags, then `CORE_*` variables, then `core.yaml` in
//! `FABRIC_CFG_PATH`.
//!
//! All problems are reported together, each with its origin and fix. `core.yaml` may hold the settings of a node as well;
//! what is no setting of the command line is not looked at here. Relative paths begin at the file's folder, as in Fabric.

use std::path::{Path, PathBuf};

use client::{ConnectionSettings, Deadlines};
use msp::{Msp, MspError, SigningIdentity};
use node::{Problem, SettingsErrors, load_msp};
use protocol::{ChannelId, Endpoint, MspId};
use serde_yaml_ng::Value;
use transport::{TlsIdentity, TrustRoots};

/// A settings file is a page of text.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// A certificate or key file.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// A setting: its variable and its place in `core.yaml`.
struct Setting {
    variable: &'static str,
    key: &'static str,
    fix: &'static str,
}

const ADDRESS: Setting = Setting {
    variable: "CORE_PEER_ADDRESS",
    key: "peer.address",
    fix: "set it to host:port of the own hospital's peer, such as peer0.hospital-a.example:7051",
};
const MSP_ID: Setting = Setting {
    variable: "CORE_PEER_LOCALMSPID",
    key: "peer.localMspId",
    fix: "set it to the organisation's MSP id, such as HospitalAMSP",
};
const MSP_PATH: Setting = Setting {
    variable: "CORE_PEER_MSPCONFIGPATH",
    key: "peer.mspConfigPath",
    fix: "set it to the user's msp folder, with signcerts and keystore",
};
const ROOT: Setting = Setting {
    variable: "CORE_PEER_TLS_ROOTCERT_FILE",
    key: "peer.tls.rootcert.file",
    fix: "set it to the TLS CA certificate of the peer's organisation (tls/ca.crt)",
};
const CLIENT_CERT: Setting = Setting {
    variable: "CORE_PEER_TLS_CLIENTCERT_FILE",
    key: "peer.tls.clientCert.file",
    fix: "set it to the user's TLS certificate (tls/client.crt)",
};
const CLIENT_KEY: Setting = Setting {
    variable: "CORE_PEER_TLS_CLIENTKEY_FILE",
    key: "peer.tls.clientKey.file",
    fix: "set it to the key of the user's TLS certificate (tls/client.key)",
};
const CHANNEL: Setting = Setting {
    variable: "CORE_CHANNEL",
    key: "channel",
    fix: "write a channel's name, or leave it out where the peer has one channel only",
};

/// Values that flags set in place of variables.
#[derive(Clone, Debug, Default)]
pub struct FlagValues {
    /// `--certfile`.
    pub client_cert: Option<PathBuf>,
    /// `--keyfile`.
    pub client_key: Option<PathBuf>,
    /// How long to wait for a verdict.
    pub deadlines: Deadlines,
}

/// Where settings are looked up.
pub struct Sources {
    flags: FlagValues,
    variables: Box<dyn Fn(&str) -> Option<String>>,
    file: Option<(PathBuf, Value)>,
}

/// A value with its origin.
struct Found {
    value: String,
    origin: String,
    base: PathBuf,
}

/// What a verb calls the peer with.
#[derive(Debug)]
pub struct ClientSettings {
    /// For the connection.
    pub connection: ConnectionSettings,
    /// The channel of the environment or file.
    pub channel: Option<ChannelId>,
}

impl Sources {
    /// This process's environment, and `core.yaml` in `FABRIC_CFG_PATH` where there is one.
    ///
    /// # Errors
    /// A file that cannot be read or is no YAML.
    pub fn of_process(flags: FlagValues) -> Result<Self, SettingsErrors> {
        let variables = |name: &str| std::env::var(name).ok();
        let folder = variables("FABRIC_CFG_PATH").filter(|path| !path.is_empty());
        let path = folder.map(|folder| Path::new(&folder).join("core.yaml")).filter(|path| path.exists());
        Self::new(flags, Box::new(variables), path)
    }

    fn new(
        flags: FlagValues,
        variables: Box<dyn Fn(&str) -> Option<String>>,
        path: Option<PathBuf>,
    ) -> Result<Self, SettingsErrors> {
        let file = match path {
            None => None,
            Some(path) => Some(read_yaml(&path).map(|value| (path.clone(), value)).map_err(|reason| {
                SettingsErrors(vec![Problem {
                    key: "core.yaml".to_owned(),
                    value: String::new(),
                    origin: format!("file {} by FABRIC_CFG_PATH", path.display()),
                    reason,
                    fix: "correct the file, or unset FABRIC_CFG_PATH".to_owned(),
                }])
            })?),
        };
        Ok(Self { flags, variables, file })
    }

    /// Reads every setting and every file that they name.
    ///
    /// # Errors
    /// All problems together.
    pub fn load(&self) -> Result<ClientSettings, SettingsErrors> {
        let mut problems = Vec::new();
        let endpoint = self.endpoint(&mut problems);
        let signer = self.signer(&mut problems);
        let roots = self.roots(&mut problems);
        let tls = self.tls(signer.as_ref().map(|(_, msp)| msp), &mut problems);
        let channel = self.find(&CHANNEL).and_then(|found| {
            let channel = ChannelId::new(found.value.as_str());
            channel.map_err(|error| problems.push(problem(&CHANNEL, &found, &error))).ok()
        });
        match (endpoint, signer, roots, tls) {
            (Some(endpoint), Some((signer, _)), Some(roots), Some(tls)) if problems.is_empty() => {
                let deadlines = self.flags.deadlines;
                let connection = ConnectionSettings { endpoint, tls, roots, signer, deadlines };
                Ok(ClientSettings { connection, channel })
            }
            _ => Err(SettingsErrors(problems)),
        }
    }

    /// Reads what a signature needs, and no more: no node is called.
    ///
    /// # Errors
    /// All problems together.
    pub fn signing_identity(&self) -> Result<SigningIdentity, SettingsErrors> {
        let mut problems = Vec::new();
        let signer = self.signer(&mut problems);
        signer.map(|(signer, _)| signer).ok_or(SettingsErrors(problems))
    }

    fn find(&self, setting: &Setting) -> Option<Found> {
        let base = self.file.as_ref().and_then(|(path, _)| path.parent()).unwrap_or(Path::new(""));
        if let Some(value) = (self.variables)(setting.variable).filter(|value| !value.is_empty()) {
            let origin = format!("environment variable {}", setting.variable);
            return Some(Found { value, origin, base: base.to_owned() });
        }
        let (path, yaml) = self.file.as_ref()?;
        let value = look_up(yaml, setting.key)?;
        Some(Found { value, origin: format!("file {}", path.display()), base: base.to_owned() })
    }

    fn require(&self, setting: &Setting, problems: &mut Vec<Problem>) -> Option<Found> {
        let found = self.find(setting);
        if found.is_none() {
            problems.push(Problem {
                key: setting.variable.to_owned(),
                value: String::new(),
                origin: format!("neither the variable nor {} in core.yaml", setting.key),
                reason: "is not set".to_owned(),
                fix: setting.fix.to_owned(),
            });
        }
        found
    }

    fn endpoint(&self, problems: &mut Vec<Problem>) -> Option<Endpoint> {
        let found = self.require(&ADDRESS, problems)?;
        parse_endpoint(&found.value).map_err(|reason| problems.push(problem(&ADDRESS, &found, &reason))).ok()
    }

    /// Who signs, and the rules of the own organisation.
    fn signer(&self, problems: &mut Vec<Problem>) -> Option<(SigningIdentity, Msp)> {
        let msp_id = self.require(&MSP_ID, problems).and_then(|found| {
            MspId::new(found.value.as_str())
                .map_err(|error| problems.push(problem(&MSP_ID, &found, &error)))
                .ok()
        });
        let folder = self.require(&MSP_PATH, problems)?;
        let path = folder.base.join(&folder.value);
        let loaded = load_msp(&path, msp_id?).map_err(|error| error.to_string());
        let signer = loaded.and_then(|loaded| {
            let msp = Msp::new(&loaded.config).map_err(|error| error.to_string())?;
            Ok((loaded.into_signer().map_err(|error| error.to_string())?, msp))
        });
        signer.map_err(|reason| problems.push(problem(&MSP_PATH, &folder, &reason))).ok()
    }

    fn roots(&self, problems: &mut Vec<Problem>) -> Option<TrustRoots> {
        let found = self.require(&ROOT, problems)?;
        roots_of_file(&found.base.join(&found.value))
            .map_err(|reason| problems.push(problem(&ROOT, &found, &reason)))
            .ok()
    }

    /// The TLS identity. A signing certificate in its place is told from the own organisation's rules, before a peer refuses
    /// it; any other certificate is the peer's to judge.
    fn tls(&self, msp: Option<&Msp>, problems: &mut Vec<Problem>) -> Option<TlsIdentity> {
        let flag = |path: &Option<PathBuf>, name: &str| {
            path.as_ref().map(|path| Found {
                value: path.display().to_string(),
                origin: format!("flag {name}"),
                base: PathBuf::new(),
            })
        };
        let cert =
            flag(&self.flags.client_cert, "--certfile").or_else(|| self.require(&CLIENT_CERT, problems));
        let key = flag(&self.flags.client_key, "--keyfile").or_else(|| self.require(&CLIENT_KEY, problems));
        let (cert, key) = (cert?, key?);
        let mut read = |setting: &Setting, found: &Found| {
            let bytes = read_pem(&found.base.join(&found.value));
            bytes.map_err(|reason| problems.push(problem(setting, found, &reason))).ok()
        };
        let (cert_pem, key_pem) = (read(&CLIENT_CERT, &cert), read(&CLIENT_KEY, &key));
        let identity = TlsIdentity::from_pem(&cert_pem?, &key_pem?);
        let mut refuse = |reason: &dyn std::fmt::Display| problems.push(problem(&CLIENT_CERT, &cert, reason));
        let identity = identity.map_err(|error| refuse(&error)).ok()?;
        match msp.map(|msp| msp.check_tls(identity.certificate_der())) {
            Some(Err(swapped @ MspError::SigningCertificateForTls { .. })) => {
                refuse(&swapped);
                None
            }
            _ => Some(identity),
        }
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub fn parse_endpoint(text: &str) -> Result<Endpoint, String> {
    let wrong = || format!("{text:?} is no address; write host:port, such as peer0.hospital-a.example:7051");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bracketed {
        Some(host) => host,
        None if host.contains(':') => return Err(wrong()),
        None => host,
    };
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let fits = !host.is_empty() && port != 0 && !host.contains(['/', ' ', '@']);
    if fits { Ok(Endpoint { host: host.to_owned(), port }) } else { Err(wrong()) }
}

/// The CA certificates of a PEM file.
pub fn roots_of_file(path: &Path) -> Result<TrustRoots, String> {
    let pem = read_pem(path)?;
    TrustRoots::from_pem([&pem[..]]).map_err(|error| format!("{}: {error}", path.display()))
}

/// The bytes of a small file.
pub fn read_pem(path: &Path) -> Result<Vec<u8>, String> {
    read_limited(path, PEM_BYTES_MAX)
}

fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let bytes = std::fs::metadata(path).map_err(|error| format!("{shown} cannot be read: {error}"))?.len();
    if bytes > limit {
        return Err(format!("{shown} has {bytes} bytes, over the limit of {limit}: is it the right file?"));
    }
    std::fs::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))
}

fn read_yaml(path: &Path) -> Result<Value, String> {
    let bytes = read_limited(path, FILE_BYTES_MAX)?;
    serde_yaml_ng::from_slice(&bytes).map_err(|error| format!("is not usable YAML: {error}"))
}

/// The text at a dotted key, names in any case.
fn look_up(yaml: &Value, key: &str) -> Option<String> {
    let found = key.split('.').try_fold(yaml, |value, name| {
        let mapping = value.as_mapping()?;
        let fits = |known: &Value| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(name));
        mapping.iter().find(|(known, _)| fits(known)).map(|(_, value)| value)
    })?;
    found.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn problem(setting: &Setting, found: &Found, reason: &dyn std::fmt::Display) -> Problem {
    Problem {
        key: setting.variable.to_owned(),
        value: found.value.clone(),
        origin: found.origin.clone(),
        reason: reason.to_string(),
        fix: setting.fix.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn sources(variables: &[(&str, &str)], yaml: Option<&str>) -> (Sources, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let path = yaml.map(|yaml| {
            let path = folder.path().join("core.yaml");
            std::fs::write(&path, yaml).unwrap();
            path
        });
        let variables = Box::new(move |name: &str| variables.get(name).cloned());
        (Sources::new(FlagValues::default(), variables, path).unwrap(), folder)
    }

    #[test]
    fn everything_that_is_missing_is_reported_together_with_its_fix() {
        let (sources, _folder) = sources(&[], None);
        let text = sources.load().unwrap_err().to_string();
        for setting in [ADDRESS, MSP_ID, MSP_PATH, ROOT, CLIENT_CERT, CLIENT_KEY] {
            assert!(text.contains(setting.variable) && text.contains(setting.fix), "{text}");
        }
        assert!(text.starts_with("6 problems"), "{text}");
        assert!(!text.contains("CORE_CHANNEL"), "a channel is not required: {text}");
    }

    #[test]
    fn wrong_values_are_named_with_their_origin() {
        let variables =
            [("CORE_PEER_ADDRESS", "peer0"), ("CORE_PEER_LOCALMSPID", "bad id"), ("CORE_CHANNEL", "UPPER")];
        let yaml = "peer: {tls: {rootCert: {file: absent.crt}, clientcert: {file: c}, clientKey: {file: k}}}";
        let (sources, folder) = sources(&variables, Some(yaml));
        let text = sources.load().unwrap_err().to_string();
        let absent = folder.path().join("absent.crt");
        for part in [
            "CORE_PEER_ADDRESS = \"peer0\" (environment variable CORE_PEER_ADDRESS)",
            "\"bad id\"",
            "\"UPPER\"",
            "CORE_PEER_TLS_ROOTCERT_FILE = \"absent.crt\" (file ",
            &absent.display().to_string(),
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_variable_comes_before_the_file() {
        let yaml = "peer:\n  address: file:1\n  listenAddress: ignored\nchannel: of-file\n";
        let rows = [("", "file:1"), ("env:2", "env:2")];
        for (variable, expected) in rows {
            let (sources, _folder) = sources(&[("CORE_PEER_ADDRESS", variable)], Some(yaml));
            assert_eq!(sources.find(&ADDRESS).unwrap().value, expected);
            assert_eq!(sources.find(&CHANNEL).unwrap().value, "of-file");
        }
    }

    #[test]
    fn addresses_are_host_and_port() {
        let rows = [
            ("peer0:7051", Some(("peer0", 7051))),
            ("127.0.0.1:1", Some(("127.0.0.1", 1))),
            ("[::1]:7051", Some(("::1", 7051))),
            ("::1:7051", None),
            ("peer0", None),
            ("peer0:", None),
            (":7051", None),
            ("peer0:0", None),
            ("peer0:70510", None),
            ("https://peer0:7051", None),
        ];
        for (text, expected) in rows {
            let found = parse_endpoint(text).ok();
            let expected = expected.map(|(host, port)| Endpoint { host: host.to_owned(), port });
            assert_eq!(found, expected, "{text}");
        }
    }
}

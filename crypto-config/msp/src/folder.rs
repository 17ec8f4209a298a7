//! Reads an MSP folder in Fabric's layout, given as paths and bytes: the organisation's public part and, where a key is
//! there, the signer.
//!
//! Runs once at start. The folder is tried against its own rules, so that a wrong certificate, a lost key or a misspelt
//! role stops a node here, with the file's name, and not at its first transaction. Nothing is read from disk here.
//! Layout: Fabric's `msp/configbuilder.go`; the key is found by its public key, whatever its file is called.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::{MspConfig, MspId, NodeOus};

use crate::{
    certificate::Certificate,
    error::MspError,
    node_ous, pem,
    private_key::PrivateKey,
    rejection::IdentityRejection,
    signing::{SignCert, SigningIdentity},
    verifier::Msp,
};

/// A key file larger than this is not a key.
const KEY_FILE_BYTES_MAX: usize = 64 << 10;

/// An MSP folder, read and tried against its own rules.
#[derive(Debug)]
pub struct MspFolder {
    /// The organisation's public part.
    pub config: MspConfig,
    /// The identity whose certificate and key are in the folder; `None` in the folder of an organisation, and where
    /// the key is missing (see [`MspFolder::warnings`]).
    pub signer: Option<SigningIdentity>,
    warnings: Vec<String>,
    no_signer: String,
}

impl MspFolder {
    /// Reads `files`: contents by path relative to the folder, such as `cacerts/ca.pem` or `config.yaml`.
    ///
    /// Files in certificate folders that are not PEM are skipped and listed in [`MspFolder::warnings`]. Without
    /// `config.yaml` and `admincerts/`, NodeOUs are taken to be `client`, `peer`, `admin` and `orderer`.
    ///
    /// # Errors
    /// [`MspError`] names the file, what was found and the fix.
    pub fn parse(msp_id: MspId, files: &BTreeMap<String, Vec<u8>>) -> Result<Self, MspError> {
        let mut reader = Reader { msp_id: &msp_id, files, warnings: Vec::new(), origins: BTreeMap::new() };
        let mut config = MspConfig {
            version: MspConfig::VERSION,
            msp_id: msp_id.clone(),
            root_certs: reader.certificates("cacerts")?,
            intermediate_certs: reader.certificates("intermediatecerts")?,
            admin_certs: reader.certificates("admincerts")?,
            tls_root_certs: reader.certificates("tlscacerts")?,
            tls_intermediate_certs: reader.certificates("tlsintermediatecerts")?,
            node_ous: None,
        };
        config.node_ous = reader.node_ous(!config.admin_certs.is_empty())?;
        reader.warn_of_crls();
        let origins = &reader.origins;
        let origin_of = |list: &str, at: usize| {
            let file = origins.get(list).and_then(|files| files.get(at));
            file.cloned().unwrap_or_else(|| format!("{list} certificate {}", at + 1))
        };
        let msp = Msp::with_origins(&config, &origin_of)?;
        let (signer, no_signer) = match reader.signer(&msp)? {
            Ok(signer) => (Some(signer), String::new()),
            Err(reason) => (None, reason),
        };
        Ok(Self { config, signer, warnings: reader.warnings, no_signer })
    }

    /// What was skipped or is missing, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The signer, for a node that cannot run without one.
    ///
    /// # Errors
    /// [`MspError::NoSigner`] says what the folder lacks.
    pub fn into_signer(self) -> Result<SigningIdentity, MspError> {
        let Self { config, signer, no_signer, .. } = self;
        signer.ok_or(MspError::NoSigner { msp_id: config.msp_id, reason: no_signer })
    }
}

struct Reader<'a> {
    msp_id: &'a MspId,
    files: &'a BTreeMap<String, Vec<u8>>,
    warnings: Vec<String>,
    /// The file of each certificate taken, by folder.
    origins: BTreeMap<&'static str, Vec<String>>,
}

impl<'a> Reader<'a> {
    /// Files directly in `folder`, sorted by path.
    fn files_in(&self, folder: &str) -> Vec<(&'a str, &'a [u8])> {
        let files =
            self.files.iter().map(|(path, bytes)| (path.strip_prefix("./").unwrap_or(path), &bytes[..]));
        let direct = |path: &str| {
            path.strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|name| !name.contains('/'))
        };
        files.filter(|(path, _)| direct(path)).collect()
    }

    /// DER of every certificate in `folder`, in the order of its files.
    fn certificates(&mut self, folder: &'static str) -> Result<Vec<Bytes>, MspError> {
        let mut out = Vec::new();
        for (path, bytes) in self.files_in(folder) {
            let file = pem::read(bytes).map_err(|error| self.fault(path, error.to_string()))?;
            let before = out.len();
            for block in file.blocks.iter().filter(|block| block.label == "CERTIFICATE") {
                let certificate =
                    Certificate::parse(&block.contents).map_err(|reason| self.fault(path, reason))?;
                // One certificate in two files, or in both lists of a careless copy, counts once.
                if !out.contains(&certificate.der) {
                    out.push(certificate.der);
                    self.origins.entry(folder).or_default().push(path.to_owned());
                }
            }
            if out.len() == before && file.blocks.iter().all(|block| block.label != "CERTIFICATE") {
                self.warnings.push(format!("{path} was skipped: it holds no PEM certificate"));
            }
        }
        Ok(out)
    }

    fn node_ous(&self, has_admin_certs: bool) -> Result<Option<NodeOus>, MspError> {
        let Some(text) = self.files.get("config.yaml").or_else(|| self.files.get("./config.yaml")) else {
            return Ok((!has_admin_certs).then(node_ous::defaults));
        };
        node_ous::parse(text, &|path| self.certificate_at(path))
            .map_err(|reason| MspError::ConfigYaml { msp_id: self.msp_id.clone(), reason })
    }

    /// The certificate that `config.yaml` names by path.
    fn certificate_at(&self, path: &str) -> Result<Bytes, String> {
        let Some(bytes) = self.files.get(path).or_else(|| self.files.get(&format!("./{path}"))) else {
            let cas: Vec<&str> = self.files_in("cacerts").into_iter().map(|(path, _)| path).collect();
            return Err(format!(
                "there is no such file; found {}; name one of these, or leave Certificate out to allow every CA",
                if cas.is_empty() { "none".to_owned() } else { cas.join(", ") }
            ));
        };
        SignCert::read(bytes).map(|read| read.certificate.der)
    }

    fn warn_of_crls(&mut self) {
        for (path, _) in self.files_in("crls") {
            self.warnings.push(format!(
                "{path} was not read: revocations are transactions here, not lists in a folder"
            ));
        }
    }

    /// The signer, or the reason why there is none; an error where what is there is wrong.
    fn signer(&mut self, msp: &Msp) -> Result<Result<SigningIdentity, String>, MspError> {
        let Some((path, signcert)) = self.sign_cert()? else {
            return Ok(Err("signcerts/ holds no certificate; this is an organisation's folder".to_owned()));
        };
        if let Err(rejection) = msp.certify(&signcert.certificate.der) {
            let guessed = !self.files.keys().any(|path| path.ends_with("config.yaml"));
            match rejection {
                // Without config.yaml the role OUs are a guess, and the channel's configuration decides.
                IdentityRejection::WrongOu { .. } if guessed => {
                    self.warnings.push(format!("{path}: {rejection}"))
                }
                // The commonest slip of all: what it is says more than which CA it is not from.
                IdentityRejection::ForeignCa { .. } if msp.has_issued_tls(&signcert.certificate) => {
                    let (msp_id, certificate) = (self.msp_id.clone(), path.to_owned());
                    return Err(MspError::TlsCertificateSigns { msp_id, certificate });
                }
                rejection => {
                    let (msp_id, certificate) = (self.msp_id.clone(), path.to_owned());
                    return Err(MspError::SignerRejected {
                        msp_id,
                        certificate,
                        rejection: Box::new(rejection),
                    });
                }
            }
        }
        let mut found = Vec::new();
        for (key_path, bytes) in self.files_in("keystore") {
            if bytes.len() > KEY_FILE_BYTES_MAX {
                found.push(format!("{key_path} (larger than any key)"));
                continue;
            }
            match PrivateKey::read(bytes) {
                Ok(key) if signcert.matches(&key) => {
                    return Ok(Ok(SigningIdentity::new(self.msp_id.clone(), signcert, key)));
                }
                Ok(key) => found.push(format!("{key_path} (SKI {})", key.ski())),
                Err(reason) => found.push(format!("{key_path} ({reason})")),
            }
        }
        let ski = signcert.certificate.ski();
        if found.is_empty() {
            let reason = format!("keystore/ holds no key for {path} (SKI {ski}); copy its private key there");
            self.warnings.push(reason.clone());
            return Ok(Err(reason));
        }
        Err(MspError::NoMatchingKey { msp_id: self.msp_id.clone(), certificate: path.to_owned(), ski, found })
    }

    fn sign_cert(&mut self) -> Result<Option<(&'a str, SignCert)>, MspError> {
        let mut found: Option<(&str, SignCert)> = None;
        for (path, bytes) in self.files_in("signcerts") {
            if pem::read(bytes).is_ok_and(|file| file.blocks.is_empty()) {
                self.warnings.push(format!("{path} was skipped: it holds no PEM certificate"));
                continue;
            }
            let signcert = SignCert::read(bytes).map_err(|reason| self.fault(path, reason))?;
            if let Some((first, _)) = &found {
                let reason =
                    format!("signcerts/ holds a second certificate besides {first}; keep the one in use");
                return Err(self.fault(path, reason));
            }
            found = Some((path, signcert));
        }
        Ok(found)
    }

    fn fault(&self, path: &str, reason: String) -> MspError {
        MspError::Certificate { msp_id: self.msp_id.clone(), origin: path.to_owned(), reason }
    }
}

//! The files of an identity that is not the caller's own: msp folder, certificate and key, TLS certificates, claim.
//!
//! Every error names the file and what to do.

use std::path::Path;

use bytes::Bytes;
use issuing::Certificate;
use msp::SigningIdentity;
use node::load_msp;
use protocol::{Digest, IdentityClaim, MspId, Poi};

use super::settings::read_pem;

/// TLS certificates beside an msp folder, by Fabric's habit.
const TLS_CERTIFICATES: [&str; 2] = ["tls/client.crt", "tls/server.crt"];

/// First bytes of a PEM certificate; some tools write text before them.
const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Where an identity's key and certificate are.
pub struct Whose<'a> {
    /// An msp folder.
    pub msp: Option<&'a Path>,
    /// A certificate and its key.
    pub pair: Option<(&'a Path, &'a Path)>,
}

/// The identity, with the TLS keys found beside its msp folder.
pub fn signer(whose: &Whose<'_>, msp_id: MspId) -> Result<(SigningIdentity, Vec<Digest>), String> {
    match (whose.msp, whose.pair) {
        (Some(folder), _) => {
            let loaded = load_msp(folder, msp_id).map_err(|error| format!("--msp: {error}"))?;
            let signer = loaded.into_signer();
            let signer = signer.map_err(|error| format!("--msp {}: {error}", folder.display()))?;
            Ok((signer, tls_beside(folder)?))
        }
        (None, Some((cert, key))) => {
            let (cert_pem, key_pem) = (read_pem(cert)?, read_pem(key)?);
            let signer = SigningIdentity::from_pem(msp_id, &cert_pem, &key_pem);
            let signer =
                signer.map_err(|error| format!("{} with {}: {error}", cert.display(), key.display()))?;
            Ok((signer, Vec::new()))
        }
        (None, None) => {
            Err("--cert needs --key, its private key; or name the msp folder with --msp".to_owned())
        }
    }
}

/// The keys of TLS certificates.
pub fn tls_keys(paths: &[impl AsRef<Path>]) -> Result<Vec<Digest>, String> {
    paths.iter().map(|path| spki(path.as_ref()).map(Digest)).collect()
}

/// The PoI of a signing certificate.
pub fn poi(path: &Path) -> Result<Poi, String> {
    spki(path).map(Poi::from_digest)
}

/// A signing certificate, as PEM of one block.
pub fn certificate(path: &Path) -> Result<Bytes, String> {
    let text = read_pem(path)?;
    let begin = text.windows(PEM_BEGIN.len()).position(|part| part == PEM_BEGIN);
    let begin = begin.ok_or_else(|| format!("{}: name a PEM certificate", path.display()))?;
    Ok(Bytes::copy_from_slice(&text[begin..]))
}

/// A claim that its holder wrote.
pub fn claim(path: &Path) -> Result<IdentityClaim, String> {
    let shown = path.display();
    IdentityClaim::from_bytes(&read_pem(path)?)
        .map_err(|error| format!("{shown}: {error}; have its holder run `peer identity claim --out {shown}`"))
}

fn tls_beside(folder: &Path) -> Result<Vec<Digest>, String> {
    let Some(parent) = folder.parent() else { return Ok(Vec::new()) };
    let paths = TLS_CERTIFICATES.map(|name| parent.join(name));
    tls_keys(&paths.iter().filter(|path| path.exists()).collect::<Vec<_>>())
}

fn spki(path: &Path) -> Result<[u8; 32], String> {
    let text = read_pem(path)?;
    let unfit = |error: String| format!("{}: {error}; name a PEM certificate", path.display());
    let text = std::str::from_utf8(&text).map_err(|error| unfit(error.to_string()))?;
    let certificate = Certificate::from_pem(text).map_err(|error| unfit(error.to_string()))?;
    msp::spki_sha256(certificate.der()).map_err(|error| unfit(error.to_string()))
}

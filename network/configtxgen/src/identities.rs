//! The identities that block 0 registers: every signing certificate found beside an organisation's MSP folder.
//!
//! The layout is Fabric's: `peers/NODE`, `orderers/NODE` and `users/USER`, each with `msp/signcerts` and `tls`. Only
//! certificates are opened; no key is read. Whether a certificate holds is judged by `msp`.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use msp::Msp;
use protocol::{MspConfig, RegisteredIdentity};

use crate::gathering::Gathering;
use crate::passage::{read_pem, spki_of_pem};

/// Folders with an identity in each folder below.
const GROUPS: [&str; 3] = ["peers", "orderers", "users"];
/// Names of TLS certificates, by Fabric's habit.
const TLS_CERTIFICATES: [&str; 2] = ["server.crt", "client.crt"];

/// The identities beside `msp_dir`. A certificate that the MSP does not accept is a problem, and so is a folder without
/// any.
pub fn found_beside(
    msp_dir: &Path,
    config: &MspConfig,
    place: &str,
    gathering: &mut Gathering,
) -> Vec<RegisteredIdentity> {
    let Some(root) = msp_dir.parent() else { return Vec::new() };
    let Some(msp) = gathering.need(place, msp_dir.display(), Msp::new(config)) else { return Vec::new() };
    let mut identities = Vec::new();
    for group in GROUPS {
        for folder in folders(&root.join(group)) {
            match identity(&folder, &msp) {
                Ok(found) => identities.extend(found),
                Err(reason) => gathering.add(place, folder.display(), reason),
            }
        }
    }
    if identities.is_empty() {
        let rule = "no signing certificate under peers/, orderers/ or users/ beside it: nobody of this organisation \
                    could act; run cryptogen, or lay out certificates as it does";
        gathering.add(place, root.display(), rule);
    }
    identities
}

/// The identity in a folder; `None` where it holds no signing certificate.
fn identity(folder: &Path, msp: &Msp) -> Result<Option<RegisteredIdentity>, String> {
    let signcerts = files(&folder.join("msp/signcerts"));
    let path = match &signcerts[..] {
        [] => return Ok(None),
        [path] => path,
        [_, ..] => return Err("msp/signcerts holds more than one file; leave the one in use".to_owned()),
    };
    let certificate = read_pem(path)?;
    let certified = msp.certify(certificate.as_bytes()).map_err(|rejection| rejection.to_string())?;
    let mut tls_spki = Vec::new();
    for name in TLS_CERTIFICATES {
        let path = folder.join("tls").join(name);
        if path.exists() {
            tls_spki.push(spki_of_pem(&read_pem(&path)?).map_err(|reason| format!("tls/{name}: {reason}"))?);
        }
    }
    tls_spki.sort_unstable();
    tls_spki.dedup();
    Ok(Some(RegisteredIdentity {
        msp_id: certified.msp_id().clone(),
        poi: certified.poi(),
        roles: certified.roles().to_vec(),
        certificate: Bytes::from(certificate),
        tls_spki,
    }))
}

fn folders(path: &Path) -> Vec<PathBuf> {
    entries(path).into_iter().filter(|path| path.is_dir()).collect()
}

fn files(path: &Path) -> Vec<PathBuf> {
    entries(path).into_iter().filter(|path| path.is_file()).collect()
}

/// What a folder holds, sorted; nothing where it is not there, which is the habit of MSP folders.
fn entries(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    paths.sort();
    paths
}

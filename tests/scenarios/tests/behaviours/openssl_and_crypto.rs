//! What `cryptogen` makes is read by others: OpenSSL judges chains and usages, `msp` loads the folders and names the roles.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use msp::MspSet;
use protocol::{MspId, Role};
use testnet::{Hospital, make_crypto};

#[test]
fn openssl_accepts_every_certificate_and_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    make_crypto(folder.path())?;
    for hospital in Hospital::ALL {
        let root = folder.path().join("crypto/peerOrganizations").join(hospital.domain());
        let orderer_root = folder.path().join("crypto/ordererOrganizations").join(hospital.orderer_domain());
        let user = root.join(format!("users/User1@{}", hospital.domain()));
        let rows = [
            // organisation, node or user, its TLS certificate's name
            (&root, root.join("peers").join(hospital.peer_name()), "server"),
            (&root, user, "client"),
            (&orderer_root, orderer_root.join("orderers").join(hospital.orderer_name()), "server"),
        ];
        for (organization, holder, tls) in rows {
            let (ca, tlsca) =
                (only(&organization.join("ca"), ".pem")?, only(&organization.join("tlsca"), ".pem")?);
            let signcert = only(&holder.join("msp/signcerts"), "")?;
            let key = only(&holder.join("msp/keystore"), "")?;
            let (cert, tls_key) =
                (holder.join(format!("tls/{tls}.crt")), holder.join(format!("tls/{tls}.key")));
            verify(&ca, &signcert, None)?;
            verify(&tlsca, &cert, Some("sslclient"))?;
            if tls == "server" {
                verify(&tlsca, &cert, Some("sslserver"))?;
                let names = openssl(&["x509", "-noout", "-ext", "subjectAltName", "-in"], &cert)?;
                ensure!(names.contains("DNS:localhost") && names.contains("127.0.0.1"), "{names}");
            }
            belongs(&signcert, &key)?;
            belongs(&cert, &tls_key)?;
            // The two authorities are apart: neither vouches for the other's certificates.
            ensure!(verify(&tlsca, &signcert, None).is_err() && verify(&ca, &cert, None).is_err());
            let usage = openssl(&["x509", "-noout", "-ext", "keyUsage,basicConstraints", "-in"], &signcert)?;
            ensure!(usage.contains("Digital Signature") && usage.contains("CA:FALSE"), "{usage}");
            let usage = openssl(&["x509", "-noout", "-ext", "keyUsage,basicConstraints", "-in"], &ca)?;
            ensure!(usage.contains("Certificate Sign") && usage.contains("CA:TRUE"), "{usage}");
        }
        let kem = openssl(&["pkey", "-noout", "-text", "-in"], &root.join("kem/private.pem"))?;
        ensure!(kem.contains("X25519"), "{kem}");
        println!("hospital {hospital:?}: OpenSSL accepts chains, usages, names and keys");
    }
    Ok(())
}

#[test]
fn every_folder_loads_as_an_msp_and_its_identity_has_its_role() -> Result<()> {
    let folder = tempfile::tempdir()?;
    make_crypto(folder.path())?;
    let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    for hospital in Hospital::ALL {
        let root = folder.path().join("crypto/peerOrganizations").join(hospital.domain());
        let orderer_root = folder.path().join("crypto/ordererOrganizations").join(hospital.orderer_domain());
        let user = |name: &str| root.join(format!("users/{name}@{}/msp", hospital.domain()));
        let rows = [
            // MSP, what others know of it, folder, role
            (hospital.msp_id(), &root, root.join("peers").join(hospital.peer_name()).join("msp"), Role::Peer),
            (hospital.msp_id(), &root, user("User1"), Role::Client),
            (hospital.msp_id(), &root, user("Admin"), Role::Admin),
            (
                hospital.orderer_msp_id(),
                &orderer_root,
                orderer_root.join("orderers").join(hospital.orderer_name()).join("msp"),
                Role::Orderer,
            ),
        ];
        for (name, organization, holder, role) in rows {
            let msp_id = MspId::new(name)?;
            let known = node::load_msp(&organization.join("msp"), msp_id.clone())?;
            let loaded = node::load_msp(&holder, msp_id.clone())?;
            ensure!(loaded.warnings().is_empty(), "{}: {:?}", holder.display(), loaded.warnings());
            let signer = loaded.into_signer()?;
            let set = MspSet::new([&known.config])?;
            let identity = set.identify(&signer.serialized(), now_ms)?;
            ensure!(identity.has_role(role), "{} has {:?}", holder.display(), identity.roles());
            identity.verify(b"message", &signer.sign(b"message"))?;
            ensure!(identity.verify(b"another", &signer.sign(b"message")).is_err());
            ensure!(known.into_signer().is_err(), "what others know of {msp_id} holds a private key");
        }
    }
    Ok(())
}

fn verify(root: &Path, certificate: &Path, purpose: Option<&str>) -> Result<()> {
    let root = root.display().to_string();
    let mut args = vec!["verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-CAfile", &root];
    if let Some(purpose) = purpose {
        args.extend(["-purpose", purpose]);
    }
    openssl(&args, certificate).map(drop)
}

/// The public key of the certificate is the one of the private key.
fn belongs(certificate: &Path, key: &Path) -> Result<()> {
    let certified = openssl(&["x509", "-noout", "-pubkey", "-in"], certificate)?;
    let own = openssl(&["pkey", "-pubout", "-in"], key)?;
    ensure!(certified == own, "{} does not belong to {}", key.display(), certificate.display());
    Ok(())
}

fn openssl(args: &[&str], file: &Path) -> Result<String> {
    let output = Command::new("openssl").args(args).arg(file).output();
    let output = output.context("openssl does not start; install the package openssl")?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "openssl {args:?} {}: {said}", file.display());
    Ok(said)
}

/// The only file of a folder whose name ends so.
fn only(folder: &Path, end: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
    ensure!(found.len() == 1, "{} holds {} such files", folder.display(), found.len());
    found.pop().context("there is one")
}

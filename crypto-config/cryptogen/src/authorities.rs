//! An organisation's two authorities and its KEM key, as they are on the disk or freshly made.
//!
//! An authority's key may have been put away: what it issued can still be checked, and only a run that has
//! something to issue asks for the key.

use std::path::{Path, PathBuf};

use issuing::{
    CaProfile, Certificate, CertificateAuthority, KemKeyPair, KemPrivateKey, KemPublicKey, KeyAlgorithm,
    SigningKeyPair,
};

use crate::disk::{Access, NewFile, fill_folder, is_readable_by_others, read_if_present, write_if_absent};
use crate::failure::Failure;
use crate::layout::{AUTHORITY_KEY, KEM_PRIVATE, KEM_PUBLIC, certificate_name};
use crate::organization::Organization;
use crate::report::{Outcome, Report};

/// An authority of an organisation.
pub struct Authority {
    certificate: Certificate,
    signer: Option<CertificateAuthority>,
    key: PathBuf,
}

/// An authority as it is asked for.
pub struct Wanted<'a> {
    /// Common name.
    pub name: &'a str,
    /// Kind of its key, where it is made.
    pub algorithm: KeyAlgorithm,
    /// Whose it is.
    pub organization: &'a Organization,
    /// False where it must be there: what it issued before would not hang on a new one.
    pub may_be_made: bool,
}

impl Wanted<'_> {
    fn make(&self, folder: &Path, now_ms: u64) -> Result<CertificateAuthority, Failure> {
        let profile = CaProfile {
            common_name: self.name.to_owned(),
            organization: self.organization.domain.clone(),
            organizational_unit: self.organization.ca_unit.clone(),
            subject: self.organization.subject.clone(),
        };
        let made = CertificateAuthority::create_for(&profile, self.algorithm, now_ms)?;
        write_pair(folder, &certificate_name(self.name), &made)?;
        Ok(made)
    }
}

impl Authority {
    /// Reads an authority in `folder`, or makes it; the second value tells which.
    pub fn ensure(folder: &Path, wanted: &Wanted<'_>, now_ms: u64) -> Result<(Self, Outcome), Failure> {
        let certificate = folder.join(certificate_name(wanted.name));
        let key = folder.join(AUTHORITY_KEY);
        match (read_if_present(&certificate)?, read_if_present(&key)?) {
            (None, None) if wanted.may_be_made => {
                let made = wanted.make(folder, now_ms)?;
                let certificate = made.certificate().clone();
                Ok((Self { certificate, signer: Some(made), key }, Outcome::Made))
            }
            (None, None) => Err(Failure::Rejected(format!(
                "{}: is missing, and {} exists already: an organisation is extended by the authority that it has; put \
                 the certificate and its key ({AUTHORITY_KEY}) back",
                certificate.display(),
                wanted.organization.domain
            ))),
            (Some(certificate_text), Some(key_text)) => {
                let read = CertificateAuthority::load(&certificate_text, &key_text).map_err(|error| {
                    Failure::Rejected(format!(
                        "{}: {error}; put the matching pair back into {}",
                        key.display(),
                        folder.display()
                    ))
                })?;
                let certificate = read.certificate().clone();
                Ok((Self { certificate, signer: Some(read), key }, Outcome::Kept))
            }
            (Some(text), None) => {
                let certificate = read_certificate(&certificate, &text)?;
                Ok((Self { certificate, signer: None, key }, Outcome::Kept))
            }
            (None, Some(_)) => Err(lonely_key(&key, &certificate)),
        }
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The authority with its key, which is needed to issue `what`.
    pub fn signer(&self, what: &str) -> Result<&CertificateAuthority, Failure> {
        self.signer.as_ref().ok_or_else(|| {
            Failure::Rejected(format!(
                "{}: is missing, and `{what}` is to be issued with it; put it back for this run",
                self.key.display()
            ))
        })
    }
}

/// Notes a kept certificate whose key is of another kind than the template asks for: both kinds work, side by side too.
pub fn warn_of_algorithm(path: &Path, certificate: &Certificate, wanted: KeyAlgorithm, report: &mut Report) {
    let found = certificate.public_key().key_algorithm();
    if found != wanted {
        report.warnings.push(format!(
            "{}: certifies an {found} key, and the template asks for {wanted}; kept",
            path.display()
        ));
    }
}

/// Reads the KEM key in `folder`, or makes what is missing of it.
pub fn ensure_kem(folder: &Path, report: &mut Report) -> Result<Outcome, Failure> {
    let (public, private) = (folder.join(KEM_PUBLIC), folder.join(KEM_PRIVATE));
    let private_text = read_if_present(&private)?;
    let public_text = read_if_present(&public)?;
    warn_if_readable(&private, report);
    let refuse = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::Rejected(format!(
            "{}: {error}; put the right file back (without the private key nothing sealed to it can be opened)",
            path.display()
        ))
    };
    let pair = match &private_text {
        Some(text) => KemPrivateKey::from_pem(text)
            .and_then(KemKeyPair::from_private)
            .map_err(|error| refuse(&private, &error))?,
        None if public_text.is_some() => {
            report.warnings.push(format!(
                "{}: is missing beside {KEM_PUBLIC}; kept, since it may lie in a safer place",
                private.display()
            ));
            return Ok(Outcome::Kept);
        }
        None => KemKeyPair::generate()?,
    };
    if let Some(text) = &public_text {
        let stated = KemPublicKey::from_pem(text).map_err(|error| refuse(&public, &error))?;
        if &stated != pair.public_key() {
            return Err(refuse(&public, &format!("does not belong to {KEM_PRIVATE} beside it")));
        }
        return Ok(Outcome::Kept);
    }
    let public_pem = pair.public_pem();
    let file = NewFile { name: KEM_PUBLIC, text: &public_pem, access: Access::Public };
    if private_text.is_some() {
        write_if_absent(&public, &file)?;
        return Ok(Outcome::Completed);
    }
    let private_pem = pair.private_pem();
    let secret = NewFile { name: KEM_PRIVATE, text: &private_pem, access: Access::Private };
    fill_folder(folder, &[file, secret], &[])?;
    Ok(Outcome::Made)
}

/// Reads a certificate of our own from the disk.
pub fn read_certificate(path: &Path, text: &str) -> Result<Certificate, Failure> {
    Certificate::from_pem(text).map_err(|error| {
        Failure::Rejected(format!("{}: {error}; put the right certificate back", path.display()))
    })
}

/// Asks that the key on the disk is the one that the certificate beside it certifies.
pub fn check_pair(certificate: &Certificate, key: &Path, key_text: &str) -> Result<(), Failure> {
    let refuse = |detail: String| Failure::Rejected(format!("{}: {detail}", key.display()));
    let read = SigningKeyPair::from_pem(key_text)
        .map_err(|error| refuse(format!("{error}; put the right key back")))?;
    if read.public_key() != certificate.public_key() {
        return Err(refuse(format!(
            "is not the key of the certificate of `{}`; put the right one back, or remove both to have a new pair",
            certificate.common_name()
        )));
    }
    Ok(())
}

/// A key was found, but not the certificate that should lie with it.
pub fn lonely_key(key: &Path, certificate: &Path) -> Failure {
    Failure::Rejected(format!(
        "{}: there is no certificate with this key; put {} back, or remove the key to have a new pair made",
        key.display(),
        certificate.display()
    ))
}

/// Notes a private key that others on the machine may read.
pub fn warn_if_readable(key: &Path, report: &mut Report) {
    if is_readable_by_others(key) {
        report.warnings.push(format!("{}: others may read this private key; chmod 600", key.display()));
    }
}

fn write_pair(
    folder: &Path,
    certificate_name: &str,
    authority: &CertificateAuthority,
) -> Result<(), Failure> {
    let certificate = authority.certificate().pem();
    let key = authority.private_pem();
    let files = [
        NewFile { name: certificate_name, text: &certificate, access: Access::Public },
        NewFile { name: AUTHORITY_KEY, text: &key, access: Access::Private },
    ];
    fill_folder(folder, &files, &[])
}

//! Makes what an organisation still lacks, and keeps what it has.
//!
//! Every key lies with its certificate in one folder (`msp`, `tls`), which appears as a whole. What exists is
//! checked against the authority on the disk and against the template: a certificate that would not work is an
//! error with its fix, never quietly replaced and never quietly kept.

use std::path::{Path, PathBuf};

use issuing::{
    Certificate, IdentityProfile, KeyAlgorithm, PublicKey, SigningKeyPair, SubjectAltName, TlsProfile,
};

use crate::authorities::{
    Authority, Wanted, check_pair, ensure_kem, lonely_key, read_certificate, warn_if_readable,
    warn_of_algorithm,
};
use crate::disk::{Access, NewFile, fill_folder, make_folder, read_if_present, write_if_absent};
use crate::failure::Failure;
use crate::layout::{self, OrganizationFolder, certificate_name, tls_names};
use crate::organization::Organization;
use crate::report::{Outcome, Report};

/// TLS keys and their authorities are on P-256 whatever the template says: browsers, and other clients of a console,
/// know no Ed25519 certificates, and no TLS certificate enters a verdict.
const TLS_ALGORITHM: KeyAlgorithm = KeyAlgorithm::Ecdsa;

/// Which of Fabric's two verbs runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Makes whatever is missing.
    Generate,
    /// Adds to the organisations that are there; an authority is made for a new organisation only.
    Extend,
}

/// Makes what is missing of `organization` below `output`; `now_ms` dates the new certificates.
pub fn generate(
    output: &Path,
    organization: &Organization,
    verb: Verb,
    now_ms: u64,
) -> Result<Report, Failure> {
    let folder = OrganizationFolder::new(output, organization);
    let may_be_made = verb == Verb::Generate || !folder.is_there();
    let mut report = Report::new(&organization.domain);
    let tls_name = format!("tls{}", organization.ca_name);
    let mut authority = |thing: &'static str, place: &Path, name: &str, algorithm: KeyAlgorithm| {
        let wanted = Wanted { name, algorithm, organization, may_be_made };
        let (authority, outcome) = Authority::ensure(place, &wanted, now_ms)?;
        warn_of_algorithm(place, authority.certificate(), algorithm, &mut report);
        report.note(thing, outcome);
        Ok::<_, Failure>(authority)
    };
    let ca = authority("ca", &folder.ca(), &organization.ca_name, organization.ca_algorithm)?;
    let tlsca = authority("tlsca", &folder.tlsca(), &tls_name, TLS_ALGORITHM)?;
    let outcome = ensure_kem(&folder.kem(), &mut report)?;
    report.note("kem", outcome);

    let mut work = Work { organization, ca, tlsca, now_ms, admin: None, report };
    // Admin is first among the users: without NodeOUs its certificate goes into every other folder.
    for user in &organization.users {
        let place = folder.users().join(&user.common_name);
        let member =
            Member { name: &user.common_name, role: user.role, algorithm: user.algorithm, sans: None };
        let outcome = work.member(&place, &member)?;
        work.report.note("user", outcome);
    }
    for node in &organization.nodes {
        let place = folder.nodes().join(&node.common_name);
        let role = organization.kind.role();
        let member =
            Member { name: &node.common_name, role, algorithm: node.algorithm, sans: Some(&node.sans) };
        let outcome = work.member(&place, &member)?;
        work.report.note(role, outcome);
    }
    make_folder(&folder.nodes())?;
    let outcome = work.organization_msp(&folder.msp())?;
    work.report.note("msp", outcome);
    Ok(work.report)
}

/// A node or a user.
struct Member<'a> {
    name: &'a str,
    role: &'static str,
    /// Kind of its signing key.
    algorithm: KeyAlgorithm,
    /// Nodes have names under which they serve; users do not serve.
    sans: Option<&'a [SubjectAltName]>,
}

/// What is needed to make one organisation's members.
struct Work<'a> {
    organization: &'a Organization,
    ca: Authority,
    tlsca: Authority,
    now_ms: u64,
    admin: Option<Certificate>,
    report: Report,
}

/// A folder with one key, its certificate, and copies of what goes with them.
struct Pair {
    folder: PathBuf,
    certificate: String,
    key: &'static str,
    algorithm: KeyAlgorithm,
    /// Folders that are there even when they hold nothing.
    folders: &'static [&'static str],
}

/// A file that can be made again at any time; an existing one must say the same if it is a certificate.
struct Copy {
    name: String,
    text: String,
    certificate: Option<Certificate>,
}

impl Copy {
    fn of(name: String, certificate: &Certificate) -> Self {
        Self { name, text: certificate.pem(), certificate: Some(certificate.clone()) }
    }

    fn file(&self) -> NewFile<'_> {
        NewFile { name: &self.name, text: &self.text, access: Access::Public }
    }
}

impl Work<'_> {
    fn member(&mut self, place: &Path, member: &Member<'_>) -> Result<Outcome, Failure> {
        Ok(self.identity(place, member)?.and(self.tls(place, member)?))
    }

    fn identity(&mut self, place: &Path, member: &Member<'_>) -> Result<Outcome, Failure> {
        let pair = Pair {
            folder: place.join("msp"),
            certificate: format!("signcerts/{}", certificate_name(member.name)),
            key: layout::SIGNING_KEY,
            algorithm: member.algorithm,
            folders: &[layout::ADMINS],
        };
        let unit = self.organization.node_ous.then(|| member.role.to_owned());
        let (certificate, outcome) = match self.existing(&pair, &self.ca.certificate().clone(), member)? {
            Some(certificate) => {
                check_unit(&pair, &certificate, unit.as_deref())?;
                (certificate, Outcome::Kept)
            }
            None => {
                let profile = IdentityProfile {
                    name: member.name.to_owned(),
                    organizational_unit: unit,
                    subject: self.organization.subject.clone(),
                };
                let issue = |key: &PublicKey| {
                    Ok(self.ca.signer(member.name)?.issue_identity(&profile, key, self.now_ms)?)
                };
                let made = self.make(&pair, issue, |certificate| self.msp_copies(member, certificate))?;
                (made, Outcome::Made)
            }
        };
        let outcome = self.complete(&pair.folder, &self.msp_copies(member, &certificate), outcome)?;
        make_folder(&pair.folder.join(layout::ADMINS))?;
        if member.role == "admin" {
            self.admin = Some(certificate);
        }
        Ok(outcome)
    }

    fn tls(&mut self, place: &Path, member: &Member<'_>) -> Result<Outcome, Failure> {
        let (certificate, key) = tls_names(member.sans.is_some());
        let pair = Pair {
            folder: place.join("tls"),
            certificate: certificate.to_owned(),
            key,
            algorithm: TLS_ALGORITHM,
            folders: &[],
        };
        let sans = member.sans.unwrap_or_default();
        let copies = [Copy::of(layout::TLS_ROOT.to_owned(), self.tlsca.certificate())];
        if let Some(certificate) = self.existing(&pair, &self.tlsca.certificate().clone(), member)? {
            if !certificate.has_subject_alt_names(sans) {
                self.report.warnings.push(format!(
                    "{}: was issued for other names or addresses than the template asks for; kept (remove {} to have \
                     it issued again)",
                    pair.folder.join(&pair.certificate).display(),
                    pair.folder.display()
                ));
            }
            return self.complete(&pair.folder, &copies, Outcome::Kept);
        }
        let profile = TlsProfile {
            name: member.name.to_owned(),
            sans: sans.to_vec(),
            subject: self.organization.subject.clone(),
        };
        let issue =
            |key: &PublicKey| Ok(self.tlsca.signer(member.name)?.issue_tls(&profile, key, self.now_ms)?);
        self.make(&pair, issue, |_| copies.into())?;
        Ok(Outcome::Made)
    }

    fn organization_msp(&self, folder: &Path) -> Result<Outcome, Failure> {
        let copies = self.msp_roots(self.admin.as_ref());
        if !folder.is_dir() {
            fill_folder(folder, &copies.iter().map(Copy::file).collect::<Vec<_>>(), &[layout::ADMINS])?;
            return Ok(Outcome::Made);
        }
        make_folder(&folder.join(layout::ADMINS))?;
        self.complete(folder, &copies, Outcome::Kept)
    }

    /// The certificate of a pair that is on the disk, checked; `None` where neither half is.
    fn existing(
        &mut self,
        pair: &Pair,
        authority: &Certificate,
        member: &Member<'_>,
    ) -> Result<Option<Certificate>, Failure> {
        let path = pair.folder.join(&pair.certificate);
        let key = pair.folder.join(pair.key);
        let key_text = read_if_present(&key)?;
        let Some(text) = read_if_present(&path)? else {
            return if key_text.is_some() { Err(lonely_key(&key, &path)) } else { Ok(None) };
        };
        let certificate = read_certificate(&path, &text)?;
        let again = format!("remove {} to have it issued again with a new key", pair.folder.display());
        certificate
            .check_issued_by(authority)
            .map_err(|error| Failure::Rejected(format!("{}: {error}; {again}", path.display())))?;
        if certificate.common_name() != member.name {
            return Err(Failure::Rejected(format!(
                "{}: is the certificate of `{}`, not of `{}`; {again}",
                path.display(),
                certificate.common_name(),
                member.name
            )));
        }
        warn_of_algorithm(&path, &certificate, pair.algorithm, &mut self.report);
        match key_text {
            Some(key_text) => {
                check_pair(&certificate, &key, &key_text)?;
                warn_if_readable(&key, &mut self.report);
            }
            None => self.report.warnings.push(format!(
                "{}: is missing beside its certificate; kept, since it may lie on its own machine ({again})",
                key.display()
            )),
        }
        Ok(Some(certificate))
    }

    /// Makes a key, has it certified, and writes the pair with its copies.
    fn make(
        &self,
        pair: &Pair,
        issue: impl FnOnce(&PublicKey) -> Result<Certificate, Failure>,
        copies: impl FnOnce(&Certificate) -> Vec<Copy>,
    ) -> Result<Certificate, Failure> {
        let key = SigningKeyPair::generate_for(pair.algorithm)?;
        let certificate = issue(key.public_key())?;
        let copies = copies(&certificate);
        let (certificate_pem, key_pem) = (certificate.pem(), key.private_pem());
        let mut files: Vec<NewFile<'_>> = copies.iter().map(Copy::file).collect();
        // The key comes last: where a folder has to be filled file by file, a certificate without its key is
        // the milder of the two states in which an interrupted run can leave it.
        files.push(NewFile { name: &pair.certificate, text: &certificate_pem, access: Access::Public });
        files.push(NewFile { name: pair.key, text: &key_pem, access: Access::Private });
        fill_folder(&pair.folder, &files, pair.folders)?;
        Ok(certificate)
    }

    /// Writes the copies that are missing, and asks that the others are right.
    fn complete(&self, folder: &Path, copies: &[Copy], outcome: Outcome) -> Result<Outcome, Failure> {
        let mut outcome = outcome;
        for copy in copies {
            let path = folder.join(&copy.name);
            match (read_if_present(&path)?, &copy.certificate) {
                (None, _) => {
                    write_if_absent(&path, &copy.file())?;
                    outcome = Outcome::Completed;
                }
                (Some(text), Some(wanted)) if &read_certificate(&path, &text)? != wanted => {
                    return Err(Failure::Rejected(format!(
                        "{}: is not the certificate of `{}` that this organisation has now; remove the file to have \
                         it copied again",
                        path.display(),
                        wanted.common_name()
                    )));
                }
                _ => {}
            }
        }
        Ok(outcome)
    }

    /// What lies in every `msp` folder of the organisation beside the member's own key and certificate.
    fn msp_copies(&self, member: &Member<'_>, own: &Certificate) -> Vec<Copy> {
        // Without NodeOUs Fabric makes every user the admin of its own folder, and Admin that of the nodes'.
        self.msp_roots(if member.sans.is_some() { self.admin.as_ref() } else { Some(own) })
    }

    fn msp_roots(&self, admin: Option<&Certificate>) -> Vec<Copy> {
        let (ca, tlsca) = (self.ca.certificate(), self.tlsca.certificate());
        let ca_name = &self.organization.ca_name;
        let mut copies = vec![
            Copy::of(format!("cacerts/{}", certificate_name(ca_name)), ca),
            Copy::of(format!("tlscacerts/{}", certificate_name(&format!("tls{ca_name}"))), tlsca),
        ];
        if self.organization.node_ous {
            let text = layout::node_ous(ca_name);
            copies.push(Copy { name: layout::NODE_OUS.to_owned(), text, certificate: None });
        } else if let Some(admin) = admin {
            copies.push(Copy::of(
                format!("{}/{}", layout::ADMINS, certificate_name(&admin.common_name())),
                admin,
            ));
        }
        copies
    }
}

/// Asks that a kept identity states the role that the template gives it now.
fn check_unit(pair: &Pair, certificate: &Certificate, wanted: Option<&str>) -> Result<(), Failure> {
    let stated = certificate.organizational_units();
    if stated.iter().map(String::as_str).eq(wanted) {
        return Ok(());
    }
    let stated =
        if stated.is_empty() { "no role".to_owned() } else { format!("the role `{}`", stated.join(", ")) };
    let wanted = wanted.map_or_else(|| "none".to_owned(), |role| format!("`{role}`"));
    Err(Failure::Rejected(format!(
        "{}: states {stated}, and the template asks for {wanted}; set EnableNodeOUs back, or remove {} to have it issued \
         again with a new key",
        pair.folder.join(&pair.certificate).display(),
        pair.folder.display()
    )))
}

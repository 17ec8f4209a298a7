//! The CAs of one MSP as a tree, and who of them issued a certificate.
//!
//! Built once from configuration: every CA must be allowed to sign certificates, every intermediate must lead to a root
//! by signatures over raw bytes, path lengths hold. The expiry of CAs is not looked at (Fabric's rule: an identity lives
//! as long as its own certificate). A CA that issued another CA of the tree may not issue identities.

use bytes::Bytes;
use protocol::Poi;

use crate::certificate::Certificate;

/// CAs between a certificate and its root; real trees have one or two.
const DEPTH_MAX: usize = 8;

/// One CA with the way from it to its root.
#[derive(Clone, Debug)]
pub(crate) struct Ca {
    pub(crate) certificate: Certificate,
    /// PoIs of this CA, its issuer, and so on up to the root.
    pub(crate) path: Vec<Poi>,
    /// Whether it issued another CA of the tree.
    pub(crate) is_internal: bool,
}

/// All CAs of one kind (identity or TLS) of one MSP.
#[derive(Clone, Debug)]
pub(crate) struct CaTree {
    cas: Vec<Ca>,
}

/// A CA that cannot stand in the tree: where it came from, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadCa {
    pub(crate) origin: String,
    pub(crate) reason: String,
}

/// Names an entry of a certificate list (its name, its place from 0) for an error: a file, or list and number.
pub(crate) type OriginOf<'a> = dyn Fn(&str, usize) -> String + 'a;

/// What the tree says of a certificate's issuer.
pub(crate) enum Issuer<'a> {
    Found(&'a Ca),
    Internal(&'a Ca),
    Unknown,
}

impl CaTree {
    /// Builds the tree from two lists of DER certificates, each with its name; `origin_of` names a list's entry for
    /// errors. A root that is repeated among the intermediates counts once.
    pub(crate) fn new(
        roots: (&str, &[Bytes]),
        intermediates: (&str, &[Bytes]),
        origin_of: &OriginOf<'_>,
    ) -> Result<Self, BadCa> {
        let roots = parse_all(roots, origin_of)?;
        let mut intermediates = parse_all(intermediates, origin_of)?;
        intermediates.retain(|(_, ca)| !roots.iter().any(|(_, root)| root.poi == ca.poi));
        for (origin, root) in &roots {
            if root.is_self_issued() && !root.is_signed_by(root) {
                let reason = "its self-signature does not verify; the file is damaged or forged".to_owned();
                return Err(BadCa { origin: origin.clone(), reason });
            }
        }
        let mut cas = Vec::new();
        for (_, root) in &roots {
            cas.push(Ca { certificate: root.clone(), path: vec![root.poi], is_internal: false });
        }
        for (origin, certificate) in &intermediates {
            let path = path_to_root(certificate, &roots, &intermediates)
                .map_err(|reason| BadCa { origin: origin.clone(), reason })?;
            cas.push(Ca { certificate: certificate.clone(), path, is_internal: false });
        }
        let issuers: Vec<Poi> = cas.iter().filter_map(|ca| ca.path.get(1).copied()).collect();
        for ca in &mut cas {
            ca.is_internal = issuers.contains(&ca.certificate.poi);
        }
        Ok(Self { cas })
    }

    /// The CA whose key signed `certificate`. Where a CA was renewed with the same key and both certificates are
    /// configured, the first is taken; they count as one, since CAs are compared by key.
    pub(crate) fn issuer_of(&self, certificate: &Certificate) -> Issuer<'_> {
        match self.cas.iter().find(|ca| certificate.is_signed_by(&ca.certificate)) {
            Some(ca) if ca.is_internal => Issuer::Internal(ca),
            Some(ca) => Issuer::Found(ca),
            None => Issuer::Unknown,
        }
    }

    /// The CAs that may issue end certificates.
    pub(crate) fn issuing(&self) -> impl Iterator<Item = &Certificate> {
        self.cas.iter().filter(|ca| !ca.is_internal).map(|ca| &ca.certificate)
    }

    /// Whether a CA with this key is in the tree.
    pub(crate) fn contains(&self, poi: Poi) -> bool {
        self.cas.iter().any(|ca| ca.certificate.poi == poi)
    }
}

fn parse_all(
    (name, list): (&str, &[Bytes]),
    origin_of: &OriginOf<'_>,
) -> Result<Vec<(String, Certificate)>, BadCa> {
    let mut out = Vec::with_capacity(list.len());
    for (at, der) in list.iter().enumerate() {
        let origin = origin_of(name, at);
        match Certificate::parse(der).and_then(check_ca) {
            Ok(certificate) => out.push((origin, certificate)),
            Err(reason) => return Err(BadCa { origin, reason }),
        }
    }
    Ok(out)
}

/// Returns the certificate if it may sign certificates and its key is of a type known here.
fn check_ca(certificate: Certificate) -> Result<Certificate, String> {
    let subject = &certificate.subject_text;
    if !certificate.is_ca {
        return Err(format!(
            "{subject} is not a CA certificate (no basic constraints CA:TRUE); put the CA's certificate here"
        ));
    }
    if certificate.key_usage.is_some_and(|usage| !usage.certificate_sign) {
        return Err(format!(
            "{subject} has a key usage without keyCertSign, so it cannot issue certificates"
        ));
    }
    if let Some(oid) = &certificate.unknown_critical {
        return Err(format!("{subject} has the critical extension {oid}, which is not understood here"));
    }
    if let Err(found) = &certificate.key {
        return Err(format!(
            "{subject} has an unsupported key type ({found}); CAs use ECDSA P-256, ECDSA P-384 or Ed25519"
        ));
    }
    Ok(certificate)
}

/// PoIs from `start` up to a root. Depth is bounded, so a ring of cross-signed CAs ends as an error.
fn path_to_root(
    start: &Certificate,
    roots: &[(String, Certificate)],
    intermediates: &[(String, Certificate)],
) -> Result<Vec<Poi>, String> {
    let mut path = vec![start.poi];
    let mut current = start;
    while path.len() <= DEPTH_MAX {
        let below = path.len();
        let root = roots.iter().find(|(_, root)| current.is_signed_by(root));
        let next = root.or_else(|| {
            intermediates.iter().find(|(_, ca)| !path.contains(&ca.poi) && current.is_signed_by(ca))
        });
        let Some((_, issuer)) = next else {
            return Err(format!(
                "{} is signed by no CA of this MSP (its issuer field says {}); add its issuer",
                current.subject_text, current.issuer_text
            ));
        };
        if issuer.path_length.is_some_and(|length| usize::try_from(length).is_ok_and(|most| below > most)) {
            return Err(format!(
                "{} allows fewer intermediate CAs below it than the {below} found",
                issuer.subject_text
            ));
        }
        path.push(issuer.poi);
        if root.is_some() {
            return Ok(path);
        }
        current = issuer;
    }
    Err(format!("{} is more than {DEPTH_MAX} CAs away from a root", start.subject_text))
}

//! What can go wrong before a byte of HTTP flows: each variant names the endpoint, the cause and what to do about it.
//!
//! A failed handshake is never left to a deadline to report: the dialler classifies rustls' and the socket's errors here.

use std::io;
use std::time::Duration;

use protocol::Endpoint;
use thiserror::Error;

/// Why a certificate chain and its key are no TLS identity. The key's bytes are never part of it.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The chain's PEM holds no certificate.
    #[error("no certificate in the TLS certificate's PEM ({bytes} bytes): expected BEGIN CERTIFICATE")]
    NoCertificate {
        /// Size of what was read.
        bytes: usize,
    },
    /// The chain's PEM is damaged.
    #[error("the TLS certificate's PEM is damaged: {reason}")]
    Certificate {
        /// What the reader met.
        reason: String,
    },
    /// The key's PEM holds no private key, or is damaged.
    #[error("the TLS key's PEM is not usable: {reason}; expected one unencrypted BEGIN PRIVATE KEY (PKCS#8)")]
    Key {
        /// What the reader met.
        reason: String,
    },
    /// Key and certificate do not belong together.
    #[error(
        "the TLS key does not belong to the first certificate of the chain: put the matching pair in place"
    )]
    Mismatch,
}

/// Why certificates are no trust roots.
#[derive(Debug, Error)]
pub enum RootsError {
    /// None was given: nobody could connect.
    #[error("no TLS root certificate given: list the TLS CA certificates of the organisations (tlscacerts)")]
    Empty,
    /// One is not usable.
    #[error("TLS root certificate number {number} (from 1) is not usable: {reason}")]
    Root {
        /// Which one, from 1.
        number: usize,
        /// What the parser met.
        reason: String,
    },
}

/// Why an endpoint was not reached, or a listener not served.
#[derive(Debug, Error)]
pub enum TransportError {
    /// The host's name has no address.
    #[error("{endpoint}: the name {:?} has no address: check the endpoint's host and the name service", .endpoint.host)]
    NoAddress {
        /// What was dialled.
        endpoint: Endpoint,
        /// The resolver's error, if it gave one.
        #[source]
        source: Option<io::Error>,
    },
    /// Nobody listens.
    #[error("{endpoint}: connection refused: nothing listens there; check the port and that the node runs")]
    Refused {
        /// What was dialled.
        endpoint: Endpoint,
    },
    /// The socket failed.
    #[error("{endpoint}: not reachable ({kind}): check network and firewall")]
    Unreachable {
        /// What was dialled.
        endpoint: Endpoint,
        /// The kind of the socket's error.
        kind: io::ErrorKind,
        /// The socket's error.
        #[source]
        source: io::Error,
    },
    /// Nothing came in time.
    #[error(
        "{endpoint}: no answer to the {stage} within {after:?}: the node hangs, or a firewall drops packets"
    )]
    Timeout {
        /// What was dialled.
        endpoint: Endpoint,
        /// What was waited for.
        stage: &'static str,
        /// For how long.
        after: Duration,
    },
    /// The other side does not speak TLS.
    #[error("{endpoint}: answers, but not in TLS: is it a plain-text port?")]
    NotTls {
        /// What was dialled.
        endpoint: Endpoint,
    },
    /// The other side closed the connection.
    #[error(
        "{endpoint}: closed the connection during the {stage}: not a TLS port, or the node is at its limit"
    )]
    Closed {
        /// What was dialled.
        endpoint: Endpoint,
        /// When it closed.
        stage: &'static str,
    },
    /// The server's certificate chains to no root of ours.
    #[error(
        "{endpoint}: its TLS certificate is issued by no CA that is trusted here: \
         add the TLS CA of its organisation (tlscacerts), or check that this is the right node"
    )]
    UnknownAuthority {
        /// What was dialled.
        endpoint: Endpoint,
    },
    /// The server's certificate carries other names.
    #[error(
        "{endpoint}: its TLS certificate is not for {:?} but for {}: \
         dial one of these names, or issue a certificate with this one",
        .endpoint.host, presented_list(.presented)
    )]
    WrongName {
        /// What was dialled.
        endpoint: Endpoint,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// The server's certificate is out of its time.
    #[error("{endpoint}: its TLS certificate {validity}: renew it, or set the clock right")]
    OutOfTime {
        /// What was dialled.
        endpoint: Endpoint,
        /// `expired ...` or `is not valid yet`.
        validity: String,
    },
    /// The server's certificate was refused for another reason.
    #[error("{endpoint}: its TLS certificate is refused: {reason}")]
    ServerCertificate {
        /// What was dialled.
        endpoint: Endpoint,
        /// What the verifier said.
        reason: String,
    },
    /// The server did not take our certificate.
    #[error(
        "{endpoint}: refused our TLS certificate ({alert}): \
         the node must trust the TLS CA that issued it, it must be in its time, and its key may not be revoked"
    )]
    OurCertificate {
        /// What was dialled.
        endpoint: Endpoint,
        /// The alert that it sent.
        alert: String,
    },
    /// TLS failed for another reason.
    #[error("{endpoint}: the TLS handshake failed: {source}")]
    Tls {
        /// What was dialled.
        endpoint: Endpoint,
        /// rustls' error.
        #[source]
        source: rustls::Error,
    },
    /// The endpoint's host is neither a DNS name nor an IP address.
    #[error("{endpoint}: the host is neither a DNS name nor an IP address")]
    InvalidHost {
        /// What was to be dialled.
        endpoint: Endpoint,
    },
}

fn presented_list(names: &[String]) -> String {
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}

impl TransportError {
    /// Classifies what a socket or rustls reported while `stage` was under way.
    pub(crate) fn classify(endpoint: &Endpoint, stage: &'static str, error: io::Error) -> Self {
        let endpoint = endpoint.clone();
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::of_tls(endpoint, tls.clone());
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused { endpoint },
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Closed { endpoint, stage },
            kind => Self::Unreachable { endpoint, kind, source: error },
        }
    }

    fn of_tls(endpoint: Endpoint, error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidMessage(_) => Self::NotTls { endpoint },
            rustls::Error::InvalidCertificate(reason) => Self::of_certificate(endpoint, reason),
            rustls::Error::AlertReceived(alert) if blames_our_certificate(alert) => {
                Self::OurCertificate { endpoint, alert: format!("{alert:?}") }
            }
            source => Self::Tls { endpoint, source },
        }
    }

    fn of_certificate(endpoint: Endpoint, reason: rustls::CertificateError) -> Self {
        use rustls::CertificateError as Reason;
        match reason {
            Reason::UnknownIssuer | Reason::BadSignature => Self::UnknownAuthority { endpoint },
            Reason::NotValidForNameContext { presented, .. } => Self::WrongName { endpoint, presented },
            Reason::NotValidForName => Self::WrongName { endpoint, presented: Vec::new() },
            Reason::ExpiredContext { time, not_after } => {
                let days = time.as_secs().saturating_sub(not_after.as_secs()) / 86_400;
                let at = not_after.as_secs();
                let validity = format!("expired {days} days ago (at {at} seconds since 1970)");
                Self::OutOfTime { endpoint, validity }
            }
            Reason::Expired => Self::OutOfTime { endpoint, validity: "expired".to_owned() },
            Reason::NotValidYet | Reason::NotValidYetContext { .. } => {
                Self::OutOfTime { endpoint, validity: "is not valid yet".to_owned() }
            }
            other => Self::ServerCertificate { endpoint, reason: other.to_string() },
        }
    }
}

/// Alerts by which a server refuses a client's certificate (RFC 8446, 6.2).
fn blames_our_certificate(alert: rustls::AlertDescription) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
            | Alert::DecryptError
    )
}

//! Why a key or a certificate could not be made or read.
//!
//! No variant carries a byte of key material; the reader of a file adds the file's name.

/// Every way in which this crate refuses its input or fails at its work.
#[derive(Debug, thiserror::Error)]
pub enum IssuingError {
    /// The text is larger than any key or certificate; it was not looked at.
    #[error("the {what} is {length} bytes long, more than the {limit} that any such file needs")]
    TooLong {
        /// What the text was meant to be.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The text is no PEM, or its PEM holds something else.
    #[error("the {what} must be PEM with the label `{label}`: {found}")]
    NotPem {
        /// What the text was meant to be.
        what: &'static str,
        /// The label that was looked for.
        label: &'static str,
        /// What was found in its place.
        found: String,
    },
    /// The bytes inside the PEM do not have the expected structure.
    #[error("the {what} is malformed: {detail}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// Where the structure breaks.
        detail: &'static str,
    },
    /// The key is sound, yet of a kind that is not used here.
    #[error("the {what} is of an unsupported kind: {needed} is needed")]
    UnsupportedKey {
        /// What was read.
        what: &'static str,
        /// The kind that is supported.
        needed: &'static str,
    },
    /// A certificate and a private key were given together, but do not belong together.
    #[error("the private key does not belong to the certificate of `{subject}`")]
    KeyMismatch {
        /// Common name of the certificate.
        subject: String,
    },
    /// The certificate may not issue others.
    #[error("the certificate of `{subject}` is not that of an authority (basic constraints without CA:TRUE)")]
    NotAnAuthority {
        /// Common name of the certificate.
        subject: String,
    },
    /// The certificate was issued by somebody else.
    #[error("the certificate of `{subject}` was not issued by `{authority}`: {detail}")]
    NotIssued {
        /// Common name of the certificate.
        subject: String,
        /// Common name of the authority that was asked.
        authority: String,
        /// Which of the checks failed.
        detail: &'static str,
    },
    /// A name cannot stand in a certificate.
    #[error("the name `{name}` cannot stand in a certificate: {detail}")]
    UnfitName {
        /// The name.
        name: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The time that was passed in cannot be written into a certificate.
    #[error("{now_ms} ms since 1970 is no time for a certificate of ten years")]
    TimeOutOfRange {
        /// The time as it was passed in.
        now_ms: u64,
    },
    /// The certificate could not be built or signed.
    #[error("the certificate of `{subject}` could not be built")]
    Build {
        /// Common name of the certificate.
        subject: String,
        /// The builder's reason.
        #[source]
        source: rcgen::Error,
    },
    /// The cryptographic library refused an operation that does not depend on the input.
    #[error("the cryptographic library failed to {action}")]
    Library {
        /// What was asked of it.
        action: &'static str,
    },
}

//! PEM armour: text in, bytes out, and back.
//!
//! Limits come before work, and every text that may hold a private key is wiped when it is dropped.

use pem::{EncodeConfig, LineEnding, Pem};
use zeroize::Zeroizing;

use crate::IssuingError;

/// A P-256 certificate takes about 1 KiB; 64 KiB leaves room for certificates of other makers with long names.
const PEM_LENGTH_MAX: usize = 64 * 1024;

/// Label of a certificate.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
/// Label of a private key in PKCS#8.
pub(crate) const PRIVATE_KEY: &str = "PRIVATE KEY";
/// Label of a public key as SubjectPublicKeyInfo.
pub(crate) const PUBLIC_KEY: &str = "PUBLIC KEY";

/// Returns the bytes inside the first PEM block of `text`, which must carry `label`.
pub(crate) fn open(
    text: &str,
    what: &'static str,
    label: &'static str,
) -> Result<Zeroizing<Vec<u8>>, IssuingError> {
    if text.len() > PEM_LENGTH_MAX {
        return Err(IssuingError::TooLong { what, length: text.len(), limit: PEM_LENGTH_MAX });
    }
    // The parser's own error could quote the text, which may be a private key: it is not passed on.
    let block = pem::parse(text).map_err(|_| IssuingError::NotPem {
        what,
        label,
        found: "no complete PEM block".to_owned(),
    })?;
    let found = block.tag().to_owned();
    let bytes = Zeroizing::new(block.into_contents());
    if found != label {
        return Err(IssuingError::NotPem { what, label, found: format!("its label is `{}`", shown(&found)) });
    }
    Ok(bytes)
}

/// Returns `bytes` as one PEM block with lines of 64 characters and Unix line ends.
pub(crate) fn close(bytes: &[u8], label: &'static str) -> Zeroizing<String> {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let contents = Zeroizing::new(bytes.to_vec());
    Zeroizing::new(pem::encode_config(&Pem::new(label, contents.as_slice()), config))
}

/// A label comes from the file: only its harmless beginning is shown.
fn shown(label: &str) -> String {
    label.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ').take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_closed_opens_to_the_same_bytes() {
        for length in [0_usize, 1, 2, 3, 47, 48, 49, 500] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let text = close(&bytes, PUBLIC_KEY);
            assert!(text.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{}", text.as_str());
            assert!(!text.contains('\r'));
            assert_eq!(open(&text, "key", PUBLIC_KEY).unwrap().as_slice(), bytes);
        }
    }

    #[test]
    fn text_that_is_no_pem_of_the_wanted_kind_is_refused_with_a_reason() {
        let other = close(b"x", CERTIFICATE);
        let long = "x".repeat(PEM_LENGTH_MAX + 1);
        let table: [(&str, &str); 5] = [
            ("", "no complete PEM block"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA", "no complete PEM block"),
            ("-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n", "no complete PEM block"),
            (&other, "its label is `CERTIFICATE`"),
            (&long, "more than the 65536"),
        ];
        for (text, verdict) in table {
            let error = open(text, "key", PRIVATE_KEY).unwrap_err().to_string();
            assert!(error.contains(verdict), "{error}");
        }
    }
}

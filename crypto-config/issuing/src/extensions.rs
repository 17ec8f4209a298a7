//! The X.509 extensions, each as the exact bytes of its value.
//!
//! They are written here and not by rcgen's own switches, because rcgen shortens key identifiers to 20 bytes, ties
//! basic constraints of an end entity to a subject key identifier, and has an order of its own. Here they have
//! Fabric's contents and Fabric's order: key usage, extended key usage, basic constraints, key identifier,
//! alternative names. Rule: RFC 5280, section 4.2.1.

use std::net::IpAddr;

use rcgen::CustomExtension;

use crate::IssuingError;
use crate::der::{OCTET_STRING, SEQUENCE, element};

const SUBJECT_KEY_IDENTIFIER: [u64; 4] = [2, 5, 29, 14];
const KEY_USAGE: [u64; 4] = [2, 5, 29, 15];
const SUBJECT_ALT_NAME: [u64; 4] = [2, 5, 29, 17];
const BASIC_CONSTRAINTS: [u64; 4] = [2, 5, 29, 19];
const AUTHORITY_KEY_IDENTIFIER: [u64; 4] = [2, 5, 29, 35];
const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];

/// serverAuth, 1.3.6.1.5.5.7.3.1, as a DER element.
const SERVER_AUTH: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
/// clientAuth, 1.3.6.1.5.5.7.3.2, as a DER element.
const CLIENT_AUTH: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// A DNS name of RFC 1035 has at most 253 characters.
const DNS_NAME_LENGTH_MAX: usize = 253;

/// A name under which a TLS server is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectAltName {
    /// A host name; a first label `*` stands for any one label.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl SubjectAltName {
    /// Returns the address that `text` spells, or else the host name.
    ///
    /// # Errors
    /// [`IssuingError::UnfitName`] for anything that is neither: letters, digits, `.`, `-`, `_`, and `*` as the first label.
    pub fn parse(text: &str) -> Result<Self, IssuingError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(address));
        }
        let refuse = |detail| Err(IssuingError::UnfitName { name: text.chars().take(80).collect(), detail });
        if text.is_empty() || text.len() > DNS_NAME_LENGTH_MAX {
            return refuse("a host name has 1 to 253 characters");
        }
        let plain = text.strip_prefix("*.").unwrap_or(text);
        if plain.split('.').any(str::is_empty) {
            return refuse("a host name has no empty label");
        }
        if !plain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
            return refuse("a host name is written with letters, digits, `.`, `-` and `_`");
        }
        Ok(Self::Dns(text.to_owned()))
    }
}

/// What a certificate is for; it settles key usage, extended key usage and basic constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Issues others.
    Authority,
    /// Signs transactions.
    Identity,
    /// Stands at either end of a TLS connection.
    Tls,
}

impl Purpose {
    /// Returns the extensions that follow from the purpose, in Fabric's order.
    pub(crate) fn extensions(self) -> Vec<CustomExtension> {
        // Bit strings of RFC 5280, 4.2.1.3: unused bits, then digitalSignature 0x80, keyEncipherment 0x20,
        // keyCertSign 0x04, cRLSign 0x02.
        let (usage, extended, constraints): (&[u8], _, &[u8]) = match self {
            Self::Authority => {
                (&[0x03, 0x02, 0x01, 0xa6], Some([CLIENT_AUTH, SERVER_AUTH]), &[0x30, 0x03, 0x01, 0x01, 0xff])
            }
            Self::Identity => (&[0x03, 0x02, 0x07, 0x80], None, &[0x30, 0x00]),
            Self::Tls => (&[0x03, 0x02, 0x05, 0xa0], Some([SERVER_AUTH, CLIENT_AUTH]), &[0x30, 0x00]),
        };
        let mut all = vec![extension(&KEY_USAGE, true, usage.to_vec())];
        if let Some(purposes) = extended {
            all.push(extension(&EXTENDED_KEY_USAGE, false, element(SEQUENCE, &purposes.concat())));
        }
        all.push(extension(&BASIC_CONSTRAINTS, true, constraints.to_vec()));
        all
    }
}

/// Names the certificate's own key.
pub(crate) fn subject_key_identifier(identifier: &[u8]) -> CustomExtension {
    extension(&SUBJECT_KEY_IDENTIFIER, false, element(OCTET_STRING, identifier))
}

/// Names the issuer's key.
pub(crate) fn authority_key_identifier(identifier: &[u8]) -> CustomExtension {
    extension(&AUTHORITY_KEY_IDENTIFIER, false, element(SEQUENCE, &element(0x80, identifier)))
}

/// Names the hosts for which the certificate stands.
pub(crate) fn subject_alt_names(names: &[SubjectAltName]) -> CustomExtension {
    extension(&SUBJECT_ALT_NAME, false, subject_alt_names_value(names))
}

/// The value of the extension of alternative names: what a kept certificate is compared with.
pub(crate) fn subject_alt_names_value(names: &[SubjectAltName]) -> Vec<u8> {
    let entries: Vec<u8> = names
        .iter()
        .flat_map(|name| match name {
            SubjectAltName::Dns(host) => element(0x82, host.as_bytes()),
            SubjectAltName::Ip(IpAddr::V4(address)) => element(0x87, &address.octets()),
            SubjectAltName::Ip(IpAddr::V6(address)) => element(0x87, &address.octets()),
        })
        .collect();
    element(SEQUENCE, &entries)
}

fn extension(oid: &[u64], critical: bool, value: Vec<u8>) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, value);
    extension.set_criticality(critical);
    extension
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_address_a_host_or_refused() {
        let table: [(&str, Result<SubjectAltName, &str>); 12] = [
            ("localhost", Ok(SubjectAltName::Dns("localhost".into()))),
            ("peer0.org1.example.com", Ok(SubjectAltName::Dns("peer0.org1.example.com".into()))),
            ("*.example.com", Ok(SubjectAltName::Dns("*.example.com".into()))),
            ("127.0.0.1", Ok(SubjectAltName::Ip("127.0.0.1".parse().unwrap()))),
            ("::1", Ok(SubjectAltName::Ip("::1".parse().unwrap()))),
            ("", Err("1 to 253")),
            ("a..b", Err("empty label")),
            (".a", Err("empty label")),
            ("a.*.b", Err("letters, digits")),
            ("a b", Err("letters, digits")),
            ("../etc", Err("empty label")),
            ("münchen.de", Err("letters, digits")),
        ];
        for (text, verdict) in table {
            match (SubjectAltName::parse(text), verdict) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted),
                (Err(found), Err(wanted)) => assert!(found.to_string().contains(wanted), "{text}: {found}"),
                (found, wanted) => panic!("{text}: {found:?}, wanted {wanted:?}"),
            }
        }
        assert!(SubjectAltName::parse(&"a".repeat(254)).is_err());
    }
}

//! Distinguished names in Fabric's order and with Fabric's choice of string types.
//!
//! Names are pseudonyms: what stands here is what a template gives to a node or a user; a person's name belongs
//! in the hospital's directory, never in a certificate that every member of a channel reads.

use rcgen::string::PrintableString;
use rcgen::{DistinguishedName, DnType, DnValue};

use crate::IssuingError;

/// X.520 bounds a common name to 64 characters, and strict readers refuse more.
const NAME_LENGTH_MAX: usize = 64;

const STREET_ADDRESS: [u64; 4] = [2, 5, 4, 9];
const POSTAL_CODE: [u64; 4] = [2, 5, 4, 17];

/// Where an organisation is, as its authority's certificate states it; issued certificates repeat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Two letters of ISO 3166.
    pub country: String,
    /// State or province.
    pub province: String,
    /// Town.
    pub locality: String,
    /// Street and number, if they are to be known.
    pub street_address: Option<String>,
    /// Postal code, if it is to be known.
    pub postal_code: Option<String>,
}

impl Default for Subject {
    /// Fabric's place for whoever states none.
    fn default() -> Self {
        Self {
            country: "US".to_owned(),
            province: "California".to_owned(),
            locality: "San Francisco".to_owned(),
            street_address: None,
            postal_code: None,
        }
    }
}

impl Subject {
    /// Returns the full name: place, then organisation, unit and common name where they are given.
    pub(crate) fn named(&self, naming: &Naming<'_>) -> Result<DistinguishedName, IssuingError> {
        let mut name = DistinguishedName::new();
        let parts = [
            (DnType::CountryName, Some(self.country.as_str())),
            (DnType::StateOrProvinceName, Some(self.province.as_str())),
            (DnType::LocalityName, Some(self.locality.as_str())),
            (DnType::from_oid(&STREET_ADDRESS), self.street_address.as_deref()),
            (DnType::from_oid(&POSTAL_CODE), self.postal_code.as_deref()),
            (DnType::OrganizationName, naming.organization),
            (DnType::OrganizationalUnitName, naming.organizational_unit),
            (DnType::CommonName, Some(naming.common_name)),
        ];
        for (kind, value) in parts {
            if let Some(value) = value {
                name.push(kind, text(value)?);
            }
        }
        Ok(name)
    }
}

/// What a name adds to the place.
pub(crate) struct Naming<'a> {
    /// Who it is.
    pub(crate) common_name: &'a str,
    /// Only authorities state their organisation.
    pub(crate) organization: Option<&'a str>,
    /// The role, or the authority's unit.
    pub(crate) organizational_unit: Option<&'a str>,
}

/// PrintableString where the characters allow it, UTF8String otherwise (so `Admin@org1` is UTF-8, as in Fabric).
fn text(value: &str) -> Result<DnValue, IssuingError> {
    let refuse = |detail| IssuingError::UnfitName { name: value.chars().take(80).collect(), detail };
    if value.is_empty() || value.chars().count() > NAME_LENGTH_MAX {
        return Err(refuse("each part of a name has 1 to 64 characters"));
    }
    if value.chars().any(char::is_control) {
        return Err(refuse("a name has no control characters"));
    }
    Ok(match PrintableString::try_from(value) {
        Ok(printable) => DnValue::PrintableString(printable),
        Err(_) => DnValue::Utf8String(value.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_take_the_narrowest_string_type() {
        let long = "x".repeat(65);
        let table: [(&str, &str); 7] = [
            ("peer0.org1.example.com", "printable"),
            ("San Francisco", "printable"),
            ("Admin@org1.example.com", "utf8"),
            ("Klinik Süd", "utf8"),
            ("", "refused"),
            ("a\nb", "refused"),
            (&long, "refused"),
        ];
        for (value, verdict) in table {
            let found = match text(value) {
                Ok(DnValue::PrintableString(_)) => "printable",
                Ok(_) => "utf8",
                Err(_) => "refused",
            };
            assert_eq!(found, verdict, "{value:?}");
        }
    }
}

//! Reads `config.yaml` of an MSP folder: Fabric's `NodeOUs` section.
//!
//! Keys are Fabric's, letter by letter; an unknown key is an error, because a misspelt one would silently change who
//! has which role. `OrganizationalUnitIdentifiers` narrows membership in Fabric; it is refused rather than ignored.

use bytes::Bytes;
use protocol::{NodeOus, OuIdentifier};
use serde::Deserialize;

/// The largest `config.yaml` that is read.
const CONFIG_YAML_BYTES_MAX: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigYaml {
    #[serde(rename = "NodeOUs")]
    node_ous: Option<NodeOusYaml>,
    #[serde(rename = "OrganizationalUnitIdentifiers")]
    organizational_unit_identifiers: Option<Vec<OuYaml>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeOusYaml {
    #[serde(rename = "Enable", default)]
    enable: bool,
    #[serde(rename = "ClientOUIdentifier")]
    client: Option<OuYaml>,
    #[serde(rename = "PeerOUIdentifier")]
    peer: Option<OuYaml>,
    #[serde(rename = "AdminOUIdentifier")]
    admin: Option<OuYaml>,
    #[serde(rename = "OrdererOUIdentifier")]
    orderer: Option<OuYaml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OuYaml {
    #[serde(rename = "Certificate")]
    certificate: Option<String>,
    #[serde(rename = "OrganizationalUnitIdentifier")]
    organizational_unit: String,
}

/// The roles' OUs of `config.yaml`, or `None` where NodeOUs are not enabled. `certificate_of` gives the DER of a file
/// that is named in it, or says why there is none.
pub(crate) fn parse(
    text: &[u8],
    certificate_of: &dyn Fn(&str) -> Result<Bytes, String>,
) -> Result<Option<NodeOus>, String> {
    if text.len() > CONFIG_YAML_BYTES_MAX {
        return Err(format!("{} bytes; the limit is {CONFIG_YAML_BYTES_MAX}", text.len()));
    }
    let config: Option<ConfigYaml> = serde_yaml_ng::from_slice(text).map_err(|error| error.to_string())?;
    let Some(config) = config else { return Ok(None) };
    if config.organizational_unit_identifiers.is_some_and(|identifiers| !identifiers.is_empty()) {
        return Err("OrganizationalUnitIdentifiers is not supported; remove it, and give roles with NodeOUs"
            .to_owned());
    }
    let Some(yaml) = config.node_ous.filter(|yaml| yaml.enable) else { return Ok(None) };
    let identifier = |key: &str, yaml: Option<OuYaml>| match yaml {
        None => Ok(None),
        Some(yaml) => ou_identifier(key, yaml, certificate_of).map(Some),
    };
    Ok(Some(NodeOus {
        client: identifier("ClientOUIdentifier", yaml.client)?,
        peer: identifier("PeerOUIdentifier", yaml.peer)?,
        admin: identifier("AdminOUIdentifier", yaml.admin)?,
        orderer: identifier("OrdererOUIdentifier", yaml.orderer)?,
    }))
}

/// The OUs that Fabric's tools write: used where a folder has neither `config.yaml` nor `admincerts/`.
pub(crate) fn defaults() -> NodeOus {
    let ou = |name: &str| Some(OuIdentifier { organizational_unit: name.to_owned(), certificate: None });
    NodeOus { client: ou("client"), peer: ou("peer"), admin: ou("admin"), orderer: ou("orderer") }
}

fn ou_identifier(
    key: &str,
    yaml: OuYaml,
    certificate_of: &dyn Fn(&str) -> Result<Bytes, String>,
) -> Result<OuIdentifier, String> {
    if yaml.organizational_unit.is_empty() {
        return Err(format!(
            "NodeOUs.{key}.OrganizationalUnitIdentifier is empty; name an OU such as 'peer'"
        ));
    }
    let certificate = match yaml.certificate.as_deref() {
        None | Some("") => None,
        Some(path) => Some(
            certificate_of(path)
                .map_err(|reason| format!("NodeOUs.{key}.Certificate names {path}: {reason}"))?,
        ),
    };
    Ok(OuIdentifier { organizational_unit: yaml.organizational_unit, certificate })
}

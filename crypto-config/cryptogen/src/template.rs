//! The template as it is written: Fabric's keys, and nothing else.
//!
//! This is the user's view; `organization` turns it into what is to be made. A key that is not Fabric's is an
//! error, so that a misspelt `EnableNodeOUs` does not quietly give a network without roles.
//! Source: the template printed by Fabric's `cryptogen showtemplate`, release 3.1.

use serde::Deserialize;

/// A template for ten thousand nodes takes well under 1 MiB.
pub const TEMPLATE_LENGTH_MAX: usize = 1024 * 1024;

/// What `showtemplate` prints, `--help` shows and the tests generate from.
pub const EXAMPLE: &str = include_str!("example.yaml");

/// The whole template.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Template {
    /// Organisations that run orderers.
    pub orderer_orgs: Option<Vec<OrgSpec>>,
    /// Organisations that run peers.
    pub peer_orgs: Option<Vec<OrgSpec>>,
}

/// One organisation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct OrgSpec {
    /// A word for people; it names no file.
    pub name: String,
    /// Names the organisation's folder and is the end of all names in it.
    pub domain: String,
    /// Whether certificates state a role and `config.yaml` says so.
    #[serde(rename = "EnableNodeOUs", default)]
    pub enable_node_ous: bool,
    /// The authorities.
    #[serde(rename = "CA", default)]
    pub ca: NodeSpec,
    /// Nodes that are listed one by one.
    #[serde(default)]
    pub specs: Option<Vec<NodeSpec>>,
    /// Nodes that are counted.
    #[serde(default)]
    pub template: NodeTemplate,
    /// Users beside Admin.
    #[serde(default)]
    pub users: UsersSpec,
    /// Kind of the organisation's signing keys, where the parts below do not say otherwise: `ecdsa` or `ed25519`.
    #[serde(default)]
    pub public_key_algorithm: Option<String>,
}

/// A node, or (with its place) an authority.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct NodeSpec {
    /// First part of the name.
    pub hostname: Option<String>,
    /// Full name; `{{.Hostname}}.{{.Domain}}` if absent.
    pub common_name: Option<String>,
    /// Country of the authority's subject.
    pub country: Option<String>,
    /// Province of the authority's subject.
    pub province: Option<String>,
    /// Locality of the authority's subject.
    pub locality: Option<String>,
    /// Unit of the authority's subject.
    pub organizational_unit: Option<String>,
    /// Street of the authority's subject.
    pub street_address: Option<String>,
    /// Postal code of the authority's subject.
    pub postal_code: Option<String>,
    /// Further names and addresses under which the node is reached.
    #[serde(rename = "SANS")]
    pub sans: Option<Vec<String>>,
    /// Kind of the node's or authority's signing key.
    pub public_key_algorithm: Option<String>,
}

/// How counted nodes are named.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct NodeTemplate {
    /// How many.
    pub count: u32,
    /// Index of the first.
    pub start: u32,
    /// `{{.Prefix}}{{.Index}}` if absent.
    pub hostname: Option<String>,
    /// Further names and addresses of each.
    #[serde(rename = "SANS")]
    pub sans: Option<Vec<String>>,
    /// Kind of the nodes' signing keys.
    pub public_key_algorithm: Option<String>,
}

/// Who uses the organisation's nodes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct UsersSpec {
    /// How many users named `User1`, `User2` and so on.
    pub count: u32,
    /// Users with names of their own.
    pub specs: Option<Vec<UserSpec>>,
    /// Kind of the users' signing keys.
    pub public_key_algorithm: Option<String>,
}

/// A user with a name of its own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct UserSpec {
    /// A pseudonym; the part before `@`.
    pub name: String,
}

/// Returns the template that `text` spells; the error names the key and, where the parser knows it, the line.
pub fn parse(text: &str) -> Result<Template, String> {
    if text.len() > TEMPLATE_LENGTH_MAX {
        return Err(format!("the template is longer than {TEMPLATE_LENGTH_MAX} bytes"));
    }
    if text.trim().is_empty() {
        return Err("the template is empty; `cryptogen showtemplate` prints one to start from".to_owned());
    }
    serde_yaml_ng::from_str(text).map_err(|error| error.to_string())
}

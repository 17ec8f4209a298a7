//! What is to be made: the template with every name filled in and every value checked.
//!
//! This is the actual view. The passage from the user's view gathers all problems with their places before
//! anything is written. Names become file names, so only letters, digits, `.`, `-` and `_` pass, and nothing that
//! could climb out of the output folder.

use std::collections::BTreeSet;

use issuing::{KeyAlgorithm, Subject, SubjectAltName};

use crate::template::{NodeSpec, OrgSpec, Template};

/// Ten thousand of each are far beyond any consortium, and well within what a slip of the finger asks for.
const COUNT_MAX: u32 = 10_000;
/// A label of DNS.
const WORD_LENGTH_MAX: usize = 63;
/// X.520's bound on a common name.
const COMMON_NAME_LENGTH_MAX: usize = 64;

/// Which half of the tree an organisation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Runs orderers.
    Orderer,
    /// Runs peers.
    Peer,
}

impl Kind {
    /// The role of its nodes, and the prefix of their counted names.
    pub fn role(self) -> &'static str {
        match self {
            Self::Orderer => "orderer",
            Self::Peer => "peer",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Orderer => "OrdererOrgs",
            Self::Peer => "PeerOrgs",
        }
    }
}

/// An organisation to be made.
#[derive(Debug)]
pub struct Organization {
    /// Which half of the tree it belongs to.
    pub kind: Kind,
    /// Names its folder.
    pub domain: String,
    /// Whether certificates state roles.
    pub node_ous: bool,
    /// Common name of the signing authority; the TLS authority's has `tls` before it.
    pub ca_name: String,
    /// Unit that the authorities' certificates state.
    pub ca_unit: Option<String>,
    /// Kind of the signing authority's key.
    pub ca_algorithm: KeyAlgorithm,
    /// Where the organisation is.
    pub subject: Subject,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Its users, Admin first.
    pub users: Vec<User>,
}

/// A node to be made.
#[derive(Debug)]
pub struct Node {
    /// Names its folder and certificates.
    pub common_name: String,
    /// The names under which it serves.
    pub sans: Vec<SubjectAltName>,
    /// Kind of its signing key.
    pub algorithm: KeyAlgorithm,
}

/// A user to be made.
#[derive(Debug)]
pub struct User {
    /// `Admin@org1.example.com`.
    pub common_name: String,
    /// `admin` or `client`.
    pub role: &'static str,
    /// Kind of its signing key.
    pub algorithm: KeyAlgorithm,
}

/// Returns the organisations of `template`, or every problem with its place in the template.
pub fn organizations(template: &Template) -> Result<Vec<Organization>, Vec<String>> {
    let mut problems = Vec::new();
    let mut organizations = Vec::new();
    let mut folders = BTreeSet::new();
    let halves = [(Kind::Orderer, &template.orderer_orgs), (Kind::Peer, &template.peer_orgs)];
    for (kind, specs) in halves {
        for (i, spec) in specs.iter().flatten().enumerate() {
            let place = format!("{}[{i}] ({})", kind.key(), shown(&spec.name));
            let organization = Reading { place, problems: &mut problems }.organization(kind, spec);
            if !folders.insert((kind, organization.domain.clone())) {
                problems.push(format!("{}[{i}]: Domain `{}` is used twice", kind.key(), shown(&spec.domain)));
            }
            organizations.push(organization);
        }
    }
    if organizations.is_empty() {
        problems.push("the template names no organisation under OrdererOrgs or PeerOrgs".to_owned());
    }
    if problems.is_empty() { Ok(organizations) } else { Err(problems) }
}

/// Reads one organisation and notes what is wrong with it.
struct Reading<'a> {
    place: String,
    problems: &'a mut Vec<String>,
}

impl Reading<'_> {
    fn organization(mut self, kind: Kind, spec: &OrgSpec) -> Organization {
        self.name("Domain", &spec.domain, COMMON_NAME_LENGTH_MAX);
        let algorithm = self.algorithm("", spec.public_key_algorithm.as_ref(), KeyAlgorithm::default());
        let ca_hostname = spec.ca.hostname.clone().unwrap_or_else(|| "ca".to_owned());
        let ca = Fill { hostname: &ca_hostname, domain: &spec.domain };
        let ca_name = self.common_name("CA", &spec.ca, &ca);
        self.name("CA.CommonName with `tls` before it", &format!("tls{ca_name}"), COMMON_NAME_LENGTH_MAX);
        Organization {
            kind,
            domain: spec.domain.clone(),
            node_ous: spec.enable_node_ous,
            ca_name,
            ca_algorithm: self.algorithm("CA.", spec.ca.public_key_algorithm.as_ref(), algorithm),
            ca_unit: self.word("CA.OrganizationalUnit", spec.ca.organizational_unit.as_ref()),
            subject: self.subject(&spec.ca),
            nodes: self.nodes(kind, spec, algorithm),
            users: self.users(spec, algorithm),
        }
    }

    fn nodes(&mut self, kind: Kind, spec: &OrgSpec, default: KeyAlgorithm) -> Vec<Node> {
        let mut specs: Vec<(String, NodeSpec)> = Vec::new();
        let template = &spec.template;
        // Read once, and for a template without nodes too, so that a slip in it is told once.
        let of_template = self.algorithm("Template.", template.public_key_algorithm.as_ref(), default);
        let hostname = template.hostname.as_deref().unwrap_or("{{.Prefix}}{{.Index}}");
        for i in 0..self.count("Template.Count", template.count) {
            let index = u64::from(template.start) + u64::from(i);
            let index = index.to_string();
            let values =
                [("{{.Prefix}}", kind.role()), ("{{.Index}}", &index), ("{{.Domain}}", &spec.domain)];
            let filled =
                values.iter().fold(hostname.to_owned(), |text, (key, value)| text.replace(key, value));
            let counted = NodeSpec {
                hostname: Some(filled),
                sans: template.sans.clone(),
                public_key_algorithm: Some(of_template.to_string()),
                ..NodeSpec::default()
            };
            specs.push(("Template".to_owned(), counted));
        }
        for (i, listed) in spec.specs.iter().flatten().enumerate() {
            specs.push((format!("Specs[{i}]"), listed.clone()));
        }
        let mut names = BTreeSet::new();
        let mut nodes = Vec::new();
        for (key, node) in &specs {
            let node = self.node(key, node, &spec.domain, default);
            if !names.insert(node.common_name.clone()) {
                self.problem(key, &format!("two nodes are named `{}`", shown(&node.common_name)));
            }
            nodes.push(node);
        }
        nodes
    }

    fn node(&mut self, key: &str, spec: &NodeSpec, domain: &str, default: KeyAlgorithm) -> Node {
        let hostname = spec.hostname.clone().unwrap_or_default();
        if spec.hostname.is_none() {
            self.problem(key, "Hostname is missing");
        } else {
            self.name(&format!("{key}.Hostname"), &hostname, WORD_LENGTH_MAX);
        }
        let fill = Fill { hostname: &hostname, domain };
        let common_name = self.common_name(key, spec, &fill);
        let mut sans = Vec::new();
        let own = [common_name.clone(), hostname.clone()];
        let further = spec.sans.iter().flatten();
        for text in own.into_iter().chain(further.map(|text| fill.with_common_name(text, &common_name))) {
            match SubjectAltName::parse(&text) {
                Ok(san) if sans.contains(&san) => {}
                Ok(san) => sans.push(san),
                Err(error) => self.problem(&format!("{key}.SANS"), &error.to_string()),
            }
        }
        let algorithm = self.algorithm(&format!("{key}."), spec.public_key_algorithm.as_ref(), default);
        Node { common_name, sans, algorithm }
    }

    fn users(&mut self, spec: &OrgSpec, default: KeyAlgorithm) -> Vec<User> {
        let algorithm = self.algorithm("Users.", spec.users.public_key_algorithm.as_ref(), default);
        let mut names = vec!["Admin".to_owned()];
        names.extend((1..=self.count("Users.Count", spec.users.count)).map(|i| format!("User{i}")));
        for (i, user) in spec.users.specs.iter().flatten().enumerate() {
            self.name(&format!("Users.Specs[{i}].Name"), &user.name, WORD_LENGTH_MAX);
            names.push(user.name.clone());
        }
        let mut seen = BTreeSet::new();
        let mut users = Vec::new();
        for name in names {
            if !seen.insert(name.clone()) {
                self.problem("Users", &format!("two users are named `{}`", shown(&name)));
            }
            let role = if name == "Admin" { "admin" } else { "client" };
            let common_name = format!("{name}@{}", spec.domain);
            if common_name.len() > COMMON_NAME_LENGTH_MAX {
                let text =
                    format!("`{}` is longer than {COMMON_NAME_LENGTH_MAX} characters", shown(&common_name));
                self.problem("Users", &text);
            }
            users.push(User { common_name, role, algorithm });
        }
        users
    }

    fn subject(&mut self, ca: &NodeSpec) -> Subject {
        let default = Subject::default();
        Subject {
            country: self.word("CA.Country", ca.country.as_ref()).unwrap_or(default.country),
            province: self.word("CA.Province", ca.province.as_ref()).unwrap_or(default.province),
            locality: self.word("CA.Locality", ca.locality.as_ref()).unwrap_or(default.locality),
            street_address: self.word("CA.StreetAddress", ca.street_address.as_ref()),
            postal_code: self.word("CA.PostalCode", ca.postal_code.as_ref()),
        }
    }

    /// A part of the subject; Fabric's templates write an empty text where there is none.
    fn word(&mut self, key: &str, value: Option<&String>) -> Option<String> {
        let value = value.filter(|value| !value.is_empty())?;
        if value.chars().count() > COMMON_NAME_LENGTH_MAX || value.chars().any(char::is_control) {
            self.problem(key, &format!("`{}` is not 1 to 64 printable characters", shown(value)));
        }
        Some(value.clone())
    }

    fn common_name(&mut self, key: &str, spec: &NodeSpec, fill: &Fill<'_>) -> String {
        let text = spec.common_name.as_deref().unwrap_or("{{.Hostname}}.{{.Domain}}");
        let name = fill.apply(text);
        self.name(&format!("{key}.CommonName"), &name, COMMON_NAME_LENGTH_MAX);
        name
    }

    /// Asks that a value can name a folder and nothing but a folder.
    fn name(&mut self, key: &str, value: &str, length_max: usize) {
        let has_only_safe_characters =
            value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        let problem = if value.is_empty() {
            "is empty".to_owned()
        } else if value.len() > length_max {
            format!("is longer than {length_max} characters")
        } else if value.contains("{{") {
            "uses a placeholder that is not known here (known: .Prefix, .Index and .Domain in Template.Hostname, \
             .Hostname and .Domain in CommonName, these and .CommonName in SANS)"
                .to_owned()
        } else if !has_only_safe_characters {
            "may hold only letters, digits, `.`, `-` and `_`".to_owned()
        } else if value.split('.').any(str::is_empty) || value.starts_with('-') {
            "has an empty part between dots or begins with `-`".to_owned()
        } else {
            return;
        };
        self.problem(key, &format!("`{}` {problem}", shown(value)));
    }

    fn count(&mut self, key: &str, count: u32) -> u32 {
        if count > COUNT_MAX {
            self.problem(key, &format!("{count} is more than {COUNT_MAX}"));
            return 0;
        }
        count
    }

    /// The kind of key that `place` asks for, or that of the organisation.
    fn algorithm(&mut self, place: &str, value: Option<&String>, default: KeyAlgorithm) -> KeyAlgorithm {
        match value.map(String::as_str) {
            None | Some("") => default,
            Some("ecdsa") => KeyAlgorithm::Ecdsa,
            Some("ed25519") => KeyAlgorithm::Ed25519,
            Some(other) => {
                let text = format!("`{}` is unknown; use `ecdsa` or `ed25519`", shown(other));
                self.problem(&format!("{place}PublicKeyAlgorithm"), &text);
                default
            }
        }
    }

    fn problem(&mut self, key: &str, text: &str) {
        self.problems.push(format!("{}: {key}: {text}", self.place));
    }
}

/// The values of Fabric's placeholders.
struct Fill<'a> {
    hostname: &'a str,
    domain: &'a str,
}

impl Fill<'_> {
    fn apply(&self, text: &str) -> String {
        text.replace("{{.Hostname}}", self.hostname).replace("{{.Domain}}", self.domain)
    }

    fn with_common_name(&self, text: &str, common_name: &str) -> String {
        self.apply(text).replace("{{.CommonName}}", common_name)
    }
}

/// A value from the template as an error may show it.
fn shown(value: &str) -> String {
    value.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests;

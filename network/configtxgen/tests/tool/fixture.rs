//! The crypto tree that the sample files speak of, made in memory and written where `cryptogen` would write it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use issuing::{
    CaProfile, CertificateAuthority, IdentityProfile, KemKeyPair, SigningKeyPair, Subject, TlsProfile,
};
use tempfile::TempDir;

pub const SAMPLE: &str = include_str!("../../../compose/consortium.yaml");

/// A folder with the crypto tree and a consortium.yaml.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new(consortium: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in tree() {
            write(&folder.path().join(path), text);
        }
        write(&folder.path().join("consortium.yaml"), consortium);
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes `reports.block` from the file, with more arguments.
    pub fn make(&self, arguments: &[&str]) -> Output {
        let base = ["--profile", "Consortium", "--channel-id", "reports", "--output-block", "reports.block"];
        self.run(&[&base, arguments].concat())
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_configtxgen"));
        command.current_dir(self.folder.path()).args(arguments).output().unwrap()
    }

    /// What the tool says of the sample with one passage replaced; it must refuse it.
    pub fn problems(from: &str, to: &str) -> String {
        assert!(SAMPLE.contains(from), "the sample holds {from}");
        let output = Self::new(&SAMPLE.replace(from, to)).make(&[]);
        assert_eq!(output.status.code(), Some(1), "{from} -> {to}: {}", stderr(&output));
        stderr(&output)
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Paths and texts of the whole tree; made once a test program.
fn tree() -> &'static [(String, String)] {
    static TREE: OnceLock<Vec<(String, String)>> = OnceLock::new();
    TREE.get_or_init(|| {
        let mut files = Vec::new();
        for hospital in ["a", "b", "c"] {
            let domain = format!("hospital-{hospital}.example.com");
            let root = format!("crypto-config/peerOrganizations/{domain}");
            let members =
                [("users", "Admin@", "admin"), ("users", "doctor@", "client"), ("peers", "peer0.", "peer")];
            files.extend(organization(&root, &domain, &members));
            files.push((format!("{root}/kem/public.pem"), KemKeyPair::generate().unwrap().public_pem()));
            let domain = format!("ordering.{domain}");
            let root = format!("crypto-config/ordererOrganizations/{domain}");
            let members = [("users", "Admin@", "admin"), ("orderers", "orderer0.", "orderer")];
            files.extend(organization(&root, &domain, &members));
        }
        files
    })
}

fn organization(root: &str, domain: &str, members: &[(&str, &str, &str)]) -> Vec<(String, String)> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let authority = |kind: &str| {
        let profile = CaProfile {
            common_name: format!("{kind}.{domain}"),
            organization: domain.to_owned(),
            organizational_unit: None,
            subject: Subject::default(),
        };
        CertificateAuthority::create(&profile, now_ms).unwrap()
    };
    let (ca, tlsca) = (authority("ca"), authority("tlsca"));
    let mut files = vec![
        (format!("{root}/msp/cacerts/ca.{domain}-cert.pem"), ca.certificate().pem()),
        (format!("{root}/msp/tlscacerts/tlsca.{domain}-cert.pem"), tlsca.certificate().pem()),
        (format!("{root}/msp/config.yaml"), node_ous(domain)),
    ];
    for (group, prefix, unit) in members {
        let name = format!("{prefix}{domain}");
        let folder = format!("{root}/{group}/{name}");
        let profile = IdentityProfile {
            name: name.clone(),
            organizational_unit: Some((*unit).to_owned()),
            subject: Subject::default(),
        };
        let key = SigningKeyPair::generate().unwrap();
        let certificate = ca.issue_identity(&profile, key.public_key(), now_ms).unwrap();
        files.push((format!("{folder}/msp/signcerts/{name}-cert.pem"), certificate.pem()));
        let profile = TlsProfile { name, sans: Vec::new(), subject: Subject::default() };
        let key = SigningKeyPair::generate().unwrap();
        let certificate = tlsca.issue_tls(&profile, key.public_key(), now_ms).unwrap();
        let file = if *group == "users" { "client.crt" } else { "server.crt" };
        files.push((format!("{folder}/tls/{file}"), certificate.pem()));
    }
    files
}

fn node_ous(domain: &str) -> String {
    let mut text = "NodeOUs:\n  Enable: true\n".to_owned();
    for (kind, unit) in [("Client", "client"), ("Peer", "peer"), ("Admin", "admin"), ("Orderer", "orderer")] {
        text += &format!(
            "  {kind}OUIdentifier:\n    Certificate: cacerts/ca.{domain}-cert.pem\n    OrganizationalUnitIdentifier: {unit}\n"
        );
    }
    text
}

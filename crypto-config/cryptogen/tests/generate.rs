//! The tool as its user meets it: run as a process, over real folders, its output compared with Fabric's.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise, in its helpers too")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const SMALL: &str = "PeerOrgs:\n  - Name: O\n    Domain: o.com\n    EnableNodeOUs: true\n    Template: {Count: 1, SANS: [localhost]}\n    Users: {Count: 1}\n";

/// A folder to work in, with a template in it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(template: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("template.yaml"), template).unwrap();
        Self { folder }
    }

    fn command(&self) -> Command {
        self.command_of("generate", "--output")
    }

    fn command_of(&self, verb: &str, folder: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cryptogen"));
        command.current_dir(self.folder.path()).args([verb, "--config", "template.yaml", folder, "out"]);
        command
    }

    fn extend(&self) -> Output {
        self.command_of("extend", "--input").output().unwrap()
    }

    fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    /// Runs, asks for success, and returns what was printed.
    fn succeed(&self) -> String {
        let output = self.run();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn write(&self, template: &str) {
        fs::write(self.folder.path().join("template.yaml"), template).unwrap();
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn organization(&self) -> PathBuf {
        self.out().join("peerOrganizations/o.com")
    }
}

/// Every path below `root`, with a file's contents and `None` for a folder.
fn tree(root: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                all.insert(name, None);
                waiting.push(path);
            } else {
                all.insert(name, Some(fs::read(&path).unwrap()));
            }
        }
    }
    all
}

fn shared() -> PathBuf {
    let fallback = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    std::env::var_os("CONSILIUM_SHARED").map_or(fallback, PathBuf::from)
}

#[test]
fn the_tree_is_that_of_fabrics_cryptogen_with_kem_folders_added() {
    let sample = shared().join("data/fabric-crypto");
    let (Ok(layout), Ok(template)) =
        (fs::read_to_string(sample.join("layout-full.txt")), fs::read_to_string(sample.join("nodeous.yaml")))
    else {
        println!("DATA ABSENT: data/fabric-crypto");
        return;
    };
    let with_roles_off = template
        .replace("EnableNodeOUs: true", "EnableNodeOUs: false")
        .replace("SANS: [localhost, 127.0.0.1]", "SANS: []");
    for (half, template) in [("nodeous", template), ("default", with_roles_off)] {
        let place = Place::new(&template);
        place.succeed();
        let prefix = format!("./{half}/");
        let mut wanted: Vec<String> =
            layout.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect();
        for organization in [
            "ordererOrganizations/example.com",
            "peerOrganizations/org1.example.com",
            "peerOrganizations/org2.example.com",
        ] {
            for name in ["kem", "kem/private.pem", "kem/public.pem"] {
                wanted.push(format!("{organization}/{name}"));
            }
        }
        wanted.sort();
        let found = tree(&place.out());
        assert_eq!(found.keys().cloned().collect::<Vec<_>>(), wanted, "{half}");
        for (name, text) in found.iter().filter(|(name, _)| name.ends_with("config.yaml")) {
            let fabric = fs::read(sample.join("trees").join(half).join(name)).unwrap();
            assert_eq!(text.as_deref(), Some(fabric.as_slice()), "{name}");
        }
    }
}

#[test]
fn keys_are_for_their_owner_alone_and_everything_else_is_readable() {
    let place = Place::new(SMALL);
    place.succeed();
    for (name, text) in tree(&place.out()) {
        let mode = fs::metadata(place.out().join(&name)).unwrap().permissions().mode() & 0o777;
        let is_secret = ["priv_sk", ".key", "private.pem"].iter().any(|end| name.ends_with(end));
        let wanted = match text {
            None => 0o755,
            Some(_) if is_secret => 0o600,
            Some(_) => 0o644,
        };
        assert_eq!(mode, wanted, "{name}: {mode:o}");
    }
}

#[test]
fn openssl_verifies_every_certificate_and_reads_every_key() {
    let openssl = |arguments: &[&str]| Command::new("openssl").args(arguments).output();
    if openssl(&["version"]).is_err() {
        println!("SKIPPED: the openssl command line is not here");
        return;
    }
    let place = Place::new(SMALL);
    place.succeed();
    let root = place.organization();
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let table: [(&str, &str, &str, &str); 4] = [
        (
            "ca/ca.o.com-cert.pem",
            "peers/peer0.o.com/msp/signcerts/peer0.o.com-cert.pem",
            "OU = peer",
            "CA:FALSE",
        ),
        (
            "ca/ca.o.com-cert.pem",
            "users/Admin@o.com/msp/signcerts/Admin@o.com-cert.pem",
            "OU = admin",
            "CA:FALSE",
        ),
        (
            "tlsca/tlsca.o.com-cert.pem",
            "peers/peer0.o.com/tls/server.crt",
            "DNS:peer0, DNS:localhost",
            "Key Encipherment",
        ),
        (
            "peers/peer0.o.com/tls/ca.crt",
            "users/User1@o.com/tls/client.crt",
            "CN = User1@o.com",
            "Key Encipherment",
        ),
    ];
    for (authority, leaf, part, other_part) in table {
        let verified = openssl(&["verify", "-CAfile", &path(authority), &path(leaf)]).unwrap();
        assert!(verified.status.success(), "{leaf}");
        let text = openssl(&["x509", "-noout", "-text", "-in", &path(leaf)]).unwrap();
        let text = String::from_utf8(text.stdout).unwrap();
        assert!(text.contains(part) && text.contains(other_part), "{leaf}: {text}");
    }
    for key in ["ca/priv_sk", "users/User1@o.com/msp/keystore/priv_sk", "peers/peer0.o.com/tls/server.key"] {
        let read = openssl(&["pkey", "-noout", "-check", "-in", &path(key)]).unwrap();
        assert!(read.status.success(), "{key}");
    }
    let derived = openssl(&["pkey", "-pubout", "-in", &path("kem/private.pem")]).unwrap();
    assert_eq!(derived.stdout, fs::read(root.join("kem/public.pem")).unwrap());
}

#[test]
fn a_second_run_changes_nothing_and_says_so() {
    let place = Place::new(SMALL);
    assert_eq!(place.succeed(), "o.com: made ca, tlsca, kem, 2 users, 1 peer, msp; kept nothing\n");
    let before = tree(&place.out());
    assert_eq!(place.succeed(), "o.com: made nothing; kept ca, tlsca, kem, 2 users, 1 peer, msp\n");
    assert_eq!(tree(&place.out()), before);
}

#[test]
fn a_grown_template_adds_without_touching_what_is_there() {
    let place = Place::new(SMALL);
    place.succeed();
    let before = tree(&place.out());
    place.write(
        &SMALL
            .replace("Template: {Count: 1", "Template: {Count: 3")
            .replace("Users: {Count: 1}", "Users: {Count: 2}"),
    );
    assert_eq!(place.succeed(), "o.com: made 1 user, 2 peers; kept ca, tlsca, kem, 2 users, 1 peer, msp\n");
    let after = tree(&place.out());
    assert!(before.iter().all(|(name, text)| after.get(name) == Some(text)));
    assert!(after.contains_key("peerOrganizations/o.com/peers/peer2.o.com/tls/server.key"));
}

#[test]
fn extend_adds_to_what_is_there_and_makes_whole_organisations_that_are_not() {
    let place = Place::new(SMALL);
    place.succeed();
    let before = tree(&place.out());
    let grown = SMALL.replace("{Count: 1", "{Count: 2");
    let other = grown.replace("PeerOrgs:\n", "").replace("o.com", "new.com").replace("Name: O", "Name: N");
    place.write(&format!("{grown}{other}"));
    let output = place.extend();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "o.com: made 1 user, 1 peer; kept ca, tlsca, kem, 2 users, 1 peer, msp\n\
         new.com: made ca, tlsca, kem, 3 users, 2 peers, msp; kept nothing\n"
    );
    let after = tree(&place.out());
    assert!(before.iter().all(|(name, text)| after.get(name) == Some(text)), "what was there is as it was");
    assert!(after.contains_key("peerOrganizations/o.com/peers/peer1.o.com/msp/keystore/priv_sk"));
    let again = place.extend();
    assert_eq!(String::from_utf8(again.stdout).unwrap().matches("made nothing").count(), 2);
    assert_eq!(tree(&place.out()), after);
}

#[test]
fn extend_makes_no_new_authority_for_an_organisation_that_is_there() {
    let grown = SMALL.replace("Users: {Count: 1}", "Users: {Count: 2}");
    for (authority, folder) in [("ca/ca.o.com-cert.pem", "ca"), ("tlsca/tlsca.o.com-cert.pem", "tlsca")] {
        let place = Place::new(SMALL);
        place.succeed();
        place.write(&grown);
        fs::remove_dir_all(place.organization().join(folder)).unwrap();
        let before = tree(&place.out());
        let output = place.extend();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("{authority}: is missing, and o.com exists already")), "{error}");
        assert!(error.contains("put the certificate and its key (priv_sk) back"), "{error}");
        assert_eq!(tree(&place.out()), before, "{folder}");
    }
    // The certificate alone does for a look, and not for issuing: Fabric would write certificates that nobody signed.
    let place = Place::new(SMALL);
    place.succeed();
    fs::remove_file(place.organization().join("ca/priv_sk")).unwrap();
    assert!(place.extend().status.success());
    place.write(&grown);
    let error = String::from_utf8(place.extend().stderr).unwrap();
    assert!(error.contains("ca/priv_sk: is missing, and `User2@o.com` is to be issued with it"), "{error}");
}

#[test]
fn an_organisation_made_by_fabric_is_extended_without_its_files_being_touched() {
    let sample = shared().join("data/fabric-crypto/trees");
    if !sample.is_dir() {
        println!("DATA ABSENT: data/fabric-crypto/trees");
        return;
    }
    for (name, roles) in [("nodeous", "true"), ("default", "false")] {
        let template = format!(
            "PeerOrgs:\n  - Name: Org1\n    Domain: org1.example.com\n    EnableNodeOUs: {roles}\n    \
             Template: {{Count: 1, SANS: [localhost, 127.0.0.1]}}\n    Users: {{Count: 1}}\n"
        );
        let place = Place::new(&template);
        let from = sample.join(name).join("peerOrganizations/org1.example.com");
        let organization = place.out().join("peerOrganizations/org1.example.com");
        for (path, text) in tree(&from) {
            match text {
                None => fs::create_dir_all(organization.join(path)).unwrap(),
                Some(text) => {
                    fs::create_dir_all(organization.join(&path).parent().unwrap()).unwrap();
                    fs::write(organization.join(&path), text).unwrap();
                }
            }
        }
        let before = tree(&organization);
        let output = place.extend();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{name}: {told}");
        let after = tree(&organization);
        assert!(before.iter().all(|(path, text)| after.get(path) == Some(text)), "{name}");
        assert!(after.contains_key("kem/public.pem"), "{name}");
        // The sample has no keys, so nothing can be issued; that is what a second user meets.
        place.write(&template.replace("Users: {Count: 1}", "Users: {Count: 2}"));
        let error = String::from_utf8(place.extend().stderr).unwrap();
        assert!(error.contains("ca/priv_sk: is missing, and `User2@org1.example.com`"), "{name}: {error}");
    }
}

#[test]
fn keys_are_of_the_kind_that_the_template_asks_for_and_kept_ones_are_warned_of() {
    let openssl = |arguments: &[&str]| Command::new("openssl").args(arguments).output();
    if openssl(&["version"]).is_err() {
        println!("SKIPPED: the openssl command line is not here");
        return;
    }
    let place = Place::new(&SMALL.replace("Users:", "PublicKeyAlgorithm: ed25519\n    Users:"));
    place.succeed();
    let path = |name: &str| place.organization().join(name).to_str().unwrap().to_owned();
    let table: [(&str, &str, &str, &str); 4] = [
        // authority, certificate, kind of its key, kind of the signature on it
        ("ca/ca.o.com-cert.pem", "ca/ca.o.com-cert.pem", "ED25519", "ED25519"),
        (
            "ca/ca.o.com-cert.pem",
            "peers/peer0.o.com/msp/signcerts/peer0.o.com-cert.pem",
            "ED25519",
            "ED25519",
        ),
        (
            "ca/ca.o.com-cert.pem",
            "users/User1@o.com/msp/signcerts/User1@o.com-cert.pem",
            "ED25519",
            "ED25519",
        ),
        (
            "tlsca/tlsca.o.com-cert.pem",
            "peers/peer0.o.com/tls/server.crt",
            "id-ecPublicKey",
            "ecdsa-with-SHA256",
        ),
    ];
    for (authority, leaf, key, signature) in table {
        let verified =
            openssl(&["verify", "-x509_strict", "-CAfile", &path(authority), &path(leaf)]).unwrap();
        assert!(verified.status.success(), "{leaf}: {verified:?}");
        let text = openssl(&["x509", "-noout", "-text", "-in", &path(leaf)]).unwrap();
        let text = String::from_utf8(text.stdout).unwrap();
        assert!(text.contains(&format!("Public Key Algorithm: {key}")), "{leaf}: {text}");
        assert!(text.contains(&format!("Signature Algorithm: {signature}")), "{leaf}: {text}");
    }
    let key = openssl(&["pkey", "-noout", "-text", "-in", &path("users/User1@o.com/msp/keystore/priv_sk")]);
    assert!(String::from_utf8(key.unwrap().stdout).unwrap().contains("ED25519 Private-Key"));

    let before = tree(&place.out());
    place.write(SMALL);
    let output = place.run();
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && tree(&place.out()) == before, "{warnings}");
    assert_eq!(
        warnings.matches("certifies an ed25519 key, and the template asks for ecdsa; kept").count(),
        4,
        "{warnings}"
    );
}

#[test]
fn whatever_can_be_made_again_is_made_again_and_nothing_else_changes() {
    for roles in ["true", "false"] {
        let place = Place::new(&SMALL.replace("true", roles));
        place.succeed();
        let whole = tree(&place.out());
        let copies = whole.iter().filter(|(name, text)| {
            let is_copy =
                ["cacerts/", "tlscacerts/", "admincerts/", "config.yaml", "/ca.crt", "kem/public.pem"];
            text.is_some() && is_copy.iter().any(|part| name.contains(part))
        });
        for (name, _) in copies {
            fs::remove_file(place.out().join(name)).unwrap();
            place.succeed();
            assert!(tree(&place.out()) == whole, "{name}");
        }
        for folder in ["peers/peer0.o.com/msp", "peers/peer0.o.com/tls", "users/User1@o.com", "kem", "msp"] {
            let path = place.organization().join(folder);
            fs::remove_dir_all(&path).unwrap();
            fs::create_dir_all(path.with_file_name(".msp.partial").join("keystore")).unwrap();
            place.succeed();
            let _ = fs::remove_dir_all(path.with_file_name(".msp.partial"));
            let after = tree(&place.out());
            assert!(after.keys().eq(whole.keys()), "{folder}");
        }
        assert!(place.succeed().contains("made nothing"));
    }
}

#[test]
fn a_killed_run_leaves_no_half_pair_and_the_next_run_ends_the_work() {
    let template = SMALL.replace("Template: {Count: 1", "Template: {Count: 12");
    for milestone in
        ["ca", "kem", "users/User1@o.com", "peers/peer0.o.com", "peers/peer3.o.com/msp", "peers/peer8.o.com"]
    {
        let place = Place::new(&template);
        let mut child = place.command().stdout(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !place.organization().join(milestone).exists() && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "{milestone} never appeared");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        place.succeed();
        let after = tree(&place.out());
        assert!(!after.keys().any(|name| name.ends_with(".partial")), "{milestone}");
        assert_eq!(after.keys().filter(|name| name.ends_with("server.key")).count(), 12);
        assert!(place.succeed().contains("made nothing"));
    }
}

#[test]
fn what_does_not_fit_together_is_refused_with_the_file_and_the_fix() {
    let peer = "peers/peer0.o.com";
    let certificate = "peers/peer0.o.com/msp/signcerts/peer0.o.com-cert.pem";
    let user_certificate = "users/User1@o.com/msp/signcerts/User1@o.com-cert.pem";
    type Damage = Box<dyn Fn(&Path)>;
    let remove =
        |name: &'static str| -> Damage { Box::new(move |root| fs::remove_file(root.join(name)).unwrap()) };
    let copy = |from: &'static str, to: &'static str| -> Damage {
        Box::new(move |root| {
            fs::copy(root.join(from), root.join(to)).unwrap();
        })
    };
    let table: Vec<(Damage, &str, &str)> = vec![
        (remove("ca/ca.o.com-cert.pem"), "ca/priv_sk: there is no certificate", "put"),
        (remove(certificate), "peer0.o.com/msp/keystore/priv_sk: there is no certificate", "remove the key"),
        (
            remove("peers/peer0.o.com/tls/server.crt"),
            "tls/server.key: there is no certificate",
            "remove the key",
        ),
        (copy("tlsca/priv_sk", "ca/priv_sk"), "ca/priv_sk: the private key does not belong", "matching pair"),
        (
            copy("users/User1@o.com/msp/keystore/priv_sk", "peers/peer0.o.com/msp/keystore/priv_sk"),
            "peer0.o.com/msp/keystore/priv_sk: is not the key of the certificate of `peer0.o.com`",
            "put the right one back",
        ),
        (copy("peers/peer0.o.com/tls/server.crt", certificate), "was not issued by `ca.o.com`", "remove"),
        (
            copy(user_certificate, certificate),
            "is the certificate of `User1@o.com`, not of `peer0.o.com`",
            "remove",
        ),
        (
            copy("tlsca/tlsca.o.com-cert.pem", "msp/cacerts/ca.o.com-cert.pem"),
            "msp/cacerts/ca.o.com-cert.pem: is not",
            "remove the file",
        ),
        (
            copy("ca/priv_sk", "kem/private.pem"),
            "kem/private.pem: the KEM private key is of an unsupported kind",
            "put",
        ),
        (
            Box::new(|root| fs::remove_dir_all(root.join("ca")).unwrap()),
            "was not issued by `ca.o.com`: its issuer has the same name, but another key",
            "remove",
        ),
        (
            Box::new(|root| fs::write(root.join("ca/priv_sk"), "secret").unwrap()),
            "ca/priv_sk: the private key must be PEM",
            "put",
        ),
    ];
    let place = Place::new(SMALL);
    place.succeed();
    let whole = tree(&place.out());
    for (i, (damage, told, fix)) in table.iter().enumerate() {
        damage(&place.organization());
        let output = place.run();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "row {i}: {error}");
        assert!(error.contains(told) && error.contains(fix), "row {i}: {error}");
        assert!(!error.contains("secret"), "{error}");
        for (name, text) in &whole {
            if let Some(text) = text {
                fs::create_dir_all(place.out().join(name).parent().unwrap()).unwrap();
                fs::write(place.out().join(name), text).unwrap();
            }
        }
    }
    place.write(&SMALL.replace("true", "false"));
    let error = String::from_utf8(place.run().stderr).unwrap();
    assert!(error.contains("states the role `admin`") && error.contains("set EnableNodeOUs back"), "{error}");
    assert!(place.organization().join(peer).is_dir());
}

#[test]
fn keys_that_were_put_away_are_missed_only_when_they_are_needed() {
    let place = Place::new(SMALL);
    place.succeed();
    let root = place.organization();
    for name in ["ca/priv_sk", "users/User1@o.com/msp/keystore/priv_sk", "kem/private.pem"] {
        fs::remove_file(root.join(name)).unwrap();
    }
    let output = place.run();
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{warnings}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("made nothing"));
    assert_eq!(warnings.matches("is missing beside").count(), 2, "{warnings}");

    place.write(&SMALL.replace("Users: {Count: 1}", "Users: {Count: 2}"));
    let output = place.run();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("ca/priv_sk: is missing, and `User2@o.com` is to be issued with it"), "{error}");
}

#[test]
fn changed_names_of_a_kept_server_and_open_keys_are_warned_of() {
    let place = Place::new(SMALL);
    place.succeed();
    place.write(&SMALL.replace("localhost", "10.0.0.1"));
    let key = place.organization().join("users/User1@o.com/tls/client.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let output = place.run();
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{warnings}");
    assert!(warnings.contains("tls/server.crt: was issued for other names or addresses"), "{warnings}");
    assert!(warnings.contains("client.key: others may read this private key; chmod 600"), "{warnings}");
}

#[test]
fn the_command_line_has_its_exit_codes_and_teaches() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.yaml"), "PeerOrgs:\n  - Nmae: x\n").unwrap();
    fs::write(folder.path().join("file"), "in the way").unwrap();
    fs::write(folder.path().join("good.yaml"), SMALL).unwrap();
    let table: [(&[&str], i32, &str); 13] = [
        (&["version"], 0, "cryptogen "),
        (&["extend", "--help"], 0, "--input <DIR>"),
        (&["extend", "--output", "x"], 64, "--output"),
        (&["extend", "--config", "absent.yaml"], 2, "absent.yaml: cannot read the template"),
        (&["showtemplate"], 0, "PeerOrgs:"),
        (&["--help"], 0, "OrdererOrgs:"),
        (&["generate", "--help"], 0, "EnableNodeOUs: true"),
        (&[], 64, "Usage"),
        (&["generate", "--confg", "x"], 64, "--config"),
        (&["destroy"], 64, "destroy"),
        (&["generate", "--config", "bad.yaml"], 1, "bad.yaml: PeerOrgs[0]: unknown field `Nmae`"),
        (&["generate", "--config", "absent.yaml"], 2, "absent.yaml: cannot read the template"),
        (&["generate", "--config", "good.yaml", "--output", "file"], 2, "file"),
    ];
    for (arguments, code, told) in table {
        let output = Command::new(env!("CARGO_BIN_EXE_cryptogen"))
            .current_dir(folder.path())
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(told), "{arguments:?}: {text}");
    }
}

#[test]
fn without_a_template_the_printed_one_is_made_into_the_default_folder() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cryptogen"))
        .current_dir(folder.path())
        .arg("generate")
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
    let root = folder.path().join("crypto-config");
    assert!(
        root.join("peerOrganizations/hospital1.example.com/peers/peer1.hospital1.example.com/msp").is_dir()
    );
    assert!(root.join("ordererOrganizations/example.com/kem/public.pem").is_file());
}

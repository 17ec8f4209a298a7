//! Tables of layers: what wins, what is refused, what is said.

use std::io::Write as _;

use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    peer: Peer,
    chaincodes: BTreeMap<String, u32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Peer {
    local_msp_id: Option<String>,
    listen_address: String,
    port: u16,
    max_port: Option<u16>,
    enabled: bool,
    orderers: Vec<String>,
    tls: Tls,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tls {
    cert: String,
    mode: Mode,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Mutual,
    Server,
}

fn defaults() -> Settings {
    Settings {
        peer: Peer {
            local_msp_id: None,
            listen_address: "127.0.0.1".to_owned(),
            port: 7051,
            max_port: None,
            enabled: false,
            orderers: Vec::new(),
            tls: Tls { cert: "tls/server.crt".to_owned(), mode: Mode::Mutual },
        },
        chaincodes: BTreeMap::new(),
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn env(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_later_layer_wins() {
    let rows: &[(&str, &[(&str, &str)], Option<&str>, u16, &str)] = &[
        // file, environment, flag, port, its origin
        ("", &[], None, 7051, "default"),
        ("peer: {port: 1}", &[], None, 1, "file"),
        ("peer: {PORT: 1}", &[], None, 1, "file"),
        ("peer: {port: '1'}", &[], None, 1, "file"),
        ("peer: {port: }", &[], None, 7051, "default"),
        ("peer: {port: 1}", &[("CORE_PEER_PORT", "2")], None, 2, "environment variable CORE_PEER_PORT"),
        ("", &[("ORDERER_PEER_PORT", "2"), ("COREPEER_PORT", "2")], None, 7051, "default"),
        ("peer: {port: 1}", &[("CORE_PEER_PORT", "2")], Some("3"), 3, "flag --port"),
    ];
    for (text, variables, flag, port, origin) in rows {
        let file = file(text);
        let loaded = Layers::new()
            .defaults(&defaults())
            .file(file.path())
            .env_from("CORE", env(variables))
            .flags([("--port", "peer.port", flag.map(str::to_owned))])
            .extract::<Settings>()
            .unwrap();
        assert_eq!(loaded.settings.peer.port, *port, "{text:?} {variables:?} {flag:?}");
        let found = loaded.origins.of("peer.port");
        assert!(found.starts_with(origin), "{text:?} {variables:?} {flag:?}: {found}");
    }
}

#[test]
fn text_becomes_the_type_that_the_setting_has() {
    let variables = [
        ("CORE_PEER_LOCALMSPID", "Org1MSP"),
        ("CORE_PEER_LISTENADDRESS", "10"),
        ("CORE_PEER_MAXPORT", "9"),
        ("CORE_PEER_ENABLED", "true"),
        ("CORE_PEER_ORDERERS", "a:1, b:2,"),
        ("CORE_PEER_TLS_MODE", "server"),
    ];
    let file = file("chaincodes: {reports: 1, other.name: 2}\npeer: {orderers: [x]}");
    let loaded = Layers::new()
        .defaults(&defaults())
        .file(file.path())
        .env_from("CORE", env(&variables))
        .extract::<Settings>()
        .unwrap();
    let peer = loaded.settings.peer;
    assert_eq!(peer.local_msp_id.as_deref(), Some("Org1MSP"));
    assert_eq!(peer.listen_address, "10");
    assert_eq!((peer.max_port, peer.enabled), (Some(9), true));
    assert_eq!(peer.orderers, ["a:1", "b:2"]);
    assert_eq!(peer.tls.mode, Mode::Server);
    assert_eq!(loaded.settings.chaincodes["other.name"], 2);
}

#[test]
fn every_problem_is_reported_at_once_with_its_origin() {
    let file = file(
        "peer:\n  port: 70000\n  listenAdress: x\n  enabled: perhaps\n  tls:\n    mode: none\n  orderers: [1]\n\
         chaincodes: {reports: many}\ngossip: {}\n",
    );
    let errors = Layers::new()
        .defaults(&defaults())
        .file(file.path())
        .env_from("CORE", env(&[("CORE_PEER_GOSSIP", "x"), ("CORE_PEER_MAXPORT", "-1"), ("CORE_PEER", "y")]))
        .resolve(|settings: &Settings, problems| {
            let id = problems.require("peer.localMspId", settings.peer.local_msp_id.clone(), "name the MSP");
            let cert = &settings.peer.tls.cert;
            problems.check("peer.tls.cert", cert, Err::<(), _>("is no file"), "put it in place");
            id
        })
        .unwrap_err();
    let text = errors.to_string();
    let expected = [
        "12 problems in the settings",
        "peer.port = \"70000\" (file ",
        "peer.listenAdress = \"x\" (file ",
        "is no setting of this node; correct or remove it; known here: enabled, listenAddress",
        "peer.enabled = \"perhaps\"",
        "peer.tls.mode = \"none\" (file ",
        ": is none of mutual, server; correct it",
        "peer.orderers.0 = \"1\"",
        "chaincodes.reports = \"many\"",
        "gossip = \"{}\"",
        "peer.gossip = \"x\" (environment variable CORE_PEER_GOSSIP): is no setting",
        "peer.maxPort = \"-1\" (environment variable CORE_PEER_MAXPORT)",
        "peer = \"y\" (environment variable CORE_PEER): is no setting",
        "peer.localMspId (default): is not set; name the MSP",
        "peer.tls.cert = \"tls/server.crt\" (default): is no file; put it in place",
    ];
    for part in expected {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    assert_eq!(errors.0.len(), 12, "{text}");
}

#[test]
fn a_flag_that_sets_no_known_key_is_reported() {
    let errors = Layers::new()
        .defaults(&defaults())
        .flag("--x", "peer.x", Some("1".to_owned()))
        .extract::<Settings>()
        .unwrap_err();
    assert!(errors.to_string().contains("peer.x = \"1\" (flag --x): is no setting"), "{errors}");
}

#[test]
fn files_that_are_not_usable_are_named() {
    let large = file(&"#".repeat((1 << 20) + 1));
    let broken = file("peer: [");
    let list = file("- a");
    let group = file("peer: 5");
    let rows: [(&Path, &str); 5] = [
        (Path::new("absent.yaml"), "file absent.yaml): cannot be read"),
        (large.path(), "over the limit of 1048576"),
        (broken.path(), "is not usable YAML"),
        (list.path(), "is not usable YAML"),
        (group.path(), "peer = \"5\""),
    ];
    for (path, text) in rows {
        let errors = Layers::new().defaults(&defaults()).file(path).extract::<Settings>().unwrap_err();
        assert_eq!(errors.0.len(), 1, "{errors}");
        assert!(errors.to_string().contains(text), "{text:?} in {errors}");
    }
}

#[test]
fn long_values_are_cut_and_a_missing_reason_is_a_bug() {
    let mut problems = Problems::default();
    problems.add("key", "x".repeat(500), "is long", "");
    let errors = problems.finish(Some(())).unwrap_err();
    assert_eq!(errors.0.first().unwrap().value.len(), 80);
    assert!(Problems::default().finish(None::<()>).is_err());
    assert_eq!(Problems::default().finish(Some(1)), Ok(1));
}

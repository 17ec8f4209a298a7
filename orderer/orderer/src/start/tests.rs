//! Ledgers of several channels, whole and damaged.

use configtx::genesis_block;
use transport::{TlsIdentity, TrustRoots};

use super::*;
use crate::world::{NOW_MS, World};

/// The settings of the first consenter of two channels, with their ledgers in a folder.
fn settings(folder: &std::path::Path) -> Settings {
    let world = World::new(&[7050]);
    let mut second = world.config.clone();
    second.channel = ChannelId::new("trial").unwrap();
    let channel = |config: &protocol::ChannelConfig| ChannelSettings {
        genesis: genesis_block(config, NOW_MS),
        bundle: Arc::new(configtx::ConfigBundle::new(config.clone()).unwrap()),
        consenter: 0,
    };
    let channels = vec![channel(&world.config), channel(&second)];
    let orderer = world.orgs.into_iter().next().unwrap().orderer;
    let (cert, key) = (orderer.tls_cert_pem.as_bytes(), orderer.tls_key_pem.as_bytes());
    let roots = TrustRoots::from_pem([cert]).unwrap();
    Settings {
        listen: ("127.0.0.1".to_owned(), 0),
        operations: None,
        ledger: folder.to_owned(),
        tls: TlsIdentity::from_pem(cert, key).unwrap(),
        operators: roots.clone(),
        own_roots: roots.certificates(),
        roots,
        signer: Arc::new(orderer.identity),
        channels,
    }
}

#[test]
fn a_damaged_ledger_stops_its_channel_alone_and_the_last_one_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let names = |opened: &Opened| -> Vec<String> {
        opened.channels.iter().map(|(chain, _)| chain.channel().to_string()).collect()
    };
    let damage =
        |channel: &str| std::fs::write(folder.path().join(channel).join("CURRENT"), b"nothing").unwrap();
    let opened = open_all(&settings).unwrap();
    assert_eq!((names(&opened), opened.damaged.len()), (vec!["reports".to_owned(), "trial".to_owned()], 0));
    drop(opened);
    damage("trial");
    let opened = open_all(&settings).unwrap();
    let [(channel, reason)] = &opened.damaged[..] else { panic!("{:?}", opened.damaged) };
    assert_eq!((names(&opened), channel.as_str()), (vec!["reports".to_owned()], "trial"));
    assert!(reason.contains("FileLedger.Location"), "{reason}");
    let health = Health::new("1.0");
    report_damaged(&health, &opened.damaged);
    assert!(!health.is_healthy() && health.components().contains_key("channel trial"));
    drop(opened);
    damage("reports");
    let Err(error) = open_all(&settings) else { panic!("nothing is left to serve") };
    assert!(error.to_string().contains("reports"), "{error:#}");
}

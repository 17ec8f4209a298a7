//! Where the material and the seeds of signed things come from.
//!
//! `CONSILIUM_GOLDEN=write cargo test -p fuzz --test seeds` writes them anew, with new keys; needed when a format that
//! they are in gets a new version. Without it the test checks that what is there belongs together.
#![allow(clippy::expect_used, reason = "tests")]

#[path = "../../../peer/validation/tests/fixture/mod.rs"]
mod fixture;

#[path = "seeds/messages.rs"]
mod messages;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use configtx::{config_envelope, genesis_block};
use endorsing::{ProposalDraft, sign_proposal};
use fixture::{Chain, NOW_MS, Network, Tx, namespace, range, read, version, write};
use fuzz::material;
use offchain::{Cid, DagBuilder};
use prost::Message as _;
use protocol::fabric::{
    ChannelHeader, Envelope, Header, HeaderType, Payload, SeekBehavior, SeekInfo, SeekPosition,
    SignatureHeader, Timestamp,
};
use protocol::{ChaincodeName, ChannelId, KvWrite, NamespaceSet, ReadWriteSet};

fn keep(name: &str, bytes: impl AsRef<[u8]>) {
    let path: PathBuf = material::folder().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
    std::fs::write(&path, bytes).expect("writes");
}

fn sets() -> Vec<NamespaceSet> {
    let found = [("a", version(1, 0)), ("b", version(1, 1))];
    let set = NamespaceSet {
        reads: vec![read("a", Some(version(1, 0))), read("c", None)],
        ranges: vec![range("a", "c", &found), range("x", "", &[])],
        writes: vec![write("a"), KvWrite { key: "b".into(), value: None }],
        ..namespace("basic")
    };
    vec![set]
}

/// A request to deliver, signed by HospitalA's user.
fn seek(network: &Network, info: &SeekInfo) -> Vec<u8> {
    let user = network.identity("HospitalA", "user");
    let channel_header = ChannelHeader {
        r#type: HeaderType::DeliverSeekInfo.into(),
        channel_id: "reports".into(),
        timestamp: Some(Timestamp { seconds: i64::try_from(NOW_MS / 1_000).expect("fits"), nanos: 0 }),
        ..ChannelHeader::default()
    };
    let signer = SignatureHeader { creator: user.serialized(), nonce: Bytes::from_static(b"nonce") };
    let header = Header {
        channel_header: channel_header.encode_to_vec().into(),
        signature_header: signer.encode_to_vec().into(),
    };
    let payload: Bytes =
        Payload { header: Some(header), data: info.encode_to_vec().into() }.encode_to_vec().into();
    let signature = user.sign(&payload).into();
    Envelope { payload, signature }.encode_to_vec()
}

fn write_channel(network: &Network, chain: &Chain) {
    let genesis = genesis_block(&network.config, NOW_MS).to_bytes();
    let envelope = Tx::new(network, "1", sets()).envelope();
    keep("material/genesis.block", &genesis);
    keep("seeds/block/accepted-genesis", &genesis);
    keep("seeds/block/accepted-second", chain.next_block(network, vec![envelope]).to_bytes());
    keep("seeds/block/accepted-empty", chain.next_block(network, vec![]).to_bytes());
    keep("seeds/configuration/accepted-sample", network.config.to_bytes());
    keep("seeds/rwset/accepted-every-part", ReadWriteSet { version: 1, namespaces: sets() }.to_bytes());
    keep("seeds/rwset/accepted-empty", ReadWriteSet::empty().to_bytes());
    let mut turned = sets();
    turned[0].writes.reverse();
    keep("seeds/rwset/refused-unsorted", ReadWriteSet { version: 1, namespaces: turned }.to_bytes());
    let records = chain.state.keys.iter().filter(|((namespace, _), _)| namespace == "_identity");
    for (_, (bytes, _)) in records.take(1) {
        keep("seeds/identity_record/accepted-user", bytes);
    }
}

fn write_clients(network: &Network) {
    let envelope = |change: &dyn Fn(&mut Tx<'_>)| {
        let mut tx = Tx::new(network, "1", sets());
        change(&mut tx);
        tx.envelope()
    };
    keep("seeds/envelope/accepted-transaction", envelope(&|_| ()));
    keep("seeds/envelope/accepted-lonely", envelope(&|tx| tx.endorsers.truncate(1)));
    keep("seeds/envelope/accepted-configuration", config_envelope(&network.config));
    keep(
        "seeds/envelope/refused-signature",
        envelope(&|tx| tx.signature = Some(Bytes::from_static(b"none"))),
    );
    keep("seeds/envelope/refused-id", envelope(&|tx| tx.tx_id = Some("00".repeat(32))));
    let user = network.identity("HospitalA", "user");
    let draft = |chaincode: &str| ProposalDraft {
        channel: ChannelId::new("reports").expect("valid"),
        chaincode: ChaincodeName::new(chaincode).expect("valid"),
        args: vec![Bytes::from_static(b"Put"), Bytes::from_static(b"key")],
        transient: BTreeMap::from([("secret".to_owned(), b"value".to_vec())]).into(),
        creator: user.serialized(),
        nonce: Bytes::from_static(b"nonce"),
        timestamp_ms: NOW_MS,
    };
    let signed = |name| sign_proposal(draft(name), user).expect("signs").encode_to_vec();
    keep("seeds/proposal/accepted-user", signed("basic"));
    keep("seeds/proposal/refused-chaincode", signed("unknown"));
    let from_to = |start, stop, behavior: SeekBehavior| SeekInfo {
        start: Some(start),
        stop: Some(stop),
        behavior: behavior.into(),
    };
    let whole = from_to(SeekPosition::oldest(), SeekPosition::newest(), SeekBehavior::BlockUntilReady);
    let turned =
        from_to(SeekPosition::specified(9), SeekPosition::specified(8), SeekBehavior::FailIfNotReady);
    let endless =
        from_to(SeekPosition::specified(7), SeekPosition::specified(u64::MAX), SeekBehavior::BlockUntilReady);
    keep("seeds/seek/accepted-whole", seek(network, &whole));
    keep("seeds/seek/accepted-endless", seek(network, &endless));
    keep("seeds/seek/refused-turned", seek(network, &turned));
}

fn write_identities(network: &Network) {
    let org = &network.orgs["HospitalA"];
    let user = network.identity("HospitalA", "user");
    let peer = network.identity("HospitalA", "peer0");
    let pem = fixture::network::certificate_of(user);
    let root = pem::encode(&pem::Pem::new("CERTIFICATE", org.ca.certificate().der()));
    keep("material/signer.identity", user.serialized());
    let signature = user.sign(material::SIGNED_MESSAGE);
    keep("material/signer.signature", &signature);
    keep("seeds/signature/accepted-signer", &signature);
    keep("seeds/signature/refused-another", peer.sign(material::SIGNED_MESSAGE));
    keep("seeds/identity/accepted-user", user.serialized());
    keep("seeds/identity/accepted-peer", peer.serialized());
    keep("seeds/certificate/accepted-user", pem::parse(&pem).expect("PEM").contents());
    keep("seeds/certificate/accepted-root", org.ca.certificate().der());
    let ous = "NodeOUs:\n  Enable: true\n  PeerOUIdentifier: { Certificate: cacerts/ca.pem, \
               OrganizationalUnitIdentifier: peer }\n";
    keep("seeds/msp_folder/accepted-node-ous", format!("{ous}=== cacerts/ca.pem\n{root}"));
    let plain = String::from_utf8(pem.to_vec()).expect("PEM is text");
    keep(
        "seeds/msp_folder/accepted-admins",
        format!("=== cacerts/ca.pem\n{root}=== admincerts/a.pem\n{plain}"),
    );
}

fn write_content() {
    let mut node = Bytes::new();
    let mut builder = DagBuilder::new(|_: Cid, block: Bytes| {
        node = block;
        Ok::<(), ()>(())
    });
    builder.push(&vec![7; (2 << 20) + 5]).expect("two chunks and a bit");
    let root = builder.finish().expect("a root");
    keep("seeds/dag/accepted-node", &node);
    keep("seeds/dag/accepted-address", root.cid.to_bytes());
    keep("seeds/dag/accepted-text", root.cid.to_string());
}

#[test]
fn material_and_seeds_belong_together() {
    if std::env::var_os("CONSILIUM_GOLDEN").is_some_and(|mode| mode == "write") {
        let network = Network::new();
        let chain = Chain::new(&network);
        write_channel(&network, &chain);
        write_clients(&network);
        write_identities(&network);
        write_content();
        messages::write(keep);
        return;
    }
    let bundle = material::bundle();
    let signer = bundle.identify(material::SIGNER, material::NOW_MS).expect("the signer is the channel's");
    signer.verify(material::SIGNED_MESSAGE, material::SIGNATURE).expect("the signature is the signer's");
    assert_eq!(material::NOW_MS, NOW_MS, "the material is judged when it was made");
}

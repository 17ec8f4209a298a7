//! A key that the gate refuses: at the handshake of either side, and on connections that live.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt as _;
use protocol::Digest;
use protocol::fabric::Envelope;
use transport::services::consensus::ConsensusClient;
use transport::services::delivery::DeliveryClient;
use transport::{ConnectionGate, TlsClient, TlsIdentity, TransportError};

use crate::fixture::{Authority, Running, within};
use crate::world;

/// A gate with the list of keys that it refuses.
#[derive(Clone, Default)]
struct Revoked(Arc<Mutex<BTreeSet<Digest>>>);

impl Revoked {
    fn gate(&self) -> ConnectionGate {
        let revoked = self.clone();
        ConnectionGate::new(move |certificate| {
            let is_refused = revoked.0.lock().unwrap().contains(&certificate.spki);
            if is_refused { Err("its identity is revoked".to_owned()) } else { Ok(()) }
        })
    }

    fn add(&self, identity: &TlsIdentity) {
        self.0.lock().unwrap().insert(identity.spki());
    }
}

fn endless() -> Envelope {
    Envelope { payload: Bytes::from_static(b"1"), signature: Bytes::from_static(b"endless") }
}

#[tokio::test]
async fn a_revoked_key_gets_no_byte_past_the_handshake_and_others_do() {
    let ca = Authority::new("ca");
    let (revoked, nobody) = (Revoked::default(), Revoked::default());
    let server = world::server(&ca.node(), &ca.roots()).0.gate(revoked.gate());
    let running = Running::start(server).await;
    let (thief, colleague) = (ca.identity(&["thief"]), ca.identity(&["colleague"]));
    let dial = |identity: &TlsIdentity| TlsClient::gated(identity, &ca.roots(), &nobody.gate());
    dial(&thief).probe(&running.endpoint).await.unwrap();
    revoked.add(&thief);
    let refused = dial(&thief).probe(&running.endpoint).await.unwrap_err();
    let TransportError::OurCertificate { alert, .. } = &refused else { panic!("{refused}") };
    assert_eq!(alert, "CertificateRevoked");
    assert!(refused.to_string().contains("revoked"), "{refused}");
    dial(&colleague).probe(&running.endpoint).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_recheck_closes_the_connections_of_the_revoked_key_and_no_others() {
    let ca = Authority::new("ca");
    let revoked = Revoked::default();
    let gate = revoked.gate();
    let (server, mut ended) = world::server(&ca.node(), &ca.roots());
    let running = Running::start(server.gate(gate.clone())).await;
    let (thief, colleague) = (ca.identity(&["thief"]), ca.identity(&["colleague"]));
    let open = async |identity: &TlsIdentity| {
        let client = TlsClient::new(identity, &ca.roots());
        let delivery = DeliveryClient::new(client.connect(&running.endpoint));
        let mut stream = delivery.deliver(endless()).await.unwrap().into_inner();
        stream.next().await.unwrap().unwrap();
        (delivery, stream)
    };
    let (thiefs, mut cut) = open(&thief).await;
    let (colleagues, _kept) = open(&colleague).await;
    revoked.add(&thief);
    gate.recheck();
    let last = within(cut.next()).await;
    assert!(matches!(last, Some(Err(_)) | None), "the stream is cut: {last:?}");
    within(ended.recv()).await.unwrap();
    assert!(within(thiefs.deliver(endless())).await.is_err(), "the key connects no more");
    assert!(ended.try_recv().is_err(), "nobody else's stream ended");
    within(colleagues.deliver(endless())).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_dialler_leaves_a_server_whose_key_is_revoked() {
    let ca = Authority::new("ca");
    let node = ca.node();
    let running = Running::start(world::server(&node, &ca.roots()).0).await;
    let revoked = Revoked::default();
    let gate = revoked.gate();
    let outer = TlsClient::gated(&ca.identity(&["client"]), &ca.roots(), &gate);
    let client = outer.narrowed(&ca.roots(), |_| Ok(()));
    let channel = client.connect(&running.endpoint);
    let service = ConsensusClient::new(channel.clone());
    within(service.call(world::question())).await.unwrap();
    let mut stream = DeliveryClient::new(channel).deliver(endless()).await.unwrap().into_inner();
    stream.next().await.unwrap().unwrap();

    revoked.add(&node);
    gate.recheck();
    let last = within(stream.next()).await;
    assert!(matches!(last, Some(Err(_)) | None), "the stream is cut: {last:?}");
    within(service.call(world::question())).await.expect_err("the server is not dialled again");
    let refused = client.probe(&running.endpoint).await.unwrap_err();
    assert!(matches!(refused, TransportError::ServerCertificate { .. }), "{refused}");
    assert!(refused.to_string().contains("evoked"), "{refused}");
    running.stop().await;
}

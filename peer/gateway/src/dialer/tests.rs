//! The dialler over real TLS on the loopback: peers and orderers that live, that are dead, that are not believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use configtx::ConfigBundle;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use issuing::{CaProfile, CertificateAuthority, SigningKeyPair, Subject, SubjectAltName, TlsProfile};
use msp::SigningIdentity;
use protocol::fabric::{self, BroadcastResponse, Envelope, ProposalResponse, SignedProposal};
use protocol::{ChannelConfig, ChannelId, Endpoint};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::Instant;
use transport::services::broadcast::{AtomicBroadcast, AtomicBroadcastServer};
use transport::services::endorser::{Endorser, EndorserServer};
use transport::{
    ConnectionGate, Request, Response, ResponseStream, Server, Status, Streaming, TlsClient, TlsIdentity,
    TrustRoots,
};

use super::{Dialer, NodeGuard};
use crate::service::tests::fixture::{NOW_MS, msp_id};
use crate::service::tests::world::{Call, Does, World, perform, within};
use crate::service::{EndorseAsk, Endorsers as _};

/// The TLS authorities of hospital B, which is also the caller's, and of the orderers.
pub(crate) struct Authority {
    hospital: CertificateAuthority,
    orderers: CertificateAuthority,
}

/// The end of a node, when it is dropped.
pub(crate) type Stop = oneshot::Sender<()>;

impl Authority {
    pub(crate) fn new() -> Self {
        let ca = |name: &str| {
            let profile = CaProfile {
                common_name: format!("tlsca.{name}"),
                organization: name.to_owned(),
                organizational_unit: None,
                subject: Subject::default(),
            };
            CertificateAuthority::create(&profile, NOW_MS).unwrap()
        };
        Self { hospital: ca("HospitalB"), orderers: ca("Orderers") }
    }

    fn roots(&self) -> TrustRoots {
        TrustRoots::new(vec![root(&self.hospital)]).unwrap()
    }

    /// A client of hospital B.
    pub(crate) fn client(&self) -> TlsClient {
        TlsClient::new(&identity(&self.hospital), &self.roots())
    }

    fn dialer(&self) -> Dialer {
        Dialer::new(self.client(), NodeGuard::new(|_, _| Ok(())))
    }

    /// A node of hospital B that lives until the sender is dropped.
    async fn node(&self, node: TestNode) -> (Endpoint, Stop) {
        serve(node, &identity(&self.hospital), &self.roots()).await
    }

    /// The same as an orderer.
    async fn orderer(&self, node: TestNode) -> (Endpoint, Stop) {
        serve(node, &identity(&self.orderers), &self.roots()).await
    }
}

fn root(ca: &CertificateAuthority) -> Bytes {
    Bytes::copy_from_slice(ca.certificate().der())
}

fn identity(ca: &CertificateAuthority) -> TlsIdentity {
    let key = SigningKeyPair::generate().unwrap();
    let sans = vec![SubjectAltName::parse("127.0.0.1").unwrap()];
    let profile = TlsProfile { name: "node".to_owned(), sans, subject: Subject::default() };
    let certificate = ca.issue_tls(&profile, key.public_key(), NOW_MS).unwrap();
    TlsIdentity::from_pem(certificate.pem().as_bytes(), key.private_pem().as_bytes()).unwrap()
}

async fn serve(node: TestNode, identity: &TlsIdentity, roots: &TrustRoots) -> (Endpoint, Stop) {
    let node = Arc::new(node);
    let server = Server::new(identity, roots)
        .add_service(EndorserServer::from_arc(Arc::clone(&node)))
        .add_service(AtomicBroadcastServer::from_arc(node));
    run(server).await
}

/// A node of hospital B with the services that `add` gives it.
pub(crate) async fn serve_with(
    authority: &Authority,
    add: impl FnOnce(Server) -> Server,
) -> (Endpoint, Stop) {
    run(add(Server::new(&identity(&authority.hospital), &authority.roots()))).await
}

async fn run(server: Server) -> (Endpoint, Stop) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = local(listener.local_addr().unwrap().port());
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.serve(listener, async move {
        let _ = stopped.await;
    }));
    (endpoint, stop)
}

fn local(port: u16) -> Endpoint {
    Endpoint { host: "127.0.0.1".to_owned(), port }
}

/// An endpoint where nothing listens.
async fn nowhere() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    local(listener.local_addr().unwrap().port())
}

/// A peer and an orderer in one.
struct TestNode {
    bundle: Arc<ConfigBundle>,
    signer: SigningIdentity,
    does: Does,
    /// Envelopes that it refuses with `SERVICE_UNAVAILABLE` before it takes one.
    elections: Arc<AtomicU64>,
    /// Streams opened so far.
    streams: AtomicU64,
}

impl TestNode {
    fn of(world: &World, org: &str, does: Does) -> Self {
        let bundle = Arc::new(ConfigBundle::new(world.network.config.clone()).unwrap());
        Self {
            bundle,
            signer: world.network.orgs[org].issue("peer9", "peer"),
            does,
            elections: Arc::default(),
            streams: AtomicU64::new(0),
        }
    }
}

impl Endorser for TestNode {
    async fn process_proposal(
        &self,
        request: Request<SignedProposal>,
    ) -> Result<Response<ProposalResponse>, Status> {
        perform(self.does, &request.into_inner(), &self.bundle, &self.signer).await.map(Response::new)
    }
}

impl AtomicBroadcast for TestNode {
    async fn broadcast(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<ResponseStream<BroadcastResponse>>, Status> {
        let stream = self.streams.fetch_add(1, Ordering::SeqCst) + 1;
        let elections = Arc::clone(&self.elections);
        let answers = request.into_inner().map(move |envelope| {
            let envelope = envelope?;
            if envelope.payload[..] == *b"end" {
                return Err(Status::aborted("this stream ends"));
            }
            let is_election = elections
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok();
            let status =
                if is_election { fabric::Status::ServiceUnavailable } else { fabric::Status::Success };
            let info = format!("{} bytes on stream {stream}", envelope.payload.len());
            Ok(BroadcastResponse { status: status.into(), info })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Gives an organisation of the configuration its TLS root.
fn believe(config: &mut ChannelConfig, org: &str, ca: &CertificateAuthority) {
    let mut organizations = config.organizations.iter_mut();
    let organization = organizations.find(|known| known.msp.msp_id.as_str() == org).expect(org);
    organization.msp.tls_root_certs = vec![root(ca)];
}

/// The fixture's channel with these peers of hospital B and these orderers.
fn bundle(world: &World, tls: &Authority, peers: &[Endpoint], orderers: &[Endpoint]) -> ConfigBundle {
    let mut config = world.network.config.clone();
    believe(&mut config, "HospitalB", &tls.hospital);
    believe(&mut config, "Orderers", &tls.orderers);
    let org = config.organizations.iter_mut().find(|org| org.msp.msp_id.as_str() == "HospitalB").unwrap();
    org.peers = peers.to_vec();
    org.peers.sort();
    for (consenter, endpoint) in config.orderer.consenters.iter_mut().zip(orderers) {
        consenter.endpoint = endpoint.clone();
    }
    ConfigBundle::new(config).expect("a valid configuration")
}

fn ask(world: &World, count: usize) -> EndorseAsk {
    let (_, proposal) = world.proposal(&Call::default());
    let deadline = Instant::now() + Duration::from_secs(20);
    EndorseAsk { msp_id: msp_id("HospitalB"), count, known: Vec::new(), proposal, deadline }
}

#[tokio::test]
async fn a_dead_peer_is_passed_over_and_then_asked_last() {
    let (world, tls) = (World::new(), Authority::new());
    let (living, _stop) = tls.node(TestNode::of(&world, "HospitalB", Does::Endorse)).await;
    let dead = nowhere().await;
    let bundle = bundle(&world, &tls, &[dead.clone(), living.clone()], &[]);
    let dialer = tls.dialer();
    // Each peer has its turn, so that the dead one is first once.
    for _ in 0..2 {
        let answers = within(dialer.endorse_at(&bundle, &ask(&world, 1))).await.expect("an endorsement");
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].address, living.to_string());
    }
    for _ in 0..3 {
        let order: Vec<_> =
            dialer.peers_of(&bundle, &msp_id("HospitalB")).into_iter().map(|peer| peer.0).collect();
        assert_eq!(order, [living.clone(), dead.clone()]);
    }
    assert!(!dialer.is_suspect(&bundle, &msp_id("HospitalB")));
    dialer.note(&bundle, &msp_id("HospitalB"), &living, false);
    assert!(dialer.is_suspect(&bundle, &msp_id("HospitalB")));
}

/// A key that one channel revoked was dialled for it, where another channel still admitted the key.
#[tokio::test]
async fn a_node_that_a_channel_revoked_is_dialled_for_other_channels_only() {
    let (world, tls) = (World::new(), Authority::new());
    let (peer, _stop) = tls.node(TestNode::of(&world, "HospitalB", Does::Endorse)).await;
    let reports = bundle(&world, &tls, std::slice::from_ref(&peer), &[]);
    let mut config = reports.config().clone();
    config.channel = ChannelId::new("trial").unwrap();
    let trial = ConfigBundle::new(config).expect("a valid configuration");
    let is_revoked = Arc::new(AtomicBool::new(false));
    let (gate, known) = (ConnectionGate::default(), Arc::clone(&is_revoked));
    let client = TlsClient::gated(&identity(&tls.hospital), &tls.roots(), &gate);
    let guard = NodeGuard::new(move |channel, _| match channel.as_str() {
        "reports" if known.load(Ordering::SeqCst) => Err("revoked".to_owned()),
        _ => Ok(()),
    });
    let dialer = Dialer::new(client, guard);
    for bundle in [&reports, &trial] {
        within(dialer.endorse_at(bundle, &ask(&world, 1))).await.expect("believed on both");
    }
    is_revoked.store(true, Ordering::SeqCst);
    gate.recheck();
    // The connection that was open is of no use any more, nor is a new one to be had.
    for _ in 0..3 {
        within(dialer.endorse_at(&reports, &ask(&world, 1))).await.expect_err("revoked there");
        within(dialer.endorse_at(&trial, &ask(&world, 1))).await.expect("believed here");
    }
}

#[tokio::test]
async fn without_an_endorsement_each_peer_has_its_reason() {
    let (world, tls, others) = (World::new(), Authority::new(), Authority::new());
    let node = |org: &str, does| TestNode::of(&world, org, does);
    let (refusing, _s1) =
        tls.node(node("HospitalB", Does::Refuse(transport::Code::Internal, "broken"))).await;
    let (foreign, _s2) = tls.node(node("HospitalC", Does::Endorse)).await;
    let (failing, _s3) = tls.node(node("HospitalB", Does::ChaincodeError(500, "no such asset"))).await;
    let (hanging, _s4) = tls.node(node("HospitalB", Does::Hang)).await;
    let (untrusted, _s5) = others.node(node("HospitalB", Does::Endorse)).await;
    let rows = [
        (nowhere().await, "connection refused", false),
        (untrusted, "TLS certificate", false),
        (refusing, "Internal: broken", true),
        (foreign, "not signed by a peer of HospitalB", true),
        (failing, "chaincode response 500, no such asset", true),
        (hanging, "DeadlineExceeded", false),
    ];
    for (peer, text, is_answer) in rows {
        let bundle = bundle(&world, &tls, std::slice::from_ref(&peer), &[]);
        let deadline =
            Instant::now() + Duration::from_millis(if text == "DeadlineExceeded" { 300 } else { 20_000 });
        let ask = EndorseAsk { deadline, ..ask(&world, 1) };
        let failures = within(tls.dialer().endorse_at(&bundle, &ask)).await.expect_err(text);
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(failures[0].message.contains(text), "{text}: {failures:?}");
        assert_eq!(
            (failures[0].address.as_str(), failures[0].is_answer),
            (peer.to_string().as_str(), is_answer),
            "{text}"
        );
    }
}

#[tokio::test]
async fn two_endorsements_are_of_two_peers() {
    let (world, tls) = (World::new(), Authority::new());
    let (first, _s1) = tls.node(TestNode::of(&world, "HospitalB", Does::Endorse)).await;
    let (second, _s2) = tls.node(TestNode::of(&world, "HospitalB", Does::Endorse)).await;
    let dialer = tls.dialer();
    let both = bundle(&world, &tls, &[first.clone(), second], &[]);
    let answers = within(dialer.endorse_at(&both, &ask(&world, 2))).await.expect("two endorsements");
    assert_eq!(answers.len(), 2);
    let known = answers[0].response.endorsement.as_ref().unwrap().endorser.clone();
    let another = EndorseAsk { known: vec![known.clone()], ..ask(&world, 1) };
    let answers = within(dialer.endorse_at(&both, &another)).await.expect("the other one");
    assert_ne!(answers[0].response.endorsement.as_ref().unwrap().endorser, known);
    let one = bundle(&world, &tls, &[first], &[]);
    let failures = within(dialer.endorse_at(&one, &ask(&world, 2))).await.expect_err("one peer");
    assert!(failures[0].message.contains("1 peers are known"), "{failures:?}");
}

#[tokio::test]
async fn an_envelope_outlives_a_dead_orderer_and_an_election() {
    let (world, tls) = (World::new(), Authority::new());
    let electing = TestNode {
        elections: Arc::new(AtomicU64::new(3)),
        ..TestNode::of(&world, "HospitalB", Does::Endorse)
    };
    let (living, _stop) = tls.orderer(electing).await;
    let (dead, dead_too) = (nowhere().await, nowhere().await);
    let bundle = bundle(&world, &tls, &[local(1)], &[dead.clone(), living.clone(), dead_too]);
    let dialer = tls.dialer();
    let envelope = Envelope { payload: Bytes::from_static(b"12345"), signature: Bytes::new() };
    let deadline = Instant::now() + Duration::from_secs(20);
    let verdict = within(dialer.broadcast(&bundle, &envelope, deadline)).await.expect("a verdict");
    assert_eq!((verdict.status, verdict.info.as_str()), (fabric::Status::Success, "5 bytes on stream 1"));
    assert_eq!(verdict.address, living.to_string());
    assert_eq!(dialer.orderers_of(&bundle)[0].0, living, "the dead are asked last");
}

#[tokio::test]
async fn envelopes_share_a_stream_are_answered_in_order_and_outlive_its_end() {
    let (world, tls) = (World::new(), Authority::new());
    let (orderer, _stop) = tls.orderer(TestNode::of(&world, "HospitalB", Does::Endorse)).await;
    let bundle = bundle(&world, &tls, &[local(1)], std::slice::from_ref(&orderer));
    let dialer = tls.dialer();
    let deadline = Instant::now() + Duration::from_secs(20);
    let send = |payload: Vec<u8>| {
        let (dialer, bundle) = (&dialer, &bundle);
        async move {
            let envelope = Envelope { payload: payload.into(), signature: Bytes::new() };
            dialer.broadcast(bundle, &envelope, deadline).await
        }
    };
    let infos = |first: usize, stream: u64| -> Vec<String> {
        (first..first + 40).map(|bytes| format!("{bytes} bytes on stream {stream}")).collect()
    };
    let all = |first: usize| join_all((first..first + 40).map(|bytes| send(vec![0; bytes])));
    let found: Vec<String> =
        within(all(1)).await.into_iter().map(|verdict| verdict.expect("a verdict").info).collect();
    assert_eq!(found, infos(1, 1), "each caller has its own answer");
    let soon = Instant::now() + Duration::from_millis(100);
    let last = Envelope { payload: Bytes::from_static(b"end"), signature: Bytes::new() };
    let nobody = within(dialer.broadcast(&bundle, &last, soon)).await.expect_err("the stream ended");
    assert!(nobody.failures[0].message.contains("this stream ends"), "{nobody:?}");
    let verdict = within(send(vec![0; 7])).await.expect("a new stream");
    let stream: u64 =
        verdict.info.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    assert!(stream > 1, "{verdict:?}");
    let found = within(send(vec![0; 8])).await.expect("the same new stream");
    assert_eq!(found.info, format!("8 bytes on stream {stream}"));
}

#[tokio::test]
async fn without_an_orderer_each_has_its_reason_and_its_organisation() {
    let (world, tls) = (World::new(), Authority::new());
    let dead = [nowhere().await, nowhere().await, nowhere().await];
    let bundle = bundle(&world, &tls, &[local(1)], &dead);
    let envelope = Envelope::default();
    let deadline = Instant::now() + Duration::from_millis(200);
    let nobody = within(tls.dialer().broadcast(&bundle, &envelope, deadline)).await.expect_err("nobody");
    for failure in &nobody.failures {
        assert_eq!(failure.msp_id, "Orderers");
        assert!(failure.message.contains("refused") || failure.message.contains("Deadline"), "{failure:?}");
    }
    assert!(!nobody.failures.is_empty());
}

#[tokio::test]
async fn a_survey_has_a_row_for_every_peer_and_every_organisation_without() {
    let (world, tls) = (World::new(), Authority::new());
    let (living, _stop) = tls.node(TestNode::of(&world, "HospitalB", Does::Endorse)).await;
    let mut config = world.network.config.clone();
    for org in &mut config.organizations {
        match org.msp.msp_id.as_str() {
            "HospitalA" => org.peers = vec![nowhere().await],
            "HospitalB" => org.peers = vec![living.clone()],
            _ => org.peers.clear(),
        }
    }
    config.reports = None;
    believe(&mut config, "HospitalA", &Authority::new().hospital);
    believe(&mut config, "HospitalB", &tls.hospital);
    let bundle = ConfigBundle::new(config).expect("a valid configuration");
    let rows = within(tls.dialer().survey(&bundle)).await;
    let found: Vec<_> = rows.iter().map(|row| (row.msp_id.as_str(), row.message.as_str())).collect();
    assert_eq!(rows.len(), 4, "{found:?}");
    assert!(found[0].0 == "HospitalA" && found[0].1.contains("connection refused"), "{found:?}");
    assert_eq!(found[1], ("HospitalB", "reachable"));
    assert!(found[2..].iter().all(|row| row.1.contains("no peers")), "{found:?}");
}

#[tokio::test]
async fn a_node_with_another_organisations_certificate_is_not_believed() {
    let (world, own, others) = (World::new(), Authority::new(), Authority::new());
    let dialer = own.dialer();
    // Both authorities are of the channel, the node answers under the expected host name, and it believes the caller.
    let node = TestNode::of(&world, "HospitalB", Does::Endorse);
    let (impostor, _stop) = serve(node, &identity(&others.hospital), &own.roots()).await;
    let mut config = world.network.config.clone();
    believe(&mut config, "HospitalB", &own.hospital);
    believe(&mut config, "HospitalC", &others.hospital);
    believe(&mut config, "Orderers", &own.orderers);
    for org in &mut config.organizations {
        if matches!(org.msp.msp_id.as_str(), "HospitalB" | "HospitalC") {
            org.peers = vec![impostor.clone()];
        }
    }
    config.orderer.consenters[0].endpoint = impostor.clone();
    let bundle_of =
        |config: &ChannelConfig| ConfigBundle::new(config.clone()).expect("a valid configuration");
    let bundle = bundle_of(&config);
    let untrusted = "issued by no CA that is trusted";

    let failures = within(dialer.endorse_at(&bundle, &ask(&world, 1))).await.expect_err("an impostor");
    assert!(failures[0].message.contains(untrusted), "{failures:?}");
    let rows = within(dialer.survey(&bundle)).await;
    let told = |org: &str| rows.iter().find(|row| row.msp_id == org).expect(org).message.clone();
    assert!(told("HospitalB").contains(untrusted), "{rows:?}");
    assert_eq!(told("HospitalC"), "reachable", "the same node is believed under its own name");
    let deadline = Instant::now() + Duration::from_millis(500);
    let nobody = within(dialer.broadcast(&bundle, &Envelope::default(), deadline)).await;
    let nobody = nobody.expect_err("an impostor");
    let row = nobody.failures.iter().find(|failure| failure.address == impostor.to_string());
    assert!(row.expect("a row").message.contains(untrusted), "{nobody:?}");
    let channel = dialer.connect(&bundle, &msp_id("Orderers"), &impostor).expect("usable roots");
    let client = transport::services::endorser::EndorserClient::new(channel);
    let status = within(client.process_proposal(SignedProposal::default())).await.expect_err("an impostor");
    assert!(status.message().contains(untrusted), "{status:?}");

    // The configuration changes, and the next call goes by it.
    believe(&mut config, "HospitalC", &own.hospital);
    believe(&mut config, "HospitalB", &others.hospital);
    within(dialer.endorse_at(&bundle_of(&config), &ask(&world, 1))).await.expect("believed now");
    for org in &mut config.organizations {
        org.msp.tls_root_certs.clear();
    }
    let failures = within(dialer.endorse_at(&bundle_of(&config), &ask(&world, 1))).await;
    let failures = failures.expect_err("nobody is believed");
    assert!(failures[0].message.contains("peers are known"), "{failures:?}");
}

//! Three orderers as processes on this machine, with real keys, TLS and disks.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use protocol::fabric::{
    ChannelHeader, Envelope, HeaderType, SeekBehavior, SeekInfo, SeekPosition, SignatureHeader, Status,
    Timestamp,
};
use protocol::{Block, BlockHeader, ChannelConfig, DeliverReply, Endpoint, codec};
use tempfile::TempDir;
use transport::services::broadcast::AtomicBroadcastClient;
use transport::services::delivery::DeliveryClient;
use transport::{Request, TlsClient, TlsIdentity, TrustRoots};
use web::HttpsClient;

use crate::world::{World, member, signed};

/// Longest wait for anything: a loaded machine, several elections.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);

pub struct Network {
    pub folder: TempDir,
    pub world: World,
    pub ports: Vec<u16>,
    pub operations: Vec<u16>,
    nodes: Vec<Option<Child>>,
    begun: Vec<bool>,
}

pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("before the year 500 million")
}

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("an address").port()).collect()
}

impl Network {
    pub fn new(count: usize) -> Self {
        Self::with(count, |_| ())
    }

    /// A network whose channel begins with a changed configuration.
    pub fn with(count: usize, change: impl FnOnce(&mut ChannelConfig)) -> Self {
        let mut ports = free_ports(2 * count);
        let operations = ports.split_off(count);
        let mut world = World::made_at(now_ms(), &ports);
        change(&mut world.config);
        let folder = TempDir::new().expect("a folder");
        let genesis = configtx::genesis_block(&world.config, now_ms()).to_bytes();
        fs::write(folder.path().join("genesis.block"), genesis).expect("written");
        let nodes = (0..count).map(|_| None).collect();
        let network = Self { folder, world, ports, operations, nodes, begun: vec![false; count] };
        (0..count).for_each(|node| network.write_material(node));
        network
    }

    pub fn node_folder(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("orderer{node}"))
    }

    fn write_material(&self, node: usize) {
        let (folder, org) = (self.node_folder(node), &self.world.orgs[node]);
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("written");
        };
        write("msp/cacerts/ca.pem", &org.ca.certificate().pem());
        write("msp/tlscacerts/tlsca.pem", &org.tls_ca.certificate().pem());
        write("msp/signcerts/cert.pem", &org.orderer.cert_pem);
        write("msp/keystore/key.pem", &org.orderer.key_pem);
        write("tls/ca.crt", &org.tls_ca.certificate().pem());
        write("tls/server.crt", &org.orderer.tls_cert_pem);
        write("tls/server.key", &org.orderer.tls_key_pem);
        let settings = format!(
            "General:\n  ListenPort: {}\n  LocalMSPID: {}\n  BootstrapFile: ../genesis.block\n\
             Operations:\n  ListenAddress: 127.0.0.1:{}\n",
            self.ports[node], org.msp_id, self.operations[node]
        );
        write("orderer.yaml", &settings);
    }

    pub fn start(&mut self, node: usize) {
        // The flag of the very first start.
        let is_first = !std::mem::replace(&mut self.begun[node], true);
        self.start_with(node, if is_first { &["--bootstrap"] } else { &[] });
    }

    pub fn start_with(&mut self, node: usize, flags: &[&str]) {
        self.begun[node] = true;
        assert!(self.nodes[node].is_none(), "orderer {node} runs");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.node_folder(node).join("log"));
        let child = Command::new(env!("CARGO_BIN_EXE_orderer"))
            .args(["start", "--config"])
            .arg(self.node_folder(node).join("orderer.yaml"))
            .args(flags)
            .stdin(Stdio::null())
            .stderr(log.expect("a log"))
            .spawn();
        self.nodes[node] = Some(child.expect("started"));
    }

    /// Waits for the end of a node that ends by itself.
    pub fn ended(&mut self, node: usize) -> ExitStatus {
        let (mut child, deadline) = (self.nodes[node].take().expect("runs"), Instant::now() + PATIENCE);
        loop {
            if let Some(status) = child.try_wait().expect("a process") {
                return status;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                panic!("orderer {node} goes on\n{}", self.log(node));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Has a node order for a second channel besides, with the same members.
    pub fn add_channel(&self, node: usize, name: &str) {
        let mut config = self.world.config.clone();
        config.channel = protocol::ChannelId::new(name).expect("valid");
        let folder = self.folder.path().join("blocks");
        fs::create_dir_all(&folder).expect("a folder");
        fs::copy(self.folder.path().join("genesis.block"), folder.join("first.block")).expect("copied");
        let genesis = configtx::genesis_block(&config, self.world.made_ms).to_bytes();
        fs::write(folder.join("second.block"), genesis).expect("written");
        let settings = self.node_folder(node).join("orderer.yaml");
        let text = fs::read_to_string(&settings).expect("settings");
        fs::write(&settings, text.replace("../genesis.block", "../blocks")).expect("written");
    }

    /// Gives a node another TLS key and certificate.
    pub fn renew_tls(&mut self, node: usize) -> protocol::Digest {
        let (org, made_ms) = (&mut self.world.orgs[node], self.world.made_ms);
        let renewed = member(&org.msp_id, (&org.ca, &org.tls_ca, made_ms), "renewed", "orderer");
        org.orderer.tls_cert_pem = renewed.tls_cert_pem;
        org.orderer.tls_key_pem = renewed.tls_key_pem;
        org.orderer.tls_spki = renewed.tls_spki;
        self.write_material(node);
        renewed.tls_spki
    }

    /// Runs `orderer recover` with these flags; returns whether it succeeded, and its words.
    pub fn recover(&self, node: usize, flags: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_orderer"))
            .args(["recover", "--channel", "reports", "--config"])
            .arg(self.node_folder(node).join("orderer.yaml"))
            .args(flags)
            .output()
            .expect("runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Waits until a node has said this.
    pub async fn said(&self, node: usize, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log(node).contains(words) {
            assert!(Instant::now() < deadline, "orderer {node} does not say {words:?}\n{}", self.log(node));
            tokio::time::sleep(LOOK).await;
        }
    }

    /// As a disk that is lost.
    pub fn lose_disk(&self, node: usize) {
        fs::remove_dir_all(self.node_folder(node).join("ledger")).expect("removed");
    }

    pub fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.start(node));
    }

    /// As `kill -9`.
    pub fn kill(&mut self, node: usize) {
        let mut child = self.nodes[node].take().expect("runs");
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    /// As `kill`, and waits for the end.
    pub fn terminate(&mut self, node: usize) -> ExitStatus {
        let mut child = self.nodes[node].take().expect("runs");
        let sent = Command::new("kill").arg(child.id().to_string()).status().expect("kill runs");
        assert!(sent.success());
        child.wait().expect("ended")
    }

    /// As `kill -STOP`: it is there and answers nothing.
    pub fn pause(&self, node: usize) {
        self.signal(node, "-STOP");
    }

    /// As `kill -CONT`.
    pub fn resume(&self, node: usize) {
        self.signal(node, "-CONT");
    }

    fn signal(&self, node: usize, signal: &str) {
        let id = self.process(node).to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill runs").success());
    }

    /// The process of a node.
    pub fn process(&self, node: usize) -> u32 {
        self.nodes[node].as_ref().expect("runs").id()
    }

    /// What a node says of its channel.
    pub async fn facts(&self, node: usize) -> serde_json::Value {
        let (identity, roots) = self.tls(node);
        let client = HttpsClient::new(&identity, &roots).expect("a client");
        let url = format!("https://127.0.0.1:{}/healthz", self.operations[node]);
        // A node that does not order yet answers by its status alone.
        let answer: serde_json::Value = client.get_json(&url).await.unwrap_or_default();
        answer["components"]["channel reports"]["facts"].clone()
    }

    /// The node that leads.
    pub async fn leader(&self) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for node in 0..self.nodes.len() {
                self.reached(node).await;
                if self.facts(node).await["role"] == "leader" {
                    return node;
                }
            }
            assert!(Instant::now() < deadline, "nobody leads\n{}", self.log(0));
            tokio::time::sleep(LOOK).await;
        }
    }

    pub fn log(&self, node: usize) -> String {
        fs::read_to_string(self.node_folder(node).join("log")).unwrap_or_default()
    }

    /// The TLS of user `org`.
    pub fn tls(&self, org: usize) -> (TlsIdentity, TrustRoots) {
        let user = &self.world.orgs[org].user;
        let identity = TlsIdentity::from_pem(user.tls_cert_pem.as_bytes(), user.tls_key_pem.as_bytes());
        let roots = self.world.orgs.iter().map(|org| Bytes::copy_from_slice(org.tls_ca.certificate().der()));
        (identity.expect("an identity"), TrustRoots::new(roots.collect()).expect("roots"))
    }

    fn endpoint(&self, node: usize) -> Endpoint {
        Endpoint { host: "127.0.0.1".to_owned(), port: self.ports[node] }
    }

    fn client(&self, org: usize) -> TlsClient {
        let (identity, roots) = self.tls(org);
        TlsClient::new(&identity, &roots)
    }

    /// Waits until a node accepts connections.
    pub async fn reached(&self, node: usize) {
        let deadline = Instant::now() + PATIENCE;
        let (client, endpoint) = (self.client(0), self.endpoint(node));
        while let Err(error) = client.probe(&endpoint).await {
            assert!(Instant::now() < deadline, "orderer {node}: {error}\n{}", self.log(node));
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn until(&self, node: usize, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let facts = self.facts(node).await;
            if holds(&facts) {
                return;
            }
            assert!(Instant::now() < deadline, "orderer {node} {what}: {facts}\n{}", self.log(node));
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the log of a node votes, and the change by which it does has ended: it is one of so many.
    pub async fn voting(&self, node: usize, count: usize) {
        self.until(node, "votes", |facts| facts["votes"] == true && facts["voters"] == count).await;
    }

    /// Waits until so many logs vote, as a node sees it.
    pub async fn voters(&self, node: usize, count: usize) {
        self.until(node, "counts voters", |facts| facts["voters"] == count).await;
    }

    /// Waits until a node misses another one.
    pub async fn missing(&self, node: usize, name: &str) {
        let names = |facts: &serde_json::Value| facts["missing"].to_string();
        self.until(node, "misses another", |facts| names(facts).contains(name)).await;
    }

    /// Broadcasts through a node on one stream; returns the answers in order.
    pub async fn broadcast(&self, node: usize, envelopes: Vec<Bytes>) -> Vec<(Status, String)> {
        self.broadcast_as(0, node, envelopes).await
    }

    /// The same over a connection of organisation `org`.
    pub async fn broadcast_as(
        &self,
        org: usize,
        node: usize,
        envelopes: Vec<Bytes>,
    ) -> Vec<(Status, String)> {
        self.reached(node).await;
        let client = AtomicBroadcastClient::new(self.client(org).connect(&self.endpoint(node)));
        let envelopes = envelopes.into_iter().map(|bytes| Envelope::decode(bytes).expect("an envelope"));
        let stream = tokio_stream::iter(envelopes.collect::<Vec<_>>());
        let mut answers = client.broadcast(Request::new(stream)).await.expect("a stream").into_inner();
        let mut found = Vec::new();
        while let Some(answer) = answers.message().await.expect("an answer") {
            found.push((Status::try_from(answer.status).expect("a status"), answer.info));
        }
        found
    }

    /// Broadcasts through a node and asserts that all are ordered.
    pub async fn order(&self, node: usize, envelopes: Vec<Bytes>) {
        let count = envelopes.len();
        let answers = self.broadcast(node, envelopes).await;
        let refused: Vec<_> = answers.iter().filter(|(status, _)| *status != Status::Success).collect();
        assert!(refused.is_empty(), "{refused:?}\n{}", self.log(node));
        assert_eq!(answers.len(), count);
    }

    /// A request for blocks by the user of `org`.
    pub fn seek(
        &self,
        org: usize,
        start: SeekPosition,
        stop: SeekPosition,
        behavior: SeekBehavior,
    ) -> Envelope {
        let user = &self.world.orgs[org].user.identity;
        let now_ms = now_ms();
        let seconds = i64::try_from(now_ms / 1000).expect("a time");
        let header = ChannelHeader {
            r#type: HeaderType::DeliverSeekInfo.into(),
            channel_id: self.world.config.channel.to_string(),
            timestamp: Some(Timestamp { seconds, nanos: 0 }),
            ..ChannelHeader::default()
        };
        let signature = SignatureHeader { creator: user.serialized(), nonce: Bytes::from_static(b"nonce") };
        let seek = SeekInfo { start: Some(start), stop: Some(stop), behavior: behavior.into() };
        let bytes = signed(user, &header, &signature, seek.encode_to_vec().into());
        Envelope::decode(bytes).expect("an envelope")
    }

    /// A deliver stream of a node.
    pub async fn deliver(&self, node: usize, seek: Envelope) -> transport::Streaming<DeliverReply> {
        self.reached(node).await;
        let client = DeliveryClient::new(self.client(0).connect(&self.endpoint(node)));
        client.deliver(Request::new(seek)).await.expect("a stream").into_inner()
    }

    /// The headers of a node's chain from genesis until `count` envelopes are seen, each block checked as a peer would.
    pub async fn chain(&self, node: usize, count: usize) -> Vec<BlockHeader> {
        let live = self.seek(
            0,
            SeekPosition::oldest(),
            SeekPosition::specified(u64::MAX),
            SeekBehavior::BlockUntilReady,
        );
        let mut stream = self.deliver(node, live).await;
        let mut bundle = self.world.bundle();
        let (mut headers, mut seen) = (Vec::<BlockHeader>::new(), std::collections::BTreeSet::new());
        while seen.len() < count {
            let reply = tokio::time::timeout(PATIENCE, stream.message()).await;
            let reply =
                reply.unwrap_or_else(|_| panic!("{} of {count} from {node}\n{}", seen.len(), self.log(node)));
            let block = match reply.expect("a reply").expect("the stream lives") {
                DeliverReply::Block(bytes) => Block::from_bytes(&bytes).expect("a block"),
                DeliverReply::Status(status, text) => panic!("status {status}: {text}"),
            };
            if let Some(previous) = headers.last() {
                let header_bytes = codec::encode(&block.header);
                bundle.verify_block_signatures(&header_bytes, &block.signatures).expect("a majority signed");
                assert_eq!(block.header.previous_hash, previous.hash());
                assert!(block.header.timestamp_ms > previous.timestamp_ms);
                assert_eq!(block.header.data_hash, protocol::data_hash(&block.envelopes));
                for envelope in &block.envelopes {
                    assert!(seen.insert(envelope.clone()), "no envelope is ordered twice");
                }
            }
            if block.header.last_config == block.header.number {
                let config = configtx::config_of_block(&block).expect("a configuration");
                bundle = configtx::ConfigBundle::new(config).expect("valid");
            }
            headers.push(block.header);
        }
        assert_eq!(seen.len(), count);
        headers
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            // Best effort: a child that has ended needs no end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs the orderer with this file alone and returns its end and its words.
pub fn run_to_end(config: &Path) -> (ExitStatus, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_orderer")).args(["start", "--config"]).arg(config).output();
    let output = output.expect("started");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

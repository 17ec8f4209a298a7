//! A network of three hospitals: up to three orderers and three peers.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use transport::{TlsIdentity, TrustRoots};
use web::{HttpsClient, Reply};

use crate::binaries;
use crate::cli::{CliOutput, User, run as run_tool};
use crate::disk::{SmallDisk, remove_stale};
use crate::hospital::Hospital;
use crate::material::{describe, make_crypto, make_crypto_of, make_genesis};
use crate::namespaces::Namespaces;
use crate::node::Node;
use crate::process::NodeProcess;

/// Time in which a node answers after its start, on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// When orderers cut a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Most transactions in a block.
    pub max_message_count: u32,
    /// Bytes after which a block is cut.
    pub preferred_max_bytes: u32,
    /// Longest wait of a transaction for its block, in milliseconds.
    pub timeout_ms: u32,
}

impl Default for Batching {
    fn default() -> Self {
        Self { max_message_count: 100, preferred_max_bytes: 2 << 20, timeout_ms: 100 }
    }
}

/// What a test wants of its network.
#[derive(Clone, Debug)]
pub struct NetworkOptions {
    /// The channel's name.
    pub channel: String,
    /// How many hospitals are on the channel, each with its peer: 1 to 3.
    pub hospitals: usize,
    /// How many of the orderers are consenters: 1 to 3.
    pub orderers: usize,
    /// When they cut a block.
    pub batching: Batching,
    /// Kind of all signing keys, as templates of `cryptogen` name it: `ecdsa` or `ed25519`.
    pub public_key_algorithm: &'static str,
    /// Proof-of-work difficulty.
    pub difficulty_bits: u8,
    /// Endorsement policy of `asset-transfer`; `None` for the channel's.
    pub asset_policy: Option<String>,
    /// Organisations that keep data keys beside the owner.
    pub custodians: Vec<String>,
    /// Admission profile for CR.
    pub admission_profile: String,
    /// Whether an upload that it does not accept is refused.
    pub admission_refuses: bool,
    /// Reference hashes, 16 hex digits each.
    pub references: Vec<String>,
    /// Name of a second channel of the hospitals A and C, with the same orderers.
    pub second_channel: Option<String>,
    /// The binary that peers run.
    pub peer_binary: &'static str,
    /// Chaincodes on the channel beside `reports` and `asset-transfer`, each with its version.
    pub chaincodes: Vec<(&'static str, &'static str)>,
    /// How long one run of a chaincode may take, in seconds.
    pub execute_timeout_s: u32,
    /// Whether every node has a network namespace of its own, and the thread that starts the network enters one of clients.
    pub namespaces: bool,
    /// Whether every node has a wall clock of its own.
    pub clocks: bool,
    /// Size of a disk of its own for every node's data; `None` for a folder on the machine's.
    pub disk_bytes: Option<u64>,
}

/// The members of the second channel.
const SECOND_MEMBERS: [Hospital; 2] = [Hospital::A, Hospital::C];

impl NetworkOptions {
    /// The same, for the second channel.
    fn second(&self) -> Option<Self> {
        let channel = self.second_channel.clone()?;
        Some(Self { channel, second_channel: None, ..self.clone() })
    }

    /// The nodes that it starts with.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = Node> {
        let peers = self.members().into_iter().map(Node::Peer);
        Hospital::ALL.into_iter().take(self.orderers).map(Node::Orderer).chain(peers)
    }

    fn members(&self) -> Vec<Hospital> {
        Hospital::ALL.into_iter().take(self.hospitals).collect()
    }
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            channel: "reports".to_owned(),
            hospitals: 3,
            orderers: 3,
            batching: Batching::default(),
            public_key_algorithm: "ecdsa",
            difficulty_bits: 0,
            asset_policy: None,
            custodians: Vec::new(),
            admission_profile: "calibrated".to_owned(),
            admission_refuses: false,
            references: ["084bcb4a5e3e3e3c", "18284a487e7e7e7c", "008000929bdfffff"]
                .map(str::to_owned)
                .to_vec(),
            second_channel: None,
            peer_binary: "peer",
            chaincodes: Vec::new(),
            execute_timeout_s: 30,
            namespaces: false,
            clocks: false,
            disk_bytes: None,
        }
    }
}

/// Ports of every listener, by node, and the host that each node is called by.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    ports: BTreeMap<(Hospital, Listener), u16>,
    has_namespaces: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Listener {
    Peer,
    PeerHealth,
    Orderer,
    OrdererHealth,
}

/// Below the range from which the system takes ports for outgoing connections: while a node is stopped nobody else gets
/// its port.
const PORT_FIRST: u32 = 11_000;
const PORTS: u32 = 20_000;

/// A free port, held until the socket is dropped; no two networks of this process draw the same.
fn free_port() -> Result<TcpListener> {
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    for _ in 0..PORTS {
        let drawn = std::process::id().wrapping_mul(131).wrapping_add(DRAWN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(PORT_FIRST + drawn % PORTS)?;
        if let Ok(socket) = TcpListener::bind(("127.0.0.1", port)) {
            return Ok(socket);
        }
    }
    bail!("no free port from {PORT_FIRST} on: are {PORTS} in use?")
}

impl Ports {
    /// Draws free ports: all are held until the last is drawn, so that none is drawn twice.
    fn draw(has_namespaces: bool) -> Result<Self> {
        let listeners = [Listener::Peer, Listener::PeerHealth, Listener::Orderer, Listener::OrdererHealth];
        let mut held = Vec::new();
        let mut ports = BTreeMap::new();
        for hospital in Hospital::ALL.into_iter().chain([Hospital::D]) {
            for listener in listeners {
                let socket = free_port()?;
                ports.insert((hospital, listener), socket.local_addr()?.port());
                held.push(socket);
            }
        }
        Ok(Self { ports, has_namespaces })
    }

    fn of(&self, hospital: Hospital, listener: Listener) -> u16 {
        self.ports.get(&(hospital, listener)).copied().unwrap_or_default()
    }

    pub(crate) fn peer(&self, hospital: Hospital) -> u16 {
        self.of(hospital, Listener::Peer)
    }

    pub(crate) fn orderer(&self, hospital: Hospital) -> u16 {
        self.of(hospital, Listener::Orderer)
    }

    /// What others call a node.
    pub(crate) fn host(&self, node: Node) -> String {
        if self.has_namespaces { node.address() } else { "localhost".to_owned() }
    }

    /// Where a node listens.
    fn bound(&self, node: Node) -> String {
        if self.has_namespaces { node.address() } else { "127.0.0.1".to_owned() }
    }
}

/// A running network. Dropped, its processes are killed and its folder is removed.
///
/// With the variable `CONSILIUM_KEEP_NETWORKS` set, the folder stays, to be looked at.
pub struct Network {
    options: NetworkOptions,
    ports: Ports,
    // Processes end before their folder goes: fields are dropped in this order.
    peers: BTreeMap<Hospital, NodeProcess>,
    orderers: BTreeMap<Hospital, NodeProcess>,
    /// Binaries of those nodes that run others than the rest.
    installed: BTreeMap<String, &'static str>,
    runtime: tokio::runtime::Runtime,
    pub(crate) disks: BTreeMap<Node, SmallDisk>,
    pub(crate) namespaces: Option<Namespaces>,
    pub(crate) folder: TempDir,
}

impl Network {
    /// Makes material and genesis, starts every node, and joins the peers to the channel.
    ///
    /// # Errors
    /// Whatever does not start, with its last words.
    pub fn start(options: NetworkOptions) -> Result<Self> {
        let mut folder =
            tempfile::Builder::new().prefix(&format!("consilium-{}-", std::process::id())).tempdir()?;
        if std::env::var_os("CONSILIUM_KEEP_NETWORKS").is_some() {
            println!("the network's folder is kept: {}", folder.path().display());
            folder.disable_cleanup(true);
        }
        let ports = Ports::draw(options.namespaces)?;
        make_crypto_of(folder.path(), &Hospital::ALL, options.public_key_algorithm, 2)?;
        make_genesis(folder.path(), &ports, &options, ("genesis", &options.members()))?;
        if let Some(second) = options.second() {
            make_genesis(folder.path(), &ports, &second, (&second.channel, &SECOND_MEMBERS))?;
        }
        let nodes: Vec<Node> = options.nodes().collect();
        let mut disks = BTreeMap::new();
        if let Some(bytes) = options.disk_bytes {
            remove_stale();
            for node in &nodes {
                let data = folder.path().join(format!("data/{node}"));
                disks.insert(*node, SmallDisk::mount(&data, bytes)?);
            }
        }
        let namespaces = options.namespaces.then(|| Namespaces::make(nodes)).transpose()?;
        // Its threads are where this one is.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (peers, orderers, installed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut network =
            Self { folder, options, ports, peers, orderers, installed, runtime, disks, namespaces };
        for hospital in Hospital::ALL.into_iter().take(network.options.orderers) {
            network.launch_orderer(hospital, &["--bootstrap"])?;
        }
        for hospital in network.hospitals() {
            network.launch_peer(hospital)?;
        }
        for hospital in Hospital::ALL.into_iter().take(network.options.orderers) {
            network.await_orderer(hospital)?;
        }
        for hospital in network.hospitals() {
            network.await_peer(hospital)?;
            network.join_peer(hospital)?;
        }
        Ok(network)
    }

    /// The hospitals with a peer: those on the channel, and on the second one if there is one.
    pub fn hospitals(&self) -> impl Iterator<Item = Hospital> + use<> {
        let (members, has_second) = (self.options.members(), self.options.second_channel.is_some());
        Hospital::ALL.into_iter().filter(move |hospital| {
            members.contains(hospital) || has_second && SECOND_MEMBERS.contains(hospital)
        })
    }

    /// Joins a running peer to its channels, as its administrator does.
    ///
    /// # Errors
    /// Where it refuses.
    pub fn join_peer(&self, hospital: Hospital) -> Result<()> {
        // Hospital D is on no channel at first, and joins this one.
        let is_on_first = self.options.members().contains(&hospital) || hospital == Hospital::D;
        let first = is_on_first.then(|| self.path("genesis.block"));
        let second = self.options.second().filter(|_| SECOND_MEMBERS.contains(&hospital));
        let second = second.map(|second| self.path(&format!("{}.block", second.channel)));
        for genesis in first.into_iter().chain(second) {
            let genesis = genesis.display().to_string();
            self.admin(hospital).peer(&["channel", "join", "-b", &genesis])?.expect_code(0)?;
        }
        Ok(())
    }

    /// Makes the material of hospital D beside that of the others.
    ///
    /// # Errors
    /// Where `cryptogen` fails.
    pub fn make_fourth_hospital(&self) -> Result<()> {
        let hospitals: Vec<Hospital> = Hospital::ALL.into_iter().chain([Hospital::D]).collect();
        make_crypto_of(self.folder.path(), &hospitals, self.options.public_key_algorithm, 2)
    }

    /// Writes a file that describes the consortium with these hospitals and options, for `configtxgen`.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn describe(&self, name: &str, options: &NetworkOptions, hospitals: &[Hospital]) -> Result<PathBuf> {
        let file = self.path(name);
        describe(&file, &self.ports, options, hospitals)?;
        Ok(file)
    }

    /// Runs `configtxgen` in the network's folder.
    ///
    /// # Errors
    /// Where it does not start. Its own failure is in the output's exit code.
    pub fn configtxgen(&self, args: &[&str]) -> Result<CliOutput> {
        run_tool(binaries::command("configtxgen")?.args(args).current_dir(self.folder.path()))
    }

    /// A path in the network's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the network was started with.
    #[must_use]
    pub const fn options(&self) -> &NetworkOptions {
        &self.options
    }

    /// The administrator of a hospital.
    #[must_use]
    pub fn admin(&self, hospital: Hospital) -> User {
        self.user(hospital, "Admin")
    }

    /// The first doctor of a hospital.
    #[must_use]
    pub fn doctor(&self, hospital: Hospital) -> User {
        self.user(hospital, "User1")
    }

    /// The second doctor of a hospital.
    #[must_use]
    pub fn second_doctor(&self, hospital: Hospital) -> User {
        self.user(hospital, "User2")
    }

    /// A third doctor of a hospital, whose certificates `cryptogen` makes now: no genesis block registers them.
    ///
    /// # Errors
    /// Where the material cannot be made.
    pub fn new_doctor(&self, hospital: Hospital) -> Result<User> {
        self.numbered_doctor(hospital, 3)
    }

    /// The doctor with that number of a hospital; `cryptogen` makes now whoever is missing up to it.
    ///
    /// # Errors
    /// Where the material cannot be made.
    pub fn numbered_doctor(&self, hospital: Hospital, number: usize) -> Result<User> {
        make_crypto_of(self.folder.path(), &Hospital::ALL, self.options.public_key_algorithm, number)?;
        Ok(self.user(hospital, &format!("User{number}")))
    }

    /// The administrator of a hospital's orderer: signs, and has no peer.
    #[must_use]
    pub fn orderer_admin(&self, hospital: Hospital) -> User {
        let organization = self.path("crypto/ordererOrganizations").join(hospital.orderer_domain());
        let folder = organization.join(format!("users/Admin@{}", hospital.orderer_domain()));
        let (msp, tls) = (folder.join("msp"), folder.join("tls"));
        User { msp, tls, msp_id: hospital.orderer_msp_id(), ..self.admin(hospital) }
    }

    fn user(&self, hospital: Hospital, name: &str) -> User {
        self.user_of(&self.organization(hospital), hospital, name)
    }

    /// Somebody with the same names as the first doctor of a hospital, from another run of `cryptogen`: no authority of
    /// this network issued their certificates. They believe this network's TLS CA.
    ///
    /// # Errors
    /// Where the material cannot be made.
    pub fn stranger(&self, hospital: Hospital) -> Result<User> {
        let folder = self.path("strangers");
        let organizations = folder.join("crypto/peerOrganizations");
        if !organizations.is_dir() {
            std::fs::create_dir_all(&folder)?;
            make_crypto(&folder)?;
        }
        Ok(self.user_of(&organizations.join(hospital.domain()), hospital, "User1"))
    }

    fn user_of(&self, organization: &Path, hospital: Hospital, name: &str) -> User {
        let folder = organization.join(format!("users/{name}@{}", hospital.domain()));
        User {
            hospital,
            msp_id: hospital.msp_id(),
            msp: folder.join("msp"),
            tls: folder.join("tls"),
            root: self.peer_root(hospital),
            address: self.peer_address(hospital),
            channel: self.options.channel.clone(),
        }
    }

    /// The folder of a hospital's crypto material.
    #[must_use]
    pub fn organization(&self, hospital: Hospital) -> PathBuf {
        self.path("crypto/peerOrganizations").join(hospital.domain())
    }

    /// The folder of a peer's own material, with `msp` and `tls`.
    #[must_use]
    pub fn peer_material(&self, hospital: Hospital) -> PathBuf {
        self.organization(hospital).join("peers").join(hospital.peer_name())
    }

    /// The folder of a peer's data.
    #[must_use]
    pub fn peer_data(&self, hospital: Hospital) -> PathBuf {
        self.path(&format!("data/{}", hospital.peer_name()))
    }

    /// Where a hospital's orderer listens.
    #[must_use]
    pub fn orderer_address(&self, hospital: Hospital) -> String {
        format!("{}:{}", self.ports.host(Node::Orderer(hospital)), self.ports.orderer(hospital))
    }

    fn peer_address(&self, hospital: Hospital) -> String {
        format!("{}:{}", self.ports.host(Node::Peer(hospital)), self.ports.peer(hospital))
    }

    /// The folder of an orderer's data.
    #[must_use]
    pub fn orderer_data(&self, hospital: Hospital) -> PathBuf {
        self.path(&format!("data/{}", hospital.orderer_name()))
    }

    /// The certificate of the TLS CA of a hospital's orderer.
    #[must_use]
    pub fn orderer_tls_root(&self, hospital: Hospital) -> PathBuf {
        self.path("crypto/ordererOrganizations")
            .join(hospital.orderer_domain())
            .join(format!("tlsca/tlsca.{}-cert.pem", hospital.orderer_domain()))
    }

    /// Port of a hospital's peer.
    #[must_use]
    pub fn peer_port(&self, hospital: Hospital) -> u16 {
        self.ports.peer(hospital)
    }

    /// Port of a hospital's orderer.
    #[must_use]
    pub fn orderer_port(&self, hospital: Hospital) -> u16 {
        self.ports.orderer(hospital)
    }

    /// Has a hospital's peer run that binary from its next start on.
    pub fn install_peer(&mut self, hospital: Hospital, binary: &'static str) {
        self.installed.insert(hospital.peer_name(), binary);
    }

    /// Has a hospital's orderer run that binary from its next start on.
    pub fn install_orderer(&mut self, hospital: Hospital, binary: &'static str) {
        self.installed.insert(hospital.orderer_name(), binary);
    }

    fn binary_of(&self, node: &str, otherwise: &'static str) -> &'static str {
        self.installed.get(node).copied().unwrap_or(otherwise)
    }

    /// Starts a peer and waits until it answers.
    ///
    /// # Errors
    /// Where it does not answer in time.
    pub fn start_peer(&mut self, hospital: Hospital) -> Result<()> {
        self.launch_peer(hospital)?;
        self.await_peer(hospital)
    }

    /// Starts an orderer and waits until it answers.
    ///
    /// # Errors
    /// Where it does not answer in time.
    pub fn start_orderer(&mut self, hospital: Hospital) -> Result<()> {
        self.launch_orderer(hospital, &[])?;
        self.await_orderer(hospital)
    }

    /// Starts an orderer and waits until it answers, be it that a channel of it has stopped.
    ///
    /// # Errors
    /// Where it does not answer in time.
    pub fn start_stopped_orderer(&mut self, hospital: Hospital) -> Result<()> {
        self.launch_orderer(hospital, &[])?;
        Self::wait_until("the orderer's health page", START_DEADLINE, || {
            self.orderer_process(hospital)?.check_alive()?;
            self.orderer_health_page(hospital).map(drop)
        })
    }

    /// The process of a running peer.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn peer_process(&mut self, hospital: Hospital) -> Result<&mut NodeProcess> {
        self.peers
            .get_mut(&hospital)
            .with_context(|| format!("the peer of hospital {hospital:?} is not running"))
    }

    /// The process of a running orderer.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn orderer_process(&mut self, hospital: Hospital) -> Result<&mut NodeProcess> {
        self.orderers
            .get_mut(&hospital)
            .with_context(|| format!("the orderer of hospital {hospital:?} is not running"))
    }

    /// What `/healthz` of a peer answers, also where a channel of it has stopped.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn peer_health(&self, hospital: Hospital) -> Result<Value> {
        let operator = self.admin(hospital).tls_folder();
        let (url, root) = (self.url(Node::Peer(hospital), "healthz"), self.peer_root(hospital));
        page(&self.runtime.block_on(https(&operator, &root)?.get(&url))?, &url)
    }

    /// What `/healthz` of an orderer answers, also where a channel of it has no leader or has stopped.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn orderer_health_page(&self, hospital: Hospital) -> Result<Value> {
        let operator = self.admin(hospital).tls_folder();
        let (url, root) = (self.url(Node::Orderer(hospital), "healthz"), self.orderer_tls_root(hospital));
        page(&self.runtime.block_on(https(&operator, &root)?.get(&url))?, &url)
    }

    /// A page of a node's operations listener.
    fn url(&self, node: Node, page: &str) -> String {
        let listener = match node {
            Node::Peer(_) => Listener::PeerHealth,
            Node::Orderer(_) => Listener::OrdererHealth,
        };
        format!("https://{}:{}/{page}", self.ports.host(node), self.ports.of(node.hospital(), listener))
    }

    /// What `/healthz` of an orderer answers.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn orderer_health(&self, hospital: Hospital) -> Result<Value> {
        let client = https(&self.admin(hospital).tls_folder(), &self.orderer_tls_root(hospital))?;
        Ok(self.runtime.block_on(client.get_json(&self.url(Node::Orderer(hospital), "healthz")))?)
    }

    /// What `/metrics` of a peer answers.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn peer_metrics(&self, hospital: Hospital) -> Result<String> {
        self.peer_metrics_for(hospital, &self.admin(hospital))
    }

    /// What `/metrics` of a peer answers to a user, of whatever hospital.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn peer_metrics_for(&self, hospital: Hospital, user: &User) -> Result<String> {
        self.metrics(&user.tls_folder(), Node::Peer(hospital), &self.peer_root(hospital))
    }

    /// What `/metrics` of an orderer answers.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn orderer_metrics(&self, hospital: Hospital) -> Result<String> {
        self.orderer_metrics_for(hospital, &self.admin(hospital))
    }

    /// What `/metrics` of an orderer answers to a user, of whatever hospital.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn orderer_metrics_for(&self, hospital: Hospital, user: &User) -> Result<String> {
        self.metrics(&user.tls_folder(), Node::Orderer(hospital), &self.orderer_tls_root(hospital))
    }

    /// Waits until a condition holds.
    ///
    /// # Errors
    /// Where it does not hold in time; the text says what was waited for and the last reason.
    pub fn wait_until(what: &str, deadline: Duration, mut holds: impl FnMut() -> Result<()>) -> Result<()> {
        let ends_at = Instant::now() + deadline;
        loop {
            match holds() {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > ends_at => {
                    return Err(error.context(format!("waited for: {what}")));
                }
                // Asking again at once would slow down what is waited for.
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn peer_root(&self, hospital: Hospital) -> PathBuf {
        self.organization(hospital).join(format!("tlsca/tlsca.{}-cert.pem", hospital.domain()))
    }

    pub(crate) fn launch_peer(&mut self, hospital: Hospital) -> Result<()> {
        let material = self.peer_material(hospital);
        let data = self.peer_data(hospital);
        let settings = format!(
            "peer:\n  id: {id}\n  listenAddress: {host}:{port}\n  localMspId: {msp}\n  mspConfigPath: {material}/msp\n  fileSystemPath: {data}\n  kem:\n    file: {kem}\n  tls:\n    cert:\n      file: {material}/tls/server.crt\n    key:\n      file: {material}/tls/server.key\n    rootcert:\n      file: {root}\nchaincode:\n  executetimeout: {execute}s\noperations:\n  listenAddress: {host}:{health}\n",
            id = hospital.peer_name(),
            host = self.ports.bound(Node::Peer(hospital)),
            port = self.ports.peer(hospital),
            msp = hospital.msp_id(),
            material = material.display(),
            data = data.display(),
            kem = self.organization(hospital).join("kem/private.pem").display(),
            root = self.peer_root(hospital).display(),
            execute = self.options.execute_timeout_s,
            health = self.ports.of(hospital, Listener::PeerHealth),
        );
        let name = hospital.peer_name();
        let file = self.path(&format!("{name}.yaml"));
        std::fs::write(&file, settings)?;
        let mut command = binaries::command(self.binary_of(&name, self.options.peer_binary))?;
        command.args(["node", "start", "--config"]).arg(&file);
        let mut command = self.in_its_place(Node::Peer(hospital), command)?;
        let process = NodeProcess::start(&mut command, &self.path(&format!("{name}.log")))?;
        self.peers.insert(hospital, process);
        Ok(())
    }

    /// Starts an orderer's process; channels begin by a flag that only the first start has.
    pub(crate) fn launch_orderer(&mut self, hospital: Hospital, flags: &[&str]) -> Result<()> {
        let name = hospital.orderer_name();
        let organization = self.path("crypto/ordererOrganizations").join(hospital.orderer_domain());
        let material = organization.join("orderers").join(&name);
        let settings = format!(
            "General:\n  ListenAddress: {host}\n  ListenPort: {port}\n  LocalMSPID: {msp}\n  LocalMSPDir: {material}/msp\n  BootstrapMethod: file\n  BootstrapFile: {genesis}\n  TLS:\n    Enabled: true\n    Certificate: {material}/tls/server.crt\n    PrivateKey: {material}/tls/server.key\n    RootCAs: [{material}/tls/ca.crt]\nFileLedger:\n  Location: {data}\nOperations:\n  ListenAddress: {host}:{health}\n  TLS:\n    ClientRootCAs: [{operators}]\n",
            host = self.ports.bound(Node::Orderer(hospital)),
            port = self.ports.orderer(hospital),
            msp = hospital.orderer_msp_id(),
            material = material.display(),
            genesis = self.bootstrap(hospital)?.display(),
            data = self.path(&format!("data/{name}")).display(),
            health = self.ports.of(hospital, Listener::OrdererHealth),
            // The hospital's administrator looks after its orderer, which is of another organisation.
            operators = self.peer_root(hospital).display(),
        );
        let file = self.path(&format!("{name}.yaml"));
        std::fs::write(&file, settings)?;
        let mut command = binaries::command(self.binary_of(&name, "orderer"))?;
        command.args(["start", "--config"]).arg(&file).args(flags);
        let mut command = self.in_its_place(Node::Orderer(hospital), command)?;
        let process = NodeProcess::start(&mut command, &self.path(&format!("{name}.log")))?;
        self.orderers.insert(hospital, process);
        Ok(())
    }

    /// The genesis block of an orderer's only channel, or a folder with those of its channels.
    fn bootstrap(&self, hospital: Hospital) -> Result<PathBuf> {
        let first = self.path("genesis.block");
        let Some(second) = self.options.second() else { return Ok(first) };
        let folder = self.path(&format!("bootstrap-{}", hospital.letter()));
        // What a test took away is not put back at the next start.
        if !folder.is_dir() {
            std::fs::create_dir_all(&folder)?;
            std::fs::copy(first, folder.join("first.block"))?;
            std::fs::copy(self.path(&format!("{}.block", second.channel)), folder.join("second.block"))?;
        }
        Ok(folder)
    }

    fn await_peer(&mut self, hospital: Hospital) -> Result<()> {
        let ends_at = Instant::now() + START_DEADLINE;
        loop {
            self.peer_process(hospital)?.check_alive()?;
            match self.peer_health(hospital) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > ends_at => {
                    bail!("{error:#}\n{}", self.peer_process(hospital)?.log_tail())
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn await_orderer(&mut self, hospital: Hospital) -> Result<()> {
        let ends_at = Instant::now() + START_DEADLINE;
        loop {
            self.orderer_process(hospital)?.check_alive()?;
            match self.orderer_health(hospital) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > ends_at => {
                    bail!("{error:#}\n{}", self.orderer_process(hospital)?.log_tail());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn metrics(&self, operator: &Path, node: Node, root: &Path) -> Result<String> {
        let client = https(operator, root)?;
        let reply = self.runtime.block_on(client.get(&self.url(node, "metrics")))?;
        if reply.status != 200 {
            bail!("/metrics answered {}", reply.status);
        }
        Ok(String::from_utf8(reply.body.to_vec())?)
    }
}

/// A health page, whatever its status.
fn page(reply: &Reply, url: &str) -> Result<Value> {
    serde_json::from_slice(&reply.body).with_context(|| format!("{url} answers no health page"))
}

/// A client of operations listeners, with the TLS key in a folder.
fn https(tls: &Path, root: &Path) -> Result<HttpsClient> {
    let (cert, key) = (std::fs::read(tls.join("client.crt"))?, std::fs::read(tls.join("client.key"))?);
    let identity = TlsIdentity::from_pem(&cert, &key)?;
    let root = std::fs::read(root)?;
    let roots = TrustRoots::from_pem([&root[..]])?;
    Ok(HttpsClient::new(&identity, &roots)?)
}

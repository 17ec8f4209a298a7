//! A doctor comes, works and goes: registered by the own hospital's administrator, and revoked.

use std::fs;
use std::pin::pin;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use client::{Deadlines, Draft, Endorsed};
use protocol::{ChaincodeName, TxId, TxValidationCode};
use scenarios::{Doctor, Image, Stage, endpoint, find_in_json, tls_identity, upload, wait_for_same_heights};
use serde_json::Value;
use testnet::{CliOutput, Hospital, Network, NetworkOptions, User};
use transport::{TlsClient, TrustRoots};

/// Time in which a revocation that is committed must have its effect; it takes milliseconds.
const EFFECT: Duration = Duration::from_secs(20);

#[test]
fn a_doctor_acts_between_registration_and_revocation_and_at_no_other_time() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    let (admin, doctor) = (network.admin(Hospital::A), network.new_doctor(Hospital::A)?);
    refused(
        &invoke(&doctor, "early")?,
        &["is not registered", "an administrator of HospitalAMSP registers it"],
    )?;
    let registered = identity(&admin, &["register", "--msp", &doctor.msp_folder().display().to_string()])?;
    let poi = text(&registered, "poi")?;
    println!("registered: {registered}");
    works(&network, &doctor, &poi)?;
    others_cannot_revoke(&network, &admin, &poi)?;

    // What is open at the revocation: a transaction that is endorsed, and waits over two connections.
    let colleague = network.second_doctor(Hospital::A);
    let borrowed = doctor.clone().connecting_as(&colleague);
    let forced = endorse(&doctor, "forced")?;
    let (own_wait, other_wait) = (Wait::begin(doctor.clone())?, Wait::begin(borrowed.clone())?);
    let revoked = identity(&admin, &["revoke", &poi])?;
    ensure!(text(&revoked, "status")? == "revoked", "{revoked}");
    println!("his own connection: {}", own_wait.end()?);
    let told = other_wait.end()?;
    ensure!(told.contains("was revoked on channel reports"), "a wait over another's connection: {told}");

    wait_for_same_heights(&network, EFFECT)?;
    for hospital in [Hospital::A, Hospital::B] {
        key_is_refused(&network, &doctor, hospital)?;
    }
    refused(&invoke(&borrowed, "late")?, &["is revoked"])?;
    forced_is_invalid(&network, &borrowed, &forced)?;
    let again = identity(&admin, &["register", "--msp", &doctor.msp_folder().display().to_string()]);
    let again = again.expect_err("a revoked key is registered again").to_string();
    ensure!(again.contains("make a new key"), "{again}");

    network.peer_process(Hospital::A)?.stop()?;
    network.start_peer(Hospital::A)?;
    key_is_refused(&network, &doctor, Hospital::A)?;
    invoke(&colleague, "colleague")?.expect_code(0)?;
    Ok(())
}

#[test]
fn an_identity_is_registered_by_a_claim_made_where_its_key_is() -> Result<()> {
    let network = Stage::start(NetworkOptions::default())?;
    let (admin, doctor) = (network.admin(Hospital::B), network.new_doctor(Hospital::B)?);
    let file = network.path("user3.claim").display().to_string();
    doctor.peer(&["identity", "claim", "--out", &file])?.expect_code(0)?;
    let bytes = fs::read(&file)?;
    ensure!(!bytes.windows(11).any(|part| part == b"PRIVATE KEY"), "a claim holds no key");
    let own = doctor.peer(&["identity", "register", "--claim", &file])?;
    refused(&own, &["is not registered"])?;
    let other = network.admin(Hospital::A).peer(&["identity", "register", "--claim", &file])?;
    refused(&other, &["HospitalAMSP may not change identities of HospitalBMSP"])?;
    let registered = identity(&admin, &["register", "--claim", &file])?;
    let poi = text(&registered, "poi")?;
    ensure!(find_in_json(&registered, "tls_spki").and_then(Value::as_array).map(Vec::len) == Some(1));
    invoke(&doctor, "claimed")?.expect_code(0)?;

    let more = network.second_doctor(Hospital::B).tls_folder().join("client.crt").display().to_string();
    let msp = doctor.msp_folder().display().to_string();
    let renewed = identity(&admin, &["renew", "--msp", &msp, "--tls-cert", &more])?;
    ensure!(
        find_in_json(&renewed, "tls_spki").and_then(Value::as_array).map(Vec::len) == Some(2),
        "{renewed}"
    );
    // A claim for a renewal keeps what is on record, and is good for one renewal.
    let renewal = network.path("renewal.claim").display().to_string();
    doctor.peer(&["identity", "claim", "--for", "renew", "--out", &renewal])?.expect_code(0)?;
    let renewed = identity(&admin, &["renew", "--claim", &renewal])?;
    ensure!(
        find_in_json(&renewed, "tls_spki").and_then(Value::as_array).map(Vec::len) == Some(2),
        "{renewed}"
    );
    let replayed = admin.peer(&["identity", "renew", "--claim", &renewal])?;
    refused(&replayed, &["proof of possession is refused", "for the record as it stands now"])?;
    // Nobody has registered this key, and nobody can any more.
    let stranger = network.new_doctor(Hospital::A)?;
    let owner = network.admin(Hospital::A);
    identity(&owner, &["revoke", "--cert", &certificate(&stranger)?])?;
    let late =
        owner.peer(&["identity", "register", "--msp", &stranger.msp_folder().display().to_string()])?;
    refused(&late, &["is revoked, for good"])?;
    let shown = network.doctor(Hospital::C).peer(&["identity", "show", &poi, "--msp-id", "HospitalBMSP"])?;
    let shown = shown.expect_code(0)?.stdout;
    for part in ["client", "active", "BEGIN CERTIFICATE"] {
        ensure!(shown.contains(part), "{part} in {shown}");
    }
    // By its certificate a registered key is revoked as it stands on record: certificate and TLS keys stay.
    let revoked = identity(&admin, &["revoke", "--cert", &certificate(&doctor)?])?;
    ensure!(text(&revoked, "poi")? == poi && text(&revoked, "status")? == "revoked", "{revoked}");
    ensure!(
        find_in_json(&revoked, "tls_spki").and_then(Value::as_array).map(Vec::len) == Some(2),
        "{revoked}"
    );
    Ok(())
}

/// The file with a user's signing certificate.
fn certificate(user: &User) -> Result<String> {
    let mut files = fs::read_dir(user.msp_folder().join("signcerts"))?;
    Ok(files.next().context("no certificate")??.path().display().to_string())
}

/// Runs a verb of `peer identity` and returns what it printed.
fn identity(user: &User, args: &[&str]) -> Result<Value> {
    let args = [&["identity"], args, &["--output", "json"]].concat();
    user.peer(&args)?.expect_code(0)?.json()
}

fn text(value: &Value, key: &str) -> Result<String> {
    let found = find_in_json(value, key).and_then(Value::as_str);
    Ok(found.with_context(|| format!("no {key} in {value}"))?.to_owned())
}

fn invoke(user: &User, asset: &str) -> Result<CliOutput> {
    let call = format!(r#"{{"Args":["CreateAsset","{asset}","blue","5","Tomoko","300"]}}"#);
    user.peer(&["chaincode", "invoke", "-n", "asset-transfer", "-c", &call])
}

fn refused(output: &CliOutput, words: &[&str]) -> Result<()> {
    let text = output.clone().expect_code(1)?.stderr;
    for word in words {
        ensure!(text.contains(word), "{word} in {text}");
    }
    Ok(())
}

/// The doctor creates an asset and uploads a report, which is found by PoI and block.
fn works(network: &Network, doctor: &User, poi: &str) -> Result<()> {
    invoke(doctor, "his-first")?.expect_code(0)?;
    let file = network.path("scan.png");
    fs::write(&file, Image::rings(120, 90, 5).png())?;
    let (id, shown) = upload(doctor, &file, "patient-1")?;
    let block = find_in_json(&shown, "block_number").and_then(Value::as_u64).context("no block")?;
    let verify = |poi: &str, block: u64| {
        doctor.peer(&["report", "verify", "--poi", poi, "--block", &block.to_string(), "--output", "json"])
    };
    let valid = verify(poi, block)?.expect_code(0)?.json()?;
    ensure!(text(&valid, "verdict")? == "Valid Transaction" && text(&valid, "report_id")? == id, "{valid}");
    for (poi, block) in [(poi, block - 1), (&*"ab".repeat(32), block)] {
        let other = verify(poi, block)?.expect_code(1)?;
        ensure!(other.stdout.contains("Invalid Transaction") && other.stderr.contains("NO_SUCH_REPORT"));
    }
    Ok(())
}

/// No other hospital revokes him, and no administrator itself.
fn others_cannot_revoke(network: &Network, admin: &User, poi: &str) -> Result<()> {
    let own = identity(admin, &["list"])?;
    let listed = own.as_array().context("no list")?;
    ensure!(listed.len() == 5, "a peer, an administrator and three doctors: {own}");
    let other = network.admin(Hospital::B);
    let named = other.peer(&["identity", "revoke", poi, "--msp-id", "HospitalAMSP"])?;
    refused(&named, &["HospitalBMSP may not change identities of HospitalAMSP"])?;
    refused(&other.peer(&["identity", "revoke", poi])?, &["is not registered"])?;
    refused(&network.doctor(Hospital::A).peer(&["identity", "revoke", poi])?, &["needs an administrator"])?;
    let admins = listed.iter().find(|one| one["roles"].to_string().contains("admin"));
    let admins = text(admins.context("no administrator")?, "poi")?;
    refused(&admin.peer(&["identity", "revoke", &admins])?, &["last active administrator"])
}

fn endorse(user: &User, asset: &str) -> Result<Endorsed> {
    let args = [asset, "blue", "5", "Tomoko", "300"];
    let draft = Draft::new(ChaincodeName::new("asset-transfer")?, "CreateAsset", &args);
    Ok(Doctor::connect(user, Deadlines::default())?.run(|peer, channel| peer.endorse(channel, &draft))?)
}

/// What was endorsed before the revocation is refused by the gateway. Handed to an orderer, which knows no revocation, it
/// comes to stand on the ledger, and is invalid.
fn forced_is_invalid(network: &Network, sender: &User, forced: &Endorsed) -> Result<()> {
    let sender = Doctor::connect(sender, Deadlines::default())?;
    let Err(error) = sender.run(|peer, channel| peer.order(channel, forced)) else {
        bail!("the gateway takes it")
    };
    ensure!(error.to_string().contains("is revoked"), "{error}");
    let orderer = endpoint(&network.orderer_address(Hospital::A))?;
    let roots = TrustRoots::from_pem([&fs::read(network.orderer_tls_root(Hospital::A))?[..]])?;
    sender.run(|peer, _| peer.broadcast(forced, &orderer, &roots))?;
    let reader = Doctor::connect(&network.doctor(Hospital::C), Deadlines::default())?;
    let (code, block) = reader.run(|peer, channel| peer.commit_status(channel, &forced.tx_id))?;
    println!("forced: {code} in block {block}");
    ensure!(code == TxValidationCode::InvalidOtherReason, "{code}");
    Ok(())
}

/// The peer of that hospital gives his TLS key no connection.
fn key_is_refused(network: &Network, doctor: &User, hospital: Hospital) -> Result<()> {
    let peer = network.doctor(hospital);
    let roots = TrustRoots::from_pem([&fs::read(peer.tls_root())?[..]])?;
    let client = TlsClient::new(&tls_identity(doctor)?, &roots);
    let address = endpoint(peer.address())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Network::wait_until("the key is refused", EFFECT, || match runtime.block_on(client.probe(&address)) {
        Ok(()) => bail!("hospital {hospital:?} still accepts it"),
        Err(error) => {
            ensure!(error.to_string().contains("CertificateRevoked"), "{error}");
            Ok(())
        }
    })
}

/// Somebody who waits for a transaction that never comes.
struct Wait(JoinHandle<Result<String>>);

impl Wait {
    /// Begins to wait, and returns when the peer has the question.
    fn begin(user: User) -> Result<Self> {
        let (asked, begins) = mpsc::channel();
        let thread = thread::spawn(move || {
            let doctor = Doctor::connect(&user, Deadlines::default())?;
            let draft = Draft::new(ChaincodeName::new("asset-transfer")?, "GetAllAssets", &[]);
            let unknown = TxId::of(b"nobody", b"ever");
            doctor.run(async |peer, channel| {
                let mut wait = pin!(peer.commit_status(channel, &unknown));
                // An answer to a later question of the same connection: the earlier one has arrived.
                tokio::select! {
                    biased;
                    ended = &mut wait => bail!("the wait ended at once: {ended:?}"),
                    read = peer.evaluate(channel, &draft, &[]) => drop(read?),
                }
                asked.send(())?;
                match wait.await {
                    Ok(verdict) => bail!("a verdict of a transaction that never was: {verdict:?}"),
                    Err(error) => Ok(error.to_string()),
                }
            })
        });
        begins.recv_timeout(EFFECT).context("the wait did not begin")?;
        Ok(Self(thread))
    }

    /// What it was told when it ended, which it must soon.
    fn end(self) -> Result<String> {
        Network::wait_until("the wait ends", EFFECT, || {
            ensure!(self.0.is_finished(), "it goes on");
            Ok(())
        })?;
        self.0.join().map_err(|_| anyhow::anyhow!("the waiting thread panicked"))?
    }
}

//! Two channels on the same orderers: one of the hospitals A and B, one of A and C. Each has its own ledger; whoever is in one
//! alone hears of the other what is heard of a channel that does not exist, and neither feels what happens to the other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use client::{Deadlines, Draft};
use msp::Signer as _;
use prost::Message as _;
use protocol::fabric::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader, Status};
use protocol::{BlockNumber, ChaincodeName, TxId};
use scenarios::{
    ChannelUpdate, Doctor, Image, Stage, download, endpoint, find_in_json, height_on, share, signer,
    tls_identity, upload,
};
use testnet::{Hospital, Network, NetworkOptions, User};
use transport::services::broadcast::AtomicBroadcastClient;
use transport::{TlsClient, TrustRoots};

const FIRST: &str = "reports";
const SECOND: &str = "trial";
/// A channel that nobody has.
const NOWHERE: &str = "nowhere";
const PATIENCE: Duration = Duration::from_secs(60);
const MEMBERS: [(&str, [Hospital; 2]); 2] =
    [(FIRST, [Hospital::A, Hospital::B]), (SECOND, [Hospital::A, Hospital::C])];

#[test]
fn a_member_of_one_channel_sees_nothing_of_another_and_neither_feels_what_happens_to_the_other() -> Result<()>
{
    let mut network = Stage::start(NetworkOptions {
        hospitals: 2,
        second_channel: Some(SECOND.to_owned()),
        ..NetworkOptions::default()
    })?;
    the_same_key_has_a_value_on_each(&network)?;
    let id = a_report_stays_on_its_channel(&network)?;
    the_outsider_hears_of_it_as_of_none(&network, &id)?;
    operators_ask_their_own_nodes(&network)?;
    one_goes_on_while_the_other_is_changed(&mut network)?;
    both_go_on_after_sigkill(&mut network)?;
    got_no_block(&network)?;
    an_orderer_that_lost_a_block_does_not_start(&mut network)
}

fn the_same_key_has_a_value_on_each(network: &Network) -> Result<()> {
    for (channel, [owner, other]) in MEMBERS {
        let text = format!("owner on {channel}");
        create(&network.doctor(owner).on_channel(channel), "asset1", &text)?;
        await_owner(&network.doctor(other).on_channel(channel), "asset1", &text)?;
    }
    let listed = |hospital| -> Result<Vec<String>> {
        let listed =
            network.admin(hospital).peer(&["channel", "list", "--output", "json"])?.expect_code(0)?;
        let listed = listed.json()?;
        let names = find_in_json(&listed, "channels").and_then(|names| names.as_array()).cloned();
        let names = names.with_context(|| format!("no channels in {listed}"))?;
        Ok(names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect())
    };
    ensure!(listed(Hospital::A)? == [FIRST, SECOND] && listed(Hospital::C)? == [SECOND]);
    Ok(())
}

/// Uploads and shares on the second channel; returns the report's id.
fn a_report_stays_on_its_channel(network: &Network) -> Result<String> {
    let (owner, reader) =
        (network.doctor(Hospital::A).on_channel(SECOND), network.doctor(Hospital::C).on_channel(SECOND));
    let (image, copy) = (network.path("trial.png"), network.path("trial-copy.png"));
    Image::rings(150, 120, 9).write(&image)?;
    let (id, _) = upload(&owner, &image, "patient-1")?;
    share(&owner, &id, Hospital::C)?.expect_code(0)?;
    Network::wait_until("the reader's peer knows of the grant", PATIENCE, || {
        download(&reader, &id, &copy)?.expect_code(0).map(drop)
    })?;
    ensure!(std::fs::read(&copy)? == std::fs::read(&image)?, "the bytes differ");
    let elsewhere = network.doctor(Hospital::A).peer(&["report", "show", &id, "-C", FIRST])?;
    ensure!(elsewhere.code != 0, "the report is on the other channel too: {elsewhere:?}");
    Ok(id)
}

/// Hospital B asks every service of its own peer and of A's nodes, which serve both channels, for the second channel and for
/// one that is nowhere: but for the name the answers are the same. Its own peer holds the second channel's first block, which
/// somebody gave to its administrator, and gets no other.
fn the_outsider_hears_of_it_as_of_none(network: &Network, id: &str) -> Result<()> {
    let leaked = network.path(&format!("{SECOND}.block")).display().to_string();
    network.admin(Hospital::B).peer(&["channel", "join", "-b", &leaked])?.expect_code(0)?;
    ensure!(height_on(network, SECOND, Hospital::B)?.height == 1, "it was joined");
    let user = network.doctor(Hospital::B);
    let at_member = user.clone().calling_peer_of(&network.doctor(Hospital::A));
    for (who, user) in [("its own peer", user), ("a member's peer", at_member)] {
        let of_second = asked(network, &user.clone().on_channel(SECOND), id)?;
        let of_nowhere = asked(network, &user.on_channel(NOWHERE), id)?;
        for ((service, told), (_, of_none)) in of_second.iter().zip(&of_nowhere) {
            println!("{service} at {who}: {told}");
            ensure!(told == of_none, "{service} at {who}: {told:?}, and of none {of_none:?}");
        }
    }
    let member = network.doctor(Hospital::C).on_channel(SECOND);
    let first = orderers_block(network, &member)?;
    ensure!(first.is_ok(), "a member gets blocks: {first:?}");
    got_no_block(network)
}

/// Hospital B's peer asks every orderer in turn for the channel of which it holds the first block.
fn got_no_block(network: &Network) -> Result<()> {
    let log = std::fs::read_to_string(network.path(&format!("{}.log", Hospital::B.peer_name())))?;
    let refused = |line: &&str| line.contains("asking the next orderer") && line.contains(SECOND);
    ensure!(log.lines().any(|line| refused(&line)), "hospital B's peer never asked for blocks");
    let height = height_on(network, SECOND, Hospital::B)?.height;
    ensure!(height == 1, "hospital B's peer has {height} blocks of a channel of others");
    Ok(())
}

/// What each service refuses, without the names and ids that differ from one call to the next.
fn asked(network: &Network, user: &User, id: &str) -> Result<Vec<(String, String)>> {
    let channel = user.channel();
    let (stolen, root) =
        (network.path("stolen.block"), network.orderer_tls_root(Hospital::A).display().to_string());
    let (stolen, orderer) = (stolen.display().to_string(), network.orderer_address(Hospital::A));
    let read = "{\"Args\":[\"ReadAsset\",\"asset1\"]}";
    let calls: [&[&str]; 9] = [
        &["chaincode", "query", "-C", channel, "-n", "asset-transfer", "-c", read],
        &["chaincode", "invoke", "-C", channel, "-n", "asset-transfer", "-c", read],
        &["chaincode", "events", "-C", channel, "-n", "asset-transfer", "--start", "0", "--count", "1"],
        &["report", "show", id, "-C", channel],
        &["report", "list", "-C", channel],
        &["report", "verify", id, "-C", channel],
        &["channel", "getinfo", "-c", channel],
        &["channel", "fetch", "0", &stolen, "-c", channel],
        &["channel", "fetch", "0", &stolen, "-c", channel, "-o", &orderer, "--tls", "--cafile", &root],
    ];
    let mut told = Vec::new();
    for args in calls {
        let output = user.peer(args)?;
        ensure!(output.code != 0 && output.stdout.is_empty(), "{args:?}: {output:?}");
        told.push((args[..2].join(" "), format!("{} {}", output.code, output.stderr)));
    }
    ensure!(!network.path("stolen.block").exists(), "a block was fetched");
    told.push(("commit status".to_owned(), commit_status(user, id)?));
    told.push(("endorser".to_owned(), endorsed_directly(user)?));
    told.push(("broadcast".to_owned(), broadcast(network, user)?));
    told.push(("deliver".to_owned(), orderers_block(network, user)?.err().context("a block")?));
    Ok(told.into_iter().map(|(service, text)| (service, comparable(&text, channel))).collect())
}

/// A text without the channel's name and the transaction's id.
fn comparable(text: &str, channel: &str) -> String {
    let text = text.replace(channel, "CHANNEL");
    let is_id = |word: &&str| word.len() == 64 && word.chars().all(|letter| letter.is_ascii_hexdigit());
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let ids: Vec<&str> = words.filter(is_id).collect();
    ids.iter().fold(text.clone(), |text, id| text.replace(id, "ID"))
}

fn commit_status(user: &User, id: &str) -> Result<String> {
    let id = TxId::new(id)?;
    let doctor = Doctor::connect(user, Deadlines::default())?;
    let answer = doctor.run(|peer, channel| peer.commit_status(channel, &id));
    Ok(answer.err().context("a verdict was told")?.to_string())
}

fn endorsed_directly(user: &User) -> Result<String> {
    let roots = TrustRoots::from_pem([&std::fs::read(user.tls_root())?[..]])?;
    let peers = [(endpoint(user.address())?, roots)];
    let doctor = Doctor::connect(user, Deadlines::default())?;
    let draft = asset("asset1", "nobody")?;
    let answer = doctor.run(|peer, channel| peer.endorse_at(channel, &draft, &peers));
    Ok(answer.err().context("it was endorsed")?.to_string())
}

/// A signed transaction straight to an orderer; what it holds is looked at after its channel.
fn broadcast(network: &Network, user: &User) -> Result<String> {
    let signer = signer(user)?;
    let channel_header = ChannelHeader {
        r#type: HeaderType::EndorserTransaction.into(),
        channel_id: user.channel().to_owned(),
        ..ChannelHeader::default()
    };
    let nonce = Bytes::from_static(b"a nonce");
    let channel_header = ChannelHeader {
        tx_id: TxId::of(&nonce, &signer.serialized_identity()).to_string(),
        ..channel_header
    };
    let signature_header = SignatureHeader { creator: signer.serialized_identity(), nonce };
    let payload = Payload {
        header: Some(Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: signature_header.encode_to_vec().into(),
        }),
        data: Bytes::new(),
    };
    let payload = Bytes::from(payload.encode_to_vec());
    let envelope = Envelope { signature: signer.sign(&payload).into(), payload };
    let root = std::fs::read(network.orderer_tls_root(Hospital::A))?;
    let tls = TlsClient::new(&tls_identity(user)?, &TrustRoots::from_pem([&root[..]])?);
    let orderer = endpoint(&network.orderer_address(Hospital::A))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = AtomicBroadcastClient::new(tls.connect(&orderer));
        let mut answers = client.broadcast(tokio_stream::once(envelope)).await?.into_inner();
        let answer = answers.message().await?.context("the stream ended without an answer")?;
        ensure!(answer.status != i32::from(Status::Success), "it was ordered");
        Ok(format!("{} {}", answer.status, answer.info))
    })
}

/// Asks hospital A's orderer for the channel's first block.
fn orderers_block(network: &Network, user: &User) -> Result<Result<(), String>> {
    let roots = TrustRoots::from_pem([&std::fs::read(network.orderer_tls_root(Hospital::A))?[..]])?;
    let orderer = endpoint(&network.orderer_address(Hospital::A))?;
    let doctor = Doctor::connect(user, Deadlines::default())?;
    let position = client::BlockPosition::Number(BlockNumber(0));
    let answer = doctor.run(|peer, channel| peer.block_from_orderer(channel, position, &orderer, &roots));
    Ok(answer.map(drop).map_err(|error| error.to_string()))
}

/// What a node says of all its channels is for its own hospital's administrator.
fn operators_ask_their_own_nodes(network: &Network) -> Result<()> {
    let metrics = network.orderer_metrics(Hospital::A)?;
    ensure!(metrics.contains(FIRST) && metrics.contains(SECOND), "{metrics}");
    let foreign = network.admin(Hospital::C);
    for (node, answer) in [
        ("peer", network.peer_metrics_for(Hospital::A, &foreign)),
        ("orderer", network.orderer_metrics_for(Hospital::A, &foreign)),
    ] {
        let told = answer.err().map(|error| format!("{error:#}")).unwrap_or_default();
        // Refused in the handshake: in TLS 1.3 the client hears it with its first read, or finds the connection closed.
        ensure!(told.contains("no answer"), "the {node} said {told:?}");
    }
    Ok(())
}

/// A hospital joins the first channel and leaves again while a client works on the second.
fn one_goes_on_while_the_other_is_changed(network: &mut Network) -> Result<()> {
    network.make_fourth_hospital()?;
    let options = network.options().clone();
    let (done, ends) = (AtomicUsize::new(0), AtomicBool::new(false));
    let client = network.doctor(Hospital::C).on_channel(SECOND);
    std::thread::scope(|scope| -> Result<()> {
        let client = scope.spawn(|| keep_creating(&client, &done, &ends));
        let changed = (|| {
            let members = [Hospital::A, Hospital::B, Hospital::D];
            let joins = ChannelUpdate::compute(network, "joins", &options, &members)?;
            joins.sign(&network.admin(Hospital::B))?;
            joins.submit(network, &network.admin(Hospital::A), Hospital::B)?.expect_code(0)?;
            network.start_peer(Hospital::D)?;
            network.join_peer(Hospital::D)?;
            same_ledger(network, FIRST, &members)?;
            let so_far = done.load(Ordering::Relaxed);
            Network::wait_until("transactions after the first change", PATIENCE, || {
                ensure!(done.load(Ordering::Relaxed) > so_far + 5);
                Ok(())
            })?;
            let newcomer = network.doctor(Hospital::D);
            ensure!(orderers_block(network, &newcomer)?.is_ok(), "a member of the first channel");
            let foreign = orderers_block(network, &newcomer.on_channel(SECOND))?;
            ensure!(foreign.is_err(), "no member of the second");
            let leaves = ChannelUpdate::compute(network, "leaves", &options, &members[..2])?;
            leaves.sign(&network.admin(Hospital::B))?;
            leaves.submit(network, &network.admin(Hospital::A), Hospital::C)?.expect_code(0)?;
            same_ledger(network, FIRST, &members[..2])?;
            let so_far = done.load(Ordering::Relaxed);
            Network::wait_until("transactions after the second change", PATIENCE, || {
                ensure!(done.load(Ordering::Relaxed) > so_far + 5);
                Ok(())
            })
        })();
        ends.store(true, Ordering::Relaxed);
        client.join().map_err(|_| anyhow::anyhow!("the client panicked"))??;
        changed
    })?;
    println!("{} transactions on one channel while the other changed", done.load(Ordering::Relaxed));
    Ok(())
}

/// Creates assets until told to end; the first failure is its end.
fn keep_creating(user: &User, done: &AtomicUsize, ends: &AtomicBool) -> Result<()> {
    let doctor = Doctor::connect(user, Deadlines::default())?;
    let mut number = 0;
    while !ends.load(Ordering::Relaxed) {
        let draft = asset(&format!("load-{number}"), "nobody")?;
        doctor.run(|peer, channel| peer.submit(channel, &draft))?;
        number += 1;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn both_go_on_after_sigkill(network: &mut Network) -> Result<()> {
    for hospital in [Hospital::A, Hospital::C] {
        network.orderer_process(hospital)?.kill()?;
        network.peer_process(hospital)?.kill()?;
    }
    for hospital in [Hospital::A, Hospital::C] {
        network.start_orderer(hospital)?;
        network.start_peer(hospital)?;
    }
    for (channel, members) in MEMBERS {
        let owner = format!("after the restart on {channel}");
        create(&network.doctor(members[1]).on_channel(channel), "asset2", &owner)?;
        await_owner(&network.doctor(members[0]).on_channel(channel), "asset2", &owner)?;
        let height = same_ledger(network, channel, &members)?;
        println!("{channel} is at {height}");
    }
    Ok(())
}

/// Waits until the members have the same ledger; returns its height.
fn same_ledger(network: &Network, channel: &str, members: &[Hospital]) -> Result<u64> {
    let mut reached = 0;
    Network::wait_until("equal heights and commit hashes", PATIENCE, || {
        let first = height_on(network, channel, members[0])?;
        for member in members {
            let other = height_on(network, channel, *member)?;
            ensure!(other == first, "{member:?} is at {other:?}, another at {first:?}");
        }
        reached = first.height;
        Ok(())
    })?;
    Ok(reached)
}

fn asset(id: &str, owner: &str) -> Result<Draft> {
    Ok(Draft::new(ChaincodeName::new("asset-transfer")?, "CreateAsset", &[id, "blue", "5", owner, "300"]))
}

fn create(user: &User, id: &str, owner: &str) -> Result<()> {
    let doctor = Doctor::connect(user, Deadlines::default())?;
    let draft = asset(id, owner)?;
    doctor.run(|peer, channel| peer.submit(channel, &draft))?;
    Ok(())
}

fn await_owner(user: &User, id: &str, owner: &str) -> Result<()> {
    let call = format!("{{\"Args\":[\"ReadAsset\",\"{id}\"]}}");
    Network::wait_until("the asset is read", PATIENCE, || {
        let args = ["chaincode", "query", "-n", "asset-transfer", "-C", user.channel(), "-c", &call];
        let output = user.peer(&args)?.expect_code(0)?;
        ensure!(output.stdout.contains(owner), "{output:?}");
        Ok(())
    })
}

fn an_orderer_that_lost_a_block_does_not_start(network: &mut Network) -> Result<()> {
    network.orderer_process(Hospital::A)?.stop()?;
    std::fs::remove_file(network.path("bootstrap-a").join("second.block"))?;
    let error = network.start_orderer(Hospital::A).err();
    let told = error.map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(
        told.contains("holds the ledger of channel 'trial'") && told.contains("put its block back"),
        "{told}"
    );
    Ok(())
}

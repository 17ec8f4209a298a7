//! Two channels on the same nodes, with different members: each has its own ledger, and whoever is in one alone gets nothing
//! of the other.

use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use client::Deadlines;
use msp::Signer as _;
use prost::Message as _;
use protocol::DeliverReply;
use protocol::fabric::{
    ChannelHeader, Envelope, Header, HeaderType, Payload, SeekBehavior, SeekInfo, SeekPosition,
    SignatureHeader, Status, Timestamp,
};
use scenarios::{Doctor, Image, Stage, download, endpoint, share, signer, tls_identity, upload};
use testnet::{Hospital, Network, NetworkOptions, User};
use transport::services::delivery::DeliveryClient;
use transport::{TlsClient, TrustRoots};

const FIRST: &str = "reports";
const SECOND: &str = "trial";
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_member_of_one_channel_sees_nothing_of_another_and_both_go_on_after_a_restart() -> Result<()> {
    let mut network = Stage::start(NetworkOptions {
        second_channel: Some(SECOND.to_owned()),
        ..NetworkOptions::default()
    })?;
    the_same_key_has_a_value_on_each(&network)?;
    let id = a_report_stays_on_its_channel(&network)?;
    the_outsider_gets_nothing(&network, &id)?;
    for hospital in [Hospital::A, Hospital::B] {
        network.orderer_process(hospital)?.stop()?;
        network.peer_process(hospital)?.stop()?;
    }
    for hospital in [Hospital::A, Hospital::B] {
        network.start_orderer(hospital)?;
        network.start_peer(hospital)?;
    }
    for channel in [FIRST, SECOND] {
        let owner = format!("after the restart on {channel}");
        create(&network.doctor(Hospital::B).on_channel(channel), "asset2", &owner)?;
        await_owner(&network.doctor(Hospital::A).on_channel(channel), "asset2", &owner)?;
    }
    an_orderer_that_lost_a_block_does_not_start(&mut network)
}

fn the_same_key_has_a_value_on_each(network: &Network) -> Result<()> {
    for channel in [FIRST, SECOND] {
        create(&network.doctor(Hospital::A).on_channel(channel), "asset1", &format!("owner on {channel}"))?;
    }
    for channel in [FIRST, SECOND] {
        let user = network.doctor(Hospital::B).on_channel(channel);
        await_owner(&user, "asset1", &format!("owner on {channel}"))?;
    }
    await_owner(&network.doctor(Hospital::C), "asset1", &format!("owner on {FIRST}"))
}

/// Uploads and shares on the second channel; returns the report's id.
fn a_report_stays_on_its_channel(network: &Network) -> Result<String> {
    let (owner, reader) =
        (network.doctor(Hospital::A).on_channel(SECOND), network.doctor(Hospital::B).on_channel(SECOND));
    let (image, copy) = (network.path("trial.png"), network.path("trial-copy.png"));
    Image::rings(150, 120, 9).write(&image)?;
    let (id, _) = upload(&owner, &image, "patient-1")?;
    share(&owner, &id, Hospital::B)?.expect_code(0)?;
    Network::wait_until("the reader's peer knows of the grant", PATIENCE, || {
        download(&reader, &id, &copy)?.expect_code(0).map(drop)
    })?;
    ensure!(std::fs::read(&copy)? == std::fs::read(&image)?, "the bytes differ");
    let elsewhere = network.doctor(Hospital::A).peer(&["report", "show", &id, "-C", FIRST])?;
    ensure!(elsewhere.code != 0, "the report is on the other channel too: {elsewhere:?}");
    Ok(id)
}

fn the_outsider_gets_nothing(network: &Network, id: &str) -> Result<()> {
    let outsider = network.doctor(Hospital::C).on_channel(SECOND);
    let at_member =
        network.doctor(Hospital::A).signing_as(&outsider).connecting_as(&outsider).on_channel(SECOND);
    let secret = format!("owner on {SECOND}");
    for (who, user) in [("at its own peer", &outsider), ("at a member's peer", &at_member)] {
        for args in [
            vec!["chaincode", "query", "-n", "asset-transfer", "-c", "{\"Args\":[\"ReadAsset\",\"asset1\"]}"],
            vec!["report", "show", id],
            vec!["report", "list"],
            vec!["channel", "getinfo"],
            vec!["channel", "fetch", "0", "stolen.block"],
        ] {
            let mut args = args;
            let flag = if args[0] == "channel" { "-c" } else { "-C" };
            args.extend([flag, SECOND]);
            let output = user.peer(&args)?;
            let told = format!("{}{}", output.stdout, output.stderr);
            ensure!(output.code != 0 && !told.contains(&secret), "{who}: {args:?}: {output:?}");
        }
    }
    for (user, allowed) in [(network.doctor(Hospital::B), true), (network.doctor(Hospital::C), false)] {
        let status = deliver(network, &user)?;
        ensure!((status == Status::Success) == allowed, "{user:?} got {status:?}");
    }
    let listed = network.admin(Hospital::C).peer(&["channel", "list"])?.expect_code(0)?;
    ensure!(!listed.stdout.contains(SECOND), "{listed:?}");
    let metrics = network.peer_metrics(Hospital::C)?;
    ensure!(metrics.contains(FIRST) && !metrics.contains(SECOND), "{metrics}");
    let foreign = network.peer_metrics_for(Hospital::A, &network.admin(Hospital::C));
    ensure!(foreign.is_err(), "what a peer counts is for its own hospital");
    Ok(())
}

/// Asks hospital A's orderer for the second channel's first block, and returns the closing status.
fn deliver(network: &Network, user: &User) -> Result<Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let root = std::fs::read(network.orderer_tls_root(Hospital::A))?;
    let tls = TlsClient::new(&tls_identity(user)?, &TrustRoots::from_pem([&root[..]])?);
    let request = seek(user)?;
    runtime.block_on(async {
        let client = DeliveryClient::new(tls.connect(&endpoint(&network.orderer_address(Hospital::A))?));
        let mut stream = client.deliver(request).await?.into_inner();
        let mut blocks = 0;
        while let Some(reply) = stream.message().await? {
            match reply {
                DeliverReply::Block(_) => blocks += 1,
                DeliverReply::Status(status, _) => {
                    let status = Status::try_from(status)?;
                    ensure!((blocks == 1) == (status == Status::Success), "{blocks} blocks, then {status:?}");
                    return Ok(status);
                }
            }
        }
        anyhow::bail!("no status closed the stream")
    })
}

fn seek(user: &User) -> Result<Envelope> {
    let signer = signer(user)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let channel_header = ChannelHeader {
        r#type: HeaderType::DeliverSeekInfo.into(),
        timestamp: Some(Timestamp { seconds: i64::try_from(now.as_secs())?, nanos: 0 }),
        channel_id: SECOND.to_owned(),
        ..ChannelHeader::default()
    };
    let signature_header = SignatureHeader { creator: signer.serialized_identity(), nonce: Bytes::new() };
    let seek = SeekInfo {
        start: Some(SeekPosition::specified(0)),
        stop: Some(SeekPosition::specified(0)),
        behavior: SeekBehavior::BlockUntilReady.into(),
    };
    let payload = Payload {
        header: Some(Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: signature_header.encode_to_vec().into(),
        }),
        data: seek.encode_to_vec().into(),
    };
    let payload = Bytes::from(payload.encode_to_vec());
    let signature = signer.sign(&payload);
    Ok(Envelope { payload, signature: signature.into() })
}

fn create(user: &User, id: &str, owner: &str) -> Result<()> {
    let doctor = Doctor::connect(user, Deadlines::default())?;
    let name = protocol::ChaincodeName::new("asset-transfer")?;
    let draft = client::Draft::new(name, "CreateAsset", &[id, "blue", "5", owner, "300"]);
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

//! Two hospitals patch their peers and endorse a grant that its owner never gave. The ledger takes it, as its policy asks;
//! no custodian hands out the key, because it reads in its own blocks who created the grant.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use client::{Deadlines, Target};
use configtx::{ConfigBundle, config_of_block};
use endorsing::{
    ExecutionResult, ProposalDraft, TransientMap, assemble, check_proposal, endorse, parse_proposal,
    sign_envelope, sign_proposal,
};
use msp::{Signer as _, SigningIdentity};
use prost::Message as _;
use protocol::fabric::{Envelope, Response, Status};
use protocol::{
    Block, ChaincodeName, ChannelId, KvWrite, MspId, NamespaceSet, ReadWriteSet, TxId, TxValidationCode,
};
use reports::{Grant, grant_key};
use scenarios::{Doctor, Image, Stage, channel_height, endpoint, signer, tls_identity, upload};
use testnet::{Hospital, Network, NetworkOptions};
use tokio_stream::StreamExt as _;
use transport::services::broadcast::AtomicBroadcastClient;
use transport::{TlsClient, TrustRoots};

#[test]
fn a_grant_that_only_patched_peers_endorsed_opens_nothing() -> Result<()> {
    let network = Stage::start(NetworkOptions::default())?;
    let files = tempfile::tempdir()?;
    let image = files.path().join("report.png");
    Image::rings(160, 120, 1).write(&image)?;
    let (id, _) = upload(&network.doctor(Hospital::A), &image, "patient-1")?;
    let id = TxId::new(id)?;

    let (tx_id, envelope) = forged_grant(&network, &id)?;
    broadcast(&network, envelope)?;
    let b = Doctor::connect(&network.doctor(Hospital::B), Deadlines::default())?;
    let (code, block) = b.run(|peer, channel| peer.commit_status(channel, &tx_id))?;
    ensure!(code == TxValidationCode::Valid, "the forged grant is {code}");
    println!("B's and C's patched peers put a grant for B into block {block}, and it is VALID");

    let (opening, submitted) = b.run(|peer, channel| peer.open_report(channel, &id, "curiosity"))?;
    println!("B recorded its opening {} in block {}", opening.tx_id, submitted.block_number);
    // The owner's peer must know the record, else it would only ask for patience.
    Network::wait_until("A's peer has the opening", Duration::from_secs(20), || {
        let height = channel_height(&network, Hospital::A)?.height;
        ensure!(height > submitted.block_number.0, "hospital A is at {height}");
        Ok(())
    })?;
    let out = files.path().join("b.png");
    let target =
        Target { report_id: id, out: out.clone(), purpose: String::new(), opening: Some(opening.tx_id) };
    let refusal = b.run(|peer, channel| peer.download_report(channel, &target, &|_| {}));
    let refusal = format!("{:#}", anyhow::Error::from(refusal.err().context("B received the report")?));
    println!("A's custodian refused: {refusal}");
    let reason = "the grant to HospitalBMSP was created by HospitalBMSP, not by an active identity of the owner HospitalAMSP";
    ensure!(refusal.contains(reason), "{refusal}");
    ensure!(!out.exists() && std::fs::read_dir(files.path())?.count() == 1, "B got a file");
    Ok(())
}

/// A grant of A's report to B, created by B's doctor and endorsed with the keys of B's and C's peers.
fn forged_grant(network: &Network, id: &TxId) -> Result<(TxId, Envelope)> {
    let genesis = Block::from_bytes(&Bytes::from(std::fs::read(network.path("genesis.block"))?))?;
    let bundle = ConfigBundle::new(config_of_block(&genesis)?)?;
    let creator = signer(&network.doctor(Hospital::B))?;
    let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let b = MspId::new(Hospital::B.msp_id())?;
    let args = ["ShareReport", id.as_str(), b.as_str()];
    let draft = ProposalDraft {
        channel: ChannelId::new(&*network.options().channel)?,
        chaincode: ChaincodeName::new(reports::NAME)?,
        args: args.iter().map(|arg| Bytes::copy_from_slice(arg.as_bytes())).collect(),
        transient: TransientMap::default(),
        creator: creator.serialized_identity(),
        nonce: Bytes::from_static(b"a nonce of a patched peer"),
        timestamp_ms: now_ms,
    };
    let tx_id = draft.tx_id();
    // The record says that the owner gave the grant; the transaction's creator says otherwise.
    let owner = signer(&network.doctor(Hospital::A))?;
    let grant = Grant {
        report_id: id.clone(),
        msp_id: b.clone(),
        live: true,
        tx_id: tx_id.clone(),
        by_msp: owner.msp_id().clone(),
        by_poi: owner.poi().to_string(),
    };
    let signed = sign_proposal(draft, &creator)?;
    let proposal = parse_proposal(&signed)?;
    let verified = check_proposal(proposal.clone(), &signed, &bundle, now_ms)?;
    let mut answers = Vec::new();
    for hospital in [Hospital::B, Hospital::C] {
        let peer = peer_signer(network, hospital)?;
        answers.push(endorse(&verified, writes(&grant_key(id, &b), &grant)?, &peer, now_ms)?);
    }
    Ok((tx_id, sign_envelope(assemble(&proposal, &answers)?, &creator)?))
}

fn writes(key: &str, grant: &Grant) -> Result<ExecutionResult> {
    let value = Bytes::from(serde_json::to_vec(grant)?);
    let namespace = NamespaceSet {
        name: reports::NAME.to_owned(),
        writes: vec![KvWrite { key: key.to_owned(), value: Some(value.clone()) }],
        ..NamespaceSet::default()
    };
    Ok(ExecutionResult {
        rwset: ReadWriteSet { version: ReadWriteSet::VERSION, namespaces: vec![namespace] },
        response: Response { status: 200, message: String::new(), payload: value },
        event: None,
        chaincode_version: reports::VERSION.to_owned(),
    })
}

fn peer_signer(network: &Network, hospital: Hospital) -> Result<SigningIdentity> {
    let folder =
        node::load_msp(&network.peer_material(hospital).join("msp"), MspId::new(hospital.msp_id())?)?;
    Ok(folder.into_signer()?)
}

/// Hands an envelope to B's orderer, as B's doctor.
fn broadcast(network: &Network, envelope: Envelope) -> Result<()> {
    let bytes = envelope.encoded_len();
    let roots = TrustRoots::from_pem([&std::fs::read(network.orderer_tls_root(Hospital::B))?[..]])?;
    let dialler = TlsClient::new(&tls_identity(&network.doctor(Hospital::B))?, &roots);
    let orderer = endpoint(&network.orderer_address(Hospital::B))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let service = AtomicBroadcastClient::new(dialler.connect(&orderer));
        let mut answers = service.broadcast(tokio_stream::once(envelope)).await?.into_inner();
        answers.next().await.transpose()
    })?;
    let answer = answer.context("the orderer closed without an answer")?;
    ensure!(answer.status == i32::from(Status::Success), "{bytes} bytes: {answer:?}");
    Ok(())
}

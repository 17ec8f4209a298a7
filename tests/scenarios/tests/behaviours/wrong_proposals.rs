//! Uploads whose claims do not hold, made by a client that lies. Every checker finds out by itself; nothing is ordered.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use client::{ClientError, Deadlines, Draft};
use msp::Signer as _;
use offchain::Cid;
use protocol::{ChannelId, MspId, SealDescription, SealRequest, SealedReport, SignedRequest, SigningDomain};
use reports::{TRANSIENT_CID, TRANSIENT_DATA_KEY, UploadClaim};
use scenarios::{Doctor, Image, Stage, endpoint, signer, tls_identity, wait_for_same_heights};
use testnet::{Hospital, NetworkOptions, User};
use transport::services::reports::ReportsClient;
use transport::{TlsClient, TrustRoots};

/// What a lying client sends instead of the truth.
#[derive(Clone)]
struct Told {
    claim: UploadClaim,
    data_key: Option<Vec<u8>>,
    content_cid: String,
    endorsed_by: Vec<&'static str>,
}

/// Turns the truth into a lie.
type Lie = Box<dyn Fn(&mut Told)>;

#[test]
fn a_checker_believes_no_claim_and_names_what_it_found() -> Result<()> {
    let network = Stage::start(NetworkOptions::default())?;
    let user = network.doctor(Hospital::A);
    let doctor = Doctor::connect(&user, Deadlines::default())?;
    let sealed = seal(&user, &Image::rings(160, 120, 3).png())?;
    let truth = truth(&sealed);
    let before = wait_for_same_heights(&network, Duration::from_secs(30))?;
    for (what, lie, words) in lies(&sealed) {
        let mut told = truth.clone();
        lie(&mut told);
        let draft = draft(&told)?;
        let Err(error) = doctor.run(|peer, channel| peer.submit(channel, &draft)) else {
            bail!("{what} was endorsed")
        };
        let text = format!("{:#}", anyhow::Error::msg(error.to_string()));
        println!("{what}: {text}\n");
        for words in words {
            ensure!(text.contains(&words), "{what}: no {words:?} in {text}");
        }
        if !what.contains("nobody holds") {
            ensure!(matches!(error, ClientError::Rejected(_)), "{what} is reported as a fault: {text}");
        }
    }
    ensure!(wait_for_same_heights(&network, Duration::from_secs(30))? == before, "something was ordered");
    // The sealed report is still good: the same client, telling the truth.
    let submitted = doctor.run(|peer, channel| {
        let draft = draft(&truth);
        async move { anyhow::Ok(peer.submit(channel, &draft?).await?) }
    })?;
    println!("the truth is in block {}", submitted.block_number);
    Ok(())
}

/// What is told instead, and what the refusal must say.
fn lies(sealed: &SealedReport) -> Vec<(&'static str, Lie, Vec<String>)> {
    let unheld = Cid::of_raw(b"nobody holds this").to_string();
    vec![
        (
            "another data key",
            Box::new(|told| told.data_key = Some(vec![7; 32])),
            vec![format!("the data key does not open the sealed report {}", sealed.cid)],
        ),
        (
            "a short data key",
            Box::new(|told| told.data_key = Some(vec![7; 31])),
            vec!["31 bytes; a data key has 32".into()],
        ),
        (
            "another perceptual hash",
            Box::new(|told| told.claim.perceptual_hash = "00000000ffffffff".into()),
            vec!["the claimed perceptual_hash 00000000ffffffff".into(), sealed.perceptual_hash.clone()],
        ),
        (
            "another size",
            Box::new(|told| told.claim.size = 1),
            vec!["the claimed size 1 is not".into(), sealed.size.to_string()],
        ),
        (
            "another binding",
            Box::new(|told| told.claim.binding = "ab".repeat(32)),
            vec![format!("the claimed binding {}", "ab".repeat(32)), sealed.binding.clone()],
        ),
        (
            "another media type",
            Box::new(|told| told.claim.media_type = "image/jpeg".into()),
            vec!["the claimed media_type image/jpeg is not what the sealed file holds: image/png".into()],
        ),
        (
            "a CID that nobody holds",
            Box::new({
                let unheld = unheld.clone();
                move |told| {
                    told.claim.cid.clone_from(&unheld);
                    told.content_cid.clone_from(&unheld);
                }
            }),
            vec![unheld.clone(), "HospitalAMSP".into()],
        ),
        (
            "a claim about one CID and the bytes of another",
            Box::new({
                let unheld = unheld.clone();
                move |told| told.claim.cid.clone_from(&unheld)
            }),
            vec![format!("the claimed cid {unheld} is not what the sealed file holds: {}", sealed.cid)],
        ),
        ("no data key", Box::new(|told| told.data_key = None), vec!["data_key".into()]),
        ("no list of checkers", Box::new(|told| told.endorsed_by.clear()), vec!["endors".into()]),
        (
            "checkers without another hospital",
            Box::new(|told| told.endorsed_by = vec!["HospitalAMSP"]),
            vec!["HospitalAMSP".into()],
        ),
    ]
}

fn truth(sealed: &SealedReport) -> Told {
    Told {
        claim: UploadClaim {
            cid: sealed.cid.clone(),
            binding: sealed.binding.clone(),
            media_type: sealed.media_type.clone(),
            modality: "CR".to_owned(),
            perceptual_hash: sealed.perceptual_hash.clone(),
            size: sealed.size,
            sealed_size: sealed.sealed_size,
            patient_ref: sealed.patient_ref.clone(),
            share_with: Vec::new(),
        },
        data_key: Some(sealed.data_key.to_vec()),
        content_cid: sealed.cid.clone(),
        endorsed_by: vec!["HospitalAMSP", "HospitalBMSP"],
    }
}

fn draft(told: &Told) -> Result<Draft> {
    let mut transient = BTreeMap::from([(TRANSIENT_CID.to_owned(), told.content_cid.as_bytes().to_vec())]);
    if let Some(data_key) = &told.data_key {
        transient.insert(TRANSIENT_DATA_KEY.to_owned(), data_key.clone());
    }
    let endorsed_by: Result<Vec<MspId>, _> = told.endorsed_by.iter().map(|name| MspId::new(*name)).collect();
    let chaincode = protocol::ChaincodeName::new(reports::NAME)?;
    let mut draft =
        Draft::new(chaincode, "UploadReport", &[]).with_transient(transient).endorsed_by(endorsed_by?);
    draft.args.push(Bytes::from(serde_json::to_vec(&told.claim)?));
    Ok(draft)
}

/// Has A's peer seal a file, as the client does at the beginning of an upload.
fn seal(user: &User, file: &[u8]) -> Result<SealedReport> {
    let description = SealDescription {
        channel: ChannelId::new(user.channel())?,
        patient: "patient-1".to_owned(),
        modality: "CR".to_owned(),
        size: file.len() as u64,
    };
    let payload = protocol::codec::encode(&description);
    let signer = signer(user)?;
    let signature = signer.sign(&SignedRequest::signed_bytes(SigningDomain::Seal, &payload));
    let begin = SignedRequest {
        domain: SigningDomain::Seal,
        payload: payload.into(),
        signer: signer.serialized_identity(),
        signature: signature.into(),
    };
    let messages = [SealRequest::Begin(begin), SealRequest::Chunk(Bytes::copy_from_slice(file))];
    let roots = TrustRoots::from_pem([&std::fs::read(user.tls_root())?[..]])?;
    let dialler = TlsClient::new(&tls_identity(user)?, &roots);
    let peer = endpoint(user.address())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let service = ReportsClient::new(dialler.connect(&peer));
        service.seal(tokio_stream::iter(messages)).await
    });
    Ok(answer.context("the peer does not seal the file")?.into_inner())
}

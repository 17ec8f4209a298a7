//! Every node is killed once, one at a time, under load. Whatever was acknowledged as VALID is on every peer, once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use client::{ClientError, Connection, Deadlines, Draft, Endorsed};
use protocol::{ChaincodeName, ChannelId, TxId};
use scenarios::{Doctor, Image, LedgerContent, Stage, upload, wait_for_same_heights};
use testnet::{Hospital, Network, NetworkOptions, User};

const TRANSACTIONS: usize = 200;
const CLIENTS_A_HOSPITAL: usize = 2;
const HOT_ASSETS: usize = 2;
/// Kills happen when so many more transactions were acknowledged.
const BETWEEN_KILLS: usize = TRANSACTIONS / 8;
/// For one transaction with all its retries: it outlives the restart of a node on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the clients share.
struct Work {
    next: AtomicUsize,
    done: AtomicUsize,
    failed: AtomicBool,
    acknowledged: Mutex<Vec<TxId>>,
    /// What was met and retried, by kind.
    retried: Mutex<BTreeMap<String, usize>>,
    reports: BTreeMap<Hospital, String>,
}

#[test]
fn no_acknowledged_transaction_is_lost_or_doubled_when_every_node_is_killed_once() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    let work = Work {
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
        acknowledged: Mutex::new(Vec::new()),
        retried: Mutex::default(),
        reports: prepare(&network)?,
    };
    let users: Vec<User> = Hospital::ALL
        .into_iter()
        .flat_map(|hospital| vec![network.doctor(hospital); CLIENTS_A_HOSPITAL])
        .collect();
    std::thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = users.iter().map(|user| scope.spawn(|| client(user, &work))).collect();
        let killed = kill_each_once(&mut network, &work);
        if killed.is_err() {
            work.failed.store(true, Ordering::Relaxed);
        }
        for client in clients {
            client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        killed
    })?;
    let end = wait_for_same_heights(&network, Duration::from_secs(60))?;
    let acknowledged = work.acknowledged.into_inner().unwrap_or_default();
    println!(
        "{} transactions acknowledged as VALID, all peers at {end:?}; retried: {:?}",
        acknowledged.len(),
        work.retried.into_inner().unwrap_or_default(),
    );
    for hospital in Hospital::ALL {
        network.peer_process(hospital)?.stop()?;
        LedgerContent::read(&network, hospital)?.holds_once(&acknowledged)?;
    }
    Ok(())
}

/// Hot assets, and a report of each hospital to share.
fn prepare(network: &Network) -> Result<BTreeMap<Hospital, String>> {
    let doctor = Doctor::connect(&network.doctor(Hospital::A), Deadlines::default())?;
    for number in 0..HOT_ASSETS {
        let draft = asset("CreateAsset", &[&format!("hot-{number}"), "red", "1", "Tomoko", "1"])?;
        doctor.run(|peer, channel| peer.submit(channel, &draft))?;
    }
    let files = tempfile::tempdir()?;
    let mut reports = BTreeMap::new();
    for (seed, hospital) in (1..).zip(Hospital::ALL) {
        let image = files.path().join(format!("{seed}.png"));
        Image::rings(120, 90, seed).write(&image)?;
        reports.insert(hospital, upload(&network.doctor(hospital), &image, "patient-1")?.0);
    }
    Ok(reports)
}

fn asset(function: &str, args: &[&str]) -> Result<Draft> {
    Ok(Draft::new(ChaincodeName::new("asset-transfer")?, function, args))
}

fn kill_each_once(network: &mut Network, work: &Work) -> Result<()> {
    for (turn, hospital) in (0_usize..).zip(Hospital::ALL) {
        wait_for_progress(work, BETWEEN_KILLS * (2 * turn + 1))?;
        network.peer_process(hospital)?.kill()?;
        println!(
            "the peer of hospital {hospital:?} was killed after {} transactions",
            work.done.load(Ordering::Relaxed)
        );
        network.start_peer(hospital)?;
        wait_for_progress(work, BETWEEN_KILLS * (2 * turn + 2))?;
        network.orderer_process(hospital)?.kill()?;
        println!(
            "the orderer of hospital {hospital:?} was killed after {} transactions",
            work.done.load(Ordering::Relaxed)
        );
        network.start_orderer(hospital)?;
    }
    Ok(())
}

fn wait_for_progress(work: &Work, count: usize) -> Result<()> {
    Network::wait_until(&format!("{count} transactions"), PATIENCE, || {
        let done = work.done.load(Ordering::Relaxed);
        ensure!(done >= count || work.failed.load(Ordering::Relaxed), "{done} are done");
        Ok(())
    })
}

/// Takes transactions until none is left.
fn client(user: &User, work: &Work) -> Result<()> {
    let outcome = take_all(user, work);
    if outcome.is_err() {
        work.failed.store(true, Ordering::Relaxed);
    }
    outcome
}

fn take_all(user: &User, work: &Work) -> Result<()> {
    let deadlines = Deadlines {
        evaluate: Duration::from_secs(5),
        endorse: Duration::from_secs(10),
        submit: Duration::from_secs(5),
        commit: Duration::from_secs(5),
        stream_idle: Duration::from_secs(10),
    };
    let mut doctor = None;
    loop {
        let number = work.next.fetch_add(1, Ordering::Relaxed);
        if number >= TRANSACTIONS || work.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let draft = draft(number, user.hospital(), work)?;
        let mut pending = None;
        let what = format!("transaction {number} of hospital {:?}", user.hospital());
        Network::wait_until(&what, PATIENCE, || {
            if doctor.is_none() {
                doctor = Some(Doctor::connect(user, deadlines)?);
            }
            let doctor = doctor.as_ref().context("it is connected")?;
            doctor.run(|peer, channel| attempt(peer, channel, &draft, &mut pending, work))
        })?;
        work.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Creations of keys of their own, transfers of a few assets that everybody wants, and shares of reports.
fn draft(number: usize, hospital: Hospital, work: &Work) -> Result<Draft> {
    match number % 10 {
        0..4 => asset("CreateAsset", &[&format!("asset-{number}"), "blue", "5", "Tomoko", "300"]),
        6..9 => {
            asset("TransferAsset", &[&format!("hot-{}", number % HOT_ASSETS), &format!("owner-{number}")])
        }
        _ => {
            // Each with somebody else: a report that is shared with an organisation is not shared with it again.
            let with = format!("Clinic{number}MSP");
            let id = work.reports.get(&hospital).context("every hospital has a report")?;
            Ok(Draft::new(ChaincodeName::new("reports")?, "ShareReport", &[id, &with]))
        }
    }
}

/// One attempt. A transaction that was handed over stays `pending` until its verdict is known, so that no verdict is guessed;
/// handing it over again is harmless, since it can be valid only once.
async fn attempt(
    peer: &Connection,
    channel: &ChannelId,
    draft: &Draft,
    pending: &mut Option<Endorsed>,
    work: &Work,
) -> Result<()> {
    let endorsed = match pending.clone() {
        Some(endorsed) => endorsed,
        None => match peer.endorse(channel, draft).await {
            Ok(endorsed) => pending.insert(endorsed).clone(),
            Err(error) => return Err(retried(error, work)),
        },
    };
    if let Err(error) = peer.order(channel, &endorsed).await {
        retried(error, work);
    }
    let (code, block) =
        peer.commit_status(channel, &endorsed.tx_id).await.map_err(|error| retried(error, work))?;
    *pending = None;
    if code.is_valid() {
        work.acknowledged.lock().map_err(|_| anyhow::anyhow!("a client panicked"))?.push(endorsed.tx_id);
        return Ok(());
    }
    count(code.name(), work);
    bail!("{} is {code} in block {block}", endorsed.tx_id)
}

fn retried(error: ClientError, work: &Work) -> anyhow::Error {
    match &error {
        ClientError::Rejected(rejection) => count(&rejection.code_name(), work),
        ClientError::Fault(_) => count("a fault", work),
    }
    error.into()
}

fn count(kind: &str, work: &Work) {
    let mut retried = work.retried.lock().unwrap_or_else(PoisonError::into_inner);
    *retried.entry(kind.to_owned()).or_default() += 1;
}

//! What happens to the network meanwhile: in each round one node is killed, the configuration changes while it is away, it
//! comes back, and somebody is registered, works, and is revoked.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use client::{Deadlines, Draft, Endorsed};
use msp::Signer as _;
use protocol::TxId;
use scenarios::{ChannelUpdate, Doctor, channel_height, endpoint, find_in_json, same_config_block, signer};
use serde_json::Value;
use testnet::{Batching, Hospital, Network, NetworkOptions, Node, User};
use transport::TrustRoots;

use super::clients::{Work, asset};

/// For each step, on a machine that is busy with the clients.
const DEADLINE: Duration = Duration::from_secs(120);
/// Doctors that each hospital has from the start.
const DOCTORS: usize = 2;

/// All six; the last two are spared in the second half.
pub(super) fn all_nodes() -> impl Iterator<Item = Node> {
    Hospital::ALL.into_iter().flat_map(|hospital| [Node::Peer(hospital), Node::Orderer(hospital)])
}

/// Whether a node lives from the middle to the end.
pub(super) fn is_spared_at_last(node: Node) -> bool {
    node.hospital() == Hospital::C
}

fn victim(round: usize, rounds: usize) -> Option<Node> {
    let all: Vec<Node> = all_nodes().collect();
    let spared = all.iter().filter(|node| is_spared_at_last(**node)).count();
    let choice = if round < rounds / 2 { all.len() } else { all.len() - spared };
    all.get(round % choice).copied()
}

/// Somebody who was revoked.
#[derive(Clone, Debug)]
pub(super) struct Revoked {
    /// Their serialised identity.
    pub(super) creator: Vec<u8>,
    /// From this block on nothing of theirs may be valid.
    pub(super) from_block: u64,
    /// What was endorsed before and handed to an orderer after the revocation.
    pub(super) forced: TxId,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub(super) struct Disturbed {
    pub(super) kills: usize,
    pub(super) updates: usize,
    pub(super) revoked: Vec<Revoked>,
    /// Transactions of those who were revoked later.
    pub(super) acknowledged: Vec<TxId>,
}

/// All rounds, spread evenly over the clients' work.
pub(super) fn run(network: &mut Network, rounds: usize, work: &Work) -> Result<Disturbed> {
    let mut disturbed = Disturbed::default();
    for round in 0..rounds {
        wait_for_progress(work, work.least() * (round + 1) / (rounds + 1))?;
        let victim = victim(round, rounds).context("there are nodes")?;
        let other = if victim.hospital() == Hospital::C { Hospital::A } else { Hospital::C };
        let update = change(network, round)?;
        let (before, _) = same_config_block_soon(network)?;
        network.process(victim)?.kill()?;
        disturbed.kills += 1;
        println!("round {round}: {victim} was killed after {} transactions", work.done());
        submit(network, &update, other)?;
        network.start_node(victim)?;
        work.memory.started(&victim.to_string(), network.process(victim)?.id());
        Network::wait_until("the new configuration at every node", DEADLINE, || {
            let (now, _) = same_config_block(network, &Hospital::ALL)?;
            ensure!(now > before, "block {now} is in force");
            Ok(())
        })?;
        disturbed.updates += 1;
        register_and_revoke(network, other, round, &mut disturbed)?;
    }
    Ok(disturbed)
}

fn wait_for_progress(work: &Work, count: usize) -> Result<()> {
    // As long as a client has patience for a single transaction, progress is not given up.
    let mut last = 0;
    while work.done() < count && !work.has_failed() {
        Network::wait_until(&format!("more than {last} transactions"), DEADLINE * 2, || {
            let done = work.done();
            ensure!(done > last || work.has_failed(), "{done} are done");
            last = done;
            Ok(())
        })?;
    }
    Ok(())
}

/// Other limits of a batch, and other references.
fn change(network: &Network, round: usize) -> Result<ChannelUpdate> {
    let options = network.options().clone();
    let limit = u32::try_from(50 + round % 5 * 30)?;
    let mut references = options.references.clone();
    references.push(format!("{:016x}", 0x0f0f_0000_0000_0000_u64 | round as u64));
    let changed = NetworkOptions {
        batching: Batching { max_message_count: limit, ..options.batching },
        references,
        ..options
    };
    let update = ChannelUpdate::compute(network, &format!("round-{round}"), &changed, &Hospital::ALL)?;
    for admin in [
        network.admin(Hospital::A),
        network.admin(Hospital::B),
        network.orderer_admin(Hospital::A),
        network.orderer_admin(Hospital::C),
    ] {
        update.sign(&admin)?;
    }
    Ok(update)
}

fn same_config_block_soon(network: &Network) -> Result<(u64, String)> {
    let mut found = None;
    Network::wait_until("one configuration at every node", DEADLINE, || {
        found = Some(same_config_block(network, &Hospital::ALL)?);
        Ok(())
    })?;
    found.context("the condition held, so there is a block")
}

/// While a node is away the others may elect a leader first; an update that came through is refused when it comes again.
fn submit(network: &Network, update: &ChannelUpdate, at: Hospital) -> Result<()> {
    Network::wait_until("an orderer takes the update", DEADLINE, || {
        let said = update.submit(network, &network.admin(at), at)?;
        ensure!(said.code == 0 || said.stderr.contains("is in force"), "{}", said.stderr);
        Ok(())
    })
}

fn register_and_revoke(
    network: &Network,
    hospital: Hospital,
    round: usize,
    disturbed: &mut Disturbed,
) -> Result<()> {
    let admin = network.admin(hospital);
    let doctor = network.numbered_doctor(hospital, DOCTORS + 1 + round)?;
    let msp = doctor.msp_folder().display().to_string();
    let registered = identity(&admin, &["register", "--msp", &msp])?;
    let poi = find_in_json(&registered, "poi").and_then(Value::as_str).map(str::to_owned);
    let poi = poi.with_context(|| format!("no poi in {registered}"))?;
    // Over a colleague's connection: it stays open when the key is revoked.
    let guest =
        Doctor::connect(&doctor.clone().connecting_as(&network.doctor(hospital)), Deadlines::default())?;
    let draft =
        |name: &str| asset("CreateAsset", &[&format!("guest-{round}-{name}"), "green", "1", "Adriana", "1"]);
    let (first, last, late) = (draft("first")?, draft("last")?, draft("late")?);
    let first = endorsed_soon(&guest, &first)?;
    let first = guest.run(async |peer, channel| {
        peer.order(channel, &first).await?;
        peer.committed(channel, first).await
    })?;
    disturbed.acknowledged.push(first.tx_id);
    let forced = endorsed_soon(&guest, &last)?;
    identity(&admin, &["revoke", &poi])?;
    let from_block = channel_height(network, hospital)?.height;
    let Err(refused) = guest.run(|peer, channel| peer.endorse(channel, &late)) else {
        bail!("{poi} was revoked, and its proposal is endorsed")
    };
    ensure!(refused.to_string().contains("is revoked"), "{refused}");
    let orderer = endpoint(&network.orderer_address(hospital))?;
    let roots = TrustRoots::from_pem([&std::fs::read(network.orderer_tls_root(hospital))?[..]])?;
    guest.run(|peer, _| peer.broadcast(&forced, &orderer, &roots))?;
    let reader = Doctor::connect(&network.second_doctor(hospital), Deadlines::default())?;
    let (code, block) = reader.run(|peer, channel| peer.commit_status(channel, &forced.tx_id))?;
    ensure!(!code.is_valid(), "{poi} was revoked before block {from_block}, and is {code} in block {block}");
    let creator = signer(&doctor)?.serialized_identity().to_vec();
    disturbed.revoked.push(Revoked { creator, from_block, forced: forced.tx_id });
    Ok(())
}

/// Endorsers may be a block behind the peer that told of the registration: who is new asks again.
fn endorsed_soon(guest: &Doctor, draft: &Draft) -> Result<Endorsed> {
    let mut found = None;
    Network::wait_until("the endorsers know the new identity", DEADLINE, || {
        found = Some(guest.run(|peer, channel| peer.endorse(channel, draft))?);
        Ok(())
    })?;
    found.context("the condition held, so it is endorsed")
}

/// Runs a verb of `peer identity` and returns what it printed.
fn identity(user: &User, args: &[&str]) -> Result<Value> {
    let args = [&["identity"], args, &["--output", "json"]].concat();
    user.peer(&args)?.expect_code(0)?.json()
}

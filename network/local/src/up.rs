//! `network up`: from whatever is there to a consortium that runs, step by step; every step keeps what is done.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};

use crate::binaries::Binaries;
use crate::command;
use crate::consortium::{CHANNEL, HOSPITALS, Hospital, Kind, Node, nodes};
use crate::folder::Folder;
use crate::health::{Asking, Health};
use crate::process::Running;
use crate::state::State;
use crate::{demonstration, instructions, logs, material, node_files, ports, printing, process};

/// From the start of all nodes until each does its work. A node opens its ledger in well under a second; the rest is for
/// slow disks and busy machines.
const START_DEADLINE: Duration = Duration::from_secs(90);
/// How often a node is asked while one waits for it.
const ASK_INTERVAL: Duration = Duration::from_millis(100);
/// Lines of the log of a node that died.
const LAST_LINES: usize = 15;

/// Held while nodes are started or stopped, so that two commands do not do it at once.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock ends with the file")] File);

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// Where another command holds it.
    pub fn take(folder: &Folder) -> anyhow::Result<Self> {
        let path = folder.lock();
        let file = File::create(&path).with_context(|| format!("{}: cannot be written", path.display()))?;
        if file.try_lock().is_err() {
            bail!(
                "another `network up` or `down` is at work in {}; wait for its end",
                folder.path().display()
            );
        }
        Ok(Self(file))
    }
}

/// Brings the network up and shows that it works.
///
/// # Errors
/// What is in the way, and what to do about it.
pub async fn up(folder: &Folder, image: Option<&Path>) -> anyhow::Result<ExitCode> {
    if let Some(image) = image {
        let metadata =
            std::fs::metadata(image).with_context(|| format!("{}: cannot be read", image.display()))?;
        if !metadata.is_file() {
            bail!("{}: is no file; name a PNG or JPEG image", image.display());
        }
    }
    let binaries = Binaries::beside_this()?;
    folder.make()?;
    let lock = Lock::take(folder)?;
    eprintln!("consortium in {}", folder.path().display());
    let mut state = state_of(folder)?;
    check_ports(folder, &state)?;
    eprintln!("keys, certificates and genesis block of channel {CHANNEL} ...");
    material::make(folder, &binaries, &state).await?;
    node_files::write_all(folder, &state, binaries.folder())?;
    for node in nodes() {
        start(folder, &binaries, node, state.first_report.is_none())?;
    }
    wait(folder, &state, Kind::Peer, |_| true, "answers").await?;
    for hospital in HOSPITALS {
        join(folder, &binaries, &state, hospital).await?;
    }
    wait(folder, &state, Kind::Orderer, Health::is_healthy, "orders").await?;
    let serves = |health: &Health| health.is_healthy() && health.height(CHANNEL).is_some();
    wait(folder, &state, Kind::Peer, serves, "serves channel reports").await?;
    let report = demonstration::show(folder, &binaries, &mut state, image).await?;
    printing::result(&instructions::text(folder, &state, report.as_deref()))?;
    drop(lock);
    Ok(ExitCode::SUCCESS)
}

/// The state of the network, or that of a new one.
fn state_of(folder: &Folder) -> anyhow::Result<State> {
    if let Some(state) = State::load(folder)? {
        return Ok(state);
    }
    if folder.genesis().exists() {
        bail!(
            "{} is missing and a genesis block is there, whose ports it held; begin anew by `network down --purge`",
            folder.state().display()
        );
    }
    let state = State::new(folder)?;
    state.save(folder)?;
    Ok(state)
}

/// Asks that the ports of every stopped node are free: the genesis block names them, so others are no help.
fn check_ports(folder: &Folder, state: &State) -> anyhow::Result<()> {
    let mut taken = Vec::new();
    for node in nodes().into_iter().filter(|node| Running::read(&folder.pid(*node)).is_none()) {
        let ports = state.ports(node);
        let of_node = [ports.service, ports.operations].into_iter().filter(|port| !ports::is_free(*port));
        taken.extend(of_node.map(|port| format!("{port} ({node})")));
    }
    if taken.is_empty() {
        return Ok(());
    }
    bail!(
        "ports on 127.0.0.1 are taken by other programs: {}. Find them by `ss -ltnp` and stop them, or make a new \
         network, with new keys and ports, by `network down --purge`",
        taken.join(", ")
    )
}

/// Starts a node unless it runs. A network that never worked begins its channel; later on a lost ledger is none that begins.
fn start(folder: &Folder, binaries: &Binaries, node: Node, begins: bool) -> anyhow::Result<()> {
    if let Some(running) = Running::read(&folder.pid(node)) {
        eprintln!("{node}: runs already (process {})", running.pid);
        return Ok(());
    }
    let mut command = binaries.command(node.binary());
    match node.kind {
        Kind::Orderer if begins => command.args(["start", "--bootstrap"]),
        Kind::Orderer => command.arg("start"),
        Kind::Peer => command.args(["node", "start"]),
    };
    command.arg("--config").arg(folder.settings(node)).current_dir(folder.node(node));
    let running = process::start(&mut command, &folder.log(node), &folder.pid(node))?;
    eprintln!("{node}: started (process {})", running.pid);
    Ok(())
}

/// Waits until every node of a kind says what is asked.
async fn wait(
    folder: &Folder,
    state: &State,
    kind: Kind,
    is_there: impl Fn(&Health) -> bool,
    what: &str,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_DEADLINE;
    for node in nodes().into_iter().filter(|node| node.kind == kind) {
        let asking = Asking::new(folder, state, node)?;
        loop {
            let answer = asking.ask().await;
            if answer.as_ref().is_ok_and(&is_there) {
                eprintln!("{node}: {what}");
                break;
            }
            let is_alive = Running::read(&folder.pid(node)).is_some();
            if !is_alive || Instant::now() >= deadline {
                let reason = match answer {
                    _ if !is_alive => "ended".to_owned(),
                    Ok(health) => format!("is not ready: {}", health.complaints().join("; ")),
                    Err(error) => format!("does not answer within {} s: {error:#}", START_DEADLINE.as_secs()),
                };
                let (lines, _) = logs::tail(&folder.log(node), LAST_LINES)?;
                let lines = command::last_lines(&lines, LAST_LINES);
                bail!("{node} {reason}. The end of {}:\n{lines}", folder.log(node).display());
            }
            sleep(ASK_INTERVAL).await;
        }
    }
    Ok(())
}

/// Has a hospital's peer join the channel, unless it has.
async fn join(folder: &Folder, binaries: &Binaries, state: &State, hospital: Hospital) -> anyhow::Result<()> {
    let node = Node { kind: Kind::Peer, hospital };
    if Asking::new(folder, state, node)?.ask().await?.height(CHANNEL).is_some() {
        return Ok(());
    }
    let mut command = binaries.command("peer");
    command.envs(node_files::variables(folder, state, hospital, "Admin"));
    command.args(["channel", "join", "-b"]).arg(folder.genesis());
    command::run(command, &format!("joining {node} to channel {CHANNEL}")).await?;
    eprintln!("{node}: joined channel {CHANNEL}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn a_taken_port_is_named_with_its_node_and_the_fix() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::at(root.path());
        let state = State::new(&folder).unwrap();
        check_ports(&folder, &state).unwrap();
        let node = nodes()[4];
        let port = state.ports(node).operations;
        let _other = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let error = check_ports(&folder, &state).unwrap_err().to_string();
        assert!(error.contains(&format!("{port} (peer-b)")) && error.contains("--purge"), "{error}");
    }

    #[test]
    fn a_genesis_block_without_its_ports_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::at(root.path());
        let state = state_of(&folder).unwrap();
        std::fs::write(folder.genesis(), "").unwrap();
        assert_eq!(state_of(&folder).unwrap(), state, "what was saved is found again");
        std::fs::remove_file(folder.state()).unwrap();
        let error = state_of(&folder).unwrap_err().to_string();
        assert!(error.contains("network.json is missing") && error.contains("--purge"), "{error}");
    }

    #[test]
    fn two_commands_do_not_work_on_one_network() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::at(root.path());
        let lock = Lock::take(&folder).unwrap();
        let error = Lock::take(&folder).unwrap_err().to_string();
        assert!(error.contains("another `network up` or `down`"), "{error}");
        drop(lock);
        Lock::take(&folder).unwrap();
    }
}

//! Shows every node: process, ports, health.

use std::process::ExitCode;

use serde::Serialize;

use crate::consortium::{CHANNEL, Node, nodes};
use crate::folder::Folder;
use crate::health::{Asking, Health};
use crate::printing;
use crate::process::Running;
use crate::state::State;

/// How a node fares.
#[derive(Debug, Serialize)]
struct NodeStatus {
    name: String,
    msp_id: String,
    pid: Option<u32>,
    address: String,
    operations: String,
    /// `running`, `starting`, `ill` or `stopped`.
    state: &'static str,
    height: Option<u64>,
    reasons: Vec<String>,
    health: Option<Health>,
}

/// Prints how every node fares. Exit code 0 if all do their work, else 1.
///
/// # Errors
/// Where there is no network, or its state is damaged.
pub async fn status(folder: &Folder, as_json: bool) -> anyhow::Result<ExitCode> {
    let Some(state) = State::load(folder)? else {
        eprintln!("network: there is none in {}; `network up` makes one", folder.path().display());
        return Ok(ExitCode::from(1));
    };
    let mut all = Vec::new();
    for node in nodes() {
        all.push(of(folder, &state, node).await);
    }
    let text = if as_json { serde_json::to_string_pretty(&all)? + "\n" } else { table(&all) };
    printing::result(&text)?;
    let is_whole = all.iter().all(|node| node.state == "running");
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn of(folder: &Folder, state: &State, node: Node) -> NodeStatus {
    let running = Running::read(&folder.pid(node));
    let ports = state.ports(node);
    let mut status = NodeStatus {
        name: node.name(),
        msp_id: node.msp_id(),
        pid: running.as_ref().map(|running| running.pid),
        address: format!("127.0.0.1:{}", ports.service),
        operations: format!("127.0.0.1:{}", ports.operations),
        state: "stopped",
        height: None,
        reasons: Vec::new(),
        health: None,
    };
    if running.is_none() {
        return status;
    }
    let answer = match Asking::new(folder, state, node) {
        Ok(asking) => asking.ask().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(health) => {
            status.state = if health.is_healthy() { "running" } else { "ill" };
            status.height = health.height(CHANNEL);
            status.reasons = health.complaints();
            status.reasons.extend(health.differing(CHANNEL));
            status.health = Some(health);
        }
        Err(error) => {
            status.state = "starting";
            status.reasons = vec![format!("{error:#}")];
        }
    }
    status
}

fn table(all: &[NodeStatus]) -> String {
    let mut text =
        format!("{:<10} {:<20} {:<9} {:>8} {:>7}  {}\n", "NODE", "MSP", "STATE", "PID", "HEIGHT", "ADDRESS");
    for node in all {
        let shown = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        text += &format!(
            "{:<10} {:<20} {:<9} {:>8} {:>7}  {}\n",
            node.name,
            node.msp_id,
            node.state,
            shown(node.pid.map(u64::from)),
            shown(node.height),
            node.address
        );
        for reason in &node.reasons {
            text += &format!("           {reason}\n");
        }
    }
    text
}

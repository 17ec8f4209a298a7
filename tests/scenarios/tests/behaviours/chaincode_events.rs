//! Who follows a chaincode's events misses none and gets none twice: with the unchanged client of Hyperledger Fabric and
//! its checkpointer, with the command line, across an end and a start of the peer.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use scenarios::{Image, Stage, share, unshare, upload};
use serde_json::Value;
use testnet::{Hospital, NetworkOptions, User};

use crate::stock_client::installed;

/// Time in which an event arrives, on a busy machine.
const ARRIVAL: Duration = Duration::from_secs(60);

#[test]
fn events_are_replayed_and_resumed_without_gap_or_duplicate() -> Result<()> {
    let program = installed()?;
    let mut network = Stage::start(NetworkOptions::default())?;
    let doctor = network.doctor(Hospital::A);
    let files = tempfile::tempdir()?;
    let image = files.path().join("report.png");
    Image::rings(640, 480, 3).write(&image)?;
    let (id, _) = upload(&doctor, &image, "patient-1")?;
    let mut expected = vec![(id.clone(), "ReportUploaded".to_owned())];
    change_grant(&doctor, &id, Hospital::B, true, &mut expected)?;

    let mut node = Command::new("node");
    node.args(["events.mjs", "reports", "6"]).arg(files.path().join("checkpoint.json"));
    node.current_dir(&program).envs(doctor.environment()).stdout(Stdio::piped());
    let stock = node.spawn().context("node does not start; install the packages nodejs and npm")?;
    let mut stock = Following(stock);
    let lines = lines_of(stock.0.stdout.take().context("no standard output")?);
    let mut received = Vec::new();
    // The history first: block 0 on; then what comes while it follows.
    receive(&lines, 2, &mut received)?;
    change_grant(&doctor, &id, Hospital::C, true, &mut expected)?;
    receive(&lines, 1, &mut received)?;
    network.peer_process(Hospital::A)?.stop()?;
    println!("the peer ended; three events are checkpointed");
    network.start_peer(Hospital::A)?;
    change_grant(&doctor, &id, Hospital::C, false, &mut expected)?;
    network.peer_process(Hospital::A)?.kill()?;
    network.start_peer(Hospital::A)?;
    change_grant(&doctor, &id, Hospital::B, false, &mut expected)?;
    change_grant(&doctor, &id, Hospital::B, true, &mut expected)?;
    receive(&lines, 3, &mut received)?;
    let status = stock.0.wait()?;
    ensure!(status.success() && lines.recv_timeout(ARRIVAL).is_err(), "it prints six events and ends");
    for event in &received {
        println!("{event}");
    }
    same(&received, &expected)?;

    let all = events(&doctor, &["--start", "0", "--count", "6"])?;
    ensure!(all == received, "the command line got {all:?}");
    let third = received[2]["tx_id"].as_str().context("no transaction")?;
    let block = received[2]["block_number"].to_string();
    for flags in [&["--after", third][..], &["--start", &block, "--after", third]] {
        let rest = events(&doctor, &[flags, &["--count", "3"]].concat())?;
        ensure!(rest == received[3..], "{flags:?}: {rest:?}");
    }
    let stranger = network.stranger(Hospital::A)?.connecting_as(&doctor);
    let refused = stranger.peer(&["chaincode", "events", "-n", "reports", "--start", "0", "--count", "1"])?;
    ensure!(refused.code == 1 && refused.stderr.contains("PERMISSION_DENIED"), "{refused:?}");
    Ok(())
}

/// A client that follows events; killed when this is dropped, so that a test that failed leaves nothing behind.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Shares or unshares and notes the event that this must give.
fn change_grant(
    user: &User,
    id: &str,
    with: Hospital,
    live: bool,
    expected: &mut Vec<(String, String)>,
) -> Result<()> {
    let changed = if live { share(user, id, with)? } else { unshare(user, id, with)? };
    let tx_id = changed.expect_code(0)?.json()?["tx_id"].as_str().context("no transaction")?.to_owned();
    expected.push((tx_id, if live { "ReportShared" } else { "ReportUnshared" }.to_owned()));
    Ok(())
}

fn lines_of(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        let read = BufReader::new(output).lines().map_while(Result::ok);
        read.for_each(|line| drop(send.send(line)));
    });
    lines
}

fn receive(lines: &Receiver<String>, count: usize, received: &mut Vec<Value>) -> Result<()> {
    for _ in 0..count {
        let line = lines.recv_timeout(ARRIVAL).context("no event came in time")?;
        received.push(serde_json::from_str(&line).with_context(|| line.clone())?);
    }
    Ok(())
}

fn same(received: &[Value], expected: &[(String, String)]) -> Result<()> {
    let found: Vec<_> =
        received.iter().map(|event| (event["tx_id"].clone(), event["event"].clone())).collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(tx_id, name)| (Value::from(tx_id.as_str()), Value::from(name.as_str())))
        .collect();
    ensure!(found == expected, "received {found:#?}\nexpected {expected:#?}");
    Ok(())
}

/// What `peer chaincode events` prints.
fn events(user: &User, flags: &[&str]) -> Result<Vec<Value>> {
    let line = [&["chaincode", "events", "-n", "reports", "--output", "json"], flags].concat();
    let output = user.peer(&line)?.expect_code(0)?;
    output.stdout.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

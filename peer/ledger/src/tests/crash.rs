//! What is left when the process dies. The test runs its own binary as a child that commits blocks and says so, kills it
//! after some block was acknowledged, and opens what is there: nothing acknowledged is missing, nothing is half done.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Ledger, check_against_rule, create, ruled_blocks};

const FOLDER: &str = "CONSILIUM_TEST_LEDGER_FOLDER";
const ROUNDS: u64 = 12;
/// Ends a child that nobody kills.
const BLOCKS_MAX: usize = 20_000;

/// The child's part: commits the rule's blocks from where the ledger stands, and prints each height once it is reached.
#[test]
fn child_commits_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let path = PathBuf::from(folder);
    let ledger = if path.exists() { Ledger::open(&path).expect("opens") } else { create(&path) };
    let height = usize::try_from(ledger.info().height).expect("fits");
    let mut output = std::io::stdout().lock();
    for commit in ruled_blocks().skip(height).take(BLOCKS_MAX) {
        let info = ledger.commit_block(&commit).expect("commits");
        writeln!(output, "height={}", info.height).expect("the parent reads");
        output.flush().expect("the parent reads");
    }
}

fn spawn(path: &Path) -> Child {
    Command::new(std::env::current_exe().expect("the test binary"))
        .args([
            "tests::crash::child_commits_until_it_is_killed",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FOLDER, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

/// Kills the child after `acknowledged` heights were printed, and returns the last that was.
fn kill_after(mut child: Child, acknowledged: u64) -> u64 {
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut heights = output.lines().filter_map(|line| {
        let line = line.expect("text");
        line.rsplit_once("height=").map(|(_, height)| height.parse::<u64>().expect("a number"))
    });
    let mut last = 0;
    for _ in 0..acknowledged {
        last = heights.next().expect("the child commits");
    }
    child.kill().expect("is killed");
    child.wait().expect("ends");
    // What it printed before the signal arrived was acknowledged too.
    heights.last().unwrap_or(last)
}

#[test]
fn a_killed_process_leaves_every_acknowledged_block_and_no_half_of_one() {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("ledger");
    for round in 0..ROUNDS {
        // Moments from the first block of a process to some hundred blocks later.
        let acknowledged = kill_after(spawn(&path), 1 + round * round * 2);
        let ledger = Ledger::open(&path).expect("opens");
        let height = ledger.info().height;
        assert!(height >= acknowledged, "height {height}, acknowledged {acknowledged}");
        assert!(height <= acknowledged + 1, "height {height} is more than one block past {acknowledged}");
        check_against_rule(&ledger);
    }
}

#[test]
fn a_process_killed_while_it_creates_the_ledger_can_create_it_again() {
    let folder = tempfile::tempdir().expect("tempdir");
    for round in 0..3 {
        let path = folder.path().join(round.to_string());
        let mut child = spawn(&path);
        while !path.exists() && child.try_wait().expect("is asked").is_none() {
            std::thread::yield_now();
        }
        child.kill().expect("is killed");
        child.wait().expect("ends");
        let ledger = match Ledger::open(&path) {
            Ok(ledger) => ledger,
            Err(_) => create(&path),
        };
        check_against_rule(&ledger);
    }
}

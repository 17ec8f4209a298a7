//! A ledger whose writes fail, or whose process dies, at a byte of its files that the test chooses.
//!
//! The test runs its own binary as a child with a limit on the size of files. With the signal of that limit ignored, the
//! write that crosses it is cut there and fails, as on a full disk; without, the process dies in the middle of it. What is
//! there afterwards must be every acknowledged block and no half of another. `CONSILIUM_LONG=1` takes many more bytes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{Ledger, check_against_rule, create, is_long, ledger_of, ruled_blocks};
use crate::fault::LedgerFault;

const FOLDER: &str = "CONSILIUM_TEST_LIMITED_LEDGER";
/// Blocks that fill no limit used here: the child's end if no write ever fails.
const BLOCKS_MAX: usize = 4_000;

/// The child's part: commits the rule's blocks until a write fails. Prints each height, then the fault.
#[test]
fn child_commits_until_a_write_fails() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let path = PathBuf::from(folder);
    let mut output = std::io::stdout().lock();
    let ledger = match if path.exists() { Ledger::open(&path) } else { begin(&path) } {
        Ok(ledger) => ledger,
        Err(fault) => return writeln!(output, "fault={fault}").expect("the parent reads"),
    };
    let height = usize::try_from(ledger.info().height).expect("fits");
    for commit in ruled_blocks().skip(height).take(BLOCKS_MAX) {
        match ledger.commit_block(&commit) {
            Ok(info) => writeln!(output, "height={}", info.height).expect("the parent reads"),
            Err(fault) => {
                // Who reads goes on reading what was committed, and a second try does not skip the block.
                check_against_rule(&ledger);
                let next = ruled_blocks().nth(usize::try_from(ledger.info().height).expect("fits") + 1);
                let skipping = ledger.commit_block(&next.expect("a block")).expect_err("a block is skipped");
                assert!(matches!(skipping, LedgerFault::Block(_) | LedgerFault::Store(_)), "{skipping:?}");
                return writeln!(output, "fault={fault}").expect("the parent reads");
            }
        }
        output.flush().expect("the parent reads");
    }
}

fn begin(path: &Path) -> Result<Ledger, LedgerFault> {
    let genesis = ruled_blocks().next().expect("a genesis block");
    Ledger::begin(path, &genesis, super::LedgerOptions::default())
}

/// Runs the child with files of at most `bytes`; `None` where the system has no `prlimit`.
fn run_limited(path: &Path, bytes: usize, is_killed: bool) -> Option<Output> {
    let signal = if is_killed { "" } else { "trap '' XFSZ; " };
    let script = format!("{signal}exec prlimit --core=0 --fsize={bytes} -- \"$@\"");
    let child = Command::new("sh")
        .args(["-c", &script, "sh"])
        .arg(std::env::current_exe().expect("the test binary"))
        .args([
            "tests::full_disk::child_commits_until_a_write_fails",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FOLDER, path)
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let is_absent = child.status.code() == Some(127);
    (!is_absent).then_some(child)
}

/// Runs the child within the limit and opens what it left. Returns whether a commit, not the opening, met the limit.
fn round(path: &Path, bytes: usize, is_killed: bool) -> bool {
    let Some(output) = run_limited(path, bytes, is_killed) else {
        println!("SKIPPED: prlimit of util-linux is not here, which limits the size of files");
        return true;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let said = format!("limit {bytes}, {}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    let mut heights = text.lines().filter_map(|line| line.rsplit_once("height=")?.1.parse::<u64>().ok());
    let acknowledged = heights.next_back();
    if is_killed {
        assert!(!output.status.success(), "nobody died: {said}");
    } else {
        assert!(output.status.success() && text.contains("fault="), "no fault was met: {said}");
    }
    let ledger = match Ledger::open(path) {
        Ok(ledger) => ledger,
        Err(fault) => {
            assert!(acknowledged.is_none() && !fault.is_corruption(), "{fault:?}; {said}");
            create(path)
        }
    };
    let height = ledger.info().height;
    if let Some(acknowledged) = acknowledged {
        assert!((acknowledged..=acknowledged + 1).contains(&height), "height {height}; {said}");
    }
    check_against_rule(&ledger);
    let next = ruled_blocks().nth(usize::try_from(height).expect("fits")).expect("a block");
    ledger.commit_block(&next).expect("there is room again");
    acknowledged.is_some()
}

/// Limits below which the ledger cannot be opened, then limits that some block's record in the log crosses.
fn limits() -> Vec<usize> {
    let (early, late) = if is_long() { (100, 700) } else { (5, 8) };
    let opening = (0..early).map(|step| 700 + step * (60_000 / early));
    let committing = (0..late).map(|step| 150_000 + step * (1_400 / late));
    opening.chain(committing).collect()
}

#[test]
fn a_write_that_fails_at_any_byte_leaves_whole_blocks() {
    let folder = tempfile::tempdir().expect("tempdir");
    let met =
        limits().iter().filter(|bytes| round(&folder.path().join(bytes.to_string()), **bytes, false)).count();
    assert!(met >= 8, "only {met} limits were met by a commit");
}

#[test]
fn a_process_that_dies_at_any_byte_of_a_write_leaves_whole_blocks() {
    let folder = tempfile::tempdir().expect("tempdir");
    let met =
        limits().iter().filter(|bytes| round(&folder.path().join(bytes.to_string()), **bytes, true)).count();
    assert!(met >= 8, "only {met} limits were met by a commit");
}

/// A small file system in memory; gone with this value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("tempdir");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }

    /// Fills the disk but for `room` bytes, and returns the file that does.
    fn fill(&self, room: u64) -> PathBuf {
        let path = self.0.path().join("filler");
        let mut file = std::fs::File::create(&path).expect("creates");
        while file.write_all(&[7; 4_096]).is_ok() {}
        let length = file.metadata().expect("metadata").len();
        file.set_len(length.saturating_sub(room)).expect("shortens");
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_is_named_and_the_ledger_goes_on_once_there_is_room() {
    let Some(disk) = SmallDisk::new() else {
        println!("SKIPPED: no right to mount a small file system in memory");
        return;
    };
    let path = disk.0.path().join("ledger");
    drop(ledger_of(&path, 3));
    let mut failed_commits = 0;
    for step in 0..if is_long() { 28 } else { 14 } {
        let filler = disk.fill(step * 9_001);
        let fault = match Ledger::open(&path) {
            Err(fault) => fault,
            Ok(ledger) => {
                let height = usize::try_from(ledger.info().height).expect("fits");
                let commits = ruled_blocks().skip(height).take(BLOCKS_MAX);
                let fault = commits.map(|commit| ledger.commit_block(&commit)).find_map(Result::err);
                failed_commits += 1;
                check_against_rule(&ledger);
                fault.expect("the disk fills")
            }
        };
        assert!(
            matches!(&fault, LedgerFault::Store(error) if error.is_full_disk()),
            "step {step}: {fault:?}"
        );
        assert!(fault.to_string().contains("disk is full"), "{fault}");
        std::fs::remove_file(filler).expect("makes room");
        let ledger = Ledger::open(&path).expect("opens again");
        check_against_rule(&ledger);
        let next = ruled_blocks().nth(usize::try_from(ledger.info().height).expect("fits")).expect("a block");
        ledger.commit_block(&next).expect("commits again");
    }
    assert!(failed_commits > 0, "no commit ever met the full disk");
}

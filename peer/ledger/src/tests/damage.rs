//! What damage to the write-ahead log leaves of a ledger, offset by offset.
//!
//! A log that ends too early was being written when power went: the ledger opens at the block before. Bytes that changed
//! are a bad disk: the ledger does not open, and says which folder. Between two blocks it never opens. By default offsets
//! are taken in steps; `CONSILIUM_LONG=1` takes every one.

use std::path::{Path, PathBuf};

use super::{Ledger, check_against_rule, is_long, ledger_of, ruled_blocks};
use crate::fault::LedgerFault;

const HEIGHT: usize = 4;
/// Bytes before a record in the log: checksum, length, type.
const RECORD_HEADER_BYTES: usize = 7;

/// A closed ledger of `HEIGHT` + 1 blocks whose log is damaged in copies.
struct Original {
    folder: tempfile::TempDir,
    path: PathBuf,
    log: Vec<u8>,
    /// Where the last block's record begins.
    begin: usize,
}

impl Original {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("ledger");
        let ledger = ledger_of(&path, HEIGHT);
        let begin = std::fs::read(newest_log(&path)).expect("reads").len();
        ledger.commit_block(&ruled_blocks().nth(HEIGHT).expect("a block")).expect("commits");
        drop(ledger);
        let log = std::fs::read(newest_log(&path)).expect("reads");
        Self { folder, path, log, begin }
    }

    /// Opens a copy whose log holds these bytes, and returns it with the copy's folder.
    fn open_with(&self, name: &str, log: &[u8]) -> (PathBuf, Result<Ledger, LedgerFault>) {
        let copy = self.folder.path().join(name);
        std::fs::create_dir(&copy).expect("creates");
        for entry in std::fs::read_dir(&self.path).expect("lists") {
            let entry = entry.expect("lists");
            // The engine's own log and options are not needed to open.
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with(['L', 'O']) {
                std::fs::copy(entry.path(), copy.join(name)).expect("copies");
            }
        }
        std::fs::write(newest_log(&copy), log).expect("writes");
        let opened = Ledger::open(&copy);
        (copy, opened)
    }

    fn offsets(&self, from: usize) -> impl Iterator<Item = usize> {
        let end = self.log.len();
        let step = if is_long() { 1 } else { ((end - from) / 40).max(1) };
        let header = self.begin..self.begin + RECORD_HEADER_BYTES;
        (from..end).filter(move |at| header.contains(at) || (at - from).is_multiple_of(step) || at + 1 == end)
    }
}

fn newest_log(path: &Path) -> PathBuf {
    let entries = std::fs::read_dir(path).expect("lists").map(|entry| entry.expect("lists").path());
    entries.filter(|file| file.extension().is_some_and(|found| found == "log")).max().expect("a log")
}

fn remove(copy: &Path) {
    std::fs::remove_dir_all(copy).expect("removes");
}

#[test]
fn a_log_torn_anywhere_in_its_last_block_opens_at_the_block_before() {
    let original = Original::new();
    for cut in original.offsets(original.begin) {
        let (copy, opened) = original.open_with(&format!("torn at {cut}"), &original.log[..cut]);
        let ledger = opened.unwrap_or_else(|fault| panic!("cut at {cut}: {fault:?}"));
        assert_eq!(ledger.info().height, HEIGHT as u64, "cut at {cut}");
        check_against_rule(&ledger);
        ledger.commit_block(&ruled_blocks().nth(HEIGHT).expect("a block")).expect("the block comes again");
        check_against_rule(&ledger);
        drop(ledger);
        remove(&copy);
    }
}

#[test]
fn a_log_torn_anywhere_opens_at_a_whole_block_or_not_at_all() {
    let original = Original::new();
    let mut heights = std::collections::BTreeSet::new();
    for cut in original.offsets(0) {
        let (copy, opened) = original.open_with(&format!("torn at {cut}"), &original.log[..cut]);
        match opened {
            Ok(ledger) => {
                heights.insert(ledger.info().height);
                check_against_rule(&ledger);
            }
            // Before the genesis block there is no ledger.
            Err(fault) => {
                assert!(fault.to_string().contains(&copy.display().to_string()), "cut at {cut}: {fault}")
            }
        }
        remove(&copy);
    }
    assert_eq!(heights.into_iter().collect::<Vec<_>>(), (1..=HEIGHT as u64).collect::<Vec<_>>());
}

#[test]
fn a_changed_byte_of_the_last_block_stops_the_start_and_names_the_folder() {
    let original = Original::new();
    for at in original.offsets(original.begin) {
        for bit in [0x01, 0x40] {
            let mut log = original.log.clone();
            log[at] ^= bit;
            let (copy, opened) = original.open_with(&format!("flipped at {at} {bit}"), &log);
            let is_header = at < original.begin + RECORD_HEADER_BYTES;
            match opened {
                Err(fault) => {
                    assert!(fault.is_corruption(), "flipped at {at}: {fault:?}");
                    assert!(
                        fault.to_string().contains(&copy.display().to_string()),
                        "flipped at {at}: {fault}"
                    );
                }
                // A length that reaches past the end looks like a torn record.
                Ok(ledger) => {
                    assert!(is_header, "a byte flipped at {at} of {} goes unseen", log.len());
                    assert_eq!(ledger.info().height, HEIGHT as u64, "flipped at {at}");
                    check_against_rule(&ledger);
                }
            }
            remove(&copy);
        }
    }
}

#[test]
fn a_changed_byte_of_an_earlier_block_never_opens_between_two_blocks() {
    let original = Original::new();
    let mut refused = 0;
    for at in original.offsets(0) {
        let mut log = original.log.clone();
        log[at] ^= 0x10;
        let (copy, opened) = original.open_with(&format!("flipped at {at}"), &log);
        match opened {
            Err(fault) => {
                refused += usize::from(fault.is_corruption());
                assert!(fault.to_string().contains(&copy.display().to_string()), "flipped at {at}: {fault}");
            }
            Ok(ledger) => {
                assert!(ledger.info().height <= HEIGHT as u64, "flipped at {at}");
                check_against_rule(&ledger);
            }
        }
        remove(&copy);
    }
    assert!(refused > 20, "only {refused} flips were seen");
}

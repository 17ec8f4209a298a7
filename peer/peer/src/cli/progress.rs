//! How far an upload or download has come, on stderr.

use std::sync::atomic::{AtomicU64, Ordering};

use client::{Downloading, UploadProgress};
use protocol::MspId;

/// Parts of the whole after which bytes are reported again.
const STEPS: u64 = 10;

/// Writes one line a step, and bytes at each tenth.
#[derive(Debug, Default)]
pub struct Progress {
    reported: AtomicU64,
}

impl Progress {
    /// A step of an upload.
    pub fn upload(&self, step: &UploadProgress) {
        if let Some(line) = self.upload_line(step) {
            eprintln!("{line}");
        }
    }

    /// A step of a download.
    pub fn download(&self, step: &Downloading) {
        let line = match step {
            Downloading::Opened { tx_id } => Some(format!("opening recorded: {tx_id}")),
            Downloading::Peer(text) => Some(text.clone()),
            Downloading::Receiving { received, size } => self.bytes("receiving", *received, *size),
        };
        if let Some(line) = line {
            eprintln!("{line}");
        }
    }

    fn upload_line(&self, step: &UploadProgress) -> Option<String> {
        Some(match step {
            UploadProgress::Sealing { sent, size } => return self.bytes("sealing", *sent, *size),
            UploadProgress::Sealed { cid, perceptual_hash } => {
                format!("sealed: {cid}, perceptual hash {perceptual_hash}")
            }
            UploadProgress::Checking { by } => format!("checking by {}", names(by)),
            UploadProgress::Unreached { msp_id } => {
                format!("{msp_id} was not reached; asking the next checker")
            }
            UploadProgress::Checked { by } => format!("checked by {}", names(by)),
            UploadProgress::Ordered { tx_id } => format!("ordered: {tx_id}"),
            UploadProgress::Committed { block_number } => format!("committed in block {block_number}"),
        })
    }

    /// A line where another tenth is reached.
    fn bytes(&self, what: &str, done: u64, size: u64) -> Option<String> {
        // Counted from 1, so that the first bytes are reported, too.
        let step = done.saturating_mul(STEPS).checked_div(size).unwrap_or(STEPS) + 1;
        if self.reported.fetch_max(step, Ordering::Relaxed) >= step {
            return None;
        }
        Some(format!("{what}: {done} of {size} bytes"))
    }
}

/// Names, separated by commas.
pub fn names(msp_ids: &[MspId]) -> String {
    msp_ids.iter().map(MspId::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_reported_at_each_tenth() {
        let progress = Progress::default();
        let lines: Vec<String> =
            (1..=1000).filter_map(|done| progress.bytes("sealing", done, 1000)).collect();
        assert_eq!(lines.len(), 11, "{lines:?}");
        assert_eq!(lines[0], "sealing: 1 of 1000 bytes");
        assert_eq!(lines[10], "sealing: 1000 of 1000 bytes");
    }
}

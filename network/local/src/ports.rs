//! Which ports the nodes listen on: picked once where nobody listens, then kept, since the genesis block names them.
//!
//! They lie below the range from which the system takes ports for outgoing connections, so that a stopped node's port is
//! not given away while it is down.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::bail;

/// The first port that may be picked.
const FIRST: u16 = 20_000;
/// How many ports from there on: below 32,768, where outgoing connections begin on Linux.
const SPAN: u16 = 12_000;

/// `count` different ports on which nobody listens now. The search begins at a place that depends on `folder`, so that
/// two networks on one machine seldom meet.
///
/// # Errors
/// Where fewer are free.
pub fn pick(folder: &Path, count: usize) -> anyhow::Result<Vec<u16>> {
    let start = spread(folder) % SPAN;
    let candidates = (0..SPAN).map(|step| FIRST + (start + step) % SPAN);
    let ports: Vec<u16> = candidates.filter(|port| is_free(*port)).take(count).collect();
    if ports.len() < count {
        bail!("fewer than {count} ports are free between {FIRST} and {}; stop something", FIRST + SPAN - 1);
    }
    Ok(ports)
}

/// Whether a node could listen there now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// FNV-1a of the path.
fn spread(path: &Path) -> u16 {
    let bytes = path.as_os_str().as_encoded_bytes();
    let hash =
        bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_differ_and_a_taken_one_is_passed_over() {
        let folder = Path::new("/a/network");
        let first = pick(folder, 12).unwrap();
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 12);
        assert!(first.iter().all(|port| (FIRST..FIRST + SPAN).contains(port)));
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first[3])).unwrap();
        assert!(!is_free(first[3]));
        assert!(!pick(folder, 12).unwrap().contains(&first[3]));
        drop(taken);
    }
}

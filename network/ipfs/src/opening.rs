//! Opening: the blocks of a sealed file and its key in, plaintext out, with its binding.
//!
//! The plaintext may be believed only after the whole file was read: age authenticates chunk by chunk, and the binding is
//! known at the end. Callers keep what they wrote apart until then.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};
use offchain::{Binding, BindingHasher, Cid, DagWalk, Next};
use protocol::limits::REPORT_BYTES_MAX;

use crate::data_key::DataKey;
use crate::error::OpenError;

/// Plaintext handed on at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Most that age adds: its header and 16 bytes a 64 KiB chunk, generously.
const SEALED_BYTES_MAX: u64 = REPORT_BYTES_MAX + (REPORT_BYTES_MAX >> 10);

/// What is known of a report that was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// SHA-256(data key ‖ plaintext).
    pub binding: Binding,
    /// Bytes of the plaintext.
    pub size: u64,
    /// Bytes of the sealed file.
    pub sealed_size: u64,
}

/// Opens the sealed file `root` with its key. `block` gives a block's bytes by CID; each is checked against its CID.
/// The plaintext goes to `target`.
///
/// # Errors
/// [`OpenError`] for a key that does not open it, damaged or missing blocks, a target that fails, more than `size_max`
/// bytes of plaintext.
pub fn open<B>(
    root: Cid,
    data_key: &DataKey,
    block: B,
    mut target: impl Write,
    size_max: u64,
) -> Result<Opened, OpenError>
where
    B: FnMut(Cid) -> Result<Bytes, OpenError>,
{
    let mut sealed = DagReader {
        walk: DagWalk::new(root, SEALED_BYTES_MAX),
        block,
        leaf: Bytes::new(),
        fault: None,
        size: 0,
    };
    let mut binding = BindingHasher::new(data_key.as_bytes());
    let mut size = 0_u64;
    let identity = data_key.identity()?;
    let outcome = read_all(&mut sealed, &identity, |plaintext| {
        size += plaintext.len() as u64;
        if size > size_max {
            return Err(OpenError::TooLarge { limit: size_max });
        }
        binding.update(plaintext);
        target.write_all(plaintext).map_err(OpenError::Target)
    });
    // A block's own fault says more than what age makes of it.
    if let Some(fault) = sealed.fault.take() {
        return Err(fault);
    }
    outcome?;
    Ok(Opened { binding: binding.finish(), size, sealed_size: sealed.size })
}

fn read_all(
    sealed: impl Read,
    identity: &age::x25519::Identity,
    mut each: impl FnMut(&[u8]) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let decryptor = age::Decryptor::new(sealed).map_err(|error| of_age(&error))?;
    let identities: [&dyn age::Identity; 1] = [identity];
    let mut plaintext = decryptor.decrypt(identities.into_iter()).map_err(|error| of_age(&error))?;
    let mut chunk = zeroize::Zeroizing::new(vec![0; CHUNK_BYTES]);
    loop {
        match plaintext.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => each(&chunk[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(OpenError::Damaged { cause: error.to_string() }),
        }
    }
}

fn of_age(error: &age::DecryptError) -> OpenError {
    match error {
        age::DecryptError::NoMatchingKeys
        | age::DecryptError::DecryptionFailed
        | age::DecryptError::KeyDecryptionFailed => OpenError::WrongKey,
        age::DecryptError::InvalidHeader | age::DecryptError::InvalidMac => {
            OpenError::Damaged { cause: "its header is not an age header".to_owned() }
        }
        other => OpenError::Damaged { cause: other.to_string() },
    }
}

/// The sealed bytes, block by block.
struct DagReader<B> {
    walk: DagWalk,
    block: B,
    leaf: Bytes,
    fault: Option<OpenError>,
    size: u64,
}

impl<B: FnMut(Cid) -> Result<Bytes, OpenError>> DagReader<B> {
    fn next_leaf(&mut self) -> Result<Option<Bytes>, OpenError> {
        while let Next::Want(cid) = self.walk.next() {
            let block = (self.block)(cid)?;
            let supplied = self.walk.supply(cid, block);
            if let Some(leaf) = supplied.map_err(|error| OpenError::Source { cause: error.to_string() })? {
                return Ok(Some(leaf));
            }
        }
        Ok(None)
    }
}

impl<B: FnMut(Cid) -> Result<Bytes, OpenError>> Read for DagReader<B> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.leaf.is_empty() {
            match self.next_leaf() {
                Ok(Some(leaf)) => self.leaf = leaf,
                Ok(None) => return Ok(0),
                Err(fault) => {
                    let text = fault.to_string();
                    self.fault = Some(fault);
                    return Err(io::Error::other(text));
                }
            }
        }
        let read = target.len().min(self.leaf.len());
        target[..read].copy_from_slice(&self.leaf[..read]);
        self.leaf.advance(read);
        self.size += read as u64;
        Ok(read)
    }
}

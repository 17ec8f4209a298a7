//! Sealing: plaintext in, the blocks of a sealed file out, with what the ledger records of it.

use std::io::{self, Read, Write};

use offchain::{Binding, BindingHasher, BlockSink, Cid, DagBuilder};
use protocol::limits::REPORT_BYTES_MAX;

use crate::data_key::DataKey;
use crate::error::SealError;

/// Plaintext read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// A sealed report. It holds the key.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Root of the sealed file's DAG.
    pub cid: Cid,
    /// The key that opens it.
    pub data_key: DataKey,
    /// SHA-256(data key ‖ plaintext).
    pub binding: Binding,
    /// Bytes of the plaintext.
    pub size: u64,
    /// Bytes of the sealed file.
    pub sealed_size: u64,
}

/// Seals what `source` gives to a fresh data key and hands the blocks of the sealed file to `sink`, children before
/// parents, the root last. Sealing the same bytes twice gives two keys and two CIDs.
///
/// # Errors
/// [`SealError`] where source or sink fail, or the report is too large; blocks handed out until then are of no use.
pub fn seal<S, E>(mut source: impl Read, sink: S) -> Result<Sealed, SealError>
where
    S: BlockSink<Error = E>,
    E: std::error::Error + Send + Sync + 'static,
{
    let fault = |cause: String| SealError::Sealing { cause };
    let data_key = DataKey::generate().map_err(|error| fault(error.to_string()))?;
    let recipient = data_key.identity().map_err(|error| fault(error.to_string()))?.to_public();
    let recipients: [&dyn age::Recipient; 1] = [&recipient];
    let encryptor =
        age::Encryptor::with_recipients(recipients.into_iter()).map_err(|error| fault(error.to_string()))?;
    let mut sealing = encryptor.wrap_output(DagWriter(DagBuilder::new(sink))).map_err(SealError::Sink)?;
    let mut binding = BindingHasher::new(data_key.as_bytes());
    let mut size = 0_u64;
    let mut chunk = zeroize::Zeroizing::new(vec![0; CHUNK_BYTES]);
    loop {
        let read = read_some(&mut source, &mut chunk).map_err(SealError::Source)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        if size > REPORT_BYTES_MAX {
            return Err(SealError::TooLarge { limit: REPORT_BYTES_MAX });
        }
        binding.update(&chunk[..read]);
        sealing.write_all(&chunk[..read]).map_err(SealError::Sink)?;
    }
    let DagWriter(builder) = sealing.finish().map_err(SealError::Sink)?;
    let root = builder.finish().map_err(|error| SealError::Sink(io::Error::other(error)))?;
    Ok(Sealed { cid: root.cid, data_key, binding: binding.finish(), size, sealed_size: root.size })
}

fn read_some(source: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The sealed bytes on their way into blocks.
struct DagWriter<S>(DagBuilder<S>);

impl<S: BlockSink> Write for DagWriter<S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

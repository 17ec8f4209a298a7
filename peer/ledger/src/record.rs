//! The commit record: what the ledger concluded of one block.

use protocol::codec::{self, DecodeError};
use protocol::limits::BLOCK_ENVELOPES_MAX;
use protocol::{BlockHash, CommitHash, TxValidationCode};
use serde::{Deserialize, Serialize};

/// One byte an envelope, two hashes and their framing.
const RECORD_BYTES_MAX: usize = BLOCK_ENVELOPES_MAX + (1 << 10);

/// Block hash, commit hash and codes of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommitRecord {
    version: u16,
    pub(crate) block_hash: BlockHash,
    pub(crate) commit_hash: CommitHash,
    #[serde(with = "serde_bytes")]
    codes: Vec<u8>,
}

impl CommitRecord {
    const VERSION: u16 = 1;

    pub(crate) fn new(
        block_hash: BlockHash,
        commit_hash: CommitHash,
        codes: impl Iterator<Item = TxValidationCode>,
    ) -> Self {
        let codes = codes.map(TxValidationCode::number).collect();
        Self { version: Self::VERSION, block_hash, commit_hash, codes }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let record: Self = codec::decode(bytes, RECORD_BYTES_MAX)?;
        codec::expect_version("CommitRecord", record.version, Self::VERSION)?;
        Ok(record)
    }

    /// The codes in order, `None` where a number is no code.
    pub(crate) fn codes(&self) -> Option<Vec<TxValidationCode>> {
        self.codes.iter().map(|number| TxValidationCode::from_number(*number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_fixed_bytes_and_reads_back() {
        let codes = [TxValidationCode::Valid, TxValidationCode::MvccReadConflict];
        let record = CommitRecord::new(BlockHash([1; 32]), CommitHash([2; 32]), codes.into_iter());
        let bytes = record.to_bytes();
        let expected =
            [&[0x94, 1, 0xc4, 32][..], &[1; 32], &[0xc4, 32], &[2; 32], &[0xc4, 2, 0, 11]].concat();
        assert_eq!(bytes, expected);
        let read = CommitRecord::from_bytes(&bytes).expect("reads back");
        assert_eq!((read.codes(), &read), (Some(codes.to_vec()), &record));
        for cut in 0..bytes.len() {
            assert!(CommitRecord::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let newer = CommitRecord { version: 2, ..record.clone() };
        let error = CommitRecord::from_bytes(&newer.to_bytes()).expect_err("newer");
        assert!(error.to_string().contains("newer release"), "{error}");
        assert_eq!(CommitRecord { codes: vec![0, 200], ..record }.codes(), None);
    }
}

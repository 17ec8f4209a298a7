//! A channel's ledger in memory: it commits what it is given, with the code it is given.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use configtx::ConfigBundle;
use protocol::{
    Block, BlockHash, BlockHeader, BlockNumber, ChannelConfig, ChannelId, CommitHash, IdentityRecord,
    IdentityStatus, MspId, Poi, Proof, TxId, TxNumber, TxValidationCode, Version, data_hash,
};
use tokio::sync::watch;
use validation::parse_transaction;

use super::fixture::NOW_MS;
use crate::ports::{ChannelLedger, CommittedAt, LedgerFault};

#[derive(Debug, Default)]
struct Inner {
    blocks: Vec<Block>,
    verdicts: Vec<Vec<TxValidationCode>>,
    transactions: BTreeMap<TxId, (CommittedAt, Bytes)>,
    state: BTreeMap<(String, String), (Bytes, Version)>,
    identities: BTreeMap<(MspId, Poi), IdentityRecord>,
    differences: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct MemoryLedger {
    channel: ChannelId,
    bundle: Mutex<Arc<ConfigBundle>>,
    inner: Mutex<Inner>,
    /// Records of identities and commit hashes that were read.
    reads: AtomicUsize,
    /// Follows the height.
    pub(crate) heights: watch::Sender<u64>,
}

impl MemoryLedger {
    pub(crate) fn new(bundle: Arc<ConfigBundle>) -> Self {
        let mut inner = Inner::default();
        for first in &bundle.config().first_identities {
            let record = IdentityRecord {
                version: IdentityRecord::VERSION,
                msp_id: first.msp_id.clone(),
                poi: first.poi,
                roles: first.roles.clone(),
                certificate: first.certificate.clone(),
                tls_spki: vec![],
                status: IdentityStatus::Active,
                changed_at: vec![BlockNumber(0)],
            };
            inner.identities.insert((first.msp_id.clone(), first.poi), record);
        }
        let ledger = Self {
            channel: bundle.config().channel.clone(),
            bundle: Mutex::new(bundle),
            inner: Mutex::new(inner),
            reads: AtomicUsize::new(0),
            heights: watch::Sender::new(0),
        };
        ledger.commit(&[]);
        ledger
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics while it holds the ledger")
    }

    /// Commits a block.
    pub(crate) fn commit(&self, envelopes: &[(Bytes, TxValidationCode)]) -> BlockNumber {
        let mut inner = self.inner();
        let number = BlockNumber(inner.blocks.len() as u64);
        let bytes: Vec<Bytes> = envelopes.iter().map(|(envelope, _)| envelope.clone()).collect();
        let header = BlockHeader {
            version: BlockHeader::VERSION,
            channel: self.channel.clone(),
            number,
            previous_hash: inner.blocks.last().map_or(BlockHash::ZERO, |block| block.header.hash()),
            data_hash: data_hash(&bytes),
            timestamp_ms: NOW_MS + 1_000 + number.0,
            last_config: BlockNumber(0),
            proof: Proof { difficulty_bits: 0, nonce: 0 },
            envelope_count: None,
        };
        for (place, (envelope, code)) in envelopes.iter().enumerate() {
            let tx_number = TxNumber(place as u32);
            let transaction = parse_transaction(envelope).expect("a transaction");
            let at = CommittedAt { block_number: number, tx_number, code: *code };
            inner.transactions.insert(transaction.tx_id, (at, envelope.clone()));
            if *code == TxValidationCode::Valid {
                for set in transaction.rwset.namespaces {
                    for write in set.writes {
                        let key = (set.name.clone(), write.key);
                        match write.value {
                            Some(value) => {
                                inner.state.insert(key, (value, Version { block_number: number, tx_number }));
                            }
                            None => drop(inner.state.remove(&key)),
                        }
                    }
                }
            }
        }
        inner.verdicts.push(envelopes.iter().map(|(_, code)| *code).collect());
        inner.blocks.push(Block { header, envelopes: bytes, signatures: vec![] });
        self.heights.send_replace(number.next().0);
        number
    }

    /// How many records of identities and commit hashes were read.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// Commits so many empty blocks.
    pub(crate) fn grow(&self, blocks: u64) {
        for _ in 0..blocks {
            self.commit(&[]);
        }
    }

    /// Puts another configuration in force.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut ChannelConfig)) {
        let mut config = self.bundle().config().clone();
        (config.sequence, config.first_identities) = (config.sequence + 1, vec![]);
        change(&mut config);
        let bundle = Arc::new(ConfigBundle::new(config).expect("a valid configuration"));
        *self.bundle.lock().expect("no test panics while it holds the bundle") = bundle;
    }

    /// Revokes an identity in the next block.
    pub(crate) fn revoke(&self, msp_id: &MspId, poi: Poi) {
        let number = self.commit(&[]);
        let mut inner = self.inner();
        let record = inner.identities.get_mut(&(msp_id.clone(), poi)).expect("a registered identity");
        record.status = IdentityStatus::Revoked;
        record.changed_at.push(number);
    }

    /// Puts a value into the state behind the chain's back.
    pub(crate) fn damage_state(&self, key: &str, value: &[u8]) {
        let mut inner = self.inner();
        let entry = inner.state.get_mut(&("reports".to_owned(), key.to_owned())).expect("a value");
        entry.0 = Bytes::copy_from_slice(value);
    }

    /// Makes every block differ from its neighbours.
    pub(crate) fn damage_blocks(&self, what: &str) {
        self.inner().differences.push(what.to_owned());
    }
}

impl ChannelLedger for MemoryLedger {
    fn channel(&self) -> &ChannelId {
        &self.channel
    }

    fn bundle(&self) -> Arc<ConfigBundle> {
        Arc::clone(&self.bundle.lock().expect("no test panics while it holds the bundle"))
    }

    fn height(&self) -> u64 {
        self.inner().blocks.len() as u64
    }

    fn block(&self, number: BlockNumber) -> Result<Option<Bytes>, LedgerFault> {
        Ok(self.inner().blocks.get(number.0 as usize).map(|block| block.to_bytes().into()))
    }

    fn verdicts(&self, number: BlockNumber) -> Result<Option<Vec<TxValidationCode>>, LedgerFault> {
        Ok(self.inner().verdicts.get(number.0 as usize).cloned())
    }

    fn differences(&self, _: BlockNumber) -> Vec<String> {
        self.inner().differences.clone()
    }

    /// Some hash that every ledger with these blocks has.
    fn commit_hash(&self, number: BlockNumber) -> Result<Option<CommitHash>, LedgerFault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let inner = self.inner();
        Ok(inner.blocks.get(number.0 as usize).map(|block| CommitHash::of(block.header.hash().as_bytes())))
    }

    fn transaction(&self, tx_id: &TxId) -> Result<Option<CommittedAt>, LedgerFault> {
        Ok(self.inner().transactions.get(tx_id).map(|(at, _)| *at))
    }

    fn envelope(&self, tx_id: &TxId) -> Result<Option<Bytes>, LedgerFault> {
        Ok(self.inner().transactions.get(tx_id).map(|(_, envelope)| envelope.clone()))
    }

    fn state(&self, namespace: &str, key: &str) -> Result<Option<(Bytes, Version)>, LedgerFault> {
        Ok(self.inner().state.get(&(namespace.to_owned(), key.to_owned())).cloned())
    }

    fn identity(&self, msp_id: &MspId, poi: &Poi) -> Result<Option<IdentityRecord>, LedgerFault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(self.inner().identities.get(&(msp_id.clone(), *poi)).cloned())
    }

    fn block_time_ms(&self) -> u64 {
        self.inner().blocks.last().map_or(0, |block| block.header.timestamp_ms)
    }
}

//! What the upkeep has still to do, kept beside the keys so that no end of the process forgets it.
//!
//! Three lists: deposits that are owed (written by [`Custody::owe`]), reports whose sealed bytes are wanted, and for each
//! channel the first block whose reports were not looked after. All three may be repeated without harm, so a list that
//! lost its last entries to a power failure costs work and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use protocol::codec;
use protocol::{BlockNumber, ChannelId, MspId, TxId};
use serde::{Deserialize, Serialize};
use store::{Batch, Durability, KeyRange, Order, Read};

use super::entry::{self, ENTRY_BYTES_MAX, Entry, VERSION};
use super::vault::{
    Custody, CustodyError, DEPOSITS, KEYS, KeyEntry, OwedDeposit, PROGRESS, WANTED, entry_key,
};

/// A report whose sealed bytes this peer should hold and does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WantedReport {
    version: u16,
    pub(crate) channel: ChannelId,
    pub(crate) report_id: TxId,
}

#[derive(Serialize, Deserialize)]
struct Progress {
    version: u16,
    next: BlockNumber,
}

impl Entry for WantedReport {
    const NAME: &'static str = "WantedReport";

    fn version(&self) -> u16 {
        self.version
    }
}

impl Entry for Progress {
    const NAME: &'static str = "Progress";

    fn version(&self) -> u16 {
        self.version
    }
}

/// The part of a list that comes after an entry.
fn after(key: &[u8]) -> KeyRange {
    KeyRange::from([key, &[0]].concat())
}

impl Custody {
    /// The custodians to whom something is owed.
    pub(crate) fn custodians_owed(&self) -> Result<BTreeSet<MspId>, CustodyError> {
        let mut custodians = BTreeSet::new();
        self.each_owed(&KeyRange::all(), |_, owed| {
            custodians.insert(owed.to);
            ControlFlow::Continue(())
        })?;
        Ok(custodians)
    }

    /// At most `limit` deposits owed to one custodian, those after `last` in the order of the list.
    pub(crate) fn owed_to(
        &self,
        to: &MspId,
        last: Option<&OwedDeposit>,
        limit: usize,
    ) -> Result<Vec<OwedDeposit>, CustodyError> {
        let range = last.map_or_else(KeyRange::all, |OwedDeposit { channel, report_id, to }| {
            after(&entry_key(channel, report_id, to.as_str()))
        });
        let mut found = Vec::new();
        self.each_owed(&range, |_, owed| {
            if owed.to == *to {
                found.push(owed);
            }
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(found)
    }

    /// How many deposits are owed.
    pub(crate) fn owed_count(&self) -> Result<usize, CustodyError> {
        let mut count = 0;
        self.store.walk(DEPOSITS, &KeyRange::all(), Order::Ascending, |_, _| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    fn each_owed(
        &self,
        range: &KeyRange,
        mut look: impl FnMut(&[u8], OwedDeposit) -> ControlFlow<()>,
    ) -> Result<(), CustodyError> {
        let mut fault = None;
        self.store.walk(DEPOSITS, range, Order::Ascending, |key, value| {
            match codec::decode(value, ENTRY_BYTES_MAX) {
                Ok(owed) => look(key, owed),
                Err(error) => {
                    fault = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        fault.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The reports of the keys that are here, by the CID that each key opens.
    pub(crate) fn reports_by_cid(&self) -> Result<BTreeMap<String, Vec<(ChannelId, TxId)>>, CustodyError> {
        let mut reports: BTreeMap<String, Vec<(ChannelId, TxId)>> = BTreeMap::new();
        let mut fault = None;
        self.store.walk(KEYS, &KeyRange::all(), Order::Ascending, |key, value| {
            match entry::read::<KeyEntry>(value) {
                Ok(entry) => {
                    if let Some(report) = report_of(key) {
                        reports.entry(entry.cid).or_default().push(report);
                    }
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    fault = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        fault.map_or(Ok(reports), |error| Err(error.into()))
    }

    /// Notes that a report's sealed bytes are wanted.
    pub(crate) fn want(&self, channel: &ChannelId, report_id: &TxId) -> Result<(), CustodyError> {
        let wanted =
            WantedReport { version: VERSION, channel: channel.clone(), report_id: report_id.clone() };
        self.put(WANTED, entry_key(channel, report_id, ""), &wanted)
    }

    /// At most `limit` wanted reports, those after `last` in the order of the list.
    pub(crate) fn wanted(
        &self,
        last: Option<&WantedReport>,
        limit: usize,
    ) -> Result<Vec<WantedReport>, CustodyError> {
        let range =
            last.map_or_else(KeyRange::all, |last| after(&entry_key(&last.channel, &last.report_id, "")));
        let entries = self.store.scan(WANTED, &range, Order::Ascending, limit)?;
        entries.iter().map(|(_, value)| Ok(entry::read(value)?)).collect()
    }

    /// Notes that a report's sealed bytes are no longer wanted.
    pub(crate) fn no_longer_want(&self, wanted: &WantedReport) -> Result<(), CustodyError> {
        let mut batch = Batch::new();
        batch.delete(WANTED, entry_key(&wanted.channel, &wanted.report_id, ""));
        Ok(self.store.write(&batch, Durability::Unsynced)?)
    }

    /// The first block of a channel whose reports were not looked after.
    pub(crate) fn looked_after(&self, channel: &ChannelId) -> Result<BlockNumber, CustodyError> {
        let progress = self.entry::<Progress>(PROGRESS, channel.as_str().as_bytes())?;
        Ok(progress.map_or(BlockNumber(0), |progress| progress.next))
    }

    /// Notes that the reports of all blocks before `next` were looked after. What that rests on is on disk by now.
    pub(crate) fn set_looked_after(
        &self,
        channel: &ChannelId,
        next: BlockNumber,
    ) -> Result<(), CustodyError> {
        let mut batch = Batch::new();
        let progress = Progress { version: VERSION, next };
        batch.put(PROGRESS, channel.as_str().as_bytes().to_vec(), codec::encode(&progress));
        Ok(self.store.write(&batch, Durability::Unsynced)?)
    }
}

/// Channel and transaction of a key's place, as [`entry_key`] made it.
fn report_of(key: &[u8]) -> Option<(ChannelId, TxId)> {
    let mut parts = std::str::from_utf8(key).ok()?.split('\0');
    let (report_id, channel) = (parts.next()?, parts.next()?);
    Some((ChannelId::new(channel).ok()?, report_id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_on_disk_are_frozen_and_a_newer_release_is_named() {
        let channel = ChannelId::new("c").expect("a name");
        let report_id: TxId = "ab".repeat(32).parse().expect("an id");
        let id = format!("d940{}", hex::encode("ab".repeat(32)));
        let wanted = WantedReport { version: VERSION, channel, report_id };
        // [version, channel, report]
        assert_eq!(hex::encode(codec::encode(&wanted)), format!("9301a163{id}"));
        let progress = Progress { version: VERSION, next: BlockNumber(700) };
        // [version, next block]
        assert_eq!(hex::encode(codec::encode(&progress)), "9201cd02bc");
        let newer = codec::encode(&Progress { version: 2, ..progress });
        let error = entry::read::<Progress>(&newer).err().expect("newer").to_string();
        assert!(error.contains("Progress has version 2") && error.contains("newer release"), "{error}");
    }
}

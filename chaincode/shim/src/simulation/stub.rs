//! The calls that a chaincode makes, on a simulation.

use bytes::Bytes;
use protocol::limits::VALUE_BYTES_MAX;
use protocol::{ChannelId, MspConfig, ReportsConfig, TxId};

use super::{FIRST_PAGE, Simulation, within};
use crate::chaincode::{StatePage, Stub, StubError};
use crate::composite_key::{partial_range, plain_start};
use crate::invocation::{Creator, Examination};
use crate::state::KeyModification;

/// Changes of a key that are read at a time: each may cost a block.
const PAGE_CHANGES: usize = 16;

impl Stub for Simulation {
    fn function(&self) -> &str {
        &self.function
    }

    fn args(&self) -> &[Bytes] {
        self.invocation.args.get(1..).unwrap_or(&[])
    }

    fn tx_id(&self) -> &TxId {
        &self.invocation.tx_id
    }

    fn channel(&self) -> &ChannelId {
        &self.invocation.channel
    }

    fn version(&self) -> &str {
        &self.invocation.version
    }

    fn creator(&self) -> &Creator {
        &self.invocation.creator
    }

    fn timestamp_ms(&self) -> u64 {
        self.invocation.timestamp_ms
    }

    fn transient(&self, name: &str) -> Option<&[u8]> {
        self.invocation.transient.get(name).map(Vec::as_slice)
    }

    fn reports_config(&self) -> Option<&ReportsConfig> {
        self.invocation.reports.as_ref()
    }

    fn organization(&self) -> Option<&MspConfig> {
        self.invocation.organization.as_ref()
    }

    fn examination(&self) -> Option<&Examination> {
        self.invocation.examination.as_ref()
    }

    fn state(&mut self, key: &str) -> Result<Option<Bytes>, StubError> {
        self.check_time()?;
        Self::check_key(key)?;
        let found = self.state.value(self.invocation.chaincode.as_str(), key);
        let found = found.map_err(|fault| self.end(fault))?;
        self.count_read(found.as_ref().map_or(0, |(value, _)| value.len()))?;
        let version = found.as_ref().map(|(_, version)| *version);
        self.reads.entry(key.to_owned()).or_insert(version);
        Ok(found.map(|(value, _)| value))
    }

    fn put_state(&mut self, key: &str, value: Bytes) -> Result<(), StubError> {
        self.write(key, Some(value))
    }

    fn delete_state(&mut self, key: &str) -> Result<(), StubError> {
        self.write(key, None)
    }

    fn range(&mut self, start: &str, end: &str, limit: usize) -> Result<Vec<(String, Bytes)>, StubError> {
        self.check_time()?;
        let (found, _) = self.recorded_scan(plain_start(start)?, end, limit)?;
        Ok(found)
    }

    fn state_by_range_with_pagination(
        &mut self,
        (start, end): (&str, &str),
        page_size: usize,
        bookmark: &str,
    ) -> Result<StatePage, StubError> {
        self.check_time()?;
        if !self.writes.is_empty() {
            return Err(StubError::PagedWrite);
        }
        self.is_paged = true;
        let start = plain_start(start)?;
        let is_inside = start <= bookmark && (end.is_empty() || bookmark < end);
        if !(bookmark.is_empty() || is_inside) {
            return Err(StubError::BadBookmark { bookmark: bookmark.chars().take(64).collect() });
        }
        let from = if bookmark.is_empty() { start } else { bookmark };
        let (records, next) = self.recorded_scan(from, end, page_size.max(1))?;
        Ok(StatePage { records, bookmark: next.unwrap_or_default() })
    }

    fn state_by_partial_composite_key(
        &mut self,
        object_type: &str,
        attributes: &[&str],
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, StubError> {
        self.check_time()?;
        let (start, end) = partial_range(object_type, attributes)?;
        let (found, _) = self.recorded_scan(&start, &end, limit)?;
        Ok(found)
    }

    fn history_for_key(&mut self, key: &str, limit: usize) -> Result<Vec<KeyModification>, StubError> {
        self.check_time()?;
        Self::check_key(key)?;
        let mut found: Vec<KeyModification> = Vec::new();
        // Page by page, so that time and budget stop it before more is in memory than they allow.
        loop {
            let largest = found.iter().filter_map(|change| Some(change.value.as_ref()?.len())).max();
            let fits = largest.map_or(FIRST_PAGE, |largest| self.page_of(largest).min(PAGE_CHANGES));
            let wanted = (limit - found.len()).min(fits);
            let before = found.last().map(|oldest| oldest.version);
            let page = self.state.history(self.invocation.chaincode.as_str(), key, before, wanted);
            let page = page.map_err(|fault| self.end(fault))?;
            let is_last = page.len() < wanted;
            for change in &page {
                self.count_read(change.value.as_ref().map_or(0, Bytes::len))?;
            }
            found.extend(page);
            if is_last || found.len() >= limit {
                return Ok(found);
            }
            self.check_time()?;
        }
    }

    fn set_event(&mut self, name: &str, payload: Bytes) -> Result<(), StubError> {
        self.check_time()?;
        Self::check_key(name)?;
        within(payload.len(), VALUE_BYTES_MAX, "bytes of an event")?;
        self.event = Some((name.to_owned(), payload));
        Ok(())
    }
}

//! The stub that peers run chaincodes on: it records reads, ranges and writes, within limits.
//!
//! It runs on an endorsing peer and on a peer that evaluates. It never writes state: the result is a read-write set.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;

use bytes::Bytes;
use protocol::limits::{KEY_BYTES_MAX, RWSET_ENTRIES_MAX, VALUE_BYTES_MAX};
use protocol::{KvRead, KvWrite, NamespaceSet, RangeQuery, ReadWriteSet, Version};

use crate::chaincode::StubError;
use crate::invocation::Invocation;
use crate::state::StateReader;

mod stub;
#[cfg(test)]
mod tests;

/// Tells whether a run's time is over. Hosts implement it over their clock.
pub trait Deadline: Send + Sync {
    /// Whether the run must end now.
    fn is_over(&self) -> bool;
}

/// A run without a deadline, for tests of chaincodes.
#[derive(Clone, Copy, Debug)]
pub struct NoDeadline;

impl Deadline for NoDeadline {
    fn is_over(&self) -> bool {
        false
    }
}

/// Keys that a range reads at a time: between two such pages time and budget are looked at.
const PAGE_KEYS: usize = 100;
/// Values that are read before their size is known: the largest that a transaction can write, four times, is the budget of
/// a run.
const FIRST_PAGE: usize = 4;

/// Calls that a run may make after it is over, such as to go through a list to its end. Whoever goes on beyond that takes no
/// error of the stub for one, and may never end by itself.
const CALLS_AFTER_END_MAX: usize = 100;

/// What the stack of a run is unwound with that goes on calling its stub after it is over; the host catches it.
#[derive(Debug)]
pub struct RunOver(pub StubError);

/// A key of a range with its value.
type Found = (String, Bytes, Version);

/// How much one run may read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulationLimits {
    /// Reads, keys returned by ranges, and writes, each.
    pub entries_max: usize,
    /// Bytes of keys and values written.
    pub written_bytes_max: usize,
    /// Bytes of values read.
    pub read_bytes_max: usize,
}

impl Default for SimulationLimits {
    /// 50,000 entries; 8 MiB written, so that an endorsement stays below a message's limit; 64 MiB read.
    fn default() -> Self {
        Self { entries_max: RWSET_ENTRIES_MAX, written_bytes_max: 8 << 20, read_bytes_max: 64 << 20 }
    }
}

/// What a run leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulationResult {
    /// Reads and writes, canonical.
    pub rwset: ReadWriteSet,
    /// Name and content of the event, if one was set.
    pub event: Option<(String, Bytes)>,
}

/// A [`Stub`] over committed state.
pub struct Simulation {
    invocation: Invocation,
    function: String,
    state: Arc<dyn StateReader>,
    deadline: Arc<dyn Deadline>,
    limits: SimulationLimits,
    reads: BTreeMap<String, Option<Version>>,
    ranges: Vec<RangeQuery>,
    writes: BTreeMap<String, Option<Bytes>>,
    event: Option<(String, Bytes)>,
    read_bytes: usize,
    read_entries: usize,
    written_bytes: usize,
    /// Whether the run has read by pages, after which it may not write.
    is_paged: bool,
    /// Why the run is over, though its chaincode may not have noticed.
    ended: Option<StubError>,
    calls_after_end: usize,
}

impl Simulation {
    /// Prepares a run. The chaincode's namespace is its name.
    #[must_use]
    pub fn new(
        invocation: Invocation,
        state: Arc<dyn StateReader>,
        deadline: Arc<dyn Deadline>,
        limits: SimulationLimits,
    ) -> Self {
        let function =
            invocation.args.first().and_then(|arg| std::str::from_utf8(arg).ok()).unwrap_or("").to_owned();
        Self {
            invocation,
            function,
            state,
            deadline,
            limits,
            reads: BTreeMap::new(),
            ranges: Vec::new(),
            writes: BTreeMap::new(),
            event: None,
            read_bytes: 0,
            read_entries: 0,
            written_bytes: 0,
            is_paged: false,
            ended: None,
            calls_after_end: 0,
        }
    }

    /// Why nothing that this run answers may be used: its time or a budget was over, or the state could not be read. From
    /// then on every call failed the same way, but a chaincode may have passed over that.
    #[must_use]
    pub const fn ended(&self) -> Option<&StubError> {
        self.ended.as_ref()
    }

    /// Ends the run.
    #[must_use]
    pub fn finish(self) -> SimulationResult {
        let touched = !(self.reads.is_empty() && self.ranges.is_empty() && self.writes.is_empty());
        let namespace = NamespaceSet {
            name: self.invocation.chaincode.as_str().to_owned(),
            reads: self.reads.into_iter().map(|(key, version)| KvRead { key, version }).collect(),
            ranges: self.ranges,
            writes: self.writes.into_iter().map(|(key, value)| KvWrite { key, value }).collect(),
            metadata_writes: Vec::new(),
            private: Vec::new(),
        };
        let namespaces = if touched { vec![namespace] } else { Vec::new() };
        SimulationResult {
            rwset: ReadWriteSet { version: ReadWriteSet::VERSION, namespaces },
            event: self.event,
        }
    }

    /// Every call begins here: a run that is over stays so, and ends whether its chaincode heeds that or not.
    fn check_time(&mut self) -> Result<(), StubError> {
        if let Some(error) = &self.ended {
            self.calls_after_end += 1;
            if self.calls_after_end > CALLS_AFTER_END_MAX {
                resume_unwind(Box::new(RunOver(error.clone())));
            }
            return Err(error.clone());
        }
        if self.deadline.is_over() { Err(self.end(StubError::DeadlineExceeded)) } else { Ok(()) }
    }

    /// Ends the run. What it would go on with is less than it asked for, and it must not be taken for all.
    fn end(&mut self, error: impl Into<StubError>) -> StubError {
        let error = error.into();
        self.ended = Some(error.clone());
        error
    }

    /// Spends of a budget of the whole run.
    fn spend(&mut self, count: usize, limit: usize, what: &'static str) -> Result<(), StubError> {
        within(count, limit, what).map_err(|error| self.end(error))
    }

    fn check_key(key: &str) -> Result<(), StubError> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(StubError::BadKey { key: key.chars().take(64).collect() });
        }
        Ok(())
    }

    fn count_read(&mut self, bytes: usize) -> Result<(), StubError> {
        self.read_entries += 1;
        self.read_bytes = self.read_bytes.saturating_add(bytes);
        self.spend(self.read_entries, self.limits.entries_max, "reads")?;
        self.spend(self.read_bytes, self.limits.read_bytes_max, "bytes read")
    }

    /// How many values of a size that was met fit into what is left of the budget; at least one, which then ends the run.
    fn page_of(&self, largest: usize) -> usize {
        let left = self.limits.read_bytes_max.saturating_sub(self.read_bytes);
        (left / largest.max(1)).max(1)
    }

    /// The first `asked` keys of a range, and the one behind them; `None` where these are all. Read page by page, so that
    /// time and budget stop it before more is in memory than they allow.
    fn scan(
        &mut self,
        start: &str,
        end: &str,
        asked: usize,
    ) -> Result<(Vec<Found>, Option<String>), StubError> {
        let mut found: Vec<Found> = Vec::new();
        let (mut from, mut largest) = (start.to_owned(), 0);
        loop {
            // One more than asked for tells whether the range ends here.
            let fits = if found.is_empty() { FIRST_PAGE } else { self.page_of(largest).min(PAGE_KEYS) };
            let wanted = (asked - found.len()).saturating_add(1).min(fits);
            let page = self.state.values(self.invocation.chaincode.as_str(), &from, end, wanted);
            let page = page.map_err(|fault| self.end(fault))?;
            let is_last = page.len() < wanted;
            for (key, value, version) in page {
                if found.len() == asked {
                    return Ok((found, Some(key)));
                }
                self.count_read(value.len())?;
                largest = largest.max(value.len());
                found.push((key, value, version));
            }
            match found.last() {
                Some((last, ..)) if !is_last => from = format!("{last}\0"),
                _ => return Ok((found, None)),
            }
            self.check_time()?;
        }
    }

    /// A scan that is recorded for validation: exactly what was seen of it.
    fn recorded_scan(
        &mut self,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<(Vec<(String, Bytes)>, Option<String>), StubError> {
        self.spend(self.ranges.len() + 1, self.limits.entries_max, "ranges")?;
        let (found, next) = self.scan(start, end, limit.min(self.limits.entries_max))?;
        let results: Vec<(String, Version)> =
            found.iter().map(|(key, _, version)| (key.clone(), *version)).collect();
        let seen_end = match (&next, results.last()) {
            (Some(_), Some((last, _))) => format!("{last}\0"),
            (Some(_), None) => start.to_owned(),
            (None, _) => end.to_owned(),
        };
        self.ranges.push(RangeQuery {
            start: start.to_owned(),
            end: seen_end,
            exhausted: next.is_none(),
            digest: RangeQuery::digest_of(&results),
        });
        Ok((found.into_iter().map(|(key, value, _)| (key, value)).collect(), next))
    }

    fn write(&mut self, key: &str, value: Option<Bytes>) -> Result<(), StubError> {
        self.check_time()?;
        if self.is_paged {
            return Err(StubError::PagedWrite);
        }
        Self::check_key(key)?;
        let bytes = value.as_ref().map_or(0, Bytes::len);
        within(bytes, VALUE_BYTES_MAX, "bytes of a value")?;
        self.written_bytes = self.written_bytes.saturating_add(key.len() + bytes);
        self.spend(self.written_bytes, self.limits.written_bytes_max, "bytes written")?;
        self.writes.insert(key.to_owned(), value);
        self.spend(self.writes.len(), self.limits.entries_max, "writes")
    }
}

const fn within(count: usize, limit: usize, what: &'static str) -> Result<(), StubError> {
    if count > limit { Err(StubError::OverBudget { what, limit }) } else { Ok(()) }
}

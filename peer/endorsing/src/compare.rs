//! Compares the endorsers' answers, and says in which part the first pair of them differs.
//!
//! Equal payload bytes are equal answers; only where they differ is anything decoded. Keys are quoted, and the messages
//! that a chaincode answered in place of a result; values are named by length and digest, since the text may reach a
//! log.

use std::{collections::BTreeMap, fmt};

use prost::Message;
use protocol::{
    Digest, MspId, NamespaceSet, ReadWriteSet, Version,
    fabric::{ChaincodeAction, ProposalResponse, ProposalResponsePayload, Response},
};

use crate::endorse::is_success;

/// Characters of a chaincode's message that are quoted.
const MESSAGE_CHARS_MAX: usize = 200;
/// Hex digits of a digest that tell values apart in a text.
const DIGEST_DIGITS: usize = 16;

/// Two endorsers' answers differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} answered differently: {field}")]
pub struct Difference {
    /// The first endorser's organisation.
    pub first: MspId,
    /// The organisation that answered otherwise.
    pub second: MspId,
    /// The first part that differs. Boxed, since it is large and rare.
    pub field: Box<DifferingField>,
}

/// A value, by length and digest; `None` for a deletion or an absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueMark(Option<(usize, Digest)>);

impl ValueMark {
    fn of(value: Option<&[u8]>) -> Self {
        Self(value.map(|bytes| (bytes.len(), Digest::of(bytes))))
    }
}

impl fmt::Display for ValueMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("none"),
            Some((bytes, digest)) => {
                write!(f, "{bytes} bytes (SHA-256 {:.DIGEST_DIGITS$})", digest.to_string())
            }
        }
    }
}

/// The part in which two answers differ, with what each endorser said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DifferingField {
    /// The chaincode succeeded on one endorser only, or failed on both: statuses and messages.
    Outcome {
        /// Status and message on the first endorser.
        first: (i32, String),
        /// Status and message on the second.
        second: (i32, String),
    },
    /// They endorsed different proposals.
    ProposalHash,
    /// Other chaincodes or versions ran.
    Chaincode {
        /// Name and version on the first endorser.
        first: String,
        /// Name and version on the second.
        second: String,
    },
    /// The chaincode's answers differ.
    Response {
        /// Status and payload of the first endorser.
        first: (i32, ValueMark),
        /// Status and payload of the second.
        second: (i32, ValueMark),
    },
    /// The chaincode's events differ.
    Event {
        /// The first endorser's.
        first: ValueMark,
        /// The second's.
        second: ValueMark,
    },
    /// Only one of them touched this namespace.
    Namespace {
        /// The namespace.
        namespace: String,
    },
    /// A key was read at different versions, or by one of them only.
    Read {
        /// The namespace.
        namespace: String,
        /// The key.
        key: String,
        /// What the first endorser read: nothing, or the version that it found.
        first: Option<Option<Version>>,
        /// What the second read.
        second: Option<Option<Version>>,
    },
    /// The scans differ, in number, bounds or results.
    Range {
        /// The namespace.
        namespace: String,
        /// The first scan that differs: its start and end, of whichever endorser made it.
        bounds: (String, String),
    },
    /// A key was written differently, or by one of them only.
    Write {
        /// The namespace.
        namespace: String,
        /// The key.
        key: String,
        /// What the first endorser wrote: no write, or a value or deletion.
        first: Option<ValueMark>,
        /// What the second wrote.
        second: Option<ValueMark>,
    },
    /// The answers differ in a part that this release does not know, or cannot be read.
    Encoding,
}

impl fmt::Display for DifferingField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome { first, second } => {
                write!(f, "chaincode status {} {:?} and {} {:?}", first.0, first.1, second.0, second.1)
            }
            Self::ProposalHash => f.write_str("they endorsed different proposals"),
            Self::Chaincode { first, second } => {
                write!(
                    f,
                    "chaincode {first} and {second}; all peers must run the version in the configuration"
                )
            }
            Self::Response { first, second } => write!(
                f,
                "response status {} with {} and {} with {}; the chaincode is not deterministic",
                first.0, first.1, second.0, second.1
            ),
            Self::Event { first, second } => write!(f, "event of {first} and of {second}"),
            Self::Namespace { namespace } => {
                write!(f, "namespace {namespace:?} was touched by one of them only")
            }
            Self::Read { namespace, key, first, second } => write!(
                f,
                "read of {key:?} in {namespace:?}: {} and {}; the peers are at different heights, try again",
                read_text(first),
                read_text(second)
            ),
            Self::Range { namespace, bounds } => write!(
                f,
                "scan of {:?} to {:?} in {namespace:?}; the peers are at different heights, try again",
                bounds.0, bounds.1
            ),
            Self::Write { namespace, key, first, second } => write!(
                f,
                "write of {key:?} in {namespace:?}: {} and {}; the chaincode is not deterministic",
                write_text(first),
                write_text(second)
            ),
            Self::Encoding => {
                f.write_str("the answers' bytes differ in a part that this release does not know")
            }
        }
    }
}

fn read_text(read: &Option<Option<Version>>) -> String {
    match read {
        None => "not read".to_owned(),
        Some(None) => "absent".to_owned(),
        Some(Some(version)) => format!("version {}:{}", version.block_number, version.tx_number.0),
    }
}

fn write_text(write: &Option<ValueMark>) -> String {
    match write {
        None => "not written".to_owned(),
        Some(ValueMark(None)) => "deleted".to_owned(),
        Some(mark) => mark.to_string(),
    }
}

/// Whether all endorsers answered the same; each answer is compared with the first.
///
/// # Errors
/// [`Difference`] of the first answer that differs from the first one, in the first part that differs.
pub fn compare_responses(responses: &[(MspId, ProposalResponse)]) -> Result<(), Difference> {
    let Some(((first, reference), others)) = responses.split_first() else { return Ok(()) };
    for (second, response) in others {
        if let Some(field) = differing_field(reference, response) {
            return Err(Difference { first: first.clone(), second: second.clone(), field: Box::new(field) });
        }
    }
    Ok(())
}

fn differing_field(first: &ProposalResponse, second: &ProposalResponse) -> Option<DifferingField> {
    let outcomes = (outcome(first), outcome(second));
    if !is_success(outcomes.0.0) || !is_success(outcomes.1.0) {
        return (outcomes.0 != outcomes.1)
            .then_some(DifferingField::Outcome { first: outcomes.0, second: outcomes.1 });
    }
    if first.payload == second.payload {
        return None;
    }
    let decoded = (decode(first), decode(second));
    let (Some(a), Some(b)) = decoded else { return Some(DifferingField::Encoding) };
    if a.0.proposal_hash != b.0.proposal_hash {
        return Some(DifferingField::ProposalHash);
    }
    // The answer comes last: it usually differs because a read did.
    Some(
        action_chaincode(&a.1, &b.1)
            .or_else(|| rwset_difference(&a.1, &b.1))
            .or_else(|| event_or_response(&a.1, &b.1))
            .unwrap_or(DifferingField::Encoding),
    )
}

fn outcome(response: &ProposalResponse) -> (i32, String) {
    response.response.as_ref().map_or_else(
        || (0, "no answer".to_owned()),
        |Response { status, message, .. }| (*status, message.chars().take(MESSAGE_CHARS_MAX).collect()),
    )
}

fn decode(response: &ProposalResponse) -> Option<(ProposalResponsePayload, ChaincodeAction)> {
    let payload = ProposalResponsePayload::decode(response.payload.clone()).ok()?;
    let action = ChaincodeAction::decode(payload.extension.clone()).ok()?;
    Some((payload, action))
}

fn action_chaincode(a: &ChaincodeAction, b: &ChaincodeAction) -> Option<DifferingField> {
    let name = |action: &ChaincodeAction| {
        action.chaincode_id.as_ref().map(|id| format!("{} {}", id.name, id.version)).unwrap_or_default()
    };
    (a.chaincode_id != b.chaincode_id).then(|| DifferingField::Chaincode { first: name(a), second: name(b) })
}

fn event_or_response(a: &ChaincodeAction, b: &ChaincodeAction) -> Option<DifferingField> {
    if a.response != b.response {
        let mark = |action: &ChaincodeAction| {
            action.response.as_ref().map_or((0, ValueMark(None)), |response| {
                (response.status, ValueMark::of(Some(&response.payload)))
            })
        };
        return Some(DifferingField::Response { first: mark(a), second: mark(b) });
    }
    (a.events != b.events).then(|| DifferingField::Event {
        first: ValueMark::of(Some(&a.events)),
        second: ValueMark::of(Some(&b.events)),
    })
}

fn rwset_difference(a: &ChaincodeAction, b: &ChaincodeAction) -> Option<DifferingField> {
    if a.results == b.results {
        return None;
    }
    let sets = (ReadWriteSet::from_bytes(&a.results), ReadWriteSet::from_bytes(&b.results));
    let (Ok(a), Ok(b)) = sets else { return Some(DifferingField::Encoding) };
    let names = pair(&a.namespaces, &b.namespaces, |set| &set.name);
    for (name, sets) in &names {
        let (Some(a), Some(b)) = sets else {
            return Some(DifferingField::Namespace { namespace: (*name).clone() });
        };
        // Reads first: a different read explains a different write.
        let found =
            read_difference(a, b).or_else(|| range_difference(a, b)).or_else(|| write_difference(a, b));
        if found.is_some() {
            return found;
        }
    }
    None
}

fn read_difference(a: &NamespaceSet, b: &NamespaceSet) -> Option<DifferingField> {
    let reads = pair(&a.reads, &b.reads, |read| &read.key);
    let (key, (first, second)) = reads.iter().find(|(_, (first, second))| first != second)?;
    Some(DifferingField::Read {
        namespace: a.name.clone(),
        key: (*key).clone(),
        first: first.map(|read| read.version),
        second: second.map(|read| read.version),
    })
}

fn range_difference(a: &NamespaceSet, b: &NamespaceSet) -> Option<DifferingField> {
    let count = a.ranges.len().max(b.ranges.len());
    let place = (0..count).find(|place| a.ranges.get(*place) != b.ranges.get(*place))?;
    let range = a.ranges.get(place).or_else(|| b.ranges.get(place))?;
    let bounds = (range.start.clone(), range.end.clone());
    Some(DifferingField::Range { namespace: a.name.clone(), bounds })
}

fn write_difference(a: &NamespaceSet, b: &NamespaceSet) -> Option<DifferingField> {
    let writes = pair(&a.writes, &b.writes, |write| &write.key);
    let (key, (first, second)) = writes.iter().find(|(_, (first, second))| first != second)?;
    Some(DifferingField::Write {
        namespace: a.name.clone(),
        key: (*key).clone(),
        first: first.map(|write| ValueMark::of(write.value.as_deref())),
        second: second.map(|write| ValueMark::of(write.value.as_deref())),
    })
}

/// An entry of each of two lists.
type Pair<'a, T> = (Option<&'a T>, Option<&'a T>);

/// The entries of both lists by key.
fn pair<'a, T>(a: &'a [T], b: &'a [T], key: fn(&T) -> &String) -> BTreeMap<&'a String, Pair<'a, T>> {
    let mut pairs: BTreeMap<&String, Pair<'a, T>> = BTreeMap::new();
    for item in a {
        pairs.entry(key(item)).or_default().0 = Some(item);
    }
    for item in b {
        pairs.entry(key(item)).or_default().1 = Some(item);
    }
    pairs
}

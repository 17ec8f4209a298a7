//! Compares the endorsers' answers, and says in which part the first pair of them differs.
//!
//! Equal payload bytes are equal answers; only where they differ is anything decoded.

use std::collections::BTreeMap;

use prost::Message;
use protocol::{
    KvWrite, MspId, NamespaceSet, ReadWriteSet,
    fabric::{ChaincodeAction, ChaincodeEvent, ProposalResponse, ProposalResponsePayload, Response},
};

use crate::difference::{Difference, DifferingField, ValueMark};
use crate::endorse::is_success;

/// Characters of a chaincode's message that are quoted.
const MESSAGE_CHARS_MAX: usize = 200;

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
        |Response { status, message, .. }| (*status, shortened(message)),
    )
}

fn shortened(message: &str) -> String {
    message.chars().take(MESSAGE_CHARS_MAX).collect()
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
        let answer = |action: &ChaincodeAction| action.response.clone().unwrap_or_default();
        let (a, b) = (answer(a), answer(b));
        let (first, second) = ValueMark::pair(Some(&a.payload), Some(&b.payload));
        return Some(DifferingField::Response {
            first: (a.status, shortened(&a.message), first),
            second: (b.status, shortened(&b.message), second),
        });
    }
    if a.events == b.events {
        return None;
    }
    let event = |action: &ChaincodeAction| {
        ChaincodeEvent::decode(action.events.clone()).ok().filter(|_| !action.events.is_empty())
    };
    let (a, b) = (event(a), event(b));
    let payload = |event: &Option<ChaincodeEvent>| event.as_ref().map(|event| event.payload.clone());
    let (first, second) = ValueMark::pair(payload(&a).as_deref(), payload(&b).as_deref());
    let name = |event: Option<ChaincodeEvent>| event.map(|event| event.event_name).unwrap_or_default();
    Some(DifferingField::Event { first: (name(a), first), second: (name(b), second) })
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
    let (first, second) = (a.ranges.get(place), b.ranges.get(place));
    // Where a scan ended early, its end is the last key that it found, and so depends on the state.
    let is_of_both = first.zip(second).is_some_and(|(first, second)| first.start == second.start);
    let range = first.or(second)?;
    let bounds = (range.start.clone(), range.end.clone());
    Some(DifferingField::Range { namespace: a.name.clone(), bounds, is_of_both })
}

fn write_difference(a: &NamespaceSet, b: &NamespaceSet) -> Option<DifferingField> {
    let writes = pair(&a.writes, &b.writes, |write| &write.key);
    let (key, (first, second)) = writes.iter().find(|(_, (first, second))| first != second)?;
    let value = |write: &Option<&KvWrite>| write.and_then(|write| write.value.clone());
    let marks = ValueMark::pair(value(first).as_deref(), value(second).as_deref());
    Some(DifferingField::Write {
        namespace: a.name.clone(),
        key: (*key).clone(),
        first: first.map(|_| marks.0),
        second: second.map(|_| marks.1),
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

//! Who is asked to check an upload, and who is asked next where somebody cannot be reached.
//!
//! Pure. The channel says how many of which organisations check (`Checkers`); the own hospital is always one of them, and
//! the others are asked in the channel's order.

use std::collections::BTreeSet;

use protocol::{Checkers, MspId};

use crate::error::Detail;
use transport::Code;

/// Words in an endpoint's answer that say that it was not reached, or did not answer. They are those of transport's
/// errors and of gRPC's own statuses.
const UNREACHED: [&str; 9] = [
    "unavailable",
    "not reachable",
    "unreachable",
    "connection refused",
    "has no address",
    "closed the connection",
    "no answer",
    "deadline",
    "tls certificate",
];

/// The gateway's words where none of those that are missing gave an answer.
const TOO_FEW: &str = "too few of them are reached";
/// The gateway's word for an endpoint that did what was asked.
const ENDORSED: &str = "endorsed";

/// Who checks, the own organisation first; and who could still take another's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckerChoice {
    /// The organisations to name.
    pub organizations: Vec<MspId>,
    /// How many are needed.
    pub required: usize,
}

/// The organisations to name, leaving out those that were not reached; `None` where too few are left or the own one may
/// not check.
#[must_use]
pub fn checker_choices(checkers: &Checkers, own: &MspId, missing: &BTreeSet<MspId>) -> Option<CheckerChoice> {
    let required = required(checkers);
    if !checkers.organizations.contains(own) {
        return None;
    }
    let others = checkers.organizations.iter().filter(|msp_id| *msp_id != own && !missing.contains(*msp_id));
    let organizations: Vec<MspId> = std::iter::once(own).chain(others).take(required).cloned().collect();
    (organizations.len() == required).then_some(CheckerChoice { organizations, required })
}

/// How many check: as the channel says, and never the own hospital alone.
pub(crate) fn required(checkers: &Checkers) -> usize {
    usize::try_from(checkers.required).unwrap_or(usize::MAX).max(2)
}

/// Which of the asked organisations, other than the own, an answer of the gateway says were not reached.
///
/// Where the gateway says `UNAVAILABLE` without a name, the last one asked is taken for missing, so that each further
/// attempt asks somebody else.
pub(crate) fn unreached(
    code: Code,
    message: &str,
    details: &[Detail],
    asked: &[MspId],
    own: &MspId,
) -> BTreeSet<MspId> {
    let others = || asked.iter().filter(|msp_id| *msp_id != own);
    let says_so = |text: &str| {
        let text = text.to_lowercase();
        UNREACHED.iter().any(|words| text.contains(words))
    };
    let gone = matches!(code, Code::Unavailable | Code::DeadlineExceeded) || message.contains(TOO_FEW);
    let may_be = gone || matches!(code, Code::Aborted | Code::FailedPrecondition);
    if !may_be {
        return BTreeSet::new();
    }
    // A row may also say of an endpoint that it did its part.
    let is_gone = |text: &str| says_so(text) || (gone && !text.contains(ENDORSED));
    let named = |msp_id: &&MspId| {
        details.iter().any(|detail| detail.msp_id == msp_id.as_str() && is_gone(&detail.message))
    };
    let mut found: BTreeSet<MspId> = others().filter(named).cloned().collect();
    if found.is_empty() && says_so(message) {
        found = others().filter(|msp_id| message.contains(msp_id.as_str())).cloned().collect();
    }
    if found.is_empty() && gone {
        found.extend(others().next_back().cloned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn msp(name: &str) -> MspId {
        MspId::new(name).unwrap()
    }

    fn list(names: &str) -> Vec<MspId> {
        names.split_whitespace().map(msp).collect()
    }

    #[test]
    fn the_own_hospital_checks_first_and_the_next_one_takes_a_missing_ones_place() {
        let rows: &[(u32, &str, &str, &str, Option<&str>)] = &[
            // required, the channel's checkers, own, missing, chosen
            (2, "A B C", "A", "", Some("A B")),
            (2, "A B C", "C", "", Some("C A")),
            (2, "A B C", "A", "B", Some("A C")),
            (2, "A B C", "A", "B C", None),
            (3, "A B C", "B", "", Some("B A C")),
            (3, "A B C", "B", "C", None),
            (1, "A B C", "A", "", Some("A B")),
            (2, "B C", "A", "", None),
            (2, "A", "A", "", None),
        ];
        for (required, checkers, own, missing, chosen) in rows {
            let checkers = Checkers { required: *required, organizations: list(checkers) };
            let missing = list(missing).into_iter().collect();
            let found = checker_choices(&checkers, &msp(own), &missing);
            assert_eq!(
                found.map(|choice| choice.organizations),
                chosen.map(list),
                "{required} of {checkers:?}"
            );
        }
    }

    #[test]
    fn only_an_unreached_checker_is_replaced() {
        let detail = |msp_id: &str, message: &str| Detail {
            address: "peer0:7051".to_owned(),
            msp_id: msp_id.to_owned(),
            message: message.to_owned(),
        };
        let rows: &[(Code, &str, Vec<Detail>, &str)] = &[
            // code, message, details, who is replaced
            (Code::Unavailable, "x", vec![detail("B", "peer0:7051: connection refused")], "B"),
            (Code::Unavailable, "x", vec![detail("A", "connection refused")], "C"),
            (Code::Unavailable, "x", vec![], "C"),
            (Code::Unavailable, "x", vec![detail("B", "x"), detail("C", "y")], "B C"),
            (Code::Aborted, "x", vec![detail("B", "UNAVAILABLE: gone")], "B"),
            (
                Code::Aborted,
                "x",
                vec![detail("B", "chaincode response 422, the image is not like a report")],
                "",
            ),
            (Code::FailedPrecondition, "no peer of C is reachable: unavailable", vec![], "C"),
            (Code::Unavailable, "x", vec![detail("B", "reachable; endorsed"), detail("C", "gone")], "C"),
            (Code::FailedPrecondition, "x: too few of them are reached", vec![detail("B", "silence")], "B"),
            (Code::FailedPrecondition, "x", vec![detail("B", "silence")], ""),
            (Code::PermissionDenied, "x", vec![detail("B", "connection refused")], ""),
            (Code::InvalidArgument, "unavailable", vec![], ""),
        ];
        for (code, message, details, replaced) in rows {
            let found = unreached(*code, message, details, &list("A B C"), &msp("A"));
            assert_eq!(found, list(replaced).into_iter().collect(), "{code:?} {message} {details:?}");
        }
    }
}

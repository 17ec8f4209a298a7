//! Report ids may be abbreviated, as long as one report only is meant.

use protocol::TxId;
use thiserror::Error;

/// Shortest abbreviation: one in four thousand million, so that a typing error does not hit another report.
const PREFIX_DIGITS_MIN: usize = 8;
/// Candidates that an error lists.
const LISTED_MAX: usize = 10;

/// Why an abbreviation names no report.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReportIdError {
    /// It is not the beginning of an id.
    #[error(
        "report id {text:?} is not usable: write 8 to 64 lower-case hex digits, as `peer report list` shows them"
    )]
    Form {
        /// As given, cut.
        text: String,
    },
    /// No report begins so.
    #[error(
        "no report of channel {channel} begins with {prefix}; `peer report list -C {channel}` shows all {count}"
    )]
    None {
        /// As given.
        prefix: String,
        /// The channel.
        channel: String,
        /// How many there are.
        count: usize,
    },
    /// More than one begins so.
    #[error("{count} reports begin with {prefix}: write more digits of one of {}", .candidates.join(", "))]
    Several {
        /// As given.
        prefix: String,
        /// How many.
        count: usize,
        /// The first of them.
        candidates: Vec<String>,
    },
}

/// The id that a text names on its own; `None` where it is an abbreviation that must be looked up.
///
/// # Errors
/// [`ReportIdError::Form`].
pub(crate) fn whole_id(text: &str) -> Result<Option<TxId>, ReportIdError> {
    let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !is_hex || !(PREFIX_DIGITS_MIN..=64).contains(&text.len()) {
        return Err(ReportIdError::Form { text: text.chars().take(80).collect() });
    }
    Ok(TxId::new(text).ok())
}

/// The one report among `known` that `text` means.
///
/// # Errors
/// [`ReportIdError`] lists the candidates where there are several.
pub fn resolve_report_id<'a>(
    text: &str,
    channel: &str,
    known: impl IntoIterator<Item = &'a TxId>,
) -> Result<TxId, ReportIdError> {
    if let Some(id) = whole_id(text)? {
        return Ok(id);
    }
    let mut count = 0;
    let mut found = Vec::new();
    for id in known {
        count += 1;
        if id.as_str().starts_with(text) {
            found.push(id);
        }
    }
    match found.as_slice() {
        [] => Err(ReportIdError::None { prefix: text.to_owned(), channel: channel.to_owned(), count }),
        [one] => Ok((*one).clone()),
        several => Err(ReportIdError::Several {
            prefix: text.to_owned(),
            count: several.len(),
            candidates: several.iter().take(LISTED_MAX).map(|id| id.as_str()[..20].to_owned()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abbreviation_names_one_report_or_says_why_not() {
        let id = |head: &str| TxId::new(format!("{head}{}", "0".repeat(64 - head.len()))).unwrap();
        let known = [id("aaaaaaaa1"), id("aaaaaaaa2"), id("bbbbbbbb")];
        let whole = "c".repeat(64);
        let rows: &[(&str, Result<&str, &str>)] = &[
            ("bbbbbbbb", Ok("bbbbbbbb")),
            ("aaaaaaaa1", Ok("aaaaaaaa1")),
            (&whole, Ok(&whole)),
            ("aaaaaaaa", Err("2 reports begin with aaaaaaaa")),
            ("dddddddd", Err("no report of channel reports begins with dddddddd")),
            ("bbbbbbb", Err("8 to 64")),
            ("BBBBBBBB", Err("lower-case")),
            ("../../etc", Err("not usable")),
            ("", Err("not usable")),
        ];
        for (text, expected) in rows {
            match (resolve_report_id(text, "reports", &known), expected) {
                (Ok(found), Ok(head)) => assert!(found.as_str().starts_with(head), "{text}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}

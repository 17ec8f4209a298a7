//! What two endorsers' answers differ in, in words for a person.
//!
//! A text has two forms. The plain one names values by length and digest, since it may reach a log. The alternate one
//! (`{:#}`) is for the client, who may read the channel, and quotes the values around the first byte that differs.

use std::fmt;

use protocol::{Digest, MspId, Version};

/// Hex digits of a digest that tell values apart in a text.
const DIGEST_DIGITS: usize = 16;
/// Bytes of an excerpt, and how many of them stand before the first that differs.
const EXCERPT_BYTES_MAX: usize = 120;
const EXCERPT_BEFORE_BYTES: usize = 40;

/// Two endorsers' answers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The first endorser's organisation.
    pub first: MspId,
    /// The organisation that answered otherwise.
    pub second: MspId,
    /// The first part that differs. Boxed, since it is large and rare.
    pub field: Box<DifferingField>,
}

impl std::error::Error for Difference {}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {} answered differently: ", self.first, self.second)?;
        fmt::Display::fmt(&self.field, f)
    }
}

/// A value of one of two endorsers; `None` for a deletion or an absence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueMark(Option<Mark>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    bytes: usize,
    digest: Digest,
    excerpt: String,
}

impl ValueMark {
    /// The marks of two values, with excerpts that begin shortly before the first byte in which they differ.
    pub(crate) fn pair(first: Option<&[u8]>, second: Option<&[u8]>) -> (Self, Self) {
        let (a, b) = (first.unwrap_or_default(), second.unwrap_or_default());
        let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let begin = same.saturating_sub(EXCERPT_BEFORE_BYTES);
        let mark = |value: &[u8]| Mark {
            bytes: value.len(),
            digest: Digest::of(value),
            excerpt: excerpt(value, begin),
        };
        (Self(first.map(mark)), Self(second.map(mark)))
    }
}

fn excerpt(value: &[u8], begin: usize) -> String {
    let begin = begin.min(value.len());
    let end = value.len().min(begin + EXCERPT_BYTES_MAX);
    let (before, after) = (if begin > 0 { "…" } else { "" }, if end < value.len() { "…" } else { "" });
    let text = String::from_utf8_lossy(&value[begin..end]);
    format!("{before}{}{after}", text.escape_debug())
}

impl fmt::Display for ValueMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("none"),
            Some(Mark { excerpt, .. }) if f.alternate() => write!(f, "\"{excerpt}\""),
            Some(Mark { bytes, digest, .. }) => {
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
        /// Status, message and payload of the first endorser.
        first: (i32, String, ValueMark),
        /// Status, message and payload of the second.
        second: (i32, String, ValueMark),
    },
    /// The chaincode's events differ.
    Event {
        /// Name and payload of the first endorser's.
        first: (String, ValueMark),
        /// Those of the second's.
        second: (String, ValueMark),
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
        /// Whether both made this scan and found other keys or versions.
        is_of_both: bool,
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

impl DifferingField {
    /// Whether the endorsers did the same on ledgers of different heights: asked again later, they will agree.
    #[must_use]
    pub fn is_of_heights(&self) -> bool {
        match self {
            Self::Read { first, second, .. } => first.is_some() && second.is_some(),
            Self::Range { is_of_both, .. } => *is_of_both,
            _ => false,
        }
    }

    /// Why it differs, as far as the difference tells.
    fn cause(&self) -> &'static str {
        match self {
            field if field.is_of_heights() => "; the peers are at different heights, try again",
            Self::Response { .. } | Self::Event { .. } | Self::Write { .. } => {
                "; the chaincode is not deterministic"
            }
            Self::Read { .. } | Self::Range { .. } | Self::Namespace { .. } => {
                "; the chaincode took different ways, it is not deterministic"
            }
            Self::Chaincode { .. } => "; all peers must run the version in the configuration",
            Self::Outcome { .. } | Self::ProposalHash | Self::Encoding => "",
        }
    }
}

impl fmt::Display for DifferingField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome { first, second } => {
                write!(f, "chaincode status {} {:?} and {} {:?}", first.0, first.1, second.0, second.1)
            }
            Self::ProposalHash => f.write_str("they endorsed different proposals"),
            Self::Chaincode { first, second } => write!(f, "chaincode {first} and {second}"),
            Self::Response { first, second } => {
                f.write_str("response ")?;
                response(f, first)?;
                f.write_str(" and ")?;
                response(f, second)
            }
            Self::Event { first, second } => {
                write!(f, "event {:?} of ", first.0)?;
                fmt::Display::fmt(&first.1, f)?;
                write!(f, " and {:?} of ", second.0)?;
                fmt::Display::fmt(&second.1, f)
            }
            Self::Namespace { namespace } => {
                write!(f, "namespace {namespace:?} was touched by one of them only")
            }
            Self::Read { namespace, key, first, second } => {
                let (first, second) = (read_text(first), read_text(second));
                write!(f, "read of {key:?} in {namespace:?}: {first} and {second}")
            }
            Self::Range { namespace, bounds, .. } => {
                write!(f, "scan of {:?} to {:?} in {namespace:?}", bounds.0, bounds.1)
            }
            Self::Write { namespace, key, first, second } => {
                write!(f, "write of {key:?} in {namespace:?}: ")?;
                written(f, first.as_ref())?;
                f.write_str(" and ")?;
                written(f, second.as_ref())
            }
            Self::Encoding => {
                f.write_str("the answers' bytes differ in a part that this release does not know")
            }
        }?;
        f.write_str(self.cause())
    }
}

fn response(
    f: &mut fmt::Formatter<'_>,
    (status, message, payload): &(i32, String, ValueMark),
) -> fmt::Result {
    write!(f, "status {status} ")?;
    if !message.is_empty() {
        write!(f, "{message:?} ")?;
    }
    f.write_str("with ")?;
    fmt::Display::fmt(payload, f)
}

fn written(f: &mut fmt::Formatter<'_>, write: Option<&ValueMark>) -> fmt::Result {
    match write {
        None => f.write_str("not written"),
        Some(ValueMark(None)) => f.write_str("deleted"),
        Some(mark) => fmt::Display::fmt(mark, f),
    }
}

fn read_text(read: &Option<Option<Version>>) -> String {
    match read {
        None => "not read".to_owned(),
        Some(None) => "absent".to_owned(),
        Some(Some(version)) => format!("version {}:{}", version.block_number, version.tx_number.0),
    }
}

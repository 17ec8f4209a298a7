//! What a peer and its image worker say to each other: the worker greets, then one question, one answer.
//!
//! Each is a length of four bytes, most significant first, and so many bytes of MessagePack. The file follows the question
//! as it is, so that no encoder makes a copy of a patient's image. Both ends are of one release, since the worker is the
//! peer's own binary; the version is there all the same, to tell a foreign program from a worker.
//!
//! A worker says numbers and members of closed sets, never words: whoever takes it over writes no line into a log. That it
//! is not confined it can say before it has seen a file, and at no other time.

use imaging::{DecodeLimits, MediaType};
use protocol::codec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::confinement::NotConfined;
use super::refusal::Refusal;

/// Layout of the messages.
pub(super) const VERSION: u16 = 2;
/// Each message is some numbers.
pub(super) const MESSAGE_BYTES_MAX: usize = 256;

/// What is asked of a worker; the file follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Question {
    version: u16,
    pub(super) file_bytes: u64,
    encoded_bytes_max: u64,
    side_max: u32,
    pixels_max: u64,
    working_bytes_max: u64,
}

impl Question {
    pub(super) fn new(file: &[u8], limits: &DecodeLimits) -> Self {
        let DecodeLimits { encoded_bytes_max, side_max, pixels_max, working_bytes_max } = *limits;
        let file_bytes = file.len() as u64;
        Self { version: VERSION, file_bytes, encoded_bytes_max, side_max, pixels_max, working_bytes_max }
    }

    pub(super) const fn limits(&self) -> DecodeLimits {
        let Self { encoded_bytes_max, side_max, pixels_max, working_bytes_max, .. } = *self;
        DecodeLimits { encoded_bytes_max, side_max, pixels_max, working_bytes_max }
    }
}

/// What a worker says first, before it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Greeting {
    /// It has given up its rights.
    Confined,
    /// It could not, and will read nothing.
    NotConfined(NotConfined),
}

/// What a worker answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Media type and wavelet hash.
    Image(MediaType, u64),
    /// The decoder's reason.
    Refused(Refusal),
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u16,
    body: T,
}

/// The bytes of a question with its length, without the file.
pub(super) fn question_frame(question: &Question) -> Vec<u8> {
    framed(codec::encode(question))
}

/// Reads a question, or `None` for bytes that are none.
pub(super) fn question(bytes: &[u8]) -> Option<Question> {
    codec::decode(bytes, MESSAGE_BYTES_MAX).ok().filter(|question: &Question| question.version == VERSION)
}

/// The bytes of what a worker says, with their length.
pub(super) fn said_frame<T: Serialize>(body: T) -> Vec<u8> {
    framed(codec::encode(&Versioned { version: VERSION, body }))
}

/// Reads what a worker says, or `None` for bytes that no worker says.
pub(super) fn said<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let read: Versioned<T> = codec::decode(bytes, MESSAGE_BYTES_MAX).ok()?;
    (read.version == VERSION).then_some(read.body)
}

/// The length that a frame begins with, if it is one of a message.
pub(super) fn message_length(prefix: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(prefix)).ok().filter(|length| *length <= MESSAGE_BYTES_MAX)
}

fn framed(message: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &message].concat()
}

#[cfg(test)]
mod tests {
    use super::super::confinement::Step;
    use super::*;

    #[test]
    fn messages_come_back_as_they_were() {
        let limits = DecodeLimits { encoded_bytes_max: 7, ..DecodeLimits::default() };
        let asked = Question::new(b"file", &limits);
        let frame = question_frame(&asked);
        assert_eq!(message_length(frame[..4].try_into().expect("four")), Some(frame.len() - 4));
        assert_eq!(question(&frame[4..]), Some(asked));
        assert_eq!((asked.limits(), asked.file_bytes), (limits, 4));
        for answer in [
            Answer::Image(MediaType::Png, u64::MAX),
            Answer::Refused(Refusal::TooManyPixels(u32::MAX, 1)),
            Answer::Refused(Refusal::Truncated),
        ] {
            assert_eq!(said(&said_frame(answer)[4..]), Some(answer));
        }
        let refused = NotConfined { step: Step::Filter, errno: 22 };
        for greeting in [Greeting::Confined, Greeting::NotConfined(refused)] {
            assert_eq!(said(&said_frame(greeting)[4..]), Some(greeting));
        }
    }

    #[test]
    fn what_no_worker_says_is_no_answer() {
        let image = Answer::Image(MediaType::Png, 1);
        let of = |version, body: Answer| codec::encode(&Versioned { version, body });
        let words = |body: &[(&str, &str)]| {
            let body: std::collections::BTreeMap<_, _> = body.iter().copied().collect();
            codec::encode(&Versioned { version: VERSION, body })
        };
        let excuse = Greeting::NotConfined(NotConfined { step: Step::Filter, errno: 1 });
        let rows = [
            ("nothing", Vec::new()),
            ("another version", of(VERSION - 1, image)),
            ("words for a reason", words(&[("Refused", "forged\u{1b}[31m")])),
            ("another reason", words(&[("Refused", "Reason")])),
            ("a greeting", said_frame(Greeting::Confined)[4..].to_vec()),
            ("a late excuse", said_frame(excuse)[4..].to_vec()),
            ("bytes behind", [of(VERSION, image), vec![0]].concat()),
            ("no MessagePack", vec![0xc1; 20]),
            ("a hostile length", vec![0xdd, 0xff, 0xff, 0xff, 0xff]),
        ];
        for (name, bytes) in rows {
            assert_eq!(said::<Answer>(&bytes), None, "{name}");
        }
        let other_format = codec::encode(&Versioned { version: VERSION, body: ("image/gif", 1_u64) });
        assert_eq!(said::<Answer>(&other_format), None);
        assert_eq!(said::<Greeting>(&of(VERSION, image)), None);
        assert_eq!(message_length([0, 0, 1, 0]), Some(256));
        assert_eq!(message_length([0, 0, 1, 1]), None);
        assert_eq!(message_length([0xff; 4]), None);
    }
}

//! What a peer and its image worker say to each other: one question, one answer.
//!
//! Each is a length of four bytes, most significant first, and so many bytes of MessagePack. The file follows the question
//! as it is, so that no encoder makes a copy of a patient's image. Both ends are of one release, since the worker is the
//! peer's own binary; the version is there all the same, to tell a foreign program from a worker.

use imaging::DecodeLimits;
use protocol::codec;
use serde::{Deserialize, Serialize};

/// Layout of both messages.
pub(super) const VERSION: u16 = 1;
/// A question is some numbers, an answer some words.
pub(super) const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Characters of a decoder's reason.
const REASON_CHARS_MAX: usize = 500;
/// Bytes of a media type.
const MEDIA_TYPE_BYTES_MAX: usize = 64;

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

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Media type and wavelet hash.
    Image(String, u64),
    /// The decoder's reason.
    Refused(String),
    /// The worker could not give up its rights, and read nothing.
    NotConfined(String),
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

/// The bytes of an answer with its length.
pub(super) fn answer_frame(answer: Answer) -> Vec<u8> {
    framed(codec::encode(&Versioned { version: VERSION, body: bounded(answer) }))
}

/// Reads an answer, or `None` for bytes that are none. Words come back printable and of bounded length, whoever wrote them.
pub(super) fn answer(bytes: &[u8]) -> Option<Answer> {
    let read: Versioned<Answer> = codec::decode(bytes, MESSAGE_BYTES_MAX).ok()?;
    let well_formed = match &read.body {
        Answer::Image(media_type, _) => {
            media_type.len() <= MEDIA_TYPE_BYTES_MAX && media_type.bytes().all(|byte| byte.is_ascii_graphic())
        }
        Answer::Refused(_) | Answer::NotConfined(_) => true,
    };
    (read.version == VERSION && well_formed).then(|| bounded(read.body))
}

/// The length that a frame begins with, if it is one of a message.
pub(super) fn message_length(prefix: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(prefix)).ok().filter(|length| *length <= MESSAGE_BYTES_MAX)
}

fn bounded(answer: Answer) -> Answer {
    let words = |text: String| text.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
    match answer {
        Answer::Refused(reason) => Answer::Refused(words(reason)),
        Answer::NotConfined(reason) => Answer::NotConfined(words(reason)),
        image @ Answer::Image(..) => image,
    }
}

fn framed(message: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_come_back_as_they_were() {
        let limits = DecodeLimits { encoded_bytes_max: 7, ..DecodeLimits::default() };
        let asked = Question::new(b"file", &limits);
        let frame = question_frame(&asked);
        assert_eq!(message_length(frame[..4].try_into().expect("four")), Some(frame.len() - 4));
        assert_eq!(question(&frame[4..]), Some(asked));
        assert_eq!((asked.limits(), asked.file_bytes), (limits, 4));
        for said in [
            Answer::Image("image/png".to_owned(), u64::MAX),
            Answer::Refused("damaged".to_owned()),
            Answer::NotConfined("no seccomp".to_owned()),
        ] {
            assert_eq!(answer(&answer_frame(said.clone())[4..]), Some(said));
        }
    }

    #[test]
    fn what_no_worker_says_is_no_answer() {
        let of = |version, body| codec::encode(&Versioned { version, body });
        let image = |media_type: &str| Answer::Image(media_type.to_owned(), 1);
        let rows = [
            ("nothing", Vec::new()),
            ("another version", of(2, image("image/png"))),
            ("a long media type", of(1, image(&"x".repeat(65)))),
            ("a media type of two lines", of(1, image("image/png\nforged"))),
            ("bytes behind", [of(1, image("image/png")), vec![0]].concat()),
            ("no MessagePack", vec![0xc1; 20]),
            ("a hostile length", vec![0xdd, 0xff, 0xff, 0xff, 0xff]),
        ];
        for (name, bytes) in rows {
            assert_eq!(answer(&bytes), None, "{name}");
        }
        let long = answer(&of(1, Answer::Refused(format!("a\u{1b}[31m\n{}", "é".repeat(1_000)))));
        let Some(Answer::Refused(words)) = long else { panic!("a reason") };
        assert!(words.starts_with("a[31mé") && words.chars().count() == 500, "{words}");
        assert_eq!(message_length([0, 0, 0x10, 0]), Some(4_096));
        assert_eq!(message_length([0, 0, 0x10, 1]), None);
        assert_eq!(message_length([0xff; 4]), None);
    }
}

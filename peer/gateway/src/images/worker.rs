//! The image worker's own side: give up every right, say so, read one image, answer, end.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use imaging::{DecodeLimits, ImagingError, decode, wavelet_hash};

use super::confinement::{NotConfined, confine};
use super::messages::{Answer, Greeting, message_length, question, said_frame};
use super::reader::ReadImage;
use super::refusal::Refusal;

/// What looks at a file: media type and hash, or why it is refused.
pub type Look = fn(&[u8], &DecodeLimits) -> Result<ReadImage, ImagingError>;

/// Decodes an image and hashes it, in this process.
///
/// # Errors
/// The decoder's reason, with the remedy.
pub fn decode_and_hash(file: &[u8], limits: &DecodeLimits) -> Result<ReadImage, ImagingError> {
    let image = decode(file, limits)?;
    Ok(ReadImage { media_type: image.media_type(), perceptual_hash: wavelet_hash(&image).to_bits() })
}

/// Runs this process as an image worker: a question on standard input, greeting and answer on standard output. Must be called
/// before a thread is started, since only the calling thread is confined. Nothing is read before it is.
#[must_use]
pub fn run_image_worker(look: Look) -> ExitCode {
    // The message of a panic may quote what is decoded.
    std::panic::set_hook(Box::new(|_| {}));
    match serve(confine(), look, &mut io::stdin(), &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(
    confined: Result<(), NotConfined>,
    look: Look,
    input: &mut impl Read,
    output: &mut impl Write,
) -> io::Result<()> {
    let greeting = confined.map_or_else(Greeting::NotConfined, |()| Greeting::Confined);
    say(output, &said_frame(greeting))?;
    if confined.is_err() {
        return Ok(());
    }
    let answer = answer_to(input, look)?;
    say(output, &said_frame(answer))
}

fn say(output: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    output.write_all(frame)?;
    output.flush()
}

fn answer_to(input: &mut impl Read, look: Look) -> io::Result<Answer> {
    let mut prefix = [0; 4];
    input.read_exact(&mut prefix)?;
    let mut message = vec![0; message_length(prefix).ok_or_else(no_question)?];
    input.read_exact(&mut message)?;
    let asked = question(&message).ok_or_else(no_question)?;
    let limits = asked.limits();
    let Some(length) =
        usize::try_from(asked.file_bytes).ok().filter(|_| asked.file_bytes <= limits.encoded_bytes_max)
    else {
        return Ok(Answer::Refused(Refusal::EncodedTooLarge));
    };
    let mut file = Vec::new();
    file.try_reserve_exact(length).map_err(io::Error::other)?;
    input.take(asked.file_bytes).read_to_end(&mut file)?;
    if file.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(match look(&file, &limits) {
        Ok(ReadImage { media_type, perceptual_hash }) => Answer::Image(media_type, perceptual_hash),
        Err(error) => Answer::Refused(Refusal::of(&error)),
    })
}

fn no_question() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the input is no question to an image worker")
}

#[cfg(test)]
mod tests {
    use imaging::MediaType;

    use super::super::confinement::Step;
    use super::super::messages::{Question, question_frame, said};
    use super::*;
    use crate::testing::png;

    fn asked(file: &[u8], limits: &DecodeLimits) -> Vec<u8> {
        [&question_frame(&Question::new(file, limits))[..], file].concat()
    }

    #[test]
    fn a_worker_greets_answers_one_question_and_reads_nothing_unconfined() {
        let limits = DecodeLimits::default();
        let image = png(40, 2);
        let small = DecodeLimits { encoded_bytes_max: 10, ..limits };
        let hash = wavelet_hash(&decode(&image, &limits).expect("an image")).to_bits();
        let refused = |refusal| Some(Answer::Refused(refusal));
        let rows = [
            ("an image", asked(&image, &limits), Some(Answer::Image(MediaType::Png, hash))),
            ("too large", asked(&image, &small), refused(Refusal::EncodedTooLarge)),
            ("a letter", asked(b"Dear Dr. Jones", &limits), refused(Refusal::NoFormat)),
            ("half an image", asked(&image[..60], &limits), refused(Refusal::Truncated)),
            ("cut short", asked(&image, &limits)[..80].to_vec(), None),
            ("no question", vec![0, 0, 0, 1, 0xc1], None),
            ("a long question", vec![0xff; 10_000], None),
            ("nothing", Vec::new(), None),
        ];
        let greeting = said_frame(Greeting::Confined);
        for (name, input, expected) in rows {
            let mut output = Vec::new();
            let served = serve(Ok(()), decode_and_hash, &mut &input[..], &mut output);
            assert_eq!(served.is_ok(), expected.is_some(), "{name}: {served:?}");
            let answer = output.strip_prefix(&greeting[..]).expect("a greeting");
            assert_eq!(answer.get(4..).and_then(said), expected, "{name}");
        }

        let letter = asked(b"Dear Dr. Jones", &limits);
        let mut unread = &letter[..];
        let mut output = Vec::new();
        let refused = NotConfined { step: Step::Filter, errno: 22 };
        serve(Err(refused), decode_and_hash, &mut unread, &mut output).expect("told");
        assert_eq!(unread.len(), letter.len(), "nothing was read");
        assert_eq!(output, said_frame(Greeting::NotConfined(refused)), "nothing is said after it");
    }
}

//! One worker process: its start, its one question, its end.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use close_fds::set_fds_cloexec_threadsafe;
use imaging::{DecodeLimits, MediaType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::confinement::CPU_SECONDS_MAX;
use super::error::ImageError;
use super::messages::{Answer, Greeting, Question, message_length, question_frame, said};
use super::reader::ReadImage;

/// The first descriptor after standard input, output and error.
const FIRST_OTHER_DESCRIPTOR: i32 = 3;
/// How long the end of a process is waited for that has closed its output.
const END_DEADLINE: Duration = Duration::from_secs(1);
/// How a worker ended that did not.
const CLOSED: &str = "it closed its output";

/// The program that a worker runs.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its name in lists of processes.
    pub name: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl WorkerCommand {
    /// The program that runs now, told to be an image worker. The kernel's link to it is followed at each start, so that a
    /// release that was put in its place meanwhile is not run.
    #[must_use]
    pub fn own(argument: &str) -> Self {
        let name = std::env::args_os().next().unwrap_or_default();
        Self { program: "/proc/self/exe".into(), name, arguments: vec![argument.into()] }
    }
}

/// A worker that waits for its question. Dropped, its process is killed.
pub(super) struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Worker {
    /// Starts a process without environment, in `/`, with two pipes and nothing else. Its process group is its own: a signal
    /// to the peer's group, such as a terminal's, leaves the images to be read that the peer still answers.
    pub(super) fn start(command: &WorkerCommand) -> io::Result<Self> {
        // What whoever started this peer left open is passed on to nobody.
        set_fds_cloexec_threadsafe(FIRST_OTHER_DESCRIPTOR, &[]);
        let mut child = Command::new(&command.program)
            .arg0(&command.name)
            .args(&command.arguments)
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| io::Error::other("it has no pipes"))?;
        Ok(Self { child, input, output })
    }

    /// Whether it still waits; one that ended unasked is of no use.
    pub(super) fn is_waiting(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it, and calls `sent` when it has the whole file; it lives no longer than this call.
    pub(super) async fn ask(
        mut self,
        file: &[u8],
        limits: &DecodeLimits,
        deadline: Duration,
        sent: impl FnOnce(),
    ) -> Result<ReadImage, ImageError> {
        let asking = async {
            self.greet().await?;
            self.exchange(file, limits, sent).await
        };
        let late = |_| Err(ImageError::DeadlineExceeded { deadline_ms: deadline.as_millis() });
        let outcome = timeout(deadline, asking).await.unwrap_or_else(late);
        // Whatever it does now concerns nobody.
        let _ = self.child.start_kill();
        outcome
    }

    /// Waits until it says that it is confined. It has seen no image yet: whatever goes wrong, none is at fault.
    async fn greet(&mut self) -> Result<(), ImageError> {
        let Some(message) = self.message().await else {
            let how = self.end().await.map_or_else(|| CLOSED.to_owned(), words);
            return Err(fault(format!("an image worker ended before it was asked ({how})")));
        };
        match said(&message) {
            Some(Greeting::Confined) => Ok(()),
            Some(Greeting::NotConfined(refused)) => {
                let cause = io::Error::from_raw_os_error(refused.errno);
                tracing::error!(step = %refused.step, %cause, "images.confine");
                Err(fault(refused.to_string()))
            }
            None => Err(fault("an image worker does not greet as one".to_owned())),
        }
    }

    async fn exchange(
        &mut self,
        file: &[u8],
        limits: &DecodeLimits,
        sent: impl FnOnce(),
    ) -> Result<ReadImage, ImageError> {
        let asked_at = Instant::now();
        // A worker that ended has closed its input, and may have answered before.
        let asked = question_frame(&Question::new(file, limits));
        if self.input.write_all(&asked).await.is_ok() {
            let _ = self.input.write_all(file).await;
        }
        sent();
        match self.message().await {
            Some(message) => of_answer(said(&message), file, limits),
            None => Err(of_end(self.end().await, asked_at.elapsed())),
        }
    }

    /// The bytes of a message; `None` where it closed its output before. A message over its limit reads as empty bytes,
    /// which are none.
    async fn message(&mut self) -> Option<Vec<u8>> {
        let mut prefix = [0; 4];
        self.output.read_exact(&mut prefix).await.ok()?;
        let mut message = vec![0; message_length(prefix).unwrap_or(0)];
        self.output.read_exact(&mut message).await.ok()?;
        Some(message)
    }

    /// How it ended; `None` where it lives on.
    async fn end(&mut self) -> Option<ExitStatus> {
        timeout(END_DEADLINE, self.child.wait()).await.ok()?.ok()
    }
}

fn fault(cause: String) -> ImageError {
    ImageError::Fault { cause }
}

/// What a worker's answer comes to. One that the file contradicts is none.
fn of_answer(answer: Option<Answer>, file: &[u8], limits: &DecodeLimits) -> Result<ReadImage, ImageError> {
    match answer {
        Some(Answer::Image(media_type, perceptual_hash)) if MediaType::sniff(file) == Ok(media_type) => {
            Ok(ReadImage { media_type, perceptual_hash })
        }
        Some(Answer::Refused(refusal)) => Err(match refusal.told(file, limits) {
            Some(error) => ImageError::Refused { reason: error.to_string() },
            None => ImageError::Garbage,
        }),
        Some(Answer::Image(..)) | None => Err(ImageError::Garbage),
    }
}

/// Who is at fault that a worker ended without an answer, so long after it was asked. The image is where the signal is one
/// that only the worker's own deeds bring about; any other one came from outside, and says nothing of the image.
fn of_end(status: Option<ExitStatus>, lived: Duration) -> ImageError {
    let Some(status) = status else { return ImageError::Ended { how: CLOSED.to_owned() } };
    match status.signal() {
        None | Some(libc::SIGABRT | libc::SIGXCPU | libc::SIGSYS | libc::SIGSEGV | libc::SIGBUS) => {
            ImageError::Ended { how: words(status) }
        }
        // A worker that was taken over can hold back the signal of the soft limit, and not the one of the hard limit.
        Some(libc::SIGKILL) if lived.as_secs() >= CPU_SECONDS_MAX => {
            ImageError::Ended { how: "it used up its processor time".to_owned() }
        }
        Some(libc::SIGKILL) => fault("its image worker was killed; is memory short?".to_owned()),
        Some(signal) => fault(format!("its image worker was ended by signal {signal}")),
    }
}

/// An exit status in words for the sender of an image.
fn words(status: ExitStatus) -> String {
    match status.signal() {
        Some(libc::SIGABRT) => "it needed more memory or stack than it may have".to_owned(),
        Some(libc::SIGXCPU) => "it used up its processor time".to_owned(),
        Some(libc::SIGSYS) => "it made a system call that it may not make".to_owned(),
        Some(libc::SIGSEGV | libc::SIGBUS) => "it left its memory".to_owned(),
        Some(signal) => format!("signal {signal}"),
        None => format!("exit code {}", status.code().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::refusal::Refusal;
    use super::*;
    use crate::testing::png;

    #[test]
    fn an_image_is_at_fault_for_what_its_worker_does_and_not_for_what_is_done_to_it() {
        let (soon, late) = (Duration::from_secs(1), Duration::from_secs(CPU_SECONDS_MAX));
        let rows = [
            // signal or exit code, how long it lived, words, passing
            (libc::SIGABRT, soon, "more memory or stack", false),
            (libc::SIGXCPU, late, "processor time", false),
            (libc::SIGSYS, soon, "a system call", false),
            (libc::SIGSEGV, soon, "left its memory", false),
            (libc::SIGBUS, soon, "left its memory", false),
            (101 << 8, soon, "exit code 101", false),
            (0, soon, "exit code 0", false),
            (libc::SIGKILL, late, "processor time", false),
            (libc::SIGKILL, soon, "is memory short", true),
            (libc::SIGTERM, soon, "signal 15", true),
            (libc::SIGTERM, late, "signal 15", true),
            (libc::SIGINT, soon, "signal 2", true),
            (libc::SIGHUP, soon, "signal 1", true),
            (libc::SIGQUIT, soon, "signal 3", true),
        ];
        for (raw, lived, words, is_passing) in rows {
            let error = of_end(Some(ExitStatus::from_raw(raw)), lived);
            assert!(error.to_string().contains(words), "{raw}: {error}");
            assert_eq!(error.is_passing(), is_passing, "{raw}: {error}");
        }
        assert!(!of_end(None, soon).is_passing());
        assert!(ImageError::DeadlineExceeded { deadline_ms: 1 }.is_passing());
        assert!(ImageError::NoTurn { waited_ms: 1 }.is_passing());
        assert!(!ImageError::Garbage.is_passing());
    }

    #[test]
    fn an_answer_that_the_file_contradicts_is_none() {
        let (image, letter, limits) = (png(40, 2), b"Dear Dr. Jones", DecodeLimits::default());
        let of = |answer, file: &[u8]| of_answer(answer, file, &limits);
        let seen = |media_type| Some(Answer::Image(media_type, 7));
        let read = ReadImage { media_type: MediaType::Png, perceptual_hash: 7 };
        assert_eq!(of(seen(MediaType::Png), &image), Ok(read));
        for (name, answer, file) in [
            ("nothing", None, &image[..]),
            ("another format", seen(MediaType::Jpeg), &image[..]),
            ("an image that is none", seen(MediaType::Png), &letter[..]),
            ("a format that is none", Some(Answer::Refused(Refusal::NoFormat)), &image[..]),
        ] {
            assert_eq!(of(answer, file), Err(ImageError::Garbage), "{name}");
        }
        let refused = of(Some(Answer::Refused(Refusal::NoFormat)), letter).expect_err("refused").to_string();
        assert!(refused.contains("convert it to PNG") && !refused.contains("Jones"), "{refused}");
    }
}

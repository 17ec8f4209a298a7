//! One worker process: its start, its one question, its end.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use close_fds::set_fds_cloexec_threadsafe;
use imaging::DecodeLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::error::ImageError;
use super::messages::{Answer, Question, answer, message_length, question_frame};
use super::reader::ReadImage;

/// The first descriptor after standard input, output and error.
const FIRST_OTHER_DESCRIPTOR: i32 = 3;
/// SIGKILL: nothing in a worker sends it to itself.
const SIGKILL: i32 = 9;
/// How long the end of a process is waited for that has closed its output.
const END_DEADLINE: Duration = Duration::from_secs(1);

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
    /// Starts a process without environment, in `/`, with two pipes and nothing else.
    pub(super) fn start(command: &WorkerCommand) -> Result<Self, ImageError> {
        let fault = |cause: String| ImageError::Fault { cause };
        // What whoever started this peer left open is passed on to nobody.
        set_fds_cloexec_threadsafe(FIRST_OTHER_DESCRIPTOR, &[]);
        let mut child = Command::new(&command.program)
            .arg0(&command.name)
            .args(&command.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| fault(format!("no image worker could be started ({error})")))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| fault("an image worker has no pipes".to_owned()))?;
        Ok(Self { child, input, output })
    }

    /// Whether it still waits; one that ended unasked is of no use.
    pub(super) fn is_waiting(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it; it lives no longer than this call.
    pub(super) async fn ask(
        mut self,
        file: &[u8],
        limits: &DecodeLimits,
        deadline: Duration,
    ) -> Result<ReadImage, ImageError> {
        let outcome = match timeout(deadline, self.exchange(file, limits)).await {
            Ok(Some(said)) => of_answer(answer(&said)),
            Ok(None) => Err(self.how_it_ended().await),
            Err(_) => Err(ImageError::DeadlineExceeded { deadline_ms: deadline.as_millis() }),
        };
        // Whatever it does now concerns nobody.
        let _ = self.child.start_kill();
        outcome
    }

    /// The bytes of its answer; `None` where it closed its output before. An answer over its limit reads as empty bytes,
    /// which are none.
    async fn exchange(&mut self, file: &[u8], limits: &DecodeLimits) -> Option<Vec<u8>> {
        // A worker that ended has closed its input, and may have said why on its output.
        let asked = question_frame(&Question::new(file, limits));
        if self.input.write_all(&asked).await.is_ok() {
            let _ = self.input.write_all(file).await;
        }
        let mut prefix = [0; 4];
        self.output.read_exact(&mut prefix).await.ok()?;
        let mut message = vec![0; message_length(prefix).unwrap_or(0)];
        self.output.read_exact(&mut message).await.ok()?;
        Some(message)
    }

    async fn how_it_ended(&mut self) -> ImageError {
        match timeout(END_DEADLINE, self.child.wait()).await {
            Ok(Ok(status)) if status.signal() == Some(SIGKILL) => {
                ImageError::Fault { cause: "its image worker was killed; is memory short?".to_owned() }
            }
            Ok(Ok(status)) => ImageError::Ended { how: words(status) },
            Ok(Err(_)) | Err(_) => ImageError::Ended { how: "it closed its output".to_owned() },
        }
    }
}

fn of_answer(answer: Option<Answer>) -> Result<ReadImage, ImageError> {
    match answer {
        Some(Answer::Image(media_type, perceptual_hash)) => Ok(ReadImage { media_type, perceptual_hash }),
        Some(Answer::Refused(reason)) => Err(ImageError::Refused { reason }),
        Some(Answer::NotConfined(cause)) => Err(ImageError::Fault { cause }),
        None => Err(ImageError::Garbage),
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

//! Prints results. A reader that has gone, such as `head`, ends the program quietly: nobody is left to be told.

use std::io::{ErrorKind, Write as _};

/// Writes to stdout.
///
/// # Errors
/// Where stdout cannot be written for another reason than its end.
pub fn result(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

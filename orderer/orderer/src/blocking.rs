//! Work that waits for the disk, or computes for milliseconds.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinError, spawn_blocking};

/// Runs work where it may block: on a thread kept for that. A runtime with one thread, which is a simulation's or a test's,
/// runs it in place, so that the order of everything is the runtime's own.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    spawn_blocking(work).await
}

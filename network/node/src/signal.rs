//! The end that the operator asks for.

use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGINT or SIGTERM and returns its name. Signals are caught from the first poll on.
pub async fn shutdown_signal() -> &'static str {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(error) => {
                tracing::warn!(%error, "SIGTERM cannot be caught; it will end the process at once");
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        Ok(()) = ctrl_c() => "SIGINT",
        Some(()) = terminate => "SIGTERM",
        else => std::future::pending().await,
    }
}

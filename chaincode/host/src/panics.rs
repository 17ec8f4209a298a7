//! What the log says of a chaincode that panicked: the place alone. What it panicked with may quote what its client keeps
//! from the ledger, such as transient data.

use std::cell::Cell;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// The chaincode that runs on this thread.
    static RUNNING: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Marks this thread as one that runs a chaincode; dropped, it is no more.
pub(crate) struct Running;

impl Running {
    pub(crate) fn mark(chaincode: &'static str) -> Self {
        RUNNING.set(Some(chaincode));
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(None);
    }
}

/// Has panics of chaincodes logged by their place, once a process. Others go where they went before.
pub(crate) fn log_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| match RUNNING.get() {
            Some(chaincode) => {
                let place = panic.location().map(ToString::to_string).unwrap_or_default();
                tracing::error!(chaincode, place, "the chaincode panicked");
            }
            None => others(panic),
        }));
    });
}

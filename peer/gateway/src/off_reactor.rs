//! Values whose end takes long: buffers of a report that are wiped, files that are removed from a store. However a request
//! ends (answer, refusal, a caller that went away), they end on a thread that may block, and delay no other request.

use std::ops::Deref;

use tokio::runtime::Handle;

/// A value that is dropped on a thread that may block.
pub(crate) struct OffReactor<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> OffReactor<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value; whoever calls this is on such a thread.
    #[expect(clippy::expect_used, reason = "only this call, which consumes it, and the drop take the value")]
    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect("not dropped")
    }
}

impl<T: Send + 'static> Deref for OffReactor<T> {
    type Target = T;

    #[expect(clippy::expect_used, reason = "the value is taken only by what consumes this")]
    fn deref(&self) -> &T {
        self.0.as_ref().expect("not dropped")
    }
}

impl<T: Send + 'static> Drop for OffReactor<T> {
    fn drop(&mut self) {
        // Without a runtime there is no reactor to delay.
        if let Some(value) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn_blocking(move || drop(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::thread::{ThreadId, current};

    use super::*;

    struct Told(Sender<ThreadId>);

    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send(current().id()).expect("listened to");
        }
    }

    #[test]
    fn a_value_ends_beside_the_reactor_and_where_it_was_taken() {
        let (ends, ended) = channel();
        let own = current().id();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async { drop(OffReactor::new(Told(ends.clone()))) });
        assert_ne!(ended.recv().expect("ended"), own, "dropped on the reactor's thread");
        runtime.block_on(async { drop(OffReactor::new(Told(ends.clone())).into_inner()) });
        assert_eq!(ended.recv().expect("ended"), own, "taken");
        drop(OffReactor::new(Told(ends)));
        assert_eq!(ended.recv().expect("ended"), own, "without a runtime");
    }
}

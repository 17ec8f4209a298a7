//! No core dump of a node: its memory holds keys, and for a moment the plaintext of reports.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Has the kernel write no image of this process, however it ends, and show its memory to the administrator alone. Called
/// before keys are read.
///
/// # Errors
/// What the system said; the process must not go on to read keys.
pub fn forbid_core_dumps() -> io::Result<()> {
    // The limit holds for files; that the process is not dumpable holds for programs that receive dumps, too.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn a_process_that_forbids_it_is_not_dumped() {
        forbid_core_dumps().expect("allowed to everybody");
        assert_eq!(dumpable_behavior().expect("known"), DumpableBehavior::NotDumpable);
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        forbid_core_dumps().expect("again");
    }
}

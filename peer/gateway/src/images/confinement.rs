//! How a process gives up every right but to compute and to answer: limits of its resources, no new privileges, no core
//! dump, and a filter of system calls that kills it at the first one outside a short list.
//!
//! The list holds what an allocator, an abort and an exit need. Reading is allowed from standard input only, writing to standard
//! output and error only, so that a descriptor left open by mistake is of no use; memory may be mapped without a file and
//! without execution; a signal may go to the process itself, as an abort needs it. There is no call to open, to connect, to
//! start a thread or a program.
//!
//! A process is not tied to its parent's death by a signal: the kernel ties that to the thread that started it, and a
//! runtime's threads come and go. An idle worker reads the end of its input instead; a busy one has little time left.

use std::collections::BTreeMap;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::set_no_new_privs;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};
use thiserror::Error;

/// Address space of a worker. The limits of decoding come to 1.2 GiB (a file of 256 MiB and a copy of it, 512 MiB of
/// pixels as stored, 100 MiB of grey, 64 MiB beside); the program itself is mapped too.
pub const ADDRESS_SPACE_BYTES_MAX: u64 = 2 << 30;
/// Processor time of a worker: ten times what the largest image takes.
pub const CPU_SECONDS_MAX: u64 = 20;
/// Bit of `mmap`'s and `mprotect`'s protection.
const PROT_EXEC: u64 = 4;
/// Bit of `mmap`'s flags.
const MAP_ANONYMOUS: u64 = 0x20;

/// Why a process could not be confined. It must not go on.
#[derive(Debug, Error)]
#[error("the image worker cannot confine itself ({step}): {cause}; run it on Linux with seccomp")]
pub(super) struct ConfinementError {
    /// What was tried.
    pub(super) step: &'static str,
    /// What the system said.
    pub(super) cause: String,
}

/// Confines the calling thread, and the process where it is its only thread. There is no way back.
///
/// # Errors
/// [`ConfinementError`] where a step is refused; the process has given up some rights then, and not all.
pub(super) fn confine() -> Result<(), ConfinementError> {
    let failed = |step| move |error: rustix::io::Errno| ConfinementError { step, cause: error.to_string() };
    for (resource, limit) in limits() {
        let hard = if resource == Resource::Cpu { limit + 1 } else { limit };
        let limit = Rlimit { current: Some(limit), maximum: Some(hard) };
        setrlimit(resource, limit).map_err(failed("a resource limit"))?;
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("no core dump"))?;
    set_no_new_privs(true).map_err(failed("no new privileges"))?;
    let failed = |cause: String| ConfinementError { step: "the filter of system calls", cause };
    let filter = filter().map_err(|error| failed(error.to_string()))?;
    apply_filter(&filter).map_err(|error| failed(error.to_string()))
}

/// What each resource is limited to. The soft limit of processor time comes a second before the hard one: its signal tells
/// time from other ends.
const fn limits() -> [(Resource, u64); 6] {
    [
        (Resource::As, ADDRESS_SPACE_BYTES_MAX),
        (Resource::Cpu, CPU_SECONDS_MAX),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        // Standard input, output and error.
        (Resource::Nofile, 3),
        (Resource::Nproc, 0),
    ]
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let target = TargetArch::try_from(std::env::consts::ARCH)?;
    let (killed, allowed) = (SeccompAction::KillProcess, SeccompAction::Allow);
    SeccompFilter::new(rules(std::process::id())?, killed, allowed, target)?.try_into()
}

/// The allowed calls of a process; an empty list of rules allows any arguments.
fn rules(own_pid: u32) -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let whatever = [
        libc::SYS_brk,
        libc::SYS_clock_gettime,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_madvise,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_yield,
        libc::SYS_sigaltstack,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        whatever.into_iter().map(|call| (call, Vec::new())).collect();
    let is = |place, value| SeccompCondition::new(place, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
    let has = |place, mask, value| {
        SeccompCondition::new(place, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
    };
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![is(0, u64::from(own_pid))?])?]);
    rules.insert(libc::SYS_read, vec![SeccompRule::new(vec![is(0, 0)?])?]);
    let outputs = [1, 2].map(|descriptor| SeccompRule::new(vec![is(0, descriptor)?]));
    rules.insert(libc::SYS_write, outputs.into_iter().collect::<Result<_, _>>()?);
    let plain = vec![has(2, PROT_EXEC, 0)?, has(3, MAP_ANONYMOUS, MAP_ANONYMOUS)?];
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(plain)?]);
    rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![has(2, PROT_EXEC, 0)?])?]);
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_is_made_and_knows_no_call_that_reaches_outside() {
        assert!(!filter().expect("made").is_empty());
        let allowed = rules(7).expect("made");
        for call in [
            libc::SYS_openat,
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_execve,
            libc::SYS_clone,
            libc::SYS_kill,
            libc::SYS_ptrace,
            libc::SYS_prctl,
            libc::SYS_prlimit64,
        ] {
            assert!(!allowed.contains_key(&call), "{call}");
        }
        for call in [libc::SYS_read, libc::SYS_write, libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_tgkill] {
            assert!(!allowed[&call].is_empty(), "{call} has conditions");
        }
    }
}

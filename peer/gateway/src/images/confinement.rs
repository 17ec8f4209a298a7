//! How a process gives up every right but to compute and to answer: limits of its resources, no capabilities, no new
//! privileges, no core dump, and a filter of system calls that kills it at the first one outside a short list. Where memory
//! is short the kernel ends it before any other.
//!
//! The list holds what an allocator, an abort and an exit need. Reading is allowed from standard input only, writing to standard
//! output and error only, so that a descriptor left open by mistake is of no use; memory may be mapped without a file and
//! without execution; an abort may go to the process itself. There is no call to open, to connect, to start a thread or a
//! program, and none to wait: a `futex` may wake whoever waits, and nobody does in a process of one thread.
//!
//! A process is not tied to its parent's death by a signal: the kernel ties that to the thread that started it, and a
//! runtime's threads come and go. An idle worker reads the end of its input instead; a busy one, even one that was taken over,
//! can do nothing but compute, and its processor time ends.

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};
use serde::{Deserialize, Serialize};
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

/// `FUTEX_WAKE` among the operations of `futex`, and the bits that tell them apart.
const FUTEX_WAKE: u64 = 1;
const FUTEX_OPERATION: u64 = 0x7f;
/// Advice with which an allocator gives memory back: `MADV_DONTNEED`, `MADV_FREE`.
const ADVICE: [u64; 2] = [4, 8];
/// The kernel's scale of whom to end first where memory is short.
const OUT_OF_MEMORY_SCORE: (&str, &str) = ("/proc/self/oom_score_adj", "1000");

/// Why a process could not be confined. It must not go on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
#[error("an image worker cannot confine itself ({step}); run the peer on Linux with seccomp")]
pub(super) struct NotConfined {
    /// What was tried.
    pub(super) step: Step,
    /// The system's number of what was wrong; 0 where there is none.
    pub(super) errno: i32,
}

/// The steps of confinement, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// To be the first to go where memory is short.
    OutOfMemoryScore,
    /// Limits of resources.
    Limits,
    /// No core dump.
    CoreDump,
    /// No capabilities.
    Capabilities,
    /// No new privileges.
    NewPrivileges,
    /// The filter of system calls.
    Filter,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OutOfMemoryScore => "its place among those who end when memory is short",
            Self::Limits => "its limits of resources",
            Self::CoreDump => "no core dump",
            Self::Capabilities => "no capabilities",
            Self::NewPrivileges => "no new privileges",
            Self::Filter => "the filter of system calls",
        })
    }
}

/// Confines the calling thread, and the process where it is its only thread. There is no way back.
///
/// # Errors
/// [`NotConfined`] where a step is refused; the process has given up some rights then, and not all.
pub(super) fn confine() -> Result<(), NotConfined> {
    let failed = |step| move |error: Errno| NotConfined { step, errno: error.raw_os_error() };
    let of_io =
        |step| move |error: &io::Error| NotConfined { step, errno: error.raw_os_error().unwrap_or(0) };
    // Where an image takes what the machine does not have, its worker ends and not the peer with everybody's reports.
    let (file, score) = OUT_OF_MEMORY_SCORE;
    std::fs::write(file, score).map_err(|error| of_io(Step::OutOfMemoryScore)(&error))?;
    for (resource, limit) in limits() {
        let hard = if resource == Resource::Cpu { limit + 1 } else { limit };
        let limit = Rlimit { current: Some(limit), maximum: Some(hard) };
        setrlimit(resource, limit).map_err(failed(Step::Limits))?;
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed(Step::CoreDump))?;
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, none).map_err(failed(Step::Capabilities))?;
    set_no_new_privs(true).map_err(failed(Step::NewPrivileges))?;
    let filter = filter().map_err(|_| NotConfined { step: Step::Filter, errno: 0 })?;
    apply_filter(&filter).map_err(|error| match &error {
        seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => of_io(Step::Filter)(error),
        _ => NotConfined { step: Step::Filter, errno: 0 },
    })
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
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
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
    let abort = vec![is(0, u64::from(own_pid))?, is(2, u64::from(libc::SIGABRT.unsigned_abs()))?];
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(abort)?]);
    rules.insert(libc::SYS_futex, vec![SeccompRule::new(vec![has(1, FUTEX_OPERATION, FUTEX_WAKE)?])?]);
    let advice = ADVICE.map(|advice| SeccompRule::new(vec![is(2, advice)?]));
    rules.insert(libc::SYS_madvise, advice.into_iter().collect::<Result<_, _>>()?);
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
            libc::SYS_nanosleep,
            libc::SYS_clock_nanosleep,
            libc::SYS_ppoll,
            libc::SYS_rt_sigsuspend,
        ] {
            assert!(!allowed.contains_key(&call), "{call}");
        }
        for call in [
            libc::SYS_read,
            libc::SYS_write,
            libc::SYS_mmap,
            libc::SYS_mprotect,
            libc::SYS_tgkill,
            libc::SYS_futex,
            libc::SYS_madvise,
        ] {
            assert!(!allowed[&call].is_empty(), "{call} has conditions");
        }
    }
}

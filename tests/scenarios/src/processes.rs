//! What the kernel says of a process, in `/proc`.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// A process by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process(pub u32);

/// The processes that `parent` started and that have not ended, ascending.
///
/// # Errors
/// Where `/proc` cannot be listed.
pub fn children(parent: u32) -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ended meanwhile is no child.
        let of_parent = Process(id).status("PPid").is_ok_and(|text| text == parent.to_string());
        let lives = Process(id).status("State").is_ok_and(|state| !state.starts_with('Z'));
        if of_parent && lives {
            found.push(Process(id));
        }
    }
    found.sort_unstable();
    Ok(found)
}

impl Process {
    /// Whether it has not ended.
    #[must_use]
    pub fn lives(self) -> bool {
        self.status("State").is_ok_and(|state| !state.starts_with('Z'))
    }

    /// A field of its `status`, such as `Seccomp`.
    ///
    /// # Errors
    /// Where there is no such process or field.
    pub fn status(self, field: &str) -> Result<String> {
        let text = fs::read_to_string(self.file("status"))?;
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(value.with_context(|| format!("process {} has no {field}", self.0))?.trim().to_owned())
    }

    /// Its soft limit of a resource, as `limits` names it, such as `Max core file size`.
    ///
    /// # Errors
    /// Where there is no such process or limit.
    pub fn limit(self, name: &str) -> Result<String> {
        let text = fs::read_to_string(self.file("limits"))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
        Ok(value.with_context(|| format!("process {} has no {name}", self.0))?.to_owned())
    }

    /// Its environment; `None` where the kernel hides it, as it does of a process that may not be dumped.
    ///
    /// # Errors
    /// Where there is no such process.
    pub fn environment(self) -> Result<Option<Vec<u8>>> {
        hidden(fs::read(self.file("environ")))
    }

    /// Numbers of its open descriptors, ascending; `None` where the kernel hides them.
    ///
    /// # Errors
    /// Where there is no such process.
    pub fn descriptors(self) -> Result<Option<Vec<u32>>> {
        let Some(entries) = hidden(fs::read_dir(self.file("fd")))? else { return Ok(None) };
        let mut numbers: Vec<u32> =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(Some(numbers))
    }

    /// Its arguments.
    ///
    /// # Errors
    /// Where there is no such process.
    pub fn arguments(self) -> Result<Vec<String>> {
        let text = fs::read_to_string(self.file("cmdline"))?;
        Ok(text.split_terminator('\0').skip(1).map(str::to_owned).collect())
    }

    /// Processor time that it has used, in ticks, a hundred a second.
    ///
    /// # Errors
    /// Where there is no such process.
    pub fn ticks(self) -> Result<u64> {
        let text = fs::read_to_string(self.file("stat"))?;
        // The name stands in brackets and may hold any character; user and system time are fields 14 and 15.
        let (_, rest) = text.rsplit_once(')').with_context(|| format!("process {}: {text}", self.0))?;
        rest.split_ascii_whitespace().skip(11).take(2).map(|field| Ok(field.parse::<u64>()?)).sum()
    }

    /// The kernel's adjustment of its score where memory is short; 1000 ends first.
    ///
    /// # Errors
    /// Where there is no such process.
    pub fn out_of_memory_score(self) -> Result<i32> {
        Ok(fs::read_to_string(self.file("oom_score_adj"))?.trim().parse()?)
    }

    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }
}

fn hidden<T>(read: io::Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(error.into()),
    }
}

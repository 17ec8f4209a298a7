//! A small disk of a node's own: a tmpfs that a file can fill up.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::tools::run;

/// What is written at a time to fill it.
const PIECE_BYTES: usize = 1 << 20;

/// A mounted tmpfs. Dropped, it is unmounted.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many bytes at a folder, which is made.
    pub(crate) fn mount(folder: &Path, bytes: u64) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let options = format!("size={bytes},mode=0700");
        run(&["mount", "-t", "tmpfs", "-o", &options, "consilium", &folder.display().to_string()])?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut file = File::create(self.filler())?;
        let (piece, mut size) = (vec![0; PIECE_BYTES], PIECE_BYTES);
        while size > 0 {
            match file.write(&piece[..size]) {
                Ok(written) => ensure!(written > 0, "nothing is written and no reason given"),
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => size /= 2,
                Err(error) => return Err(error).context("the disk cannot be filled"),
            }
        }
        Ok(())
    }

    /// Gives back what [`Self::fill`] took.
    pub(crate) fn free(&self) -> Result<()> {
        std::fs::remove_file(self.filler()).context("the file that fills the disk")
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that ends just now may hold a file open.
        let _ = run(&["umount", "-l", &self.folder.display().to_string()]);
    }
}

/// Unmounts the disks of test programs that were killed: those below a temporary folder whose name holds the process id.
pub(crate) fn remove_stale() {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    for line in mounts.lines().filter(|line| line.starts_with("consilium ")) {
        let Some(folder) = line.split(' ').nth(1) else { continue };
        if Path::new(folder).iter().filter_map(|part| part.to_str()).any(is_of_the_dead) {
            // Somebody else may be doing the same.
            let _ = run(&["umount", "-l", folder]);
        }
    }
}

/// Whether `name` is `consilium-PID-...` of a process that has ended.
pub(crate) fn is_of_the_dead(name: &str) -> bool {
    let id = name.strip_prefix("consilium-").and_then(|rest| rest.split('-').next());
    let id: Option<u32> = id.and_then(|id| id.parse().ok());
    id.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_the_id_of_a_dead_process_are_of_the_dead() {
        let own = std::process::id();
        let rows = [
            (format!("consilium-{own}-0-peer-a"), false),
            ("consilium-4294967295-0-peer-a".to_owned(), true),
            ("consilium-Ab12Cd".to_owned(), false),
            ("consilium-".to_owned(), false),
            ("4294967295".to_owned(), false),
        ];
        for (name, verdict) in rows {
            assert_eq!(is_of_the_dead(&name), verdict, "{name}");
        }
    }
}

//! A file that appears whole or not at all: written beside its target under another name, renamed at the end.
//!
//! Opened reports are readable by their user alone (mode 0600). Where anything fails the part is removed.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt as _;

use crate::error::Fault;

/// A file in the making; removed when it is dropped before [`PartFile::finish`].
#[derive(Debug)]
pub(crate) struct PartFile {
    file: File,
    part: PathBuf,
    target: PathBuf,
    kept: bool,
}

/// Says whether a file may be written there.
fn check_target(target: &Path) -> Result<(), Fault> {
    let unfit = |reason: &str| Fault::UnfitFile { path: target.to_owned(), reason: reason.to_owned() };
    if target.file_name().is_none() {
        return Err(unfit("is no file name; name the file to write"));
    }
    if target.symlink_metadata().is_ok() {
        return Err(unfit("exists already; remove it or name another file"));
    }
    let folder = folder_of(target);
    if !folder.is_dir() {
        return Err(unfit("cannot be written: its folder does not exist; make the folder first"));
    }
    Ok(())
}

impl PartFile {
    /// Begins a file, under a name of its own, so that two downloads to one target do not meet.
    pub(crate) async fn create(target: &Path) -> Result<Self, Fault> {
        check_target(target)?;
        let mut tag = [0_u8; 4];
        getrandom::fill(&mut tag).map_err(|error| Fault::Proposal {
            reason: format!("the system gives no random numbers: {error}"),
        })?;
        let (name, tag) = (target.file_name().unwrap_or_default().to_string_lossy(), u32::from_be_bytes(tag));
        let part = folder_of(target).join(format!(".{name}.{tag:08x}.part"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        let file = options.open(&part).await.map_err(fault(&part, "cannot be created beside its target"))?;
        Ok(Self { file, part, target: target.to_owned(), kept: false })
    }

    /// Appends bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.file.write_all(bytes).await.map_err(fault(&self.part, "cannot be written; is the disk full?"))
    }

    /// Makes the bytes durable and gives the file its name.
    pub(crate) async fn finish(mut self) -> Result<(), Fault> {
        let written = fault(&self.part, "cannot be written; is the disk full?");
        self.file.flush().await.map_err(&written)?;
        self.file.sync_all().await.map_err(&written)?;
        // A file that appeared meanwhile is somebody else's: it is not overwritten.
        check_target(&self.target)?;
        tokio::fs::rename(&self.part, &self.target)
            .await
            .map_err(fault(&self.target, "cannot be given its name"))?;
        self.kept = true;
        let folder = folder_of(&self.target);
        let opened = File::open(&folder).await.map_err(fault(&folder, "cannot be opened"))?;
        opened.sync_all().await.map_err(fault(&folder, "cannot be made durable"))
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing more can be done here about a part that cannot be removed; it is not readable by others.
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

fn folder_of(target: &Path) -> PathBuf {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn fault(path: &Path, action: &'static str) -> impl Fn(io::Error) -> Fault {
    let path = path.to_owned();
    move |source| Fault::File { path: path.clone(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("report.png");
        let mut part = PartFile::create(&target).await.unwrap();
        part.write(b"half").await.unwrap();
        let other = PartFile::create(&target).await.unwrap();
        let parts = names(folder.path());
        assert!(parts.len() == 2 && parts.iter().all(|name| name.starts_with(".report.png.")), "{parts:?}");
        drop(other);
        drop(part);
        assert!(names(folder.path()).is_empty());

        let mut part = PartFile::create(&target).await.unwrap();
        part.write(b"whole").await.unwrap();
        part.finish().await.unwrap();
        assert_eq!(names(folder.path()), ["report.png"]);
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn a_target_that_cannot_be_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let existing = folder.path().join("there");
        std::fs::write(&existing, "mine").unwrap();
        let rows = [
            (existing.clone(), "exists already"),
            (folder.path().to_owned(), "exists already"),
            (folder.path().join("absent/out"), "folder does not exist"),
            (PathBuf::from("/"), "no file name"),
        ];
        for (target, text) in rows {
            let error = PartFile::create(&target).await.unwrap_err().to_string();
            assert!(error.contains(text), "{}: {error}", target.display());
        }
        assert_eq!(std::fs::read(&existing).unwrap(), b"mine");
    }

    #[tokio::test]
    async fn a_file_that_appeared_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let part = PartFile::create(&target).await.unwrap();
        std::fs::write(&target, "theirs").unwrap();
        assert!(part.finish().await.is_err());
        assert_eq!(names(folder.path()), ["out"]);
        assert_eq!(std::fs::read(&target).unwrap(), b"theirs");
    }
}

//! Writing so that an interrupted run leaves nothing half done, and nothing that exists is replaced.
//!
//! A new folder is filled under another name and renamed when everything in it has reached the disk: key and
//! certificate appear together or not at all. A single file is written beside its place and renamed. What a
//! killed run left under such names is removed by the next one. The names begin with a dot, so readers of the
//! folders pass them over.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// No key, certificate or configuration of ours comes near it.
const FILE_LENGTH_MAX: u64 = 64 * 1024;

/// Whether anybody but the owner may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Mode 644.
    Public,
    /// Mode 600.
    Private,
}

/// A file to be written.
pub struct NewFile<'a> {
    /// Where, from the folder on.
    pub name: &'a str,
    /// What.
    pub text: &'a str,
    /// For whom.
    pub access: Access,
}

/// Makes `folder` with `files` and the empty `folders`, all at once where `folder` does not hold anything yet.
/// Where it does, writes in the given order those files that are missing.
pub fn fill_folder(folder: &Path, files: &[NewFile<'_>], folders: &[&str]) -> Result<(), Failure> {
    if !is_empty_or_absent(folder)? {
        for file in files {
            write_if_absent(&folder.join(file.name), file)?;
        }
        return folders.iter().try_for_each(|name| make_folder(&folder.join(name)));
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
    }
    let partial = partial_name(folder);
    remove_partial(&partial)?;
    make_folder(&partial)?;
    for name in folders {
        make_folder(&partial.join(name))?;
    }
    for file in files {
        write_and_sync(&partial.join(file.name), file)?;
    }
    fs::rename(&partial, folder).map_err(Failure::disk(folder, "give the new folder its name"))?;
    sync_parent(folder)
}

/// Writes a file unless there is one; true when it was written.
pub fn write_if_absent(path: &Path, file: &NewFile<'_>) -> Result<bool, Failure> {
    if exists(path)? {
        return Ok(false);
    }
    let partial = partial_name(path);
    remove_partial(&partial)?;
    write_and_sync(&partial, file)?;
    fs::rename(&partial, path).map_err(Failure::disk(path, "give the new file its name"))?;
    sync_parent(path)?;
    Ok(true)
}

/// Makes a folder and those above it, with mode 755, where they are missing.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    let made = DirBuilder::new().mode(0o755).create(path);
    made.map_err(Failure::disk(path, "make the folder"))?;
    // The mode above is cut by the caller's umask; nodes under other users must be able to read certificates.
    fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(Failure::disk(path, "set mode 755"))
}

/// Returns a file's text, or `None` where there is no such file; the text is wiped when dropped.
pub fn read_if_present(path: &Path) -> Result<Option<Zeroizing<String>>, Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::disk(path, "open it")(error)),
    };
    // Room for all of it from the start, so that no copy of a key stays behind where the text grew.
    let mut text = Zeroizing::new(String::with_capacity(FILE_LENGTH_MAX as usize + 1));
    match file.take(FILE_LENGTH_MAX + 1).read_to_string(&mut text) {
        Ok(length) if length as u64 > FILE_LENGTH_MAX => {
            Err(Failure::Rejected(format!("{}: is longer than {FILE_LENGTH_MAX} bytes", path.display())))
        }
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(Failure::Rejected(format!("{}: is not text, so neither key nor certificate", path.display())))
        }
        Err(error) => Err(Failure::disk(path, "read it")(error)),
    }
}

/// True when others than the owner may read the file.
pub fn is_readable_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Takes the output folder for this run alone; it is free again when the value is dropped, or the process ends.
pub fn lock(folder: &Path) -> Result<File, Failure> {
    make_folder(folder)?;
    let handle = File::open(folder).map_err(Failure::disk(folder, "open it"))?;
    match handle.try_lock() {
        Ok(()) => Ok(handle),
        Err(fs::TryLockError::WouldBlock) => Err(Failure::Rejected(format!(
            "{}: another cryptogen is at work in this folder; run again when it has ended",
            folder.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(Failure::disk(folder, "lock it")(error)),
    }
}

fn exists(path: &Path) -> Result<bool, Failure> {
    path.try_exists().map_err(Failure::disk(path, "look for it"))
}

fn is_empty_or_absent(folder: &Path) -> Result<bool, Failure> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Failure::disk(folder, "list the folder")(error)),
    }
}

/// `.NAME.partial`, beside `path`, so that a rename stays within one file system.
fn partial_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.partial"))
}

fn remove_partial(partial: &Path) -> Result<(), Failure> {
    let removed = if partial.is_dir() { fs::remove_dir_all(partial) } else { fs::remove_file(partial) };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Failure::disk(partial, "remove what an interrupted run left")(error))
        }
        _ => Ok(()),
    }
}

fn write_and_sync(path: &Path, file: &NewFile<'_>) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    let mode = match file.access {
        Access::Public => 0o644,
        Access::Private => 0o600,
    };
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut handle = opened.map_err(Failure::disk(path, "create it"))?;
    let written = handle
        .set_permissions(Permissions::from_mode(mode))
        .and_then(|()| handle.write_all(file.text.as_bytes()))
        .and_then(|()| handle.sync_all());
    written.map_err(Failure::disk(path, "write it"))
}

fn sync_parent(path: &Path) -> Result<(), Failure> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    let synced = File::open(parent).and_then(|folder| folder.sync_all());
    synced.map_err(Failure::disk(parent, "bring the folder to the disk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &'static str, access: Access) -> NewFile<'static> {
        NewFile { name, text: "text", access }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_appears_with_everything_in_it_and_with_the_right_modes() {
        let output = tempfile::tempdir().unwrap();
        let folder = output.path().join("a/b/msp");
        let files = [file("signcerts/x.pem", Access::Public), file("keystore/priv_sk", Access::Private)];
        fill_folder(&folder, &files, &["admincerts"]).unwrap();
        let table: [(&str, u32); 5] = [
            ("", 0o755),
            ("admincerts", 0o755),
            ("keystore", 0o755),
            ("signcerts/x.pem", 0o644),
            ("keystore/priv_sk", 0o600),
        ];
        for (name, verdict) in table {
            assert_eq!(mode(&folder.join(name)), verdict, "{name}");
        }
    }

    #[test]
    fn what_an_interrupted_run_left_is_replaced_and_what_exists_is_not() {
        let output = tempfile::tempdir().unwrap();
        let folder = output.path().join("msp");
        let left = output.path().join(".msp.partial/keystore");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("priv_sk"), "half").unwrap();
        fill_folder(&folder, &[file("keystore/priv_sk", Access::Private)], &[]).unwrap();
        assert_eq!(fs::read_to_string(folder.join("keystore/priv_sk")).unwrap(), "text");
        assert!(!left.exists());

        fs::write(folder.join("keystore/priv_sk"), "mine").unwrap();
        fs::write(folder.join(".ca.crt.partial"), "half").unwrap();
        let files = [file("ca.crt", Access::Public), file("keystore/priv_sk", Access::Private)];
        fill_folder(&folder, &files, &[]).unwrap();
        assert_eq!(fs::read_to_string(folder.join("keystore/priv_sk")).unwrap(), "mine");
        assert_eq!(fs::read_to_string(folder.join("ca.crt")).unwrap(), "text");
        assert!(!folder.join(".ca.crt.partial").exists());
    }

    #[test]
    fn a_folder_is_locked_for_one_at_a_time() {
        let output = tempfile::tempdir().unwrap();
        let first = lock(output.path()).unwrap();
        assert!(lock(output.path()).unwrap_err().to_string().contains("another cryptogen"));
        drop(first);
        lock(output.path()).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_a_key_is_refused_before_it_is_taken_in() {
        let output = tempfile::tempdir().unwrap();
        let path = output.path().join("priv_sk");
        assert!(read_if_present(&path).unwrap().is_none());
        let table: [(Vec<u8>, &str); 2] =
            [(vec![b'x'; FILE_LENGTH_MAX as usize + 1], "is longer than"), (vec![0xff, 0xfe], "is not text")];
        for (bytes, verdict) in table {
            fs::write(&path, bytes).unwrap();
            let error = read_if_present(&path).unwrap_err().to_string();
            assert!(error.contains(verdict), "{error}");
        }
    }
}

//! Reads folders of crypto material into memory, within limits, and hands MSP folders to `msp`.
//!
//! Names that begin with two dots are left out: mounted secrets keep their versions there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use msp::MspFolder;
use protocol::MspId;
use thiserror::Error;

/// One file: a certificate, a key, a page of YAML.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Files in one folder, those of its folders included.
const FILES_MAX: usize = 1_000;
/// Folders within folders.
const DEPTH_MAX: usize = 8;

/// Why a folder was not read.
#[derive(Debug, Error)]
pub enum FolderError {
    /// A file or folder cannot be read.
    #[error("{path}: cannot be read: {source}; check the path and its permissions", path = .path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A file is too large.
    #[error("{path}: larger than {limit} bytes: this is no crypto material", path = .path.display())]
    TooLarge {
        /// Which one.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Too many files.
    #[error("{path}: more than {limit} files: is this the right folder?", path = .path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// Folders within folders without end.
    #[error("{path}: more than {limit} folders deep: is this the right folder?", path = .path.display())]
    TooDeep {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A file's name is not text.
    #[error("{path}: the name is not UTF-8: rename it", path = .path.display())]
    Name {
        /// Which one.
        path: PathBuf,
    },
}

/// Why an MSP folder is not usable.
#[derive(Debug, Error)]
pub enum MspLoadError {
    /// It was not read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its content is not an MSP's.
    #[error("{path}: {fault}", path = .path.display())]
    Content {
        /// The folder.
        path: PathBuf,
        /// What is wrong, in full.
        fault: msp::MspError,
    },
}

/// Reads every file of a folder: contents by path relative to it, with `/` between names.
///
/// # Errors
/// [`FolderError`] names the path.
pub fn load_folder(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, FolderError> {
    let mut files = BTreeMap::new();
    collect(path, "", path, &mut files)?;
    Ok(files)
}

/// Reads an MSP folder.
///
/// # Errors
/// [`MspLoadError`] names the folder, and the file where one is at fault.
pub fn load_msp(path: &Path, msp_id: MspId) -> Result<MspFolder, MspLoadError> {
    let files = load_folder(path)?;
    let folder = MspFolder::parse(msp_id, &files)
        .map_err(|fault| MspLoadError::Content { path: path.to_owned(), fault })?;
    for warning in folder.warnings() {
        tracing::warn!(folder = %path.display(), "{warning}");
    }
    Ok(folder)
}

fn collect(
    root: &Path,
    prefix: &str,
    folder: &Path,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), FolderError> {
    if prefix.split('/').count() > DEPTH_MAX {
        return Err(FolderError::TooDeep { path: root.to_owned(), limit: DEPTH_MAX });
    }
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Unreadable { path, source }
    };
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(FolderError::Name { path });
        };
        if name.starts_with("..") {
            continue;
        }
        let relative = format!("{prefix}{name}");
        if fs::metadata(&path).map_err(unreadable(&path))?.is_dir() {
            collect(root, &format!("{relative}/"), &path, files)?;
        } else {
            if files.len() == FILES_MAX {
                return Err(FolderError::TooMany { path: root.to_owned(), limit: FILES_MAX });
            }
            files.insert(relative, read(&path)?);
        }
    }
    Ok(())
}

/// Reads a file within the limit. The limit holds for what is read, not for what the directory says.
fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    let unreadable = |source| FolderError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FolderError::TooLarge { path: path.to_owned(), limit: FILE_BYTES_MAX });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_under_its_relative_path() {
        let root = tempfile::tempdir().unwrap();
        for (path, bytes) in [("config.yaml", "a"), ("keystore/k", "b"), ("a/b/c", "c"), ("..data/old", "x")]
        {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let files = load_folder(root.path()).unwrap();
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["a/b/c", "config.yaml", "keystore/k"]);
        assert_eq!(files["keystore/k"], b"b");
    }

    #[test]
    fn limits_and_faults_name_the_path() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("large")).unwrap();
        fs::write(at("large/exact"), vec![0; 64 << 10]).unwrap();
        fs::write(at("large/file"), vec![0; (64 << 10) + 1]).unwrap();
        fs::create_dir_all(at("deep/1/2/3/4/5/6/7/8")).unwrap();
        fs::create_dir_all(at("many")).unwrap();
        for number in 0..1_001 {
            fs::write(at(&format!("many/{number}")), "").unwrap();
        }
        fs::write(at("file"), "").unwrap();
        let rows = [
            ("large", "large/file: larger than 65536 bytes"),
            ("deep", "deep: more than 8 folders deep"),
            ("many", "many: more than 1000 files"),
            ("absent", "absent: cannot be read"),
            ("file", "file: cannot be read"),
        ];
        for (name, text) in rows {
            let error = load_folder(&at(name)).unwrap_err().to_string();
            assert!(error.contains(text), "{name}: {error}");
        }
    }

    #[test]
    fn an_msp_folder_without_certificates_is_named() {
        let root = tempfile::tempdir().unwrap();
        let error = load_msp(root.path(), MspId::new("Org1MSP").unwrap()).unwrap_err().to_string();
        assert!(error.contains(&root.path().display().to_string()), "{error}");
    }
}

//! Where everything of the network lies on the disk. The only place that spells these names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::consortium::{Kind, Node};

/// The network's folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// Everything that a network makes in its folder.
const ENTRIES: [&str; 10] = [
    "network.json",
    "network.json.new",
    "lock",
    "crypto-config",
    "crypto-config.yaml",
    "consortium.yaml",
    "reports.block",
    "nodes",
    "env",
    "shared",
];

impl Folder {
    /// The folder that was named, or the user's own. The path is absolute, since files in it name others by it.
    ///
    /// # Errors
    /// Where neither a folder is named nor the environment says where the user's data goes.
    pub fn choose(named: Option<PathBuf>) -> anyhow::Result<Self> {
        let from = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = || from("XDG_DATA_HOME").or_else(|| Some(from("HOME")?.join(".local/share")));
        let path = named
            .or_else(|| Some(data()?.join("consilium/network")))
            .context("no folder for the network: set HOME, or name one by --dir")?;
        Ok(Self(std::path::absolute(path)?))
    }

    /// A folder at an absolute path.
    #[cfg(test)]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder, readable by its owner only: it holds private keys.
    ///
    /// # Errors
    /// Where it cannot be made, or holds something that is no network.
    pub fn make(&self) -> anyhow::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = &self.0;
        if !path.exists() {
            return fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .with_context(|| format!("{}: cannot be made", path.display()));
        }
        let mut entries =
            fs::read_dir(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let is_known = |name: &str| ENTRIES.contains(&name);
        let foreign = entries.find_map(|entry| {
            let name = entry.ok()?.file_name().to_string_lossy().into_owned();
            (!is_known(&name)).then_some(name)
        });
        if let (Some(name), false) = (foreign, self.state().exists()) {
            bail!("{} holds `{name}` and no network; name an empty or a new folder by --dir", path.display());
        }
        Ok(())
    }

    /// Removes everything that a network makes, and the folder if nothing else is in it.
    ///
    /// # Errors
    /// Names the path that could not be removed.
    pub fn purge(&self) -> anyhow::Result<()> {
        for entry in ENTRIES {
            let path = self.0.join(entry);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{}: cannot be removed", path.display()));
                }
                _ => {}
            }
        }
        // A folder that holds something of the user's stays.
        let _ = fs::remove_dir(&self.0);
        Ok(())
    }

    /// Ports and what was done.
    pub fn state(&self) -> PathBuf {
        self.0.join("network.json")
    }

    /// Held while something is started or stopped.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The template of keys.
    pub fn crypto_template(&self) -> PathBuf {
        self.0.join("crypto-config.yaml")
    }

    /// Keys and certificates of everybody.
    pub fn crypto(&self) -> PathBuf {
        self.0.join("crypto-config")
    }

    /// The consortium with this machine's ports.
    pub fn consortium(&self) -> PathBuf {
        self.0.join("consortium.yaml")
    }

    /// The channel's genesis block.
    pub fn genesis(&self) -> PathBuf {
        self.0.join("reports.block")
    }

    /// Shell files by which users act.
    pub fn env(&self) -> PathBuf {
        self.0.join("env")
    }

    /// What the demonstration drew and downloaded.
    pub fn shared(&self) -> PathBuf {
        self.0.join("shared")
    }

    /// A node's folder.
    pub fn node(&self, node: Node) -> PathBuf {
        self.0.join("nodes").join(node.name())
    }

    /// A node's settings.
    pub fn settings(&self, node: Node) -> PathBuf {
        let name = match node.kind {
            Kind::Orderer => "orderer.yaml",
            Kind::Peer => "core.yaml",
        };
        self.node(node).join(name)
    }

    /// A node's log.
    pub fn log(&self, node: Node) -> PathBuf {
        self.node(node).join("log")
    }

    /// Which process is the node.
    pub fn pid(&self, node: Node) -> PathBuf {
        self.node(node).join("pid.json")
    }

    /// The folder of a node's organisation.
    pub fn organization(&self, node: Node) -> PathBuf {
        let half = match node.kind {
            Kind::Orderer => "ordererOrganizations",
            Kind::Peer => "peerOrganizations",
        };
        self.crypto().join(half).join(node.domain())
    }

    /// The folder of a node's own keys, with `msp` and `tls`.
    pub fn identity(&self, node: Node) -> PathBuf {
        self.organization(node).join(format!("{}s", node.binary())).join(node.common_name())
    }

    /// The folder of a user of a node's organisation, with `msp` and `tls`.
    pub fn user(&self, node: Node, user: &str) -> PathBuf {
        self.organization(node).join("users").join(format!("{user}@{}", node.domain()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_leaves_what_is_not_the_networks() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::at(&root.path().join("network"));
        folder.make().unwrap();
        fs::write(folder.state(), "{}").unwrap();
        fs::create_dir_all(folder.crypto().join("keys")).unwrap();
        fs::write(folder.path().join("letter"), "mine").unwrap();
        folder.purge().unwrap();
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["letter"]);
        fs::remove_file(folder.path().join("letter")).unwrap();
        folder.purge().unwrap();
        assert!(!folder.path().exists());
    }

    #[test]
    fn a_folder_with_something_else_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("letter"), "mine").unwrap();
        let folder = Folder::at(root.path());
        let error = folder.make().unwrap_err().to_string();
        assert!(error.contains("holds `letter` and no network"), "{error}");
        fs::write(folder.state(), "{}").unwrap();
        folder.make().unwrap();
    }

    #[test]
    fn a_new_folder_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::at(&root.path().join("a/b"));
        folder.make().unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

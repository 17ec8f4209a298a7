//! The tree as every rule sees it: our crates with their manifests, all packages, and the text files of the repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::manifest::Manifest;
use crate::metadata::{Metadata, Package, linked};

/// A text file that git tracks, or would track.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Path from the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// One of our crates.
#[derive(Debug, Clone)]
pub(crate) struct Crate {
    pub(crate) package: Package,
    /// Folder from the root.
    pub(crate) folder: String,
    pub(crate) manifest: Manifest,
}

/// Everything that rules look at.
#[derive(Debug)]
pub struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) metadata: Metadata,
    /// Names of all packages that a build links.
    pub(crate) linked: BTreeSet<String>,
    pub(crate) crates: Vec<Crate>,
    pub(crate) files: Vec<SourceFile>,
}

impl Crate {
    /// `package.metadata.layer`.
    pub(crate) fn layer(&self) -> Option<u64> {
        self.package.metadata.get("layer").and_then(serde_json::Value::as_u64)
    }

    /// Whether other crates can use it.
    pub(crate) fn is_library(&self) -> bool {
        self.package.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "lib"))
    }

    /// Path of its manifest from the root.
    pub(crate) fn manifest_path(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// Where a dependency stands in its manifest.
    pub(crate) fn place_of<'a>(&self, path: &'a str, dependency: &str) -> (&'a str, usize) {
        (path, self.manifest.line_of(dependency))
    }

    /// Names in `[dependencies]` and `[build-dependencies]`.
    pub(crate) fn normal_dependencies(&self) -> impl Iterator<Item = &str> {
        let normal =
            self.package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
        normal.map(|dependency| dependency.name.as_str())
    }

    /// Names in `[dev-dependencies]`.
    pub(crate) fn dev_dependencies(&self) -> impl Iterator<Item = &str> {
        let dev =
            self.package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() == Some("dev"));
        dev.map(|dependency| dependency.name.as_str())
    }
}

impl Workspace {
    /// Reads the workspace that holds this crate.
    ///
    /// # Errors
    /// When cargo or git cannot be run, or a manifest cannot be read.
    pub fn load() -> Result<Self> {
        let metadata = Metadata::load(Path::new(env!("CARGO_MANIFEST_DIR")))?;
        let root = PathBuf::from(&metadata.workspace_root);
        let mut crates = Vec::new();
        for package in &metadata.packages {
            if !metadata.workspace_members.contains(&package.id) {
                continue;
            }
            let manifest_path = Path::new(&package.manifest_path);
            let text = std::fs::read_to_string(manifest_path)
                .with_context(|| format!("{} cannot be read", package.manifest_path))?;
            let folder = manifest_path.parent().and_then(|folder| folder.strip_prefix(&root).ok());
            let folder =
                folder.with_context(|| format!("{} is outside the workspace", package.manifest_path))?;
            let folder = folder.to_string_lossy().into_owned();
            crates.push(Crate { package: package.clone(), folder, manifest: Manifest::parse(&text) });
        }
        let files = text_files(&root)?;
        let linked = linked(&root)?;
        Ok(Self { root, metadata, linked, crates, files })
    }

    pub(crate) fn crate_named(&self, name: &str) -> Option<&Crate> {
        self.crates.iter().find(|ours| ours.package.name == name)
    }

    pub(crate) fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// The text files that git tracks, and those that it neither tracks nor ignores.
fn text_files(root: &Path) -> Result<Vec<SourceFile>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git could not be started")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let mut paths: Vec<&str> = names.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    // What is deleted but still tracked, and what is not text, holds no words.
    let read = |path: &str| {
        let bytes = std::fs::read(root.join(path)).ok()?;
        let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
        Some(SourceFile { path: path.to_owned(), text })
    };
    Ok(paths.into_iter().filter_map(read).collect())
}

//! Where test data lie that are not part of the project.

use std::env;
use std::path::{Path, PathBuf};

/// A folder or file below `CONSILIUM_SHARED`, else below `shared` beside the workspace; says so when it is absent.
pub fn folder(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = env::var_os("CONSILIUM_SHARED").map_or(beside, PathBuf::from).join(name);
    if !path.exists() {
        println!("DATA ABSENT: {}", path.display());
        return None;
    }
    Some(path)
}

//! A reserve of free space: a store stops writing while there is still room to shut down and to clean up.
//!
//! How much is free is a question to the system that the standard library does not offer, so the caller brings the
//! answer as a function; without one, a full disk shows as the engine's own error.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::StoreError;

type Probe = dyn Fn(&Path) -> io::Result<u64> + Send + Sync;

/// Refuses writes while less than a reserve is free.
#[derive(Clone)]
pub struct SpaceGuard {
    reserve_bytes: u64,
    probe: Arc<Probe>,
}

impl SpaceGuard {
    /// A guard that keeps `reserve_bytes` free; `probe` tells how many bytes are available to the file system of a folder.
    pub fn new(reserve_bytes: u64, probe: impl Fn(&Path) -> io::Result<u64> + Send + Sync + 'static) -> Self {
        Self { reserve_bytes, probe: Arc::new(probe) }
    }

    /// Returns `Ok` if `bytes` more leave the reserve untouched.
    ///
    /// # Errors
    /// [`StoreError::SpaceReserve`], or [`StoreError::Folder`] where the probe fails.
    pub fn check(&self, path: &Path, bytes: usize) -> Result<(), StoreError> {
        let available =
            (self.probe)(path).map_err(|source| StoreError::Folder { path: path.to_owned(), source })?;
        let wanted = self.reserve_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if available < wanted {
            return Err(StoreError::SpaceReserve {
                path: path.to_owned(),
                available,
                reserve: self.reserve_bytes,
            });
        }
        Ok(())
    }
}

impl fmt::Debug for SpaceGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpaceGuard").field("reserve_bytes", &self.reserve_bytes).finish_non_exhaustive()
    }
}

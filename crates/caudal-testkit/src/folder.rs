//! A service's private folder, and a port for it.

use std::{
    collections::hash_map::RandomState,
    env,
    fs::Permissions,
    hash::{BuildHasher, Hasher},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::Error;

/// Ports that no operating system hands out by itself, so that a stopped service finds its own
/// port free when it is started again.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// Where a service keeps its data and log.
#[derive(Debug)]
pub(crate) enum Folder {
    /// Removed with the service.
    Private(TempDir),
    /// Kept.
    Given(PathBuf),
}

impl Folder {
    /// A new folder, which is removed on drop. Root's is in /tmp, because a service that runs as
    /// another user could not reach one below root's home.
    pub(crate) fn private(name: &str) -> Result<Self, Error> {
        let parent = if rustix::process::geteuid().is_root() { PathBuf::from("/tmp") } else { env::temp_dir() };
        tempfile::Builder::new()
            .prefix(&format!("caudal-{name}-"))
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map(Self::Private)
            .map_err(Error::io("no private folder could be made"))
    }

    pub(crate) fn given(path: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(Error::io(path.display().to_string()))?;
        Ok(Self::Given(path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Private(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}

/// A port of 127.0.0.1 that nothing listens on.
pub fn free_port() -> Result<u16, Error> {
    let mut last = io::Error::other("none tried");
    for _ in 0..100 {
        let random = RandomState::new().build_hasher().finish();
        let offset = random % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(offset).unwrap_or_default();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(Error::io("no free port was found")(last))
}

//! A service's private folder, and a port for it.

use std::{
    env,
    fs::{self, File, Permissions},
    io::{self, Read as _, Seek as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{Error, programs};

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
        fs::create_dir_all(path).map_err(Error::io(path.display().to_string()))?;
        Ok(Self::Given(path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Private(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}

/// A port of 127.0.0.1 that nothing listens on. All processes of this user share the file by which ports are handed out in turn, so that
/// nobody is given one that another has been given and does not listen on yet, or not just now.
pub fn free_port() -> Result<u16, Error> {
    next_port(&programs::cache()).map_err(Error::io("no free port was found"))
}

fn next_port(folder: &Path) -> io::Result<u16> {
    fs::create_dir_all(folder)?;
    let mut turn = File::options().read(true).write(true).create(true).truncate(false).open(folder.join("port"))?;
    turn.lock()?;
    let mut last = String::new();
    turn.read_to_string(&mut last)?;
    let last = last.parse().ok().filter(|port| PORTS.contains(port)).unwrap_or(PORTS.start);
    let listens = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err();
    let next = (last + 1..PORTS.end).chain(PORTS.start..=last).find(|port| !listens(port));
    let port = next.ok_or(io::ErrorKind::AddrInUse)?;
    turn.set_len(0)?;
    turn.rewind()?;
    write!(turn, "{port}")?;
    Ok(port)
}

//! The folder of one run, which is gone when the run is, however it ends.
//!
//! Who runs a cluster holds the lock of its folder, and the kernel lets go of a lock when its holder dies. A reaper, a
//! process that outlives the holder, waits for the lock and then removes all of the run: processes, control groups and
//! folder. Should the reaper be killed too, the next run does its work.

use std::{
    env,
    fs::{self, File},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use caudal_testkit::programs;

use super::stage::{self, Stage};

/// How long the last processes may hold on to the folder.
const END: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A run's folder. Dropped, it is removed with all that belongs to it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    lock: Option<File>,
    reaper: Child,
}

impl Folder {
    /// Makes a new one, after removing what runs before have left behind.
    pub(crate) fn new() -> Result<Self> {
        let parent = programs::cache().join("clusters");
        fs::create_dir_all(&parent).with_context(|| format!("cannot make {}", parent.display()))?;
        // Nobody may find a new folder before it is locked.
        let making = File::create(parent.join("lock"))?;
        making.lock()?;
        sweep(&parent)?;
        let path = tempfile::Builder::new().prefix("").tempdir_in(&parent)?.keep();
        let lock = File::create(path.join("lock"))?;
        lock.lock()?;
        let reaper = reaper(&path)?;
        Ok(Self { path, lock: Some(lock), reaper })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.lock.take();
        let _ = self.reaper.wait();
    }
}

/// The name of the control groups that belong to the folder `path`.
pub(crate) fn group_name(path: &Path) -> String {
    format!("caudal-{}", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Waits until nobody runs a cluster in `path`, and removes all that belongs to it.
pub(crate) fn reap(path: &Path) -> Result<()> {
    let lock = File::open(path.join("lock")).with_context(|| format!("no run in {}", path.display()))?;
    lock.lock()?;
    clean(path)
}

/// Starts the reaper, in a process group of its own: what is sent to the caller's group is not for it.
fn reaper(path: &Path) -> Result<Child> {
    let mut reaper = Command::new(env::current_exe()?);
    reaper.args(stage::arguments(Stage::Reap, path)).process_group(0);
    reaper.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("the reaper cannot be started")
}

fn sweep(parent: &Path) -> Result<()> {
    for entry in fs::read_dir(parent)?.flatten() {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        match File::open(path.join("lock")) {
            Ok(lock) if lock.try_lock().is_err() => {}
            Ok(_lock) => clean(&path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => clean(&path)?,
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    Ok(())
}

fn clean(path: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    super::groups::Groups::named(&group_name(path))?.remove()?;
    // What the kernel is just killing may still write.
    let deadline = Instant::now() + END;
    loop {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                if Instant::now() > deadline {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
                thread::sleep(PAUSE);
            }
            _ => return Ok(()),
        }
    }
}

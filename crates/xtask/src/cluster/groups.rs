//! The control groups of one cluster: one of its own in every hierarchy of the machine, version 1 or 2.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// How long killed processes may take to go.
const END: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// The group of one name in each hierarchy.
#[derive(Debug)]
pub(crate) struct Groups {
    name: String,
    hierarchies: Vec<Hierarchy>,
}

#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    mount: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Groups {
    /// The groups named `name`, whether they are there or not.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("/proc/self/mounts")?;
        Ok(Self { name: name.to_owned(), hierarchies: hierarchies(&mounts) })
    }

    /// Makes the groups.
    pub(crate) fn make(&self) -> Result<()> {
        for group in self.folders() {
            fs::create_dir(&group).with_context(|| format!("cannot make the control group {}", group.display()))?;
            inherit(&group, "cpuset.cpus")?;
            inherit(&group, "cpuset.mems")?;
        }
        Ok(())
    }

    /// Moves the calling process into the groups.
    pub(crate) fn enter(&self) -> Result<()> {
        self.folders().try_for_each(|group| join(&group))
    }

    /// Hands the controllers of a version 2 group down to the groups that will be made below it. The kernel refuses
    /// that while a process is in the group itself, so the caller goes to a group below.
    pub(crate) fn delegate(&self) -> Result<()> {
        for hierarchy in self.hierarchies.iter().filter(|hierarchy| hierarchy.version == Version::Two) {
            let group = hierarchy.mount.join(&self.name);
            let controllers = fs::read_to_string(group.join("cgroup.controllers"))?;
            if controllers.trim().is_empty() {
                continue;
            }
            let leaf = group.join("init");
            fs::create_dir(&leaf)?;
            join(&leaf)?;
            let all: Vec<String> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
            let control = group.join("cgroup.subtree_control");
            fs::write(&control, all.join(" ")).with_context(|| format!("cannot write {}", control.display()))?;
        }
        Ok(())
    }

    /// Makes each group look like the root of its hierarchy, in the caller's mount namespace.
    pub(crate) fn become_roots(&self) -> Result<()> {
        for hierarchy in &self.hierarchies {
            let group = hierarchy.mount.join(&self.name);
            rustix::mount::mount_bind(&group, &hierarchy.mount)
                .with_context(|| format!("cannot mount {}", group.display()))?;
        }
        Ok(())
    }

    /// Kills every process in the groups and removes them; groups that are not there are fine.
    pub(crate) fn remove(&self) -> Result<()> {
        let deadline = Instant::now() + END;
        loop {
            let groups: Vec<PathBuf> = self.folders().flat_map(|group| with_children(&group)).collect();
            if groups.is_empty() {
                return Ok(());
            }
            groups.iter().for_each(|group| kill(group));
            let attempts = groups.iter().map(|group| remove(group));
            let failures: Vec<_> = attempts.filter_map(Result::err).collect();
            if let Some(failure) = failures.into_iter().next()
                && Instant::now() > deadline
            {
                return Err(failure);
            }
            thread::sleep(PAUSE);
        }
    }

    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.hierarchies.iter().map(|hierarchy| hierarchy.mount.join(&self.name))
    }
}

/// Reads the lines `source mount-point type options ..`.
fn hierarchies(mounts: &str) -> Vec<Hierarchy> {
    let hierarchy = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let mount = PathBuf::from(fields.next()?);
        let version = match fields.next()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        Some(Hierarchy { mount, version })
    };
    mounts.lines().filter_map(hierarchy).collect()
}

/// A version 1 group has no processors and no memory, and takes no process, until it is told which.
fn inherit(group: &Path, file: &str) -> Result<()> {
    let (own, parent) = (group.join(file), group.with_file_name(file));
    if !own.exists() || !parent.exists() {
        return Ok(());
    }
    fs::read(&parent).and_then(|value| fs::write(&own, value)).with_context(|| format!("cannot set {}", own.display()))
}

fn join(group: &Path) -> Result<()> {
    let processes = group.join("cgroup.procs");
    fs::write(&processes, std::process::id().to_string())
        .with_context(|| format!("cannot enter the control group {}", group.display()))
}

/// The group and all below it, children before parents.
fn with_children(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else {
        return Vec::new();
    };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let children = entries.flatten().filter(is_folder);
    let mut found: Vec<PathBuf> = children.flat_map(|child| with_children(&child.path())).collect();
    found.push(group.to_owned());
    found
}

fn remove(group: &Path) -> Result<()> {
    fs::remove_dir(group).with_context(|| format!("cannot remove the control group {}", group.display()))
}

fn kill(group: &Path) {
    for pid in members(group).unwrap_or_default() {
        // One that has ended meanwhile is what is wanted.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn members(group: &Path) -> io::Result<Vec<Pid>> {
    let processes = fs::read_to_string(group.join("cgroup.procs"))?;
    Ok(processes.lines().filter_map(|line| line.parse().ok().and_then(Pid::from_raw)).collect())
}

#[cfg(test)]
mod tests;

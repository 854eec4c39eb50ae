//! Debian's packages without root: downloaded by apt into lists and folders of our own, and unpacked into the cache.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use caudal_testkit::programs;

use super::Package;
use crate::command;

/// Where a package keeps its programs and libraries, below the folder it is unpacked in. `*` is any one name.
///
/// PostgreSQL's own programs come before the wrappers of theirs in `usr/bin`, which look for them in the machine's folders.
const PROGRAMS: [&str; 4] = ["usr/lib/postgresql/*/bin", "usr/bin", "usr/sbin", "bin"];
const LIBRARIES: [&str; 4] = ["usr/lib", "lib", "usr/lib/*-linux-*", "lib/*-linux-*"];

/// Unpacks `package` with all it depends on that is not installed, and puts its programs into the cache's `bin`.
pub(crate) fn unpack(package: &Package) -> Result<()> {
    let cache = programs::cache().join("packages");
    let apt = cache.join("apt");
    for folder in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(folder)).with_context(|| format!("cannot make {}", apt.display()))?;
    }
    command::run(apt_get(&apt).args(["update", "--quiet"]))?;
    let staging = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(&cache)?;
    let downloads = staging.path().join("downloads");
    let root = staging.path().join("root");
    fs::create_dir(&downloads)?;
    command::run(apt_get(&apt).current_dir(&downloads).arg("download").args(wanted(&apt, package)?))?;
    for file in fs::read_dir(&downloads)? {
        command::run(Command::new("dpkg").arg("-x").arg(file?.path()).arg(&root))?;
    }
    let kept = cache.join(package.name);
    if kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    fs::rename(&root, &kept)?;
    publish(package, &kept)
}

/// The package itself, and what apt would install along with it.
fn wanted(apt: &Path, package: &Package) -> Result<Vec<String>> {
    let mut simulation = apt_get(apt);
    simulation.args(["install", "--simulate", "--no-install-recommends"]).args(package.debian);
    let mut wanted = to_install(&command::text(&mut simulation)?);
    wanted.extend(package.debian.iter().map(|&name| name.to_owned()));
    wanted.sort();
    wanted.dedup();
    Ok(wanted)
}

/// The names in the lines `Inst NAME (VERSION ..)`.
fn to_install(simulation: &str) -> Vec<String> {
    let lines = simulation.lines().filter_map(|line| line.strip_prefix("Inst "));
    lines.filter_map(|rest| rest.split_whitespace().next()).map(str::to_owned).collect()
}

fn apt_get(folder: &Path) -> Command {
    let mut command = Command::new("apt-get");
    for (option, value) in [("Dir::State::lists", "lists"), ("Dir::Cache", "cache")] {
        command.arg("-o").arg(format!("{option}={}", folder.join(value).display()));
    }
    command.args(["-o", "Debug::NoLocking=true"]);
    command
}

/// Makes for each program a script that starts it with the libraries it came with.
fn publish(package: &Package, root: &Path) -> Result<()> {
    let bin = programs::cache().join("bin");
    fs::create_dir_all(&bin)?;
    let libraries = LIBRARIES.iter().flat_map(|pattern| matching(root, pattern));
    let libraries: Vec<String> = libraries.map(|folder| folder.display().to_string()).collect();
    for program in package.programs {
        let path = PROGRAMS
            .iter()
            .flat_map(|pattern| matching(root, pattern))
            .map(|folder| folder.join(program))
            .find(|path| path.is_file())
            .with_context(|| format!("Debian's packages have no {program}"))?;
        let libraries = quoted(&libraries.join(":"));
        let path = quoted(&path.display().to_string());
        let script = format!("#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {path} \"$@\"\n");
        let file = bin.join(program);
        fs::write(&file, script).with_context(|| format!("cannot write {}", file.display()))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// The folders below `root` that `pattern` names.
fn matching(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    for part in pattern.split('/') {
        let next = |folder: PathBuf| match part.split_once('*') {
            None => vec![folder.join(part)],
            Some((start, end)) => children(&folder, start, end),
        };
        found = found.into_iter().flat_map(next).filter(|folder| folder.is_dir()).collect();
    }
    found
}

fn children(folder: &Path, start: &str, end: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let fits = |name: &str| name.starts_with(start) && name.contains(end.trim_end_matches('*'));
    let named = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(fits));
    named.map(|entry| entry.path()).collect()
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;

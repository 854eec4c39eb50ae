//! The sources of a release after this one: another version, and migrations that do more.
//!
//! Cargo tells by the version what it has compiled of either, so that both lie beside each other in its cache, and by files' times what
//! has changed since. So nothing here is given the present time.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command;

/// What an image is built from.
const SOURCES: [&str; 5] = ["Cargo.toml", "Cargo.lock", "Dockerfile", ".dockerignore", "crates"];
const MIGRATIONS: &str = "crates/caudal-ledger/migrations";
/// What the next release adds to the tables, so that an upgrade is one.
const MIGRATION: &str = "crates/xtask/src/image/next_release.sql";

const CURRENT: &str = env!("CARGO_PKG_VERSION");
/// What `caudal --version` says of the next release.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-next");

/// Copies the sources in `root` into `tree`, and makes them the next release's.
///
/// # Errors
/// Files that cannot be read or written, or have no version.
pub(super) fn write(root: &Path, tree: &Path) -> Result<()> {
    command::run(Command::new("cp").arg("--archive").args(SOURCES).arg(tree).current_dir(root))?;
    let migrations = tree.join(MIGRATIONS);
    let times = modified(&migrations)?;
    let added = migrations.join("9999_next_release.sql");
    command::run(Command::new("cp").arg("--archive").arg(root.join(MIGRATION)).arg(added))?;
    File::open(&migrations)?.set_times(times)?;
    edit(&tree.join("Cargo.toml"), renumbered)?;
    edit(&tree.join("Cargo.lock"), relocked)
}

fn modified(path: &Path) -> Result<FileTimes> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(FileTimes::new().set_modified(metadata.modified()?))
}

fn edit(path: &Path, change: impl FnOnce(&str) -> String) -> Result<()> {
    let before = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let after = change(&before);
    ensure!(after != before, "{} has no version {CURRENT}", path.display());
    let times = modified(path)?;
    fs::write(path, after)?;
    Ok(File::options().write(true).open(path)?.set_times(times)?)
}

/// A manifest or an entry of a lock file, of the next version.
fn renumbered(text: &str) -> String {
    text.replacen(&format!("\nversion = \"{CURRENT}\"\n"), &format!("\nversion = \"{VERSION}\"\n"), 1)
}

/// A lock file whose entries without a source, which are the workspace's own, are of the next version.
fn relocked(lock: &str) -> String {
    let entries = lock.split("\n\n");
    let of_next = entries.map(|entry| if entry.contains("\nsource = ") { entry.to_owned() } else { renumbered(entry) });
    of_next.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests;

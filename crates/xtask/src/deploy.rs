//! What Docker, kind and GitHub read of this repository, given to readers of their own kind.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{
    command, repository,
    tools::{self, Tool},
};

/// Reads the Compose file as Docker would, the cluster's as kind would, and the workflows as GitHub would.
///
/// # Errors
/// Go is missing, or a file would be refused; the reader's words are told.
pub(crate) fn check() -> Result<()> {
    let readers = tools::ensure(Tool::Readers)?.join("readers");
    for reader in ["compose", "kind"] {
        let file = format!("deploy/{reader}.yaml");
        command::run(Command::new(&readers).arg(reader).arg(repository::root().join(&file))).context(file)?;
    }
    let actionlint = tools::ensure(Tool::Actionlint)?.join("actionlint");
    let folder = repository::root().join(".github/workflows");
    let files: Vec<_> = folder.read_dir()?.filter_map(|file| Some(file.ok()?.path())).collect();
    ensure!(!files.is_empty(), "there is no workflow in {}", folder.display());
    command::run(Command::new(actionlint).args(files)).context("the workflows")
}

#[cfg(test)]
mod tests;

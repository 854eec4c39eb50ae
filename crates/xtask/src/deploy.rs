//! What Docker and GitHub read of this repository, given to readers of their own kind.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{
    command, repository,
    tools::{self, Tool},
};

/// Reads the Compose file as Docker would, and the workflows as GitHub would.
///
/// # Errors
/// Go is missing, or a file would be refused; the reader's words are told.
pub(crate) fn check() -> Result<()> {
    let compose = tools::ensure(Tool::Compose)?.join("compose");
    command::run(Command::new(compose).arg(repository::root().join("deploy/compose.yaml")))
        .context("deploy/compose.yaml")?;

    let actionlint = tools::ensure(Tool::Actionlint)?.join("actionlint");
    let folder = repository::root().join(".github/workflows");
    let files: Vec<_> = folder.read_dir()?.filter_map(|file| Some(file.ok()?.path())).collect();
    ensure!(!files.is_empty(), "there is no workflow in {}", folder.display());
    command::run(Command::new(actionlint).args(files)).context("the workflows")
}

#[cfg(test)]
mod tests;

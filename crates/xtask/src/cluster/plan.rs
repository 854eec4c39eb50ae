//! What a run is to do, written down for the stages that come after the first.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Everything the stages inside the namespaces need to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The process that asked for the cluster; nothing goes on without it.
    pub(crate) owner: i32,
    /// Archives to import before the command is run.
    pub(crate) images: Vec<PathBuf>,
    /// How many volumes there are to claim.
    pub(crate) volumes: u32,
    /// The command and its arguments.
    pub(crate) command: Vec<String>,
}

impl Plan {
    /// Writes the plan into the run's folder.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        fs::write(file(folder), serde_json::to_vec(self)?).context("the plan cannot be written")
    }

    /// Reads the plan of the run in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let bytes = fs::read(file(folder)).with_context(|| format!("no run in {}", folder.display()))?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("plan.json")
}

//! The Tiltfile, evaluated without Tilt: `python/tilt.py` has the parameters of Tilt's functions and notes their calls.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{command, packages, repository};

/// A call of one of Tilt's functions.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Call {
    /// The function's name.
    pub(crate) function: String,
    /// The arguments that were given, by the names of its parameters.
    #[serde(flatten)]
    arguments: Map<String, Value>,
}

/// All that the Tiltfile declares.
#[derive(Clone, Debug)]
pub(crate) struct Tiltfile(Vec<Call>);

impl Tiltfile {
    /// Evaluates the repository's on this system.
    ///
    /// # Errors
    /// Python is missing, or the Tiltfile calls what Tilt does not have.
    pub(crate) fn evaluate() -> Result<Self> {
        Self::declared(None)
    }

    /// Evaluates the repository's as on another system, which is called as `uname -s` calls it.
    #[cfg(test)]
    fn on(system: &str) -> Self {
        Self::declared(Some(system)).unwrap()
    }

    fn declared(system: Option<&str>) -> Result<Self> {
        packages::provide(&packages::PYTHON)?;
        let root = repository::root();
        let mut python = Command::new("python3");
        python.arg(root.join("crates/xtask/python/tilt.py")).arg(root.join("Tiltfile")).args(system);
        let declared = command::text(&mut python).context("the Tiltfile")?;
        Ok(Self(serde_json::from_str(&declared)?))
    }

    /// The calls of one function, in their order.
    pub(crate) fn calls(&self, function: &str) -> impl Iterator<Item = &Call> {
        self.0.iter().filter(move |call| call.function == function)
    }

    /// The chart's values files.
    pub(crate) fn values(&self) -> Vec<PathBuf> {
        let files = self.calls("helm").flat_map(|call| call.texts("values"));
        files.map(|file| repository::root().join(file)).collect()
    }

    /// Runs the command of a `local_resource`, as Tilt would.
    ///
    /// # Errors
    /// It is not declared, or fails.
    pub(crate) fn run_local(&self, name: &str) -> Result<()> {
        let resource = self.calls("local_resource").find(|call| call.text("name") == name);
        let cmd = resource.with_context(|| format!("the Tiltfile declares no local resource {name}"))?.text("cmd");
        command::run(Command::new("sh").args(["-c", cmd]).current_dir(repository::root()))
    }

    /// The command of a button, to be run in the repository's folder.
    ///
    /// # Errors
    /// There is no such button.
    pub(crate) fn button(&self, name: &str) -> Result<Vec<String>> {
        let button = self.calls("cmd_button").find(|call| call.text("name") == name);
        Ok(button.with_context(|| format!("the Tiltfile has no button {name}"))?.texts("argv"))
    }
}

impl Call {
    /// An argument that is a text; empty where it was not given.
    pub(crate) fn text(&self, parameter: &str) -> &str {
        self.arguments.get(parameter).and_then(Value::as_str).unwrap_or_default()
    }

    /// An argument that is a text or a list of them.
    pub(crate) fn texts(&self, parameter: &str) -> Vec<String> {
        let given = self.arguments.get(parameter);
        let one = given.and_then(Value::as_str).map(str::to_owned);
        let several = given.and_then(Value::as_array).into_iter().flatten();
        one.into_iter().chain(several.filter_map(Value::as_str).map(str::to_owned)).collect()
    }

    /// What an image's files are replaced from, and where in its containers.
    #[cfg(test)]
    fn syncs(&self) -> Vec<(String, String)> {
        let steps = self.arguments.get("live_update").and_then(Value::as_array).into_iter().flatten();
        let pairs = steps.filter_map(|step| serde_json::from_value(step.get("sync")?.clone()).ok());
        pairs.collect()
    }
}

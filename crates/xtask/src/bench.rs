//! `cargo xtask bench`: what Caudal can do on this machine, each figure beside its floor.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    command,
    packages::{self, POSTGRESQL, REDIS},
    test::{Machine, control_plane},
};

/// What to measure, and how to tell it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Measure only this; may be given several times; `help` names all there is
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// One JSON object a figure
    #[arg(long)]
    json: bool,
}

/// Builds the release and measures it.
///
/// # Errors
/// A program cannot be got or started.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    packages::provide(&REDIS)?;
    packages::provide(&POSTGRESQL)?;
    control_plane(&Machine::here())?;
    let mut cargo = command::cargo();
    cargo.args(["bench", "--quiet", "--locked", "--package", "caudal", "--bench", "bench", "--"]);
    cargo.args(args.only.iter().flat_map(|name| ["--only", name]));
    cargo.args(args.json.then_some("--json"));
    Ok(command::code(cargo.status()?))
}

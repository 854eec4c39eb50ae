//! Other programs, run to their end, with errors that say which one failed and in what words.

use std::{
    env,
    os::unix::process::ExitStatusExt as _,
    process::{Command, ExitCode, ExitStatus, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::repository;

/// Runs `command` and waits. Its output is shown only when it fails.
///
/// # Errors
/// The program is missing, or ended with another code than 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    text(command).map(drop)
}

/// Runs `command` and returns what it wrote to its standard output, without the last line's end.
///
/// # Errors
/// As [`run`].
pub(crate) fn text(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {program}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{program}: {}\n{said}{complaint}", output.status);
    }
    Ok(said.trim_end().to_owned())
}

/// The cargo that runs this program, else the one in `PATH`, at the repository's root.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What tells this program its package. There are build scripts that run again where it differs, and with them all that is built of
    // their crates, each time a task follows a plain call of cargo.
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_package(&name.to_string_lossy())) {
        cargo.env_remove(name);
    }
    cargo.current_dir(repository::root());
    cargo
}

fn is_of_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| variable.starts_with(prefix))
}

/// The code a shell would give: 128 and the signal for a process that one ended.
pub(crate) fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

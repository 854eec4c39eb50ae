//! `caudal crd`: prints the QueueScaler's definition.

use std::io::Write;

/// Writes the definition as YAML to standard output.
pub(crate) fn run() -> anyhow::Result<()> {
    std::io::stdout().write_all(caudal_controller::crd::crd_yaml()?.as_bytes())?;
    Ok(())
}

//! Celery as the original service ran it, for the tests that follow its queues: a Python environment in the cache, made once.
//!
//! `crates/xtask/python/celery.txt` pins every package with its checksum. The environment stands in a folder named after that
//! list, and its interpreter under the name `celery-python` in the cache's `bin`.
#![expect(clippy::print_stderr, reason = "getting something takes a while, and is no secret")]

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};
use caudal_testkit::programs;
use sha2::{Digest, Sha256};

use crate::{
    command,
    packages::{self, PYTHON},
};

const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/celery.txt");
const PROGRAM: &str = "celery-python";

/// Makes sure that there is a Python that knows Celery.
///
/// # Errors
/// Python is missing or cannot make environments, or a package cannot be got; its own words are told.
pub(crate) fn ensure() -> Result<()> {
    let requirements = fs::read(REQUIREMENTS).context(REQUIREMENTS)?;
    let digest = hex::encode(Sha256::digest(requirements));
    let tools = programs::cache().join("tools");
    fs::create_dir_all(&tools).with_context(|| format!("cannot make {}", tools.display()))?;
    let folder = tools.join(format!("celery-{}", digest.get(..8).unwrap_or_default()));
    // Whoever comes second waits here and finds the work done.
    let lock = File::create(tools.join("celery.lock"))?;
    lock.lock()?;
    let interpreter = folder.join("bin/python3");
    // An environment outlives the interpreter it was made with.
    if command::run(Command::new(&interpreter).args(["-c", "import celery.bin.celery, kombu.transport.redis"])).is_err()
    {
        make(&folder)?;
    }
    publish(&interpreter)
}

fn make(folder: &Path) -> Result<()> {
    packages::provide(&PYTHON)?;
    if command::run(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_err() {
        packages::ensure(PYTHON.debian).context("Python cannot make environments")?;
    }
    eprintln!("getting Celery for the tests");
    command::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python3"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", REQUIREMENTS]);
    command::run(&mut pip).context("cannot get Celery")
}

/// Links would lead the interpreter away from its environment.
fn publish(interpreter: &Path) -> Result<()> {
    let bin = programs::cache().join("bin");
    fs::create_dir_all(&bin)?;
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", interpreter.display());
    let file = bin.join(PROGRAM);
    if fs::read_to_string(&file).is_ok_and(|known| known == script) {
        return Ok(());
    }
    let fresh = tempfile::Builder::new().prefix(".celery-").tempdir_in(&bin)?;
    let fresh = fresh.path().join(PROGRAM);
    fs::write(&fresh, script)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
    fs::rename(&fresh, &file).with_context(|| format!("cannot write {}", file.display()))
}

//! Python for what the original service was made of: environments in the cache, each made once.
//!
//! A list in `crates/xtask/python` pins every package with its checksum. The environment stands in a folder named after the list and its
//! checksum, and its interpreter, as `celery-python` for example, in the cache's `bin`.
#![expect(clippy::print_stderr, reason = "getting something takes a while, and is no secret")]

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use caudal_testkit::programs;
use sha2::{Digest, Sha256};

use crate::{
    command,
    packages::{self, PYTHON},
};

/// An environment: its name, the list of its packages, and what tells that it is whole.
#[derive(Clone, Copy)]
pub(crate) struct Environment {
    name: &'static str,
    requirements: &'static str,
    imports: &'static str,
}

/// What the tests start as Celery: `celery-python`.
pub(crate) const CELERY: Environment = Environment {
    name: "celery",
    requirements: concat!(env!("CARGO_MANIFEST_DIR"), "/python/celery.txt"),
    imports: "import celery.bin.celery, kombu.transport.redis",
};
/// The original service's libraries, which answer as it did: `original-python`.
pub(crate) const ORIGINAL: Environment = Environment {
    name: "original",
    requirements: concat!(env!("CARGO_MANIFEST_DIR"), "/python/original.txt"),
    imports: "import fastapi, pydantic",
};

/// Makes sure that there is a Python with these packages, and gives its interpreter.
///
/// # Errors
/// Python is missing or cannot make environments, or a package cannot be got; its own words are told.
pub(crate) fn ensure(environment: Environment) -> Result<PathBuf> {
    let Environment { name, requirements, imports } = environment;
    let digest = hex::encode(Sha256::digest(fs::read(requirements).context(requirements)?));
    let tools = programs::cache().join("tools");
    fs::create_dir_all(&tools).with_context(|| format!("cannot make {}", tools.display()))?;
    let folder = tools.join(format!("{name}-{}", digest.get(..8).unwrap_or_default()));
    // Whoever comes second waits here and finds the work done.
    let lock = File::create(tools.join(format!("{name}.lock")))?;
    lock.lock()?;
    let interpreter = folder.join("bin/python3");
    // An environment outlives the interpreter it was made with.
    if command::run(Command::new(&interpreter).args(["-c", imports])).is_err() {
        make(environment, &folder)?;
    }
    publish(name, &interpreter)?;
    Ok(interpreter)
}

fn make(Environment { name, requirements, .. }: Environment, folder: &Path) -> Result<()> {
    packages::provide(&PYTHON)?;
    if command::run(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_err() {
        packages::ensure(PYTHON.debian).context("Python cannot make environments")?;
    }
    eprintln!("getting the Python packages of {name}.txt");
    command::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python3"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", requirements]);
    command::run(&mut pip).with_context(|| format!("cannot get the Python packages of {name}.txt"))
}

/// Links would lead the interpreter away from its environment.
fn publish(name: &str, interpreter: &Path) -> Result<()> {
    let bin = programs::cache().join("bin");
    fs::create_dir_all(&bin)?;
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", interpreter.display());
    let program = format!("{name}-python");
    let file = bin.join(&program);
    if fs::read_to_string(&file).is_ok_and(|known| known == script) {
        return Ok(());
    }
    let fresh = tempfile::Builder::new().prefix(".python-").tempdir_in(&bin)?;
    let fresh = fresh.path().join(&program);
    fs::write(&fresh, script)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
    fs::rename(&fresh, &file).with_context(|| format!("cannot write {}", file.display()))
}

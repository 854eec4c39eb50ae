//! Builds Caudal's image by its Dockerfile, with buildah, in a store of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{CAUDAL, alone};
use crate::command;

/// Builds the image over the base images in the docker archives `bases`. Returns its docker archive in `folder`.
pub(crate) fn caudal(repository: &Path, folder: &Path, bases: &[PathBuf]) -> Result<PathBuf> {
    let store = Store::new(folder)?;
    for base in bases {
        command::run(store.buildah().arg("pull").arg("--quiet").arg(source(base)))?;
    }
    let toolchain = command::text(Command::new("rustc").args(["--print", "sysroot"]).current_dir(repository))?;
    let mut build = store.buildah();
    build.args(["build", "--isolation", "chroot", "--pull=false", "--quiet", "--tag", CAUDAL]);
    build.arg(format!("--volume={toolchain}:/usr/local/rustup/toolchains/mounted:ro"));
    command::run(build.arg(repository)).context("cannot build the Dockerfile")?;
    let out = folder.join("caudal.tar");
    let fresh = store.0.path().join("caudal.tar");
    let target = format!("docker-archive:{}:{CAUDAL}", fresh.display());
    command::run(store.buildah().args(["push", "--quiet", "--disable-compression", CAUDAL, &target]))?;
    fs::rename(fresh, &out)?;
    Ok(out)
}

fn source(archive: &Path) -> String {
    format!("docker-archive:{}", archive.display())
}

/// A container store that ends with the build. Only the cache mounts (crates fetched and compiled) outlive it.
struct Store(tempfile::TempDir, PathBuf);

impl Store {
    fn new(folder: &Path) -> Result<Self> {
        let mounts = folder.join("mounts");
        fs::create_dir_all(&mounts)?;
        Ok(Self(super::workshop(folder)?, mounts))
    }

    fn buildah(&self) -> Command {
        let mut command = alone("buildah");
        command.env("TMPDIR", &self.1);
        command.args(["--storage-driver", "vfs", "--root"]).arg(self.0.path().join("root"));
        command.arg("--runroot").arg(self.0.path().join("run"));
        command
    }
}

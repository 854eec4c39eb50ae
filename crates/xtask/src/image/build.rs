//! Builds Caudal's images by their Dockerfiles, with buildah, in a store of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::alone;
use crate::{command, repository};

/// What an image is built from.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The folder that the Dockerfile's own paths are in.
    pub(crate) context: &'a Path,
    pub(crate) dockerfile: &'a Path,
    /// The image's name and tag.
    pub(crate) name: &'a str,
}

/// Builds the image over the base images in the docker archives `bases`. Returns its docker archive in `folder`.
pub(crate) fn build(plan: &Plan<'_>, folder: &Path, bases: &[PathBuf]) -> Result<PathBuf> {
    let Plan { context, dockerfile, name } = plan;
    let store = Store::new(folder)?;
    for base in bases {
        command::run(store.buildah().arg("pull").arg("--quiet").arg(source(base)))?;
    }
    let toolchain = command::text(Command::new("rustc").args(["--print", "sysroot"]).current_dir(repository::root()))?;
    let mut build = store.buildah();
    build.args(["build", "--isolation", "chroot", "--pull=false", "--quiet", "--tag", name, "--file"]).arg(dockerfile);
    build.arg(format!("--volume={toolchain}:/usr/local/rustup/toolchains/mounted:ro"));
    command::run(build.arg(context)).with_context(|| format!("cannot build {}", dockerfile.display()))?;
    let file = format!("{}.tar", name.rsplit('/').next().unwrap_or(name).replace(':', "-"));
    let (out, fresh) = (folder.join(&file), store.0.path().join(&file));
    let target = format!("docker-archive:{}:{name}", fresh.display());
    command::run(store.buildah().args(["push", "--quiet", "--disable-compression", name, &target]))?;
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

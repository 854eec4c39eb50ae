//! The images of a test cluster: Caudal's own, built by its Dockerfile, and stand-ins for the official ones.
//!
//! Nothing is pulled. The Dockerfile's base images and the chart's Redis and PostgreSQL are made from Debian's
//! packages, once for each recipe, under the official names.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use caudal_testkit::{bound_to_parent, programs};

use crate::cluster::Steps;
use crate::tilt::Tiltfile;
use crate::{command, packages, repository};
use build::{Plan, build};

mod archive;
mod build;
mod stand_in;

pub(crate) use archive::{Image, of_program};

/// Caudal's image as the chart names it by default.
pub(crate) const CAUDAL: &str = concat!("ghcr.io/caudal-dev/caudal:", env!("CARGO_PKG_VERSION"));

/// How many bytes Caudal's image may have, uncompressed.
const LARGEST: u64 = 40_000_000;

/// The tag of [`next`].
pub(crate) const NEXT_TAG: &str = "next";
/// The tag of [`laptop`].
pub(crate) const LAPTOP_TAG: &str = "laptop";

/// What the next release adds to the tables, so that an upgrade is one.
const MIGRATION: &str = "CREATE TABLE next_release (one boolean);\nALTER TABLE clients ADD COLUMN note text;\n";

/// What Debian has of the tools.
const PACKAGES: [(&str, &str); 2] = [("buildah", "buildah"), ("mmdebstrap", "mmdebstrap")];

/// `cargo xtask image`: builds the images and says where they are.
pub(crate) fn execute() -> Result<ExitCode> {
    let mut steps = Steps::begin();
    for archive in all()? {
        let megabytes = fs::metadata(&archive)?.len() / 1_000_000;
        steps.done(&format!("{megabytes} MB {}", archive.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds every image of the chart's default values. Returns their docker archives.
///
/// # Errors
/// A tool that is missing or fails, named with its own words.
pub(crate) fn all() -> Result<Vec<PathBuf>> {
    let (folder, _lock) = folder()?;
    let bases = bases(&folder)?;
    Ok(vec![
        caudal(&repository::root(), CAUDAL, &folder, &bases)?,
        stand_in::made(&stand_in::REDIS, &folder)?,
        stand_in::made(&stand_in::POSTGRES, &folder)?,
    ])
}

/// Builds the image of a release after this one, whose migrations do more. Returns its docker archive.
///
/// # Errors
/// As [`all`].
pub(crate) fn next() -> Result<PathBuf> {
    let (folder, _lock) = folder()?;
    let tree = workshop(&folder)?;
    let mut copy = Command::new("cp");
    // With their times, by which cargo knows what it has compiled already.
    copy.args(["--archive", "Cargo.toml", "Cargo.lock", "Dockerfile", ".dockerignore", "crates"]).arg(tree.path());
    command::run(copy.current_dir(repository::root()))?;
    fs::write(tree.path().join("crates/caudal-ledger/migrations/9999_next_release.sql"), MIGRATION)?;
    caudal(tree.path(), &tagged(NEXT_TAG), &folder, &bases(&folder)?)
}

/// Builds a laptop's image as the Tiltfile declares it, its program compiled by the Tiltfile's own command. Returns its docker archive.
///
/// # Errors
/// As [`all`].
pub(crate) fn laptop(tiltfile: &Tiltfile) -> Result<PathBuf> {
    tiltfile.run_local("compile")?;
    let (folder, _lock) = folder()?;
    let declared = tiltfile.calls("docker_build_with_restart").next().context("the Tiltfile builds no image")?;
    let root = repository::root();
    let (context, dockerfile) = (root.join(declared.text("context")), root.join(declared.text("dockerfile")));
    let plan = Plan { context: &context, dockerfile: &dockerfile, name: &tagged(LAPTOP_TAG) };
    build(&plan, &folder, &[stand_in::made(&stand_in::DEBIAN, &folder)?])
}

fn caudal(tree: &Path, name: &str, folder: &Path, bases: &[PathBuf]) -> Result<PathBuf> {
    let archive = build(&Plan { context: tree, dockerfile: &tree.join("Dockerfile"), name }, folder, bases)?;
    let size = fs::metadata(&archive)?.len();
    ensure!(size <= LARGEST, "{name} has {} MB, and may have {}", size / 1_000_000, LARGEST / 1_000_000);
    Ok(archive)
}

fn tagged(tag: &str) -> String {
    let name = CAUDAL.rsplit_once(':').map_or(CAUDAL, |(name, _)| name);
    format!("{name}:{tag}")
}

fn bases(folder: &Path) -> Result<[PathBuf; 2]> {
    Ok([stand_in::made(&stand_in::RUST, folder)?, stand_in::made(&stand_in::DISTROLESS, folder)?])
}

/// Where images are kept, once nobody else works there.
fn folder() -> Result<(PathBuf, File)> {
    let missing = PACKAGES.iter().filter(|(program, _)| programs::find(program).is_err());
    packages::ensure(&missing.map(|(_, package)| *package).collect::<Vec<_>>())?;
    let folder = programs::cache().join("images");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Whoever comes second waits here and finds most of the work done.
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    sweep(&folder)?;
    Ok((folder, lock))
}

/// `program` in namespaces of its own: what it mounts and starts ends with it, and it ends with this process.
fn alone(program: &str) -> Command {
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", program]);
    bound_to_parent(&unshare)
}

/// A folder for work of which only a file is kept. It ends with the value.
fn workshop(folder: &Path) -> Result<tempfile::TempDir> {
    Ok(tempfile::Builder::new().prefix(WORKSHOP).tempdir_in(folder)?)
}

const WORKSHOP: &str = "work-";

/// Removes what a killed build left.
fn sweep(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(WORKSHOP) {
            fs::remove_dir_all(entry.path()).with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

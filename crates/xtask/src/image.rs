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
use crate::{packages, repository};
use build::{Plan, build};

mod archive;
mod build;
mod next;
mod stand_in;

pub(crate) use archive::{Image, of_program};
pub(crate) use next::VERSION as NEXT_VERSION;

/// Caudal's image as the chart names it by default.
pub(crate) const CAUDAL: &str = concat!("ghcr.io/caudal-dev/caudal:", env!("CARGO_PKG_VERSION"));

/// The bundled queue's image.
pub(crate) const REDIS: &str = stand_in::REDIS.image.name;

/// How many bytes Caudal's image may have, uncompressed.
const LARGEST: u64 = 40_000_000;

/// The tag of [`next()`].
pub(crate) const NEXT_TAG: &str = "next";
/// The tag of [`laptop`].
pub(crate) const LAPTOP_TAG: &str = "laptop";

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
    let (folders, _locks) = folders()?;
    Ok(vec![
        caudal(&repository::root(), CAUDAL, &folders)?,
        stand_in::made(&stand_in::REDIS, &folders.shared)?,
        stand_in::made(&stand_in::POSTGRES, &folders.shared)?,
    ])
}

/// Builds the image of a release after this one, whose migrations do more. Returns its docker archive.
///
/// # Errors
/// As [`all`].
pub(crate) fn next() -> Result<PathBuf> {
    let (folders, _locks) = folders()?;
    let tree = workshop(&folders.own)?;
    next::write(&repository::root(), tree.path())?;
    caudal(tree.path(), &tagged(NEXT_TAG), &folders)
}

/// Builds a laptop's image as the Tiltfile declares it, its program compiled by the Tiltfile's own command. Returns its docker archive.
///
/// # Errors
/// As [`all`].
pub(crate) fn laptop(tiltfile: &Tiltfile) -> Result<PathBuf> {
    tiltfile.run_local("compile")?;
    let (folders, _locks) = folders()?;
    let declared = tiltfile.calls("docker_build_with_restart").next().context("the Tiltfile builds no image")?;
    let root = repository::root();
    let (context, dockerfile) = (root.join(declared.text("context")), root.join(declared.text("dockerfile")));
    let plan = Plan { context: &context, dockerfile: &dockerfile, name: &tagged(LAPTOP_TAG) };
    build(&plan, &folders.own, &[stand_in::made(&stand_in::DEBIAN, &folders.shared)?])
}

fn caudal(tree: &Path, name: &str, folders: &Folders) -> Result<PathBuf> {
    let bases =
        [stand_in::made(&stand_in::RUST, &folders.shared)?, stand_in::made(&stand_in::DISTROLESS, &folders.shared)?];
    let archive = build(&Plan { context: tree, dockerfile: &tree.join("Dockerfile"), name }, &folders.own, &bases)?;
    let size = fs::metadata(&archive)?.len();
    ensure!(size <= LARGEST, "{name} has {} MB, and may have {}", size / 1_000_000, LARGEST / 1_000_000);
    Ok(archive)
}

fn tagged(tag: &str) -> String {
    let name = CAUDAL.rsplit_once(':').map_or(CAUDAL, |(name, _)| name);
    format!("{name}:{tag}")
}

/// Where images are kept.
#[derive(Debug)]
struct Folders {
    /// The stand-ins, for everybody on this machine.
    shared: PathBuf,
    /// What is built of this clone, and what that is compiled to: cargo would take another clone's objects for its own, if they are newer
    /// than the sources here. So it is not to be copied to another clone either.
    own: PathBuf,
}

/// Where images are kept, once nobody else works there.
fn folders() -> Result<(Folders, [File; 2])> {
    let missing = PACKAGES.iter().filter(|(program, _)| programs::find(program).is_err());
    packages::ensure(&missing.map(|(_, package)| *package).collect::<Vec<_>>())?;
    let folders = Folders { shared: programs::cache().join("images"), own: repository::root().join("target/images") };
    let locks = [alone_in(&folders.shared)?, alone_in(&folders.own)?];
    Ok((folders, locks))
}

/// Makes a folder, waits until nobody else works there, who will have done most of the work, and tidies it up.
fn alone_in(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    sweep(folder)?;
    Ok(lock)
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

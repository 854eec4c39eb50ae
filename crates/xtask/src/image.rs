//! The images of a test cluster: Caudal's own, built by its Dockerfile, and stand-ins for the official ones.
//!
//! Nothing is pulled. The Dockerfile's base images and the chart's Redis and PostgreSQL are made from Debian's
//! packages, once for each recipe, under the official names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

mod archive;
mod build;
mod stand_in;

pub use archive::{Image, one_layer};

/// Caudal's image as the chart names it by default.
pub const CAUDAL: &str = concat!("ghcr.io/caudal-dev/caudal:", env!("CARGO_PKG_VERSION"));

/// Builds every image of the chart's default values. Returns their docker archives.
///
/// # Errors
/// A tool that is missing or fails, named with its own words.
pub fn all(repository: &Path, cache: &Path) -> Result<Vec<PathBuf>> {
    let folder = cache.join("images");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let bases = [stand_in::made(&stand_in::RUST, &folder)?, stand_in::made(&stand_in::DISTROLESS, &folder)?];
    Ok(vec![
        build::caudal(repository, &folder, &bases)?,
        stand_in::made(&stand_in::REDIS, &folder)?,
        stand_in::made(&stand_in::POSTGRES, &folder)?,
    ])
}

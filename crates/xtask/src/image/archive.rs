//! A docker archive of one layer, written without a container engine.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What an image is called and how it starts.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Image {
    /// Registry, repository and tag.
    pub name: &'static str,
    /// `KEY=value` entries.
    pub env: &'static [&'static str],
    /// The program and its fixed arguments.
    pub entrypoint: &'static [&'static str],
    /// The arguments a pod may replace.
    pub command: &'static [&'static str],
    /// `uid:gid`, or empty for root.
    pub user: &'static str,
    /// Where the program starts, or empty for `/`.
    pub folder: &'static str,
}

/// Writes `out`, a docker archive of `image` whose only layer is the tar file `layer`.
///
/// # Errors
/// Files that cannot be read or written.
pub(super) fn one_layer(image: &Image, layer: &Path, out: &Path) -> Result<()> {
    let digest = digest(layer).with_context(|| format!("cannot read {}", layer.display()))?;
    let config = config(image, &digest).to_string();
    let manifest = json!([{"Config": "config.json", "RepoTags": [image.name], "Layers": ["layer.tar"]}]).to_string();
    let file = File::create(out).with_context(|| format!("cannot write {}", out.display()))?;
    let mut archive = tar::Builder::new(file);
    // containerd cannot read what has holes.
    archive.sparse(false);
    append(&mut archive, "config.json", config.as_bytes())?;
    archive.append_path_with_name(layer, "layer.tar")?;
    append(&mut archive, "manifest.json", manifest.as_bytes())?;
    archive.into_inner()?.sync_all()?;
    Ok(())
}

/// Makes a docker archive in `folder` with nothing but `program`, which the image starts as `/NAME`.
///
/// # Errors
/// Files that cannot be read or written.
pub(crate) fn of_program(image: &Image, program: &Path, folder: &Path) -> Result<PathBuf> {
    let name = image.entrypoint.first().map_or("program", |path| path.trim_start_matches('/'));
    let (layer, archive) = (folder.join(format!("{name}-layer.tar")), folder.join(format!("{name}.tar")));
    let mut tar = tar::Builder::new(File::create(&layer)?);
    tar.sparse(false);
    tar.append_path_with_name(program, name).with_context(|| format!("cannot read {}", program.display()))?;
    tar.into_inner()?.sync_all()?;
    one_layer(image, &layer, &archive)?;
    fs::remove_file(layer)?;
    Ok(archive)
}

fn config(image: &Image, digest: &str) -> Value {
    json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {
            "Env": image.env,
            "Entrypoint": image.entrypoint,
            "Cmd": image.command,
            "User": image.user,
            "WorkingDir": image.folder,
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
    })
}

fn digest(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}

fn append<W: Write>(archive: &mut tar::Builder<W>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, name, bytes)
}

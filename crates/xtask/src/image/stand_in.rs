//! Stand-ins for official images, made from Debian's packages: same names, same users, same entry points
//! as far as the Dockerfile and the chart use them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::alone;
use super::archive::{Image, one_layer};
use crate::command;

/// What a stand-in consists of.
#[derive(Debug)]
pub(crate) struct StandIn {
    pub(super) image: Image,
    /// `extract` unpacks the packages only (no shell comes along); `minbase` and `apt` install them.
    variant: &'static str,
    packages: &'static [&'static str],
    /// `mmdebstrap` hooks that run when the packages are in place.
    hooks: &'static [&'static str],
    /// Path, mode and text of files put in afterwards.
    files: &'static [(&'static str, u32, &'static str)],
}

/// The certificates this machine trusts, so that a build inside reaches what a build outside reaches.
const CERTIFICATES: &str = "upload /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt";

/// The build stage's base. The toolchain itself is mounted over `/usr/local/rustup` by the build.
pub(crate) const RUST: StandIn = StandIn {
    image: Image {
        name: "docker.io/library/rust:1.95-slim-bookworm",
        env: &[
            "PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "RUSTUP_HOME=/usr/local/rustup",
            "CARGO_HOME=/usr/local/cargo",
        ],
        entrypoint: &[],
        command: &["bash"],
        user: "",
        folder: "",
    },
    variant: "minbase",
    packages: &["gcc", "libc6-dev", "ca-certificates", "pkg-config"],
    hooks: &[
        CERTIFICATES,
        r#"mkdir -p "$1/usr/local/cargo/bin""#,
        r#"for tool in cargo rustc; do ln -s "/usr/local/rustup/toolchains/mounted/bin/$tool" "$1/usr/local/cargo/bin/$tool"; done"#,
    ],
    files: &[],
};

/// The final stage's base: certificates and time zones; neither a shell nor a C library.
pub(crate) const DISTROLESS: StandIn = StandIn {
    image: Image {
        name: "gcr.io/distroless/static-debian12:nonroot",
        env: &[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
        ],
        entrypoint: &[],
        command: &[],
        user: "65532",
        folder: "/home/nonroot",
    },
    variant: "extract",
    packages: &["ca-certificates", "tzdata", "netbase", "base-files"],
    hooks: &[
        CERTIFICATES,
        r#"rm -rf "$1/usr/share/doc" "$1/usr/share/ca-certificates" "$1/usr/sbin" "$1/usr/bin" "$1/bin" "$1/sbin" "$1/lib" "$1/lib64" "$1"/usr/lib/*-linux-gnu*"#,
        r#"mkdir -p "$1/tmp" && chmod 1777 "$1/tmp" && install -d -o 65532 -g 65532 -m 700 "$1/home/nonroot""#,
    ],
    files: &[
        (
            "etc/passwd",
            0o644,
            "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
        ),
        ("etc/group", 0o644, "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n"),
    ],
};

/// The base of a laptop's image: a shell and tar, which replace the program in it.
pub(crate) const DEBIAN: StandIn = StandIn {
    image: Image {
        name: "docker.io/library/debian:trixie-slim",
        env: &["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        entrypoint: &[],
        command: &["bash"],
        user: "",
        folder: "",
    },
    variant: "minbase",
    packages: &["ca-certificates"],
    hooks: &[CERTIFICATES],
    files: &[],
};

/// The bundled queue's Redis.
pub(crate) const REDIS: StandIn = StandIn {
    image: Image {
        name: "docker.io/library/redis:7.0-bookworm",
        env: &["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        entrypoint: &[],
        command: &["redis-server"],
        user: "",
        folder: "/data",
    },
    variant: "minbase",
    packages: &["redis-server"],
    hooks: &[r#"chroot "$1" sh -c 'usermod -u 999 redis; groupmod -g 999 redis; install -d -o 999 -g 999 /data'"#],
    files: &[],
};

/// The bundled ledger's PostgreSQL.
pub(crate) const POSTGRES: StandIn = StandIn {
    image: Image {
        name: "docker.io/library/postgres:15-bookworm",
        env: &[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin",
            "PGDATA=/var/lib/postgresql/data",
            "LANG=C.UTF-8",
        ],
        entrypoint: &["docker-entrypoint.sh"],
        command: &["postgres"],
        user: "",
        folder: "/",
    },
    variant: "minbase",
    packages: &["postgresql-15"],
    hooks: &[
        r#"chroot "$1" sh -c 'usermod -u 999 postgres; groupmod -g 999 postgres; install -d -o 999 -g 999 /var/lib/postgresql/data /var/run/postgresql'"#,
        // Only the just-in-time compiler, left out below, would use it.
        r#"rm -f "$1"/usr/lib/*/libLLVM*"#,
    ],
    files: &[("usr/local/bin/docker-entrypoint.sh", 0o755, include_str!("postgres-entrypoint.sh"))],
};

/// What no pod reads.
const LEFT_OUT: [&str; 5] = [
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/lib/postgresql/15/lib/bitcode/*",
    "/usr/lib/postgresql/15/lib/llvmjit*",
];

/// Makes the stand-in unless `folder` has it. Returns its docker archive.
///
/// # Errors
/// `mmdebstrap` missing or failing, and files that cannot be written.
pub(crate) fn made(recipe: &StandIn, folder: &Path) -> Result<PathBuf> {
    let name = recipe.image.name.rsplit('/').next().unwrap_or(recipe.image.name);
    let out = folder.join(format!("{}-{}.tar", name.replace(':', "-"), key(recipe)));
    if out.exists() {
        return Ok(out);
    }
    let work = super::workshop(folder)?;
    let files = work.path().join("files");
    write_files(recipe, &files)?;
    let layer = work.path().join("layer.tar");
    let mut debootstrap = alone("mmdebstrap");
    debootstrap.arg("--quiet").arg("--skip=output/dev").env("TMPDIR", work.path());
    debootstrap.arg(format!("--variant={}", recipe.variant)).arg(format!("--include={}", recipe.packages.join(",")));
    debootstrap.args(LEFT_OUT.iter().map(|path| format!("--dpkgopt=path-exclude={path}")));
    // Where packages are only unpacked, no other hooks are run.
    let when = if recipe.variant == "extract" { "extract" } else { "customize" };
    debootstrap.args(recipe.hooks.iter().map(|hook| format!("--{when}-hook={hook}")));
    debootstrap.arg(format!("--{when}-hook=sync-in {} /", files.display()));
    command::run(debootstrap.arg("bookworm").arg(&layer))
        .with_context(|| format!("cannot make {}", recipe.image.name))?;
    let archive = work.path().join("image.tar");
    one_layer(&recipe.image, &layer, &archive)?;
    fs::rename(&archive, &out)?;
    Ok(out)
}

fn write_files(recipe: &StandIn, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (path, mode, text) in recipe.files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
    }
    Ok(())
}

/// A changed recipe gives another file name; the same one is never made twice.
fn key(recipe: &StandIn) -> String {
    let digest = Sha256::digest(format!("{recipe:?} {LEFT_OUT:?}"));
    hex::encode(&digest[..6])
}

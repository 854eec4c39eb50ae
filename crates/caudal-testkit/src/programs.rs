//! Where the programs of the real services are found.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::Error;

/// Where Homebrew keeps its formulae, the versioned of which it leaves out of `PATH`.
const HOMEBREW: [&str; 2] = ["/opt/homebrew/opt", "/usr/local/opt"];

/// The folder that keeps what is got once and used again: `$XDG_CACHE_HOME/caudal`, `~/.cache/caudal`,
/// or a folder below the system's temporary one where there is no home.
pub fn cache() -> PathBuf {
    let given = |name| env::var_os(name).filter(|value| !value.is_empty());
    given("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| given("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_else(env::temp_dir)
        .join("caudal")
}

/// Finds an executable in `PATH`, in the folder of the system's servers, then in the versioned folders in which Debian and Homebrew keep
/// PostgreSQL (the newest version first), then in `bin` of [`cache`].
pub fn find(name: &str) -> Result<PathBuf, Error> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .chain(postgresql_folders())
        .chain([cache().join("bin")])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .ok_or_else(|| Error::Missing { program: name.to_owned() })
}

fn postgresql_folders() -> Vec<PathBuf> {
    let mut folders = versioned(Path::new("/usr/lib/postgresql"), "");
    for prefix in HOMEBREW {
        folders.extend(versioned(Path::new(prefix), "postgresql@"));
    }
    folders.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    folders.into_iter().map(|(_, folder)| folder).collect()
}

fn versioned(folder: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect()
}

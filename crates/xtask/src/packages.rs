//! Programs that come from the machine's package manager, got where they are missing.
#![expect(clippy::print_stderr, reason = "getting something takes a while, and is no secret")]

use std::{
    io::{self, IsTerminal},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure as require};
use caudal_testkit::programs;

use crate::command;

mod unpack;

/// What to look for, and what to install where it is not found.
#[derive(Debug)]
pub(crate) struct Package {
    name: &'static str,
    /// All must be there; the first tells its version.
    programs: &'static [&'static str],
    pub(crate) debian: &'static [&'static str],
    homebrew: &'static str,
    /// The oldest major version that will do.
    oldest: u32,
    /// The way out for whoever cannot install it, in words.
    otherwise: &'static str,
}

/// The Redis server.
pub(crate) const REDIS: Package = Package {
    name: "Redis",
    programs: &["redis-server", "redis-cli"],
    // Debian's redis-server is a link into redis-tools, so unpacking needs both by name.
    debian: &["redis-server", "redis-tools"],
    homebrew: "redis",
    oldest: 7,
    otherwise: "or set REDIS_URL to a running one",
};

/// The PostgreSQL server and what makes its databases.
pub(crate) const POSTGRESQL: Package = Package {
    name: "PostgreSQL",
    programs: &["postgres", "initdb", "createdb", "psql"],
    debian: &["postgresql"],
    homebrew: "postgresql@15",
    oldest: 14,
    otherwise: "or set DATABASE_URL to a running one",
};

/// What may stand between the ledger and PostgreSQL, which the tests show.
pub(crate) const PGBOUNCER: Package = Package {
    name: "PgBouncer",
    programs: &["pgbouncer"],
    debian: &["pgbouncer"],
    homebrew: "pgbouncer",
    oldest: 1,
    otherwise: "which the ledger's tests start",
};

/// What a Kubernetes API server keeps its objects in.
pub(crate) const ETCD: Package = Package {
    name: "etcd",
    programs: &["etcd"],
    debian: &["etcd-server"],
    homebrew: "etcd",
    oldest: 3,
    otherwise: "or name a folder that has it in KUBEBUILDER_ASSETS",
};

/// What Celery runs on, whose queues the tests follow.
pub(crate) const PYTHON: Package = Package {
    name: "Python",
    programs: &["python3"],
    debian: &["python3-venv"],
    homebrew: "python3",
    oldest: 3,
    otherwise: "by which the tests run Celery",
};

/// Makes sure that `package` is there and not too old: found, else installed by apt as root or by sudo, or by Homebrew,
/// else unpacked from Debian's packages into the cache.
///
/// # Errors
/// Which program is missing, and what to do about it.
pub(crate) fn provide(package: &Package) -> Result<()> {
    if missing(package).is_some() {
        get(package).with_context(|| package.advice())?;
    }
    match missing(package) {
        None => package.check_age(),
        Some(program) => bail!("{program} is still missing: {}", package.advice()),
    }
}

/// Installs Debian's `packages` for the whole machine; none is fine.
///
/// # Errors
/// The caller may not, or the package manager is missing or fails, in its own words.
pub(crate) fn ensure(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    match privilege() {
        Some(privilege) => install(&privilege, packages),
        None => bail!("root is needed to install {}", packages.join(", ")),
    }
}

fn missing(package: &Package) -> Option<&'static str> {
    package.programs.iter().copied().find(|program| programs::find(program).is_err())
}

fn get(package: &Package) -> Result<()> {
    eprintln!("{} is missing: getting it", package.name);
    if cfg!(target_os = "macos") {
        return command::run(Command::new("brew").args(["install", package.homebrew]));
    }
    require!(answers(Command::new("apt-get").arg("--version")), "there is no apt-get here");
    match privilege() {
        Some(privilege) => install(&privilege, package.debian),
        None => unpack::unpack(package),
    }
}

/// How this user may change the machine.
enum Privilege {
    Root,
    Sudo,
}

/// Asks for a password only where someone can give it.
fn privilege() -> Option<Privilege> {
    if rustix::process::geteuid().is_root() {
        return Some(Privilege::Root);
    }
    if answers(Command::new("sudo").args(["-n", "true"])) {
        return Some(Privilege::Sudo);
    }
    let granted = io::stdin().is_terminal() && Command::new("sudo").arg("-v").status().is_ok_and(|it| it.success());
    granted.then_some(Privilege::Sudo)
}

/// Old lists may name packages that the mirror has no more: they are read again only then, for that takes long.
fn install(privilege: &Privilege, packages: &[&str]) -> Result<()> {
    let mut install = apt_get(privilege, &["install", "--yes", "--quiet", "--no-install-recommends"]);
    install.args(packages);
    if command::run(&mut install).is_ok() {
        return Ok(());
    }
    command::run(&mut apt_get(privilege, &["update", "--quiet"]))?;
    command::run(&mut install)
}

/// An `apt-get` that asks nothing and leaves the services it installs stopped.
fn apt_get(privilege: &Privilege, arguments: &[&str]) -> Command {
    let mut command = match privilege {
        Privilege::Root => Command::new("env"),
        Privilege::Sudo => {
            let mut sudo = Command::new("sudo");
            sudo.arg("env");
            sudo
        }
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "SYSTEMD_OFFLINE=1", "apt-get"]).args(arguments);
    command
}

fn answers(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

impl Package {
    fn advice(&self) -> String {
        format!("install {} {} or newer, {}", self.name, self.oldest, self.otherwise)
    }

    fn check_age(&self) -> Result<()> {
        let Some(program) = self.programs.first() else { return Ok(()) };
        let path = programs::find(program)?;
        let version = command::text(Command::new(&path).arg("--version"))?;
        let old = major(&version).is_some_and(|major| major < self.oldest);
        require!(!old, "{} is too old ({version}): {}", path.display(), self.advice());
        Ok(())
    }
}

/// The first number of a version line: `Redis server v=7.0.15 sha=..`, `postgres (PostgreSQL) 15.18 (Debian ..)`.
fn major(version: &str) -> Option<u32> {
    version.split_whitespace().find_map(|word| {
        let digits = word.strip_prefix("v=").unwrap_or(word);
        digits.split('.').next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests;

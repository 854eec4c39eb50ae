//! The machine as the cluster's node sees it: folders, kernel settings and a network of its own.

use std::{
    ffi::CStr,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, mount, mount_bind};

use super::{folder, groups::Groups};
use crate::command;

/// The node's address.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 250, 0, 1);

/// What the kubelet would otherwise set for the whole machine. It writes only what differs from these.
const SETTINGS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Some programs write to `/var/lib` whatever they are told. In the namespaces that goes to `/run`, which is private.
const STATE: &CStr = c"lowerdir=/var/lib,upperdir=/run/var-lib/upper,workdir=/run/var-lib/work";

/// Prepares the namespaces the caller is in; `run` takes what programs write.
pub(crate) fn prepare(run: &Path) -> Result<()> {
    Groups::named(&folder::group_name(run))?.become_roots()?;
    hide_settings(&run.join("settings"))?;
    let resolv = fs::canonicalize("/etc/resolv.conf").context("/etc/resolv.conf")?;
    mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None).context("cannot mount /run")?;
    resolve_cluster_names(run, &resolv)?;
    fs::create_dir_all("/run/var-lib/upper")?;
    fs::create_dir_all("/run/var-lib/work")?;
    mount("overlay", "/var/lib", "overlay", MountFlags::empty(), STATE).context("cannot mount /var/lib")?;
    let logs = run.join("logs");
    fs::create_dir_all(&logs)?;
    mount_bind(&logs, "/var/log").context("cannot cover /var/log")?;
    network()
}

/// Shows the kubelet files of our own in place of the kernel's.
fn hide_settings(folder: &Path) -> Result<()> {
    for (name, value) in SETTINGS {
        let own = folder.join(name);
        fs::create_dir_all(own.parent().unwrap_or(folder))?;
        fs::write(&own, format!("{value}\n"))?;
        let setting = Path::new("/proc/sys").join(name);
        mount_bind(&own, &setting).with_context(|| format!("cannot cover {}", setting.display()))?;
    }
    Ok(())
}

/// Lets programs outside pods look up Services too. `resolv` is the file `/etc/resolv.conf` leads to, which may have
/// stood in the `/run` that is covered now.
fn resolve_cluster_names(run: &Path, resolv: &Path) -> Result<()> {
    let own = run.join("resolv.conf");
    fs::write(&own, include_str!("resolv.conf"))?;
    fs::write(run.join("node-resolv.conf"), "")?;
    if !resolv.exists() {
        fs::create_dir_all(resolv.parent().unwrap_or(resolv))?;
        fs::write(resolv, "")?;
    }
    mount_bind(&own, resolv).context("cannot cover /etc/resolv.conf")
}

/// A bridge that nothing else is on holds the node's address: many kernels have no dummy device.
fn network() -> Result<()> {
    let address = format!("{ADDRESS}/24");
    let bridge: [&[&str]; 5] = [
        &["link", "set", "lo", "up"],
        &["link", "add", "node", "type", "bridge"],
        &["address", "add", &address, "dev", "node"],
        &["link", "set", "node", "up"],
        &["route", "add", "default", "dev", "node"],
    ];
    for arguments in bridge {
        command::run(Command::new("ip").args(arguments))?;
    }
    let forward = PathBuf::from("/proc/sys/net/ipv4/ip_forward");
    fs::write(&forward, "1").with_context(|| forward.display().to_string())
}

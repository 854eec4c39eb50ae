//! What the next release is built from is of its version.

use super::{CURRENT, VERSION, relocked, renumbered};

#[test]
fn only_the_workspaces_own_packages_are_locked_at_the_next_version() {
    let entry = |name: &str, version: &str, rest: &str| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{rest}")
    };
    let foreign = entry("serde", CURRENT, "source = \"registry\"\n");
    let lock = |version: &str| {
        format!("version = 4\n\n{foreign}\n{}", entry("caudal", version, "dependencies = [\n \"serde\",\n]\n"))
    };
    assert_eq!(relocked(&lock(CURRENT)), lock(VERSION));
}

#[test]
fn the_workspaces_version_is_no_dependencys() {
    let manifest =
        |version: &str| format!("[workspace.package]\nversion = \"{version}\"\n\n[dependencies]\nit = \"{CURRENT}\"\n");
    assert_eq!(renumbered(&manifest(CURRENT)), manifest(VERSION));
}

//! What apt says is understood, and folders with any name are found.

use std::fs;

use super::{matching, quoted, to_install};

#[test]
fn only_what_is_missing_is_downloaded() {
    let simulation = "Reading package lists...\n\
        NOTE: This is only a simulation!\n\
        Inst liblzf1 (3.6-3 Debian:12.0/stable [amd64])\n\
        Inst redis-server (5:7.0.15-1 Debian:12.0/stable [amd64])\n\
        Conf liblzf1 (3.6-3 Debian:12.0/stable [amd64])\n";
    assert_eq!(to_install(simulation), ["liblzf1", "redis-server"]);
}

#[test]
fn libraries_are_found_for_every_architecture() {
    let root = tempfile::tempdir().unwrap();
    for folder in
        ["usr/lib/aarch64-linux-gnu", "usr/lib/arm-linux-gnueabihf", "usr/lib/ssl", "usr/lib/postgresql/15/bin"]
    {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    let names = |pattern| {
        let mut names: Vec<_> = matching(root.path(), pattern).into_iter().collect();
        names.sort();
        names.iter().map(|path| path.strip_prefix(root.path()).unwrap().display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("usr/lib/*-linux-*"), ["usr/lib/aarch64-linux-gnu", "usr/lib/arm-linux-gnueabihf"]);
    assert_eq!(names("usr/lib/postgresql/*/bin"), ["usr/lib/postgresql/15/bin"]);
    assert!(names("usr/sbin").is_empty());
}

#[test]
fn a_folder_with_a_quote_in_its_name_is_one_word() {
    assert_eq!(quoted("/home/o'neill/x"), r"'/home/o'\''neill/x'");
}

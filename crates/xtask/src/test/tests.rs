//! What is left out is told, and in CI it is a failure.

use std::time::Instant;

use super::{
    machine::Machine,
    report::{Outcome, Report},
};

const FULL: Machine = Machine { linux: true, root: true, go: true, assets: false, ci: false };

#[test]
fn a_machine_with_everything_runs_everything() {
    let without = [FULL.without_control_plane(), FULL.without_chart(), FULL.without_readers(), FULL.without_cluster()];
    assert_eq!(without, [None; 4]);
}

#[test]
fn what_a_machine_lacks_is_the_reason_given() {
    let cases = [
        (Machine { linux: false, ..FULL }, "Linux"),
        (Machine { root: false, ..FULL }, "root"),
        (Machine { go: false, assets: true, ..FULL }, "Go"),
    ];
    for (machine, lacking) in cases {
        assert!(machine.without_cluster().unwrap().contains(lacking), "{machine:?}");
        assert_eq!(machine.without_control_plane(), None, "{machine:?}");
    }
    assert!(Machine { go: false, ..FULL }.without_readers().unwrap().contains("Go"));
    assert!(Machine { go: false, assets: true, ..FULL }.without_chart().unwrap().contains("Go"));
    assert!(Machine { go: false, ..FULL }.without_control_plane().unwrap().contains("KUBEBUILDER_ASSETS"));
}

fn report(nothing_left_out: bool) -> Report {
    let mut report = Report::default();
    report.add("tests", Instant::now(), Outcome::Passed);
    report.skip("cluster", "a cluster needs root", nothing_left_out);
    report
}

#[test]
fn a_part_left_out_is_named_in_the_last_line() {
    let report = report(false);
    assert!(report.passed());
    let text = report.to_string();
    assert!(text.contains("skipped: a cluster needs root"), "{text}");
    assert!(text.lines().last().unwrap().ends_with("without: cluster"), "{text}");
}

#[test]
fn a_part_left_out_in_ci_is_a_failure() {
    let report = report(true);
    assert!(!report.passed());
    assert!(report.to_string().lines().last().unwrap().starts_with("FAILED"));
}

#[test]
fn one_failed_part_is_named_and_fails_all() {
    let mut report = report(false);
    report.add("lints", Instant::now(), Outcome::Failed);
    assert!(!report.passed());
    assert!(report.to_string().lines().last().unwrap().ends_with("lints"));
}

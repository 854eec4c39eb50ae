//! `cargo xtask test`: everything that must hold, in one command.
#![expect(clippy::print_stderr, reason = "its parts and their report are for whoever runs it")]

use std::{
    env,
    process::{Command, ExitCode},
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail};

use crate::{
    chart, command, deploy,
    packages::{self, ETCD, PGBOUNCER, POSTGRESQL, REDIS},
    python::{self, CELERY},
    tools::{self, Tool},
};
pub(crate) use machine::Machine;
use report::{Outcome, Report};

mod machine;
mod report;

/// All its integration tests start an API server. Its unit tests do not.
const CONTROLLER: &str = "caudal-controller";
/// Elsewhere those that start one stand in modules of this name, by which they are told from the others. They are not
/// told by their packages: with only some of these selected, cargo would build their dependencies anew.
const CONTROL_PLANE: &str = "control_plane";
/// So do those of the chart, which need Helm as well.
const CHART: &str = "chart::";

/// How many integration tests run at a time for each processor, unless `RUST_TEST_THREADS` says it.
const TESTS_PER_PROCESSOR: usize = 3;

/// Runs every part, also after one has failed, and prints what each took. A part that cannot be run on this machine is
/// skipped, and failed where `CI` is set.
///
/// # Errors
/// None of the parts': they are in the report, and in the code that is returned.
pub(crate) fn run() -> Result<ExitCode> {
    let machine = Machine::here();
    let mut report = Report::default();
    let apart = ["--skip", CONTROL_PLANE, "--skip", CHART];
    part(&mut report, "programs", || programs(&machine));
    part(&mut report, "format", || cargo(&["fmt", "--all", "--check"]));
    part(&mut report, "lints", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"])
    });
    part(&mut report, "unit", || test(&["--lib", "--bins"], &[]));
    match machine.without_control_plane() {
        Some(why) => {
            part(&mut report, "integration", || waiting(&["--exclude", CONTROLLER], &apart));
            report.skip("control plane", why, machine.ci);
        }
        None => {
            part(&mut report, "integration", || waiting(&[], &apart));
            part(&mut report, "control plane", || waiting(&[], &[CONTROL_PLANE]));
        }
    }
    match machine.without_chart() {
        Some(why) => report.skip("chart", why, machine.ci),
        None => part(&mut report, "chart", || test(&["--test", "*"], &[CHART])),
    }
    part(&mut report, "documentation", document);
    // The README's first command, as it stands there.
    part(&mut report, "dev", || cargo(&["xtask", "dev", "--once"]));
    match machine.without_readers() {
        Some(why) => report.skip("deploy", why, machine.ci),
        None => part(&mut report, "deploy", deploy::check),
    }
    match machine.without_cluster() {
        Some(why) => report.skip("cluster", why, machine.ci),
        None => part(&mut report, "cluster", cluster),
    }
    eprintln!("\n{report}");
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn part(report: &mut Report, name: &'static str, run: impl FnOnce() -> Result<()>) {
    eprintln!("\n== {name}");
    let begun = Instant::now();
    report.add(name, begun, outcome(run()));
}

fn outcome(result: Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed,
        Err(error) => {
            eprintln!("{error:#}");
            Outcome::Failed
        }
    }
}

fn cargo(arguments: &[&str]) -> Result<()> {
    finish(command::cargo().args(arguments))
}

fn test(targets: &[&str], filter: &[&str]) -> Result<()> {
    finish(&mut tests(targets, filter))
}

/// Integration tests: they wait for the servers they started more than they work. One starts an example, which is not built with them.
fn waiting(packages: &[&str], filter: &[&str]) -> Result<()> {
    cargo(&["build", "--workspace", "--examples", "--locked"])?;
    let mut cargo = tests(&[&["--test", "*"], packages].concat(), filter);
    if env::var_os("RUST_TEST_THREADS").is_none() {
        let processors = thread::available_parallelism().context("cannot count the processors")?;
        cargo.env("RUST_TEST_THREADS", (processors.get() * TESTS_PER_PROCESSOR).to_string());
    }
    finish(&mut cargo)
}

fn tests(targets: &[&str], filter: &[&str]) -> Command {
    let test = ["test", "--workspace", "--locked", "--no-fail-fast"];
    let mut cargo = command::cargo();
    cargo.args([&test, targets, &["--"], filter].concat());
    cargo
}

/// Examples are tests; a link to an item that is not there is an error, as all that rustdoc warns of.
fn document() -> Result<()> {
    test(&["--doc"], &[])?;
    let mut document = command::cargo();
    document.args(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "--deny warnings");
    finish(&mut document)
}

/// In a process of its own: the tests have built this executable anew, and a cluster is made by one that starts itself again.
fn cluster() -> Result<()> {
    cargo(&["run", "--quiet", "--package", "xtask", "--locked", "--", "cluster-test"])
}

/// Gets what the tests start.
fn programs(machine: &Machine) -> Result<()> {
    packages::provide(&REDIS)?;
    packages::provide(&POSTGRESQL)?;
    packages::provide(&PGBOUNCER)?;
    python::ensure(CELERY)?;
    if machine.without_chart().is_none() {
        chart::provide()?;
    }
    control_plane(machine)
}

/// Gets an API server, where one can be had and is not there.
///
/// # Errors
/// It could be had, and was not.
pub(crate) fn control_plane(machine: &Machine) -> Result<()> {
    if machine.assets || machine.without_control_plane().is_some() {
        return Ok(());
    }
    packages::provide(&ETCD)?;
    tools::ensure(Tool::ControlPlane).map(drop)
}

fn finish(command: &mut Command) -> Result<()> {
    let status = command.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests;

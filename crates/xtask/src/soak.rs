//! `cargo xtask soak`: the long forms of the fault and load tests.

#![expect(clippy::print_stderr, reason = "who repeats a run needs its seed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::Result;
use clap::ValueEnum;

use crate::{
    cluster_test::pods::{self, Trials},
    command,
    packages::{self, POSTGRESQL, REDIS},
    python::{self, ORIGINAL},
    repository,
    test::{Machine, control_plane},
};

/// How many requests are compared.
const COMPAT_CASES: &str = "20000";

/// What to run, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds under random faults
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Makes the schedule of faults; one is made up and printed where none is given
    #[arg(long)]
    seed: Option<u64>,
    /// Run this part alone
    #[arg(long, value_enum)]
    only: Option<Part>,
}

impl Args {
    fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| u64::from(std::process::id()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Clients send while every program is killed and stopped at random
    Faults,
    /// 1,000 rounds of 50 concurrent requests with one key over two APIs
    OneKey,
    /// 500 runs of the queue beside its model
    Model,
    /// A million garbled requests, and as many bodies, chunks, amounts and dates
    Fuzz,
    /// 20,000 requests made by chance, each answered as the original's own libraries answer it
    Compat,
    /// 100 times the leader of two controllers is killed or stopped
    Leaders,
    /// Three times the controller's Redis is away for a minute, under load
    Outage,
    /// 20 times 20 pods, half of them busy with jobs of 30 s, are scaled down
    Pods,
}

impl Part {
    /// What cargo is told to test; nothing where this program does it itself.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Leaders => &["--package", "caudal", "--test", "it", "leaders::"],
            Self::Outage => &["--package", "caudal-controller", "--test", "it", "outage::"],
            Self::Pods => &[],
            Self::Faults => &["--package", "caudal", "--test", "it", "soak::"],
            Self::OneKey => &["--package", "caudal", "--test", "it", "admission::"],
            Self::Model => &["--package", "caudal-queue", "--test", "it", "model::"],
            Self::Compat => &["--package", "caudal-api", "--test", "it", "compat::every_generated"],
            Self::Fuzz => {
                &["--release", "--package", "caudal-invoice", "--package", "caudal-api", "--test", "it", "fuzz::"]
            }
        }
    }

    fn settings(self, args: &Args) -> Vec<(&'static str, u64)> {
        let seed = args.seed();
        match self {
            Self::Faults => vec![("SOAK_SECONDS", args.seconds), ("SOAK_SEED", seed)],
            Self::Leaders => vec![("LEADER_ROUNDS", 100), ("SOAK_SEED", seed)],
            Self::Outage => vec![("OUTAGE_SECONDS", 60), ("OUTAGE_ROUNDS", 3)],
            // Its cases are in a file.
            Self::Pods | Self::Compat => Vec::new(),
            Self::OneKey => vec![("ONE_KEY_ROUNDS", 1_000)],
            Self::Model => vec![("PROPTEST_CASES", 500)],
            Self::Fuzz => vec![("FUZZ_REQUESTS", 1_000_000), ("PROPTEST_CASES", 1_000_000)],
        }
    }
}

/// A file of requests with the original's answers.
fn compat(args: &Args, folder: &Path) -> Result<PathBuf> {
    let seed = args.seed();
    eprintln!("compat: --seed {seed}");
    let (file, script) = (folder.join("cases.json"), "crates/caudal-api/tests/it/compat/original.py");
    let mut original = Command::new(python::ensure(ORIGINAL)?);
    original.current_dir(repository::root()).args([script, &seed.to_string(), COMPAT_CASES]);
    fs::write(&file, command::text(&mut original)?)?;
    Ok(file)
}

/// Runs the parts one after the other, until one fails.
///
/// # Errors
/// A program cannot be got or started.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    packages::provide(&REDIS)?;
    packages::provide(&POSTGRESQL)?;
    control_plane(&Machine::here())?;
    let parts = args.only.as_ref().map_or_else(Part::value_variants, std::slice::from_ref);
    for part in parts {
        if *part == Part::Pods {
            return pods::run(Trials { trials: 20, seconds: 30 }).await;
        }
        let folder = tempfile::tempdir()?;
        let mut cargo = command::cargo();
        if *part == Part::Compat {
            cargo.env("COMPAT_CASES", compat(args, folder.path())?);
        }
        cargo.args(["test", "--locked"]).args(part.arguments()).args(["--", "--nocapture"]);
        cargo.envs(part.settings(args).into_iter().map(|(name, value)| (name, value.to_string())));
        let status = cargo.status()?;
        if !status.success() {
            return Ok(command::code(status));
        }
    }
    Ok(ExitCode::SUCCESS)
}

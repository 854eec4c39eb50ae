#![doc = include_str!("../README.md")]

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod chart;
mod cluster;
mod cluster_test;
mod command;
mod deploy;
mod dev;
mod image;
mod packages;
mod python;
mod repository;
mod soak;
mod test;
mod tilt;
mod tools;

/// This repository's scripts.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run everything on this machine, with a sample going through.
    Dev(dev::Args),
    /// Run all that must hold: format, lints, tests, documentation, control plane, cluster.
    Test,
    /// Run the fault and load tests for long: see `cargo xtask soak --help`.
    Soak(soak::Args),
    /// Measure what Caudal can do here, each figure beside its floor.
    Bench(bench::Args),
    /// Run a command in a real, disposable Kubernetes.
    Cluster(cluster::Args),
    /// A stage of `cluster`.
    #[command(hide = true)]
    ClusterStage(cluster::stage::Args),
    /// Install the chart in a real, disposable Kubernetes and check every number.
    ClusterTest,
    /// What happens in the cluster of `cluster-test`.
    #[command(hide = true)]
    ClusterTestInside,
    /// What happens in the cluster of `soak --only pods`.
    #[command(hide = true)]
    PodsInside(cluster_test::pods::Trials),
    /// Build the images of the chart's default values.
    Image,
    /// Write the files that are made from the chart: its README and its renders.
    Chart(chart::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    run(Cli::parse().task).await.unwrap_or_else(|error| {
        // Nobody reading is no reason for another error.
        let _ = writeln!(io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Dev(args) => dev::run(args).await,
        Task::Test => test::run(),
        Task::Bench(args) => bench::run(&args),
        Task::Soak(args) => soak::run(&args).await,
        Task::Cluster(args) => cluster::execute(args).await,
        Task::ClusterStage(args) => cluster::stage::execute(args).await,
        Task::ClusterTest => cluster_test::run().await.map(|()| ExitCode::SUCCESS),
        Task::ClusterTestInside => cluster_test::inside().await,
        Task::PodsInside(trials) => cluster_test::pods::inside(trials).await,
        Task::Image => image::execute(),
        Task::Chart(args) => chart::execute(&args),
    }
}

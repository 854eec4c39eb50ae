#![doc = include_str!("../README.md")]

mod cli;
mod dev;
mod role;

use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cli::Cli::parse().run().await
}

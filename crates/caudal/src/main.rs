#![doc = include_str!("../README.md")]

mod cli;
mod dev;
mod role;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody reads the line, the exit code still tells.
            let _ = writeln!(std::io::stderr(), "caudal: {error:#}");
            ExitCode::FAILURE
        }
    }
}

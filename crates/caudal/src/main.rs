#![doc = include_str!("../README.md")]

mod cli;
mod dev;
mod role;
mod send;
mod terminal;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody reads the line, the exit code still tells.
            let _ = writeln!(std::io::stderr(), "caudal: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, but for those that the ones before them quote already.
fn one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |line, cause| match line.as_str() {
        "" => cause,
        told if told.contains(&cause) => line,
        told => format!("{told}: {cause}"),
    })
}

#![doc = include_str!("../README.md")]

mod adopt;
mod cli;
mod dead;
mod dev;
mod queue;
#[cfg(test)]
mod reference;
mod role;
mod send;
mod setting;
mod terminal;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Each request makes and drops many small pieces on whichever thread runs it: the C library's allocator costs a tenth more.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match cli::Cli::read() {
        Ok(cli) => cli.run().await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::note(format!("caudal: {}", one_line(&error)));
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

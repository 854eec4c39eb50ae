//! `cargo xtask dev`: what `caudal dev` needs, got and started, and stopped again with it.
#![expect(clippy::print_stderr, reason = "another terminal's `caudal` needs to know where the stores are")]

use std::{
    env,
    os::unix::process::ExitStatusExt,
    process::{Command, ExitCode, ExitStatus},
};

use anyhow::{Context, Result, ensure};
use caudal_testkit::{Output, Postgres, Process, Redis, Signal};
use tokio::signal::unix::{self, SignalKind};

use crate::{
    command,
    packages::{self, POSTGRESQL, REDIS},
};

/// What `cargo xtask dev` understands.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Exit once the sample is recorded: 0 only when every invoice of it is in the ledger.
    #[arg(long)]
    once: bool,
    /// Further arguments for `caudal dev`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs `caudal dev` on a Redis and a PostgreSQL of its own, or on those that `REDIS_URL` and `DATABASE_URL` name.
/// Returns its code.
///
/// # Errors
/// What could not be got, built or started.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    for (variable, package) in [("REDIS_URL", REDIS), ("DATABASE_URL", POSTGRESQL)] {
        if !given(variable) {
            packages::provide(&package)?;
        }
    }
    build()?;
    let mut signals = Signals::listen()?;
    let services = tokio::select! {
        services = Services::start() => services?,
        signal = signals.next() => return Ok(command::code(ExitStatus::from_raw(signal.as_raw()))),
    };
    let status = play(&args, &services, &mut signals).await;
    services.stop().await?;
    Ok(command::code(status?))
}

/// A variable that is set to nothing counts as not set.
fn given(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn build() -> Result<()> {
    let status = command::cargo().args(["build", "--package", "caudal"]).status().context("cannot run cargo")?;
    ensure!(status.success(), "caudal could not be built");
    Ok(())
}

/// Runs `caudal dev` to its end. Every signal is handed on: how to finish is its own business.
async fn play(args: &Args, services: &Services, signals: &mut Signals) -> Result<ExitStatus> {
    let caudal = env::current_exe()?.with_file_name("caudal");
    let mut command = Command::new(caudal);
    command.arg("dev").args(args.once.then_some("--once")).args(&args.arguments);
    let environment = services.environment().await?;
    for (variable, value) in environment.iter().filter(|_| !args.once) {
        eprintln!("export {variable}={value}");
    }
    command.envs(environment);
    let caudal = Process::start(&command, Output::Inherit)?;
    loop {
        tokio::select! {
            status = caudal.wait() => return Ok(status?),
            signal = signals.next() => caudal.signal(signal)?,
        }
    }
}

/// The servers started here; one that the user has named is none of them.
struct Services {
    redis: Option<Redis>,
    postgres: Option<Postgres>,
}

impl Services {
    async fn start() -> Result<Self> {
        let redis = async { Ok(if given("REDIS_URL") { None } else { Some(Redis::start().await?) }) };
        let postgres = async { Ok(if given("DATABASE_URL") { None } else { Some(Postgres::start_durable().await?) }) };
        let (redis, postgres) = tokio::try_join!(redis, postgres).map_err(|error: caudal_testkit::Error| error)?;
        Ok(Self { redis, postgres })
    }

    async fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        let mut environment = Vec::new();
        if let Some(redis) = &self.redis {
            environment.push(("REDIS_URL", redis.url()));
        }
        if let Some(postgres) = &self.postgres {
            environment.push(("DATABASE_URL", postgres.named_database("caudal").await?));
        }
        Ok(environment)
    }

    async fn stop(self) -> Result<()> {
        if let Some(mut redis) = self.redis {
            redis.stop().await?;
        }
        if let Some(mut postgres) = self.postgres {
            postgres.stop().await?;
        }
        Ok(())
    }
}

/// The signals that ask this program to end.
struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            hangup: unix::signal(SignalKind::hangup())?,
        })
    }

    /// The next signal; the loss of the terminal counts as the request to end that it is.
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::TERM,
        }
    }
}

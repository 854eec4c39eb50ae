//! The programs under fire: struck by the schedule, each brought back, and watched.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use caudal_testkit::{Output, Postgres, Process, Redis, Signal};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::schedule::{Blow, Fault, Target};
use crate::stack::{kill, ready};

/// By then a program that was brought back is well.
const WELL: Duration = Duration::from_secs(60);

/// A program that can be struck and brought back.
pub(super) enum Program {
    Redis(Redis),
    Postgres(Postgres),
    Role(Role),
}

/// A role's process and how to start it again.
pub(super) struct Role {
    command: Command,
    ops_address: String,
    output: Output,
    process: Option<Process>,
}

/// What became of one fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    pub(super) target: Target,
    pub(super) blow: Blow,
    /// From the fault's end until the program was ready; none where the next fault came before.
    pub(super) took: Option<Duration>,
    /// The most memory the program had held before, in KiB; only of roles.
    pub(super) memory: Option<u64>,
}

impl Role {
    pub(super) fn start(command: Command, ops_address: String, output: Output) -> Self {
        let process = Process::start(&command, output.clone()).unwrap();
        Self { command, ops_address, output, process: Some(process) }
    }

    fn running(&self) -> &Process {
        let process = self.process.as_ref().unwrap();
        // A role ends only when it is told to.
        process.check().unwrap();
        process
    }
}

impl Program {
    async fn strike(&mut self, blow: Blow) {
        match (self, blow) {
            (Self::Redis(redis), Blow::Kill) => redis.kill().await.unwrap(),
            (Self::Redis(redis), Blow::Stop) => redis.pause().unwrap(),
            (Self::Postgres(postgres), Blow::Kill) => postgres.kill().await.unwrap(),
            (Self::Postgres(postgres), Blow::Stop) => postgres.pause().unwrap(),
            (Self::Role(role), Blow::Kill) => {
                role.running();
                kill(role.process.take().unwrap()).await;
            }
            (Self::Role(role), Blow::Stop) => role.running().signal(Signal::STOP).unwrap(),
        }
    }

    async fn bring_back(&mut self, blow: Blow) {
        match (self, blow) {
            (Self::Redis(redis), Blow::Kill) => redis.restart().await.unwrap(),
            (Self::Redis(redis), Blow::Stop) => redis.resume().unwrap(),
            (Self::Postgres(postgres), Blow::Kill) => postgres.restart().await.unwrap(),
            (Self::Postgres(postgres), Blow::Stop) => postgres.resume().unwrap(),
            (Self::Role(role), Blow::Kill) => {
                role.process = Some(Process::start(&role.command, role.output.clone()).unwrap());
            }
            (Self::Role(role), Blow::Stop) => role.running().signal(Signal::CONT).unwrap(),
        }
    }

    /// The most memory that a role's present process has held, in KiB.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        match self {
            Self::Role(role) => peak_memory(role.running().id()),
            Self::Redis(_) | Self::Postgres(_) => None,
        }
    }

    /// Returns once the program is of use again.
    pub(super) async fn well(&self) {
        if let Self::Role(role) = self {
            role.running().ready(WELL, async || ready(&role.ops_address).await).await.unwrap();
        }
    }
}

/// All programs of the run.
pub(super) struct Fleet {
    pub(super) programs: BTreeMap<Target, Program>,
}

impl Fleet {
    /// Strikes and brings back by the schedule. When it is over everything runs and is ready.
    pub(super) async fn endure(&mut self, faults: &[Fault], begun: Instant) -> Vec<Recovery> {
        let endured = self.programs.iter_mut().map(|(target, program)| {
            let own = faults.iter().filter(|fault| fault.target == *target).copied().collect();
            endure(program, own, begun)
        });
        let recoveries = join_all(endured).await.concat();
        for program in self.programs.values() {
            program.well().await;
        }
        recoveries
    }
}

async fn endure(program: &mut Program, faults: Vec<Fault>, begun: Instant) -> Vec<Recovery> {
    let mut recoveries = Vec::new();
    for (index, Fault { at, target, blow, lasts }) in faults.iter().copied().enumerate() {
        sleep_until(begun + at).await;
        let memory = program.peak_memory();
        program.strike(blow).await;
        sleep(lasts).await;
        let ended = Instant::now();
        program.bring_back(blow).await;
        let next = faults.get(index + 1).map_or(ended + WELL, |next| begun + next.at);
        let took = timeout_at(next, program.well()).await.ok().map(|()| ended.elapsed());
        recoveries.push(Recovery { target, blow, took, memory });
    }
    recoveries
}

/// The most memory a process has held at once, in KiB, where the system tells.
fn peak_memory(process: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}

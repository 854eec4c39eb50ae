//! Clients send while every program is killed and stopped at random: nothing accepted is lost, doubled or made up.
#![expect(clippy::print_stderr, reason = "whoever runs it for long wants to see how it went")]

mod audit;
mod fleet;
mod schedule;
mod sender;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use caudal_queue::Queue;
use caudal_testkit::Output;
use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::long::setting;
use crate::stack::{Stack, free_address};
use fleet::{Fleet, Program, Recovery, Role};
use schedule::{Fault, Target, schedule};
use sender::{Knowledge, Sender};

const SENDERS: u64 = 10;
/// Every lease has run out by then, and what was left is recorded.
const DRAIN: Duration = Duration::from_secs(120);
/// More than a role ever needs, in KiB.
const MOST_MEMORY: u64 = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_or_stopped_what_was_accepted_is_recorded_once() {
    let length = Duration::from_secs(setting("SOAK_SECONDS", 30));
    let seed = setting("SOAK_SEED", 1);
    let faults = schedule(seed, length);
    eprintln!("seed {seed}, {} faults in {length:?}:", faults.len());
    faults.iter().for_each(|fault| eprintln!("{fault}"));

    let logs = TempDir::new().unwrap();
    let mut site = Site::start(&logs).await;
    let over = CancellationToken::new();
    let senders: Vec<_> =
        (0..SENDERS).map(|number| Sender::new(format!("c{number}"), seed ^ number << 32, site.urls())).collect();
    let senders: Vec<_> = senders.into_iter().map(|sender| tokio::spawn(sender.run(over.clone()))).collect();
    let begun = Instant::now();
    let recoveries = site.fleet.endure(&faults, begun).await;
    over.cancel();
    let knowledge: Vec<Knowledge> = join_all(senders).await.into_iter().map(Result::unwrap).collect();
    let sent = begun.elapsed();

    let mut wrong = audit::drained(&site.queue, DRAIN).await;
    eprintln!("drained {:.1} s after the last answer", (begun.elapsed() - sent).as_secs_f64());
    report(&faults, &recoveries, &knowledge);
    let amounts = knowledge.iter().flat_map(|one| one.amounts.clone()).collect();
    wrong.extend(audit::ledger(&site.database, &amounts).await);
    for known in &knowledge {
        wrong.extend(audit::batches(&site.client(), known).await);
        wrong.extend(known.wrong.iter().cloned());
    }
    wrong.extend(site.memory(&recoveries));
    wrong.extend(panics(&logs));
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
}

/// Everything that runs.
struct Site {
    fleet: Fleet,
    database: String,
    queue: Queue,
    addresses: Vec<String>,
}

impl Site {
    async fn start(logs: &TempDir) -> Self {
        let stack = Stack::start().await;
        let mut addresses = Vec::new();
        let mut programs = BTreeMap::new();
        for target in Target::ALL {
            let ops_address = free_address();
            let command = match target {
                Target::Redis | Target::Postgres => continue,
                Target::Api(_) => {
                    addresses.push(free_address());
                    let listen = addresses.last().unwrap();
                    stack.command(&["api", "--listen", listen, "--ops-listen", &ops_address])
                }
                Target::Worker(_) => stack.command(&["worker", "--ops-listen", &ops_address]),
            };
            let output = Output::File(logs.path().join(format!("{target}.log")));
            programs.insert(target, Program::Role(Role::start(command, ops_address, output)));
        }
        let queue = stack.queue();
        let Stack { redis, postgres, database, .. } = stack;
        programs.insert(Target::Redis, Program::Redis(redis));
        programs.insert(Target::Postgres, Program::Postgres(postgres));
        for program in programs.values() {
            program.well().await;
        }
        Self { fleet: Fleet { programs }, database, queue, addresses }
    }

    fn urls(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("http://{address}/facturas/")).collect()
    }

    fn client(&self) -> Client {
        Client::new(format!("http://{}", self.addresses[0]))
    }

    /// The processes that held too much memory.
    fn memory(&self, recoveries: &[Recovery]) -> Vec<String> {
        let before = recoveries.iter().filter_map(|recovery| Some((recovery.target, recovery.memory?)));
        let last = self.fleet.programs.iter().filter_map(|(target, program)| Some((*target, program.peak_memory()?)));
        let mut most = BTreeMap::<Target, u64>::new();
        for (target, kib) in before.chain(last) {
            let most = most.entry(target).or_default();
            *most = (*most).max(kib);
        }
        most.iter().for_each(|(target, kib)| eprintln!("{target} held at most {} MiB", kib / 1024));
        let too_much = most.into_iter().filter(|(_, kib)| *kib > MOST_MEMORY);
        too_much.map(|(target, kib)| format!("{target} held {kib} KiB of memory")).collect()
    }
}

/// What the roles' logs tell of panics.
fn panics(logs: &TempDir) -> Vec<String> {
    let files = fs::read_dir(logs.path()).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    files
        .flat_map(|log| log.lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn report(faults: &[Fault], recoveries: &[Recovery], knowledge: &[Knowledge]) {
    let mut answers = BTreeMap::<&str, u64>::new();
    knowledge
        .iter()
        .flat_map(|one| &one.answers)
        .for_each(|(answer, count)| *answers.entry(answer).or_default() += count);
    let batches: usize = knowledge.iter().map(|one| one.batches.len()).sum();
    let invoices: usize = knowledge.iter().map(|one| one.amounts.len()).sum();
    eprintln!("{batches} batches accepted, with {invoices} different invoices; answers: {answers:?}");
    let mut accepted: Vec<_> = knowledge.iter().flat_map(|one| &one.accepted).collect();
    accepted.sort();
    let silence = accepted.windows(2).map(|pair| *pair[1] - *pair[0]).max().unwrap_or_default();
    eprintln!("longest time without a batch accepted: {:.1} s", silence.as_secs_f64());

    let mut kinds = BTreeMap::<_, Vec<&Recovery>>::new();
    recoveries.iter().for_each(|recovery| kinds.entry((recovery.target, recovery.blow)).or_default().push(recovery));
    for ((target, blow), own) in kinds {
        let slowest = own.iter().filter_map(|recovery| recovery.took).max().unwrap_or_default();
        let open = own.iter().filter(|recovery| recovery.took.is_none()).count();
        eprintln!(
            "{blow:?} {target}: {} times, ready at the latest {:.1} s later, {open} times struck before",
            own.len(),
            slowest.as_secs_f64()
        );
    }
    eprintln!("{} faults", faults.len());
}
